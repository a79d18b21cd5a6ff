# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One-to-one association: least cost, nothing forced, overlap, labels and colours."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from map_scene import Stage, looking, thing

from spatialgeo_ros.memory.association import (
    assign,
    label_agreement,
    of_other_colour,
    overlap,
    same_label,
    without_doubles,
)
from spatialgeo_ros.memory.map_object import TrackedObject
from spatialgeo_ros.memory.surface_cells import SurfaceCells


def least_cost(costs: np.ndarray, alone: float) -> float:
    """Best total by trying every choice, where a row may stay alone."""
    rows, columns = costs.shape
    choices = [*range(columns), *([-1] * rows)]
    return min(
        sum(alone if c < 0 else costs[r, c] for r, c in enumerate(choice))
        for choice in set(itertools.permutations(choices, rows))
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 10_000))
def test_pairs_have_the_least_total_cost(rows: int, columns: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    costs = rng.random((rows, columns))
    costs[rng.random((rows, columns)) < 0.3] = np.inf
    pairs = assign(costs, 0.7)
    assert len({r for r, _ in pairs}) == len({c for _, c in pairs}) == len(pairs)
    total = sum(costs[pair] for pair in pairs) + 0.7 * (rows - len(pairs))
    assert total == pytest.approx(least_cost(costs, 0.7))


@pytest.mark.parametrize("shape", [(30, 30), (12, 40), (40, 12)])
def test_pairs_equal_those_of_scipy_where_every_pair_is_cheap(shape: tuple[int, int]) -> None:
    optimize = pytest.importorskip("scipy.optimize")
    costs = 0.3 * np.random.default_rng(3).random(shape)
    if shape[0] <= shape[1]:
        rows, columns = optimize.linear_sum_assignment(costs)
        assert sorted(assign(costs, 0.7)) == list(zip(rows, columns, strict=True))
    else:
        assert len(assign(costs, 0.7)) == shape[1]


def test_a_good_pair_is_not_given_up_to_make_two_bad_ones() -> None:
    costs = np.array([[0.1, 0.75], [0.7, np.inf]])
    assert assign(costs, 0.78) == [(0, 0)]
    assert assign(np.zeros((0, 3))) == assign(np.zeros((3, 0))) == []
    assert assign(np.full((2, 2), np.inf)) == []


def test_overlap_is_the_share_of_each_surface_on_the_other() -> None:
    x = np.linspace(0, 1, 101, dtype=np.float32)
    line = np.stack([x, 0 * x, 0 * x], axis=1)
    forth, back = overlap(line, line[:51], 0.005)
    assert (forth, back) == (pytest.approx(51 / 101), 1.0)
    assert overlap(line, line + np.float32(2.0), 0.1) == (0.0, 0.0)
    assert overlap(line[:0], line, 0.1) == (0.0, 0.0)


def test_only_clear_hues_that_are_no_neighbours_are_other_colours() -> None:
    assert of_other_colour({"red": 0.9}, {"blue": 0.8})
    assert not of_other_colour({"red": 0.9}, {"orange": 0.9})
    assert not of_other_colour({"red": 0.9}, {"pink": 0.9})  # neighbours around the circle
    assert not of_other_colour({"white": 0.9}, {"black": 0.9})  # light does that
    assert not of_other_colour({"red": 0.4, "white": 0.6}, {"blue": 0.9})
    assert not of_other_colour({}, {"blue": 0.9})


def test_a_surface_that_also_has_the_other_ones_colour_may_be_the_same() -> None:
    leaves, pot = {"green": 0.6, "orange": 0.3}, {"orange": 0.8}
    assert not of_other_colour(leaves, pot) and not of_other_colour(pot, leaves)
    assert not of_other_colour(leaves, {"red": 0.8})  # as lamps may turn the pot
    assert of_other_colour(leaves, {"purple": 0.8, "pink": 0.1})
    assert of_other_colour({"green": 0.9, "orange": 0.05}, pot)  # a speck is none of its colours


def test_rare_labels_of_an_object_do_not_count() -> None:
    frame = Stage([thing("chair", 2.0, 0.0)]).frame(looking(0, 0, 0.0))
    (seen,) = frame.detected
    tracked = TrackedObject.of("x_1", 0, seen, frame, 0.0)
    tracked.labels = {"sofa": 9.0, "chair": 1.0}
    assert label_agreement(same_label, seen, tracked) == 0.0
    tracked.labels["chair"] = 4.0
    assert label_agreement(same_label, seen, tracked) == 1.0


def test_things_side_by_side_are_no_doubles() -> None:
    frame = Stage([thing("chair", 2.0, 0.3), thing("chair", 2.0, -0.3)]).frame(looking(0, 0, 0.0))
    surfaces = []
    for seen in frame.detected:
        cells = SurfaceCells()
        cells.add(seen.points)
        surfaces.append(cells)
    assert len(without_doubles(frame.detected, surfaces, same_label)) == 2
    twice = (frame.detected[0], frame.detected[0])
    assert without_doubles(twice, [surfaces[0]] * 2, same_label) == [0]
    assert without_doubles((), [], same_label) == []
