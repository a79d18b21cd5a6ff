# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which thing of an image is which object of the map: overlap, distance and label, one to one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.memory.detected import Detected, MapFrame
from spatialgeo_ros.memory.map_object import TrackedObject
from spatialgeo_ros.memory.surface_cells import Points, SurfaceCells

Array = npt.NDArray[np.float64]
#: How alike two labels are, 0 (other things) to 1 (words for one thing).
Related = Callable[[str, str], float]

#: Labels less alike than this name different things.
LEAST_RELATED = 0.4
#: Squared Mahalanobis distance of centres (three degrees of freedom, one in a thousand) up to which
#: a thing may be an object that it does not overlap.
_GATE = 16.3
#: Share of the smaller surface on the other one from which a thing may be an object whose centre
#: is off: a chair of which first the back and then the seat is seen.
_OVERLAP = 0.25
#: What a pair may cost; a thing that would cost more is a new one.
_MOST_COST = 0.78
_WEIGHTS = (0.5, 0.35, 0.15)  # of overlap, distance and label
_SAMPLE, _SAMPLE_OTHER = 64, 160  # points compared
_TOUCH = 0.04  # metres at which points are of one surface, at least
_SPEED = 1.5  # m/s of what goes about by itself
_DOUBLE = 0.7  # share of overlap, both ways, of two boxes around one thing


def same_label(a: str, b: str) -> float:
    """Relate labels that are equal, for maps that know no words."""
    return float(a.casefold() == b.casefold())


def overlap(a: Points, b: Points, tolerance: float) -> tuple[float, float]:
    """Share of the points ``a`` [N, 3] that lie on ``b`` [M, 3], and of ``b`` on ``a``."""
    if not len(a) or not len(b):
        return 0.0, 0.0
    squared = np.zeros((len(a), len(b)), np.float32)
    for axis in range(3):
        squared += (a[:, axis, None] - b[None, :, axis]) ** 2
    near = squared < tolerance**2
    return float(near.any(axis=1).mean()), float(near.any(axis=0).mean())


def surface_overlap(a: SurfaceCells, b: SurfaceCells, slack: float) -> tuple[float, float]:
    """As :func:`overlap`, of two surfaces whose places are uncertain by ``slack`` metres."""
    tolerance = max(_TOUCH, a.cell, b.cell) + slack
    return overlap(a.sample(_SAMPLE_OTHER), b.sample(_SAMPLE_OTHER), tolerance)


#: Colours by hue, neighbours on the circle: lamps and white balance turn one into the next.
_HUES = ("red", "orange", "yellow", "green", "blue", "purple", "pink")
_CLEARLY = 0.5  # share of a surface that has its colour
_PART = 0.15  # share of a surface from which a colour is one of its own


def _clear_hue(colours: Mapping[str, float]) -> int | None:
    """Place on the circle of the hue that holds most of a surface, None without one."""
    name = max(colours, key=lambda one: colours[one], default="")
    if name not in _HUES or colours[name] < _CLEARLY * sum(colours.values()):
        return None
    return _HUES.index(name)


def _near_hue(colours: Mapping[str, float], hue: int) -> float:
    """Share of a surface that has a hue or one of its neighbours."""
    near = {_HUES[(hue + step) % len(_HUES)] for step in (-1, 0, 1)}
    return sum(colours.get(name, 0.0) for name in near) / sum(colours.values())


def of_other_colour(a: Mapping[str, float], b: Mapping[str, float]) -> bool:
    """Tell whether two surfaces are clearly of colours that no light makes one of the other.

    Of a plant one image may show the green leaves and another hardly more than the orange pot:
    where one surface also has the other's colour, it may be the same thing.
    """
    first, second = _clear_hue(a), _clear_hue(b)
    if first is None or second is None:
        return False
    return max(_near_hue(a, second), _near_hue(b, first)) < _PART


def label_agreement(related: Related, thing: Detected, tracked: TrackedObject) -> float:
    """How well a label agrees with what an object was called, 0 to 1; 0 for another colour."""
    if of_other_colour(thing.colours, tracked.colours):
        return 0.0
    total = sum(tracked.labels.values())
    return max(
        (
            related(thing.label, name)
            for name, weight in tracked.labels.items()
            if weight > 0.2 * total
        ),
        default=0.0,
    )


