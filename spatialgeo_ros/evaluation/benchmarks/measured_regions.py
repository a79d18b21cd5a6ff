# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SpatialRGPT-Bench's quantities of two sets of measured points, in its own senses of the words.

Its data calls the mean of nearest distances of both point sets their distance, the difference along
the picture's width between the middles of their boxes the horizontal one; widths and heights are
extents along the picture's width and along gravity (SpatialRGPT's public data pipeline). These are
other lengths than the node answers with: here like is compared with like.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.evaluation.benchmarks.spatialrgpt_bench import DIRECTION, LENGTHS
from spatialgeo_ros.evaluation.benchmarks.spatialrgpt_judge import asked_predicate, family_of
from spatialgeo_ros.geometry.nearest import mean_nearest_distance
from spatialgeo_ros.query.families import QUALITATIVE
from spatialgeo_ros.query.relations import clock_hour

#: Of its longest side, what a thing has at least: of one that is seen from its front alone nothing
#: says how deep it is, and a volume of nearly 0 would make it smaller than all others.
_LEAST_SIDE = 0.1
Points = npt.NDArray[np.float64]
_LEFT_RIGHT, _ABOVE_BELOW, _FRONT_BEHIND, _BIG_SMALL, _TALL_SHORT, _WIDE_THIN = (
    "left_right", "above_below", "front_behind", "big_small", "tall_short", "wide_thin",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Body:
    """Visible points ``[N, 3]`` of a thing in the level frame: x right, y down, z ahead; metres."""

    points: Points

    @property
    def middle(self) -> Points:
        """Middle ``[3]`` of the box around the points."""
        return np.asarray((self.points.min(axis=0) + self.points.max(axis=0)) / 2)

    @property
    def extents(self) -> Points:
        """Sides ``[3]`` of that box."""
        return np.asarray(self.points.max(axis=0) - self.points.min(axis=0))


def answer_of(category: str, question: str, names: Sequence[str], bodies: Sequence[Body]) -> str:
    """Answer a row in words that its judges read.

    Args:
        category: of the row.
        question: as the data set has it; tells what a choice asks for.
        names: "Region [k]" of each thing, in the order of mention.
        bodies: the things, in the same order.

    Raises:
        BadRequestError: the question is about fewer things than its category needs.
    """
    needed = 1 if category in ("width_data", "height_data") else 2
    if len(bodies) < needed:
        raise BadRequestError(f"a row of '{category}' needs {needed} regions, not {len(bodies)}")
    if category in LENGTHS:
        return f"{_length(category, bodies):.3f} meters"
    first, second = bodies[:2]
    if category == DIRECTION:  # of the second thing, for who is at the first
        right, _, ahead = second.middle - first.middle
        return f"{clock_hour(float(right), float(ahead))} o'clock"
    predicate, choice = asked_predicate(category, question)
    family = family_of(predicate)
    more = _quantity(family, first) > _quantity(family, second)
    holds = more == (predicate == QUALITATIVE[family].greater)
    if choice:
        return f"{names[0] if holds else names[1]}."
    return "Yes." if holds else "No."


def _length(category: str, bodies: Sequence[Body]) -> float:
    first = bodies[0]
    if category in ("width_data", "height_data"):
        return float(first.extents[0 if category == "width_data" else 1])
    second = bodies[1]
    if category == "distance_data":
        return mean_nearest_distance(first.points, second.points)
    axis = 0 if category == "horizontal_distance_data" else 1
    return float(abs(first.middle[axis] - second.middle[axis]))


def _quantity(family: str, body: Body) -> float:
    """The number that a family compares; the greater one has the family's "greater" predicate."""
    middle, extents = body.middle, body.extents
    return float(
        {
            _LEFT_RIGHT: middle[0],
            _ABOVE_BELOW: -middle[1],
            _FRONT_BEHIND: middle[2],
            _BIG_SMALL: math.prod(np.maximum(extents, _LEAST_SIDE * extents.max())),
            _TALL_SHORT: extents[1],
            _WIDE_THIN: extents[0],
        }[family]
    )
