# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a language model's words to a program that may be run; one chance to correct it."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Collection
from typing import Any

from spatialgeo_ros.answer.planner.prompt import NOT_UNDERSTOOD, Message, messages, repair
from spatialgeo_ros.errors import NotUnderstoodError, PlannerFailedError, escaped, quoted
from spatialgeo_ros.query import program as nodes
from spatialgeo_ros.query.english import Dialogue
from spatialgeo_ros.query.program import Program
from spatialgeo_ros.query.program_edit import nodes as nodes_of
from spatialgeo_ros.query.program_json import MOST_TEXT, BadProgramError, from_json

log = logging.getLogger(__name__)

#: Characters of a question that is passed on; the grammar reads 120 words.
MOST_QUESTION = 1000
_MOST_SHOWN = 400  # characters of what is wrong with a reply
#: What models that think aloud write first.
_THOUGHT = re.compile(r"\A\s*<think>.*?</think>", re.S)


class BadReplyError(ValueError):
    """A reply is no program; the message says why, in words that a model can act on."""


def plan_in_rounds(
    say: Callable[[list[Message]], str],
    question: str,
    nouns: Collection[str],
    dialogue: Dialogue,
    regions: int,
) -> Program:
    """Ask for the program of a question, and once more with what was wrong with the first reply.

    Args:
        say: returns a language model's reply to a conversation.
        question: as a person typed it.
        nouns: what the things are called that are known here.
        dialogue: the question before.
        regions: how many regions the request has.

    Raises:
        NotUnderstoodError: the model says that no program can ask this.
        PlannerFailedError: neither reply may be run. And what ``say`` raises.
    """
    if len(question) > MOST_QUESTION:
        raise NotUnderstoodError(f"the question is longer than {MOST_QUESTION} characters")
    asked = messages(question, nouns, dialogue, regions)
    reply = say(asked)
    try:
        return read_reply(reply, dialogue, regions)
    except BadReplyError as error:
        log.info("the reply to %s is asked for again: %s", quoted(question), error)
        asked += repair(reply, str(error))
    try:
        return read_reply(say(asked), dialogue, regions)
    except BadReplyError as error:
        raise PlannerFailedError(f"no program, also when told what was wrong: {error}") from None


def read_reply(text: str, dialogue: Dialogue, regions: int = 0) -> Program:
    """Return the program of a reply.

    Raises:
        NotUnderstoodError: the reply says that there is none.
        BadReplyError: it is no program, or one that names what nobody can have told it.
    """
    data = _json_of(text)
    if set(data) == {"program"} and isinstance(data["program"], dict):
        data = data["program"]
    if data.get("op") == NOT_UNDERSTOOD:
        words = data.get("words")
        said = f" for {quoted(words)}" if isinstance(words, str) and words else ""
        raise NotUnderstoodError(f"there is no program{said}")
    try:
        program = from_json(data)
    except BadProgramError as error:
        raise BadReplyError(_shown(error)) from None
    for node in nodes_of(program):
        if isinstance(node, nodes.Those) and not set(node.ids) <= set(dialogue.objects):
            known = ", ".join(dialogue.objects) or "none"
            raise BadReplyError(f"'those' takes ids of the question before: {known}")
        if isinstance(node, nodes.RequestRegion) and node.index >= regions:
            raise BadReplyError(f"'request_region' {node.index}: the request has {regions} regions")
    return program


def _json_of(text: str) -> dict[str, Any]:
    """Return the one JSON object in a reply; a fence or a sentence around it does no harm."""
    text = _THOUGHT.sub("", text, count=1)
    start = text.find("{")
    if start < 0:
        raise BadReplyError(f"there is no JSON object in it: {quoted(text.strip(), 120)}")
    if len(text) > MOST_TEXT:
        raise BadReplyError(f"it has more than {MOST_TEXT} characters")
    try:
        data, end = json.JSONDecoder().raw_decode(text, start)
    except RecursionError:
        raise BadReplyError("it is nested too deeply") from None
    except ValueError as error:
        raise BadReplyError(f"it is no JSON: {_shown(error)}") from None
    if "{" in text[end:]:
        raise BadReplyError("there is more than one JSON object in it")
    assert isinstance(data, dict)  # it begins with a brace
    return data


def _shown(error: Exception) -> str:
    return escaped(str(error), _MOST_SHOWN)
