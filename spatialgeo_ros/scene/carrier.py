# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Carries what a detector found in one image to a newer one of the same camera.

A detector takes seconds for an image where a camera sends ten a second. Between two looks of it a
thing is followed by geometry, not by a tracker network: its points are seen from the newer pose,
and the newer depth has to show a surface there. What cannot be followed so is not carried.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.errors import BadRegionError, SpatialGeoError
from spatialgeo_ros.geometry.object_points import ObjectPoints
from spatialgeo_ros.geometry.pointmap import PointMap
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.geometry.regions import Region, RegionType
from spatialgeo_ros.grounding.found import Found
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.observation import Observation
from spatialgeo_ros.scene.recall import relative_pose

#: Seconds after which nothing is carried any further, and what a second adds at least to how far a
#: carried region may be off, metres of one standard deviation: things move a little too.
MOST_AGE = 40.0
_LEAST_DRIFT = 0.01
#: Points that are looked at, and of those that the newer image can show, the share that has to lie
#: on the surface it shows. Without poses the camera must have stood still: then nearly all do.
_MOST_POINTS, _LEAST_POINTS = 4000, 12
_LEAST_AGREEING, _LEAST_AGREEING_STILL = 0.5, 0.85
#: Share of the points that has to be in the newer image at all.
_LEAST_INSIDE = 0.6
#: A reading is on the surface within this many metres, or standard deviations; at most a share of
#: its depth: what a network gets wrong it gets wrong alike in both images.
_ON, _ON_SIGMAS, _ON_SHARE = 0.08, 4.0, 0.08


class Carrier:
    """Follows things from image to image by pose and depth.

    Args:
        drift: of poses, metres of one standard deviation per second.
    """

    def __init__(self, drift: float) -> None:
        self._drift = max(drift, _LEAST_DRIFT)
        # By camera, the frame that is followed from, and the points of what was found in it.
        self._lifted: dict[str, tuple[Frame, dict[Any, ObjectPoints | None]]] = {}

    def carry(
        self,
        earlier: Observation,
        found: Iterable[Found],
        newer: Observation,
        points_of: Callable[[Observation, Region], tuple[ObjectPoints, str]],
    ) -> list[Found] | None:
        """Return those of the things that the newer image shows too, with their regions in it.

        Args:
            earlier: the image that they were found in.
            found: the things.
            newer: of the same camera.
            points_of: lifts a region of an observation.

        Returns:
            None where nothing can be followed: too much time has passed, or one of the images has
            no depth.
        """
        age = (newer.frame.stamp_ns - earlier.frame.stamp_ns) * 1e-9
        if not 0.0 <= age <= MOST_AGE or newer.pointmap is None or earlier.pointmap is None:
            return None
        still = newer.frame.pose is None or earlier.frame.pose is None
        try:
            motion = Pose.identity() if still else relative_pose(newer.frame, earlier.frame)
        except SpatialGeoError:
            return None  # of two worlds
        lifted = self._points_in(earlier)
        carried = []
        for one in found:
            key = one.region.label, one.region.bounds(earlier.frame.height, earlier.frame.width)
            if key not in lifted:
                try:
                    lifted[key] = points_of(earlier, one.region)[0]
                except SpatialGeoError:
                    lifted[key] = None
            points = lifted[key]
            if points is None:
                continue  # without points it cannot be followed
            region = self._moved(one.region, points, motion, newer.pointmap, age, still)
            if region is not None:
                region = replace(region, stamp_ns=earlier.frame.stamp_ns)
                carried.append(replace(one, region=region, carried_sigma=self._drift * age))
        return carried

    def _points_in(self, earlier: Observation) -> dict[Any, ObjectPoints | None]:
        """The points of what was found in an image, kept for the last one of each camera."""
        camera = earlier.frame.camera
        if camera not in self._lifted or self._lifted[camera][0] is not earlier.frame:
            self._lifted[camera] = earlier.frame, {}
        return self._lifted[camera][1]

    def _moved(
        self,
        region: Region,
        points: ObjectPoints,
        motion: Pose,
        pointmap: PointMap,
        age: float,
        still: bool,
    ) -> Region | None:
        """Return the region in the newer image, None where it does not show the thing."""
        step = max(1, len(points.points) // _MOST_POINTS)
        before = points.points[::step].astype(np.float64)
        now = np.asarray(motion.apply(before))
        ahead = now[:, 2] > 0.05
        pixels = np.full((len(now), 2), np.nan)
        pixels[ahead] = pointmap.camera.project(now[ahead])
        height, width = pointmap.shape
        with np.errstate(invalid="ignore"):
            inside = (pixels > -0.5).all(1) & (pixels < (width - 0.5, height - 0.5)).all(1)
        if inside.sum() < max(_LEAST_POINTS, _LEAST_INSIDE * len(now)):
            return None
        columns, rows = np.rint(pixels[inside]).astype(np.int64).T
        seen, noise = pointmap.depth_at(rows, columns), pointmap.sigma_at(rows, columns)
        read = np.isfinite(seen)
        expected = now[inside, 2]
        spread = _ON_SIGMAS * np.hypot(noise, self._drift * age)
        margin = np.maximum(_ON, np.minimum(spread, _ON_SHARE * expected))
        on = read & (np.abs(seen - expected) <= margin)
        least = _LEAST_AGREEING_STILL if still else _LEAST_AGREEING
        if on.sum() < max(_LEAST_POINTS, least * read.sum()):
            return None
        if region.type is RegionType.MASK:
            return _moved_mask(region, columns[on], rows[on], step, (height, width))
        centre = np.median(pixels[inside], axis=0)
        was = np.median(points.camera.project(before[inside]), axis=0)
        scale = float(np.median(before[inside, 2] / now[inside, 2]))
        box = np.array(region.bounds(height, width)).reshape(2, 2)
        (x0, y0), (x1, y1) = (box - was) * scale + centre
        if not all(map(math.isfinite, (x0, y0, x1, y1))):
            return None
        moved = Region.from_box(x0, y0, x1, y1, region.label, region.score)
        try:
            return Region.from_box(*moved.bounds(height, width), region.label, region.score)
        except BadRegionError:
            return None


def _moved_mask(
    region: Region,
    columns: NDArray[np.int64],
    rows: NDArray[np.int64],
    step: int,
    size: tuple[int, int],
) -> Region | None:
    """The pixels that the thing's points fall on and that depth agrees with, gaps closed."""
    mask = np.zeros(size, np.uint8)
    mask[rows, columns] = 1
    reach = 2 * math.ceil(math.sqrt(step)) + 1
    closed = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((reach, reach), np.uint8))
    if not closed.any():
        return None
    return Region.from_mask(closed, region.label, region.score, max(region.cell, float(reach)))
