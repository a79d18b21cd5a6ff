# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Small things of a household, built from turned boxes, cylinders and ellipsoids.

The parts of a thing are in its own frame: origin under the middle of its upright bounding box, x
along its width, y along its depth (its front is at -y), z up, metres. Sizes are common catalogue
measures.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from spatialgeo_ros.sim.furniture import Part, Rgb, Size
from spatialgeo_ros.sim.turning import about, bounds, product, shifted, turned

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

_PAPER: Rgb = (0.88, 0.86, 0.80)
_BLACK: Rgb = (0.05, 0.05, 0.06)
_STEEL: Rgb = (0.62, 0.63, 0.65)
_CARDBOARD: Rgb = (0.66, 0.50, 0.33)
_EARTH: Rgb = (0.26, 0.18, 0.12)
_LEAF: Rgb = (0.18, 0.45, 0.16)
_GLASS: Rgb = (0.62, 0.74, 0.74)
_COVER = 0.0015  # thickness of a book's cover, metres


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


def _box(size: Size, at: tuple[float, float, float], rgb: Rgb, material: str = "matte") -> Part:
    """Box of full ``size`` whose middle is ``at``."""
    w, d, h = size
    return Part("box", (w / 2, d / 2, h / 2), at, rgb, material=material)


def _disc(radius: float, z0: float, z1: float, rgb: Rgb, material: str = "matte") -> Part:
    """Upright cylinder from ``z0`` to ``z1`` about the z axis."""
    half = (radius, radius, (z1 - z0) / 2)
    return Part("cylinder", half, (0, 0, (z0 + z1) / 2), rgb, material=material)


