# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What each quantity of a program is in numbers, with the slopes of its uncertainty.

Distances between nearest points a and b with n the unit vector from a to b: by the envelope theorem
their slopes are those of n . (b - a) with both points fixed to their boxes. A point of a box is
centre + sum_i u_i size_i e_i with u_i in [-1/2, 1/2] along the box's axes e_i, so its slopes are n
by the centre and u_i (n . e_i) by size i.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

from spatialgeo_ros.geometry.upright_box import (
    Point,
    Separation,
    box_separation,
    footprint_separation,
    nearest_wall,
    polygon_area,
    ray_to_walls,
)
from spatialgeo_ros.query.program import QuantityName, Unit, WallSide
from spatialgeo_ros.scene.directions import PointOfView, bearing
from spatialgeo_ros.scene.estimate import Estimate, Slopes, constant
from spatialgeo_ros.scene.failures import no_room, not_understood, unanswerable
from spatialgeo_ros.scene.map_facts import NS, MapFacts, RoomPart, Spot

#: What is measured between two places.
OF_TWO = frozenset(("distance", "gap", "passage", "horizontal", "vertical", "higher_by", "drive"))
#: Things with free height under a top of this thickness, metres.
TABLE_TOP_M = 0.05
_TABLES = ("table", "desk", "bench", "workbench")
_SIDES: dict[WallSide, float] = {
    "any": 0.0, "front": 0.0, "left": math.pi / 2, "behind": math.pi, "right": -math.pi / 2,
}  # fmt: skip

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
        return _of_room(name, place, facts)
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
            return _room_height(facts)
        raise not_understood(f"There is no {name} between {first.part} and {second.part}.")
    if isinstance(first, RoomPart):
        assert isinstance(second, Spot)
        number = _to_room(name, second, first, facts)
        return number.scaled(-1.0) if name == "higher_by" else number
    if isinstance(second, RoomPart):
        return _to_room(name, first, second, facts)
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


def _face(spot: Spot, facts: MapFacts, up: float) -> Estimate:
    """Height of the highest (up = 1), lowest (-1) or middle (0) point above the floor."""
    height = spot.box.centre[2] + up * spot.box.size[2] / 2
    return Estimate(height, "m", face_slopes(spot, up)).minus(_floor(facts))


def _floor(facts: MapFacts) -> Estimate:
    return Estimate(facts.room.floor, "m", {("floor",): (1.0,)})


def face_slopes(spot: Spot, up: float) -> Slopes:
    """Return the slopes of the height of the top (up = 1), the bottom (-1) or the centre (0)."""
    if spot.object is None:
        return {("viewer",): (0.0, 0.0, 1.0)}
    return {("centre", spot.id): (0.0, 0.0, 1.0), ("size", spot.id): (0.0, 0.0, up / 2)}


def _clearance(spot: Spot, facts: MapFacts) -> Estimate:
    if spot.object and any(facts.is_kind(spot.object, noun) for noun in _TABLES):
        return _face(spot, facts, 1.0).minus(constant(TABLE_TOP_M)).at_least_zero()
    return _face(spot, facts, -1.0).at_least_zero()


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
    "bottom": lambda spot, facts: _face(spot, facts, -1.0),
    "top": lambda spot, facts: _face(spot, facts, 1.0),
    "clearance": _clearance,
    "first_seen": lambda spot, facts: _seconds(spot, facts, "first"),
    "last_seen": lambda spot, facts: _seconds(spot, facts, "last"),
    "unseen_for": lambda spot, facts: _seconds(spot, facts, "unseen"),
    "order_seen": lambda spot, facts: constant(_seconds(spot, facts, "first").value, ""),
}


def _of_viewer(name: QuantityName, viewer: Spot, facts: MapFacts) -> Estimate:
    if name in ("bottom", "top", "height"):
        return _face(viewer, facts, 0.0)
    raise unanswerable(
        f"I do not know my own {name}: of myself I know where the camera is and where it looks."
    )


# Of the room ------------------------------------------------------------------------------------


def _of_room(name: QuantityName, place: RoomPart, facts: MapFacts) -> tuple[Estimate, ...]:
    if name == "height" and place.part != "floor":
        return (_room_height(facts),)
    if place.part == "ceiling" and name in ("bottom", "top"):
        return (_room_height(facts),)
    if name in ("area",) and place.part in ("room", "floor", "ceiling"):
        return (_room_area(facts),)
    if place.part == "room":
        if name == "volume":
            return (_room_area(facts).times(_room_height(facts), "m3"),)
        sides = room_sides(facts)
        if name == "size":
            known = facts.room.ceiling is not None
            return (*sides, _room_height(facts)) if known else sides
        if name == "length":
            return (max(sides, key=lambda one: one.value),)
        if name in ("width", "depth"):
            return (min(sides, key=lambda one: one.value),)
    raise not_understood(f"The {place.part} has no {name.replace('_', ' ')}.")


def _room_height(facts: MapFacts) -> Estimate:
    if facts.room.ceiling is None:
        raise no_room("ceiling")
    return Estimate(facts.room.ceiling, "m", {("ceiling",): (1.0,)}).minus(_floor(facts))


def _room_area(facts: MapFacts) -> Estimate:
    """Moving a wall of length l outwards by e adds l e."""
    slopes: Slopes = {("wall", str(i)): (wall.size[0],) for i, wall in enumerate(facts.walls)}
    return Estimate(polygon_area(facts.polygon), "m2", slopes)


