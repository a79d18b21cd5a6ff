# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Poses from which a robot can look at an object or reach for it. Nothing here moves a robot.

A pose faces the object's centre, keeps the stand-off to its footprint, is clear of all footprints,
and stands with the robot's whole outline on floor that was seen free, with nothing between it and
the object.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.errors import BadRequestError, NoFreePlaceError
from spatialgeo_ros.memory.free_space import FloorGrid
from spatialgeo_ros.memory.snapshot import MapObject, MapSnapshot, Presence

Array = npt.NDArray[np.float64]

_SPACING = 0.1  # m, between poses on one ring around the footprint
_RING, _RINGS = 0.15, 12  # m between rings, and how many: what stands on a table is farther away
_APART = 0.3  # m, between two poses of the answer
_MOST = 8
_SIGHT = 0.05  # m, between the places on the way to the object that are looked at
_BLUR = 0.15  # m, how far beyond its footprint an object's own cells may reach
_ON = 0.1  # m, largest gap between what stands and what it stands on


@dataclass(frozen=True)
class Base:
    """The robot as far as it needs room.

    Attributes:
        radius: of a circle around its base, metres.
        height: what hangs higher does not stand in the way, metres above the floor.
    """

    radius: float = 0.3
    height: float = 1.5

    def __post_init__(self) -> None:
        """Reject sizes that no robot has.

        Raises:
            BadRequestError: One is out of range; the message names it.
        """
        for name, value, low, high in (
            ("robot_radius", self.radius, 0.05, 2.0),
            ("robot_height", self.height, 0.1, 3.0),
        ):
            if not low <= value <= high:
                raise BadRequestError(f"{name} must be within {low:g} to {high:g} m, not {value}")


@dataclass(frozen=True)
class ApproachPose:
    """One pose of the robot's base on the floor.

    Attributes:
        x: metres, world frame.
        y: metres, world frame.
        yaw: towards the object's centre, radians.
        stand_off: free way between the object's footprint and the robot's outline, metres.
        clearance: the same to the nearest footprint of any object in the way, metres.
    """

    x: float
    y: float
    yaw: float
    stand_off: float
    clearance: float


def approach_poses(
    snapshot: MapSnapshot, target: MapObject, grid: FloorGrid | None, stand_off: float, base: Base
) -> list[ApproachPose]:
    """Return poses around an object, best first: least stand-off, then nearest to the viewer.

    Args:
        snapshot: the map; what is gone stands in nobody's way.
        target: the object.
        grid: the floor that was seen free; None when none was.
        stand_off: least free way between footprint and robot, metres. More is taken where the
            object stands on something or something stands before it.
        base: the robot.

    Raises:
        BadRequestError: the stand-off is not within 0 to 10 m.
        NoFreePlaceError: there is no such pose; the message says what is in the way.
    """
    if not 0 <= stand_off <= 10:
        raise BadRequestError(f"stand_off must be within 0 to 10 m, not {stand_off}")
    if target.state is Presence.GONE:
        raise NoFreePlaceError(f"'{target.id}' is gone: its place was seen empty")
    if grid is None:
        raise NoFreePlaceError(
            "no floor was seen free yet: it needs depth and a camera pose, and the floor in view"
        )
    floor = 0.0 if snapshot.room is None else snapshot.room.floor
    obstacles = [
        one
        for one in snapshot.objects
        if one.state is not Presence.GONE and one.bottom - floor < base.height
    ]
    places, off = _rings(target, base.radius, stand_off)
    gaps = np.array([footprint_distance(one, places) for one in obstacles or [target]])
    clear = gaps.min(axis=0) - base.radius
    outside = clear >= -1e-6
    free = outside.copy()
    free[outside] = grid.is_free(places[outside], base.radius)
    sighted = free.copy()
    carriers = [target, *(one for one in obstacles if _carries(one, target))]
    sighted[free] = _in_sight(grid, places[free], target, carriers)
    if not sighted.any():
        nearest = [one.id for one, gap in zip(obstacles, gaps, strict=False)
                   if one is not target and (gap < base.radius).any()]  # fmt: skip
        raise NoFreePlaceError(_nothing_free(target, len(places), outside, free, nearest[:5]))
    order = np.flatnonzero(sighted)
    viewer = snapshot.viewer
    away = np.zeros(len(places))
    if viewer is not None:
        away = np.hypot(places[:, 0] - viewer.x, places[:, 1] - viewer.y)
    order = order[np.lexsort((away[order], np.round(off[order], 3)))]
    chosen: list[int] = []
    for index in order:
        if len(chosen) < _MOST and all(
            math.dist(places[index], places[other]) >= _APART for other in chosen
        ):
            chosen.append(int(index))
    return [
        ApproachPose(
            float(places[index, 0]),
            float(places[index, 1]),
            math.atan2(target.centre[1] - places[index, 1], target.centre[0] - places[index, 0]),
            float(off[index]),
            float(clear[index]),
        )
        for index in chosen
    ]


