# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of looking for phrases: what is asked, what counts as found, what counts as invented."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from spatialgeo_ros.errors import BadRequestError, PhraseNotFoundError, TooLittleSupportError
from spatialgeo_ros.evaluation.nano import evaluate
from spatialgeo_ros.evaluation.phrase_boxes import AloneReport, ask_alone, format_alone
from spatialgeo_ros.evaluation.phrase_search import (
    FOREIGN,
    Answered,
    PhraseSearch,
    SearchReport,
    absent_names,
    box_overlap,
    search_frame,
    true_box,
)
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.grounding.detector import Instance, PhraseResult
from spatialgeo_ros.grounding.grounder import Looked
from spatialgeo_ros.query.vocabulary import Vocabulary
from spatialgeo_ros.sim.furniture import COLOURS, KINDS
from spatialgeo_ros.sim.room import make_room
from spatialgeo_ros.training.contrastive import object_names

ROOM = make_room(3)
SHAPE = (48, 64)


@pytest.fixture
def frame():
    index = np.full(SHAPE, -1, np.int16)
    index[10:30, 5:25] = 0
    index[20:40, 40:60] = 1
    return SimpleNamespace(room=ROOM, segmentation=index)


def sighting(mask, doubt=""):
    x0, y0, x1, y1 = true_box(mask)
    region = Region.from_box(x0, y0, x1 - 1, y1 - 1)
    return SimpleNamespace(points=SimpleNamespace(mask=mask), region=region, doubt=doubt)


def test_absent_names_are_of_nothing_in_view(frame):
    shown = {ROOM.objects[k] for k in (0, 1)}
    for seed in range(30):
        same, other, foreign = absent_names(frame, np.random.default_rng(seed))
        assert len(same) == 2 and len(other) == 2 and len(foreign) == 1
        assert not {*same, *other} & {thing.name for thing in shown}
        assert {name.split()[-1] for name in same} <= {thing.kind for thing in shown}
        assert not {name.split()[-1] for name in other} & {thing.kind for thing in shown}
        assert foreign[0] in FOREIGN


def test_foreign_nouns_are_none_of_the_rooms():
    assert not {noun.split()[-1] for noun in FOREIGN} & {*KINDS, *COLOURS}
    assert not set(FOREIGN) & set(object_names())


def test_overlap_is_of_whole_pixels():
    mask = np.zeros(SHAPE, bool)
    mask[10:30, 5:25] = True
    assert true_box(mask) == (5, 10, 25, 30)
    assert box_overlap(Region.from_box(5, 10, 24, 29), true_box(mask), *SHAPE) == 1.0
    half = box_overlap(Region.from_box(5, 10, 14, 29), true_box(mask), *SHAPE)
    assert half == pytest.approx(0.5)
    assert box_overlap(Region.from_box(40, 40, 50, 45), true_box(mask), *SHAPE) == 0.0


def test_each_answer_is_counted_as_what_it_is(frame):
    masks = [frame.segmentation == k for k in (0, 1)]
    names = [ROOM.objects[k].name for k in (0, 1)]
    wrong = np.zeros(SHAPE, bool)
    wrong[0:9, 0:20] = True
    asked = []

    def search(seen, phrases):
        asked.extend(phrases)
        return [
            Answered(True, sighting(masks[0]), (5.0, 10.0, 25.0, 20.0)),  # right, half a box
            Answered(True, sighting(wrong)),  # another thing
            Answered(True, sighting(wrong), (0.0, 0.0, 20.0, 9.0)),  # invented
            Answered(True, sighting(wrong, "may be a lamp")),  # invented and doubted
            Answered(False),
            Answered(True),  # there, and nothing of it can be measured
            Answered(False),
        ]

    report = SearchReport()
    things = list(zip(names, masks, strict=True))
    search_frame(search, report, None, frame, things, np.random.default_rng(1))
    assert asked[:2] == [f"the {name}" for name in names]
    assert report.found == [True, False]
    assert report.missed == 0
    assert report.iou == [1.0]
    assert report.box_iou == [pytest.approx(0.5), 0.0]
    assert report.absent_boxes == [True, False, False, False]
    assert "x_detector_right" not in report.summary("x_")  # no detector was asked
    report.network_seconds.append(0.05)
    summary = report.summary("x_")
    assert summary["x_detector_right"] == 0.5
    assert summary["x_detector_absent_answered"] == 0.25
    assert summary["x_network_milliseconds"] == pytest.approx(50)
    assert summary["x_phrases_right"] == 0.5
    assert summary["x_other_colour_answered"] == 1.0
    assert summary["x_absent_answered"] == 0.75
    assert summary["x_foreign_answered"] == 0.0
    assert summary["x_absent_surely_answered"] == pytest.approx(2 / 5)


