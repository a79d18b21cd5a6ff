# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which ones: lists, in an order or as they come."""

from __future__ import annotations

from dataclasses import replace

from spatialgeo_ros.query.english import grammar
from spatialgeo_ros.query.english_phrases import Phrase
from spatialgeo_ros.query.english_rankings import Ranking
from spatialgeo_ros.query.program import (
    Condition,
    Everything,
    Except,
    Filter,
    It,
    Named,
    Not,
    Place,
    Program,
    QuantityName,
    Related,
    TellAttribute,
    TellObjects,
    The,
    Things,
    Union,
)

rule = grammar.rule

_KNOW = (
    "(BE there|do I (know|have)|HAVE I (seen|mapped|found)|exist|did I (see|find)|can be found)"
    " [of|about]"
)
_WHERE = "[IN_ROOM|HERE|SO_FAR|NOW] [IN_ROOM|SO_FAR|NOW]"


@rule(
    "core",
    "(TELL|find) [me] [a list of] {listed} [for me] [IN_ROOM|HERE]",
    f"WHAT {{listed:plural}} {_KNOW} {_WHERE}",
    "WHAT {listed:plural} BE (IN_ROOM|HERE)",
    "where BE [all] {listed:plural_only} [located|now|IN_ROOM]",
    "{listed:listed_terse}",
    "WHAT BE [all] {listed:the_things}",
)
def _list(listed: Things) -> Program:
    return TellObjects(listed)


@rule("the_things", "the {phrase}")
def _the_things(phrase: Phrase) -> Things | None:
    return phrase.things if phrase.plural and not phrase.ranked else None


@rule("listed", "[all] [of] [the] {phrase}")
def _listed(phrase: Phrase) -> Things | None:
    return phrase.counted if phrase.plural or phrase.article == "all" else None


@rule("plural_only", "{phrase}")
def _plural_only(phrase: Phrase) -> Things | None:
    asked = phrase.plural and phrase.article in ("", "the", "all")
    return phrase.counted if asked and not phrase.bare else None


@rule("listed_terse", "{phrase}", cost=1.5)
def _listed_terse(phrase: Phrase) -> Things | None:
    things = phrase.things
    chosen = isinstance(things, Filter | Except) or phrase.ranked
    described = isinstance(things, Named) and not things.kind or phrase.article == "all"
    return things if phrase.plural and (chosen or described) else None


@rule("plural_kind", "{phrase}")
def _plural_kind(phrase: Phrase) -> Phrase | None:
    return phrase if phrase.plural else None


@rule(
    "core",
    "WHAT [else] [BE|BE there|do I (see|have|find)|STAND|can I (see|find)|HAVE I|has been|can"
    " be] [STAND] [EXACTLY] {predicate:predicates} [HERE|IN_ROOM]",
    "what [BE] {predicate:verb_predicate}",
)
def _what_is(predicate: Condition) -> Program:
    return TellObjects(Filter(Everything(), predicate))


@rule("core", "who BE {predicate:predicates}", "who {predicate:verb_predicate}", cost=-0.1)
def _who_is(predicate: Condition) -> Program:
    return TellObjects(Filter(Named("person"), predicate))


@rule(
    "core",
    "WHAT {phrase:chosen_from} [that] (BE|STAND|there BE|BE there|do I see|can I see|can be)"
    " [found|seen] [EXACTLY] {predicate:predicates}",
    "WHAT {phrase:chosen_from} (do|can|does) I (see|find|have) {predicate:relation}",
    "WHAT {phrase:chosen_from} {predicate:verb_predicate}",
)
def _which_are(phrase: Phrase, predicate: Condition) -> Program:
    return TellObjects(Filter(phrase.things, predicate))


@rule("chosen_from", "[of] [the|these|those] {phrase}")
def _chosen_from(phrase: Phrase) -> Phrase | None:
    return phrase if phrase.article in ("", "the") else None


@rule("core", "WHAT [objects|things] (does|do) {thing} (carry|hold|support|have on it|have on top)")
def _carried_by(thing: Things) -> Program:
    return TellObjects(Filter(Everything(), Related("on", It(), (thing,))))


@rule(
    "core",
    "WHAT BE [there] (IN_ROOM|HERE|around)",
    "WHAT (do|did|can|have) you (know|know of|know about|remember|mapped|map|seen [so far])",
    "(describe|list) {room}",
    "what have you (seen|mapped|found) [SO_FAR] [IN_ROOM]",
    "what does {room} (contain|have in it)",
)
def _what_is_here(room: Place | None = None) -> Program:
    return TellObjects(Everything())


# What is seen -----------------------------------------------------------------------------------

_CAN_SEE = "(can|do) (you|i|we|the robot|the camera) [currently|now|still] see [NOW]"
_CAN_NOT_SEE = (
    "((can|do) (not|no longer) (you|i|we|the robot) [currently] see [NOW]"
    "|(can|do) (you|i|we|the robot) (not|no longer) [currently] see [NOW])"
)


@rule(
    "core",
    f"WHAT {_CAN_SEE}",
    f"WHAT {{phrase:chosen_from}} {_CAN_SEE}",
    "what BE in front of your camera",
    cost=-0.2,
)
def _what_do_you_see(phrase: Phrase | None = None) -> Program:
    base = Everything() if phrase is None else phrase.things
    return TellObjects(Filter(base, Related("in_view", It())))


