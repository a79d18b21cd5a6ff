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
from dataclasses import replace

import numpy as np

from spatialgeo_ros.sim.furniture import Part, Rgb
from spatialgeo_ros.sim.paper_things import (
    book_stack,
    leaflet,
    lying_book,
    magazine,
    picture_frame,
)
from spatialgeo_ros.sim.thing_kit import (
    BLACK,
    SMALL_COLOURS,
    STEEL,
    SmallThing,
    assemble,
    box,
    disc,
    paint_material,
    ring,
    tone,
)
from spatialgeo_ros.sim.turning import about, product, shifted, turned

_CARDBOARD: Rgb = (0.66, 0.50, 0.33)
_EARTH: Rgb = (0.26, 0.18, 0.12)
_LEAF: Rgb = (0.18, 0.45, 0.16)
_GLASS: Rgb = (0.62, 0.74, 0.74)


def mug(colour: str, rng: np.random.Generator) -> SmallThing:
    """Hollow mug with a handle at +x; some hold coffee."""
    rgb = SMALL_COLOURS[colour]
    r, h = float(rng.uniform(0.037, 0.046)), float(rng.uniform(0.082, 0.112))
    material = paint_material(rng, colour, 0.3)
    parts = [
        disc(r - 0.001, 0.0, 0.006, rgb, material),
        *ring(r, 0.0, r, h, 0.004, rgb, material),
    ]
    if rng.random() < 0.5:
        parts.append(disc(r - 0.004, 0.006, 0.7 * h, (0.16, 0.09, 0.05), "dark"))
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
    material = "glass" if glass else paint_material(rng, colour, 0.3)
    mixed = tuple((a + b) / 2 for a, b in zip(rgb, _GLASS, strict=True)) if glass else rgb
    body = (mixed[0], mixed[1], mixed[2])
    shoulder = 0.66 * h
    half = (r, r, 0.14 * h)
    return assemble(
        "bottle",
        colour,
        [
            disc(r, 0.0, shoulder, body, material),
            Part("ellipsoid", half, (0, 0, shoulder), body, material=material),
            disc(0.38 * r, shoulder, 0.95 * h, body, material),
            disc(0.45 * r, 0.95 * h, h, tone(rgb, 0.6)),
        ],
    )


