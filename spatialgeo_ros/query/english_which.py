# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which one: the nearest, the taller of two, what was seen first, of a list or of all there is."""

from __future__ import annotations

from dataclasses import replace

from spatialgeo_ros.query.english import grammar
from spatialgeo_ros.query.english_chosen import FIRST as _FIRST
from spatialgeo_ros.query.english_chosen import LAST as _LAST
from spatialgeo_ros.query.english_chosen import several, without_anchor
from spatialgeo_ros.query.english_phrases import Phrase, several_before
from spatialgeo_ros.query.english_rankings import Ranking, distance_to
from spatialgeo_ros.query.program import (
    Arithmetic,
    Condition,
    Count,
    Everything,
    Except,
    Filter,
    It,
    Named,
    Program,
    Quantity,
    Rank,
    Related,
    RelationName,
    TellNumber,
    TellObjects,
    Things,
    Union,
)
from spatialgeo_ros.query.rule_engine import Found, State

rule = grammar.rule

# Of which ones ----------------------------------------------------------------------------------

_ONE = (
    "[one|OBJ|[one] of the two [objects|things]|of (these|them|those|the following) [two]"
    " [objects|things|items|two]]"
)


@rule(
    "choices",
    "{items:list}",
    "[of|between|among|out of] [these objects|these|the following] [,] {items:list}",
)
def _choices(items: tuple[Things, ...]) -> tuple[Things, ...]:
    return items


@rule(
    "core",
    f"WHAT {_ONE} {{ranking:chosen}} {{items:choices}}",
    "WHAT of {items:list} {ranking:chosen}",
    "WHAT of (these|those|the following) [two] [objects|things] {items:list} {ranking:chosen}",
    f"{{items:choices}} [,|;] WHAT {_ONE} {{ranking:chosen}}",
    f"(out of|of|among|between|amongst|from) {{items:list}} [,] WHAT {_ONE} {{ranking:chosen}}",
    "BE it {items:list} (that|which) {ranking:chosen}",
    "BE {items:either} {ranking:most}",
    "(do|does|did|would) {items:either} (STAND|come) {ranking:most}",
    "(do|does|did) I (see|find|notice|spot) {items:either} {ranking:seen_rank}",
    "(do|does|did) I {ranking:seen_rank} (see|find|notice|spot) {items:either}",
    "(do|does|did) {items:either} (appear|come|show up) {ranking:seen_rank}",
    "(was|were) {items:either} (seen|there|noticed|found) {ranking:seen_rank}",
    "{items:list} , {ranking:most}",
    "{ranking:comparative} , {items:list}",
    "the {ranking:comparative} [one] of {items:list} BE WHAT [one]",
)
def _which_of(ranking: Ranking, items: tuple[Things, ...]) -> Program:
    if ranking.quantity in ("top", "bottom") and ranking.by is None:
        ranking = replace(ranking, by=_CENTRE_HEIGHT)
    return several(ranking, Union(items))


#: Of two things the one with the higher centre is higher.
_CENTRE_HEIGHT = Arithmetic("mean", (Quantity("top", (It(),)), Quantity("bottom", (It(),))))


@rule("placed", "(higher [up]|above|over|on top)")
def _above() -> Ranking:
    return Ranking("top", True)


@rule("placed", "(lower [down]|below|under|underneath|beneath)")
def _below() -> Ranking:
    return Ranking("bottom")


@rule("placed", "(on|to) [the] left [side]")
def _on_the_left() -> Ranking:
    return Ranking("bearing", True)


@rule("placed", "(on|to) [the] right [side]")
def _on_the_right() -> Ranking:
    return Ranking("bearing")


_OF_THESE = "WHAT of (these|those|the following) [two] [objects|things] {items:list} (BE|STAND)"


@rule(
    "core",
    _OF_THESE + " [STAND] {ranking:placed} [SEEN_FROM_ME]",
    f"WHAT {_ONE} (BE|STAND) [STAND] {{ranking:placed}} {{items:choices}} [SEEN_FROM_ME]",
    f"(of|among|between) {{items:list}} [,] WHAT {_ONE} (BE|STAND) [STAND] {{ranking:placed}}"
    " [SEEN_FROM_ME]",
    "BE {items:either} {ranking:placed}",
    cost=-0.1,
)
def _which_is_placed(ranking: Ranking, items: tuple[Things, ...]) -> Program:
    return _which_of(ranking, items)


@rule("relation_of_two", "([in] (behind|the back)|(farther|further) (back|behind))")
def _behind() -> RelationName:
    return "behind"


