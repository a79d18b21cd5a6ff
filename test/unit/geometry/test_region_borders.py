# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a region cuts is completed as far as it ends near it, or goes on in the object's plane."""

import numpy as np
import pytest
from geometry_scene import CAMERA

from spatialgeo_ros.geometry.cells import make_cells
from spatialgeo_ros.geometry.pointmap import DepthNoise, pointmap_from_depth
from spatialgeo_ros.geometry.region_borders import completed_beyond, completed_to_sides, grown

KINECT = DepthNoise(0.0012, 0.0019)


@pytest.mark.parametrize(("reach", "added"), [(1, True), (2, True), (5, False), (15, False)])
def test_what_ends_near_a_region_is_its_object_what_goes_on_is_not(reach, added):
    within = np.zeros((90, 90), bool)
    within[20:70, 20:70] = True
    around = grown(within)
    label = np.full(within.shape, -1, np.int32)
    label[30:60, 30 : 72 + reach] = 0  # a side of it is that far beyond the cells around the region
    label[30:60, 5:17] = 1  # another surface that ends near the region is not the object's
    chosen = around & (label == 0)
    found = completed_beyond(label, chosen, around, within)
    assert np.array_equal(found, label == 0 if added else chosen)


def test_each_part_beyond_a_region_is_judged_by_itself():
    within = np.zeros((90, 90), bool)
    within[20:70, 20:70] = True
    around = grown(within)
    label = np.full(within.shape, -1, np.int32)
    label[30:60, 16:85] = 0  # ends near the left, goes on at the right
    chosen = around & (label == 0)
    found = completed_beyond(label, chosen, around, within)
    assert np.flatnonzero(found.any(axis=0))[[0, -1]].tolist() == [16, 71]


@pytest.mark.parametrize(
    ("left", "expected"),
    [(0.0, 100), (0.05, 60), (-0.05, 60)],
    ids=["in its plane", "behind it", "before it"],
)
def test_a_thing_is_completed_in_its_own_plane_alone(left, expected):
    depth = np.full((240, 320), 3.0)
    depth[50:150, 100:200] = 2.0
    depth[50:150, 160:200] += left
    cells = make_cells(pointmap_from_depth(depth, CAMERA, KINECT), (80, 30, 220, 170), 1_000_000)
    within = np.zeros(cells.shape, bool)
    within[20:120, 20:120] = True
    chosen = np.zeros(cells.shape, bool)
    chosen[20:120, 20:80] = True
    found = completed_to_sides(cells, chosen, within)
    assert found.sum() == 100 * expected
    assert (found & within).sum() == found.sum()
    # What nearly fills its region stays as it is.
    most = np.zeros(cells.shape, bool)
    most[20:120, 20:110] = True
    assert completed_to_sides(cells, most, within) is most
