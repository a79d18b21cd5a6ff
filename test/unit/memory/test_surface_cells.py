# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A surface of bounded size: one point per cell, coarser as it fills, emptied by seeing through."""

from __future__ import annotations

import numpy as np
import pytest

from spatialgeo_ros.memory.surface_cells import SurfaceCells


def plane(count: int, size: float, seed: int = 0) -> np.ndarray:
    points = np.random.default_rng(seed).uniform(0, size, (count, 3))
    points[:, 2] = 0.5
    return points


def test_cells_are_bounded_and_still_cover_the_surface() -> None:
    cells = SurfaceCells(0.03, 256)
    for seed in range(20):
        cells.add(plane(2000, 2.0, seed))
        assert len(cells) <= 256
    assert cells.cell > 0.1 and len(cells) > 64
    every = plane(500, 2.0, 99)
    nearest = np.linalg.norm(every[:, None] - cells.points[None], axis=2).min(axis=1)
    assert nearest.max() < 2 * cells.cell
    assert cells.nbytes < 256 * 32


def test_a_cell_keeps_the_mean_or_the_newest_point() -> None:
    mean, newest = SurfaceCells(0.1), SurfaceCells(0.1, newest=True)
    for x in (0.02, 0.04, 0.06):
        for cells in (mean, newest):
            cells.add(np.array([[x, 0.05, 0.05]]))
    assert mean.points[0, 0] == pytest.approx(0.04)
    assert newest.points[0, 0] == pytest.approx(0.06)
    assert mean.hits[0] == 3


def test_negative_and_missing_points() -> None:
    cells = SurfaceCells(0.1)
    cells.add(np.array([[-0.05, -0.05, 0.0], [np.nan, 0, 0], [0.05, 0.05, 0.0]]))
    assert len(cells) == 2
    cells.add(np.zeros((0, 3)))
    assert len(cells) == 2


def test_what_is_seen_through_more_often_than_seen_leaves() -> None:
    cells = SurfaceCells(0.1)
    points = np.array([[0.05, 0.05, 0.05], [0.55, 0.05, 0.05]])
    cells.add(points)
    cells.add(points[1:])
    cells.seen_through(np.array([True, True]))
    assert len(cells) == 1 and cells.points[0, 0] == pytest.approx(0.55)


def test_merging_takes_the_coarser_grid_and_loading_gives_the_same_cells() -> None:
    fine, coarse = SurfaceCells(0.03), SurfaceCells(0.03, 16)
    fine.add(plane(100, 0.5))
    coarse.add(plane(500, 1.0, 1))
    fine.merge(coarse)
    assert fine.cell == coarse.cell
    again = SurfaceCells()
    again.load(fine.points, fine.hits, fine.cell)
    assert len(again) <= len(fine) and again.cell == fine.cell
    fine.add(plane(100, 0.5, 5))
    again.add(plane(100, 0.5, 5))
    assert abs(len(again) - len(fine)) <= 2
