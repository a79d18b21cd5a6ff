# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Names, conversions and the writing of units."""

from __future__ import annotations

import math
from typing import get_args

import pytest

from spatialgeo_ros.query import units
from spatialgeo_ros.query.program import Unit


@pytest.mark.parametrize(
    ("words", "unit"),
    [
        ("feet", "ft"),
        ("Metres", "m"),
        ("centimeters", "cm"),
        ("feet and inches", "ft in"),
        ("ft in", "ft in"),
        ("ft + in", "ft in"),
        ("square metres", "m2"),
        ("sq. ft.", "ft2"),
        ("metres squared", "m2"),
        ("m^2", "m2"),
        ("cubic meters", "m3"),
        ("litres", "l"),
        ("%", "percent"),
        ("yards", "yd"),
        ("secs", "s"),
        ("radians", "rad"),
        ("parsecs", None),
        ("square seconds", None),
        ("square", None),
        ("", None),
    ],
)
def test_unit_of_words(words: str, unit: str | None) -> None:
    assert units.unit_of(words) == unit


def test_every_unit_of_programs_is_in_the_table() -> None:
    for unit in get_args(Unit):
        assert units.convert(3.0, unit, unit) == pytest.approx(3.0)


def test_conversions() -> None:
    assert units.convert(1.0, "m", "in") == pytest.approx(39.3701, abs=1e-4)
    assert units.convert(2.0, "ft", "ft in") == pytest.approx(2.0)
    assert units.convert(1.0, "m3", "l") == pytest.approx(1000)
    assert units.convert(math.pi, "rad", "deg") == pytest.approx(180)
    assert units.convert(0.25, "", "percent") == pytest.approx(25)
    with pytest.raises(units.UnitMismatchError, match="length in 'm' cannot be given as time"):
        units.convert(1.0, "m", "s")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1.247, "m", "1.25 m"),
        (6.2, "ft in", "6 ft 2.4 in"),
        (5.9999, "ft in", "6 ft 0.0 in"),
        (-0.5, "ft in", "-0 ft 6.0 in"),
        (-0.001, "m", "0.00 m"),
        (33.4, "deg", "33°"),
        (12.3, "percent", "12%"),
        (2.0, "", "2.00"),
        (0.000382, "m3", "0.000382 m³"),
        (18.4, "m2", "18.40 m²"),
    ],
)
def test_spoken(value: float, unit: Unit, text: str) -> None:
    assert units.spoken(value, unit) == text


def test_spoken_sigma() -> None:
    assert units.spoken_sigma(0.021, "m") == " ± 0.02 m"
    assert units.spoken_sigma(0.001, "m") == ""
    assert units.spoken_sigma(math.nan, "m") == ""
    assert units.spoken_sigma(1 / 12, "ft in") == " ± 1.0 in"
