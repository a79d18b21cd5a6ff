# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recorded transforms: chains, interpolation, and what is not known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.recordings.transforms import TransformTree

S = 1_000_000_000


def at(x: float, yaw: float = 0.0) -> Pose:
    cos, sin = math.cos(yaw), math.sin(yaw)
    return Pose(np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1.0]]), np.array([x, 0.0, 0.0]))


@pytest.fixture
def tree() -> TransformTree:
    tree = TransformTree()
    tree.add_static("base", "/camera", at(0.5))
    tree.add_static("base", "gripper", at(-1.0))
    for k in (2, 0, 1):  # recorded out of order
        tree.add("odom", "base", k * S, at(float(k), 0.1 * k))
    return tree


def place(tree: TransformTree, target: str, source: str, stamp: int) -> float:
    pose, why = tree.lookup(target, source, stamp)
    assert pose is not None and why == ""
    return float(pose.translation[0])


def test_chains_go_up_and_down_and_between_two_poses(tree: TransformTree) -> None:
    assert place(tree, "odom", "base", S) == pytest.approx(1.0)
    assert place(tree, "odom", "base", 3 * S // 2) == pytest.approx(1.5)
    assert place(tree, "/odom", "camera", 0) == pytest.approx(0.5)
    assert place(tree, "gripper", "camera", 7 * S) == pytest.approx(1.5)  # below odom at any time
    there, _ = tree.lookup("odom", "camera", 2 * S)
    back, _ = tree.lookup("camera", "odom", 2 * S)
    assert there is not None and back is not None
    assert np.allclose((there @ back).matrix, np.eye(4))
    assert tree.above("camera") == ["camera", "base", "odom"] and "odom" in tree


@pytest.mark.parametrize("stamp", [-1, 2 * S + 1, 100 * S])
def test_nothing_is_extrapolated(tree: TransformTree, stamp: int) -> None:
    pose, why = tree.lookup("odom", "camera", stamp)
    assert pose is None and "known from 0.000 s to 2.000 s" in why


def test_frames_that_nothing_connects(tree: TransformTree) -> None:
    tree.add_static("other", "arm", at(1.0))
    pose, why = tree.lookup("odom", "arm", 0)
    assert pose is None and "connects 'arm' to 'odom'" in why


def test_gaps_are_bridged_only_where_that_is_said() -> None:
    tree = TransformTree()
    for k in (0, 10):
        tree.add("map", "odom", k * S, at(float(k)))
        tree.add("odom", "base", k * S, at(float(k)), gap_ns=S)
    assert place(tree, "map", "odom", 5 * S) == pytest.approx(5.0)
    assert tree.lookup("odom", "base", 5 * S)[0] is None
    assert tree.lookup("odom", "base", 10 * S)[0] is not None


def test_of_two_poses_of_one_time_the_later_counts_and_loops_end() -> None:
    tree = TransformTree()
    tree.add("a", "b", S, at(1.0))
    tree.add("a", "b", S, at(2.0))
    assert place(tree, "a", "b", S) == pytest.approx(2.0)
    tree.add_static("b", "a", at(0.0))  # a loop
    assert len(tree.above("a")) <= 101
