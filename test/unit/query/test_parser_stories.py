# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Around a question: stories, who asks, corrections, plainer words; and numbers in words."""

from __future__ import annotations

import pytest

from spatialgeo_ros.query.parser import NotUnderstood, parse
from spatialgeo_ros.query.program import Constant, Program
from spatialgeo_ros.query.program_edit import nodes


@pytest.mark.parametrize(
    ("question", "plain"),
    [
        # a story names what "it" and "they" mean
        ("I lost the red chair, where is it?", "Where is the red chair?"),
        ("We have to fetch the lamp; how far is it?", "How far is the lamp?"),
        ("Hello! I can not find the lamp. How tall is it?", "How tall is the lamp?"),
        (
            "We want to lay a carpet between the sofa and the lamp. How much free space is there?",
            "How much free space is there between the sofa and the lamp?",
        ),
        (
            "The electrician needs a cable from the door to the lamp: how far apart are they?",
            "How far apart are the door and the lamp?",
        ),
        # or only why it is asked
        ("I bought a new lamp. How high is the table?", "How high is the table?"),
        ("I am looking for a window. Is there one?", "Is there a window?"),
        # who asks
        ("My grandmother wants to know how far the door is.", "How far is the door?"),
        ("The lady at the desk asks how far the red chair is.", "How far is the red chair?"),
        ("My neighbour claims the shelf is shorter than the box; true?",
         "Is the shelf shorter than the box?"),
        ("My wife is asking how tall the lamp is; do you know?", "How tall is the lamp?"),
        ("Tell me whether the door is on my left or my right.", "Is the door on my left or right?"),
        ("Is the green box in front of us? Just curious.", "Is the green box in front of us?"),
        # a correction
        ("How many steps... no, how many metres to the lamp?", "How many metres to the lamp?"),
        # plainer words
        ("How much metres are between you and the tv?", "How many metres to the tv?"),
        ("How many centimetres of clearance are there between the sofa and the lamp?",
         "How much clearance is there between the sofa and the lamp in centimetres?"),
        ("How much taller would the lamp be than the door?",
         "How much taller is the lamp than the door?"),
        ("How long would a cable from the door to the lamp have to be?",
         "How far is it from the door to the lamp?"),
        ("Is it far to the lamp? How far exactly?", "How far is it to the lamp?"),
        ("The red chair. How tall?", "How tall is the red chair?"),
        ("Is there anything on the table, and if so what?", "What is on the table?"),
        ("I have an 80 cm wide cart. Can it pass between the sofa and the door?",
         "Can an 80 cm wide cart pass between the sofa and the door?"),
    ],
)  # fmt: skip
def test_words_around_a_question_change_nothing(question: str, plain: str) -> None:
    assert parse(question) == parse(plain)


@pytest.mark.parametrize(
    "question",
    [
        "I moved the chair. How far is it?",
        "The chair was next to the door. Where is it?",
        "My chair is 2 m from the door; how far is the table?",
        "If the door is open, how wide is it?",
        "Suppose the table is gone. What is nearest to me?",
        "Turn 90 degrees left, then where is the chair?",
        "In the other room, how many chairs are there?",
        "Counting only wooden ones, how many chairs are there?",
        "I told you the chair is red. Is the table red?",
        "The cat scratched the sofa and the lamp. How far is it?",
        "how far is the chair or the table",
        "How far would the chair be from the door if I moved it 1 m left?",
        "From the ceiling, how far is the chair from the door?",
        "The door needs to be how wide?",
    ],
)
def test_what_changes_the_question_is_no_talk(question: str) -> None:
    with pytest.raises(NotUnderstood):
        parse(question)


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("1/2 m", 0.5),
        ("1 1/2 m", 1.5),
        ("1½ m", 1.5),
        ("one and a half metres", 1.5),
        ("three quarters of a metre", 0.75),
        ("half a metre", 0.5),
        ("two and a half metres", 2.5),
    ],
)
def test_numbers_in_words(words: str, value: float) -> None:
    assert constants(parse(f"Is the chair closer than {words}?")) == [value]


def test_dozens_and_hyphens() -> None:
    assert constants(parse("Are there more than half a dozen chairs?")) == [6.0]
    assert constants(parse("Are there a dozen chairs?")) == [12.0]
    cart = "Can a {} robot fit between the chair and the door?"
    assert parse(cart.format("60-cm-wide")) == parse(cart.format("60 cm wide"))
    with pytest.raises(NotUnderstood):
        parse("Is the chair within 1/0 m?")


def test_a_number_as_people_say_it_is_about_that_number() -> None:
    assert constants(parse("Is the chair 3 m away?")) == pytest.approx([2.7, 3.3])
    assert constants(parse("Is the box 50 cm wide?")) == pytest.approx([45.0, 55.0])
    assert parse("Is the chair about 3 m away?") == parse("Is the chair 3 m away?")
    assert constants(parse("Is the chair exactly 3 m away?")) == [3.0]
    assert constants(parse("Is the box exactly 50 cm wide?")) == [50.0]


def constants(program: Program) -> list[float]:
    return [node.value for node in nodes(program) if isinstance(node, Constant)]
