# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A question as a row of words: lower case, contractions written out, typing errors mended."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable

#: Between clauses, and between parts of a clause.
STOP, COMMA = ";", ","

_CONTRACTIONS = (
    (r"\bo\s*['’]?\s*clock\b", "oclock"),
    (r"\b(?:wats|whats)\b|\bwhat's\b", "what is"),
    (r"\bwheres\b", "where is"),
    (
        r"\b(where|how|who|which|it|that|there|he|she|everything|one|far|tall|wide|high|colour|color)'s\b",
        r"\1 is",
    ),
    (r"\b(?:i'm|im)\b", "i am"),
    (r"\b(you|they|we)'re\b", r"\1 are"),
    (r"\b(i|you|we|they)'d\b", r"\1 would"),
    (r"\b(i|you|we|they)'ve\b", r"\1 have"),
    (r"\b(i|you|we|they|it)'ll\b", r"\1 will"),
    (r"\blet's\b", "let us"),
    (r"\bcan'?t\b|\bcannot\b", "can not"),
    (r"\bwon't\b", "will not"),
    (r"\b(is|are|was|were|does|do|did|could|would|has|have)n'?t\b", r"\1 not"),
    (r"'s\b", " _s"),
    (r"s'(?=\s)", "s _s"),
)
#: Errors in words too short for comparing letters, and shorthand.
_SHORTHAND = {
    **dict.fromkeys(("hwo", "hw", "ho"), "how"),
    **dict.fromkeys(("wich", "whch", "whcih"), "which"),
    **dict.fromkeys(("waht", "wat", "whta"), "what"),
    **dict.fromkeys(("teh", "tha", "hte", "th"), "the"),
    **dict.fromkeys(("fro", "frm"), "from"),
    **dict.fromkeys(("si", "iz"), "is"),
    **dict.fromkeys(("pls", "plz"), "please"),
    **dict.fromkeys(("adn", "nad", "an'", "&"), "and"),
    "ar": "are",
    "u": "you",
    "ur": "your",
    "r": "are",
    "dist": "distance",
    "tehre": "there",
    "abt": "about",
    "betw": "between",
    "btw": "between",
    "vs": "or",
    "versus": "or",
    "centre": "center",
}
_UNIT_AFTER_NUMBER = re.compile(
    r"(?<![a-z])(\d+(?:\.\d+)?)(?!st\b|nd\b|rd\b|th\b)\s*-?\s*([a-z]+²?³?|°|''|'|\"|”|%)"
)
_SIGNS = {"'": "ft", "''": "in", '"': "in", "”": "in", "°": "degrees", "%": "percent"}


#: "1/2", "1 1/2", "1½"
_FRACTION = re.compile(r"(?:(\d+)(?:\s+|(?=[½¼¾])))?(?:(\d+)\s*/\s*(\d+)(?=\s*[a-z])|([½¼¾]))")
_SIGNS_OF_PARTS = {"½": 0.5, "¼": 0.25, "¾": 0.75}


def _decimal(match: re.Match[str]) -> str:
    """Write a fraction as a decimal number; what is divided by zero stays."""
    whole, above, below, sign = match.groups()
    if sign is None and not int(below):
        return match[0]
    part = _SIGNS_OF_PARTS[sign] if sign else int(above) / int(below)
    return f"{int(whole or 0) + part:.6g}"


def tokenise(question: str) -> list[str]:
    """Return the words of a question; commas and ends of clauses are tokens of their own.

    Args:
        question: as it was typed.
    """
    text = question.lower().replace("’", "'").replace("`", "'").replace("“", '"').strip()
    numbers = itertools.count()
    text = re.sub(r"<(?:region|mask)>|\[mask\]", lambda _: f" region {next(numbers)} ", text)
    text = text.replace("<image>", " ")
    text = re.sub(r"\b(?:region|box|object)\s*(?:\[\s*(\d+)\s*\]|#\s*(\d+))", r"region \1\2", text)
    text = re.sub(r"\(e?s\)", "", text)  # chair(s)
    text = text.replace("->", " - ")
    text = re.sub(r"\bany (idea|guess|clue)\b", r"\1", text)
    text = re.sub(r"\s&\s", " and ", text)
    text = _FRACTION.sub(_decimal, text)
    text = re.sub(r"\bhalf (?:a|of a) dozen\b|\bhalf dozen\b", "6", text)
    text = re.sub(r"\b(?:a|one) dozen\b", "12", text)
    text = re.sub(r"\btwo dozen\b", "24", text)
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    text = re.sub(r"(?<=\d),(?=\d)", ".", text)
    text = re.sub(r"\bsq(?:\.|uare)?\s+(?=m|f|c|k)", "square ", text)
    for pattern, replacement in _CONTRACTIONS:
        text = re.sub(pattern, replacement, text)
    text = _UNIT_AFTER_NUMBER.sub(lambda m: f" {m[1]} {_SIGNS.get(m[2], m[2])} ", text)
    text = re.sub(r"(?<=[a-z])'(?=\s|$)|(?<=\s)'|\"", " ", text)
    text = re.sub(r"(?<!\d)\.(?=\d)", " 0.", text)
    text = re.sub(r"\.(?!\d)|[?!;\n]+", f" {STOP} ", text)
    text = re.sub(r"\s-+\s|--+|[:,()/\[\]]|–|—", f" {COMMA} ", text)
    text = re.sub(r"(?<![\d-])-(?=[a-z])", " ", text)
    text = re.sub(r"[^\w\s,;'.²³°-]", " ", text)
    words = [_SHORTHAND.get(word, word) for word in text.split() if word.strip("'-.")]
    return _tidy(words)


