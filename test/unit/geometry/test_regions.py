# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Regions cover exactly the pixels whose centres they hold, and refuse to be empty."""

import cv2
import numpy as np
import pytest

from spatialgeo_ros.errors import BadRegionError
from spatialgeo_ros.geometry.regions import Region, RegionType


def test_box_covers_the_pixel_centres_inside():
    mask = Region.from_box(1.0, 2.0, 3.0, 4.4).rasterise(10, 10)
    rows, columns = np.nonzero(mask)
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (1, 3, 2, 4)
    # The box of pixel areas around the same pixels means the same.
    np.testing.assert_array_equal(mask, Region.from_box(0.5, 1.5, 3.5, 4.5).rasterise(10, 10))


def test_box_is_clipped_to_the_image():
    region = Region.from_box(-5, -5, 200, 3)
    assert region.bounds(10, 20) == (0, 0, 19, 3)
    assert region.rasterise(10, 20).sum() == 80


def test_polygon_agrees_with_even_odd_rule_on_random_shapes():
    rng = np.random.default_rng(0)
    v, u = np.mgrid[:60, :80]
    for _ in range(40):
        corners = rng.uniform(-20, 90, (6, 2))
        expected = np.zeros((60, 80), bool)
        for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            expected ^= ((ay > v) != (by > v)) & (u >= ax + (v - ay) * (bx - ax) / (by - ay))
        if expected.any():
            np.testing.assert_array_equal(Region.from_polygon(corners).rasterise(60, 80), expected)


def test_polygon_agrees_with_opencv_up_to_its_outline():
    corners = np.array([[10, 5], [70, 20], [40, 55]])
    ours = Region.from_polygon(corners).rasterise(60, 80)
    theirs = np.zeros((60, 80), np.uint8)
    cv2.fillPoly(theirs, [corners], 1)
    outline = np.zeros_like(theirs)
    cv2.polylines(outline, [corners], True, 1, 2)
    assert not (ours != theirs.astype(bool))[outline == 0].any()


def test_point_is_the_pixel_that_holds_it():
    assert Region.from_point(3.4, 2.6).bounds(10, 10) == (3, 3, 3, 3)


def test_mask_is_copied_and_bounded():
    mask = np.zeros((10, 10), np.uint8)
    mask[2:5, 3:9] = 255
    region = Region.from_mask(mask, label="cup")
    assert region.bounds(10, 10) == (3, 2, 8, 4) and region.type is RegionType.MASK
    region.rasterise(10, 10)[:] = True
    assert region.rasterise(10, 10).sum() == 18


@pytest.mark.parametrize(
    "make",
    [
        lambda: Region.from_box(5, 5, 1, 9),
        lambda: Region.from_box(float("nan"), 0, 1, 1),
        lambda: Region.from_polygon([[0, 0], [1, 1]]),
        lambda: Region.from_polygon([[0, 0], [1, 1], [np.inf, 0]]),
        lambda: Region.from_point(float("inf"), 0),
        lambda: Region.from_mask(np.zeros((4, 4))),
        lambda: Region.from_phrase("  "),
        lambda: Region.from_box(30, 30, 40, 40).rasterise(20, 20),
        lambda: Region.from_point(-3, 4).rasterise(20, 20),
        lambda: Region.from_polygon([[2.2, 2.2], [2.8, 2.2], [2.5, 2.8]]).rasterise(20, 20),
        lambda: Region.from_mask(np.ones((4, 4))).rasterise(20, 20),
        lambda: Region.from_phrase("red chair").rasterise(20, 20),
    ],
)
def test_bad_regions_are_refused(make):
    with pytest.raises(BadRegionError):
        make()
