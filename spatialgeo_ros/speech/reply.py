# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reads answers: the length, clock hour or choice that a text states, and whether two agree."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from spatialgeo_ros.query.families import QUALITATIVE, QUANTITATIVE
from spatialgeo_ros.query.relations import hour_difference

#: A language model's number agrees with a measured one within this share of it,
AGREE_RELATIVE = 0.25
#: or within this many standard deviations of the measurement.
AGREE_SIGMAS = 2.0
#: Directions agree within one hour of the clock.
AGREE_HOURS = 1.0

AGREE, DISAGREE, UNKNOWN = "agree", "disagree", "unknown"

_UNITS: tuple[tuple[str, float], ...] = (
    (r"millimet(?:er|re)s?|mm", 0.001),
    (r"centimet(?:er|re)s?|cms?", 0.01),
    (r"kilomet(?:er|re)s?|km", 1000.0),
    (r"met(?:er|re)s?|m", 1.0),
    (r"foots?|feets?|ft|['′]", 0.3048),
    # "in" followed by another word is the preposition ("2 in front of")
    (r"inch(?:es)?|in(?!\s+[a-z])|[\"″]|''", 0.0254),
    (r"yards?|yds?", 0.9144),
)
_UNIT = "|".join(f"(?P<u{i}>{pattern})" for i, (pattern, _) in enumerate(_UNITS))
_NUMBER = r"(?:\d+(?:\.\d+)?|\.\d+)"
_QUANTITY = re.compile(
    rf"(?<![\w.])(?:(?P<low>{_NUMBER})\s*(?:{_UNIT.replace('?P<u', '?P<low_u')})?"
    rf"\s*(?:to|-|–|—|and|or)\s*)?"
    rf"(?P<number>{_NUMBER})[\s-]*(?:{_UNIT})(?![a-z])"
)

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    " sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_WORD_VALUES: dict[str, int] = {
    **{word: value for value, word in enumerate(_ONES)},
    **{word: 10 * (index + 2) for index, word in enumerate(_TENS)},
}
_NUMBER_WORD = re.compile(
    rf"\b(?:({'|'.join(_TENS)})[\s-])?({'|'.join(sorted(_WORD_VALUES, key=len, reverse=True))})\b"
)
_FRACTIONS = {"half": 0.5, "quarter": 0.25, "third": 1 / 3}


def _digits(text: str) -> str:
    """Write number words and fractions as decimal numbers."""
    text = text.lower().replace("’", "'").replace("½", " 1/2").replace("”", '"')
    text = re.sub(r"(\d),(\d{3})(?!\d)", r"\1\2", text)
    text = re.sub(r"(\d),(\d{1,2})(?!\d)", r"\1.\2", text)
    text = _NUMBER_WORD.sub(
        lambda found: str(_WORD_VALUES.get(found[1] or "", 0) + _WORD_VALUES[found[2]]), text
    )
    text = re.sub(
        r"(?:(\d+)\s+)?\b(\d+)\s*/\s*([1-9]\d*)\b",
        lambda found: f"{int(found[1] or 0) + int(found[2]) / int(found[3]):.4f}",
        text,
    )
    fraction = "|".join(_FRACTIONS)
    text = re.sub(
        rf"\b(\d+)\s+and\s+a\s+({fraction})\b",
        lambda found: f"{int(found[1]) + _FRACTIONS[found[2]]:.4f}",
        text,
    )
    text = re.sub(
        rf"\ban?\s+(met(?:er|re)|foot|inch|yard)\s+and\s+a\s+({fraction})\b",
        lambda found: f"{1 + _FRACTIONS[found[2]]:.4f} {found[1]}",
        text,
    )
    text = re.sub(
        rf"\b(?:an?\s+)?({fraction})(?:\s+of)?(?:\s+an?)?\s+(?=met|foot|inch|yard|m\b)",
        lambda found: f"{_FRACTIONS[found[1]]:.4f} ",
        text,
    )
    return re.sub(r"\ban?\s+(?=(?:single\s+)?(?:met|foot|inch|yard))", "1 ", text)


def _factor(found: re.Match[str], prefix: str = "u") -> float | None:
    for index, (_, factor) in enumerate(_UNITS):
        if found[f"{prefix}{index}"]:
            return factor
    return None


