# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SQA3D (Ma et al. 2023, arXiv 2210.07474): exact matches of cleaned answers, plain and refined.

EM-R is LEO's (Huang et al. 2024): one answer inside the other counts. It is generous: an empty
answer is right, and "on" matches "no one". Both are published as they are.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

PROMPT = "{situation} {question} Answer the question using a single word or phrase."
TYPES = ("what", "is", "how", "can", "which")
OTHER_TYPE = "others"

_NUMBERS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty"
).split()
#: Whole words, in this order.
_WORDS = {
    "letf": "left", "let": "left", "tehre": "there", "rigth": "right", "rght": "right",
    "behine": "behind", "tv": "TV", "chai": "chair", "wasing": "washing", "waslked": "walked",
    "oclock": "o'clock", "none": "zero", "23": "twenty-three",
    **{str(number): word for number, word in enumerate(_NUMBERS)},
}  # fmt: skip


@dataclass(frozen=True)
class Sqa3dScores:
    """Scores of a set of answers, 0 to 100.

    Attributes:
        exact: EM-1.
        refined: EM-R1.
        by_type: both and the number of questions, by the question's first word.
    """

    exact: float
    refined: float
    by_type: dict[str, tuple[float, float, int]]


def build_prompt(situation: str, question: str) -> str:
    """Text of the user's turn, after the video."""
    return PROMPT.format(situation=situation, question=question)


def clean(text: str) -> str:
    """Clean an answer by the published rules."""
    text = re.sub(" {2,}", " ", text.lower().strip(" "))
    text = re.sub(r"[^a-zA-Z0-9,'\s\-:]+", "", text)
    for word, meant in _WORDS.items():
        text = re.sub(rf"\b{word}\b", meant, text)
    text = re.sub(r"\b([a-z]+)[0-9]\b", r"\1", text)  # "chair2"
    for article in ("a", "an", "the"):
        text = re.sub(rf"\b{article}\b ([a-z]+)", r"\1", text)
    return re.sub(r"\bbackwards\b", "backward", text)


def matches(prediction: str, answers: Sequence[str]) -> tuple[bool, bool]:
    """Tell whether an answer is right exactly, and by the refined rule.

    Answers are gone through in their order and the first that settles it counts: an exact match
    behind a contained one is not seen, as published.
    """
    said = clean(prediction)
    for answer in map(clean, answers):
        if said == answer:
            return True, True
        mine, theirs = ("".join(text.split()) for text in (said, answer))
        if mine in theirs or theirs in mine:
            return False, True
    return False, False


def question_type(question: str) -> str:
    """Type of a question: the first of :data:`TYPES` that it begins with."""
    start = question.strip().lower()
    return next((name for name in TYPES if start.startswith(name)), OTHER_TYPE)


def score(
    predictions: Sequence[str], answers: Sequence[Sequence[str]], questions: Sequence[str]
) -> Sqa3dScores:
    """Score a set of answers."""
    marks: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for prediction, truths, question in zip(predictions, answers, questions, strict=True):
        marks[question_type(question)].append(matches(prediction, truths))
    every = [mark for some in marks.values() for mark in some]
    exact, refined = _shares(every)
    return Sqa3dScores(
        exact, refined, {name: (*_shares(some), len(some)) for name, some in marks.items()}
    )


def _shares(marks: Sequence[tuple[bool, bool]]) -> tuple[float, float]:
    exact, refined = (100 * sum(mark[k] for mark in marks) / len(marks) for k in (0, 1))
    return exact, refined
