# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Questions that go on from the one before: "in feet?", "and the door?", "how wide is it?"."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from spatialgeo_ros.query.english import grammar
from spatialgeo_ros.query.english_questions import in_unit
from spatialgeo_ros.query.english_numbers import between, size_of
from spatialgeo_ros.query.english_things import Phrase, Ranking
from spatialgeo_ros.query.program import (
    DirectionForm,
    Named,
    Place,
    Program,
    Quantity,
    QuantityName,
    Rank,
    TellDirection,
    TellNumber,
    The,
    Things,
    Those,
    Union,
    Unit,
    Viewer,
)
from spatialgeo_ros.query.program_edit import nodes, rebuilt
from spatialgeo_ros.query.rule_engine import Reading, State

rule = grammar.rule
_AND = "[and|so|ok|okay|then|now|but|also|well] [,]"


@grammar.terminal("before_it")
def _before(state: State, at: int) -> list[Reading]:
    """Read nothing, and hand over the question before; nothing where there was none."""
    program = state.context.dialogue.program
    return [] if program is None else [(at, program, 0.0)]


@grammar.terminal("it_before")
def _it_before(state: State, at: int) -> list[Reading]:
    """Read nothing, and hand over the objects of the answer before."""
    objects = state.context.dialogue.objects
    return [] if not objects else [(at, The(Those(objects, "it"), len(objects)), 1.0)]


@rule("question", f"{{before_it}} {_AND} [what about|how about|what is that|how much is that|how much is it|and|the same] [that|it|this] (in|using|as) {{unit}} [please|instead]", "{before_it} how many {unit} [is that|is it|are that|BE they]", "{before_it} {unit} [please]", cost=0.5)
def _in_feet(before_it: Program, unit: Unit) -> Program | None:
    return in_unit(before_it, unit)


@rule("question", f"{{before_it}} {_AND} [what about|how about] {{phrase}} [then|instead|please]", cost=2.0)
def _and_the_other(before_it: Program, phrase: Phrase) -> Program | None:
    """Ask the same of another object; "the red one" is one of the kind asked about before."""
    subject = subject_of(before_it)
    if subject is None or phrase.bare:
        return None
    other: Things = phrase.things
    if phrase.noun.one:
        kind = kind_of_subject(subject)
        if not kind:
            return None
        other = of_kind(other, kind)
    wrapped = The(other) if isinstance(subject, The) or isinstance(subject, Those) else other
    return _replaced(before_it, subject, wrapped)


@rule("question", f"{{before_it}} {_AND} [how far] [is it|is that|away] (from|to) {{place}} [then]", cost=1.0)
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


@rule("question", f"{{before_it}} {_AND} [what about|how about|what is] [the|its|their] {{quantity:size_noun}} [then] {{it_before}}", f"{{before_it}} {_AND} how {{quantity:size_adjective}} {{it_before}}")
def _and_its_height(before_it: Program, quantity: QuantityName, it_before: Place) -> Program | None:
    number = size_of(quantity, it_before)
    return None if number is None else TellNumber(number)


@rule("question", f"{{before_it}} {_AND} how far [away] [BE it] [then] {{it_before}}")
def _and_how_far(before_it: Program, it_before: Place) -> Program | None:
    number = between(Viewer(), it_before)
    return None if number is None else TellNumber(number)


@rule("question", f"{{before_it}} {_AND} {{form:asked_form}} {{it_before}}")
def _and_where(before_it: Program, form: DirectionForm, it_before: Place) -> Program:
    return TellDirection(it_before, form)


@rule("asked_form", "[at|in] (what|which|how many) CLOCK [DIRECTION] [is it|is that]")
def _clock_form() -> DirectionForm:
    return "clock"


@rule("asked_form", "where [is it|is that]", "in (what|which) DIRECTION [is it]", "which (way|direction) [is it]")
def _any_form() -> DirectionForm:
    return "any"


@rule("asked_form", "[at|by] (what ANGLE|how many DEGREES|which ANGLE) [is it]")
def _angle_form() -> DirectionForm:
    return "deg"


@rule("asked_form", "[on] [my|your|the] left or [on] [my|your|the] right", "on (which|what) side [is it]")
def _side_form() -> DirectionForm:
    return "side"


@rule("question", f"{{before_it}} {_AND} [what about|how about|which is|what is] [the] {{ranking:superlative}} [one]", cost=0.5)
def _and_the_farthest(before_it: Program, ranking: Ranking) -> Program | None:
    """After "how far is the nearest chair?", "and the farthest?"."""
    for node in nodes(before_it):
        if isinstance(node, Rank):
            return _replaced(before_it, node, ranking.of(node.of))
    subject = subject_of(before_it)
    kind = kind_of_subject(subject)
    if subject is None or not kind:
        return None
    return _replaced(before_it, subject, The(ranking.of(Named(kind))))


def subject_of(program: Program) -> Things | None:
    """Return the set of things that a question was about, the first one where there are more."""
    sets = (The, Those, Named, Rank, Union)
    for node in nodes(program):
        if isinstance(node, sets):
            return node
    return None


def kind_of_subject(things: Things | None) -> str:
    """Return the noun that names a set, "" when there is none."""
    for node in nodes(things):
        if isinstance(node, Named) and node.kind:
            return node.kind
    return ""


def of_kind(things: Things, kind: str) -> Things:
    """Put a kind where a phrase said "one"."""
    from spatialgeo_ros.query.program import Everything

    def change(node: Any) -> Any:
        if isinstance(node, Named) and not node.kind:
            return replace(node, kind=kind)
        return Named(kind) if isinstance(node, Everything) else node

    return rebuilt(things, change)


def _replaced(program: Program, old: Things, new: Things) -> Program | None:
    changed = rebuilt(program, lambda node: new if node == old else node)
    return changed if changed != program else None
