# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""VSI-Bench (Yang et al. 2025, arXiv 2412.14171) as Spatial-MLLM is evaluated on it.

Prompts, cleaning of answers, rewards and averages follow the published evaluation to the bit, so
that numbers can be put beside the paper's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.speech.cleaned_answer import mean_relative_accuracy, parse_number
from spatialgeo_ros.speech.prompts import CHOICE_REQUEST, NUMBER_REQUEST

DIRECTION_TYPES = (
    "object_rel_direction_easy",
    "object_rel_direction_medium",
    "object_rel_direction_hard",
)
#: Answered with the letter of an option; scored right or wrong.
CHOICE_TYPES = (*DIRECTION_TYPES, "object_rel_distance", "route_planning", "obj_appearance_order")
#: Answered with a number; scored by mean relative accuracy.
NUMBER_TYPES = (
    "object_abs_distance",
    "object_counting",
    "object_size_estimation",
    "room_size_estimation",
)


@dataclass(frozen=True)
class Average:
    """A score averaged two ways; None where no question counts.

    Attributes:
        micro: Over questions.
        macro: Over types of question, the three types of direction taken together as one.
    """

    micro: float | None
    macro: float | None


@dataclass(frozen=True)
class Summary:
    """Scores of a set of answers.

    Attributes:
        by_type: Mean reward and number of questions of each type.
        accuracy: Of the questions with options.
        relative_accuracy: Of the questions for a number.
        overall: Of all.
    """

    by_type: dict[str, tuple[float, int]]
    accuracy: Average
    relative_accuracy: Average
    overall: Average


def build_prompt(question: str, question_type: str, options: Sequence[str] = ()) -> str:
    """Text of the user's turn.

    Args:
        question: As in the data set.
        question_type: One of :data:`CHOICE_TYPES` or :data:`NUMBER_TYPES`.
        options: With their letters ("A. chair"), for a choice.

    Raises:
        BadRequestError: The type is unknown, or a choice has no options.
    """
    if _is_number(question_type):
        return f"{question}\n{NUMBER_REQUEST}"
    if not options:
        raise BadRequestError(f"a question of type {question_type} needs options")
    return "\n".join((question, "Options:", *options, CHOICE_REQUEST))


def _is_number(question_type: str) -> bool:
    if question_type not in (*CHOICE_TYPES, *NUMBER_TYPES):
        raise BadRequestError(
            f"unknown VSI-Bench question type '{question_type}'; known are "
            f"{', '.join((*CHOICE_TYPES, *NUMBER_TYPES))}"
        )
    return question_type in NUMBER_TYPES


def reward(truth: str, answer: str, question_type: str) -> float:
    """Score of one answer, 0 to 1.

    Args:
        truth: Cleaned (:func:`~spatialgeo_ros.speech.cleaned_answer.clean_answer`).
        answer: Cleaned.
        question_type: One of :data:`CHOICE_TYPES` or :data:`NUMBER_TYPES`.

    Raises:
        BadRequestError: The type is unknown.
    """
    if not _is_number(question_type):
        return float(answer.strip() == truth.strip())
    given, right = parse_number(answer), parse_number(truth)
    if given is None or right is None:
        return 0.0
    return mean_relative_accuracy(given, right)


def summarise(results: Iterable[tuple[str, float]]) -> Summary:
    """Average rewards.

    Args:
        results: Question type and reward of each answer.

    Raises:
        BadRequestError: A type is unknown.
    """
    groups: dict[str, list[float]] = defaultdict(list)
    for question_type, score in results:
        _is_number(question_type)
        groups[question_type].append(score)
    return Summary(
        {kind: (float(np.mean(scores)), len(scores)) for kind, scores in groups.items()},
        _average(groups, CHOICE_TYPES),
        _average(groups, NUMBER_TYPES),
        _average(groups, (*CHOICE_TYPES, *NUMBER_TYPES)),
    )


def _average(groups: dict[str, list[float]], types: Sequence[str]) -> Average:
    present = [kind for kind in types if kind in groups]
    directions = [_mean(groups[kind]) for kind in present if kind in DIRECTION_TYPES]
    means = [_mean(groups[kind]) for kind in present if kind not in DIRECTION_TYPES]
    if directions:
        means.append(_mean(directions))
    if not means:
        return Average(None, None)
    return Average(_mean([score for kind in present for score in groups[kind]]), _mean(means))


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))
