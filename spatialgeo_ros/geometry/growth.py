# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Grows an object from one of its surfaces: which other surfaces in a region are of it.

An object is one thing in space: its pieces touch, stand above one another, or are cut apart by
something nearer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.geometry.cells import Cells, Extent
from spatialgeo_ros.geometry.footprint import Footprint, fit_footprint
from spatialgeo_ros.geometry.pieces import Piece, gap_between
from spatialgeo_ros.geometry.pose import level_frame
from spatialgeo_ros.geometry.sizes import Size
from spatialgeo_ros.geometry.small_arrays import median, percentiles

#: Metres over which an occluder may cut an object apart.
FARTHEST = 1.2
_TOUCHING = 0.15  # metres between pieces of one object
_TOUCHING_SHARE = 0.25  # of the object's size: small things stand near others
_LEAST_TOUCHING = 0.03  # metres
_BORDER, _REACHED = 0.08, 0.03  # of the region's size: a band along its sides; a side is reached
_SHORT, _AT_SIDE = 0.11, 0.04  # of it: a group stays away from a side; a piece reaches it
_SCRAP = 0.5  # share of a piece's cells in that band
_CONTACT = 0.07  # the same for a piece that may be an occluder or a neighbour
_NOT_FAR = 1.19  # surely less than FARTHEST, whatever is rounded
_FLAT = 0.02  # metres by which a horizontal surface may seem to vary in height
_LEVEL_SHARE = 0.5  # of the neighbours of what goes on a horizontal surface that are on it
_SMALL = 0.25  # of the object's cells, for a leg
_LEG = 0.15  # metres of width, and that what it stands along may grow across
_SMALL_KIND = 0.8  # metres of width or depth
_OVERSIZE = 1.15  # how much larger than usual an object of a kind may be
_LEG_OVERSIZE = 1.1  # the same of a large kind, with a leg that stands apart
_MOST_OVERSIZE = 1.4  # the same of any kind, where what is of the object is in doubt
_HAS_ABOVE = 0.7  # of a piece's columns, that have the object above them
_ABOVE = 0.8  # of a piece, that stands within the ground that the object covers
_LOOSE_LEAK = 0.2  # the same for a piece that joins another
_NO_LEAK = 0.05  # a piece with less than this outside is bounded by the region


def sides_of(pieces: list[Piece]) -> Extent:
    """First row, last row, first column, last column of some pieces together."""
    tops, bottoms, lefts, rights = zip(*(piece.sides for piece in pieces), strict=True)
    return min(tops), max(bottoms), min(lefts), max(rights)


@dataclass(frozen=True, eq=False)
class View:
    """What all pieces of a region have in common.

    Attributes:
        cells: the window around the region.
        bounds: of the region.
        gravity: direction of falling [3], None when unknown.
        usual: (width, depth, height) of this kind of object in metres, None when unknown.
    """

    cells: Cells
    bounds: Extent
    gravity: NDArray[np.float64] | None
    usual: Size | None

    @cached_property
    def down(self) -> NDArray[np.float32]:
        """[3] the direction of falling; with gravity only."""
        return np.asarray(self.gravity, np.float32)

    @cached_property
    def level(self) -> NDArray[np.float32]:
        """[3, 3] what turns points [N, 3] into the level frame; with gravity only."""
        return level_frame(np.asarray(self.gravity)).T.astype(np.float32)

    @cached_property
    def ground(self) -> NDArray[np.float32]:
        """[3, 2] projection onto the ground; with gravity only."""
        return self.level[:, [0, 2]]

    @cached_property
    def cut(self) -> tuple[bool, ...]:
        """Whether the image cuts the region at its first and last row, first and last column."""
        rows, columns = self.cells.shape
        ends = (0, rows - 1, 0, columns - 1)
        return tuple(bound == end for bound, end in zip(self.bounds, ends, strict=True))

    @cached_property
    def depth(self) -> NDArray[np.float32]:
        """[h, w] depth of the cells, metres, infinite where there is none."""
        return depth_of(self.cells)


def depth_of(cells: Cells) -> NDArray[np.float32]:
    """[h, w] depth of cells, metres, infinite where there is none."""
    return np.where(cells.ok, cells.points[..., 2], np.float32(np.inf))


