# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What small things are built from: their description, their colours, and common shapes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from spatialgeo_ros.sim.furniture import Part, Rgb, Size
from spatialgeo_ros.sim.turning import about, bounds, product, shifted

#: Colours of small things, as sRGB in [0, 1].
SMALL_COLOURS: dict[str, Rgb] = {
    "red": (0.78, 0.14, 0.13),
    "orange": (0.92, 0.52, 0.12),
    "yellow": (0.91, 0.80, 0.20),
    "green": (0.16, 0.50, 0.24),
    "blue": (0.14, 0.32, 0.70),
    "purple": (0.45, 0.22, 0.58),
    "white": (0.90, 0.90, 0.88),
    "grey": (0.52, 0.53, 0.55),
    "brown": (0.47, 0.32, 0.20),
    "black": (0.06, 0.06, 0.07),
}
BLACK: Rgb = (0.05, 0.05, 0.06)
STEEL: Rgb = (0.62, 0.63, 0.65)


@dataclass(frozen=True)
class SmallThing:
    """A thing that stands on its origin.

    Attributes:
        kind: the plain word for it ("mug").
        colour: one of :data:`SMALL_COLOURS`.
        size: (width, depth, height) of its upright bounding box, metres.
        parts: its bodies.
        top: half width and half depth of the flat top that can carry things; None when not flat.
        upright: its sides are the upright faces of its bounding box, so that things can lean there.
    """

    kind: str
    colour: str
    size: Size
    parts: tuple[Part, ...] = field(repr=False)
    top: tuple[float, float] | None = None
    upright: bool = False


def assemble(
    kind: str,
    colour: str,
    parts: list[Part],
    top: tuple[float, float] | None = None,
    upright: bool = False,
) -> SmallThing:
    """Move parts so that the origin is under the middle of their bounding box, and name them."""
    low, high = bounds(parts)
    x, y = (float(v) for v in -(low + high)[:2] / 2)
    w, d, h = (float(v) for v in high - low)
    return SmallThing(
        kind, colour, (w, d, h), tuple(shifted(parts, x, y, -float(low[2]))), top, upright
    )


def box(size: Size, at: tuple[float, float, float], rgb: Rgb, material: str = "matte") -> Part:
    """Box of full ``size`` whose middle is ``at``."""
    w, d, h = size
    return Part("box", (w / 2, d / 2, h / 2), at, rgb, material=material)


def disc(radius: float, z0: float, z1: float, rgb: Rgb, material: str = "matte") -> Part:
    """Upright cylinder from ``z0`` to ``z1`` about the z axis."""
    half = (radius, radius, (z1 - z0) / 2)
    return Part("cylinder", half, (0, 0, (z0 + z1) / 2), rgb, material=material)


def ring(
    r0: float,
    z0: float,
    r1: float,
    z1: float,
    thickness: float,
    rgb: Rgb,
    material: str = "matte",
    segments: int = 14,
) -> list[Part]:
    """Wall of a vessel from outer radius ``r0`` at ``z0`` to ``r1`` at ``z1``: flat staves."""
    slope = math.hypot(r1 - r0, z1 - z0)
    lean = math.atan2(r1 - r0, z1 - z0)
    middle = (r0 + r1) / 2 - thickness / 2 * math.cos(lean)
    half = (thickness / 2, math.tan(math.pi / segments) * max(r0, r1), slope / 2)
    staves = []
    for k in range(segments):
        angle = 2 * math.pi * k / segments
        at = (middle * math.cos(angle), middle * math.sin(angle), (z0 + z1) / 2)
        turn = product(about("z", angle), about("y", lean))
        staves.append(Part("box", half, at, rgb, turn, material))
    return staves


def tone(rgb: Rgb, factor: float) -> Rgb:
    """Return a lighter (``factor`` above 1) or darker shade."""
    r, g, b = (min(1.0, c * factor) for c in rgb)
    return (r, g, b)


def paint_material(rng: np.random.Generator, colour: str, shiny: float) -> str:
    """Material of a painted thing: black is dark, a share ``shiny`` of the others glossy."""
    glossy = rng.random() < shiny
    if colour == "black":
        return "dark"
    return "glossy" if glossy else "matte"
