# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Masks that a network made on a coarse grid: their outline is known to a cell of it."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from spatialgeo_ros.errors import BadRegionError, TooLittleSupportError
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.distance import Kind, measure
from spatialgeo_ros.geometry.object_pixels import eroded, settled
from spatialgeo_ros.geometry.object_points import ObjectPoints
from spatialgeo_ros.geometry.pointmap import PointMap, pointmap_from_depth
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.geometry.segmentation import segment_object

CAMERA = PinholeCamera(320, 240, 260.0, 260.0, 160.0, 120.0)
BOX, POLE = (slice(80, 160), slice(100, 180)), (slice(40, 200), slice(220, 224))


def scene(wall: float = 3.0) -> PointMap:
    """A block at 1.5 m and a thin pole at 1.8 m before a wall."""
    rng = np.random.default_rng(0)
    depth = np.full((240, 320), wall, np.float32)
    depth[BOX], depth[POLE] = 1.5, 1.8
    depth += rng.normal(scale=0.002, size=depth.shape).astype(np.float32)
    return pointmap_from_depth(depth, CAMERA)


def mask_of(place: tuple[slice, slice], shift: int = 0) -> np.ndarray:
    mask = np.zeros((240, 320), bool)
    mask[place] = True
    return np.roll(mask, shift, axis=1)


def seen(mask: np.ndarray, cell: float, pointmap: PointMap | None = None) -> ObjectPoints:
    region = Region.from_mask(mask, "thing", cell=cell)
    return segment_object(pointmap or scene(), region)


@pytest.mark.parametrize(
    ("place", "shift"),
    [(BOX, -3), (BOX, 3), (POLE, -2), (POLE, 2)],
    ids=["block left", "block right", "pole left", "pole right"],
)
def test_what_a_mask_leaks_onto_within_a_cell_is_left_out(place, shift) -> None:
    """Of the mask of the pole, four pixels wide, half is wall."""
    mask = mask_of(place, shift)
    found = seen(mask, cell=3.0)
    assert np.median(found.points[:, 2]) < 2.0
    assert (found.points[:, 2] > 2.5).mean() < 0.02
    own = mask & mask_of(place)
    assert found.mask[own].mean() > 0.9  # and the thing itself stays, thin as it is


@pytest.mark.parametrize("shift", [-3, 3])
def test_a_mask_that_shows_hardly_more_than_what_is_behind_is_refused(shift) -> None:
    """A pixel of the pole, three of the wall: most of what has depth is not the thing."""
    with pytest.raises(TooLittleSupportError):
        seen(mask_of(POLE, shift), cell=3.0)


def test_a_thing_that_lies_flat_keeps_its_outline() -> None:
    """Where the depth inside and outside is the same, nothing tells that the mask leaks."""
    flat = pointmap_from_depth(np.full((240, 320), 2.0, np.float32), CAMERA)
    mask = mask_of(BOX)
    found = seen(mask, 3.0, flat)
    assert found.mask[mask].mean() > 0.95


def test_a_small_thing_on_a_surface_is_not_all_taken_for_the_surface() -> None:
    """All of it is within a cell of its outline."""
    flat = pointmap_from_depth(np.full((240, 320), 2.0, np.float32), CAMERA)
    mask = mask_of((slice(100, 105), slice(100, 130)))
    assert seen(mask, 3.0, flat).mask[mask].mean() > 0.9


def test_other_outlines_of_a_coarse_mask_are_kept_and_widen_sigma() -> None:
    block, pole = mask_of(BOX, 2), mask_of(POLE)
    exact = measure(Kind.NEAREST_POINTS, seen(block, 1.0), seen(pole, 1.0))
    things = seen(block, 4.0), seen(pole, 4.0)
    assert [len(one.outlines) for one in things] == [2, 1]  # of the pole nothing is surely inside
    core, box = sorted(things[0].outlines, key=lambda one: one.support)
    assert core.support < things[0].support <= box.support * 1.2
    coarse = measure(Kind.NEAREST_POINTS, *things)
    assert coarse.valid
    assert coarse.sigma > 1.1 * exact.sigma
    without = [seen(block, 1.0), seen(pole, 1.0)]
    assert all(not one.outlines and one.outline == 0.0 for one in without)


def test_a_mask_that_erodes_to_nothing_is_used_whole_with_a_wider_outline() -> None:
    pole, block = seen(mask_of(POLE), 4.0), seen(mask_of(BOX), 4.0)
    assert pole.outline == pytest.approx(6.0)
    assert block.outline == pytest.approx(2.0)
    assert pole.support > 0.9 * mask_of(POLE).sum()


def test_width_depends_on_a_coarse_outline() -> None:
    exact, coarse = (
        measure(Kind.WIDTH, seen(mask_of(BOX), cell), gravity=[0.0, 1.0, 0.0])
        for cell in (1.0, 6.0)
    )
    assert coarse.sigma > 1.2 * exact.sigma


