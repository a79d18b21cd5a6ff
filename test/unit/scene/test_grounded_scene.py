# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Phrases through a detector of any words with known scores: which thing, how surely, or none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from box_world import Box, camera_pose, render
from scripted_detector import BoxSegmenter, ScriptedDetector, by_colour

from spatialgeo_ros.errors import (
    AmbiguousError,
    BadRequestError,
    NoGeometryError,
    PhraseNotFoundError,
)
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.geometry.regions import Region, RegionType
from spatialgeo_ros.grounding.detector_source import DetectorSource
from spatialgeo_ros.grounding.grounder import Grounder, PendingError
from spatialgeo_ros.grounding.map_vocabulary import MapVocabulary
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.observation import Observation
from spatialgeo_ros.perception import Perception
from spatialgeo_ros.query.vocabulary import Vocabulary
from spatialgeo_ros.scene.sighting import HowSeen

CAMERA = PinholeCamera(320, 240, 260.0, 260.0, 159.5, 119.5)
RED, BLUE, BROWN = (200, 40, 30), (30, 60, 200), (110, 70, 40)
#: x forward, y left, z up, metres; a wall is at x = 5.
WALL = Box((5.0, -4.0, 0.0), (5.2, 4.0, 2.5), (150, 150, 150))
NEAR_CHAIR = Box((2.0, 0.3, 0.0), (2.5, 0.8, 0.9), RED)
FAR_CHAIR = Box((3.4, -1.0, 0.0), (3.9, -0.5, 0.9), BLUE)
TABLE = Box((2.4, -0.75, 0.0), (3.1, 0.1, 0.72), BROWN)
COUNTER = Box((3.4, -2.0, 0.0), (4.0, 0.4, 0.8), BROWN)
PLACE = camera_pose(0.0, 0.0, 0.9, pitch=0.1)


def frame(*boxes: Box, pose: Pose | None = PLACE, view: Pose = PLACE, stamp: float = 1.0) -> Frame:
    """The boxes as they are seen from ``view``; the frame says that it is seen from ``pose``."""
    colour, depth = render(CAMERA, view, [WALL, *boxes])
    return Frame(
        "camera", round(stamp * 1e9), "optical", colour, CAMERA, depth, pose,
        "odom" if pose is not None else "",
    )  # fmt: skip


def bounds(box: Box, *others: Box, view: Pose = PLACE) -> tuple[float, float, float, float]:
    """Where a box shows, as a detector would box it."""
    marked = [replace(box, colour=(1, 254, 3)), *others]
    colour, _ = render(CAMERA, view, [WALL, *marked])
    rows, columns = np.nonzero((colour == (1, 254, 3)).all(axis=-1))
    return float(columns.min()), float(rows.min()), float(columns.max()), float(rows.max())


ROOM = (NEAR_CHAIR, FAR_CHAIR, TABLE)
NEAR, FAR = bounds(NEAR_CHAIR, FAR_CHAIR, TABLE), bounds(FAR_CHAIR, NEAR_CHAIR, TABLE)
ON = bounds(TABLE, NEAR_CHAIR, FAR_CHAIR)
#: Like a real one: "red chair" boxes both chairs, and surer the wrong one.
SCRIPT: dict[str, Any] = {
    "chair": [(NEAR, 0.55), (FAR, 0.5)],
    "red chair": [(FAR, 0.6), (NEAR, 0.5)],
    "table": [(ON, 0.6)],
}


def seen(
    script: Any = None, segmenter: Any = None, boxes: Sequence[Box] = ROOM, **how: Any
) -> tuple[Perception, Observation, ScriptedDetector]:
    presence = how.pop("presence", None)
    detector = ScriptedDetector(SCRIPT if script is None else script, presence)
    perception = Perception(None, grounder=Grounder(detector, segmenter), map_nouns=how.pop(
        "map_nouns", ("chair", "table")
    ))  # fmt: skip
    return perception, perception.observe(frame(*boxes, **how)), detector


