# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The rectangle that an object covers on the ground, fitted to the part of it that is visible."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_ANGLES = np.radians(np.arange(0, 90, 3))
_MOST = 400


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

    def holds(self, ground: NDArray[np.floating], margin: float) -> NDArray[np.bool_]:
        """Tell which points [N, 2] are inside, grown by ``margin`` metres."""
        along = ground @ self.axes.T
        return np.all((along > self.low - margin) & (along < self.high + margin), axis=1)


def fit_footprint(ground: NDArray[np.floating]) -> Footprint:
    """Fit the rectangle of points [N, 2] in the ground plane.

    The heading is the one for which most points lie close to a side of their rectangle: the
    closeness criterion of Zhang, Xu, Dong and Dolan, "Efficient L-Shape Fitting for Vehicle
    Detection Using Laser Scanners", IV 2017. One point in a hundred may lie outside each side.
    """
    sample = np.asarray(ground, np.float64)[:: max(1, len(ground) // _MOST)].T
    best, axes = -np.inf, np.eye(2)
    angles = _ANGLES
    for _ in range(2):  # coarse, then one degree around the best
        c, s = np.cos(angles), np.sin(angles)
        directions = np.array([[*c, *-s], [*s, *c]]).T  # of one side for all angles, of the other
        along = directions @ sample  # [2 angles, N]
        low, high = _range(along)
        near, far = along - low[:, None], high[:, None] - along
        np.minimum(np.abs(near, out=near), np.abs(far, out=far), out=near)
        nearest = np.minimum(near[: len(c)], near[len(c) :])
        score = (1 / np.maximum(nearest, 0.02)).sum(axis=1)
        k = int(np.argmax(score))
        if score[k] > best:
            best, axes = score[k], np.array([[c[k], s[k]], [-s[k], c[k]]])
        angles = np.arctan2(axes[0, 1], axes[0, 0]) + np.radians(np.arange(-2, 3))
    low, high = _range(axes @ np.asarray(ground, np.float64).T)
    return Footprint(axes, low, high)


def _range(along: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """First and 99th percentile of each row."""
    last = along.shape[1] - 1
    skip = int(0.01 * last + 0.5)
    ordered = np.sort(along, axis=1)
    return ordered[:, skip], ordered[:, last - skip]
