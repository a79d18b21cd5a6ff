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
        name: a value of :data:`RELATIONS` ("on", "behind", ...).
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


#: Prepositions, longest first where one begins another, and the relation they state.
RELATIONS: dict[str, str] = {
    "on top of": "on",
    "ontopof": "on",
    "atop": "on",
    "upon": "on",
    "onto": "on",
    "on": "on",
    "inside of": "inside",
    "inside": "inside",
    "within": "inside",
    "in front of": "front",
    "infrontof": "front",
    "ahead of": "front",
    "in back of": "behind",
    "behind": "behind",
    "to the left side of": "left",
    "on the left side of": "left",
    "on the left hand side of": "left",
    "to the left of": "left",
    "on the left of": "left",
    "at the left of": "left",
    "left of": "left",
    "leftof": "left",
    "to the right side of": "right",
    "on the right side of": "right",
    "on the right hand side of": "right",
    "to the right of": "right",
    "on the right of": "right",
    "at the right of": "right",
    "right of": "right",
    "rightof": "right",
    "in between": "between",
    "between": "between",
    "in": "inside",
    "underneath": "below",
    "beneath": "below",
    "under": "below",
    "below": "below",
    "above": "above",
    "over": "above",
    "right next to": "beside",
    "next to": "beside",
    "nextto": "beside",
    "beside": "beside",
    "besides": "beside",
    "close to": "beside",
    "closeto": "beside",
    "adjacent to": "beside",
    "near to": "beside",
    "near": "beside",
    "nearby": "beside",
    "alongside": "beside",
    "by": "beside",
    "at": "beside",
}

#: Words that begin something about the thing that no measurement decides.
_UNSUPPORTED = frozenset(
    "with without of from for to against around through along across towards toward like than"
    " that which who whose where when as against facing wearing holding carrying looking made"
    " belonging called named labelled labeled having has before after beyond past off".split()
)
_RELATIVE = re.compile(r"(?:that|which|who) (?:is|are|was|were|stands?|sits?|lies|hangs?)\b|thats")
_POSTURES = frozenset(
    "standing sitting lying hanging placed located resting positioned situated put seated mounted"
    " lies stands sits stood right directly immediately just".split()
)

#: Words that say nothing about which thing is meant.
_HARMLESS = frozenset(
    "the a an this that these those my our your its his her their some any please kindly only"
    " single very whole entire actual said visible particular given specific coloured colored"
    " one's".split()
)
#: What a label may say before its noun without making it another kind.
_OF_LABELS = frozenset(
    "the a an wooden wood metal plastic leather steel ceramic small large big tall little old new"
    " empty open closed".split()
)
#: Places that hold whatever is in view.
_IN_VIEW = re.compile(
    r"(?:in|within|inside) (?:the |this |that |your |my |our )?"
    r"(?:room|image|picture|photo|scene|view|frame|field of view|sight)|over there|right there"
    r"|there|here|in here|right now|now|you see|that you see|you can see|i see|currently"
)
_SELF = re.compile(
    r"(?:to |from |of )?(?:me|you|us|myself|yourself|here|(?:the |this |your |my )?(?:robot|camera)"
    r"|the viewer|where (?:i|you) (?:am|are))"
)

_LENGTH = re.compile(r"[\d.]+\b|(?:a|one|two|three|half a) (?:met|cent|f[oe]e?t|inch|yard)")

_SUPERLATIVES: dict[str, tuple[str, bool]] = {
    "nearest": ("distance", False),
    "closest": ("distance", False),
    "farthest": ("distance", True),
    "furthest": ("distance", True),
    "remotest": ("distance", True),
    "leftmost": ("bearing", False),
    "rightmost": ("bearing", True),
    "tallest": ("height", True),
    "shortest": ("height", False),
    "highest": ("top", True),
    "lowest": ("top", False),
    "biggest": ("volume", True),
    "largest": ("volume", True),
    "smallest": ("volume", False),
    "littlest": ("volume", False),
    "tiniest": ("volume", False),
    "widest": ("width", True),
    "broadest": ("width", True),
    "narrowest": ("width", False),
    "thinnest": ("width", False),
    "slimmest": ("width", False),
    "longest": ("length", True),
    "deepest": ("depth", True),
}
_COMPARING: dict[str, tuple[str, bool]] = {
    **dict.fromkeys(("big", "large", "huge", "bigger", "larger"), ("volume", True)),
    **dict.fromkeys(("small", "little", "tiny", "smaller"), ("volume", False)),
    **dict.fromkeys(("tall", "taller", "high"), ("height", True)),
    **dict.fromkeys(("short", "shorter"), ("height", False)),
    **dict.fromkeys(("wide", "broad", "wider"), ("width", True)),
    **dict.fromkeys(("narrow", "thin", "slim", "narrower"), ("width", False)),
    **dict.fromkeys(("long", "longer"), ("length", True)),
    **dict.fromkeys(("deep", "deeper"), ("depth", True)),
    **dict.fromkeys(("near", "nearer", "close", "closer"), ("distance", False)),
    **dict.fromkeys(("far", "distant", "farther", "further"), ("distance", True)),
    "left": ("side", False),
    "right": ("side", True),
    "middle": ("middle", False),
    "central": ("middle", False),
    "centre": ("middle", False),
    "center": ("middle", False),
}
_ORDINALS = {
    word: number
    for number, words in enumerate(
        (
            "first 1st",
            "second 2nd",
            "third 3rd",
            "fourth 4th",
            "fifth 5th",
            "sixth 6th",
            "seventh 7th",
            "eighth 8th",
        ),
        1,
    )
    for word in words.split()
}
_CARDINALS = {
    word: number
    for number, word in enumerate("two three four five six seven eight nine ten".split(), 2)
}
_SIDE_HAND = r"(?: hand)?(?: side)?(?: of (?:me|you|the robot|the camera|(?:the )?(?:image|view)))?"
#: What may follow the noun to say which one is meant: pattern, quantity, greatest.
_AFTER: tuple[tuple[re.Pattern[str], str, bool], ...] = (
    (re.compile(r"(?:to|on|at) (?:the|your|my) leftmost" + _SIDE_HAND), "bearing", False),
    (re.compile(r"(?:to|on|at) (?:the|your|my) rightmost" + _SIDE_HAND), "bearing", True),
    (re.compile(r"(?:to|on|at) (?:the|your|my|our) left" + _SIDE_HAND), "side", False),
    (re.compile(r"(?:to|on|at) (?:the|your|my|our) right" + _SIDE_HAND), "side", True),
    (re.compile(r"in the (?:middle|cent(?:re|er))"), "middle", False),
)
_FROM_SIDE = re.compile(r"(?:from|counting from|counted from) (?:the |my |your )?(left|right)")
_SUPERLATIVE_AFTER = re.compile(
    r"(?P<word>closest|nearest|closestto|nearestto|farthest|furthest)(?: away)?"
    r"(?: (?:to|from|of))?\b ?"
)
_FAR_SIDE = re.compile(
    r"\b(?:far|very|outer) (left|right)\b|\b(left|right) most\b|\bmost (left|right)\b"
)


