# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Distances on and between objects, each with its standard deviation and its two end points.

How the standard deviation is made up: a point errs along its viewing ray. Of the depth noise, the
part that neighbouring pixels share (``PointMap.correlated``) stays whatever number of points is
averaged; only the rest shrinks with their number. Both end points are projected onto the line
between them and added as independent; the width of a cell of the surface grid and, for completed
objects, the uncertainty of the unseen part come on top.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.geometry.completion import Completed, estimate_centre
from spatialgeo_ros.geometry.pointmap import DepthSource
from spatialgeo_ros.geometry.pose import level_frame
from spatialgeo_ros.geometry.segmentation import ObjectPoints
from spatialgeo_ros.geometry.sizes import TYPICAL_SIZES, Size
from spatialgeo_ros.geometry.surfels import denoised_pixels

Point = NDArray[np.float64]

#: An estimate whose standard deviation exceeds this share of it says nothing.
_MOST_RELATIVE_SIGMA = 0.5
_LEAST_SIGMA_LIMIT = 0.15  # metres: short distances may be relatively uncertain
_CLOSE_UP = 150  # pixels of each surface that are looked at for the nearest points
_SKIPPED = 1  # nearest pixels passed over as possible outliers
_OUTLINE_SHARE = 0.01  # of a nearest distance: standard deviation from the outlines found
_CUT_SHARE = 0.03  # the same where a part of an object is out of sight


class Kind(IntEnum):
    """What is measured; values equal the KIND_ constants of ``msg/DistanceEstimate.msg``."""

    CAMERA_TO_OBJECT = 0
    CENTRE_TO_CENTRE = 1
    NEAREST_POINTS = 2
    HORIZONTAL = 3
    VERTICAL = 4
    WIDTH = 5
    HEIGHT = 6
    DEPTH_EXTENT = 7


PAIR_KINDS = frozenset((Kind.CENTRE_TO_CENTRE, Kind.NEAREST_POINTS, Kind.HORIZONTAL, Kind.VERTICAL))
_NEEDS_GRAVITY = frozenset(
    (Kind.HORIZONTAL, Kind.VERTICAL, Kind.WIDTH, Kind.HEIGHT, Kind.DEPTH_EXTENT)
)


def requested_kinds(values: Iterable[int], has_second: bool) -> tuple[Kind, ...]:
    """Check what is to be measured.

    Args:
        values: of :class:`Kind`; none for the usual one: camera to object, or nearest points.
        has_second: whether a second object is given.

    Raises:
        BadRequestError: an unknown kind, or one between two objects without a second.
    """
    try:
        kinds = tuple(Kind(value) for value in values)
    except ValueError as error:
        raise BadRequestError(f"{error}; use a KIND_ constant of DistanceEstimate") from None
    lacking = [kind.name for kind in kinds if kind in PAIR_KINDS and not has_second]
    if lacking:
        raise BadRequestError(
            f"{', '.join(lacking)} needs a second object (to_region in a request)"
        )
    return kinds or (Kind.NEAREST_POINTS if has_second else Kind.CAMERA_TO_OBJECT,)


@dataclass(frozen=True, eq=False)
class DistanceEstimate:
    """One measured distance.

    Attributes:
        kind: what was measured.
        from_label, to_label: the objects; ``"camera"`` for the camera, ``""`` for the second
            object of a one-object kind.
        distance: metres, NaN when invalid.
        sigma: one standard deviation, metres, NaN when invalid.
        point_from, point_to: [3] the end points in the camera optical frame, metres.
        source: where the metres come from (``"language"`` for the language model's own number).
        valid: whether the number can be used.
        reason: why not, or what a valid number assumes; "" when there is nothing to say.
    """

    kind: Kind
    from_label: str
    to_label: str
    distance: float
    sigma: float
    point_from: Point
    point_to: Point
    source: DepthSource | str
    valid: bool
    reason: str = ""


