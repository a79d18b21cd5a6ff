# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whether a number is about, or so many times, another: "3 m away", "twice as tall as the door"."""

from __future__ import annotations

from dataclasses import replace

from spatialgeo_ros.query.english import grammar
from spatialgeo_ros.query.english_rankings import Ranking, distance_to
from spatialgeo_ros.query.program import (
    All,
    Arithmetic,
    Comparator,
    Compare,
    Condition,
    Constant,
    It,
    Number,
    Place,
    Quantity,
    QuantityName,
    Things,
)
from spatialgeo_ros.query.units import kind_of

rule = grammar.rule
#: "3 m" means within this share of it, as people say it.
ABOUT = 0.1

_SAID = "[about|around|nearly|almost|some|like|circa]"


def about_equal(number: Number, amount: Constant) -> Condition | None:
    """Return the condition that a number is within :data:`ABOUT` of a length."""
    if kind_of(amount.unit) != "length":
        return None
    low, high = (replace(amount, value=amount.value * (1 + share)) for share in (-ABOUT, ABOUT))
    return All((Compare(number, ">=", low), Compare(number, "<=", high)))


@rule(
    "relation",
    f"[STAND] {_SAID} {{amount}} AWAY [FROM ME]",
    f"[STAND] {_SAID} {{amount}} [AWAY] (from|of) {{anchor:place}}",
    f"[STAND] at a distance of {_SAID} {{amount}} [(from|to|of) {{anchor:place}}]",
    cost=0.4,
)
def _so_far_away(amount: Constant, anchor: Place | None = None) -> Condition | None:
    return about_equal(distance_to(anchor), amount)


@rule("relation", f"{_SAID} {{amount}} {{quantity:extent_adjective}}", cost=0.4)
@rule("having", f"[a|the] {{quantity:size_noun}} of {_SAID} {{amount}}", cost=0.4)
def _so_big(amount: Constant, quantity: QuantityName) -> Condition | None:
    return about_equal(Quantity(quantity, (It(),)), amount)


@rule(
    "relation",
    "[STAND] (exactly|precisely) {amount} AWAY [FROM ME]",
    "[STAND] (exactly|precisely) {amount} [AWAY] (from|of) {anchor:place}",
)
def _exactly_so_far(amount: Constant, anchor: Place | None = None) -> Condition | None:
    return Compare(distance_to(anchor), "==", amount) if kind_of(amount.unit) == "length" else None


@rule("relation", "(exactly|precisely) {amount} {quantity:extent_adjective}")
def _exactly_so_big(amount: Constant, quantity: QuantityName) -> Condition | None:
    number = Quantity(quantity, (It(),))
    return Compare(number, "==", amount) if kind_of(amount.unit) == "length" else None


# So many times -----------------------------------------------------------------------------------


@rule("times", "(twice|double)")
def _twice() -> float:
    return 2.0


@rule("times", "half")
def _half() -> float:
    return 0.5


@rule("times", "{times:decimal} times")
def _times(times: float) -> float:
    return times


@rule(
    "relation",
    "[EXACTLY] [{limit:more_than}] {times} as {adjective:plain_size} as {other:thing}",
    "[EXACTLY] [{limit:more_than}] {times} the {noun:size_noun} of {other:thing}",
)
def _times_as_big(
    times: float,
    other: Things,
    adjective: Ranking | None = None,
    noun: QuantityName | None = None,
    limit: Comparator = ">=",
) -> Condition | None:
    name = noun if adjective is None else adjective.quantity
    if name in (None, "distance", "size"):
        return None
    mine, theirs = (Quantity(name, (one,)) for one in (It(), other))  # type: ignore[arg-type]
    return Compare(mine, limit, Arithmetic("product", (Constant(times), theirs)))


@rule("relation", "[EXACTLY] as {adjective:plain_size} as {other:thing}")
def _as_big_as(adjective: Ranking, other: Things) -> Condition | None:
    if adjective.quantity == "distance":
        return None
    mine, theirs = (Quantity(adjective.quantity, (one,)) for one in (It(), other))  # type: ignore[arg-type]
    return Compare(mine, ">=" if adjective.descending else "<=", theirs)