@dataclass(frozen=True)
class StatedLength:
    """A length that a text states.

    Attributes:
        metres: the length, of a range the middle.
        is_range: whether it is one ("2 to 3 m").
    """

    metres: float
    is_range: bool


def parse_length(text: str) -> float | None:
    """Return the first length stated in ``text`` in metres; None without a number with a unit.

    Understands metres, centimetres, millimetres, feet, inches and yards, spelt out or abbreviated,
    digits or words ("five feet", "6 ft 2 in", "1 m 20 cm"); of a range the middle.
    """
    first = next(stated_lengths(text), None)
    return None if first is None else first.metres


def stated_lengths(text: str) -> Iterator[StatedLength]:
    """Yield every length that ``text`` states, in its order; see :func:`parse_length`."""
    text, start = _digits(text), 0
    while (found := _QUANTITY.search(text, start)) is not None:
        metres, start, is_range = _length_at(text, found)
        yield StatedLength(metres, is_range)


def _length_at(text: str, found: re.Match[str]) -> tuple[float, int, bool]:
    """Metres of a quantity, where its text ends, and whether it is a range."""
    factor = _factor(found) or 1.0
    value = float(found["number"]) * factor
    if found["low"] is not None:
        low_factor = _factor(found, "low_u")
        low = float(found["low"]) * (low_factor or factor)
        if low_factor is not None and factor < low_factor:
            return low + value, found.end(), False  # "5 feet and 2 inches"
        return (low + value) / 2, found.end(), True
    # "6 ft 2 in": a smaller unit right after belongs to the same length.
    following = re.compile(r"\s*,?\s*").match(text, found.end())
    rest = _QUANTITY.match(text, following.end()) if following is not None else None
    if rest is None and factor == 0.3048:
        rest_number = re.compile(r"\s*(\d+)(?!\s*[\w.])").match(text, found.end())
        if rest_number is None:
            return value, found.end(), False
        return value + float(rest_number[1]) * 0.0254, rest_number.end(), False
    if rest is not None and rest["low"] is None and (_factor(rest) or factor) < factor:
        return value + float(rest["number"]) * (_factor(rest) or 0.0), rest.end(), False
    return value, found.end(), False


def parse_hour(text: str) -> float | None:
    """Return the clock hour 1 to 12 stated in ``text``, or None."""
    text = _digits(text)
    found = re.search(r"(?<![\d.])(\d{1,2})(?:[:.](\d{2}))?\s*o\s*'?\s*-?\s*clock", text)
    if found is None:
        found = re.fullmatch(r"\W*(?:at\s+)?(\d{1,2})()\W*", text)
    if found is None or not 1 <= int(found[1]) <= 12:
        return None
    return int(found[1]) + int(found[2] or 0) / 60


def parse_yes_no(text: str) -> str | None:
    """Return "yes" or "no" from the start of an answer, or None."""
    found = re.match(
        r"\W*(?:(yes|yeah|yep|true|correct|indeed|right|that is correct|certainly)"
        r"|(no|nope|false|incorrect|not|that is not correct))\b(?!\s+(?:of|side))",
        text.lower(),
    )
    if found is None:
        return None
    return "yes" if found[1] else "no"


#: Words that state a predicate, in answers of any model.
_SAID: dict[str, str] = {
    "left": r"left|leftmost",
    "right": r"right|rightmost",
    "above": r"above|higher|over|on top",
    "below": r"below|lower|under|beneath|underneath",
    "front": r"front|ahead",
    "behind": r"behind|back",
    "bigger": r"bigger|larger|greater|big|large",
    "smaller": r"smaller|small|tinier",
    "taller": r"taller|tall|higher",
    "shorter": r"shorter|short",
    "wider": r"wider|wide|broader",
    "thinner": r"thinner|thin|narrower|slimmer",
    "closer": r"closer|closest|nearer|nearest",
    "further": r"further|farther|furthest",
}


