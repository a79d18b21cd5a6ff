# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Quantities of the room and distances to its floor, ceiling and walls.

A wall moves along its normal; each by itself, so that the room's extents and areas follow.
"""

from __future__ import annotations

import math

from spatialgeo_ros.geometry.upright_box import (
    Separation,
    footprint_separation,
    nearest_wall,
    polygon_area,
    ray_to_walls,
)
from spatialgeo_ros.query.program import QuantityName, WallSide
from spatialgeo_ros.scene.estimate import Estimate, Slopes
from spatialgeo_ros.scene.failures import no_room, not_understood, unanswerable
from spatialgeo_ros.scene.map_facts import MapFacts, RoomPart, Spot
from spatialgeo_ros.scene.spot_numbers import face_height, floor_height, point_slopes

_SIDES: dict[WallSide, float] = {
    "any": 0.0, "front": 0.0, "left": math.pi / 2, "behind": math.pi, "right": -math.pi / 2,
}  # fmt: skip


def of_room(name: QuantityName, place: RoomPart, facts: MapFacts) -> tuple[Estimate, ...]:
    """Return a quantity of a part of the room; of "size" two or three numbers.

    Raises:
        QueryFailureError: it has no such quantity, or the map does not know it.
    """
    if name == "height" and place.part != "floor":
        return (room_height(facts),)
    if place.part == "ceiling" and name in ("bottom", "top"):
        return (room_height(facts),)
    if name in ("area",) and place.part in ("room", "floor", "ceiling"):
        return (_room_area(facts),)
    if place.part == "room":
        if name == "volume":
            return (_room_area(facts).times(room_height(facts), "m3"),)
        sides = room_sides(facts)
        if name == "size":
            known = facts.room.ceiling is not None
            return (*sides, room_height(facts)) if known else sides
        if name == "length":
            return (max(sides, key=lambda one: one.value),)
        if name in ("width", "depth"):
            return (min(sides, key=lambda one: one.value),)
    raise not_understood(f"The {place.part} has no {name.replace('_', ' ')}.")


def room_height(facts: MapFacts) -> Estimate:
    """Return how high the ceiling is above the floor, metres.

    Raises:
        QueryFailureError: one of them is not known.
    """
    if facts.room.ceiling is None:
        raise no_room("ceiling")
    return Estimate(facts.room.ceiling, "m", {("ceiling",): (1.0,)}).minus(floor_height(facts))


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


def to_room(name: QuantityName, spot: Spot, part: RoomPart, facts: MapFacts) -> Estimate:
    """Return a distance from an object or the viewer to a part of the room, metres.

    Raises:
        QueryFailureError: there is no such distance, or the map does not know it.
    """
    if part.part == "wall" and name in ("distance", "gap", "passage", "horizontal", "drive"):
        return _to_wall(spot, part.side, facts).at_least_zero()
    upright = ("distance", "gap", "vertical", "higher_by")
    if part.part == "floor" and name in upright:
        return face_height(spot, facts, -1.0)
    if part.part == "ceiling" and name in upright:
        below = room_height(facts).minus(face_height(spot, facts, 1.0))
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
    return there.minus(Estimate(0.0, "m", point_slopes(spot, apart.first, apart.direction)))
