# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pieces of furniture built from boxes, cylinders and ellipsoids.

Every builder returns the parts of one piece in its own frame: origin on the floor under the middle
of its bounding box, x along its width, y along its depth (its back is at +y), z up, metres.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

#: Colours a piece can have, as sRGB in [0, 1].
COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.80, 0.12, 0.12),
    "orange": (0.93, 0.50, 0.08),
    "yellow": (0.90, 0.80, 0.12),
    "green": (0.13, 0.55, 0.20),
    "blue": (0.12, 0.28, 0.75),
    "purple": (0.50, 0.18, 0.62),
    "white": (0.92, 0.92, 0.90),
}

#: Smallest and largest (width, depth, height) of each kind, metres.
SIZE_RANGES: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "sofa": ((1.50, 0.80, 0.72), (2.10, 0.95, 0.90)),
    "table": ((1.00, 0.65, 0.68), (1.50, 0.90, 0.78)),
    "chair": ((0.42, 0.44, 0.82), (0.54, 0.54, 1.00)),
    "shelf": ((0.70, 0.28, 1.50), (1.10, 0.38, 2.00)),
    "cabinet": ((0.80, 0.40, 0.70), (1.20, 0.52, 1.10)),
    "plant": ((0.42, 0.42, 0.90), (0.62, 0.62, 1.45)),
    "lamp": ((0.34, 0.34, 1.35), (0.46, 0.46, 1.70)),
    "door": ((0.84, 0.06, 1.98), (0.96, 0.06, 2.10)),
}
KINDS: tuple[str, ...] = tuple(SIZE_RANGES)

#: What a depth sensor meets. The index of a name is its value in ``Rendered.material``.
MATERIALS: tuple[str, ...] = ("matte", "dark", "glossy", "glass", "screen")

Size = tuple[float, float, float]
Rgb = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]
_WOOD: Rgb = (0.45, 0.30, 0.18)
_METAL: Rgb = (0.35, 0.35, 0.37)
_LEAF: Rgb = (0.16, 0.42, 0.13)
_EARTH: Rgb = (0.50, 0.27, 0.17)


@dataclass(frozen=True)
class Part:
    """One body of a piece of furniture or of a small thing.

    Attributes:
        shape: box, cylinder (along z) or ellipsoid.
        half: half sizes along its own axes, metres.
        position: of its middle in the piece's frame, metres.
        rgb: sRGB in [0, 1].
        turn: piece_from_part as a unit quaternion (w, x, y, z).
        material: one of :data:`MATERIALS`.
    """

    shape: str
    half: tuple[float, float, float]
    position: tuple[float, float, float]
    rgb: Rgb
    turn: Quaternion = (1.0, 0.0, 0.0, 0.0)
    material: str = "matte"


def _box(x: float, y: float, z: float, hx: float, hy: float, hz: float, rgb: Rgb) -> Part:
    return Part("box", (hx, hy, hz), (x, y, z), rgb)


def _shade(rgb: Rgb, factor: float) -> Rgb:
    r, g, b = (min(1.0, c * factor) for c in rgb)
    return (r, g, b)


def _legs(size: Size, height: float, thickness: float, rgb: Rgb) -> list[Part]:
    x, y = size[0] / 2 - thickness, size[1] / 2 - thickness
    return [
        _box(sx * x, sy * y, height / 2, thickness, thickness, height / 2, rgb)
        for sx in (-1, 1)
        for sy in (-1, 1)
    ]


