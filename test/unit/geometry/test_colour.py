# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where depth shows no edge, colour does; where colour shows none, depth stands."""

import cv2
import numpy as np
import pytest
from geometry_scene import CAMERA

from spatialgeo_ros.geometry.cells import make_cells
from spatialgeo_ros.geometry.colour import (
    bounded_by_colour,
    cell_colours,
    connected_by_colour,
    outline_of_flat,
    refined_outline,
)
from spatialgeo_ros.geometry.pointmap import DepthNoise, pointmap_from_depth
from spatialgeo_ros.geometry.region_borders import grown

KINECT = DepthNoise(0.0012, 0.0019)
RED, BLUE, GREY = (200, 50, 40), (40, 60, 190), (140, 140, 140)
WINDOW = (100, 60, 200, 140)


def sheet(depth=None, most=100_000, window=WINDOW):
    """Cells of a flat surface, or of a depth image."""
    flat = np.full((240, 320), 1.5) if depth is None else depth
    return make_cells(pointmap_from_depth(flat, CAMERA, KINECT), window, most)


def picture(*spots, ground=GREY, seed=0):
    """An image of one colour with spots (rows, columns, colour) and a little noise."""
    image = np.empty((240, 320, 3), np.float64)
    image[...] = ground
    for rows, columns, colour in spots:
        image[rows, columns] = colour
    image += np.random.default_rng(seed).normal(0, 2, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8)


def overlap(found, truth):
    return (found & truth).sum() / (found | truth).sum()


@pytest.mark.parametrize("most", [100_000, 900])
def test_colours_are_the_mean_of_a_cell_in_lab(most):
    cells = sheet(most=most)
    image = picture((slice(0, 240), slice(0, 150), RED), ground=BLUE)
    colours = cell_colours(cells, image)
    assert colours.shape == (*cells.shape, 3)
    for column, colour in ((0, RED), (cells.shape[1] - 1, BLUE)):
        pixel = np.array([[colour]], np.float32) / 255
        expected = cv2.cvtColor(pixel, cv2.COLOR_RGB2Lab)[0, 0]
        assert np.abs(colours[:, column].mean(axis=0) - expected).max() < 1.5


def test_the_last_cells_may_reach_over_the_image():
    cells = sheet(most=50, window=(251, 171, 320, 240))
    h, w = cells.shape
    assert 251 + w * cells.step > 320 and 171 + h * cells.step > 240
    colours = cell_colours(cells, picture(ground=RED))
    assert colours.shape == (h, w, 3)
    assert np.abs(colours - colours[0, 0]).max() < 3


def test_two_colours_on_one_surface_are_two():
    cells = sheet()
    image = picture((slice(0, 240), slice(0, 150), RED), ground=BLUE)
    label = connected_by_colour(cells, cells.ok, cell_colours(cells, image))
    left, right = label[:, :49], label[:, 51:]
    names = [np.bincount(half[half >= 0]).argmax() for half in (left, right)]
    assert names[0] != names[1]
    assert (left == names[0]).mean() > 0.97 and (right == names[1]).mean() > 0.97
    assert (label >= 0).all()
    assert len(np.unique(label)) == 2, "outlines join a neighbour"


def test_one_colour_is_one_and_depth_still_divides():
    depth = np.full((240, 320), 1.5)
    depth[:, 150:] = 2.0
    even = picture()
    flat, stepped = sheet(), sheet(depth)
    assert connected_by_colour(flat, flat.ok, cell_colours(flat, even)).max() == 0
    label = connected_by_colour(stepped, stepped.ok, cell_colours(stepped, even))
    assert len(np.unique(label[:, :48])) == len(np.unique(label[:, 52:])) == 1
    assert label[0, 0] != label[0, -1]


def test_cells_not_in_use_have_no_name():
    cells = sheet()
    use = cells.ok.copy()
    use[20:30] = False
    label = connected_by_colour(cells, use, cell_colours(cells, picture()))
    np.testing.assert_array_equal(label < 0, ~use)
    assert label[0, 0] != label[-1, 0]


