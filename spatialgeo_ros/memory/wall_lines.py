# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Straight lines that walls may lie on, found among upright surfaces seen from above.

Most rooms have two directions of walls at a right angle; walls within a few degrees of them are
taken as exactly along them, others keep their own direction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.memory.wall_grid import CELL, Surfaces

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_ANGLES = 90  # directions that are tried over half a turn
_STEP = 0.05  # m between lines that are tried
_AROUND = 4  # directions to either side of a surface's own that it may belong to
_SNAP = math.radians(6.0)  # from the room's two directions
_NEAR = 0.07  # m from a line within which surfaces are on it
_TAKEN = 0.14  # m within which they are on no other parallel one: drift doubles walls
_ALONG = math.radians(25.0)  # between a surface and the line that it is on
_LEAST = 0.6  # m of surface that make a line
_MOST_LINES = 18
_FULL = 4.0  # sightings that make a surface count in full


@dataclass(frozen=True)
class WallLine:
    """Points p with ``normal . p = offset``. World frame, metres.

    Attributes:
        angle: of the normal, radians.
        offset: metres.
        seen: length of the surfaces on it, metres.
        sigma: standard deviation of the offset, metres.
    """

    angle: float
    offset: float
    seen: float
    sigma: float

    @property
    def normal(self) -> Array:
        """Unit vector [2] across the line."""
        return np.array([math.cos(self.angle), math.sin(self.angle)])

    @property
    def direction(self) -> Array:
        """Unit vector [2] along the line."""
        return np.array([-math.sin(self.angle), math.cos(self.angle)])


def find_lines(surfaces: Surfaces, drift_share: float) -> list[WallLine]:
    """Return the lines with most surfaces on them, best first.

    Args:
        surfaces: that nothing was seen behind.
        drift_share: standard deviation of poses, metres per metre of the way.
    """
    places = surfaces.places
    if len(places) < 2:
        return []
    middle = places.mean(axis=0)
    points = places - middle
    weights = np.minimum(surfaces.weights / _FULL, 1.0)
    clear = np.hypot(*surfaces.turns.T) > 0.6
    angles = np.arctan2(surfaces.turns[:, 1], surfaces.turns[:, 0]) / 2 + math.pi / 2  # of normals
    main = _main_direction(angles[clear], weights[clear])
    votes = _Votes(points, angles, weights, clear, main)
    left = np.ones(len(points), bool)
    lines: list[WallLine] = []
    while len(lines) < _MOST_LINES:
        guess = votes.best(left)
        if guess is None:
            break
        angle, offset = _refined(*guess, points, weights, _fits(angles, clear, guess[0]) & left)
        turned = math.remainder(angle - main, math.pi / 2)
        if abs(turned) < _SNAP:
            angle -= turned
        alike = _fits(angles, clear, angle)
        across = points @ (math.cos(angle), math.sin(angle))
        offset = _settled(across, weights, alike & left, offset)
        on = alike & left & (np.abs(across - offset) < _NEAR)
        seen = _length(points[on] @ (-math.sin(angle), math.cos(angle)))
        left &= ~(alike & (np.abs(across - offset) < _TAKEN))
        left &= ~(np.abs(across - guess[1]) < 0.5 * _STEP) | ~alike  # so that it ends
        if seen < _LEAST:
            if seen < 0.5 * _LEAST:
                break
            continue
        shift = float(middle @ (math.cos(angle), math.sin(angle)))
        sigma = _sigma(across[on] - offset, surfaces, on, drift_share)
        lines.append(WallLine(angle, offset + shift, seen, sigma))
    return lines


def _main_direction(angles: Array, weights: Array) -> float:
    """Return the direction of most walls, radians modulo a right angle."""
    if not len(angles):
        return 0.0
    degrees = np.degrees(angles) % 90
    histogram = np.bincount(degrees.astype(np.int64) % 90, weights, minlength=90)
    smooth = sum(np.roll(histogram, k) * (4 - abs(k)) for k in range(-3, 4))
    peak = math.radians(float(np.argmax(smooth)) + 0.5)
    for _ in range(2):
        turned = (angles - peak + math.pi / 4) % (math.pi / 2) - math.pi / 4
        near = np.abs(turned) < math.radians(8)
        peak += float(np.average(turned[near], weights=weights[near] + 1e-9)) if near.any() else 0.0
    return peak


