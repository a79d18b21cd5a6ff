# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From cells back to pixels, without those that float at depth edges."""

import numpy as np
import pytest
from geometry_scene import CAMERA

from spatialgeo_ros.geometry.cells import make_cells
from spatialgeo_ros.geometry.object_pixels import pixels_of, settled, share_inside, spread_mask
from spatialgeo_ros.geometry.pointmap import DepthNoise, pointmap_from_depth

KINECT = DepthNoise(0.0012, 0.0019)
WINDOW = (40, 30, 141, 111)  # no multiple of a cell's side


def scene(wall=3.0, seed=0, **things):
    """A wall and things before it, ``name=(rows, columns, depth)``, with noise."""
    depth = np.full((240, 320), wall)
    for rows, columns, z in things.values():
        depth[rows, columns] = z
    depth += np.random.default_rng(seed).normal(size=depth.shape) * KINECT.sigma(depth)
    return pointmap_from_depth(depth, CAMERA, KINECT)


def window_part(image):
    x0, y0, x1, y1 = WINDOW
    return image[y0:y1, x0:x1]


def whole(rows, columns):
    out = np.zeros((240, 320), bool)
    out[rows, columns] = True
    return out


@pytest.mark.parametrize("most", [100_000, 900])
def test_the_share_of_each_cell_that_is_inside(most):
    cells = make_cells(scene(), WINDOW, most)
    inside = whole(slice(37, 83), slice(51, 102))
    shares = share_inside(inside, cells)
    assert shares.shape == cells.shape
    step = cells.step
    for row, column in ((0, 0), (2, 3), (7, 8), (9, 4), (cells.shape[0] - 1, cells.shape[1] - 1)):
        y, x = 30 + row * step, 40 + column * step
        part = inside[y : y + step, x : x + step]
        assert shares[row, column] == pytest.approx(part.sum() / step**2, abs=1e-5)


@pytest.mark.parametrize("most", [100_000, 900])
def test_a_mask_spreads_to_the_pixels_of_its_cells(most):
    cells = make_cells(scene(), WINDOW, most)
    chosen = np.random.default_rng(0).random(cells.shape) < 0.5
    pixels = spread_mask(chosen, cells, WINDOW)
    assert pixels.shape == (111 - 30, 141 - 40)
    rows, columns = np.indices(pixels.shape) // cells.step
    np.testing.assert_array_equal(pixels, chosen[rows, columns])


def test_pixels_of_cells_are_those_at_the_depth_of_the_thing():
    thing = (slice(51, 90), slice(61, 117))  # cuts through cells
    made = scene(thing=(*thing, 1.5))
    cells = make_cells(made, WINDOW, 900)
    assert cells.step > 1
    chosen = cells.raw_z < 1.6
    found = pixels_of(made, cells, chosen, WINDOW)
    truth = window_part(whole(*thing))
    assert (found & ~truth).sum() == 0
    assert (found & truth).sum() > 0.98 * truth.sum()


def test_pixels_that_float_between_two_depths_are_left_out():
    thing = (slice(51, 90), slice(61, 117))
    made = scene(thing=(*thing, 1.5))
    depth = made.depth.copy()
    depth[51:90, 117] = 2.2  # mixed at the right edge
    mixed = pointmap_from_depth(depth, CAMERA, KINECT)
    cells = make_cells(mixed, WINDOW, 900)
    found = pixels_of(mixed, cells, cells.raw_z < 1.6, WINDOW)
    assert not found[:, 117 - 40].any()


def test_settled_drops_single_pixels_and_strips_of_another_depth():
    thing = (slice(50, 90), slice(60, 110))
    made = scene(thing=(*thing, 1.5))
    depth = made.depth.copy()
    rng = np.random.default_rng(1)
    single = rng.random(depth.shape) < 0.03
    depth[single] += 0.5
    mixed = pointmap_from_depth(depth, CAMERA, KINECT)
    mask = whole(thing[0], slice(62, 112))  # two columns too far right: of the wall
    found = settled(mixed, window_part(mask), WINDOW)
    own = window_part(mask & whole(*thing) & ~single)
    other = window_part(mask & ~(whole(*thing) & ~single))
    assert (found & own).sum() > 0.98 * own.sum()
    assert (found & other).sum() < 0.05 * other.sum()
    assert not (found & ~window_part(mask)).any()


