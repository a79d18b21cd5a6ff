# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What stands before and after a noun and chooses: colours, relations, rankings."""

from __future__ import annotations

from dataclasses import dataclass, replace

from spatialgeo_ros.query.english import grammar
from spatialgeo_ros.query.english_rankings import Ranking
from spatialgeo_ros.query.program import (
    Any,
    Condition,
    Has,
    It,
    Not,
    Place,
    Related,
    Things,
)

rule = grammar.rule

# What stands before the noun ---------------------------------------------------------------------


@dataclass(frozen=True)
class Before:
    """What one word before a noun says; empty where it says nothing of the kind."""

    colour: str = ""
    material: str = ""
    unknown: str = ""
    ranking: Ranking | None = None
    ordinal: int = 0
    where: Condition | None = None


@rule("before", "(visible)")
def _before_visible() -> Before:
    return Before(where=Related("in_view", It()))


@rule("before", "(hidden|invisible|unseen)")
def _before_hidden() -> Before:
    return Before(where=Not(Related("in_view", It())))


@rule("before", "{colour} [coloured|colored]")
def _before_colour(colour: str) -> Before:
    return Before(colour=colour)


@rule("before", "non {colour}", "(not|un) {colour}")
def _before_not_colour(colour: str) -> Before:
    return Before(where=Not(Has(It(), "colour", colour)))


@rule("before", "non {material}")
def _before_not_material(material: str) -> Before:
    return Before(where=Not(Has(It(), "material", material)))


@rule("before", "{material}")
def _before_material(material: str) -> Before:
    return Before(material=material)


@rule("before", "{unknown_adjective}")
def _before_unknown(unknown_adjective: str) -> Before:
    return Before(unknown=unknown_adjective)


@rule("before", "{superlative}", "{superlative:comparative}", "{superlative:plain_size}")
def _before_ranking(superlative: Ranking) -> Before:
    return Before(ranking=superlative)


@rule("before", "{ordinal}", cost=0.3)
def _before_ordinal(ordinal: int) -> Before:
    return Before(ordinal=ordinal)


# What stands after it ---------------------------------------------------------------------------


@dataclass(frozen=True)
class After:
    """What a part of a phrase behind its noun says."""

    where: Condition | None = None
    ranking: Ranking | None = None
    anchor: Place | None = None
    colour: str = ""
    material: str = ""
    from_side: str = ""


@rule("after", "{predicate:relation}", cost=0.1)
@rule(
    "after",
    "(that|which|who) (BE|STAND|appears|looks) [currently|EXACTLY] {predicate}",
    "(that|which|who) {predicate:verb_predicate}",
)
def _after_where(predicate: Condition) -> After:
    return After(where=predicate)


@rule(
    "after",
    "(that|which|who) [BE|STAND] [the] {ranking:superlative} [OBJ] [(to|from|of) {anchor:place}]",
    "[STAND] {ranking:superlative} [OBJ] [(to|from|of) {anchor:place}]",
    "[that|which|who] [BE|STAND] [the] {ranking:comparative} [OBJ] [(to|from) {anchor:place}]",
)
def _after_ranking(ranking: Ranking, anchor: Place | None = None) -> After | None:
    if anchor is not None and ranking.quantity != "distance":
        return None
    return After(ranking=replace(ranking, anchor=anchor))


@rule(
    "after",
    "(that|which|who) (has|have) [the] {far:distance_word} DISTANCE (to|from) {anchor:place}",
    "(with|having) [the] {far:distance_word} DISTANCE (to|from) {anchor:place}",
)
def _after_distance(far: bool, anchor: Place) -> After:
    return After(ranking=Ranking("distance", far, anchor=anchor))


@rule("distance_word", "(greatest|largest|longest|biggest|maximum|highest)")
def _greatest_distance() -> bool:
    return True


@rule("distance_word", "(smallest|shortest|least|minimum|lowest)")
def _least_distance() -> bool:
    return False


@rule("after", "(to|from) {anchor:place}", cost=0.6)
def _after_anchor(anchor: Place) -> After:
    return After(anchor=anchor)


@rule("after", "[that|which] {carried:thing} (BE|STAND) [STAND|placed] (on|on top of)")
def _after_carrier(carried: Things) -> After:
    return After(where=Related("supports", It(), (carried,)))


@rule(
    "after",
    "[that|which|who] [BE|STAND] (on|at|to) [the|your|my] {ranking:superlative} [side|end]",
)
def _after_far_side(ranking: Ranking) -> After | None:
    return After(ranking=ranking) if ranking.quantity == "bearing" else None


@rule(
    "after",
    "[that|which|who] [BE|STAND] [the] {ordinal} [one] [counted|counting] from [the|my|your]"
    " {side:side_word}",
    "[that|which|who] [BE|STAND] [the] {ordinal} [one] on [the|my|your] {side:side_word}",
)
def _after_nth(ordinal: int, side: str) -> After:
    return After(ranking=Ranking("bearing", side == "left", ordinal - 1))


@rule("after", "[counted|counting] from [the|my|your] {side:side_word}")
def _after_from_side(side: str) -> After:
    return After(from_side=side)


@rule("side_word", "left [side|end|hand side]")
def _left() -> str:
    return "left"


@rule("side_word", "right [side|end|hand side]")
def _right() -> str:
    return "right"


@rule(
    "after",
    "(in|of) (colour|color) {colour}",
    "in {colour}",
    "of {colour} (colour|color)",
    "with [the|a] (colour|color) {colour}",
    "(coloured|colored|painted) {colour}",
)
def _after_colour(colour: str) -> After:
    return After(colour=colour)


@rule("after", "[that|which] [BE] (made|built) [out] (of|from) {material}", "(of|in) {material}")
def _after_material(material: str) -> After:
    return After(material=material)


@rule("after", "[that|which] [BE] made [out] (of|from) {one:material} or [of] {other:material}")
def _after_materials(one: str, other: str) -> After:
    return After(where=Any((Has(It(), "material", one), Has(It(), "material", other))))


@rule(
    "after",
    "IN_ROOM",
    "HERE",
    "[that|which] KNOWN",
    "[that|which] KNOWN IN_ROOM",
    "SO_FAR",
    "(that|which) (exist|exists|there are)",
    "(there is|there are) [IN_ROOM]",
    "of all",
)
def _after_nothing() -> After:
    return After()