class KnowingDetector:
    """Boxes what a table says, and notes what it was asked together."""

    def __init__(self, boxes):
        self.boxes, self.asked, self.caches = boxes, [], []

    def ground(self, image, phrases, *, cache=None):
        self.asked.append(tuple(phrases))
        self.caches.append(cache)
        return [
            PhraseResult(phrase, tuple(Instance(box, 0.9 - k / 10) for k, box in enumerate(found)))
            for phrase in phrases
            for found in [self.boxes.get(phrase, ())]
        ]


def test_alone_every_name_and_foreign_noun_is_asked_by_itself_in_one_image(frame):
    frame.rgb = np.zeros((*SHAPE, 3), np.uint8)
    names = [ROOM.objects[k].name for k in (0, 1)]
    shown = {ROOM.objects[k] for k in (0, 1)}
    absent = [name for name in object_names()[:-1] if name not in names]
    near = [name for name in absent if name.split()[-1] in {thing.kind for thing in shown}]
    masks = [frame.segmentation == k for k in (0, 1)]
    wrong = (0.0, 0.0, 3.0, 3.0)
    detector = KnowingDetector(
        {names[0]: [(5.0, 10.0, 25.0, 30.0)], names[1]: [wrong, (40.0, 20.0, 60.0, 40.0)],
         near[0]: [wrong], FOREIGN[1]: [wrong]}
    )  # fmt: skip
    report = AloneReport()
    ask_alone(detector, report, frame, list(zip(names, masks, strict=True)))
    assert [len(asked) for asked in detector.asked] == [1] * (len(names + absent) + len(FOREIGN))
    assert all(cache is detector.caches[0] for cache in detector.caches), "seen once"
    assert report.iou == [1.0, 0.0] and report.only == [True, False]
    assert (sum(report.absent), len(report.absent)) == (1, len(absent))
    summary = report.summary()
    assert summary["alone_right"] == summary["alone_right_and_only_box"] == 0.5
    assert summary["alone_other_colour_answered"] == pytest.approx(1 / len(near))
    assert summary["alone_foreign_answered"] == pytest.approx(1 / len(FOREIGN))
    assert summary[f"alone_right_{names[0].split()[-1]}"] in (0.5, 1.0)
    assert f"| {1 / len(absent):.1%} |" in format_alone(report)


def test_alone_needs_a_detector():
    with pytest.raises(BadRequestError, match="--grounding"):
        evaluate(FakePerception(), frames=1, alone=True)


class FakeGrounder:
    def __init__(self):
        self.asked = []

    def known(self, seen):
        boxes = tuple(
            Instance((0.0, 0.0, size, size), score) for size, score in ((3, 0.4), (5, 0.9))
        )
        return {"red chair": Looked(PhraseResult("red chair", boxes))}

    def ask(self, seen, phrases):
        self.asked.append(tuple(phrases))


class FakePerception:
    def __init__(self, strange="", error=None, grounder=None):
        self.locator = SimpleNamespace(
            unfamiliar=lambda seen: strange, vocabulary=Vocabulary(KINDS, COLOURS)
        )
        self.error, self.grounder, self.asked = error, grounder, []

    def locate(self, seen, what, recall):
        self.asked.append(what)
        if self.error is not None:
            raise self.error
        return "sighting"


def test_a_detector_is_asked_once_for_all_phrases_of_a_frame():
    grounder = FakeGrounder()
    search = PhraseSearch(FakePerception(grounder=grounder))
    found = search(None, ["the red chair", "the door"])
    (asked,) = grounder.asked
    assert {"red chair", "chair", "door"} <= set(asked)
    assert len(search.network_seconds) == 1
    assert [answer.sighting for answer in found] == ["sighting", "sighting"]
    assert [answer.box for answer in found] == [(0.0, 0.0, 5, 5), None]


def test_a_detector_is_not_asked_about_foreign_images():
    grounder = FakeGrounder()
    search = PhraseSearch(FakePerception("no such room", PhraseNotFoundError("no"), grounder))
    assert [answer.something for answer in search(None, ["the chair"])] == [False]
    assert not grounder.asked
    assert not search.network_seconds


def test_what_cannot_be_measured_was_answered_all_the_same():
    lost = PhraseSearch(FakePerception(error=PhraseNotFoundError("no")))
    assert not lost(None, ["the chair"])[0].something
    thin = PhraseSearch(FakePerception(error=TooLittleSupportError("thin")))
    answer = thin(None, ["the chair"])[0]
    assert answer.something and answer.sighting is None
