# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The grammar as a whole: no dead patterns, deterministic, quick."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

from spatialgeo_ros.query.english import Context, Dialogue, grammar
from spatialgeo_ros.query.parser import parse
from spatialgeo_ros.query.rule_engine import Production, State, Trace
from spatialgeo_ros.query.rule_patterns import Choice, Element, Words
from spatialgeo_ros.query.tokens import tokenise

WORDINGS = [
    line
    for line in (Path(__file__).parent / "wordings.txt").read_text().splitlines()
    if line and not line.startswith("#")
]

#: What stands for a slot in sentences made of patterns; nothing for what reads no words.
SAMPLES: dict[str, tuple[str, ...]] = {
    "adjective": ("tall",),
    "actor": ("you",),
    "after": ("",),
    "amount": ("2 m", "50 cm"),
    "any_one": ("a chair",),
    "arm": ("1 m arm",),
    "article": ("the",),
    "asked": ("where is the lamp",),
    "before": ("red",),
    "before_it": ("",),
    "cardinal": ("two", "three"),
    "choices": ("the sofa or the lamp",),
    "chosen_from": ("objects",),
    "colour": ("red", "blue"),
    "comparative": ("taller", "closer"),
    "core": ("what is behind the door", "where is the door", "how far is the chair from the lamp"),
    "counted": ("chairs",),
    "decimal": ("2",),
    "either": ("the sofa or the lamp",),
    "it_before": ("",),
    "list": ("the sofa, the lamp and the door", "the sofa and the lamp"),
    "listed": ("all chairs", "the chairs"),
    "listed_terse": ("chairs on the table",),
    "material": ("wood", "metal"),
    "me": ("you", "me"),
    "noun": ("robot", "box", "chair"),
    "number": ("the height of the chair", "the number of boxes"),
    "one_thing": ("the chair",),
    "on_thing": ("the thing on the table",),
    "operand": ("the height of the chair", "the width of the door"),
    "ordered": ("the sofa, the lamp and the door",),
    "ordinal": ("second",),
    "pair": ("the sofa and the lamp", "the chair and the door"),
    "phrase": ("chairs", "red boxes", "the chairs", "chair"),
    "place": ("the table", "the sofa"),
    "place_pair": ("the sofa and the lamp",),
    "plain_size": ("tall",),
    "plural": ("chairs", "boxes"),
    "plural_kind": ("the chairs", "chairs"),
    "predicate": ("red", "next to the door"),
    "predicates": ("red", "next to the door"),
    "predicates_and": ("red",),
    "pronoun": ("it",),
    "question": ("how far is the chair",),
    "relation": ("next to the door", "on the table"),
    "room": ("the room",),
    "set_phrase": ("everything on the table",),
    "several": ("the chairs",),
    "several_before": ("",),
    "sized": ("the chair", "the door", "the room"),
    "sortable": ("the chairs",),
    "stance": ("standing at the sofa facing the door",),
    "superlative": ("nearest", "tallest"),
    "superlative_phrase": ("the nearest chair",),
    "tall_one": ("a 60 cm tall robot",),
    "terse_pair": ("the sofa the lamp",),
    "the_thing": ("the chair",),
    "thing": ("the chair", "the red box", "the door", "the lamp"),
    "thing_set": ("of the chairs", "chair"),
    "things": ("the chairs", "boxes"),
    "things_before": ("",),
    "those": ("they",),
    "two_before": ("",),
    "unit": ("feet", "cm", "square metres"),
    "verb_predicate": ("touch the door",),
    "wall": ("the wall",),
    "wide_one": ("a 60 cm wide robot",),
}
#: Pairs that must go together, which chance seldom finds.
SPECIAL = {
    "_any_of_each": "which of these objects (chair, lamp) is the closest to the door?"
    " if there are multiple instances of an object category, measure to the closest",
    "_more_or_less": "is the lamp taller or shorter than the door",
    "_after_the_nearest": "after the nearest chair, which chair is nearest",
    "_which_is_behind": "of the sofa and the lamp, which one is behind",
    "_leaving_out": "how many objects are on the table, not counting the boxes",
}
BEFORE = (
    Dialogue(parse("How far is the chair?"), ("chair_1",)),
    Dialogue(parse("How far apart are the sofa and the lamp?"), ("sofa_1", "lamp_1")),
)
TOP = [
    production for production in grammar.productions() if production.rule in ("core", "question")
]


