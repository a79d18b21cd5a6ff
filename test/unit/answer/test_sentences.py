# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Answers composed from measurements, and the language model's words checked against them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from question_intent import parse_question

from spatialgeo_ros.answer.sentences import Measured, Subject, measured_answer
from spatialgeo_ros.answer.verdict import judge
from spatialgeo_ros.geometry.distance import DistanceEstimate, Kind
from spatialgeo_ros.geometry.pointmap import DepthSource
from spatialgeo_ros.query.relations import ObjectFacts


def subject(
    name: str,
    centre: tuple[float, float, float],
    size: tuple[float, float, float] = (0.5, 0.5, 0.9),
    sigma: float = 0.02,
) -> Subject:
    """Object in the level frame: x right, y down, z forward; size is (width, depth, height)."""
    return Subject(name, ObjectFacts(centre, size), np.eye(3) * sigma**2, (sigma, sigma, sigma))


def estimate(
    kind: Kind, distance: float, sigma: float = 0.03, valid: bool = True
) -> DistanceEstimate:
    return DistanceEstimate(
        kind,
        "a",
        "b",
        distance if valid else math.nan,
        sigma if valid else math.nan,
        np.zeros(3),
        np.ones(3),
        DepthSource.SENSOR,
        valid,
        "" if valid else "too uncertain",
    )


CHAIR = subject("red chair", (-0.5, 0.4, 2.0), (0.5, 0.5, 0.9))
SOFA = subject("blue sofa", (1.2, 0.5, 3.0), (1.8, 0.9, 0.8))


@pytest.mark.parametrize(
    ("question", "subjects", "estimates", "text", "value"),
    [
        (
            "how far is the red chair?",
            [CHAIR],
            [estimate(Kind.CAMERA_TO_OBJECT, 1.8)],
            "The red chair is 1.80 m ± 0.03 m away, to its nearest visible point "
            "(2.10 m ± 0.02 m to its centre).",
            math.hypot(0.5, 0.4, 2.0),
        ),
        (
            "how far is the red chair from the blue sofa?",
            [CHAIR, SOFA],
            [estimate(Kind.CENTRE_TO_CENTRE, 1.97), estimate(Kind.NEAREST_POINTS, 0.9)],
            "The red chair is 1.97 m ± 0.03 m from the blue sofa, centre to centre; the gap "
            "between them is 0.90 m ± 0.03 m.",
            1.97,
        ),
        (
            "what is the gap between the red chair and the blue sofa?",
            [CHAIR, SOFA],
            [estimate(Kind.NEAREST_POINTS, 0.9)],
            "The gap between the red chair and the blue sofa is 0.90 m ± 0.03 m "
            "(1.97 m ± 0.03 m centre to centre).",
            math.dist(CHAIR.facts.centre, SOFA.facts.centre),
        ),
        (
            "how wide is the blue sofa?",
            [SOFA],
            [estimate(Kind.WIDTH, 1.83)],
            "The blue sofa is 1.83 m ± 0.03 m wide.",
            1.83,
        ),
        (
            "in which direction is the blue sofa?",
            [SOFA],
            [],
            "The blue sofa is at 1 o'clock.",
            1.0,
        ),
    ],
)
def test_lengths_and_directions_are_stated(
    question: str, subjects: list, estimates: list, text: str, value: float
) -> None:
    measured = measured_answer(parse_question(question), subjects, estimates)
    assert measured is not None
    assert measured.text == text
    assert measured.value == pytest.approx(value)


