# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the words of a spatial question mean, in numbers.

Training questions, measured answers and their check against the language model all use these
definitions. Everything is said in the camera's level frame: origin at the camera, x right, y down
along gravity, z the camera's heading projected on the ground plane; metres.

==============  ==========================================================================
left / right    smaller / greater azimuth of the centre as seen from the camera
above / below   the centre is higher / lower along gravity
front / behind  the centre is nearer / further along the camera's heading
big / small     volume of the bounding box, width x depth x height
tall / short    extent along gravity
wide / thin     width
closer          straight-line distance of the centre from the camera
direction       of the centre, seen from above, 12 o'clock = the camera's heading, clockwise
==============  ==========================================================================
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from spatialgeo_ros.query.families import QUALITATIVE

#: Ground-plane distance below which a direction is not defined, metres.
MIN_DIRECTION_DISTANCE_M = 0.3


@dataclass(frozen=True)
class ObjectFacts:
    """What is known about one object.

    Attributes:
        centre: [3] in the level frame, metres.
        size: (width, depth, height) in metres, or None when only the position is known.
    """

    centre: tuple[float, float, float]
    size: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Quantity:
    """The number a qualitative family compares.

    Attributes:
        of: object -> number, or None when the object's size is unknown.
        absolute: difference in the quantity's unit below which two objects count as equal.
        relative: the same as a share of the larger magnitude.
        unit: "m", "m3" or "rad".
    """

    of: Callable[[ObjectFacts], float | None]
    absolute: float
    relative: float
    unit: str = "m"

    def margin(self, a: float, b: float) -> float:
        """Return the difference that ``a`` and ``b`` must exceed to be told apart."""
        return max(self.absolute, self.relative * max(abs(a), abs(b)))


def azimuth(x: float, z: float) -> float:
    """Return the angle of (x right, z ahead) from straight ahead, clockwise, in (-pi, pi]."""
    return math.atan2(x, z)


def clock_hour(x: float, z: float) -> int:
    """Return the clock hour 1..12 of the ground-plane vector (x right, z ahead)."""
    return round(azimuth(x, z) / (math.pi / 6)) % 12 or 12


def hour_difference(first: float, second: float) -> float:
    """Return the distance between two clock hours around the dial, 0 to 6."""
    difference = abs(first - second) % 12
    return min(difference, 12 - difference)


def ground_distance(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the distance of two level-frame points in the ground plane, metres."""
    return math.hypot(a[0] - b[0], a[2] - b[2])


def direction(a: ObjectFacts, b: ObjectFacts | None) -> int | None:
    """Return the clock hour of ``a`` as seen from ``b`` (None: the camera).

    None when the two are closer than :data:`MIN_DIRECTION_DISTANCE_M` in the ground plane.
    """
    origin = b.centre if b is not None else (0.0, 0.0, 0.0)
    if ground_distance(a.centre, origin) < MIN_DIRECTION_DISTANCE_M:
        return None
    return clock_hour(a.centre[0] - origin[0], a.centre[2] - origin[2])


def _size(axis: int) -> Callable[[ObjectFacts], float | None]:
    return lambda facts: None if facts.size is None else facts.size[axis]


QUANTITIES: dict[str, Quantity] = {
    "left_right": Quantity(
        lambda facts: azimuth(facts.centre[0], facts.centre[2]), math.radians(5.0), 0.0, "rad"
    ),
    "above_below": Quantity(lambda facts: -facts.centre[1], 0.10, 0.0),
    "front_behind": Quantity(lambda facts: facts.centre[2], 0.20, 0.10),
    "big_small": Quantity(
        lambda facts: None if facts.size is None else math.prod(facts.size), 0.0, 0.25, "m3"
    ),
    "tall_short": Quantity(_size(2), 0.05, 0.10),
    "wide_thin": Quantity(_size(0), 0.05, 0.10),
    "closer": Quantity(lambda facts: math.hypot(*facts.centre), 0.10, 0.10),
}


def compare(
    family: str, a: ObjectFacts, b: ObjectFacts, difference_sigma: float = 0.0
) -> str | None:
    """Return the predicate of ``family`` that holds for ``a`` against ``b``.

    Args:
        family: a key of :data:`QUANTITIES`.
        a: the object the predicate is about.
        b: the object it is compared with.
        difference_sigma: standard deviation of the difference, in the quantity's unit; differences
            under two of it are too close to call as well.

    Returns:
        The family's ``greater`` or ``less`` word, or None when it is too close to call or a size
        that is needed is unknown.
    """
    quantity = QUANTITIES[family]
    first, second = quantity.of(a), quantity.of(b)
    if first is None or second is None:
        return None
    difference = first - second
    if quantity.unit == "rad":
        difference = math.remainder(difference, 2 * math.pi)
        margin = quantity.absolute
    else:
        margin = quantity.margin(first, second)
    if abs(difference) < max(margin, 2 * difference_sigma):
        return None
    words = QUALITATIVE[family]
    return words.greater if difference > 0 else words.less
