# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rooms with small things on tables, cabinets, shelves, windowsills, chairs and the floor.

The same seed gives the same room. Names of small things are unique ("blue mug 2"); their ``kind``
is the plain word for them, and their ``support`` the name of what they stand on.
"""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.sim.furniture import COLOURS, SIZE_RANGES, Part, Size, build
from spatialgeo_ros.sim.layout import Layout
from spatialgeo_ros.sim.rig import camera_pose
from spatialgeo_ros.sim.room import (
    Decoration,
    Room,
    SceneObject,
    draw_surroundings,
    footprint_distance,
    place_piece,
    separated,
)
from spatialgeo_ros.sim.supports import Surface, open_shelf, surfaces, wall_shelf, windowsill
from spatialgeo_ros.sim.thing_kit import SmallThing

#: Smallest and largest (width, depth, height) of what only these rooms have, metres.
EXTRA_SIZES: dict[str, tuple[Size, Size]] = {
    "windowsill": ((0.90, 0.18, 0.04), (1.60, 0.32, 0.05)),
    "wall shelf": ((0.60, 0.18, 0.12), (1.10, 0.28, 0.16)),
}
_CLEARANCE = 0.10  # between pieces of furniture, metres
_CAMERA_CLEARANCE = 0.15


def _piece(
    rng: np.random.Generator, kind: str, width: float, depth: float, others: list[SceneObject]
) -> tuple[SceneObject, list[Decoration]] | None:
    """Draw one piece of furniture at a free place, with the window above a sill."""
    low, high = EXTRA_SIZES.get(kind) or SIZE_RANGES[kind]
    w, d, h = (float(rng.uniform(a, b)) for a, b in zip(low, high, strict=True))
    size: Size = (w, w, h) if kind in ("plant", "lamp") else (w, d, h)
    colour = list(COLOURS)[int(rng.integers(len(COLOURS)))]
    top = size[2]
    parts: list[Part]
    if kind == "windowsill":
        colour, top = "white", float(rng.uniform(0.75, 0.95))
        parts = windowsill(size, top)
    elif kind == "wall shelf":
        top = float(rng.uniform(0.80, 1.35))
        parts = wall_shelf(size, colour, top)
    elif kind == "shelf":
        parts = open_shelf(size, colour, int(rng.integers(4, 6)))
    else:
        parts = build(kind, size, colour, rng)
    name = kind if kind in ("windowsill", "plant") else f"{colour} {kind}"
    if any(other.name == name for other in others):
        return None
    at_wall = kind in EXTRA_SIZES
    for _ in range(80):
        # The door is the piece that the rooms always put flush with a wall.
        x, y, yaw = place_piece(rng, "door" if at_wall else kind, size, width, depth)
        centre = (x, y, top - size[2] / 2)
        thing = SceneObject(name, kind, colour, centre, size, yaw, tuple(parts))
        inside = np.abs(thing.corners()[:, :2]) <= np.array([width, depth]) / 2 + 1e-6
        if inside.all() and all(separated(thing, other, _CLEARANCE) for other in others):
            return thing, [_window(thing)] if kind == "windowsill" else []
    return None


def _window(sill: SceneObject) -> Decoration:
    """The pane above a windowsill, in the wall behind it."""
    w, d, _ = sill.size
    c, s = math.cos(sill.yaw), math.sin(sill.yaw)
    y = d / 2 + 0.0047  # 0.3 mm before the wall: what leans there touches the pane
    half = (w / 2 - 0.05, 0.005, 0.5)
    x0, y0, z0 = sill.centre
    return Decoration(half, (x0 - s * y, y0 + c * y, z0 + 0.55), sill.yaw, (0.72, 0.82, 0.92))


def _lay_out(surface: Surface, rng: np.random.Generator, clutter: bool) -> Layout:
    """Put a few separate things on a surface, or many close ones."""
    layout = Layout(surface, rng, gap=0.003 if clutter else 0.04)
    area = 4 * surface.half[0] * surface.half[1]
    if surface.kind == "chair":
        layout.scatter(1, 0.0)
        return layout
    if surface.kind != "floor" and rng.random() < (0.35 if surface.sides else 0.12):
        layout.row_of_books(8 if clutter else 5, leaning=bool(rng.random() < 0.7))
    if rng.random() < (0.7 if clutter else 0.35):
        layout.lean_on_back()
    if rng.random() < (0.35 if clutter else 0.15):
        layout.leaflet_stand()
    if clutter:
        layout.scatter(int(np.clip(area * rng.uniform(16, 26), 4, 18)), close=0.75)
        layout.lean_on_thing()
        layout.lean_on_thing()
        layout.stack(int(rng.integers(2, 6)))
    else:
        layout.scatter(int(np.clip(area * rng.uniform(3, 6), 2, 6)), close=0.0)
        if rng.random() < 0.4:
            layout.lean_on_thing()
        layout.stack(int(rng.integers(0, 3)))
    return layout


class _Names:
    """Gives things unique names: the colour and the kind, and a number from the second on."""

    def __init__(self) -> None:
        self._count: Counter[str] = Counter()

    def __call__(self, thing: SmallThing) -> str:
        name = f"{thing.colour} {thing.kind}"
        self._count[name] += 1
        return name if self._count[name] == 1 else f"{name} {self._count[name]}"


def _floor_patch(
    rng: np.random.Generator, width: float, depth: float, pieces: list[SceneObject]
) -> Surface | None:
    """A free square of the floor for things that lie there."""
    half = 0.45
    for _ in range(40):
        x = float(rng.uniform(-width / 2 + half, width / 2 - half))
        y = float(rng.uniform(-depth / 2 + half, depth / 2 - half))
        place = np.array([[x, y]])
        if all(footprint_distance(piece, place)[0] > 1.45 * half for piece in pieces):
            yaw = float(rng.uniform(-math.pi, math.pi))
            return Surface("floor", "floor", (x, y, 0.0), yaw, (half, half))
    return None


def make_cluttered_room(seed: int, clutter: bool = True) -> Room:
    """Furnish a room and put small things on its furniture and floor.

    Args:
        seed: the same seed gives the same room.
        clutter: many things close to, on and against each other; else a few on each surface, a
            hand's width apart, with some stacked and some leaning.
    """
    rng = np.random.default_rng([seed, 7, int(clutter)])
    width, depth = float(rng.uniform(4.2, 6.0)), float(rng.uniform(4.0, 5.5))
    height = float(rng.uniform(2.4, 2.9))
    kinds = ["windowsill", "wall shelf", "shelf", "cabinet", "table", "table", "chair", "chair"]
    kinds += [str(rng.choice(["sofa", "lamp", "plant"]))]
    pieces: list[SceneObject] = []
    decorations: list[Decoration] = []
    for kind in kinds:
        drawn = _piece(rng, kind, width, depth, pieces)
        if drawn is not None:
            pieces.append(drawn[0])
            decorations += drawn[1]
    carriers = [surface for piece in pieces for surface in surfaces(piece)]
    patch = _floor_patch(rng, width, depth, pieces)
    if patch is not None:
        carriers.append(patch)
    names = _Names()
    things: list[SceneObject] = []
    for surface in carriers:
        things += _lay_out(surface, rng, clutter).objects(names)
    wall, floor, pattern, light = draw_surroundings(rng)
    return Room(
        seed, width, depth, height, (*pieces, *things), tuple(decorations), wall, floor, pattern,
        light,
    )  # fmt: skip


def small_things_view(
    room: Room, rng: np.random.Generator, camera: PinholeCamera
) -> tuple[Pose, PinholeCamera] | None:
    """Draw a view of the small things, as a robot or somebody with a camera in hand has it.

    The camera is 0.5 to 1.6 m above the floor and 0.6 to 3 m from what it looks at, in front of
    walls and out of the furniture, with up to some ten degrees of roll.

    Returns:
        The pose of the optical frame in the world and the camera with a focal length drawn within
        8 % of ``camera``'s; None when 200 draws find no such view. Things may hide each other.
    """
    small = [thing for thing in room.objects if thing.support]
    groups = _by_furniture(small)
    carriers = {surface.support: surface for p in room.objects for surface in surfaces(p)}
    for _ in range(200):
        # First what they stand on, then which: else full shelves would be all that is seen.
        group = groups[int(rng.integers(len(groups)))]
        target = np.array(group[int(rng.integers(len(group)))].centre)
        base = next((c for c in carriers.values() if _over(c, target)), None)
        distance = 0.6 * 5.0 ** float(rng.random())
        height = float(rng.uniform(0.5, 1.6))
        rise = height - target[2]
        # Seldom from below: people and robots look down at what stands on things.
        lowest = -0.2 if rng.random() < 0.15 else 0.1
        if not lowest * distance <= rise <= 0.9 * distance:
            continue
        across = math.sqrt(distance**2 - rise**2)
        around = float(rng.uniform(-math.pi, math.pi))
        if base is not None and base.back:
            around = base.yaw - math.pi / 2 + float(rng.uniform(-1.0, 1.0))
        x, y = target[0] + across * math.cos(around), target[1] + across * math.sin(around)
        if not _clear(room, np.array([x, y, height])):
            continue
        yaw = math.atan2(target[1] - y, target[0] - x) + float(rng.normal(0, 0.08))
        pitch = math.atan2(rise, across) + float(rng.normal(0, 0.06))
        roll = float(np.clip(rng.normal(0, 0.07), -0.2, 0.2))
        f = camera.fx * float(rng.uniform(0.92, 1.08))
        drawn = PinholeCamera(camera.width, camera.height, f, f, camera.cx, camera.cy)
        pose = camera_pose(x, y, yaw, height, pitch, roll)
        if _in_view(small, pose, drawn) >= 2:
            return pose, drawn
    return None


def _by_furniture(small: list[SceneObject]) -> list[list[SceneObject]]:
    """Group small things by the furniture, or the floor, that carries them in the end."""
    support = {thing.name: thing.support for thing in small}
    groups: dict[str, list[SceneObject]] = {}
    for thing in small:
        root = thing.support
        while root in support:
            root = support[root]
        groups.setdefault(root, []).append(thing)
    return list(groups.values())


def _over(surface: Surface, point: np.ndarray) -> bool:
    c, s = math.cos(surface.yaw), math.sin(surface.yaw)
    dx, dy = point[0] - surface.centre[0], point[1] - surface.centre[1]
    inside = abs(c * dx + s * dy) <= surface.half[0] and abs(-s * dx + c * dy) <= surface.half[1]
    return bool(inside)


def _clear(room: Room, place: np.ndarray) -> bool:
    """Tell whether a camera at ``place`` [3] is within the walls and out of everything."""
    walls = np.array([room.width, room.depth]) / 2 - _CAMERA_CLEARANCE
    if (np.abs(place[:2]) > walls).any():
        return False
    for thing in room.objects:
        beside = footprint_distance(thing, place[None, :2])[0] > _CAMERA_CLEARANCE
        above = place[2] - thing.centre[2] > thing.size[2] / 2 + _CAMERA_CLEARANCE
        if not (beside or above):
            return False
    return True


def _in_view(things: list[SceneObject], pose: Pose, camera: PinholeCamera) -> int:
    """How many centres project into the image, hidden ones too."""
    local = pose.inverse().apply(np.array([thing.centre for thing in things]))
    ahead = local[:, 2] > 0.4
    z = np.maximum(local[:, 2], 0.1)
    u = camera.fx * local[:, 0] / z + camera.cx
    v = camera.fy * local[:, 1] / z + camera.cy
    inside = ahead & (u > 0) & (u < camera.width) & (v > 0) & (v < camera.height)
    return int(inside.sum())