@functools.lru_cache(maxsize=512)
def parse_phrase(phrase: str) -> NounPhrase:
    """Take a noun phrase apart; deterministic, well under a millisecond.

    Args:
        phrase: words as a person types them, with or without article.
    """
    words = label_words(phrase.replace("’", "'").replace("?", " "))
    words = _FAR_SIDE.sub(lambda found: f"{found[1] or found[2] or found[3]}most", words)
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
        elif noun[0] not in _OF_LABELS:
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
    while words and words[0] in _HARMLESS:
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
        if word in _POSTURES and _relation_at(" ".join(words[index + 1 :])):
            return index
        if _relation_at(rest) or word in _UNSUPPORTED or _at_view(rest):
            return index - 1 if index > 1 and before in _SUPERLATIVES else index
        if word in _ORDINALS and _FROM_SIDE.match(" ".join(words[index + 1 :])):
            return index
        if word in _SUPERLATIVES and any(canonical(" ".join(words[i:index])) for i in range(index)):
            return index
    return len(words)


def _at_view(rest: str) -> int:
    """Length of the words at the start of ``rest`` that mean "in view", 0 when there are none."""
    found = _IN_VIEW.match(rest)
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
            elif word in ("and", ",") or word in _HARMLESS:
                continue
            elif word in ("other", "another"):
                self.other = True
            elif word in COLOUR_OF:
                if self.colour and COLOUR_OF[word] != self.colour:
                    self.extra.append(word)
                self.colour = self.colour or COLOUR_OF[word]
            elif word in _SUPERLATIVES or word in _COMPARING:
                self._choose(word)
            elif word in _ORDINALS and not self.rank:
                self.rank, self.rank_word = _ORDINALS[word], word
            elif word in _CARDINALS or word in ("2", "3", "4", "5"):
                self.count = _CARDINALS.get(word) or int(word)
            else:
                self.noun.append(word)

    def _choose(self, word: str) -> None:
        if self.choice is not None:
            self.extra.append(word)  # "the small left box": one choice at a time
            return
        sure = word in _SUPERLATIVES
        quantity, greatest = (_SUPERLATIVES if sure else _COMPARING)[word]
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
        if (opened := _RELATIVE.match(self.rest)) is not None:
            after = re.sub(r"^(?:the|most)\b ?", "", self.rest[opened.end() :].strip())
            if after:
                self.rest = after
            return bool(after)
        if first in _POSTURES and following and not _relation_at(self.rest):
            self.rest = following
            return True
        if first in _ORDINALS and not self.rank and _FROM_SIDE.match(following):
            self.rank, self.rank_word, self.rest = _ORDINALS[first], first, following
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
    side = _FROM_SIDE.match(rest)
    if side is not None and rank_word:
        words = f"{rank_word} from the {side[1]}"
        return Choice(words, "bearing", side[1] == "right"), side.end()
    for pattern, quantity, greatest in _AFTER:
        found = pattern.fullmatch(rest)
        if found is not None:
            return Choice(rest, quantity, greatest, comparing=quantity != "bearing"), len(rest)
    first = rest.partition(" ")[0]
    if first in _SUPERLATIVES and first == rest:
        return Choice(rest, *_SUPERLATIVES[first]), len(rest)
    nearest = _SUPERLATIVE_AFTER.match(rest)
    if nearest is None:
        return None, 0
    tail = rest[nearest.end() :].strip()
    anchor = None if not tail or _SELF.fullmatch(tail) else _parse(tail)
    greatest = nearest["word"].startswith(("far", "fur"))
    return Choice(rest, "distance", greatest, anchor=anchor), len(rest)


def _relation(preposition: str, tail: str) -> Relation | None:
    """Build a relation; None when nothing follows the preposition that it could refer to."""
    name = RELATIONS[preposition]
    if not tail or _LENGTH.match(tail):
        return None  # "within 2 metres" is no place that a thing is in
    if _SELF.fullmatch(tail):
        return Relation(name, preposition)
    if name != "between":
        return Relation(name, preposition, (_parse(tail),))
    first, found, second = tail.partition(" and ")
    if not found:
        return None
    return Relation(name, preposition, (_parse(first), _parse(second)))
