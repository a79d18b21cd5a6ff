# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Masks that a person or a network drew: taken as they are, without scraps of other surfaces."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.geometry.cells import Cells, connected
from spatialgeo_ros.geometry.growth import FARTHEST, covered, depth_of
from spatialgeo_ros.geometry.pieces import Piece, gap_between
from spatialgeo_ros.geometry.readings import Separation

_SCRAP, _FAR = 0.05, 1.0  # share of a mask's cells; gap as a share of the object's size
_MODE = 0.7  # such a gap of what is too much for a scrap
_LEAST_GAP = 0.05  # metres: what is nearer is beside it
_SQUARE = np.ones((3, 3), np.uint8)


def separate_given(cells: Cells, within: NDArray[np.bool_], cell: float = 1.0) -> Separation:
    """Take a mask as it is, without scraps of other surfaces along its outline.

    A mask is drawn in the colour image; where the depth camera sees past the outline, its pixels
    show what is far behind or well before the object. Such scraps are small, and far from all else
    in the mask. What is far and too much for a scrap may be what the mask leaks onto: the largest
    surface alone is one reading, all of it another. Where something nearer fills the image between
    the two (legs under a table top that hides the seat), it is no leak.

    Args:
        cells: the window around the mask.
        within: [h, w] bool, cells of the mask.
        cell: side of a cell of the grid that the mask was made on, pixels. The outline of a mask
            that was drawn at the image's resolution is right: only strips along it are a sensor's,
            and what has an inside is the object's, however far from the rest (a sofa's back behind
            its arm, in the corner of the image).
    """
    use = cells.ok & within
    solid = cv2.erode(use.astype(np.uint8), _SQUARE, borderValue=1) > 0
    label = connected(cells, use)
    sizes = np.bincount(label[use])
    keep = use.copy()
    alone = use.copy()
    if len(sizes) > 1:
        largest = _piece(cells, label == int(np.argmax(sizes)))
        main = largest.points[:: max(1, len(largest.points) // 400)]
        size = float(np.linalg.norm(np.ptp(np.percentile(main, (5, 95), axis=0), axis=0)))
        for name in np.flatnonzero(sizes < sizes.max()):
            own = label == name
            part = cells.points[own]
            gap = gap_between(part[:: max(1, len(part) // 100)], main)
            if sizes[name] < _SCRAP * use.sum():
                drawn = cell <= 1.0 and (solid & own).any()
                if not drawn and gap > max(_LEAST_GAP, _FAR * size):
                    keep &= ~own
                    alone &= ~own
            elif gap > max(_LEAST_GAP, _MODE * size):
                piece, whole = _piece(cells, own), largest.thinned(400)
                if gap > FARTHEST or not covered(depth_of(cells), piece, whole, [largest]):
                    alone &= ~own
    nothing = np.zeros(cells.shape, bool)
    if (keep & ~alone).any():
        return Separation(alone, nothing, (), other=Separation(keep, nothing, ()))
    return Separation(keep, nothing, ())


def _piece(cells: Cells, own: NDArray[np.bool_]) -> Piece:
    """The cells of a surface that the region holds all of."""
    return Piece(np.argwhere(own), cells.points[own], 0.0)
