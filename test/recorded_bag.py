# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A bag of a robot that drives past two boxes: colour, depth, TF or odometry, and a detector."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from box_world import Box, camera_pose, render

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.pose import BODY_FROM_OPTICAL, Pose
from spatialgeo_ros.recordings.vision_types import register_vision_types

CAMERA = PinholeCamera(320, 240, 260.0, 260.0, 159.5, 119.5)
#: Of the first image, and between two, nanoseconds.
FIRST_NS, STEP_NS = 1_700_000_000_123_456_789, 200_000_000
LAG_NS = 60_000_000  # of the detector
HEIGHT, PITCH = 0.9, 0.3  # of the camera on the robot, metres and radians
SUITCASE = Box((1.8, 0.3, 0.0), (2.1, 0.8, 0.6), (40, 60, 190))
BIN = Box((1.9, -0.7, 0.0), (2.2, -0.4, 0.5), (190, 60, 40))
WALL = Box((3.4, -3.0, 0.0), (3.5, 3.0, 2.4), (150, 150, 140))
THINGS = {"suitcase": SUITCASE, "trash can": BIN}
GAP = 0.7  # metres between suitcase and bin: their y ranges, x ranges overlap
CENTRES = {name: (np.add(one.low, one.high) / 2).astype(np.float64) for name, one in THINGS.items()}


@dataclass(frozen=True)
class Recorded:
    """What a bag holds.

    Attributes:
        frames: number of images.
        storage: "MCAP" or "SQLITE3".
        poses: "tf", "odometry", or "" for none.
        boxes, depth, info: whether these topics are there.
        every_box: boxes come with every so many-th image.
        boxes_stamped: whether the detector copies the stamp of its image; else it is zero.
        turned_from: number of the first image that looks the other way; None for none.
        depth_late_ns: by which stamps of depth are later than those of the images.
        camera: prefix of the topics and the frame.
    """

    frames: int = 20
    storage: str = "MCAP"
    poses: str = "tf"
    boxes: bool = True
    depth: bool = True
    info: bool = True
    every_box: int = 1
    boxes_stamped: bool = True
    turned_from: int | None = None
    depth_late_ns: int = 0
    camera: str = "cam"


def base_pose(k: int) -> Pose:
    """Place of the robot's base at image k."""
    y = -0.5 + 0.05 * k
    yaw = math.atan2(0.05 - y, 2.0)
    cos, sin = math.cos(yaw), math.sin(yaw)
    return Pose(np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1.0]]), np.array([0.0, y, 0.0]))


def driven(what: Recorded, k: int) -> Pose:
    """Place of the base of a bag's robot at image k."""
    pose = base_pose(k)
    if what.turned_from is None or k < what.turned_from:
        return pose
    return Pose(pose.rotation @ np.diag([-1.0, -1.0, 1.0]), pose.translation)


#: base_from_camera, of its optical frame.
MOUNT = camera_pose(0.1, 0.0, HEIGHT, 0.0, PITCH)


def stamp_of(k: int) -> int:
    return FIRST_NS + k * STEP_NS


