# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""VSI-Bench: prompts, edges of the metric, averages worked out by hand."""

from __future__ import annotations

import pytest

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.evaluation.vsi_bench import (
    NUMBER_TYPES,
    Average,
    build_prompt,
    reward,
    summarise,
)
from spatialgeo_ros.speech.cleaned_answer import clean_answer, mean_relative_accuracy, parse_number


def test_prompts_byte_for_byte() -> None:
    question = "Which is nearer to the sofa?"
    assert build_prompt(question, "object_rel_distance", ["A. chair", "B. lamp"]) == (
        "Which is nearer to the sofa?\nOptions:\nA. chair\nB. lamp\n"
        "Answer with the option's letter from the given choices directly."
    )
    for kind in NUMBER_TYPES:
        assert build_prompt("How many chairs?", kind) == (
            "How many chairs?\nPlease answer the question using a single word or phrase."
        )


def test_bad_questions_are_refused() -> None:
    with pytest.raises(BadRequestError, match="options"):
        build_prompt("Which?", "route_planning")
    for call in (
        lambda: build_prompt("Which?", "object_colour"),
        lambda: reward("a", "a", "object_colour"),
        lambda: summarise([("object_colour", 1.0)]),
    ):
        with pytest.raises(BadRequestError, match="object_colour"):
            call()


def test_relative_accuracy_at_its_edges() -> None:
    assert mean_relative_accuracy(2.0, 2.0) == 1.0
    # Strictly below: an error of exactly one half is wrong at the first level already.
    assert mean_relative_accuracy(3.0, 2.0) == 0.0
    assert mean_relative_accuracy(2.5, 2.0) == pytest.approx(0.5)  # 0.25 < 0.5, 0.45, .. 0.30
    assert mean_relative_accuracy(-2.0, 2.0) == 0.0
    assert mean_relative_accuracy(0.0, 0.0) == 1.0
    assert mean_relative_accuracy(float("nan"), 1.0) == 0.0
    assert mean_relative_accuracy(1e300, 1.0) == 0.0  # overflows float32


def test_cleaning_at_its_edges() -> None:
    assert clean_answer("<answer>\n 3.5 m.\n</answer>") == "3.5 m"
    assert clean_answer("<answer>1</answer> no, <answer>\tB.</answer>") == "b"
    assert clean_answer("<answer>open") == "<answer>open"
    assert clean_answer("...") == ""
    assert parse_number("") is None
    assert parse_number("1,234.5") == 1234.5


def test_choices_are_compared_whole() -> None:
    assert reward("b", "b ", "obj_appearance_order") == 1.0
    assert reward("b", "bb", "obj_appearance_order") == 0.0
    assert reward("four", "4", "object_counting") == 0.0


def test_averages_by_hand() -> None:
    summary = summarise(
        [
            ("object_rel_direction_easy", 1.0),
            ("object_rel_direction_easy", 0.0),
            ("object_rel_direction_hard", 0.0),
            ("route_planning", 1.0),
            ("object_counting", 0.8),
            ("room_size_estimation", 0.2),
            ("room_size_estimation", 0.4),
        ]
    )
    assert summary.by_type["object_rel_direction_easy"] == (0.5, 2)
    # Directions: (0.5 + 0) / 2; with route planning: (0.25 + 1) / 2.
    assert summary.accuracy == Average(pytest.approx(2 / 4), pytest.approx(0.625))
    assert summary.relative_accuracy == Average(
        pytest.approx(1.4 / 3), pytest.approx((0.8 + 0.3) / 2)
    )
    assert summary.overall == Average(
        pytest.approx(3.4 / 7), pytest.approx((0.25 + 1 + 0.8 + 0.3) / 4)
    )


def test_no_question_has_no_average() -> None:
    summary = summarise([("object_counting", 0.5)])
    assert summary.accuracy == Average(None, None)
    assert summary.overall == Average(0.5, 0.5)