def distance(perception: Perception, observation: Observation, words: str) -> float:
    (estimate,) = perception.measure(observation, [], words)
    assert estimate.valid, estimate.reason
    return estimate.distance


def test_a_phrase_is_measured_where_the_detector_sees_it():
    perception, observation, _ = seen()
    thing = perception.locate(observation, "the table")
    assert (thing.found_by, thing.doubt) == ("detector", "")
    assert distance(perception, observation, "the table") == pytest.approx(2.4, abs=0.1)


def test_of_two_instances_the_colour_tells_which_and_the_surer_box_does_not():
    perception, observation, _ = seen()
    assert distance(perception, observation, "the red chair") == pytest.approx(2.0, abs=0.1)


def test_two_instances_and_nothing_to_choose_by_are_ambiguous_with_both_distances():
    perception, observation, _ = seen()
    with pytest.raises(AmbiguousError, match=r"2 things.*2\.0\d m.*3\.[45]\d m"):
        perception.locate(observation, "the chair")


@pytest.mark.parametrize(
    ("words", "metres"),
    [
        ("the nearest chair", 2.0),
        ("the farthest chair", 3.4),
        ("the chair on the right", 3.4),
        ("the leftmost chair", 2.0),
        ("the chair left of the table", 2.0),
        ("the chair behind the table", 3.4),
        ("the second nearest chair", 3.4),
    ],
)
def test_relations_and_superlatives_are_measured_over_all_instances(words, metres):
    perception, observation, _ = seen()
    assert distance(perception, observation, words) == pytest.approx(metres, abs=0.15)


def test_a_question_about_two_things_takes_one_pass():
    perception, observation, detector = seen()
    answer = perception.ask("How far is the red chair from the table?", observation)
    assert answer.distances[0].valid
    asked = [phrase for phrases in detector.asked for phrase in phrases]
    assert len(asked) == len(set(asked))
    assert not any(word in phrase.split() for phrase in asked for word in ("the", "from", "far"))


def test_an_absent_thing_is_said_with_what_was_seen_instead():
    perception, observation, _ = seen()
    perception.scan(observation)
    with pytest.raises(PhraseNotFoundError) as absent:
        perception.locate(observation, "the fridge")
    assert str(absent.value) == "'the fridge' is not in view; in view: table, 2 chairs"


def test_a_colour_that_no_instance_has_is_said_with_the_kind_that_is_there():
    perception, observation, _ = seen({"chair": [(NEAR, 0.6)]})
    with pytest.raises(
        PhraseNotFoundError, match="'the green chair' is not in view; in view: chair"
    ):
        perception.locate(observation, "the green chair")


def test_an_invented_colour_is_doubtful_and_never_valid():
    perception, observation, _ = seen({"green chair": [(NEAR, 0.9)], "chair": [(NEAR, 0.9)]})
    (estimate,) = perception.measure(observation, [], "the green chair")
    assert not estimate.valid and math.isnan(estimate.distance)
    assert "does not look green" in estimate.doubt and estimate.doubt in estimate.reason
    with pytest.raises(PhraseNotFoundError, match="does not look green"):
        perception.ask("How far is the green chair?", observation)


def test_a_colour_of_what_lies_behind_does_not_count():
    """The box is half red by the curtain behind it; the pixels of the chair are blue."""
    curtain = Box((4.6, -1.3, 0.0), (4.7, 0.0, 2.0), RED)
    chair = Box((3.0, -0.95, 0.0), (3.4, -0.5, 0.9), BLUE)
    x0, y0, x1, y1 = bounds(chair, curtain)
    script = {"red chair": [((x0 - 12, y0 - 20, x1 + 12, y1), 0.8)]}
    perception, observation, _ = seen(script, boxes=(chair, curtain))
    (estimate,) = perception.measure(observation, [], "the red chair")
    assert not estimate.valid and "does not look red" in estimate.reason


GREEN = (33, 140, 51)
#: Beside the chair and touching it, as deep and as high: depth cannot tell them apart.
CRATE = Box((2.0, -0.7, 0.0), (2.5, 0.3, 0.9), GREEN)


