# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From scores and boxes to instances: which box is whose, what is dropped, what stays two."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialgeo_ros.errors import InternalError
from spatialgeo_ros.grounding.detections import (
    MOST_INSTANCES,
    ScoredBoxes,
    choose_instances,
    corners,
    in_agreement,
    mirrored,
    overlaps,
)
from spatialgeo_ros.grounding.detector import PhraseResult
from spatialgeo_ros.grounding.detector_text import rival_phrases

SIZE = (100, 200)  # rows, columns
LEFT, RIGHT = (10, 10, 40, 60), (120, 20, 160, 80)


def choose(
    scores: list[list[float]], boxes: list[tuple[float, ...]], phrases: list[str], **more: Any
) -> list[PhraseResult]:
    found = ScoredBoxes(np.array(scores, np.float32), np.array(boxes, np.float32))
    options: dict[str, Any] = {"threshold": 0.3, "nms": 0.7, **more}
    return choose_instances(found, phrases, SIZE, **options)


def test_each_box_goes_to_the_phrase_it_fits_best() -> None:
    chair, door = choose([[0.9, 0.4], [0.5, 0.8]], [LEFT, RIGHT], ["chair", "door"])
    assert [i.box for i in chair.instances] == [LEFT]
    assert [i.box for i in door.instances] == [RIGHT]
    assert chair.instances[0].score == pytest.approx(0.9)


def test_a_phrase_below_the_threshold_is_absent() -> None:
    chair, door = choose([[0.9, 0.1], [0.3, 0.29]], [LEFT, RIGHT], ["chair", "door"])
    assert len(chair.instances) == 1  # a score must be above it, not at it
    assert door.absent and door.degraded == "" and np.isnan(door.presence)


def test_two_instances_stay_two_and_one_thing_is_one() -> None:
    moved = (11, 11, 41, 61)
    (lion,) = choose([[0.6], [0.9], [0.7]], [LEFT, RIGHT, moved], ["lion"])
    assert [i.box for i in lion.instances] == [RIGHT, moved]
    assert [i.score for i in lion.instances] == pytest.approx([0.9, 0.7])


def test_overlapping_things_of_two_phrases_are_both_kept() -> None:
    chair, cushion = choose([[0.9, 0.1], [0.1, 0.8]], [LEFT, LEFT], ["chair", "cushion"])
    assert len(chair.instances) == len(cushion.instances) == 1


def test_the_red_chair_is_a_chair_too() -> None:
    phrases = ["chair", "red chair", "blue chair"]
    scores = [[0.5, 0.9, 0.4], [0.6, 0.2, 0.7]]
    chair, red, blue = choose(scores, [LEFT, RIGHT], phrases, rivals=rival_phrases(phrases))
    assert {i.box for i in chair.instances} == {LEFT, RIGHT}
    assert [i.box for i in red.instances] == [LEFT]
    assert [i.box for i in blue.instances] == [RIGHT]


def test_a_rival_takes_a_box_where_it_is_surer_by_the_margin() -> None:
    scores = [[0.5, 0.7], [0.4, 0.7]]
    for margin, kept in ((1.0, []), (1.5, [LEFT])):
        chair, door = choose(scores, [LEFT, RIGHT], ["chair", "door"], rival_margin=margin)
        assert [i.box for i in chair.instances] == kept, "0.7 is more than 1.5 times 0.4 alone"
        assert {i.box for i in door.instances} == {LEFT, RIGHT}


def looks(*found: tuple[list[list[float]], list[tuple[float, ...]]]) -> ScoredBoxes:
    first, second = (
        ScoredBoxes(
            np.array(scores, np.float32).reshape(len(boxes), len(found[0][0][0])),
            np.array(boxes, np.float32).reshape(-1, 4),
        )
        for scores, boxes in found
    )
    return in_agreement(first, second)


def test_what_both_looks_see_keeps_its_score_and_what_one_invents_loses_half() -> None:
    moved = (11, 11, 41, 61)
    both = looks(([[0.8, 0.1], [0.6, 0.0]], [LEFT, RIGHT]), ([[0.4, 0.3]], [moved]))
    assert both.boxes.tolist() == [list(LEFT), list(RIGHT), list(moved)]
    assert both.scores.ravel().tolist() == pytest.approx([0.6, 0.2, 0.3, 0.0, 0.6, 0.2])


def test_the_surest_of_the_boxes_on_a_thing_counts_and_other_things_do_not() -> None:
    near, apart = (12, 10, 40, 60), (35, 10, 65, 60)
    both = looks(([[0.8]], [LEFT]), ([[0.2], [0.6], [0.9]], [LEFT, near, apart]))
    assert both.scores[:, 0].tolist() == pytest.approx([0.7, 0.5, 0.7, 0.45])


def test_a_look_without_numbers_or_boxes_seconds_nothing() -> None:
    nan = float("nan")
    both = looks(([[0.8], [nan]], [LEFT, RIGHT]), ([[nan], [0.6]], [LEFT, RIGHT]))
    assert both.scores[[0, 3], 0].tolist() == pytest.approx([0.4, 0.3])
    assert np.isnan(both.scores[[1, 2], 0]).all()
    broken = looks(([[0.8]], [LEFT]), ([[0.8]], [(nan, 0.0, 9.0, 9.0)]))
    assert broken.scores[0, 0] == pytest.approx(0.4)
    alone = looks(([[0.8]], [LEFT]), ([], []))
    assert alone.scores.tolist() == [[pytest.approx(0.4)]]