class Writer:
    """Makes messages of the types that ROS has."""

    def __init__(self) -> None:
        from rosbags.typesys import Stores, get_typestore

        self.store = get_typestore(Stores.ROS2_JAZZY)
        register_vision_types(self.store)

    def make(self, kind: str, **fields: Any) -> Any:
        package, name = kind.split("/")
        return self.store.types[f"{package}/msg/{name}"](**fields)

    def header(self, stamp_ns: int, frame: str) -> Any:
        seconds, rest = divmod(stamp_ns, 1_000_000_000)
        time = self.make("builtin_interfaces/Time", sec=seconds, nanosec=rest)
        return self.make("std_msgs/Header", stamp=time, frame_id=frame)

    def image(self, array: np.ndarray, encoding: str, stamp_ns: int, frame: str) -> Any:
        data = np.ascontiguousarray(array)
        return self.make(
            "sensor_msgs/Image", header=self.header(stamp_ns, frame), height=array.shape[0],
            width=array.shape[1], encoding=encoding, is_bigendian=0,
            step=data.nbytes // array.shape[0], data=data.view(np.uint8).ravel(),
        )  # fmt: skip

    def info(self, stamp_ns: int, frame: str, camera: PinholeCamera = CAMERA) -> Any:
        roi = self.make(
            "sensor_msgs/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0,
            do_rectify=False,
        )  # fmt: skip
        return self.make(
            "sensor_msgs/CameraInfo", header=self.header(stamp_ns, frame), height=camera.height,
            width=camera.width, distortion_model="plumb_bob", d=np.zeros(5), k=camera.K.ravel(),
            r=np.eye(3).ravel(), p=np.hstack([camera.K, np.zeros((3, 1))]).ravel(), binning_x=0,
            binning_y=0, roi=roi,
        )  # fmt: skip

    def pose(self, pose: Pose, transform: bool) -> Any:
        x, y, z, w = (float(v) for v in pose.quaternion())
        turn = self.make("geometry_msgs/Quaternion", x=x, y=y, z=z, w=w)
        x, y, z = (float(v) for v in pose.translation)
        if transform:
            vector = self.make("geometry_msgs/Vector3", x=x, y=y, z=z)
            return self.make("geometry_msgs/Transform", translation=vector, rotation=turn)
        point = self.make("geometry_msgs/Point", x=x, y=y, z=z)
        return self.make("geometry_msgs/Pose", position=point, orientation=turn)

    def tf(self, parent: str, child: str, stamp_ns: int, pose: Pose) -> Any:
        one = self.make(
            "geometry_msgs/TransformStamped", header=self.header(stamp_ns, parent),
            child_frame_id=child, transform=self.pose(pose, transform=True),
        )  # fmt: skip
        return self.make("tf2_msgs/TFMessage", transforms=[one])

    def odometry(self, stamp_ns: int, pose: Pose) -> Any:
        zero = self.make("geometry_msgs/Vector3", x=0.0, y=0.0, z=0.0)
        twist = self.make("geometry_msgs/Twist", linear=zero, angular=zero)
        return self.make(
            "nav_msgs/Odometry", header=self.header(stamp_ns, "odom"), child_frame_id="base_link",
            pose=self.make("geometry_msgs/PoseWithCovariance",
                           pose=self.pose(pose, transform=False), covariance=np.zeros(36)),
            twist=self.make("geometry_msgs/TwistWithCovariance", twist=twist,
                            covariance=np.zeros(36)),
        )  # fmt: skip

    def detections(self, stamp_ns: int, frame: str, boxes: dict[str, tuple[float, ...]]) -> Any:
        head = self.header(stamp_ns, frame)
        found = []
        for label, (x0, y0, x1, y1) in boxes.items():
            middle = self.make("vision_msgs/Point2D", x=(x0 + x1) / 2, y=(y0 + y1) / 2)
            box = self.make(
                "vision_msgs/BoundingBox2D", size_x=x1 - x0, size_y=y1 - y0,
                center=self.make("vision_msgs/Pose2D", position=middle, theta=0.0),
            )  # fmt: skip
            nowhere = self.make(
                "geometry_msgs/PoseWithCovariance", pose=self.pose(Pose(), transform=False),
                covariance=np.zeros(36),
            )  # fmt: skip
            hypothesis = self.make("vision_msgs/ObjectHypothesis", class_id=label, score=0.9)
            result = self.make(
                "vision_msgs/ObjectHypothesisWithPose", hypothesis=hypothesis, pose=nowhere
            )
            found.append(
                self.make("vision_msgs/Detection2D", header=head, results=[result], bbox=box, id="")
            )
        return self.make("vision_msgs/Detection2DArray", header=head, detections=found)


