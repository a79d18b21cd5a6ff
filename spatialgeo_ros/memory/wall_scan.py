# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What one depth image says about walls: how far each direction is open, and what ends it.

The image is read as a laser scanner at all heights at once would see the room. In each narrow
range of bearings the farthest upright surface is what may be a wall: furniture hides the wall's
foot, but the wall shows above and beside it. Averaging the points of a bearing's surface takes out
most of the sensor's noise, and their place, not their range, so that walls seen at a slant stay
where they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.geometry.pointmap import PointMap
from spatialgeo_ros.geometry.pose import Pose

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]

_ANGLE = 1 / 85  # rad between the pixels that are read
_BEARING = math.radians(1.25)  # width of a range of bearings
_FARTHEST = 8.0  # m, beyond it depth says little about where a wall is
_WORST = 0.12  # m, standard deviation of a depth that is used
#: Metres above the floor, and metres per metre of distance, below which a point may be floor.
_FLOOR, _FLOOR_SLOPE = 0.12, 0.015
_BELOW_CEILING = 0.12  # m, what is nearer to the ceiling may be ceiling
_HIGHEST = 3.5  # m above the floor, where the ceiling has not been seen
_LEAST = 5  # points of a surface in one range of bearings
_SPAN = 0.35  # m of height that an upright surface must be seen over
#: Share of the points of a bearing that may lie beyond the surface that ends it: false readings.
_STRAY = 0.05
_LOW = 1.6  # m above the floor: a surface that ends lower, below blind pixels, may be furniture
_BLIND = 0.3  # share of a bearing's pixels above its surface without depth that leave it in doubt
_NEIGHBOURS = 3  # bearings to either side that the direction of a surface is taken from
_STRAIGHT = 0.03  # m, standard deviation of neighbouring places about a line


@dataclass(frozen=True, eq=False)
class WallScan:
    """One image as a scan of the room, by bearing. World frame, metres.

    Attributes:
        origin: [2] of the camera.
        directions: [N, 2] unit vectors of the bearings in view.
        reach: [N] how far each is seen through.
        places: [M, 2] of the surfaces that end bearings, on average over their points.
        weights: [M] 1, less for few points.
        turns: [M, 2] cosine and sine of twice the angle of the surface's direction, (0, 0) where
            its neighbours do not tell.
        shared: [M] standard deviation that averaging and more images do not remove, metres.
        heights: [K] of points that may belong to floor or ceiling, metres.
        ground: [K, 2] their places.
    """

    origin: Array
    directions: Array
    reach: Array
    places: Array
    weights: Array
    turns: Array
    shared: Array
    heights: Array
    ground: Array


@dataclass(frozen=True, eq=False)
class _Rays:
    """The pixels that are read, and their points where they have one.

    Attributes:
        bearing: [P] index of each pixel's range of bearings.
        rise: [P] metres upwards per metre of level distance.
        points: [P, 3] world frame, metres, NaN where there is no usable depth.
        distance: [P] level distance from the camera, metres.
        sigma: [P] standard deviation of depth, metres.
        start: angle of the first range of bearings, radians.
    """

    bearing: Indices
    rise: Array
    points: Array
    distance: Array
    sigma: Array
    start: float


def scan_walls(
    pointmap: PointMap, pose: Pose, floor: float | None, ceiling: float | None = None
) -> WallScan | None:
    """Read one image.

    Args:
        pointmap: metric geometry of the image.
        pose: of its camera in the world (z up).
        floor: height of the floor, metres, world frame; None: only ``heights`` are worked out.
        ceiling: height of the ceiling where it is known.

    Returns:
        None where the image has next to no depth.
    """
    rays = _read(pointmap, pose)
    known = np.flatnonzero(np.isfinite(rays.distance))
    if len(known) < 10 * _LEAST:
        return None
    order = known[np.argsort(rays.bearing[known] + rays.distance[known] * (0.99 / _FARTHEST))]
    origin = np.array(pose.translation[:2])
    near = known[rays.distance[known] < 0.6 * _FARTHEST]
    none, flat = np.empty(0), np.empty((0, 2))
    levels = rays.points[near, 2], rays.points[near, :2]
    if floor is None:
        return WallScan(origin, flat, none, flat, none, flat, none, *levels)
    height = rays.points[:, 2] - floor
    top = _HIGHEST if ceiling is None else ceiling - floor - _BELOW_CEILING
    with np.errstate(invalid="ignore"):
        upright = (height > _FLOOR + _FLOOR_SLOPE * rays.distance) & (height < top)
    bins = int(rays.bearing.max()) + 1
    open_to = _farthest(rays, order, bins)
    standing = order[upright[order]]
    places, weights, tops = _surfaces(rays, standing, bins)
    doubted = _blind_above(rays, tops, floor, pose.translation[2], places, origin)
    distance = np.hypot(*(places - origin).T)
    seen = np.isfinite(distance)
    reach = np.where(seen, np.fmax(distance, open_to), open_to)
    # A surface that the bearing is open beyond ends nothing.
    seen &= ~doubted & ~(open_to > distance + 0.3)
    turns = _turns(places, seen, distance)
    angles = rays.start + (np.arange(bins) + 0.5) * _BEARING
    looked = np.isfinite(reach)
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    shared = _shared(rays, standing, bins) * pointmap.correlated
    return WallScan(
        origin, directions[looked], _before(reach, distance, seen, turns, directions)[looked],
        places[seen], weights[seen], turns[seen], shared[seen], *levels,
    )  # fmt: skip


