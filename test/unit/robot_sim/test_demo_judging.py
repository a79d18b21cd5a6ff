# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""When the demo calls an answer right, and when it fails because of one."""

import math

import pytest

messages = pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces")

from spatialgeo_ros.robot_sim.demo.judging import (  # noqa: E402
    Expected,
    Mark,
    error,
    judge,
    judge_number,
    number,
    yes_or_no,
)
from spatialgeo_ros.robot_sim.demo.report import Report, Row  # noqa: E402

NAMES = {"chair_1": "red chair", "chair_2": "blue chair"}
NUMBER, BOOLEAN, COUNT, OBJECT = 1, 2, 3, 4
AMBIGUOUS, NOT_UNDERSTOOD, PHRASE_NOT_FOUND = 18, 20, 4


def answer(**fields):
    return messages.SpatialAnswer(**fields)


def measured(value, sigma=0.05, unit="m"):
    return answer(result_type=NUMBER, values=[value], std_devs=[sigma], unit=unit)


@pytest.mark.parametrize(
    ("said", "sigma", "true", "unit", "mark"),
    [
        (2.19, 0.01, 2.0, "m", Mark.RIGHT),  # within a tenth
        (2.25, 0.10, 2.0, "m", Mark.UNSURE),  # within three sigma
        (2.25, 0.05, 2.0, "m", Mark.WRONG),
        (2.25, math.nan, 2.0, "m", Mark.WRONG),  # says nothing about itself
        (math.nan, 0.05, 2.0, "m", Mark.REFUSED),
        (0.05, 0.001, 0.04, "m", Mark.RIGHT),  # a centimetre
        (178.0, 0.1, -179.0, "deg", Mark.RIGHT),  # the short way around
        (160.0, 0.1, 175.0, "deg", Mark.WRONG),  # no tenth of a direction
        (12.0, math.nan, 1.0, "clock", Mark.RIGHT),
        (11.0, math.nan, 1.0, "clock", Mark.WRONG),
    ],
)
def test_a_number_is_wrong_beyond_a_tenth_and_three_sigma(said, sigma, true, unit, mark):
    assert judge_number(said, sigma, true, unit) is mark


def test_values_units_and_types_are_compared_never_the_text():
    said = measured(2.0)
    said.answer = "It is 7 m away."
    assert judge(said, number(2.0), NAMES).mark is Mark.RIGHT
    assert judge(measured(6.56, 0.1, "ft"), number(6.5, unit="ft"), NAMES).mark is Mark.RIGHT
    assert judge(measured(2.0), number(6.5, unit="ft"), NAMES).mark is Mark.WRONG
    assert judge(measured(2.0), yes_or_no(True), NAMES).mark is Mark.WRONG


def test_every_one_of_several_numbers_counts():
    size = answer(result_type=NUMBER, values=[1.0, 2.0, 9.0], std_devs=[0.01] * 3, unit="m")
    assert judge(size, number(1.0, 2.0, 3.0), NAMES).mark is Mark.WRONG
    assert judge(size, number(1.0, 2.0), NAMES).deviation == "another unit"


@pytest.mark.parametrize(
    ("said", "probability", "mark"),
    [(True, 0.99, Mark.RIGHT), (False, 0.99, Mark.WRONG), (False, 0.7, Mark.UNSURE),
     (False, math.nan, Mark.WRONG)],
)  # fmt: skip
def test_a_wrong_yes_is_forgiven_where_it_says_that_it_is_unsure(said, probability, mark):
    yes = answer(result_type=BOOLEAN, boolean_value=said, probability=probability)
    assert judge(yes, yes_or_no(True), NAMES).mark is mark


def test_counts_are_exact():
    truth = Expected(COUNT, (3.0,))
    three, four = (
        answer(result_type=COUNT, values=[float(n)], std_devs=[math.nan]) for n in (3, 4)
    )
    assert judge(three, truth, NAMES).mark is Mark.RIGHT
    assert judge(four, truth, NAMES).mark is Mark.WRONG
    assert judge(four, truth, NAMES).said == "4"


def test_objects_are_compared_by_their_true_names():
    truth = Expected(OBJECT, names=frozenset({"red chair"}))
    assert judge(answer(result_type=OBJECT, object_ids=["chair_1"]), truth, NAMES).mark is (
        Mark.RIGHT
    )
    ghost = judge(answer(result_type=OBJECT, object_ids=["chair_9"]), truth, NAMES)
    assert (ghost.mark, ghost.said) == (Mark.WRONG, "chair_9")


def test_an_ambiguous_question_names_all_candidates():
    truth = error(AMBIGUOUS, names=frozenset(NAMES.values()))
    both = answer(error_code=AMBIGUOUS, object_ids=["chair_2", "chair_1"])
    assert judge(both, truth, NAMES).mark is Mark.RIGHT
    assert judge(both, truth, NAMES).said == "AMBIGUOUS of blue chair, red chair"
    one = answer(error_code=AMBIGUOUS, object_ids=["chair_2"])
    assert judge(one, truth, NAMES).mark is Mark.REFUSED


def test_a_number_for_what_has_none_is_wrong_and_an_error_for_what_has_one_is_none():
    impossible = error(NOT_UNDERSTOOD)
    assert judge(measured(80.0), impossible, NAMES).mark is Mark.WRONG
    assert judge(answer(error_code=NOT_UNDERSTOOD), impossible, NAMES).mark is Mark.RIGHT
    assert judge(answer(error_code=PHRASE_NOT_FOUND), impossible, NAMES).mark is Mark.REFUSED
    assert judge(answer(error_code=PHRASE_NOT_FOUND), number(2.0), NAMES).mark is Mark.REFUSED


def test_the_report_counts_and_fails_on_what_is_confidently_wrong():
    report = Report()
    for mark in (Mark.RIGHT, Mark.UNSURE, Mark.REFUSED, None):
        report.add(Row("map", "How far?", "1 m", "1 m", "", mark, "-", 0.1))
    assert not report.confidently_wrong()
    assert report.answered("map") == 2
    assert report.answered("action") == 0
    report.add(Row("map", "How wide?", "7 m", "1 m", "", Mark.WRONG, "-", 0.1))
    assert report.confidently_wrong()
    assert "1 of 5 answers right" in report.summary()
    assert "How wide? said 7 m" in report.summary()
    assert "not answered" in report.table()
