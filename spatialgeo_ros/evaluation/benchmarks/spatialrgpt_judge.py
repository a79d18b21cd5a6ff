# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A judge for SpatialRGPT-Bench that needs no language model: reads lengths, hours and verdicts.

The published judge is GPT-4 Turbo. Numbers by this one can be repeated, and are not the published
judge's: say which one it was beside the number.
"""

from __future__ import annotations

import re

from spatialgeo_ros.evaluation.benchmarks.item import Item, Record
from spatialgeo_ros.evaluation.benchmarks.spatialrgpt_bench import DIRECTION, LENGTHS, Judged
from spatialgeo_ros.query.families import QUALITATIVE
from spatialgeo_ros.speech.reply import (
    parse_hour,
    parse_relation,
    parse_yes_no,
    stated_lengths,
)

#: Predicate by the first word of a category ("tall_choice").
PREDICATES = {
    "left": "left", "right": "right", "above": "above", "below": "below", "front": "front",
    "behind": "behind", "big": "bigger", "small": "smaller", "tall": "taller", "short": "shorter",
    "wide": "wider", "thin": "thinner",
}  # fmt: skip
_REGION = re.compile(r"\[?region \[?(\d+)\]{0,2}", re.IGNORECASE)
_NAMES = ("thing0", "thing1")


def judge(item: Item, record: Record) -> Judged:
    """Judge a row of the benchmark."""
    category, truth = item.kind, str(item.truth)
    if category in LENGTHS or category == DIRECTION:
        read = hour if category == DIRECTION else metres
        return Judged(category, read(truth), read(record.output))
    return Judged(category, mark=mark(category, truth, record.output, item.question))


def metres(text: str) -> float | None:
    """Return the last length of a text; None for a range, and without a number with a unit."""
    last = None
    for last in stated_lengths(text):  # noqa: B007
        pass
    return None if last is None or last.is_range else last.metres


def hour(text: str) -> float | None:
    """Return the hour of the clock, 1 to 12, that a text states."""
    return parse_hour(text)


def mark(category: str, truth: str, reply: str, question: str = "") -> int:
    """Judge a reply to a qualitative question: 1 for right, 0 for wrong or for no verdict.

    Args:
        category: of the row ("wide_predicate", "tall_choice").
        truth: the reference answer.
        reply: the model's.
        question: tells which predicate a choice asks for, where its category's antonym is asked.
    """
    predicate, choice = asked_predicate(category, question)
    read = _chosen if choice else _holds
    wanted, said = (read(predicate, _named(text)) for text in (truth, reply))
    return int(wanted is not None and wanted == said)


def asked_predicate(category: str, question: str) -> tuple[str, bool]:
    """Return what a comparison asks for, and whether it asks which thing it holds of.

    Args:
        category: of the row.
        question: tells the predicate of a choice, which may be its category's antonym.
    """
    start, _, form = category.partition("_")
    predicate = PREDICATES[start]
    choice = form == "choice"
    return (_asked(predicate, question) if choice else predicate), choice


def _named(text: str) -> str:
    """Write "Region [k]" as one word."""
    return _REGION.sub(lambda found: f"thing{found[1]}", text)


def family_of(predicate: str) -> str:
    """Return the family of comparisons that a predicate belongs to."""
    return next(
        name for name, words in QUALITATIVE.items() if predicate in (words.greater, words.less)
    )


def _antonym(predicate: str) -> str:
    words = QUALITATIVE[family_of(predicate)]
    return words.less if predicate == words.greater else words.greater


def _asked(predicate: str, question: str) -> str:
    """The predicate that a choice asks for: its category's, or the antonym in its words."""
    other = _antonym(predicate)
    words = set(re.findall(r"[a-z]+", question.lower()))
    return other if other in words and predicate not in words else predicate


def _holds(predicate: str, text: str) -> bool | None:
    """Whether the predicate holds of the first thing, by a text; None where it does not say."""
    if (said := parse_yes_no(text)) is not None:
        return said == "yes"
    relation = parse_relation(text, family_of(predicate), _NAMES)
    return None if relation is None else relation == predicate


def _chosen(predicate: str, text: str) -> int | None:
    """Number of the thing that a text chooses as the one that is more so; None for none."""
    mentioned = [k for k, name in enumerate(_NAMES) if name in text.lower()]
    if not mentioned:
        return None
    relation = parse_relation(text, family_of(predicate), _NAMES)
    if len(mentioned) == 1:
        # Of the one that is named, the relation may be said to be the other way round.
        only = mentioned[0]
        alone = parse_relation(text, family_of(predicate), (_NAMES[only], ""))
        return 1 - only if alone == _antonym(predicate) else only
    return None if relation is None else (0 if relation == predicate else 1)