def flat_thing():
    """A disc on a sheet, within its box; the box's cells are all flat."""
    cells = sheet()
    rows, columns = np.indices((240, 320))
    disc = (rows - 100) ** 2 + (columns - 150) ** 2 < 20**2
    image = picture()
    image[disc] = RED
    within = np.zeros(cells.shape, bool)
    within[20:61, 30:71] = True
    return cells, disc[60:140, 100:200], within, image


def test_the_outline_of_a_flat_thing_is_where_its_colour_ends():
    cells, disc, within, image = flat_thing()
    found = outline_of_flat(cells, within, within, image, ~grown(within))
    assert overlap(found, disc) > 0.9
    assert not (found & ~within).any()


def test_without_a_colour_of_its_own_a_flat_thing_is_its_box():
    cells, _, within, _ = flat_thing()
    for image in (None, picture()):
        found = outline_of_flat(cells, within, within, image, ~grown(within))
        assert found.sum() > 0.9 * within.sum()
    # A small print in the box is not its outline.
    spot = picture((slice(95, 102), slice(146, 152), RED))
    assert outline_of_flat(cells, within, within, spot, ~grown(within)).sum() > 0.9 * within.sum()


@pytest.mark.parametrize("printed", [False, True])
def test_a_flat_thing_that_lies_askew_fills_a_quarter_of_its_box(printed):
    cells = sheet()
    rows, columns = np.indices((240, 320))
    along, across = columns - rows - 50, columns + rows - 250
    bar = (np.abs(across) < 10) & (np.abs(along) < 50)
    image = picture()
    image[bar] = RED
    if printed:  # a picture on it in the sheet's own colour is the thing's all the same
        image[(np.abs(across) < 5) & (np.abs(along) < 20)] = GREY
    bar = bar[60:140, 100:200]
    within = np.zeros(cells.shape, bool)
    at = np.nonzero(bar)
    within[at[0].min() : at[0].max() + 1, at[1].min() : at[1].max() + 1] = True
    assert bar.sum() < 0.3 * within.sum()
    found = outline_of_flat(cells, within, within, image, ~grown(within))
    assert overlap(found, bar) > 0.85


