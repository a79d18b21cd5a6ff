# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which floor was seen free, and where something stands on it: a bounded grid in the world frame.

A cell is free when depth has seen the floor itself there, and blocked when depth has seen something
above it that a robot would meet, or no floor where the floor should be. What depth has not reached
is neither. The grid moves along with the robot; a frame costs a millisecond or two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.geometry.pointmap import PointMap
from spatialgeo_ros.geometry.pose import Pose

Array = npt.NDArray[np.float64]
Cells = npt.NDArray[np.bool_]

_CELL = 0.1  # m
_EXTENT = 40.0  # m, edge of the grid
_REACH = 5.0  # m, how far a frame is believed
_NEAREST = 0.1  # m along the optical axis
_ANGLE = 1 / 130  # rad between the points that are taken for obstacles
#: A point is floor when its height is within these, metres and metres per metre of distance.
_TOLERANCE, _TOLERANCE_SLOPE = 0.04, 0.012
_TALLEST = 2.0  # m, what is higher is in no robot's way
_LEAST_POINTS = 2  # of a frame in a cell that make it blocked
#: Evidence is counted in frames: free ones down, blocked ones up, so that what was taken away is
#: forgotten after a few seconds, and a single wrong frame frees nothing that was seen blocked.
_BLOCKED, _MOST = 3, 8


@dataclass(frozen=True, eq=False)
class FloorGrid:
    """The grid as it is at one moment. Treat arrays as read-only.

    Attributes:
        origin: [2] corner of the first cell, metres, world frame.
        cell: edge of a cell, metres.
        free: [X, Y] whether the floor was seen there.
        blocked: [X, Y] whether something was seen to stand there.
    """

    origin: Array
    cell: float
    free: Cells
    blocked: Cells

    def is_free(self, places: Array, radius: float) -> Cells:
        """Whether discs around places [N, 2] lie on free cells altogether, metres; [N]."""
        reach = math.ceil(radius / self.cell) + 1
        steps = np.arange(-reach, reach + 1)
        index = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)
        middle = np.floor((places - self.origin) / self.cell).astype(np.int64)
        cells = middle[:, None] + index[None]
        lower = self.origin + cells * self.cell
        nearest = np.clip(places[:, None], lower, lower + self.cell)
        touched: Cells = np.hypot(*np.moveaxis(nearest - places[:, None], -1, 0)) < radius
        return np.asarray((self._at(self.free, cells) | ~touched).all(axis=1))

    def is_blocked(self, places: Array) -> Cells:
        """Whether something stands at places [..., 2], metres; [...]."""
        return self._at(self.blocked, np.floor((places - self.origin) / self.cell).astype(np.int64))

    def _at(self, layer: Cells, cells: npt.NDArray[np.int64]) -> Cells:
        inside = np.asarray(((cells >= 0) & (cells < layer.shape)).all(axis=-1))
        x, y = np.moveaxis(np.where(inside[..., None], cells, 0), -1, 0)
        return np.asarray(layer[x, y] & inside)


