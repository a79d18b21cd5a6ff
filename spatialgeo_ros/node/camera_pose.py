# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where a camera was: what a lookup returns, and the pose of a camera on its robot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from spatialgeo_ros.geometry.pose import BODY_FROM_OPTICAL, Pose
from spatialgeo_ros.node.parameters import CameraConfig
from spatialgeo_ros.node.stream_statistics import Counters

ZERO_STAMP = "the image has a zero stamp"


@dataclass(frozen=True)
class PoseResult:
    """``world_from_camera`` (optical frame) in ``world_frame``, or None and the ``reason``."""

    pose: Pose | None
    world_frame: str = ""
    reason: str = ""


class PoseSource(Protocol):
    """One way to find out where a camera was."""

    name: str
    counters: Counters
    """What it refused and what changed, with the last reason of each."""

    def lookup(self, camera: CameraConfig, frame_id: str, stamp_ns: int) -> PoseResult:
        """Return the pose of the optical frame ``frame_id`` at ``stamp_ns``; may wait a little."""

    def frame(self, frame_id: str, stamp_ns: int) -> PoseResult:
        """Return the pose of any frame, not only a camera's, in the world; may wait a little."""

    def between(self, target: str, frame_id: str, stamp_ns: int) -> PoseResult | None:
        """Return the pose of one frame in another, without a world; may wait a little.

        None where only their poses in the world can tell. ``world_frame`` of the result is
        ``target``.
        """

    def clear(self) -> None:
        """Forget everything from before a time jump."""

    def close(self) -> None:
        """Release the subscriptions."""


def mount_pose(mount: tuple[float, ...]) -> Pose:
    """Return base_from_optical for a mount given as x y z (m) roll pitch yaw (rad), REP-103."""
    return pose_of(mount) @ BODY_FROM_OPTICAL


def pose_of(numbers: tuple[float, ...]) -> Pose:
    """Return the pose of six numbers: x y z (m), then roll pitch yaw about fixed axes (rad)."""
    x, y, z, roll, pitch, yaw = numbers
    (sr, cr), (sp, cp), (sy, cy) = ((np.sin(a), np.cos(a)) for a in (roll, pitch, yaw))
    rotation = np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    )
    return Pose(rotation, np.array([x, y, z]))
