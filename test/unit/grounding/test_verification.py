# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Second opinions on what a detector found: presence, colour, CLIP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from spatialgeo_ros.geometry.sizes import misfit
from spatialgeo_ros.grounding.detector import PhraseResult
from spatialgeo_ros.grounding.verification import (
    DISTRACTORS,
    clip_doubt,
    colour_doubt,
    other_things_pixels,
    presence_doubt,
)
from spatialgeo_ros.memory.observation import View
from spatialgeo_ros.query.phrases import parse_phrase
from spatialgeo_ros.query.vocabulary import Vocabulary

BOX = (40.0, 20.0, 79.0, 59.0)


class Clip:
    """Sees one name in the left half of an image and another in the right half."""

    has_grounding = True
    background_names = ("room",)

    def __init__(self, left: str, right: str, vocabulary: Vocabulary, sure: float = 9.0) -> None:
        self.left, self.right, self.vocabulary, self.sure = left, right, vocabulary, sure
        self.foreign = ""
        self.seen: list[tuple[tuple[int, int], tuple[str, ...]]] = []

    def unfamiliar(self, view: View) -> str:
        return self.foreign

    def similarity(self, view: View, names: Sequence[str]) -> np.ndarray:
        self.seen.append((view.image.shape[:2], tuple(names)))
        logits = np.zeros((len(names), 8, 8), np.float32)
        for half, name in ((slice(0, 4), self.left), (slice(4, 8), self.right)):
            if name in names:
                logits[list(names).index(name), :, half] = self.sure
        return logits


NANO = Vocabulary(("chair", "table", "lamp"), ("red", "blue"), ("lamp",))


def doubt(clip: Any, words: str, box: tuple[float, ...] = BOX) -> str:
    view = View(np.zeros((80, 80, 3), np.uint8), None, None)
    return clip_doubt(clip, view, NANO.parse(words), box)


def test_clip_overrules_only_where_it_is_sure_of_something_else():
    assert doubt(Clip("lamp", "lamp", NANO), "the chair") == (
        "what was taken for 'chair' may be a lamp"
    )
    assert doubt(Clip("lamp", "red chair", NANO), "the chair") == "", "the box is on the right"
    assert doubt(Clip("lamp", "lamp", NANO, sure=2.0), "the chair") == "", "it is not sure"
    assert doubt(Clip("blue chair", "blue chair", NANO), "the red chair") == "", "colour judges"
    assert doubt(Clip("room", "room", NANO), "the chair") == (
        "what was taken for 'chair' may be a room"
    )


def test_clip_of_few_words_says_nothing_of_others_and_of_other_images():
    assert doubt(Clip("lamp", "lamp", NANO), "the fire extinguisher") == ""
    foreign = Clip("lamp", "lamp", NANO)
    foreign.foreign = "this image is of another world"
    assert doubt(foreign, "the chair") == "" and not foreign.seen
    assert (
        clip_doubt(None, View(np.zeros((8, 8, 3), np.uint8), None, None), NANO.parse("x"), BOX)
        == ""
    )


def test_clip_of_any_words_compares_the_crop_with_distractors_and_the_bare_noun():
    anything = Clip("wall", "wall", Vocabulary())
    phrase = parse_phrase("the red mug")
    view = View(np.zeros((80, 80, 3), np.uint8), None, None)
    assert clip_doubt(anything, view, phrase, BOX) == "what was taken for 'red mug' may be a wall"
    (size, names) = anything.seen[0]
    assert size == (48 + 1, 44 + 0) or max(size) < 60, "a crop, not the image"
    assert names[:2] == ("red mug", "mug") and set(DISTRACTORS) <= set(names)
    assert clip_doubt(Clip("mug", "mug", Vocabulary()), view, phrase, BOX) == ""


@pytest.mark.parametrize(("presence", "doubted"), [(0.49, True), (0.51, False), (np.nan, False)])
def test_presence_counts_where_there_is_one(presence: float, doubted: bool):
    assert bool(presence_doubt(PhraseResult("fridge", (), presence))) == doubted


def test_colour_is_looked_up_in_the_pixels_and_a_mask_has_to_show_more():
    image = np.full((20, 20, 3), 127, np.uint8)
    image[:2] = (200, 30, 30)
    every = np.ones((20, 20), bool)
    assert colour_doubt(image, every, "red mug", "red", whole_box=True) == ""
    assert "does not look red" in colour_doubt(image, every, "red mug", "red", whole_box=False)
    assert colour_doubt(image, every, "mug", "", whole_box=False) == ""
    nothing = np.zeros((20, 20), bool)
    assert colour_doubt(image, nothing, "red mug", "red", whole_box=True)


@pytest.mark.parametrize(("green_rows", "doubted"), [(13, True), (10, False), (0, False)])
def test_what_looks_far_more_like_another_hue_is_doubted(green_rows: int, doubted: bool):
    image = np.full((20, 20, 3), 235, np.uint8)
    image[6:] = 127  # its grey legs
    image[6 : 6 + green_rows] = (33, 140, 51)
    every = np.ones((20, 20), bool)
    said = colour_doubt(image, every, "white chair", "white", whole_box=False)
    assert said == ("what was taken for 'white chair' looks more green than white" * doubted)
    whole = colour_doubt(image, every, "white chair", "white", whole_box=True)
    assert whole == "", "of a box nobody knows which pixels are the thing's"


def test_another_things_pixels_are_those_of_the_hue_that_shows_more():
    image = np.full((20, 20, 3), 127, np.uint8)
    image[:4], image[10:16] = (200, 30, 30), (33, 140, 51)
    every = np.ones((20, 20), bool)
    found = other_things_pixels(image, every, "red")
    assert found is not None and found[0] == "green"
    assert found[1].sum() == 6 * 20 and found[1][10:16].all()
    assert other_things_pixels(image, every, "green") is None
    assert other_things_pixels(image, ~every, "red") is None


@pytest.mark.parametrize(
    ("label", "size", "words"),
    [
        ("red chair", (0.5, 0.5, 0.9), ""),
        ("red chair", (4.0, 0.1, 0.9), "4.0 m wide, and such things are some 0.5 m"),
        ("red chair", (0.1, 4.0, 0.9), "4.0 m wide"),
        ("chair", (0.5, 0.5, 3.9), "3.90 m high, and such things are some 0.9 m"),
        ("chair", (0.3, 0.2, 0.05), "0.05 m high"),
        ("chair", (0.4, 0.1, 0.2), ""),  # the back rest behind a table
        ("office chair", (2.5, 0.6, 1.0), "2.5 m wide"),
        ("conference table", (3.5, 1.2, 0.75), ""),
        ("shelf", (3.0, 0.4, 2.2), ""),
        ("door", (0.9, 0.06, 2.0), ""),
        ("zebra", (9.0, 9.0, 9.0), ""),
    ],
)
def test_a_size_that_no_thing_of_the_kind_has_is_said(label, size, words):
    said = misfit(label, size, surely=True)
    assert words in said and bool(said) == bool(words)


def test_a_map_waits_for_a_better_view_of_what_is_merely_unusual():
    assert misfit("chair", (1.6, 0.6, 0.9)) and not misfit("chair", (1.6, 0.6, 0.9), surely=True)


def test_plants_and_lamps_also_stand_on_tables() -> None:
    assert not misfit("potted plant", (0.08, 0.08, 0.09), surely=True)
    assert not misfit("desk lamp", (0.15, 0.15, 0.12)) and misfit("lamp", (0.15, 0.15, 0.02))
