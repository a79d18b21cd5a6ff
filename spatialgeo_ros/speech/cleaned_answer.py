# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cleaning and scoring of short answers, as Spatial-MLLM's evaluation and its rewards do it."""

from __future__ import annotations

import re

import numpy as np

_ANSWER_BLOCK = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
_THRESHOLDS = np.linspace(0.5, 0.95, 10, dtype=np.float32)
_TINY = np.float32(1e-8)


def clean_answer(text: str, *, collapse: bool = True) -> str:
    """The last ``<answer>`` block, or else all of an answer, in one line and lower case.

    Full stops at the end are dropped.

    Args:
        text: of the model.
        collapse: make one space of several, as version 1.1 of the published evaluation does and
            version 1.0 does not.
    """
    blocks = _ANSWER_BLOCK.findall(text)
    line = blocks[-1] if blocks else text
    line = re.sub(r"\s+", " ", line) if collapse else re.sub(r"\s*\n", " ", line)
    return line.strip().rstrip(".").lower()


def parse_number(text: str) -> float | None:
    """The number a cleaned answer is, commas left out; None when it is anything else."""
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return None


def mean_relative_accuracy(answer: float, truth: float) -> float:
    """Share of the confidence levels 0.50, 0.55, ... 0.95 at which a number is right.

    At level c a number is right when its relative error is below 1 - c; all in float32,
    as published, because errors at a level's very edge are common (5 for 4).
    """
    with np.errstate(over="ignore", invalid="ignore"):
        given, right = np.float32(answer), np.float32(truth)
        error = np.abs(given - right) / (np.abs(right) + _TINY)
        return float(np.mean(error < 1 - _THRESHOLDS, dtype=np.float32))
