# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whether there is any, and how many there are."""

from __future__ import annotations

from spatialgeo_ros.query.english import grammar
from spatialgeo_ros.query.english_phrases import Phrase
from spatialgeo_ros.query.program import (
    Comparator,
    Compare,
    Condition,
    Constant,
    Count,
    Everything,
    Exists,
    Filter,
    Has,
    It,
    Not,
    Place,
    Program,
    Related,
    TellNumber,
    TellWhether,
    The,
    Things,
    Union,
)

rule = grammar.rule

# Is there ---------------------------------------------------------------------------------------

_THERE = (
    "(BE there|DO I (find|know [of]|detect|remember|notice|have|recognise|recognize)"
    "|HAVE I [ever|already] [got] (seen|spotted|found|noticed|detected|come across|known|got)"
    "|did I (see|find|notice|spot)|got)"
)
_IN_IT = "[NOW|HERE|IN_ROOM|SO_FAR]"


@rule(
    "core",
    f"{_THERE} {{phrase}} [STAND] {_IN_IT}",
    "(does|do) {room} (have|contain|include|hold) {phrase}",
    "(has|have) {room} [got] {phrase}",
    "DO {phrase} exist [IN_ROOM]",
    "(BE|DO) {phrase} [be] (there|here|present|around|available|known|in the map|IN_ROOM|HERE)",
    f"(can|could) {{phrase}} be (found|seen|located) {_IN_IT}",
    "BE there such a thing as {phrase}",
    "do (you|we) happen to (see|have|know) {phrase}",
)
def _is_there(phrase: Phrase, room: Place | None = None) -> Program | None:
    if phrase.noun.one and phrase.bare:
        return None
    if phrase.article in ("all", "both") or phrase.article == "the" and not phrase.noun.plural:
        return None
    if phrase.count > 1:
        return TellWhether(Compare(Count(phrase.things), "==", Constant(float(phrase.count))))
    return TellWhether(Exists(phrase.things))


@rule("core", f"BE there no {{phrase}} {_IN_IT}", f"do I (have|know) no {{phrase}} {_IN_IT}")
def _is_there_no(phrase: Phrase) -> Program | None:
    return None if phrase.article else TellWhether(Not(Exists(phrase.things)))


_I_SEE = "(do|does|can|could) (you|i|we|the camera|the robot) [currently|still] see"


@rule("core", f"{_I_SEE} {{phrase}} [NOW]", "BE {phrase} [all] (in view|visible|in sight) [NOW]")
def _do_you_see(phrase: Phrase) -> Program | None:
    if phrase.article in ("all", "both") or phrase.noun.every:
        hidden = Filter(phrase.things, Not(Related("in_view", It())))
        return TellWhether(Not(Exists(hidden)))
    if phrase.article == "the" and not phrase.noun.plural or phrase.count > 1:
        return None
    return TellWhether(Exists(Filter(phrase.things, Related("in_view", It()))))


@rule("core", "any {phrase} [IN_ROOM|HERE]", cost=0.5)
def _any(phrase: Phrase) -> Program | None:
    return None if phrase.article else TellWhether(Exists(phrase.things))


@rule("the_thing", "{pronoun}")
def _that_thing(pronoun: Things) -> Things:
    return pronoun if isinstance(pronoun, The) else The(pronoun)


@rule("the_thing", "{phrase}")
def _the_thing(phrase: Phrase) -> Things | None:
    return The(phrase.things) if phrase.article == "the" and not phrase.plural else None


@rule(
    "core",
    "(do|does|did|can|could|BE) (you|we|i|the camera|the robot) [currently|still|already]"
    " (see|seeing) {thing:the_thing} [NOW]",
    "BE {thing} [currently|still|now] (seen|visible|in view|in sight|within view|within sight)"
    " [to ME|for ME|by ME] [NOW]",
)
def _can_you_see(thing: Things) -> Program:
    return TellWhether(Related("in_view", thing))


@rule(
    "core",
    "(do|does|can|could|did) I [currently|still] (see|have|find) {phrase} (in|on) (the|your|my)"
    " map",
    cost=-0.2,
)
def _in_the_map(phrase: Phrase) -> Program | None:
    return _is_there(phrase)


_ANYTHING = (
    "([any|some] [other|more] (anything|something|anyone|somebody|object|objects|things|thing"
    "|item|items)|an object)"
)


