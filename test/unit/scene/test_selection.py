# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which of several things a phrase means: chosen by measuring, or refused with the word's name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from spatialgeo_ros.errors import (
    AmbiguousError,
    BadRequestError,
    NoGeometryError,
    PhraseNotFoundError,
    SpatialGeoError,
)
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.distance import Kind
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.observation import Observation
from spatialgeo_ros.perception import Perception

WIDTH, HEIGHT, FOCAL, EYE = 640, 480, 525.0, 0.9
CAMERA = PinholeCamera(WIDTH, HEIGHT, FOCAL, FOCAL, 319.5, 239.5)
LEVEL = np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]], float)

#: label, x of the centre, distance of the front, width, bottom and top above the floor, depth; m.
Thing = tuple[str, float, float, float, float, float, float]


def room(*things: Thing, pose: bool = True, x: float = 0.0, stamp: int = 1) -> Frame:
    """Upright boxes before a wall at 6 m, seen from EYE above the floor; boxes are detected."""
    rays = CAMERA.rays().astype(np.float64)
    with np.errstate(divide="ignore"):
        depth = np.minimum(np.where(rays[..., 1] > 0, EYE / rays[..., 1], np.inf), 6.0)
    owner = np.full(depth.shape, -1)
    for number, (_, across, front, wide, bottom, top, deep) in enumerate(things):
        low = np.array([across - x - wide / 2, EYE - top, front])
        high = np.array([across - x + wide / 2, EYE - bottom, front + deep])
        with np.errstate(divide="ignore", invalid="ignore"):
            a, b = low / rays, high / rays
        near, far = np.minimum(a, b).max(-1), np.maximum(a, b).min(-1)
        hit = (near < far) & (near > 0) & (near < depth)
        depth[hit], owner[hit] = near[hit], number
    detections = []
    for number, thing in enumerate(things):
        rows, columns = np.nonzero(owner == number)
        if rows.size:
            box = (columns.min(), rows.min(), columns.max(), rows.max())
            score = 0.95 - 0.05 * (number == 0)  # never the first thing's
            detections.append(Region.from_box(*(float(v) for v in box), thing[0], score))
    where = Pose(LEVEL, np.array([0.0, -x, EYE])) if pose else None
    return Frame(
        "camera",
        stamp * 1_000_000_000,
        "optical",
        np.full((HEIGHT, WIDTH, 3), 127, np.uint8),
        CAMERA,
        depth.astype(np.float32),
        where,
        "odom" if pose else "",
        tuple(detections),
    )


NEAR: Thing = ("chair", -0.7, 1.8, 0.45, 0.0, 0.9, 0.45)
MIDDLE: Thing = ("chair", 0.0, 3.4, 0.45, 0.0, 0.7, 0.45)
FAR: Thing = ("chair", 1.4, 4.4, 0.5, 0.0, 1.1, 0.5)
TABLE: Thing = ("table", 0.75, 2.2, 0.9, 0.68, 0.74, 0.7)


def seen(*things: Thing, **how: bool) -> tuple[Perception, Observation]:
    perception = Perception(None)
    return perception, perception.observe(room(*things, **how))


def front(words: str, *things: Thing, **how: bool) -> float:
    """Distance along the view of the front of what a phrase means, metres."""
    perception, observation = seen(*things, **how)
    located = perception.locate(observation, words)
    return float(np.median(located.points.points[:, 2]))


def refusal(kind: type[SpatialGeoError], words: str, *things: Thing, **how: bool) -> str:
    perception, observation = seen(*things, **how)
    with pytest.raises(kind) as refused:
        perception.locate(observation, words)
    return str(refused.value)


@pytest.mark.parametrize(
    ("words", "thing"),
    [
        ("the nearest chair", NEAR),
        ("the chair closest to me", NEAR),
        ("the farthest chair", FAR),
        ("the second nearest chair", MIDDLE),
        ("the third closest chair", FAR),
        ("the leftmost chair", NEAR),
        ("the chair on the far right", FAR),
        ("the second chair from the left", MIDDLE),
        ("the third chair from the left", FAR),
        ("the second seat from the right", MIDDLE),
        ("the middle chair", MIDDLE),
        ("the chair on the left", NEAR),
        ("the tallest chair", FAR),
        ("the shortest chair", MIDDLE),
        ("the highest chair", FAR),
    ],
)
def test_superlatives_and_ordinals_choose_among_all_by_measuring(words: str, thing: Thing) -> None:
    for order in ((NEAR, MIDDLE, FAR), (FAR, NEAR, MIDDLE)):
        assert front(words, *order) == pytest.approx(thing[2], abs=0.1)


