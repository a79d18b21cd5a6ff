# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which ones: lists, in an order or as they come."""

from __future__ import annotations

from dataclasses import replace

from spatialgeo_ros.query.english import grammar
from spatialgeo_ros.query.english_things import Phrase, Ranking
from spatialgeo_ros.query.program import (
    Condition,
    Everything,
    Except,
    Filter,
    It,
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


@rule("core", "TELL [me] [all] [of] {listed} [IN_ROOM|HERE]", "WHAT {plural_kind} (BE there|do I (see|know|have)|HAVE I (seen|mapped|found)|exist|did I (see|find)|can I see) [of|about] [IN_ROOM|HERE|SO_FAR|NOW]", "where BE {listed:plural_only}", "{listed:listed_terse}",
      "(do|can|could) you (list|name|show) [me] {listed}", "WHAT BE {listed:the_things}")  # fmt: skip
def _list(listed: Things | None = None, plural_kind: Phrase | None = None) -> Program | None:
    if plural_kind is not None:
        listed = plural_kind.things
    return None if listed is None else TellObjects(listed)


@rule("the_things", "the {phrase}")
def _the_things(phrase: Phrase) -> Things | None:
    return phrase.things if phrase.plural else None


@rule("listed", "{phrase}")
def _listed(phrase: Phrase) -> Things | None:
    return phrase.things if phrase.plural or phrase.article == "all" else None


@rule("plural_only", "{phrase}")
def _plural_only(phrase: Phrase) -> Things | None:
    return phrase.things if phrase.plural and phrase.article in ("", "the", "all") and not phrase.bare else None


@rule("listed_terse", "{phrase}", cost=1.5)
def _listed_terse(phrase: Phrase) -> Things | None:
    return phrase.things if phrase.plural and (isinstance(phrase.things, Filter | Except) or phrase.ranked) else None


@rule("plural_kind", "{phrase}")
def _plural_kind(phrase: Phrase) -> Phrase | None:
    return phrase if phrase.plural else None


@rule("core", "WHAT [else] [BE|BE there|do I see|STAND|do I find|can I see|HAVE I] [STAND] [EXACTLY] {predicate:predicates}", "WHAT [of] [the|these|those] {phrase} [that] (BE|STAND|there BE|BE there|do I see|can I see) [EXACTLY] {predicate:predicates}",
      "WHAT {phrase} (do|can|does) I (see|find) {predicate:relation}", "(who|what) [BE] {predicate:verb_predicate}", "WHAT [of] [the] {phrase} {predicate:verb_predicate}", "who BE {predicate:relation}")  # fmt: skip
def _what_is(predicate: Condition, phrase: Phrase | None = None) -> Program | None:
    if phrase is None:
        return TellObjects(Filter(Everything(), predicate))
    if phrase.article not in ("", "the"):
        return None
    return TellObjects(Filter(phrase.things, predicate))


@rule("core", "WHAT BE [there] (IN_ROOM|HERE|around)", "WHAT (do|did|can|have) you (know|know of|know about|remember|mapped|map|seen [so far])", "list everything [KNOWN] [IN_ROOM]", "what all BE (IN_ROOM|HERE|there)",
      "(describe|list) {room}", "what have you (seen|mapped|found) [SO_FAR] [IN_ROOM]", "what BE in your map", "what does {room} contain", "what (objects|things) BE (there|IN_ROOM|HERE)")  # fmt: skip
def _what_is_here(room: Place | None = None) -> Program:
    return TellObjects(Everything())


@rule("core", "WHAT [objects|things] (can|do) (you|i|we) [currently] see [NOW]", "WHAT [objects|things] (BE|BE there) [currently|now] (in view|visible|in sight|in the view) [NOW]", "what BE (in front of your camera|in your view|in your field of view)")
def _what_do_you_see() -> Program:
    return TellObjects(Filter(Everything(), Related("in_view", It())))


@rule("core", "WHAT [objects|things] (can|do) (you|i|we) (no longer|not) [currently] see [NOW]", "WHAT [objects|things] BE (not|no longer) (visible|in view) [NOW]")
def _what_is_hidden() -> Program:
    return TellObjects(Filter(Everything(), Not(Related("in_view", It()))))


_BY: dict[QuantityName, str] = {
    "height": "height",
    "width": "width",
    "depth": "depth",
    "length": "length",
    "volume": "(size|volume)",
    "area": "(area|footprint)",
    "order_seen": "(time|appearance|first appearance|when [you|i|we] [first] (saw|seen|see) [them]|the time you first saw them|order of appearance|when they first appeared|when they appeared"
    "|when they were first seen|age)",
    "bearing": "(bearing|angle|direction)",
}


def _sort_key(quantity: QuantityName, words: str) -> None:
    @rule("sort_key", words)
    def key() -> Ranking:
        return Ranking(quantity, count=None)


for _quantity, _words in _BY.items():
    _sort_key(_quantity, _words)


@rule("sort_key", "[the|their] (distance|closeness|proximity|nearness) [from ME|to ME]", "how (far|close|near) [away] they (are|stand) [from ME|to ME]")
def _by_distance() -> Ranking:
    return Ranking("distance", count=None)


@rule("sort_key", "[the|their] (distance|closeness|proximity|gap) (to|from) {anchor:thing}")
def _by_distance_to(anchor: Things) -> Ranking:
    return Ranking("distance", count=None, anchor=anchor)


@rule("sort_key", "left to right", "from left to right")
def _left_to_right() -> Ranking:
    return Ranking("bearing", True, count=None)


@rule("sort_key", "right to left")
def _right_to_left() -> Ranking:
    return Ranking("bearing", False, count=None)


@rule("order", "[from] [the] {first:superlative} (to|first|to [the] {last:superlative})", "[starting|beginning] with [the] {first:superlative} [one] [first]", "[the] {first:superlative} [one|ones] first", "from [the] {first:superlative} to [the] {last:superlative}",
      "from {first:plain_size} to {last:plain_size}", "from near to far")  # fmt: skip
def _order_words(first: Ranking | None = None, last: Ranking | None = None) -> Ranking | None:
    if first is None:
        return Ranking("distance", count=None)
    if first.skip or first.count != 1:
        return None
    return replace(first, count=None)


@rule("order", "(sorted|ordered|ranked|arranged) by {key:sort_key} [{way:descending}]", "by {key:sort_key} [{way:descending}]", "in order of {key:sort_key}", "(in|from) {key:sort_key} order", "{key:sort_key}")
def _sorted_by(key: Ranking, way: bool = False) -> Ranking:
    return replace(key, descending=key.descending != way)


@rule("descending", "(descending|in descending order|decreasing|reversed|in reverse|from high to low|largest first|biggest first)")
def _down() -> bool:
    return True


@rule("descending", "(ascending|in ascending order|increasing|from low to high|smallest first)")
def _up() -> bool:
    return False


@rule("core", "(sort|order|rank|arrange|TELL) [all] [the] {things:sortable} [KNOWN] {order}", "{things:sortable} {order}", "(sort|order|rank|arrange) [all] [the] {things:sortable} (from|by|in) {order}", "WHAT {things:sortable} BE there {order}")
def _sort(things: Things, order: Ranking) -> Program:
    return TellObjects(order.of(things))


@rule("core", "(sort|order|rank|arrange) {things:sortable}", cost=1.0)
def _sort_by_distance(things: Things) -> Program:
    return TellObjects(Ranking("distance", count=None).of(things))


@rule("sortable", "{phrase}")
def _sortable(phrase: Phrase) -> Things | None:
    return phrase.things if phrase.plural else None


@rule("sortable", "[the] [following] [objects|things|of] {items:list}", "{items:list}")
def _sortable_list(items: tuple[Things, ...]) -> Things:
    return Union(items)


@rule("core", "in (what|which) order (did|do|have|were|BE) [you|i|we] [first] [see|seen] {items:list} [first] [appear|appeared|seen|show up|come up|come|come into view|appear first]", "(what|which) (BE|was|will be|would be) [the] [first time] [order of] (appearance|first appearance|first time appearance) [order] [of] [the following] [items|objects|things|categories] [IN_ROOM] [,|of|in|:] {items:list}",
      "what (will|would) be the first time appearance order of the following [categories] [in the video] {items:list}", "[the|what BE the] order of (appearance|first appearance) of {items:list}", "(sort|order|rank) {items:list} by (first appearance|appearance)", "in (what|which) order did {phrase} [first] appear",
      "(what|which) (came|appeared|comes) first second and third {items:list}", "in (what|which) order did (you|we|i) [first] (see|find|notice|map) {items:list}", "order in which (you|i|we) [first] saw {items:list}", "in (what|which) order did (you|we|i) [first] (see|find|notice|map) {phrase}")  # fmt: skip
def _appearance(items: tuple[Things, ...] | None = None, phrase: Phrase | None = None) -> Program | None:
    if phrase is not None:
        return None if not phrase.plural else TellObjects(Ranking("order_seen", count=None).of(phrase.things))
    return TellObjects(Ranking("order_seen", count=None).of(Union(items or ())))


@rule("core", "WHAT (kind|type|sort) of (object|thing|item) BE {thing}", "what BE {thing:on_thing}")
def _kind(thing: Things) -> Program:
    return TellAttribute("kind", thing)


@rule("on_thing", "(the|that|this) (thing|object|item) {relation}")
def _on_thing(relation: Condition) -> Things:
    return The(Filter(Everything(), relation))