def test_what_touches_a_thing_in_another_colour_is_no_part_of_it():
    x0, y0, x1, y1 = bounds(NEAR_CHAIR, CRATE)
    loose = (x0, y0, bounds(CRATE, NEAR_CHAIR)[2], y1)
    perception, observation, _ = seen({"red chair": [(loose, 0.8)], "chair": [(loose, 0.8)]},
                                      boxes=(NEAR_CHAIR, CRATE))  # fmt: skip
    both = perception.locate(observation, "the chair").points.mask
    thing = perception.locate(observation, "the red chair")
    assert not thing.doubt and "what looks green in the box" in " ".join(thing.notes)
    red = (observation.frame.image == RED).all(axis=-1)
    assert (thing.points.mask & red).sum() > 0.97 * thing.points.mask.sum()
    assert (both & red).sum() < 0.5 * both.sum(), "depth alone joins them"


@pytest.mark.parametrize("margin", [0.0, 6.0, -8.0])
def test_where_nothing_of_its_colour_is_left_it_is_doubted_as_before(margin):
    x0, y0, x1, y1 = bounds(CRATE)
    box = (x0 - margin, y0 - margin, x1 + margin, y1 + margin)
    perception, observation, _ = seen({"red chair": [(box, 0.8)]}, boxes=(CRATE,))
    assert "does not look red" in perception.locate(observation, "the red chair").doubt


@pytest.mark.parametrize(("colours", "found"), [(("red", "blue"), 0), ((), 1)])
def test_a_small_worlds_detector_that_knows_colours_is_believed_about_them(colours, found):
    """The wall's red in the box of a blue chair makes no red chair of it."""
    curtain = Box((4.6, -1.3, 0.0), (4.7, 0.0, 2.0), RED)
    chair = Box((3.0, -0.95, 0.0), (3.4, -0.5, 0.9), BLUE)
    x0, y0, x1, y1 = bounds(chair, curtain)
    loose = (x0 - 12, y0 - 40, x1 + 12, y1)
    detector = ScriptedDetector({"chair": [(loose, 0.8)], "blue chair": [(loose, 0.8)]})
    vocabulary = Vocabulary(("chair",), colours)
    for small_world, candidates in ((False, 1), (True, found)):
        source = DetectorSource(
            Grounder(detector, familiar_only=small_world), None, vocabulary, MapVocabulary()
        )
        observation = seen(boxes=(chair, curtain))[1]
        made = source.candidates(observation, vocabulary.parse("the red chair"))
        assert made is not None and len(made) == candidates


def test_a_chair_as_long_as_a_counter_is_none():
    perception, observation, _ = seen({"chair": [(bounds(COUNTER), 0.9)]}, boxes=(COUNTER,))
    (estimate,) = perception.measure(observation, [], "the chair")
    assert not estimate.valid
    assert "what was taken for 'chair' is none: it is" in estimate.reason
    assert "such things are some 0.5 m" in estimate.reason


def test_what_cannot_be_one_is_left_out_where_another_is_clear():
    script = {"chair": [(bounds(COUNTER, NEAR_CHAIR), 0.9), (NEAR, 0.4)]}
    perception, observation, _ = seen(script, boxes=(NEAR_CHAIR, COUNTER))
    found, _ = perception.scene.finder.find(observation, "the chair")
    assert found.region.box == pytest.approx(NEAR) and "left out" in found.note


def test_a_network_that_doubts_itself_is_doubted():
    perception, observation, _ = seen(presence={"table": 0.2, "chair": 0.9})
    (estimate,) = perception.measure(observation, [], "the table")
    assert not estimate.valid and "probability of 0.20" in estimate.reason
    assert perception.locate(observation, "the nearest chair").doubt == ""


def test_the_same_box_under_a_surer_name_is_doubted_or_the_other_things():
    script = {"stool": [(NEAR, 0.3)], "lamp": [(NEAR, 0.7)], "table": [(ON, 0.6)]}
    perception, observation, _ = seen(script, map_nouns=("lamp", "table"))
    perception.scan(observation)
    (estimate,) = perception.measure(observation, [], "the stool")
    assert not estimate.valid and "what was taken for 'stool' may be a lamp" in estimate.reason
    with pytest.raises(PhraseNotFoundError):  # of one question: the lamp is taken
        perception.ask("How far is the stool from the lamp?", observation)