def boxes_at(pose: Pose) -> dict[str, tuple[float, ...]]:
    """Boxes of the things in the image of a camera, pixels; of those that are whole in view."""
    found = {}
    for name, one in THINGS.items():
        if pose.inverse().apply(np.add(one.low, one.high) / 2)[2] < 0:
            continue  # behind the camera
        corners = np.array(
            [
                [(one.low, one.high)[i][0], (one.low, one.high)[j][1], (one.low, one.high)[k][2]]
                for i in (0, 1)
                for j in (0, 1)
                for k in (0, 1)
            ]
        )
        pixels = CAMERA.project(pose.inverse().apply(corners))
        low, high = pixels.min(axis=0), pixels.max(axis=0)
        if (low >= 0).all() and high[0] < CAMERA.width and high[1] < CAMERA.height:
            found[name] = (*(float(v) for v in low), *(float(v) for v in high))
    return found


def _messages(what: Recorded, writer: Writer) -> Iterator[tuple[str, int, Any]]:
    """Topic, time of recording and message."""
    prefix, frame = f"/{what.camera}", f"{what.camera}_optical_frame"
    rng = np.random.default_rng(7)
    if what.poses:
        static = writer.tf("base_link", frame, 0, MOUNT)
        yield "/tf_static", FIRST_NS - STEP_NS, static
    for k in range(-1, what.frames + 1):
        stamp = stamp_of(k)
        if what.poses == "tf":
            yield "/tf", stamp, writer.tf("odom", "base_link", stamp, driven(what, k))
        elif what.poses == "odometry":
            yield "/odom", stamp, writer.odometry(stamp, driven(what, k))
        if not 0 <= k < what.frames:
            continue
        stamp, pose = stamp_of(k), driven(what, k) @ MOUNT
        rgb, depth = render(CAMERA, pose, [SUITCASE, BIN, WALL])
        noisy = rgb.astype(np.int16) + rng.integers(-6, 7, rgb.shape)
        image = writer.image(np.clip(noisy, 0, 255).astype(np.uint8), "rgb8", stamp, frame)
        yield f"{prefix}/image", stamp + 5_000_000, image
        if what.info:
            yield f"{prefix}/camera_info", stamp + 5_000_000, writer.info(stamp, frame)
        if what.depth:
            metres = np.nan_to_num(depth + rng.normal(0, 0.003, depth.shape))
            millimetres = np.round(metres * 1000).astype(np.uint16)
            late = stamp + what.depth_late_ns
            picture = writer.image(millimetres, "16UC1", late, frame)
            yield f"{prefix}/depth", stamp + 9_000_000, picture
        if what.boxes and k % what.every_box == 0:
            drawn = stamp if what.boxes_stamped else 0
            boxes = writer.detections(drawn, frame, boxes_at(pose))
            # Without a stamp, recorded at the very time of the next image.
            heard = stamp + (LAG_NS if what.boxes_stamped else STEP_NS)
            yield f"{prefix}/detections", heard, boxes


def write_bag(path: Path, what: Recorded = Recorded(), *more: Recorded) -> Path:
    """Write a bag; of several cameras into one."""
    from rosbags import rosbag2

    writer = Writer()
    messages = list(_messages(what, writer))
    for one in more:
        messages += [row for row in _messages(one, writer) if not row[0].startswith("/tf")]
        frame = f"{one.camera}_optical_frame"
        messages.append(("/tf_static", FIRST_NS - STEP_NS, writer.tf("base_link", frame, 0, MOUNT)))
    plugin = getattr(rosbag2.StoragePlugin, what.storage)
    with rosbag2.Writer(path, version=9, storage_plugin=plugin) as bag:
        connections: dict[str, Any] = {}
        for topic, stamp, message in sorted(messages, key=lambda row: row[1]):
            kind = message.__msgtype__
            if topic not in connections:
                connections[topic] = bag.add_connection(topic, kind, typestore=writer.store)
            bag.write(connections[topic], stamp, bytes(writer.store.serialize_cdr(message, kind)))
    return path


__all__ = ["BODY_FROM_OPTICAL", "CENTRES", "GAP", "Recorded", "THINGS", "base_pose", "write_bag"]
