# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Distances between upright boxes: by hand and against sampled surfaces."""

from __future__ import annotations

import math

import numpy as np
import pytest

from spatialgeo_ros.evaluation.rooms.boxes import box_gap, footprint_gap, segment_meets

SQUARE = np.array([[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]])


def turned(x: float, y: float, width: float, depth: float, yaw: float) -> np.ndarray:
    c, s = math.cos(yaw), math.sin(yaw)
    return SQUARE * [width / 2, depth / 2] @ np.array([[c, s], [-s, c]]) + [x, y]


def test_by_hand() -> None:
    assert footprint_gap(SQUARE, SQUARE + [5.0, 0.0]) == pytest.approx(3.0)
    assert footprint_gap(SQUARE, SQUARE + [5.0, 6.0]) == pytest.approx(5.0)
    # A diamond whose corner points at the middle of a side.
    assert footprint_gap(SQUARE, turned(4.0, 0.0, 2.0, 2.0, math.pi / 4)) == pytest.approx(
        3.0 - math.sqrt(2)
    )
    assert footprint_gap(SQUARE, turned(0.0, 0.0, 0.2, 0.2, 0.3)) == 0.0
    assert footprint_gap(turned(0, 0, 4.0, 0.1, 0.0), turned(0, 0, 0.1, 4.0, 0.0)) == 0.0


def test_heights_count() -> None:
    above = box_gap(SQUARE, (0.0, 1.0), SQUARE + [5.0, 0.0], (5.0, 6.0))
    assert above == pytest.approx(5.0)
    assert box_gap(SQUARE, (0.0, 1.0), SQUARE + [0.5, 0.0], (1.2, 2.0)) == pytest.approx(0.2)
    assert box_gap(SQUARE, (0.0, 1.0), SQUARE, (0.5, 2.0)) == 0.0


def test_against_sampled_sides() -> None:
    rng = np.random.default_rng(3)
    for _ in range(40):
        a, b = (turned(*rng.uniform(-2, 2, 2), *rng.uniform(0.2, 2, 2), rng.uniform(0, 3))
                for _ in range(2))  # fmt: skip
        along = np.linspace(0, 1, 400)[:, None, None]
        sides = [(p + along * (np.roll(p, -1, axis=0) - p)).reshape(-1, 2) for p in (a, b)]
        sampled = min(np.linalg.norm(sides[0] - point, axis=1).min() for point in sides[1])
        exact = footprint_gap(a, b)
        if exact == 0.0:  # they overlap: sides cross, or one holds the other
            inside = any(_holds(p, q[0]) for p, q in ((a, b), (b, a)))
            assert sampled < 0.02 or inside
        else:
            assert exact == pytest.approx(sampled, abs=0.01)
            assert exact <= sampled + 1e-9


def _holds(polygon: np.ndarray, point: np.ndarray) -> bool:
    side, offset = np.roll(polygon, -1, axis=0) - polygon, point - polygon
    return bool((side[:, 0] * offset[:, 1] - side[:, 1] * offset[:, 0] >= 0).all())


def test_a_way_past_a_box() -> None:
    start, end = np.array([-3.0, 1.2]), np.array([3.0, 1.2])
    assert segment_meets(start, end, SQUARE, 0.25)
    assert not segment_meets(start, end, SQUARE, 0.15)
    assert segment_meets(np.array([0.0, 0.0]), np.array([0.5, 0.0]), SQUARE, 0.0)