def test_words_that_cannot_be_checked_are_said_to_be_the_detectors():
    perception, observation, _ = seen({"wobbly chair": [(NEAR, 0.6)], "chair": [(NEAR, 0.6)]})
    thing = perception.locate(observation, "the wobbly chair")
    assert "'wobbly' is the detector's word for it" in thing.notes[0]
    blank, other, _ = seen({"chair": [(NEAR, 0.6)]})
    with pytest.raises(BadRequestError, match="wobbly"):
        blank.locate(other, "the wobbly chair")


def test_masks_are_used_where_a_segmenter_makes_them():
    segmenter = BoxSegmenter()
    perception, observation, _ = seen(segmenter=segmenter)
    thing = perception.locate(observation, "the table")
    assert thing.region.type is RegionType.MASK and segmenter.asked
    assert distance(perception, observation, "the table") == pytest.approx(2.4, abs=0.1)


def test_published_boxes_come_first_and_what_they_lack_is_the_detectors():
    detector = ScriptedDetector(SCRIPT)
    perception = Perception(None, grounder=Grounder(detector))
    boxed = replace(frame(*ROOM), detections=(Region.from_box(*ON, "table", 0.9),))
    observation = perception.observe(boxed)
    assert perception.locate(observation, "the table").found_by == "detection"
    assert detector.asked == []
    assert perception.locate(observation, "the red chair").found_by == "detector"


def test_presence_and_number_are_those_of_the_detector():
    perception, observation, _ = seen(pose=None, view=PLACE)
    assert perception.ask("Is there a table?", observation).text.startswith("Yes")
    assert perception.ask("How many chairs are there?", observation).text.startswith("2 chairs")
    absent = perception.ask("Is there a fridge?", observation)
    assert absent.text.startswith("No fridge is in view")


def test_a_failure_is_the_cause_of_the_error():
    perception, observation, detector = seen()
    detector.error = RuntimeError("CUDA out of memory")
    with pytest.raises(PhraseNotFoundError, match="cannot be looked for: grounding 'scripted'"):
        perception.locate(observation, "the table")
    assert any("out of memory" in one for one in perception.describe()["degraded"])
    for place in (PLACE, None):  # by the map, and by the image alone
        other = perception.observe(frame(*ROOM, pose=place, stamp=2.0))
        with pytest.raises(PhraseNotFoundError, match="cannot be told: grounding 'scripted'"):
            perception.ask("Is there a table?", other)


def test_without_weights_the_error_has_the_command_that_fetches_them():
    missing = "nothing looks for words: fetch one with `spatialgeo models download owlvit_base`"
    perception = Perception(None, without_grounding=missing)
    observation = perception.observe(frame(*ROOM))
    with pytest.raises(PhraseNotFoundError, match="`spatialgeo models download owlvit_base`"):
        perception.locate(observation, "the table")
    assert missing in perception.describe()["degraded"]
    for place in (PLACE, None):
        other = perception.observe(frame(*ROOM, pose=place, stamp=2.0))
        with pytest.raises(PhraseNotFoundError, match="`spatialgeo models download owlvit_base`"):
            perception.ask("Is there a table?", other)


# The object map


def test_the_map_is_fed_by_one_pass_for_all_nouns_and_for_what_was_asked():
    perception, observation, detector = seen(script={**SCRIPT, "stool": []})
    assert perception.update_map(observation).used
    assert detector.asked == [("chair", "table")]
    with pytest.raises(PhraseNotFoundError):
        perception.locate(observation, "the stool")
    for stamp in (2.0, 3.0):  # one image is not taken at its word
        perception.update_map(perception.observe(frame(*ROOM, stamp=stamp)))
    assert detector.asked[-1] == ("chair", "table", "stool")
    kinds = sorted(one.label for one in perception.objects().objects)
    assert kinds == ["chair", "chair", "table"]


