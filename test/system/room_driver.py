# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A robot in a room of coloured boxes: two cameras and odometry, under the test's control."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from box_world import Box, camera_pose, render
from nav_msgs.msg import Odometry
from rclpy.qos import DurabilityPolicy, QoSProfile
from ros_support import RosClient
from std_msgs.msg import Header
from system.camera_driver import FOCAL, HEIGHT, WIDTH, CameraDriver

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.node.conversions import depth_to_image, rgb_to_image

CAMERA = PinholeCamera(WIDTH, HEIGHT, FOCAL, FOCAL, (WIDTH - 1) / 2, (HEIGHT - 1) / 2)
CAMERA_HEIGHT, PITCH = 0.9, 0.35
MOUNTS = {
    "front": [0.0, 0.0, CAMERA_HEIGHT, 0.0, PITCH, 0.0],
    "rear": [0.0, 0.0, CAMERA_HEIGHT, 0.0, PITCH, math.pi],
}
CHAIR = Box((1.8, 0.3, 0.0), (2.2, 0.7, 0.8), (200, 40, 30))
TABLE = Box((3.0, -1.6, 0.0), (3.8, -0.4, 0.7), (30, 60, 200))
PLANT = Box((-2.2, -0.2, 0.0), (-1.8, 0.2, 0.7), (40, 160, 50))
ROOM = (CHAIR, TABLE, PLANT)
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
#: Of the node that this robot runs.
PARAMETERS: dict[str, Any] = {
    "profile": "colours",
    "cameras": list(MOUNTS),
    "pose_source": "odometry",
    "process_rate": 0.0,
    "grounding_rate": 20.0,
    "objects_rate": 20.0,
    **{f"{name}.mount": mount for name, mount in MOUNTS.items()},
}


class RoomDriver(CameraDriver):
    """Publishes what both cameras see from where the robot stands, at one stamp, and odometry."""

    def __init__(self, ros: RosClient, namespace: str) -> None:
        super().__init__(ros, namespace, "front")
        self._rear = CameraDriver(ros, namespace, "rear")
        self.stand(0.0, 0.0, 0.0)
        self.world = "odom"
        self.odometry_on = True
        self.stamps: list[int] = []

    def matched(self) -> bool:
        return (
            super().matched()
            and self._rear.matched()
            and self.odometry.get_subscription_count() > 0
        )

    def stand(self, x: float, y: float, yaw: float, room: Sequence[Box] = ROOM) -> None:
        """Put the robot somewhere, metres and radians; what it sees is rendered now."""
        views = {}
        for name, mount in MOUNTS.items():
            pose = camera_pose(x, y, CAMERA_HEIGHT, yaw + mount[5], PITCH)
            views[name] = render(CAMERA, pose, room)
        self._place, self._views = (x, y, yaw), views

    def publish(self, stamp_ns: int | None = None, **_: Any) -> Header:
        header = self.header(stamp_ns)
        (x, y, yaw), views = self._place, self._views
        if self.odometry_on:
            message = Odometry(header=Header(stamp=header.stamp, frame_id=self.world))
            message.child_frame_id = "base_link"
            message.pose.pose.position.x, message.pose.pose.position.y = x, y
            message.pose.pose.orientation.z = math.sin(yaw / 2)
            message.pose.pose.orientation.w = math.cos(yaw / 2)
            self.odometry.publish(message)
        stamp = header.stamp.sec * 1_000_000_000 + header.stamp.nanosec
        self.stamps.append(stamp)
        for driver in (self, self._rear):
            colour, depth = views[driver.name]
            own = driver.header(stamp)
            driver.info.publish(driver.camera_info(own))
            driver.depth.publish(depth_to_image(depth, own))
            driver.image.publish(rgb_to_image(np.ascontiguousarray(colour), own))
        return header
