# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A camera driver under the test's control: a box one metre away in front of a wall at two."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
from nav_msgs.msg import Odometry
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from ros_support import RosClient
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from spatialgeo_ros.node.conversions import depth_to_image, ns_to_stamp, rgb_to_image

WIDTH, HEIGHT, FOCAL = 160, 120, 130.0
BOX_DISTANCE, WALL_DISTANCE = 1.0, 2.0
BOX = (56, 42, 104, 78)  # x0, y0, x1, y1 px, of the box in the image


def scene_rgb() -> np.ndarray:
    image = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    image[BOX[1] : BOX[3], BOX[0] : BOX[2]] = (200, 40, 30)
    return image


def scene_depth() -> np.ndarray:
    depth = np.full((HEIGHT, WIDTH), round(WALL_DISTANCE * 1000), np.uint16)
    depth[BOX[1] : BOX[3], BOX[0] : BOX[2]] = round(BOX_DISTANCE * 1000)
    return depth


class CameraDriver:
    """Publishes what it is told to, frame by frame or at a rate in the background."""

    def __init__(
        self,
        ros: RosClient,
        namespace: str,
        camera: str = "camera",
        qos: QoSProfile = qos_profile_sensor_data,
        compressed: bool = False,
        compressed_depth: bool = False,
    ) -> None:
        base = f"/{namespace}/{camera}"
        kind, suffix = (CompressedImage, "/compressed") if compressed else (Image, "")
        node = ros.node
        self.image = node.create_publisher(kind, f"{base}/image_raw{suffix}", qos)
        self.info = node.create_publisher(CameraInfo, f"{base}/camera_info", qos)
        depth_kind, suffix = (
            (CompressedImage, "/compressedDepth") if compressed_depth else (Image, "")
        )
        self.depth = node.create_publisher(depth_kind, f"{base}/depth/image_raw{suffix}", qos)
        self.odometry = node.create_publisher(Odometry, f"/{namespace}/odom", qos)
        self.name = camera
        self._frame_id = f"{camera}_optical_frame"
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def matched(self) -> bool:
        publishers = (self.image, self.info, self.depth)
        return all(one.get_subscription_count() > 0 for one in publishers)

    def header(self, stamp_ns: int | None = None) -> Header:
        stamp = time.time_ns() if stamp_ns is None else stamp_ns
        return Header(stamp=ns_to_stamp(stamp), frame_id=self._frame_id)

    def camera_info(self, header: Header) -> CameraInfo:
        k = [FOCAL, 0.0, (WIDTH - 1) / 2, 0.0, FOCAL, (HEIGHT - 1) / 2, 0.0, 0.0, 1.0]
        info = CameraInfo(header=header, width=WIDTH, height=HEIGHT, k=k)
        info.distortion_model, info.d = "plumb_bob", [0.0] * 5
        return info

    def publish(
        self,
        stamp_ns: int | None = None,
        *,
        image: Any = True,
        info: Any = True,
        depth: Any = True,
        odometry: bool = False,
    ) -> Header:
        """Publish one frame; True stands for the scene, None or False for nothing."""
        header = self.header(stamp_ns)
        if odometry:
            message = Odometry(header=Header(stamp=header.stamp, frame_id="odom"))
            message.child_frame_id = "base_link"
            message.pose.pose.orientation.w = 1.0
            self.odometry.publish(message)
        for publisher, given, scene in (
            (self.info, info, self.camera_info),
            (self.depth, depth, lambda h: depth_to_image(scene_depth(), h)),
            (self.image, image, lambda h: rgb_to_image(scene_rgb(), h)),
        ):
            if given is True:
                publisher.publish(scene(header))
            elif given is not None and given is not False:
                given.header = header
                publisher.publish(given)
        return header

    def run(self, rate: float = 15.0, **what: Any) -> CameraDriver:
        """Publish in the background until :meth:`stop`."""
        self._stop.clear()

        def publish() -> None:
            while not self._stop.wait(1.0 / rate):
                self.publish(**what)

        self._thread = threading.Thread(target=publish, daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def __enter__(self) -> CameraDriver:
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()