def test_a_mask_over_two_surfaces_is_measured_as_both() -> None:
    """A third of it is another thing 1.5 m behind: sigma spans both readings, or it is refused."""
    mask = mask_of(BOX) | mask_of((slice(80, 160), slice(200, 240)))
    found = seen(mask, 2.0)
    assert np.median(found.points[:, 2]) == pytest.approx(1.5, abs=0.02)
    assert (found.points[:, 2] > 2.5).mean() < 0.02  # the surface that holds the inside
    assert found.other is not None
    assert (found.other.points[:, 2] > 2.5).mean() > 0.2
    pole = seen(mask_of(POLE), 2.0)
    alone, both = (measure(Kind.CENTRE_TO_CENTRE, one, pole) for one in (found, found.other))
    told = measure(Kind.CENTRE_TO_CENTRE, replace(found, other=None), pole)
    assert alone.sigma > max(told.sigma, 0.6 * abs(alone.distance - both.distance))
    assert "two surfaces" in alone.reason


def test_a_window_of_the_mask_is_enough() -> None:
    pointmap, mask = scene(), mask_of(BOX, 3)
    whole = settled(pointmap, mask, (0, 0, 320, 240), 3.0)
    part = settled(pointmap, mask[60:180, 80:210], (80, 60, 210, 180), 3.0)
    np.testing.assert_array_equal(whole[60:180, 80:210], part)


@pytest.mark.parametrize(("cell", "side"), [(1.0, 8), (1.5, 6), (2.2, 4), (4.9, 0), (50.0, 0)])
def test_erosion_takes_a_cell_on_every_side(cell, side) -> None:
    mask = np.zeros((30, 30), bool)
    mask[10:20, 10:20] = True
    assert eroded(mask, cell).sum() == side**2


@pytest.mark.parametrize("cell", [0.0, -1.0, float("nan"), float("inf")])
def test_a_cell_is_a_length(cell) -> None:
    with pytest.raises(BadRegionError, match="cells"):
        Region.from_mask(np.ones((2, 2)), "mug", cell=cell)


def test_a_cell_smaller_than_a_pixel_is_a_pixel() -> None:
    """A network whose grid is finer than the camera's image."""
    assert Region.from_mask(np.ones((2, 2)), cell=0.3).cell == 1.0


def test_empty_masks_and_masks_of_another_size_are_refused() -> None:
    with pytest.raises(BadRegionError, match="empty"):
        Region.from_mask(np.zeros((240, 320)), "mug", cell=2.0)
    small = cv2.resize(mask_of(BOX).astype(np.uint8), (160, 120))
    with pytest.raises(BadRegionError, match="160x120 but the image is 320x240"):
        seen(small, 2.0)


def test_outlines_can_be_left_out_where_nothing_is_measured() -> None:
    region = Region.from_mask(mask_of(BOX), "thing", cell=3.0)
    found = segment_object(scene(), region, outlines=False)
    assert found.outlines == () and found.outline == 1.5
    np.testing.assert_array_equal(found.mask, seen(mask_of(BOX), 3.0).mask)


@pytest.mark.parametrize(
    ("bar", "legs", "readings"),
    [(1.2, 1.5, 1), (1.2, 2.6, 1), (1.2, 3.2, 2), (None, 2.6, 2), (2.0, 2.6, 2)],
    ids=["as near", "farther", "too far", "nothing before", "not before the front"],
)
@pytest.mark.parametrize("cell", [1.0, 2.0])
def test_what_something_nearer_cuts_off_is_no_leak(bar, legs, readings, cell) -> None:
    """A back rest at 1.5 m over legs; a table top may hide what joins them."""
    depth = np.full((240, 320), 4.0, np.float32)
    back, under = (slice(60, 100), slice(130, 190)), (slice(150, 190), slice(140, 160))
    depth[back], depth[under] = 1.5, legs
    if bar is not None:
        depth[100:150, 80:240] = bar
    depth += np.random.default_rng(0).normal(scale=0.002, size=depth.shape).astype(np.float32)
    mask = mask_of(back) | mask_of(under)
    found = seen(mask, cell, pointmap_from_depth(depth, CAMERA))
    assert (found.other is None) == (readings == 1)
    kept = found.mask[mask_of(under)].mean()
    assert kept > 0.8 if readings == 1 else kept < 0.2  # but for cells on its outline


@pytest.mark.parametrize(
    ("scrap", "cell", "kept"),
    [
        ((slice(80, 100), slice(190, 206)), 1.0, True),
        ((slice(80, 160), slice(190, 192)), 1.0, False),  # a strip along the outline
        ((slice(80, 88), slice(190, 198)), 4.0, False),  # may be what the mask leaked onto
    ],
    ids=["with an inside", "strip", "coarse mask"],
)
def test_what_of_a_drawn_mask_has_an_inside_is_no_scrap(scrap, cell, kept) -> None:
    """A sofa's back behind its arm in the corner of the image: small, and far from the rest."""
    depth = np.full((240, 320), 4.0, np.float32)
    arm = (slice(80, 160), slice(110, 190))
    depth[arm], depth[scrap] = 1.0, 2.5
    found = seen(mask_of(arm) | mask_of(scrap), cell, pointmap_from_depth(depth, CAMERA))
    share = found.mask[mask_of(scrap)].mean()
    assert share > 0.7 if kept else share == 0.0
    assert found.mask[mask_of(arm)].mean() > 0.9
