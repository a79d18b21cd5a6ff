# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""English questions to programs: compositional, deterministic, in milliseconds.

Nothing a question says is dropped: what no rule can place makes it :class:`NotUnderstood`, with the
words named. Only talk around the question (greetings, "please tell me", a clause that names no
thing, number or place) is passed over.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import replace

from spatialgeo_ros.query import (  # noqa: F401  (their rules join the grammar)
    english_about,
    english_alternatives,
    english_asked,
    english_categories,
    english_chosen,
    english_comparisons,
    english_counts,
    english_dialogue,
    english_directions,
    english_distances,
    english_fits,
    english_limits,
    english_lists,
    english_modifiers,
    english_more_of,
    english_numbers,
    english_phrases,
    english_places,
    english_predicates,
    english_rankings,
    english_sizes,
    english_sums,
    english_times,
    english_together,
    english_views,
    english_which,
    english_yes_no,
)
from spatialgeo_ros.query.english import Context, Dialogue, grammar
from spatialgeo_ros.query.english_phrases import Phrase
from spatialgeo_ros.query.english_rewrites import REWRITTEN, plainer, stories
from spatialgeo_ros.query.english_talk import HEDGES, TALK_WORDS, without_talk
from spatialgeo_ros.query.english_words import vocabulary
from spatialgeo_ros.query.nouns import label_words, without_counter
from spatialgeo_ros.query.plain_words import PLAIN_WORDS
from spatialgeo_ros.query.program import Program, Things
from spatialgeo_ros.query.program_edit import nodes
from spatialgeo_ros.query.rule_engine import State
from spatialgeo_ros.query.tokens import COMMA, STOP, Speller, tokenise
from spatialgeo_ros.query.units import kind_of, unit_of

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


def parse(
    question: str,
    dialogue: Dialogue | None = None,
    labels: Iterable[str] = (),
    regions: int = 0,
) -> Program:
    """Return the program of a question.

    Args:
        question: as a person types it, in English.
        dialogue: the question before, for "it" and "in feet?".
        labels: what the objects of the map are called.
        regions: how many regions the request has; "it" is the first where there was no question
            before.

    Raises:
        NotUnderstood: there is no reading of all its words.
    """
    nouns, tokens = _words(question, labels)
    context = Context(nouns, dialogue or Dialogue(), regions)
    program = _read_any(tokens, context)
    if program is not None:
        return program
    state = State(tokens, context)
    grammar.parse("question", state)
    rest = _unread(state)
    raise NotUnderstood(
        f"not understood from '{rest}' on: ask for a distance, size, count, direction, comparison "
        "or list of objects, in plain English (docs/questions.md)",
        rest,
    )


def parse_phrase_alone(phrase: str, labels: Iterable[str] = ()) -> Phrase:
    """Return what a noun phrase without a question names.

    Args:
        phrase: "chairs", "the second mug from the left".
        labels: what the objects of the map are called.

    Raises:
        NotUnderstood: it is no noun phrase, or it has words that say something else.
    """
    nouns, tokens = _words(phrase, labels)
    state = State(tokens, Context(nouns, Dialogue()))
    for _, read, _, _ in grammar.parse("phrase", state)[:1]:
        said: Phrase = read
        return said
    rest = _unread(state)
    raise NotUnderstood(f"'{rest}' names no thing: say for example 'the red mug'", rest)


def _words(text: str, labels: Iterable[str]) -> tuple[frozenset[str], list[str]]:
    """Return the nouns of the map, and the words of a text with its typing errors mended.

    Raises:
        NotUnderstood: it has no word, or too many.
    """
    nouns = frozenset(without_counter(label_words(label)) for label in labels)
    known = {word for noun in nouns for word in noun.split()}
    mended = (_speller().mend(word, known) for word in tokenise(text))
    tokens = [word for word in mended if word not in HEDGES]
    if not tokens:
        raise NotUnderstood("the question is empty")
    if len(tokens) > _LONGEST:
        raise NotUnderstood(f"the question is longer than {_LONGEST} words")
    return nouns, tokens


def _unread(state: State) -> str:
    """Return the words from where no rule read on."""
    unread = state.tokens[state.furthest :] or state.tokens
    return " ".join(word for word in unread if word not in (STOP, COMMA))


def _read(tokens: list[str], context: Context) -> Program | None:
    """Return the best reading of a row of words with as little talk left out as may be."""
    if not tokens:
        return None
    state = State(tokens, context)
    best, least = None, float("inf")
    for start, end in without_talk(tokens):
        left_out = _TALK_COST * (len(tokens) - (end - start))
        for _, program, cost, _ in grammar.parse("question", state, start, end)[:1]:
            if cost + left_out < least:
                best, least = program, cost + left_out
        if least <= _GOOD_ENOUGH:
            break
    return best


def _read_any(tokens: list[str], context: Context) -> Program | None:
    """Return the reading of the words as they are, else in plainer words, else after a story."""
    program = _read(tokens, context) or _read(unit_last(tokens), context)
    if program is not None:
        return program
    for plain in plainer(tokens):
        program = _read(plain, context) or _read(unit_last(plain), context)
        if program is not None:
            return program
    if context.dialogue.objects:
        return None
    for story, asked in stories(tokens):
        mentioned = _mentioned(story, context)
        if mentioned is None:
            continue
        about = replace(context, dialogue=Dialogue(mentioned=mentioned), story=tuple(story))
        for words in (asked, unit_last(asked), *plainer(asked)):
            program = _read(words, about)
            if program is not None and set(mentioned) <= set(nodes(program)):
                return program
    return None


def _mentioned(story: list[str], context: Context) -> tuple[Things, ...] | None:
    """Return the things that a story names by "the", None where it names too many."""
    state = State(story, context)
    found: list[Things] = []
    at = 0
    while at < len(story):
        named = grammar.beginning("thing", state, at) if story[at] in _DEFINITE else []
        known = [reading for reading in named if reading[2] < _UNKNOWN]
        if not known:
            at += 1
            continue
        at, thing = known[0][:2]
        if thing not in found:
            found.append(thing)
    return tuple(found) if len(found) <= _MOST_MENTIONED else None


_DEFINITE = ("the", "this", "that")
_MOST_MENTIONED = 4
_UNKNOWN = 3.0  # cost of a name that nobody knows


def unit_last(tokens: list[str]) -> list[str]:
    """Move "in feet" from inside a question to its end; nothing where there is none."""
    for at, word in enumerate(tokens[1:-1], 1):
        if word not in ("in", "using") or re.fullmatch(r"[\d.]+", tokens[at - 1]):
            continue
        for count in (3, 2, 1):
            words = tokens[at + 1 : at + 1 + count]
            unit = unit_of(" ".join(words)) if len(words) == count else None
            if unit and kind_of(unit) != "angle" and tokens[at + 1 + count :]:
                rest = [*tokens[:at], *tokens[at + 1 + count :]]
                while rest and rest[-1] in ("please", "thanks", "now", COMMA, STOP):
                    rest.pop()
                return [*rest, COMMA, "in", *words]
    return []


@functools.cache
def _speller() -> Speller:
    return Speller(vocabulary(), PLAIN_WORDS | TALK_WORDS | REWRITTEN)