def _nearness(a: Piece, b: Piece, touching: float) -> bool | None:
    """Tell whether two pieces are nearer than ``touching`` to each other, None when far apart."""
    least = a.reach.least_gap(b.reach)
    if least > FARTHEST:
        return None
    if least >= touching:
        if a.reach.most_gap(b.reach) < _NOT_FAR:
            return False
        if gap_between(a.points[:1], b.points) < _NOT_FAR:
            return False
    gap = gap_between(a.points, b.points)
    return gap < touching if gap <= FARTHEST else None


def grow(view: View, main: Piece, pieces: list[Piece]) -> list[Piece]:
    """Join to ``main`` every piece that is of the same object."""
    group = _Group([main])
    loose = [p for p in pieces if p is not main and p.leak <= _LOOSE_LEAK]
    grew = True
    while grew and loose:
        grew = False
        for piece in list(loose):
            if _belongs(view, piece, group):
                group = _Group([*group.pieces, piece])
                loose.remove(piece)
                grew = True
    return group.pieces


@dataclass(frozen=True, eq=False)
class _Group:
    """Pieces that are of one object, and what is asked of them together."""

    pieces: list[Piece]

    @cached_property
    def count(self) -> int:
        """How many cells it has."""
        return sum(len(piece.at) for piece in self.pieces)

    @cached_property
    def whole(self) -> Piece:
        """At most 400 of the cells."""
        at = np.concatenate([piece.at for piece in self.pieces])
        points = np.concatenate([piece.points for piece in self.pieces])
        return Piece(at, points, self.pieces[0].leak).thinned(400)

    @cached_property
    def tops(self) -> NDArray[np.int64]:
        """First row of each column from 0 on, a large number where it has no cell."""
        top = np.full(self.sides[3] + 1, np.iinfo(np.int64).max)
        for piece in self.pieces:
            columns, rows = piece.tops
            top[columns] = np.minimum(top[columns], rows)
        return top

    @cached_property
    def nearest(self) -> float:
        """Depth that nearly all of it lies beyond, metres."""
        z = self.whole.points[:, 2]
        return float(np.partition(z, len(z) // 50)[len(z) // 50])

    @cached_property
    def touching(self) -> float:
        """Metres between it and a piece up to which they are one thing."""
        ordered = np.sort(self.whole.points, axis=0)
        few = len(ordered) // 20
        size = float(np.linalg.norm(ordered[-1 - few] - ordered[few]))
        return min(_TOUCHING, max(_LEAST_TOUCHING, _TOUCHING_SHARE * size))

    @cached_property
    def sides(self) -> Extent:
        """First row, last row, first column, last column."""
        return sides_of(self.pieces)

    def footprint(self, view: View) -> Footprint:
        """Rectangle on the ground around it; with gravity only."""
        if "_footprint" not in self.__dict__:
            self.__dict__["_footprint"] = fit_footprint(self.whole.points @ view.ground)
        found: Footprint = self.__dict__["_footprint"]
        return found

    def row_spacing(self, view: View) -> float:
        """How far a horizontal surface may go on behind its last visible row of cells, metres.

        With gravity only.
        """
        if "_row_spacing" not in self.__dict__:
            z = self.whole.points[:, 2]
            far = self.whole.points[np.argsort(z)[-max(3, len(z) // 40) :]]
            drop = abs(float(median(far @ view.down)))
            spacing = float(median(far[:, 2])) ** 2 * view.cells.angle / max(drop, 0.05)
            self.__dict__["_row_spacing"] = min(0.5, spacing)
        found: float = self.__dict__["_row_spacing"]
        return found


def _belongs(view: View, piece: Piece, group: _Group) -> bool:
    """Tell whether a loose piece (a leg, a part behind an occluder) is of the object.

    It is when it nearly touches the object in space. A piece that stays inside the region also is

    - when it stands above or below the object (the far leg of a table),
    - when something nearer covers the whole gap between the two in the image (one object, seen on
      both sides of a post),
    - when the object without it ends short of a side of its region,
    - when it is seen below the object and both together still have the usual size of their kind
      (the far legs of a chair);

    never when it is nearer to the camera than the object, as an occluder is, or a scrap along the
    region's border.
    """
    part, whole = piece.part, group.whole
    if _on_border(piece, group, view) and not _far_end(view, part, whole):
        return False
    # What is nearer than the object may be its occluder, and what leaks may be a neighbour.
    nearer = piece.nearest < group.nearest - 0.1
    doubtful = nearer or piece.leak > _NO_LEAK
    touching = min(_CONTACT, group.touching) if doubtful else group.touching
    touches = _nearness(part, whole, touching)
    if touches is None:
        return False
    if touches:
        return not _outgrows(view, piece, group)
    if piece.leak > _NO_LEAK:
        return False
    # From here on in the order of their cost: each alone is enough.
    if group.pieces[0].leak <= _NO_LEAK and _reaches(piece, group, view.bounds):
        if not nearer or _fits(view, piece, group):
            return True
    return _has_place(view, piece, group, nearer) and not _outgrows(view, piece, group)


def _has_place(view: View, piece: Piece, group: _Group, nearer: bool) -> bool:
    """Tell whether a piece that does not touch the object is where parts of one object may be."""
    if view.gravity is not None and _above_or_below(view, piece, group, nearer):
        return True
    if nearer:
        return False
    if view.usual is not None and _under(piece, group) and _fits(view, piece, group):
        return True
    if _goes_on_level(view, piece.part, group.whole) or _cut_together(view, piece, group):
        return True
    return covered(view.depth, piece, group.whole, group.pieces)


def _is_under(view: View, piece: Piece, group: _Group) -> bool:
    """Tell whether a piece is seen below an object and no leg: something else, under a table."""
    if not _below(piece, group):
        return False
    return view.gravity is None or not _is_leg(view, piece)


def _cut_together(view: View, piece: Piece, group: _Group) -> bool:
    """Tell whether the image cuts a piece and an object at one side, which may join them beyond.

    Only where both together still have the usual size of their kind.
    """
    if view.gravity is None or view.usual is None:
        return False
    sides = zip(view.cut, view.bounds, piece.sides, group.sides, strict=True)
    if not any(
        cut and max(abs(own - end), abs(other - end)) <= 1 for cut, end, own, other in sides
    ):
        return False
    return not _is_under(view, piece, group) and _together(view, piece, group, _OVERSIZE)


def _outgrows(view: View, piece: Piece, group: _Group) -> bool:
    """Tell whether an object that is not too large for its kind would be with one more piece."""
    if view.gravity is None or view.usual is None:
        return False
    limits = np.sort(np.array(view.usual[:2])) * _MOST_OVERSIZE
    footprint = group.footprint(view)
    own = np.sort(footprint.high - footprint.low)
    if (own > limits).any():
        return False
    along = piece.part.points @ view.ground @ footprint.axes.T
    low, high = (
        np.minimum(footprint.low, along.min(axis=0)),
        np.maximum(footprint.high, along.max(axis=0)),
    )
    if (np.sort(high - low) <= limits).all():
        return False
    return not _together(view, piece, group, _MOST_OVERSIZE)


def _above_or_below(view: View, piece: Piece, group: _Group, nearer: bool) -> bool:
    """Tell whether a piece stands within the ground that a group covers.

    A horizontal surface may go on unseen behind its last visible row, and so may the ground.
    """
    footprint, ground = group.footprint(view), piece.part.points @ view.ground
    margin = _CONTACT if nearer else _TOUCHING
    if footprint.share_inside(ground, margin) > _ABOVE:
        return True
    unseen = 0.0 if nearer else group.row_spacing(view)
    if unseen <= margin:
        return False
    away = ground.mean(axis=0)
    away /= max(float(np.linalg.norm(away)), 1e-6)
    for step in (unseen / 2, unseen):
        if footprint.share_inside(ground - step * away, margin) > _ABOVE:
            return True
    return False


def _on_border(piece: Piece, group: _Group, view: View) -> bool:
    """Tell whether a piece is a scrap along a side of the region that the group reaches without it.

    A box that is not cut tight holds slivers of what is beside, below and behind the object. Where
    the image ends, a box is cut by the image, not by hand: what is cut there may be any part that
    is not under the object, where other things stand.
    """
    near = []  # (which side, whether the group reaches it, axis and range of its band)
    for axis in (0, 1):
        first, last = view.bounds[2 * axis : 2 * axis + 2]
        least, largest = group.sides[2 * axis : 2 * axis + 2]
        lowest, highest = piece.sides[2 * axis : 2 * axis + 2]
        band, slack = (max(2.0, share * (last - first + 1)) for share in (_BORDER, _REACHED))
        if lowest <= first + band:
            near.append((2 * axis, least <= first + slack, (axis, -np.inf, first + band)))
        if highest >= last - band:
            near.append((2 * axis + 1, largest >= last - slack, (axis, last - band, np.inf)))
    if not all(reached or view.cut[side] for side, reached, _ in near):
        return False
    if any(view.cut[side] for side, _, _ in near) and not _is_under(view, piece, group):
        near = [one for one in near if not view.cut[one[0]]]
    if not near or not all(reached for _, reached, _ in near):
        return False
    hugging = np.zeros(len(piece.at), bool)
    for _, _, (axis, low, high) in near:
        own = piece.at[:, axis]
        hugging |= (own >= low) & (own <= high)
    return bool(np.count_nonzero(hugging) > _SCRAP * len(hugging))


def _fits(view: View, piece: Piece, group: _Group) -> bool:
    """Tell whether an object would still have the usual size of its kind with one more piece.

    The sizes of large kinds vary by more than things stand apart: of these only for legs. Unknown
    without gravity or a usual size: False.
    """
    if view.gravity is None or view.usual is None:
        return False
    if max(view.usual[:2]) <= _SMALL_KIND:
        return _together(view, piece, group, _OVERSIZE)
    if not _is_leg(view, piece) or not _in_line(view, piece, group):
        return False
    return _together(view, piece, group, _LEG_OVERSIZE)


def _is_leg(view: View, piece: Piece) -> bool:
    """Tell whether a piece is upright and no wider than a leg; with gravity only."""
    ends = (percentiles(axis, (5, 95)) for axis in (piece.part.points @ view.level).T)
    across, tall, along = (high - low for low, high in ends)
    return max(across, along) < min(_LEG, tall)


def _in_line(view: View, piece: Piece, group: _Group) -> bool:
    """Tell whether a leg stands along a side of what is seen of an object; with gravity only.

    Legs stand at the corners of one rectangle, so that it grows along one of its sides; what stands
    anywhere behind makes it longer and wider.
    """
    seen = group.footprint(view)
    grown = _sides_together(view, piece, group)
    return bool((grown - np.sort(seen.high - seen.low)).min() < _LEG)


def _together(view: View, piece: Piece, group: _Group, oversize: float) -> bool:
    """Tell whether an object is at most so many times as large as usual with one more piece.

    With gravity and a usual size only.
    """
    usual = np.asarray(view.usual)
    down = (piece.part.points @ view.level)[:, 1], (group.whole.points @ view.level)[:, 1]
    tall = max(own.max() for own in down) - min(own.min() for own in down)
    limits = np.sort(usual[:2]) * oversize
    sides = _sides_together(view, piece, group)
    return bool((sides <= limits).all() and tall <= usual[2] * oversize)


def _sides_together(view: View, piece: Piece, group: _Group) -> NDArray[np.floating]:
    """Shorter and longer side of the rectangle on the ground around an object with a piece, metres.

    With gravity only.
    """
    own, other = piece.part.points @ view.ground, group.whole.points @ view.ground
    found = fit_footprint(np.concatenate([own, other]))
    # A footprint passes over one point in a hundred, which a small piece is all of.
    low, high = np.transpose([percentiles(axis, (10, 90)) for axis in found.axes @ own.T])
    return np.sort(np.maximum(found.high, high) - np.minimum(found.low, low))


def _under(piece: Piece, group: _Group) -> bool:
    """Tell whether a small piece is seen below the group."""
    return len(piece.at) <= _SMALL * group.count and _below(piece, group)


def _below(piece: Piece, group: _Group) -> bool:
    """Tell whether the columns of a piece have the group above them."""
    columns, own = piece.tops
    top = group.tops
    reached = columns < len(top)
    above = np.count_nonzero(top[columns[reached]] < own[reached])
    return bool(above > _HAS_ABOVE * len(columns))


def _goes_on_level(view: View, piece: Piece, whole: Piece) -> bool:
    """Tell whether a piece goes on a horizontal surface of the whole: a top seen edge-on.

    At a grazing angle neighbouring rows of a table top are far apart, but at one height. Unknown
    without gravity: False.
    """
    if view.gravity is None:
        return False
    drop, other = piece.points @ view.down, whole.points @ view.down
    low, high = percentiles(drop, (10, 90))
    if high - low > 2 * _FLAT:
        return False
    rows, columns = (np.abs(piece.at[:, k, None] - whole.at[:, k]) for k in (0, 1))
    near = (rows <= 3) & (columns <= 3)
    same = np.abs(drop[:, None] - other[None]) < _FLAT
    if (near & same).sum() < _LEVEL_SHARE * near.sum():
        return False  # beside a pole or a leg everything is at the height of some of it
    return bool((near & same).any(axis=1).mean() > 0.5)


def _far_end(view: View, piece: Piece, whole: Piece) -> bool:
    """Tell whether a piece goes on a horizontal surface of the whole behind it: its far end.

    The last rows of a table top seen at a grazing angle are a sliver along the region's upper side.
    """
    if float(median(piece.points[:, 2])) < float(median(whole.points[:, 2])):
        return False
    return _goes_on_level(view, piece, whole)


def _reaches(piece: Piece, group: _Group, bounds: Extent) -> bool:
    """Tell whether a piece reaches a side of the region that the group stays well away from."""
    if group.count < 0.5 * len(piece.at):
        return False  # a scrap does not decide where its object is
    for axis in (0, 1):
        first, last = bounds[2 * axis : 2 * axis + 2]
        least, largest = group.sides[2 * axis : 2 * axis + 2]
        lowest, highest = piece.sides[2 * axis : 2 * axis + 2]
        size = last - first + 1
        short, slack = max(3, _SHORT * size), max(2, _AT_SIDE * size)
        if lowest <= first + slack and least > first + short:
            return True
        if highest >= last - slack and largest < last - short:
            return True
    return False


def covered(
    depth: NDArray[np.float32], piece: Piece, whole: Piece, pieces: Sequence[Piece]
) -> bool:
    """Tell whether something nearer than both fills the image between a piece and an object.

    Args:
        depth: [h, w] of the window's cells, metres, infinite where there is none.
        piece: a connected surface.
        whole: at most some hundred cells of the object.
        pieces: all of the object.
    """
    a, b = piece.part.at, whole.at
    own = np.zeros(depth.shape, bool)  # what is of either is not between them
    for one in (piece, *pieces):
        own[one.at[:, 0], one.at[:, 1]] = True
    apart = (a[:, 0, None] - b[:, 0]) ** 2 + (a[:, 1, None] - b[:, 1]) ** 2
    # Several lines across the gap, from different cells of the piece.
    spread = np.argsort(apart.min(axis=1))[: max(1, len(a) // 3)]
    spread = spread[:: max(1, len(spread) // 8)]
    starts, ends = a[spread], b[apart[spread].argmin(axis=1)]
    line, place = _lines(starts, ends)
    row, column = place.T
    between = ~own[row, column]
    total = np.count_nonzero(between)
    if not total:
        return False
    limit = np.minimum(depth[tuple(starts.T)], depth[tuple(ends.T)]) - np.float32(0.05)
    hidden = np.count_nonzero(between & (depth[row, column] < limit[line]))
    return bool(hidden > 0.7 * total)


def _lines(
    starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cells on straight lines between cells [N, 2], without these.

    Returns:
        [K] which line, and [K, 2] row and column.
    """
    way = ends - starts
    steps = np.abs(way).max(axis=1)
    count = np.maximum(steps - 1, 0)
    line = np.repeat(np.arange(len(way)), count)
    step = np.arange(len(line)) - np.repeat(np.cumsum(count) - count, count) + 1
    share = step / steps[line]
    return line, np.rint(starts[line] + share[:, None] * way[line]).astype(np.int64)
