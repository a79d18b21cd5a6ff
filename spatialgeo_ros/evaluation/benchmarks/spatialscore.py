# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SpatialScore, version 0 (Wu et al. 2025, arXiv 2505.17012): prompts and scores as published.

The reading of answers is that of the published scripts with all their quirks ("It is not true" is a
yes, "fourteen" a 4, "-2" a 2), because numbers are to stand beside the paper's. Later versions of
the benchmark have other questions and other scores.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

_LETTER = (
    "**Please select the most appropriate answer from options (A), (B), (C), (D), (E), or (F).**\n"
    "**Respond ONLY with the letter and its parentheses, for example: (A)**\n\nQuestion: "
)
_SHORT = (
    "**Answer concisely with a single word, number, or option (e.g., yes, no, 5, 2.2, A).**\n\n"
    "Question: "
)
_STEPS = (
    "You will be provided with a question and a 2D image. The question involves measuring the "
    "precise distance in 3D space through a 2D image. You will answer the question by providing a "
    "numeric answer consisting of a scalar and a distance unit in the format of "
    r"**\scalar{scalar} \distance_unit{distance unit}** at the end of your response."
    "\nLet's think step by step and start by finding good reference objects or object parts in the "
    "image.\n\nQuestion:"
)
#: Sources whose questions are for a letter, and those for a length in steps; all others are short.
_LETTER_SOURCES = ("cvbench", "MMIU", "BLINK")
_STEP_SOURCES = ("QSpatialBench-Plus", "QSpatialBench-ScanNet")

_CONCLUSION = re.compile(r"<conclusion>(.*?)</conclusion>", re.IGNORECASE | re.DOTALL)
_ASSISTANT = re.compile(r"ASSISTANT:\s*(.*)", re.IGNORECASE | re.DOTALL)
_LETTERS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"^\s*\(?([A-F])\)?[.:)]?\s*$",
        r"(?:answer|option)\s*(?:is)?\s*:?\s*\(?([A-F])\b",
        r"\(([A-F])\)",
        r"\b([A-F])\b",
        r"([A-F])",
    )
)
_YES = re.compile(r"\b(?:yes|yeah|yep|correct|true|right|agree)\b", re.IGNORECASE)
_NO = re.compile(r"\b(?:no|nope|false|incorrect|wrong|disagree)\b", re.IGNORECASE)
_WORDS = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7,
    "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "twenty": 20, "first": 1,
    "second": 2, "third": 3,
}  # fmt: skip
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_NUMBER_WORD = re.compile(rf"\b({'|'.join(_WORDS)})", re.IGNORECASE)

_CENTIMETRES = {
    "m": 100.0, "meter": 100.0, "meters": 100.0, "metre": 100.0, "metres": 100.0,
    "cm": 1.0, "centimeter": 1.0, "centimeters": 1.0, "centimetre": 1.0, "centimetres": 1.0,
    "mm": 0.1, "millimeter": 0.1, "millimeters": 0.1, "millimetre": 0.1, "millimetres": 0.1,
    "ft": 30.48, "foot": 30.48, "feet": 30.48, "in": 2.54, "inch": 2.54, "inches": 2.54,
}  # fmt: skip
_SCALAR = re.compile(r"\\scalar\{(.*?)\}.*?\\distance_unit\{(.*?)\}", re.DOTALL)
_LENGTHS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\*\*\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*\*\*",
        r"(?:approximately|about|roughly)\s*\**\s*(\d+(?:\.\d+)?)\s*([a-z]+)",
        r"(\d+(?:\.\d+)?)\s*([a-z]+)",
    )
)
_WITHIN = 2.0  # ratio of two lengths below which one is right
_THRESHOLDS = np.linspace(0.5, 0.95, 10)

CHOICE, JUDGMENT, OPEN = "multi-choice", "judgment", "open-ended"


@dataclass(frozen=True)
class Part:
    """Scores of some of the items.

    Attributes:
        accuracy: mean score, 0 to 100.
        correct: sum of the scores, rounded down.
        total: items.
        score_sum: sum of the scores.
    """

    accuracy: float
    correct: int
    total: int
    score_sum: float


