# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The keyframes' header is the world frame of their poses."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")
pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")

from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.node.outputs import world_frame


def kept(*worlds: str) -> list[Any]:
    """Keyframes with a pose in the world of that name, or without one."""
    return [
        SimpleNamespace(
            payload=SimpleNamespace(
                frame=SimpleNamespace(pose=Pose.identity() if world else None, world_frame=world)
            )
        )
        for world in worlds
    ]


@pytest.mark.parametrize(
    ("worlds", "frame"),
    [(("odom",), "odom"), (("odom", "", ""), "odom"), (("", "map", ""), "map"), (("", ""), "")],
)
def test_a_newest_frame_without_a_pose_does_not_empty_the_header(worlds, frame):
    assert world_frame(kept(*worlds)) == frame


def test_no_keyframes_have_no_frame():
    assert world_frame([]) == ""
