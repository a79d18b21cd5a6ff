# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Talk around a question: greetings, "please tell me", clauses that name nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from spatialgeo_ros.query.colours import COLOUR_OF
from spatialgeo_ros.query.english_words import MATERIALS
from spatialgeo_ros.query.nouns import canonical
from spatialgeo_ros.query.tokens import COMMA, STOP
from spatialgeo_ros.query.units import unit_of

#: Words before a question that add nothing to it.
_BEFORE = frozenset(
    """am was are please hey hi hello ok okay well so and but also now then robot excuse me
    sorry thanks say alright right hm hmm good morning day evening dear buddy can could
    would will do did may might you we i u they he she it kindly just maybe perhaps tell
    give show inform let us know if whether that check verify confirm determine find out
    work see want need like to wonder wondering been have has had be asking asked ask
    question one quick another my our your colleague friend boss wife husband customer
    client user operator people help report plan next somebody someone keeps keep telling
    told says said claims claim thinks think believes believe bet sure for a an the of with
    this answer following estimate estimation idea guess clue about roughly approximately exactly
    currently today before start moving should thing first interested in curious quickly
    again actually really honestly by way here there measure calculate compute provide state
    specify get""".split()
)
#: Words after it.
_AFTER = frozenset(
    """please thanks thank you robot now right correct true exactly precisely approximately
    roughly false again then do think actually is am are he she it that they can tell me us
    know so yes no buddy approx about for the a isn't really say could would if i may ask ok
    okay sir""".split()
)
#: Every word of talk.
TALK_WORDS = _BEFORE | _AFTER
#: Words that say that a number need not be exact, which no answer needs to be told.
HEDGES = frozenset("roughly approximately approx".split())
#: Words that name or place something elsewhere, but nothing here.
_HARMLESS = re.compile(
    r"\bnext (?:one|question|up|thing)\b|\b(?:go|going|carry|move|moving|come) (?:on|ahead)\b"
    r"|\bcan (?=you|i|we\b)|\bright (?:now|away)\b|\bone (?:last|more|quick) (?:thing|question)\b"
    r"|\bfor (?:my|our|the|this|a) (?:report|plan|record|file|files|presentation|paper|notes)\b"
    r"|\bstanding here (?:and )?(?=wondering|asking)|\bon my mind\b|\bthis is (?:for|about)\b"
    r"|\bup there\b"
)
#: What makes a clause more than talk.
_CONTENT = frozenset(
    """left right behind front above below under over between near far close next on inside tall
    wide high deep long big small count distance gap size height width not without except closer
    never unless turn turned turning rotate rotated walk walked step stepped sit kneel jump reverse
    backwards forward forwards
    horizontally vertically horizontal vertical laterally edge edges surface corner corners side
    sides point points end ends around yesterday earlier previously formerly without no none
    nearest farthest biggest smallest zero positive facing standing looking stand face""".split()
)

_PARTS = frozenset("room wall walls ceiling floor only counting except excluding".split())


def without_talk(tokens: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield where the question begins and ends: all of it, then with ever less talk around it."""
    seen: set[tuple[int, int]] = set()
    whole = list(tokens)
    for end in (len(whole), *_ends(whole)):
        for start in (0, *_starts(whole)):
            while start < end and whole[start] in (COMMA, STOP):
                start += 1
            while start < end and whole[end - 1] in (COMMA, STOP):
                end -= 1
            if start < end and (start, end) not in seen:
                seen.add((start, end))
                yield start, end


def _starts(tokens: list[str]) -> list[int]:
    """Return where the question may begin: after words of talk, or after a clause of talk."""
    found = []
    for index, word in enumerate(tokens[:-1]):
        if word in (COMMA, STOP):
            if is_talk(tokens[:index]):
                found.append(index + 1)
        elif word in _BEFORE and all(w in _BEFORE or w in (COMMA, STOP) for w in tokens[:index]):
            found.append(index + 1)
        elif word == "if" and (not index or tokens[index - 1] not in _ASKING):
            continue  # a condition, which says something
        elif word in _SAYING and is_talk(tokens[:index]):
            found.append(index + 1)
        elif word in _QUESTION_WORDS and _ASKS.search(" ".join(tokens[:index])):
            last = tokens[index - 1]
            known = last in TALK_WORDS or last in (COMMA, STOP) or _ASKS.fullmatch(last)
            if known and is_talk(tokens[:index]):
                found.append(index)
    for start in list(found):
        while start < len(tokens) - 1 and tokens[start] in _BEFORE:
            start += 1
            found.append(start)
    return sorted(set(found))


_ASKING = frozenset(
    """know me us see check tell verify wonder wondering ask asked say confirm determine out him
    her""".split()
)
_SAYING = frozenset("that me if whether know asked us wonder him her".split())


_QUESTION_WORDS = frozenset("how what which where when who".split())
#: Verbs after which a question stands: "my wife is asking how tall the door is".
_ASKS = re.compile(
    r"\b(?:ask(?:s|ed|ing)?|tell|know|hear|wonder(?:s|ed|ing)?|say|see|check|learn|find out|explain"
    r"|understand|remember|remind|curious|interested|interesting|sure|idea|forgot|figure out"
    r"|determine|measure|estimate|question|puzzled|unsure|clear|discuss(?:ed|ing)?|decide)\b"
)


_TAG = re.compile(
    r"(is|are|was|were|does|do|did|has|have|can|will) (not )?(it|they|he|she|that|there)( not)?"
)
_OR_NOT = ["or", "not"]
_LONGEST_END = 9
_LAST_WORDS = frozenset(
    "just any idea guess clue i thanks thank please can could do would ok okay only if".split()
)


def _ends(tokens: list[str]) -> list[int]:
    """Return where the question may end: before words of talk, "or not", or "isn't it"."""
    end = len(tokens)
    found = []
    for at in range(end - 2, max(0, end - 5), -1):
        if tokens[at] in (COMMA, STOP) and _TAG.fullmatch(" ".join(tokens[at + 1 :])):
            end = at
            found.append(at)
    for at in range(end - 2, max(0, end - _LONGEST_END), -1):
        if tokens[at] not in (COMMA, STOP) or tokens[at + 1] not in _LAST_WORDS:
            continue
        if all(word in TALK_WORDS for word in tokens[at + 1 : end]):
            found.append(at)  # "just curious", "any idea"
    if tokens[end - 2 : end] == _OR_NOT:
        end -= 2
        found.append(end)
    while end > 1 and (tokens[end - 1] in _AFTER or tokens[end - 1] in (COMMA, STOP)):
        end -= 1
        found.append(end)
    return found


def is_talk(tokens: Sequence[str]) -> bool:
    """Tell whether a clause names no thing, colour, number, unit, place or relation."""
    said = " ".join(word for word in tokens if word not in (COMMA, STOP))
    words = _HARMLESS.sub(" ", said).split()
    if not said:
        return False
    for index, word in enumerate(words):
        if word in _CONTENT or word in COLOUR_OF or any(letter.isdigit() for letter in word):
            return False
        if word in MATERIALS or word in _PARTS:
            return False
        if canonical(word) or canonical(" ".join(words[index : index + 2])):
            return False
        if unit_of(word) is not None and word not in ("in", "m", "s", "l", "h"):
            return False
    return True
