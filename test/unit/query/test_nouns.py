# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Phrases taken apart, compared with labels, and colours read off pixels."""

from __future__ import annotations

import numpy as np
import pytest

from spatialgeo_ros.query.nouns import Vocabulary, colour_mask

VOCABULARY = Vocabulary(
    kinds=("sofa", "table", "chair", "shelf", "cabinet", "plant", "lamp", "door"),
    colours=("red", "orange", "yellow", "green", "blue", "purple", "white"),
)


@pytest.mark.parametrize(
    ("text", "kind", "colour"),
    [
        ("the red chair", "chair", "red"),
        ("The Blue Couch?", "sofa", "blue"),
        ("a white bookcase", "shelf", "white"),
        ("those green shelves", "shelf", "green"),
        ("the violet cupboard", "cabinet", "purple"),
        ("potted plant", "plant", ""),
        ("my dining tables", "table", ""),
        ("the red coloured door", "door", "red"),
        ("the fridge", "fridge", ""),
        ("glasses", "glass", ""),
        ("the orange", "", "orange"),
    ],
)
def test_a_phrase_is_split_into_kind_and_colour(text: str, kind: str, colour: str) -> None:
    phrase = VOCABULARY.parse(text)
    assert (phrase.kind, phrase.colour) == (kind, colour)
    assert phrase.known == (kind in VOCABULARY.kinds)


@pytest.mark.parametrize(
    ("text", "label", "score", "look"),
    [
        ("red chair", "red chair", 1.0, False),
        ("the couch", "sofa", 1.0, False),
        ("the red couch", "red sofa", 1.0, False),
        ("the red couch", "blue sofa", 0.0, False),
        ("the red couch", "sofa", 0.9, True),
        ("the sofa", "blue sofa", 0.9, False),
        ("the tv", "tvmonitor", 1.0, False),
        ("the table", "chair", 0.0, False),
        ("the fridge", "fridge", 1.0, False),
        ("the", "", 0.0, False),
    ],
)
def test_labels_are_compared_through_synonyms(
    text: str, label: str, score: float, look: bool
) -> None:
    assert VOCABULARY.agreement(VOCABULARY.parse(text), label) == (score, look)


def test_a_kind_without_colour_means_every_colour_of_it() -> None:
    phrase = VOCABULARY.parse("the chair")
    assert len(VOCABULARY.matching(phrase)) == 7


def test_a_synonym_with_a_colour_means_one_name() -> None:
    assert VOCABULARY.matching(VOCABULARY.parse("red couch")) == ("red sofa",)


def test_unknown_kinds_match_no_name() -> None:
    assert VOCABULARY.matching(VOCABULARY.parse("the fridge")) == ()


@pytest.mark.parametrize(
    ("rgb", "colour"),
    [
        ((204, 31, 31), "red"),
        ((237, 128, 20), "orange"),
        ((230, 204, 31), "yellow"),
        ((33, 140, 51), "green"),
        ((31, 71, 191), "blue"),
        ((128, 46, 158), "purple"),
        ((235, 235, 230), "white"),
        ((20, 20, 22), "black"),
        ((110, 110, 112), "grey"),
        ((115, 77, 46), "brown"),
        ((230, 90, 160), "pink"),
    ],
)
def test_colours_are_named_as_a_person_would(rgb: tuple[int, int, int], colour: str) -> None:
    lit = np.array([rgb], np.float32) * np.array([[1.0], [0.85]])  # as lit, and in light shade
    assert colour_mask(lit.astype(np.uint8), colour).all()
    chromatic = {"red", "yellow", "green", "blue", "purple"} - {colour}
    assert not any(colour_mask(lit.astype(np.uint8), other).any() for other in chromatic)