def _read(pointmap: PointMap, pose: Pose) -> _Rays:
    """Thin out the pixels and sort their bearings relative to where the camera looks."""
    camera = pointmap.camera
    step = max(1, round(min(camera.fx, camera.fy) * _ANGLE))
    grid = slice(step // 2, None, step)
    depth = pointmap.depth_at(grid, grid)
    sigma = pointmap.sigma_at(grid, grid).reshape(-1).astype(np.float64)
    rays = camera.lift(np.ones_like(depth), grid, grid).reshape(-1, 3) @ pose.rotation.T
    flat = depth.reshape(-1).astype(np.float64)
    level = np.hypot(rays[:, 0], rays[:, 1])
    with np.errstate(invalid="ignore", divide="ignore"):
        rise = rays[:, 2] / level
        use = (flat * level < _FARTHEST) & (sigma < _WORST)
    flat[~use] = np.nan
    heading = pose.rotation[:2, 2]
    if np.hypot(*heading) < 0.1:  # it looks straight down or up: the image's top is ahead
        heading = -pose.rotation[:2, 1]
    middle = math.atan2(heading[1], heading[0])
    c, s = math.cos(middle), math.sin(middle)
    offset = np.arctan2(c * rays[:, 1] - s * rays[:, 0], c * rays[:, 0] + s * rays[:, 1])
    offset[~np.isfinite(offset)] = 0.0  # no ray, and so no depth
    lowest = float(offset.min())
    bearing = ((offset - lowest) / _BEARING).astype(np.int64)
    points = rays * flat[:, None] + pose.translation
    return _Rays(bearing, rise, points, level * flat, sigma, middle + lowest)


def _farthest(rays: _Rays, order: Indices, bins: int) -> Array:
    """Return the distance in each bearing of the farthest pixels but a few stray ones; [bins], NaN.

    Args:
        rays: all that are read.
        order: those that count, by bearing and distance.
        bins: number of bearings.
    """
    counts = np.bincount(rays.bearing[order], minlength=bins)
    ends = np.cumsum(counts) - 1
    back = np.maximum((_STRAY * counts).astype(np.int64), np.minimum(2, counts - 1))
    enough = counts >= _LEAST
    found = np.full(bins, np.nan)
    found[enough] = rays.distance[order[(ends - back)[enough]]]
    return found


def _surfaces(rays: _Rays, upright: Indices, bins: int) -> tuple[Array, Array, Array]:
    """Return place [bins, 2], weight [bins] and top [bins] of the farthest upright surfaces.

    NaN where a bearing has none. A surface is what lies within noise and slant of the farthest
    points; it must go over some height, as table tops and shelves do not.
    """
    nearness = _farthest(rays, upright, bins)
    bearing, distance = rays.bearing[upright], rays.distance[upright]
    spread = 0.05 + 2.5 * rays.sigma[upright] + _BEARING * distance
    points = rays.points[upright]
    on = np.abs(distance - nearness[bearing]) < spread
    for _ in range(2):  # the first centre is at the far end of the noise
        counts = np.bincount(bearing[on], minlength=bins)
        total = np.bincount(bearing[on], distance[on], minlength=bins)
        with np.errstate(invalid="ignore", divide="ignore"):
            middle = total / counts
            on = np.abs(distance - middle[bearing]) < spread
    counts = np.bincount(bearing[on], minlength=bins)
    places = np.full((bins, 2), np.nan)
    low, high = np.full(bins, np.inf), np.full(bins, -np.inf)
    np.minimum.at(low, bearing[on], points[on, 2])
    np.maximum.at(high, bearing[on], points[on, 2])
    good = (counts >= _LEAST) & (high - low >= _SPAN)
    for axis in range(2):
        sums = np.bincount(bearing[on], points[on, axis], minlength=bins)
        places[good, axis] = sums[good] / counts[good]
    return places, np.minimum(1.0, counts / 10), high


def _shared(rays: _Rays, upright: Indices, bins: int) -> Array:
    """Return the mean standard deviation of a bearing's upright points, metres; [bins]."""
    counts = np.bincount(rays.bearing[upright], minlength=bins)
    sums = np.bincount(rays.bearing[upright], rays.sigma[upright], minlength=bins)
    return np.asarray(sums / np.maximum(counts, 1))


def _blind_above(
    rays: _Rays, tops: Array, floor: float, camera: float, places: Array, origin: Array
) -> Flags:
    """Whether a surface is low and has no depth above it: what is beyond may be out of range."""
    distance = np.hypot(*(places - origin).T)
    with np.errstate(invalid="ignore"):
        slope = (tops - camera) / distance
        above = rays.rise > slope[rays.bearing] + 0.03
    blind = above & ~np.isfinite(rays.distance)
    bins = len(tops)
    share = np.bincount(rays.bearing[blind], minlength=bins)
    whole = np.bincount(rays.bearing, minlength=bins)
    return np.asarray((tops - floor < _LOW) & (share > _BLIND * np.maximum(whole, 1)))


def _turns(places: Array, seen: Flags, distance: Array) -> Array:
    """Return twice the angle of each surface as (cosine, sine) [bins, 2], (0, 0) if unclear."""
    bins = len(places)
    steps = np.arange(-_NEIGHBOURS, _NEIGHBOURS + 1)
    index = np.arange(bins)[:, None] + steps
    inside = (index >= 0) & (index < bins)
    index = np.clip(index, 0, bins - 1)
    apart = places[index] - places[:, None]
    with np.errstate(invalid="ignore"):
        # At a slant of 75 degrees neighbours are four times as far apart as they are across.
        most = 0.05 + 4 * np.abs(steps) * _BEARING * distance[:, None]
        use = inside & seen[index] & seen[:, None] & (np.hypot(*np.moveaxis(apart, -1, 0)) < most)
    count = use.sum(axis=1)
    offsets = np.where(use[..., None], apart, 0.0)
    mean = offsets.sum(axis=1) / np.maximum(count, 1)[:, None]
    x, y = np.moveaxis(np.where(use[..., None], offsets - mean[:, None], 0.0), -1, 0)
    xx, yy, xy = ((a * b).sum(axis=1) / np.maximum(count, 1) for a, b in ((x, x), (y, y), (x, y)))
    swing = np.hypot(xx - yy, 2 * xy)
    least = (xx + yy - swing) / 2
    good = (count >= 4) & (least < (_STRAIGHT + 0.004 * np.nan_to_num(distance)) ** 2)
    good &= swing > 8 * np.abs(least)
    turns = np.stack([xx - yy, 2 * xy], axis=1) / np.maximum(swing, 1e-12)[:, None]
    return np.where(good[:, None], turns, 0.0)


def _before(reach: Array, distance: Array, seen: Flags, turns: Array, directions: Array) -> Array:
    """Return how far each bearing is open: up to 15 cm, across, before the surface that ends it."""
    # cos(2 (a - b)) of surface and bearing gives the sine of the angle between them.
    c, s = directions[:, 0] ** 2 - directions[:, 1] ** 2, 2 * directions[:, 0] * directions[:, 1]
    double = turns[:, 0] * c + turns[:, 1] * s
    clear = np.hypot(turns[:, 0], turns[:, 1]) > 0.5
    slant = np.where(clear, np.sqrt(np.clip((1 - double) / 2, 0.02, 1.0)), 0.5)
    ended = seen & (np.nan_to_num(distance) >= np.nan_to_num(reach) - 0.3)
    return np.where(ended, distance - 0.15 / slant, reach - 0.2)
