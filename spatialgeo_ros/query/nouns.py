# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Names of things: splits a noun phrase into kind and colour, and compares it with labels.

People, detectors and the network use different words for one thing (couch, sofa). Every comparison
here goes through one table of synonyms, so that "the red couch" finds the label "sofa".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

#: Other words for a kind. Detectors trained on COCO say "couch", "dining table", "potted plant".
SYNONYMS: dict[str, tuple[str, ...]] = {
    "sofa": ("couch", "settee", "loveseat"),
    "table": ("desk", "dining table", "coffee table", "diningtable", "tabletop"),
    "chair": ("seat", "armchair", "stool"),
    "shelf": ("bookshelf", "bookcase", "shelves", "bookshelves", "shelving", "rack"),
    "cabinet": ("cupboard", "sideboard", "dresser", "drawers", "chest of drawers"),
    "plant": ("potted plant", "pottedplant", "house plant", "houseplant", "flower"),
    "lamp": ("floor lamp", "light", "standing lamp"),
    "door": ("doorway",),
    "television": ("tv", "tv monitor", "tvmonitor", "monitor", "screen"),
    "person": ("human", "man", "woman", "somebody", "someone"),
}

#: Colours a phrase may name, with the words that mean the same.
COLOUR_WORDS: dict[str, tuple[str, ...]] = {
    "red": ("crimson", "scarlet"),
    "orange": (),
    "yellow": ("golden",),
    "green": (),
    "blue": ("navy",),
    "purple": ("violet", "lilac"),
    "white": (),
    "black": (),
    "grey": ("gray", "silver"),
    "brown": ("wooden", "beige"),
    "pink": (),
}

#: Hue intervals in degrees of the chromatic colours (HSV; red wraps around).
_HUES: dict[str, tuple[float, float]] = {
    "red": (-14, 14),
    "orange": (14, 42),
    "yellow": (42, 70),
    "green": (70, 170),
    "blue": (170, 258),
    "purple": (258, 310),
    "pink": (310, 346),
}

_FILLER = re.compile(
    r"^(?:the|a|an|this|that|these|those|my|our|your|its|some|any|nearest|closest|big|small|large|"
    r"little|tall|short|wide|thin|object|thing|region)\b\s*"
)


@dataclass(frozen=True)
class Phrase:
    """A noun phrase taken apart.

    Attributes:
        text: the phrase without article, lower case ("red couch").
        kind: canonical noun ("sofa"), or the noun itself when it has no entry in the tables.
        colour: canonical colour, or "" when none is named.
        known: whether the kind is one the vocabulary has.
    """

    text: str
    kind: str
    colour: str
    known: bool

    @property
    def name(self) -> str:
        """Colour and canonical kind, the form the network was trained with ("red sofa")."""
        return f"{self.colour} {self.kind}".strip()


def _singular(word: str) -> str:
    """Undo a regular English plural ("shelves" -> "shelf", "tables" -> "table")."""
    if word.endswith("shelves"):
        return word[:-3] + "f"
    if word.endswith(("sses", "ches", "xes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us")) and len(word) > 3:
        return word[:-1]
    return word


