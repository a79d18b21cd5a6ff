# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ScanQA (Azuma et al. 2022, arXiv 2112.10482) as Spatial-MLLM scores it, and officially.

The two differ much: Spatial-MLLM scores raw strings, the official script what the Penn Treebank
tokeniser leaves of them. Name the protocol beside the number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spatialgeo_ros.evaluation.benchmarks import java_metrics
from spatialgeo_ros.evaluation.benchmarks.ngram_metrics import bleu, cider, rouge_l

PROMPT = "{question} Answer the question simply."


@dataclass(frozen=True)
class ScanqaScores:
    """Scores of a set of answers.

    Attributes:
        count: items scored.
        bleu: BLEU-1 to 4, 0 to 100.
        meteor: 0 to 100; None where it cannot run, see ``java_metrics.missing``.
        rouge_l: 0 to 100.
        cider: 0 to 1000.
        exact: share of exact matches, 0 to 100.
    """

    count: int
    bleu: tuple[float, ...]
    meteor: float | None
    rouge_l: float
    cider: float
    exact: float


def build_prompt(question: str) -> str:
    """Text of the user's turn, after the video."""
    return PROMPT.format(question=question)


def score_as_spatial_mllm(
    predictions: Sequence[str], references: Sequence[Sequence[str]]
) -> ScanqaScores:
    """Score raw strings: trailing dots off, no tokeniser, capitals kept.

    An exact match is the raw prediction, with its dot, among the answers.
    """
    exact = sum(one in answers for one, answers in zip(predictions, references, strict=True))
    cleaned = [prediction.strip().rstrip(".") for prediction in predictions]
    return _scores(cleaned, references, exact)


def score_officially(
    predictions: Sequence[str], references: Sequence[Sequence[str]]
) -> ScanqaScores:
    """Score what the tokeniser leaves; items with an empty prediction are left out, as published.

    Raises:
        BadRequestError: the tokeniser cannot run; see ``java_metrics.missing``.
    """
    kept = [pair for pair in zip(predictions, references, strict=True) if pair[0]]
    exact = sum(prediction in answers for prediction, answers in kept)
    tokenised = java_metrics.tokenise([[prediction] for prediction, _ in kept])
    answers = java_metrics.tokenise([list(answers) for _, answers in kept])
    return _scores([one[0] for one in tokenised], answers, exact)


def _scores(
    predictions: Sequence[str], references: Sequence[Sequence[str]], exact: int
) -> ScanqaScores:
    count = len(predictions)
    corpus, _ = bleu(predictions, references)
    runs = not java_metrics.missing()
    meteor = java_metrics.meteor(predictions, references)[0] if runs else None
    return ScanqaScores(
        count=count,
        bleu=tuple(100 * one for one in corpus),
        meteor=None if meteor is None else 100 * meteor,
        rouge_l=100 * sum(rouge_l(predictions, references)) / count,
        cider=100 * sum(cider(predictions, references)) / count,
        exact=100 * exact / count,
    )