def build_prompt(source: str, question_type: str) -> str:
    """Instruction for a question; it is sent as a message of the assistant before the user's."""
    if source in _STEP_SOURCES or (source == "VGBench" and question_type == OPEN):
        return _STEPS
    return _LETTER if source in _LETTER_SOURCES else _SHORT


def read_letter(text: str) -> str:
    """Letter that an answer chooses; the text itself where there is none."""
    text = _said(text)
    for pattern in _LETTERS:
        if (found := pattern.search(text)) is not None:
            return found[1].upper()
    return text


def read_yes_no(text: str) -> str:
    """Verdict of an answer, "Yes" or "No"; the text itself where it says neither."""
    text = _said(text)
    if _YES.search(text):
        return "Yes"
    return "No" if _NO.search(text) else text


def read_number(text: str) -> str:
    """First number of an answer, in digits or else as a word; the text itself where none is."""
    text = _said(text)
    if (found := _NUMBER.search(text)) is not None:
        return found[0]
    word = _NUMBER_WORD.search(text)
    return text if word is None else str(_WORDS[word[1].lower()])


def read_length(text: str) -> tuple[float, str] | None:
    """Value and unit of an answer, the unit as written in lower case; None where none is."""
    if (marked := _SCALAR.search(text)) is not None:
        number = _NUMBER.search(marked[1])
        return None if number is None else (float(number[0]), marked[2].strip().lower())
    for pattern in _LENGTHS:
        if (found := pattern.search(text)) is not None:
            return float(found[1]), found[2].lower()
    return None


def lengths_agree(reply: str, truth: str) -> bool:
    """Whether two lengths are within a factor of two; an unknown unit counts as centimetres."""
    read = [read_length(text) for text in (reply, truth)]
    if read[0] is None or read[1] is None:
        return False
    mine, theirs = (value * _CENTIMETRES.get(unit, 1.0) for value, unit in (read[0], read[1]))
    if mine == 0 or theirs == 0:
        return mine == theirs
    return max(mine / theirs, theirs / mine) < _WITHIN


def relative_accuracy(value: float, truth: float) -> float:
    """Share of thresholds from 50 to 95 % that a number reaches; of zero only zero does."""
    if value == 0 or truth == 0:
        return float(value == truth)
    return float((abs(value - truth) / abs(truth) <= 1 - _THRESHOLDS).mean())


def score(source: str, question_type: str, truth: str, reply: str) -> float:
    """Score one answer, 0 to 1."""
    if question_type == CHOICE:
        return float(read_letter(reply) == read_letter(truth))
    if question_type == JUDGMENT:
        return float(read_yes_no(reply) == read_yes_no(truth))
    if source == "RealWorldQA":
        return float(reply.strip().lower() == truth.strip().lower())
    if any(unit in truth.lower() for unit in _CENTIMETRES):
        return float(lengths_agree(reply, truth))
    said, wanted = _number(read_number(reply)), _number(truth)
    if said is None or wanted is None:
        return 0.0
    return relative_accuracy(said, wanted) if source == "VSI-Bench_8" else float(said == wanted)


def summarise(scored: Iterable[tuple[str, float]]) -> dict[str, Part]:
    """Average scores by a name, of the source or of the category, and "overall"."""
    by_name: dict[str, list[float]] = defaultdict(list)
    every: list[float] = []
    for name, one in scored:
        by_name[name].append(one)
        every.append(one)
    return {name: _part(some) for name, some in (("overall", every), *by_name.items()) if some}


def _part(scores: list[float]) -> Part:
    total = sum(scores)
    return Part(100 * total / len(scores), math.floor(total), len(scores), total)


def _said(text: str) -> str:
    """What stands behind "ASSISTANT:" or in the tag of the conclusion, else everything."""
    for pattern in (_ASSISTANT, _CONCLUSION):
        if (found := pattern.search(text)) is not None:
            text = found[1]
    return text.strip()


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
