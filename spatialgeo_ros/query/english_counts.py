# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whether there is any, and how many there are."""

from __future__ import annotations

from spatialgeo_ros.query.english import grammar
from spatialgeo_ros.query.english_things import Phrase
from spatialgeo_ros.query.program import (
    Arithmetic,
    Comparator,
    Compare,
    Condition,
    Constant,
    Count,
    Everything,
    Exists,
    Filter,
    It,
    Not,
    Place,
    Program,
    Related,
    TellNumber,
    TellWhether,
    The,
    Things,
)

rule = grammar.rule


_THERE = "(BE there|DO I (find|know [of]|detect|remember|notice|have|recognise|recognize)|HAVE I [ever|already] (seen|spotted|found|noticed|detected|come across|known)|did I (see|find|notice|spot))"


@rule("core", f"{_THERE} {{phrase}} [STAND] [NOW]", "(does|do) {room} (have|contain|include|hold) {phrase}", "(has|have) {room} [got] {phrase}", "DO {phrase} exist [IN_ROOM]", "BE {phrase} (there|here|present|around|available|known|in the map|IN_ROOM|HERE)",
      "BE there such a thing as {phrase}", "do (you|we) happen to (see|have|know) {phrase}")  # fmt: skip
def _is_there(phrase: Phrase, room: Place | None = None) -> Program | None:
    if phrase.article == "the" and not phrase.noun.plural:
        return None
    return TellWhether(Exists(phrase.things))


@rule("core", "(do|does|can|could) (you|i|we|the camera|the robot) [currently|still] see {phrase} [NOW]")
def _do_you_see(phrase: Phrase) -> Program | None:
    if phrase.article == "the" and not phrase.noun.plural:
        return None
    return TellWhether(Exists(Filter(phrase.things, Related("in_view", It()))))


@rule("core", "any {phrase} [IN_ROOM|HERE]", "{phrase} in view", cost=0.5)
def _any(phrase: Phrase) -> Program | None:
    if phrase.article:
        return None
    return TellWhether(Exists(phrase.things))


@rule("the_thing", "{phrase}")
def _the_thing(phrase: Phrase) -> Things | None:
    return The(phrase.things) if phrase.article == "the" and not phrase.plural else None


@rule("core", "(do|does|did|can|could) (you|we|i|the camera|the robot) [currently|still|already] see {thing:the_thing} [NOW]", "BE {thing} [currently|still|now] (seen|visible|in view|in sight|within view|within sight) [to ME|for ME|by ME] [NOW]")
def _can_you_see(thing: Things) -> Program:
    return TellWhether(Related("in_view", thing))


@rule("core", "(BE|BE there) (anything|something|any object|any objects|any things|any thing|an object|objects|things) [EXACTLY|STAND|placed] {predicate:relation}", "(BE|BE there) (nothing|no objects|no things) [STAND] {negated:relation}",
      "(do|does|did|can) (I|you) see (anything|something|any objects) [STAND] {predicate:relation}", "(does|do) (anything|something) (STAND) {predicate:relation}")  # fmt: skip
def _anything(predicate: Condition | None = None, negated: Condition | None = None) -> Program | None:
    if predicate is not None:
        return TellWhether(Exists(Filter(Everything(), predicate)))
    return None if negated is None else TellWhether(Not(Exists(Filter(Everything(), negated))))


@rule("core", "BE {place:thing} (empty|free|clear)")
def _is_empty(place: Things) -> Program:
    return TellWhether(Not(Exists(Filter(Everything(), Related("on", It(), (place,))))))


@rule("core", "(does|do) {place:thing} (carry|hold|have) (anything|something) [on it|on top]", "(does|do) {place:thing} have {phrase} on (it|top)")
def _empty(place: Things, phrase: Phrase | None = None) -> Program:
    """Whether anything is on it; "empty" is the opposite, which the rule below says."""
    base = Everything() if phrase is None else phrase.things
    return TellWhether(Exists(Filter(base, Related("on", It(), (place,)))))


@rule("core", "BE any [of the] {phrase} {predicate:predicates}", "(do|does|did) any [of the] {phrase} (STAND) {predicate:predicates}")
def _is_any(phrase: Phrase, predicate: Condition) -> Program:
    return TellWhether(Exists(Filter(phrase.things, predicate)))


