# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How surfaces meet: in a valley, where one thing touches another, or over an edge of one thing.

What stands on, leans on or lies before something meets it in a valley (S. C. Stein et al., "Object
partitioning using local convexity", CVPR 2014). A face that folds away behind the face beside it is
of the same thing: when that one goes on outside a region, neither is what the region bounds.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.geometry.background import Plane
from spatialgeo_ros.geometry.cells import (
    STEPS,
    Cells,
    connected,
    linked,
    on_both_sides,
    separate_rest,
    spread_labels,
)

_ARM = 3  # cells on both sides of a valley that are compared with it
_VALLEY, _NOISE = 0.004, 2.5  # metres that it is behind both, and standard deviations of its depth
_WIDEST = 5  # cells from the middle of a valley to what it is between
_FOLD = 1.5  # widths of a cell that the first one beyond an edge is behind the face before it
_ALIKE = np.zeros((1, 1), np.float32)  # one surface beside a valley is as good as another
_SQUARE = np.ones((3, 3), np.uint8)
_LEAST_FOLD, _FOLD_SHARE = 3, 0.4  # cells along an edge; share of the root of the piece's cells


def valleys(cells: Cells) -> NDArray[np.bool_]:
    """Cells [h, w] that lie behind the middle between cells on both sides of them.

    Inverse depth is linear over the image of a plane, so its second difference tells how two
    surfaces meet, whatever their slope; so it does at the foot of a step.
    """
    z = cells.points[..., 2]
    out = np.zeros(cells.shape, bool)
    with np.errstate(invalid="ignore", divide="ignore"):
        q = np.float32(1.0) / z
        limit = 2 * (_VALLEY + _NOISE * cells.sigma) * q * q
        for dy, dx in STEPS:
            before, middle, after = on_both_sides(_ARM * dy, _ARM * dx, cells.shape)
            out[middle] |= q[before] - 2 * q[middle] + q[after] > limit[middle]
    return out


def connected_by_shape(cells: Cells, use: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Label the cells of ``use`` by connected surface without a valley, -1 elsewhere.

    The cells of the valleys join a surface beside them.
    """
    label = connected(cells, use & ~valleys(cells))
    links = [(link, _ALIKE) for link in linked(cells, use)]
    return separate_rest(cells, use, spread_labels(label, links, _WIDEST))


def folds(cells: Cells, standing: NDArray[np.bool_], planes: Sequence[Plane]) -> NDArray[np.bool_]:
    """Cells [h, w] of ``standing`` right beyond an edge of a plane, from where they fold away.

    Args:
        cells: the window.
        standing: [h, w] bool, cells on none of the planes.
        planes: of the background.
    """
    out = np.zeros(cells.shape, bool)
    width = _FOLD * np.float32(cells.angle) * cells.points[..., 2]
    for plane in planes:
        beside = cv2.dilate(plane.cells.astype(np.uint8), _SQUARE).astype(bool)
        with np.errstate(invalid="ignore"):
            out |= beside & (plane.front < 0) & (plane.front + width > -plane.tolerance)
    return out & standing


def without_folding(
    cells: Cells,
    standing: NDArray[np.bool_],
    planes: Sequence[Plane],
    around: NDArray[np.bool_],
) -> NDArray[np.int32] | None:
    """Label ``standing`` by shape without the surfaces that fold away from a background.

    Of a box before the object its front goes on outside the region and is taken for a background;
    its top ends inside.

    Args:
        cells: the window.
        standing: [h, w] bool, cells on none of the planes.
        planes: of the background.
        around: [h, w] bool, the region grown by what it may be too small.

    Returns:
        [h, w] connected surfaces 0, 1, 2, ..., -1 where there is none; None where nothing folds.
    """
    edge = folds(cells, standing, planes)
    if np.count_nonzero(edge) <= _LEAST_FOLD:
        return None
    label = connected_by_shape(cells, standing)
    count = int(label.max(initial=-1)) + 1
    size = np.bincount(label[around & standing], minlength=count)
    length = np.bincount(label[edge], minlength=count)
    other = length > np.maximum(_LEAST_FOLD, _FOLD_SHARE * np.sqrt(size))
    if not other.any():
        return None
    label[np.append(other, False)[label]] = -1  # the last for label -1
    return label