def _tidy(words: Iterable[str]) -> list[str]:
    """Keep one separator of several, the stronger one, and none at the ends."""
    tidy: list[str] = []
    for word in words:
        if word in (STOP, COMMA) and (not tidy or tidy[-1] in (STOP, COMMA)):
            if tidy and word == STOP:
                tidy[-1] = STOP
            continue
        tidy.append(word)
    while tidy and tidy[-1] in (STOP, COMMA):
        tidy.pop()
    return tidy


class Speller:
    """Mends typing errors towards the words that a question may hold.

    Args:
        words: every word of the grammar and the nouns.
        right: words that are right, but not what others are mended to.
    """

    def __init__(self, words: Collection[str], right: Collection[str] = ()) -> None:
        self._words = frozenset(words)
        self._right = self._words | frozenset(right)
        self._by_length: dict[int, list[str]] = {}
        for word in sorted(self._words):
            self._by_length.setdefault(len(word), []).append(word)
        self._mended: dict[str, str] = {}

    def mend(self, word: str, more: Collection[str] = ()) -> str:
        """Return the known word that ``word`` is a typing error of, or ``word`` itself.

        One letter too many, too few, wrong, or two neighbours swapped; in words of nine letters
        and more twice. In words of four letters only two swapped or one missing, in shorter
        ones nothing.

        Args:
            word: as typed, in lower case.
            more: further known words, for example of the labels in the map.
        """
        if len(word) < 4 or not word.isalpha() or word in self._right or word in more:
            return word
        if word in self._mended:
            return self._mended[word]
        if len(word) == 4:  # too many words differ in one of four letters
            swapped = [known for known in self._by_length[4] if sorted(known) == sorted(word)]
            if not swapped:
                return self._with_a_letter(word)
            near = len(swapped) == 1 and edit_distance(word, swapped[0], 1) == 1
            return swapped[0] if near else word
        most = 2 if len(word) >= 9 else 1
        best: list[str] = []
        for length in range(len(word) - most, len(word) + most + 1):
            for known in self._by_length.get(length, ()):
                if length < 4 or (known[0] != word[0] and sorted(known) != sorted(word)):
                    continue
                distance = edit_distance(word, known, most)
                if distance == 2 and known[-1] != word[-1]:
                    continue
                if distance < most or (distance == most and not best):
                    if distance < most:
                        best, most = [], distance
                    best.append(known)
                elif distance == most:
                    best.append(known)
        fits = best[0] if len(best) == 1 else _likeliest(word, best)
        if fits == word:
            labels = [known for known in sorted(more) if edit_distance(word, known, 1) == 1]
            return labels[0] if len(labels) == 1 and len(labels[0]) > 3 else word
        self._mended[word] = fits
        return fits

    def _with_a_letter(self, word: str) -> str:
        """Return the known word that ``word`` of four letters lacks one letter of, else itself."""
        longer = [
            known
            for known in self._by_length.get(5, ())
            if known[0] == word[0] and edit_distance(word, known, 1) == 1
        ]
        return longer[0] if len(longer) == 1 else word


def _likeliest(word: str, candidates: list[str]) -> str:
    """Of several known words take the one with the same letters (swapped), else none."""
    same = [known for known in candidates if sorted(known) == sorted(word)]
    if len(same) == 1:
        return same[0]
    longer = [known for known in candidates if len(known) == len(word) + 1]
    return longer[0] if len(longer) == 1 and not same else word


def edit_distance(a: str, b: str, most: int) -> int:
    """Return how many letters to insert, delete, replace or swap; ``most`` + 1 at most.

    The optimal string alignment distance (Damerau 1964).
    """
    if abs(len(a) - len(b)) > most:
        return most + 1
    before: list[int] = []
    last: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, last, row = last, row, [i]
        for j, y in enumerate(b, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
    return min(row[-1], most + 1)
