# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Distances between upright boxes: prisms over their footprints."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Span = tuple[float, float]


def box_gap(first: Array, first_heights: Span, second: Array, second_heights: Span) -> float:
    """Distance between the nearest points of two upright boxes, metres; 0 when they touch.

    Args:
        first: footprint [4, 2] of one, counter-clockwise, metres.
        first_heights: of its underside and top.
        second: footprint of the other.
        second_heights: of its underside and top.
    """
    below = max(first_heights[0], second_heights[0]) - min(first_heights[1], second_heights[1])
    return math.hypot(footprint_gap(first, second), max(0.0, below))


def footprint_gap(first: Array, second: Array) -> float:
    """Distance between two convex polygons [N, 2], [M, 2] (counter-clockwise), metres."""
    if _overlap(first, second):
        return 0.0
    return min(_to_sides(first, second), _to_sides(second, first))


def segment_meets(start: Array, end: Array, polygon: Array, margin: float) -> bool:
    """Tell whether a segment comes within ``margin`` metres of a convex polygon."""
    return footprint_gap(np.stack([start, end]), polygon) <= margin


def _overlap(first: Array, second: Array) -> bool:
    """Separating-axis test of two convex polygons or segments."""
    for polygon in (first, second):
        for side in np.roll(polygon, -1, axis=0) - polygon:
            for axis in (np.array([-side[1], side[0]]), side):
                a, b = first @ axis, second @ axis
                if a.max() < b.min() or b.max() < a.min():
                    return False
    return True


def _to_sides(points: Array, polygon: Array) -> float:
    """Least distance of points [N, 2] to the sides of a polygon, metres."""
    start, end = polygon, np.roll(polygon, -1, axis=0)
    along = end - start
    length = np.maximum((along**2).sum(axis=1), 1e-18)
    offset = points[:, None] - start[None]
    share = np.clip((offset * along).sum(axis=2) / length, 0.0, 1.0)
    nearest = start[None] + share[..., None] * along
    return float(np.linalg.norm(points[:, None] - nearest, axis=2).min())
