# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whether odometry can be that of a robot: its frames, and how far it goes in no time. No ROS."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from spatialgeo_ros.errors import quoted
from spatialgeo_ros.findings.finding import Finding
from spatialgeo_ros.geometry.pose import Pose

# A step is a jump when it is long and faster than anything that drives in a building.
_JUMP, _FASTEST = 0.3, 10.0  # m, m/s


def judge_frames(topic: str, world: str, child: str) -> Iterator[Finding]:
    """Yield what is wrong with the frames that odometry names (REP-105).

    Args:
        topic: Of the odometry.
        world: Its ``header.frame_id``.
        child: Its ``child_frame_id``.
    """
    wrong = ""
    if not world:
        wrong = "an empty frame_id: positions in no frame cannot be used with TF or a map"
    elif not child:
        wrong = "an empty child_frame_id: nobody knows which part of the robot it is about"
    elif world == child:
        wrong = f"one name, {quoted(world)}, for both of its frames"
    if wrong:
        yield Finding(
            "odometry-frames",
            f"odometry on '{topic}' has {wrong}; its publisher must fill header.frame_id (odom) "
            "and child_frame_id (base_link)",
        )


def judge_step(topic: str, seconds: float, before: Pose, after: Pose) -> Iterator[Finding]:
    """Yield that odometry jumped between two messages.

    Args:
        topic: Of the odometry.
        seconds: Between their stamps, positive.
        before: Of the base, metres.
        after: The same, later.
    """
    metres = float(np.linalg.norm(after.translation - before.translation))
    if metres > _JUMP and metres > _FASTEST * seconds:
        yield Finding(
            "odometry-jumps",
            f"odometry on '{topic}' jumped {metres:.2f} m in {seconds:.3f} s: take odometry that "
            "is continuous (odom to base_link, REP-105), not a localisation that corrects itself; "
            "what is remembered is where the old pose put it",
        )
