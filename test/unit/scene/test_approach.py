# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Approach poses: facing, stand-off, clear of footprints, on free floor, nothing in between."""

from __future__ import annotations

import math

import numpy as np
import pytest

from spatialgeo_ros.errors import BadRequestError, NoFreePlaceError
from spatialgeo_ros.memory.free_space import FloorGrid
from spatialgeo_ros.memory.snapshot import MapObject, MapSnapshot, Presence, RoomLayout, Viewer
from spatialgeo_ros.scene.approach import Base, approach_poses, footprint_distance

CELL = 0.1


def thing(name: str, x: float, y: float, size=(0.5, 0.5, 0.9), z: float = 0.0, yaw=0.0, **more):
    size = np.array(size, float)
    return MapObject(
        f"{name}_1", name, np.array([x, y, z + size[2] / 2]), np.eye(3) * 1e-4, size,
        np.full(3, 0.01), yaw, 0, 0, **more,
    )  # fmt: skip


def open_floor(blocked=(), unseen=()) -> FloorGrid:
    """Ten metres of free floor around the origin, but for boxes (x0, y0, x1, y1)."""
    count = round(10 / CELL)
    free = np.ones((count, count), bool)
    stands = np.zeros_like(free)

    def part(box):
        x0, y0, x1, y1 = (round((v + 5) / CELL) for v in box)
        return slice(x0, x1), slice(y0, y1)

    for box in blocked:
        free[part(box)], stands[part(box)] = False, True
    for box in unseen:
        free[part(box)] = False
    return FloorGrid(np.array([-5.0, -5.0]), CELL, free, stands)


VIEWER = Viewer(-3.0, 0.0, 0.9, 0.0)


def a_map(*things: MapObject, viewer: Viewer | None = VIEWER) -> MapSnapshot:
    return MapSnapshot(things, "odom", 0, room=RoomLayout(), viewer=viewer)


def test_poses_face_the_object_at_the_stand_off_and_the_nearest_comes_first():
    chair = thing("chair", 0.5, 0.2, yaw=0.4)
    base = Base(0.3)
    poses = approach_poses(a_map(chair), chair, open_floor(), 0.5, base)
    assert 1 < len(poses) <= 8
    for pose in poses:
        gap = footprint_distance(chair, np.array([[pose.x, pose.y]]))[0]
        assert gap - base.radius == pytest.approx(0.5, abs=0.01)
        assert pose.stand_off == pytest.approx(0.5)
        assert pose.clearance == pytest.approx(0.5, abs=0.01)
        towards = math.atan2(0.2 - pose.y, 0.5 - pose.x)
        assert math.remainder(pose.yaw - towards, 2 * math.pi) == pytest.approx(0, abs=1e-9)
    away = [math.hypot(pose.x + 3, pose.y) for pose in poses]
    assert away == sorted(away)
    spread = [math.dist((a.x, a.y), (b.x, b.y)) for a in poses for b in poses if a is not b]
    assert min(spread) >= 0.3


def test_poses_are_outside_of_other_footprints():
    chair, table = thing("chair", 0.5, 0.0), thing("table", -0.7, 0.0, (0.8, 1.6, 0.7))
    base = Base(0.3)
    poses = approach_poses(a_map(chair, table), chair, open_floor(), 0.4, base)
    for pose in poses:
        place = np.array([[pose.x, pose.y]])
        assert footprint_distance(table, place)[0] >= base.radius - 1e-6
        assert pose.clearance >= -1e-6


def test_what_is_gone_or_hangs_high_stands_in_nobodys_way():
    chair = thing("chair", 0.5, 0.0)
    wall_of_things = [
        thing("sofa", -0.3, 0.0, (0.2, 3.0, 0.9), state=Presence.GONE),
        thing("lamp", -0.3, 0.0, (0.2, 3.0, 0.2), z=1.9),
    ]
    alone = approach_poses(a_map(chair), chair, open_floor(), 0.5, Base())
    beside = approach_poses(a_map(chair, *wall_of_things), chair, open_floor(), 0.5, Base())
    assert beside == alone


def test_poses_lie_on_floor_that_was_seen_free():
    chair = thing("chair", 0.0, 0.0)
    grid = open_floor(unseen=[(-5.0, -5.0, 0.0, 5.0)])
    poses = approach_poses(a_map(chair), chair, grid, 0.5, Base(0.3))
    assert all(pose.x > 0.3 - 1e-6 for pose in poses)


def test_nothing_stands_between_pose_and_object():
    chair = thing("chair", 0.0, 0.0, (0.4, 0.4, 0.9))
    wall = (-0.6, -5.0, -0.5, 5.0)  # thin, with free floor behind it
    poses = approach_poses(a_map(chair), chair, open_floor(blocked=[wall]), 0.6, Base(0.15))
    assert poses
    assert all(pose.x > -0.5 for pose in poses)


def test_what_stands_on_a_table_is_approached_from_the_table():
    table = thing("table", 0.0, 0.0, (1.2, 0.8, 0.7))
    mug = thing("mug", 0.1, 0.0, (0.08, 0.08, 0.1), z=0.7)
    grid = open_floor(blocked=[(-0.6, -0.4, 0.6, 0.4)])
    poses = approach_poses(a_map(table, mug), mug, grid, 0.1, Base(0.25))
    assert poses[0].stand_off < 0.5
    for pose in poses:
        place = np.array([[pose.x, pose.y]])
        assert footprint_distance(table, place)[0] >= 0.25 - 1e-6


def test_the_error_says_what_is_in_the_way():
    chair = thing("chair", 0.0, 0.0)
    ring = thing("pallet", 0.0, 0.0, (9.0, 9.0, 0.2))
    with pytest.raises(NoFreePlaceError, match=r"chair_1.*too near to objects \(pallet_1\)"):
        approach_poses(a_map(chair, ring), chair, open_floor(), 0.5, Base())
    unseen = open_floor(unseen=[(-5.0, -5.0, 5.0, 5.0)])
    with pytest.raises(NoFreePlaceError, match="not seen free"):
        approach_poses(a_map(chair), chair, unseen, 0.5, Base())
    with pytest.raises(NoFreePlaceError, match="no floor was seen"):
        approach_poses(a_map(chair), chair, None, 0.5, Base())
    gone = thing("chair", 0.0, 0.0, state=Presence.GONE)
    with pytest.raises(NoFreePlaceError, match="gone"):
        approach_poses(a_map(gone), gone, open_floor(), 0.5, Base())


@pytest.mark.parametrize("stand_off", [-0.1, 11.0, math.nan])
def test_a_stand_off_that_is_none_is_refused(stand_off):
    chair = thing("chair", 0.0, 0.0)
    with pytest.raises(BadRequestError, match="stand_off"):
        approach_poses(a_map(chair), chair, open_floor(), stand_off, Base())


@pytest.mark.parametrize("size", [{"radius": 0.0}, {"radius": math.nan}, {"height": 9.0}])
def test_a_robot_without_a_size_is_refused(size):
    with pytest.raises(BadRequestError, match="robot_"):
        Base(**size)


def test_without_a_viewer_there_are_poses_all_the_same():
    chair = thing("chair", 0.0, 0.0)
    assert approach_poses(a_map(chair, viewer=None), chair, open_floor(), 0.5, Base())
