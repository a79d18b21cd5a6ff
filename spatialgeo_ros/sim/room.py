# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A procedural furnished room: the same seed gives the same room, with exact object poses.

World frame: origin on the floor in the middle of the room, z up (REP-103), metres, radians.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from spatialgeo_ros.geometry.upright_box import UprightBox
from spatialgeo_ros.sim.furniture import COLOURS, SIZE_RANGES, Part, Rgb, Size, build

#: How often a kind is placed along a wall (its back to the wall) rather than free in the room.
_AT_WALL = {"sofa": 0.8, "shelf": 1.0, "cabinet": 1.0, "plant": 0.7, "lamp": 0.7, "door": 1.0}
_WALL_GAP = 0.02
_CLEARANCE = 0.12


@dataclass(frozen=True)
class SceneObject:
    """One piece of furniture or one small thing, as the ground truth knows it.

    Attributes:
        name: what a person would call it, unique in the room ("red chair").
        kind: one of :data:`spatialgeo_ros.sim.furniture.KINDS`, or what
            :mod:`spatialgeo_ros.sim.cluttered_room` adds ("mug", "windowsill").
        colour: one of :data:`spatialgeo_ros.sim.furniture.COLOURS`, or of small things.
        centre: [3] centre of its upright bounding box in the world frame, metres.
        size: (width, depth, height) of its upright bounding box in its own frame, metres.
        yaw: rotation about world z, radians.
        parts: its primitives in its own frame, whose origin is on the floor under ``centre``.
        support: name of the object that a small thing stands on, "floor" for the floor itself;
            "" for furniture.
    """

    name: str
    kind: str
    colour: str
    centre: tuple[float, float, float]
    size: Size
    yaw: float
    parts: tuple[Part, ...] = field(repr=False)
    support: str = ""

    @property
    def box(self) -> UprightBox:
        """Its upright bounding box, world frame."""
        return UprightBox(self.centre, self.size, self.yaw)

    def corners(self) -> np.ndarray:
        """Return the eight corners of the bounding box, [8, 3], world frame, metres."""
        w, d, h = self.size
        signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
        local = signs * np.array([w, d, h]) / 2
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        rotation = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
        return local @ rotation.T + np.array(self.centre)


@dataclass(frozen=True)
class Decoration:
    """A flat thing that is nobody's object: a rug, a window, a picture."""

    half: tuple[float, float, float]
    position: tuple[float, float, float]
    yaw: float
    rgb: tuple[float, float, float]


@dataclass(frozen=True)
class Room:
    """A furnished room. Use :func:`make_room`.

    Attributes:
        seed: what it was made from.
        width: extent along world x, metres.
        depth: extent along world y, metres.
        height: of the ceiling, metres.
        objects: the furniture.
        decorations: rugs, windows and pictures.
        wall_rgb, floor_rgb: base colours.
        floor_pattern: side of one floor tile in metres, 0 for plain.
        light: (ambient, diffuse) strength of the lamps.
    """

    seed: int
    width: float
    depth: float
    height: float
    objects: tuple[SceneObject, ...]
    decorations: tuple[Decoration, ...]
    wall_rgb: tuple[float, float, float]
    floor_rgb: tuple[float, float, float]
    floor_pattern: float
    light: tuple[float, float]

    def find(self, name: str) -> SceneObject:
        """Return the object called ``name``.

        Raises:
            KeyError: when the room has no such object.
        """
        for candidate in self.objects:
            if candidate.name == name:
                return candidate
        raise KeyError(f"no {name!r} in room {self.seed}")

    def is_free(self, x: float, y: float, margin: float) -> bool:
        """Tell whether a disc of radius ``margin`` m at (x, y) touches no furniture or wall."""
        return bool(self.free(np.array([[x, y]]), margin)[0])

    def free(self, places: np.ndarray, margin: float) -> np.ndarray:
        """Tell for each of ``places`` [N, 2] whether :meth:`is_free`; returns [N] bool."""
        walls = np.array([self.width, self.depth]) / 2 - margin
        clear = (np.abs(places) <= walls).all(axis=1)
        for thing in self.objects:
            clear &= footprint_distance(thing, places) > margin
        return clear