def bowl(colour: str, rng: np.random.Generator) -> SmallThing:
    """Open bowl of two rings."""
    rgb = SMALL_COLOURS[colour]
    r, h = float(rng.uniform(0.065, 0.125)), float(rng.uniform(0.05, 0.085))
    material = paint_material(rng, colour, 0.3)
    return assemble(
        "bowl",
        colour,
        [
            disc(0.5 * r, 0.0, 0.006, rgb, material),
            *ring(0.5 * r, 0.0, 0.82 * r, 0.45 * h, 0.005, rgb, material, 18),
            *ring(0.82 * r, 0.45 * h, r, h, 0.005, rgb, material, 18),
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
        box((w, d - 0.001, h), (0, 0.0005, h / 2), rgb),
        box((0.7 * w, 0.001, 0.5 * h), (0, -d / 2 + 0.0005, 0.5 * h), tone(rgb, 1.35)),
    ]
    return assemble("box", colour, parts, (w / 2, d / 2), upright=True)


def game_pad(colour: str, rng: np.random.Generator) -> SmallThing:
    """A game controller: body, two grips, sticks."""
    rgb = BLACK if rng.random() < 0.5 else SMALL_COLOURS[colour]
    material = "dark" if rgb == BLACK else "matte"
    w = float(rng.uniform(0.145, 0.162))
    parts = [box((0.75 * w, 0.07, 0.030), (0, 0.015, 0.025), rgb, material)]
    for side in (-1, 1):
        grip = (0.024, 0.055, 0.018)
        at = (side * (w / 2 - 0.028), -0.012, 0.018)
        turn = about("z", side * 0.25)
        parts.append(Part("ellipsoid", grip, at, rgb, turn, material))
        parts.append(
            replace(disc(0.009, 0.040, 0.052, BLACK, "dark"), position=(side * 0.03, 0.01, 0.046))
        )
    return assemble("game pad", "black" if rgb == BLACK else colour, parts)


def remote(colour: str, rng: np.random.Generator) -> SmallThing:
    """A remote control, black and flat, with rows of buttons."""
    w, d, h = float(rng.uniform(0.04, 0.055)), float(rng.uniform(0.14, 0.20)), 0.018
    parts = [box((w, d, h - 0.002), (0, 0, h / 2 - 0.001), BLACK, "dark")]
    for row in range(4):
        for side in (-1, 1):
            at = (side * 0.22 * w, d * (0.3 - 0.17 * row), h - 0.001)
            parts.append(box((0.011, 0.008, 0.002), at, (0.35, 0.35, 0.36)))
    return assemble("remote", "black", parts)


def vase(colour: str, rng: np.random.Generator) -> SmallThing:
    """An open vase of four rings, often glazed."""
    rgb = SMALL_COLOURS[colour]
    r, h = float(rng.uniform(0.045, 0.075)), float(rng.uniform(0.18, 0.34))
    material = paint_material(rng, colour, 0.6)
    outline = [(0.6, 0.0), (1.0, 0.3), (0.95, 0.5), (0.45, 0.8), (0.6, 1.0)]
    parts = [disc(0.6 * r, 0.0, 0.006, rgb, material)]
    for (r0, z0), (r1, z1) in zip(outline, outline[1:], strict=False):
        parts += ring(r0 * r, z0 * h, r1 * r, z1 * h, 0.005, rgb, material)
    return assemble("vase", colour, parts)


def plant_pot(colour: str, rng: np.random.Generator) -> SmallThing:
    """A small plant in a pot."""
    rgb = SMALL_COLOURS[colour]
    r, h = float(rng.uniform(0.045, 0.075)), float(rng.uniform(0.08, 0.13))
    parts = [
        *ring(0.8 * r, 0.0, r, h, 0.005, rgb, paint_material(rng, colour, 0.2)),
        disc(0.8 * r, 0.0, 0.85 * h, _EARTH),
    ]
    count = int(rng.integers(6, 11))
    for k in range(count):
        angle, lean = 2.4 * k + float(rng.uniform(0, 0.5)), float(rng.uniform(0.1, 0.9))
        long = float(rng.uniform(0.8, 1.5)) * h
        leaf = Part(
            "ellipsoid",
            (0.004, 0.2 * long, long / 2),
            (0, 0, long / 2),
            tone(_LEAF, float(rng.uniform(0.75, 1.3))),
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
            box((w, 0.45 * w, 0.16 * w), (0, 0, wheel + 0.09 * w), rgb),
            box((0.5 * w, 0.40 * w, 0.15 * w), (0.05 * w, 0, wheel + 0.245 * w), tone(rgb, 0.7)),
        ]
        for x in (-0.3 * w, 0.3 * w):
            for y in (-0.22 * w, 0.22 * w):
                axle = about("x", math.pi / 2)
                half = (wheel, wheel, 0.05 * w)
                parts.append(Part("cylinder", half, (x, y, wheel), BLACK, axle, "dark"))
        return assemble("toy", colour, parts)
    if which == 1:
        edge = float(rng.uniform(0.03, 0.045))
        blocks: list[Part] = []
        for k in range(int(rng.integers(3, 6))):
            paint = SMALL_COLOURS[list(SMALL_COLOURS)[int(rng.integers(7))]] if k else rgb
            block = box((edge, edge, edge), (0, 0, (k + 0.5) * edge), paint)
            blocks += turned([block], about("z", float(rng.uniform(-0.4, 0.4))))
        return assemble("toy", colour, blocks)
    s = float(rng.uniform(0.16, 0.30))
    fur = tone((0.55, 0.38, 0.22), float(rng.uniform(0.8, 1.3)))
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
    material = paint_material(rng, colour, 0.2)
    part = Part("ellipsoid", (r, r, r), (0, 0, r), SMALL_COLOURS[colour], material=material)
    return assemble("ball", colour, [part])


def laptop(colour: str, rng: np.random.Generator) -> SmallThing:
    """An open laptop; its screen returns no infrared light."""
    shell = STEEL if rng.random() < 0.5 else BLACK
    material = "dark" if shell == BLACK else "glossy"
    w, d = float(rng.uniform(0.30, 0.37)), float(rng.uniform(0.21, 0.25))
    opening = float(rng.uniform(0.05, 0.5))  # of the lid beyond upright
    lid = [
        box((w, 0.006, d), (0, 0.003, d / 2), shell, material),
        box((w - 0.02, 0.001, d - 0.025), (0, -0.0005, d / 2), (0.03, 0.04, 0.06), "screen"),
    ]
    parts = [
        box((w, d, 0.016), (0, 0, 0.008), shell, material),
        box((0.85 * w, 0.45 * d, 0.001), (0, 0.12 * d, 0.0165), BLACK, "dark"),
        *shifted(turned(lid, about("x", -opening)), 0.0, d / 2 - 0.008, 0.014),
    ]
    return assemble("laptop", "grey" if shell == STEEL else "black", parts)


def can(colour: str, rng: np.random.Generator) -> SmallThing:
    """A tin with shiny ends."""
    r, h = float(rng.uniform(0.033, 0.05)), float(rng.uniform(0.08, 0.13))
    parts = [
        disc(r, 0.0, 0.004, STEEL, "glossy"),
        disc(r - 0.001, 0.004, h - 0.004, SMALL_COLOURS[colour]),
        disc(r, h - 0.004, h, STEEL, "glossy"),
    ]
    return assemble("can", colour, parts, (0.6 * r, 0.6 * r))


def pen_holder(colour: str, rng: np.random.Generator) -> SmallThing:
    """A cup with slanted pens, 9 mm thin."""
    rgb = SMALL_COLOURS[colour]
    r, h = float(rng.uniform(0.035, 0.045)), float(rng.uniform(0.09, 0.11))
    parts = [disc(r - 0.001, 0.0, 0.005, rgb), *ring(r, 0.0, r, h, 0.003, rgb)]
    for k in range(int(rng.integers(3, 7))):
        paint = SMALL_COLOURS[list(SMALL_COLOURS)[int(rng.integers(len(SMALL_COLOURS)))]]
        long = float(rng.uniform(0.13, 0.17))
        pen = Part("cylinder", (0.0045, 0.0045, long / 2), (0, 0, long / 2), paint)
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
    book_stack: 0.9,
    magazine: 0.9,
    leaflet: 0.6,
    game_pad: 0.7,
    remote: 0.7,
    vase: 0.7,
    plant_pot: 0.7,
    toy: 0.8,
    ball: 0.6,
    laptop: 0.8,
    picture_frame: 0.5,
    can: 0.7,
    pen_holder: 0.4,
}
