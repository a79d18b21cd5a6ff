# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a detector is asked for a noun phrase: colour and head noun, nothing else.

Detectors of open vocabularies know things and colours. "Left", "behind the sofa", "second" and
"the" mislead them (GroundingDINO#406: "cat" is found where "the cat" is not, and both lions are
boxed for "the left lion"); those words are resolved by measuring all instances.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from spatialgeo_ros.query.nouns import canonical
from spatialgeo_ros.query.phrases import NounPhrase


@dataclass(frozen=True)
class HeadPhrase:
    """The words that a detector is asked.

    Attributes:
        forms: wordings of one meaning, the one that was said first ("red couch", "red sofa").
        bare: the same without the colour and without words that cannot be checked ("couch",
            "sofa"): what else is there of the kind. Empty where ``forms`` are bare already.
    """

    forms: tuple[str, ...]
    bare: tuple[str, ...] = ()

    @property
    def every(self) -> tuple[str, ...]:
        """All wordings."""
        return (*self.forms, *self.bare)


def head_phrase(phrase: NounPhrase) -> HeadPhrase:
    """Return what a detector is asked for a phrase; no forms where it names no kind of thing."""
    if not phrase.noun:
        return HeadPhrase(())
    nouns = _same(phrase.noun)
    plain = _same(_known_part(phrase)) if phrase.unknown else nouns
    forms = tuple(f"{phrase.colour} {noun}".strip() for noun in nouns)
    return HeadPhrase(forms, tuple(noun for noun in plain if noun not in forms))


def of_question(phrases: Iterable[NounPhrase]) -> tuple[str, ...]:
    """Return every wording that resolving phrases needs: theirs, and of what they refer to."""
    wanted: dict[str, None] = {}
    pending = list(phrases)
    while pending:
        phrase = pending.pop(0)
        wanted.update(dict.fromkeys(head_phrase(phrase).every))
        for relation in phrase.relations:
            pending.extend(relation.anchors)
        if phrase.choice is not None and phrase.choice.anchor is not None:
            pending.append(phrase.choice.anchor)
    return tuple(wanted)


def _same(noun: str) -> tuple[str, ...]:
    """The noun as it was said, and the usual word for the same kind."""
    return tuple(dict.fromkeys((noun, canonical(noun) or noun)))


def _known_part(phrase: NounPhrase) -> str:
    """The noun of a phrase without words that cannot be checked: "chair" of "wobbly chair"."""
    words = phrase.noun.split()
    for start in range(1, len(words)):
        if canonical(rest := " ".join(words[start:])):
            return rest
    return phrase.noun
