# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the demo asks about and how it judges answers, against a made-up truth."""

import math

import pytest

messages = pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces")

from spatialgeo_ros.geometry.pose import Pose  # noqa: E402
from spatialgeo_ros.node.conversions import pose_to_msg  # noqa: E402
from spatialgeo_ros.query.relations import ObjectFacts  # noqa: E402
from spatialgeo_ros.robot_sim.demo.demo_questions import PLAN, Examiner, Question, Template  # noqa: E402
from spatialgeo_ros.robot_sim.demo.judging import Mark  # noqa: E402

CAMERA = "camera"
FACTS = {
    "red chair": ObjectFacts((-1.0, 0.5, 2.0), (0.5, 0.5, 0.9)),
    "blue sofa": ObjectFacts((1.0, 0.5, 4.0), (2.0, 0.9, 0.8)),
}


class Truth:
    """Stands in for the rendered truth."""

    def facts(self, pose, name):
        return FACTS[name]

    def distance(self, kind, pose, first, second=""):
        if first not in FACTS:
            raise KeyError(f"{first!r} is not in view")
        return 2.0


def thing(label, box, at=(2.0, 0.0)):
    place = pose_to_msg(Pose(translation=[*at, 0.4]))
    entry = messages.SceneObject(label=label, kind=label.split()[1], colour=label.split()[0],
                                 pose=place)  # fmt: skip
    if box:
        x0, y0, x1, y1 = (float(v) for v in box)
        entry.views = [messages.Region(type=1, label=label, camera=CAMERA, x_min=x0, y_min=y0,
                                       x_max=x1, y_max=y1)]  # fmt: skip
    return entry


def scene(*things):
    return messages.SceneGroundTruth(
        objects=list(things), cameras=[CAMERA], camera_poses=[pose_to_msg(Pose.identity())]
    )


@pytest.fixture
def examiner():
    return Examiner(Truth(), 640, 480)


SCENE = scene(thing("red chair", (50, 100, 150, 300)), thing("blue sofa", (300, 100, 600, 300)))


def test_only_whole_large_and_near_objects_are_asked_about(examiner):
    assert examiner.in_view(
        scene(
            thing("red chair", (50, 100, 150, 300)),
            thing("blue chair", (0, 100, 150, 300)),  # cut by the border
            thing("green chair", (50, 100, 70, 110)),  # tiny
            thing("white chair", (50, 100, 150, 300), at=(6.0, 0.0)),  # far
            thing("orange chair", None),
        )
    ) == ["red chair"]


def test_every_object_has_its_turn(examiner):
    single = PLAN[0]
    first = examiner.question(single, SCENE)
    assert first.text == f"How far away is the {first.objects[0]}?"
    examiner.asked(first)
    assert examiner.question(single, SCENE).objects != first.objects


def test_an_object_that_was_not_found_is_left_alone_for_a_while(examiner):
    single = PLAN[0]
    first = examiner.question(single, SCENE)
    examiner.missed(first, f"'{first.objects[0]}' is not in view", SCENE)
    for _ in range(3):
        other = examiner.question(single, SCENE)
        assert other.objects != first.objects
        examiner.asked(other)
    alone = scene(*(thing for thing in SCENE.objects if thing.label == first.objects[0]))
    assert examiner.question(single, alone) is None
    alone.header.stamp.sec += 5
    assert examiner.question(single, alone).objects == first.objects


def test_pairs_need_two_objects(examiner):
    pair = Template(False, "distance", "What is the distance between the {a} and the {b}?")
    assert examiner.question(pair, scene(SCENE.objects[0])) is None
    assert sorted(examiner.question(pair, SCENE).objects) == ["blue sofa", "red chair"]


def test_the_plan_covers_what_the_demo_promises():
    by_service = [t for t in PLAN if not t.by_action]
    assert len(by_service) >= 6
    assert len({t.family for t in by_service}) == len(by_service)
    assert len(PLAN) - len(by_service) >= 2


