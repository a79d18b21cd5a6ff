# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The outline of the room that the camera is in: a closed polygon along the lines of walls.

Whether it is to be believed is judged afterwards (:mod:`spatialgeo_ros.memory.room_judgement`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.memory.room_faces import RoomCells, find_room, separating
from spatialgeo_ros.memory.wall_grid import OpenSpace, Surfaces
from spatialgeo_ros.memory.wall_lines import WallLine

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]

_SHORTEST = 0.25  # m, sides below that are of the cells, not of the room
_PARALLEL = math.sin(math.radians(15.0))
_AWAY = 0.6  # m that a corner may be from where its sides were cut


@dataclass(frozen=True, eq=False)
class Outline:
    """A closed polygon along lines.

    Attributes:
        corners: [N, 2] counter-clockwise, metres, world frame.
        lines: of the side from each corner to the next.
    """

    corners: Array
    lines: tuple[WallLine, ...]


def polygon_area(corners: Array) -> float:
    """Return the area, m^2, positive for counter-clockwise corners [N, 2]."""
    x, y = (corners - corners[0]).T
    return float(0.5 * (x @ np.roll(y, -1) - y @ np.roll(x, -1)))


def find_outline(
    lines: Sequence[WallLine], surfaces: Surfaces, space: OpenSpace, camera: Array
) -> Outline | None:
    """Return the outline about the camera; None where lines make none.

    Args:
        lines: that walls may lie on.
        surfaces: that nothing was seen behind.
        space: what was seen through.
        camera: [2] its place, metres, world frame.
    """
    if len(lines) < 3:
        return None
    room = find_room(lines, surfaces, space, camera)
    return None if room is None else _traced(room, lines)


def _traced(room: RoomCells, lines: Sequence[WallLine]) -> Outline | None:
    """Follow the outer border of the room's cells and put corners where lines meet."""
    normals = np.stack([line.normal for line in lines])
    offsets = np.array([line.offset for line in lines])
    loop = _border(room.inside)
    here, there = loop[:, :2], loop[:, 2:]
    if (there < 0).any() or (there >= room.inside.shape).any():
        return None
    differ = room.sides[tuple(here.T)] != room.sides[tuple(there.T)]
    middle = (room.middles[tuple(here.T)] + room.middles[tuple(there.T)]) / 2
    which = separating(differ, middle, normals, offsets)
    axis = (here[:, 1] != there[:, 1]).astype(np.int64)
    length = room.cell * np.abs(normals[which, axis])
    runs = _runs(which.tolist(), length.tolist(), middle)
    runs = _without_slivers(runs, lines)
    if len(runs) < 3:
        return None
    corners = []
    for one, other in zip([runs[-1], *runs[:-1]], runs, strict=True):
        corner = _meet(lines[one.line], lines[other.line])
        if corner is None or np.hypot(*(corner - other.start)) > _AWAY + other.skipped:
            return None
        corners.append(corner)
    return Outline(np.array(corners), tuple(lines[run.line] for run in runs))


@dataclass
class _Run:
    """Neighbouring pieces of border on one line."""

    line: int
    length: float
    start: Array
    skipped: float = 0.0


def _runs(which: list[int], length: list[float], middle: Array) -> list[_Run]:
    runs: list[_Run] = []
    for k, line in enumerate(which):
        if runs and runs[-1].line == line:
            runs[-1].length += length[k]
        else:
            runs.append(_Run(line, length[k], middle[k]))
    if len(runs) > 1 and runs[0].line == runs[-1].line:
        last = runs.pop()
        runs[0].length += last.length
        runs[0].start = last.start
    return runs


def _without_slivers(runs: list[_Run], lines: Sequence[WallLine]) -> list[_Run]:
    """Drop the shortest sides until all are long enough and no neighbours are parallel."""
    runs = list(runs)
    while len(runs) >= 3:
        worst, shortest = -1, _SHORTEST
        for k, run in enumerate(runs):
            after = runs[(k + 1) % len(runs)]
            if abs(math.sin(lines[run.line].angle - lines[after.line].angle)) < _PARALLEL:
                short = k if run.length < after.length else (k + 1) % len(runs)
                worst, shortest = short, -1.0
                break
            if run.length < shortest:
                worst, shortest = k, run.length
        if worst < 0:
            break
        gone = runs.pop(worst)
        after = runs[worst % len(runs)]
        after.skipped += gone.length + gone.skipped
        before = runs[worst - 1]
        if before is not after and before.line == after.line:
            before.length += after.length
            before.skipped += after.skipped
            runs.remove(after)
    return runs


def _meet(one: WallLine, other: WallLine) -> Array | None:
    """Return where two lines meet; None for parallel ones."""
    if abs(math.sin(one.angle - other.angle)) < _PARALLEL:
        return None
    both = np.stack([one.normal, other.normal])
    return np.asarray(np.linalg.solve(both, np.array([one.offset, other.offset])))


def _border(mask: Flags) -> Indices:
    """Return the outer border of a mask, counter-clockwise: [N, 4] of cell inside and outside."""
    padded = np.pad(mask, 1)
    after: dict[tuple[int, int], list[tuple[int, int, tuple[int, int, int, int]]]] = {}
    # Each border edge goes from lattice point to lattice point with the inside at its left.
    for di, dj in ((1, 0), (0, 1), (-1, 0), (0, -1)):
        edge = mask & ~padded[1 + di : padded.shape[0] - 1 + di, 1 + dj : padded.shape[1] - 1 + dj]
        for i, j in np.argwhere(edge).tolist():
            start = (i + (di == 1 or dj == 1), j + (dj == 1 or di == -1))
            end = (start[0] - dj, start[1] + di)
            after.setdefault(start, []).append((*end, (i, j, i + di, j + dj)))
    loops: list[list[tuple[int, int, int, int]]] = []
    while after:
        start = min(after)  # of the loop that is farthest out: the first is the outer border
        place, loop = start, []
        while place in after:
            i, j, cells = after[place].pop()
            if not after[place]:
                del after[place]
            loop.append(cells)
            place = (i, j)
        loops.append(loop)
    return np.array(max(loops, key=len))