# A thread of its own


def deferred(**how: Any) -> tuple[Perception, Observation, Grounder]:
    perception, observation, _ = seen(**how)
    grounder = perception.grounder
    assert grounder is not None
    grounder.deferred = True
    return perception, observation, grounder


def test_a_question_waits_for_its_look_and_not_for_the_maps():
    perception, observation, grounder = deferred()
    with pytest.raises(PendingError) as pending:
        perception.ask("How far is the red chair from the table?", observation)
    grounder.look(observation, pending.value.phrases)
    answer = perception.ask("How far is the red chair from the table?", observation)
    assert answer.distances[0].valid


def test_what_was_found_is_carried_to_a_newer_image_by_pose_and_depth():
    perception, first, grounder = deferred()
    grounder.look(first, ["red chair", "chair", "table"])
    moved = camera_pose(0.3, 0.1, 0.9, yaw=0.12, pitch=0.1)
    newer = perception.observe(frame(*ROOM, pose=moved, view=moved, stamp=2.5))
    with pytest.raises(PendingError):
        perception.locate(newer, "the red chair")
    thing = perception.locate(newer, "the red chair", carried=True)
    assert thing.how is HowSeen.OTHER_STAMP and thing.doubt == ""
    assert thing.region.stamp_ns == first.frame.stamp_ns
    assert "1.5 s before, and followed" in thing.notes[0]
    assert thing.region.box == pytest.approx(
        bounds(NEAR_CHAIR, FAR_CHAIR, TABLE, view=moved), abs=8.0
    )
    (carried,) = perception.measure(newer, [], thing)
    grounder.deferred = False
    (fresh,) = perception.measure(perception.observe(frame(*ROOM, stamp=2.6)), [], "the red chair")
    assert carried.valid and carried.distance == pytest.approx(1.7, abs=0.1)
    assert carried.sigma > fresh.sigma


@pytest.mark.parametrize("still", [True, False])
def test_without_poses_only_a_camera_that_stands_still_carries(still):
    perception, first, grounder = deferred(pose=None)
    grounder.look(first, ["table"])
    view = PLACE if still else camera_pose(0.0, 0.0, 0.9, yaw=0.25, pitch=0.1)
    newer = perception.observe(frame(*ROOM, pose=None, view=view, stamp=2.0))
    if still:
        assert perception.locate(newer, "the table", carried=True).doubt == ""
    else:
        with pytest.raises(PhraseNotFoundError):
            perception.locate(newer, "the table", carried=True)


def test_what_was_taken_away_hidden_or_left_behind_is_not_carried():
    perception, first, grounder = deferred()
    grounder.look(first, ["table", "red chair", "chair"])
    gone = perception.observe(frame(NEAR_CHAIR, FAR_CHAIR, stamp=2.0))
    with pytest.raises(PhraseNotFoundError):
        perception.locate(gone, "the table", carried=True, recall=False)
    screen = Box((1.2, -0.8, 0.0), (1.3, 0.8, 1.6), BROWN)
    hidden = perception.observe(frame(*ROOM, screen, stamp=3.0))
    with pytest.raises(PhraseNotFoundError):
        perception.locate(hidden, "the table", carried=True, recall=False)
    away = camera_pose(0.0, 0.0, 0.9, yaw=1.2, pitch=0.1)
    turned = perception.observe(frame(*ROOM, pose=away, view=away, stamp=4.0))
    with pytest.raises(PhraseNotFoundError):
        perception.locate(turned, "the table", carried=True, recall=False)


def test_nothing_is_carried_for_ever():
    perception, first, grounder = deferred()
    grounder.look(first, ["table"])
    late = perception.observe(frame(*ROOM, stamp=60.0))
    with pytest.raises(PendingError):
        perception.locate(late, "the table", carried=True)