def sentence(elements: tuple[Element, ...], rng: random.Random, depth: int = 0) -> list[str]:
    """Make a sentence of a pattern, by chance."""
    words: list[str] = []
    for element in elements:
        if isinstance(element, Words):
            words.append(rng.choice(sorted(element.words)))
        elif isinstance(element, Choice):
            optional = () in element.options
            if not optional or rng.random() < 0.4:
                words += sentence(rng.choice(element.options), rng, depth)
        elif not element.many or rng.random() < 0.3:
            if element.rule in SAMPLES:
                words.append(rng.choice(SAMPLES[element.rule]))
            else:
                makers = [p for p in grammar.productions() if p.rule == element.rule]
                words += sentence(rng.choice(makers).elements, rng, depth + 1)
    return [word for word in words if word]


def used(trace: Trace) -> set[Any]:
    """Return the patterns that a reading uses."""
    found: set[Any] = set()
    for part in trace:
        found |= used(part) if isinstance(part, tuple) else {part}
    return found


def readings(words: str, dialogue: Dialogue) -> set[Any]:
    state = State(tokenise(words), Context(frozenset(), dialogue))
    best = grammar.parse("question", state)[:1]
    return used(best[0][3]) if best else set()


def is_ever_read(production: Production) -> bool:
    """Tell whether a pattern is in the best reading of something that it says."""
    special = SPECIAL.get(production.build.__name__)
    if special is not None:
        return any(p.build is production.build for p in readings(special, Dialogue()))
    rng = random.Random(production.pattern)
    dialogues = BEFORE if production.rule == "question" else (Dialogue(),)
    for _ in range(80):
        words = " ".join(sentence(production.elements, rng))
        if any(production in readings(words, dialogue) for dialogue in dialogues):
            return True
    return False


def test_every_pattern_of_a_question_is_the_best_reading_of_something() -> None:
    assert [f"{p.build.__name__}: {p.pattern}" for p in TOP if not is_ever_read(p)] == []


def test_no_pattern_is_there_twice() -> None:
    seen: dict[tuple[str, str], str] = {}
    for production in grammar.productions():
        key = (production.rule, f"{production.cost} {production.elements!r}")
        name = production.build.__name__
        assert key not in seen, f"{production.pattern}: {seen.get(key)} and {name}"
        seen[key] = name


def test_every_other_rule_is_used_by_a_wording() -> None:
    read: set[Any] = set()
    for wording in WORDINGS:
        read |= readings(wording, Dialogue())
    inner = {p.rule for p in grammar.productions() if p.rule not in ("core", "question")}
    top = {slot for p in TOP for slot in _rules_in(p.elements)}
    reached = {p.rule for p in read} | top
    for production in grammar.productions():
        if production.rule in reached:
            reached |= _rules_in(production.elements)
    assert inner <= reached


def _rules_in(elements: tuple[Element, ...]) -> set[str]:
    found: set[str] = set()
    for element in elements:
        if isinstance(element, Choice):
            for option in element.options:
                found |= _rules_in(option)
        elif not isinstance(element, Words):
            found.add(element.rule)
    return found


def test_the_same_question_always_has_the_same_program() -> None:
    for wording in WORDINGS[::10]:
        assert repr(parse(wording)) == repr(parse(wording)) == repr(parse(wording.upper()))


def test_questions_are_read_in_milliseconds() -> None:
    start = time.process_time()
    for wording in WORDINGS:
        parse(wording)
    assert (time.process_time() - start) / len(WORDINGS) < 0.02  # 0.001 on a desktop