def _ring(
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


def _tone(rgb: Rgb, factor: float) -> Rgb:
    r, g, b = (min(1.0, c * factor) for c in rgb)
    return (r, g, b)


def _surface(rng: np.random.Generator, colour: str, shiny: float) -> str:
    """Material of a painted thing: black is dark, a share ``shiny`` of the others glossy."""
    glossy = rng.random() < shiny
    if colour == "black":
        return "dark"
    return "glossy" if glossy else "matte"


def mug(colour: str, rng: np.random.Generator) -> SmallThing:
    """Hollow mug with a handle at +x; some hold coffee."""
    rgb = SMALL_COLOURS[colour]
    r, h = float(rng.uniform(0.037, 0.046)), float(rng.uniform(0.082, 0.112))
    material = _surface(rng, colour, 0.3)
    parts = [
        _disc(r - 0.001, 0.0, 0.006, rgb, material),
        *_ring(r, 0.0, r, h, 0.004, rgb, material),
    ]
    if rng.random() < 0.5:
        parts.append(_disc(r - 0.004, 0.006, 0.7 * h, (0.16, 0.09, 0.05), "dark"))
    reach = 0.3 * h
    for k in range(6):
        angle = math.pi * ((k + 0.5) / 6 - 0.5)
        at = (
            r - 0.004 + 0.8 * reach * math.cos(angle),
            0.0,
            h / 2 + reach * math.sin(angle),
        )
        turn = about("y", -angle)
        parts.append(Part("box", (0.004, 0.006, 0.3 * reach), at, rgb, turn, material))
    return assemble("mug", colour, parts)


def bottle(colour: str, rng: np.random.Generator) -> SmallThing:
    """Bottle with shoulder, neck and cap; a third are of glass."""
    rgb = SMALL_COLOURS[colour]
    r, h = float(rng.uniform(0.030, 0.046)), float(rng.uniform(0.20, 0.32))
    glass = rng.random() < 0.33
    material = "glass" if glass else _surface(rng, colour, 0.3)
    tone = tuple((a + b) / 2 for a, b in zip(rgb, _GLASS, strict=True)) if glass else rgb
    body = (tone[0], tone[1], tone[2])
    shoulder = 0.66 * h
    half = (r, r, 0.14 * h)
    return assemble(
        "bottle",
        colour,
        [
            _disc(r, 0.0, shoulder, body, material),
            Part("ellipsoid", half, (0, 0, shoulder), body, material=material),
            _disc(0.38 * r, shoulder, 0.95 * h, body, material),
            _disc(0.45 * r, 0.95 * h, h, _tone(rgb, 0.6)),
        ],
    )


def bowl(colour: str, rng: np.random.Generator) -> SmallThing:
    """Open bowl of two rings."""
    rgb = SMALL_COLOURS[colour]
    r, h = float(rng.uniform(0.065, 0.125)), float(rng.uniform(0.05, 0.085))
    material = _surface(rng, colour, 0.3)
    return assemble(
        "bowl",
        colour,
        [
            _disc(0.5 * r, 0.0, 0.006, rgb, material),
            *_ring(0.5 * r, 0.0, 0.82 * r, 0.45 * h, 0.005, rgb, material, 18),
            *_ring(0.82 * r, 0.45 * h, r, h, 0.005, rgb, material, 18),
        ],
    )


def carton(colour: str, rng: np.random.Generator) -> SmallThing:
    """Closed box: a packet, a shoe box or a small carton, with a label on its front."""
    rgb = _CARDBOARD if rng.random() < 0.35 else SMALL_COLOURS[colour]
    ranges = [
        ((0.05, 0.05, 0.06), (0.12, 0.12, 0.16)),
        ((0.15, 0.05, 0.22), (0.22, 0.08, 0.31)),  # of breakfast cereals
        ((0.18, 0.15, 0.08), (0.34, 0.28, 0.20)),
    ]
    low, high = ranges[int(rng.integers(len(ranges)))]
    w, d, h = (float(rng.uniform(a, b)) for a, b in zip(low, high, strict=True))
    parts = [
        _box((w, d - 0.001, h), (0, 0.0005, h / 2), rgb),
        _box((0.7 * w, 0.001, 0.5 * h), (0, -d / 2 + 0.0005, 0.5 * h), _tone(rgb, 1.35)),
    ]
    return assemble("box", colour, parts, (w / 2, d / 2), upright=True)


def book_parts(size: Size, rgb: Rgb) -> list[Part]:
    """A lying book of full ``size`` about the origin: covers, spine (at -x) and pages."""
    w, d, h = size
    pages = (w - 0.004, d - 0.006, h - 2 * _COVER)
    return [
        _box((w, d, _COVER), (0, 0, (h - _COVER) / 2), rgb),
        _box((w, d, _COVER), (0, 0, -(h - _COVER) / 2), rgb),
        _box((_COVER, d, h), (-(w - _COVER) / 2, 0, 0), _tone(rgb, 0.9)),
        _box(pages, (0, 0, 0), _PAPER),
    ]


def _book_size(rng: np.random.Generator) -> Size:
    return (
        float(rng.uniform(0.11, 0.19)),
        float(rng.uniform(0.17, 0.26)),
        float(rng.uniform(0.010, 0.042)),
    )


def lying_book(colour: str, rng: np.random.Generator) -> SmallThing:
    """A book on its cover."""
    size = _book_size(rng)
    parts = book_parts(size, SMALL_COLOURS[colour])
    return assemble("book", colour, parts, (size[0] / 2, size[1] / 2))


def standing_book(
    colour: str, rng: np.random.Generator, tallest: float, lean: float = 0.0
) -> SmallThing:
    """A book that shows its spine to the front, on its edge.

    Args:
        colour: one of :data:`SMALL_COLOURS`.
        rng: decides the size.
        tallest: the height that it keeps to, metres.
        lean: angle from upright, radians; its top goes towards -x.
    """
    w, d, h = _book_size(rng)
    d = min(d, tallest)
    # From lying to standing: the spine (-x) to the front (-y), the long side (y) up.
    turn = product(about("z", math.pi / 2), about("x", math.pi / 2))
    parts = turned(book_parts((w, d, h), SMALL_COLOURS[colour]), turn)
    if lean:
        return assemble("book", colour, turned(parts, about("y", -lean)))
    return assemble("book", colour, parts, upright=True)


def book_stack(colour: str, rng: np.random.Generator) -> SmallThing:
    """Three to seven books on each other, taken as one thing; its colour is that of the top."""
    count = int(rng.integers(3, 8))
    sizes = sorted((_book_size(rng) for _ in range(count)), key=lambda size: -size[0] * size[1])
    parts: list[Part] = []
    z = 0.0
    for k, size in enumerate(sizes):
        last = k == count - 1
        others = list(SMALL_COLOURS)
        drawn = colour if last else others[int(rng.integers(len(others)))]
        yaw = 0.0 if last else float(rng.normal(0, 0.12))
        book = turned(book_parts(size, SMALL_COLOURS[drawn]), about("z", yaw))
        parts += shifted(book, 0.0, 0.0, z + size[2] / 2)
        z += size[2]
    # The middle of the top book may be beside the middle of the box around all: half a centimetre.
    top = (sizes[-1][0] / 2 - 0.005, sizes[-1][1] / 2 - 0.005)
    return assemble("stack of books", colour, parts, top)


def _sheet(kind: str, colour: str, size: Size, rgb: Rgb) -> SmallThing:
    w, d, h = size
    upper = min(0.0002, h / 2)
    parts = [
        _box((w, d, h - upper), (0, 0, (h - upper) / 2), rgb),
        _box((0.8 * w, 0.5 * d, upper), (0, 0.1 * d, h - upper / 2), _tone(rgb, 0.75)),
    ]
    return assemble(kind, colour, parts, (w / 2, d / 2))


def magazine(colour: str, rng: np.random.Generator) -> SmallThing:
    """A magazine of 2 to 8 mm that lies flat."""
    size = (float(rng.uniform(0.19, 0.23)), float(rng.uniform(0.26, 0.30)), rng.uniform(2, 8) / 1e3)
    return _sheet("magazine", colour, (size[0], size[1], float(size[2])), SMALL_COLOURS[colour])


def leaflet(colour: str, rng: np.random.Generator) -> SmallThing:
    """A folded leaflet of 0.5 to 1.5 mm that lies flat."""
    rgb = _PAPER if rng.random() < 0.5 else SMALL_COLOURS[colour]
    w, d = ((0.105, 0.21), (0.148, 0.21), (0.21, 0.297))[int(rng.integers(3))]
    return _sheet("leaflet", colour, (w, d, float(rng.uniform(0.5, 1.5)) / 1e3), rgb)


def leaning_slab(
    kind: str, colour: str, rng: np.random.Generator, lean: float, tallest: float
) -> SmallThing:
    """A book, magazine, leaflet or picture frame whose top leans back, towards +y.

    Its lower edge stands on the floor of its frame; the upper edge of its back is the rearmost part
    of its bounding box, so a wall or a box there holds it.

    Args:
        kind: "book", "magazine", "leaflet" or "picture frame".
        colour: one of :data:`SMALL_COLOURS`.
        rng: decides the size.
        lean: angle from upright, radians.
        tallest: the height that the leaning thing keeps to, metres.
    """
    long = float(rng.uniform(0.17, 0.29))
    wide = float(rng.uniform(0.65, 0.8)) * long
    thick = float(
        {
            "book": rng.uniform(0.010, 0.035),
            "magazine": rng.uniform(0.002, 0.006),
            "leaflet": rng.uniform(0.0008, 0.0015),
            "picture frame": rng.uniform(0.012, 0.02),
        }[kind]
    )
    long = min(long, (tallest - thick * math.sin(lean)) / math.cos(lean))
    rgb = SMALL_COLOURS[colour]
    if kind == "book":
        parts = turned(book_parts((wide, long, thick), rgb), about("x", math.pi / 2))
    else:
        parts = [_box((wide, thick, long), (0, 0, 0), rgb)]
        inset = 0.018 if kind == "picture frame" else 0.01
        front = (wide - 2 * inset, 0.0006, long - 2 * inset)
        picture = "glass" if kind == "picture frame" else "matte"
        inner = _box(front, (0, -thick / 2 - 0.0003, 0), _tone(rgb, 0.7), picture)
        parts.append(inner)
    return assemble(kind, colour, turned(parts, about("x", -lean)))


def leaflet_in_holder(colour: str, rng: np.random.Generator) -> tuple[SmallThing, list[Part]]:
    """A slanted stand, and the parts of the leaflet in it in the stand's frame.

    The bounding box of the returned stand is that of both.
    """
    wide, long = ((0.105, 0.21), (0.148, 0.21))[int(rng.integers(2))]
    lean, thick = float(rng.uniform(0.15, 0.35)), 0.003
    paper = float(rng.uniform(0.8, 2.0)) / 1e3
    back = _box((0.9 * wide, thick, 0.75 * long), (0, thick / 2, 0.375 * long), _STEEL)
    sheet = _box((wide, paper, long), (0, -paper / 2, long / 2), SMALL_COLOURS[colour])
    base_depth = 0.75 * long * math.sin(lean) + 0.02
    base = _box((0.9 * wide, base_depth, thick), (0, base_depth / 2 - 0.015, thick / 2), _STEEL)
    # Both turn about the sheet's lower rear edge, so the back's lower rear edge sinks.
    rise = thick + 0.0003 + thick * math.sin(lean)
    tilted = shifted(turned([back, sheet], about("x", -lean)), 0.0, 0.0, rise)
    both = assemble("holder", "grey", [base, *tilted])
    return replace(both, parts=both.parts[:2]), list(both.parts[2:])


def game_pad(colour: str, rng: np.random.Generator) -> SmallThing:
    """A game controller: body, two grips, sticks."""
    rgb = _BLACK if rng.random() < 0.5 else SMALL_COLOURS[colour]
    material = "dark" if rgb == _BLACK else "matte"
    w = float(rng.uniform(0.145, 0.162))
    parts = [_box((0.75 * w, 0.07, 0.030), (0, 0.015, 0.025), rgb, material)]
    for side in (-1, 1):
        grip = (0.024, 0.055, 0.018)
        at = (side * (w / 2 - 0.028), -0.012, 0.018)
        turn = about("z", side * 0.25)
        parts.append(Part("ellipsoid", grip, at, rgb, turn, material))
        parts.append(
            replace(_disc(0.009, 0.040, 0.052, _BLACK, "dark"), position=(side * 0.03, 0.01, 0.046))
        )
    return assemble("game pad", "black" if rgb == _BLACK else colour, parts)


def remote(colour: str, rng: np.random.Generator) -> SmallThing:
    """A remote control, black and flat, with rows of buttons."""
    w, d, h = float(rng.uniform(0.04, 0.055)), float(rng.uniform(0.14, 0.20)), 0.018
    parts = [_box((w, d, h - 0.002), (0, 0, h / 2 - 0.001), _BLACK, "dark")]
    for row in range(4):
        for side in (-1, 1):
            at = (side * 0.22 * w, d * (0.3 - 0.17 * row), h - 0.001)
            parts.append(_box((0.011, 0.008, 0.002), at, (0.35, 0.35, 0.36)))
    return assemble("remote", "black", parts)


def vase(colour: str, rng: np.random.Generator) -> SmallThing:
    """An open vase of four rings, often glazed."""
    rgb = SMALL_COLOURS[colour]
    r, h = float(rng.uniform(0.045, 0.075)), float(rng.uniform(0.18, 0.34))
    material = _surface(rng, colour, 0.6)
    outline = [(0.6, 0.0), (1.0, 0.3), (0.95, 0.5), (0.45, 0.8), (0.6, 1.0)]
    parts = [_disc(0.6 * r, 0.0, 0.006, rgb, material)]
    for (r0, z0), (r1, z1) in zip(outline, outline[1:], strict=False):
        parts += _ring(r0 * r, z0 * h, r1 * r, z1 * h, 0.005, rgb, material)
    return assemble("vase", colour, parts)


def plant_pot(colour: str, rng: np.random.Generator) -> SmallThing:
    """A small plant in a pot."""
    rgb = SMALL_COLOURS[colour]
    r, h = float(rng.uniform(0.045, 0.075)), float(rng.uniform(0.08, 0.13))
    parts = [
        *_ring(0.8 * r, 0.0, r, h, 0.005, rgb, _surface(rng, colour, 0.2)),
        _disc(0.8 * r, 0.0, 0.85 * h, _EARTH),
    ]
    count = int(rng.integers(6, 11))
    for k in range(count):
        angle, lean = 2.4 * k + float(rng.uniform(0, 0.5)), float(rng.uniform(0.1, 0.9))
        long = float(rng.uniform(0.8, 1.5)) * h
        leaf = Part(
            "ellipsoid",
            (0.004, 0.2 * long, long / 2),
            (0, 0, long / 2),
            _tone(_LEAF, float(rng.uniform(0.75, 1.3))),
        )
        turn = product(about("z", angle), about("y", lean))
        parts += shifted(turned([leaf], turn), 0.0, 0.0, 0.84 * h)
    return assemble("plant pot", colour, parts)


def toy(colour: str, rng: np.random.Generator) -> SmallThing:
    """A toy car, a tower of blocks, or a teddy bear."""
    rgb = SMALL_COLOURS[colour]
    which = int(rng.integers(3))
    if which == 0:
        w = float(rng.uniform(0.12, 0.20))
        wheel = 0.13 * w
        parts = [
            _box((w, 0.45 * w, 0.16 * w), (0, 0, wheel + 0.09 * w), rgb),
            _box((0.5 * w, 0.40 * w, 0.15 * w), (0.05 * w, 0, wheel + 0.245 * w), _tone(rgb, 0.7)),
        ]
        for x in (-0.3 * w, 0.3 * w):
            for y in (-0.22 * w, 0.22 * w):
                axle = about("x", math.pi / 2)
                half = (wheel, wheel, 0.05 * w)
                parts.append(Part("cylinder", half, (x, y, wheel), _BLACK, axle, "dark"))
        return assemble("toy", colour, parts)
    if which == 1:
        edge = float(rng.uniform(0.03, 0.045))
        blocks: list[Part] = []
        for k in range(int(rng.integers(3, 6))):
            tone = SMALL_COLOURS[list(SMALL_COLOURS)[int(rng.integers(7))]] if k else rgb
            block = _box((edge, edge, edge), (0, 0, (k + 0.5) * edge), tone)
            blocks += turned([block], about("z", float(rng.uniform(-0.4, 0.4))))
        return assemble("toy", colour, blocks)
    s = float(rng.uniform(0.16, 0.30))
    fur = _tone((0.55, 0.38, 0.22), float(rng.uniform(0.8, 1.3)))
    bodies: list[tuple[tuple[float, float, float], tuple[float, float, float]]] = [
        ((0.22, 0.17, 0.27), (0, 0, 0.27)),
        ((0.19, 0.16, 0.18), (0, -0.02, 0.66)),
        ((0.07, 0.04, 0.07), (-0.15, 0, 0.83)),
        ((0.07, 0.04, 0.07), (0.15, 0, 0.83)),
        ((0.08, 0.15, 0.08), (-0.16, -0.22, 0.08)),
        ((0.08, 0.15, 0.08), (0.16, -0.22, 0.08)),
        ((0.07, 0.14, 0.07), (-0.23, -0.10, 0.38)),
        ((0.07, 0.14, 0.07), (0.23, -0.10, 0.38)),
    ]
    scaled = [
        Part("ellipsoid", (a * s, b * s, c * s), (x * s, y * s, z * s), fur)
        for (a, b, c), (x, y, z) in bodies
    ]
    return assemble("toy", "brown", scaled)


def ball(colour: str, rng: np.random.Generator) -> SmallThing:
    """A ball, from one for tennis to one for the beach."""
    r = float(rng.uniform(0.03, 0.11))
    material = _surface(rng, colour, 0.2)
    part = Part("ellipsoid", (r, r, r), (0, 0, r), SMALL_COLOURS[colour], material=material)
    return assemble("ball", colour, [part])


def laptop(colour: str, rng: np.random.Generator) -> SmallThing:
    """An open laptop; its screen returns no infrared light."""
    shell = _STEEL if rng.random() < 0.5 else _BLACK
    material = "dark" if shell == _BLACK else "glossy"
    w, d = float(rng.uniform(0.30, 0.37)), float(rng.uniform(0.21, 0.25))
    opening = float(rng.uniform(0.05, 0.5))  # of the lid beyond upright
    lid = [
        _box((w, 0.006, d), (0, 0.003, d / 2), shell, material),
        _box((w - 0.02, 0.001, d - 0.025), (0, -0.0005, d / 2), (0.03, 0.04, 0.06), "screen"),
    ]
    parts = [
        _box((w, d, 0.016), (0, 0, 0.008), shell, material),
        _box((0.85 * w, 0.45 * d, 0.001), (0, 0.12 * d, 0.0165), _BLACK, "dark"),
        *shifted(turned(lid, about("x", -opening)), 0.0, d / 2 - 0.008, 0.014),
    ]
    return assemble("laptop", "grey" if shell == _STEEL else "black", parts)


def picture_frame(colour: str, rng: np.random.Generator) -> SmallThing:
    """A framed picture behind glass that stands on its own strut."""
    lean = float(rng.uniform(0.15, 0.30))
    frame = leaning_slab("picture frame", colour, rng, lean, 0.3)
    _, d, h = frame.size
    strut = _box((0.03, 0.004, 0.75 * h), (0, 0.002, 0.0), SMALL_COLOURS[colour])
    # The strut meets the frame's back near the top and stands behind it.
    strut_lean = about("x", 0.9 * lean)
    up = float(-bounds(turned([strut], strut_lean))[0][2])
    held = shifted(turned([strut], strut_lean), 0.0, 0.75 * d, up)
    return assemble("picture frame", colour, [*frame.parts, *held])


def can(colour: str, rng: np.random.Generator) -> SmallThing:
    """A tin with shiny ends."""
    r, h = float(rng.uniform(0.033, 0.05)), float(rng.uniform(0.08, 0.13))
    parts = [
        _disc(r, 0.0, 0.004, _STEEL, "glossy"),
        _disc(r - 0.001, 0.004, h - 0.004, SMALL_COLOURS[colour]),
        _disc(r, h - 0.004, h, _STEEL, "glossy"),
    ]
    return assemble("can", colour, parts, (0.6 * r, 0.6 * r))


def pen_holder(colour: str, rng: np.random.Generator) -> SmallThing:
    """A cup with slanted pens, each as thin as a finger is not."""
    rgb = SMALL_COLOURS[colour]
    r, h = float(rng.uniform(0.035, 0.045)), float(rng.uniform(0.09, 0.11))
    parts = [_disc(r - 0.001, 0.0, 0.005, rgb), *_ring(r, 0.0, r, h, 0.003, rgb)]
    for k in range(int(rng.integers(3, 7))):
        tone = SMALL_COLOURS[list(SMALL_COLOURS)[int(rng.integers(len(SMALL_COLOURS)))]]
        long = float(rng.uniform(0.13, 0.17))
        pen = Part("cylinder", (0.0045, 0.0045, long / 2), (0, 0, long / 2), tone)
        turn = product(about("z", 2.1 * k), about("y", float(rng.uniform(0.03, 0.17))))
        parts += shifted(turned([pen], turn), 0.0, 0.0, 0.006)
    return assemble("pen holder", colour, parts)


Builder = Callable[[str, np.random.Generator], SmallThing]

#: Builders of what stands or lies on its own, with how often each is drawn.
BUILDERS: dict[Builder, float] = {
    mug: 1.4,
    bottle: 1.2,
    bowl: 1.0,
    carton: 1.4,
    lying_book: 1.2,
    book_stack: 0.7,
    magazine: 0.7,
    leaflet: 0.6,
    game_pad: 0.5,
    remote: 0.7,
    vase: 0.7,
    plant_pot: 0.7,
    toy: 0.8,
    ball: 0.6,
    laptop: 0.4,
    picture_frame: 0.5,
    can: 0.7,
    pen_holder: 0.4,
}
