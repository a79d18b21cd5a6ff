# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Things together: stacked, side by side, on average; and how many kinds of them there are."""

from __future__ import annotations

from typing import Literal

from spatialgeo_ros.query.english import grammar
from spatialgeo_ros.query.english_phrases import Phrase
from spatialgeo_ros.query.english_rankings import distance_to
from spatialgeo_ros.query.program import (
    Compare,
    Constant,
    Count,
    Everything,
    Filter,
    It,
    Not,
    Number,
    Over,
    Program,
    Quantity,
    QuantityName,
    Related,
    TellNumber,
    TellWhether,
    Things,
    Union,
)

rule = grammar.rule

# Stacks and rows --------------------------------------------------------------------------------

_PUT = "(PLACE|stacked|piled|placed|putting|stood|laid)"
_ON = "(on|on top of|onto|upon|above)"
_STACK = "(it|that|they|this|both|the two [of them])"
_TOTAL = "[together|in total|altogether|combined|in all|stacked]"


@rule("stack", _STACK)
def _stack() -> bool:
    return True


@rule(
    "core",
    f"(if|when|suppose|say|assuming|with) [I] {_PUT} {{a:thing}} {_ON} {{b:thing}} [,|;] how"
    f" (tall|high) [would|will] (BE|) {{stack}} [be|get|reach|become] {_TOTAL}",
    f"(if|when|with) {{a:thing}} [BE] [{_PUT}|standing] {_ON} {{b:thing}} [,|;] how (tall|high)"
    f" [would|will] (BE|) {{stack}} [be|get|reach|become] {_TOTAL}",
    f"how (tall|high) (would|will|BE) {{a:thing}} [be] {_ON} {{b:thing}} [be] {_TOTAL}",
    "how (tall|high) (would|will|BE) {a:thing} and {b:thing} [be] [if|when] [they] [BE]"
    " [I] (stacked|piled [up]|on top of each other|one on the other|put on top of each other"
    "|stacked on top of each other)",
    cost=-0.2,
)
def _stacked(a: Things, b: Things, stack: bool = True) -> Program:
    return TellNumber(Over("sum", Quantity("height", (It(),)), Union((a, b))))


_IN_A_ROW = "(side by side|next to each other|beside each other|in a row|in one row|in a line)"


@rule(
    "core",
    f"(if|when) [I] [{_PUT}] {{a:thing}} and {{b:thing}} [BE] [STAND|{_PUT}] {_IN_A_ROW} [,|;] how"
    f" wide [would|will] (BE|) {{stack}} [be|get] {_TOTAL}",
    f"how wide (would|will|BE) {{a:thing}} and {{b:thing}} [be] [STAND|{_PUT}] {_IN_A_ROW}",
    f"how much (width|space) (do|would|will) {{a:thing}} and {{b:thing}} (need|take [up]|have)"
    f" {_IN_A_ROW}",
    cost=-0.2,
)
def _side_by_side(a: Things, b: Things, stack: bool = True) -> Program:
    return TellNumber(Over("sum", Quantity("width", (It(),)), Union((a, b))))


# On average -------------------------------------------------------------------------------------


@rule(
    "core",
    "how {quantity:size_adjective} BE {one:any_one} (on average|on the average|in the mean)"
    " [IN_ROOM|HERE]",
    "on average [,] how {quantity:size_adjective} BE {one:any_one}",
    "how {quantity:size_adjective} BE the average {one:bare_one}",
)
def _size_on_average(quantity: QuantityName, one: Things) -> Program | None:
    if quantity == "size":
        return None
    return TellNumber(Over("mean", Quantity(quantity, (It(),)), one))


@rule(
    "number",
    "[the] (average|mean) {one:bare_one} {quantity:size_noun}",
    "[the] {quantity:size_noun} of (the|an) (average|mean) {one:bare_one}",
)
def _average_size(quantity: QuantityName, one: Things) -> Number | None:
    if quantity == "size":
        return None
    return Over("mean", Quantity(quantity, (It(),)), one)


@rule("core", "how far [AWAY] BE {one:any_one} on average [FROM ME]")
def _distance_on_average(one: Things) -> Program:
    return TellNumber(Over("mean", distance_to(None), one))


