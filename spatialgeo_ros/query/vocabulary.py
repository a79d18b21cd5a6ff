# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a profile's network can name, and whether a phrase and a label mean the same thing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from spatialgeo_ros.query.nouns import canonical, is_a, label_words, without_counter
from spatialgeo_ros.query.phrases import NounPhrase, parse_label, parse_phrase


class Vocabulary:
    """The kinds and colours a profile's network was trained with.

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
        #: The profile's own word by canonical kind: "couch" in a profile that says so for sofas.
        self._own = {parse_label(kind).kind: kind for kind in self.kinds}

    def parse(self, phrase: str) -> NounPhrase:
        """Take a noun phrase apart; nouns that the table does not have are kept as they are."""
        return self._named(parse_phrase(phrase))

    def _named(self, phrase: NounPhrase) -> NounPhrase:
        kind = self._own.get(phrase.kind, phrase.kind)
        return replace(phrase, kind=kind, known=kind in self.kinds)

    def names(self) -> tuple[str, ...]:
        """Every name the network can tell apart: colour x kind, plain kinds without colour."""
        names: list[str] = []
        for kind in self.kinds:
            plain = kind in self.plain_kinds or not self.colours
            names.extend([kind] if plain else [f"{colour} {kind}" for colour in self.colours])
        return tuple(names)

    def matching(self, phrase: NounPhrase) -> tuple[str, ...]:
        """Names of the vocabulary the phrase may mean ("chair" means a chair of any colour)."""
        if phrase.kind not in self.kinds:
            return ()
        if phrase.kind in self.plain_kinds or not self.colours:
            return (phrase.kind,)
        if phrase.colour:
            return (phrase.name,) if phrase.colour in self.colours else ()
        return tuple(f"{colour} {phrase.kind}" for colour in self.colours)

    def agreement(self, phrase: NounPhrase, label: str) -> tuple[float, bool]:
        """Compare a phrase with a detector's label.

        The kinds have to be the same, or the label's one of the phrase's: "table" fits the label
        "dining table", "lamp" does not fit "traffic light". A phrase that says what cannot be
        checked ("wobbly chair", "chair 12") only fits a label that says the same.

        Returns:
            (score in [0, 1], whether the colour still has to be looked up in the image).
        """
        if not phrase.text or not label:
            return 0.0, False
        said = label_words(label)
        if phrase.text in (said, without_counter(said)):
            return 1.0, False
        other = self._named(parse_label(label))
        if phrase.unknown and other.noun != phrase.noun:
            return 0.0, False
        mine, theirs = (canonical(kind) or kind for kind in (phrase.kind, other.kind))
        if not phrase.kind or not is_a(theirs, mine):
            return 0.0, False
        if phrase.colour and other.colour:
            return (1.0, False) if phrase.colour == other.colour else (0.0, False)
        if phrase.colour:
            return 0.9, True
        return (0.9 if other.colour else 1.0), False
