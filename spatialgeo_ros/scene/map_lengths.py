# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Lengths of and between objects of the map, and when they are better than one image's.

A map has seen a thing from more sides than one image. What goes on beyond the image's border has
neither a size nor a centre in it, and may be nearer than all that is seen of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.geometry.distance import PAIR_KINDS, Kind
from spatialgeo_ros.geometry.pointmap import DepthSource
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.geometry.upright_box import box_separation, point_box
from spatialgeo_ros.grounding.found import REQUEST
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.snapshot import MapObject, MapSnapshot, Presence
from spatialgeo_ros.query.program import QuantityName
from spatialgeo_ros.scene.estimate import Estimate
from spatialgeo_ros.scene.known_objects import KnownObjects, object_at
from spatialgeo_ros.scene.map_facts import MapFacts
from spatialgeo_ros.scene.quantities import measure_one, measure_two
from spatialgeo_ros.scene.sighting import HowSeen, SightedEstimate, Sighting

#: What programs call the kinds; the distance of two things is that of their centres.
QUANTITIES: dict[Kind, QuantityName] = {
    Kind.CAMERA_TO_OBJECT: "distance",
    Kind.CENTRE_TO_CENTRE: "distance",
    Kind.NEAREST_POINTS: "gap",
    Kind.HORIZONTAL: "horizontal",
    Kind.VERTICAL: "vertical",
    Kind.WIDTH: "width",
    Kind.HEIGHT: "height",
    Kind.DEPTH_EXTENT: "depth",
}
#: Of the sides of a size, in its order, which side of a box.
SIDES = {Kind.WIDTH: 0, Kind.DEPTH_EXTENT: 1, Kind.HEIGHT: 2}
_MORE = 3.0  # standard deviations by which a size is more than that of the part that is seen


def things_of(kinds: Sequence[Kind]) -> int:
    """Return how many things lengths of these kinds are of: two for distances between things."""
    return 2 if any(kind in PAIR_KINDS for kind in kinds) else 1


def lengths_in_map(
    kinds: Sequence[Kind],
    things: Sequence[MapObject],
    snapshot: MapSnapshot,
    frame: Frame,
    reason: str = "",
) -> tuple[SightedEstimate, ...]:
    """Return lengths as the map knows them, with end points in the camera frame of ``frame``.

    Args:
        kinds: of lengths, all of as many things as there are.
        things: one object of the map, or two for kinds between things.
        snapshot: the map; its viewer is the camera of ``frame``.
        frame: the image that was asked about; has a pose in the world of the map.
        reason: what there is to say about them.
    """
    assert frame.pose is not None
    facts = MapFacts(snapshot)
    camera: Pose = frame.pose.inverse()
    oldest = min(things, key=lambda one: one.last_seen_ns)
    out_of_view = any(one.state is Presence.REMEMBERED for one in things)
    names = [one.label for one in things]
    estimates = []
    for kind in kinds:
        number = _number(kind, things, facts)
        start, end = (camera.apply(point) for point in _ends(kind, things, frame.pose))
        estimates.append(
            SightedEstimate(
                kind,
                "camera" if kind is Kind.CAMERA_TO_OBJECT else names[0],
                names[0] if kind is Kind.CAMERA_TO_OBJECT else names[1] if len(names) > 1 else "",
                number.value,
                facts.sigma(number),
                start,
                end,
                DepthSource.SENSOR,
                True,
                reason,
                how=HowSeen.REMEMBERED if out_of_view else HowSeen.IN_VIEW,
                seen_stamp_ns=oldest.last_seen_ns,
                age=max(0.0, (frame.stamp_ns - oldest.last_seen_ns) * 1e-9),
            )
        )
    return tuple(estimates)


def map_knows_better(told: SightedEstimate, seen: SightedEstimate | None, cut: bool) -> bool:
    """Tell whether a length is to be told as the map knows it, not as one image shows it.

    The map may be surer of a size, or know that a part of the thing is all that is seen. Where a
    thing is, and how far, the newest image knows best, but for what it cuts. Gaps are measured
    between surfaces; the map has boxes around them.

    Args:
        told: the length as the map knows it.
        seen: as it was measured on the points of the image; None where it was not.
        cut: whether the border of the image cuts one of the things.
    """
    if seen is not None and not seen.valid:
        seen = None
    if not cut and told.kind not in SIDES:
        return False
    if seen is None:
        return True
    if not cut:
        hidden = told.distance - seen.distance > _MORE * math.hypot(told.sigma, seen.sigma)
        return told.sigma < seen.sigma or hidden
    if told.kind is Kind.CAMERA_TO_OBJECT:
        return told.distance < seen.distance - seen.sigma
    return told.kind is not Kind.NEAREST_POINTS


