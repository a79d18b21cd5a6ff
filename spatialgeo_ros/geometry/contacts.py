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

from spatialgeo_ros.geometry.assembly import fill
from spatialgeo_ros.geometry.background import Plane
from spatialgeo_ros.geometry.cells import (
    Cells,
    connected,
    linked,
    separate_rest,
    spread_labels,
)

_WIDEST = 5  # cells from the middle of a valley to what it is between
_FOLD = 1.5  # widths of a cell that the first one beyond an edge is behind the face before it
_ALIKE = np.zeros((1, 1), np.float32)  # one surface beside a valley is as good as another
_SQUARE = np.ones((3, 3), np.uint8)
_PARTS, _LEAST_PART = 4, 0.15  # largest parts of an object; share of its cells that one has
_AS_FAR, _MOST = 0.8, 0.7  # of what it fills, that the rest does; of its cells, left out
_CREASE = 0.8  # share of a strip's cells that hardly stand out of the background beside them
_LEAST_FOLD, _FOLD_SHARE = 3, 0.4  # cells along an edge; share of the root of the piece's cells


def connected_by_shape(cells: Cells, use: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Label the cells of ``use`` by connected surface without a valley, -1 elsewhere.

    The cells of the valleys join a surface beside them.
    """
    label = connected(cells, use & ~cells.valleys)
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


def without_standing(
    cells: Cells, chosen: NDArray[np.bool_], within: NDArray[np.bool_]
) -> NDArray[np.bool_] | None:
    """An object without what may stand on it or before it, wholly inside its region.

    A mug on a carton is in the carton's box, and meets it in a valley; so does a laptop's screen
    its keyboard. Which of both it is, one region does not tell, where the rest reaches as far.

    Args:
        cells: the window.
        chosen: [h, w] bool, the object with all that touches it, not empty.
        within: [h, w] bool, cells inside the region.

    Returns:
        [h, w] bool; None where nothing may be left out.
    """
    label = connected_by_shape(cells, chosen)
    size = np.bincount(label[chosen])
    parts = np.argsort(-size, kind="stable")[:_PARTS]
    rest = chosen
    for part in parts[1:][size[parts[1:]] >= _LEAST_PART * size.sum()]:
        left = rest & (label != part)
        if fill(left, within) > _AS_FAR * fill(chosen, within):
            rest = left
    if rest is chosen or np.count_nonzero(rest) < (1 - _MOST) * np.count_nonzero(chosen):
        return None
    return rest


def creases(
    cells: Cells,
    label: NDArray[np.int32],
    planes: Sequence[Plane],
    backdrop: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Connected surfaces [h, w] bool that are left over where background surfaces meet or end.

    The cells along a crease are a mixture of both sides and on neither. They are a strip without an
    inside, beside the background all along, and off it by less than a cell is wide.

    Args:
        cells: the window.
        label: [h, w] number of the connected surface of each cell, -1 for none.
        planes: of the background.
        backdrop: [h, w] bool, cells that these explain.
    """
    count = int(label.max(initial=-1)) + 1
    if count == 0 or not planes:
        return np.zeros(cells.shape, bool)
    size = np.bincount(label[label >= 0], minlength=count)
    solid = cv2.morphologyEx((label >= 0).astype(np.uint8), cv2.MORPH_ERODE, _SQUARE).astype(bool)
    beside = cv2.dilate(backdrop.astype(np.uint8), _SQUARE).astype(bool)
    width = np.float32(cells.angle) * cells.points[..., 2]
    close = np.zeros(cells.shape, bool)
    for plane in planes:
        with np.errstate(invalid="ignore"):
            close |= np.abs(plane.front) < plane.tolerance + width
    close &= beside & (label >= 0)
    share = np.bincount(label[close], minlength=count) / size
    whole = np.bincount(label[solid], minlength=count) > 0
    crease = np.append((share > _CREASE) & ~whole, False)  # the last for label -1
    return np.asarray(crease[label])