@pytest.mark.parametrize("words", ["the nearest chair", "the left chair", "the leftmost chair"])
def test_choices_need_no_gravity(words: str) -> None:
    assert front(words, FAR, NEAR, pose=False) == pytest.approx(NEAR[2], abs=0.1)


def test_the_right_one_of_two_may_stand_on_the_left_half_of_the_view() -> None:
    other: Thing = ("chair", -1.4, 3.0, 0.45, 0.0, 0.9, 0.45)
    assert front("the right chair", other, NEAR) == pytest.approx(NEAR[2], abs=0.1)
    assert "right" in refusal(PhraseNotFoundError, "the chair on my right", other, NEAR)


def test_several_and_nothing_to_choose_by_is_an_error_that_lists_them() -> None:
    message = refusal(AmbiguousError, "the chair", FAR, NEAR)
    assert "2 things" in message and message.index("1.87 m") < message.index("4.5")
    assert "nearest chair" in message and "give a box" in message
    assert AmbiguousError.code == 18


def test_a_question_with_two_fitting_things_is_not_answered() -> None:
    perception, observation = seen(FAR, NEAR)
    for question in ("how far is the chair?", "how tall is the chair?", "is the chair on my left?"):
        with pytest.raises(AmbiguousError):
            perception.ask(question, observation)
    with pytest.raises(AmbiguousError):
        perception.measure(observation, [Kind.HEIGHT], "the chair")


def test_overlapping_boxes_of_one_thing_are_one() -> None:
    perception = Perception(None)
    frame = room(NEAR)
    x0, y0, x1, y1 = frame.detections[0].box
    again = Region.from_box(x0 + 3, y0 - 3, x1 + 4, y1, "chair", 0.5)
    half = Region.from_box(x0, y0, x1, (y0 + y1) / 2, "seat", 0.5)  # little overlap, one surface
    for others in ((again,), (half,), (again, half)):
        observation = perception.observe(
            Frame(**{**vars(frame), "detections": (*frame.detections, *others)})
        )
        assert perception.locate(observation, "the chair").region is frame.detections[0]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("the wobbly chair", "wobbly"),
        ("my grandmother's chair", "grandmother's"),
        ("the wooden chair", "wooden"),
        ("the chair with arms", "with arms"),
        ("the chair facing the wall", "facing the wall"),
        ("chair 12", "12"),
        ("the nearest wobbly chair", "wobbly"),
    ],
)
def test_words_that_cannot_be_checked_are_refused_by_name(words: str, named: str) -> None:
    message = refusal(BadRequestError, words, NEAR)
    assert f"'{named}' cannot be checked" in message and "leave it out" in message


@pytest.mark.parametrize("label", ["wobbly chair", "Wobbly_Chair"])
def test_unless_a_label_says_them_too(label: str) -> None:
    wobbly: Thing = (label, *FAR[1:])
    assert front("the wobbly chair", NEAR, wobbly) == pytest.approx(FAR[2], abs=0.1)


@pytest.mark.parametrize("words", ["my chair", "the only chair", "that chair over there", "chair"])
def test_words_that_say_nothing_are_let_go(words: str) -> None:
    assert front(words, NEAR) == pytest.approx(NEAR[2], abs=0.1)


@pytest.mark.parametrize(
    ("words", "error", "part"),
    [
        ("the second chair", AmbiguousError, "counts in no stated order"),
        ("the other chair", BadRequestError, "other than which"),
        ("the fourth nearest chair", AmbiguousError, "does not single one out"),
        ("the two chairs", BadRequestError, "where one is asked for"),
        ("the thing on the left", BadRequestError, "no kind of thing"),
        ("the chair behind the sofa", PhraseNotFoundError, "behind the sofa.*not in view"),
        ("the chair nearest to the door", PhraseNotFoundError, "nearest to the door.*not in view"),
        ("the chair in the corner", BadRequestError, "in the corner.*cannot be checked"),
    ],
)
def test_what_does_not_single_one_out_is_refused(
    words: str, error: type[SpatialGeoError], part: str
) -> None:
    perception, observation = seen(FAR, NEAR)
    with pytest.raises(error, match=part):
        perception.locate(observation, words)