@rule("relation_of_two", "([in] (front|in front|ahead)|(more|farther|further) (in front|forward))")
def _in_front() -> RelationName:
    return "front"


@rule(
    "core",
    _OF_THESE + " [STAND] {relation:relation_of_two} [SEEN_FROM_ME]",
    f"WHAT {_ONE} (BE|STAND) [STAND] {{relation:relation_of_two}} {{items:choices}} [SEEN_FROM_ME]",
    f"(of|among|between) {{items:list}} [,] WHAT {_ONE} (BE|STAND) [STAND]"
    " {relation:relation_of_two} [SEEN_FROM_ME]",
    cost=-0.1,
)
def _which_is_behind(relation: RelationName, items: tuple[Things, ...]) -> Program | None:
    """Ask for the one of two that is behind or in front of the other."""
    if len(items) != 2:
        return None
    a, b = items
    first = Filter(a, Related(relation, It(), (b,)))
    return TellObjects(Union((first, Filter(b, Related(relation, It(), (a,))))), one=True)


@rule("seen_rank", _FIRST)
def _rank_first() -> Ranking:
    return Ranking("order_seen")


@rule("seen_rank", _LAST)
def _rank_last() -> Ranking:
    return Ranking("order_seen", True)


@rule("either", "[either] {a:thing} or {b:thing}", "{a:thing} , {b:thing} [,] or {c:thing}")
def _either(a: Things, b: Things, c: Things | None = None) -> tuple[Things, ...]:
    return (a, b) if c is None else (a, b, c)


@rule(
    "core",
    "to WHAT [one] BE {anchor:thing} (closer|nearer) {items:choices}",
    "BE {anchor:thing} (closer|nearer) to {a:thing} or [to] {b:thing}",
    "BE {a:thing} (closer|nearer) to {anchor:thing} or BE {b:thing}",
    "WHAT [one] BE {anchor:thing} (closer|nearer|closest|nearest) to {items:choices}",
)
def _closer_to_which(
    anchor: Things,
    items: tuple[Things, ...] = (),
    a: Things | None = None,
    b: Things | None = None,
) -> Program:
    return several(
        Ranking("distance", anchor=anchor), Union(items if a is None or b is None else (a, b))
    )


@rule("core", "WHAT [OBJ] BE {anchor:thing} (closest|nearest) to")
def _closest_to(anchor: Things) -> Program:
    return several(Ranking("distance", anchor=anchor), without_anchor(Everything(), anchor))


@rule(
    "core",
    "WHAT (object|thing|item|else) {ranking:chosen} [IN_ROOM|HERE]",
    "(what|which) {ranking:chosen} [IN_ROOM|HERE]",
    "WHAT {phrase} {ranking:chosen}",
    "WHAT BE {ranking:most} {phrase:plural_kind}",
)
def _which_most(ranking: Ranking, phrase: Phrase | None = None) -> Program | None:
    if phrase is None and ranking.comparative or phrase and phrase.article in ("a", "any"):
        return None
    base = Everything() if phrase is None else phrase.things
    return several(
        ranking, without_anchor(base, ranking.anchor), 0 if phrase is None else phrase.count
    )


@rule(
    "core",
    "WHAT [one] of [all] [the|these|those] {phrase} [one] {ranking:chosen}",
    "(of|among|amongst|out of|from) [all] [the|these] {phrase} [,] WHAT [one] {ranking:chosen}",
    "(of|among|amongst|out of|from) [all] {phrase} [,] {ranking:most} BE WHAT",
)
def _which_most_of(ranking: Ranking, phrase: Phrase) -> Program | None:
    """Choose among a set: "which of the two chairs is taller" asks for one of them."""
    return _which_most(ranking, replace(phrase, things=phrase.counted, count=0))


@rule("core", "who {ranking:chosen} [IN_ROOM|HERE]")
def _who_is_most(ranking: Ranking) -> Program | None:
    if ranking.comparative:
        return None
    return several(ranking, without_anchor(Named("person"), ranking.anchor))


@rule("core", "WHAT [object|thing|item] (BE|STAND) {ranking:most} {where:relation}")
def _which_most_where(ranking: Ranking, where: Condition) -> Program | None:
    if ranking.comparative:
        return None
    return several(ranking, without_anchor(Filter(Everything(), where), ranking.anchor))


@grammar.terminal("several_before")
def _several(state: State, at: int) -> list[Found]:
    """Read nothing, and hand over the several objects of the question before."""
    things = several_before(state.context.dialogue)
    return [] if things is None else [(at, things, 0.0)]


