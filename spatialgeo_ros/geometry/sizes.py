# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Usual sizes of furniture: what is known about an object's unseen half before looking."""

from __future__ import annotations

from collections.abc import Mapping

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


def usual_size(label: str, sizes: Mapping[str, Size]) -> Size | None:
    """Usual size of the kind of object that a label or phrase names, or of a wider kind; or None.

    Args:
        label: words for one object ("red settee", "chair_3", "the desk by the door").
        sizes: by canonical kind.
    """
    for kind in (parse_label(label).kind, parse_phrase(label).kind):
        for one in (kind, *wider_kinds(kind)):
            if one in sizes:
                return sizes[one]
    return None