class _Votes:
    """Each surface votes for the lines through it along its direction (Hough transform)."""

    def __init__(
        self, points: Array, angles: Array, weights: Array, clear: Flags, main: float
    ) -> None:
        # Where the direction is unclear, those of the room are what it may have.
        self._main = main
        steps = np.arange(-_AROUND, _AROUND + 1)
        turn = math.pi / _ANGLES
        own = np.rint((angles[clear] - main) / turn).astype(np.int64)
        index = (own[:, None] + steps).ravel() % _ANGLES
        who = np.repeat(np.flatnonzero(clear), len(steps))
        unclear = np.flatnonzero(~clear)
        index = np.concatenate([index, np.zeros(len(unclear), np.int64)])
        index = np.concatenate([index, np.full(len(unclear), _ANGLES // 2)])
        self._who = np.concatenate([who, unclear, unclear])
        self._radius = float(np.hypot(*points.T).max()) + _STEP
        self._bins = math.ceil(2 * self._radius / _STEP) + 1
        tried = main + index * turn
        across = points[self._who, 0] * np.cos(tried) + points[self._who, 1] * np.sin(tried)
        self._cells = index * self._bins + ((across + self._radius) / _STEP).astype(np.int64)
        self._weights = weights[self._who]
        # Of lines with as many votes, those along the room's directions are more likely.
        self._favour = np.ones((_ANGLES, 1))
        self._favour[[0, _ANGLES // 2]] = 1.1

    def best(self, left: Flags) -> tuple[float, float] | None:
        """Return (angle of the normal, offset) with most votes of those left; None without any."""
        use = left[self._who]
        size = _ANGLES * self._bins
        raw = np.bincount(self._cells[use], self._weights[use], minlength=size)
        raw = raw.reshape(_ANGLES, self._bins)
        votes = self._favour * (raw[:, :-2] + 2 * raw[:, 1:-1] + raw[:, 2:])
        k = int(np.argmax(votes))
        row, column = divmod(k, votes.shape[1])
        if votes[row, column] <= 0:
            return None
        angle = self._main + row * math.pi / _ANGLES
        return angle, (column + 1.5) * _STEP - self._radius


def _fits(angles: Array, clear: Flags, angle: float) -> Flags:
    """Whether surfaces may be on a line whose normal has this angle."""
    turned = np.abs((angles - angle + math.pi / 2) % math.pi - math.pi / 2)
    return np.asarray((turned < _ALONG) | ~clear)


def _refined(
    angle: float, offset: float, points: Array, weights: Array, use: Flags
) -> tuple[float, float]:
    """Return the line of least squares near a guess; a short one keeps its angle."""
    for _ in range(2):
        normal = np.array([math.cos(angle), math.sin(angle)])
        on = use & (np.abs(points @ normal - offset) < 1.5 * _NEAR)
        if on.sum() < 3:
            break
        mean = np.average(points[on], axis=0, weights=weights[on] + 1e-6)
        apart = (points[on] - mean) * np.sqrt(weights[on] + 1e-6)[:, None]
        values, axes = np.linalg.eigh(apart.T @ apart)
        if values[0] < 0.02 * values[1] and np.ptp(points[on] @ axes[:, 1]) > 0.8:
            turned = math.remainder(math.atan2(axes[1, 0], axes[0, 0]) - angle, math.pi)
            angle += max(-0.1, min(0.1, turned))
        offset = float(mean @ (math.cos(angle), math.sin(angle)))
    return angle, offset


def _settled(across: Array, weights: Array, use: Flags, offset: float) -> float:
    """Return where most of the surfaces about a line lie across it, metres."""
    for _ in range(3):
        on = use & (np.abs(across - offset) < _NEAR)
        if not on.any():
            break
        offset = float(np.average(across[on], weights=weights[on] + 1e-6))
    return offset


def _length(along: Array) -> float:
    """Length of the surfaces on a line, metres: gaps do not count."""
    return CELL * len(np.unique(np.floor(along / CELL)))


def _sigma(residuals: Array, surfaces: Surfaces, on: Flags, drift_share: float) -> float:
    """Standard deviation of a line's offset: spread, what is in common, and drift since."""
    spread = float(np.sqrt(np.mean(residuals**2)))
    shared = float(np.mean(surfaces.shared[on]))
    drift = drift_share * float(np.mean(surfaces.since[on]))
    # Neighbouring surfaces err together: a wall is known as if from four places.
    return math.sqrt(spread**2 / 4 + shared**2 + drift**2 + 0.005**2)
