# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parts of programs said in English."""

from __future__ import annotations

import pytest

from spatialgeo_ros.query.program import (
    All,
    Compare,
    Constant,
    Everything,
    Except,
    Exists,
    Filter,
    Has,
    It,
    Named,
    Not,
    Quantity,
    Rank,
    Related,
    RequestRegion,
    Standing,
    The,
    Things,
    Those,
    Union,
    Viewer,
)
from spatialgeo_ros.query.program_words import place_in_words, relation_in_words, things_in_words

IT, CHAIR = It(), Named("chair", "red", "wood")
BIN = The(Named("bin"))


def chairs(where: object) -> Filter:
    return Filter(Named("chair"), where)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("things", "words"),
    [
        (CHAIR, "red wood chair"),
        (Named(colour="red"), "red thing"),
        (Everything(), "thing"),
        (Those(("chair_1",), "it"), "it"),
        (Those(("chair_1", "chair_2")), "chair_1 or chair_2"),
        (RequestRegion(2), "object in region 2"),
        (chairs(Related("beside", IT, (BIN,))), "chair next to the bin"),
        (chairs(Related("behind", IT, (Viewer(),))), "chair behind me"),
        (chairs(Related("left", IT, (Viewer(),))), "chair on my left"),
        (chairs(Related("left", IT, (), Standing(BIN, CHAIR))), "chair on the left"),
        (chairs(Related("at_wall", IT)), "chair against a wall"),
        (chairs(Not(Has(IT, "colour", "red"))), "chair that is not red"),
        (
            chairs(
                Compare(Quantity("height", (IT,)), ">", Constant(1, "m")),
            ),
            "chair with a height of more than 1.00 m",
        ),
        (
            chairs(All((Related("in_view", IT), Related("on", IT, (BIN,))))),
            "chair in view and on the bin",
        ),
        (chairs(Related("on", BIN, (IT,))), "chair so that the bin is on it"),
        (chairs(Exists(CHAIR)), "chair that fits"),
        (Rank(CHAIR, Quantity("height", (IT,))), "red wood chair"),
        (Union((CHAIR, Named("stool"))), "red wood chair or stool"),
        (Except(Everything(), BIN), "thing other than the bin"),
    ],
)
def test_sets(things: Things, words: str) -> None:
    assert things_in_words(things) == words


def test_plurals() -> None:
    assert things_in_words(Named("shelf", "white"), many=True) == "white shelves"
    assert things_in_words(Everything(), many=True) == "things"
    assert things_in_words(chairs(Related("in_view", IT)), many=True) == "chairs in view"


def test_places_and_relations() -> None:
    assert place_in_words(Viewer()) == "me"
    assert place_in_words(BIN) == "the bin"
    assert relation_in_words("between", ["the bin", "the desk"]) == "between the bin and the desk"
    assert relation_in_words("in_view", []) == "in view"
