# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a person points at: the box of the thing that a pixel is on.

A thing stands out of the surfaces around it and ends; what it stands on goes on. How large it is
is not known, so that squares of growing size around the point are looked at: the thing is what
ends within one of them and is the same in the next ones.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.geometry.background import Floor, background_planes, on_any
from spatialgeo_ros.geometry.cells import Cells, connected, extent, make_cells
from spatialgeo_ros.geometry.pointmap import PointMap
from spatialgeo_ros.geometry.readings import Separation
from spatialgeo_ros.geometry.region_borders import grown
from spatialgeo_ros.geometry.regions import Box, box_iou

_SIZES = 0.08 * np.sqrt(2.0) ** np.arange(13)  # metres, sides of the squares
_LEAST_SIDE = 24  # pixels
_MARGIN = 0.25  # of a side: how much around a square is looked at, at least
_LEAST_MARGIN = 8  # pixels
_MOST_CELLS = 5000
_NEAR = 2  # pixels and cells around the point that it may be
_LEAST = 12  # cells of a thing
_LEAK = 0.02  # share of it that may be outside the square
_SAME = 0.6  # of both boxes' area: one thing
_SURE = 4  # squares in a row that it is found in


class Pointed(NamedTuple):
    """What a pixel is on.

    Attributes:
        box: x0, y0, x1, y1 in pixels.
        sure: it is the same from a square to one nearly three times as large: of things on real
            tables, outlined by hand, five in six such boxes were of the thing alone, of the others
            three in five.
    """

    box: Box
    sure: bool


def box_around(pointmap: PointMap, column: int, row: int, floor: Floor | None) -> Pointed | None:
    """Box of the thing around a pixel; None where nothing that ends is found around it.

    Args:
        pointmap: of the whole image.
        column: of the pixel.
        row: of the pixel.
        floor: the floor, None when unknown.
    """
    height, width = pointmap.shape
    around = (column - _NEAR, row - _NEAR, column + _NEAR + 1, row + _NEAR + 1)
    x0, y0, x1, y1 = np.clip(around, 0, (width, height, width, height)).tolist()
    depth = pointmap.depth_in((x0, y0, x1, y1))
    if not np.isfinite(depth).any():
        return None
    pixels_per_metre = pointmap.camera.fx / float(np.nanmedian(depth))
    first: Box | None = None
    times = 0  # that it was found in a row
    for side in _SIZES * pixels_per_metre:
        if side < _LEAST_SIDE:
            continue
        half = side / 2
        square = (
            max(0, round(column - half)),
            max(0, round(row - half)),
            min(width, round(column + half)),
            min(height, round(row + half)),
        )
        if square == (0, 0, width, height):  # nothing is seen around it
            break
        box = _ends_within(pointmap, square, (column, row), floor)
        if box is not None and first is not None and box_iou(box, first) > _SAME:
            times += 1
            if times == _SURE:
                return Pointed(first, sure=True)
        elif times > 1:
            break
        else:
            first, times = box, int(box is not None)
    return Pointed(first, sure=False) if first is not None and times > 1 else None


def _ends_within(
    pointmap: PointMap,
    square: tuple[int, int, int, int],
    point: tuple[int, int],
    floor: Floor | None,
) -> Box | None:
    """Box of what stands out around a point and ends within a square of pixels, or None."""
    height, width = pointmap.shape
    x0, y0, x1, y1 = square
    pad = max(_LEAST_MARGIN, int(_MARGIN * max(x1 - x0, y1 - y0)))
    window = (max(0, x0 - pad), max(0, y0 - pad), min(width, x1 + pad), min(height, y1 + pad))
    part = pointmap.keeping(window)
    cells = make_cells(part, window, _MOST_CELLS)
    within = _cells_in(cells, square)
    outside = ~grown(within)
    planes = background_planes(cells, cells.ok, within, outside, floor)
    label = connected(cells, cells.ok & ~on_any(planes, cells))
    row, column = cells.at(*point)
    near = label[max(0, row - _NEAR) : row + _NEAR + 1, max(0, column - _NEAR) : column + _NEAR + 1]
    names = near[near >= 0]
    if not len(names):
        return None
    own = label == np.bincount(names).argmax()
    count = np.count_nonzero(own)
    if count < _LEAST or np.count_nonzero(own & outside) > _LEAK * count:
        return None
    top, bottom, left, right = extent(own)
    return (
        float(cells.x0 + left * cells.step),
        float(cells.y0 + top * cells.step),
        float(min(width, cells.x0 + (right + 1) * cells.step) - 1),
        float(min(height, cells.y0 + (bottom + 1) * cells.step) - 1),
    )


def _cells_in(cells: Cells, square: tuple[int, int, int, int]) -> NDArray[np.bool_]:
    """Cells [h, w] whose middle is in a square of pixels."""
    h, w = cells.shape
    rows = cells.y0 + (np.arange(h) + 0.5) * cells.step
    columns = cells.x0 + (np.arange(w) + 0.5) * cells.step
    x0, y0, x1, y1 = square
    inside = (rows >= y0) & (rows < y1)
    return np.asarray(inside[:, None] & ((columns >= x0) & (columns < x1)))


def separate_grown(cells: Cells, row: int, column: int, floor: Floor | None) -> Separation:
    """Separate the surface around a cell: what a person points at.

    Only planes that the surface lies before are its background: a plane before it is another side
    of the same object, or of one that stands in front.
    """
    use = cells.ok.copy()
    seeds = np.zeros(cells.shape, bool)
    seeds[max(0, row - 2) : row + 3, max(0, column - 2) : column + 3] = True
    background = np.zeros(cells.shape, bool)
    if floor is not None:
        ground = floor.holds(cells.points, cells.sigma)
        if not ground[row, column]:
            background |= cells.ok & ground
    planes = tuple(
        plane
        for plane in background_planes(cells, use & ~background, seeds, ~grown(seeds))
        if abs(plane.front[row, column]) > plane.tolerance and plane.closes(use & ~background)
    )
    for plane in planes:
        background |= use & (np.abs(plane.front) < plane.tolerance)
    use &= ~background
    label = connected(cells, use)
    near = np.argwhere(seeds & use)
    if len(near) == 0:
        return Separation(np.zeros(cells.shape, bool), background, planes)
    at = near[np.argmin(((near - (row, column)) ** 2).sum(axis=1))]
    return Separation(label == label[at[0], at[1]], background, planes)
