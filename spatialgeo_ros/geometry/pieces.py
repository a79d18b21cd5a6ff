# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Connected surfaces in a region, and how much of each is outside: what a region cannot bound."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from operator import sub

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.geometry.cells import Cells, extent
from spatialgeo_ros.geometry.small_arrays import median, percentiles, spread_out, squared_distances

LEAK = 0.5  # share of a surface outside the region from which it cannot be the object
_JOINED = 0.08  # metres between a piece and its continuation outside the region
_BEND, _BEND_SHARE = 0.006, 0.003  # metres and share of the depth that a plane may seem to bend
_LONG = 0.8  # metres: a region from this length on can hold a part of something before it
_OUTER, _NEAR_BORDER = 2, 3  # cells beyond the border that are looked at, and within it
_FILLS = 0.8  # of the region's area: the extent of what is no part of something in it
_STEP, _STEP_SHARE = 0.006, 0.0015  # and by so much all along
_LEAST = 3  # cells of a piece that counts
_LOOSE = 0.05  # of the region's size: a side may be drawn so much too near to the other
_ROUNDING = 0.01  # metres that :func:`gap_between` may be off in single precision, and more
_ZEROS = (0.0, 0.0, 0.0)


@dataclass(frozen=True, eq=False)
class Reach:
    """An upright box around points: tells of clouds that are far apart without their points.

    Attributes:
        low: x, y, z in metres.
        high: x, y, z in metres.
    """

    low: tuple[float, float, float]
    high: tuple[float, float, float]

    @classmethod
    def of(cls, points: NDArray[np.floating]) -> Reach:
        """Of points [N, 3], at least one."""
        low, high = points.min(axis=0).tolist(), points.max(axis=0).tolist()
        return cls((low[0], low[1], low[2]), (high[0], high[1], high[2]))

    def least_gap(self, other: Reach) -> float:
        """Distance, metres, below which no point of one is to any of the other."""
        ahead = map(sub, other.low, self.high)
        behind = map(sub, self.low, other.high)
        return math.hypot(*map(max, ahead, behind, _ZEROS)) - _ROUNDING

    def most_gap(self, other: Reach) -> float:
        """Distance, metres, above which no point of one is to any of the other."""
        across = map(sub, map(max, self.high, other.high), map(min, self.low, other.low))
        return math.hypot(*across) + _ROUNDING


