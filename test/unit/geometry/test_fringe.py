# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Outlines that a depth camera draws too large end where the colours do."""

import cv2
import numpy as np
import pytest

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.distance import Kind, measure
from spatialgeo_ros.geometry.fringe import fringe_of
from spatialgeo_ros.geometry.pointmap import pointmap_from_depth
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.geometry.segmentation import segment_object

CAMERA = PinholeCamera(320, 240, 300.0, 300.0, 159.5, 119.5)
READ = np.ones((240, 320), bool)
RED, BLUE, GREY = (190, 60, 50), (60, 70, 170), (128, 128, 128)


def drawn(*things, seed=0):
    """An image [240, 320, 3] of rectangles (rows, columns, colour) before grey, a little noisy."""
    image = np.full((240, 320, 3), GREY, np.float64)
    for rows, columns, colour in things:
        image[rows, columns] = colour
    image += np.random.default_rng(seed).normal(0, 4, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8)


def larger(mask, by):
    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * by + 1, 2 * by + 1))).astype(bool)


def test_a_ring_of_other_colour_is_the_fringe():
    own = np.zeros((240, 320), bool)
    own[80:140, 100:170] = True
    found = fringe_of(larger(own, 2), READ, drawn((slice(80, 140), slice(100, 170), RED)))
    assert not (found & own).any()
    ring = larger(own, 2) & ~own
    assert (found & ring).sum() > 0.98 * ring.sum()
    assert not (found & ~larger(own, 5)).any()


def test_unread_pixels_beside_a_thing_are_told_apart_too():
    own = np.zeros((240, 320), bool)
    own[80:140, 100:170] = True
    read = ~larger(own, 3)
    read[84:136, 104:166] = True  # the thing has lost four pixels, what is behind it three
    image = drawn((slice(80, 140), slice(100, 170), RED))
    found = fringe_of(own & read, read, image)
    assert not (found & own).any()
    beside = larger(own & read, 3) & ~own  # nothing: all of that is the thing's own
    assert not beside.any()
    read[80:140, 100:170] = True
    found = fringe_of(own, read, image)
    assert found.sum() > 0.9 * (larger(own, 3) & ~own).sum()
    assert not (found & read).any()


@pytest.mark.parametrize("colour", [GREY, (134, 130, 122)])
def test_one_colour_on_both_sides_tells_nothing(colour):
    own = np.zeros((240, 320), bool)
    own[80:140, 100:170] = True
    image = drawn((slice(80, 140), slice(100, 170), colour))
    assert not fringe_of(larger(own, 2), READ, image).any()


def test_a_leg_without_an_inside_stays():
    leg = np.zeros((240, 320), bool)
    leg[60:180, 150:154] = True
    assert not fringe_of(larger(leg, 1), READ, drawn((slice(60, 180), slice(150, 154), RED))).any()


@pytest.mark.parametrize(("gap", "seed"), [(30, 0), (60, 1)])
def test_gaps_are_as_wide_as_colours_say_where_depth_draws_things_too_large(gap, seed):
    """Two boxes 1 m away before a wall: each 3 pixels larger in depth, so 6 of the gap are lost."""
    left, right = slice(70, 110), slice(110 + gap, 160 + gap)
    rows = slice(90, 150)
    image = drawn((rows, left, RED), (rows, right, BLUE), seed=seed)
    depth = np.full((240, 320), 2.0)
    for columns in (left, right):
        depth[87:153, columns.start - 3 : columns.stop + 3] = 1.0
    made = pointmap_from_depth(depth, CAMERA)
    boxes = [Region.from_box(c.start, 90, c.stop - 1, 149) for c in (left, right)]
    told, untold = (
        measure(
            Kind.NEAREST_POINTS, *(segment_object(made, box, image=seen) for box in boxes)
        ).distance
        for seen in (image, None)
    )
    true = (gap + 1) / 300.0  # from the middle of a pixel to that of another
    assert told == pytest.approx(true, abs=1.0 / 300)
    assert untold < true - 3.0 / 300


def test_what_would_leave_nothing_of_an_object_is_not_taken_off():
    """A thing that colour says is all fringe is measured as depth has it."""
    depth = np.full((240, 320), 2.0)
    depth[90:150, 110:170] = 1.0
    image = drawn((slice(60, 180), slice(80, 200), RED))
    made = pointmap_from_depth(depth, CAMERA)
    found = segment_object(made, Region.from_box(110, 90, 169, 149), image=image)
    assert found.mask[90:150, 110:170].mean() > 0.95
