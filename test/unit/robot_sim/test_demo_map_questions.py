# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the demo asks about the map, when, and its true answers, in a made-up room."""

import math

import pytest

messages = pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces")

from spatialgeo_ros.geometry.pose import Pose  # noqa: E402
from spatialgeo_ros.node.conversions import pose_to_msg  # noqa: E402
from spatialgeo_ros.robot_sim.demo.map_questions import (  # noqa: E402
    PLAN,
    Survey,
    gone_question,
    to_take_away,
)
from spatialgeo_ros.robot_sim.demo.true_world import TrueWorld, true_names  # noqa: E402
from spatialgeo_ros.sim.rig import camera_pose  # noqa: E402

# name: centre, size; the robot stands at the origin and looks along x
ROOM = {
    "blue sofa": ((3.0, 0.0, 0.4), (1.0, 2.0, 0.8)),
    "red chair": ((0.0, 2.0, 0.45), (0.4, 0.4, 0.9)),
    "green chair": ((0.0, -4.0, 0.45), (0.4, 0.4, 0.9)),
    "white lamp": ((-2.0, 0.0, 0.8), (0.4, 0.4, 1.6)),
}


def scene(seconds=0, shown=(), without=()):
    message = messages.SceneGroundTruth(cameras=["camera"])
    message.header.stamp.sec = int(seconds)
    message.camera_poses = [pose_to_msg(camera_pose(0.0, 0.0, 0.0))]
    for name, (centre, size) in ROOM.items():
        if name in without:
            continue
        colour, kind = name.split()
        entry = messages.SceneObject(label=name, kind=kind, colour=colour,
                                     pose=pose_to_msg(Pose(translation=centre)))  # fmt: skip
        entry.size.x, entry.size.y, entry.size.z = size
        if name in shown:
            view = messages.Region(type=1, label=name, camera="camera", score=0.9)
            view.x_min = view.y_min = 100.0
            view.x_max = view.y_max = 200.0
            entry.views = [view]
        message.objects.append(entry)
    return message


WORLD = TrueWorld(scene())


@pytest.fixture
def survey():
    """Everything was seen for four seconds, then nothing for six."""
    survey = Survey(enough=4)
    for second in range(10):
        survey.add(TrueWorld(scene(second, ROOM if second < 4 else ())))
    return survey


def test_true_distances_are_those_of_the_boxes():
    assert WORLD.away("blue sofa") == pytest.approx(math.hypot(2.5, 0.1))  # camera at 0.9 m
    assert WORLD.distance("red chair", "green chair") == pytest.approx(6.0)
    assert WORLD.gap("red chair", "green chair") == pytest.approx(5.6)
    assert WORLD.passage("blue sofa", "red chair") == pytest.approx(math.hypot(2.3, 0.8))
    assert WORLD.bearing("red chair") == pytest.approx(90.0)
    assert WORLD.bearing("green chair") == pytest.approx(-90.0)
    assert abs(WORLD.bearing("white lamp")) == pytest.approx(180.0)
    assert WORLD.free_way(0.0, 1.0) == pytest.approx(0.8)


def mapped(name, label, x, y, z):
    thing = messages.SpatialObject(id=name, label=label)
    place = thing.pose.pose.position
    place.x, place.y, place.z = x, y, z
    return thing


def test_things_of_the_map_are_the_nearest_true_ones_of_their_kind():
    names = true_names(
        [
            mapped("chair_1", "red chair", 0.1, 2.0, 0.4),
            mapped("chair_2", "chair", 0.3, 2.0, 0.4),  # farther: a double
            mapped("chair_3", "chair", 3.0, 0.0, 0.4),  # at the sofa, and no sofa
            mapped("sofa_1", "sofa", 3.1, 0.0, 0.4),
        ],
        WORLD.things,
    )
    assert names == {"chair_1": "red chair", "sofa_1": "blue sofa"}


def test_things_have_left_the_view_after_a_while(survey):
    assert {one.name for one in survey.left()} == set(ROOM)
    survey.add(TrueWorld(scene(11, ["red chair"])))
    assert "red chair" not in {one.name for one in survey.left()}
    assert survey.unseen_for("blue sofa") == pytest.approx(8.0)


def test_what_was_hardly_seen_is_not_asked_about():
    survey = Survey(enough=4)
    for second in range(10):
        survey.add(TrueWorld(scene(second, ["blue sofa"] if second < 2 else ())))
    assert survey.seen() == set()
    assert survey.left() == []


def test_the_plan_asks_what_it_promises(survey):
    posed = [one for turn in PLAN for one in turn(survey, survey.now)]
    texts = " ".join(one.text for one in posed)
    for words in ("last see", "How many chairs", "in feet", "60 cm robot", "tallest", "And how",
                  "heavy", "piano", "The red one", "closest to the"):  # fmt: skip
        assert words in texts
    sessions = [one.session for one in posed if one.session]
    assert len(set(sessions)) == 2


def truth_of(survey, words):
    (posed,) = (one for turn in PLAN for one in turn(survey, survey.now) if words in one.text)
    return posed.truth(survey.now)


def test_its_truths_are_those_of_the_room(survey):
    assert truth_of(survey, "How many chairs").values == (2.0,)
    nearest = truth_of(survey, "nearest chair")
    assert nearest.unit == "ft"
    assert nearest.values[0] == pytest.approx(WORLD.away("red chair") / 0.3048)
    assert truth_of(survey, "tallest").names == {"white lamp"}
    assert truth_of(survey, "60 cm").yes
    assert truth_of(survey, "How tall is the chair").names == {"red chair", "green chair"}
    assert truth_of(survey, "heavy").codes
    assert truth_of(survey, "In feet?").values[0] == pytest.approx(2.0 / 0.3048)


def test_a_small_thing_is_taken_away_and_asked_about(survey):
    thing = to_take_away(survey)
    assert thing.name == "white lamp"
    after = TrueWorld(scene(12, (), ["white lamp"]))
    question = gone_question(thing, after)
    assert question.text == "Is there a lamp?"
    assert not question.truth(after).yes
    assert question.truth(WORLD).yes
    survey.add(TrueWorld(scene(13, ["white lamp", "red chair", "green chair"])))
    assert to_take_away(survey) is None, "not while the robot looks"
