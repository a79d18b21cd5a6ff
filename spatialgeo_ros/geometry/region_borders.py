# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a region cuts off its object, and where the object stops short of the region's sides.

A region bounds its object from side to side; a detector's is wrong by a few per cent.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.geometry.cells import Cells, DepthPlane, extent, patches

_GROW = 0.03  # of a box's size on each side, that it may be too small: still inside,
_BAND = 0.08  # and what ends so near is the object's too if it goes on from it
_SHORT, _REACHED = 0.15, 0.09  # of the region's size: stops short of a side; reaches all
_IN_PLANE = 0.03  # metres from an object's own plane
_MOSTLY = 0.6  # of what is left in a region
_LEAST_PLANE = 40  # cells that tell a plane
_SQUARE = np.ones((3, 3), np.uint8)


def completed_beyond(
    label: NDArray[np.int32],
    chosen: NDArray[np.bool_],
    around: NDArray[np.bool_],
    within: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Add what goes on from an object beyond its region and ends near it.

    A region that is too small cuts its object. What is not the object's goes on further than a
    region may be wrong.

    Args:
        label: [h, w] number of the connected surface of each cell, -1 for none.
        chosen: [h, w] bool, the object as far as it was found.
        around: [h, w] bool, cells that it was looked for in.
        within: [h, w] bool, cells inside the region.
    """
    names = np.zeros(int(label.max(initial=-1)) + 2, bool)
    names[label[chosen]] = True
    names[-1] = False  # of label -1
    beyond = names[label] & ~around
    if not beyond.any():
        return chosen
    number, patch = patches(beyond)
    goes_on = np.zeros(number + 1, bool)
    goes_on[patch[~grown(within, _BAND)]] = True
    goes_on[0] = True
    return chosen | ~goes_on[patch]


def grown(within: NDArray[np.bool_], share: float = _GROW) -> NDArray[np.bool_]:
    """The region grown on each side by a share of its size, at least two cells."""
    top, bottom, left, right = extent(within)
    rows, columns = (
        max(2, round(share * (last - first + 1))) for first, last in ((top, bottom), (left, right))
    )
    kernel = np.ones((2 * rows + 1, 2 * columns + 1), np.uint8)
    return cv2.dilate(within.astype(np.uint8), kernel).astype(bool)


def completed_to_sides(
    cells: Cells, chosen: NDArray[np.bool_], within: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Add what goes on in the object's own plane up to sides of the region that it stops short of.

    A region bounds its object from side to side. Where one side of a thing leans on a wall or lies
    on a shelf, depth alone takes that side for the background; if most of what is left in the
    region is in the plane of what was found, and reaches the sides, it is the thing's.

    Args:
        cells: the window.
        chosen: [h, w] bool, the object as far as it was found, not empty.
        within: [h, w] bool, cells inside the region.
    """
    if short_of(chosen, within) < _SHORT or np.count_nonzero(chosen) < _LEAST_PLANE:
        return chosen
    rest = cells.ok & within & ~chosen
    at = np.argwhere(rest)
    near = np.zeros(cells.shape, bool)
    z, q = cells.points[..., 2][rest], DepthPlane.through(cells, chosen).inverse_depth(at)
    on = (q > 0) & (np.abs(z * q - 1) < (_IN_PLANE + 2 * cells.sigma[rest]) * q)
    if np.count_nonzero(on) < _MOSTLY * len(at):
        return chosen
    near[at[on, 0], at[on, 1]] = True
    both = cv2.morphologyEx((near | chosen).astype(np.uint8), cv2.MORPH_OPEN, _SQUARE)
    number, label = patches(both.astype(bool) | chosen)
    touching = np.zeros(number + 1, bool)
    touching[label[chosen]] = True
    touching[0] = False
    found = touching[label]
    return found if short_of(found, within) < _REACHED else chosen


def short_of(chosen: NDArray[np.bool_], within: NDArray[np.bool_]) -> float:
    """Share of the region's size by which the chosen cells stop short of its farthest side."""
    own, region = extent(chosen), extent(within)
    height, width = region[1] - region[0] + 1, region[3] - region[2] + 1
    return max(
        (own[0] - region[0]) / height,
        (region[1] - own[1]) / height,
        (own[2] - region[2]) / width,
        (region[3] - own[3]) / width,
    )
