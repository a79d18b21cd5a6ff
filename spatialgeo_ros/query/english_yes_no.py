# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Yes or no: statements about things, comparisons, limits."""

from __future__ import annotations

from dataclasses import replace

from spatialgeo_ros.query.english import grammar
from spatialgeo_ros.query.english_numbers import between, size_of
from spatialgeo_ros.query.english_things import Phrase, Ranking, distance_to
from spatialgeo_ros.query.program import (
    Comparator,
    Compare,
    Condition,
    Constant,
    Everything,
    Except,
    Exists,
    Has,
    It,
    Number,
    Place,
    Program,
    Quantity,
    QuantityName,
    Related,
    TellWhether,
    TellWhich,
    Things,
    Viewer,
)
from spatialgeo_ros.query.program_edit import about

rule = grammar.rule


def whether(condition: Condition | None) -> TellWhether | None:
    """Ask whether a condition holds."""
    return None if condition is None else TellWhether(condition)


@rule("core", "BE [it true that] {subject:thing} [EXACTLY] {predicate:predicates}", "(do|does|did|can|could|would) [you see] {subject:thing} (STAND|be|have|look|seem|appear) [to be] {predicate:predicates}",
      "(do|does|did|would) {subject:thing} {predicate:verb_predicate}", "BE there {subject:the_thing} {predicate:relation}")  # fmt: skip
def _is_it(subject: Things, predicate: Condition) -> Program | None:
    return whether(about(predicate, subject))


@rule("core", "{subject:thing} (BE|STAND|seems|looks) [EXACTLY] {predicate:predicates}", cost=1.0)
def _statement(subject: Things, predicate: Condition) -> Program | None:
    return whether(about(predicate, subject))


@rule("core", "{subject:thing} {predicate:verb_predicate}", cost=1.0)
def _verb_statement(subject: Things, predicate: Condition) -> Program | None:
    return whether(about(predicate, subject))


@rule("core", "BE [the] (colour|color) of {subject:thing} {colour}", "(does|do) {subject:thing} have [the|a] (colour|color) {colour}", "(has|have) {subject:thing} [the|a] (colour|color) {colour}",
      "(does|do) {subject:thing} have [a] {colour} (colour|color)")  # fmt: skip
def _is_colour(subject: Things, colour: str) -> Program:
    return TellWhether(Has(subject, "colour", colour))


@rule("core", "(BE|does|do) {me} [STAND] {predicate:relation}", "{me} (BE|STAND) {predicate:relation}")
def _am_i(me: Place, predicate: Condition) -> Program | None:
    """"Are you within 2 m of the door": the same as whether the door is within 2 m."""
    if isinstance(predicate, Compare) and isinstance(predicate.left, Quantity):
        places = [one for one in predicate.left.of if not isinstance(one, It)]
        if predicate.left.name == "gap" and len(places) == 1:
            return whether(Compare(Quantity("distance", (Viewer(), places[0])), predicate.comparator, predicate.right))
        return None
    if isinstance(predicate, Related) and len(predicate.anchors) == 1:
        anchor = predicate.anchors[0]
        if predicate.relation == "beside":
            return whether(Related("beside", anchor, (Viewer(),)))
    return None


@rule("core", "(BE|do|does) {pair} (touch|touching|in contact) [each other|one another]", "(do|does) {pair} (touch|meet) [each other]", "BE {pair} (touching|in contact) [with] [each other]")
def _touch(pair: tuple[Things, Things]) -> Program:
    return TellWhether(Related("touching", pair[0], (pair[1],)))


@rule("core", "BE {pair} [EXACTLY] (next to|beside|near|close to|close) [to] [each other|one another|together]", "BE {pair} close together", "(do|does) {pair} stand (next to|close to|near|beside) each other")
def _next_to_each_other(pair: tuple[Things, Things]) -> Program:
    return TellWhether(Related("beside", pair[0], (pair[1],)))


@rule("core", "BE {pair} [EXACTLY] {comparator:more_than} {amount} (apart|AWAY from each other|from each other|away from one another)", "(do|does) {pair} stand {comparator:more_than} {amount} apart",
      "BE {pair} [EXACTLY] (within) {amount} [of each other|of one another]", "BE [the] [PLAIN] DISTANCE (between|from) {pair:place_pair} {comparator:more_than} {amount}",
      "BE there {comparator:more_than} {amount} [of] [GAP|distance] between {pair:place_pair}", "(do|does) {pair} have {comparator:more_than} {amount} between them",
      "BE [the] GAP between {pair:place_pair} {comparator:more_than} {amount} [wide]")  # fmt: skip
def _apart(pair: tuple[Things, Things], amount: Constant, comparator: Comparator = "<=") -> Program | None:
    number = between(*pair, "gap")
    return None if number is None else whether(Compare(number, comparator, amount))


@rule("core", "BE {pair} (closer|nearer) [together] than {amount} [to each other|together|apart|to one another]", "BE {pair} less than {amount} from each other")
def _closer_together(pair: tuple[Things, Things], amount: Constant) -> Program | None:
    number = between(*pair, "gap")
    return None if number is None else whether(Compare(number, "<", amount))


@rule("core", "BE {pair} (farther|further) [apart|away] than {amount} [apart|from each other]")
def _farther_apart(pair: tuple[Things, Things], amount: Constant) -> Program | None:
    number = between(*pair, "gap")
    return None if number is None else whether(Compare(number, ">", amount))


