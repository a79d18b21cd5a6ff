# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Distances and overlaps of gravity-aligned boxes with a yaw: how objects lie to each other.

World frame, metres, z up; angles counter-clockwise from x (REP-103). A point is a box of size
zero and a wall a box without depth, so that one rule measures all of them. Plain floats instead of
arrays: a ranking measures hundreds of single pairs, where numpy's calls would cost ten times the
arithmetic.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

Point: TypeAlias = tuple[float, float, float]
Corner: TypeAlias = tuple[float, float]


@dataclass(frozen=True)
class UprightBox:
    """A gravity-aligned box.

    Attributes:
        centre: (x, y, z), metres.
        size: (width along its own x, depth along its own y, height), metres, not negative.
        yaw: of its own x axis, radians.
    """

    centre: Point
    size: Point
    yaw: float = 0.0

    @property
    def bottom(self) -> float:
        """Height of its lowest point, metres."""
        return self.centre[2] - self.size[2] / 2

    @property
    def top(self) -> float:
        """Height of its highest point, metres."""
        return self.centre[2] + self.size[2] / 2

    @functools.cached_property
    def axes(self) -> tuple[Corner, Corner]:
        """Unit directions of its own x and y, seen from above."""
        cos, sin = math.cos(self.yaw), math.sin(self.yaw)
        return (cos, sin), (-sin, cos)

    def own(self, x: float, y: float) -> Corner:
        """Return a place on the floor in the box's own axes, from its centre, metres."""
        (cos, sin), _ = self.axes
        east, north = x - self.centre[0], y - self.centre[1]
        return east * cos + north * sin, north * cos - east * sin

    def place(self, along: float, across: float) -> Corner:
        """Return the place on the floor of a point in the box's own axes, metres."""
        (cos, sin), _ = self.axes
        return (
            self.centre[0] + along * cos - across * sin,
            self.centre[1] + along * sin + across * cos,
        )

    def depth_of(self, x: float, y: float) -> float:
        """Return how deep (x, y) lies inside the footprint, metres; negative outside.

        Outside it is minus the larger of the two overshoots along the box's own axes.
        """
        along, across = self.own(x, y)
        return min(self.size[0] / 2 - abs(along), self.size[1] / 2 - abs(across))


class Separation(NamedTuple):
    """How far two boxes are from each other.

    Attributes:
        value: metres between their nearest points; where they overlap, minus the shortest way
            that would part them.
        direction: unit vector from the first to the second, along which ``value`` grows.
        first: the point of the first box that ``value`` is measured from, metres.
        second: that of the second.
    """

    value: float
    direction: Point
    first: Point
    second: Point


def point_box(x: float, y: float, z: float) -> UprightBox:
    """Return a point as a box of size zero, metres."""
    return UprightBox((x, y, z), (0.0, 0.0, 0.0))


def footprint_separation(first: UprightBox, second: UprightBox) -> Separation:
    """Return how far two footprints are from each other, seen from above.

    Two convex figures that do not meet are nearest at a corner of one of them; whether they meet,
    and how they are parted, is told by the axes of their sides (Gottschalk, Lin and Manocha,
    "OBBTree", SIGGRAPH 1996, section 5, in two dimensions). z of the points is the boxes' centres'.
    """
    w1, d1, w2, d2 = (
        first.size[0] / 2,
        first.size[1] / 2,
        second.size[0] / 2,
        second.size[1] / 2,
    )
    (ax, ay), (bx, by) = first.axes[0], second.axes[0]
    cos, sin = ax * bx + ay * by, ax * by - ay * bx  # of the second's yaw in the first's axes
    c, s = abs(cos), abs(sin)
    # The way between the centres in the first's axes (p, q) and in the second's (u, v).
    p, q = first.own(second.centre[0], second.centre[1])
    u, v = p * cos + q * sin, q * cos - p * sin
    apart = (
        abs(p) - w1 - w2 * c - d2 * s,
        abs(q) - d1 - w2 * s - d2 * c,
        abs(u) - w2 - w1 * c - d1 * s,
        abs(v) - d2 - w1 * s - d1 * c,
    )
    most = max(apart)
    if most > 0:
        best = math.inf
        ours, theirs = (0.0, 0.0), (0.0, 0.0)
        for i, j in _CORNERS:
            # A corner of the second in the first's axes, and the nearest point there.
            x, y = p + i * w2 * cos - j * d2 * sin, q + i * w2 * sin + j * d2 * cos
            nx, ny = max(-w1, min(w1, x)), max(-d1, min(d1, y))
            square = (x - nx) ** 2 + (y - ny) ** 2
            if square < best:
                best, ours, theirs = square, (nx, ny), (x, y)
            # A corner of the first in the second's axes, and the nearest point there.
            x, y = i * w1, j * d1
            ex, ey = (x - p) * cos + (y - q) * sin, (y - q) * cos - (x - p) * sin
            nx, ny = max(-w2, min(w2, ex)), max(-d2, min(d2, ey))
            square = (ex - nx) ** 2 + (ey - ny) ** 2
            if square < best:
                near = (p + nx * cos - ny * sin, q + nx * sin + ny * cos)
                best, ours, theirs = square, (x, y), near
        value = math.sqrt(best)
        if value > 1e-9:  # else they meet, within what floats tell
            a, b = first.place(*ours), first.place(*theirs)
            return Separation(
                value,
                ((b[0] - a[0]) / value, (b[1] - a[1]) / value, 0.0),
                (*a, first.centre[2]),
                (*b, second.centre[2]),
            )
    axis = apart.index(most)
    x, y = (first if axis < 2 else second).axes[axis % 2]
    if (p, q, u, v)[axis] < 0:
        x, y = -x, -y
    a, b = _support(first, x, y), _support(second, -x, -y)
    return Separation(most, (x, y, 0.0), (*a, first.centre[2]), (*b, second.centre[2]))