def footprint_distance(thing: MapObject, places: Array) -> Array:
    """Return the distances of places [N, 2] from an object's footprint, 0 inside; metres, [N]."""
    beyond = np.abs(_local(thing, places)) - thing.size[:2] / 2
    return np.asarray(np.hypot(*np.maximum(beyond, 0.0).T))


def _local(thing: MapObject, places: Array) -> Array:
    """Return places [N, 2] along the object's own axes, from its centre."""
    cos, sin = math.cos(thing.yaw), math.sin(thing.yaw)
    return np.asarray((places - thing.centre[:2]) @ np.array([[cos, -sin], [sin, cos]]))


def _carries(carrier: MapObject, thing: MapObject) -> bool:
    """Whether ``thing`` stands on, in or under ``carrier``: a robot comes no nearer than that."""
    if carrier is thing:
        return False
    inside = footprint_distance(carrier, thing.centre[None, :2])[0] == 0
    return bool(inside and thing.bottom <= carrier.top + _ON)


def _rings(target: MapObject, radius: float, stand_off: float) -> tuple[Array, Array]:
    """Return places [N, 2] around a footprint, and the stand-off of each [N], metres."""
    cos, sin = math.cos(target.yaw), math.sin(target.yaw)
    places, off = [], []
    for ring in range(_RINGS):
        distance = stand_off + ring * _RING
        outline = _outline(target.size[:2] / 2, distance + radius)
        places.append(outline @ np.array([[cos, sin], [-sin, cos]]) + target.centre[:2])
        off.append(np.full(len(outline), distance))
    return np.concatenate(places), np.concatenate(off)


def _outline(half: Array, distance: float) -> Array:
    """Return places [N, 2] at a distance around a rectangle, evenly spaced, metres."""
    turns = np.linspace(0, math.pi / 2, 9)
    corners = []
    for quarter, signs in enumerate(((1, 1), (-1, 1), (-1, -1), (1, -1))):
        angle = turns + quarter * math.pi / 2
        arc = distance * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        corners.append(half * signs + arc)
    line = np.concatenate([*corners, corners[0][:1]])
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    count = max(8, math.ceil(along[-1] / _SPACING))
    steps = np.linspace(0, along[-1], count, endpoint=False)
    return np.stack([np.interp(steps, along, line[:, axis]) for axis in (0, 1)], axis=1)


def _in_sight(
    grid: FloorGrid, places: Array, target: MapObject, own: Sequence[MapObject]
) -> npt.NDArray[np.bool_]:
    """Whether nothing stands between places [N, 2] and the object, but itself and its carriers."""
    if not len(places):
        return np.zeros(0, bool)
    farthest = np.hypot(*(places - target.centre[:2]).T).max()
    share = np.linspace(0, 1, max(2, math.ceil(farthest / _SIGHT)))[None, :, None]
    way = places[:, None] * (1 - share) + target.centre[:2] * share
    flat = way.reshape(-1, 2)
    allowed = np.zeros(len(flat), bool)
    for one in own:
        allowed |= footprint_distance(one, flat) <= _BLUR
    return np.asarray(~(grid.is_blocked(flat) & ~allowed).reshape(way.shape[:2]).any(axis=1))


def _nothing_free(
    target: MapObject,
    count: int,
    outside: npt.NDArray[np.bool_],
    free: npt.NDArray[np.bool_],
    near: Sequence[str],
) -> str:
    """Say what is in the way of all poses, and the cure."""
    taken = f"{count - outside.sum()} are too near to objects"
    if near:
        taken += f" ({', '.join(near)})"
    return (
        f"no free place around '{target.id}': of {count} poses {taken}, "
        f"{(outside & ~free).sum()} lie on floor that was not seen free, and {free.sum()} have "
        "something between them and it: look at the floor around it, or ask for another stand_off "
        "or a smaller robot_radius"
    )
