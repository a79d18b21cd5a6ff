# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""BLEU, ROUGE-L and CIDEr as captions are scored with them, equal to the COCO caption evaluation.

Texts are taken as they are: whoever wants them tokenised and in lower case does that first
(:mod:`spatialgeo_ros.evaluation.benchmarks.java_metrics`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

ORDERS = 4  # n-grams of one to four words
_TINY, _SMALL = 1e-15, 1e-9  # against division by zero, as published
_BETA = 1.2  # of ROUGE-L: how much more recall counts
_SIGMA = 6.0  # of CIDEr's penalty for another length


def bleu(
    predictions: Sequence[str], references: Sequence[Sequence[str]]
) -> tuple[list[float], list[list[float]]]:
    """BLEU-1 to BLEU-4 (Papineni et al. 2002), with the reference of the closest length.

    Args:
        predictions: one for each item.
        references: at least one for each item.

    Returns:
        Of the whole set [4], and of each item [4][N]; 0 to 1.
    """
    totals = [_Counts() for _ in range(ORDERS)]
    length = reference_length = 0
    items: list[list[float]] = [[] for _ in range(ORDERS)]
    for prediction, answers in zip(predictions, references, strict=True):
        words = prediction.split()
        closest = min((abs(n - len(words)), n) for n in (len(one.split()) for one in answers))[1]
        counts = [_matches(words, [one.split() for one in answers], n + 1) for n in range(ORDERS)]
        for total, one in zip(totals, counts, strict=True):
            total.add(one)
        length, reference_length = length + len(words), reference_length + closest
        for scores, score in zip(items, _geometric(counts, len(words), closest), strict=True):
            scores.append(score)
    return _geometric(totals, length, reference_length), items


class _Counts:
    """N-grams that match, and all of them."""

    def __init__(self, correct: int = 0, guessed: int = 0) -> None:
        self.correct, self.guessed = correct, guessed

    def add(self, other: _Counts) -> None:
        self.correct += other.correct
        self.guessed += other.guessed


def _grams(words: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def _matches(words: Sequence[str], answers: Sequence[Sequence[str]], n: int) -> _Counts:
    most: Counter[tuple[str, ...]] = Counter()
    for answer in answers:
        most |= _grams(answer, n)
    correct = sum((_grams(words, n) & most).values())
    return _Counts(correct, max(0, len(words) - n + 1))


def _geometric(counts: Sequence[_Counts], length: int, reference_length: int) -> list[float]:
    """Geometric means of the precisions, times the penalty for being short."""
    ratio = (length + _TINY) / (reference_length + _SMALL)
    penalty = math.exp(1 - 1 / ratio) if ratio < 1 else 1.0
    product, scores = 1.0, []
    for n, one in enumerate(counts, 1):
        product *= (one.correct + _TINY) / (one.guessed + _SMALL)
        scores.append(product ** (1 / n) * penalty)
    return scores


def rouge_l(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> list[float]:
    """ROUGE-L (Lin 2004) of each item, best precision and best recall over its references."""
    scores = []
    for prediction, answers in zip(predictions, references, strict=True):
        words = prediction.split(" ")
        sides = [
            (shared / len(words), shared / len(other))
            for other in (answer.split(" ") for answer in answers)
            for shared in (_longest_common(words, other),)
        ]
        precision, recall = (max(side[k] for side in sides) for k in (0, 1))
        both = precision > 0 and recall > 0
        weight = _BETA**2
        score = (1 + weight) * precision * recall / (recall + weight * precision) if both else 0.0
        scores.append(score)
    return scores


def _longest_common(a: Sequence[str], b: Sequence[str]) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(b) + 1)
    for word in a:
        diagonal = 0
        for k, other in enumerate(b, 1):
            above = row[k]
            row[k] = diagonal + 1 if word == other else max(above, row[k - 1])
            diagonal = above
    return row[-1]


def cider(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> list[float]:
    """CIDEr-D (Vedantam et al. 2015) of each item, 0 to 10.

    The weight of an n-gram depends on the whole set; of a single item it is 0.
    """
    cooked = [[_all_grams(answer) for answer in answers] for answers in references]
    documents: Counter[tuple[str, ...]] = Counter()
    for answers in cooked:
        documents.update({gram for answer in answers for gram in answer})
    logarithm = math.log(len(references)) if references else 0.0

    def weigh(grams: Counter[tuple[str, ...]]) -> tuple[list[dict[tuple[str, ...], float]], int]:
        vectors: list[dict[tuple[str, ...], float]] = [{} for _ in range(ORDERS)]
        for gram, count in grams.items():
            rarity = logarithm - math.log(max(1.0, documents[gram]))
            vectors[len(gram) - 1][gram] = count * rarity
        # As published: the length is that of the bigrams.
        return vectors, sum(count for gram, count in grams.items() if len(gram) == 2)

    scores = []
    for prediction, answers in zip(predictions, cooked, strict=True):
        mine, length = weigh(_all_grams(prediction))
        total = np.zeros(ORDERS)
        for answer in answers:
            theirs, other = weigh(answer)
            penalty = math.exp(-((length - other) ** 2) / (2 * _SIGMA**2))
            total += [penalty * _cosine(a, b) for a, b in zip(mine, theirs, strict=True)]
        scores.append(float(total.mean()) / len(answers) * 10.0)
    return scores


def _all_grams(text: str) -> Counter[tuple[str, ...]]:
    words = text.split()
    found: Counter[tuple[str, ...]] = Counter()
    for n in range(1, ORDERS + 1):
        found += _grams(words, n)
    return found


def _cosine(mine: dict[tuple[str, ...], float], theirs: dict[tuple[str, ...], float]) -> float:
    """Clipped cosine of two vectors."""
    product = sum(min(v, theirs.get(gram, 0.0)) * theirs.get(gram, 0.0) for gram, v in mine.items())
    norms = [math.sqrt(sum(v * v for v in side.values())) for side in (mine, theirs)]
    return product / (norms[0] * norms[1]) if all(norms) else product
