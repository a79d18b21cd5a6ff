# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The closed, smooth path that the simulated robot drives through a furnished room."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from spatialgeo_ros.sim.room import Room

_CELL = 0.1
_WAYPOINTS = 7
_STEPS = [(1, 0), (-1, 0), (0, 1), (0, -1)]


@dataclass(frozen=True)
class BaseState:
    """Where the base is: metres and radians in the world frame."""

    x: float
    y: float
    yaw: float


class RobotPath:
    """A closed tour of the free floor, relaxed to smooth curves, clear of the furniture.

    The base is holonomic: while it drives, its heading looks across the room and sweeps to both
    sides, so that the camera sees most of the furniture in one lap.

    Args:
        room: the room to drive in.
        speed: along the tour, metres per second.
        clearance: radius of the robot, metres.

    Raises:
        ValueError: when the room has no free place.
    """

    def __init__(self, room: Room, speed: float = 0.4, clearance: float = 0.25) -> None:
        points = _tour(room, clearance)
        closed = np.vstack([points, points[:1]])
        self._arc = np.concatenate(
            [[0.0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))]
        )
        self._closed = closed
        self.length = float(self._arc[-1])
        self._phases, self._yaws = _headings(closed, self._arc)
        # A tour of one place is a turn on the spot: once around in 20 s.
        self.period = self.length / speed if self.length > 0 else 20.0

    def at(self, t: float) -> BaseState:
        """Return the state of the base at ``t`` seconds; the tour repeats."""
        phase = (t % self.period) / self.period
        if self.length == 0:
            x, y = self._closed[0]
            return BaseState(float(x), float(y), _wrap(2 * math.pi * phase))
        s = phase * self.length
        x = float(np.interp(s, self._arc, self._closed[:, 0]))
        y = float(np.interp(s, self._arc, self._closed[:, 1]))
        yaw = float(np.interp(phase, self._phases, self._yaws))
        return BaseState(x, y, _wrap(yaw))


def _headings(closed: np.ndarray, arc: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Phases [N] in [0, 1] and continuous headings [N] in radians of one lap.

    The base looks past the middle of the room and sweeps to both sides; averaged over an eighth of
    a lap, so that it turns calmly where it passes close to the middle.
    """
    phases = np.linspace(0.0, 1.0, 400, endpoint=False)
    x, y = (np.interp(phases * arc[-1], arc, closed[:, axis]) for axis in (0, 1))
    look = np.arctan2(-y, -x) + math.radians(30) * np.sin(6 * math.pi * phases)
    window = np.hanning(52)[1:-1]
    continuous = np.unwrap(np.append(look, look[0]))
    lap = continuous[-1] - continuous[0]  # a multiple of a full turn
    looks = continuous[:-1]
    around = np.concatenate([looks[-50:] - lap, looks, looks[:50] + lap])
    # The angle is averaged, not the direction: a mean direction can vanish and then flip.
    smooth = np.convolve(around, window / window.sum(), "same")[50:-50]
    yaws = np.append(smooth, smooth[0] + lap)
    return np.append(phases, 1.0), yaws


def _wrap(angle: float) -> float:
    return (angle + math.pi) % (2 * math.pi) - math.pi


def _tour(room: Room, clearance: float) -> np.ndarray:
    """Points of the closed tour, [N, 2] metres."""
    columns = np.arange(-room.width / 2, room.width / 2 + _CELL, _CELL)
    rows = np.arange(-room.depth / 2, room.depth / 2 + _CELL, _CELL)
    grid = np.stack(np.meshgrid(columns, rows), axis=-1)
    free = room.free(grid.reshape(-1, 2), clearance).reshape(grid.shape[:2])
    component = _largest_component(free)
    if not component:
        raise ValueError(f"room {room.seed} has no free place of radius {clearance} m")
    cells = np.array(component)
    chosen = _spread(cells, _WAYPOINTS)
    middle = cells.mean(axis=0)
    order = np.argsort(np.arctan2(chosen[:, 0] - middle[0], chosen[:, 1] - middle[1]))
    ring = [(int(r), int(c)) for r, c in chosen[order]]
    path: list[tuple[int, int]] = []
    for start, goal in zip(ring, ring[1:] + ring[:1], strict=True):
        path += _shortest(set(component), start, goal)[:-1]
    if len(path) < 3:
        path = path[:1] or [(int(cells[0][0]), int(cells[0][1]))]
    points = np.array([[columns[c], rows[r]] for r, c in path])
    return _relax(room, points, clearance) if len(points) > 1 else points


def _largest_component(free: np.ndarray) -> list[tuple[int, int]]:
    best: list[tuple[int, int]] = []
    seen = np.zeros_like(free)
    for start in zip(*np.nonzero(free), strict=True):
        if seen[start]:
            continue
        seen[start] = True
        queue = deque([(int(start[0]), int(start[1]))])
        found = []
        while queue:
            row, column = queue.popleft()
            found.append((row, column))
            for dr, dc in _STEPS:
                r, c = row + dr, column + dc
                inside = 0 <= r < free.shape[0] and 0 <= c < free.shape[1]
                if inside and free[r, c] and not seen[r, c]:
                    seen[r, c] = True
                    queue.append((r, c))
        best = max(best, found, key=len)
    return best


def _spread(cells: np.ndarray, count: int) -> np.ndarray:
    """Farthest-point choice of at most ``count`` cells (Gonzalez 1985)."""
    middle = cells.mean(axis=0)
    chosen = [int(np.argmax(np.linalg.norm(cells - middle, axis=1)))]
    nearest = np.linalg.norm(cells - cells[chosen[0]], axis=1)
    while len(chosen) < min(count, len(cells)) and nearest.max() > 4:
        chosen.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, np.linalg.norm(cells - cells[chosen[-1]], axis=1))
    return cells[chosen]


def _shortest(
    cells: set[tuple[int, int]], start: tuple[int, int], goal: tuple[int, int]
) -> list[tuple[int, int]]:
    """Breadth-first path from start to goal, both included."""
    previous: dict[tuple[int, int], tuple[int, int]] = {start: start}
    queue = deque([start])
    while queue and goal not in previous:
        row, column = queue.popleft()
        for dr, dc in _STEPS:
            step = (row + dr, column + dc)
            if step in cells and step not in previous:
                previous[step] = (row, column)
                queue.append(step)
    path = [goal]
    while path[-1] != start:
        path.append(previous[path[-1]])
    return path[::-1]


def _relax(room: Room, points: np.ndarray, clearance: float) -> np.ndarray:
    """Pull each point towards its neighbours as long as it stays clear: corners become curves."""
    current = points
    for _ in range(80):
        target = 0.5 * current + 0.25 * (np.roll(current, 1, 0) + np.roll(current, -1, 0))
        current = np.where(room.free(target, clearance)[:, None], target, current)
    return current
