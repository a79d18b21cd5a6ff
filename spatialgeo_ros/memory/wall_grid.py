# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where walls may stand and where images have seen through: a bounded grid in the world frame.

A cell holds the mean place and direction of the surfaces that ended bearings there, so walls are
known far better than to a cell's edge. What is seen through later (a person who left) fades.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.memory.wall_scan import WallScan

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]

CELL = 0.1  # m
_EXTENT = 40.0  # m, edge of the grid
_MARGIN = 9.0  # m, the camera keeps this far from the grid's border
_MOST = 8.0  # sightings that count: what was seen long ago gives way to what is seen
_THROUGH = 0.5  # of a sighting that being seen through takes away
#: What a surface hides, metres along the bearing behind it, fades as well: where drift has moved a
#: wall towards the room, its old place would stay for ever.
_BEHIND = (0.15, 0.5)
_HIDDEN = 0.3  # of a sighting that being hidden takes away
_LEAST = 1.5  # sightings that make a surface
_CLEARED = 1.0  # images that saw through a cell that is open
_FORGOTTEN = 4.0  # m of way after which a sighting counts half: poses drift
_MATCHED = 2.0  # sightings of a surface that places are laid onto
_ALIKE = math.cos(2 * math.radians(15))  # of twice the angle between them
# Layers of the grid.
_WEIGHT, _X, _Y, _COS, _SIN, _SHARED, _WAY, _OPEN = range(8)
_MEANS = slice(_X, _WAY + 1)


@dataclass(frozen=True, eq=False)
class Surfaces:
    """Upright surfaces that nothing was seen behind, one per cell. World frame, metres.

    Attributes:
        places: [N, 2].
        weights: [N] sightings, older ones less.
        turns: [N, 2] cosine and sine of twice the direction's angle; short where it is unclear.
        shared: [N] standard deviation that does not average out, metres.
        since: [N] way that the camera went since they were seen, metres.
    """

    places: Array
    weights: Array
    turns: Array
    shared: Array
    since: Array


@dataclass(frozen=True, eq=False)
class OpenSpace:
    """What images have seen through.

    Attributes:
        origin: [2] corner of the first cell, metres, world frame.
        open: [X, Y] whether a cell was seen through.
    """

    origin: Array
    open: Flags

    def at(self, places: Array) -> Flags:
        """Whether places [..., 2] were seen through, metres; [...]."""
        cells = np.floor((places - self.origin) / CELL).astype(np.int64)
        inside = np.asarray(((cells >= 0) & (cells < self.open.shape)).all(axis=-1))
        x, y = np.moveaxis(np.where(inside[..., None], cells, 0), -1, 0)
        return np.asarray(self.open[x, y] & inside)


