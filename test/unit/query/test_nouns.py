# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The noun table: kinds, synonyms, plurals."""

from __future__ import annotations

import pytest

from spatialgeo_ros.geometry.sizes import TYPICAL_SIZES
from spatialgeo_ros.query.materials import material_of
from spatialgeo_ros.query.noun_table import MOVING_KINDS
from spatialgeo_ros.query.nouns import (
    canonical,
    goes_about,
    is_a,
    kinds,
    plural,
    singular,
    wider_kinds,
)
from spatialgeo_ros.query.vocabulary import Vocabulary

VOCABULARY = Vocabulary(
    kinds=("sofa", "table", "chair", "shelf", "cabinet", "plant", "lamp", "door"),
    colours=("red", "orange", "yellow", "green", "blue", "purple", "white"),
)


@pytest.mark.parametrize(
    ("text", "kind", "colour"),
    [
        ("the red chair", "chair", "red"),
        ("The Blue Couch?", "sofa", "blue"),
        ("a white bookcase", "bookshelf", "white"),
        ("those green shelves", "shelf", "green"),
        ("the violet cupboard", "cabinet", "purple"),
        ("potted plant", "plant", ""),
        ("my dining tables", "dining table", ""),
        ("the red coloured door", "door", "red"),
        ("the fridge", "fridge", ""),
        ("wine glasses", "wine glass", ""),
        ("the orange", "orange", ""),
    ],
)
def test_a_phrase_is_split_into_kind_and_colour(text: str, kind: str, colour: str) -> None:
    phrase = VOCABULARY.parse(text)
    assert (phrase.kind, phrase.colour) == (kind, colour)
    assert phrase.known == (kind in VOCABULARY.kinds)


def test_every_word_of_the_table_has_one_kind_and_every_wider_kind_exists() -> None:
    for kind in kinds():
        assert canonical(kind) == kind
        if kind != "glass":  # "glasses" are worn
            assert canonical(plural(kind)) == kind, plural(kind)
        for wider in wider_kinds(kind):
            assert wider in kinds() and is_a(kind, wider) and not is_a(wider, kind)


def test_usual_sizes_are_kept_by_canonical_kinds() -> None:
    assert set(TYPICAL_SIZES) <= set(kinds())


@pytest.mark.parametrize(
    ("several", "one"),
    [
        ("people", "person"),
        ("children", "child"),
        ("bookshelves", "bookshelf"),
        ("boxes", "box"),
        ("benches", "bench"),
        ("vases", "vase"),
        ("batteries", "battery"),
        ("knives", "knife"),
        ("buses", "bus"),
        ("glass", "glass"),
        ("cactus", "cactus"),
        ("gizmos", "gizmo"),
    ],
)
def test_plurals_are_undone(several: str, one: str) -> None:
    assert singular(several) == one


@pytest.mark.parametrize(
    ("kind", "does"), [("person", True), ("boy", True), ("dog", True), ("chair", False)]
)
def test_people_and_animals_go_about_by_themselves(kind: str, does: bool) -> None:
    assert goes_about(kind) is does


def test_kinds_that_go_about_are_in_the_table() -> None:
    assert set(MOVING_KINDS) <= set(kinds())


@pytest.mark.parametrize(
    ("label", "material"),
    [("wooden box", "wood"), ("glass table", "glass"), ("wine glass", ""), ("glass", ""),
     ("big steel shelf", "metal")],
)  # fmt: skip
def test_materials_stand_before_the_noun(label: str, material: str) -> None:
    assert material_of(label) == material
