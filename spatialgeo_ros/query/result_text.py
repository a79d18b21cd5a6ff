# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The sentence of a typed result: what a person reads, with every number that the fields hold."""

from __future__ import annotations

import math
from collections.abc import Sequence

from spatialgeo_ros.query.program import QuantityName, Unit
from spatialgeo_ros.query.units import spoken, spoken_sigma

#: Objects that a sentence lists; the result's ``objects`` has all.
MOST_LISTED = 20

_OF_ONE: dict[QuantityName, str] = {
    "width": "{a} is {v} wide.",
    "depth": "{a} is {v} deep.",
    "height": "{a} is {v} tall.",
    "length": "{a} is {v} long.",
    "volume": "{a} has a volume of {v}.",
    "area": "{a} covers {v} of the floor.",
    "bottom": "The bottom of {a} is {v} above the floor.",
    "top": "The top of {a} is {v} above the floor.",
    "clearance": "There is {v} of free height under {a}.",
    "first_seen": "I first saw {a} {v} after the start.",
    "last_seen": "I last saw {a} {v} after the start.",
    "unseen_for": "I last saw {a} {v} ago.",
    "order_seen": "I first saw {a} {v} s after the start.",
    "bearing": "{a} is at {v} (0° is straight ahead, left is positive).",
    "distance": "{a} is {v} away.",
    "gap": "The gap from here to {a} is {v}.",
    "passage": "From here to {a} there is {v} of free floor.",
    "horizontal": "{a} is {v} away along the floor.",
    "vertical": "{a} is {v} above or below me.",
    "higher_by": "{a} is {v} {higher} than my camera.",
    "drive": "It is {v} to drive to {a}.",
}
_OF_TWO: dict[QuantityName, str] = {
    "distance": "{a} and {b} are {v} apart.",
    "gap": "The gap between {a} and {b} is {v}.",
    "passage": "The passage between {a} and {b} is {v} wide.",
    "horizontal": "{a} and {b} are {v} apart along the floor.",
    "vertical": "{a} and {b} are {v} apart in height.",
    "higher_by": "{a} is {v} {higher} than {b}.",
    "drive": "It is {v} to drive from {a} to {b}.",
}
_OF_ROOM: dict[tuple[str, QuantityName], str] = {
    ("the room", "area"): "The room has {v} of floor.",
    ("the room", "height"): "The room is {v} high.",
    ("the ceiling", "height"): "The ceiling is {v} above the floor.",
    ("the wall", "height"): "The walls are {v} high.",
    ("my camera", "bottom"): "My camera is {v} above the floor.",
    ("my camera", "top"): "My camera is {v} above the floor.",
    ("my camera", "height"): "My camera is {v} above the floor.",
}


def value_text(values: Sequence[float], std_devs: Sequence[float], unit: Unit) -> str:
    """Return numbers with unit and standard deviations: "1.48 m ± 0.05 m"."""
    parts = [
        spoken(value, unit) + spoken_sigma(sigma, unit)
        for value, sigma in zip(values, std_devs, strict=True)
    ]
    return " x ".join(parts)


def quantity_sentence(name: QuantityName, names: Sequence[str], value: float, shown: str) -> str:
    """Return the sentence for a quantity of one or two places.

    Args:
        name: of the quantity.
        names: of what was measured, with article; one name for what is measured from the viewer.
        value: for the words that depend on its sign.
        shown: the value as it is written.
    """
    higher = "higher" if value >= 0 else "lower"
    if name == "higher_by":
        shown = shown.removeprefix("-")
    pattern = _OF_ROOM.get((names[0], name), "") if len(names) == 1 else ""
    pattern = pattern or (_OF_TWO if len(names) == 2 else _OF_ONE)[name]
    first, second = names[0], names[-1]
    return sentence(pattern.format(a=first, b=second, v=shown, higher=higher))


def size_sentence(name: str, values: Sequence[float], std_devs: Sequence[float], unit: Unit) -> str:
    """Return the sentence for width, depth and height (of a room without ceiling the first two)."""
    words = ("wide", "deep", "tall")
    parts = [
        f"{spoken(value, unit)}{spoken_sigma(sigma, unit)} {word}"
        for value, sigma, word in zip(values, std_devs, words, strict=False)
    ]
    return sentence(f"{name} is {listed(parts)}.")


def listed(words: Sequence[str], joint: str = "and") -> str:
    """Return "a, b and c"; cut after :data:`MOST_LISTED` with how many more there are."""
    shown = list(words[:MOST_LISTED])
    if len(words) > MOST_LISTED:
        shown.append(f"{len(words) - MOST_LISTED} more")
    if len(shown) < 2:
        return "".join(shown)
    return f"{', '.join(shown[:-1])} {joint} {shown[-1]}"


def sentence(text: str) -> str:
    """Return a text with a capital first letter."""
    return text[:1].upper() + text[1:]


def yes_no(holds: bool, probability: float) -> str:
    """Return "Yes." or "No.", with the probability where it is not nearly sure."""
    word = "Yes" if holds else "No"
    if math.isfinite(probability) and probability < 0.995:
        return f"{word} (probability {probability:.2f})."
    return f"{word}."


def direction_words(degrees: float) -> str:
    """Return an angle in words: "33° to the left"."""
    whole = round(abs(degrees))
    if whole == 0:
        return "straight ahead"
    return f"{whole}° to the {'left' if degrees > 0 else 'right'}"


def age_words(seconds: float) -> str:
    """Return a time span: "12 s", "3 min 20 s", "2 h 5 min"."""
    whole = round(max(seconds, 0.0))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
