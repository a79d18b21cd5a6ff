# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Usual sizes of furniture: what is known of a thing before looking, and what cannot be one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.query.nouns import wider_kinds
from spatialgeo_ros.query.phrases import parse_label, parse_phrase

Size = tuple[float, float, float]

#: Usual (width, depth, height) of furniture in metres, from common catalogue measures. The keys
#: are canonical kinds of :mod:`spatialgeo_ros.query.noun_table`, which alone knows synonyms.
TYPICAL_SIZES: dict[str, Size] = {
    "sofa": (1.80, 0.88, 0.82),
    "armchair": (0.85, 0.85, 0.90),
    "bed": (2.00, 1.50, 0.55),
    "table": (1.25, 0.78, 0.74),
    "desk": (1.40, 0.70, 0.74),
    "chair": (0.48, 0.50, 0.90),
    "stool": (0.40, 0.40, 0.50),
    "shelf": (0.90, 0.33, 1.75),
    "cabinet": (1.00, 0.46, 0.90),
    "dresser": (1.10, 0.50, 0.85),
    "wardrobe": (1.20, 0.60, 2.00),
    "fridge": (0.60, 0.65, 1.75),
    "plant": (0.50, 0.50, 1.15),
    "lamp": (0.40, 0.40, 1.50),
    "door": (0.90, 0.06, 2.03),
}

#: Times the usual width, and the usual floor space, of a kind: what covers more was not separated
#: from what is behind it (a lamp's pole before a table).
_MOST_WIDTH, _MOST_AREA = 1.5, 3.0
#: Times the usual longer side or height, beyond which nothing is of the kind however thin it is.
_MOST_LENGTH = 4.0
#: Share of its kind's usual height that a thing has to be high; of a chair behind a table the
#: back rest alone shows, a fifth of it.
_LEAST_HEIGHT = 0.1
#: Of kinds that also stand on tables, metres: a plant in its pot, a table lamp.
_LEAST_ON_TABLES = {"plant": 0.04, "lamp": 0.1}


def misfit(label: str, size: Sequence[float] | NDArray[np.float64], *, surely: bool = False) -> str:
    """Say why a thing cannot be of its kind, by the kind's usual size; "" where it can.

    Larger, something behind it was taken for it, or it is another thing; far lower, it is the top
    of something else.

    Args:
        label: words for it ("red chair"); kinds without a usual size fit always.
        size: width, depth and height that were measured, metres.
        surely: only what no thing of the kind has ever been. A map can wait for a better view of
            what is merely unusual, where who asks about a conference table wants its length.
    """
    kind = _sized_kind(label, TYPICAL_SIZES)
    if not kind:
        return ""
    usual = TYPICAL_SIZES[kind]
    width, depth, height = (float(v) for v in size)
    long, across = max(width, depth), max(usual[:2])
    large = long > _MOST_WIDTH * across and width * depth > _MOST_AREA * usual[0] * usual[1]
    if (large and not surely) or long > _MOST_LENGTH * across:
        return f"it is {long:.1f} m wide, and such things are some {across:.1f} m"
    least = _LEAST_ON_TABLES.get(kind, _LEAST_HEIGHT * usual[2])
    if height > _MOST_LENGTH * usual[2] or height < least:
        return f"it is {height:.2f} m high, and such things are some {usual[2]:.1f} m"
    return ""


def usual_size(label: str, sizes: Mapping[str, Size]) -> Size | None:
    """Usual size of the kind of object that a label or phrase names, or of a wider kind; or None.

    Args:
        label: words for one object ("red settee", "chair_3", "the desk by the door").
        sizes: by canonical kind.
    """
    kind = _sized_kind(label, sizes)
    return sizes[kind] if kind else None


def _sized_kind(label: str, sizes: Mapping[str, Size]) -> str:
    """The kind of the object that a label names, or a wider one, whose size is given; or ""."""
    for kind in (parse_label(label).kind, parse_phrase(label).kind):
        for one in (kind, *wider_kinds(kind)):
            if one in sizes:
                return one
    return ""
