# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a language model is told that judges SpatialRGPT-Bench.

The words are ours: the published judge (GPT-4 Turbo) is given examples for each category that are
part of its authors' script. What it returns is the published form: ``answer_in_meters`` and
``response_in_meters``, ``answer_direction`` and ``response_direction``, or ``your_mark``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spatialgeo_ros.evaluation.benchmarks.spatialrgpt_bench import DIRECTION, LENGTHS

LENGTH_FIELDS = ("answer_in_meters", "response_in_meters")
HOUR_FIELDS = ("answer_direction", "response_direction")
MARK_FIELD = "your_mark"

_TASK = (
    "You judge answers to a question about a picture that you do not see. You are given the "
    "question, the reference answer, which is right, and a response. Reply with one JSON object "
    "and nothing else."
)
_LENGTH = (
    "Both texts state a length. Convert each to metres (1 inch is 0.0254 m, 1 foot 0.3048 m, 1 cm "
    "0.01 m). Where a text states several lengths, take the one it ends with; of a range, or where "
    'there is no number, put null. Reply {"answer_in_meters": number or null, '
    '"response_in_meters": number or null}. Example: reference "The chair is 2 feet wide.", '
    'response "About 70 cm." gives {"answer_in_meters": 0.6096, "response_in_meters": 0.7}.'
)
_HOUR = (
    "Both texts state a direction as an hour of a clock. Reply with the hours, 1 to 12, null where "
    'there is none: {"answer_direction": integer or null, "response_direction": integer or null}. '
    'Example: reference "At 10 o\'clock.", response "Straight ahead, at twelve" gives '
    '{"answer_direction": 10, "response_direction": 12}.'
)
_PREDICATE = (
    "The question is whether something holds of two things. Mark 1 where reference and response "
    "say the same about it: both that it holds, or both that it does not. A relation may be told "
    'by its opposite with the things swapped ("A is left of B" and "B is right of A" are the '
    'same). Mark 0 where they differ, or the response does not say. Reply {"your_mark": 0 or 1}. '
    'Example: question "Is Region [0] taller than Region [1]?", reference "No.", response "Region '
    '[1] is the taller one." gives {"your_mark": 1}.'
)
_CHOICE = (
    "The question is which of two things it is that is more so. Mark 1 where reference and "
    "response choose the same thing, also where the response says it by the opposite of the other "
    "thing; mark 0 where they differ, or the response chooses none. Reply "
    '{"your_mark": 0 or 1}. Example: question "Which is wider, Region [0] or Region [1]?", '
    'reference "Region [0].", response "Region [1] is thinner." gives {"your_mark": 1}.'
)


def _schema(fields: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "type": "object", "properties": dict(fields), "required": list(fields),
        "additionalProperties": False,
    }  # fmt: skip


#: Schema of the replies by what is judged: a length, an hour, a comparison.
LENGTH_SCHEMA = _schema({name: {"type": ["number", "null"]} for name in LENGTH_FIELDS})
HOUR_SCHEMA = _schema({name: {"type": ["integer", "null"]} for name in HOUR_FIELDS})
MARK_SCHEMA = _schema({MARK_FIELD: {"type": "integer", "enum": [0, 1]}})


def judge_messages(category: str, question: str, truth: str, reply: str) -> list[dict[str, Any]]:
    """Messages to a judge.

    Args:
        category: of the row ("width_data", "tall_choice").
        question: as the data set has it.
        truth: the reference answer.
        reply: the model's.
    """
    if category in LENGTHS:
        told = _LENGTH
    elif category == DIRECTION:
        told = _HOUR
    else:
        told = _CHOICE if category.endswith("_choice") else _PREDICATE
    asked = f"Question: {question}\nReference answer: {truth}\nResponse: {reply}"
    return [
        {"role": "system", "content": f"{_TASK}\n{told}"},
        {"role": "user", "content": asked},
    ]