def test_a_comparing_word_needs_others_and_a_clear_winner() -> None:
    large: Thing = ("chair", 1.4, 4.4, 0.75, 0.0, 1.1, 0.75)
    assert front("the big chair", MIDDLE, large) == pytest.approx(large[2], abs=0.1)
    assert "compares with others" in refusal(AmbiguousError, "the big chair", NEAR)
    twin: Thing = ("chair", 0.7, 1.8, 0.45, 0.0, 0.9, 0.45)
    assert "too close to call" in refusal(AmbiguousError, "the big chair", NEAR, twin)
    assert "too close to call" in refusal(AmbiguousError, "the nearest chair", NEAR, twin)
    assert "too close to call" in refusal(AmbiguousError, "the tallest chair", NEAR, twin)


BEHIND: Thing = ("chair", 1.1, 4.0, 0.5, 0.0, 1.2, 0.5)
CUP: Thing = ("cup", 0.7, 2.35, 0.12, 0.74, 0.88, 0.12)
FLOOR_CUP: Thing = ("cup", -0.5, 2.4, 0.16, 0.0, 0.2, 0.16)
BELOW: Thing = ("box", 0.75, 2.4, 0.4, 0.0, 0.35, 0.3)
BESIDE: Thing = ("box", -1.3, 2.4, 0.4, 0.0, 0.35, 0.3)


@pytest.mark.parametrize(
    ("words", "thing", "things"),
    [
        ("the chair behind the table", BEHIND, (NEAR, BEHIND, TABLE)),
        ("the chair left of the table", NEAR, (NEAR, ("chair", 2.2, 4.4, *FAR[3:]), TABLE)),
        ("the cup on the table", CUP, (CUP, FLOOR_CUP, TABLE)),
        ("the cup on the floor", FLOOR_CUP, (CUP, FLOOR_CUP, TABLE)),
        ("the box under the table", BELOW, (BESIDE, BELOW, TABLE)),
        ("the chair nearest to the table", NEAR, (NEAR, ("chair", -1.9, 4.6, *FAR[3:]), TABLE)),
        ("the table in front of the farthest chair", TABLE, (NEAR, BEHIND, TABLE)),
        ("the box next to the chair", BESIDE, (BESIDE, BELOW, TABLE, NEAR)),
    ],
)
def test_relations_are_measured(words: str, thing: Thing, things: Sequence[Thing]) -> None:
    assert front(words, *things) == pytest.approx(thing[2], abs=0.15)
    assert front(words, *reversed(things)) == pytest.approx(thing[2], abs=0.15)


@pytest.mark.parametrize(
    ("words", "things"),
    [
        ("the chair behind the table", (NEAR, TABLE)),
        ("the chair right of the table", (NEAR, TABLE)),
        ("the cup on the table", (FLOOR_CUP, TABLE)),
        ("the box under the table", (BESIDE, TABLE)),
        ("the chair next to the table", (FAR, TABLE)),
        ("the chair behind me", (NEAR,)),
    ],
)
def test_the_only_one_of_its_kind_is_not_taken_where_it_should_not_be(
    words: str, things: Sequence[Thing]
) -> None:
    assert "but not there" in refusal(PhraseNotFoundError, words, *things)


def test_the_anchor_is_never_measured_in_place_of_the_thing() -> None:
    perception, observation = seen(NEAR, TABLE)
    for question in ("How far is the cup on the table?", "how tall is the box under the table?"):
        with pytest.raises(PhraseNotFoundError, match="(cup|box) (on|below) the table"):
            perception.ask(question, observation)


def test_heights_need_gravity() -> None:
    message = refusal(NoGeometryError, "the cup on the table", CUP, TABLE, pose=False)
    assert "which way is down" in message