def is_rectangle(facts: MapFacts) -> bool:
    """Tell whether the room's sides are sides of a rectangle."""
    width, depth = (side.value for side in room_sides(facts))
    return math.isclose(width * depth, polygon_area(facts.polygon), rel_tol=0.02)


def room_sides(facts: MapFacts) -> tuple[Estimate, Estimate]:
    """Return the room's extents along its longest wall and across it, metres.

    Of both directions the one nearer to the world's x comes first.
    """
    longest = max(facts.walls, key=lambda wall: wall.size[0])
    angle = math.remainder(longest.yaw, math.pi / 2)
    return _extent(facts, angle), _extent(facts, angle + math.pi / 2)


def _extent(facts: MapFacts, angle: float) -> Estimate:
    """Extent of the walls in a direction: it moves with the wall at either end."""
    east, north = math.cos(angle), math.sin(angle)
    ends = [x * east + y * north for x, y in facts.polygon]
    middles = [wall.centre[0] * east + wall.centre[1] * north for wall in facts.walls]
    slopes: Slopes = {
        ("wall", str(min(range(len(middles)), key=lambda i: abs(middles[i] - end)))): (1.0,)
        for end in (max(ends), min(ends))
    }
    return Estimate(max(ends) - min(ends), "m", slopes)


# Between two places -----------------------------------------------------------------------------


def separation(first: Spot, second: Spot, footprints: bool = False) -> Estimate:
    """Return how far two boxes, or their footprints, are from each other; negative: overlap."""
    apart = (footprint_separation if footprints else box_separation)(first.box, second.box)
    return _of_points(first, second, apart)


def _of_points(first: Spot, second: Spot, apart: Separation) -> Estimate:
    there = Estimate(apart.value, "m", _slopes(second, apart.second, apart.direction))
    back = Estimate(0.0, "m", _slopes(first, apart.first, apart.direction))
    return there.minus(back)


def _slopes(spot: Spot, point: Point, direction: Point) -> Slopes:
    """Slopes of ``direction . point`` with the point fixed to its box."""
    if spot.object is None:
        return {("viewer",): direction}
    box = spot.box
    along, across = box.own(point[0], point[1])
    offsets = (along, across, point[2] - box.centre[2])
    shares = (
        direction[0] * box.axes[0][0] + direction[1] * box.axes[0][1],
        direction[0] * box.axes[1][0] + direction[1] * box.axes[1][1],
        direction[2],
    )
    return {
        ("centre", spot.id): direction,
        ("size", spot.id): tuple(
            share * offset / size if size > 0 else 0.0
            for share, offset, size in zip(shares, offsets, box.size, strict=True)
        ),
    }


def _between_centres(first: Spot, second: Spot, level: bool) -> Estimate:
    way = [b - a for a, b in zip(first.box.centre, second.box.centre, strict=True)]
    if level:
        way[2] = 0.0
    length = math.hypot(*way)
    unit = (way[0] / length, way[1] / length, way[2] / length) if length else (1.0, 0.0, 0.0)
    apart = Separation(length, unit, first.box.centre, second.box.centre)
    return _of_points(first, second, apart)


def higher_by(first: Spot, second: Spot) -> Estimate:
    """Return how much higher the first centre is than the second, metres."""
    a, b = (Estimate(spot.box.centre[2], "m", face_slopes(spot, 0.0)) for spot in (first, second))
    return a.minus(b)


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


def _to_room(name: QuantityName, spot: Spot, part: RoomPart, facts: MapFacts) -> Estimate:
    if part.part == "wall" and name in ("distance", "gap", "passage", "horizontal", "drive"):
        return _to_wall(spot, part.side, facts).at_least_zero()
    upright = ("distance", "gap", "vertical", "higher_by")
    if part.part == "floor" and name in upright:
        return _face(spot, facts, -1.0)
    if part.part == "ceiling" and name in upright:
        below = _room_height(facts).minus(_face(spot, facts, 1.0))
        return below.scaled(-1.0) if name == "higher_by" else below
    raise not_understood(f"There is no {name.replace('_', ' ')} to the {part.part}.")


def _to_wall(spot: Spot, side: WallSide, facts: MapFacts) -> Estimate:
    if side == "nearest" or (side == "any" and spot.object is not None):
        return wall_separation(spot, facts)
    viewer = facts.viewer
    hit = ray_to_walls(viewer.x, viewer.y, viewer.yaw + _SIDES[side], facts.walls)
    if hit is None:
        raise unanswerable("There is no wall in that direction: I am outside the known walls.")
    if spot.object is not None:
        wall = facts.walls[hit.wall]
        return _from_wall(spot, hit.wall, footprint_separation(spot.box, wall), facts)
    nx, ny = hit.normal
    slopes: dict[tuple[str, ...], tuple[float, ...]] = {
        ("viewer",): (-nx / hit.slant, -ny / hit.slant, 0.0),
        ("wall", str(hit.wall)): (1.0 / hit.slant,),
    }
    return Estimate(hit.distance, "m", slopes)


def wall_separation(spot: Spot, facts: MapFacts) -> Estimate:
    """Return how far a footprint is from the nearest wall, metres; negative where it crosses."""
    index, apart = nearest_wall(spot.box, facts.walls)
    return _from_wall(spot, index, apart, facts)


def _from_wall(spot: Spot, index: int, apart: Separation, facts: MapFacts) -> Estimate:
    nx, ny = facts.walls[index].axes[1]
    outwards = abs(apart.direction[0] * nx + apart.direction[1] * ny)
    there = Estimate(apart.value, "m", {("wall", str(index)): (outwards,)})
    return there.minus(Estimate(0.0, "m", _slopes(spot, apart.first, apart.direction)))


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
