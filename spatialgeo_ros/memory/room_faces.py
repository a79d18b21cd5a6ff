# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which faces between the lines of walls are the room that the camera is in.

The lines of walls divide the floor into faces. Which of them are the room is the cheapest cut about
the camera: a piece of outline costs little where a wall was seen and much where none was, faces in
sight should be in, and what was never seen should not. So the outline follows the walls, closes
doors straight across, and goes on straight behind furniture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.memory.minimum_cut import minimum_cut
from spatialgeo_ros.memory.wall_grid import CELL, OpenSpace, Surfaces
from spatialgeo_ros.memory.wall_lines import WallLine

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]

_MARGIN = 0.5  # m around all surfaces
_MOST_CELLS = 40_000
_ON_LINE = 0.15  # m from a line within which a surface is a piece of its wall
_ALONG = math.cos(2 * math.radians(30))  # of twice the angle between the two
#: Costs per metre of outline: where a wall was seen; across a gap of a door's width between pieces
#: of one wall; where nothing is known; and where there is no wall for certain.
_WALL_COST, _DOOR_COST, _UNSEEN_COST, _OPEN_COST = 0.1, 0.3, 0.6, 1.5
_DOOR = 1.2  # m
#: Costs per m^2: in sight of the camera and left out; never seen and taken in.
_LEFT_OUT, _TAKEN_IN = 0.06, 0.15
_SIGHT = 10.0  # m
_BEARINGS = 240  # in which the camera looks around
_AROUND_CAMERA = 0.4  # m that are in the room for certain
_CERTAIN = 1e6


@dataclass(frozen=True, eq=False)
class RoomCells:
    """The room as cells of a raster.

    Attributes:
        inside: [X, Y] whether a cell is in the room; they hang together.
        middles: [X, Y, 2] metres, world frame.
        sides: [X, Y, L] whether a cell is beyond each line.
        cell: edge of a cell, metres.
    """

    inside: Flags
    middles: Array
    sides: Flags
    cell: float


def find_room(
    lines: Sequence[WallLine], surfaces: Surfaces, space: OpenSpace, camera: Array
) -> RoomCells | None:
    """Return the room about the camera; None where the camera's face is not closed.

    Args:
        lines: that walls may lie on.
        surfaces: that nothing was seen behind.
        space: what was seen through.
        camera: [2] its place, metres, world frame.
    """
    grid = _Raster(surfaces, camera)
    normals = np.stack([line.normal for line in lines])
    offsets = np.array([line.offset for line in lines])
    sides = grid.middles @ normals.T > offsets  # [X, Y, L]
    codes = (sides << np.arange(len(lines))).sum(axis=-1)
    _, faces = np.unique(codes, return_inverse=True)
    faces = faces.reshape(codes.shape)
    walls = [_wall_pieces(line, surfaces) for line in lines]
    seen = space.at(grid.middles)
    borders = _Borders(grid, faces, sides, lines, walls, seen, normals, offsets)
    sight = seen & grid.in_sight(camera, surfaces)
    inside = _cut(grid, faces, borders, seen, sight, camera)
    mask = _connected(inside[faces], grid, camera)
    return None if mask is None else RoomCells(mask, grid.middles, sides, grid.cell)