@pytest.mark.parametrize(
    ("question", "choice", "part"),
    [
        ("is the red chair to the left of the blue sofa?", "yes", "Yes: the red chair is to the"),
        ("is the red chair to the right of the blue sofa?", "no", "is to the left of"),
        ("is the red chair left or right of the blue sofa?", "left", "The red chair is to the"),
        ("which is closer, the red chair or the blue sofa?", "red chair", "red chair is closer"),
        ("which is farther, the red chair or the blue sofa?", "blue sofa", "The blue sofa is"),
        ("is the red chair behind the blue sofa?", "no", "No: the red chair is in front of"),
        ("is the blue sofa bigger than the red chair?", "yes", "1.30 m³ against 0.23 m³"),
        ("is the red chair taller than the blue sofa?", "yes", "0.90 m against 0.80 m"),
    ],
)
def test_comparisons_are_decided_by_the_numbers(question: str, choice: str, part: str) -> None:
    intent = parse_question(question)
    by_name = {"red chair": CHAIR, "blue sofa": SOFA}
    measured = measured_answer(intent, [by_name[m.phrase] for m in intent.objects], [])
    assert measured is not None
    assert measured.choice == choice
    assert part in measured.text


def test_small_differences_are_too_close_to_call() -> None:
    intent = parse_question("which is taller, the red chair or the white chair?")
    other = subject("white chair", (0.5, 0.4, 2.0), (0.5, 0.5, 0.93))
    measured = measured_answer(intent, [CHAIR, other], [])
    assert measured is not None
    assert measured.choice == ""
    assert measured.text.startswith("Too close to call")


def test_large_uncertainty_is_too_close_to_call() -> None:
    intent = parse_question("which is closer, the red chair or the blue sofa?")
    vague = subject("blue sofa", SOFA.facts.centre, (1.8, 0.9, 0.8), sigma=0.8)
    measured = measured_answer(intent, [CHAIR, vague], [])
    assert measured is not None and measured.choice == ""


def test_a_difference_is_measured() -> None:
    intent = parse_question("how much taller is the red chair than the blue sofa?")
    measured = measured_answer(intent, [CHAIR, SOFA], [])
    assert measured is not None
    assert measured.text == "The red chair is 0.10 m ± 0.03 m taller than the blue sofa."


def test_closer_to_a_third_object_uses_the_distances_to_it() -> None:
    intent = parse_question("which is closer to the door, the red chair or the blue sofa?")
    door = subject("door", (0.0, 0.0, 4.0))
    lengths = [estimate(Kind.CENTRE_TO_CENTRE, 2.1), estimate(Kind.CENTRE_TO_CENTRE, 1.4)]
    measured = measured_answer(intent, [CHAIR, SOFA, door], lengths)
    assert measured is not None
    assert measured.choice == "blue sofa"
    assert "closer to the door than the red chair (1.40 m against 2.10 m)" in measured.text
    lengths[1] = estimate(Kind.CENTRE_TO_CENTRE, 2.2)
    close = measured_answer(intent, [CHAIR, SOFA, door], lengths)
    assert close is not None and close.choice == ""


@pytest.mark.parametrize(
    ("question", "choice"),
    [("is the red chair on my left?", "yes"), ("is the red chair behind you?", "no")],
)
def test_sides_of_the_robot(question: str, choice: str) -> None:
    measured = measured_answer(parse_question(question), [CHAIR], [])
    assert measured is not None and measured.choice == choice


def test_straight_ahead_is_on_neither_side() -> None:
    ahead = subject("lamp", (0.02, 0.0, 2.0))
    measured = measured_answer(parse_question("is the lamp on my left?"), [ahead], [])
    assert measured is not None and measured.choice == ""
    assert "straight ahead" in measured.text


def test_nothing_valid_gives_no_measured_answer() -> None:
    intent = parse_question("how wide is the red chair?")
    assert measured_answer(intent, [CHAIR], [estimate(Kind.WIDTH, 0, valid=False)]) is None
    size = parse_question("how big is the red chair?")
    lengths = [
        estimate(Kind.WIDTH, 0.5),
        estimate(Kind.DEPTH_EXTENT, 0, valid=False),
        estimate(Kind.HEIGHT, 0.9),
    ]
    measured = measured_answer(size, [CHAIR], lengths)
    assert measured is not None
    assert measured.text == "The red chair is 0.50 m ± 0.03 m wide and 0.90 m ± 0.03 m tall."


