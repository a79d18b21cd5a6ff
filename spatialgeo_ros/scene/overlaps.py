# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whose pixels are whose, where the boxes of two detected things overlap.

The box of a table that is seen behind a chair is filled by the chair, and depth alone measures
that. But the chair has a box of its own, and goes on in it where the table's box ends.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.errors import BadRegionError
from spatialgeo_ros.geometry.object_points import ObjectPoints
from spatialgeo_ros.geometry.pointmap import PointMap
from spatialgeo_ros.geometry.regions import Region

Mask = NDArray[np.bool_]


class Thing(Protocol):
    """What was found in a region: points of an object, or its pixels alone."""

    @property
    def mask(self) -> Mask:
        """The object's pixels, [H, W]."""

    @property
    def flat(self) -> bool:
        """Whether it lies flat on what is behind it."""


#: Share of a thing's pixels that another one shares, from which on it matters whose they are.
_SHARED = 0.05
#: Share of a side of a box over which a thing goes on beyond it: where it is most of what was found
#: in the box, and where it is the smaller part.
_CROSSED_BY_MOST, _CROSSED = 0.5, 0.1
#: Share of a box that is farther off by so many metres than what fills it: something is hidden.
_REST, _FARTHER = 0.05, 0.15
#: Share of a box that is left free at a side by what is another thing's, and per cent of its pixels
#: that do not count.
_FREE, _STRAY = 0.2, (2, 98)
_BAND = 0.08  # of the box's size: what goes on beyond a side begins so near it
_STEP, _STEP_SIGMAS = 0.01, 4.0  # metres and sigmas between pixels of one surface
_APART = 2  # pixels between which that is
_FRINGE = np.ones((5, 5), np.uint8)  # around another thing, where depth is of both


def rivals(
    pointmap: PointMap, region: Region, mine: ObjectPoints, others: Iterable[Region]
) -> list[Region]:
    """Return the regions whose things may have pixels that were found to be a region's thing.

    To look takes a millisecond, to separate the things of all regions around many. In such a region
    lies something before the rest of what was found, or that goes on into it beyond its own box, or
    most of what was found, where that leaves a side of its own box free.

    Args:
        pointmap: of the image.
        region: of the thing.
        mine: what was found in it.
        others: regions of the same image; itself is left out.
    """
    rows, columns = np.nonzero(mine.mask)
    depth = pointmap.depth_at(rows, columns)
    read = depth[np.isfinite(depth)]
    if mine.flat or not len(read):
        return []  # part of the surface that it lies on; or seen by a network where depth is blind
    box = _bounds(region, pointmap.shape)
    before = depth < np.quantile(read, 0.75) - _FARTHER
    least = _SHARED * len(rows)
    free = _free(mine.mask, box) >= _FREE
    found = []
    for other in others:
        try:
            there = _bounds(other, pointmap.shape)
        except BadRegionError:
            continue  # a detection that is not in the image
        if other is region or there == box:
            continue
        x0, y0, x1, y1 = there
        inside = (rows >= y0) & (rows <= y1) & (columns >= x0) & (columns <= x1)
        within = np.count_nonzero(inside)
        if within <= least:
            continue
        if 2 * np.count_nonzero(before & inside) > least or (free and 2 * within > len(rows)):
            found.append(other)
            continue
        window = slice(max(y0, 0), y1 + 1), slice(max(x0, 0), x1 + 1)
        beyond = np.zeros_like(mine.mask)
        beyond[window] = ~mine.mask[window]
        if max(_crossed(pointmap, mine.mask, beyond, box)[:3]) >= _CROSSED_BY_MOST:
            found.append(other)
    return found


def claimants(
    pointmap: PointMap,
    region: Region,
    mine: ObjectPoints,
    others: Iterable[Region],
    lift: Callable[[Region], Thing | None],
) -> list[tuple[Region, Thing]]:
    """Return the other things of which pixels were found to be a region's thing, too.

    Args:
        pointmap: of the image.
        region: of the thing.
        mine: what was found in it.
        others: regions of the same image; itself is left out.
        lift: separates the thing of one of them, None where it cannot be measured; asked only for
            :func:`rivals`.
    """
    found = []
    for rival in rivals(pointmap, region, mine, others):
        other = lift(rival)
        if other is None or other.flat:
            continue
        shared = mine.mask & other.mask
        if np.count_nonzero(shared) <= _SHARED * np.count_nonzero(mine.mask):
            continue
        here, there = (_bounds(one, pointmap.shape) for one in (region, rival))
        if _is_others(pointmap, shared, (mine.mask, here), (other.mask, there)):
            found.append((rival, other))
    return found


def pixels_of(things: Sequence[Thing]) -> Mask:
    """Return the pixels [H, W] of things, with a fringe where depth is of them and of others.

    Args:
        things: of one image, one at least.
    """
    return with_fringe(np.logical_or.reduce([one.mask for one in things]))


def with_fringe(pixels: Mask) -> Mask:
    """Return pixels [H, W] of one thing with those around where depth is of it and of others."""
    return cv2.dilate(pixels.astype(np.uint8), _FRINGE).astype(bool)


_Box: TypeAlias = tuple[int, int, int, int]  # first column and row, last column and row


