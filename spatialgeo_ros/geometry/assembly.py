# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Chooses, among the connected surfaces in a region, those that are the object it bounds.

Three facts are used. A region bounds its object: a surface that goes on outside is something else.
An object fills its region: its surfaces together reach from side to side. An object is one thing
in space: its pieces touch, stand above one another, or are cut apart by something nearer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.geometry.cells import Cells, Extent, extent
from spatialgeo_ros.geometry.footprint import fit_footprint
from spatialgeo_ros.geometry.pose import level_frame
from spatialgeo_ros.geometry.sizes import Size

_TOUCHING = 0.15  # metres between pieces of one object
_TOUCHING_SHARE, _LEAST_TOUCHING = 0.25, 0.03  # of the object's size; metres: small things are near others
_BORDER, _REACHED = 0.08, 0.03  # of the region's size: a band along its sides; a side is reached
_SCRAP = 0.5  # share of a piece's cells in that band
_CONTACT = 0.07  # the same for a piece that may be an occluder or a neighbour
_JOINED = 0.08  # metres between a piece and its continuation outside the region
_FARTHEST = 1.2  # metres over which an occluder may cut an object apart
_FLAT = 0.02  # metres by which a horizontal surface may seem to vary in height
_SMALL = 0.15  # of the object's cells, for a leg
_SMALL_KIND = 0.8  # metres of width or depth
_OVERSIZE = 1.15  # how much larger than usual an object of a kind may be
_LEAK = 0.5  # share of a surface outside the region from which it cannot be the object
_LOOSE_LEAK = 0.2  # the same for a piece that joins another
_NO_LEAK = 0.05  # a piece with less than this outside is bounded by the region
_CANDIDATES = 3



@dataclass(frozen=True, eq=False)
class _Piece:
    """One connected surface in the region.

    Attributes:
        at: [N, 2] rows and columns of its cells.
        points: [N, 3] their points.
        leak: share of the surface outside the region, relative to that inside.
    """

    at: NDArray[np.int64]
    points: NDArray[np.float32]
    leak: float

    def thinned(self, most: int) -> _Piece:
        step = max(1, math.ceil(len(self.at) / most))
        return _Piece(self.at[::step], self.points[::step], self.leak)


def fill(chosen: NDArray[np.bool_], within: NDArray[np.bool_]) -> float:
    """Share of the region's bounding box that the chosen cells' bounding box covers."""
    return _area(extent(chosen)) / _area(extent(within))


def _area(box: Extent) -> float:
    return float((box[1] - box[0] + 1) * (box[3] - box[2] + 1))


@dataclass(frozen=True, eq=False)
class Choice:
    """Cells [h, w] bool that are taken for the object, and how well they explain the region."""

    cells: NDArray[np.bool_]
    score: float


def select(
    cells: Cells,
    label: NDArray[np.int64],
    within: NDArray[np.bool_],
    gravity: NDArray[np.float64] | None,
    usual: Size | None = None,
) -> Choice | None:
    """Choose the surfaces that are the object; None when none can be.

    Args:
        cells: the window around the region.
        label: [h, w] connected surfaces, -1 where there is none.
        within: [h, w] cells inside the region.
        gravity: direction of falling [3], None when unknown.
        usual: (width, depth, height) of this kind of object in metres, None when unknown.
    """
    pieces = _pieces(cells, label, within)
    if not pieces:
        return None
    bounds = extent(within)
    best, chosen = -np.inf, None
    large = [piece for piece in pieces if len(piece.at) >= 0.2 * len(pieces[0].at)]
    mains = sorted(large, key=lambda piece: -_score([piece], bounds))[:_CANDIDATES]
    for main in mains:
        if chosen is not None and any(piece is main for piece in chosen):
            continue  # it has joined a better one already
        group = _grow(cells, main, pieces, bounds, gravity, usual)
        score = _score(group, bounds)
        if score > best:
            best, chosen = score, group
    out = np.zeros(cells.shape, bool)
    for piece in chosen or []:
        out[piece.at[:, 0], piece.at[:, 1]] = True
    return Choice(out, float(best))


