# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Offline frame sampling: lazy greedy against the plain rule, and the edges of the batch rule."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialgeo_ros.errors import NoGeometryError
from spatialgeo_ros.memory.sampling import (
    greedy_max_coverage,
    sampling_indices,
    space_aware_sampling,
)


def plain_greedy(sets, k):
    covered, order = set(), []
    for _ in range(k):
        gains = [len(set(s) - covered) for s in sets]
        if not gains or max(gains) == 0:
            break
        order.append(gains.index(max(gains)))
        covered |= set(sets[order[-1]])
    return order


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.lists(st.integers(-40, 40), max_size=20), max_size=15),
    st.integers(0, 8),
    st.sampled_from([1, 1 << 50]),
)
def test_lazy_greedy_takes_the_plain_picks(sets, k, spread):
    """The spread makes keys too sparse for direct addressing, so both ways are tried."""
    spread_sets = [[value * spread for value in s] for s in sets]
    assert greedy_max_coverage(spread_sets, k) == plain_greedy(sets, k)


def test_input_sets_are_left_alone():
    sets = [np.array([1, 2, 3]), np.array([3, 4])]
    greedy_max_coverage(sets, 2)
    assert [s.tolist() for s in sets] == [[1, 2, 3], [3, 4]]


def test_frames_with_invalid_points_cover_nothing_and_do_not_spoil_the_rest():
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 1, (4, 5, 6, 3)).astype(np.float32)
    conf = rng.uniform(1, 2, (4, 5, 6)).astype(np.float32)
    points[2] = np.nan
    result = space_aware_sampling(points, conf, k=4, conf_percentile=0)
    assert result.set_sizes[2] == 0
    assert 2 not in result.selection
    assert np.isfinite(result.bbox).all()


def test_stops_early_when_nothing_is_new():
    rng = np.random.default_rng(1)
    points = np.repeat(rng.uniform(0, 1, (1, 5, 6, 3)), 5, axis=0)
    result = space_aware_sampling(points, np.ones((5, 5, 6)), k=3)
    assert result.selection == (0,)


def test_selection_is_the_order_sorted():
    rng = np.random.default_rng(2)
    points = rng.uniform(0, 1, (12, 4, 4, 3)) + np.arange(12)[:, None, None, None] * 0.2
    result = space_aware_sampling(points, rng.uniform(1, 2, (12, 4, 4)), k=5)
    assert sorted(result.order) == list(result.selection)
    assert len(result.selection) == 5


@pytest.mark.parametrize(
    ("points", "conf", "error"),
    [
        (np.zeros((2, 3, 3)), np.ones((2, 3)), ValueError),
        (np.zeros((2, 3, 3, 3)), np.ones((2, 3, 2)), ValueError),
        (np.full((2, 3, 3, 3), np.nan), np.ones((2, 3, 3)), NoGeometryError),
        (np.random.default_rng(0).random((2, 3, 3, 3)), np.full((2, 3, 3), 0.05), NoGeometryError),
        (np.zeros((2, 3, 3, 3)), np.ones((2, 3, 3)), NoGeometryError),
    ],
    ids=["no grid", "shapes differ", "no finite point", "no confidence", "no volume"],
)
def test_unusable_input_is_named(points, conf, error):
    with pytest.raises(error):
        space_aware_sampling(points, conf)


def test_index_rules_reach_both_ends():
    assert sampling_indices(1).tolist() == [0]
    assert sampling_indices(1000)[[0, -1]].tolist() == [0, 999]
    assert sampling_indices(3, 16).tolist() == [0, 1, 2]


@pytest.mark.parametrize("arguments", [(0,), (5, 0)])
def test_index_rules_need_positive_counts(arguments):
    with pytest.raises(ValueError):
        sampling_indices(*arguments)


def test_gains_and_coverage_follow_from_the_voxels():
    points = np.zeros((3, 1, 2, 3), np.float32)
    points[0, 0] = [[0, 0, 0], [4, 4, 4]]
    points[1, 0] = [[0, 0, 0], [1.5, 2.5, 3.5]]
    points[2, 0] = [[0, 0, 0], [0, 0, 0.5]]
    result = space_aware_sampling(points, np.ones((3, 1, 2)), k=3, divisions=4)
    assert result.sides == (5, 5, 5) and result.voxel_size == 1
    assert result.order == (0, 1) and result.gains == (2, 1)
    assert [cells.size for cells in result.cells] == list(result.set_sizes) == [2, 2, 1]
    assert result.coverage([0, 1]) == 1 and result.coverage([2]) == pytest.approx(1 / 3)
    assert result.coverage([]) == 0
    np.testing.assert_allclose(
        result.centres(result.covered([1])), [[0.5, 0.5, 0.5], [1.5, 2.5, 3.5]]
    )