@rule("any_one", "{phrase}")
def _any_one(phrase: Phrase) -> Things | None:
    return phrase.things if phrase.article == "a" and not phrase.ranked else None


@rule("bare_one", "{phrase}")
def _bare_one(phrase: Phrase) -> Things | None:
    return None if phrase.article or phrase.ranked or phrase.count else phrase.things


# How many kinds ---------------------------------------------------------------------------------

_DIFFERENT = "[different|distinct|various|unique|separate]"
_IN_IT = (
    "[(BE there|there BE|do you (know|have|see)|did you (map|see|find)|have you (mapped|seen|found)"
    "|exist|occur|BE (present|found)) [of|on]] [IN_ROOM|HERE|SO_FAR] [among] [the|all] [objects"
    "|things] [IN_ROOM|HERE]"
)


@rule(
    "attribute_counted",
    f"{_DIFFERENT} (kinds|types|sorts|classes|categories) [of (objects|things|items|object|thing)]",
)
def _kinds() -> str:
    return "kind"


@rule("attribute_counted", f"{_DIFFERENT} (colours|colors|colour|color)")
def _colours() -> str:
    return "colour"


@rule("attribute_counted", f"{_DIFFERENT} (materials|material)")
def _materials() -> str:
    return "material"


@rule(
    "core",
    f"how many {{counted:attribute_counted}} {_IN_IT}",
    f"[what BE] the number of {{counted:attribute_counted}} {_IN_IT}",
    "how many {counted:attribute_counted} (do|does) {of:several} (have|come in)",
    "how many {counted:attribute_counted} of {of:several} BE there",
    "in how many {counted:attribute_counted} (do|does) {of:several} come",
    cost=-0.2,
)
def _how_many_kinds(
    counted: Literal["colour", "material", "kind"], of: Things | None = None
) -> Program:
    return TellNumber(Count(Everything() if of is None else of, counted))


_SAME = "(the same|one|an identical|identical|equal)"


@rule("same_attribute", "(COLOUR|colours|colors)")
def _same_colour() -> str:
    return "colour"


@rule("same_attribute", "(material|materials|stuff)")
def _same_material() -> str:
    return "material"


@rule(
    "core",
    f"(do|does|has|have) {{pair}} [both] [have] {_SAME} {{same:same_attribute}}",
    f"BE {{pair}} [both] [of|in|made of|made from] {_SAME} {{same:same_attribute}}",
    f"BE {{pair}} {_SAME} [in] {{same:same_attribute}}",
    "(do|does|has|have) {a:thing} [have] the same {same:same_attribute} (as|like) {b:thing}"
    " [does|has]",
    "BE {a:thing} [of|in|made of] the same {same:same_attribute} (as|like) {b:thing} [BE]",
    "(do|does) {same:same_attribute} of {pair} (match|agree)",
    "(do|does) the {same:same_attribute} of {pair} (match|agree)",
)
def _have_the_same(
    same: Literal["colour", "material"],
    pair: tuple[Things, Things] | None = None,
    a: Things | None = None,
    b: Things | None = None,
) -> Program | None:
    both = pair if a is None or b is None else (a, b)
    if both is None:
        return None
    return TellWhether(Compare(Count(Union(both), same), "==", Constant(1.0)))


@rule(
    "core",
    "(do|does) {pair} have (different|other|unlike) {same:same_attribute}",
    "(do|does) {pair} differ in {same:same_attribute}",
    "BE {pair} (of|in|made of) different {same:same_attribute}",
    "BE the {same:same_attribute} of {pair} different",
)
def _have_different(same: Literal["colour", "material"], pair: tuple[Things, Things]) -> Program:
    return TellWhether(Compare(Count(Union(pair), same), ">", Constant(1.0)))


# More of these than of those --------------------------------------------------------------------


@rule("core", "(do|does) {a:plural} outnumber {b:plural} [IN_ROOM|HERE]")
def _outnumber(a: Things, b: Things) -> Program:
    return TellWhether(Compare(Count(a), ">", Count(b)))


@rule("core", "how many {counted} (can not|can) I not see [NOW]")
def _how_many_hidden(counted: Things) -> Program:
    return TellNumber(Count(Filter(counted, Not(Related("in_view", It())))))
