# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The rectangle that an object covers on the ground, fitted to the part of it that is visible."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MOST, _FEW = 400, 150  # points that are looked at, and for a first choice of the heading


def _sides(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit directions of one side of rectangles with these headings, then of the other [2 N, 2]."""
    c, s = np.cos(angles), np.sin(angles)
    return np.concatenate([np.stack([c, s], axis=1), np.stack([-s, c], axis=1)])


_COARSE, _FINE = np.radians(np.arange(0, 90, 3)), np.radians(np.arange(-2, 3))
_COARSE_SIDES = _sides(_COARSE)


@dataclass(frozen=True, eq=False)
class Footprint:
    """A rectangle in the ground plane (x right, z forward, metres).

    Attributes:
        axes: [2, 2], rows are the unit directions of its sides.
        low, high: [2] its extent along them.
    """

    axes: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def share_inside(self, ground: NDArray[np.floating], margin: float) -> float:
        """Share of points [N, 2], at least one, that are inside, grown by ``margin`` metres."""
        along = self.axes @ ground.T
        inside = along > (self.low - margin)[:, None]
        inside &= along < (self.high + margin)[:, None]
        return np.count_nonzero(inside[0] & inside[1]) / len(ground)


def fit_footprint(ground: NDArray[np.floating]) -> Footprint:
    """Fit the rectangle of points [N, 2] in the ground plane.

    The heading is the one for which most points lie close to a side of their rectangle: the
    closeness criterion of Zhang, Xu, Dong and Dolan, "Efficient L-Shape Fitting for Vehicle
    Detection Using Laser Scanners", IV 2017. One point in a hundred may lie outside each side.
    """
    points = np.asarray(ground, np.float64)
    few = points[:: max(1, len(points) // _FEW)]
    heading = _COARSE[_closest(_COARSE_SIDES, few)]
    sides = _sides(heading + _FINE)
    k = _closest(sides, points[:: max(1, len(points) // _MOST)])
    axes = sides[[k, k + len(_FINE)]]
    return Footprint(axes, *_range(axes @ points.T))


def _closest(sides: NDArray[np.float64], points: NDArray[np.float64]) -> int:
    """Which heading brings most of the points [N, 2] close to a side of their rectangle."""
    along = sides @ points.T
    low, high = _range(along)
    near, far = along - low[:, None], high[:, None] - along
    np.minimum(np.abs(near, out=near), np.abs(far, out=far), out=near)
    nearest = np.minimum(near[: len(sides) // 2], near[len(sides) // 2 :])
    return int(np.argmax((1 / np.maximum(nearest, 0.02)).sum(axis=1)))


def _range(along: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """First and 99th percentile of each row."""
    last = along.shape[1] - 1
    skip = int(0.01 * last + 0.5)
    ordered = np.sort(along, axis=1)
    return ordered[:, skip], ordered[:, last - skip]
