# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pixels that two objects were both found to hold are the one's they go on from."""

from dataclasses import replace

import numpy as np
import pytest

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.distance import Kind, measure
from spatialgeo_ros.geometry.evidence import Evidence
from spatialgeo_ros.geometry.pointmap import pointmap_from_depth
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.geometry.segmentation import segment_object
from spatialgeo_ros.geometry.shared_pixels import shared_pixels

CAMERA = PinholeCamera(640, 480, 525.0, 525.0, 319.5, 239.5)
WALL, FAR, NEAR = 4.0, 3.0, 2.4


def rectangle(rows, columns):
    out = np.zeros((480, 640), bool)
    out[slice(*rows), slice(*columns)] = True
    return out


CABINET = rectangle((100, 300), (150, 420))  # 1.5 m wide, behind
CHAIR = rectangle((180, 360), (300, 400))  # before it, and on below it
SHARED = CABINET & CHAIR


def scene():
    depth = np.full((480, 640), WALL)
    depth[CABINET] = FAR
    depth[CHAIR] = NEAR
    return pointmap_from_depth(depth, CAMERA)


def seen(mask):
    """An object that was given as a mask of these pixels."""
    return segment_object(scene(), Region.from_mask(mask))


def as_found(thing, mask, made=None):
    """The same object, found in a box to hold these pixels."""
    made = made or scene()
    rows, columns = np.nonzero(mask)
    box = (int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max()))
    return replace(
        thing,
        mask=mask,
        points=made.points[mask],
        sigma=np.full(int(mask.sum()), 0.01, np.float32),
        surface=made.points[mask][::20],
        surface_sigma=np.full(len(made.points[mask][::20]), 0.01, np.float32),
        box=box,
        evidence=Evidence(side=float(max(box[2] - box[0], box[3] - box[1]))),
    )


@pytest.fixture(scope="module")
def cabinet():
    return seen(CABINET & ~CHAIR)


@pytest.fixture(scope="module")
def chair():
    return as_found(seen(CHAIR), CHAIR)


def test_objects_without_a_pixel_in_common_lose_none(cabinet, chair):
    assert shared_pixels(cabinet, chair) == (None, None, 0.0)


@pytest.mark.parametrize("swapped", [False, True])
def test_what_was_found_of_the_thing_behind_too_is_the_nearer_ones(cabinet, chair, swapped):
    both = as_found(cabinet, CABINET)  # its box holds most of the chair
    first, second = (chair, both) if swapped else (both, chair)
    found = shared_pixels(first, second)
    lost, kept = (
        (found.lost_by_second, found.lost_by_first)
        if swapped
        else (found.lost_by_first, found.lost_by_second)
    )
    assert kept is None
    assert np.count_nonzero(lost & chair.mask) > 0.98 * np.count_nonzero(both.mask & chair.mask)
    assert not (lost & CABINET & ~CHAIR).any()
    assert found.side == pytest.approx(np.sqrt(SHARED.sum()) * NEAR / 525, rel=0.3)  # at either's


def test_what_is_seen_under_a_table_is_not_the_tables_although_it_is_more_of_that(chair):
    """Of the smaller object it is a larger share, but it goes on in the larger one."""
    legs = rectangle((250, 360), (300, 310)) | rectangle((250, 360), (390, 400))
    top = rectangle((230, 250), (300, 400))
    below = rectangle((250, 300), (310, 390))  # the cabinet, seen between the legs
    depth = np.full((480, 640), WALL)
    depth[CABINET] = FAR
    depth[legs | top] = NEAR
    made = pointmap_from_depth(depth, CAMERA)
    of_cabinet = rectangle((100, 300), (150, 300)) | below | rectangle((250, 300), (300, 310))
    parts = []
    for mask in (of_cabinet, legs & ~of_cabinet | top | below):
        parts.append(as_found(chair, mask, made))
    found = shared_pixels(*parts)
    assert found.lost_by_first is None
    assert found.lost_by_second[below].all()
    assert not (found.lost_by_second & top).any()


def test_a_rest_that_goes_on_from_them_is_lost_as_well(cabinet, chair):
    """A strip along the chair that was found of the cabinet alone, at the chair's depth."""
    strip = rectangle((180, 300), (294, 300))
    depth = np.full((480, 640), WALL)
    depth[CABINET] = FAR
    depth[CHAIR | strip] = NEAR
    made = pointmap_from_depth(depth, CAMERA)
    both = as_found(cabinet, CABINET, made)
    lost = shared_pixels(both, chair).lost_by_first
    assert lost[strip].mean() > 0.95
    assert not (lost & CABINET & ~CHAIR & ~strip).any()


def test_gaps_are_between_what_is_each_ones_own_and_say_so(cabinet, chair):
    both = as_found(cabinet, CABINET)
    estimate = measure(Kind.NEAREST_POINTS, both, chair)
    alone = measure(Kind.NEAREST_POINTS, cabinet, chair)
    assert alone.distance == pytest.approx(FAR - NEAR, abs=0.1)
    assert estimate.distance == pytest.approx(alone.distance, abs=0.05)
    assert estimate.sigma > 0.15 > alone.sigma
    assert "was found of object, too; give masks" in estimate.reason
    assert not alone.reason


def test_masks_that_overlap_along_their_outlines_are_no_doubt(cabinet):
    wide = seen(CHAIR | rectangle((180, 300), (296, 300)))
    whole = seen(CABINET & ~CHAIR)
    assert (wide.mask & whole.mask).any()
    assert shared_pixels(whole, wide).side == 0
    assert "give masks" not in measure(Kind.NEAREST_POINTS, whole, wide).reason
