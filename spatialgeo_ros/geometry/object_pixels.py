# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Between cells and pixels: which pixels are an object's, without those that float at its edges.

Depth cameras mix two surfaces at an outline, and put it a pixel or two from where it is in the
image. All masks here are of a window of the image: half-open (x0, y0, x1, y1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.geometry.cells import STEPS, Cells, Window, extent, neighbours
from spatialgeo_ros.geometry.pointmap import PointMap
from spatialgeo_ros.geometry.small_arrays import bordered
from spatialgeo_ros.geometry.surfels import on_slope, without_strips

_T = TypeVar("_T", bound=np.generic)

#: Pixels beside an object that may be its own, in a given mask: the most.
MASK_RIM = 3
_OUTLINE = 3  # pixels along the outline of a mask whose depth may be another surface's
_LEG = 0.5  # metres behind a mask's inside at which its thin parts may lie
_BEYOND = 3  # pixels beyond two cells of a mask that are looked at around one of its pixels
_SLANT = np.float32(0.005)  # change of inverse depth from pixel to pixel, as a share, of a surface
_ALIKE = np.float32(0.01)  # and what is at the same depth at all
_STEPS = 5  # that are looked at to each side of a pixel
_MINE, _CORE, _OTHER = np.uint8(1), np.uint8(2), np.uint8(4)  # in the mask, surely so, surely not
_MOST_LEAKED = 0.5  # of a mask: where more would go, what is left must stand before it,
_AHEAD = 0.03  # by so much of the depth,
_LEAST_REST = 0.1  # and be so much of the mask
_STEEP = np.float32(0.02)  # change of depth from cell to cell, as a share, of a steep surface
_RIM = 2  # pixels beside an object that may be its own, in a box
_LEAST_CORE = 0.4  # share of a mask's pixels inside that band, for a thing that has an inside


def share_inside(inside: NDArray[np.bool_], cells: Cells) -> NDArray[np.float32]:
    """Share of each cell's pixels that is inside a region [H, W], [h, w]."""
    h, w = cells.shape
    rows = slice(cells.y0, cells.y0 + h * cells.step)
    columns = slice(cells.x0, cells.x0 + w * cells.step)
    if cells.step == 1:
        return inside[rows, columns].astype(np.float32)
    block = np.zeros((h * cells.step, w * cells.step), np.float32)
    part = inside[rows, columns]
    block[: part.shape[0], : part.shape[1]] = part
    return np.asarray(cv2.resize(block, (w, h), interpolation=cv2.INTER_AREA), np.float32)


def spread_mask(mask: NDArray[np.bool_], cells: Cells, window: Window) -> NDArray[np.bool_]:
    """Pixels [h, w] of the window that are in cells of the mask."""
    x0, y0, x1, y1 = window
    return _spread(mask, cells.step, (y1 - y0, x1 - x0))


def _spread(values: NDArray[_T], step: int, shape: tuple[int, ...]) -> NDArray[_T]:
    """Give every pixel the value of its cell of ``step`` x ``step`` pixels, the last ones cut."""
    wide = np.repeat(np.repeat(values, step, axis=1), step, axis=0)  # the faster order
    return wide[: shape[0], : shape[1]]


def settled(
    pointmap: PointMap, inside: NDArray[np.bool_], window: Window, cell: float = 1.0
) -> NDArray[np.bool_]:
    """Pixels of a given mask that show the object's own surface.

    A pixel on a surface has at least two of its eight neighbours at its own depth. Along the
    outline it must also lie at the depth of the inside nearby, and of most of the object around it:
    sensors draw nearer surfaces a pixel or two too large, whatever the mask says. Where no inside
    is near (a leg), all is outline: there it must not lie before any inside, as an occluder does,
    or far behind all of it.

    Args:
        pointmap: of the whole image.
        inside: [h, w] bool, the mask within the window.
        window: of the image.
        cell: side of a cell of the grid that the mask was made on, pixels: its outline is known no
            better, and what it may have leaked onto is told by depth (:func:`_leaked`).
    """
    depth = pointmap.depth_in(window)
    sigma = pointmap.sigma_in(window)
    part = inside & np.isfinite(depth)
    own = np.where(part, depth, np.nan)
    padded = np.pad(own, 1, constant_values=np.nan)
    h, w = part.shape
    with np.errstate(invalid="ignore"):
        tolerance = 0.02 * depth + 4 * sigma
        alike = np.zeros((h, w), np.uint8)
        for dy in (0, 1, 2):
            for dx in (0, 1, 2):
                if (dy, dx) != (1, 1):
                    alike += np.abs(padded[dy : dy + h, dx : dx + w] - own) < tolerance
    part &= alike >= 2
    reach = max(_OUTLINE, math.ceil(cell))
    core = part & eroded(inside, reach)
    if core.sum() > _LEAST_CORE * part.sum():  # else all of it is outline
        near = np.ones((4 * reach + 3, 4 * reach + 3), np.uint8)
        low = cv2.erode(np.where(core, depth, np.float32(1e6)), near, borderValue=1e6)
        high = cv2.dilate(np.where(core, depth, np.float32(-1e6)), near, borderValue=-1e6)
        with np.errstate(invalid="ignore"):
            slope = np.where(high > 0, high - low, 0)  # the surface goes on as it is inclined
            margin = 0.01 + 2 * sigma + 0.5 * slope
            own = (depth > low - margin) & (depth < high + margin)
            nearest, farthest = np.percentile(depth[core], (1, 99))
            thin = (high < 0) & (depth > nearest - margin) & (depth < farthest + _LEG)
            part &= core | own | thin
    known = np.isfinite(depth)
    beside = cv2.dilate(part.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    rows, columns = np.nonzero(beside & inside & known & ~part)
    q = np.where(known, 1 / np.where(known, depth, 1), 0).astype(np.float32)
    steep = on_slope(q, part, rows, columns, sigma[rows, columns])
    part[rows[steep], columns[steep]] = True
    part &= ~_leaked(part, inside, depth, sigma, cell)
    return without_strips(part, depth, sigma, inside)


def rim_of(
    part: NDArray[np.bool_], inside: NDArray[np.bool_], read: NDArray[np.bool_], given: bool
) -> NDArray[np.int64]:
    """Pixels beside an object's that are its own, too, as far as is known, [K, 2] row and column.

    Sensors lose the outermost pixels of things, where the nearest points are. What is not read
    within two pixels of an object and inside its region, or three in a mask, counts as its own.

    Args:
        part: [h, w] bool, measured pixels of the object.
        inside: [h, w] bool, pixels of the region.
        read: [h, w] bool, pixels that have a reading.
        given: the region is a mask.
    """
    reach = MASK_RIM if given else _RIM
    top, bottom, left, right = extent(part)
    top, left = max(0, top - reach), max(0, left - reach)
    around = slice(top, bottom + reach + 1), slice(left, right + reach + 1)
    kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    beside = cv2.dilate(part[around].view(np.uint8), kernel).view(bool)
    rim = beside & inside[around] & ~read[around]
    rows, columns = np.divmod(np.flatnonzero(rim), rim.shape[1])
    return np.stack([rows + top, columns + left], axis=1)


def eroded(inside: NDArray[np.bool_], cell: float) -> NDArray[np.bool_]:
    """A mask [h, w] without a cell of its grid along its outline: what is surely the object."""
    side = 2 * math.ceil(cell) + 1
    kernel = np.ones((side, side), np.uint8)
    return cv2.erode(inside.astype(np.uint8), kernel, borderValue=0).astype(bool)


def _leaked(
    part: NDArray[np.bool_],
    inside: NDArray[np.bool_],
    depth: NDArray[np.float32],
    sigma: NDArray[np.float32],
    cell: float,
) -> NDArray[np.bool_]:
    """Pixels of a mask, within a cell of its outline, that show what goes on beyond it.

    Such a pixel has more at its depth among what is surely outside, more than a cell from the mask,
    than among the mask's own, and is not at the depth of what is surely inside near it. A thin part
    has nothing at its depth beyond itself and stays, although nothing of it is surely inside. Where
    most of the mask would go, and what is left does not stand before it, depth does not tell the
    object from what it lies on: nothing goes.

    Args:
        part: [h, w] bool, pixels that are asked about.
        inside: [h, w] bool, the mask within its window.
        depth: [h, w] metres, NaN where there is no reading.
        sigma: [h, w] standard deviation of depth, metres.
        cell: side of a cell of the mask's grid, pixels.
    """
    out = np.zeros_like(part)
    sure = eroded(inside, cell)
    rows, columns = np.nonzero(part & ~sure)
    if not len(rows):
        return out
    known = np.isfinite(depth)
    ring = np.ones((2 * math.ceil(cell) + 1, 2 * math.ceil(cell) + 1), np.uint8)
    beyond = cv2.dilate(inside.astype(np.uint8), ring) == 0
    reach = 2 * math.ceil(cell) + _BEYOND
    q = np.pad(np.where(known, 1 / np.where(known, depth, 1), 0).astype(np.float32), reach)
    kind = np.pad(
        _MINE * (inside & known) + _CORE * (sure & known) + _OTHER * (beyond & known), reach
    )
    steps = np.arange(-reach, reach + 1, math.ceil(reach / _STEPS))  # every n-th tells as much
    dv, du = (d.ravel() for d in np.meshgrid(steps, steps, indexing="ij"))
    offsets = dv * q.shape[1] + du
    centre = (rows + reach) * q.shape[1] + columns + reach
    at = centre[:, None] + offsets
    own = q.ravel()[centre][:, None]
    noise = 4 * (sigma[rows, columns] / depth[rows, columns])[:, None]
    limit = (np.hypot(dv, du).astype(np.float32) * _SLANT + _ALIKE + noise) * own
    around = kind.ravel()[at]
    near = np.count_nonzero(around & _CORE, axis=1)
    around[np.abs(q.ravel()[at] - own) >= limit] = 0  # from here on those at its depth
    others, mine, core = (np.count_nonzero(around & k, axis=1) for k in (_OTHER, _MINE, _CORE))
    lost = (others > mine) & (2 * core <= near)
    out[rows[lost], columns[lost]] = True
    rest = part & ~out
    if lost.sum() > _MOST_LEAKED * part.sum():
        # Of a thin thing more may have leaked than is its own: what is left stands before it.
        ahead = depth[out] - np.median(depth[rest]) if rest.any() else np.zeros(1)
        apart = _AHEAD * np.median(depth[out]) + 4 * np.median(sigma[out])
        if rest.sum() < _LEAST_REST * part.sum() or np.median(ahead) < apart:
            out[:] = False
    return out


def pixels_of(
    pointmap: PointMap, cells: Cells, chosen: NDArray[np.bool_], window: Window
) -> NDArray[np.bool_]:
    """Pixels of the chosen cells at the cells' depth, [h, w] of the window.

    A cell on the object's outline can hold mostly background: of the cells beside the chosen ones,
    pixels that are clearly at the neighbour's depth rather than at their own cell's are taken too.
    Pixels that float at depth edges are at neither.
    """
    out = np.zeros((window[3] - window[1], window[2] - window[0]), bool)
    if not chosen.any():
        return out
    # Of the window what is in chosen cells, or beside them.
    step, (top, bottom, left, right) = cells.step, extent(chosen)
    place = slice(max(0, top - 1), bottom + 2), slice(max(0, left - 1), right + 2)
    part = (
        slice(place[0].start * step, place[0].stop * step),
        slice(place[1].start * step, place[1].stop * step),
    )
    found = out[part]
    chosen = chosen[place]
    own = np.where(cells.ok[place], cells.raw_z[place], np.float32(np.inf))
    depth = pointmap.depth_in(window)[part]
    tolerance = np.float32(0.03) + 3 * pointmap.sigma_in(window)[part]
    with np.errstate(invalid="ignore"):
        off = depth - _spread(np.where(chosen, own, np.float32(np.nan)), step, found.shape)
        np.less(np.abs(off, out=off), tolerance + np.float32(0.02) * depth, out=found)
        if step == 1:
            return out
        slopes = _slopes([link[place] for link in cells.links[:2]], own, chosen)
        steep = chosen & (np.abs(slopes).max(axis=0) > _STEEP * own)
        if steep.any():
            pixel, at, down, across = _pixels_in(steep, step, found.shape)
            there = own.ravel()[at] + slopes[0].ravel()[at] * down + slopes[1].ravel()[at] * across
            off = np.abs(np.take(depth, pixel) - there)
            good = off < np.take(tolerance, pixel) + np.float32(0.01) * there
            found[np.divmod(pixel[good], found.shape[1])] = True
        # Only pixels of cells beside chosen ones: few.
        beside = cv2.dilate(chosen.view(np.uint8), _CROSS).view(bool) & ~chosen
        pixel, _, down, across = _pixels_in(beside, step, found.shape)
        z, limit = np.take(depth, pixel), np.take(tolerance, pixel)
        # A frame of one cell around all, and places in it by one number.
        width = chosen.shape[1] + 2
        rows, columns = np.divmod(pixel, found.shape[1])
        cell = (rows // step + 1) * width + columns // step + 1
        apart = np.abs(z - np.take(bordered(own, 1, np.inf), cell))
        padded = bordered(np.where(chosen, own, np.float32(np.nan)), 1, np.nan)
        tilted = [bordered(one, 1, 0.0) for one in slopes]
        taken = np.zeros(len(z), bool)
        for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            near = cell + (dy * width + dx)
            there = np.take(padded, near)
            there += np.take(tilted[0], near) * (down - np.float32(dy))
            there += np.take(tilted[1], near) * (across - np.float32(dx))
            off = np.abs(z - there)
            taken |= (off < limit) & (off < np.float32(0.5) * apart)
    found[rows[taken], columns[taken]] = True
    return out


def _pixels_in(
    mask: NDArray[np.bool_], step: int, shape: tuple[int, ...]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    """Pixels of some cells [h, w] of ``step`` x ``step`` pixels, in an image of a shape.

    Returns:
        [N] number of each pixel and of its cell, row by row, and where in its cell it is, down and
        across: -0.5 at the cell's first edge, 0.5 at its last.
    """
    tops, lefts = np.nonzero(mask)
    v, u = (axis.ravel() for axis in np.indices((step, step)))
    rows, columns = (tops[:, None] * step + v).ravel(), (lefts[:, None] * step + u).ravel()
    at = np.repeat(tops * mask.shape[1] + lefts, step * step)
    down, across = (
        np.tile(((side + np.float32(0.5)) / np.float32(step) - np.float32(0.5)), len(tops))
        for side in (v, u)
    )
    pixel = rows * shape[1] + columns
    if (mask.shape[0] * step, mask.shape[1] * step) == tuple(shape):
        return pixel, at, down, across
    inside = (rows < shape[0]) & (columns < shape[1])  # the last cells may be cut
    return pixel[inside], at[inside], down[inside], across[inside]


def _slopes(
    links: Sequence[NDArray[np.bool_]], depth: NDArray[np.float32], chosen: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Change of depth from cell to cell along rows and columns, [2, h, w] metres.

    Between chosen cells of one surface; zero where a cell has no such neighbour. What two
    neighbours say differently is a bend or an edge: there the smaller is taken.

    Args:
        links: which cells are of one surface with the next column's, and with the next row's.
        depth: [h, w] metres.
        chosen: [h, w] bool.
    """
    shape = chosen.shape
    out = np.zeros((2, *shape), np.float32)
    for axis in (0, 1):
        here, there = neighbours(*STEPS[1 - axis], shape)
        link = links[1 - axis][: shape[0] - (axis == 0), : shape[1] - (axis == 1)]
        with np.errstate(invalid="ignore"):
            change = np.where(link & chosen[here] & chosen[there], depth[there] - depth[here], 0)
        before, after = np.zeros((2, *shape), np.float32)
        after[here], before[there] = change, change
        smaller = np.where(np.abs(before) < np.abs(after), before, after)
        larger = before + after - smaller
        out[axis] = np.where(smaller == 0, larger, smaller)
        out[axis][smaller * larger < 0] = 0
    return out


_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)
