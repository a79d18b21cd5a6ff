# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A sighting: one thing seen once, by which boxes, in which image, and how long ago.

Made in one place (:func:`sighting_of`). It decides whether a length may be called valid and how
wide its standard deviation is, and it becomes fields of every result: what was not seen here and
now never looks as if it were.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import IntEnum

from spatialgeo_ros.geometry.distance import PAIR_KINDS, DistanceEstimate, Kind, widened
from spatialgeo_ros.geometry.object_points import ObjectPoints
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.grounding.found import Found
from spatialgeo_ros.memory.border import near_border
from spatialgeo_ros.memory.frame import Frame

#: How fast a view may turn between two images, rad/s: what boxes of another image are off by.
_TURN_RATE = 0.5
#: Share of a box's shorter side that it may be off by and still hold its object.
_MOST_SHIFT = 0.2


class HowSeen(IntEnum):
    """How an object was seen; values equal the HOW_ constants of ``msg/DistanceEstimate.msg``."""

    UNKNOWN = 0
    IN_VIEW = 1
    OTHER_STAMP = 2
    REMEMBERED = 3


@dataclass(frozen=True, eq=False)
class Sighting:
    """One object as it was seen in one image.

    Attributes:
        region: where it is in the image of ``frame`` (box and mask for phrases).
        points: its visible surface, in the camera frame of ``frame``.
        found_by: as :attr:`spatialgeo_ros.grounding.found.Found.how`.
        score: in [0, 1]; 1 for regions of a request.
        frame: the frame it was seen in; another one than asked about when it is remembered.
        how: in view, by boxes of another image, or remembered.
        age: seconds from the image it was seen in to the image that is asked about.
        position_sigma: metres, one standard deviation of where it is in the asked frame, beyond
            what the depth sensor adds: drift of the pose since, and boxes of another image.
        doubt: why it may be another object; "" when there is no doubt. Never valid with a doubt.
        notes: what a caller should know.
        kind: canonical kind of the object, "" when unknown.
    """

    region: Region
    points: ObjectPoints
    found_by: str
    score: float
    frame: Frame
    how: HowSeen = HowSeen.IN_VIEW
    age: float = 0.0
    position_sigma: float = 0.0
    doubt: str = ""
    notes: tuple[str, ...] = ()
    kind: str = ""

    @property
    def label(self) -> str:
        """Name of the object as the answer calls it."""
        return self.region.label

    @property
    def remarks(self) -> tuple[str, ...]:
        """Everything there is to say about it, the doubt first."""
        return tuple(text for text in (self.doubt, *self.notes) if text)

    @property
    def cut(self) -> bool:
        """Whether the border of its image may cut it: parts of it may be out of view."""
        points, shape = self.points, self.points.mask.shape
        box = self.region.bounds(*shape)
        return points.truncated or any(near_border(box, shape, points.flat))


@dataclass(frozen=True, eq=False)
class SightedEstimate(DistanceEstimate):
    """A measured distance with how its objects were seen.

    Attributes:
        how: of two objects the worse one.
        seen_stamp_ns: stamp of the image they were seen in, the older one of two; 0 when none.
        age: seconds from that image to the one asked about; NaN when nothing was seen.
        degraded: what was missing or assumed while measuring.
        doubt: why an object may be another one; "" when nothing says so. Never valid with a doubt.
    """

    how: HowSeen = HowSeen.UNKNOWN
    seen_stamp_ns: int = 0
    age: float = math.nan
    degraded: tuple[str, ...] = ()
    doubt: str = ""


