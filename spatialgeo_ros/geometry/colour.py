# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Colour as a second witness: where two things touch, depth alone cannot tell them apart."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.geometry.cells import Cells, connected, links

_EDGE = 9.0  # of CIE L*a*b*: contrast within three cells that is an outline
_REACH = 4  # cells that an outline is wide at most


def cell_colours(cells: Cells, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Mean colour of every cell, [h, w, 3] CIE L*a*b*.

    Args:
        cells: the window.
        image: [H, W, 3] uint8 RGB, the whole image.
    """
    h, w = cells.shape
    part = image[cells.y0 : cells.y0 + h * cells.step, cells.x0 : cells.x0 + w * cells.step]
    missing = h * cells.step - part.shape[0], w * cells.step - part.shape[1]
    if any(missing):  # the last cells reach over the border of the image
        part = cv2.copyMakeBorder(part, 0, missing[0], 0, missing[1], cv2.BORDER_REPLICATE)
    small = part if cells.step == 1 else cv2.resize(part, (w, h), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)


def connected_by_colour(
    cells: Cells, use: NDArray[np.bool_], colours: NDArray[np.float32]
) -> NDArray[np.int64]:
    """Label the cells of ``use`` by connected surface of even colour, -1 elsewhere.

    Even patches are found first; the cells of the outlines between them join the neighbour they
    resemble.
    """
    kernel = np.ones((3, 3), np.uint8)
    soft = cv2.GaussianBlur(colours, (3, 3), 0.8)
    contrast = (cv2.dilate(soft, kernel) - cv2.erode(soft, kernel)).max(axis=2)
    even = use & (contrast < _EDGE)
    label = connected(cells, even)
    steps = links(cells, use)
    for _ in range(_REACH):
        best = np.full(cells.shape, np.inf, np.float32)
        taken = label.copy()
        for (dy, dx), link in steps:
            for sign in (1, -1):
                source, target = _shifted(dy, dx, sign, cells.shape)
                free = link & (label[target] < 0) & (label[source] >= 0)
                if not free.any():
                    continue
                apart = np.abs(colours[source] - colours[target]).sum(axis=2)
                nearer = free & (apart < best[target])
                best[target] = np.where(nearer, apart, best[target])
                taken[target] = np.where(nearer, label[source], taken[target])
        if np.array_equal(taken, label):
            break
        label = taken
    left = use & (label < 0)  # no even neighbour: surfaces of their own
    alone = connected(cells, left)
    return np.where(left, alone + int(label.max()) + 1, label)


def _shifted(
    dy: int, dx: int, sign: int, shape: tuple[int, int]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Slices of all cells that have a neighbour at (dy, dx), and of those neighbours; or back."""
    h, w = shape
    left, right = max(0, -dx), w - max(0, dx)
    here = slice(0, h - dy), slice(left, right)
    there = slice(dy, h), slice(left + dx, right + dx)
    return (here, there) if sign > 0 else (there, here)
