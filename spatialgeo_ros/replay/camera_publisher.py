# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Publishes RGB-D frames, odometry and TF as a camera driver does; simulator and replay use it."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
import numpy.typing as npt
from builtin_interfaces.msg import Time as TimeMessage
from geometry_msgs.msg import TransformStamped
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.pose import BODY_FROM_OPTICAL, Pose
from spatialgeo_ros.node.conversions import camera_to_info, pose_to_msg
from spatialgeo_ros.node.image_conversions import depth_to_image, message_bytes, rgb_to_image
from spatialgeo_ros.node.lifecycle_publishers import LATCHED


def sensor_qos(reliable: bool = False) -> QoSProfile:
    """Return SensorData quality of service (depth 5), reliable where asked for."""
    if not reliable:
        return qos_profile_sensor_data
    return QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)


class CameraPublisher:
    """One camera's topics under ``<name>/``: image, calibration, depth and its calibration.

    Args:
        node: that owns the publishers.
        name: of the camera: prefix of its topics and frames.
        camera: intrinsics of image and (registered) depth.
        reliable: publish images reliably instead of best effort.
        depth: publish depth.
        compressed: publish ``image_raw/compressed`` (JPEG) as well.
    """

    def __init__(
        self,
        node: Node,
        name: str,
        camera: PinholeCamera,
        reliable: bool = False,
        depth: bool = True,
        compressed: bool = False,
    ) -> None:
        qos = sensor_qos(reliable)
        self.name = name
        self.camera = camera
        self.frame_id = f"{name}_optical_frame"
        self._image = node.create_publisher(Image, f"{name}/image_raw", qos)
        self._info = node.create_publisher(CameraInfo, f"{name}/camera_info", qos)
        self._compressed = None
        if compressed:
            topic = f"{name}/image_raw/compressed"
            self._compressed = node.create_publisher(CompressedImage, topic, qos)
        self._depth = self._depth_info = None
        if depth:
            self._depth = node.create_publisher(Image, f"{name}/depth/image_raw", qos)
            self._depth_info = node.create_publisher(CameraInfo, f"{name}/depth/camera_info", qos)

    def publish(
        self,
        stamp: TimeMessage,
        rgb: npt.NDArray[np.uint8],
        depth: npt.NDArray[np.uint16] | None,
    ) -> None:
        """Publish one frame, all of it with the same stamp.

        Args:
            stamp: time of exposure.
            rgb: [H, W, 3] colour image; published as bgr8.
            depth: [H, W] millimetres, 0 invalid; None publishes no depth for this frame.
        """
        header = Header(stamp=stamp, frame_id=self.frame_id)
        info = camera_to_info(self.camera, header)
        # Calibration and depth first: whoever waits for an image's companions then waits less.
        self._info.publish(info)
        if depth is not None and self._depth is not None and self._depth_info is not None:
            self._depth_info.publish(info)
            self._depth.publish(depth_to_image(depth, header))
        self._image.publish(rgb_to_image(rgb, header, "bgr8"))
        if self._compressed is not None:
            _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
            message = CompressedImage(header=header, format="bgr8; jpeg compressed bgr8")
            message.data = message_bytes(jpeg)
            self._compressed.publish(message)


class PosePublisher:
    """Odometry of the base and, where ``tf2_msgs`` is installed, the TF tree down to the cameras.

    Args:
        node: that owns the publishers.
        mounts: (camera name, base_from_body of the camera: x forward, z up) of every camera that
            the base carries; none when the base frame is the camera's own.
        odom_frame: name of the world frame.
        base_frame: name of the robot's base.
        topic: of the odometry.
    """

    def __init__(
        self,
        node: Node,
        mounts: Iterable[tuple[str, Pose]],
        odom_frame: str = "odom",
        base_frame: str = "base_link",
        topic: str = "odom",
    ) -> None:
        self.odom_frame, self.base_frame = odom_frame, base_frame
        self._odometry = node.create_publisher(Odometry, topic, QoSProfile(depth=10))
        self._tf = None
        try:
            from tf2_msgs.msg import TFMessage
        except ImportError:
            node.get_logger().info(
                "tf2_msgs is not installed: poses are published as odometry only, without TF"
            )
            return
        self._message = TFMessage
        # /tf and /tf_static are absolute by convention: every TF listener looks there.
        self._tf = node.create_publisher(TFMessage, "/tf", QoSProfile(depth=100))
        self._static = node.create_publisher(TFMessage, "/tf_static", LATCHED)
        stamp = node.get_clock().now().to_msg()
        transforms = []
        for name, mount in mounts:
            link, optical = f"{name}_link", f"{name}_optical_frame"
            transforms.append(_transform(stamp, base_frame, link, mount))
            transforms.append(_transform(stamp, link, optical, BODY_FROM_OPTICAL))
        if transforms:
            self._static.publish(TFMessage(transforms=transforms))

    def publish(self, stamp: TimeMessage, odom_from_base: Pose) -> None:
        """Publish where the base is at ``stamp``."""
        message = Odometry(child_frame_id=self.base_frame)
        message.header = Header(stamp=stamp, frame_id=self.odom_frame)
        message.pose.pose = pose_to_msg(odom_from_base)
        self._odometry.publish(message)
        if self._tf is not None:
            moved = _transform(stamp, self.odom_frame, self.base_frame, odom_from_base)
            self._tf.publish(self._message(transforms=[moved]))


def _transform(stamp: TimeMessage, parent: str, child: str, pose: Pose) -> TransformStamped:
    message = TransformStamped(header=Header(stamp=stamp, frame_id=parent), child_frame_id=child)
    as_pose = pose_to_msg(pose)
    position, translation = as_pose.position, message.transform.translation
    translation.x, translation.y, translation.z = position.x, position.y, position.z
    message.transform.rotation = as_pose.orientation
    return message
