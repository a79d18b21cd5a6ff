# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Floor and ceiling: the heights at which points pile up over a large part of the ground plane."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

_BIN = 0.02  # m
_LOWEST, _HIGHEST = -3.0, 7.0  # m, around the first camera
_PATCH = 0.5  # m, edge of the pieces of ground that a level is seen over
_BAND = 3  # bins to either side of a level that still are the level
_LEAST_FLOOR, _LEAST_CEILING = 3, 8  # patches
_BEYOND = 0.02  # share of the points that may lie below the floor or above the ceiling
_LEAST_HEIGHT = 1.9  # m, no room is lower
_OVER_CAMERA = 0.3  # m above the camera, so that it is seen from below
#: Height is no better known than this, metres, whatever the number of points.
_SYSTEMATIC = 0.008
_FADE = 400_000.0  # points after which the oldest count half


@dataclass(frozen=True)
class LevelSurface:
    """A floor or a ceiling.

    Attributes:
        height: metres, world frame.
        sigma: its standard deviation, metres.
    """

    height: float
    sigma: float


class LevelSurfaces:
    """A histogram of heights, with the ground that each bin was seen over. Bounded memory."""

    def __init__(self) -> None:
        size = round((_HIGHEST - _LOWEST) / _BIN)
        self._points = np.zeros(size)
        self._sums = np.zeros(size)
        # One bit per patch of 4 m x 4 m, which repeat: fewer patches than there are, never more.
        self._patches = np.zeros(size, np.uint64)
        self._first = math.nan  # m, height of the lower edge of bin 0
        self._camera = math.nan  # m, highest place of a camera so far

    @property
    def bytes(self) -> int:
        """Memory that it takes; does not grow."""
        return self._points.nbytes + self._sums.nbytes + self._patches.nbytes

    def reset(self) -> None:
        """Forget everything."""
        self._points[:] = self._sums[:] = 0
        self._patches[:] = 0
        self._first = self._camera = math.nan

    def update(self, heights: Array, ground: Array, camera: float) -> None:
        """Take in the points of one image.

        Args:
            heights: [K] metres, world frame.
            ground: [K, 2] their places in the ground plane, metres.
            camera: height of the camera, metres.
        """
        if math.isnan(self._first):
            self._first = _BIN * math.floor((camera + _LOWEST) / _BIN)
            self._camera = camera
        self._camera = max(self._camera, camera)
        bins = np.floor((heights - self._first) / _BIN).astype(np.int64)
        use = (bins >= 0) & (bins < len(self._points))
        bins, heights = bins[use], heights[use]
        size = len(self._points)
        self._points += np.bincount(bins, minlength=size)
        self._sums += np.bincount(bins, heights - self._first, minlength=size)
        cells = np.floor(ground[use] / _PATCH).astype(np.int64) & 7
        keys = np.unique(bins * 64 + cells[:, 0] * 8 + cells[:, 1])
        bits = np.uint64(1) << (keys % 64).astype(np.uint64)
        np.bitwise_or.at(self._patches, keys // 64, bits)
        if self._points.sum() > 2 * _FADE:
            self._points *= 0.5
            self._sums *= 0.5

    def floor(self) -> LevelSurface | None:
        """Return the lowest level that is large and has next to nothing below; None if unseen."""
        below = np.cumsum(self._points)
        if not below[-1]:
            return None
        start = int(np.searchsorted(below, _BEYOND * below[-1], side="right"))
        found = self._peak(max(0, start - _BAND), start + 2 * _BAND, _LEAST_FLOOR)
        if found is None or found.height > self._camera - 0.1:
            return None
        return found

    def ceiling(self, floor: float) -> LevelSurface | None:
        """Return the highest level, seen from below, with next to nothing above; None if unseen.

        Args:
            floor: height of the floor, metres.
        """
        least = max(self._camera + _OVER_CAMERA, floor + _LEAST_HEIGHT)
        first = max(0, math.ceil((least - self._first) / _BIN)) if self._points.any() else 0
        above = np.cumsum(self._points[first:][::-1])[::-1]
        if not len(above) or above[0] < 50:
            return None
        # Of what is above the camera, walls are the rest.
        last = first + int(np.flatnonzero(above > _BEYOND * above[0])[-1])
        return self._peak(max(first, last - 3 * _BAND), last + _BAND, _LEAST_CEILING)

    def _peak(self, start: int, end: int, patches: int) -> LevelSurface | None:
        """Return the level among bins where points pile up, if it is large; None if not."""
        near = np.convolve(self._points, np.ones(3), "same")
        window = near[start : end + 1]
        if not window.size or window.max() < 30:
            return None
        peak = start + int(np.argmax(window))
        low, high = max(0, peak - _BAND), peak + _BAND + 1
        count = self._points[low:high].sum()
        around = self._points[max(0, low - 5 * _BAND) : high + 5 * _BAND]
        usual = (around.sum() - count) / max(1, len(around) - (high - low)) * (high - low)
        seen = int(np.bitwise_or.reduce(self._patches[low:high])).bit_count()
        if count < 2 * usual or seen < patches:
            return None
        height = self._sums[low:high].sum() / count
        middles = (np.arange(low, high) + 0.5) * _BIN
        spread = math.sqrt((self._points[low:high] * (middles - height) ** 2).sum() / count)
        # Images differ by pose and by what their points have in common: as if by ten readings.
        sigma = math.hypot(spread / math.sqrt(10), _SYSTEMATIC)
        return LevelSurface(float(self._first + height), sigma)