def footprint_distance(thing: SceneObject, places: np.ndarray) -> np.ndarray:
    """Distance [N] in metres of ``places`` [N, 2] to the footprint of an object, 0 inside."""
    dx, dy = (places - np.array(thing.centre[:2])).T
    c, s = math.cos(thing.yaw), math.sin(thing.yaw)
    u, v = np.abs(c * dx + s * dy) - thing.size[0] / 2, np.abs(-s * dx + c * dy) - thing.size[1] / 2
    return np.hypot(np.maximum(u, 0.0), np.maximum(v, 0.0))


def separated(a: SceneObject, b: SceneObject, gap: float) -> bool:
    """Separating-axis test on the two footprints, grown by ``gap`` metres."""
    corners = [thing.corners()[::2, :2] for thing in (a, b)]
    for thing in (a, b):
        for angle in (thing.yaw, thing.yaw + math.pi / 2):
            axis = np.array([math.cos(angle), math.sin(angle)])
            pa, pb = corners[0] @ axis, corners[1] @ axis
            if pa.min() - pb.max() > gap or pb.min() - pa.max() > gap:
                return True
    return False


def _choose(rng: np.random.Generator, count: int) -> list[tuple[str, str]]:
    """Pick kinds and colours: every (kind, colour) at most once, plant and door at most once."""
    weights = {"sofa": 1.0, "table": 1.2, "chair": 2.0, "shelf": 1.0, "cabinet": 1.0}
    weights |= {"plant": 0.9, "lamp": 0.9, "door": 1.1}
    kinds = list(weights)
    probability = np.array(list(weights.values())) / sum(weights.values())
    chosen: list[tuple[str, str]] = []
    while len(chosen) < count:
        kind = kinds[int(rng.choice(len(kinds), p=probability))]
        colour = list(COLOURS)[int(rng.integers(len(COLOURS)))]
        limit = 1 if kind in ("plant", "door") else 3
        if (kind, colour) in chosen or sum(k == kind for k, _ in chosen) >= limit:
            continue
        chosen.append((kind, colour))
    order = {"door": 0, "sofa": 1, "shelf": 2, "cabinet": 2, "table": 3}
    return sorted(chosen, key=lambda item: order.get(item[0], 4))


def place_piece(
    rng: np.random.Generator, kind: str, size: Size, width: float, depth: float
) -> tuple[float, float, float]:
    """Draw (x, y, yaw) for one piece: along a wall or free."""
    if rng.random() >= _AT_WALL.get(kind, 0.1):
        margin = max(size[0], size[1]) / 2 + 0.05
        x = rng.uniform(-width / 2 + margin, width / 2 - margin)
        y = rng.uniform(-depth / 2 + margin, depth / 2 - margin)
        return float(x), float(y), float(rng.uniform(-math.pi, math.pi))
    side = int(rng.integers(4))
    along = (width if side % 2 == 0 else depth) / 2 - size[0] / 2 - 0.05
    gap = 0.0 if kind == "door" else _WALL_GAP + float(rng.uniform(0, 0.06))
    offset = float(rng.uniform(-along, along))
    inset = size[1] / 2 + gap
    # The back of a piece is at its +y: side 0 is the wall at +y, then clockwise +x, -y, -x.
    if side == 0:
        return offset, depth / 2 - inset, 0.0
    if side == 1:
        return width / 2 - inset, offset, -math.pi / 2
    if side == 2:
        return offset, -depth / 2 + inset, math.pi
    return -width / 2 + inset, offset, math.pi / 2


