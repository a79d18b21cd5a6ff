# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Distances of boxes and heights of their faces, with the slopes of their uncertainty.

Distances are between nearest points a and b with n the unit vector from a to b: by the envelope
theorem their slopes are those of n . (b - a) with both points fixed to their boxes. A point of a
box is centre + sum_i u_i size_i e_i with u_i in [-1/2, 1/2] along the box's axes e_i, so its slopes
are n by the centre and u_i (n . e_i) by size i.
"""

from __future__ import annotations

from spatialgeo_ros.geometry.upright_box import (
    Point,
    Separation,
    box_separation,
    footprint_separation,
)
from spatialgeo_ros.scene.estimate import Estimate, Slopes
from spatialgeo_ros.scene.map_facts import MapFacts, Spot


def separation(first: Spot, second: Spot, footprints: bool = False) -> Estimate:
    """Return how far two boxes, or their footprints, are from each other; negative: overlap."""
    apart = (footprint_separation if footprints else box_separation)(first.box, second.box)
    return between_points(first, second, apart)


def between_points(first: Spot, second: Spot, apart: Separation) -> Estimate:
    """Return the length of a way between two points that are fixed to boxes, metres."""
    there = point_slopes(second, apart.second, apart.direction)
    x, y, z = apart.direction
    back = point_slopes(first, apart.first, (-x, -y, -z))
    if there.keys() & back.keys():
        return Estimate(apart.value, "m", there).plus(Estimate(0.0, "m", back))
    return Estimate(apart.value, "m", {**there, **back})


def point_slopes(spot: Spot, point: Point, direction: Point) -> Slopes:
    """Return the slopes of ``direction . point`` with the point fixed to its box."""
    if spot.object is None:
        return {("viewer",): direction}
    box = spot.box
    w, d, h = box.size
    along, across = box.own(point[0], point[1])
    (cos, sin), _ = box.axes
    x, y, z = direction
    return {
        ("centre", spot.id): direction,
        ("size", spot.id): (
            (x * cos + y * sin) * along / w if w > 0 else 0.0,
            (y * cos - x * sin) * across / d if d > 0 else 0.0,
            z * (point[2] - box.centre[2]) / h if h > 0 else 0.0,
        ),
    }


def face_slopes(spot: Spot, up: float) -> Slopes:
    """Return the slopes of the height of the top (up = 1), the bottom (-1) or the centre (0)."""
    if spot.object is None:
        return {("viewer",): (0.0, 0.0, 1.0)}
    return {("centre", spot.id): (0.0, 0.0, 1.0), ("size", spot.id): (0.0, 0.0, up / 2)}


def floor_height(facts: MapFacts) -> Estimate:
    """Return the height of the floor in the world, metres.

    Raises:
        QueryFailureError: it is not known.
    """
    return Estimate(facts.room.floor, "m", {("floor",): (1.0,)})


def face_height(spot: Spot, facts: MapFacts, up: float) -> Estimate:
    """Return the height above the floor of the top (up = 1), the bottom (-1) or the centre (0)."""
    height = spot.box.centre[2] + up * spot.box.size[2] / 2
    return Estimate(height, "m", face_slopes(spot, up)).minus(floor_height(facts))


def higher_by(first: Spot, second: Spot) -> Estimate:
    """Return how much higher the first centre is than the second, metres."""
    a, b = (Estimate(spot.box.centre[2], "m", face_slopes(spot, 0.0)) for spot in (first, second))
    return a.minus(b)
