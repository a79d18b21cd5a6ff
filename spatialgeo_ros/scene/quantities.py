# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What each quantity of a program is in numbers, with the slopes of its uncertainty."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

from spatialgeo_ros.geometry.upright_box import Separation
from spatialgeo_ros.query.program import QuantityName, Unit
from spatialgeo_ros.scene.directions import PointOfView, bearing
from spatialgeo_ros.scene.estimate import Estimate, constant
from spatialgeo_ros.scene.failures import not_understood, unanswerable
from spatialgeo_ros.scene.map_facts import NS, MapFacts, RoomPart, Spot
from spatialgeo_ros.scene.room_quantities import of_room, room_height, to_room
from spatialgeo_ros.scene.spot_numbers import between_points, face_height, higher_by, separation

#: What is measured between two places.
OF_TWO = frozenset(("distance", "gap", "passage", "horizontal", "vertical", "higher_by", "drive"))
#: Things with free height under a top of this thickness, metres.
TABLE_TOP_M = 0.05
_TABLES = ("table", "desk", "bench", "workbench")


Place: TypeAlias = Spot | RoomPart


def measure_one(
    name: QuantityName, place: Place, facts: MapFacts, view: PointOfView | None = None
) -> tuple[Estimate, ...]:
    """Measure a quantity of one place.

    Args:
        name: of one place.
        place: an object, the viewer or part of the room.
        facts: the map.
        view: for bearings; None for the viewer's.

    Returns:
        One number; width, depth and height for "size" (of a room without a known ceiling two).

    Raises:
        QueryFailureError: there is no such quantity, or the map does not know it.
    """
    if name == "bearing" and isinstance(place, Spot):
        return (bearing(place, view or PointOfView(facts.viewer_spot), facts),)
    if isinstance(place, RoomPart):
        return of_room(name, place, facts)
    if place.object is None:
        return (_of_viewer(name, place, facts),)
    if name == "size":
        return tuple(_component(place, axis) for axis in range(3))
    return (_OF_OBJECT[name](place, facts),)


def measure_two(name: QuantityName, first: Place, second: Place, facts: MapFacts) -> Estimate:
    """Measure a quantity between two places, metres.

    Raises:
        QueryFailureError: there is no such quantity, or the map does not know it.
    """
    if isinstance(first, RoomPart) and isinstance(second, RoomPart):
        if {first.part, second.part} == {"floor", "ceiling"}:
            return room_height(facts)
        raise not_understood(f"There is no {name} between {first.part} and {second.part}.")
    if isinstance(first, RoomPart):
        assert isinstance(second, Spot)
        number = to_room(name, second, first, facts)
        return number.scaled(-1.0) if name == "higher_by" else number
    if isinstance(second, RoomPart):
        return to_room(name, first, second, facts)
    return _between(name, first, second)


# Of an object -----------------------------------------------------------------------------------


def _component(spot: Spot, axis: int) -> Estimate:
    slope = [0.0, 0.0, 0.0]
    slope[axis] = 1.0
    return Estimate(spot.box.size[axis], "m", {("size", spot.id): tuple(slope)})


def _length(spot: Spot, _: MapFacts) -> Estimate:
    return max(_component(spot, 0), _component(spot, 1), key=lambda side: side.value)


def _volume(spot: Spot, _: MapFacts) -> Estimate:
    w, d, h = spot.box.size
    return Estimate(w * d * h, "m3", {("size", spot.id): (d * h, w * h, w * d)})


def _area(spot: Spot, _: MapFacts) -> Estimate:
    w, d, _h = spot.box.size
    return Estimate(w * d, "m2", {("size", spot.id): (d, w, 0.0)})


def _clearance(spot: Spot, facts: MapFacts) -> Estimate:
    if spot.object and any(facts.is_kind(spot.object, noun) for noun in _TABLES):
        return face_height(spot, facts, 1.0).minus(constant(TABLE_TOP_M)).at_least_zero()
    return face_height(spot, facts, -1.0).at_least_zero()


def _seconds(spot: Spot, facts: MapFacts, which: str) -> Estimate:
    assert spot.object is not None
    start, now = facts.snapshot.start_ns, facts.snapshot.stamp_ns
    first, last = spot.object.first_seen_ns, spot.object.last_seen_ns
    ns = {"first": first - start, "last": last - start, "unseen": now - last}[which]
    return constant(ns * NS, "s")


_OF_OBJECT: dict[QuantityName, Callable[[Spot, MapFacts], Estimate]] = {
    "width": lambda spot, _: _component(spot, 0),
    "depth": lambda spot, _: _component(spot, 1),
    "height": lambda spot, _: _component(spot, 2),
    "length": _length,
    "volume": _volume,
    "area": _area,
    "bottom": lambda spot, facts: face_height(spot, facts, -1.0),
    "top": lambda spot, facts: face_height(spot, facts, 1.0),
    "clearance": _clearance,
    "first_seen": lambda spot, facts: _seconds(spot, facts, "first"),
    "last_seen": lambda spot, facts: _seconds(spot, facts, "last"),
    "unseen_for": lambda spot, facts: _seconds(spot, facts, "unseen"),
    "order_seen": lambda spot, facts: constant(_seconds(spot, facts, "first").value, ""),
}


def _of_viewer(name: QuantityName, viewer: Spot, facts: MapFacts) -> Estimate:
    if name in ("bottom", "top", "height"):
        return face_height(viewer, facts, 0.0)
    raise unanswerable(
        f"I do not know my own {name}: of myself I know where the camera is and where it looks."
    )


# Between two places -----------------------------------------------------------------------------


def _between_centres(first: Spot, second: Spot, level: bool) -> Estimate:
    way = [b - a for a, b in zip(first.box.centre, second.box.centre, strict=True)]
    if level:
        way[2] = 0.0
    length = math.hypot(*way)
    unit = (way[0] / length, way[1] / length, way[2] / length) if length else (1.0, 0.0, 0.0)
    apart = Separation(length, unit, first.box.centre, second.box.centre)
    return between_points(first, second, apart)


def _between(name: QuantityName, first: Spot, second: Spot) -> Estimate:
    if name == "higher_by":
        return higher_by(first, second)
    if name == "vertical":
        return higher_by(first, second).absolute()
    from_viewer = first.object is None or second.object is None
    if name == "distance" and not from_viewer:
        return _between_centres(first, second, level=False)
    if name == "horizontal" and not from_viewer:
        return _between_centres(first, second, level=True)
    footprints = name in ("passage", "drive", "horizontal")
    return separation(first, second, footprints).at_least_zero()


_POWERS: dict[Unit, int] = {"": 0, "m": 1, "m2": 2, "m3": 3}


def unit_of_product(units: Sequence[Unit]) -> Unit | None:
    """Return the unit of a product, or None where no quantity has it."""
    return _unit_of_power(sum(_POWERS.get(unit, 99) for unit in units)) or _only(units)


def unit_of_ratio(unit: Unit, other: Unit) -> Unit | None:
    """Return the unit of a ratio, or None where no quantity has it."""
    if unit == other:
        return ""
    if unit in _POWERS and other in _POWERS:
        return _unit_of_power(_POWERS[unit] - _POWERS[other])
    return unit if other == "" else None


def _unit_of_power(power: int) -> Unit | None:
    return next((unit for unit, of_unit in _POWERS.items() if of_unit == power), None)


def _only(units: Sequence[Unit]) -> Unit | None:
    """The one unit among ratios and counts."""
    rest = [unit for unit in units if unit]
    return rest[0] if len(rest) == 1 else "" if not rest else None