@pytest.mark.parametrize(
    ("question", "measured", "text", "value", "agreement"),
    [
        ("how wide is the red chair?", Measured("", 0.5, 0.02), "0.55 meters", 0.55, "agree"),
        ("how wide is the red chair?", Measured("", 0.5, 0.02), "1.2 meters", 1.2, "disagree"),
        ("how wide is the red chair?", Measured("", 0.5, 0.4), "1.2 meters", 1.2, "agree"),
        ("how wide is the red chair?", None, "1.2 meters", 1.2, "unknown"),
        ("how wide is the red chair?", Measured("", 0.5, 0.02), "quite wide", None, "unknown"),
        ("how wide is the red chair?", Measured("", 0.5, 0.02), "", None, "unknown"),
        ("where is the red chair?", Measured("", 11.0), "12 o'clock", None, "agree"),
        ("where is the red chair?", Measured("", 11.0), "3 o'clock", None, "disagree"),
        ("is the red chair left of the couch?", Measured("", choice="yes"), "no", None, "disagree"),
        ("is the red chair left of the couch?", Measured("", choice=""), "no", None, "unknown"),
        (
            "which is closer, the red chair or the couch?",
            Measured("", choice="couch"),
            "the sofa",
            None,
            "agree",
        ),
    ],
)
def test_language_is_checked_against_the_measurement(
    question: str, measured: Measured | None, text: str, value: float | None, agreement: str
) -> None:
    intent = parse_question(question)
    names = [mention.phrase for mention in intent.objects]
    told = [name.replace("couch", "sofa") for name in names]
    verdict = judge(intent, measured, text, told, names)
    assert verdict.agreement == agreement
    if value is None:
        assert math.isnan(verdict.value_m)
    else:
        assert verdict.value_m == pytest.approx(value)


def test_lengths_are_compared_with_the_same_length_and_the_words_say_which() -> None:
    """2.2 m to the centre beside 1.38 m to the surface is no agreement with the latter."""
    intent = parse_question("how far is the purple sofa?")
    sofa = subject("purple sofa", (0.0, 0.2, 1.62))
    measured = measured_answer(intent, [sofa], [estimate(Kind.CAMERA_TO_OBJECT, 1.38)])
    assert measured is not None
    assert "1.38 m" in measured.text and "1.63 m ± 0.02 m to its centre" in measured.text
    verdict = judge(intent, measured, "2.2 meters", ["purple sofa"], ["purple sofa"])
    assert verdict.agreement == "disagree"
    assert verdict.words == (
        "it says 2.20 m to its centre, measured 1.63 m to its centre: they disagree, "
        "more than 0.41 m apart"
    )
    near = judge(intent, measured, "1.9 meters", ["purple sofa"], ["purple sofa"])
    assert near.agreement == "agree" and "they agree, up to 0.41 m apart" in near.words
    assert judge(intent, measured, "I cannot tell.", ["sofa"], ["sofa"]).words == ""


def test_a_gap_is_compared_centre_to_centre() -> None:
    intent = parse_question("what is the gap between the red chair and the blue sofa?")
    measured = measured_answer(intent, [CHAIR, SOFA], [estimate(Kind.NEAREST_POINTS, 0.9)])
    verdict = judge(intent, measured, "0.9 meters", ["a", "b"], ["a", "b"])
    assert verdict.agreement == "disagree"
    assert "measured 1.97 m centre to centre" in verdict.words


@pytest.mark.parametrize(("said", "agreement"), [("Yes.", "agree"), ("No", "disagree")])
def test_yes_or_no_whether_something_is_there_is_compared(said: str, agreement: str) -> None:
    intent = parse_question("is there a chair?")
    assert judge(intent, Measured("Yes: ...", choice="yes"), said, [], []).agreement == agreement