class _Raster:
    """Cells over everything that was seen. ``middles`` [X, Y, 2], metres."""

    def __init__(self, surfaces: Surfaces, camera: Array) -> None:
        low = np.minimum(surfaces.places.min(axis=0), camera) - _MARGIN
        high = np.maximum(surfaces.places.max(axis=0), camera) + _MARGIN
        self.cell = max(CELL, math.sqrt(float(np.prod(high - low)) / _MOST_CELLS))
        self.low = low
        counts = np.ceil((high - low) / self.cell).astype(np.int64)
        x, y = ((np.arange(n) + 0.5) * self.cell + low[i] for i, n in enumerate(counts))
        self.middles = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1)

    def cell_of(self, place: Array) -> tuple[int, int]:
        """Return the cell of a place [2]."""
        i, j = np.floor((place - self.low) / self.cell).astype(int)
        return int(i), int(j)

    def in_sight(self, camera: Array, surfaces: Surfaces) -> Flags:
        """Return the cells that the camera would see now, if it turned around; [X, Y]."""
        shape = self.middles.shape[:2]
        blocked = np.zeros(shape, bool)
        blocked[tuple(np.floor((surfaces.places - self.low) / self.cell).astype(np.int64).T)] = True
        angles = np.arange(_BEARINGS) * (2 * math.pi / _BEARINGS)
        steps = np.arange(0.0, _SIGHT, 0.7 * self.cell)
        ahead = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        places = camera + steps[:, None] * ahead[:, None]
        cells = np.floor((places - self.low) / self.cell).astype(np.int64)
        inside = ((cells >= 0) & (cells < shape)).all(axis=-1)
        i, j = np.moveaxis(np.where(inside[..., None], cells, 0), -1, 0)
        free = inside & ~np.logical_or.accumulate(blocked[i, j], axis=1)
        sight = np.zeros(shape, bool)
        sight[i[free], j[free]] = True
        return sight


@dataclass(frozen=True, eq=False)
class _WallPieces:
    """Where along a line walls were seen, and gaps like doors: cells of CELL from ``first`` on."""

    first: int
    seen: Flags
    door: Flags

    def costs(self, along: Array, open_there: Flags) -> Array:
        """Return the cost per metre of an outline through places along the line [N]."""
        costs = np.where(open_there, _OPEN_COST, _UNSEEN_COST)
        costs[self._at(self.door, along)] = _DOOR_COST
        costs[self._at(self.seen, along)] = _WALL_COST
        return costs

    def _at(self, flags: Flags, along: Array) -> Flags:
        index = np.floor(along / CELL).astype(np.int64) - self.first
        inside = (index >= 0) & (index < len(flags))
        return np.asarray(flags[np.where(inside, index, 0)] & inside)


def _wall_pieces(line: WallLine, surfaces: Surfaces) -> _WallPieces:
    on = on_line(line, surfaces)
    along = surfaces.places[on] @ line.direction
    if not len(along):
        return _WallPieces(0, np.zeros(1, bool), np.zeros(1, bool))
    index = np.floor(along / CELL).astype(np.int64)
    first = int(index.min()) - 1
    seen = np.zeros(int(index.max()) - first + 2, bool)
    for by in (-1, 0, 1):  # cells of the world and of the line do not coincide
        seen[index - first + by] = True
    door = np.zeros(len(seen), bool)
    pieces = np.flatnonzero(seen)
    for k in np.flatnonzero((np.diff(pieces) > 1) & (np.diff(pieces) * CELL <= _DOOR)):
        door[pieces[k] + 1 : pieces[k + 1]] = True
    return _WallPieces(first, seen, door)


def on_line(line: WallLine, surfaces: Surfaces) -> Flags:
    """Tell which surfaces are pieces of a line's wall; [N]."""
    near = np.abs(surfaces.places @ line.normal - line.offset) < _ON_LINE
    # Twice the angle of the line's direction is that of its normal turned by half a turn.
    double = -surfaces.turns @ (math.cos(2 * line.angle), math.sin(2 * line.angle))
    return np.asarray(near & (double >= _ALONG * np.hypot(*surfaces.turns.T) - 1e-9))