def told_of_whole(
    measured: Mapping[Kind, SightedEstimate],
    things: Sequence[Sighting],
    known: KnownObjects,
    frame: Frame,
) -> Mapping[Kind, SightedEstimate]:
    """Return lengths of what the image cuts as the map knows them, where it knows them better.

    Args:
        measured: by kind, as measured on the points of the image.
        things: what they are of, the first alone for kinds of one thing.
        known: the map.
        frame: the image that was asked about.

    Returns:
        As ``measured``, unless one of a length's things is cut, all are objects of the map by what
        they are called and where they are, and none is a region of the request or doubted.
    """
    if not any(one.cut for one in things):
        return measured
    objects = [_object_of(thing, known) for thing in things]
    told = {}
    for kind, seen in measured.items():
        count = things_of((kind,))
        told[kind] = _told_of_whole(seen, things[:count], objects[:count], known, frame)
    return told


def _told_of_whole(
    seen: SightedEstimate,
    things: Sequence[Sighting],
    objects: Sequence[MapObject | None],
    known: KnownObjects,
    frame: Frame,
) -> SightedEstimate:
    cut = [one.label for one in things if one.cut]
    if not cut or any(one.doubt or one.found_by == REQUEST for one in things):
        return seen
    whole = [one for one in objects if one is not None]
    snapshot = known.seen_from(frame, whole)
    if snapshot is None or len(whole) < len(things):
        return seen
    (told,) = lengths_in_map((seen.kind,), whole, snapshot, frame)
    if not map_knows_better(told, seen, cut=True):
        return seen
    notes = [whole_is_told(name) for name in cut]
    remarks = dict.fromkeys([*notes, *(text for one in things for text in one.remarks)])
    return replace(
        seen,
        distance=told.distance,
        sigma=told.sigma,
        point_from=told.point_from,
        point_to=told.point_to,
        source=told.source,
        valid=True,
        reason="; ".join(remarks),
        degraded=(*seen.degraded, *notes),
    )


def whole_is_told(name: str) -> str:
    """Return what is said of a thing that the image cuts where the map's lengths are told."""
    return f"'{name}' is cut by the image border: the map tells of the whole of it"


def _object_of(thing: Sighting, known: KnownObjects) -> MapObject | None:
    """Return the object of the map that a thing in an image is; None where it is none of them."""
    frame, points = thing.frame, thing.points.points
    snapshot = known.around(frame, points)
    if snapshot is None or frame.pose is None:
        return None
    return object_at(thing.kind or thing.label, points, frame.pose, snapshot)


def _number(kind: Kind, things: Sequence[MapObject], facts: MapFacts) -> Estimate:
    name, spots = QUANTITIES[kind], [facts.spot(one) for one in things]
    if kind is Kind.CAMERA_TO_OBJECT:
        return measure_two(name, facts.viewer_spot, spots[0], facts)
    if kind in PAIR_KINDS:
        return measure_two(name, spots[0], spots[1], facts)
    return measure_one(name, spots[0], facts)[0]


def _ends(
    kind: Kind, things: Sequence[MapObject], pose: Pose
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The two points in the frame of the map."""
    first = things[0]
    if kind is Kind.CAMERA_TO_OBJECT:
        x, y, z = (float(value) for value in pose.translation)
        parted = box_separation(point_box(x, y, z), first.box)
        return pose.translation, np.array(parted.second)
    if kind is Kind.NEAREST_POINTS:
        parted = box_separation(first.box, things[1].box)
        return np.array(parted.first), np.array(parted.second)
    centre = np.asarray(first.centre, np.float64)
    if kind in SIDES:
        axis, (along, across) = SIDES[kind], first.box.axes
        direction = np.array(((*along, 0.0), (*across, 0.0), (0.0, 0.0, 1.0))[axis])
        half = direction * first.size[axis] / 2
        return centre - half, centre + half
    return centre, np.asarray(things[1].centre, np.float64)