@rule(
    "core",
    f"(BE|BE there) {_ANYTHING} [HERE|IN_ROOM] [EXACTLY|STAND|placed] {{predicate:relation}}",
    f"(do|does|did|can) I (see|have) {_ANYTHING} [STAND] {{predicate:relation}}",
    f"(does|do) {_ANYTHING} (STAND) {{predicate:relation}}",
)
def _anything(predicate: Condition) -> Program:
    return TellWhether(Exists(Filter(Everything(), predicate)))


@rule(
    "core",
    f"BE there {_ANYTHING} {{predicate}} [IN_ROOM|HERE]",
    f"BE {_ANYTHING} (IN_ROOM|HERE) {{predicate}}",
)
def _anything_red(predicate: Condition) -> Program:
    return TellWhether(Exists(Filter(Everything(), predicate)))


@rule("core", f"{_I_SEE} {_ANYTHING} {{colour}} [NOW]")
def _see_anything_red(colour: str) -> Program:
    red = Filter(Everything(), Has(It(), "colour", colour))
    return TellWhether(Exists(Filter(red, Related("in_view", It()))))


@rule("core", "(BE|BE there) (nothing|no objects|no things|no object) [STAND] {predicate:relation}")
def _nothing(predicate: Condition) -> Program:
    return TellWhether(Not(Exists(Filter(Everything(), predicate))))


@rule("core", "BE {place:thing} (empty|free|clear|bare)")
def _is_empty(place: Things) -> Program:
    return TellWhether(Not(Exists(Filter(Everything(), Related("on", It(), (place,))))))


@rule(
    "core",
    "(does|do) {place:thing} (carry|hold|have) (anything|something) [on it|on top]",
    "(does|do) {place:thing} have {phrase} on (it|top)",
)
def _carries_any(place: Things, phrase: Phrase | None = None) -> Program:
    base = Everything() if phrase is None else phrase.things
    return TellWhether(Exists(Filter(base, Related("on", It(), (place,)))))


@rule(
    "core",
    "BE any [of the] {phrase} {predicate:predicates}",
    "BE one of [the|these|those] {phrase} {predicate:predicates}",
    "(do|does|did) any [of the] {phrase} (STAND) {predicate:predicates}",
)
def _is_any(phrase: Phrase, predicate: Condition) -> Program | None:
    return None if phrase.article else TellWhether(Exists(Filter(phrase.things, predicate)))


@rule(
    "core",
    "BE [all|all [of] the|every|each] {phrase:set_phrase} [all] {predicate:predicates}",
    "do [all|all of the] {phrase:set_phrase} [all] (STAND) {predicate:predicates}",
    "(do|does) [all|all of the|every|each] {phrase:set_phrase} [all] {predicate:verb_predicate}",
)
def _are_all(phrase: Phrase, predicate: Condition) -> Program:
    return TellWhether(Not(Exists(Filter(phrase.things, Not(predicate)))))


@rule("core", "BE {phrase:plural_kind} all {predicate:predicates}")
@rule("core", "BE {phrase:the_plural} {predicate:predicates}", cost=0.3)
def _are_they_all(phrase: Phrase, predicate: Condition) -> Program:
    return TellWhether(Not(Exists(Filter(phrase.things, Not(predicate)))))


@rule("the_plural", "{phrase}")
def _the_plural(phrase: Phrase) -> Phrase | None:
    return phrase if phrase.article == "the" and phrase.noun.plural else None


@rule("set_phrase", "{phrase}")
def _set_phrase(phrase: Phrase) -> Phrase | None:
    """Return a phrase that means all of a set: "all chairs", "everything on the table"."""
    return phrase if phrase.article in ("all", "both") or phrase.noun.every else None


# How many ---------------------------------------------------------------------------------------

_KNOWN = (
    "(BE there|there BE|do I (know|have|find|count|remember)|BE known"
    "|HAVE I (seen|mapped|found|counted|detected|known|got)|did I (see|map|find|count|spot)"
    "|(can|could|did) I (find|count)|can be (found|counted)|exist|BE|BE (present|available"
    "|around)) [of|about]"
)
_WHERE = "[IN_ROOM|HERE|SO_FAR|NOW] [IN_ROOM|SO_FAR|NOW]"


