# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measured candidates: what "nearest", "on" and "behind" mean for things in one view.

A relation holds, does not hold, or is too close to call: then it is None, and nobody guesses.
Everything is said in the level frame of the camera (x right, y down, z ahead; metres).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.errors import NoGeometryError
from spatialgeo_ros.geometry.completion import Completed, estimate_centre
from spatialgeo_ros.geometry.distance import DistanceEstimate, Kind, measure
from spatialgeo_ros.geometry.pose import level_frame
from spatialgeo_ros.geometry.visible_centre import visible_centre
from spatialgeo_ros.grounding.found import Found
from spatialgeo_ros.query.nouns import is_a
from spatialgeo_ros.scene.sighting import Sighting

#: Things are on what they stand on less than this above or below its top, metres.
_ON = 0.12
_ON_UNSURE = 0.25
#: What has a back or several floors: things on it are lower than its top.
_SEATS = ("chair", "armchair", "sofa", "bed", "bench", "wheelchair", "shelf", "rack", "stair")
_ABOVE_BOTTOM = 0.15
#: Gap up to which a thing is next to another, metres.
_BESIDE = 0.5
#: Half the angle of "in front" and "behind", and the part of it that is too close to call.
_SECTOR, _SECTOR_EDGE = math.radians(45.0), math.radians(5.0)
#: Least difference of bearings that tells left from right, radians.
LEAST_BEARING = math.radians(2.0)
#: Largest distance from the line between two things, as a share of its length, for "between".
_OFF_LINE, _OFF_LINE_EDGE = 0.3, 0.05
_AROUND = 0.05  # metres around a footprint that still count as over it


@dataclass(frozen=True, eq=False)
class Candidate:
    """A thing that a phrase may mean, with its points."""

    found: Found
    thing: Sighting

    @cached_property
    def away(self) -> DistanceEstimate:
        """From the camera to its nearest visible point."""
        return measure(Kind.CAMERA_TO_OBJECT, self.thing.points)

    @cached_property
    def box(self) -> Completed:
        """The whole thing, its unseen half estimated."""
        return estimate_centre(self.thing.points, kind_prior=self.thing.kind or None)

    @cached_property
    def level(self) -> NDArray[np.float64]:
        """Rotation [3, 3] into the level frame; the camera's own where gravity is unknown."""
        gravity = self.thing.points.gravity
        return np.eye(3) if gravity is None else level_frame(gravity)

    @cached_property
    def centre(self) -> NDArray[np.float64]:
        """Centre of the whole thing [3], level frame."""
        return np.asarray(self.level @ self.box.centre, np.float64)

    @cached_property
    def heights(self) -> tuple[float, float]:
        """Lowest and highest visible point above the camera (not completed to the floor)."""
        y = self.thing.points.surface.astype(np.float64) @ self.level[1]
        low, high = np.percentile(-y, (0.5, 99.5))
        return float(low), float(high)

    @property
    def bearing(self) -> float:
        """Angle of the centre from straight ahead, clockwise, radians."""
        return math.atan2(self.centre[0], self.centre[2])

    @cached_property
    def bearing_sigma(self) -> float:
        """Standard deviation of :attr:`bearing`."""
        reach = max(math.hypot(self.centre[0], self.centre[2]), 1e-6)
        across = np.array([self.centre[2], 0.0, -self.centre[0]]) / reach
        covariance = self.level @ self.box.covariance @ self.level.T
        return math.sqrt(max(float(across @ covariance @ across), 0.0)) / reach

    def describe(self) -> str:
        """Name, distance and direction, for lists of what could be meant."""
        degrees = math.degrees(self.bearing)
        side = "right" if degrees > 0 else "left"
        where = "ahead" if abs(degrees) < 1 else f"{abs(degrees):.0f}° {side}"
        name = self.found.region.label or "region"
        if not self.away.valid:
            return f"'{name}' at an unknown distance, {where}"
        return f"'{name}' {self.away.distance:.2f} m away, {where}"

    def upright(self, words: str) -> None:
        """Require gravity.

        Raises:
            NoGeometryError: it is unknown, so that nothing is above or below.
        """
        if self.thing.points.gravity is None:
            raise NoGeometryError(
                f"'{words}' needs to know which way is down: publish odometry or TF, or set the "
                "camera's mount"
            )