@rule(
    "question",
    "AND_NOW WHAT [one] [of (them|the two|these|those|these two|those two)] {ranking:chosen}"
    " {things:several_before}",
    cost=-0.1,
)
def _which_of_them(ranking: Ranking, things: Things) -> Program:
    return several(ranking, without_anchor(things, ranking.anchor))


@rule(
    "core",
    "WHAT (BE|was) {thing:superlative_phrase} [called]",
    "{thing:superlative_phrase} BE WHAT [one]",
    "{thing:superlative_phrase} , WHAT [one|OBJ] BE (it|that)",
    "(find|identify|name|TELL) {thing:superlative_phrase}",
    "{thing:superlative_phrase}",
    cost=-0.1,
)
def _the_nearest(thing: Phrase) -> Program | None:
    return TellObjects(thing.things, one=not thing.plural and thing.count < 2)


@rule("superlative_phrase", "{phrase}")
def _superlative_phrase(phrase: Phrase) -> Phrase | None:
    things = phrase.things
    if not phrase.ranked or phrase.comparative or not isinstance(things, Rank):
        return None
    if things.by == distance_to(None):
        return phrase
    anchor = None
    if isinstance(things.by, Quantity) and things.by.name == "gap":
        anchor = things.by.of[1]
    return replace(phrase, things=replace(things, of=without_anchor(things.of, anchor)))


@rule(
    "core",
    "WHAT (was|BE) the first {phrase} [that] [you|i|we] [ever] [saw|see|seen|found|mapped|noticed"
    "|to appear|to be seen|to come into view|have seen]",
)
def _first_thing(phrase: Phrase) -> Program:
    return several(Ranking("order_seen"), phrase.things)


@rule(
    "core",
    "WHAT (was|BE) the (last|latest|newest) {phrase} [that] [you|i|we] [saw|see|seen|found|mapped"
    "|noticed|first saw|to appear|to be seen|discovered]",
)
def _last_thing(phrase: Phrase) -> Program:
    return several(Ranking("order_seen", True), phrase.things)


@rule(
    "core",
    "{core} [,] EXCEPT {left_out:things}",
    "EXCEPT {left_out:things} [,] {core}",
    cost=0.2,
)
def _leaving_out(core: Program, left_out: Things) -> Program | None:
    """Leave objects out of what is listed, counted or chosen from."""
    if isinstance(core, TellObjects):
        return replace(core, things=_without(core.things, left_out))
    if isinstance(core, TellNumber) and isinstance(core.number, Count):
        return TellNumber(Count(_without(core.number.of, left_out)))
    return None


def _without(things: Things, left_out: Things) -> Things:
    if isinstance(things, Rank):
        return replace(things, of=_without(things.of, left_out))
    return Except(things, left_out)


@rule(
    "core",
    "after {left_out:superlative_phrase} [,] {core}",
    "after {left_out:superlative_phrase} [,] WHAT [OBJ] BE [the] next {core:superlative_core}",
    cost=0.3,
)
@rule("core", "{core} [,] after {left_out:superlative_phrase}", cost=0.3)
def _after_the_nearest(core: Program, left_out: Phrase) -> Program | None:
    """After the nearest of a set comes the nearest of the others."""
    if not isinstance(core, TellObjects) or not isinstance(core.things, Rank):
        return None
    return replace(core, things=_without(core.things, left_out.things))


@rule("superlative_core", "{phrase:superlative_phrase}")
def _superlative_core(phrase: Phrase) -> Program:
    return TellObjects(phrase.things, one=not phrase.plural)


@rule("core", "WHAT [else] BE there EXCEPT {left_out:things} [IN_ROOM|HERE]")
def _what_else(left_out: Things) -> Program:
    return TellObjects(Except(Everything(), left_out))


# What carries it --------------------------------------------------------------------------------

_STANDS_ON = "(STAND|resting|be|sit|stand|lie|rest)"


@rule(
    "core",
    f"WHAT [object|thing] (BE|does|do) {{thing}} {_STANDS_ON} [STAND] (on|upon|on top of)",
    "WHAT [object|thing] BE {thing} (on|on top of)",
    f"(on|upon|on top of) WHAT [object|thing] (does|do|BE) {{thing}} [{_STANDS_ON}]",
    f"{{thing}} (BE|STAND) [{_STANDS_ON}] (on|upon|on top of) WHAT",
    "WHAT [object|thing] (supports|carries|holds|BE supporting|BE carrying|BE holding) {thing}",
    "WHAT [object|thing] [BE|STAND|lies] [EXACTLY] (underneath|beneath|under|below) {thing}",
)
def _what_under(thing: Things) -> Program:
    return TellObjects(Filter(Everything(), Related("supports", It(), (thing,))))
