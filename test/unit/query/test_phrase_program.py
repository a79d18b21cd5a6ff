# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Noun phrases alone as programs: what a map is searched for, and what is more than a name."""

from __future__ import annotations

import pytest

from spatialgeo_ros.errors import BadRequestError, NotUnderstoodError
from spatialgeo_ros.query.phrase_program import program_of_phrase
from spatialgeo_ros.query.program import (
    Everything,
    Filter,
    It,
    Named,
    Quantity,
    Rank,
    Related,
    TellObjects,
    The,
    Viewer,
)


@pytest.mark.parametrize(
    ("phrase", "named"),
    [
        ("chairs", Named("chair")),
        ("the red mug", Named("mug", "red")),
        ("coffee table", Named("coffee table")),
        ("blue things", Named("", "blue")),
        ("objects", Everything()),
        ("wooden table", Named("table", material="wood")),
        ("wobbly chair", Named("chair", unknown=("wobbly",))),
    ],
)
def test_a_phrase_names_kind_and_looks(phrase, named):
    assert program_of_phrase(phrase) == TellObjects(named)


def test_the_nearest_comes_first_where_the_viewer_is_known():
    by = Quantity("distance", (Viewer(), It()))
    assert program_of_phrase("chairs", nearest_first=True) == TellObjects(Rank(Named("chair"), by))


def test_one_that_is_meant_is_not_ranked():
    program = program_of_phrase("the chair", one=True, nearest_first=True)
    assert program == TellObjects(Named("chair"), one=True)


def test_a_phrase_says_which_one() -> None:
    by = Quantity("distance", (Viewer(), It()))
    nearest = Rank(Named("chair"), by, count=1)
    assert program_of_phrase("the nearest chair") == TellObjects(nearest)
    assert program_of_phrase("the nearest chair", nearest_first=True) == TellObjects(nearest)
    beside = Filter(Named("chair"), Related("behind", It(), (The(Named("sofa")),)))
    assert program_of_phrase("the chair behind the sofa") == TellObjects(beside)


@pytest.mark.parametrize("phrase", ["chair of doom and", "how far is the chair", "the"])
def test_what_names_no_thing_is_refused(phrase: str) -> None:
    with pytest.raises(NotUnderstoodError, match="names no thing"):
        program_of_phrase(phrase)


@pytest.mark.parametrize("phrase", ["", "  "])
def test_an_empty_phrase_is_refused(phrase):
    with pytest.raises(BadRequestError, match="empty"):
        program_of_phrase(phrase)
