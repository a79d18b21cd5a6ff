# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Questions that go on from the one before."""

from __future__ import annotations

import pytest

from spatialgeo_ros.query.parser import Dialogue, NotUnderstood, parse
from spatialgeo_ros.query.program import The, Those

ONE, TWO, MANY = ("chair_1",), ("sofa_1", "lamp_1"), ("chair_1", "chair_2", "chair_3")


@pytest.mark.parametrize(
    ("before", "objects", "question", "same_as"),
    [
        # another thing
        ("How far is the sofa?", ONE, "And the door?", "How far is the door?"),
        ("How far is the sofa?", ONE, "What about the red door?", "How far is the red door?"),
        ("How far is it to the sofa?", ONE, "And to the door?", "How far is the door?"),
        ("How tall is the sofa?", ONE, "how about the door", "How tall is the door?"),
        ("How far is the sofa from the bed?", TWO, "And to the door?",
         "How far is the sofa from the door?"),
        # another unit
        ("How far is the sofa?", ONE, "And in feet?", "How far is the sofa in feet?"),
        ("How far is the sofa?", ONE, "feet please", "How far is the sofa in feet?"),
        ("How far is the sofa?", ONE, "convert to inches", "How far is the sofa in inches?"),
        ("How far is the sofa?", ONE, "How many yards is that?", "How far is the sofa in yards?"),
        # another one of the kind
        ("How far is the chair?", ONE, "I mean the red one", "How far is the red chair?"),
        ("How far is the chair?", ONE, "The red one.", "How far is the red chair?"),
        ("How far is the chair?", ONE, "red", "How far is the red chair?"),
        ("How far is the nearest chair?", ONE, "And the farthest?",
         "How far is the farthest chair?"),
        # "and from": the distance between the two
        ("How far is the sofa?", ONE, "And from the table?", "How far is the sofa from the table?"),
    ],
)  # fmt: skip
def test_the_question_before_with_a_part_changed(
    before: str, objects: tuple[str, ...], question: str, same_as: str
) -> None:
    dialogue = Dialogue(parse(before), objects)
    assert parse(question, dialogue) == parse(same_as)


@pytest.mark.parametrize(
    ("question", "same_as"),
    [
        ("How tall is it?", "How tall is the chair?"),
        ("And how tall?", "How tall is the chair?"),
        ("And its height?", "How tall is the chair?"),
        ("how far away is that", "How far is the chair?"),
        ("and the distance?", "How far is the chair?"),
        ("At what o'clock?", "At what o'clock is the chair?"),
        ("Where?", "Where is the chair?"),
        ("Left or right?", "Is the chair on my left or right?"),
        ("And what colour?", "What colour is the chair?"),
        ("what is it made of", "What is the chair made of?"),
        ("Is it next to the door?", "Is the chair next to the door?"),
        ("How far is it from the door?", "How far is the chair from the door?"),
        ("Is it taller than the table?", "Is the chair taller than the table?"),
        ("Can you see it?", "Can you see the chair?"),
    ],
)
def test_it_is_the_object_of_the_answer_before(question: str, same_as: str) -> None:
    dialogue = Dialogue(parse("What is the nearest object?"), ONE)
    program, expected = parse(question, dialogue), parse(same_as)
    assert type(program) is type(expected)
    said = repr(program)
    assert "chair_1" in said
    words = [word for word in ("it", "that", "this", "its") if f"words='{word}'" in said]
    assert said.replace(repr(The(Those(ONE, words[0]))), "X") == repr(expected).replace(
        "The(of=Named(kind='chair', colour='', material='', unknown=()), count=1)", "X"
    )


@pytest.mark.parametrize(
    "question",
    [
        "How far apart are they?",
        "what is the distance between them",
        "How far apart are the two?",
        "Which of them is taller?",
        "Which one is closer?",
        "Which of the two is wider?",
        "How far is the nearest one?",
        "How far is the closest of them?",
        "How many of them are red?",
        "How many are within 2 m?",
    ],
)
def test_they_are_the_objects_of_the_answer_before(question: str) -> None:
    dialogue = Dialogue(parse("Which is nearer, the sofa or the lamp?"), TWO)
    said = repr(parse(question, dialogue))
    assert "'sofa_1', 'lamp_1'" in said or "('sofa_1',)" in said and "('lamp_1',)" in said


def test_one_is_what_the_question_named_before_it() -> None:
    assert parse("Is the red chair left of the blue one?") == parse(
        "Is the red chair left of the blue chair?"
    )


@pytest.mark.parametrize("question", ["And in feet?", "How tall is it?", "The red one.", "Where?"])
def test_nothing_to_go_on_from(question: str) -> None:
    with pytest.raises(NotUnderstood):
        parse(question)


def test_a_unit_needs_a_number() -> None:
    with pytest.raises(NotUnderstood):
        parse("And in feet?", Dialogue(parse("Is the chair red?"), ONE))