def _is_others(
    pointmap: PointMap, shared: Mask, mine: tuple[Mask, _Box], other: tuple[Mask, _Box]
) -> bool:
    """Tell whether what two things share is the other one's.

    It is where it hides the rest of mine, and is most of the other one or goes on as it beyond my
    box. Most of mine is the other one's only where that goes on, and then is not mine, whatever it
    is most of.
    """
    if _mostly(shared, mine[0]):
        return _fills(pointmap, shared, mine, other)
    rest = mine[0] & ~other[0]
    if 2 * _farther(pointmap, shared, rest) < np.count_nonzero(rest):
        return False
    if _mostly(shared, other[0]):
        return not _fills(pointmap, shared, other, mine)
    fore, back = _crossings(pointmap, shared, mine, other)
    return max(fore) >= _CROSSED and max(fore) > max(back)


def _fills(
    pointmap: PointMap, shared: Mask, mine: tuple[Mask, _Box], other: tuple[Mask, _Box]
) -> bool:
    """Tell whether the other thing fills my box, before what it is of.

    It goes on beyond my box, or leaves a side of it free and reaches all sides of its own.
    """
    x0, y0, x1, y1 = mine[1]
    rest = np.zeros_like(shared)
    rest[y0 : y1 + 1, x0 : x1 + 1] = True
    least = _REST * np.count_nonzero(rest)
    if _farther(pointmap, shared, rest & ~other[0]) < least:
        return False
    fore, back = _crossings(pointmap, shared, mine, other)
    # Things end on what they stand on in a line: the lower side says nothing.
    if max(fore[:3]) >= _CROSSED_BY_MOST and max(fore) > max(back):
        return True
    free = _free(*mine)
    return free >= _FREE and 2 * _free(*other) <= free


def _free(mask: Mask, box: _Box) -> float:
    """Share of a box that its thing leaves free at one side, but for some stray pixels."""
    rows, columns = np.nonzero(mask)
    x0, y0, x1, y1 = box
    left, right = np.percentile(columns, _STRAY)
    top, bottom = np.percentile(rows, _STRAY)
    width, height = max(x1 - x0, 1), max(y1 - y0, 1)
    return float(
        max((left - x0) / width, (x1 - right) / width, (top - y0) / height, (y1 - bottom) / height)
    )


def _crossings(
    pointmap: PointMap, shared: Mask, mine: tuple[Mask, _Box], other: tuple[Mask, _Box]
) -> tuple[list[float], list[float]]:
    """How far what is shared goes on as the other thing beyond my box, and as mine beyond its."""
    fore = _crossed(pointmap, shared, other[0] & ~mine[0], mine[1])
    return fore, _crossed(pointmap, shared, mine[0] & ~other[0], other[1])


def _mostly(shared: Mask, mask: Mask) -> bool:
    return bool(2 * np.count_nonzero(shared) > np.count_nonzero(mask))


def _bounds(region: Region, shape: tuple[int, int]) -> _Box:
    x0, y0, x1, y1 = (round(value) for value in region.bounds(*shape))
    return x0, y0, x1, y1


def _farther(pointmap: PointMap, shared: Mask, rest: Mask) -> int:
    """How many readings of the rest are clearly farther off than the middle of what is shared."""
    nearer, farther = (pointmap.depth_at(*np.nonzero(pixels)) for pixels in (shared, rest))
    read = nearer[np.isfinite(nearer)]
    if not len(read):
        return 0
    return int(np.count_nonzero(farther > np.median(read) + _FARTHER))


def _crossed(pointmap: PointMap, shared: Mask, beyond: Mask, box: _Box) -> list[float]:
    """Share of the left, right, upper and lower side over which one surface goes on beyond it.

    Args:
        pointmap: of the image.
        shared: [H, W], within the box.
        beyond: [H, W], of the thing that may go on.
        box: whose sides.
    """
    x0, y0, x1, y1 = box
    height, width = y1 - y0 + 1, x1 - x0 + 1
    across, along = math.ceil(max(2.0, _BAND * width)), math.ceil(max(2.0, _BAND * height))
    strips = (
        (0, -1, slice(None), slice(0, x0 + across)),
        (0, 1, slice(None), slice(max(x1 - across, 0) + 1, None)),
        (-1, 0, slice(0, y0 + along), slice(None)),
        (1, 0, slice(max(y1 - along, 0) + 1, None), slice(None)),
    )
    shares = []
    for dy, dx, of_rows, of_columns in strips:
        rows, columns = np.nonzero(shared[of_rows, of_columns])
        rows, columns = rows + (of_rows.start or 0), columns + (of_columns.start or 0)
        to_rows, to_columns = rows + _APART * dy, columns + _APART * dx
        inside = (to_rows >= 0) & (to_rows < shared.shape[0])
        inside &= (to_columns >= 0) & (to_columns < shared.shape[1])
        on = np.flatnonzero(inside)
        on = on[beyond[to_rows[on], to_columns[on]]]
        here, there = (rows[on], columns[on]), (to_rows[on], to_columns[on])
        step = np.abs(pointmap.depth_at(*here) - pointmap.depth_at(*there))
        same = step < np.maximum(_STEP, _STEP_SIGMAS * pointmap.sigma_at(*here))
        places, side = (here[0], height) if dx else (here[1], width)
        shares.append(len(np.unique(places[same])) / side)
    return shares
