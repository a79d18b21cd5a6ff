# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A point means the thing that it is on, not all that this stands on; or it says that it may."""

import numpy as np
import pytest
from geometry_scene import CARTON, HEIGHT, MUG, TABLE, WALL, Block, see

from spatialgeo_ros.geometry.distance import Kind, measure
from spatialgeo_ros.geometry.pointing import box_around
from spatialgeo_ros.geometry.pointmap import DepthNoise, pointmap_from_depth
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.geometry.segmentation import segment_object

KINECT = DepthNoise(0.0012, 0.0019)


def middle(index, block):
    rows, columns = np.nonzero(index == block)
    return int(np.median(columns)), int(np.median(rows))


def nearest_to_camera(made, index, block):
    return float(np.linalg.norm(made.points[index == block], axis=1).min())


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("thing", [MUG, CARTON])
def test_a_thing_on_a_table_is_found_by_a_point(thing, known):
    """A table and all that stood on it was one thing: a mug was as far as the table's edge."""
    made, index, gravity, _ = see([TABLE, thing, WALL], KINECT)
    region = Region.from_point(*middle(index, 1), label="thing")
    down, height = (gravity, HEIGHT) if known else (None, None)
    found = segment_object(made, region, down, height)
    overlap = (found.mask & (index == 1)).sum() / (found.mask | (index == 1)).sum()
    assert overlap > 0.8
    estimate = measure(Kind.CAMERA_TO_OBJECT, found)
    assert estimate.valid
    assert estimate.distance == pytest.approx(nearest_to_camera(made, index, 1), abs=0.02)


def test_a_point_on_what_goes_on_is_the_place_or_all_of_it():
    """Of a wall seen at an angle: how far the place is, with all of the wall in doubt."""
    slanted = Block(2.6, 0.0, (0.1, 8.0, 2.4), yaw=0.6)
    made, index, _, _ = see([slanted], KINECT)
    column, row = middle(index, 0)
    assert box_around(made, column, row, None) is None
    found = segment_object(made, Region.from_point(column, row))
    place = float(np.linalg.norm(made.points[row, column]))
    assert found.other is not None
    assert found.support < 0.2 * found.other.support
    assert np.linalg.norm(found.points, axis=1).min() == pytest.approx(place, abs=0.12)
    estimate = measure(Kind.CAMERA_TO_OBJECT, found)
    least = nearest_to_camera(made, index, 0)
    assert not estimate.valid or estimate.sigma > 0.4 * (place - 0.12 - least)


def test_a_point_without_depth_around_it_bounds_nothing():
    made, index, _, _ = see([TABLE, MUG], KINECT)
    column, row = middle(index, 1)
    depth = made.depth_in((0, 0, 320, 240)).copy()
    depth[row - 4 : row + 5, column - 4 : column + 5] = np.nan
    assert box_around(pointmap_from_depth(depth, made.camera, KINECT), column, row, None) is None
