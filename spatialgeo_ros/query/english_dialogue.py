# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Questions that go on from the one before: "in feet?", "and the door?", "how wide is it?".

"It", "they" and "one" are read where things are (:mod:`.english_phrases`, :mod:`.english_words`),
and a bare "how far?" where properties are (:mod:`.english_asked`). Here is what changes the
question before: another thing, another unit, another one of the same kind.
"""

from __future__ import annotations

from typing import Any

from spatialgeo_ros.query.english import grammar
from spatialgeo_ros.query.english_comparisons import in_unit
from spatialgeo_ros.query.english_numbers import between, size_of
from spatialgeo_ros.query.english_phrases import Phrase
from spatialgeo_ros.query.english_rankings import Ranking
from spatialgeo_ros.query.program import (
    AttributeName,
    Compare,
    Condition,
    Count,
    Filter,
    Has,
    It,
    Named,
    Place,
    Program,
    Quantity,
    QuantityName,
    Rank,
    TellAttribute,
    TellNumber,
    TellObjects,
    TellWhether,
    The,
    Things,
    Those,
    Union,
    Unit,
    Viewer,
)
from spatialgeo_ros.query.program_edit import about, nodes, rebuilt
from spatialgeo_ros.query.rule_engine import Found, State

rule = grammar.rule


@grammar.terminal("before_it")
def _before(state: State, at: int) -> list[Found]:
    """Read nothing, and hand over the question before; nothing where there was none."""
    program = state.context.dialogue.program
    return [] if program is None else [(at, program, 0.0)]


@grammar.terminal("it_before")
def _it_before(state: State, at: int) -> list[Found]:
    """Read nothing, and hand over the objects of the answer before."""
    objects = state.context.dialogue.objects
    return [] if not objects else [(at, The(Those(objects, "it"), len(objects)), 1.0)]


# Another unit -----------------------------------------------------------------------------------


@rule(
    "question",
    "{before_it} AND_NOW [what about|how about|WHAT BE|how much BE|and|the same|say|can I"
    " say|give|make] [me] [that|it|this|they|the same] (in|using|as) {unit} [please|instead]",
    "{before_it} AND_NOW (convert|converted|change) [that|it|this] [to|into|in] {unit}",
    "{before_it} AND_NOW how many {unit} [is that|is it|are that|BE they|BE those]",
    "{before_it} {unit} [please]",
    cost=0.5,
)
def _in_feet(before_it: Program, unit: Unit) -> Program | None:
    return in_unit(before_it, unit)


# Another thing ----------------------------------------------------------------------------------


@rule(
    "question",
    "{before_it} AND_NOW [what about|what BE with|how about|I mean|I meant|no|sorry|the"
    " one|next|also|then|[the] same [question] (for|with|about)|now [for]] {phrase}"
    " [then|instead|too|as well]",
    cost=2.0,
)
def _and_the_other(before_it: Program, phrase: Phrase) -> Program | None:
    """Ask the same of another object; "the red one" is one of those asked about before."""
    subject = subject_of(before_it)
    if subject is None or phrase.bare and not phrase.noun.one:
        return None
    other = phrase.things
    if isinstance(subject, The | Those):
        other = The(other)
    return _replaced(before_it, subject, other)


@rule("question", "{before_it} AND_NOW [I mean|I meant|no|sorry] [the] {colour}", cost=1.5)
def _and_the_red(before_it: Program, colour: str) -> Program | None:
    subject = subject_of(before_it)
    kind = kind_of_subject(subject)
    if subject is None or not kind:
        return None
    return _replaced(before_it, subject, The(Named(kind, colour)))


@rule(
    "question",
    "{before_it} AND_NOW [what about|how about] (to|of|for) {phrase} [then]",
    cost=0.5,
)
def _and_to_the_other(before_it: Program, phrase: Phrase) -> Program | None:
    """Ask the same of another object: after "how far is it to the door?", "and to the bed?"."""
    number = before_it.number if isinstance(before_it, TellNumber) else None
    if isinstance(number, Quantity) and len(number.of) == 2 and number.of[0] != Viewer():
        return _replaced(before_it, number.of[1], The(phrase.things))  # type: ignore[arg-type]
    return _and_the_other(before_it, phrase)


@rule(
    "question",
    "{before_it} AND_NOW [how far] [is it|is that|away] from {place} [then]",
    cost=1.0,
)
@rule("question", "{before_it} AND_NOW how far [is it|is that] to {place} [then]", cost=1.0)
def _and_from(before_it: Program, place: Place) -> Program | None:
    """After "how far is the stand?", "and from the table?": the distance between the two."""
    subject = subject_of(before_it)
    if subject is None or isinstance(subject, Those) and len(subject.ids) != 1:
        return None
    number = before_it.number if isinstance(before_it, TellNumber) else None
    name: QuantityName = "distance"
    if isinstance(number, Quantity) and number.name in ("gap", "horizontal", "vertical"):
        name = number.name
    told = between(subject, place, name)
    return None if told is None else TellNumber(told)


@rule(
    "question",
    "{before_it} AND_NOW [what about|how about|what is|what BE|I mean|I meant|no|sorry] [the]"
    " {ranking:superlative} [one]",
    cost=0.2,
)
def _and_the_farthest(before_it: Program, ranking: Ranking) -> Program | None:
    """After "how far is the nearest chair?", "and the farthest?"."""
    if isinstance(before_it, TellObjects | TellWhether):
        return None
    for node in nodes(before_it):
        if isinstance(node, Count):
            return None
        if isinstance(node, Rank):
            return _replaced(before_it, node, ranking.of(node.of))
    subject = subject_of(before_it)
    if isinstance(subject, The) and kind_of_subject(subject):
        return _replaced(before_it, subject, The(ranking.of(subject.of)))
    return None


@rule("question", "AND_NOW what BE (it|that|they|those) {of:things_before}", cost=0.3)
def _what_is_it(of: Things) -> Program:
    return TellObjects(of)


@grammar.terminal("things_before")
def _things_before(state: State, at: int) -> list[Found]:
    """Read nothing, and hand over the objects of the answer before as a set."""
    objects = state.context.dialogue.objects
    return [(at, Those(objects, "it"), 0.0)] if objects else []


@rule(
    "question",
    "AND_NOW how (much|wide|big|large) [BE] [the] GAP [BE there|do I have|BE left|have I|remains"
    "|BE]"
    " [there|left|for it|then|available|to use] {things:several_before}",
    "AND_NOW [what BE] [the] [free] GAP [there] {things:several_before}",
)
def _gap_between_them(things: Things) -> Program | None:
    if isinstance(things, Union):
        return TellNumber(Quantity("gap", things.of)) if len(things.of) == 2 else None
    return TellNumber(Quantity("gap", (The(things, 2),)))


@rule(
    "question",
    "AND_NOW BE {a:thing} {ranking:comparative} [THAN (it|that|this|that one)] {b:it_before}",
)
def _is_taller_than_it(a: Things, ranking: Ranking, b: Things) -> Program | None:
    if ranking.quantity == "bearing":
        return None
    number = ranking.number()
    mine, theirs = about(number, a), about(number, b)
    return TellWhether(Compare(mine, ">" if ranking.descending else "<", theirs))


@rule(
    "question",
    "AND_NOW how far [AWAY] [BE it] from [the] one to the other {pair:two_before}",
    "AND_NOW how far [apart] BE the one from the other {pair:two_before}",
)
def _from_one_to_the_other(pair: tuple[Things, Things]) -> Program | None:
    number = between(*pair)
    return None if number is None else TellNumber(number)


@rule("two_before", "{things:several_before}")
def _two_before(things: Things) -> tuple[Things, Things] | None:
    if isinstance(things, Union):
        return (things.of[0], things.of[1]) if len(things.of) == 2 else None
    if not isinstance(things, Those) or len(things.ids) != 2:
        return None
    return Those(things.ids[:1], things.words), Those(things.ids[1:], things.words)


@rule("thing", "the {ranking:superlative} {things:several_before}", cost=0.5)
def _nearest_of_them(ranking: Ranking, things: Things) -> Things:
    return The(ranking.of(things))


# Another property -------------------------------------------------------------------------------


@rule(
    "question",
    "{before_it} AND_NOW [what about|how about|what is] [the|its|their] {quantity:size_noun} [then]"
    " {place:it_before}",
)
def _and_its_height(before_it: Program, quantity: QuantityName, place: Place) -> Program | None:
    number = size_of(quantity, place)
    return None if number is None else TellNumber(number)


@rule(
    "question",
    "{before_it} AND_NOW [what about|how about|what is] [the|its] DISTANCE [FROM ME] [then]"
    " {place:it_before}",
    "{before_it} AND_NOW what is [the|its|their] DISTANCE (to|from) {other:place}"
    " {place:it_before}",
)
def _and_its_distance(
    before_it: Program, place: Place, other: Place | None = None
) -> Program | None:
    number = between(Viewer() if other is None else other, place)
    return None if number is None else TellNumber(number)


@rule(
    "question",
    "AND_NOW [what about|how about|what is|what BE|TELL] [the|its] (DIMENSIONS|size) [then]"
    " {place:it_before}",
)
def _and_its_dimensions(place: Place) -> Program:
    return TellNumber(Quantity("size", (place,)))


@rule("attribute", "COLOUR")
def _colour() -> AttributeName:
    return "colour"


@rule("attribute", "material")
def _material() -> AttributeName:
    return "material"


@rule(
    "question",
    "{before_it} AND_NOW [what about|how about|what is|what BE|which] [the|its] {attribute}"
    " [is it|does it have|then] {place:it_before}",
)
def _and_its_colour(before_it: Program, attribute: AttributeName, place: Place) -> Program:
    return TellAttribute(attribute, place)


@rule(
    "question",
    "AND_NOW how many (BE|STAND) {predicate:predicates} {things:several_before}",
    "AND_NOW how many {colour} [ones] {things:several_before}",
    cost=-0.1,
)
def _and_how_many(things: Things, predicate: Condition | None = None, colour: str = "") -> Program:
    where = Has(It(), "colour", colour) if predicate is None else predicate
    return TellNumber(Count(Filter(things, where)))


def subject_of(program: Program) -> Things | None:
    """Return the set of things that a question was about, the first one where there are more."""
    sets = (The, Those, Named, Rank, Union)
    for node in nodes(program):
        if isinstance(node, sets):
            return node
    return None


def kind_of_subject(things: Any) -> str:
    """Return the noun that names a set, "" when there is none."""
    for node in nodes(things):
        if isinstance(node, Named) and node.kind:
            return node.kind
    return ""


def _replaced(program: Program, old: Things, new: Things) -> Program | None:
    changed = rebuilt(program, lambda node: new if node == old else node)
    return changed if changed != program else None
