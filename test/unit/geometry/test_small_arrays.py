# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is worked out otherwise than by numpy is what numpy says."""

import numpy as np
import pytest

from spatialgeo_ros.geometry.small_arrays import (
    bordered,
    counts,
    median,
    percentiles,
    solved,
    squared_distances,
)

RNG = np.random.default_rng(5)
SIZES = (1, 2, 3, 10, 99, 100)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("size", SIZES)
def test_a_median_is_numpys_to_the_bit(size, kind):
    values = RNG.standard_normal(size).astype(kind)
    assert median(values) == np.median(values)
    assert median(np.array([values, values + 1])) == np.median([values, values + 1])
    values[-1] = np.inf
    assert median(values) == np.median(values)


def test_a_median_with_nan_is_nan_and_none_of_nothing():
    assert np.isnan(median(np.array([1.0, np.nan, 2.0])))
    with pytest.raises(ValueError, match="no median"):
        median(np.zeros(0))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("size", SIZES)
def test_percentiles_are_numpys(size, kind):
    values, shares = RNG.standard_normal(size).astype(kind), (0, 5, 10, 37.5, 90, 97, 100)
    np.testing.assert_array_equal(percentiles(values, shares), np.percentile(values, shares))
    with pytest.raises(ValueError, match="no percentiles"):
        percentiles(values[:0], shares)


@pytest.mark.parametrize("shape", [(7,), (3, 16), (4, 5, 9)])
def test_counts_are_sums_along_the_last_axis(shape):
    values = RNG.random(shape) > 0.4
    np.testing.assert_array_equal(counts(values), values.sum(axis=-1))


@pytest.mark.parametrize("kind", [bool, np.float32, np.float64])
def test_a_frame_of_one_value(kind):
    values = (RNG.random((4, 6)) > 0.5).astype(kind)
    for width, value in ((1, 0), (3, 1)):
        found = bordered(values, width, value)
        np.testing.assert_array_equal(found, np.pad(values, width, constant_values=value))
        assert found.dtype == values.dtype


def test_squared_distances_of_every_pair():
    a, b = RNG.standard_normal((20, 3)), RNG.standard_normal((30, 3))
    expected = ((a[:, None] - b[None]) ** 2).sum(axis=2)
    np.testing.assert_allclose(squared_distances(a, b), expected, atol=1e-12)
    single = squared_distances(a.astype(np.float32), b.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected, atol=1e-5)


@pytest.mark.parametrize("size", [3, 6])
def test_small_systems_are_solved_as_numpy_does(size):
    rng = np.random.default_rng(size)
    rows = rng.normal(size=(40, size))
    system, right = rows.T @ rows + np.eye(size), rng.normal(size=size)
    assert solved(system, right) == pytest.approx(np.linalg.solve(system, right), rel=1e-9)
