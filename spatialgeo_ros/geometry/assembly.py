# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Chooses, among the connected surfaces in a region, those that are the object it bounds.

Two facts are used beside what makes an object one thing (``growth.py``). A region bounds its
object: a surface that goes on outside is something else. An object fills its region: its surfaces
together reach from side to side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.geometry.cells import Cells, Extent, extent
from spatialgeo_ros.geometry.growth import View, grow, sides_of
from spatialgeo_ros.geometry.pieces import Piece, pieces_in
from spatialgeo_ros.geometry.sizes import Size

_CANDIDATES = 3
_AS_GOOD = 0.15  # of the score: readings this close cannot be told apart
_EXPLAINS = 0.75  # score below which what is chosen explains little: then what has
_LARGER = 1.5  # times its cells may be the object as well
_STEP = 0.25  # metres of depth between two things, one before the other
_OCCLUDER = 0.15  # least share of a group's cells


def fill(chosen: NDArray[np.bool_], within: NDArray[np.bool_]) -> float:
    """Share of the region's bounding box that the chosen cells' bounding box covers."""
    return _area(extent(chosen)) / _area(extent(within))


def _area(box: Extent) -> float:
    return float((box[1] - box[0] + 1) * (box[3] - box[2] + 1))


@dataclass(frozen=True, eq=False)
class Choice:
    """What is taken for the object.

    Attributes:
        cells: [h, w] bool.
        score: how well they explain the region.
        other: [h, w] bool, cells that explain it about as well; None where none do.
    """

    cells: NDArray[np.bool_]
    score: float
    other: NDArray[np.bool_] | None = None


def select(
    cells: Cells,
    label: NDArray[np.int32],
    within: NDArray[np.bool_],
    gravity: NDArray[np.float64] | None,
    usual: Size | None = None,
    better_than: float = -np.inf,
) -> Choice | None:
    """Choose the surfaces that are the object; None when none can be, or none good enough.

    Args:
        cells: the window around the region.
        label: [h, w] connected surfaces, -1 where there is none.
        within: [h, w] cells inside the region.
        gravity: direction of falling [3], None when unknown.
        usual: (width, depth, height) of this kind of object in metres, None when unknown.
        better_than: score that a choice has to exceed to be of use.
    """
    pieces = pieces_in(cells, label, within)
    bounds = extent(within)
    count = sum(len(piece.at) for piece in pieces)
    if not pieces or _most_score(sides_of(pieces), count, bounds) <= better_than:
        return None
    view = View(cells, bounds, gravity, usual)
    large = [piece for piece in pieces if len(piece.at) >= 0.2 * len(pieces[0].at)]
    mains = sorted(large, key=lambda piece: -_score([piece], bounds))[:_CANDIDATES]
    groups: list[tuple[float, list[Piece]]] = []
    for main in mains:
        if any(piece is main for _, group in groups for piece in group):
            continue  # it has joined a better one already
        group = grow(view, main, pieces)
        groups.append((_score(group, bounds), group))
    groups.sort(key=lambda scored: -scored[0])
    best, chosen = groups[0]
    other = _without_occluder(chosen, bounds)
    if other is None:
        other = next(
            (group for score, group in groups[1:] if _rival(chosen, best, group, score)), None
        )
    return Choice(
        _cells_of(chosen, cells.shape),
        best,
        None if other is None else _cells_of(other, cells.shape),
    )


def _cells_of(group: list[Piece], shape: tuple[int, int]) -> NDArray[np.bool_]:
    out = np.zeros(shape, bool)
    for piece in group:
        out[piece.at[:, 0], piece.at[:, 1]] = True
    return out


def _without_occluder(group: list[Piece], bounds: Extent) -> list[Piece] | None:
    """The group without pieces that stand well before the rest, if the rest explains as much.

    A thing that is wholly inside the region of the one behind it looks like a part of it.
    """
    depths = np.array([piece.nearest for piece in group])
    sizes = np.array([len(piece.at) for piece in group])
    order = np.argsort(depths)
    steps = np.diff(depths[order])
    if not len(steps) or steps.max() < _STEP:
        return None
    cut = int(np.argmax(steps)) + 1
    front, back = order[:cut], order[cut:]
    least = _OCCLUDER * sizes.sum()
    if sizes[front].sum() < least or sizes[back].sum() < least:
        return None
    rest = [group[k] for k in back]
    return rest if _score(rest, bounds) > _score(group, bounds) - _AS_GOOD else None


def _rival(chosen: list[Piece], best: float, group: list[Piece], score: float) -> bool:
    """Tell whether a group may be the object as well as the chosen one, and lies elsewhere."""
    as_good = score > best - _AS_GOOD
    if not as_good and best < _EXPLAINS:
        as_good = sum(len(p.at) for p in group) > _LARGER * sum(len(p.at) for p in chosen)
    return as_good and _apart(chosen, group)


def _apart(a: list[Piece], b: list[Piece]) -> bool:
    """Tell whether two readings of a region lie at clearly different depths."""
    first, second = (np.median(np.concatenate([p.points[:, 2] for p in group])) for group in (a, b))
    return bool(abs(first - second) > _STEP)


def _score(group: list[Piece], bounds: Extent) -> float:
    """How well surfaces explain the region: fill it from side to side, and do not leave it."""
    count = sum(len(piece.at) for piece in group)
    leak = sum(piece.leak * len(piece.at) for piece in group) / count
    return _most_score(sides_of(group), count, bounds) - 3.0 * leak


def _most_score(sides: Extent, count: int, bounds: Extent) -> float:
    """Score of surfaces on ``count`` cells within these sides when none leaves the region."""
    return _area(sides) / _area(bounds) + 0.1 * count / _area(bounds)


def most_score(cells: NDArray[np.bool_], within: NDArray[np.bool_]) -> float:
    """Score that no choice among these cells can exceed, however they are taken apart."""
    inside = cells & within
    count = int(np.count_nonzero(inside))
    return _most_score(extent(inside), count, extent(within)) if count else -np.inf
