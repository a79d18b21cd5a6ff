# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which floor depth has seen free: open floor, obstacles, hidden floor, holes, changes, bounds."""

from __future__ import annotations

import time
from collections.abc import Sequence

import box_world
import numpy as np
import pytest
from box_world import Box, camera_pose

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.pointmap import PointMap, pointmap_from_depth
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.memory.free_space import FreeSpace

CAMERA = PinholeCamera(320, 240, 260.0, 260.0, 159.5, 119.5)
HEIGHT, PITCH = 0.9, 0.45


def pose_at(x: float = 0.0, pitch: float = PITCH) -> Pose:
    return camera_pose(x, 0.0, HEIGHT, pitch=pitch)


def render(pose: Pose, boxes: Sequence[tuple[float, ...]] = (), floor: float = 0.0) -> PointMap:
    things = [Box(one[:3], one[3:]) for one in boxes]
    return pointmap_from_depth(box_world.render(CAMERA, pose, things, floor)[1], CAMERA)


def seen(space: FreeSpace, x: float, y: float) -> str:
    grid = space.grid()
    place = np.array([[x, y]])
    if grid.is_blocked(place)[0]:
        return "blocked"
    return "free" if grid.is_free(place, 0.01)[0] else "unknown"


def test_open_floor_in_view_is_free_and_what_was_not_seen_is_unknown():
    space = FreeSpace()
    assert space.grid() is None
    space.update(render(pose_at()), pose_at(), HEIGHT)
    assert [seen(space, x, 0.0) for x in (1.0, 2.0, 3.0, 4.0)] == ["free"] * 4
    assert seen(space, -1.0, 0.0) == "unknown", "behind the camera"
    assert seen(space, 1.0, 3.0) == "unknown", "beside the view"
    assert seen(space, 6.0, 0.0) == "unknown", "too far to be believed"


def test_an_obstacle_is_blocked_and_the_floor_behind_it_unknown():
    space = FreeSpace()
    space.update(render(pose_at(), [(1.5, -0.3, 0, 2.0, 0.3, 0.8)]), pose_at(), HEIGHT)
    assert seen(space, 1.5, 0.0) == "blocked"
    assert seen(space, 2.6, 0.0) == "unknown", "hidden"
    assert seen(space, 1.2, 0.0) == "free"
    assert seen(space, 2.5, 1.0) == "free", "beside it"


def test_under_a_table_top_is_blocked_and_under_a_high_lamp_free():
    space = FreeSpace()
    top, lamp = (1.5, -0.4, 0.45, 2.3, 0.4, 0.5), (2.8, -0.2, 2.1, 3.2, 0.2, 2.3)
    space.update(render(pose_at(), [top, lamp]), pose_at(), HEIGHT)
    assert seen(space, 1.9, 0.0) == "blocked"
    level = pose_at(pitch=0.0)
    high = FreeSpace()
    high.update(render(level, [lamp]), level, HEIGHT)
    assert seen(high, 3.0, 0.0) == "free"


def test_a_hole_in_the_floor_is_no_free_floor():
    pose = pose_at()
    space = FreeSpace()
    space.update(render(pose, floor=-0.5), pose, HEIGHT)
    assert seen(space, 1.5, 0.0) == "blocked"


def test_what_was_taken_away_is_forgotten_and_one_frame_frees_nothing():
    pose, space = pose_at(), FreeSpace()
    with_box = render(pose, [(1.5, -0.3, 0, 2.0, 0.3, 0.8)])
    for _ in range(5):
        space.update(with_box, pose, HEIGHT)
    empty = render(pose)
    space.update(empty, pose, HEIGHT)
    assert seen(space, 1.55, 0.0) == "blocked"
    for _ in range(10):
        space.update(empty, pose, HEIGHT)
    assert seen(space, 1.55, 0.0) == "free"


def test_a_disc_is_free_only_when_all_of_it_is():
    space = FreeSpace()
    space.update(render(pose_at(), [(1.5, -0.3, 0, 2.0, 0.3, 0.8)]), pose_at(), HEIGHT)
    grid = space.grid()
    places = np.array([[1.1, 0.0], [1.1, 0.0], [2.6, 1.2]])
    assert grid.is_free(places[:1], 0.2).tolist() == [True]
    assert grid.is_free(places[1:2], 0.5).tolist() == [False]
    assert grid.is_free(places[2:], 0.3).tolist() == [True]
    assert grid.is_free(np.array([[500.0, 0.0]]), 0.3).tolist() == [False], "outside the grid"


def test_the_grid_moves_along_and_stays_as_large():
    space = FreeSpace(extent=20.0)
    size = space.bytes
    for x in np.arange(0.0, 40.0, 1.0):
        pose = pose_at(x)
        space.update(render(pose), pose, HEIGHT)
    assert space.bytes == size
    assert seen(space, 42.0, 0.0) == "free"
    assert seen(space, 38.0, 0.0) == "free", "driven past a moment ago"
    assert seen(space, 2.0, 0.0) == "unknown", "beyond the grid"
    space.reset()
    assert space.grid() is None


def test_noise_of_a_sensor_leaves_the_floor_free():
    rng = np.random.default_rng(0)
    pose, space = pose_at(), FreeSpace()
    exact = render(pose).depth
    for _ in range(3):
        noisy = exact + rng.normal(0, 0.0015 + 0.0019 * exact**2).astype(np.float32)
        space.update(pointmap_from_depth(noisy, CAMERA), pose, HEIGHT)
    grid = space.grid()
    xs, ys = np.meshgrid(np.arange(1.0, 3.0, 0.1), np.arange(-0.4, 0.4, 0.1))
    places = np.stack([xs.ravel(), ys.ravel()], axis=1)
    assert grid.is_blocked(places).mean() < 0.01
    assert grid.is_free(places, 0.01).mean() > 0.95


def test_a_frame_costs_little():
    pose, space = pose_at(), FreeSpace()
    pointmap = render(pose)
    space.update(pointmap, pose, HEIGHT)
    started = time.process_time()
    for _ in range(20):
        space.update(pointmap, pose, HEIGHT)
    assert (time.process_time() - started) / 20 < 0.02


@pytest.mark.parametrize("height", [0.0, -1.0])
def test_without_a_height_nothing_is_seen(height):
    space = FreeSpace()
    space.update(render(pose_at()), pose_at(), height)
    assert space.grid() is None
