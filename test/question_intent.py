# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a question to its trained family in one step, as tests need it."""

from __future__ import annotations

from spatialgeo_ros.query.intent import Intent, intent_of
from spatialgeo_ros.query.language import check_readable
from spatialgeo_ros.query.parser import NotUnderstood, parse


def parse_question(question: str, regions: int = 8) -> Intent:
    """Return the family of a question; "open" for what is not understood."""
    check_readable(question)
    try:
        program = parse(question, regions=regions)
    except NotUnderstood:
        program = None
    return intent_of(program, question)
