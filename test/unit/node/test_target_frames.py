# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames that a request names, at the stamp of an image: the world, a camera, the base, others."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")

from spatialgeo_ros.errors import WrongFrameError
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.node.camera_pose import PoseResult
from spatialgeo_ros.node.target_frames import TargetFrames


@dataclass
class Odometry:
    """Knows "base_link" one metre ahead in "odom", and a camera one metre above it."""

    world: str = "odom"
    stamps: list[int] = field(default_factory=list)

    def frame(self, frame_id: str, stamp_ns: int) -> PoseResult:
        self.stamps.append(stamp_ns)
        if frame_id != "base_link":
            return PoseResult(None, reason=f"odometry does not know {frame_id}")
        return PoseResult(Pose(np.eye(3), np.array([1.0, 0, 0])), self.world)

    def lookup(self, camera: Any, frame_id: str, stamp_ns: int) -> PoseResult:
        return PoseResult(Pose(np.eye(3), np.array([1.0, 0, 1.0])), self.world)


@pytest.fixture
def source() -> Odometry:
    return Odometry()


@pytest.fixture
def frames(source) -> TargetFrames:
    return TargetFrames(source, [SimpleNamespace(name="front")], {"front": "front_optical"})


@pytest.mark.parametrize("target", ["", "odom"])
def test_the_world_frame_needs_no_lookup(frames, source, target):
    assert frames.target_from_world(target, "odom", 5) is None
    assert source.stamps == []


def test_the_base_and_a_camera_are_known_at_the_stamp(frames, source):
    base = frames.target_from_world("base_link", "odom", 5)
    assert base.apply(np.array([[3.0, 0, 0]])).tolist() == [[2.0, 0, 0]]
    camera = frames.target_from_world("front_optical", "odom", 6)
    assert camera.apply(np.array([[3.0, 0, 0]])).tolist() == [[2.0, 0, -1.0]]
    assert source.stamps == [5, 6]


def test_an_unknown_frame_is_named_with_the_reason(frames):
    with pytest.raises(WrongFrameError, match="'gripper'.*odometry does not know gripper"):
        frames.target_from_world("gripper", "odom", 5)


def test_a_pose_of_another_world_is_refused(frames, source):
    source.world = "map"
    with pytest.raises(WrongFrameError, match="'map', but the object map is in 'odom'"):
        frames.target_from_world("base_link", "odom", 5)
