# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From typed results to what VSI-Bench compares: a number in the asked unit, or a letter."""

from __future__ import annotations

import re
from typing import Protocol

from spatialgeo_ros.evaluation.rooms.task import Task, letter_of
from spatialgeo_ros.evaluation.rooms.truth import kind_of
from spatialgeo_ros.evaluation.vsi_bench import reward
from spatialgeo_ros.memory.snapshot import MapSnapshot
from spatialgeo_ros.query.program import Unit
from spatialgeo_ros.query.result import Result, ResultType
from spatialgeo_ros.query.units import UnitMismatchError, convert, unit_of
from spatialgeo_ros.speech.cleaned_answer import clean_answer

_NUMBERS = (ResultType.NUMBER, ResultType.COUNT)


class Answerer(Protocol):
    """Answers questions in English about one map."""

    @property
    def snapshot(self) -> MapSnapshot:
        """The map, in which the ids of a result are looked up."""

    def answer(self, question: str) -> Result:
        """Return the typed answer; errors are results."""


def answer_text(answerer: Answerer, task: Task) -> tuple[str, str]:
    """Ask a question without its options, and say the answer as VSI-Bench's models do.

    Returns:
        The number in the unit asked for, or the letter of the option that the result names; "" for
        a refusal, for a result of another type and for one that is no option. And the answer in
        words.
    """
    result = answerer.answer(task.question)
    if not task.options:
        return _number(result, task.unit), result.text
    labels = {one.id: kind_of(one) for one in answerer.snapshot.objects}
    said = _words(result, labels)
    for choice in task.choices:
        if said and [_plain(part) for part in choice.split(", ")] == said:
            return letter_of(task, choice), result.text
    return "", result.text


def score(task: Task, text: str) -> float:
    """Return the reward of an answer as VSI-Bench gives it, 0 to 1."""
    return reward(clean_answer(task.ground_truth), clean_answer(text), task.question_type)


def _number(result: Result, unit: Unit) -> str:
    if result.type not in _NUMBERS or len(result.values) != 1:
        return ""
    given = unit_of(result.unit) if result.unit else ""
    if given is None:
        return ""
    try:
        return f"{convert(result.values[0], given, unit):.4f}"
    except UnitMismatchError:
        return ""


def _words(result: Result, labels: dict[str, str]) -> list[str]:
    """What a result names, in order: objects by their kind, a direction, turns."""
    if result.type in (ResultType.OBJECT, ResultType.OBJECTS):
        return [_plain(labels.get(one, "")) for one in result.objects]
    if result.type is ResultType.DIRECTION:
        return [_plain(result.direction)]
    if result.type is ResultType.TEXT:
        return [_plain(part) for part in result.word.split(",")]
    return []


def _plain(text: str) -> str:
    """Lower case, words only; a turn is its side."""
    words = re.sub(r"[^a-z0-9]+", " ", text.lower()).split()
    return " ".join(word for word in words if word not in ("turn", "the"))
