# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whether depth is in the unit that it is read in.

A depth image says nothing about its unit. Read in a wrong one it gives sure numbers that are four,
five, ten or a thousand times off. What can show it: readings that are all out of range, a median
that no indoor or outdoor robot sees, and a floor that would fit the camera's height in another
unit that sensors have.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.depth_readings import DepthReadings
from spatialgeo_ros.geometry.depth_sensor import DepthNoise, DepthSensor
from spatialgeo_ros.geometry.floor import Level, estimate_floor
from spatialgeo_ros.geometry.pointmap import DepthSource, PointMap

#: Units that depth cameras and data sets have, metres: millimetres, metres, RealSense L515, 0.1 mm
#: (D405, SR300), TUM, 0.125 mm (SR305), centimetres.
UNITS = (0.001, 1.0, 0.00025, 0.0001, 0.0002, 0.000125, 0.01)
_MEDIANS = (0.05, 20.0)  # metres between which the median of a view lies
_USUAL = (0.3, 8.0)  # metres between which a proposed unit must put it
_USUAL_DEPTH = 2.0
_OUTSIDE = 0.99  # share of the readings out of range that makes all of them
_FLOOR_AGREES = 0.2  # relative difference between seen and known height that is no matter of units
_FLOOR_FITS = 0.06  # the same for a unit that is proposed
_FLOOR_SUPPORT = 0.08  # share of the points that the floor in that unit must have
_PIXELS = 20000

Judgement = tuple[str | None, tuple[str, ...]]


def judge_depth_unit(
    depth: DepthReadings,
    unit: float,
    sensor: DepthSensor,
    camera: PinholeCamera | None = None,
    gravity: NDArray[np.float64] | None = None,
    camera_height: float | None = None,
) -> Judgement:
    """Judge the unit of a depth image by what it shows.

    It looks at some thousand pixels and takes below 20 ms: enough for the first frames of a camera
    and then one in a while, since a unit does not change between frames.

    Args:
        depth: the image, before any range is applied.
        unit: metres per unit that it was read with, as it came from the sensor.
        sensor: range and scale as configured.
        camera: intrinsics of the depth image's view; needed for the floor.
        gravity: direction of falling [3] in the camera optical frame.
        camera_height: of the camera above the floor by pose or mount, metres.

    Returns:
        Why the depth must not be used, with the cure, or None; and remarks. A depth_scale that
        was set explicitly is doubted only in remarks, unless every reading is out of range.
    """
    step = max(1, int(np.sqrt(depth.raw.size / _PIXELS)))
    grid = slice(step // 2, None, step)
    thinned = depth.metres(grid, grid)
    values = thinned[np.isfinite(thinned)]
    if not values.size:
        return None, ()
    median = float(np.median(values))
    far, near = float((values > sensor.farthest).mean()), float((values < sensor.nearest).mean())
    if far + near >= _OUTSIDE:
        limit = (
            f"beyond depth_max = {sensor.farthest:g} m"
            if far > near
            else f"nearer than depth_min = {sensor.nearest:g} m"
        )
        return (
            f"every depth reading is {limit} (median {median:.4g} m, read in units of {unit:g} m)"
            f"{_proposal(median, unit)}",
            (),
        )
    if camera is not None and gravity is not None and camera_height is not None:
        text = _judge_floor(thinned, unit, camera, gravity, camera_height)
        if text is not None:
            return (text, ()) if sensor.scale is None else (None, (text,))
    if not _MEDIANS[0] <= median <= _MEDIANS[1]:
        return None, (
            f"the median depth is {median:.4g} m, read in units of {unit:g} m"
            f"{_proposal(median, unit)}",
        )
    return None, ()


def _proposal(median: float, unit: float) -> str:
    """The cure for a median depth that cannot be: the likeliest other units."""
    depths = {other: median / unit * other for other in UNITS if other != unit}
    fitting = [other for other, z in depths.items() if _USUAL[0] <= z <= _USUAL[1]]
    fitting.sort(key=lambda other: abs(np.log(depths[other] / _USUAL_DEPTH)))
    if not fitting:
        return ": set depth_scale to the metres per unit, or depth_min and depth_max to the range"
    millimetres = ": are they millimetres?" if unit == 1.0 and 0.001 in fitting else ":"
    choices = " or ".join(f"{other:g} (median {depths[other]:.2g} m)" for other in fitting[:3])
    return f"{millimetres} set depth_scale to {choices}"


def _judge_floor(
    metres: NDArray[np.float32],
    unit: float,
    camera: PinholeCamera,
    gravity: NDArray[np.float64],
    camera_height: float,
) -> str | None:
    """The unit in which the floor would lie where pose or mount have it, where this one does not.

    Args:
        metres: the thinned depth image; its pixels are a regular grid over the camera's image.
        unit: metres per unit that it was read with.
        camera: intrinsics of the whole image.
        gravity: direction of falling [3] in the camera optical frame.
        camera_height: metres.
    """
    height, width = metres.shape
    small = camera.resized(width, height)

    def floor_in(other: float) -> Level | None:
        # Noise of the sensor plays no part in where its floor is.
        readings = DepthReadings(metres, other / unit)
        pointmap = PointMap(readings, small, DepthSource.SENSOR, DepthNoise())
        return estimate_floor(pointmap, gravity)

    seen = floor_in(unit)
    if seen is not None and abs(seen.height / camera_height - 1) < _FLOOR_AGREES:
        return None
    best: tuple[float, float, float] | None = None
    for other in UNITS:
        if other == unit:
            continue
        floor = floor_in(other)
        if floor is None or floor.support < _FLOOR_SUPPORT:
            continue
        off = abs(floor.height / camera_height - 1)
        if off < _FLOOR_FITS and (best is None or off < best[0]):
            best = off, other, floor.height
    if best is None:
        return None
    _, other, found = best
    return (
        f"depth read in units of {unit:g} m puts the floor {found * unit / other:.2f} m below the "
        f"camera, pose or mount {camera_height:.2f} m; in units of {other:g} m it lies at "
        f"{found:.2f} m: set depth_scale to {other:g}, or to {unit:g} if the unit is right"
    )
