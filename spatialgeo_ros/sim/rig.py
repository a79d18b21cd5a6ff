# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The simulated robot's camera and how it is mounted."""

from __future__ import annotations

import math

import numpy as np

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.pose import Pose

#: Nominal mount of the camera: metres above the floor and radians of downward tilt.
MOUNT_HEIGHT = 0.9
MOUNT_PITCH = math.radians(12.0)


def default_camera(width: int = 640, height: int = 480, focal: float = 525.0) -> PinholeCamera:
    """Return the simulated camera; ``focal`` is in pixels of a 640 pixel wide image."""
    f = focal * width / 640
    return PinholeCamera(width, height, f, f, (width - 1) / 2, (height - 1) / 2)


def camera_pose(
    x: float,
    y: float,
    yaw: float,
    height: float = MOUNT_HEIGHT,
    pitch: float = MOUNT_PITCH,
    roll: float = 0.0,
) -> Pose:
    """Pose of the optical frame in the world for a base at (x, y) that heads along ``yaw``.

    Args:
        x: of the base, metres.
        y: of the base, metres.
        yaw: heading, radians counter-clockwise from world x.
        height: of the camera above the floor, metres.
        pitch: downward tilt, radians.
        roll: clockwise as the camera sees it, radians.
    """
    ahead, drop = math.cos(pitch), math.sin(pitch)
    forward = np.array([math.cos(yaw) * ahead, math.sin(yaw) * ahead, -drop])
    right = np.array([math.sin(yaw), -math.cos(yaw), 0.0])
    down = np.cross(forward, right)
    c, s = math.cos(roll), math.sin(roll)
    axes = np.stack([c * right + s * down, -s * right + c * down, forward], axis=1)
    return Pose(axes, np.array([x, y, height]))


def base_pose(x: float, y: float, yaw: float) -> Pose:
    """Pose of base_link (x forward, z up, on the floor) in the world."""
    c, s = math.cos(yaw), math.sin(yaw)
    return Pose(np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]), np.array([x, y, 0.0]))