def _sofa(size: Size, rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    w, d, h = size
    arm, back, seat = 0.09, 0.12, 0.42
    cushions = int(rng.integers(2, 4))
    inner = w / 2 - 2 * arm
    parts = [
        _box(0, 0, 0.04 + seat / 2 - 0.06, w / 2, d / 2, seat / 2 - 0.06, rgb),
        _box(0, d / 2 - back, h / 2 + 0.02, w / 2, back, h / 2 - 0.02, _shade(rgb, 0.92)),
        _box(-w / 2 + arm, 0, 0.31, arm, d / 2, 0.29, _shade(rgb, 0.85)),
        _box(w / 2 - arm, 0, 0.31, arm, d / 2, 0.29, _shade(rgb, 0.85)),
    ]
    for k in range(cushions):
        x = -inner + (2 * k + 1) * inner / cushions
        half = (inner / cushions - 0.012, d / 2 - back - 0.02, 0.05)
        parts.append(Part("box", half, (x, -back, seat + 0.01), _shade(rgb, 1.1)))
    return parts


def _table(size: Size, rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    w, d, h = size
    top = _box(0, 0, h - 0.022, w / 2, d / 2, 0.022, rgb)
    return [top, *_legs(size, h - 0.04, 0.03, _shade(rgb, 0.8))]


def _chair(size: Size, rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    w, d, h = size
    seat = 0.46
    parts = [_box(0, 0, seat, w / 2, d / 2, 0.025, rgb), *_legs(size, seat - 0.02, 0.02, _METAL)]
    middle = (seat + h) / 2
    parts.append(_box(0, d / 2 - 0.02, middle, w / 2, 0.02, (h - seat) / 2, _shade(rgb, 0.9)))
    return parts


def _shelf(size: Size, rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    w, d, h = size
    parts = [
        _box(-w / 2 + 0.015, 0, h / 2, 0.015, d / 2, h / 2, rgb),
        _box(w / 2 - 0.015, 0, h / 2, 0.015, d / 2, h / 2, rgb),
        _box(0, d / 2 - 0.008, h / 2, w / 2, 0.008, h / 2, _shade(rgb, 0.75)),
    ]
    boards = int(rng.integers(4, 7))
    for k in range(boards):
        z = 0.02 + k * (h - 0.04) / (boards - 1)
        parts.append(_box(0, 0, z, w / 2, d / 2, 0.015, rgb))
        if k == boards - 1:
            continue
        room = (h - 0.04) / (boards - 1) - 0.06
        x = -w / 2 + 0.06
        while x < w / 2 - 0.1 and rng.random() < 0.8:
            thick = float(rng.uniform(0.02, 0.05))
            tall = float(rng.uniform(0.5, 0.85)) * room / 2
            tone = float(rng.uniform(0.25, 0.75))
            book = (tone, tone * float(rng.uniform(0.8, 1.0)), tone * float(rng.uniform(0.6, 0.9)))
            parts.append(_box(x + thick / 2, 0, z + 0.015 + tall, thick / 2, d * 0.35, tall, book))
            x += thick + 0.004
    return parts


def _cabinet(size: Size, rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    w, d, h = size
    parts = [
        _box(0, 0.005, h / 2 + 0.02, w / 2, d / 2 - 0.005, h / 2 - 0.02, rgb),
        _box(0, 0.02, 0.02, w / 2 - 0.03, d / 2 - 0.04, 0.02, _METAL),
    ]
    for side in (-1, 1):
        front = -d / 2 + 0.006
        panel = (w / 4 - 0.02, 0.006, h / 2 - 0.06)
        parts.append(Part("box", panel, (side * w / 4, front, h / 2 + 0.02), _shade(rgb, 0.85)))
        handle = (0.008, 0.012, 0.07)
        parts.append(Part("box", handle, (side * 0.04, front, h / 2 + 0.02), _METAL))
    return parts


def _plant(size: Size, rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    w, _, h = size
    pot = 0.17
    stem = (h - 2 * pot) / 3
    parts = [
        Part("cylinder", (w * 0.30, w * 0.30, pot), (0, 0, pot), rgb),
        Part("cylinder", (w * 0.26, w * 0.26, 0.01), (0, 0, 2 * pot), _EARTH),
        Part("cylinder", (0.02, 0.02, stem), (0, 0, 2 * pot + stem), _WOOD),
    ]
    crown = h - 2 * pot - 0.10
    for k in range(6):
        angle = 2.4 * k + float(rng.uniform(0, 0.6))
        level = 2 * pot + 0.10 + crown * (0.25 + 0.5 * k / 5)
        reach = w * 0.22
        half = (w * 0.28, w * 0.28, crown * 0.25)
        place = (reach * float(np.cos(angle)), reach * float(np.sin(angle)), level)
        parts.append(Part("ellipsoid", half, place, _shade(_LEAF, float(rng.uniform(0.8, 1.25)))))
    return parts


def _lamp(size: Size, rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    w, _, h = size
    shade = 0.15
    return [
        Part("cylinder", (w * 0.38, w * 0.38, 0.015), (0, 0, 0.015), _METAL),
        Part("cylinder", (0.016, 0.016, (h - 2 * shade) / 2), (0, 0, (h - 2 * shade) / 2), _METAL),
        Part("cylinder", (w / 2, w / 2, shade), (0, 0, h - shade), rgb),
    ]


def _door(size: Size, rgb: Rgb, rng: np.random.Generator) -> list[Part]:
    w, d, h = size
    frame = _shade(rgb, 0.7)
    side = 1 if rng.random() < 0.5 else -1
    return [
        _box(0, 0.01, h / 2, w / 2, d / 2 - 0.01, h / 2, frame),
        _box(0, -0.005, h / 2 - 0.02, w / 2 - 0.05, d / 2 - 0.008, h / 2 - 0.04, rgb),
        _box(side * (w / 2 - 0.13), -d / 2 + 0.006, 1.0, 0.05, 0.006, 0.012, _METAL),
    ]


_BUILDERS: dict[str, Callable[[Size, Rgb, np.random.Generator], list[Part]]] = {
    "sofa": _sofa,
    "table": _table,
    "chair": _chair,
    "shelf": _shelf,
    "cabinet": _cabinet,
    "plant": _plant,
    "lamp": _lamp,
    "door": _door,
}


def build(kind: str, size: Size, colour: str, rng: np.random.Generator) -> list[Part]:
    """Return the parts of one piece of furniture.

    Args:
        kind: one of :data:`KINDS`.
        size: (width, depth, height) in metres.
        colour: one of :data:`COLOURS`.
        rng: decides details such as cushions and books.
    """
    return _BUILDERS[kind](size, COLOURS[colour], rng)