class WallGrid:
    """Collects scans. Not thread-safe."""

    def __init__(self) -> None:
        self._size = round(_EXTENT / CELL)
        self._layers = np.zeros((8, self._size * self._size), np.float32)
        self._first = np.zeros(2, np.int64)  # world index of cell (0, 0)
        self._anchor = np.zeros(2)  # what places are kept relative to: float32 is enough there
        self._begun = False
        self._way = 0.0

    @property
    def bytes(self) -> int:
        """Memory that it takes; does not grow."""
        return self._layers.nbytes

    @property
    def way(self) -> float:
        """Metres that the cameras went."""
        return self._way

    def reset(self) -> None:
        """Forget everything."""
        self._layers[:] = 0
        self._begun, self._way = False, 0.0

    def go(self, place: Array, step: float) -> None:
        """Follow a camera.

        Args:
            place: [2] where it is, metres.
            step: of the way since its last image, metres.
        """
        self._way += step
        cell = np.floor(place / CELL).astype(np.int64)
        if not self._begun:
            self._first, self._begun = cell - self._size // 2, True
            self._anchor = place.copy()
            return
        margin = math.ceil(_MARGIN / CELL)
        if ((cell - self._first >= margin) & (cell - self._first < self._size - margin)).all():
            return
        shift = cell - self._first - self._size // 2
        square = self._layers.reshape(8, self._size, self._size)
        moved = np.zeros_like(square)
        source, target = [], []
        for by in shift:
            source.append(slice(max(0, by), max(0, min(self._size, self._size + by))))
            target.append(slice(max(0, -by), max(0, min(self._size, self._size - by))))
        moved[:, target[0], target[1]] = square[:, source[0], source[1]]
        self._layers, self._first = moved.reshape(8, -1), self._first + shift

    def add(self, scan: WallScan) -> None:
        """Take in one image; call :meth:`go` before."""
        layers = self._layers
        through = self._through(scan)
        layers[_WEIGHT, through] = np.maximum(layers[_WEIGHT, through] - _THROUGH, 0)
        layers[_OPEN, through] = np.minimum(layers[_OPEN, through] + 1, _MOST)
        if not len(scan.places):
            return
        behind = self._behind(scan)
        layers[_WEIGHT, behind] = np.maximum(layers[_WEIGHT, behind] - _HIDDEN, 0)
        layers[_OPEN, behind] = np.maximum(layers[_OPEN, behind] - _HIDDEN, 0)
        cells, member = np.unique(self._index(scan.places), return_inverse=True)
        weight = np.bincount(member, scan.weights)
        way = np.full(len(scan.places), self._way)
        values = (scan.places - self._anchor).T, scan.turns.T, [scan.shared], [way]
        seen = np.stack(
            [np.bincount(member, scan.weights * row) / weight for rows in values for row in rows]
        )
        total = np.minimum(layers[_WEIGHT, cells] + weight, _MOST)
        share = np.minimum(weight / total, 1.0)
        layers[_MEANS, cells] += (share * (seen - layers[_MEANS, cells])).astype(np.float32)
        layers[_WEIGHT, cells] = total
        layers[_OPEN, cells] = np.maximum(layers[_OPEN, cells] - 1, 0)

    def nearest(self, places: Array, turns: Array, gate: float) -> tuple[Indices, Array, Array]:
        """Find the surfaces that places are pieces of.

        Args:
            places: [N, 2] metres.
            turns: [N, 2] cosine and sine of twice the angle of their surface's direction.
            gate: how far they may be off, metres.

        Returns:
            Which places have one [M], its normal [M, 2], and how far the place is off [M], metres.
        """
        reach = math.ceil(gate / CELL)
        steps = np.arange(-reach, reach + 1)
        around = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)
        cells = np.floor(places / CELL).astype(np.int64) - self._first
        x, y = np.moveaxis(cells[:, None] + around, -1, 0)  # [N, K]
        layers = self._layers[:, np.clip(x * self._size + y, 0, self._layers.shape[1] - 1)]
        known = np.moveaxis(layers[_X : _Y + 1], 0, -1) + self._anchor
        double = np.moveaxis(layers[_COS : _SIN + 1], 0, -1).astype(np.float64)
        length = np.hypot(double[..., 0], double[..., 1])
        angle = np.arctan2(double[..., 1], double[..., 0]) / 2 + math.pi / 2
        normals = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        offset = places[:, None] - known
        apart = (offset * normals).sum(axis=-1)
        beside = np.abs(offset[..., 1] * normals[..., 0] - offset[..., 0] * normals[..., 1])
        alike = (double * turns[:, None]).sum(axis=-1) > _ALIKE * length
        use = (layers[_WEIGHT] >= _MATCHED) & (length > 0.6) & alike & (np.abs(apart) < gate)
        far = np.where(use & (beside < 1.5 * CELL), np.abs(apart) + 0.3 * beside, np.inf)
        best = np.argmin(far, axis=1)
        on = np.flatnonzero(np.isfinite(far[np.arange(len(far)), best]))
        return on, normals[on, best[on]], apart[on, best[on]]

    def surfaces(self) -> Surfaces:
        """Return what may be walls."""
        cells = np.flatnonzero(self._layers[_WEIGHT] >= _LEAST)
        layers = self._layers[:, cells].astype(np.float64)
        since = self._way - layers[_WAY]
        return Surfaces(
            layers[_X : _Y + 1].T + self._anchor,
            layers[_WEIGHT] * 0.5 ** (since / _FORGOTTEN),
            layers[_COS : _SIN + 1].T,
            layers[_SHARED],
            since,
        )

    def open_space(self) -> OpenSpace:
        """Return what was seen through."""
        seen = (self._layers[_OPEN] >= _CLEARED).reshape(self._size, self._size)
        return OpenSpace(self._corner(), seen)

    def _corner(self) -> Array:
        return np.asarray(self._first * CELL, np.float64)

    def _index(self, places: Array) -> Indices:
        """Return the flat places of points [N, 2] in the grid; they are inside of it."""
        x, y = (np.floor(places / CELL).astype(np.int64) - self._first).T
        return np.asarray(x * self._size + y)

    def _through(self, scan: WallScan) -> Indices:
        """Return the cells that a scan saw through, each once."""
        longest = min(float(np.max(scan.reach, initial=0.0)), _MARGIN - CELL)
        steps = np.arange(0.5 * CELL, longest, 0.7 * CELL)
        ahead = steps < scan.reach[:, None]
        bearing, step = np.nonzero(ahead)
        places = scan.origin + scan.directions[bearing] * steps[step, None]
        return np.unique(self._index(places))

    def _behind(self, scan: WallScan) -> Indices:
        """Return the cells close behind the surfaces of a scan, each once."""
        clear = np.hypot(*scan.turns.T) > 0.5
        places = scan.places[clear]
        apart = places - scan.origin
        ahead = apart / np.maximum(np.hypot(*apart.T), CELL)[:, None]
        steps = np.arange(*_BEHIND, 0.7 * CELL)
        return np.unique(
            self._index((places[:, None] + steps[:, None] * ahead[:, None]).reshape(-1, 2))
        )