@rule("core", "BE [the] {quantity:size_noun} of {place:sized} {comparator:more_than} {amount}", "BE {place:room} {comparator:more_than} {amount} {quantity:extent_adjective}",
      "(does|do) {place:sized} have a {quantity:size_noun} of {comparator:more_than} {amount}", "BE [the] {quantity:size_noun} of {place:sized} {comparator:size_compared} than {amount}")  # fmt: skip
def _size_limit(quantity: QuantityName, place: Place, comparator: Comparator, amount: Constant) -> Program | None:
    number = size_of(quantity, place)
    return None if number is None else whether(Compare(number, comparator, amount))


@rule("size_compared", "(greater|bigger|larger|higher|longer)")
def _greater() -> Comparator:
    return ">"


@rule("size_compared", "(smaller|less|lower|shorter)")
def _smaller() -> Comparator:
    return "<"


@rule("core", "BE [the] DISTANCE (to|from ME to) {place} {comparator:more_than} {amount}", "BE [the] DISTANCE (to|from ME to) {place} {comparator:size_compared} than {amount}", "BE it {comparator:more_than} {amount} to {place}")
def _distance_limit(place: Place, comparator: Comparator, amount: Constant) -> Program | None:
    number = between(Viewer(), place)
    return None if number is None else whether(Compare(number, comparator, amount))


@rule("core", "BE [the] [PLAIN] DISTANCE (between|from) {pair:place_pair} {comparator:size_compared} than {amount}", "BE [the] GAP between {pair:place_pair} {comparator:size_compared} than {amount}",
      "BE [the] GAP between {pair:place_pair} (wider) than {amount}")  # fmt: skip
def _distance_compared(pair: tuple[Place, Place], amount: Constant, comparator: Comparator = ">") -> Program | None:
    number = between(*pair, "gap")
    return None if number is None else whether(Compare(number, comparator, amount))


@rule("core", "BE {a:number} [EXACTLY] {comparator:size_compared} than {b:number}", "BE {a:number} [EXACTLY] (greater|larger|bigger) than {b:number}", cost=0.5)
def _numbers_compared(a: Number, b: Number, comparator: Comparator = ">") -> Program:
    return TellWhether(Compare(a, comparator, b))


@rule("core", "BE {a:thing} [EXACTLY] {ranking:superlative} [OBJ|of all] [IN_ROOM]", "BE {a:thing} the {ranking:superlative} [OBJ] (to|from) {anchor:place}", "BE {a:thing} the {ranking:superlative} {of:thing_set}")
def _is_the_most(a: Things, ranking: Ranking, anchor: Place | None = None, of: Things | None = None) -> Program | None:
    """"Is the sofa the biggest object?": whether anything else ranks before it."""
    if ranking.count != 1 or ranking.skip:
        return None
    base: Things = Everything() if of is None else of
    if anchor is not None:
        if ranking.quantity != "distance":
            return None
        ranking = replace(ranking, anchor=anchor)
        base = Except(base, anchor)  # type: ignore[arg-type]
    return TellWhether(Exists(_both(ranking.of(base), a)))


def _both(first: Things, second: Things) -> Things:
    """The objects that are in both sets."""
    return Except(first, Except(first, second))


@rule("thing_set", "{phrase}")
def _thing_set(phrase: Phrase) -> Things:
    return phrase.things




@rule("core", "BE {a:thing} [STAND] [in] (behind or in front of|in back or in front of|in front of or behind|in front or behind|before or behind|behind or before) {b:place}", "(does|do) {a:thing} (STAND) (behind or in front of|in front of or behind) {b:place}",
      "BE {a:thing} in front of {b:place} or behind [it]", "BE {a:thing} behind {b:place} or in front of it", "what BE it for {a:thing} , in front of or behind {b:place}")  # fmt: skip
def _front_or_behind(a: Things, b: Place) -> Program:
    return TellWhich(("front", "behind"), (Related("front", a, (b,)), Related("behind", a, (b,))))


@rule("core", "BE {a:thing} [STAND] (above or below|below or above|over or under|under or over) {b:thing}", "BE {a:thing} (higher or lower|lower or higher) than {b:thing}")
def _above_or_below(a: Things, b: Things) -> Program:
    return TellWhich(("above", "below"), (Related("higher", a, (b,)), Related("lower", a, (b,))))


_EITHER: dict[str, tuple[QuantityName, str, str]] = {
    "(bigger or smaller|smaller or bigger|larger or smaller|smaller or larger)": ("volume", "bigger", "smaller"),
    "(taller or shorter|shorter or taller)": ("height", "taller", "shorter"),
    "(wider or narrower|narrower or wider|wider or thinner|thinner or wider)": ("width", "wider", "narrower"),
}


def _either(words: str, quantity: QuantityName, greater: str, less: str) -> None:
    @rule("core", f"BE {{a:thing}} {words} [in size] THAN {{b:thing}}")
    def which(a: Things, b: Things) -> Program:
        mine, theirs = Quantity(quantity, (a,)), Quantity(quantity, (b,))
        return TellWhich((greater, less), (Compare(mine, ">", theirs), Compare(mine, "<", theirs)))


for _said, (_quantity, _more, _less) in _EITHER.items():
    _either(_said, _quantity, _more, _less)


@rule("core", "BE {a:thing} (closer or farther|nearer or farther|closer or further|farther or closer|further or closer|nearer or further) [away] [from ME|to ME] THAN {b:thing}")
def _closer_or_farther(a: Things, b: Things) -> Program:
    mine, theirs = (about(distance_to(None), x) for x in (a, b))
    return TellWhich(("closer", "farther"), (Compare(mine, "<", theirs), Compare(mine, ">", theirs)))
