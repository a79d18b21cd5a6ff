# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What makes a thing the one: being nearest, having more height, having come first."""

from __future__ import annotations

from dataclasses import replace

from spatialgeo_ros.query.english import grammar
from spatialgeo_ros.query.english_rankings import Ranking
from spatialgeo_ros.query.program import (
    Except,
    Filter,
    Named,
    Place,
    Program,
    QuantityName,
    Rank,
    RequestRegion,
    TellObjects,
    The,
    Things,
    Those,
    Union,
)

rule = grammar.rule
_SETS = (Filter, Named, Rank, RequestRegion, The, Those, Union)


def several(ranking: Ranking, things: Things, count: int = 0) -> Program:
    """Ask for the front of an order: one object, or as many as were said."""
    if count > 1 and ranking.count == 1:
        ranking = replace(ranking, count=count)
    return TellObjects(ranking.of(things), one=ranking.count == 1)


def without_anchor(things: Things, anchor: Place | None) -> Things:
    """Leave out what distances are measured to: nothing is its own neighbour."""
    return Except(things, anchor) if isinstance(anchor, _SETS) else things


# What makes it the one --------------------------------------------------------------------------


@rule(
    "most",
    "[the|positioned|located|EXACTLY] {superlative} [AWAY] [OBJ|of all|one|of them [all]]"
    " [IN_ROOM]",
    "[the] {superlative:comparative} [OBJ] [AWAY]",
    "[the] {superlative} [OBJ] (in size|in volume)",
)
def _most(superlative: Ranking) -> Ranking:
    return superlative


@rule(
    "most",
    "[STAND] [EXACTLY] [the] {superlative} [AWAY] [OBJ] (to|from|of|with respect to) {anchor:place}"
    " [IN_ROOM]",
    "[STAND] [the] {superlative:comparative} [OBJ] [AWAY] (to|from) {anchor:place}",
)
def _most_to(superlative: Ranking, anchor: Place) -> Ranking | None:
    if superlative.quantity != "distance":
        return None
    return replace(superlative, anchor=anchor)


@rule("most", "[the] {superlative} {anchor:thing}", cost=1.0)
def _nearest_the(superlative: Ranking, anchor: Things) -> Ranking | None:
    """Return what "nearest the door" ranks by."""
    return _most_to(superlative, anchor)


@rule(
    "most",
    "[the] (highest|highest up|farthest up) (above|off) [the] (floor|ground)",
    "[the] (highest|farthest) [thing] up [there]",
)
def _highest_up() -> Ranking:
    return Ranking("top", True)


@rule("most", "[the] {ordinal} [one] [counted|counting] from [the|my|your] {side:side_word}")
def _nth_from(ordinal: int, side: str) -> Ranking:
    return Ranking("bearing", side == "left", ordinal - 1)


@rule("most", "(on|at|to) [the] {superlative} [side|end]", "furthest (on|to) the {side:side_word}")
def _on_far_side(superlative: Ranking | None = None, side: str = "") -> Ranking | None:
    if superlative is None:
        return Ranking("bearing", side == "left")
    return superlative if superlative.quantity == "bearing" else None


@rule("chosen", "(BE|STAND|comes|looks|lies|does|do|do I (have|see|find)) {most}")
def _is_most(most: Ranking) -> Ranking:
    return most


@rule("chosen", "(do|would|will) I (reach|get to|come to|meet|hit|arrive at) first")
def _reached_first() -> Ranking:
    return Ranking("distance")


@rule("chosen", "(takes up|needs|occupies|fills|takes) [the] (more|most) (space|room|volume)")
def _takes_most_space() -> Ranking:
    return Ranking("volume", True)


@rule("chosen", "(reaches|goes|extends|rises|goes up|reaches up|does reach) [the] highest [up]")
def _reaches_highest() -> Ranking:
    return Ranking("top", True)


_MOST = "(greatest|greater|more|most|larger|largest|biggest|bigger|higher|highest)"
_LEAST = "(smaller|smallest|less|least|lesser|lower|lowest)"


@rule("chosen", f"(has|have|having|with) [the|a] {_MOST} {{quantity:size_noun}}")
def _has_most(quantity: QuantityName) -> Ranking:
    return Ranking("volume" if quantity == "size" else quantity, True)


@rule("chosen", f"(has|have|having|with) [the|a] {_LEAST} {{quantity:size_noun}}")
def _has_least(quantity: QuantityName) -> Ranking:
    return Ranking("volume" if quantity == "size" else quantity)


@rule(
    "chosen",
    f"(has|have) [the|a] [{{more:most_word}}|{_LEAST}|SHORTEST|shorter] DISTANCE (to|from)"
    " {anchor:place}",
)
def _has_distance(anchor: Place, more: bool = False) -> Ranking:
    return Ranking("distance", more, anchor=anchor)


@rule("most_word", _MOST)
def _most_word() -> bool:
    return True


_SAW = (
    "(did I (see|find|notice|map|spot|discover|meet|come across)"
    "|(was|were|BE) (seen|found|noticed|mapped|there|discovered|spotted)"
    "|HAVE I (seen|noticed|found)|came [up]|comes|appeared|appears|showed up|(did|does) appear"
    "|did come|I saw|turned up|popped up|came into view)"
)
FIRST = "([the] (first|earlier|earliest|sooner|soonest) [of all]|at first|before the other [one])"
LAST = "([the] (last|later|latest|most recently) [of all]|after the other [one])"


@rule("chosen", f"{_SAW} {FIRST}", "did I (first|earlier) (see|notice|find|map|spot) [of all]")
def _came_first() -> Ranking:
    return Ranking("order_seen")


@rule(
    "chosen",
    f"{_SAW} {LAST}",
    "did I (see first last|first see last|see for the first time last|last see for the first time)",
)
def _came_last() -> Ranking:
    return Ranking("order_seen", True)