def test_settled_follows_a_slanted_surface_to_its_end():
    depth = np.broadcast_to(np.linspace(1.0, 2.5, 320), (240, 320)).copy()
    depth += np.random.default_rng(0).normal(size=depth.shape) * KINECT.sigma(depth)
    made = pointmap_from_depth(depth, CAMERA, KINECT)
    mask = window_part(whole(slice(50, 90), slice(60, 110)))
    assert settled(made, mask, WINDOW).sum() > 0.97 * mask.sum()


def steep(columns, slope=0.03, noise=KINECT):
    """Depth whose inverse falls by a share from column to column, before a wall at 6 m."""
    q = 0.5 * (1 - slope * (np.arange(320.0) - columns.start))
    depth = np.full((240, 320), 6.0)
    depth[40:100, columns] = 1 / q[columns]
    return depth + np.random.default_rng(0).normal(size=depth.shape) * noise.sigma(depth)


@pytest.mark.parametrize("holes", [0.0, 0.5])
def test_settled_follows_a_steep_surface_to_its_last_column(holes):
    """The side of a sofa: no pixel of it has neighbours along its rows at its own depth."""
    side = slice(70, 88)
    depth = steep(side)
    depth[40:100, 86:88][np.random.default_rng(1).random((60, 2)) < holes] = np.nan
    made = pointmap_from_depth(depth, CAMERA, KINECT)
    mask = whole(slice(40, 100), side)
    found = settled(made, window_part(mask), WINDOW)
    read = window_part(mask & np.isfinite(made.depth))
    assert (found & read)[15:65, 86 - 40 : 88 - 40].sum() > 0.8 * read[
        15:65, 86 - 40 : 88 - 40
    ].sum()
    # Pixels in between it and the wall are on neither.
    depth[40:100, 88] = 1 / (0.5 / np.median(0.5 * depth[40:100, 87]) * 0.85)
    made = pointmap_from_depth(depth, CAMERA, KINECT)
    wider = window_part(whole(slice(40, 100), slice(70, 89)))
    assert settled(made, wider, WINDOW)[:, 88 - 40].sum() < 6


def test_pixels_of_a_steep_surface_are_those_on_its_slope():
    side = slice(64, 88)
    made = pointmap_from_depth(steep(side, 0.02), CAMERA, KINECT)
    cells = make_cells(made, WINDOW, 400)
    assert cells.step > 3
    chosen = share_inside(whole(slice(40, 100), side), cells) > 0.6
    found = pixels_of(made, cells, chosen, WINDOW)
    own = window_part(whole(slice(44, 96), slice(66, 84)))
    assert (found & own).sum() > 0.8 * own.sum()
    assert not (found & ~window_part(whole(slice(40, 100), side))).any()


def test_settled_keeps_what_is_thin():
    pole = whole(slice(40, 100), slice(80, 84))
    made = scene(pole=(slice(40, 100), slice(80, 84), 1.5))
    assert settled(made, window_part(pole), WINDOW).sum() == pole.sum()
    # Also beside something that has an inside.
    both = pole | whole(slice(35, 60), slice(60, 110))
    made = scene(
        pole=(slice(40, 100), slice(80, 84), 1.7), seat=(slice(35, 60), slice(60, 110), 1.5)
    )
    found = settled(made, window_part(both), WINDOW)
    leg = window_part(whole(slice(68, 100), slice(80, 84)))
    assert (found & leg).sum() == leg.sum()


@pytest.mark.parametrize("z", [1.2, 2.5])
def test_settled_drops_what_hides_a_thin_part_or_lies_behind_it(z):
    """The depth image shows an occluder there, or the wall beside the leg."""
    both = whole(slice(40, 100), slice(80, 84)) | whole(slice(35, 60), slice(60, 110))
    made = scene(
        other=(slice(40, 100), slice(78, 86), z), seat=(slice(35, 60), slice(60, 110), 1.5)
    )
    found = settled(made, window_part(both), WINDOW)
    assert not found[68 - 30 :].any() and found.any()


def test_pixels_without_depth_are_never_an_object():
    made = scene(thing=(slice(50, 90), slice(60, 110), 1.5))
    depth = made.depth.copy()
    hole = whole(slice(60, 70), slice(70, 90))
    depth[hole] = np.nan
    holed = pointmap_from_depth(depth, CAMERA, KINECT)
    cells = make_cells(holed, WINDOW, 900)
    mask = window_part(whole(slice(50, 90), slice(60, 110)))
    for found in (
        settled(holed, mask, WINDOW),
        pixels_of(holed, cells, cells.raw_z < 1.6, WINDOW),
    ):
        assert found.any() and not (found & window_part(hole)).any()
