# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""English questions to programs: compositional, deterministic, in milliseconds.

Nothing a question says is dropped: what no rule can place makes it :class:`NotUnderstood`, with the
words named. Only talk around the question (greetings, "please tell me", a clause that names no
thing, number or place) is passed over.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable

from spatialgeo_ros.query import (  # noqa: F401  (their rules join the grammar)
    english_dialogue,
    english_directions,
    english_numbers,
    english_predicates,
    english_questions,
)
from spatialgeo_ros.query.english import Context, Dialogue, grammar
from spatialgeo_ros.query.english_talk import without_talk
from spatialgeo_ros.query.english_words import vocabulary
from spatialgeo_ros.query.nouns import label_words, without_counter
from spatialgeo_ros.query.program import Program
from spatialgeo_ros.query.rule_engine import State
from spatialgeo_ros.query.tokens import STOP, Speller, tokenise

grammar.check()
_LONGEST = 120  # words
_TALK_COST = 0.01  # of a word of talk that is left out
_GOOD_ENOUGH = 2.0  # cost of a reading that is not worth looking for a better one


class NotUnderstood(Exception):
    """A question that the grammar has no reading for.

    Attributes:
        words: what could not be placed.
    """

    def __init__(self, message: str, words: str = "") -> None:
        super().__init__(message)
        self.words = words


def parse(question: str, dialogue: Dialogue | None = None, labels: Iterable[str] = ()) -> Program:
    """Return the program of a question.

    Args:
        question: as a person types it, in English.
        dialogue: the question before, for "it" and "in feet?".
        labels: what the objects of the map are called.

    Raises:
        NotUnderstood: there is no reading of all its words.
    """
    dialogue = dialogue or Dialogue()
    nouns = frozenset(without_counter(label_words(label)) for label in labels)
    known = {word for noun in nouns for word in noun.split()}
    tokens = [_speller().mend(word, known) for word in tokenise(question)]
    if not tokens:
        raise NotUnderstood("the question is empty")
    if len(tokens) > _LONGEST:
        raise NotUnderstood(f"the question is longer than {_LONGEST} words")
    context = Context(nouns, dialogue)
    furthest, best, least = 0, None, float("inf")
    for words in without_talk(tokens):
        state = State(words, context)
        left_out = _TALK_COST * (len(tokens) - len(words))
        for program, cost in grammar.parse("question", state)[:1]:
            if cost + left_out < least:
                best, least = program, cost + left_out
        if len(words) == len(tokens):
            furthest = state.furthest
        if least <= _GOOD_ENOUGH:
            break
    if best is not None:
        return best
    rest = " ".join(word for word in tokens[furthest:] or tokens if word not in (STOP, ","))
    raise NotUnderstood(
        f"not understood from '{rest}' on: ask for a distance, size, count, direction, comparison "
        "or list of objects, in plain English (docs/questions.md)",
        rest,
    )


@functools.cache
def _speller() -> Speller:
    return Speller(vocabulary())
