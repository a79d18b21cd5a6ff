# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Distances of upright boxes against brute force, and polygons by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from spatialgeo_ros.geometry.upright_box import (
    Separation,
    UprightBox,
    box_separation,
    footprint_separation,
    height_separation,
    nearest_wall,
    point_box,
    point_in_polygon,
    polygon_area,
    polygon_walls,
    ray_to_walls,
)

L_ROOM = ((0.0, 0.0), (7.0, 0.0), (7.0, 3.5), (4.0, 3.5), (4.0, 6.5), (0.0, 6.5))


def boxes(seed: int, count: int) -> list[UprightBox]:
    rng = np.random.default_rng(seed)
    return [
        UprightBox(
            tuple(rng.uniform(-2, 2, 3)), tuple(rng.uniform(0.1, 1.5, 3)), rng.uniform(-4, 4)
        )
        for _ in range(count)
    ]


def samples(box: UprightBox, per_side: int) -> np.ndarray:
    """Points of a box [N, 3] on a grid that holds its corners."""
    t = np.linspace(-0.5, 0.5, per_side)
    own = np.stack(np.meshgrid(t, t, t), -1).reshape(-1, 3) * box.size
    cos, sin = math.cos(box.yaw), math.sin(box.yaw)
    return own @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]]) + box.centre


@pytest.mark.parametrize("seed", range(40))
def test_separation_equals_that_of_dense_samples(seed: int) -> None:
    a, b = boxes(seed, 2)
    points = samples(a, 41)
    east, north = (points[:, :2] - b.centre[:2]).T
    cos, sin = math.cos(b.yaw), math.sin(b.yaw)
    own = np.stack([east * cos + north * sin, north * cos - east * sin], 1)
    across = np.linalg.norm(np.maximum(np.abs(own) - np.array(b.size[:2]) / 2, 0), axis=1)
    up = np.maximum(np.abs(points[:, 2] - b.centre[2]) - b.size[2] / 2, 0)
    assert max(0, footprint_separation(a, b).value) == pytest.approx(across.min(), abs=0.02)
    assert max(0, box_separation(a, b).value) == pytest.approx(np.hypot(across, up).min(), abs=0.02)


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("measure", [footprint_separation, box_separation, height_separation])
def test_separation_is_symmetric_and_its_direction_is_its_gradient(seed: int, measure) -> None:
    a, b = boxes(100 + seed, 2)
    there, back = measure(a, b), measure(b, a)
    assert there.value == pytest.approx(back.value)
    along = np.dot(np.subtract(there.second, there.first), there.direction)
    assert along == pytest.approx(there.value)
    assert np.linalg.norm(there.direction) == pytest.approx(1)
    for axis in range(3):
        step = np.zeros(3)
        step[axis] = 1e-5
        moved = UprightBox(tuple(np.add(b.centre, step)), b.size, b.yaw)
        slope = (measure(a, moved).value - there.value) / 1e-5
        assert slope == pytest.approx(there.direction[axis], abs=1e-3)


def test_overlap_is_the_shortest_way_apart() -> None:
    a = UprightBox((0, 0, 0.5), (2, 1, 1))
    b = UprightBox((0.8, 0.1, 0.5), (2, 1, 1))
    assert footprint_separation(a, b).value == pytest.approx(-0.9)
    assert box_separation(a, b).value == pytest.approx(-0.9)
    flat = UprightBox((0.8, 0.1, 1.45), (2, 1, 1))
    assert box_separation(a, flat) == Separation(
        pytest.approx(-0.05), (0, 0, 1), (0, 0, 1.0), (0.8, 0.1, 0.95)
    )


def test_a_box_on_another_is_touching_it() -> None:
    table = UprightBox((0, 0, 0.4), (1, 1, 0.8))
    mug = UprightBox((0.2, 0.2, 0.85), (0.1, 0.1, 0.1), 0.3)
    assert box_separation(table, mug).value == pytest.approx(0.0)


def test_points_are_boxes() -> None:
    crate = UprightBox((2, 0, 0.5), (1, 1, 1), math.pi / 2)
    assert box_separation(point_box(0, 0, 1.0), crate).value == pytest.approx(1.5)
    assert box_separation(point_box(0, 0, 3.0), crate).value == pytest.approx(2.5)
    assert box_separation(point_box(2, 0.1, 0.5), crate).value == pytest.approx(-0.4)
    assert box_separation(point_box(0, 0, 0), point_box(3, 4, 0)).value == pytest.approx(5)


def test_two_points_at_one_place_are_not_apart() -> None:
    assert box_separation(point_box(1, 1, 1), point_box(1, 1, 1)).value == 0


def test_depth_inside_the_footprint() -> None:
    crate = UprightBox((0, 0, 0.5), (2, 1, 1), math.pi / 2)
    assert crate.depth_of(0, 0.8) == pytest.approx(0.2)
    assert crate.depth_of(0.7, 0) == pytest.approx(-0.2)


def test_polygon() -> None:
    assert polygon_area(L_ROOM) == pytest.approx(7 * 3.5 + 4 * 3)
    assert polygon_area(L_ROOM[::-1]) == pytest.approx(7 * 3.5 + 4 * 3)
    assert point_in_polygon(1, 6, L_ROOM)
    assert not point_in_polygon(6, 6, L_ROOM)
    assert len(polygon_walls((*L_ROOM, L_ROOM[-1]))) == 6


def test_nearest_wall() -> None:
    walls = polygon_walls(L_ROOM)
    index, found = nearest_wall(point_box(3.5, 0.8, 1), walls)
    assert (index, found.value) == (0, pytest.approx(0.8))
    # Around the inner corner the nearest point is the corner itself.
    _, found = nearest_wall(point_box(3.7, 3.1, 1), walls)
    assert found.value == pytest.approx(0.5)
    assert found.second[:2] == pytest.approx((4, 3.5))
    _, found = nearest_wall(UprightBox((0.1, 1, 1), (0.6, 0.4, 1)), walls)
    assert found.value < 0


def test_ray() -> None:
    walls = polygon_walls(L_ROOM)
    ahead = ray_to_walls(1, 1, 0.0, walls)
    assert ahead is not None
    assert (ahead.wall, ahead.distance, ahead.slant) == (1, pytest.approx(6), pytest.approx(1))
    slanted = ray_to_walls(6, 1, math.radians(60), walls)
    assert slanted is not None
    assert slanted.distance == pytest.approx(1 / math.cos(math.radians(60)))
    assert slanted.slant == pytest.approx(0.5)
    corner = ray_to_walls(1, 1, math.atan2(2.5, 6), walls)
    assert corner is not None
    assert corner.distance == pytest.approx(6.5)
    assert ray_to_walls(10, 1, 0.0, walls) is None
