# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Connected surfaces in a region, and how much of each is outside: what a region cannot bound."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.geometry.background import is_large
from spatialgeo_ros.geometry.cells import Cells, extent

LEAK = 0.5  # share of a surface outside the region from which it cannot be the object
_JOINED = 0.08  # metres between a piece and its continuation outside the region
_BEND, _BEND_SHARE = 0.01, 0.005  # metres and share of the depth that a plane may seem to bend
_LEAST = 3  # cells of a piece that counts


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
        pick = _spread_out(len(self.at), most)
        return Piece(self.at[pick], self.points[pick], self.leak)

    @cached_property
    def part(self) -> Piece:
        """At most 120 of its cells: enough to tell where it is."""
        return self.thinned(120)

    @cached_property
    def nearest(self) -> float:
        """Depth that nine in ten of its cells lie beyond, metres."""
        z = self.part.points[:, 2]
        return float(np.partition(z, len(z) // 10)[len(z) // 10])


def _spread_out(count: int, most: int) -> NDArray[np.int64]:
    """At most ``most`` of the indices below ``count``, in order.

    Steps of the golden ratio: every n-th cell of a piece that is n wide would be one column.
    """
    if count <= most:
        return np.arange(count)
    return np.unique((np.arange(most) * 0.6180339887498949 % 1.0 * count).astype(np.int64))


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
        beyond.append((points[members[_spread_out(len(members), 150)]], len(members)))
    passing = _passing(cells, label + 1, within, count + 1)[1:]
    found = []
    flat_within = within.ravel()
    for k in np.argsort(-inside, kind="stable"):
        if inside[k] < _LEAST or outside[k] > LEAK * inside[k]:
            continue
        members = order[first[k] : first[k + 1]]
        members = members[flat_within[members]]
        at = np.stack(np.unravel_index(members, label.shape), axis=1)
        leak = max(float(outside[k] / inside[k]), float(passing[k]))
        own = points[members[_spread_out(len(members), 150)]]
        spilled = sum(size for other, size in beyond if gap_between(own, other) < _JOINED)
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
    beyond = _level_beyond(cells, within) if is_large(cells, within) else [None] * 4
    top, bottom, left, right = extent(within)
    h, w = index.shape
    sides = (
        (index[top, left : right + 1], index[0, left : right + 1], top),
        (index[bottom, left : right + 1], index[h - 1, left : right + 1], h - 1 - bottom),
        (index[top : bottom + 1, left], index[top : bottom + 1, 0], left),
        (index[top : bottom + 1, right], index[top : bottom + 1, w - 1], w - 1 - right),
    )
    near, far = np.zeros(count), np.zeros(count)
    for (border, end, room), level in zip(sides, beyond, strict=True):
        if room < 3:  # the image ends here
            continue
        here = np.bincount(border, minlength=count)
        near += here
        on = np.bincount(end, minlength=count)
        if level is not None:
            on = np.maximum(on, np.bincount(border[level], minlength=count))
        far += np.minimum(on, here)
    return np.where(near >= 3, far / np.maximum(near, 1), 0.0)


def _level_beyond(cells: Cells, within: NDArray[np.bool_]) -> list[NDArray[np.bool_] | None]:
    """For the cells along the top, bottom, left and right border of a region: whether each is on
    one plane with those two before and two beyond it. None where the image ends.
    """
    top, bottom, left, right = extent(within)
    with np.errstate(divide="ignore", invalid="ignore"):
        q = 1.0 / np.where(cells.ok, cells.points[..., 2], np.float32(np.nan))
    limit = _BEND + 3 * cells.sigma + _BEND_SHARE / q
    out: list[NDArray[np.bool_] | None] = []
    for line, way, axis in ((top, -1, 0), (bottom, 1, 0), (left, -1, 1), (right, 1, 1)):
        along = slice(left, right + 1) if axis == 0 else slice(top, bottom + 1)
        places = [line - 2 * way, line, line + 2 * way]
        if min(places) < 0 or max(places) >= cells.shape[axis]:
            out.append(None)
            continue
        before, here, after = (np.take(q, k, axis=axis)[along] for k in places)
        room = np.take(limit, line, axis=axis)[along]
        with np.errstate(invalid="ignore"):
            out.append(np.abs(before - 2 * here + after) < room * here**2)
    return out


def gap_between(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Least distance between two small clouds [N, 3], metres."""
    middle = a.mean(axis=0)  # near the origin float32 keeps the differences
    a, b = a - middle, b - middle
    squared = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2 * (a @ b.T)
    return float(np.sqrt(max(float(squared.min()), 0.0)))


def _widened(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Grow by one cell: the cells that straddle a region's outline count as neither side."""
    return cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