def _decorate(rng: np.random.Generator, width: float, depth: float) -> list[Decoration]:
    things = []
    if rng.random() < 0.4:
        tone = rng.uniform(0.35, 0.75)
        rgb = (float(tone), float(tone * rng.uniform(0.8, 1)), float(tone * rng.uniform(0.7, 1)))
        half = (float(rng.uniform(0.6, 1.1)), float(rng.uniform(0.5, 0.8)), 0.003)
        where = (float(rng.uniform(-0.6, 0.6)), float(rng.uniform(-0.6, 0.6)), 0.003)
        things.append(Decoration(half, where, float(rng.uniform(0, math.pi)), rgb))
    for _ in range(int(rng.integers(0, 3))):
        side = int(rng.integers(4))
        along = (width if side % 2 == 0 else depth) / 2 - 0.8
        offset = float(rng.uniform(-along, along))
        half = (float(rng.uniform(0.3, 0.6)), 0.01, float(rng.uniform(0.25, 0.5)))
        z = float(rng.uniform(1.4, 1.8))
        place = {
            0: (offset, depth / 2 - 0.01, z),
            1: (width / 2 - 0.01, offset, z),
            2: (offset, -depth / 2 + 0.01, z),
            3: (-width / 2 + 0.01, offset, z),
        }[side]
        shade = rng.uniform(0.55, 0.9)
        rgb = (float(shade * 0.85), float(shade * 0.95), float(shade))
        things.append(Decoration(half, place, side * math.pi / 2, rgb))
    return things


def make_room(seed: int, min_objects: int = 5, max_objects: int = 9) -> Room:
    """Furnish a room.

    Args:
        seed: the same seed gives the same room.
        min_objects: the fewest pieces to try to place.
        max_objects: the most pieces to try to place.

    Pieces that find no free place after many draws are left out, so a crowded draw can hold fewer.
    """
    rng = np.random.default_rng(seed)
    width, depth = float(rng.uniform(4.5, 7.0)), float(rng.uniform(4.0, 6.0))
    height = float(rng.uniform(2.4, 2.9))
    objects: list[SceneObject] = []
    for kind, colour in _choose(rng, int(rng.integers(min_objects, max_objects + 1))):
        low, high = SIZE_RANGES[kind]
        if kind in ("plant", "lamp"):  # round: one draw for both ground extents
            across = float(rng.uniform(low[0], high[0]))
            size: Size = (across, across, float(rng.uniform(low[2], high[2])))
        else:
            w, d, h = (float(rng.uniform(a, b)) for a, b in zip(low, high, strict=True))
            size = (w, d, h)
        parts = tuple(build(kind, size, colour, rng))
        name = "plant" if kind == "plant" else f"{colour} {kind}"
        for _ in range(60):
            x, y, yaw = place_piece(rng, kind, size, width, depth)
            thing = SceneObject(name, kind, colour, (x, y, size[2] / 2), size, yaw, parts)
            corners = thing.corners()
            inside = np.abs(corners[:, :2]) <= np.array([width, depth]) / 2 + 1e-6
            if inside.all() and all(separated(thing, other, _CLEARANCE) for other in objects):
                objects.append(thing)
                break
    wall, floor, pattern, light = draw_surroundings(rng)
    flat = tuple(_decorate(rng, width, depth))
    return Room(seed, width, depth, height, tuple(objects), flat, wall, floor, pattern, light)


def draw_surroundings(
    rng: np.random.Generator,
) -> tuple[Rgb, Rgb, float, tuple[float, float]]:
    """Draw wall colour, floor colour, floor pattern and light of a :class:`Room`."""
    tone = rng.uniform(0.62, 0.85)
    wall = (float(tone), float(tone * rng.uniform(0.92, 1)), float(tone * rng.uniform(0.80, 1)))
    tone = rng.uniform(0.35, 0.6)
    green, blue = tone * rng.uniform(0.75, 0.95), tone * rng.uniform(0.5, 0.9)
    floor = (float(tone), float(green), float(blue))
    pattern = float(rng.choice([0.0, 0.2, 0.4, 0.6]))
    light = (float(rng.uniform(0.25, 0.45)), float(rng.uniform(0.4, 0.7)))
    return wall, floor, pattern, light
