# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Distances on and between objects, each with its standard deviation and its two end points.

How the standard deviation is made up: :mod:`spatialgeo_ros.geometry.uncertainty`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.geometry.completion import Completed, estimate_centre
from spatialgeo_ros.geometry.nearest import nearest_ends, nearest_to_camera
from spatialgeo_ros.geometry.object_points import ObjectPoints
from spatialgeo_ros.geometry.pointmap import DepthSource
from spatialgeo_ros.geometry.pose import Pose, level_frame
from spatialgeo_ros.geometry.sizes import TYPICAL_SIZES, Size
from spatialgeo_ros.geometry.uncertainty import (
    GapEvidence,
    camera_sigma,
    centre_variance,
    gap_evidence,
    gap_sigma,
    shared_variance,
    tilt_sigma,
)

Point = NDArray[np.float64]

#: An estimate whose standard deviation exceeds this share of it says nothing.
_MOST_RELATIVE_SIGMA = 0.5
#: Of the difference between two readings of a region: both lie within two standard deviations.
_EITHER = 0.7
_TOLD = 0.1  # of a distance: what nothing explains must change so much of it to be told
_LEAST_SIGMA_LIMIT = 0.15  # metres: short distances may be relatively uncertain


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
    a_from_b: Pose | None = None,
) -> DistanceEstimate:
    """Measure one distance.

    CAMERA_TO_OBJECT: from the camera to the nearest visible surface of ``a``. NEAREST_POINTS:
    between the visible surfaces of both. CENTRE_TO_CENTRE, HORIZONTAL (in the ground plane) and
    VERTICAL (difference of height): between the centres of the whole objects, unseen halves
    estimated. WIDTH, HEIGHT, DEPTH_EXTENT: of the whole object; width is the longer horizontal
    side, depth the shorter.

    Where it cannot be decided which of two surfaces a region is of, both are measured: sigma spans
    them, or the estimate is invalid, and ``reason`` says between what. What other outlines of a
    coarse mask would change widens sigma too.

    Args:
        kind: what to measure.
        a: the object.
        b: the other object, for the kinds of :data:`PAIR_KINDS`.
        gravity: direction of falling [3] in the optical frame; default: what ``a`` was segmented
            with. Without it the image's vertical is taken, and ``reason`` says so.
        sizes: usual (width, depth, height) in metres by kind of object, found by the words of a
            label; default :data:`TYPICAL_SIZES`, an empty mapping for none.
        a_from_b: pose of the view that ``b`` was seen in, in that of ``a``; default: they are of
            one image. The end points are in the view of ``a``.

    Raises:
        BadRequestError: an unknown kind, or a pair kind without a second object.
    """
    (kind,) = requested_kinds((kind,), b is not None)
    sizes = TYPICAL_SIZES if sizes is None else sizes
    if b is not None and kind not in PAIR_KINDS:
        b = None
    estimate = _judged(_measured(kind, a, b, gravity, sizes, a_from_b))
    if estimate.valid and (a.outlines or (b is not None and b.outlines)):
        estimate = widened(estimate, _spread(estimate, a, b, gravity, sizes, a_from_b))
    firsts = [a] if a.other is None else [a, a.other]
    seconds = [b] if b is None or b.other is None else [b, b.other]
    readings = [(one, two) for one in firsts for two in seconds][1:]
    if not readings or not estimate.valid:
        return estimate
    # Another reading that is too uncertain to be told alone says as much against this one.
    found = [_measured(kind, one, two, gravity, sizes, a_from_b) for one, two in readings]
    distances = [other.distance for other in found if np.isfinite(other.distance)]
    if not distances:
        return estimate
    other = max(distances, key=lambda distance: abs(distance - estimate.distance))
    apart = abs(other - estimate.distance)
    if apart <= estimate.sigma:
        return estimate
    names = " and ".join(f"'{o.label}'" for o in (a, b) if o is not None and o.other is not None)
    note = (
        f"two surfaces fill the region of {names} alike: {estimate.distance:.2f} or {other:.2f} m; "
        "give a mask of one to tell which"
    )
    noted = replace(estimate, reason="; ".join(part for part in (estimate.reason, note) if part))
    return widened(noted, _EITHER * apart)


def _spread(
    estimate: DistanceEstimate,
    a: ObjectPoints,
    b: ObjectPoints | None,
    gravity: ArrayLike | None,
    sizes: Mapping[str, Size],
    a_from_b: Pose | None,
) -> float:
    """Standard deviation of what is measured when one object at a time has another outline."""
    pairs = [(one, b) for one in a.outlines]
    pairs += [] if b is None else [(a, one) for one in b.outlines]
    found = [
        _judged(_measured(estimate.kind, one, two, gravity, sizes, a_from_b)) for one, two in pairs
    ]
    return float(np.std([estimate.distance, *(one.distance for one in found if one.valid)]))


