# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Surfaces are freed of noise and of the strips that sensors put at outlines, thin parts kept."""

import numpy as np
import pytest
from geometry_scene import CAMERA

from spatialgeo_ros.geometry.pointmap import DepthNoise, pointmap_from_depth
from spatialgeo_ros.geometry.surfels import on_slope, surfels, without_strips

NEAR, FAR = 1.5, 2.5
SHAPE = (60, 80)


def scene():
    """A far thing at the right of a near one: depth [60, 80], the far thing's outline."""
    outline = np.zeros(SHAPE, bool)
    outline[10:50, 40:70] = True
    depth = np.full(SHAPE, 4.0, np.float32)
    depth[5:55, 10:40] = NEAR
    depth[outline] = FAR
    return depth, outline


def sigma_of(depth):
    return np.full(depth.shape, 0.003, np.float32)


@pytest.mark.parametrize("wide", [1, 2])
def test_a_strip_of_a_neighbours_depth_goes(wide):
    depth, outline = scene()
    depth[5:55, 40 : 40 + wide] = NEAR  # the near thing has grown
    kept = without_strips(outline, depth, sigma_of(depth))
    assert not kept[10:50, 40 : 40 + wide].any()
    assert kept[10:50, 40 + wide : 70].mean() > 0.99


def test_a_strip_cut_off_by_holes_goes_where_the_outline_is_trusted():
    depth, outline = scene()
    depth[5:55, 40:42] = NEAR
    depth[:, 42:50] = np.nan  # the projector's shadow
    mask = outline & np.isfinite(depth)
    assert without_strips(mask, depth, sigma_of(depth))[10:50, 40:42].any()
    kept = without_strips(mask, depth, sigma_of(depth), outline)
    assert not kept[10:50, 40:42].any()
    assert kept[:, 50:][mask[:, 50:]].mean() > 0.99


def test_thin_parts_stay():
    """Legs of two pixels before a far wall, and before each other."""
    outline = np.zeros(SHAPE, bool)
    outline[10:14, 20:60] = outline[10:50, 20:22] = outline[10:50, 58:60] = True
    depth = np.where(outline, np.float32(NEAR), np.float32(4.0))
    kept = without_strips(outline, depth, sigma_of(depth), outline)
    np.testing.assert_array_equal(kept, outline)


def test_steep_surfaces_have_no_strips():
    """A table top seen at a grazing angle: 1 % of the depth from row to row."""
    outline = np.zeros(SHAPE, bool)
    outline[10:50, 10:70] = True
    depth = np.broadcast_to(1 / (0.3 * 1.01 ** np.arange(60.0))[:, None], SHAPE)
    depth = depth.astype(np.float32)
    np.testing.assert_array_equal(without_strips(outline, depth, sigma_of(depth)), outline)


def sofa_side(first, last):
    """Depth of the side of a sofa: inverse depth falls by 2.5 % from column to column."""
    q = 0.6 * (1 - 0.025 * (np.arange(80.0) - first))
    depth = np.full(SHAPE, 6.0, np.float32)
    depth[10:50, first:last] = 1 / q[first:last]
    outline = np.zeros(SHAPE, bool)
    outline[10:50, first:last] = True
    return depth + np.random.default_rng(0).normal(0, 0.003, SHAPE).astype(np.float32), outline


def test_the_end_of_a_steep_surface_is_no_strip():
    depth, outline = sofa_side(30, 56)
    kept = without_strips(outline, depth, sigma_of(depth), outline)
    assert kept[14:46, 54:56].mean() > 0.9
    # What floats between it and the wall is none of it.
    floating = outline.copy()
    floating[10:50, 56] = True
    depth[10:50, 56] = 1.25 * depth[10:50, 55]
    assert not without_strips(floating, depth, sigma_of(depth), floating)[14:46, 56].any()


def test_pixels_on_the_slope_of_their_neighbours_are_on_one_plane():
    depth, outline = sofa_side(30, 56)
    q = 1 / depth
    rows, columns = np.full(3, 30), np.array([54, 55, 60])  # the last on the wall
    noise = np.full(3, 0.003)
    assert on_slope(q, outline, rows, columns, noise).tolist() == [True, True, False]
    # Two level surfaces with a step are no slope, nor is one of them.
    step = np.where(np.arange(80) < 40, np.float32(0.6), np.float32(0.5)) * np.ones(SHAPE)
    places = np.full(2, 30), np.array([40, 20])
    assert not on_slope(step.astype(np.float32), outline, *places, noise[:2]).any()


def test_a_square_of_a_steep_surface_has_both_its_ends():
    """The middle of a square of 12 pixels says little of where the surface ends."""
    q = np.broadcast_to(0.6 * (1 - 0.0045 * (np.arange(240.0) - 20))[:, None], (240, 320))
    q = np.maximum(q, 0.05)
    depth = (1 / q).astype(np.float32)
    made = pointmap_from_depth(depth, CAMERA, DepthNoise(0.002, 0.0))
    mask = np.zeros(depth.shape, bool)
    mask[20:220, 40:300] = True
    points, _, step = surfels(made, mask, (40, 20, 300, 220))
    rows = CAMERA.project(points)[:, 1]
    assert step > 4
    assert rows.max() > 217
    on = 1 / points[:, 2] - 0.6 * (1 - 0.0045 * (rows - 20))
    assert np.abs(on).max() < 0.01


@pytest.mark.parametrize("side", [30, 100, 220])
def test_points_of_a_plane_lie_on_it(side):
    """Whatever the size, and with it the squares and which of their pixels are looked at."""
    rays = CAMERA.rays().astype(np.float64)
    normal = np.array([0.3, 0.4, 0.87])
    depth = 2.0 / (rays @ normal)
    noise = DepthNoise(0.01, 0.0)
    noisy = depth + np.random.default_rng(0).normal(0, 0.01, depth.shape)
    made = pointmap_from_depth(noisy.astype(np.float32), CAMERA, noise)
    mask = np.zeros(depth.shape, bool)
    top = (240 - side) // 2
    mask[top : top + side, 50 : 50 + side] = True
    points, sigma, step = surfels(made, mask, (50, top, 50 + side, top + side))
    off = points @ normal.astype(np.float32) - 2.0
    assert abs(off.mean()) < 0.002
    assert off.std() < 0.006  # a pixel's is 0.0087
    assert 0.8 * (side / step) ** 2 < len(points) <= 2200
    assert (sigma < 0.01).all() and (sigma >= 0.29 * 0.01).all()
    # They reach to the outline.
    u, _ = CAMERA.project(points).T
    assert u.min() < 50 + step and u.max() > 50 + side - 1 - step
