# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A surface as a bounded number of points, one per cell of a grid that gets coarser as it fills."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float32]

_BITS = 21
_MASK = (1 << _BITS) - 1
_MOST_ADDED = 1024  # points of one image that are looked at
_OFTEN = 8  # times seen from which a cell's point moves no slower


class SurfaceCells:
    """Points of one surface, thinned to one per cell, with how often each cell was seen.

    Attributes:
        cell: edge of a cell, metres; doubles when more than ``most`` cells are filled.
        points: [N, 3] float32, metres, world frame: mean of what was seen in the cell, or the
            newest.
        hits: [N] int16, times seen less times seen through.

    Args:
        cell: first edge, metres.
        most: cells kept.
        newest: whether a cell keeps the newest point instead of the mean.
    """

    def __init__(self, cell: float = 0.03, most: int = 256, newest: bool = False) -> None:
        self.cell, self.most, self._newest = cell, most, newest
        self.points: Points = np.zeros((0, 3), np.float32)
        self.hits = np.zeros(0, np.int16)
        self._keys = np.zeros(0, np.int64)

    def __len__(self) -> int:
        """Return how many cells are filled."""
        return len(self.points)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return self.points.nbytes + self.hits.nbytes + self._keys.nbytes

    def add(self, points: npt.NDArray[np.floating]) -> None:
        """Add points [N, 3] of one image; those that are not finite are left out."""
        points = points[:: max(1, -(-len(points) // _MOST_ADDED))]
        points = points[np.isfinite(points).all(axis=1)]
        if not len(points):
            return
        keys = self._key(points)
        order = np.argsort(keys, kind="stable")
        keys, points = keys[order], points[order]
        first = np.flatnonzero(np.diff(keys, prepend=-1))
        counts = np.diff(first, append=len(keys))[:, None]
        if self._newest:
            chosen = np.asarray(points[first], np.float32)
        else:
            sums = np.add.reduceat(points.astype(np.float64), first, axis=0)
            chosen = (sums / counts).astype(np.float32)
        self._insert(keys[first], chosen, np.ones(len(first), np.int16))

    def merge(self, other: SurfaceCells) -> None:
        """Add the cells of another surface."""
        while self.cell < other.cell:
            self._coarsen()
        keys = self._key(other.points)
        first = np.unique(keys, return_index=True)[1]
        self._insert(keys[first], other.points[first], other.hits[first])

    def shift(self, offset: npt.NDArray[np.float64]) -> None:
        """Move the surface by ``offset`` [3], metres."""
        self.load(self.points + offset.astype(np.float32), self.hits, self.cell)

    def keep(self, chosen: npt.NDArray[np.bool_]) -> None:
        """Drop the cells [N] that are not chosen."""
        self.points, self.hits = self.points[chosen], self.hits[chosen]
        self._keys = self._keys[chosen]

    def seen_through(self, through: npt.NDArray[np.bool_]) -> None:
        """Count against the cells [N] that a camera saw through; drop those that nothing is for."""
        if through.any():
            self.hits[through] -= 1
            self.keep(self.hits > 0)

    def sample(self, most: int) -> Points:
        """Return at most ``most`` of the points, spread evenly over the cells."""
        return self.points[:: max(1, -(-len(self.points) // most))]

    def load(self, points: Points, hits: npt.NDArray[np.int16], cell: float) -> None:
        """Take stored cells over in place of what is there."""
        self.cell = cell
        self.points, self.hits = np.zeros((0, 3), np.float32), np.zeros(0, np.int16)
        self._keys = np.zeros(0, np.int64)
        keys = self._key(points)
        first = np.unique(keys, return_index=True)[1]
        self._insert(keys[first], points[first], hits[first])

    def _key(self, points: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
        index = np.floor(np.asarray(points, np.float64) / self.cell).astype(np.int64) & _MASK
        return np.asarray(
            index[:, 0] << (2 * _BITS) | index[:, 1] << _BITS | index[:, 2], dtype=np.int64
        )

    def _insert(
        self, keys: npt.NDArray[np.int64], points: Points, hits: npt.NDArray[np.int16]
    ) -> None:
        """Add sorted unique keys."""
        at = np.searchsorted(self._keys, keys)
        known = np.zeros(len(keys), bool)
        inside = at < len(self._keys)
        known[inside] = self._keys[at[inside]] == keys[inside]
        old = at[known]
        if len(old):
            if self._newest:
                self.points[old] = points[known]
            else:
                weight = (1 / (1 + np.minimum(self.hits[old], _OFTEN))).astype(np.float32)
                self.points[old] += weight[:, None] * (points[known] - self.points[old])
            self.hits[old] = np.minimum(self.hits[old] + hits[known], np.int16(1000))
        new = ~known
        if new.any():
            all_keys = np.concatenate([self._keys, keys[new]])
            order = np.argsort(all_keys, kind="stable")
            self._keys = all_keys[order]
            self.points = np.concatenate([self.points, points[new]])[order]
            self.hits = np.concatenate([self.hits, hits[new]])[order]
        while len(self._keys) > self.most:
            self._coarsen()

    def _coarsen(self) -> None:
        """Double the edge of the cells; of the points that then share one, the oftenest stays."""
        self.cell *= 2
        keys = self._key(self.points)
        order = np.lexsort((-self.hits, keys))
        keys = keys[order]
        first = np.flatnonzero(np.diff(keys, prepend=-1))
        self._keys = keys[first]
        self.points, self.hits = self.points[order[first]], self.hits[order[first]]
