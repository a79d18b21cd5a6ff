# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Standard deviations of distances: what they are made up of, and all their constants.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.nearest import End
from spatialgeo_ros.geometry.pointmap import DepthSource
from spatialgeo_ros.geometry.segmentation import ObjectPoints

Point = NDArray[np.float64]

_SCALE = 0.005
_BEND = 0.005
_OUTLINE = 1.0  # pixels
_OUTLINE_UNSURE = 2.0
_LEAST = 0.002
_CUT_SHARE = 0.02
_SHARE = 0.01


def camera_sigma(thing: ObjectPoints, end: End) -> float:
    distance = float(np.linalg.norm(end.point))
    ray = end.point / distance
    variance = (end.sigma * distance / end.point[2]) ** 2 + _LEAST**2
    return float(np.sqrt(variance + _systematic(thing, np.zeros(3), end.point, ray)))


def gap_sigma(a: ObjectPoints, b: ObjectPoints, start: End, end: End) -> float:
    offset = end.point - start.point
    distance = float(np.linalg.norm(offset))
    along = offset / max(distance, 1e-6)
    variance = _systematic(a, start.point, end.point, along) + _LEAST**2
    for one, thing in ((start, a), (end, b)):
        ray = one.point / np.linalg.norm(one.point)
        cosine = float(ray @ along)
        unsure = thing.flat or thing.fraction < 0.3 or any(thing.cut)
        pixels = _OUTLINE_UNSURE if unsure else _OUTLINE
        across = pixels * one.point[2] / thing.camera.fx
        variance += (one.sigma * cosine * np.linalg.norm(one.point) / one.point[2]) ** 2
        variance += across**2 * (1 - cosine**2)
    share = _CUT_SHARE if any(a.cut) or any(b.cut) else _SHARE
    return float(np.sqrt(variance + (share * distance) ** 2))


def centres_sigma(
    thing: ObjectPoints, start: Point, end: Point, along: Point, variance: float
) -> float:
    return float(np.sqrt(variance + _systematic(thing, start, end, along)))


def _systematic(thing: ObjectPoints, start: Point, end: Point, along: Point) -> float:
    """Variance along a direction by errors that the whole depth image has in common."""
    if thing.source is not DepthSource.SENSOR:
        return 0.0
    scale = _SCALE * float((end - start) @ along)
    bent = [_corner(thing.camera, point) * point for point in (start, end)]
    bend = _BEND * float((bent[1] - bent[0]) @ along)
    return scale**2 + bend**2


def _corner(camera: PinholeCamera, point: Point) -> float:
    """Squared distance of a point's pixel from the middle of the image, 1 at its corners."""
    if point[2] <= 0:
        return 0.0
    x, y = point[0] / point[2] * camera.fx, point[1] / point[2] * camera.fy
    return float((x * x + y * y) / (0.25 * (camera.width**2 + camera.height**2)))