def _pieces(cells: Cells, label: NDArray[np.int64], within: NDArray[np.bool_]) -> list[_Piece]:
    names, index = np.unique(label, return_inverse=True)
    index = index.reshape(label.shape)
    inside = np.bincount(index[within], minlength=len(names))
    outside = np.bincount(index[~_widened(within)], minlength=len(names))
    # Pieces outside that touch one inside (the legs below a seat) are its leak too.
    beyond = [
        _thin_points(cells, index == k)
        for k in np.flatnonzero((inside < 3) | (outside > _LEAK * inside))
        if names[k] >= 0 and outside[k] >= 3
    ]
    passing = _passing(index, within, len(names))
    found = []
    for k in np.argsort(-inside):
        if names[k] < 0 or inside[k] < 3 or outside[k] > _LEAK * inside[k]:
            continue
        at = np.argwhere((index == k) & within)
        points = cells.points[at[:, 0], at[:, 1]]
        piece = _Piece(at, points, max(float(outside[k] / inside[k]), float(passing[k])))
        own = piece.thinned(150).points
        spilled = sum(count for other, count in beyond if _gap(own, other) < _JOINED)
        found.append(_Piece(at, points, piece.leak + spilled / float(inside[k])))
    return [piece for piece in found if piece.leak <= _LEAK] or found


def _passing(
    index: NDArray[np.int64], within: NDArray[np.bool_], count: int
) -> NDArray[np.float64]:
    """Share of each surface's cells at the region's border that go on to the end of the window.

    What reaches into the region from outside and is cut off by its border is not what it bounds,
    however much of it is inside.
    """
    top, bottom, left, right = extent(within)
    h, w = index.shape
    sides = (
        (index[top, left : right + 1], index[0, left : right + 1], top),
        (index[bottom, left : right + 1], index[h - 1, left : right + 1], h - 1 - bottom),
        (index[top : bottom + 1, left], index[top : bottom + 1, 0], left),
        (index[top : bottom + 1, right], index[top : bottom + 1, w - 1], w - 1 - right),
    )
    near, far = np.zeros(count), np.zeros(count)
    for border, end, room in sides:
        if room < 3:  # the image ends here
            continue
        here = np.bincount(border, minlength=count)
        near += here
        far += np.minimum(np.bincount(end, minlength=count), here)
    return np.where(near >= 3, far / np.maximum(near, 1), 0.0)


def _thin_points(cells: Cells, use: NDArray[np.bool_]) -> tuple[NDArray[np.float32], int]:
    """At most 150 of the points in use, and how many there are."""
    points = cells.points[use]
    return points[:: max(1, math.ceil(len(points) / 150))], len(points)


