# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Lengths that the map told, as distance estimates with the two points they lie between."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.geometry.distance import PAIR_KINDS, Kind
from spatialgeo_ros.geometry.pointmap import DepthSource
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.geometry.upright_box import UprightBox, box_separation, point_box
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.snapshot import MapObject, MapSnapshot, Presence
from spatialgeo_ros.query.program import Program, Quantity, TellNumber, Viewer
from spatialgeo_ros.query.result import Result, ResultType
from spatialgeo_ros.query.units import convert, unit_of
from spatialgeo_ros.scene.sighting import HowSeen, SightedEstimate

#: Kinds by what a program calls them; the distance from the viewer is another one.
KINDS: dict[str, Kind] = {
    "distance": Kind.CENTRE_TO_CENTRE,
    "gap": Kind.NEAREST_POINTS,
    "horizontal": Kind.HORIZONTAL,
    "vertical": Kind.VERTICAL,
    "width": Kind.WIDTH,
    "height": Kind.HEIGHT,
    "depth": Kind.DEPTH_EXTENT,
}
#: Of the sides of a size, in its order, which side of a box.
_SIDES = {Kind.WIDTH: 0, Kind.DEPTH_EXTENT: 1, Kind.HEIGHT: 2}


def kinds_of_program(program: Program) -> tuple[Kind, ...]:
    """Return which lengths a program asks for, in the order of its values; none for other things.

    A size is three of them.
    """
    number = program.number if isinstance(program, TellNumber) else None
    if not isinstance(number, Quantity) or number.frame is not None:
        return ()
    if number.name == "distance" and any(isinstance(one, Viewer) for one in number.of):
        return (Kind.CAMERA_TO_OBJECT,)
    if number.name == "size":
        return tuple(_SIDES)
    return (KINDS[number.name],) if number.name in KINDS else ()


def things_of(kinds: Sequence[Kind]) -> int:
    """Return how many things lengths of these kinds are of: two for distances between things."""
    return 2 if any(kind in PAIR_KINDS for kind in kinds) else 1


def estimates_from_map(
    program: Program, result: Result, snapshot: MapSnapshot, frame: Frame
) -> tuple[SightedEstimate, ...]:
    """Return the lengths of a result as estimates in the camera frame of ``frame``.

    Args:
        program: what was asked.
        result: its answer.
        snapshot: the map it is about.
        frame: the image that was asked about; its pose tells where the camera is in the map.

    Returns:
        None of them where the result is no length of or between objects, or the camera has no pose.
    """
    kinds = kinds_of_program(program)
    named = {one.id: one for one in snapshot.objects}
    things = [named[one] for one in result.objects if one in named]
    unit = unit_of(result.unit)
    if result.type is not ResultType.NUMBER or not things or frame.pose is None or unit is None:
        return ()
    if len(result.values) != len(kinds) or len(things) != things_of(kinds):
        return ()
    camera: Pose = frame.pose.inverse()
    oldest = min(things, key=lambda one: one.last_seen_ns)
    out_of_view = any(one.state is Presence.REMEMBERED for one in things)
    names = [one.label for one in things]
    estimates = []
    for kind, value, sigma in zip(kinds, result.values, result.std_devs, strict=True):
        start, end = (camera.apply(point) for point in _ends(kind, things, frame.pose))
        estimates.append(
            SightedEstimate(
                kind,
                "camera" if kind is Kind.CAMERA_TO_OBJECT else names[0],
                names[0] if kind is Kind.CAMERA_TO_OBJECT else names[1] if len(names) > 1 else "",
                convert(value, unit, "m"),
                convert(sigma, unit, "m"),
                start,
                end,
                DepthSource.SENSOR,
                True,
                "; ".join(result.remarks),
                how=HowSeen.REMEMBERED if out_of_view else HowSeen.IN_VIEW,
                seen_stamp_ns=oldest.last_seen_ns,
                age=max(0.0, (frame.stamp_ns - oldest.last_seen_ns) * 1e-9),
            )
        )
    return tuple(estimates)


def map_knows_better(
    told: Sequence[SightedEstimate], measured: Sequence[SightedEstimate], cut: bool
) -> bool:
    """Tell whether lengths are to be told as the map knows them, not as one image shows them.

    The map has seen a thing from more sides, so that it may be surer of its size. Where a thing
    is, and how far, the newest image knows best; but of what goes on beyond the image's border it
    shows neither size nor centre, and what is out of view may be nearer than all that is seen. Gaps
    are measured between surfaces; the map has boxes around them.

    Args:
        told: the lengths that were asked for as the map knows them.
        measured: lengths that were measured on the points of the image.
        cut: whether the border of the image cuts one of the things.
    """
    return bool(told) and all(_is_better(one, measured, cut) for one in told)


def _is_better(told: SightedEstimate, measured: Sequence[SightedEstimate], cut: bool) -> bool:
    seen = next((one for one in measured if one.kind is told.kind and one.valid), None)
    if not cut:
        return told.kind in _SIDES and (seen is None or told.sigma < seen.sigma)
    if seen is None:
        return True
    if told.kind is Kind.CAMERA_TO_OBJECT:
        return told.distance < seen.distance - seen.sigma
    return told.kind is not Kind.NEAREST_POINTS


def _ends(
    kind: Kind, things: list[MapObject], pose: Pose
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The two points in the frame of the map."""
    boxes = [_box(one) for one in things]
    if kind is Kind.CAMERA_TO_OBJECT:
        x, y, z = (float(value) for value in pose.translation)
        parted = box_separation(point_box(x, y, z), boxes[0])
        return pose.translation, np.array(parted.second)
    if kind is Kind.NEAREST_POINTS:
        parted = box_separation(boxes[0], boxes[1])
        return np.array(parted.first), np.array(parted.second)
    centre = np.asarray(things[0].centre, np.float64)
    if kind in _SIDES:
        axis = _SIDES[kind]
        cos, sin = math.cos(things[0].yaw), math.sin(things[0].yaw)
        direction = np.array(((cos, sin, 0.0), (-sin, cos, 0.0), (0.0, 0.0, 1.0))[axis])
        half = direction * things[0].size[axis] / 2
        return centre - half, centre + half
    return centre, np.asarray(things[1].centre, np.float64)


def _box(one: MapObject) -> UprightBox:
    x, y, z = one.centre.tolist()
    width, depth, height = one.size.tolist()
    return UprightBox((x, y, z), (width, depth, height), one.yaw)
