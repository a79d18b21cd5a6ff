# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A floor with coloured boxes on it, seen by cameras: colour and depth by ray casting."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.pose import BODY_FROM_OPTICAL, Pose

GREY = (90, 90, 90)
FARTHEST = 10.0  # m


@dataclass(frozen=True)
class Box:
    """An axis-aligned box of one colour, metres."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]
    colour: tuple[int, int, int] = (200, 40, 30)


def camera_pose(x: float, y: float, z: float, yaw: float = 0.0, pitch: float = 0.0) -> Pose:
    """Pose of a camera's optical frame; pitch > 0 looks down, radians."""
    cp, sp, cy, sy = math.cos(pitch), math.sin(pitch), math.cos(yaw), math.sin(yaw)
    turn = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    nod = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    return Pose(turn @ nod, np.array([x, y, z])) @ BODY_FROM_OPTICAL


def render(
    camera: PinholeCamera, pose: Pose, boxes: Sequence[Box] = (), floor: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return the image [H, W, 3] uint8 and depth [H, W] float32 metres, NaN where nothing is."""
    rays = camera.rays().astype(np.float64) @ pose.rotation.T
    colour = np.full((*rays.shape[:2], 3), GREY, np.uint8)
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = (floor - pose.translation[2]) / rays[..., 2]
        depth[depth <= 0] = np.inf
        for box in boxes:
            near = (np.array(box.low) - pose.translation) / rays
            far = (np.array(box.high) - pose.translation) / rays
            enter = np.minimum(near, far).max(axis=-1)
            leave = np.maximum(near, far).min(axis=-1)
            hit = (enter < leave) & (enter > 0) & (enter < depth)
            depth[hit] = enter[hit]
            colour[hit] = box.colour
    depth[~np.isfinite(depth) | (depth > FARTHEST)] = np.nan
    return colour, depth.astype(np.float32)