def measure(
    kind: Kind,
    a: ObjectPoints,
    b: ObjectPoints | None = None,
    gravity: ArrayLike | None = None,
    sizes: Mapping[str, Size] | None = None,
) -> DistanceEstimate:
    """Measure one distance.

    CAMERA_TO_OBJECT: from the camera to the nearest visible surface of ``a``. NEAREST_POINTS:
    between the visible surfaces of both. CENTRE_TO_CENTRE, HORIZONTAL (in the ground plane) and
    VERTICAL (difference of height): between the centres of the whole objects, unseen halves
    estimated. WIDTH, HEIGHT, DEPTH_EXTENT: of the whole object; width is the longer horizontal
    side, depth the shorter.

    Args:
        kind: what to measure.
        a: the object.
        b: the other object, for the kinds of :data:`PAIR_KINDS`.
        gravity: direction of falling [3] in the optical frame; default: what ``a`` was segmented
            with. Without it the image's vertical is taken, and ``reason`` says so.
        sizes: usual (width, depth, height) in metres by kind of object, found by the words of a
            label; default :data:`TYPICAL_SIZES`, an empty mapping for none.

    Raises:
        BadRequestError: an unknown kind, or a pair kind without a second object.
    """
    (kind,) = requested_kinds((kind,), b is not None)
    known = a.gravity if gravity is None else np.asarray(gravity, np.float64)
    notes = []
    if known is None and kind in _NEEDS_GRAVITY:
        notes.append("gravity unknown, measured along the image's axes")
    sizes = TYPICAL_SIZES if sizes is None else sizes
    if kind is Kind.CAMERA_TO_OBJECT:
        distance, sigma, start, end = _from_camera(a)
        return _estimate(kind, "camera", a.label, distance, sigma, start, end, a.source, notes)
    if kind is Kind.NEAREST_POINTS and b is not None:
        distance, sigma, start, end = _nearest(a, b)
        notes += _cut_notes(a, b)
        return _estimate(
            kind, a.label, b.label, distance, sigma, start, end, _worse(a.source, b.source), notes
        )
    notes += _cut_notes(a) if b is None else _cut_notes(a, b)
    first = estimate_centre(a, known, None, sizes)
    if kind in PAIR_KINDS and b is not None:
        second = estimate_centre(b, known, None, sizes)
        distance, sigma, start, end = _between_centres(kind, first, second, known)
        return _estimate(
            kind, a.label, b.label, distance, sigma, start, end, _worse(a.source, b.source), notes
        )
    axis = {Kind.WIDTH: 0, Kind.HEIGHT: 1, Kind.DEPTH_EXTENT: 2}[kind]
    half = 0.5 * first.extents[axis] * first.rotation[:, axis]
    return _estimate(
        kind,
        a.label,
        "",
        first.extents[axis],
        first.extent_sigma[axis],
        first.centre - half,
        first.centre + half,
        a.source,
        notes,
    )


def widened(estimate: DistanceEstimate, sigma: float) -> DistanceEstimate:
    """Add an independent standard deviation, metres, to an estimate; too much invalidates it."""
    notes = [estimate.reason] if estimate.reason else []
    return _estimate(
        estimate.kind,
        estimate.from_label,
        estimate.to_label,
        estimate.distance,
        float(np.hypot(estimate.sigma, sigma)),
        estimate.point_from,
        estimate.point_to,
        estimate.source,
        notes,
    )


def _estimate(
    kind: Kind,
    from_label: str,
    to_label: str,
    distance: float,
    sigma: float,
    start: Point,
    end: Point,
    source: DepthSource | str,
    notes: list[str],
) -> DistanceEstimate:
    limit = max(_MOST_RELATIVE_SIGMA * distance, _LEAST_SIGMA_LIMIT)
    if not (np.isfinite(distance) and np.isfinite(sigma)) or sigma > limit:
        reason = f"too uncertain: {distance:.2f} m +- {sigma:.2f} m"
        notes = [*notes, reason]
        return DistanceEstimate(
            kind, from_label, to_label, np.nan, np.nan, start, end, source, False, "; ".join(notes)
        )
    return DistanceEstimate(
        kind,
        from_label,
        to_label,
        float(distance),
        float(sigma),
        np.asarray(start, np.float64),
        np.asarray(end, np.float64),
        source,
        True,
        "; ".join(notes),
    )


def _cut_notes(*objects: ObjectPoints) -> list[str]:
    names = [f"'{o.label}'" if o.label else "object" for o in objects if o.truncated]
    return [f"{name} is cut by the image border" for name in names]


def _worse(a: DepthSource, b: DepthSource) -> DepthSource:
    order = (DepthSource.SENSOR, DepthSource.MONOCULAR_ALIGNED, DepthSource.MONOCULAR)
    return max(a, b, key=order.index)


def _level(gravity: ArrayLike | None) -> NDArray[np.float64]:
    return np.eye(3) if gravity is None else level_frame(gravity)