class FreeSpace:
    """Collects what depth frames show of the floor. Not thread-safe: one thread owns it.

    Args:
        cell: edge of a cell, metres.
        extent: edge of the grid, metres; what is farther away than it reaches is forgotten.
        reach: how far from the camera a frame is believed, metres.
    """

    def __init__(self, cell: float = _CELL, extent: float = _EXTENT, reach: float = _REACH) -> None:
        self._cell, self._reach = cell, reach
        self._size = max(2 * math.ceil((reach + cell) / cell), math.ceil(extent / cell))
        around = np.arange(-math.ceil(reach / cell), math.ceil(reach / cell) + 1)
        square = np.stack(np.meshgrid(around, around, indexing="ij"), axis=-1).reshape(-1, 2)
        self._around = square[np.hypot(*square.T) * cell <= reach]
        self._evidence: npt.NDArray[np.int8] = np.zeros((self._size, self._size), np.int8)
        self._first = np.zeros(2, np.int64)  # world index of cell (0, 0)
        self._begun = False

    @property
    def bytes(self) -> int:
        """Memory that it takes; does not grow."""
        return self._evidence.nbytes

    def reset(self) -> None:
        """Forget everything (time jump, another world frame)."""
        self._evidence[:] = 0
        self._begun = False

    def grid(self) -> FloorGrid | None:
        """Return what is known now; None before the first frame."""
        if not self._begun:
            return None
        origin = np.asarray(self._first * self._cell, np.float64)
        return FloorGrid(origin, self._cell, self._evidence < 0, self._evidence > 0)

    def update(self, pointmap: PointMap, pose: Pose, height: float) -> None:
        """Take in one frame.

        Args:
            pointmap: metric geometry of the image.
            pose: of its camera in the world (z up).
            height: of the camera above the floor, metres.
        """
        if height <= 0:
            return
        camera_cell = np.floor(pose.translation[:2] / self._cell).astype(np.int64)
        self._make_room(camera_cell)
        cells = camera_cell + self._around
        seen = self._heights_at(cells, pointmap, pose, height)
        tolerance = _TOLERANCE + _TOLERANCE_SLOPE * self._cell * np.hypot(*self._around.T)
        with np.errstate(invalid="ignore"):
            free, hole = np.abs(seen) <= tolerance, seen < -2 * tolerance
        blocked = [self._index(cells[hole]), self._obstacles(pointmap, pose, height)]
        evidence = self._evidence.reshape(-1).astype(np.int16)
        change = np.zeros(evidence.size, np.int16)
        change[self._index(cells[free])] = -1
        change[np.concatenate(blocked)] = _BLOCKED
        touched = np.flatnonzero(change)
        evidence[touched] = np.clip(evidence[touched] + change[touched], -_MOST, _MOST)
        self._evidence = evidence.astype(np.int8).reshape(self._evidence.shape)

    def _make_room(self, camera_cell: npt.NDArray[np.int64]) -> None:
        """Keep the camera's surroundings inside the grid; what leaves it is forgotten."""
        if not self._begun:
            self._first, self._begun = camera_cell - self._size // 2, True
            return
        margin = math.ceil(self._reach / self._cell) + 1
        place = camera_cell - self._first
        if ((place >= margin) & (place < self._size - margin)).all():
            return
        shift = place - self._size // 2
        moved = np.zeros_like(self._evidence)
        source, target = [], []
        for step in shift:
            source.append(slice(max(0, step), max(0, min(self._size, self._size + step))))
            target.append(slice(max(0, -step), max(0, min(self._size, self._size - step))))
        moved[tuple(target)] = self._evidence[tuple(source)]
        self._evidence, self._first = moved, self._first + shift

    def _index(self, cells: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the places of world cells [N, 2] in the flat grid; they are inside of it."""
        x, y = (cells - self._first).T
        return np.asarray(x * self._size + y)

    def _heights_at(
        self, cells: npt.NDArray[np.int64], pointmap: PointMap, pose: Pose, height: float
    ) -> Array:
        """Return how high above the floor the surface is that hides or is each cell's floor.

        NaN where the cell is out of view or depth has no reading; negative where the camera looks
        through the floor.
        """
        centres = np.empty((len(cells), 3))
        centres[:, :2] = (cells + 0.5) * self._cell
        centres[:, 2] = pose.translation[2] - height
        local = pose.inverse().apply(centres)
        heights = np.full(len(cells), np.nan)
        camera = pointmap.camera
        ahead = np.flatnonzero(local[:, 2] > _NEAREST)
        pixels = np.rint(camera.project(local[ahead]))
        with np.errstate(invalid="ignore"):
            inside = (
                (pixels >= 0) & (pixels < (camera.width, camera.height))
            ).all(axis=1)  # fmt: skip
        ahead, columns_rows = ahead[inside], pixels[inside].astype(np.int64)
        depth = pointmap.depth_at(columns_rows[:, 1], columns_rows[:, 0])
        heights[ahead] = height * (1.0 - depth / local[ahead, 2])
        return heights

    def _obstacles(self, pointmap: PointMap, pose: Pose, height: float) -> npt.NDArray[np.int64]:
        """Return the flat places of cells with something on the floor that a robot would meet."""
        step = max(1, round(min(pointmap.camera.fx, pointmap.camera.fy) * _ANGLE))
        points = pointmap.points_every(step, step // 2).reshape(-1, 3)
        world = pose.apply(points[np.isfinite(points[:, 2])])
        away = np.hypot(*(world[:, :2] - pose.translation[:2]).T)
        above = world[:, 2] - (pose.translation[2] - height)
        # Twice the tolerance: what is lower may be floor.
        stands = above > 2 * (_TOLERANCE + _TOLERANCE_SLOPE * away)
        use = stands & (above < _TALLEST) & (away < self._reach)
        cells = np.floor(world[use, :2] / self._cell).astype(np.int64)
        places, counts = np.unique(self._index(cells), return_counts=True)
        return np.asarray(places[counts >= _LEAST_POINTS])
