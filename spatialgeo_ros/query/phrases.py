# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Noun phrases taken apart: what is meant, which one of several, and where it has to be.

The head noun stands before the first preposition or relative clause: "the cup on the table" is a
cup. Every word ends up somewhere: in the kind, the colour, the choice ("nearest", "second from the
left"), a relation ("behind the sofa"), among a few words that say nothing (articles, possessives),
or in :attr:`NounPhrase.unknown`, and whoever resolves the phrase refuses what stands there.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, replace

from spatialgeo_ros.query.colours import COLOUR_OF
from spatialgeo_ros.query.nouns import canonical, label_words, singular, without_counter
from spatialgeo_ros.query.phrase_words import (
    AFTER,
    CARDINALS,
    COMPARING,
    FAR_SIDE,
    FROM_SIDE,
    HARMLESS,
    IN_VIEW,
    LENGTH,
    OF_LABELS,
    ORDINALS,
    POSTURES,
    RELATIONS,
    RELATIVE,
    SELF,
    SUPERLATIVE_AFTER,
    SUPERLATIVES,
    UNSUPPORTED,
)


@dataclass(frozen=True)
class Choice:
    """Which one of several.

    Attributes:
        words: as said ("second nearest").
        quantity: "distance" (from the camera, or from ``anchor``), "bearing" (clockwise from
            straight ahead), "side" (on the left or right half of what is in view), "height",
            "top" (height of the highest point), "volume", "width", "length", "depth", or "" when
            only a number is said ("second") and it is not known what is counted.
        greatest: whether the largest value is meant, else the smallest.
        rank: 1 for the extreme one, 2 for the next ...
        comparing: "big": said of a thing bigger than others of its kind, not of the biggest one.
        anchor: what distances are measured from; None for the camera.
    """

    words: str
    quantity: str
    greatest: bool = False
    rank: int = 1
    comparing: bool = False
    anchor: NounPhrase | None = None


@dataclass(frozen=True)
class Relation:
    """Where the thing has to be.

    Attributes:
        name: a value of :data:`spatialgeo_ros.query.phrase_words.RELATIONS` ("on", "behind", ...).
        words: the preposition as said.
        anchors: one phrase, two for "between"; none for the robot itself ("behind me").
    """

    name: str
    words: str
    anchors: tuple[NounPhrase, ...] = ()


@dataclass(frozen=True)
class NounPhrase:
    """A noun phrase taken apart.

    Attributes:
        text: lower-case words without articles ("nearest red couch on the rug").
        noun: head noun with its modifiers, singular, as said ("couch").
        kind: canonical noun ("sofa"), or ``noun`` where the table does not have it.
        colour: canonical colour, or "".
        choice: which one of several, or None.
        relations: where it has to be.
        other: "the other one", which only makes sense beside one that is named too.
        count: how many are meant ("the two chairs"); 0 when no number is said.
        unknown: words that say something about the thing which cannot be checked ("wobbly").
        known: whether the kind is one that the profile's network was trained with; set by
            :class:`spatialgeo_ros.query.vocabulary.Vocabulary`.
    """

    text: str
    noun: str
    kind: str
    colour: str = ""
    choice: Choice | None = None
    relations: tuple[Relation, ...] = ()
    other: bool = False
    count: int = 0
    unknown: tuple[str, ...] = ()
    known: bool = False

    @property
    def name(self) -> str:
        """Colour and canonical kind, the form the network was trained with ("red sofa")."""
        return f"{self.colour} {self.kind}".strip()

    @property
    def plain(self) -> bool:
        """Whether nothing but kind and colour is said."""
        return not (self.choice or self.relations or self.other or self.count or self.unknown)


@functools.lru_cache(maxsize=512)
def parse_phrase(phrase: str) -> NounPhrase:
    """Take a noun phrase apart; deterministic, well under a millisecond.

    Args:
        phrase: words as a person types them, with or without article.
    """
    words = label_words(phrase.replace("’", "'").replace("?", " "))
    words = FAR_SIDE.sub(lambda found: f"{found[1] or found[2] or found[3]}most", words)
    words = re.sub(r"\bmost (distant|remote)\b|\bmost far away\b", "farthest", words)
    words = re.sub(r"\bleast (?:distant|far away)\b", "nearest", words)
    return _parse(" ".join(words.split()))


@functools.lru_cache(maxsize=2048)
def parse_label(label: str) -> NounPhrase:
    """Take a detector's label apart: kind and colour; everything else stays in the noun."""
    words = without_counter(label_words(label)).split()
    noun, colour = words, ""
    while len(noun) > 1 and not canonical(" ".join(noun)):
        if noun[0] in COLOUR_OF and not colour:
            colour = COLOUR_OF[noun[0]]
        elif noun[0] not in OF_LABELS:
            break
        noun = noun[1:]
    if not canonical(" ".join(noun)):  # "toy wooden horse": a kind of its own, with all its words
        noun = words[1:] if colour and words[0] in COLOUR_OF else words
    text = " ".join(noun)
    return NounPhrase(" ".join(words), text, canonical(text) or _singular(text), colour)


def _singular(noun: str) -> str:
    words = noun.split()
    return " ".join((*words[:-1], singular(words[-1]))) if words else ""


def _parse(text: str) -> NounPhrase:
    words = text.split()
    while words and words[0] in HARMLESS:
        words = words[1:]
    text = " ".join(words)
    end = _head_end(words)
    head = _Head()
    head.read(words[:end])
    tail = _Tail(words[end:], head)
    said = " ".join((*head.noun, tail.rest)).strip()
    noun, kind = _singular(said), canonical(said)
    unknown = [*head.extra, *tail.extra]
    if tail.rest:
        unknown.append(tail.rest)
    if head.noun and head.noun[-1].isdigit():
        unknown.append(head.noun[-1])  # "chair 12" is no other chair
    if not kind and len(head.noun) > 1:
        # "wobbly chair": a known noun with words before it that cannot be checked.
        for start in range(1, len(head.noun)):
            if canonical(" ".join(head.noun[start:])):
                unknown.extend(head.noun[:start])
                break
    return NounPhrase(
        text,
        noun,
        kind or noun,
        head.colour,
        tail.choice,
        tuple(tail.relations),
        head.other,
        head.count,
        tuple(unknown),
    )


def _head_end(words: list[str]) -> int:
    """Index of the first word after the head noun."""
    for index in range(1, len(words)):
        word, before, rest = words[index], words[index - 1], " ".join(words[index:])
        if word == "of" and any(canonical(" ".join(words[i : index + 2])) for i in range(index)):
            continue  # "chest of drawers", "bottle of water", as far as the table has them
        if word in POSTURES and _relation_at(" ".join(words[index + 1 :])):
            return index
        if _relation_at(rest) or word in UNSUPPORTED or _at_view(rest):
            return index - 1 if index > 1 and before in SUPERLATIVES else index
        if word in ORDINALS and FROM_SIDE.match(" ".join(words[index + 1 :])):
            return index
        if word in SUPERLATIVES and any(canonical(" ".join(words[i:index])) for i in range(index)):
            return index
    return len(words)


def _at_view(rest: str) -> int:
    """Length of the words at the start of ``rest`` that mean "in view", 0 when there are none."""
    found = IN_VIEW.match(rest)
    whole = found is not None and (found.end() == len(rest) or rest[found.end()] == " ")
    return found.end() if found is not None and whole else 0


def _relation_at(rest: str) -> str:
    """Return the longest preposition that ``rest`` starts with, or ""."""
    best = ""
    for words in RELATIONS:
        if (rest == words or rest.startswith(words + " ")) and len(words) > len(best):
            best = words
    return best


class _Head:
    """What stands before and in the head noun."""

    def __init__(self) -> None:
        self.noun: list[str] = []
        self.colour = ""
        self.choice: Choice | None = None
        self.rank = 0
        self.rank_word = ""
        self.other = False
        self.count = 0
        self.extra: list[str] = []

    def read(self, words: list[str]) -> None:
        """Sort the words; what is no modifier belongs to the noun."""
        for index, word in enumerate(words):
            rest = " ".join(words[index:])
            if canonical(rest):  # "second", "high chair", "orange": the table's nouns as they are
                self.noun.extend(words[index:])
                return
            if self.noun:
                self.noun.append(word)
            elif word in ("and", ",") or word in HARMLESS:
                continue
            elif word in ("other", "another"):
                self.other = True
            elif word in COLOUR_OF:
                if self.colour and COLOUR_OF[word] != self.colour:
                    self.extra.append(word)
                self.colour = self.colour or COLOUR_OF[word]
            elif word in SUPERLATIVES or word in COMPARING:
                self._choose(word)
            elif word in ORDINALS and not self.rank:
                self.rank, self.rank_word = ORDINALS[word], word
            elif word in CARDINALS or word in ("2", "3", "4", "5"):
                self.count = CARDINALS.get(word) or int(word)
            else:
                self.noun.append(word)

    def _choose(self, word: str) -> None:
        if self.choice is not None:
            self.extra.append(word)  # "the small left box": one choice at a time
            return
        sure = word in SUPERLATIVES
        quantity, greatest = (SUPERLATIVES if sure else COMPARING)[word]
        self.choice = Choice(word, quantity, greatest, comparing=not sure)


class _Tail:
    """What follows the head noun, read from left to right: a choice, relations, a rest."""

    def __init__(self, words: list[str], head: _Head) -> None:
        self.rest = " ".join(words)
        self.choice, self.rank, self.rank_word = head.choice, head.rank, head.rank_word
        self.relations: list[Relation] = []
        self.extra: list[str] = []
        while self.rest and self._step():
            pass
        self._number()

    def _step(self) -> bool:
        """Take one part off the front; False when nobody understands it."""
        if length := _at_view(self.rest):
            self.rest = self.rest[length:].strip()
            return True
        first, _, following = self.rest.partition(" ")
        if (opened := RELATIVE.match(self.rest)) is not None:
            after = re.sub(r"^(?:the|most)\b ?", "", self.rest[opened.end() :].strip())
            if after:
                self.rest = after
            return bool(after)
        if first in POSTURES and following and not _relation_at(self.rest):
            self.rest = following
            return True
        if first in ORDINALS and not self.rank and FROM_SIDE.match(following):
            self.rank, self.rank_word, self.rest = ORDINALS[first], first, following
            return True
        return self._choose() or self._relate()

    def _choose(self) -> bool:
        made, end = _choice_at(self.rest, self.rank_word if self.rank else "")
        if made is None or self.choice is not None:
            return False
        self.choice, self.rest = made, self.rest[end:].strip()
        return True

    def _relate(self) -> bool:
        preposition = _relation_at(self.rest)
        tail = self.rest[len(preposition) :].strip()
        relation = _relation(preposition, tail) if preposition else None
        if relation is None:
            return False
        if not relation.anchors and relation.name in ("left", "right"):
            if self.choice is not None:
                return False
            self.choice = Choice(self.rest, "side", relation.name == "right", comparing=True)
        else:
            self.relations.append(relation)
        self.rest = ""
        return True

    def _number(self) -> None:
        """Join "second" with "nearest" or "from the left"."""
        if not self.rank:
            return
        if self.choice is None:
            self.choice = Choice(self.rank_word, "", rank=self.rank)
        elif self.choice.comparing:
            self.extra.append(self.rank_word)
        else:
            words = self.choice.words
            if not words.startswith(self.rank_word):
                words = f"{self.rank_word} {words}"
            self.choice = replace(self.choice, words=words, rank=self.rank)


def _choice_at(rest: str, rank_word: str) -> tuple[Choice | None, int]:
    """Read a choice at the start of ``rest``; also where it ends."""
    side = FROM_SIDE.match(rest)
    if side is not None and rank_word:
        words = f"{rank_word} from the {side[1]}"
        return Choice(words, "bearing", side[1] == "right"), side.end()
    for pattern, quantity, greatest in AFTER:
        found = pattern.fullmatch(rest)
        if found is not None:
            return Choice(rest, quantity, greatest, comparing=quantity != "bearing"), len(rest)
    first = rest.partition(" ")[0]
    if first in SUPERLATIVES and first == rest:
        return Choice(rest, *SUPERLATIVES[first]), len(rest)
    nearest = SUPERLATIVE_AFTER.match(rest)
    if nearest is None:
        return None, 0
    tail = rest[nearest.end() :].strip()
    anchor = None if not tail or SELF.fullmatch(tail) else _parse(tail)
    greatest = nearest["word"].startswith(("far", "fur"))
    return Choice(rest, "distance", greatest, anchor=anchor), len(rest)


def _relation(preposition: str, tail: str) -> Relation | None:
    """Build a relation; None when nothing follows the preposition that it could refer to."""
    name = RELATIONS[preposition]
    if not tail or LENGTH.match(tail):
        return None  # "within 2 metres" is no place that a thing is in
    if SELF.fullmatch(tail):
        return Relation(name, preposition)
    if name != "between":
        return Relation(name, preposition, (_parse(tail),))
    first, found, second = tail.partition(" and ")
    if not found:
        return None
    return Relation(name, preposition, (_parse(first), _parse(second)))