_CORNERS = ((1, 1), (-1, 1), (-1, -1), (1, -1))


def _support(box: UprightBox, x: float, y: float) -> Corner:
    """The point of a footprint that is farthest in a direction; the middle of a side across it."""
    px, py, _ = box.centre
    for size, axis in zip(box.size[:2], box.axes, strict=True):
        along = axis[0] * x + axis[1] * y
        if abs(along) > 1e-9:
            step = math.copysign(size / 2, along)
            px, py = px + step * axis[0], py + step * axis[1]
    return px, py


def box_separation(first: UprightBox, second: UprightBox) -> Separation:
    """Return how far two boxes are from each other in space: between their nearest points."""
    across = footprint_separation(first, second)
    up = height_separation(first, second)
    if across.value <= 0 or up.value <= 0:
        if across.value > 0:
            return across
        return up if up.value > 0 or up.value >= across.value else across
    value = math.hypot(across.value, up.value)
    level = across.value / value
    return Separation(
        value,
        (
            across.direction[0] * level,
            across.direction[1] * level,
            up.direction[2] * up.value / value,
        ),
        (across.first[0], across.first[1], up.first[2]),
        (across.second[0], across.second[1], up.second[2]),
    )


def height_separation(first: UprightBox, second: UprightBox) -> Separation:
    """Return how far the height ranges of two boxes are apart (negative: they overlap)."""
    above, below = second.bottom - first.top, first.bottom - second.top
    up = above >= below
    return Separation(
        above if up else below,
        (0.0, 0.0, 1.0 if up else -1.0),
        (first.centre[0], first.centre[1], first.top if up else first.bottom),
        (second.centre[0], second.centre[1], second.bottom if up else second.top),
    )


# Polygons ---------------------------------------------------------------------------------------


def polygon_area(corners: Sequence[Corner]) -> float:
    """Return the area of a simple polygon [N, 2] in either sense of rotation, square metres."""
    return abs(_signed_area(corners))


def _signed_area(corners: Sequence[Corner]) -> float:
    ends = (*corners[1:], corners[0])
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(corners, ends, strict=True)) / 2


def point_in_polygon(x: float, y: float, corners: Sequence[Corner]) -> bool:
    """Tell whether a place lies inside a simple polygon (crossings of a ray to the east)."""
    inside = False
    ends = (*corners[1:], corners[0])
    for (ax, ay), (bx, by) in zip(corners, ends, strict=True):
        if (ay > y) != (by > y) and x < ax + (y - ay) / (by - ay) * (bx - ax):
            inside = not inside
    return inside


def polygon_walls(corners: Sequence[Corner]) -> tuple[UprightBox, ...]:
    """Return the sides of a polygon as boxes without depth and height; no side of length zero."""
    ends = (*corners[1:], corners[0])
    return tuple(
        UprightBox(
            ((ax + bx) / 2, (ay + by) / 2, 0.0),
            (math.hypot(bx - ax, by - ay), 0.0, 0.0),
            math.atan2(by - ay, bx - ax),
        )
        for (ax, ay), (bx, by) in zip(corners, ends, strict=True)
        if (ax, ay) != (bx, by)
    )


def nearest_wall(box: UprightBox, walls: Sequence[UprightBox]) -> tuple[int, Separation]:
    """Return which wall is nearest to a footprint, and how far; negative where it crosses one.

    Raises:
        ValueError: there are no walls.
    """
    return min(
        ((i, footprint_separation(box, wall)) for i, wall in enumerate(walls)),
        key=lambda found: found[1].value,
    )


@dataclass(frozen=True)
class WallHit:
    """Where a ray meets a wall.

    Attributes:
        wall: its index.
        distance: from the ray's start, metres.
        normal: unit normal of the wall, along the ray.
        slant: cosine between ray and normal, in (0, 1].
    """

    wall: int
    distance: float
    normal: Corner
    slant: float


def ray_to_walls(x: float, y: float, angle: float, walls: Sequence[UprightBox]) -> WallHit | None:
    """Return the first wall that a ray meets, or None where it meets none.

    Args:
        x: start of the ray, metres.
        y: start of the ray, metres.
        angle: of the ray, radians from the world's x.
        walls: as :func:`polygon_walls` returns them.
    """
    east, north = math.cos(angle), math.sin(angle)
    best: WallHit | None = None
    for i, wall in enumerate(walls):
        nx, ny = wall.axes[1]
        slant = east * nx + north * ny
        if slant < 0:
            nx, ny, slant = -nx, -ny, -slant
        if slant < 1e-9:
            continue
        distance = ((wall.centre[0] - x) * nx + (wall.centre[1] - y) * ny) / slant
        along, _ = wall.own(x + distance * east, y + distance * north)
        # A ray into a corner must not slip between its two walls.
        if distance < 0 or abs(along) > wall.size[0] / 2 + 1e-9:
            continue
        if best is None or distance < best.distance:
            best = WallHit(i, distance, (nx, ny), slant)
    return best
