# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""VSI-Bench (Yang et al. 2025, arXiv 2412.14171) by its own evaluation, in lmms-eval.

Spatial-MLLM's evaluation is :mod:`spatialgeo_ros.evaluation.vsi_bench`; the two give other numbers
for the same answers, so name the protocol beside the number.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.evaluation.vsi_bench import CHOICE_TYPES, DIRECTION_TYPES, NUMBER_TYPES
from spatialgeo_ros.speech.prompts import CHOICE_REQUEST, NUMBER_REQUEST

_PREAMBLE = "These are frames of a video."
#: Of GPT and Gemini, which say more otherwise.
_SERVED_REQUEST = "Do not response anything other than a single number!"
_THRESHOLDS = np.linspace(0.5, 0.95, 10)
DIRECTION = "object_rel_direction"


def build_prompt(
    question: str, question_type: str, options: Sequence[str] = (), *, served: bool = False
) -> str:
    """Text of the user's turn.

    Args:
        question: as in the data set.
        question_type: one of ``vsi_bench.CHOICE_TYPES`` or ``NUMBER_TYPES``.
        options: with their letters ("A. chair"), for a choice.
        served: the wording for GPT and Gemini.

    Raises:
        BadRequestError: unknown type.
    """
    if question_type in CHOICE_TYPES:
        return "\n".join([_PREAMBLE, question, "Options:", *options, CHOICE_REQUEST])
    if question_type not in NUMBER_TYPES:
        raise BadRequestError(f"unknown type of question '{question_type}'")
    return "\n".join([_PREAMBLE, question, _SERVED_REQUEST if served else NUMBER_REQUEST])


def first_word(text: str) -> str:
    """What of an answer is scored: all up to the first space, without dots at its end."""
    return text.split(" ")[0].rstrip(".").strip()


def score(question_type: str, truth: str, output: str) -> float:
    """Score one answer, 0 to 1: accuracy of a choice, mean relative accuracy of a number.

    Raises:
        BadRequestError: unknown type, or a true number of 0, which the published formula cannot
            score.
    """
    said = first_word(output)
    if question_type in CHOICE_TYPES:
        return float(said.lower() == truth.lower())
    if question_type not in NUMBER_TYPES:
        raise BadRequestError(f"unknown type of question '{question_type}'")
    try:
        value = float(said)
    except ValueError:
        return 0.0
    return relative_accuracy(value, float(truth))


def relative_accuracy(value: float, truth: float) -> float:
    """Mean relative accuracy: share of thresholds from 50 to 95 % that a number reaches.

    Raises:
        BadRequestError: the true number is 0.
    """
    if truth == 0:
        raise BadRequestError("relative accuracy of a true number of 0 is not defined")
    error = abs(value - truth) / truth
    return 0.0 if math.isnan(error) else float((error <= 1 - _THRESHOLDS).mean())


def aggregate(scored: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Average scores by type, the three of direction taken together; 0 to 100.

    Args:
        scored: type of question and score of each item.

    Returns:
        By type, and "overall": their plain mean.

    Raises:
        BadRequestError: nothing was scored, or some but not all types of direction were.
    """
    by_type: dict[str, list[float]] = defaultdict(list)
    for question_type, one in scored:
        by_type[question_type].append(one)
    if not by_type:
        raise BadRequestError("no answer was scored")
    means = {name: 100 * sum(some) / len(some) for name, some in by_type.items()}
    directions = [means.pop(name) for name in DIRECTION_TYPES if name in means]
    if directions:
        if len(directions) < len(DIRECTION_TYPES):
            raise BadRequestError(
                f"the official average needs all of {', '.join(DIRECTION_TYPES)} or none"
            )
        means[DIRECTION] = sum(directions) / len(directions)
    return {"overall": sum(means.values()) / len(means), **means}
