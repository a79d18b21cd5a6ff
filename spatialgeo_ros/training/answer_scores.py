# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scores the language model by SpatialRGPT-Bench's rules, beside the best constant answer.

A number is right within 25 % of the truth, a clock hour within one hour, a word when it is the
right one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from spatialgeo_ros.query.relations import hour_difference
from spatialgeo_ros.speech.numbers import grid_values
from spatialgeo_ros.speech.reply import parse_reply
from spatialgeo_ros.training.questions import QA

_TOLERANCE = 0.25


def is_right(question: QA, answer: str) -> bool:
    """Tell whether an answer is right."""
    if question.value is None:
        return answer.strip().lower() == question.answer
    value = parse_reply(answer, question.family, question.form).value
    if value is None:
        return False
    if question.answer.endswith("o'clock"):
        return hour_difference(value, question.value) <= 1
    return abs(value - question.value) <= _TOLERANCE * question.value


def constant_share(questions: Sequence[QA]) -> float:
    """Share right of the best single answer to each form of question (chosen afterwards)."""
    best = 0.0
    for form in {question.form for question in questions}:
        group = [question for question in questions if question.form == form]
        if form == "value" and group[0].answer.endswith("meters"):
            truth = np.array([question.value for question in group], float)
            candidates = np.array(grid_values())[:, None]
            right = (np.abs(candidates - truth) <= _TOLERANCE * truth).sum(1).max()
        elif form == "value":
            hours = [question.value for question in group if question.value is not None]
            near = ([hour_difference(guess, hour) <= 1 for hour in hours] for guess in range(1, 13))
            right = max(map(sum, near))
        else:
            right = max(Counter(question.answer for question in group).values())
        best += float(right)
    return best / max(1, len(questions))


def by_family(results: Sequence[tuple[QA, str]]) -> dict[str, tuple[int, float, float]]:
    """Return (questions, share right, share right of the best constant) for each family."""
    groups: dict[str, list[tuple[QA, str]]] = defaultdict(list)
    for question, answer in results:
        groups[question.family].append((question, answer))
    return {
        family: (
            len(group),
            float(np.mean([is_right(question, answer) for question, answer in group])),
            constant_share([question for question, _ in group]),
        )
        for family, group in sorted(groups.items())
    }


def score_answers(results: Sequence[tuple[QA, str]]) -> dict[str, float]:
    """Return the share right over metres, hours and words, with the constant's beside each."""
    groups: dict[str, list[tuple[QA, str]]] = {"metres": [], "hours": [], "words": []}
    for question, answer in results:
        if question.value is None:
            groups["words"].append((question, answer))
        elif question.answer.endswith("meters"):
            groups["metres"].append((question, answer))
        else:
            groups["hours"].append((question, answer))
    scores = {}
    for name, group in groups.items():
        families = by_family(group)
        total = sum(count for count, _, _ in families.values())
        scores[name] = sum(n * share for n, share, _ in families.values()) / max(1, total)
        scores[f"{name}_constant"] = sum(n * c for n, _, c in families.values()) / max(1, total)
    return scores