def _from_camera(a: ObjectPoints) -> tuple[float, float, Point, Point]:
    surface = a.surface.astype(np.float64)
    ranges = np.linalg.norm(surface, axis=1)
    end = int(np.argmin(ranges))
    stretch = ranges[end] / surface[end, 2]
    sigma = np.hypot(a.surface_sigma[end] * stretch, 0.5 * a.cell_size(surface[end, 2]))
    return float(ranges[end]), float(sigma), np.zeros(3), surface[end]


def _nearest(a: ObjectPoints, b: ObjectPoints) -> tuple[float, float, Point, Point]:
    """Distance between two visible surfaces.

    Outliers do not count: every surface point is a plane through at least six pixels, and of the
    pixels looked at in the end the nearest one of each surface is passed over.
    """
    first, second = _facing(a.surface, b.surface)
    pa, pb = a.surface[first].astype(np.float64), b.surface[second].astype(np.float64)
    i, j = _nearest_pair(pa, pb, 0)
    start, end = pa[i], pb[j]
    # A surface point is the middle of a square of pixels: look at the pixels near the two
    # themselves, each with the noise taken out.
    close = [_close_up(a, end), _close_up(b, start)]
    if min(len(points) for points in close) > _SKIPPED:
        k, n = _nearest_pair(close[0], close[1], _SKIPPED)
        start, end = close[0][k], close[1][n]
    distance = float(np.linalg.norm(end - start))
    along = (end - start) / max(distance, 1e-6)
    variance = 0.0
    for point, noise, thing in (
        (start, a.surface_sigma[first[i]], a),
        (end, b.surface_sigma[second[j]], b),
    ):
        ray = point / point[2]  # a depth error of 1 moves the point by this
        variance += (noise * (ray @ along)) ** 2 + (0.7 * thing.cell_size(point[2])) ** 2
    # Which of the surfaces in the regions are the objects' own is not certain either.
    share = _CUT_SHARE if any(a.cut) or any(b.cut) else _OUTLINE_SHARE
    return distance, float(np.hypot(np.sqrt(variance), share * distance)), start, end


def _close_up(thing: ObjectPoints, towards: Point) -> Point:
    """The pixels of an object that are nearest to a place, denoised, [K, 3]."""
    apart = thing.points - towards.astype(np.float32)
    squared = (apart * apart).sum(axis=1)
    count = min(_CLOSE_UP, len(squared))
    pick = np.argpartition(squared, count - 1)[:count]
    x0, y0, x1, y1 = thing.box
    part = thing.mask[y0 : y1 + 1, x0 : x1 + 1]
    points = denoised_pixels(part, thing.points, thing.sigma, pick, reach=3)
    return points if thing.floor is None else points[~thing.floor.below(points)]


def _nearest_pair(a: Point, b: Point, skip: int) -> tuple[int, int]:
    """Indices of the nearest pair, the ``skip`` nearest points of each cloud passed over."""
    squared = _squared(a, b)
    keep = np.argpartition(squared.min(axis=0), skip)[skip:]
    squared = squared[:, keep]
    i = int(np.argpartition(squared.min(axis=1), skip)[skip])
    return i, int(keep[np.argmin(squared[i])])


def _squared(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum((a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)[None] - 2 * a @ b.T, 0.0)


def _facing(
    a: NDArray[np.float32], b: NDArray[np.float32], most: int = 400
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of the points of each surface that can be among the nearest to the other."""
    chosen_a, chosen_b = np.arange(len(a)), np.arange(len(b))
    thin_a = a[:: max(1, len(a) // 250)].astype(np.float64)
    thin_b = b[:: max(1, len(b) // 250)].astype(np.float64)
    if len(a) > most:
        chosen_a = np.argpartition(_squared(a.astype(np.float64), thin_b).min(axis=1), most)[:most]
    if len(b) > most:
        chosen_b = np.argpartition(_squared(b.astype(np.float64), thin_a).min(axis=1), most)[:most]
    return chosen_a, chosen_b


def _between_centres(
    kind: Kind, a: Completed, b: Completed, gravity: ArrayLike | None
) -> tuple[float, float, Point, Point]:
    start, end = a.centre, b.centre
    down = _level(gravity)[1]
    offset = end - start
    if kind is Kind.VERTICAL:
        end = start + (offset @ down) * down
    elif kind is Kind.HORIZONTAL:
        end = end - (offset @ down) * down
    distance = float(np.linalg.norm(end - start))
    # In the direction measured; a zero distance has none, then any direction will do.
    along = (end - start) / distance if distance > 1e-9 else down
    variance = along @ (a.covariance + b.covariance) @ along
    return distance, float(np.sqrt(variance)), start, end
