# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The paint that a box bounds: at all four sides, and not beyond; the thing that it is on."""

import numpy as np
import pytest
from geometry_scene import CAMERA, HEIGHT, Block, box_of, see

from spatialgeo_ros.geometry.cells import make_cells
from spatialgeo_ros.geometry.chromaticity import bounded_paint, of_paint
from spatialgeo_ros.geometry.pointmap import DepthNoise, pointmap_from_depth
from spatialgeo_ros.geometry.region_borders import grown
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.geometry.segmentation import segment_object

KINECT = DepthNoise(0.0012, 0.0019)
GREEN, SHADE, RED, GREY = (60, 150, 80), (33, 83, 44), (200, 50, 40), (150, 140, 125)
WINDOW, BOX = (100, 60, 200, 140), (slice(80, 120), slice(120, 180))
LEFT, TOP = (slice(80, 120), slice(120, 130)), (slice(80, 84), slice(120, 180))
MIDDLE = (slice(84, 120), slice(130, 180))
PAINT = (LEFT, TOP)


def window(depth=1.5, most=100_000):
    """Cells of a flat surface or a depth image, which of them are in the box, and around it."""
    made = pointmap_from_depth(np.broadcast_to(depth, (240, 320)).copy(), CAMERA, KINECT)
    cells = make_cells(made, WINDOW, most)
    inside = np.zeros((240, 320), bool)
    inside[BOX] = True
    within = of_cells(inside, cells)
    return cells, within, grown(within)


def of_cells(mask, cells):
    """The cells of a mask [240, 320] of the image."""
    x0, y0, x1, y1 = WINDOW
    part = mask[y0:y1, x0:x1][:: cells.step, :: cells.step]
    return part[: cells.shape[0], : cells.shape[1]]


def places(*spots):
    out = np.zeros((240, 320), bool)
    for spot in spots:
        out[spot] = True
    return out


def picture(*spots, noise=1.0):
    """An image in grey with spots of other colours, and a little noise."""
    image = np.empty((240, 320, 3))
    image[...] = GREY
    for spot, colour in spots:
        image[spot] = colour
    image += np.random.default_rng(0).normal(0, noise, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8)


def overlap(found, truth):
    return (found & truth).sum() / (found | truth).sum()


#: A thing that shows one side in the light and one in the shade, the rest behind another.
HIDDEN = ((LEFT, GREEN), (TOP, SHADE), (MIDDLE, RED))


@pytest.mark.parametrize("most", [100_000, 2_000])
def test_a_paint_in_light_and_shade_is_found_behind_another_thing(most):
    cells, within, around = window(most=most)
    found = bounded_paint(cells, within, around, picture(*HIDDEN))
    assert overlap(found, of_cells(places(*PAINT), cells)) > 0.85


def test_a_colour_that_stops_short_of_a_side_is_not_bounded():
    cells, within, around = window()
    short = (slice(84, 120), slice(130, 172))
    assert bounded_paint(cells, within, around, picture((short, RED))) is None
    # Both sides of one paint are needed: the same box with its lit side alone.
    assert bounded_paint(cells, within, around, picture((LEFT, GREEN), (MIDDLE, RED))) is None


def test_a_colour_that_goes_on_outside_is_not_bounded():
    cells, within, around = window()
    longer = (slice(80, 140), slice(120, 130))
    assert bounded_paint(cells, within, around, picture((longer, GREEN), *HIDDEN[1:])) is None


def test_a_paint_that_goes_on_more_than_it_ends_is_not_known():
    """A white mug on white paper: what ends within the box is some of its shades."""
    cells, within, around = window()
    more = (slice(88, 140), slice(140, 170)), GREEN
    assert bounded_paint(cells, within, around, picture(*HIDDEN)) is not None
    assert bounded_paint(cells, within, around, picture(*HIDDEN, more)) is None


def test_texture_shows_no_paint():
    cells, within, around = window()
    image = picture(*HIDDEN)
    image[MIDDLE] = np.random.default_rng(1).integers(0, 255, (36, 50, 3))
    assert bounded_paint(cells, within, around, image) is None