def quantity(name: str, one: Candidate, anchor: Candidate | None = None) -> tuple[float, float]:
    """Return what a choice compares, and its standard deviation.

    Args:
        name: a quantity of :class:`spatialgeo_ros.query.phrases.Choice`.
        one: the candidate.
        anchor: what distances are measured from; None for the camera.

    Raises:
        NoGeometryError: it cannot be measured for this candidate.
    """
    box = one.box
    width, height, depth = box.extents
    spread = box.extent_sigma
    if name == "distance":
        away = one.away
        if anchor is not None:
            away = measure(Kind.NEAREST_POINTS, one.thing.points, anchor.thing.points)
        if not away.valid:
            raise NoGeometryError(f"{one.describe()} cannot be compared: {away.reason}")
        return away.distance, away.sigma
    if name in ("bearing", "side", "middle"):
        return one.bearing, max(one.bearing_sigma, 0.5 * LEAST_BEARING)
    one.upright(name)
    if name == "top":
        return one.heights[1], max(spread[1], 0.01)
    if name == "volume":
        sizes = (width, height, depth)
        relative = [s / max(v, 1e-6) for v, s in zip(sizes, spread, strict=True)]
        return math.prod(sizes), math.prod(sizes) * math.hypot(*relative)
    index = {"width": 0, "length": 0, "height": 1, "depth": 2}[name]
    return box.extents[index], spread[index]


def stands(name: str, words: str, one: Candidate, anchors: list[Candidate]) -> bool | None:
    """Tell whether a candidate stands in a relation; None when it is too close to call.

    Args:
        name: a value of :data:`spatialgeo_ros.query.phrase_words.RELATIONS`.
        words: the preposition as said.
        one: the candidate.
        anchors: two for "between", none for the robot itself, else one.

    Raises:
        NoGeometryError: gravity is needed and unknown.
    """
    if not anchors:
        return _of_robot(name, one)
    anchor = anchors[0]
    if name == "between":
        return _between(one, anchor, anchors[1])
    if name in ("left", "right"):
        turn = math.remainder(one.bearing - anchor.bearing, math.tau)
        least = max(LEAST_BEARING, 2 * math.hypot(one.bearing_sigma, anchor.bearing_sigma))
        return None if abs(turn) < least else (turn > 0) == (name == "right")
    if name in ("behind", "front"):
        return _along(one, anchor, name == "behind")
    if name == "beside":
        return _beside(one, anchor)
    one.upright(words)
    if name == "on":
        return _on(one, anchor)
    if name == "inside":
        low, high = anchor.heights
        middle = sum(one.heights) / 2
        return _over(one, anchor) and low - _AROUND < middle < high + _AROUND
    if not (_over(one, anchor) or _over(anchor, one)):
        return False
    higher = sum(one.heights) / 2 - sum(anchor.heights) / 2
    if abs(higher) < _AROUND:
        return None
    return (higher > 0) == (name == "above")


def on_floor(one: Candidate) -> bool | None:
    """Tell whether a candidate stands on the floor; None when the floor is not known."""
    floor = one.thing.points.floor_height
    one.upright("on the floor")
    if floor is None:
        return None
    gap = one.heights[0] + floor
    return True if gap < _ON else None if gap < _ON_UNSURE else False


def _of_robot(name: str, one: Candidate) -> bool | None:
    if name == "front":
        return True  # whatever is in view
    if name == "beside":
        return None if not one.away.valid else one.away.distance <= _BESIDE
    return False  # "behind me" is never in view


