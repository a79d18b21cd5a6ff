# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The nearest points of two visible surfaces, and of one to the camera.

Wrong pixels are found at outlines, where the nearest points are, too. So no single pixel decides:
points are planes through at least six pixels, and a small share of each surface's nearest ones is
passed over.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.geometry.object_pixels import MASK_RIM
from spatialgeo_ros.geometry.object_points import ObjectPoints
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.geometry.shared_pixels import shared_pixels
from spatialgeo_ros.geometry.small_arrays import solved, squared_distances
from spatialgeo_ros.geometry.surfels import denoised_pixels

Point = NDArray[np.float64]

_THINNED = 128  # points of one surface that the other's candidates are looked for with
_CANDIDATES = 256  # points of each surface that are compared with each other
_SURFELS_SKIPPED = 0.001  # share of a surface's points that may be strays nearest to the other
_EDGE = 0.01  # the same share to see how far apart the surfaces are just behind their edges
_LOOKS, _GAIN = 4, 0.05  # close-ups of large things, while each lessens the gap by this share
_CLOSE_UP = 80  # pixels of each surface that are looked at in the end
_PIXELS_SKIPPED = 0.007  # share of those that may be wrong
_LEAST_TURN = 0.2  # of inverse depth, that is left at least where a steep surface goes on
_AROUND = 6  # pixels beyond two cells of the surface that a close-up reaches
_SLOPE = 0.01  # change of depth from pixel to pixel, as a share, of a steep surface
_FIRST_FIT, _LEAST_FIT = 4, 10  # pixels around a place, and how many, that tell its plane
_STIFF = np.diag([0.0, 0.5, 0.5])  # keeps the slopes of a plane through few pixels small
_PLANE = 0.01  # of inverse depth that a steep surface may be off its plane beside noise
_OWN = 0.03  # share of the depth within which pixels are on the same surface at all
_TYPICAL = 0.05  # share of each surface that is passed over to see how far apart they usually are
_PROTRUDES = 0.15  # of the smaller object's size: how much nearer its nearest points usually are
_APART = 0.6  # the same from which they are strays, on things that are small,
_COMPACT = 0.5  # metres,
_OWN_APART = 0.33  # if one of the two is so far behind them of its own size
_LEAST_POSSIBLE = 3  # cells that nothing explains, and that may be of an object,
_NEAR_OBJECT, _NEAR_SHARE = 0.3, 0.5  # within so many metres of it, and so much of its size
_MEAN_POINTS = 600  # of each surface that a mean over nearest points is taken of
_CAMERA_SKIPPED = 0.002  # share of a surface's points that may be strays nearest to the camera
#: Rows and columns [K, 2] from a pixel of a rim to those that it may be beside, the nearest first.
_AROUND_RIM = np.array(
    sorted(
        product(range(-MASK_RIM, MASK_RIM + 1), repeat=2),
        key=lambda step: step[0] ** 2 + step[1] ** 2,
    )
)


@dataclass(frozen=True, eq=False)
class End:
    """One end of a distance.

    Attributes:
        point: [3] metres, optical frame.
        sigma: standard deviation of its z by the sensor's noise, metres.
    """

    point: Point
    sigma: float


@dataclass(frozen=True, eq=False)
class Gap:
    """The nearest points of two objects.

    Attributes:
        start: on the first object.
        end: on the second.
        lone: by how much the rest of the surfaces is farther apart than things of their size
            usually show, metres: the nearest points may be strays, or the nearest parts unread.
        ahead: by how much a twentieth of each surface that is nearest to the other is nearer than
            the rest, metres.
        edge: the same of one in a hundred: how far apart the surfaces' outermost points are.
        shared: side of a square as large as what both were found to hold, metres.
    """

    start: End
    end: End
    lone: float
    ahead: float = 0.0
    edge: float = 0.0
    shared: float = 0.0


class _Nearest(NamedTuple):
    """Of two surfaces the indices of their nearest points, and metres that tell how sure these are.

    Attributes:
        i, j: of the first and of the second.
        ahead: by how much the very nearest are nearer than the usual distance.
        typical: that: of the nearest without a twentieth of each surface.
        next: distance of the nearest without one in a hundred.
        strays: the very nearest are taken for strays, and not these.
    """

    i: int
    j: int
    ahead: float
    typical: float
    next: float
    strays: bool


