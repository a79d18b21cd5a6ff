# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Metres for depth without a scale (MoGe 1, VGGT): the floor must lie at the camera's height."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.geometry.background import find_floor
from spatialgeo_ros.geometry.depth_readings import DepthReadings
from spatialgeo_ros.geometry.pointmap import PointMap

#: Median depth of an indoor view in metres: where the search for the floor starts.
_USUAL_DEPTH = 2.5
_ITERATIONS = 5
_CONVERGED = 0.01
#: Standard deviation of the scale: the floor's peak, and how level the robot stands.
_SCALE_SIGMA = 0.05


def scaled(pointmap: PointMap, factor: float) -> PointMap:
    """Return a point map with every length multiplied."""
    depth, sigma = pointmap.depth * np.float32(factor), pointmap.sigma * np.float32(factor)
    return replace(pointmap, readings=DepthReadings(depth), noise=sigma)


def scale_by_floor(
    pointmap: PointMap, gravity: npt.NDArray[np.float64], height: float
) -> PointMap | None:
    """Scale a point map so that the floor in it is ``height`` metres below the camera.

    The floor finder works in metres, so the scale is found by iteration from a usual indoor depth.

    Args:
        pointmap: correct up to one factor.
        gravity: [3] unit direction of falling in the camera frame.
        height: of the camera above the floor, metres.

    Returns:
        The metric map, its sigma widened by that of the scale; None when no floor is in view or the
        search does not settle.
    """
    depth = pointmap.depth[pointmap.valid]
    if not depth.size:
        return None
    current = scaled(pointmap, _USUAL_DEPTH / float(np.median(depth)))
    for _ in range(_ITERATIONS):
        seen = find_floor(current, gravity)
        if seen is None:
            return None
        current = scaled(current, height / seen)
        if abs(height / seen - 1.0) < _CONVERGED:
            sigma = np.hypot(current.sigma, _SCALE_SIGMA * current.depth)
            return replace(current, noise=np.asarray(sigma, np.float32))
    return None
