# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whose pixels are whose, where the boxes of two detections overlap."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from geometry_scene import (
    CARTON,
    HEIGHT,
    MUG,
    TABLE,
    WALL,
    Block,
    box_of,
    see,
)

from spatialgeo_ros.geometry.object_points import ObjectPoints
from spatialgeo_ros.geometry.pointmap import PointMap, pointmap_from_depth
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.geometry.segmentation import segment_object
from spatialgeo_ros.scene.overlaps import claimants, pixels_of, rivals

#: Before a cabinet of which a strip is seen on either side.
BACK_REST = Block(1.3, 0.0, (0.05, 0.5, 0.75), bottom=0.15)
CABINET = Block(2.0, 0.05, (0.3, 1.0, 0.6))


def found(blocks: list[Block]) -> tuple[list[Region], list[ObjectPoints], np.ndarray, PointMap]:
    """Boxes around what is seen of each block, what is found in them, truth, and the points."""
    pointmap, index, gravity, _ = see([*blocks, WALL])
    regions = [
        Region.from_box(*map(float, box_of(index, k)), f"thing {k}") for k in range(len(blocks))
    ]
    points = [segment_object(pointmap, region, gravity, HEIGHT) for region in regions]
    return regions, points, index, pointmap


def owners_among(
    pointmap: PointMap,
    region: Region,
    mine: ObjectPoints,
    pairs: list[tuple[Region, ObjectPoints]],
) -> list[tuple[Region, ObjectPoints]]:
    """Ask about things that are separated already."""
    others = [other for other, _ in pairs]
    return claimants(
        pointmap, region, mine, others, lambda one: next(b for a, b in pairs if a is one)
    )


def test_what_fills_a_box_and_goes_on_in_its_own_is_the_nearer_things() -> None:
    regions, points, index, pointmap = found([BACK_REST, CABINET])
    x0, y0, x1, y1 = (int(value) for value in regions[1].bounds(*index.shape))
    inside = np.zeros_like(index, bool)
    inside[y0 : y1 + 1, x0 : x1 + 1] = True
    taken = replace(points[1], mask=inside & (index == 0))
    owners = owners_among(pointmap, regions[1], taken, [(regions[0], points[0])])
    assert owners == [(regions[0], points[0])]
    claimed = pixels_of([one for _, one in owners])
    assert claimed[taken.mask].mean() > 0.95
    assert claimed[index == 1].mean() < 0.15  # the fringe
    assert owners_among(pointmap, regions[0], points[0], [(regions[1], taken)]) == []


def test_what_leaves_a_side_of_a_box_free_and_fills_another_is_the_others() -> None:
    """A chair before a door goes on below the door's box alone, where things end on the floor."""
    chair, door = Block(1.3, 0.0, (0.05, 0.5, 0.6)), Block(2.0, 0.0, (0.05, 0.9, 2.0))
    regions, points, index, pointmap = found([chair, door])
    x0, y0, x1, y1 = (int(value) for value in regions[1].bounds(*index.shape))
    inside = np.zeros_like(index, bool)
    inside[y0 : y1 + 1, x0 : x1 + 1] = True
    taken = replace(points[1], mask=inside & (index == 0))
    owner = (regions[0], points[0])
    assert rivals(pointmap, regions[1], taken, regions) == [regions[0]]
    assert owners_among(pointmap, regions[1], taken, [owner]) == [owner]
    assert owners_among(pointmap, regions[0], points[0], [(regions[1], taken)]) == []
    # The door as it is has nothing of the chair.
    assert owners_among(pointmap, regions[1], points[1], [owner]) == []


def test_a_part_before_the_rest_is_the_things_of_which_it_is_most() -> None:
    post = replace(BACK_REST, size=(0.05, 0.1, 0.75))
    regions, points, index, pointmap = found([post, CABINET])
    rows = points[1].mask.any(axis=1)[:, None]
    both = replace(points[1], mask=points[1].mask | ((index == 0) & rows))
    shared = both.mask & points[0].mask
    assert 0.05 < shared.sum() / both.mask.sum() < 0.5
    owner = (regions[0], points[0])
    assert owners_among(pointmap, regions[1], both, [owner]) == [owner]
    assert owners_among(pointmap, regions[0], points[0], [(regions[1], both)]) == []


def test_what_stands_on_a_thing_keeps_its_pixels() -> None:
    regions, points, index, pointmap = found([TABLE, MUG, CARTON])
    for k in (1, 2):
        others = [(regions[n], points[n]) for n in range(3) if n != k]
        owners = owners_among(pointmap, regions[k], points[k], others)
        assert not any((one.mask & (index == k)).any() for _, one in owners)
    # Also where the table was found with what stands on it.
    table = replace(points[0], mask=points[0].mask | (index == 1) | (index == 2))
    for k in (1, 2):
        assert owners_among(pointmap, regions[k], points[k], [(regions[0], table)]) == []


def test_only_regions_that_may_hold_some_of_it_are_looked_at() -> None:
    """The mug before the carton has nothing of it, and neither has what stands elsewhere."""
    regions, points, index, pointmap = found([TABLE, MUG, CARTON])
    elsewhere = Region.from_box(0.0, 0.0, 30.0, 30.0, "lamp")
    assert rivals(pointmap, regions[1], points[1], [*regions, elsewhere]) == []
    regions, points, index, pointmap = found([BACK_REST, CABINET])
    filled = replace(points[1], mask=(index == 0) & (points[1].mask.any(axis=1))[:, None])
    assert rivals(pointmap, regions[1], filled, [*regions, elsewhere]) == [regions[0]]
    outside = Region.from_box(900.0, 10.0, 950.0, 40.0, "chair")
    assert rivals(pointmap, regions[1], filled, [outside]) == []
    blind = pointmap_from_depth(np.full_like(pointmap.depth, np.nan), pointmap.camera)
    assert rivals(blind, regions[1], filled, regions) == []
    assert owners_among(blind, regions[1], filled, [(regions[0], points[0])]) == []