def parse_relation(text: str, family: str, names: Sequence[str]) -> str | None:
    """Return the predicate of ``family`` that ``text`` states of the first of two objects.

    Args:
        text: an answer such as "left" or "B is shorter than A".
        family: a qualitative family.
        names: how the two objects may be called in the answer, first and second.

    Returns:
        The predicate word, or None when the text states none or both.
    """
    words, lowered = QUALITATIVE[family], text.lower()
    said = [p for p in (words.greater, words.less) if re.search(rf"\b(?:{_SAID[p]})\b", lowered)]
    if len(said) != 1:
        return None
    first, second = (_position(lowered, name) for name in names[:2])
    predicate = said[0]
    verb = re.search(rf"\b(?:{_SAID[predicate]})\b", lowered)
    subject_end = verb.start() if verb is not None else 0
    # The subject stands before the predicate: "B is shorter", but "it is behind B".
    swapped = second is not None and second < subject_end and (first is None or second < first)
    negated = re.search(r"\bnot\b|n't\b", lowered) is not None
    if swapped != negated:
        predicate = words.less if predicate == words.greater else words.greater
    return predicate


def _position(text: str, name: str) -> int | None:
    found = re.search(rf"\b{re.escape(name.lower())}\b", text) if name else None
    return None if found is None else found.start()


def parse_which(text: str, family: str, predicate: str, names: Sequence[str]) -> str | None:
    """Return which of two names answers "which is ``predicate``", or None.

    Of two names in one sentence ("B is shorter than A") the predicate stated decides.
    """
    lowered = text.lower()
    mentioned = [name for name in names if _position(lowered, name) is not None]
    if len(mentioned) == 1:
        return mentioned[0]
    relation = parse_relation(text, family, names) if mentioned else None
    if relation is None:
        return None
    return names[0] if relation == predicate else names[1]


@dataclass(frozen=True)
class Reply:
    """What an answer states.

    Attributes:
        value: metres, or hours of the clock for a direction; None when the text states none.
        choice: deciding word of a comparison ("yes", "left", one of the names); "" without one.
    """

    value: float | None = None
    choice: str = ""


def parse_reply(
    text: str, family: str, form: str = "value", predicate: str = "", names: Sequence[str] = ()
) -> Reply:
    """Read the answer to a question of a known family.

    Args:
        text: the answer.
        family: family of the question; an unknown one ("open") gives an empty reply.
        form: "value", "yes_no", "choice", "which" or "difference".
        predicate: what a yes/no or which question asked about.
        names: of the objects compared, in the order of the question.
    """
    if family in QUALITATIVE and form in ("yes_no", "choice", "which"):
        pair = (*names, "", "")[:2]
        if form == "which":
            choice = parse_which(text, family, predicate, pair)
        elif form == "choice":
            choice = parse_relation(text, family, pair)
        else:
            choice = parse_yes_no(text)
            relation = parse_relation(text, family, pair) if choice is None else None
            if relation is not None:
                choice = "yes" if relation == predicate else "no"
        return Reply(choice=choice or "")
    if family in QUANTITATIVE and QUANTITATIVE[family].unit == "o'clock":
        return Reply(value=parse_hour(text))
    if family in QUANTITATIVE or form == "difference":
        return Reply(value=parse_length(text))
    return Reply()


def values_agree(language: float | None, measured: float | None, sigma: float = 0.0) -> str:
    """Compare two lengths in metres: "agree", "disagree", or "unknown" when one is missing.

    They agree within 25 % of the measured one or two of its standard deviations, whichever is more.
    """
    if language is None or measured is None or not math.isfinite(language * measured):
        return UNKNOWN
    return AGREE if abs(language - measured) <= tolerance(measured, sigma) else DISAGREE


def tolerance(measured: float, sigma: float = 0.0) -> float:
    """Return how far a told length may be from a measured one to agree with it, metres."""
    share = AGREE_RELATIVE * abs(measured)
    return max(share, AGREE_SIGMAS * sigma) if math.isfinite(sigma) else share


def hours_agree(language: float | None, measured: float | None) -> str:
    """Compare two directions in clock hours: within one hour they agree."""
    if language is None or measured is None:
        return UNKNOWN
    return AGREE if hour_difference(language, measured) <= AGREE_HOURS else DISAGREE


def choices_agree(language: str, measured: str) -> str:
    """Compare two deciding words; an empty one means unknown."""
    if not language or not measured:
        return UNKNOWN
    return AGREE if language == measured else DISAGREE
