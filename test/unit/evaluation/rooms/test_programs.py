# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The benchmark's questions through programs, on a map that is all true."""

from __future__ import annotations

import pytest
from known_room import known_truth

from spatialgeo_ros.evaluation.rooms.answers import answer_text, score
from spatialgeo_ros.evaluation.rooms.generator import make_tasks
from spatialgeo_ros.evaluation.rooms.programs import ProgramAnswerer
from spatialgeo_ros.query.result import QueryError, ResultType


@pytest.mark.parametrize("kind", ["object_rel_direction_easy", "route_planning"])
def test_published_forms_are_understood(kind: str) -> None:
    asked = 0
    for seed in range(4):
        truth = known_truth(seed)
        answerer = ProgramAnswerer(truth.snapshot)
        for task in make_tasks(truth):
            if task.question_type == kind:
                assert score(task, answer_text(answerer, task)[0]) == 1.0, task
                asked += 1
    assert asked >= 4


def test_what_is_no_question_is_an_error_of_the_result() -> None:
    result = ProgramAnswerer(known_truth().snapshot).answer("Blue ideas sleep furiously or what?")
    assert result.type is ResultType.ERROR and result.error is QueryError.NOT_UNDERSTOOD
    assert result.text


def test_what_the_map_does_not_have_is_an_error_too() -> None:
    answerer = ProgramAnswerer(known_truth().snapshot)
    result = answerer.answer("How far is the lamp from the sofa?")
    assert result.error is QueryError.UNKNOWN_OBJECT
    assert answerer.answer("How far is the chair from the sofa?").error is QueryError.AMBIGUOUS