def _gap(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    middle = a.mean(axis=0)  # near the origin float32 keeps the differences
    a, b = a - middle, b - middle
    squared = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2 * (a @ b.T)
    return float(np.sqrt(max(float(squared.min()), 0.0)))


def _widened(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Grow by one cell: the cells that straddle a region's outline count as neither side."""
    out = mask.copy()
    out[1:] |= mask[:-1]
    out[:-1] |= mask[1:]
    out[:, 1:] |= out[:, :-1].copy()
    out[:, :-1] |= out[:, 1:].copy()
    return out


def _score(group: list[_Piece], bounds: Extent) -> float:
    """How well surfaces explain the region: fill it from side to side, and do not leave it."""
    at = np.concatenate([piece.at for piece in group])
    (top, left), (bottom, right) = at.min(axis=0), at.max(axis=0)
    leak = sum(piece.leak * len(piece.at) for piece in group) / len(at)
    box = _area((int(top), int(bottom), int(left), int(right)))
    return box / _area(bounds) + 0.1 * len(at) / _area(bounds) - 3.0 * leak


def _grow(
    cells: Cells,
    main: _Piece,
    pieces: list[_Piece],
    bounds: Extent,
    gravity: NDArray[np.float64] | None,
    usual: Size | None,
) -> list[_Piece]:
    """Join to ``main`` every piece that is of the same object."""
    group = [main]
    loose = [p for p in pieces if p is not main and p.leak <= _LOOSE_LEAK]
    grew = True
    while grew and loose:
        grew = False
        for piece in list(loose):
            if _belongs(cells, piece, group, bounds, gravity, usual):
                group.append(piece)
                loose.remove(piece)
                grew = True
    return group


def _belongs(
    cells: Cells,
    piece: _Piece,
    group: list[_Piece],
    bounds: Extent,
    gravity: NDArray[np.float64] | None,
    usual: Size | None,
) -> bool:
    """Tell whether a loose piece (a leg, a part behind an occluder) is of the object.

    It is when it nearly touches the object in space. A piece that stays inside the region also is

    - when it stands above or below the object (the far leg of a table),
    - when something nearer covers the whole gap between the two in the image (one object, seen on
      both sides of a post),
    - when the object without it ends short of a side of its region,
    - when it is seen below the object and both together still have the usual size of their kind
      (the far legs of a chair);

    never when it is nearer to the camera than the object, as an occluder is.
    """
    part = piece.thinned(120)
    whole = _Piece(
        np.concatenate([p.at for p in group]), np.concatenate([p.points for p in group]), 0.0
    ).thinned(400)
    gap = _gap(part.points, whole.points)
    # What is nearer than the object may be its occluder, and what leaks may be a neighbour.
    nearer = np.percentile(part.points[:, 2], 10) < np.percentile(whole.points[:, 2], 2) - 0.1
    doubtful = bool(nearer) or piece.leak > _NO_LEAK
    if _on_border(piece, group, bounds):
        return False
    size = float(np.linalg.norm(np.ptp(np.percentile(whole.points, (5, 95), axis=0), axis=0)))
    touching = min(_TOUCHING, max(_LEAST_TOUCHING, _TOUCHING_SHARE * size))
    if gap < (min(_CONTACT, touching) if doubtful else touching):
        return True
    if piece.leak > _NO_LEAK or gap > _FARTHEST:
        return False
    if gravity is not None:
        level = level_frame(gravity)[[0, 2]].T.astype(np.float32)
        footprint = fit_footprint(whole.points @ level)
        margin = _CONTACT if doubtful else max(_TOUCHING, _row_spacing(cells, whole, gravity))
        if footprint.holds(part.points @ level, margin).mean() > 0.8:
            return True
    if nearer:
        return False
    if gravity is not None and _level(part, whole, gravity):
        return True
    if gravity is not None and usual is not None and _under(piece, group):
        if _fits(part, whole, gravity, usual):
            return True
    if _covered(cells, part.at, whole.at):
        return True
    return group[0].leak <= _NO_LEAK and _reaches(piece, group, bounds)


def _on_border(piece: _Piece, group: list[_Piece], bounds: Extent) -> bool:
    """Tell whether a piece is a scrap along a side of the region that the group reaches without it.

    A box that is not cut tight holds slivers of what is beside, below and behind the object.
    """
    at = np.concatenate([p.at for p in group])
    hugging = np.zeros(len(piece.at), bool)
    for axis, (first, last) in ((0, bounds[:2]), (1, bounds[2:])):
        band, slack = (max(2.0, share * (last - first + 1)) for share in (_BORDER, _REACHED))
        own, other = piece.at[:, axis], at[:, axis]
        for near, reached in (
            (own <= first + band, other.min() <= first + slack),
            (own >= last - band, other.max() >= last - slack),
        ):
            if near.any() and not reached:
                return False
            hugging |= near
    return bool(hugging.mean() > _SCRAP)


def _fits(piece: _Piece, whole: _Piece, gravity: NDArray[np.float64], usual: Size) -> bool:
    """Tell whether whole and piece together still have the usual size of their kind.

    Only for small kinds: the sizes of large ones vary by more than things stand apart.
    """
    if max(usual[:2]) > _SMALL_KIND:
        return False
    level = level_frame(gravity).T.astype(np.float32)
    points = np.concatenate([piece.points, whole.points]) @ level
    found = fit_footprint(points[:, [0, 2]])
    sides = np.sort(found.high - found.low)
    limits = np.sort(np.array(usual[:2])) * _OVERSIZE
    return bool((sides <= limits).all() and np.ptp(points[:, 1]) <= usual[2] * _OVERSIZE)


def _under(piece: _Piece, group: list[_Piece]) -> bool:
    """Tell whether a small piece is seen below the group: its columns have the group above them."""
    at = np.concatenate([p.at for p in group])
    if len(piece.at) > _SMALL * len(at):
        return False
    width = int(max(at[:, 1].max(), piece.at[:, 1].max())) + 1
    top, own = np.full(width, np.iinfo(np.int64).max), np.full(width, np.iinfo(np.int64).max)
    np.minimum.at(top, at[:, 1], at[:, 0])
    np.minimum.at(own, piece.at[:, 1], piece.at[:, 0])
    columns = np.unique(piece.at[:, 1])
    return bool((top[columns] < own[columns]).mean() > 0.7)


def _level(piece: _Piece, whole: _Piece, gravity: NDArray[np.float64]) -> bool:
    """Tell whether a piece goes on a horizontal surface of the whole: a top seen edge-on.

    At a grazing angle neighbouring rows of a table top are far apart, but at one height.
    """
    down = gravity.astype(np.float32)
    drop, other = piece.points @ down, whole.points @ down
    if np.ptp(np.percentile(drop, (10, 90))) > 2 * _FLAT:
        return False
    near = np.abs(piece.at[:, None] - whole.at[None]).max(axis=2) <= 3
    same = np.abs(drop[:, None] - other[None]) < _FLAT
    return bool((near & same).any(axis=1).mean() > 0.5)


def _row_spacing(cells: Cells, whole: _Piece, gravity: NDArray[np.float64]) -> float:
    """How far a horizontal surface may go on behind its last visible row of cells, metres."""
    z = whole.points[:, 2]
    far = whole.points[np.argsort(z)[-max(3, len(z) // 40) :]]
    drop = abs(float(np.median(far @ gravity.astype(np.float32))))
    return min(0.5, float(np.median(far[:, 2])) ** 2 * cells.angle / max(drop, 0.05))


def _reaches(piece: _Piece, group: list[_Piece], bounds: Extent) -> bool:
    """Tell whether a piece reaches a side of the region that the group stays well away from."""
    at = np.concatenate([p.at for p in group])
    if len(at) < 0.5 * len(piece.at):
        return False  # a scrap does not decide where its object is
    for axis, (first, last) in ((0, bounds[:2]), (1, bounds[2:])):
        size = last - first + 1
        short, slack = max(3, 0.07 * size), max(2, 0.04 * size)
        own, group_own = piece.at[:, axis], at[:, axis]
        if own.min() <= first + slack and group_own.min() > first + short:
            return True
        if own.max() >= last - slack and group_own.max() < last - short:
            return True
    return False


def _covered(cells: Cells, a: NDArray[np.int64], b: NDArray[np.int64]) -> bool:
    """Tell whether something nearer than both fills the image between two sets of cells."""
    apart = ((a[:, None] - b[None]) ** 2).sum(axis=2)
    # Several lines across the gap, from different cells of the piece.
    spread = a[np.argsort(apart.min(axis=1))[: max(1, len(a) // 3)]]
    depth = np.where(cells.ok, cells.points[..., 2], np.inf)
    hidden = total = 0
    for start in spread[:: max(1, len(spread) // 8)]:
        end = b[np.argmin(((b - start) ** 2).sum(axis=1))]
        steps = int(np.abs(end - start).max())
        if steps < 2:
            continue
        line = np.rint(np.linspace(start, end, steps + 1)[1:-1]).astype(np.int64)
        limit = min(depth[tuple(start)], depth[tuple(end)]) - 0.05
        hidden += int((depth[line[:, 0], line[:, 1]] < limit).sum())
        total += len(line)
    return hidden > 0.7 * total and total > 0