@rule("core", f"WHAT {_CAN_NOT_SEE}", f"WHAT {{phrase:chosen_from}} {_CAN_NOT_SEE}")
def _what_is_hidden(phrase: Phrase | None = None) -> Program:
    base = Everything() if phrase is None else phrase.things
    return TellObjects(Filter(base, Not(Related("in_view", It()))))


# In an order ------------------------------------------------------------------------------------

_BY: dict[QuantityName, str] = {
    "height": "height",
    "width": "width",
    "depth": "depth",
    "length": "length",
    "volume": "(size|volume)",
    "area": "(area|footprint)",
    "order_seen": "(time [of] [first] (appearance|sighting)|time of first (sight|sighting"
    "|appearance)|time|appearance|first appearance|when [you|i|we] [first] (saw|seen|see) [them]"
    "|the time you first saw them|order of appearance|when they [first] appeared"
    "|when they were first seen|age)",
    "bearing": "(bearing|angle|direction)",
}


def _sort_key(quantity: QuantityName, words: str) -> None:
    @rule("sort_key", f"[the|their] {words}")
    def key() -> Ranking:
        return Ranking(quantity, count=None)


for _quantity, _words in _BY.items():
    _sort_key(_quantity, _words)


@rule(
    "sort_key",
    "[the|their] (distance|closeness|proximity|nearness) [from ME|to ME]",
    "how (far|close|near) [away] they (are|stand) [from ME|to ME]",
)
def _by_distance() -> Ranking:
    return Ranking("distance", count=None)


@rule("sort_key", "[the|their] (distance|closeness|proximity|gap) (to|from) {anchor:thing}")
def _by_distance_to(anchor: Things) -> Ranking:
    return Ranking("distance", count=None, anchor=anchor)


@rule("order", "[from] left to right")
def _left_to_right() -> Ranking:
    return Ranking("bearing", True, count=None)


@rule("order", "[from] right to left")
def _right_to_left() -> Ranking:
    return Ranking("bearing", False, count=None)


@rule("order", "[from] (near to far|close to far)")
def _near_to_far() -> Ranking:
    return Ranking("distance", count=None)


@rule(
    "order",
    "[from] [the] {first:superlative} (to|first|to [the] {last:superlative}) [one]",
    "[starting|beginning] with [the] {first:superlative} [one] [first]",
    "[the] {first:superlative} [one|ones] first",
    "from {first:plain_size} to {last:plain_size}",
)
def _order_words(first: Ranking, last: Ranking | None = None) -> Ranking | None:
    if first.skip or first.count != 1:
        return None
    if last is not None and (last.quantity, last.descending) == (first.quantity, first.descending):
        return None
    return replace(first, count=None)


@rule(
    "order",
    "(sorted|ordered|ranked|arranged) (by|in) [order of] {key:sort_key} [{way:descending}]",
    "by {key:sort_key} [{way:descending}]",
    "in [the] [{way:descending}] order of {key:sort_key} [{way:descending}]",
)
def _sorted_by(key: Ranking, way: bool = False) -> Ranking:
    return replace(key, descending=key.descending != way)


@rule("order", "in order [,] {order}")
def _in_order(order: Ranking) -> Ranking:
    return order


@rule(
    "order",
    "by {key:sort_key} [,] {first:order}",
    "(sorted|ordered|ranked|arranged) by {key:sort_key} [,] {first:order}",
    "in [the] order of {key:sort_key} [,] {first:order}",
)
def _sorted_by_from(key: Ranking, first: Ranking) -> Ranking | None:
    return first if first.quantity == key.quantity else None


@rule(
    "descending",
    "(descending|in descending order|decreasing|reversed|in reverse|from high to low|largest first"
    "|biggest first)",
)
def _down() -> bool:
    return True


@rule("descending", "(ascending|in ascending order|increasing|from low to high|smallest first)")
def _up() -> bool:
    return False


@rule(
    "core",
    "(sort|order|rank|arrange|put|TELL) [me] [all] [the] {things:sortable} [KNOWN] [from] {order}",
    "{things:sortable} {order}",
    "WHAT {things:sortable} BE there {order}",
    "what BE the order of {things:sortable} {order}",
    "in (what|which) order (are|stand) {things:sortable} {order}",
)
def _sort(things: Things, order: Ranking) -> Program:
    return TellObjects(order.of(things))


@rule("core", "(sort|order|rank|arrange) {things:sortable}", cost=1.0)
def _sort_by_distance(things: Things) -> Program:
    return TellObjects(Ranking("distance", count=None).of(things))


@rule("sortable", "{phrase}")
def _sortable(phrase: Phrase) -> Things | None:
    return phrase.counted if phrase.plural else None


@rule("sortable", "{those}")
def _sortable_those(those: Things) -> Things:
    return those


@rule("sortable", "[the] [following] [objects|things|of] {items:list}")
def _sortable_list(items: tuple[Things, ...]) -> Things:
    return Union(items)


# Kinds ------------------------------------------------------------------------------------------


@rule("core", "WHAT (kind|type|sort) of (object|thing|item) BE {thing}", "what BE {thing:on_thing}")
def _kind(thing: Things) -> Program:
    return TellAttribute("kind", thing)


@rule("on_thing", "(the|that|this) (thing|object|item) {relation}")
def _on_thing(relation: Condition) -> Things:
    return The(Filter(Everything(), relation))
