# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Noun phrases alone as programs: what a map is searched for, and what is more than a name."""

from __future__ import annotations

import pytest

from spatialgeo_ros.errors import BadRequestError, NotUnderstoodError
from spatialgeo_ros.query.phrase_program import program_of_phrase
from spatialgeo_ros.query.program import It, Named, Quantity, Rank, TellObjects, Viewer


@pytest.mark.parametrize(
    ("phrase", "named"),
    [
        ("chairs", Named("chair")),
        ("the red mug", Named("mug", "red")),
        ("coffee table", Named("coffee table")),
        ("blue things", Named("", "blue")),
        ("objects", Named()),
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


@pytest.mark.parametrize(
    ("phrase", "words"),
    [
        ("the chair behind the sofa", "behind and sofa"),
        ("the nearest chair", "nearest"),
        ("the second chair from the left", "second"),
        ("two chairs", "2"),
        ("the other chair", "other"),
    ],
)
def test_what_says_more_is_refused_with_the_words(phrase, words):
    with pytest.raises(NotUnderstoodError, match=words):
        program_of_phrase(phrase)


@pytest.mark.parametrize("phrase", ["", "  "])
def test_an_empty_phrase_is_refused(phrase):
    with pytest.raises(BadRequestError, match="empty"):
        program_of_phrase(phrase)