@rule("limited", "more than {cardinal}")
def _more_than(cardinal: int) -> tuple[Comparator, int]:
    return ">", cardinal


@rule("limited", "(several|multiple|a few|a number of|more than a single)")
def _several() -> tuple[Comparator, int]:
    return ">", 1


@rule(
    "limited",
    "(at least|no less than|no fewer than) {cardinal}",
    "{cardinal} or more [of]",
)
def _at_least(cardinal: int) -> tuple[Comparator, int]:
    return ">=", cardinal


@rule("limited", "(fewer|less) than {cardinal}")
def _fewer_than(cardinal: int) -> tuple[Comparator, int]:
    return "<", cardinal


@rule("limited", "(at most|no more than) {cardinal}")
def _at_most(cardinal: int) -> tuple[Comparator, int]:
    return "<=", cardinal


@rule("limited", "(exactly|precisely|just|only) {cardinal}")
def _exactly(cardinal: int) -> tuple[Comparator, int]:
    return "==", cardinal


@rule(
    "core",
    f"(BE there|DO I (know [of]|have|find)|HAVE I seen) {{limited}} {{counted}} {_WHERE}",
    "(does|do) {room} (have|contain|hold) {limited} {counted}",
)
def _is_number(
    limited: tuple[Comparator, int], counted: Things, room: Place | None = None
) -> Program:
    comparator, number = limited
    return TellWhether(Compare(Count(counted), comparator, Constant(float(number))))


@rule("core", f"{_I_SEE} {{limited}} {{counted}} [NOW]")
def _is_number_in_view(limited: tuple[Comparator, int], counted: Things) -> Program:
    return _is_number(limited, Filter(counted, Related("in_view", It())))


@rule(
    "core",
    f"how many {{counted}} [{_KNOWN}] {_WHERE}",
    f"(count [all|up]|[what] number of|[what BE] [the] [total] (number|count|quantity|amount) of)"
    f" {{counted}} {_WHERE}",
    f"[count] how many {{counted}} [there BE|BE there|I (have|know|see)] {_WHERE}",
    f"(what|which) number of {{counted}} (BE [there]|do I (have|know|see)|exist|exists) {_WHERE}",
    "{counted} [,] how many [BE (there|they)] [IN_ROOM|HERE]",
    "(do|does|can|could) I count how many {counted} there BE [here|IN_ROOM]",
    "how many {counted} (does|do) {room} (have|contain|hold)",
    "{counted} count",
)
def _how_many(counted: Things, room: Place | None = None) -> Program:
    return TellNumber(Count(counted))


@rule(
    "core",
    "how many [of the] {counted} (can|do|does) (you|i|we|the camera|the robot) [currently] see"
    " [NOW]",
    "how many {counted} can be seen [NOW]",
)
def _how_many_in_view(counted: Things) -> Program:
    return TellNumber(Count(Filter(counted, Related("in_view", It()))))


@rule(
    "core",
    "how many {counted} (BE|STAND|there BE|BE there) [EXACTLY|STAND] {predicate:predicates}",
    "how many {counted} (do|does|can) I (see|find|have) {predicate:relation}",
    "how many {counted} (BE there|do I know) (that|which) BE {predicate:predicates}",
    "how many {counted} {predicate:verb_predicate}",
)
def _how_many_are(counted: Things, predicate: Condition) -> Program:
    return TellNumber(Count(Filter(counted, predicate)))


@rule(
    "core",
    "how many {counted} (does|do) {place:thing} (carry|hold|support|have on it|have on top)",
)
def _how_many_carried(counted: Things, place: Things) -> Program:
    return TellNumber(Count(Filter(counted, Related("on", It(), (place,)))))


@rule("counted", "[of] [the|these|those] {phrase}", "of {phrase}")
def _counted(phrase: Phrase) -> Things | None:
    if phrase.article not in ("", "the", "all") or phrase.ranked:
        return None
    return phrase.counted if phrase.article or phrase.count < 2 else None


@rule("counted", "[of] [the] {a:plural} (and|or) {b:plural}", cost=0.1)
def _counted_both(a: Things, b: Things) -> Things:
    return Union((a, b))


@rule("counted", "of {those}", "{those}")
def _counted_those(those: Things) -> Things:
    return those