def test_a_flat_thing_is_told_from_a_print_that_its_surface_has_all_over():
    cells, disc, within, image = flat_thing()
    rows, columns = np.indices((240, 320))
    stripes = (rows // 8 % 2 == 0) & (image != RED).any(axis=-1)
    image[stripes] = image[stripes] // 2
    found = outline_of_flat(cells, within, within, image, ~grown(within))
    assert overlap(found, disc) > 0.85


def row_of_books(ground=GREY):
    """Three leaning books that are one surface; the middle one's box holds corners of the others.

    Returns cells, the middle book, its box, and the image.
    """
    cells = sheet()
    rows, columns = np.indices((240, 320))
    along = columns - 150 + (rows - 100) // 2
    image = picture(ground=ground)
    tall = (rows > 75) & (rows < 125)
    for first, colour in ((-42, BLUE), (-14, RED), (14, (60, 140, 60))):
        image[tall & (along >= first) & (along < first + 28)] = colour
    book = (tall & (along >= -14) & (along < 14))[60:140, 100:200]
    within = np.zeros(cells.shape, bool)
    at = np.nonzero(book)
    within[at[0].min() : at[0].max() + 1, at[1].min() : at[1].max() + 1] = True
    assert book.sum() < 0.6 * within.sum()
    return cells, book, within, image


def bounded(cells, thing, within, image, background=None, others=None):
    nothing = np.zeros(cells.shape, bool)
    return bounded_by_colour(
        cells,
        thing,
        within,
        grown(within),
        cell_colours(cells, image),
        nothing if background is None else background,
        nothing if others is None else others,
    )


def test_a_book_ends_where_the_colour_of_those_beside_it_goes_on():
    cells, book, within, image = row_of_books()
    found = bounded(cells, within, within, image)
    assert overlap(found, book) > 0.85


def test_a_book_that_was_taken_for_its_background_is_what_its_colour_bounds():
    cells, book, within, image = row_of_books()
    sliver = within.copy()
    sliver[32:] = False
    found = bounded(cells, sliver, within, image)
    assert overlap(found, book) > 0.85


def test_a_colour_that_reaches_over_little_of_the_region_changes_nothing():
    cells, _, within, image = row_of_books()
    image[...] = picture(ground=RED)
    image[90:105, 140:150] = BLUE
    assert bounded(cells, within, within, image) is within


def test_what_depth_left_out_of_a_thing_that_it_found_stays_out():
    cells, book, within, image = row_of_books()
    hole = np.zeros(cells.shape, bool)
    hole[35:45, 45:55] = True
    found = bounded(cells, book & ~hole, within, image)
    assert not (found & hole).any()
    assert overlap(found, book & ~hole) > 0.9


def test_the_pattern_of_what_a_thing_lies_on_is_not_the_thing():
    cells, book, within, image = row_of_books()
    rows, columns = np.indices((240, 320))
    dots = ((rows // 9) % 2 == 0) & ((columns // 9) % 2 == 0)
    image[...] = picture(ground=BLUE)
    image[dots] = RED  # all over the surface, in the box as well
    sliver = within.copy()
    sliver[40:] = False
    found = bounded(cells, sliver, within, image)
    assert not (found & ~sliver).any()


def test_a_thing_in_the_colour_of_what_it_lies_before_stays_whole():
    """The front of a cup is as white as its table, its inside is not."""
    cells = sheet()
    image = picture((slice(80, 100), slice(130, 170), RED))
    within = np.zeros(cells.shape, bool)
    within[20:60, 30:70] = True
    table = cells.ok & ~within
    assert bounded(cells, within, within, image, background=table)[40:60, 30:70].all()


def test_the_print_on_another_thing_is_not_added():
    cells, book, within, image = row_of_books()
    sliver = within.copy()
    sliver[32:] = False
    assert (bounded(cells, sliver, within, image) & ~sliver).any()
    known = within & ~sliver
    assert not (bounded(cells, sliver, within, image, others=known) & known).any()


def test_an_outline_moves_to_the_colour_edge_near_it():
    cells = sheet()
    truth = np.zeros(cells.shape, bool)
    truth[20:60, 30:70] = True
    image = picture((slice(80, 120), slice(130, 170), RED))
    for shift in (3, -3):
        vague = np.roll(truth, shift, axis=1)
        found = refined_outline(cells, vague, cells.ok, image)
        assert overlap(found, truth) > 0.93 > 0.9 > overlap(vague, truth)
        # Without an image nothing is known, without contrast nothing is moved far.
        assert refined_outline(cells, vague, cells.ok, None) is vague
    allowed = cells.ok & ~np.roll(truth, 30, axis=1)
    vague = np.roll(truth, -3, axis=1)
    assert not (refined_outline(cells, vague, allowed, image) & ~(allowed | vague)).any()


def test_clear_depth_edges_do_not_move():
    """The colour edge is four pixels inside: a print on a thing that stands out."""
    depth = np.full((240, 320), 2.5)
    depth[80:120, 130:170] = 1.5
    cells = sheet(depth)
    chosen = cells.raw_z < 2
    image = picture((slice(84, 116), slice(134, 166), RED))
    np.testing.assert_array_equal(refined_outline(cells, chosen, cells.ok, image), chosen)


def test_thin_things_keep_their_outline():
    cells = sheet()
    pole = np.zeros(cells.shape, bool)
    pole[5:75, 48:51] = True
    image = picture((slice(60, 140), slice(146, 149), RED))
    found = refined_outline(cells, pole, cells.ok, image)
    np.testing.assert_array_equal(found, pole)