def depth_of(middle, ground=1.5):
    depth = np.full((240, 320), ground)
    depth[MIDDLE] = middle
    return depth


def test_what_stands_before_a_paint_is_another_thing():
    cells, within, around = window(depth_of(1.47))
    paint = of_cells(places(*PAINT), cells)
    label = np.where(paint, 1, 0)
    found, others = of_paint(cells, paint, within, np.where(within, label, 2), around)
    np.testing.assert_array_equal(found, paint)
    np.testing.assert_array_equal(others, within & ~paint)


def test_what_is_level_with_a_paint_is_of_the_thing():
    cells, within, around = window(depth_of(1.5))
    paint = of_cells(places(*PAINT), cells)
    label = np.where(paint, 1, np.where(within, 0, 2))
    found, others = of_paint(cells, paint, within, label, around)
    np.testing.assert_array_equal(found, within)
    assert not others.any()


def test_a_patch_that_goes_on_outside_is_not_of_the_thing():
    cells, within, around = window(depth_of(1.5))
    paint = of_cells(places(*PAINT), cells)
    label = np.where(paint, 1, 0)  # all of the grey around it, too
    found, others = of_paint(cells, paint, within, label, around)
    np.testing.assert_array_equal(found, paint)
    np.testing.assert_array_equal(others, within & ~paint)


def row_of_books(colours):
    """Two books that stand before a wall, the lower and narrower one before the other."""
    back = Block(1.5, 0.0, (0.03, 0.22, 0.25))
    front = Block(1.466, -0.025, (0.03, 0.17, 0.2))
    made, index, gravity, _ = see([Block(2.3, 0.0, (0.2, 5.0, 2.4)), back, front], KINECT)
    noise = np.random.default_rng(0).normal(0, 1, (*index.shape, 3))
    palette = np.array([GREY, *colours, GREY], np.float64)
    return made, index, gravity, np.clip(palette[index] + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("knows_gravity", [True, False])
def test_a_book_is_found_behind_the_one_that_fills_its_box(knows_gravity):
    made, index, gravity, image = row_of_books((GREEN, RED))
    region = Region.from_box(*box_of(index, 1), "book")
    told = (gravity, HEIGHT) if knows_gravity else (None, None)
    found = segment_object(made, region, *told, image=image)
    assert overlap(found.mask, index == 1) > 0.75
    assert not (found.mask & (index == 2)).sum() > 0.1 * found.support


def test_books_of_one_colour_are_what_depth_says_of_them():
    made, index, gravity, image = row_of_books((GREEN, GREEN))
    region = Region.from_box(*box_of(index, 1), "book")
    plain = segment_object(made, region, gravity, HEIGHT)
    found = segment_object(made, region, gravity, HEIGHT, image=image)
    assert overlap(found.mask, plain.mask) > 0.8


def test_depth_keeps_its_outline_but_not_what_stands_on_a_thing():
    """A ball on a box is another thing, although depth finds both as one."""
    lid = Block(1.5, 0.0, (0.03, 0.25, 0.25))
    knob = Block(1.47, 0.0, (0.03, 0.08, 0.08), bottom=0.08)
    made, index, gravity, _ = see([Block(2.3, 0.0, (0.2, 5.0, 2.4)), lid, knob], KINECT)
    noise = np.random.default_rng(0).normal(0, 1, (*index.shape, 3))
    palette = np.array([GREY, GREEN, RED, GREY], np.float64)
    image = np.clip(palette[index] + noise, 0, 255).astype(np.uint8)
    region = Region.from_box(*box_of(index, 1), "box")
    plain = segment_object(made, region, gravity, HEIGHT)
    assert (plain.mask & (index == 2)).sum() > 0.5 * (index == 2).sum()
    found = segment_object(made, region, gravity, HEIGHT, image=image)
    assert (found.mask & (index == 2)).sum() < 0.2 * (index == 2).sum()
    assert overlap(found.mask, index == 1) > 0.85