def pair_cost(
    thing: Detected,
    surface: SurfaceCells,
    tracked: TrackedObject,
    frame: MapFrame,
    drift: float,
    agreement: float,
) -> float:
    """Cost in [0, 1] of taking a thing for an object; infinite where it cannot be.

    Args:
        thing: what was seen.
        surface: its points.
        tracked: the object.
        frame: the image.
        drift: standard deviation of the poses since the object was last seen, metres.
        agreement: of the labels.
    """
    away, squared = tracked.place.offset(thing, frame, drift)
    if thing.dynamic or tracked.dynamic:
        # What walks is where it can have walked to; its surface is no help.
        seconds = abs(frame.stamp_ns - tracked.last_ns) * 1e-9
        reach = 0.5 + _SPEED * min(seconds, 3.0)
        distance = float(np.linalg.norm(away))
        return math.inf if distance > reach else 0.6 * distance / reach
    tolerance = max(_TOUCH, surface.cell, tracked.cells.cell) + frame.pose_sigma
    forth, back = overlap(surface.sample(_SAMPLE), tracked.cells.sample(_SAMPLE_OTHER), tolerance)
    share = max(forth, back)
    if squared > _GATE and share < _OVERLAP:
        return math.inf
    near = math.exp(-squared / 8)
    parts = (share, near, agreement)
    return 1 - sum(weight * part for weight, part in zip(_WEIGHTS, parts, strict=True))


def gate(
    things: Sequence[Detected], centres: Array, radii: Array, slack: Array
) -> npt.NDArray[np.int64]:
    """Pairs [P, 2] of a thing and a row of the map that are near enough to be compared.

    Args:
        things: of an image.
        centres: [N, 3] of the objects.
        radii: [N] half their diagonals.
        slack: [N] metres by which their places are uncertain, three standard deviations.
    """
    if not things or not len(centres):
        return np.zeros((0, 2), np.int64)
    at = np.array([thing.centre for thing in things])
    mine = np.array([np.linalg.norm(thing.size) / 2 for thing in things])
    reach = mine[:, None] + radii[None] + slack[None]
    moving = np.array([thing.dynamic for thing in things])
    reach[moving] += 3.0 * _SPEED
    near = np.linalg.norm(at[:, None] - centres[None], axis=2) < reach
    return np.argwhere(near).astype(np.int64)


def assign(costs: Array, most: float = _MOST_COST) -> list[tuple[int, int]]:
    """One-to-one pairs of rows and columns [N, M] of least total cost; a row may stay alone.

    A row that stays alone costs ``most``: a pair that costs more is never taken, and no pair is
    forced on a row because it is the only one left. The algorithm is the Hungarian one by shortest
    augmenting paths (Jonker and Volgenant, Computing 38, 1987).
    """
    rows, columns = costs.shape
    if not rows or not columns:
        return []
    alone = np.full((rows, rows), most)
    table = np.concatenate([np.where(np.isfinite(costs), costs, 1e6), alone], axis=1)
    width = columns + rows
    row_price, column_price = np.zeros(rows), np.zeros(width)
    owner = np.full(width, -1)
    for row in range(rows):
        # A shortest path of exchanges from this row to a column that nobody has.
        least, before = np.full(width, np.inf), np.full(width, -1)
        done = np.zeros(width, bool)
        column, current = -1, row
        while True:
            reduced = table[current] - row_price[current] - column_price
            better = ~done & (reduced < least)
            least[better], before[better] = reduced[better], column
            step = int(np.argmin(np.where(done, np.inf, least)))
            delta = least[step]
            row_price[row] += delta
            taken = np.flatnonzero(done)
            row_price[owner[taken]] += delta
            column_price[taken] -= delta
            least[~done] -= delta
            done[step], column = True, step
            if owner[step] < 0:
                break
            current = owner[step]
        while column >= 0:
            previous = before[column]
            owner[column] = owner[previous] if previous >= 0 else row
            column = previous
    return [
        (int(owner[column]), column)
        for column in range(columns)
        if owner[column] >= 0 and costs[owner[column], column] < most
    ]


def without_doubles(
    things: Sequence[Detected], surfaces: Sequence[SurfaceCells], related: Related
) -> list[int]:
    """Indices of the things, surest first, without second boxes around the same thing."""
    kept: list[int] = []
    if not things:
        return kept
    centres = np.array([thing.centre for thing in things])
    halves = np.array([np.linalg.norm(thing.size) / 4 for thing in things])
    apart = np.linalg.norm(centres[:, None] - centres[None], axis=2)
    close = apart <= halves[:, None] + halves[None]
    for index in sorted(range(len(things)), key=lambda one: -things[one].score):
        thing = things[index]
        for other in kept:
            if not close[index, other]:
                continue
            if related(thing.label, things[other].label) < LEAST_RELATED:
                continue
            if min(surface_overlap(surfaces[index], surfaces[other], 0.0)) > _DOUBLE:
                break
        else:
            kept.append(index)
    return kept
