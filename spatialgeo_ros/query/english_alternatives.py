# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which of two or three holds: "red or blue", "in front of or behind", "taller or shorter"."""

from __future__ import annotations

from spatialgeo_ros.query.english import grammar
from spatialgeo_ros.query.english_rankings import Ranking, distance_to
from spatialgeo_ros.query.program import (
    Compare,
    Condition,
    Place,
    Program,
    Related,
    TellWhich,
    Things,
)
from spatialgeo_ros.query.program_edit import about
from spatialgeo_ros.query.program_words import condition_in_words

rule = grammar.rule

_DOES = "(do|does|did|can|could|would|will)"

# Which of two -----------------------------------------------------------------------------------


@rule(
    "core",
    "BE {subject:thing} [EXACTLY] [either] {one:predicate} or {other:predicate}",
    f"{_DOES} {{subject:thing}} STAND [either] {{one:predicate}} or {{other:predicate}}",
    "BE {subject:thing} {one:predicate} {other:predicate} or {third:predicate}",
    cost=0.5,
)
def _this_or_that(
    subject: Things, one: Condition, other: Condition, third: Condition | None = None
) -> Program:
    said = [one, other] if third is None else [one, other, third]
    names = tuple(condition_in_words(x).removeprefix("that is ") for x in said)
    return TellWhich(names, tuple(about(x, subject) for x in said))


# Which of two opposites -------------------------------------------------------------------------

_FRONT_OR_BEHIND = (
    "([in|at] (front|the front) or (behind|at the back|the back) [of]|in front of or behind"
    "|behind or in front of|in back or in front of|before or behind|behind or before)"
)


@rule(
    "core",
    f"BE {{a:thing}} [STAND] [,] {_FRONT_OR_BEHIND} {{b:place}}",
    f"(does|do) {{a:thing}} STAND {_FRONT_OR_BEHIND} {{b:place}}",
    "(BE|does|do) {a:thing} [STAND] in front of {b:place} or behind [it|that]",
    "(BE|does|do) {a:thing} [STAND] behind {b:place} or in front of (it|that)",
    f"[what BE it for] {{a:thing}} [,] {_FRONT_OR_BEHIND} {{b:place}}",
    cost=-0.1,
)
def _front_or_behind(a: Things, b: Place) -> Program:
    return TellWhich(("front", "behind"), (Related("front", a, (b,)), Related("behind", a, (b,))))


@rule(
    "core",
    "BE {a:thing} [STAND] (above or below|below or above|over or under|under or over) {b:thing}",
    "BE {a:thing} (higher or lower|lower or higher) THAN {b:thing}",
    "BE {a:thing} [STAND] (above|over) {b:thing} or (below|under|beneath) it",
)
def _above_or_below(a: Things, b: Things) -> Program:
    return TellWhich(("above", "below"), (Related("higher", a, (b,)), Related("lower", a, (b,))))


@rule(
    "core",
    "BE {a:thing} {one:comparative} or {other:comparative} [AWAY] [FROM ME] THAN {b:thing}",
)
def _more_or_less(a: Things, b: Things, one: Ranking, other: Ranking) -> Program | None:
    if one.quantity != other.quantity or one.descending == other.descending:
        return None
    number = distance_to(None) if one.quantity == "distance" else one.number()
    mine, theirs = about(number, a), about(number, b)
    more, less = _OPPOSITES.get(one.quantity, ("greater", "smaller"))
    return TellWhich((more, less), (Compare(mine, ">", theirs), Compare(mine, "<", theirs)))


_OPPOSITES = {
    "volume": ("bigger", "smaller"),
    "height": ("taller", "shorter"),
    "width": ("wider", "narrower"),
    "distance": ("farther", "closer"),
}