def _on(one: Candidate, anchor: Candidate) -> bool | None:
    if not _over(one, anchor):
        return False
    bottom, (low, high) = one.heights[0], anchor.heights
    if any(is_a(anchor.thing.kind, kind) for kind in _SEATS):
        return low + _ABOVE_BOTTOM < bottom < high + _ON
    gap = abs(bottom - high)
    return True if gap < _ON else None if gap < _ON_UNSURE else False


def _over(one: Candidate, anchor: Candidate) -> bool:
    """Whether the middle of what is seen of a thing is over or under another's footprint."""
    seen = one.level @ visible_centre(one.thing.points).point
    offset = seen - anchor.centre
    axes = anchor.level @ anchor.box.rotation
    width, _, depth = anchor.box.extents
    return bool(
        abs(offset @ axes[:, 0]) < width / 2 + _AROUND
        and abs(offset @ axes[:, 2]) < depth / 2 + _AROUND
    )


def _beside(one: Candidate, anchor: Candidate) -> bool | None:
    if one.thing.points.gravity is not None and (_on(one, anchor) or _on(anchor, one)):
        return False
    seen = measure(Kind.NEAREST_POINTS, one.thing.points, anchor.thing.points)
    if seen.valid and seen.distance <= _BESIDE:
        return True  # what is seen of both is never nearer than both are
    gap, sigma = _gap(one, anchor)
    if gap + sigma <= _BESIDE:
        return True
    return False if gap - 2 * sigma > _BESIDE else None


def _gap(one: Candidate, anchor: Candidate) -> tuple[float, float]:
    """Gap between two whole things, unseen halves estimated, and its standard deviation."""
    (low, high), (floor, top) = one.heights, anchor.heights
    beside = min(_outside(one, anchor), _outside(anchor, one))
    sides = (*one.box.extent_sigma, *anchor.box.extent_sigma)
    return math.hypot(beside, max(floor - high, low - top, 0.0)), math.hypot(*sides) / 2


def _outside(one: Candidate, anchor: Candidate) -> float:
    """Least distance in the ground plane of a footprint's points from another footprint."""
    steps = np.linspace(-0.5, 0.5, 9)
    axes, (width, _, depth) = one.level @ one.box.rotation, one.box.extents
    across, along = np.meshgrid(steps * width, steps * depth)
    points = one.centre + across.reshape(-1, 1) * axes[:, 0] + along.reshape(-1, 1) * axes[:, 2]
    frame = anchor.level @ anchor.box.rotation
    local = np.abs((points - anchor.centre) @ frame)
    beyond = local[:, [0, 2]] - np.array([anchor.box.extents[0], anchor.box.extents[2]]) / 2
    return float(np.linalg.norm(np.maximum(beyond, 0.0), axis=1).min())


def _along(one: Candidate, anchor: Candidate, behind: bool) -> bool | None:
    ray = anchor.centre[[0, 2]]
    step = (one.centre - anchor.centre)[[0, 2]]
    lengths = float(np.linalg.norm(ray)), float(np.linalg.norm(step))
    if min(lengths) < 0.1:
        return None
    cosine = float(ray @ step) / math.prod(lengths) * (1 if behind else -1)
    off = math.acos(max(-1.0, min(1.0, cosine)))
    return None if abs(off - _SECTOR) < _SECTOR_EDGE else off < _SECTOR


def _between(one: Candidate, first: Candidate, second: Candidate) -> bool | None:
    line = (second.centre - first.centre)[[0, 2]]
    step = (one.centre - first.centre)[[0, 2]]
    length = float(np.linalg.norm(line))
    if length < 0.1:
        return None
    along = float(step @ line) / length**2
    off = abs(float(step[0] * line[1] - step[1] * line[0])) / length**2
    edge = min(along, 1 - along, _OFF_LINE - off)
    return None if abs(edge) < _OFF_LINE_EDGE else edge > 0