def test_mirrored_boxes_lie_on_the_other_side_and_twice_mirrored_where_they_were() -> None:
    boxes = np.array([LEFT, RIGHT], np.float32)
    there = mirrored(boxes, 200)
    assert there.tolist() == [[160, 10, 190, 60], [40, 20, 80, 80]]
    assert mirrored(there, 200).tolist() == boxes.tolist()


def test_boxes_are_clipped_to_the_image() -> None:
    (thing,) = choose([[0.9]], [(-5, -1, 50, 101)], ["thing"])
    assert thing.instances[0].box == (0, 0, 50, 100)


@pytest.mark.parametrize(
    "box",
    [
        (10, 110, 60, 160),  # in the padding below, as OWLv2 gives them
        (10, 80, 60, 160),  # most of it in there
        (210, 10, 260, 50),  # right of the image
        (-80, 10, 20, 50),  # most of it left of the image
        (10, 10, 10.4, 50),  # thinner than a pixel
        (50, 50, 40, 40),  # turned inside out
    ],
)
def test_what_is_not_in_the_image_is_dropped(box: tuple[float, ...]) -> None:
    (thing,) = choose([[0.9], [0.5]], [box, LEFT], ["thing"])
    assert [i.box for i in thing.instances] == [LEFT]
    assert thing.degraded == ""


def test_boxes_that_are_no_numbers_are_dropped_and_said() -> None:
    boxes = [LEFT, RIGHT, (float("nan"), 0, 50, 50), (0, 0, float("inf"), 50)]
    scores = [[float("nan"), 0.9], [0.8, 0.1], [0.9, 0.9], [0.9, 0.9]]
    chair, door = choose(scores, boxes, ["chair", "door"])
    assert [i.box for i in chair.instances] == [RIGHT]
    assert door.absent
    for result in (chair, door):
        assert result.degraded == "3 of 4 boxes were dropped: not finite numbers"


def test_nothing_but_nan_is_an_error_and_not_absence() -> None:
    with pytest.raises(InternalError, match="precision: float32"):
        choose([[float("nan")]] * 3, [LEFT] * 3, ["chair"])


def test_no_boxes_at_all_is_absence() -> None:
    found = ScoredBoxes(np.zeros((0, 1), np.float32), np.zeros((0, 4), np.float32))
    (chair,) = choose_instances(found, ["chair"], SIZE, threshold=0.3, nms=0.7)
    assert chair.absent


def test_instances_are_bounded_and_said() -> None:
    count = MOST_INSTANCES + 5
    boxes = [(x, 0, x + 1.5, 50) for x in np.linspace(0, 190, count)]
    scores = np.linspace(0.4, 0.9, count)[:, None].tolist()
    (thing,) = choose(scores, boxes, ["thing"], nms=1.0)
    assert len(thing.instances) == MOST_INSTANCES
    assert thing.instances[0].score == pytest.approx(0.9)
    assert "more instances of 'thing' than the 64" in thing.degraded
    exactly = MOST_INSTANCES
    (thing,) = choose(scores[-exactly:], boxes[-exactly:], ["thing"], nms=1.0)
    assert len(thing.instances) == MOST_INSTANCES and thing.degraded == ""


def test_the_same_phrase_twice_finds_the_same_twice() -> None:
    phrases = ["red chair", "red chair", "door"]
    results = choose([[0.9, 0.9, 0.1]], [LEFT], phrases, rivals=rival_phrases(phrases))
    assert [len(r.instances) for r in results] == [1, 1, 0]


def test_corners_and_overlaps() -> None:
    box = corners(np.array([[0.5, 0.25, 0.5, 0.5]], np.float32), (200, 100))
    assert box.tolist() == [[50, 0, 150, 50]]
    others = np.array([[50, 0, 150, 50], [100, 0, 200, 50], [0, 60, 50, 90]], np.float32)
    assert overlaps(box[0], others).tolist() == pytest.approx([1, 1 / 3, 0])


finite = st.floats(-300, 300, width=32)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1, width=32), finite, finite, finite, finite), max_size=30),
    st.floats(0, 1),
)
def test_whatever_comes_instances_lie_in_the_image_and_do_not_overlap(
    rows: list[tuple[float, ...]], nms: float
) -> None:
    table = np.array(rows, np.float32).reshape(-1, 5)
    found = ScoredBoxes(table[:, :1], table[:, 1:])
    (result,) = choose_instances(found, ["thing"], SIZE, threshold=0.3, nms=nms)
    kept = np.array([i.box for i in result.instances], np.float32).reshape(-1, 4)
    assert (kept >= 0).all() and (kept[:, 2:] <= (200, 100)).all()
    assert (kept[:, 2:] - kept[:, :2] >= 1).all()
    scores = [i.score for i in result.instances]
    assert scores == sorted(scores, reverse=True) and all(score > 0.3 for score in scores)
    for index, box in enumerate(kept):
        assert (overlaps(box, kept[index + 1 :]) <= nms).all()
