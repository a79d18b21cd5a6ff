# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Between cells and pixels: which pixels are an object's, without those that float at its edges.

Depth cameras mix two surfaces at an outline, and put it a pixel or two from where it is in the
image. All masks here are of a window of the image: half-open (x0, y0, x1, y1).
"""

from __future__ import annotations

from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.geometry.cells import Cells, Window
from spatialgeo_ros.geometry.pointmap import PointMap
from spatialgeo_ros.geometry.surfels import without_strips

_T = TypeVar("_T", bound=np.generic)

_OUTLINE = 3  # pixels along the outline of a mask whose depth may be another surface's
_LEG = 0.25  # metres behind a mask's inside at which its thin parts may lie
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
    return _spread(mask, cells, window)


def _spread(values: NDArray[_T], cells: Cells, window: Window) -> NDArray[_T]:
    """Give every pixel of the window the value of its cell."""
    x0, y0, x1, y1 = window
    wide = np.repeat(np.repeat(values, cells.step, axis=0), cells.step, axis=1)
    return wide[: y1 - y0, : x1 - x0]


def settled(pointmap: PointMap, inside: NDArray[np.bool_], window: Window) -> NDArray[np.bool_]:
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
    kernel = np.ones((2 * _OUTLINE + 1, 2 * _OUTLINE + 1), np.uint8)
    core = part & cv2.erode(inside.astype(np.uint8), kernel, borderValue=0).astype(bool)
    if core.sum() > _LEAST_CORE * part.sum():  # else all of it is outline
        near = np.ones((4 * _OUTLINE + 3, 4 * _OUTLINE + 3), np.uint8)
        low = cv2.erode(np.where(core, depth, np.float32(1e6)), near, borderValue=1e6)
        high = cv2.dilate(np.where(core, depth, np.float32(-1e6)), near, borderValue=-1e6)
        with np.errstate(invalid="ignore"):
            slope = np.where(high > 0, high - low, 0)  # the surface goes on as it is inclined
            margin = 0.01 + 2 * sigma + 0.5 * slope
            own = (depth > low - margin) & (depth < high + margin)
            nearest, farthest = np.percentile(depth[core], (1, 99))
            thin = (high < 0) & (depth > nearest - margin) & (depth < farthest + _LEG)
            part &= core | own | thin
    return without_strips(part, depth, sigma, inside)


def pixels_of(
    pointmap: PointMap, cells: Cells, chosen: NDArray[np.bool_], window: Window
) -> NDArray[np.bool_]:
    """Pixels of the chosen cells at the cells' depth, [h, w] of the window.

    A cell on the object's outline can hold mostly background: of the cells beside the chosen ones,
    pixels that are clearly at the neighbour's depth rather than at their own cell's are taken too.
    Pixels that float at depth edges are at neither.
    """
    own = np.where(cells.ok, cells.raw_z, np.float32(np.inf))
    depth = pointmap.depth_in(window)
    tolerance = np.float32(0.03) + 3 * pointmap.sigma_in(window)
    with np.errstate(invalid="ignore"):
        off = np.abs(depth - _spread(np.where(chosen, own, np.float32(np.nan)), cells, window))
        found = off < tolerance + np.float32(0.02) * depth
        if cells.step == 1:
            return found
        # Only pixels of cells beside chosen ones: few.
        beside = cv2.dilate(chosen.astype(np.uint8), _CROSS).astype(bool) & ~chosen
        rows, columns = np.nonzero(_spread(beside, cells, window))
        z, limit = depth[rows, columns], tolerance[rows, columns]
        cell = rows // cells.step + 1, columns // cells.step + 1
        apart = np.abs(z - np.pad(own, 1, constant_values=np.inf)[cell])
        padded = np.pad(np.where(chosen, own, np.float32(np.nan)), 1, constant_values=np.nan)
        taken = np.zeros(len(z), bool)
        for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            off = np.abs(z - padded[cell[0] + dy, cell[1] + dx])
            taken |= (off < limit) & (off < 0.5 * apart)
    found[rows[taken], columns[taken]] = True
    return found


_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)
