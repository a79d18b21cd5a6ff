# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training questions: true, balanced, repeatable, and in the vocabulary."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from question_intent import parse_question

from spatialgeo_ros.query.families import FAMILIES, QUALITATIVE, QUANTITATIVE
from spatialgeo_ros.query.relations import compare
from spatialgeo_ros.speech.numbers import CLOCK_TEXTS
from spatialgeo_ros.speech.tokenizer import build_nano_tokenizer
from spatialgeo_ros.training.questions import (
    QA,
    QuestionMaker,
    VisibleObject,
    make_questions,
    true_value,
)

NAMES = (("red", "chair"), ("blue", "table"), ("white", "shelf"), ("red", "sofa"))


def frame(rng: np.random.Generator) -> list[VisibleObject]:
    """Four objects at random places; region indices unlike the list positions."""
    return [
        VisibleObject(
            f"{colour} {kind}",
            kind,
            colour,
            (rng.uniform(-2, 2), rng.uniform(-0.2, 0.8), rng.uniform(1, 5)),
            (rng.uniform(0.3, 2), rng.uniform(0.3, 2), rng.uniform(0.3, 2)),
            region=10 + index,
        )
        for index, (colour, kind) in enumerate(NAMES)
    ]


@pytest.fixture(scope="module")
def asked() -> list[tuple[list[VisibleObject], QA]]:
    rng = np.random.default_rng(5)
    frames = [frame(rng) for _ in range(150)]
    return [(objects, qa) for objects in frames for qa in make_questions(objects, rng, 12)]


def test_the_same_seed_asks_the_same(asked) -> None:
    objects = asked[0][0]
    first = make_questions(objects, np.random.default_rng(1), 20)
    assert first == make_questions(objects, np.random.default_rng(1), 20)
    assert first != make_questions(objects, np.random.default_rng(2), 20)
    assert len(first) == 20


def test_all_families_are_asked_about_equally(asked) -> None:
    counts = Counter(qa.family for _, qa in asked)
    assert set(counts) == set(FAMILIES)
    assert min(counts.values()) > 0.5 * len(asked) / len(FAMILIES)


def test_regions_follow_the_order_of_the_phrases(asked) -> None:
    for objects, qa in asked:
        parts = qa.question.split("<region>")
        assert len(parts) - 1 == len(qa.regions)
        for part, region in zip(parts, qa.regions, strict=False):
            item = objects[region - 10]
            assert part.rstrip().endswith((item.name, f"the {item.kind}", "the object"))


def test_numbers_are_true_and_rounded_to_a_token(asked) -> None:
    tokenizer = build_nano_tokenizer([word for pair in NAMES for word in pair])
    numbers = dict(zip(*tokenizer.number_tokens(), strict=True))
    hours = {tokenizer.token_id(text): float(text) for text in CLOCK_TEXTS}
    for objects, qa in asked:
        if qa.family not in QUANTITATIVE:
            continue
        picked = [objects[region - 10] for region in qa.regions]
        if "if you are at" in qa.question:  # the only wording that names b first
            picked.reverse()
        assert qa.value == true_value(qa.family, picked)
        token = tokenizer.encode(qa.answer, add_bos=False)[0]
        if QUANTITATIVE[qa.family].unit == "o'clock":
            assert hours[token] == qa.value
        else:
            half_step = 0.025 if qa.value < 2.0 else 0.05
            assert abs(numbers[token] - qa.value) <= half_step + 1e-9


def test_comparisons_are_true_and_never_close(asked) -> None:
    for objects, qa in asked:
        if qa.family not in QUALITATIVE:
            continue
        first, second = (objects[region - 10] for region in qa.regions)
        holds = compare(qa.family, first.facts, second.facts)
        assert holds is not None
        intent = parse_question(qa.question)
        assert (intent.family, intent.form) == (qa.family, qa.form)
        if qa.form == "yes_no":
            assert qa.answer == ("yes" if holds == intent.predicate else "no")
        elif qa.form == "choice":
            assert qa.answer == holds
        else:
            right = first if holds == intent.predicate else second
            assert qa.choice in (right.name, right.kind)
            assert qa.answer == f"the {qa.choice}"


def test_answers_are_balanced(asked) -> None:
    counts = Counter((qa.form, qa.choice) for _, qa in asked if qa.form == "yes_no")
    yes, no = counts["yes_no", "yes"], counts["yes_no", "no"]
    assert abs(yes - no) < 4 * math.sqrt(yes + no)
    firsts = [
        parse_question(qa.question).objects[0].phrase == qa.choice
        for _, qa in asked
        if qa.form == "which"
    ]
    assert 0.35 < np.mean(firsts) < 0.65


def test_every_word_is_in_the_vocabulary(asked) -> None:
    tokenizer = build_nano_tokenizer([word for pair in NAMES for word in pair])
    for _, qa in asked:
        assert tokenizer.token_id("<unk>") not in tokenizer.encode(f"{qa.question} {qa.answer}")


def test_which_questions_name_two_different_things() -> None:
    rng = np.random.default_rng(0)
    pair = [
        VisibleObject("red chair", "chair", "red", (-1, 0, 2), (0.5, 0.5, 0.9), 0),
        VisibleObject("blue chair", "chair", "blue", (1, 0, 4), (0.5, 0.5, 0.9), 1),
    ]
    questions = QuestionMaker(rng, ("closer",)).make(pair, 100)
    which = [qa for qa in questions if qa.form == "which"]
    assert which
    assert {qa.choice for qa in which} == {"red chair", "blue chair"}


def test_a_frame_with_too_little_gives_fewer_questions() -> None:
    rng = np.random.default_rng(0)
    assert make_questions([], rng, 5) == []
    one = [VisibleObject("red chair", "chair", "red", (0, 0.5, 2), (0.5, 0.5, 0.9), 0)]
    assert {len(qa.regions) for qa in make_questions(one, rng, 20)} == {1}
    far = [VisibleObject("red chair", "chair", "red", (0, 0.5, 20), (0.5, 0.5, 0.9), 0)]
    assert QuestionMaker(rng, ("camera_distance",)).make(far, 5) == []
    twins = [*one, VisibleObject("blue chair", "chair", "blue", (0, 0.5, 2), (0.5, 0.5, 0.9), 1)]
    assert QuestionMaker(rng, ("tall_short", "closer")).make(twins, 5) == []