@dataclass(frozen=True, eq=False)
class Piece:
    """One connected surface in the region, or several together.

    Attributes:
        at: [N, 2] rows and columns of its cells.
        points: [N, 3] their points.
        leak: share of the surface outside the region, relative to that inside.
    """

    at: NDArray[np.int64]
    points: NDArray[np.float32]
    leak: float

    def thinned(self, most: int) -> Piece:
        """Return at most about ``most`` of its cells."""
        pick = spread_out(len(self.at), most)
        return Piece(self.at[pick], self.points[pick], self.leak)

    @cached_property
    def part(self) -> Piece:
        """At most 120 of its cells: enough to tell where it is."""
        return self.thinned(120)

    @cached_property
    def sides(self) -> tuple[int, int, int, int]:
        """First row, last row, first column, last column."""
        rows, columns = self.at[:, 0], self.at[:, 1]
        return int(rows.min()), int(rows.max()), int(columns.min()), int(columns.max())

    @cached_property
    def tops(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Columns of its cells [K], and the first row of each [K]."""
        none = np.iinfo(np.int64).max
        top = np.full(self.sides[3] + 1, none)
        np.minimum.at(top, self.at[:, 1], self.at[:, 0])
        columns = np.flatnonzero(top != none)
        return columns, top[columns]

    @cached_property
    def reach(self) -> Reach:
        """Where its points are, roughly."""
        return Reach.of(self.points)

    @cached_property
    def nearest(self) -> float:
        """Depth that nine in ten of its cells lie beyond, metres."""
        z = self.part.points[:, 2]
        return float(np.partition(z, len(z) // 10)[len(z) // 10])


def pieces_in(cells: Cells, label: NDArray[np.int32], within: NDArray[np.bool_]) -> list[Piece]:
    """Pieces of the region, largest first; those that are mostly outside only if all are.

    Args:
        cells: the window around the region.
        label: [h, w] connected surfaces 0, 1, 2, ...; -1 where there is none.
        within: [h, w] cells inside the region.
    """
    count = int(label.max()) + 1
    if count == 0:
        return []
    flat = label.ravel() + 1  # 0: no surface
    inside = np.bincount(flat[within.ravel()], minlength=count + 1)[1:]
    outside = np.bincount(flat[~_widened(within).ravel()], minlength=count + 1)[1:]
    order = np.argsort(flat, kind="stable")
    first = np.searchsorted(flat[order], np.arange(1, count + 2))
    points = cells.points.reshape(-1, 3)
    # Pieces outside that touch one inside (the legs below a seat) are its leak too.
    beyond = []
    for k in np.flatnonzero(((inside < _LEAST) | (outside > LEAK * inside)) & (outside >= _LEAST)):
        members = order[first[k] : first[k + 1]]
        own = points[members[spread_out(len(members), 150)]]
        beyond.append((own, Reach.of(own), len(members)))
    passing = _passing(cells, label + 1, within, count + 1)[1:]
    found = []
    flat_within = within.ravel()
    for k in np.argsort(-inside, kind="stable"):
        if inside[k] < _LEAST or outside[k] > LEAK * inside[k]:
            continue
        members = order[first[k] : first[k + 1]]
        members = members[flat_within[members]]
        at = np.empty((len(members), 2), np.int64)
        np.divmod(members, label.shape[1], out=(at[:, 0], at[:, 1]))
        leak = max(float(outside[k] / inside[k]), float(passing[k]))
        own = points[members[spread_out(len(members), 150)]]
        reach = Reach.of(own)
        spilled = sum(
            size
            for other, place, size in beyond
            if reach.least_gap(place) < _JOINED and gap_between(own, other) < _JOINED
        )
        found.append(Piece(at, points[members], leak + spilled / float(inside[k])))
    return [piece for piece in found if piece.leak <= LEAK] or found


def _passing(
    cells: Cells, index: NDArray[np.int32], within: NDArray[np.bool_], count: int
) -> NDArray[np.float64]:
    """Share of each surface's cells at the region's border that go on to the end of the window.

    What reaches into the region from outside and is cut off by its border is not what it bounds,
    however much of it is inside. So does what lies on one plane with what is beyond the border,
    although that was found to be a background: of a thing in front of the object its own largest
    plane may have been. Only of large regions, which such things fit into; on a small thing the
    side and what it stands on are hardly out of one plane.
    """
    top, bottom, left, right = extent(within)
    h, w = index.shape
    rows, columns = slice(top, bottom + 1), slice(left, right + 1)
    high, wide = (_LOOSE * (last - first + 1) for first, last in ((top, bottom), (left, right)))
    sides = (
        (index[top, columns], index[0, columns], top, high),
        (index[bottom, columns], index[h - 1, columns], h - 1 - bottom, high),
        (index[rows, left], index[rows, 0], left, wide),
        (index[rows, right], index[rows, w - 1], w - 1 - right, wide),
    )
    near, far = np.zeros(count), np.zeros(count)
    for border, end, room, loose in sides:
        # Where the image ends is where this side may be: what reaches it is cut by both.
        if room < max(3, 1 + round(loose)):
            continue
        here = np.bincount(border, minlength=count)
        near += here
        far += np.minimum(np.bincount(end, minlength=count), here)
    share = np.where(near >= 3, far / np.maximum(near, 1), 0.0)
    if _holds_others(cells, within):
        share = np.maximum(share, _level_beyond(cells, index, within, count))
    return share


def _holds_others(cells: Cells, within: NDArray[np.bool_]) -> bool:
    """Tell whether a region is as long as furniture, so that a part of some may be in it."""
    top, bottom, left, right = extent(within)
    depth = cells.points[..., 2][within & cells.ok]
    far = percentiles(depth, (90,))[0] if len(depth) else 0.0  # the nearer may be the other
    return max(bottom - top, right - left) * cells.angle * far > _LONG


def _level_beyond(
    cells: Cells, index: NDArray[np.int32], within: NDArray[np.bool_], count: int
) -> NDArray[np.float64]:
    """Share of each surface's cells near the border that are level with what is beyond it.

    Args:
        cells: the window around the region.
        index: [h, w] number of the surface of each cell, from 0.
        within: [h, w] cells inside the region.
        count: of surfaces.

    Returns:
        [count], 0 for those with less than three cells there.
    """
    top, bottom, left, right = extent(within)
    with np.errstate(divide="ignore", invalid="ignore"):
        q = 1.0 / np.where(cells.ok, cells.points[..., 2], np.float32(np.nan))
        limit = (_BEND + 3 * cells.sigma + _BEND_SHARE / q) * q**2
    near, far = np.zeros(count), np.zeros(count)
    for axis, line, way in ((0, top, 1), (1, left, 1), (1, right, -1)):
        # Lines across the border as rows, the first cell of each the first inside.
        along = slice(left, right + 1) if axis == 0 else slice(top, bottom + 1)
        places = line + way * np.arange(-_OUTER, _NEAR_BORDER + 3)
        if places.min() < 0 or places.max() >= cells.shape[axis]:
            continue
        value = np.moveaxis(np.take(q, places, axis), axis, 1)[along]
        room = np.moveaxis(np.take(limit, places, axis), axis, 1)[along]
        name = np.moveaxis(np.take(index, places, axis), axis, 1)[along]
        inside = name[:, _OUTER : _OUTER + _NEAR_BORDER]
        first = np.argmax(inside > 0, axis=1) + _OUTER
        rows = np.arange(len(first))
        own, q0, q2 = name[rows, first], value[rows, first], value[rows, first + 2]
        there = first.astype(np.float32)  # cells from it to the one beyond
        off = value[:, 0] - (q0 + (q0 - q2) / 2 * there)
        touching = (own > 0) & (name[rows, first + 2] == own)
        near += np.bincount(own[touching], minlength=count)
        with np.errstate(invalid="ignore"):
            level = touching & (np.abs(off) < room[rows, first] * (1 + there / 4))
            step = off / q0**2
        for k in np.unique(own[level]):
            mine = level & (own == k)
            # A door is before its wall by little, but all along.
            if abs(float(median(step[mine]))) < _STEP + _STEP_SHARE / float(median(q0[mine])):
                far[k] += np.count_nonzero(mine)
    share = np.where(near >= 3, far / np.maximum(near, 1), 0.0)
    for k in np.flatnonzero(share):  # what fills the region is no part of something in it
        own_cells = within & (index == k)
        if not own_cells.any():  # in a corner that the region, no rectangle, leaves out
            share[k] = 0.0
            continue
        first, last, west, east = extent(own_cells)
        filled = (last - first + 1) * (east - west + 1) / ((bottom - top + 1) * (right - left + 1))
        if filled > _FILLS or share[k] <= LEAK:
            share[k] = 0.0
    return share


def gap_between(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Least distance between two small clouds [N, 3], metres."""
    origin = a[0]  # near the origin float32 keeps the differences
    a, b = a - origin, b - origin
    return math.sqrt(max(float(squared_distances(a, b).min()), 0.0))


def _widened(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Grow by one cell: the cells that straddle a region's outline count as neither side."""
    return cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