def test_two_things_of_one_score_are_carried_each_by_its_own_points():
    script = {"chair": [(NEAR, 0.6), (FAR, 0.6)]}
    perception, first, grounder = deferred(script=script, segmenter=BoxSegmenter())
    grounder.look(first, ["chair"])
    newer = perception.observe(frame(*ROOM, stamp=2.0))
    for words, metres in (("the nearest chair", 2.0), ("the farthest chair", 3.4)):
        thing = perception.locate(newer, words, carried=True)
        (estimate,) = perception.measure(newer, [], thing)
        assert estimate.valid and estimate.distance == pytest.approx(metres, abs=0.15)


def test_carried_masks_keep_to_the_thing():
    perception, first, grounder = deferred(segmenter=BoxSegmenter())
    grounder.look(first, ["table"])
    moved = camera_pose(0.2, -0.1, 0.9, yaw=-0.1, pitch=0.1)
    newer = perception.observe(frame(*ROOM, pose=moved, view=moved, stamp=2.0))
    thing = perception.locate(newer, "the table", carried=True)
    assert thing.region.type is RegionType.MASK
    colour = newer.frame.image[thing.region.rasterise(240, 320)]
    assert (colour == BROWN).all(axis=-1).mean() > 0.97


def test_without_depth_the_cause_is_depth_and_not_the_detector():
    perception, first, grounder = deferred()
    grounder.look(first, ["table"])
    blind = perception.observe(replace(frame(*ROOM, stamp=2.0), depth=None))
    with pytest.raises(NoGeometryError, match="no depth"):
        perception.locate(blind, "the table", carried=True)


def test_what_was_asked_meanwhile_does_not_disturb_the_map():
    perception, first, grounder = deferred()
    grounder.look(first, perception.locator.must_wait_for(first))
    perception.locator.note_asked("the stool")
    assert perception.update_map(first).used
    kinds = sorted(one.label for one in perception.objects().objects)
    assert kinds in (["chair", "chair", "table"], [])  # some kinds need a second look
    assert perception.locator.must_wait_for(first) == ("stool",)


def test_a_question_about_everything_asks_for_the_vocabulary():
    perception, first, grounder = deferred(pose=None)
    with pytest.raises(PendingError) as pending:
        perception.ask("What do you see?", first)
    assert pending.value.phrases == ("chair", "table")
    grounder.look(first, pending.value.phrases)
    assert perception.ask("What do you see?", first).result is not None


def test_what_left_the_view_is_remembered_where_it_was_looked_for():
    perception, _, _ = seen(by_colour, boxes=(NEAR_CHAIR, TABLE))
    first = perception.observe(frame(NEAR_CHAIR, TABLE, stamp=2.0))
    assert perception.locate(first, "the red chair").how is HowSeen.IN_VIEW
    away = camera_pose(0.0, 0.0, 0.9, yaw=-1.0, pitch=0.1)
    turned = perception.observe(frame(NEAR_CHAIR, TABLE, pose=away, view=away, stamp=4.0))
    thing = perception.locate(turned, "the red chair")
    assert thing.how is HowSeen.REMEMBERED and thing.age == pytest.approx(2.0)


@pytest.mark.parametrize(("device", "rate"), [("cpu", 0.5), ("cuda:0", 2.0), ("", 0.0)])
def test_the_usual_rate_is_that_of_the_machine(device, rate):
    grounder = Grounder(ScriptedDetector({}, device=device))
    assert Perception(None, grounder=grounder).usual_grounding_rate == rate
    assert Perception(None).usual_grounding_rate == 1.0


def test_a_language_model_in_this_process_is_not_asked_unasked():
    detector = ScriptedDetector({}, device="cuda:0")
    detector.kind = "vlm_boxes"
    assert Perception(None, grounder=Grounder(detector)).usual_grounding_rate == 0.0


@pytest.mark.parametrize("words", ["the thing", "the nearest object"])
def test_words_for_anything_are_refused_whatever_the_detector_boxes(words):
    script = {"thing": [(NEAR, 0.9)], "object": [(NEAR, 0.9), (ON, 0.8)]}
    perception, observation, _ = seen(script)
    with pytest.raises(BadRequestError, match="says no kind of thing"):
        perception.locate(observation, words)