def sighting_of(
    asked: Frame, seen: Frame, found: Found, points: ObjectPoints, drift: float, kind: str = ""
) -> Sighting:
    """Make the sighting of an object that was found in ``seen``, for a request about ``asked``.

    Args:
        asked: the frame that is asked about.
        seen: the frame the object was found in.
        found: its region there, and by what it was found.
        points: its points in the camera frame of ``seen``.
        drift: how fast poses drift, metres of one standard deviation per second.
        kind: its canonical kind.
    """
    how, age, sigma, doubt = HowSeen.IN_VIEW, 0.0, 0.0, found.doubt
    notes = [found.note]
    if seen is not asked:
        how = HowSeen.REMEMBERED
        age = (asked.stamp_ns - seen.stamp_ns) * 1e-9
        sigma = drift * abs(age)
        by = "" if seen.camera == asked.camera else f" by camera '{seen.camera}'"
        when = f"{age:.1f} s earlier" if age >= 0 else f"{-age:.1f} s later"
        notes.append(f"'{found.region.label}' is not in view now: seen {when}{by}")
    drawn = found.region.stamp_ns
    if math.isfinite(found.carried_sigma):
        how = max(how, HowSeen.OTHER_STAMP)
        sigma = math.hypot(sigma, found.carried_sigma)
        apart = (seen.stamp_ns - drawn) * 1e-9
        notes.append(
            f"'{found.region.label}' was found in the image {apart:.1f} s before, and followed "
            "from there by pose and depth"
        )
    elif drawn and seen.stamp_ns and drawn != seen.stamp_ns:
        apart = abs(seen.stamp_ns - drawn) * 1e-9
        how = max(how, HowSeen.OTHER_STAMP)
        angle = _TURN_RATE * apart
        distance = float(points.points[:, 2].mean()) if len(points.points) else 0.0
        sigma = math.hypot(sigma, distance * angle)
        name = f"the box of '{found.region.label}' is of an image {apart * 1e3:.0f} ms away"
        x0, y0, x1, y1 = points.box
        if angle * points.camera.fx > _MOST_SHIFT * max(1, min(x1 - x0, y1 - y0)):
            doubt = doubt or f"{name}: it may hold something else by now"
        notes.append(name)
    return Sighting(
        found.region, points, found.how, found.score, seen, how, age, sigma, doubt,
        tuple(note for note in notes if note), kind,
    )  # fmt: skip


def sighted(
    estimate: DistanceEstimate,
    sightings: Sequence[Sighting],
    degraded: Sequence[str] = (),
) -> SightedEstimate:
    """Say of a measured length how its objects were seen; a doubted object makes it invalid.

    Args:
        estimate: what geometry measured.
        sightings: the objects that it was measured on.
        degraded: what was missing or assumed.
    """
    sigma = _relative_sigma(estimate.kind, sightings)
    if sigma > 0 and estimate.valid:
        estimate = widened(estimate, sigma)
    doubts = [one.doubt for one in sightings if one.doubt]
    reason = "; ".join(
        dict.fromkeys(
            text
            for text in (estimate.reason, *(text for one in sightings for text in one.remarks))
            if text
        )
    )
    values = {item.name: getattr(estimate, item.name) for item in fields(DistanceEstimate)}
    values["reason"] = reason
    if doubts:
        values.update(valid=False, distance=math.nan, sigma=math.nan)
    oldest = max(sightings, key=lambda one: one.age, default=None)
    return SightedEstimate(
        **values,
        how=max((one.how for one in sightings), default=HowSeen.UNKNOWN),
        seen_stamp_ns=0 if oldest is None else oldest.frame.stamp_ns,
        age=math.nan if oldest is None else oldest.age,
        degraded=tuple(degraded),
        doubt="; ".join(doubts),
    )


def _relative_sigma(kind: Kind, sightings: Sequence[Sighting]) -> float:
    """Return what the places of the objects add to a length, metres.

    Two objects seen in one image keep their distance however old the image is, and an object its
    size.
    """
    if kind is Kind.CAMERA_TO_OBJECT:
        return math.hypot(*(one.position_sigma for one in sightings[:1]))
    if kind not in PAIR_KINDS or len(sightings) < 2 or sightings[0].frame is sightings[1].frame:
        return math.hypot(
            *(one.position_sigma for one in sightings if one.how is HowSeen.OTHER_STAMP)
        )
    return math.hypot(*(one.position_sigma for one in sightings))
