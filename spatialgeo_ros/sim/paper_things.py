# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Things of paper: books, magazines, leaflets and framed pictures, lying, standing and leaning.

Frames and units as in :mod:`spatialgeo_ros.sim.small_things`.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from spatialgeo_ros.sim.furniture import Part, Rgb, Size
from spatialgeo_ros.sim.thing_kit import SMALL_COLOURS, STEEL, SmallThing, assemble, box, tone
from spatialgeo_ros.sim.turning import about, bounds, product, shifted, turned

_PAPER: Rgb = (0.88, 0.86, 0.80)
_COVER = 0.0015  # thickness of a book's cover, metres


def book_parts(size: Size, rgb: Rgb) -> list[Part]:
    """A lying book of full ``size`` about the origin: covers, spine (at -x) and pages."""
    w, d, h = size
    pages = (w - 0.004, d - 0.006, h - 2 * _COVER)
    return [
        box((w, d, _COVER), (0, 0, (h - _COVER) / 2), rgb),
        box((w, d, _COVER), (0, 0, -(h - _COVER) / 2), rgb),
        box((_COVER, d, h), (-(w - _COVER) / 2, 0, 0), tone(rgb, 0.9)),
        box(pages, (0, 0, 0), _PAPER),
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
        box((w, d, h - upper), (0, 0, (h - upper) / 2), rgb),
        box((0.8 * w, 0.5 * d, upper), (0, 0.1 * d, h - upper / 2), tone(rgb, 0.75)),
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
        parts = [box((wide, thick, long), (0, 0, 0), rgb)]
        inset = 0.018 if kind == "picture frame" else 0.01
        front = (wide - 2 * inset, 0.0006, long - 2 * inset)
        picture = "glossy" if kind == "picture frame" else "matte"
        inner = box(front, (0, -thick / 2 - 0.0003, 0), tone(rgb, 0.7), picture)
        parts.append(inner)
    return assemble(kind, colour, turned(parts, about("x", -lean)))


def picture_frame(colour: str, rng: np.random.Generator) -> SmallThing:
    """A framed picture behind glass that stands on its own strut."""
    lean = float(rng.uniform(0.15, 0.30))
    frame = leaning_slab("picture frame", colour, rng, lean, 0.3)
    _, d, h = frame.size
    strut = box((0.03, 0.004, 0.75 * h), (0, 0.002, 0.0), SMALL_COLOURS[colour])
    # The strut meets the frame's back near the top and stands behind it.
    strut_lean = about("x", 0.9 * lean)
    up = float(-bounds(turned([strut], strut_lean))[0][2])
    held = shifted(turned([strut], strut_lean), 0.0, 0.75 * d, up)
    return assemble("picture frame", colour, [*frame.parts, *held])


def leaflet_in_holder(colour: str, rng: np.random.Generator) -> tuple[SmallThing, list[Part]]:
    """A slanted stand, and the parts of the leaflet in it in the stand's frame.

    The bounding box of the returned stand is that of both.
    """
    wide, long = ((0.105, 0.21), (0.148, 0.21))[int(rng.integers(2))]
    lean, thick = float(rng.uniform(0.15, 0.35)), 0.003
    paper = float(rng.uniform(0.8, 2.0)) / 1e3
    back = box((0.9 * wide, thick, 0.75 * long), (0, thick / 2, 0.375 * long), STEEL)
    sheet = box((wide, paper, long), (0, -paper / 2, long / 2), SMALL_COLOURS[colour])
    base_depth = 0.75 * long * math.sin(lean) + 0.02
    base = box((0.9 * wide, base_depth, thick), (0, base_depth / 2 - 0.015, thick / 2), STEEL)
    # Both turn about the sheet's lower rear edge, so the back's lower rear edge sinks.
    rise = thick + 0.0003 + thick * math.sin(lean)
    tilted = shifted(turned([back, sheet], about("x", -lean)), 0.0, 0.0, rise)
    both = assemble("holder", "grey", [base, *tilted])
    return replace(both, parts=both.parts[:2]), list(both.parts[2:])