class _Borders:
    """Costs between neighbouring faces."""

    def __init__(
        self,
        grid: _Raster,
        faces: Indices,
        sides: Flags,
        lines: Sequence[WallLine],
        walls: Sequence[_WallPieces],
        seen: Flags,
        normals: Array,
        offsets: Array,
    ) -> None:
        count = int(faces.max()) + 1
        total: dict[tuple[int, int], float] = {}
        for axis in range(2):
            a, b = _neighbours(axis)
            cells = np.argwhere(faces[a] != faces[b])
            here, there = cells, cells + np.eye(2, dtype=np.int64)[axis]
            middle = (grid.middles[tuple(here.T)] + grid.middles[tuple(there.T)]) / 2
            differ = sides[tuple(here.T)] != sides[tuple(there.T)]
            which = separating(differ, middle, normals, offsets)
            # Edges of cells make stairs along a slanted line; so much of each is along it.
            length = grid.cell * np.abs(normals[which, axis])
            cost = np.zeros(len(cells))
            through = seen[tuple(here.T)] & seen[tuple(there.T)]
            for k, line in enumerate(lines):
                mine = which == k
                cost[mine] = walls[k].costs(middle[mine] @ line.direction, through[mine])
            one, other = faces[tuple(here.T)], faces[tuple(there.T)]
            keys = np.minimum(one, other) * count + np.maximum(one, other)
            unique, member = np.unique(keys, return_inverse=True)
            sums = np.bincount(member, cost * length)
            for key, value in zip(unique.tolist(), sums.tolist(), strict=True):
                pair = divmod(key, count)
                total[pair] = total.get(pair, 0.0) + value
        self.costs = total


def _neighbours(axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Slices of the cells that have a next one along an axis, and of those next ones."""
    cut = [slice(None), slice(None)]
    cut[axis] = slice(None, -1)
    after = [slice(None), slice(None)]
    after[axis] = slice(1, None)
    return tuple(cut), tuple(after)


def separating(differ: Flags, middle: Array, normals: Array, offsets: Array) -> Indices:
    """Return which line separates neighbouring cells [N]: of several the nearest one."""
    apart = np.abs(middle @ normals.T - offsets)
    return np.asarray(np.argmin(np.where(differ, apart, np.inf), axis=1))


def _cut(
    grid: _Raster, faces: Indices, borders: _Borders, seen: Flags, sight: Flags, camera: Array
) -> Flags:
    """Return for each face whether it is inside."""
    count = int(faces.max()) + 1
    area = np.bincount(faces.ravel(), minlength=count) * grid.cell**2
    open_area, in_sight = (
        np.bincount(faces[flags], minlength=count) * grid.cell**2 for flags in (seen, sight)
    )
    gain, price = _LEFT_OUT * in_sight, _TAKEN_IN * (area - open_area)
    near = np.hypot(*np.moveaxis(grid.middles - camera, -1, 0)) < _AROUND_CAMERA
    gain[np.unique(faces[near & seen])] = _CERTAIN
    gain[faces[grid.cell_of(camera)]] = _CERTAIN
    rim = np.concatenate([faces[0], faces[-1], faces[:, 0], faces[:, -1]])
    price[np.unique(rim)] = 10 * _CERTAIN
    source, sink = count, count + 1
    edges = [(a, b, cost) for (a, b), cost in borders.costs.items()]
    for face in range(count):
        edges.append((source, face, float(gain[face])))
        edges.append((face, sink, float(price[face])))
    return np.array(minimum_cut(count + 2, edges, source, sink)[:count])


def _connected(inside: Flags, grid: _Raster, camera: Array) -> Flags | None:
    """Return the part of the cells that hangs together with the camera's; None if it is out."""
    start = grid.cell_of(camera)
    if not inside[start]:
        return None
    part = np.zeros_like(inside)
    part[start] = True
    while True:
        # Whole runs at a time: a few rounds reach everything.
        before = int(part.sum())
        for axis in range(2):
            for flip in (False, True):
                _spread(part, inside, axis, flip)
        if int(part.sum()) == before:
            return part


def _spread(part: Flags, inside: Flags, axis: int, flip: bool) -> None:
    """Carry ``part`` along an axis as far as ``inside`` goes, in place."""
    a = np.moveaxis(part, axis, 0)
    b = np.moveaxis(inside, axis, 0)
    if flip:
        a, b = a[::-1], b[::-1]
    for k in range(1, len(a)):
        a[k] |= a[k - 1] & b[k]
