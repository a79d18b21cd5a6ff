# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reads what the language model said and says whether the measurement agrees."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from spatialgeo_ros.answer.sentences import Measured
from spatialgeo_ros.query.intent import EXISTS, Intent
from spatialgeo_ros.speech.reply import (
    AGREE,
    UNKNOWN,
    choices_agree,
    hours_agree,
    parse_length,
    parse_reply,
    parse_yes_no,
    tolerance,
    values_agree,
)


@dataclass(frozen=True)
class LanguageVerdict:
    """What the language model's text says, and whether the measurement agrees.

    Attributes:
        value_m: the length it states in metres, NaN when none.
        agreement: "agree", "disagree" or "unknown".
        words: the two lengths compared, which lengths they are, and the tolerance; "" for none.
    """

    value_m: float
    agreement: str
    words: str = ""


def judge(
    intent: Intent,
    measured: Measured | None,
    text: str,
    told_names: Sequence[str],
    names: Sequence[str],
) -> LanguageVerdict:
    """Read the language model's text and compare it with the measurement.

    Args:
        intent: the question.
        measured: the measured answer, or None.
        text: the language model's words, may be empty.
        told_names: what the objects were called in its question.
        names: what they are called in the measured answer, same order.
    """
    if not text:
        return LanguageVerdict(math.nan, UNKNOWN)
    reply = parse_reply(text, intent.family, intent.form, intent.predicate, told_names)
    if intent.clock:
        agreement = hours_agree(reply.value, None if measured is None else measured.value)
        return LanguageVerdict(math.nan, agreement)
    if intent.family == EXISTS:
        said = parse_yes_no(text) or ""
        return LanguageVerdict(
            math.nan, choices_agree(said, "" if measured is None else measured.choice)
        )
    if intent.comparative and intent.form != "difference":
        choice = reply.choice
        if intent.form == "which" and choice in told_names:
            choice = names[list(told_names).index(choice)]
        agreement = choices_agree(choice, "" if measured is None else measured.choice)
        return LanguageVerdict(math.nan, agreement)
    told = reply.value if reply.value is not None else parse_length(text)
    if measured is None:
        agreement = UNKNOWN
    else:
        agreement = values_agree(told, measured.value, measured.sigma)
    words = "" if agreement == UNKNOWN else _compared(told, measured, agreement)
    return LanguageVerdict(math.nan if told is None else told, agreement, words)


def _compared(told: float | None, measured: Measured | None, agreement: str) -> str:
    """Say which lengths were compared: never a number beside one of another length."""
    if told is None or measured is None or measured.value is None:
        return ""
    apart = "up to" if agreement == AGREE else "more than"
    within = tolerance(measured.value, measured.sigma)
    return (
        f"it says {told:.2f} m {measured.length}, measured {measured.value:.2f} m "
        f"{measured.length}: they {agreement}, {apart} {within:.2f} m apart"
    )