def answer(**fields):
    estimate = fields.pop("estimate", None)
    distances = [] if estimate is None else [messages.DistanceEstimate(**estimate)]
    return messages.SpatialAnswer(distances=distances, **fields)


NAMES = {"chair_1": "red chair", "sofa_1": "blue sofa"}
HERE = Pose.identity()


def verdict(examiner, question, said):
    return examiner.verdict(question, said, HERE, NAMES)


def test_lengths_are_compared_in_metres(examiner):
    question = Question(PLAN[0], ("red chair",))
    said = answer(estimate={"valid": True, "distance": 2.1, "std_dev": 0.05, "kind": 0})
    result = verdict(examiner, question, said)
    assert result.said == "2.10 m +- 0.05 m"
    assert result.truth == "2.00 m"
    assert result.deviation == "+0.10 m (5%)"
    assert result.mark is Mark.RIGHT


def test_an_invalid_length_counts_as_nothing(examiner):
    question = Question(PLAN[0], ("red chair",))
    said = answer(estimate={"valid": False, "distance": 2.1, "kind": 0})
    result = verdict(examiner, question, said)
    assert result.said == "nothing"
    assert result.mark is Mark.REFUSED


def test_what_was_driven_out_of_view_has_no_visible_truth(examiner):
    question = Question(PLAN[0], ("green chair",))
    said = answer(estimate={"valid": True, "distance": 9.0, "std_dev": 0.01, "kind": 0})
    assert verdict(examiner, question, said).mark is not Mark.WRONG


@pytest.mark.parametrize(
    ("family", "objects", "fields", "said", "mark"),
    [
        ("closer", ("red chair", "blue sofa"), {"result_type": 4, "object_ids": ["chair_1"]},
         "red chair", Mark.RIGHT),
        ("closer", ("red chair", "blue sofa"), {"result_type": 4, "object_ids": ["sofa_1"]},
         "blue sofa", Mark.WRONG),
        ("closer", ("blue sofa", "red chair"), {"result_type": 7, "word": "blue sofa"},
         "blue sofa", Mark.WRONG),
        ("closer", ("blue sofa", "red chair"), {"result_type": 7, "word": "red chair"},
         "red chair", Mark.RIGHT),
        ("left_right", ("red chair", "blue sofa"),
         {"result_type": 2, "boolean_value": True, "probability": 0.99}, "yes (99% sure)",
         Mark.RIGHT),
        ("left_right", ("blue sofa", "red chair"),
         {"result_type": 2, "boolean_value": True, "probability": 0.99}, "yes (99% sure)",
         Mark.WRONG),
        ("left_right", ("blue sofa", "red chair"),
         {"result_type": 2, "boolean_value": True, "probability": 0.6}, "yes (60% sure)",
         Mark.UNSURE),
    ],
)  # fmt: skip
def test_comparisons_are_judged_by_typed_fields(examiner, family, objects, fields, said, mark):
    template = next(t for t in PLAN if t.family == family)
    misleading = "The green chair, no, too close to call."
    result = verdict(examiner, Question(template, objects), answer(answer=misleading, **fields))
    assert (result.said, result.mark) == (said, mark)


@pytest.mark.parametrize(
    ("unit", "value", "truth", "mark"),
    [
        ("clock", 11.0, "11 clock", Mark.RIGHT),
        ("clock", 2.0, "11 clock", Mark.WRONG),
        ("deg", 26.0, "27 deg", Mark.RIGHT),
        ("deg", -26.0, "27 deg", Mark.WRONG),
    ],
)
def test_directions_are_compared_around_the_clock(examiner, unit, value, truth, mark):
    template = next(t for t in PLAN if t.family == "camera_direction")
    said = answer(result_type=6, values=[value], std_devs=[math.nan], unit=unit)
    result = verdict(examiner, Question(template, ("red chair",)), said)
    assert (result.truth, result.mark) == (truth, mark)
