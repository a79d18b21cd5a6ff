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


def answer(text="", **estimate):
    distances = [messages.DistanceEstimate(**estimate)] if estimate else []
    return messages.SpatialAnswer(answer=text, distances=distances)


def test_lengths_are_compared_in_metres(examiner):
    question = Question(PLAN[0], ("red chair",))
    verdict = examiner.verdict(
        question, answer(valid=True, distance=2.1, std_dev=0.05, kind=0), Pose.identity()
    )
    assert verdict.measured == "2.10 m +- 0.05 m"
    assert verdict.truth == "2.00 m"
    assert verdict.deviation == "+0.10 m (5%)"
    assert verdict.error == pytest.approx(0.1)


def test_an_invalid_length_counts_as_nothing(examiner):
    question = Question(PLAN[0], ("red chair",))
    verdict = examiner.verdict(question, answer(valid=False, distance=2.1, kind=0), Pose.identity())
    assert verdict.measured == "nothing"
    assert math.isnan(verdict.error)


@pytest.mark.parametrize(
    ("family", "objects", "text", "measured", "verdict"),
    [
        ("closer", ("red chair", "blue sofa"),
         "The red chair: the red chair is closer than the blue sofa (2 m against 4 m).",
         "red chair", "right"),
        ("closer", ("blue sofa", "red chair"), "The blue sofa is closer than the red chair.",
         "blue sofa", "wrong"),
        ("left_right", ("red chair", "blue sofa"),
         "Yes: the red chair is to the left of the blue sofa.", "yes", "right"),
        ("left_right", ("blue sofa", "red chair"), "Yes: it is.", "yes", "wrong"),
        ("left_right", ("red chair", "blue sofa"), "Too close to call: they are alike.",
         "too close to call", "wrong"),
    ],
)  # fmt: skip
def test_comparisons_are_judged(examiner, family, objects, text, measured, verdict):
    template = next(t for t in PLAN if t.family == family)
    result = examiner.verdict(Question(template, objects), answer(text), Pose.identity())
    assert (result.measured, result.deviation) == (measured, verdict)


def test_directions_are_compared_around_the_clock(examiner):
    template = next(t for t in PLAN if t.family == "camera_direction")
    result = examiner.verdict(
        Question(template, ("red chair",)), answer("The red chair is at 1 o'clock."),
        Pose.identity(),
    )  # fmt: skip
    assert (result.measured, result.truth, result.deviation) == ("1 o'clock", "11 o'clock", "2 h")