def nearest_to_camera(thing: ObjectPoints) -> End:
    """Point of a surface that is nearest to the camera."""
    squared = (thing.surface * thing.surface).sum(axis=1)
    skip = int(_CAMERA_SKIPPED * len(squared) + 0.5)
    k = int(np.argpartition(squared, skip)[skip])
    return End(thing.surface[k].astype(np.float64), float(thing.surface_sigma[k]))


def mean_nearest_distance(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Mean distance from points [N, 3] and [M, 3] to the other set's nearest, metres.

    The Chamfer mean: the mean of both directions. It is what SpatialRGPT's data calls the distance
    of two things; between long things side by side it is little more than their gap, between
    things of unlike size much more.
    """
    first, second = (
        points[:: max(1, len(points) // _MEAN_POINTS)].astype(np.float64) for points in (a, b)
    )
    squared = ((first[:, None] - second[None]) ** 2).sum(axis=2)
    return float(np.sqrt(squared.min(axis=1)).mean() + np.sqrt(squared.min(axis=0)).mean()) / 2


def nearest_ends(a: ObjectPoints, b: ObjectPoints, a_from_b: Pose | None = None) -> Gap:
    """Nearest points of two surfaces, in the view of ``a``.

    Args:
        a: an object.
        b: the other, in its own view.
        a_from_b: of the view of ``b``, where that is another one. What pixels tell beside points
            they tell of one image alone: between two views surfaces decide.
    """
    size = min(a.size, b.size)
    if a_from_b is not None:
        moved = np.asarray(a_from_b.apply(b.surface), np.float32)
        found = _nearest_of_surfaces(a.surface, moved, (a.size, b.size))
        start = End(a.surface[found.i].astype(np.float64), float(a.surface_sigma[found.i]))
        end = End(moved[found.j].astype(np.float64), float(b.surface_sigma[found.j]))
        return _gap(start, end, found, found.ahead, size)
    lost_a, lost_b, shared = shared_pixels(a, b)
    surface_a, sigma_a = _surface(a, lost_a)
    surface_b, sigma_b = _surface(b, lost_b)
    found = _nearest_of_surfaces(surface_a, surface_b, (a.size, b.size))
    start, end = surface_a[found.i].astype(np.float64), surface_b[found.j].astype(np.float64)
    apart = float(np.linalg.norm(end - start))
    noise = float(sigma_a[found.i]), float(sigma_b[found.j])
    # A surface point is the middle of a square of pixels: look at the pixels near the two
    # themselves, each with the noise taken out. Along the edge of a large and steep surface the
    # nearest may be some squares away: look again around what was found.
    least = np.inf
    for _ in range(_LOOKS if size > _COMPACT else 1):
        near_a, near_b = _close_up(a, start, end, lost_a), _close_up(b, end, start, lost_b)
        if not len(near_a) or not len(near_b):
            break
        i, j = _nearest_pair(near_a, near_b, _PIXELS_SKIPPED)
        length = float(np.linalg.norm(near_b[j] - near_a[i]))
        if length > (1 - _GAIN) * least:
            break
        start, end, least = near_a[i], near_b[j], length
    ahead = found.ahead
    if found.strays:  # what they are nearer by than what was found instead of them
        ahead -= max(apart - least, 0.0)
    gap = _gap(End(start, noise[0]), End(end, noise[1]), found, ahead, size)
    return replace(gap, shared=shared)


def _gap(start: End, end: End, found: _Nearest, ahead: float, size: float) -> Gap:
    apart = float(np.linalg.norm(end.point - start.point))
    lone = max(ahead - _PROTRUDES * size, 0.0)
    return Gap(start, end, lone, max(found.typical - apart, 0.0), max(found.next - apart, 0.0))


def _nearest_of_surfaces(
    a: NDArray[np.float32], b: NDArray[np.float32], sizes: tuple[float, float]
) -> _Nearest:
    """The nearest pair of two surfaces.

    Args:
        a: surface of one.
        b: surface of the other, in the same frame.
        sizes: of both things; where one is small the nearest points may be strays.
    """
    i, j, following = _nearest_surfels(a, b)
    nearest = float(np.linalg.norm(b[j].astype(np.float64) - a[i].astype(np.float64)))
    step_a, step_b = (max(1, len(surface) // _THINNED) for surface in (a, b))
    middle = a.mean(axis=0)  # keeps single precision good to a tenth of a millimetre
    squared = _squared(a[::step_a] - middle, b[::step_b] - middle)
    k, n = _pair_of(squared, _TYPICAL)
    k, n = k * step_a, n * step_b
    typical = float(np.linalg.norm(a[k] - b[n]))
    ahead = typical - nearest
    strays = _strays(squared, sizes, nearest, ahead)
    if strays:
        i, j = k, n
    return _Nearest(i, j, ahead, typical, following, strays)


def _strays(
    squared: NDArray[np.floating], sizes: tuple[float, float], nearest: float, ahead: float
) -> bool:
    """Tell whether what is so much nearer than the rest of two things is none of them.

    The corner of a large thing is ahead by more than a small one beside it is wide: one of both has
    to be behind by its own size, too.

    Args:
        squared: [N, M] squared distances of some points of both.
        sizes: of both, metres.
        nearest: distance of the very nearest, metres.
        ahead: by how much these are nearer than without a twentieth of each.
    """
    smaller = min(sizes)
    if smaller >= _COMPACT or ahead <= _APART * smaller:
        return False
    for size, apart in zip(sizes, (squared.min(axis=1), squared.min(axis=0)), strict=True):
        skip = _skipped(_TYPICAL, len(apart))
        if float(np.sqrt(np.partition(apart, skip)[skip])) - nearest > _OWN_APART * size:
            return True
    return False


def unread_gap(
    a: ObjectPoints, b: ObjectPoints, start: Point, end: Point, a_from_b: Pose | None = None
) -> float:
    """By how much the distance would be less where the objects go on without a reading, metres."""
    distance = nearer = float(np.linalg.norm(end - start))
    beyond = b.beyond if a_from_b is None else a_from_b.apply(b.beyond)
    for unread, other in ((a.beyond, end), (beyond, start)):
        if len(unread):
            apart = unread - other.astype(np.float32)
            nearer = min(nearer, float(np.sqrt((apart * apart).sum(axis=1).min())))
    return distance - nearer


def possible_gap(
    a: ObjectPoints, b: ObjectPoints, start: Point, end: Point, a_from_b: Pose | None = None
) -> float:
    """By how much the distance would be less if what is unexplained were the objects', metres.

    What a region holds near its object, and nothing explains, may be the object's. Not so what is
    nearer to the other object, or one of its pixels. As strays do, the nearest few do not count.

    Args:
        a: an object.
        b: the other, in its own view.
        start: [3] the nearest point of the first, metres, in the view of ``a``.
        end: [3] of the second, in the same view.
        a_from_b: of the view of ``b``, where that is another one.
    """
    distance = nearer = float(np.linalg.norm(end - start))
    for one, other, place in ((a, b, end), (b, a, start)):
        points = one.evidence.possible
        if len(points) and a_from_b is None:
            points = points[~_on(other.mask, other, points)]
        if len(points) < _LEAST_POSSIBLE:
            continue
        points, own, others = (
            _seen_from_a(those, thing is b, a_from_b)
            for those, thing in ((points, one), (one.surface, one), (other.surface, other))
        )
        to_place = np.linalg.norm(points - place.astype(np.float32), axis=1)
        apart = np.minimum(_from(points, others), to_place)
        near = apart < nearer
        if np.count_nonzero(near) < _LEAST_POSSIBLE:
            continue
        away, apart = _from(points[near], own), apart[near]
        reach = min(_NEAR_OBJECT, _NEAR_SHARE * one.size)
        apart = np.sort(apart[(away < reach) & (away < apart)])
        if len(apart) >= _LEAST_POSSIBLE:
            nearer = float(apart[_LEAST_POSSIBLE - 1])
    return distance - nearer


def _seen_from_a(
    points: NDArray[np.float32], of_b: bool, a_from_b: Pose | None
) -> NDArray[np.float32]:
    """Points [N, 3] in the view of the first object."""
    if a_from_b is None or not of_b:
        return points
    return np.asarray(a_from_b.apply(points), np.float32)


def _from(points: NDArray[np.float32], surface: NDArray[np.float32]) -> NDArray[np.float32]:
    """Distance [N] of points [N, 3] from a surface, metres, from some of its points."""
    middle = surface[0]  # keeps single precision good to a tenth of a millimetre
    some = surface[:: max(1, len(surface) // _CANDIDATES)] - middle
    return np.asarray(np.sqrt(_squared(points - middle, some).min(axis=1)))


def _on(
    pixels: NDArray[np.bool_], thing: ObjectPoints, points: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Which points [N, 3] of an object's view are on some pixels [H, W], [N] bool."""
    height, width = pixels.shape
    u, v = np.rint(thing.camera.project(points)).astype(np.int64).T
    return np.asarray(pixels[np.clip(v, 0, height - 1), np.clip(u, 0, width - 1)])


def _surface(
    thing: ObjectPoints, lost: NDArray[np.bool_] | None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Surface points and their sigma, without those on lost pixels."""
    if lost is None:
        return thing.surface, thing.surface_sigma
    around = np.ones((2 * thing.cell_pixels + 1, 2 * thing.cell_pixels + 1), np.uint8)
    near = cv2.dilate(lost.view(np.uint8), around).view(bool)
    kept = ~_on(near & (lost | ~thing.mask), thing, thing.surface)
    if not kept.any():
        return thing.surface, thing.surface_sigma
    return thing.surface[kept], thing.surface_sigma[kept]


def _nearest_surfels(a: NDArray[np.float32], b: NDArray[np.float32]) -> tuple[int, int, float]:
    """Indices of the nearest pair, and the distance without one in a hundred of each, metres."""
    middle = a.mean(axis=0)  # keeps single precision good to a tenth of a millimetre
    a, b = a - middle, b - middle
    few_a, few_b = a[:: max(1, len(a) // _THINNED)], b[:: max(1, len(b) // _THINNED)]
    chosen_a, chosen_b = _nearer(a, few_b), _nearer(b, few_a)
    share = max(len(a) / len(chosen_a), len(b) / len(chosen_b))
    squared = _squared(a[chosen_a], b[chosen_b])
    i, j = _pair_of(squared, _SURFELS_SKIPPED * share)
    k, n = _pair_of(squared, _EDGE * share)
    return int(chosen_a[i]), int(chosen_b[j]), float(np.sqrt(squared[k, n]))


def _nearer(a: NDArray[np.float32], few: NDArray[np.float32]) -> NDArray[np.intp]:
    """Indices of the points that may be among the nearest to the other surface."""
    if len(a) <= _CANDIDATES:
        return np.arange(len(a))
    return np.argpartition(_squared(few, a).min(axis=0), _CANDIDATES)[:_CANDIDATES]


def _nearest_pair(
    a: NDArray[np.floating], b: NDArray[np.floating], share: float
) -> tuple[int, int]:
    """Indices of the nearest pair; a share of each cloud's nearest points is passed over."""
    return _pair_of(_squared(a, b), share)


def _pair_of(squared: NDArray[np.floating], share: float) -> tuple[int, int]:
    """The same, of the squared distances [N, M] of two clouds."""
    count = squared.shape[1]
    skip = _skipped(share, count)
    keep = np.argpartition(squared.min(axis=0), skip)[skip:]
    squared = squared[:, keep]
    skip = _skipped(share, len(squared))
    i = int(np.argpartition(squared.min(axis=1), skip)[skip])
    return i, int(keep[np.argmin(squared[i])])


def _skipped(share: float, count: int) -> int:
    """How many of some points are passed over: a share, and never all."""
    return min(int(share * count + 0.5), count - 1)


def _squared(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.floating]:
    out = squared_distances(a, b)
    return np.maximum(out, 0, out=out)


def _close_up(
    thing: ObjectPoints, place: Point, towards: Point, lost: NDArray[np.bool_] | None
) -> Point:
    """The pixels around a place of an object that are nearest to another place, denoised, [K, 3].

    Those of its rim, which have no reading, are on the surface beside them. None where the place
    has too few pixels around it.
    """
    x0, y0, x1, y1 = thing.box
    (u, v) = thing.camera.project(place)[0]
    reach = 2 * thing.cell_pixels + _AROUND
    left, top = max(int(u) - reach, x0), max(int(v) - reach, y0)
    right, bottom = min(int(u) + reach + 1, x1 + 1), min(int(v) + reach + 1, y1 + 1)
    before = np.count_nonzero(thing.mask[y0:top, x0 : x1 + 1])
    rows, columns = np.nonzero(thing.mask[top:bottom, x0 : x1 + 1])
    use = (columns >= left - x0) & (columns < right - x0)
    if lost is not None:
        use &= ~lost[rows + top, columns + x0]
    within = np.flatnonzero(use)
    points, sigma = thing.points[before + within], thing.sigma[before + within]
    rows, columns = rows[within], columns[within] + x0 - left
    away = np.maximum(np.abs(rows + top - v), np.abs(columns + left - u))
    own = np.abs(points[:, 2] - place[2]) < (_OWN + _SLOPE * away) * place[2] + 4 * sigma
    slope = _steep(columns + left - u, rows + top - v, points[:, 2], sigma, own)
    own |= slope.any(axis=1)
    points, sigma, rows, columns = points[own], sigma[own], rows[own], columns[own]
    slope = slope[own]
    measured = len(points)
    if not measured:
        return np.zeros((0, 3))
    rim, beside = _rim_beside(thing.rim - (top, left), rows, columns, (bottom - top, right - left))
    if len(rim):
        (down, across), z, tilt = rim.T, points[beside, 2], slope[beside]
        turn = tilt[:, 0] * (across - columns[beside]) + tilt[:, 1] * (down - rows[beside])
        z = z / np.maximum(1 + z * turn, _LEAST_TURN)
        ends = np.stack([across + left, down + top], axis=1).astype(np.float64)
        more = np.asarray(thing.camera.unproject(ends, z), np.float32)
        points, sigma = np.concatenate([points, more]), np.append(sigma, sigma[beside])
        rows, columns = np.append(rows, down), np.append(columns, across)
        slope = np.concatenate([slope, tilt])
    apart = points - towards.astype(np.float32)
    squared = (apart * apart).sum(axis=1)
    count = min(_CLOSE_UP, len(squared))
    pick = np.argpartition(squared, count - 1)[:count]
    out = denoised_pixels(rows, columns, points, sigma, pick, 3, slope[pick], measured)
    return out if thing.floor is None else out[~thing.floor.below(out)]


def _rim_beside(
    rim: NDArray[np.int64],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    shape: tuple[int, int],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which pixels of a rim are beside some pixels, and which of these is nearest to each.

    Args:
        rim: [N, 2] row and column.
        rows: [M] of the pixels, below ``shape``.
        columns: [M] of them.
        shape: rows and columns that they are within.

    Returns:
        [K, 2] of the rim, and [K] index of the pixel beside each.
    """
    near = (rim >= -MASK_RIM) & (rim < np.array(shape) + MASK_RIM)
    rim = rim[near[:, 0] & near[:, 1]]
    frame = 2 * MASK_RIM
    index = np.full((shape[0] + 2 * frame, shape[1] + 2 * frame), -1)
    index[rows + frame, columns + frame] = np.arange(len(rows))
    around = index[tuple((rim[:, None] + _AROUND_RIM + frame).T)].T
    beside = around[np.arange(len(rim)), (around >= 0).argmax(axis=1)]
    found = beside >= 0
    return rim[found], beside[found]


def _steep(
    du: NDArray[np.floating],
    dv: NDArray[np.floating],
    z: NDArray[np.floating],
    sigma: NDArray[np.floating],
    own: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """The steep surface around a place, however much its depth changes over it.

    Inverse depth is linear over the image of a plane. It is fitted to what lies around the place
    at its depth, then twice to all that is found on it.

    Args:
        du: [N] columns from the place, pixels.
        dv: [N] rows from the place.
        z: [N] depth, metres.
        sigma: [N] its standard deviation.
        own: [N] bool, pixels at about the depth of the place.

    Returns:
        [N, 2] change of inverse depth from column to column and row to row of the plane that a
        pixel is on; zero for those on none, and for all where the surface is not steep.
    """
    q = 1.0 / z.astype(np.float64)
    limit = 3 * sigma * q**2 + _PLANE * q
    terms = np.stack([np.ones(len(q)), du, dv], axis=1)
    on = own & (np.maximum(np.abs(du), np.abs(dv)) <= _FIRST_FIT)
    for _ in range(3):
        if np.count_nonzero(on) < _LEAST_FIT:
            return np.zeros((len(q), 2))
        used = terms[on]
        plane = solved(used.T @ used + _STIFF, used.T @ q[on])
        if np.hypot(plane[1], plane[2]) < _SLOPE * plane[0]:
            return np.zeros((len(q), 2))
        on = np.abs(q - terms @ plane) < limit
    return np.where(on[:, None], plane[1:], 0.0)
