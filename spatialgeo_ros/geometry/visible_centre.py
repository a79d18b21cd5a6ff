# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The centre of what is seen of an object, also where the depth image shows a part of it only.

A depth camera often sees less than the colour camera beside it, and nothing of dark and shiny
surfaces: the middle of its readings is not the middle of the object. The region says where the
object goes on; there it is put on the plane through what was read (``ObjectPoints.beyond``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.geometry.object_points import ObjectPoints
from spatialgeo_ros.geometry.small_arrays import median
from spatialgeo_ros.geometry.uncertainty import OUTLINE, doubt, systematic_variance

_STRAY = 3.0  # standard deviations of depth from the middle: what is seen through a chair's back
_LEAST_SPREAD = 0.01  # metres of depth that are no sign of a stray
_SHIFT_SHARE = 0.5  # of the way that what has no reading moves the centre
_UNREAD_SHARE = 0.15  # of the size of a thing of which nothing was read


@dataclass(frozen=True, eq=False)
class VisibleCentre:
    """Centre of the visible surface.

    Attributes:
        point: [3] in the optical frame, metres.
        covariance: [3, 3] square metres.
        unread: share of the surface that the sensor had no reading of.
    """

    point: NDArray[np.float64]
    covariance: NDArray[np.float64]
    unread: float

    @property
    def sigma(self) -> float:
        """Standard deviation along its most uncertain direction, metres."""
        return float(np.sqrt(np.linalg.eigvalsh(self.covariance)[-1]))


def visible_centre(thing: ObjectPoints) -> VisibleCentre:
    """Centre of what is seen of an object: of its readings, and of where its region has none.

    Readings far before or behind most are of something else, as a wall behind a chair's back.
    """
    depth = thing.surface[:, 2]
    middle = median(depth)
    spread = 1.4826 * float(median(np.abs(depth - middle)))
    kept = np.abs(depth - middle) < _STRAY * spread + _LEAST_SPREAD
    read = thing.surface[kept].mean(axis=0, dtype=np.float64)
    unread, shift = 0.0, np.zeros(3)
    size = thing.size
    if len(thing.beyond):
        unread = thing.beyond_pixels / (thing.support + thing.beyond_pixels)
        shift = unread * (thing.beyond.mean(axis=0, dtype=np.float64) - read)
    point = read + shift
    ray = point / np.linalg.norm(point)
    across = max(OUTLINE, thing.outline) * float(point[2]) / thing.camera.fx
    noise = float(median(thing.surface_sigma))
    along = noise**2 + systematic_variance(thing, np.zeros(3), point, ray)
    own = doubt(thing) ** 2 + (_UNREAD_SHARE * unread * size) ** 2
    covariance = (across**2 + own) * np.eye(3) + (along - across**2) * np.outer(ray, ray)
    covariance += _SHIFT_SHARE**2 * np.outer(shift, shift)
    return VisibleCentre(point, covariance, unread)
