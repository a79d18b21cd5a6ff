# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A detector is asked once per image and phrase, and what it says is kept in bounds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scripted_detector import BoxSegmenter, ScriptedDetector

from spatialgeo_ros.errors import BadRequestError, CancelledError
from spatialgeo_ros.grounding.grounder import Grounder, PendingError
from spatialgeo_ros.grounding.head_phrases import head_phrase, of_question
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.observation import Observation
from spatialgeo_ros.query.phrases import parse_phrase

LEFT, RIGHT = (10.0, 20.0, 60.0, 90.0), (120.0, 20.0, 180.0, 90.0)


def image(stamp: int = 1, camera: str = "camera") -> Observation:
    frame = Frame(camera, stamp, "optical", np.full((100, 200, 3), 127, np.uint8))
    return Observation(frame, None, None, None)


@pytest.mark.parametrize(
    ("words", "forms", "bare"),
    [
        ("the red chair", ("red chair",), ("chair",)),
        ("a couch", ("couch", "sofa"), ()),
        ("the left red couch", ("red couch", "red sofa"), ("couch", "sofa")),
        ("the second chair from the left", ("chair",), ()),
        ("the mug on the table", ("mug",), ()),
        ("the nearest chairs", ("chair",), ()),
        ("gray boxes, please", ("grey boxes please",), ("boxes please",)),
        ("the wobbly chair", ("wobbly chair",), ("chair",)),
        ("the chair between the sofa and the door", ("chair",), ()),
        ("the fire extinguisher", ("fire extinguisher",), ()),
    ],
)
def test_a_detector_is_asked_for_colour_and_head_noun(words, forms, bare):
    head = head_phrase(parse_phrase(words))
    if "please" in words:  # whatever the tail becomes, no article and no comma is left
        assert "," not in " ".join(head.every) and head.forms[0].startswith("grey box")
        return
    assert (head.forms, head.bare) == (forms, bare)


def test_a_question_asks_for_all_that_it_refers_to_at_once():
    phrases = [parse_phrase("the mug on the red table"), parse_phrase("the door")]
    assert of_question(phrases) == ("mug", "door", "red table", "table")


def test_one_pass_serves_all_and_each_phrase_is_asked_once():
    detector = ScriptedDetector({"chair": [(LEFT, 0.7)]})
    grounder, seen = Grounder(detector), image()
    chair, table = grounder.ask(seen, ["chair", "table"])
    assert [one.box for one in chair.result.instances] == [LEFT]
    assert table.result.absent and not table.failure
    grounder.ask(seen, ["table", "door", "chair"])
    assert detector.asked == [("chair", "table"), ("door",)]
    grounder.ask(image(2), ["chair"])
    assert detector.asked[2:] == [("chair",)]


def test_what_is_not_known_is_pending_where_another_thread_looks():
    grounder, seen = Grounder(ScriptedDetector({})), image()
    grounder.deferred = True
    with pytest.raises(PendingError) as pending:
        grounder.ask(seen, ["chair", "table"])
    assert pending.value.observation is seen and pending.value.phrases == ("chair", "table")
    grounder.look(seen, pending.value.phrases)
    assert len(grounder.ask(seen, ["table"])) == 1


def test_boxes_are_cut_to_the_image_and_what_lies_outside_is_dropped():
    script = {"chair": [((-30.0, -5.0, 60.0, 150.0), 0.9), ((210.0, 10.0, 300.0, 50.0), 0.8)]}
    (looked,) = Grounder(ScriptedDetector(script)).ask(image(), ["chair"])
    assert [one.box for one in looked.result.instances] == [(0.0, 0.0, 60.0, 99.0)]


def test_two_boxes_of_one_thing_are_one_and_a_box_around_a_group_is_none():
    both = (8.0, 18.0, 182.0, 92.0)
    script = {"lion": [(both, 0.9), (LEFT, 0.8), ((11.0, 21.0, 61.0, 91.0), 0.7), (RIGHT, 0.6)]}
    (looked,) = Grounder(ScriptedDetector(script)).ask(image(), ["lion"])
    assert [one.box for one in looked.result.instances] == [LEFT, RIGHT]


def test_a_box_around_one_other_is_no_group():
    script = {"table": [((8.0, 18.0, 182.0, 92.0), 0.9), (LEFT, 0.8)]}
    (looked,) = Grounder(ScriptedDetector(script)).ask(image(), ["table"])
    assert len(looked.result.instances) == 2


