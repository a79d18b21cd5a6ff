# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a profile can name, and whether a phrase and a detector's label mean the same thing."""

from __future__ import annotations

import pytest

from spatialgeo_ros.query.vocabulary import Vocabulary

VOCABULARY = Vocabulary(
    kinds=("sofa", "table", "chair", "shelf", "cabinet", "plant", "lamp", "door"),
    colours=("red", "orange", "yellow", "green", "blue", "purple", "white"),
)


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
    assert all(name.endswith("chair") for name in VOCABULARY.matching(phrase))


def test_a_name_with_its_colour_matches_itself_alone() -> None:
    phrase = VOCABULARY.parse("red couch")
    assert VOCABULARY.matching(phrase) == ("red sofa",)


def test_unknown_kinds_match_no_name() -> None:
    assert VOCABULARY.matching(VOCABULARY.parse("the fridge")) == ()


def test_a_colour_that_the_profile_never_saw_matches_no_name() -> None:
    assert VOCABULARY.matching(VOCABULARY.parse("the pink chair")) == ()


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("traffic light", "traffic_light"),
        ("dining table", "Dining_Table"),
        ("dining table", "DiningTable"),
        ("potted plant", "potted-plant"),
        ("chair", "chair_3"),
        ("chair", "chair 12"),
        ("chair", "62: chair"),
        ("chair", "chair 0.87"),
        ("chair", "chair3"),
        ("tv", "TV"),
        ("person", "people"),
        ("people", "person"),
        ("children", "Child"),
        ("phone", "cell phone"),
        ("table", "dining table"),
        ("chair", "wooden chair"),
        ("chair", "Office_Chair"),
        ("shelves", "bookcase"),
        ("monitor", "tvmonitor"),
        ("chair 12", "chair_12"),
        ("wobbly chair", "wobbly chair"),
        ("wooden table", "wooden_table"),
        ("tennis table", "tennis table"),
        ("garden gnome", "Garden_Gnome"),
    ],
)
def test_labels_of_detectors_are_read(text: str, label: str) -> None:
    assert VOCABULARY.agreement(VOCABULARY.parse(text), label)[0] > 0


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("lamp", "traffic light"),
        ("light", "traffic_light"),
        ("lamp", "headlight"),
        ("lamp", "swimming pool light"),
        ("chair", "toilet seat"),
        ("seat", "toilet seat"),
        ("seat", "car seat"),
        ("chair", "wheel chair"),
        ("chair", "wheelchair"),
        ("chair", "high chair"),
        ("chair", "stool"),
        ("chair", "armchair"),
        ("stool", "chair"),
        ("table", "desk"),
        ("desk", "table"),
        ("desk", "tennis table"),
        ("table", "pool table"),
        ("table", "table lamp"),
        ("television", "tv stand"),
        ("coat", "coat rack"),
        ("dog", "hot dog"),
        ("dog", "dog bed"),
        ("bed", "dog bed"),
        ("door", "car door"),
        ("doorway", "garage door"),
        ("fire extinguisher", "fire hydrant"),
        ("sign", "stop sign"),
        ("ball", "ball pit"),
        ("mouse", "mouse pad"),
        ("bear", "teddy bear"),
        ("board", "ironing board"),
        ("plant", "power plant"),
        ("gnome", "garden gnome"),
        ("office chair", "chair"),
        ("coffee table", "table"),
        ("woman", "person"),
        ("wobbly chair", "chair"),
        ("chair 12", "chair_3"),
        ("chair 12", "chair"),
        ("grandmother's chair", "chair"),
        ("wooden table", "table"),
    ],
)
def test_a_head_noun_never_crosses_kinds(text: str, label: str) -> None:
    assert VOCABULARY.agreement(VOCABULARY.parse(text), label)[0] == 0.0
