# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pixels along an object's outline that are of what is beside it, although they have its depth.

Depth cameras draw near things too large: by a pixel or two where a pattern is projected, by several
where windows are matched, and float between near and far there. Nearest points are at outlines, so
that this is what they are most often wrong by. The colour image knows outlines to a pixel.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.geometry.cells import extent

_WIDE = 3  # pixels on both sides of an outline that are asked about
_AROUND = 6  # pixels beyond these that tell the colours of both sides,
_STEP = 2  # of every so many rows and columns
_LEAST = 0.1  # share of the square around a pixel that has to be of either side,
_CONTRAST = 20.0  # and how far apart their colours, 0 to 441
_NEARER = 0.4  # of the distance to the inside's colour, at most, to that of the outside
_SQUARE = np.ones((3, 3), np.uint8)
_RING = np.ones((2 * _WIDE + 1, 2 * _WIDE + 1), np.uint8)


def fringe_of(
    part: NDArray[np.bool_], read: NDArray[np.bool_], image: NDArray[np.uint8]
) -> NDArray[np.bool_]:
    """Pixels of an object, and unread ones beside it, that are of what is beside it.

    Up to three from its outline, those whose colour is much nearer to the mean of what is outside
    around them than to that of the object's inside. Where no inside is near (legs, bars), or both
    have one colour, there are none.

    Args:
        part: [h, w] bool, measured pixels of the object in a window, at least one.
        read: [h, w] bool, all measured pixels of the window.
        image: [h, w, 3] uint8 RGB of that window.
    """
    out = np.zeros_like(part)
    top, bottom, left, right = extent(part)
    margin = _WIDE + _AROUND
    around = (
        slice(max(0, top - margin), bottom + margin + 1),
        slice(max(0, left - margin), right + margin + 1),
    )
    colour = image[around]
    solid = cv2.morphologyEx(part[around].view(np.uint8), cv2.MORPH_CLOSE, _SQUARE)
    core = np.asarray(cv2.erode(solid, _RING, borderValue=1), np.uint8)
    band = (cv2.dilate(solid, _RING) > core) & (part[around] | ~read[around])
    at = np.flatnonzero(band)
    beyond = np.asarray(cv2.dilate(solid, _SQUARE) == 0).view(np.uint8)
    # Every other row and column tells as much.
    thinned = colour[::_STEP, ::_STEP].copy()
    rows, columns = np.divmod(at, band.shape[1])
    place = rows // _STEP * thinned.shape[1] + columns // _STEP
    (inside, near_inside), (outside, near_outside) = (
        _mean_around(thinned, use[::_STEP, ::_STEP].copy(), place) for use in (core, beyond)
    )
    own = np.take(colour.reshape(-1, 3), at, axis=0).astype(np.float32)
    contrast, to_inside, to_outside = (
        (one - other) ** 2 @ np.ones(3, np.float32)
        for one, other in ((inside, outside), (own, inside), (own, outside))
    )
    told = (near_inside > _LEAST) & (near_outside > _LEAST) & (contrast > _CONTRAST**2)
    lost = np.zeros(band.size, bool)
    lost[at] = told & (to_outside < _NEARER**2 * to_inside)
    out[around] = lost.reshape(band.shape)
    return out


def _mean_around(
    colour: NDArray[np.uint8], use: NDArray[np.uint8], place: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean colour [N, 3] of the pixels in use around some, and the share [N] that is in use.

    Args:
        colour: [h, w, 3] uint8, every :data:`_STEP`-th row and column of an image.
        use: [h, w] uint8, 0 or 1.
        place: [N] numbers of the pixels asked about, row by row.
    """
    side = 2 * ((_WIDE + _AROUND) // _STEP) + 1
    total, count = (
        cv2.boxFilter(
            one, cv2.CV_32F, (side, side), normalize=False, borderType=cv2.BORDER_CONSTANT
        )
        for one in (cv2.copyTo(colour, use), use)
    )
    number = np.asarray(count.ravel()[place], np.float32)
    mean = np.take(total.reshape(-1, 3), place, axis=0) / np.maximum(number, 1)[:, None]
    return np.asarray(mean, np.float32), number / np.float32(side * side)