class Vocabulary:
    """The kinds and colours a profile's network was trained with, plus their synonyms.

    Args:
        kinds: canonical kinds of the profile ("sofa", ...); may be empty.
        colours: colours of the profile; may be empty.
        plain_kinds: kinds the profile never names with a colour ("plant").
    """

    def __init__(
        self,
        kinds: Iterable[str] = (),
        colours: Iterable[str] = (),
        plain_kinds: Iterable[str] = ("plant",),
    ) -> None:
        self.kinds = tuple(kinds)
        self.colours = tuple(colours)
        self.plain_kinds = tuple(plain_kinds)
        self._kind_of: dict[str, str] = {}
        for kind in (*SYNONYMS, *self.kinds):
            for word in (kind, *SYNONYMS.get(kind, ())):
                self._kind_of.setdefault(word, kind)
        for kind in self.kinds:  # a kind of the profile is never a synonym of something else
            self._kind_of[kind] = kind
        self._colour_of = {
            word: colour for colour, words in COLOUR_WORDS.items() for word in (colour, *words)
        }

    def parse(self, phrase: str) -> Phrase:
        """Take a noun phrase apart; unknown nouns are kept as they are."""
        text = re.sub(r"[^\w\s-]", " ", phrase.lower())
        text = re.sub(r"\s+", " ", text).strip()
        while (stripped := _FILLER.sub("", text, count=1)) != text:
            text = stripped
        colour = ""
        words = []
        for word in text.split():
            if not colour and word in self._colour_of:
                colour = self._colour_of[word]
            elif word not in ("coloured", "colored"):
                words.append(word)
        noun = " ".join(words)
        return Phrase(text, self._kind(noun), colour, self._kind(noun) in self.kinds)

    def _kind(self, noun: str) -> str:
        words = noun.split()
        # The longest tail decides: "dining table" before "table", "green potted plant" -> plant.
        for start in range(len(words)):
            tail = " ".join(words[start:])
            for form in (tail, " ".join((*words[start:-1], _singular(words[-1])))):
                if form in self._kind_of:
                    return self._kind_of[form]
        return " ".join((*words[:-1], _singular(words[-1]))) if words else ""

    def names(self) -> tuple[str, ...]:
        """Every name the network can tell apart: colour x kind, plain kinds without colour."""
        names: list[str] = []
        for kind in self.kinds:
            plain = kind in self.plain_kinds or not self.colours
            names.extend([kind] if plain else [f"{colour} {kind}" for colour in self.colours])
        return tuple(names)

    def matching(self, phrase: Phrase) -> tuple[str, ...]:
        """Names of the vocabulary the phrase may mean ("chair" means a chair of any colour)."""
        if phrase.kind not in self.kinds:
            return ()
        if phrase.kind in self.plain_kinds or not self.colours:
            return (phrase.kind,)
        if phrase.colour:
            return (phrase.name,)
        return tuple(f"{colour} {phrase.kind}" for colour in self.colours)

    def agreement(self, phrase: Phrase, label: str) -> tuple[float, bool]:
        """Compare a phrase with a detector's label.

        Returns:
            (score in [0, 1], whether the colour still has to be looked up in the image).
        """
        if not phrase.text:
            return 0.0, False
        other = self.parse(label)
        if other.text == phrase.text:
            return 1.0, False
        if not other.kind or other.kind != phrase.kind:
            return 0.0, False
        if phrase.colour and other.colour:
            return (1.0, False) if phrase.colour == other.colour else (0.0, False)
        if phrase.colour:
            return 0.9, True
        return (0.9 if other.colour else 1.0), False


def colour_mask(pixels: np.ndarray, colour: str) -> np.ndarray:
    """Tell which RGB pixels a person would call ``colour``.

    Args:
        pixels: [N, 3] uint8 RGB.
        colour: a key of :data:`COLOUR_WORDS`; any other name matches nothing.

    Returns:
        [N] bool.
    """
    rgb = pixels.reshape(-1, 3).astype(np.float32) / 255.0
    high, low = rgb.max(axis=1), rgb.min(axis=1)
    chroma = high - low
    saturation = chroma / np.maximum(high, 1e-6)
    safe = np.maximum(chroma, 1e-6)
    red, green, blue = rgb.T
    hue = np.where(
        high == red,
        (green - blue) / safe,
        np.where(high == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    hue = (hue * 60.0) % 360.0
    chromatic = (saturation > 0.3) & (high > 0.12)
    if colour in _HUES:
        first, last = _HUES[colour]
        return chromatic & ((hue - first) % 360.0 <= last - first)
    if colour == "brown":
        return chromatic & ((hue - 8) % 360.0 <= 37) & (high <= 0.6)
    if colour == "white":
        return (saturation < 0.2) & (high > 0.55)
    if colour == "grey":
        return (saturation < 0.2) & (high > 0.2) & (high <= 0.75)
    if colour == "black":
        return high < 0.25
    return np.zeros(len(rgb), bool)
