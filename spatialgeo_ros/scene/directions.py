# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where something lies as seen from a point of view: angles, sectors and clock hours."""

from __future__ import annotations

import math
from dataclasses import dataclass

from spatialgeo_ros.query.program import DirectionForm
from spatialgeo_ros.scene.estimate import Estimate
from spatialgeo_ros.scene.failures import SamePlaceError
from spatialgeo_ros.scene.map_facts import MapFacts, Spot

#: From so near a place has no direction, metres.
LEAST_DISTANCE_M = 0.05
#: Half the width of the sectors in front of, behind and beside an object, degrees.
SECTOR_DEG = 45.0
#: Beyond this a side is called the back, degrees.
BACK_DEG = 135.0

_SECTORS = (
    "front", "front-left", "left", "back-left", "back", "back-right", "right", "front-right",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class PointOfView:
    """Where directions are taken from and what is straight ahead.

    Attributes:
        origin: where from.
        facing: what lies straight ahead of ``origin``; None for the viewer's heading.
    """

    origin: Spot
    facing: Spot | None = None


def direction_between(start: Spot, end: Spot) -> Estimate:
    """Return the direction from one centre to another, degrees from the world's x.

    With the way v of length r on the floor, the slopes by the end are (-v_y, v_x) / r^2 and by the
    start the opposite.

    Raises:
        QueryFailureError: both are at one place.
    """
    east = end.box.centre[0] - start.box.centre[0]
    north = end.box.centre[1] - start.box.centre[1]
    square = east * east + north * north
    if square < LEAST_DISTANCE_M**2:
        raise SamePlaceError
    k = math.degrees(1.0) / square
    slope = (-north * k, east * k, 0.0)
    return Estimate(
        math.degrees(math.atan2(north, east)),
        "deg",
        {end.source: slope, start.source: (-slope[0], -slope[1], 0.0)},
    )


def bearing(target: Spot, view: PointOfView, facts: MapFacts) -> Estimate:
    """Return the direction of a centre as seen from a point of view, degrees, left positive."""
    seen = direction_between(view.origin, target)
    if view.facing is None:
        heading = math.degrees(facts.viewer.yaw)
        return Estimate(wrapped(seen.value - heading), "deg", seen.slopes)
    turned = seen.minus(direction_between(view.origin, view.facing))
    return Estimate(wrapped(turned.value), "deg", turned.slopes)


def wrapped(degrees: float) -> float:
    """Return the same angle in (-180, 180]."""
    angle = math.remainder(degrees, 360.0)
    return 180.0 if angle == -180.0 else angle


def clock_hour(degrees: float) -> int:
    """Return the hour, 12 ahead and clockwise, of a direction (left positive)."""
    return round(-degrees / 30.0) % 12 or 12


def sector(degrees: float) -> str:
    """Return which eighth a direction lies in: "front", "front-left", "left", ..."""
    return _SECTORS[round(degrees / 45.0) % 8]


def side(degrees: float, form: DirectionForm) -> str:
    """Return the word for a direction in a form of words (degrees, left positive)."""
    left_right = "left" if degrees > 0 else "right"
    if form == "side":
        return left_right
    if form == "side_or_back":
        return "back" if abs(degrees) > BACK_DEG else left_right
    if form == "quadrant":
        return f"{'front' if abs(degrees) < 90 else 'back'}-{left_right}"
    return sector(degrees)


def nearest_border(degrees: float, form: DirectionForm) -> float:
    """Return how far a direction is from where its word would change, degrees."""
    borders = {
        "side": (0.0, 180.0),
        "side_or_back": (0.0, BACK_DEG, -BACK_DEG),
        "quadrant": (0.0, 90.0, -90.0, 180.0),
        "clock": tuple(15.0 + 30.0 * hour for hour in range(12)),
        "any": tuple(22.5 + 45.0 * eighth for eighth in range(8)),
        "deg": (),
    }[form]
    return min((abs(wrapped(degrees - border)) for border in borders), default=math.inf)
