# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is not understood is declined with its words; no word of a question is dropped."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from spatialgeo_ros.query.parser import NotUnderstood, parse
from spatialgeo_ros.query.program import Named, Program
from spatialgeo_ros.query.program_edit import nodes

WORDINGS = [
    line
    for line in (Path(__file__).parent / "wordings.txt").read_text().splitlines()
    if line and not line.startswith("#")
]


@pytest.mark.parametrize(
    "question",
    """
    ?
    how
    left
    the chair
    red
    5 metres
    asdf qwerty zxcv
    far the is how
    banana 7 left of
    is is the sofa left
    how tall how wide the sofa
    how far is the
    how far is the chair from
    the sofa the table the plant
    How far is it?
    Is it closer?
    How far apart are they?
    Which one?
    And the other?
    And in feet?
    Which is taller?
    Is the chair taller?
    Which is taller, the lamp?
    How heavy is the chair?
    How old is the person?
    How much does the chair cost?
    How long does it take to reach the door?
    Who owns the chair?
    Who put the mug there?
    What is the person doing?
    What is the book about?
    What is the temperature in the room?
    What is the meaning of life?
    What will the weather be tomorrow?
    What is 2 plus 2?
    What is the square root of the room?
    Is the chair expensive?
    Is the chair comfortable?
    Is the chair broken?
    Is the door open?
    Is the lamp on?
    Is the person happy?
    Which chair is the best?
    Does the person like the chair?
    Why is the chair there?
    What if the chair was red?
    Should I buy the chair?
    Can I sit on the sofa?
    Turn left.
    Drive to the chair.
    Bring me the chair.
    Please delete all files.
    Play some music please.
    Tell me a joke about distances.
    How far is yesterday from tomorrow?
    How heavy is the silence between them?
    How far is the chair and what colour is it?
    How far is the chair? How tall is it?
    How far is the chair that I bought yesterday?
    How many steps is it to the chair?
    Is there enough room between the chair and the table for the robot to pass?
    What is the radius of the bin?
    Which corner is the plant in?
    If I turn around, is the chair on my left?
    How far is the front of the sofa?
    """.strip().splitlines(),
    ids=str.strip,
)
def test_declined(question: str) -> None:
    with pytest.raises(NotUnderstood):
        parse(question.strip())


def test_the_words_that_cannot_be_placed_are_named() -> None:
    with pytest.raises(NotUnderstood, match="ponders the door") as raised:
        parse("How far is the chair that ponders the door?")
    assert "ponders" in raised.value.words
    with pytest.raises(NotUnderstood, match="empty"):
        parse("  ")
    with pytest.raises(NotUnderstood, match="longer than"):
        parse("how far is the chair " * 40)


@pytest.mark.parametrize(
    ("question", "phrase"),
    [
        ("How far is the flux capacitor?", "flux capacitor"),
        ("How far is the chair from the guitar case?", "guitar case"),
        ("Which is taller, the zeppelin or the chair?", "zeppelin"),
        ("Can a 60 cm wide robot pass between the gizmo and the door?", "gizmo"),
        ("How far is the chair from Bob?", "bob"),
    ],
)
def test_unknown_things_are_read_so_that_the_answer_can_name_them(
    question: str, phrase: str
) -> None:
    names = [node.kind for node in nodes(parse(question)) if isinstance(node, Named)]
    assert phrase in names


def test_adjectives_that_nothing_can_check_stay_in_the_phrase() -> None:
    (named,) = (n for n in nodes(parse("How far is the wobbly chair?")) if isinstance(n, Named))
    assert named == Named("chair", unknown=("wobbly",))


#: Words that change what is asked, or that belong nowhere.
INSERTED = """expensive purple elephant seven twice dirty inside behind nearest without kitchen
because unless banana never except happy upside triangular""".split()


def _read(question: str) -> Program | None:
    try:
        return parse(question)
    except NotUnderstood:
        return None


def test_no_word_is_dropped() -> None:
    """A content word put anywhere changes the program or makes it not understood.

    Before a clause and behind "hello" it may be talk; so it is put inside the main clause.
    """
    rng = random.Random(3)
    for question in rng.sample([q for q in WORDINGS if not set(",;:?.()") & set(q[:-1])], 300):
        words = question.rstrip("?.").split()
        program = parse(question)
        word = rng.choice(INSERTED)
        first = max(1, len(words) // 2)
        at = rng.randrange(first, len(words) + 1)
        changed = " ".join((*words[:at], word, *words[at:]))
        assert _read(changed) != program, changed
