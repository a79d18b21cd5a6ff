# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Lengths, hours and choices read out of answers, and their comparison."""

from __future__ import annotations

import math

import pytest

from spatialgeo_ros.speech.reply import (
    choices_agree,
    hours_agree,
    parse_hour,
    parse_length,
    parse_relation,
    parse_reply,
    parse_which,
    parse_yes_no,
    values_agree,
)


@pytest.mark.parametrize(
    ("text", "metres"),
    [
        ("1.35 meters", 1.35),
        ("{1.23 meters}", 1.23),
        ("0.56 feets", 0.56 * 0.3048),
        ("0.65 inches", 0.65 * 0.0254),
        ("1.2 m", 1.2),
        ("1.2m.", 1.2),
        ("about 120 cm", 1.2),
        ("350mm", 0.35),
        ("five feet", 5 * 0.3048),
        ("twenty-five centimetres", 0.25),
        ("6'2\"", 6 * 0.3048 + 2 * 0.0254),
        ("6 ft 2 in", 6 * 0.3048 + 2 * 0.0254),
        ("6 feet and 2 inches", 6 * 0.3048 + 2 * 0.0254),
        ("6 feet, 2 inches", 6 * 0.3048 + 2 * 0.0254),
        ("1 m 20 cm", 1.2),
        ("between 1 and 2 meters", 1.5),
        ("1.0-1.4 m", 1.2),
        ("90 cm to 1.1 m", 1.0),
        ("half a meter", 0.5),
        ("one and a half meters", 1.5),
        ("a meter and a half", 1.5),
        ("1 1/2 feet", 1.5 * 0.3048),
        ("a foot", 0.3048),
        ("1,5 m", 1.5),
        ("1,200 mm", 1.2),
        ("Region [0] and Region [1] are 1.9 meters apart.", 1.9),
        ("The chair is 2.07 meters (6.8 feet) from the door.", 2.07),
        ("It is 3 yards away", 3 * 0.9144),
        ("12 in", 0.3048),
    ],
)
def test_lengths(text: str, metres: float) -> None:
    value = parse_length(text)
    assert value is not None
    assert math.isclose(value, metres, rel_tol=1e-3)


@pytest.mark.parametrize(
    "text",
    ["", "1.35", "yes", "3 o'clock", "2 in front of the sofa", "2 mice", "meters", "v1.2.3 m?",
     "the 3 members", "many meters"],
)  # fmt: skip
def test_no_length_without_a_number_and_its_unit(text: str) -> None:
    assert parse_length(text) is None


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("3 o'clock", 3),
        ("{12 o'clock}", 12),
        ("It is roughly at three o’clock.", 3),
        ("Region [1] is at 10 o clock", 10),
        ("at 11", 11),
        ("10:30 o'clock", 10.5),
        ("13 o'clock", None),
        ("0 o'clock", None),
        ("1.35 meters", None),
        ("left", None),
        ("", None),
    ],
)
def test_hours(text: str, hour: float | None) -> None:
    assert parse_hour(text) == hour


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("yes", "yes"),
        ("Yes, the chair is taller.", "yes"),
        ("No.", "no"),
        ("Correct!", "yes"),
        ("right", "yes"),
        ("right of the chair", None),
        ("nowhere", None),
        ("the chair", None),
        ("", None),
    ],
)
def test_yes_and_no(text: str, expected: str | None) -> None:
    assert parse_yes_no(text) == expected


@pytest.mark.parametrize(
    ("text", "family", "expected"),
    [
        ("left", "left_right", "left"),
        ("the red chair is left of the blue table", "left_right", "left"),
        ("The blue table is to the left of the red chair.", "left_right", "right"),
        ("the red chair is not left of the blue table", "left_right", "right"),
        ("left or right", "left_right", None),
        ("Blue table is taller", "tall_short", "shorter"),
        ("in front", "front_behind", "front"),
        ("it is behind the blue table", "front_behind", "behind"),
        ("taller", "left_right", None),
        ("bright", "left_right", None),
    ],
)
def test_relations(text: str, family: str, expected: str | None) -> None:
    assert parse_relation(text, family, ("red chair", "blue table")) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the red chair", "red chair"),
        ("The blue table is taller.", "blue table"),
        ("the red chair is taller than the blue table", "red chair"),
        ("the red chair is shorter than the blue table", "blue table"),
        ("the sofa", None),
        ("both the red chair and the blue table", None),
    ],
)
def test_which_of_two(text: str, expected: str | None) -> None:
    assert parse_which(text, "tall_short", "taller", ("red chair", "blue table")) == expected


def test_a_reply_is_read_as_the_question_asks() -> None:
    names = ("red chair", "blue table")
    assert parse_reply("1.35 meters", "distance").value == 1.35
    assert parse_reply("3 o'clock", "camera_direction").value == 3
    assert parse_reply("3 o'clock", "distance").value is None
    assert parse_reply("0.30 meters", "tall_short", "difference", "taller", names).value == 0.3
    assert parse_reply("no", "left_right", "yes_no", "left", names).choice == "no"
    assert (
        parse_reply("The chair is right of it", "left_right", "yes_no", "left", names).choice
        == "no"
    )
    assert parse_reply("left", "left_right", "choice", "", names).choice == "left"
    assert parse_reply("the blue table", "closer", "which", "closer", names).choice == "blue table"
    assert parse_reply("a room with a sofa 2 m away", "open", "open") == parse_reply("", "open")


def test_agreement_allows_a_quarter_or_two_sigma() -> None:
    assert values_agree(2.5, 2.0) == "agree"
    assert values_agree(2.51, 2.0) == "disagree"
    assert values_agree(0.5, 0.3, sigma=0.1) == "agree"
    assert values_agree(0.51, 0.3, sigma=0.1) == "disagree"
    assert values_agree(None, 2.0) == values_agree(2.0, None) == "unknown"
    assert values_agree(2.0, math.nan) == "unknown"
    assert values_agree(2.2, 2.0, sigma=math.nan) == "agree"


def test_hours_wrap_around_the_dial() -> None:
    assert hours_agree(12, 1) == "agree"
    assert hours_agree(11, 1) == "disagree"
    assert hours_agree(None, 1) == "unknown"
    assert choices_agree("left", "left") == "agree"
    assert choices_agree("left", "right") == "disagree"
    assert choices_agree("", "right") == "unknown"
