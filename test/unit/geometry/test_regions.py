# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Regions cover exactly the pixels whose centres they hold, and refuse to be empty."""

import time

import cv2
import numpy as np
import pytest

from spatialgeo_ros.errors import BadRegionError
from spatialgeo_ros.geometry import regions
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
        lambda: Region.from_box(0, 0, 1e9, 1),
        lambda: Region.from_box(-1e300, 0, 1, 1),
        lambda: Region.from_point(0, -2e6),
        lambda: Region.from_polygon([[0, 0], [1e30, 0], [0, 1]]),
        lambda: Region.from_polygon([[0, 0], [1, 0], [np.nan, 1]]),
        lambda: Region.from_polygon(np.zeros((5, 3))),
        lambda: Region.from_mask(np.broadcast_to(np.uint8(1), (20000, 20000))),
    ],
)
def test_bad_regions_are_refused(make):
    with pytest.raises(BadRegionError):
        make()


@pytest.mark.parametrize("count", [1001, 100_000, 1_000_000])
def test_a_polygon_of_too_many_corners_is_refused_at_once_with_bound_and_cure(count):
    corners = np.random.default_rng(0).uniform(0, 500, (count, 2)).astype(np.float32)
    begin = time.process_time()
    with pytest.raises(BadRegionError, match=f"'hull' has {count} corners, 1000 .*approxPolyDP"):
        Region.from_polygon(corners, "hull")
    assert time.process_time() - begin < 0.1


def test_coordinates_that_are_no_place_in_an_image_name_the_bound():
    with pytest.raises(
        BadRegionError, match=r"box 'cup' reaches 1e\+09 pixels.*1e\+06 is the most"
    ):
        Region.from_box(0, 0, 1e9, 1, "cup")
    # A box that a detector draws a little outside is clipped as before.
    assert Region.from_box(-3000, -3000, 9000, 9000).rasterise(10, 10).all()


def zigzag(corners: int, height: int, width: int) -> np.ndarray:
    """The most work for its number of corners: every edge crosses every row."""
    x = np.linspace(0, width - 1, corners)
    return np.stack([x, np.where(np.arange(corners) % 2, height + 5.0, -5.0)], axis=1)


def test_the_largest_polygon_is_filled_in_a_moment():
    region = Region.from_polygon(zigzag(1000, 1080, 1920))
    begin = time.process_time()
    region.rasterise(1080, 1920)
    region.bounds(1080, 1920)
    assert time.process_time() - begin < 0.4  # 0.05 s on an idle core


@pytest.mark.parametrize("seed", range(5))
def test_polygons_of_many_corners_agree_with_opencv_up_to_their_outline(seed):
    rng = np.random.default_rng(seed)
    angle = np.sort(rng.uniform(0, 2 * np.pi, 400))
    radius = rng.uniform(60, 110, 400)[:, None]
    corners = np.rint([160, 120] + radius * np.stack([np.cos(angle), np.sin(angle)], axis=1))
    ours = Region.from_polygon(corners).rasterise(240, 320)
    theirs, outline = np.zeros((2, 240, 320), np.uint8)
    cv2.fillPoly(theirs, [corners.astype(np.int32)], 1)
    cv2.polylines(outline, [corners.astype(np.int32)], True, 1)
    assert not (ours != theirs.astype(bool))[outline == 0].any()
    assert not (ours & (theirs == 0)).any()  # theirs has the outline in addition


def test_a_polygon_is_filled_once_and_its_mask_stays_its_own(monkeypatch):
    calls = []
    fill = regions._fill
    monkeypatch.setattr(regions, "_fill", lambda *a: calls.append(a) or fill(*a))
    given = np.array([[10.0, 5.0], [70.0, 20.0], [40.0, 55.0]])
    region = Region.from_polygon(given)
    first = region.rasterise(60, 80)
    given[:] = 0.0  # the caller's array is not the region's
    first[:] = True
    again = region.rasterise(60, 80)
    assert len(calls) == 1 and 0 < again.sum() < again.size
    assert region.bounds(60, 80)[0] == np.flatnonzero(again.any(axis=0))[0]
    assert len(calls) == 1
    region.rasterise(30, 80)  # another image size is another mask
    assert len(calls) == 2
    assert not np.array_equal(
        Region.from_polygon([[0, 0], [9, 0], [0, 9]]).rasterise(60, 80), again
    )
    with pytest.raises(ValueError):
        region.polygon[0] = 0.0


def test_filled_polygons_are_not_kept_for_ever():
    for k in range(100):
        Region.from_polygon([[k, 0], [k + 9, 0], [k, 9]]).rasterise(60, 200)
    assert regions._filled.cache_info().currsize <= 16