def test_another_phrase_of_the_question_leaves_the_other_one() -> None:
    perception, observation = seen(NEAR, FAR, TABLE)
    answer = perception.ask("how far is the nearest chair from the other chair?", observation)
    assert answer.distances[0].valid
    assert answer.distances[0].distance == pytest.approx(3.4, abs=0.25)
    both = perception.ask("how far apart are the two chairs?", observation)
    assert both.distances[0].distance == pytest.approx(answer.distances[0].distance, abs=0.01)
    three, view = seen(NEAR, MIDDLE, FAR)
    with pytest.raises(AmbiguousError, match="3 fit 'chair'"):
        three.ask("how far apart are the two chairs?", view)


def test_regions_of_a_request_with_one_label_are_chosen_among_too() -> None:
    perception = Perception(None)
    frame = room(FAR, NEAR)
    bare = perception.observe(Frame(**{**vars(frame), "detections": ()}))
    near = perception.ask("how far is the nearest chair?", bare, frame.detections)
    assert near.distances[0].distance == pytest.approx(1.93, abs=0.1)
    with pytest.raises(AmbiguousError, match="2 things"):
        perception.ask("how far is the chair?", bare, frame.detections)
    pair = perception.ask("how far is the chair from the chair?", bare, frame.detections)
    assert pair.distances[0].distance == pytest.approx(3.4, abs=0.25)


def test_what_depends_on_the_view_is_not_remembered_from_another_one() -> None:
    perception = Perception(None)
    perception.observe(room(NEAR, FAR))
    empty = perception.observe(room(stamp=2, x=0.05))
    for words in ("the nearest chair", "the chair on the left", "the chair left of the chair"):
        with pytest.raises(PhraseNotFoundError):
            perception.locate(empty, words)
    with pytest.raises(AmbiguousError):
        perception.locate(empty, "the chair")  # two were seen


# Synonyms measure alike


@pytest.mark.parametrize(
    "words", [("sofa", "couch", "settee", "loveseat"), ("bookshelf", "bookcase"), ("mug", "cup")]
)
def test_synonyms_measure_the_same_pixels_alike(words: Sequence[str]) -> None:
    kinds = [Kind.CENTRE_TO_CENTRE, Kind.WIDTH, Kind.DEPTH_EXTENT, Kind.HEIGHT]
    results = []
    for word in words:
        perception, observation = seen((word, -0.6, 2.2, 1.6, 0.0, 0.8, 0.9), TABLE)
        pair = perception.measure(observation, kinds[:1], words[0], "table")
        alone = perception.measure(observation, kinds[1:], words[-1])
        results.append([(e.distance, e.sigma) for e in (*pair, *alone)])
    for result in results[1:]:
        assert result == results[0]


# Whether it is there


@pytest.mark.parametrize(
    ("question", "text", "things"),
    [
        ("Is there a chair?", "Yes. I know chair_1.", (NEAR,)),
        ("Is there a chair?", "Yes. I know chair_1 and chair_2.", (NEAR, FAR)),
        ("Is there a couch?", "No. I know no couch.", (NEAR,)),
        ("Is there a cup on the table?", "Yes (probability 0.56). I know mug_1.", (CUP, TABLE)),
        ("Is there a cup on the table?", "No. I know no cup on the table.", (FLOOR_CUP, TABLE)),
        (
            "How many chairs are there?",
            "There are 3 chairs: chair_1, chair_2 and chair_3.",
            (NEAR, MIDDLE, FAR),
        ),
        ("How many shelves are there?", "There are 0 shelves.", (NEAR,)),
    ],
)
def test_presence_is_answered_by_yes_no_or_a_number(
    question: str, text: str, things: Sequence[Thing]
) -> None:
    perception, observation = seen(*things)
    answer = perception.ask(question, observation)
    assert answer.text.startswith(text)
    assert all(estimate.valid for estimate in answer.distances)


def test_nobody_says_no_about_what_nobody_looks_for() -> None:
    perception, observation = seen()
    for question in ("is there a chair?", "how many chairs are there?"):
        with pytest.raises(PhraseNotFoundError, match="cannot be told.*publish detections"):
            perception.ask(question, observation)
