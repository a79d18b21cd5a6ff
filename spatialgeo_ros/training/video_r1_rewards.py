# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Worth of an answer by Video-R1's rules (arXiv 2503.21776), with its kinds of problems.

Spatial-MLLM's paper says that it follows Video-R1; its data has kinds of its own, these are for
Video-R1's (and for problems of transcription and free words in any data).
"""

from __future__ import annotations

import functools
import re
from typing import Any

from spatialgeo_ros.errors import BadRequestError, ModelLoadError

CHOICE, NUMERICAL, REGRESSION = "multiple choice", "numerical", "regression"
OCR, FREE_FORM = "OCR", "free-form"
KINDS = (CHOICE, NUMERICAL, REGRESSION, OCR, FREE_FORM)

_ANSWER = re.compile(r"<answer>\s*(.*?)\s*</answer>", re.DOTALL)
_PLACES = 2  # decimals in which two numbers are compared
_TINY = 1e-9
_MEASURES = ("rouge1", "rouge2", "rougeL")


def first_answer(text: str) -> str:
    """Return what the first answer block holds; "" without one."""
    found = _ANSWER.search(text)
    return found[1].strip() if found is not None else ""


def video_r1_reward(kind: str, solution: str, completion: str) -> float:
    """Worth of a completion, 0 to 1.

    A choice has to be the same text. Of numbers, both have decimals or neither, and they are equal
    to two places. A regression is worth 1 - |error| / |truth|, a transcription 1 - its rate of word
    errors, free words the mean F measure of ROUGE-1, ROUGE-2 and ROUGE-L.

    Args:
        kind: of :data:`KINDS`.
        solution: with its answer block.
        completion: likewise.

    Raises:
        BadRequestError: the kind is another one.
        ModelLoadError: ROUGE is needed, and its package is not installed.
    """
    truth, said = first_answer(solution), first_answer(completion)
    if kind == CHOICE:
        return float(said == truth)
    if kind == OCR:
        return _between(1 - word_error_rate(truth, said))
    if kind == FREE_FORM:
        return _between(rouge(truth, said))
    if kind not in (NUMERICAL, REGRESSION):
        raise BadRequestError(f"Video-R1 has no reward for problems of type '{kind}'")
    right, given = _number(truth), _number(said)
    if right is None or given is None:
        return 0.0
    if kind == REGRESSION:
        return 1 - _between((abs(given - right) + _TINY) / (abs(right) + _TINY))
    alike = _has_decimals(truth) == _has_decimals(said)
    return float(alike and round(right, _PLACES) == round(given, _PLACES))


def word_error_rate(truth: str, said: str) -> float:
    """Words to insert, to delete and to replace, per word of the truth."""
    right, given = truth.split(), said.split()
    row = list(range(len(given) + 1))
    for i, word in enumerate(right, 1):
        diagonal, row[0] = row[0], i
        for k, other in enumerate(given, 1):
            above = row[k]
            row[k] = diagonal if word == other else 1 + min(diagonal, above, row[k - 1])
            diagonal = above
    return row[-1] / max(1, len(right))


def rouge(truth: str, said: str) -> float:
    """Mean F measure of ROUGE-1, ROUGE-2 and ROUGE-L of word stems (the package rouge_score).

    Raises:
        ModelLoadError: the package is not installed.
    """
    scores = rouge_scorer().score(truth, said)
    return float(sum(scores[name].fmeasure for name in _MEASURES)) / len(_MEASURES)


@functools.cache
def rouge_scorer() -> Any:
    """Load what :func:`rouge` needs.

    Raises:
        ModelLoadError: the package is not installed.
    """
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ModuleNotFoundError as error:
        raise ModelLoadError(
            f"{error.name} is not installed; problems of type '{FREE_FORM}' are rewarded by ROUGE: "
            "pip install 'spatialgeo_ros[train]'"
        ) from error
    return RougeScorer(_MEASURES, use_stemmer=True)


def _number(text: str) -> float | None:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return None


def _has_decimals(text: str) -> bool:
    return "." in text or "," in text


def _between(value: float) -> float:
    return min(1.0, max(0.0, value))