def _measured(
    kind: Kind,
    a: ObjectPoints,
    b: ObjectPoints | None,
    gravity: ArrayLike | None,
    sizes: Mapping[str, Size],
    a_from_b: Pose | None,
) -> DistanceEstimate:
    """Measure between one reading of each region, however uncertain that is."""
    known = a.gravity if gravity is None else np.asarray(gravity, np.float64)
    notes = []
    if known is None and kind in _NEEDS_GRAVITY:
        notes.append("gravity unknown, measured along the image's axes")
    if kind is Kind.CAMERA_TO_OBJECT:
        distance, sigma, start, end = _from_camera(a)
        notes += _cut_notes(a)  # what is out of view may be nearer
        return _estimate(kind, "camera", a.label, distance, sigma, start, end, a.source, notes)
    if kind is Kind.NEAREST_POINTS and b is not None:
        distance, sigma, start, end, evidence = _nearest(a, b, a_from_b)
        possible = evidence.possible
        notes += _cut_notes(a, b)
        if evidence.shared > 0:
            notes.append(
                f"some of what was found of {_name(a)} was found of {_name(b)}, too; "
                "give masks to tell whose it is"
            )
        if possible > _TOLD * distance:
            notes.append(
                f"what the regions hold beside {_name(a)} and {_name(b)} may be a part of them: "
                f"{distance:.2f} or {distance - possible:.2f} m; give masks to tell"
            )
        return _estimate(
            kind, a.label, b.label, distance, sigma, start, end, _worse(a.source, b.source), notes
        )
    notes += _cut_notes(a) if b is None else _cut_notes(a, b)
    first = estimate_centre(a, known, None, sizes)
    if kind in PAIR_KINDS and b is not None:
        second = _centre_of_other(b, known, sizes, a_from_b)
        distance, sigma, start, end = _between_centres(kind, a, b, first, second, known, a_from_b)
        return _estimate(
            kind, a.label, b.label, distance, sigma, start, end, _worse(a.source, b.source), notes
        )
    axis = {Kind.WIDTH: 0, Kind.HEIGHT: 1, Kind.DEPTH_EXTENT: 2}[kind]
    half = 0.5 * first.extents[axis] * first.rotation[:, axis]
    sigma = first.extent_sigma[axis]
    if known is None:
        sides = [
            extent * turn for extent, turn in zip(first.extents, first.rotation.T, strict=True)
        ]
        sides[axis] = np.zeros(3)
        sigma = float(np.hypot(sigma, tilt_sigma(first.rotation[:, axis], np.array(sides))))
    return _estimate(
        kind,
        a.label,
        "",
        first.extents[axis],
        sigma,
        first.centre - half,
        first.centre + half,
        a.source,
        notes,
    )


def widened(estimate: DistanceEstimate, sigma: float) -> DistanceEstimate:
    """Add an independent standard deviation, metres, to an estimate; too much invalidates it."""
    return _judged(replace(estimate, sigma=float(np.hypot(estimate.sigma, sigma))))


def _judged(estimate: DistanceEstimate) -> DistanceEstimate:
    """The estimate, invalid where its sigma says nothing any more."""
    distance, sigma = estimate.distance, estimate.sigma
    limit = max(_MOST_RELATIVE_SIGMA * distance, _LEAST_SIGMA_LIMIT)
    if np.isfinite(distance) and np.isfinite(sigma) and sigma <= limit:
        return estimate
    uncertain = f"too uncertain: {distance:.2f} m +- {sigma:.2f} m"
    reason = "; ".join(part for part in (estimate.reason, uncertain) if part)
    return replace(estimate, distance=np.nan, sigma=np.nan, valid=False, reason=reason)


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
    return [f"{_name(one)} is cut by the image border" for one in objects if one.truncated]


def _name(thing: ObjectPoints) -> str:
    return f"'{thing.label}'" if thing.label else "object"


def _worse(a: DepthSource, b: DepthSource) -> DepthSource:
    order = (DepthSource.SENSOR, DepthSource.MONOCULAR_ALIGNED, DepthSource.MONOCULAR)
    return max(a, b, key=order.index)


def _level(gravity: ArrayLike | None) -> NDArray[np.float64]:
    return np.eye(3) if gravity is None else level_frame(gravity)


def _from_camera(a: ObjectPoints) -> tuple[float, float, Point, Point]:
    end = nearest_to_camera(a)
    distance = float(np.linalg.norm(end.point))
    return distance, camera_sigma(a, end), np.zeros(3), end.point


def _nearest(
    a: ObjectPoints, b: ObjectPoints, a_from_b: Pose | None
) -> tuple[float, float, Point, Point, GapEvidence]:
    """Distance, sigma, both ends, metres, and what speaks against them."""
    gap = nearest_ends(a, b, a_from_b)
    start, end = gap.start.point, gap.end.point
    evidence = gap_evidence(a, b, gap, a_from_b)
    sigma = gap_sigma(a, b, gap, evidence, a_from_b)
    return float(np.linalg.norm(end - start)), sigma, start, end, evidence


def _centre_of_other(
    b: ObjectPoints,
    gravity: NDArray[np.float64] | None,
    sizes: Mapping[str, Size],
    a_from_b: Pose | None,
) -> Completed:
    """Complete an object in the view it was seen in: its unseen half is behind what that shows.

    Returns:
        The whole object, in the view of the first one.
    """
    if a_from_b is None:
        return estimate_centre(b, gravity, None, sizes)
    down = None if gravity is None else a_from_b.rotation.T @ gravity
    own = estimate_centre(b, down, None, sizes)
    turn = a_from_b.rotation
    return replace(
        own,
        centre=a_from_b.apply(own.centre),
        rotation=turn @ own.rotation,
        covariance=turn @ own.covariance @ turn.T,
    )


def _between_centres(
    kind: Kind,
    first: ObjectPoints,
    second: ObjectPoints,
    a: Completed,
    b: Completed,
    gravity: ArrayLike | None,
    a_from_b: Pose | None,
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
    variance += shared_variance(first, second, a.centre, b.centre, along, a_from_b)
    variance += centre_variance(first) + centre_variance(second)
    if gravity is None and kind in _NEEDS_GRAVITY:
        rest = offset - (offset @ along) * along
        variance += tilt_sigma(along, rest[None]) ** 2
    return distance, float(np.sqrt(variance)), start, end