@pytest.mark.parametrize("box", [LEFT, (math.nan, 0.0, 5.0, 5.0)])
def test_numbers_that_are_none_are_a_failure_with_cause_and_cure(box):
    score = math.nan if box is LEFT else 0.9
    grounder, seen = Grounder(ScriptedDetector({"chair": [(box, score)]})), image()
    (looked,) = grounder.ask(seen, ["chair"])
    assert looked.result.absent
    assert "grounding 'scripted' failed" in looked.failure and "float32" in looked.failure
    assert grounder.failure == looked.failure


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            RuntimeError("CUDA out of memory. Tried\nto allocate"),
            "free memory, or choose a smaller",
        ),
        (MemoryError(), "free memory"),
        (ValueError("weird shapes"), "weird shapes; see the log"),
    ],
)
def test_a_detector_that_fails_is_said_and_the_next_image_is_looked_at(error, words):
    detector = ScriptedDetector({"chair": [(LEFT, 0.7)]})
    grounder, seen = Grounder(detector), image()
    detector.error = error
    (looked,) = grounder.ask(seen, ["chair"])
    assert words in looked.failure and "\n" not in looked.failure
    assert grounder.describe()["failures"] == 1
    grounder.ask(seen, ["chair"])
    assert len(detector.asked) == 1, "the same image is not tried again"
    detector.error = None
    (again,) = grounder.ask(image(2), ["chair"])
    assert not again.failure and grounder.failure == ""


def test_a_phrase_that_the_detector_refuses_does_not_spoil_the_others():
    class Picky(ScriptedDetector):
        def ground(self, image, phrases, **how):
            if any("zyx" in phrase for phrase in phrases):
                raise BadRequestError("this detector knows no word of 'zyx'")
            return super().ground(image, phrases, **how)

    chair, odd = Grounder(Picky({"chair": [(LEFT, 0.7)]})).ask(image(), ["chair", "zyx"])
    assert chair.result.instances and not chair.failure
    assert odd.failure == "this detector knows no word of 'zyx'"


def test_boxes_become_masks_once_each_and_stay_boxes_where_the_segmenter_fails():
    detector = ScriptedDetector({"chair": [(LEFT, 0.7)], "seat": [(LEFT, 0.5), (RIGHT, 0.4)]})
    segmenter = BoxSegmenter()
    grounder = Grounder(detector, segmenter)
    chair, seat = grounder.ask(image(), ["chair", "seat"])
    assert segmenter.asked == [(LEFT, RIGHT)]
    assert chair.result.instances[0].mask is seat.result.instances[0].mask is not None
    segmenter.error = RuntimeError("no kernel image is available")
    (plain,) = grounder.ask(image(2), ["chair"])
    assert plain.result.instances[0].mask is None and not plain.failure
    assert "grounding 'box' failed: no kernel image" in plain.note
    assert "masks by depth instead" in plain.note


def test_cancelling_ends_a_look_and_leaves_nothing_behind():
    grounder, seen = Grounder(ScriptedDetector({"chair": [(LEFT, 0.7)]}, seconds=5.0)), image()
    with grounder.cancelled_by(lambda: True), pytest.raises(CancelledError):
        grounder.ask(seen, ["chair"])
    assert grounder.known(seen) == {}


def test_the_last_image_that_was_looked_through_is_found_again_by_its_phrases():
    grounder = Grounder(ScriptedDetector({}))
    first, second, other = image(1), image(2), image(3, "rear")
    grounder.look(first, ["chair", "table"])
    grounder.look(second, ["chair"])
    grounder.look(other, ["chair"])
    assert grounder.last_look("camera", ["chair"]) is second
    assert grounder.last_look("camera", ["table"]) is first
    assert grounder.last_look("camera", ["door"]) is None
    grounder.forget()
    assert grounder.last_look("camera", ["chair"]) is None


def test_what_the_networks_keep_of_an_image_is_freed_when_they_look_at_the_next():
    class Keeping(ScriptedDetector):
        def ground(self, image, phrases, *, cache=None, cancelled=None):
            cache.setdefault("features", len(self.asked))
            return super().ground(image, phrases, cache=cache, cancelled=cancelled)

    def kept(observation: Observation) -> list[object]:
        return [one["features"] for one in observation.visual.values() if "features" in one]

    grounder, first, second, other = Grounder(Keeping({})), image(1), image(2), image(3, "rear")
    grounder.look(first, ["chair"])
    grounder.look(first, ["table"])
    assert kept(first) == [0], "the second look finds what the first kept"
    grounder.look(other, ["chair"])
    grounder.look(second, ["chair"])
    assert (kept(first), kept(second), kept(other)) == ([], [3], [2])
    assert set(grounder.known(first)) == {"chair", "table"}, "what was found stays"


def test_a_detector_that_does_not_run_yet_is_said_and_keeps_nobody_from_starting():
    detector = ScriptedDetector({"chair": [(LEFT, 0.7)]})
    grounder = Grounder(detector)
    detector.error = ConnectionError("no server at http://localhost:8000")
    grounder.warm_up()
    assert "no server at" in grounder.failure
    detector.error = None
    (looked,) = grounder.ask(image(), ["chair"])
    assert looked.result.instances and grounder.failure == ""
