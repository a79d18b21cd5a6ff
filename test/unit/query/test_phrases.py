# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Noun phrases taken apart: every word ends up somewhere, and none is dropped."""

from __future__ import annotations

import time

import pytest

from spatialgeo_ros.query.phrases import parse_label, parse_phrase


@pytest.mark.parametrize(
    ("text", "kind", "colour"),
    [
        ("the cup on the table", "mug", ""),
        ("the person sitting on the red chair", "person", ""),
        ("the red chest of drawers on the rug", "dresser", "red"),
        ("my grey settee", "sofa", "grey"),
        ("The high chair", "high chair", ""),
        ("the chair over there", "chair", ""),
        ("the only chair in the room", "chair", ""),
        ("that blue box which is under the desk", "box", "blue"),
        ("the front door", "front door", ""),
        ("the orange", "orange", ""),
        ("the orange chair", "chair", "orange"),
        ("two chairs", "chair", ""),
    ],
)
def test_the_head_noun_stands_before_the_first_preposition(
    text: str, kind: str, colour: str
) -> None:
    phrase = parse_phrase(text)
    assert (phrase.kind, phrase.colour, phrase.unknown) == (kind, colour, ())


@pytest.mark.parametrize(
    ("text", "quantity", "greatest", "rank", "comparing"),
    [
        ("the nearest person", "distance", False, 1, False),
        ("the farthest red chair", "distance", True, 1, False),
        ("the most distant chair", "distance", True, 1, False),
        ("the chair closest to me", "distance", False, 1, False),
        ("the chair that is nearest", "distance", False, 1, False),
        ("the second nearest chair", "distance", False, 2, False),
        ("the leftmost chair", "bearing", False, 1, False),
        ("the far right chair", "bearing", True, 1, False),
        ("the human on the far right", "bearing", True, 1, False),
        ("the second pallet from the left", "bearing", False, 2, False),
        ("the 3rd pallet from the right", "bearing", True, 3, False),
        ("the left chair", "side", False, 1, True),
        ("the chair on the right", "side", True, 1, True),
        ("the chair on my left side", "side", False, 1, True),
        ("the chair to the left", "side", False, 1, True),
        ("the middle chair", "middle", False, 1, True),
        ("the tallest plant", "height", True, 1, False),
        ("the highest box", "top", True, 1, False),
        ("the biggest red box on the shelf", "volume", True, 1, False),
        ("the small box", "volume", False, 1, True),
        ("the widest door", "width", True, 1, False),
        ("the second chair", "", False, 2, False),
    ],
)
def test_which_one_of_several(
    text: str, quantity: str, greatest: bool, rank: int, comparing: bool
) -> None:
    phrase = parse_phrase(text)
    choice = phrase.choice
    assert choice is not None and phrase.unknown == ()
    assert (choice.quantity, choice.greatest) == (quantity, greatest)
    assert (choice.rank, choice.comparing) == (rank, comparing)


def test_a_superlative_may_refer_to_another_thing() -> None:
    choice = parse_phrase("the chair that is nearest to the red office chair").choice
    assert choice is not None and choice.anchor is not None
    assert (choice.quantity, choice.anchor.kind, choice.anchor.colour) == (
        "distance",
        "office chair",
        "red",
    )


@pytest.mark.parametrize(
    ("text", "name", "anchors"),
    [
        ("the cup on the table", "on", ["table"]),
        ("the box on top of the white washing machine", "on", ["washing machine"]),
        ("the chair behind the table", "behind", ["table"]),
        ("the person standing in front of the sofa", "front", ["sofa"]),
        ("the person in front of me", "front", []),
        ("the box under the table", "below", ["table"]),
        ("the lamp above the desk", "above", ["desk"]),
        ("the chair to the left of the table", "left", ["table"]),
        ("the chair right of the table", "right", ["table"]),
        ("the bed next to the iv stand", "beside", ["iv stand"]),
        ("the chair near the window", "beside", ["window"]),
        ("the book in the box", "inside", ["box"]),
        ("the cup between the sofa and the table", "between", ["sofa", "table"]),
    ],
)
def test_where_the_thing_is(text: str, name: str, anchors: list[str]) -> None:
    phrase = parse_phrase(text)
    assert [relation.name for relation in phrase.relations] == [name]
    assert [anchor.kind for anchor in phrase.relations[0].anchors] == anchors
    assert phrase.unknown == ()


def test_relations_nest() -> None:
    phrase = parse_phrase("the chair left of the red sofa next to the door")
    sofa = phrase.relations[0].anchors[0]
    assert (sofa.kind, sofa.colour) == ("sofa", "red")
    assert sofa.relations[0].name == "beside" and sofa.relations[0].anchors[0].kind == "door"


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("the wobbly chair", ["wobbly"]),
        ("my grandmother's chair", ["grandmother's"]),
        ("the wooden table", ["wooden"]),
        ("the dark green chair", ["dark", "green"]),
        ("the red and white box", ["white"]),
        ("the chair with arms", ["with arms"]),
        ("the person wearing a red shirt", ["wearing a red shirt"]),
        ("the leg of the table", ["of the table"]),
        ("the desk within 2 metres", ["within 2 metres"]),
        ("the swimming pool light", ["swimming", "pool"]),
        ("chair 12", ["12"]),
        ("every chair", ["every"]),
        ("the small left box", ["left"]),
        ("the lefmtost human", ["lefmtost"]),
        ("the nearest wobbly chair", ["wobbly"]),
    ],
)
def test_what_cannot_be_checked_is_kept(text: str, unknown: list[str]) -> None:
    assert list(parse_phrase(text).unknown) == unknown


def test_no_word_is_lost() -> None:
    """Every content word changes what is parsed: leaving one out gives another phrase."""
    for text in (
        "nearest red couch",
        "second chair from the left",
        "cup on the table next to the door",
        "wobbly chair behind the sofa",
        "other big box",
    ):
        words = text.split()
        for index, word in enumerate(words):
            if word in ("the", "from"):
                continue
            shorter = " ".join(words[:index] + words[index + 1 :])
            whole, less = parse_phrase(text), parse_phrase(shorter)
            assert (whole.noun, whole.colour, whole.choice, whole.relations, whole.other) != (
                less.noun,
                less.colour,
                less.choice,
                less.relations,
                less.other,
            ), word


@pytest.mark.parametrize(
    ("label", "kind", "colour"),
    [
        ("Red_Couch", "sofa", "red"),
        ("chair_3", "chair", ""),
        ("wooden chair", "chair", ""),
        ("toy wooden horse", "toy wooden horse", ""),
        ("traffic light", "traffic light", ""),
        ("orange", "orange", ""),
        ("", "", ""),
    ],
)
def test_labels(label: str, kind: str, colour: str) -> None:
    parsed = parse_label(label)
    assert (parsed.kind, parsed.colour) == (kind, colour)


def test_a_phrase_is_parsed_in_a_millisecond_even_if_hostile() -> None:
    parse_phrase("the chair")
    for text in (
        "the second nearest red chair on the table next to the door behind the sofa",
        "on " * 40,
        "of the " * 40,
        "nearest " * 40 + "chair",
        "a" * 2000,
    ):
        started = time.perf_counter()
        parse_phrase(text)
        assert time.perf_counter() - started < 0.05, text[:40]
