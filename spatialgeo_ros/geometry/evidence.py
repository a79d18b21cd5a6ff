# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What speaks for an object's having been found whole, and nothing else with it.

Separation knows more than which cells it took: how much of the region nothing explains, where that
is, and whether the object reaches the sides that bound it. A number is as uncertain as this says.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.geometry.cells import Cells, Window, extent
from spatialgeo_ros.geometry.pointmap import PointMap
from spatialgeo_ros.geometry.readings import Separation
from spatialgeo_ros.geometry.region_borders import short_of
from spatialgeo_ros.geometry.small_arrays import spread_out

_MOST_POSSIBLE = 200  # points


def _no_points() -> NDArray[np.float32]:
    return np.zeros((0, 3), np.float32)


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a separation leaves open.

    Attributes:
        unexplained: share of the region's cells that are measured and neither the object's nor its
            background's.
        short: share of the region's width or height by which the object ends before the side that
            it is farthest from; 0 for what lies flat, which the rest of its region may go on.
        side: longer side of the region, pixels; 0 for a given mask.
        possible: [K, 3] float32, points of some of the unexplained cells, or of what a given mask
            lost to its depth edges, optical frame, metres: they may be the object's, too.
        unread: share of a given mask that has no reading of the object.
        given: the region is a mask.
    """

    unexplained: float = 0.0
    short: float = 0.0
    side: float = 0.0
    possible: NDArray[np.float32] = field(default_factory=_no_points)
    unread: float = 0.0
    given: bool = False


def evidence_of_mask(
    pointmap: PointMap, window: Window, lost: NDArray[np.bool_], fraction: float
) -> Evidence:
    """Evidence of a given mask.

    Args:
        pointmap: of the whole image.
        window: of the image that holds the mask.
        lost: [h, w] bool, measured pixels of the mask that were not taken.
        fraction: share of its pixels that were.
    """
    rows, columns = np.nonzero(lost)
    pick = spread_out(len(rows), _MOST_POSSIBLE)
    some = np.zeros_like(lost)
    some[rows[pick], columns[pick]] = True
    possible = pointmap.pixels_in(window, some)[0]
    return Evidence(possible=possible, unread=1.0 - fraction, given=True)


def evidence_of(cells: Cells, within: NDArray[np.bool_], reading: Separation) -> Evidence:
    """Evidence of one reading of a region that bounds its object.

    Args:
        cells: the window around the region.
        within: [h, w] bool, cells inside the region; at least one.
        reading: of it, with at least one cell of an object.
    """
    rest = cells.ok & within & ~reading.thing & ~reading.background
    count = int(np.count_nonzero(rest))
    short = max(0.0, short_of(reading.thing, within))
    if reading.flat:  # what its colour left of the region is on its plane, and may be its own
        rest, short = cells.ok & within & ~reading.thing, 0.0
    points = cells.points[rest]
    top, bottom, left, right = extent(within)
    return Evidence(
        count / int(np.count_nonzero(within)),
        short,
        float(max(bottom - top, right - left) * cells.step),
        points[spread_out(len(points), _MOST_POSSIBLE)],
    )
