# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SpatialRGPT-Bench (Cheng et al. 2024, arXiv 2406.01584): scores from what a judge read.

As published but for one fault of the published script: where the judge failed on a qualitative
row, it repeats the mark of the row before. Here such a row is wrong.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from spatialgeo_ros.errors import BadRequestError

#: Categories of lengths, with their names in the published table.
LENGTHS = {
    "distance_data": "direct distance", "horizontal_distance_data": "horizontal distance",
    "vertical_distance_data": "vertical distance", "width_data": "width", "height_data": "height",
}  # fmt: skip
DIRECTION = "direction"
#: Categories of comparisons by the first word of theirs.
GROUPS = {
    "below": "below/above", "above": "below/above", "left": "left/right", "right": "left/right",
    "big": "big/small", "small": "big/small", "tall": "tall/short", "short": "tall/short",
    "wide": "wide/thin", "thin": "wide/thin", "behind": "behind/front", "front": "behind/front",
}  # fmt: skip
_LEAST, _MOST = 0.75, 1.25  # share of the true length that is a success
_TINY = 1e-4  # added to the true length under an error
_DEGREES_PER_HOUR = 30.0


@dataclass(frozen=True)
class Judged:
    """What a judge read of one row.

    Attributes:
        category: of the row.
        truth: metres, or hours of the clock; of a comparison not used.
        reply: the same of the model's answer; None where it could not be read.
        mark: of a comparison, 1 or 0; None where the judge failed.
    """

    category: str
    truth: float | None = None
    reply: float | None = None
    mark: int | None = None


@dataclass(frozen=True)
class BenchScores:
    """Scores of the whole set, 0 to 100.

    Attributes:
        success: by group of comparisons and by kind of number.
        error: mean of |error| / (truth + 1e-4) by kind of length, over rows that could be read.
        relative_error: mean of |error| / truth by kind of length, rounded to 3 decimals.
        degrees: mean error of directions.
        comparisons: share of comparisons that are right, over all rows.
        numbers: share of lengths and directions that are right, over all rows.
        lengths: share of lengths alone (the average of SpatialGeo's table).
        unread: rows that the judge could not read.
    """

    success: dict[str, float]
    error: dict[str, float]
    relative_error: dict[str, float]
    degrees: float
    comparisons: float
    numbers: float
    lengths: float
    unread: int


def success(truth: float, reply: float) -> bool:
    """Whether a length counts as right."""
    return _LEAST * truth <= reply <= _MOST * truth


def hours_apart(truth: float, reply: float) -> float:
    """Error of a direction, hours of the clock."""
    apart = abs(truth - reply)
    return min(apart, 12 - apart)


def is_right(row: Judged) -> bool:
    """Whether a row counts as right; one that could not be read does not.

    Raises:
        BadRequestError: its category is unknown.
    """
    if group_of(row.category) in GROUPS.values():
        return row.mark == 1
    if row.truth is None or row.reply is None:
        return False
    if row.category == DIRECTION:
        return hours_apart(row.truth, row.reply) <= 1
    return success(row.truth, row.reply)


def score(rows: Iterable[Judged]) -> BenchScores:
    """Score judged rows.

    Raises:
        BadRequestError: a category is unknown.
    """
    marks: dict[str, list[int]] = defaultdict(list)
    errors: dict[str, list[float]] = defaultdict(list)
    shares: dict[str, list[float]] = defaultdict(list)
    hours: list[float] = []
    unread = 0
    for row in rows:
        name = group_of(row.category)
        marks[name].append(int(is_right(row)))
        if name in GROUPS.values():
            unread += row.mark is None
            continue
        if row.truth is None or row.reply is None:
            unread += 1
            continue
        if name == DIRECTION:
            hours.append(hours_apart(row.truth, row.reply))
            continue
        apart = abs(row.truth - row.reply)
        errors[name].append(apart / (row.truth + _TINY))
        shares[name].append(apart / row.truth if row.truth else float("inf"))
    compared = [mark for name in set(GROUPS.values()) for mark in marks.get(name, ())]
    lengths = [mark for name in LENGTHS.values() for mark in marks.get(name, ())]
    return BenchScores(
        success={name: 100 * _mean(some) for name, some in marks.items()},
        error={name: 100 * _mean(some) for name, some in errors.items()},
        relative_error={name: round(_mean(some), 3) for name, some in shares.items()},
        degrees=_DEGREES_PER_HOUR * _mean(hours),
        comparisons=100 * _mean(compared),
        numbers=100 * _mean([*lengths, *marks.get(DIRECTION, ())]),
        lengths=100 * _mean(lengths),
        unread=unread,
    )


def group_of(category: str) -> str:
    """Row of the table that a category belongs to.

    Raises:
        BadRequestError: it is unknown.
    """
    if category == DIRECTION:
        return DIRECTION
    if category in LENGTHS:
        return LENGTHS[category]
    group = GROUPS.get(category.partition("_")[0])
    if group is None or not category.endswith(("_predicate", "_choice")):
        raise BadRequestError(f"SpatialRGPT-Bench has no category '{category}'")
    return group


def _mean(values: list[float] | list[int]) -> float:
    return sum(values) / len(values) if values else float("nan")
