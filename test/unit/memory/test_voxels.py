# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Voxel keys and the coverage table, against plain Python sets and dictionaries."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.memory.voxels import CoverageTable, voxel_keys


def test_keys_are_sorted_unique_and_leave_out_invalid_points():
    points = np.array(
        [[0.05, 0.05, 0.05], [0.09, 0.01, 0.02], [-0.01, 0, 0], [np.nan, 0, 0], [0, np.inf, 0]],
        np.float32,
    )
    keys = voxel_keys(points, 0.1)
    assert keys.dtype == np.int64
    assert keys.size == 2
    assert (np.diff(keys) > 0).all()


def test_large_map_coordinates_keep_neighbours_apart():
    utm = np.array([500_000.0, 4_649_776.0, 120.0])
    steps = np.arange(6)[:, None] * [0.1, 0.0, 0.0] + 0.05
    assert voxel_keys(utm + steps, 0.1).size == 6


@pytest.mark.parametrize("corner", [(0.0, 0.0, 0.0), (500_000.0, 4_649_776.0, 120.0)])
def test_points_are_moved_into_the_world_in_double_precision(corner):
    pose = Pose.from_quaternion([0.3, -0.2, 0.5, 0.8], corner)
    points = np.random.default_rng(4).uniform(-4, 4, (40_000, 3)).astype(np.float32)
    points[::7] = np.nan
    world = points.astype(np.float64) @ pose.rotation.T + pose.translation
    expected = {tuple(cell) for cell in np.floor(world[np.isfinite(world[:, 0])] / 0.1)}
    keys = voxel_keys(points, 0.1, pose=pose)
    assert abs(keys.size - len(expected)) <= 2  # the sums may round otherwise at a border
    assert np.isin(voxel_keys(world, 0.1), keys).mean() > 0.9999


def test_shape_of_the_point_map_does_not_matter():
    points = np.random.default_rng(1).normal(size=(4, 6, 3))
    assert np.array_equal(voxel_keys(points, 0.3), voxel_keys(points.reshape(-1, 3), 0.3))
    assert voxel_keys(np.empty((0, 3)), 0.1).size == 0


@pytest.mark.parametrize("size", [0.0, -1.0, np.nan, np.inf])
def test_voxel_size_must_be_positive(size):
    with pytest.raises(ValueError, match="voxel_size"):
        voxel_keys(np.zeros((1, 3)), size)


def test_points_must_be_three_dimensional():
    with pytest.raises(ValueError, match="points"):
        voxel_keys(np.zeros((4, 2)), 0.1)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.frozensets(st.integers(0, 2**62), max_size=30)),
        max_size=25,
    )
)
def test_table_agrees_with_a_dictionary(operations):
    """Holders come, go and come back; every count, sole owner and total must agree."""
    table = CoverageTable(capacity=16)
    held: dict[int, frozenset[int]] = {}
    universe: set[int] = set()
    for holder, keys in operations:
        array = np.array(sorted(keys), np.int64)
        if holder in held:
            table.remove(np.array(sorted(held.pop(holder)), np.int64), holder)
        else:
            table.add(array, holder)
            held[holder] = keys
        universe |= keys
        counts = Counter(k for s in held.values() for k in s)
        asked = np.array(sorted(universe), np.int64)
        got, owners = table.look_up(asked)
        assert got.tolist() == [counts[k] for k in asked.tolist()]
        for key, count, owner in zip(asked.tolist(), got, owners, strict=True):
            if count == 1:
                assert key in held[int(owner)]
        assert len(table) == sum(1 for c in counts.values() if c)


def test_removing_what_is_not_covered_fails_and_changes_nothing():
    table = CoverageTable()
    table.add(np.array([1, 2, 3]), 0)
    with pytest.raises(KeyError):
        table.remove(np.array([2, 9]), 0)
    assert len(table) == 3 and table.look_up(np.array([1, 2, 3, 9]))[0].tolist() == [1, 1, 1, 0]


def test_table_stays_bounded_while_holders_change():
    rng = np.random.default_rng(2)
    table = CoverageTable()
    for _ in range(300):
        keys = np.unique(rng.integers(0, 2**60, 500))
        table.add(keys, 3)
        table.remove(keys, 3)
    assert len(table) == 0
    assert table.nbytes < 200_000