@rule("core", "BE (all|all [of] the|every|each) {phrase} {predicate:predicates}")
def _are_all(phrase: Phrase, predicate: Condition) -> Program:
    return TellWhether(Not(Exists(Filter(phrase.things, Not(predicate)))))


@rule("core", "BE there {comparator:more_than} {cardinal} {phrase}", "BE there {comparator:more_than} one {phrase}")
def _at_least(comparator: Comparator, phrase: Phrase, cardinal: int = 1) -> Program:
    return TellWhether(Compare(Count(phrase.things), comparator, Constant(float(cardinal))))


@rule("core", "BE there more {a:plural} than {b:plural} [IN_ROOM]", "BE there more {a:plural} BE than {b:plural}", "do I (see|know) more {a:plural} than {b:plural}", "BE {a:plural} more numerous than {b:plural}")
def _more_of(a: Things, b: Things) -> Program:
    return TellWhether(Compare(Count(a), ">", Count(b)))


@rule("core", "BE there (fewer|less) {a:plural} than {b:plural} [IN_ROOM]")
def _fewer_of(a: Things, b: Things) -> Program:
    return TellWhether(Compare(Count(a), "<", Count(b)))


@rule("core", "BE there as many {a:plural} as {b:plural} [IN_ROOM]", "BE the number of {a:plural} equal to the number of {b:plural}")
def _as_many(a: Things, b: Things) -> Program:
    return TellWhether(Compare(Count(a), "==", Count(b)))




@rule("core", "how many [of] [the|these|those] {counted} [BE there|do I (know|have|find|count|remember)|HAVE I (seen|mapped|found|counted|detected|known)|did I (see|map|find|count|spot)|can I (find|count)|exist] [of|about] [IN_ROOM|HERE|SO_FAR|NOW] [IN_ROOM|SO_FAR|NOW]",
      "count [all|up] [the|of the] {counted} [IN_ROOM|HERE] [please]", "[what BE] [the] [total] (number|count|quantity|amount) of {counted} [IN_ROOM|HERE|SO_FAR]", "how many {counted} there BE [here|IN_ROOM]", "(do|does|can|could) I count how many {counted} there BE [here|IN_ROOM]",
      "how many {counted} (does|do) {room} (have|contain|hold)", "how many {counted} BE (present|available|known|around|there in total)", "count how many {counted} [BE there|there BE] [HERE|IN_ROOM]", "how many {counted} in total", "{counted} count", "number of {counted}")  # fmt: skip
def _how_many(counted: Things, room: Place | None = None) -> Program:
    return TellNumber(Count(counted))


@rule("core", "how many (objects|things|items) (can|do|does) (you|i|we|the camera|the robot) [currently] see [NOW]", "how many [of the] {counted} (can|do|does) (you|i|we|the camera|the robot) [currently] see [NOW]")
def _how_many_in_view(counted: Things | None = None) -> Program:
    base = Everything() if counted is None else counted
    return TellNumber(Count(Filter(base, Related("in_view", It()))))


@rule("core", "how many [of] [the|these|those] {counted} (BE|STAND|there BE|BE there) [EXACTLY|STAND] {predicate:predicates}", "how many [of] [the] {counted} (do|does|can) I (see|find|have) {predicate:relation}",
      "how many {counted} (that|which) BE {predicate:predicates} BE there", "how many [of the] {counted} {predicate:verb_predicate}")  # fmt: skip
def _how_many_are(counted: Things, predicate: Condition) -> Program:
    return TellNumber(Count(Filter(counted, predicate)))


@rule("counted", "{phrase}")
def _counted(phrase: Phrase) -> Things | None:
    return phrase.things if phrase.article in ("", "the", "all") else None


@rule("core", "how many more {a:plural} than {b:plural} BE there [IN_ROOM]", "how many more {a:plural} BE there than {b:plural}", "how many more {a:plural} than {b:plural} (do|can|did|have) I (see|have|know|seen|know of)")
def _count_difference(a: Things, b: Things) -> Program:
    return TellNumber(Arithmetic("difference", (Count(a), Count(b))))


@rule("core", "how many fewer {a:plural} than {b:plural} BE there [IN_ROOM]", "how many fewer {a:plural} BE there than {b:plural}")
def _count_shortfall(a: Things, b: Things) -> Program:
    return TellNumber(Arithmetic("difference", (Count(b), Count(a))))
