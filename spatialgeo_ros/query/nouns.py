# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which words name the same kind of thing, by the table of :mod:`spatialgeo_ros.query.noun_table`.

People, detectors and networks use different words for one thing (couch, settee, sofa). Whoever
compares words goes through here. A noun that is not in the table is a kind of its own: "pool
noodle" is no noodle. Words are never taken off the front of a noun to make it fit: a traffic light
is no lamp, a toilet seat no chair.
"""

from __future__ import annotations

import functools
import re

from spatialgeo_ros.query.noun_table import MOVING_KINDS, NOUN_TABLE

_IRREGULAR = {
    "people": "person",
    "persons": "person",
    "men": "man",
    "women": "woman",
    "children": "child",
    "gentlemen": "gentleman",
    "ladies": "lady",
    "mice": "mouse",
    "geese": "goose",
    "teeth": "tooth",
    "feet": "foot",
    "oxen": "ox",
    "buses": "bus",
    "busses": "bus",
    "shelves": "shelf",
    "bookshelves": "bookshelf",
    "knives": "knife",
    "scarves": "scarf",
    "leaves": "leaf",
    "loaves": "loaf",
    "halves": "half",
    "wolves": "wolf",
}

_PLURALS = (  # regular plural endings and what to try in their place, in this order
    ("ies", ("y", "ie")),
    ("ches", ("ch", "che")),
    ("shes", ("sh",)),
    ("xes", ("x",)),
    ("sses", ("ss",)),
    ("zes", ("ze", "z")),
    ("oes", ("o", "oe")),
    ("ses", ("se", "s")),
    ("s", ("",)),
)
_NO_PLURAL = ("ss", "us", "is")


@functools.cache
def _tables() -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """Kind by word, and wider kinds by kind."""
    kinds: dict[str, str] = {}
    wider: dict[str, tuple[str, ...]] = {}
    for line in NOUN_TABLE.splitlines():
        if not line.strip():
            continue
        head, _, words = line.partition(":")
        kind, _, parents = (part.strip() for part in head.partition("<"))
        wider[kind] = tuple(parent.strip() for parent in parents.split(",") if parent.strip())
        for word in (kind, *(word.strip() for word in words.split(",") if word.strip())):
            if word in kinds:
                raise ValueError(f"'{word}' is in the noun table twice: {kinds[word]} and {kind}")
            kinds[word] = kind
    return kinds, wider


def kinds() -> tuple[str, ...]:
    """Return every canonical kind of the table, in its order."""
    return tuple(_tables()[1])


def names() -> tuple[str, ...]:
    """Return every noun of the table, synonyms too."""
    return tuple(_tables()[0])


def singular(word: str) -> str:
    """Undo an English plural of one word ("shelves" -> "shelf", "boxes" -> "box")."""
    known = _tables()[0]
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) < 4 and word not in ("tvs", "pcs"):
        return word
    guesses = [
        word[: -len(ending)] + other
        for ending, others in _PLURALS
        if word.endswith(ending)
        for other in others
        if not word.endswith(_NO_PLURAL) or word[: -len(ending)] + other in known
    ]
    for guess in guesses:
        if guess in known:
            return guess
    return guesses[0] if guesses else word


def canonical(noun: str) -> str:
    """Return the kind that a noun names, or "" when the table does not have it.

    Args:
        noun: lower-case words without article, colour or counter; singular or plural.
    """
    known = _tables()[0]
    if noun in known:
        return known[noun]
    words = noun.split()
    if not words:
        return ""
    return known.get(" ".join((*words[:-1], singular(words[-1]))), "")


def plural(noun: str) -> str:
    """Return the plural of a canonical noun ("shelf" -> "shelves")."""
    *front, word = noun.split() or [""]
    several = next((many for many, one in _IRREGULAR.items() if one == word), "")
    if not several:
        ends = word.endswith(("s", "x", "ch", "sh"))
        several = word + ("" if is_plural_only(word) else "es" if ends else "s")
        if word.endswith("y") and word[-2:-1] not in "aeiou":
            several = word[:-1] + "ies"
    return " ".join((*front, several))


def is_plural_only(noun: str) -> bool:
    """Tell whether the table has a noun that looks like a plural ("scissors", "clothes")."""
    return noun in _tables()[1] and noun.endswith("s") and not noun.endswith(_NO_PLURAL)


def is_a(kind: str, wanted: str) -> bool:
    """Tell whether a thing of ``kind`` is one of ``wanted``: the same kind or a narrower one."""
    if kind == wanted:
        return True
    return any(is_a(parent, wanted) for parent in _tables()[1].get(kind, ()))


def wider_kinds(kind: str) -> tuple[str, ...]:
    """Return the kinds that ``kind`` is one of, nearest first, without itself."""
    parents = _tables()[1].get(kind, ())
    return tuple(dict.fromkeys((*parents, *(up for one in parents for up in wider_kinds(one)))))


def goes_about(kind: str) -> bool:
    """Tell whether things of a kind go about by themselves: people, animals, robots."""
    return any(is_a(kind, one) for one in MOVING_KINDS)


def relatedness(kind: str, other: str) -> float:
    """How likely detectors say both kinds of one thing, 0 to 1.

    1 for one kind, less where one is a narrower kind of the other, less again where both are
    narrower kinds of a third (an office chair, a dining chair), 0 for different things.
    """
    if kind == other:
        return 1.0
    if is_a(kind, other) or is_a(other, kind):
        return 0.9
    return 0.6 if set(wider_kinds(kind)) & set(wider_kinds(other)) else 0.0


def label_words(label: str) -> str:
    """Return a detector's label as lower-case words: "Dining_Table 3" -> "dining table 3"."""
    text = label.strip()
    if re.fullmatch(r"[A-Za-z]?[a-z]{2,}(?:[A-Z][a-z]+)+", text):
        text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    return " ".join(re.sub(r"[^\w.']+|_", " ", text.lower()).split())


def without_counter(words: str) -> str:
    """Drop what numbers an instance or states a score: "chair 12", "chair3", "62 couch"."""
    bare = re.sub(r"^(?:\d+(?:\.\d+)?\s+)+", "", words)
    bare = re.sub(r"(?:\s+(?:id\s*)?\d+(?:\.\d+)?)+$", "", bare)
    bare = re.sub(r"(?<=[a-z]{3})\d+$", "", bare)
    return bare or words
