# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""AskSpatial over the object map: typed fields, dialogues, candidates, all cameras; real DDS."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")
pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")

from box_world import Box
from ros_support import wait_for
from spatialgeo_ros.action import AskSpatial as AskSpatialAction
from spatialgeo_ros.msg import (
    DistanceEstimate,
    ErrorCode,
    SpatialAnswer,
    SpatialObject,
    SpatialObjectArray,
)
from spatialgeo_ros.srv import AskSpatial, LoadObjects, RunQuery, SaveObjects
from system.conftest import Robot, start_robot, stop_robot
from system.room_driver import CHAIR, LATCHED, PARAMETERS, PLANT, ROOM, TABLE, RoomDriver

from spatialgeo_ros.node.conversions import stamp_to_ns
from spatialgeo_ros.node.object_services import encoded
from spatialgeo_ros.query.program import Named, Quantity, TellNumber, The

#: Behind the robot: only the rear camera sees it, and never together with the other chair.
SECOND_CHAIR = Box((-2.2, 0.9, 0.0), (-1.8, 1.3, 0.8), (200, 40, 30))
FEET = 1 / 0.3048


class Room:
    """A robot that sees the room, and whom it is asked through."""

    def __init__(self, robot: Robot, driver: RoomDriver) -> None:
        self.robot, self.driver = robot, driver
        self.arrays: list[Any] = robot.ros.collect(
            SpatialObjectArray, robot.name("objects"), LATCHED
        )

    def ask(self, question: str, **fields: Any) -> SpatialAnswer:
        request = AskSpatial.Request(question=question, **fields)
        return self.robot.call(AskSpatial, "ask", request).answer

    def states(self) -> list[tuple[str, int]]:
        """Label and state of each object as last published."""
        objects = self.arrays[-1].objects if self.arrays else []
        return sorted((one.label, one.state) for one in objects)

    def wait_for_states(self, *wanted: tuple[str, int]) -> None:
        wait_for(
            lambda: self.states() == sorted(wanted),
            what=lambda: f"{wanted}, have {self.states()}:\n{self.robot.process.output[-3000:]}",
        )


SEEN, REMEMBERED = SpatialObject.STATE_VISIBLE, SpatialObject.STATE_REMEMBERED
ALL_SEEN = (("chair", SEEN), ("table", SEEN), ("plant", SEEN))


@pytest.fixture(scope="module")
def running(tmp_path_factory: Any) -> Iterator[Room]:
    folder = tmp_path_factory.mktemp("robot")
    robot = start_robot(folder, objects_directory=str(folder / "maps"), **PARAMETERS)
    with RoomDriver(robot.ros, robot.namespace) as driver:
        wait_for(driver.matched, what="the node's subscriptions")
        driver.run(10.0)
        yield Room(robot, driver)
    stop_robot(robot)


@pytest.fixture
def room(running: Room) -> Room:
    """The robot at its place, with all three things in view."""
    running.driver.stand(0.0, 0.0, 0.0)
    running.wait_for_states(*ALL_SEEN)
    return running


def centre(box: Box) -> list[float]:
    return [(a + b) / 2 for a, b in zip(box.low, box.high, strict=True)]


def check_number(answer: SpatialAnswer, value: float, unit: str, off: float) -> None:
    assert answer.error_code == ErrorCode.OK, answer.error_message
    assert answer.result_type == SpatialAnswer.TYPE_NUMBER
    assert answer.unit == unit
    assert list(answer.values) == pytest.approx([value], abs=off)
    assert 0 < answer.std_devs[0] < 0.5 * value
    assert json.loads(answer.program)


def test_two_things_that_no_image_shows_together(room):
    """The chair is before the robot, the plant behind it; no camera is named."""
    answer = room.ask("How far is the chair from the plant?")
    check_number(answer, math.dist(centre(CHAIR), centre(PLANT)), "m", 0.15)
    kinds = sorted(name.split("_")[0] for name in answer.object_ids)
    assert kinds == ["chair", "plant"]
    assert stamp_to_ns(answer.header.stamp) in room.driver.stamps
    assert answer.distances[0].kind == DistanceEstimate.KIND_CENTRE_TO_CENTRE
    feet = room.ask("How far is the chair from the plant, in feet?")
    check_number(feet, answer.values[0] * FEET, "ft", 0.2)


def test_counts_yes_no_objects_and_directions_are_typed(room):
    count = room.ask("How many things are there?")
    assert (count.result_type, list(count.values)) == (SpatialAnswer.TYPE_COUNT, [3.0])
    assert count.unit == ""
    fits = room.ask("Is there enough space for a 60 cm robot between the chair and the plant?")
    assert (fits.result_type, fits.boolean_value) == (SpatialAnswer.TYPE_BOOLEAN, True)
    assert fits.probability > 0.95
    tallest = room.ask("Which object is the tallest?")
    assert tallest.result_type == SpatialAnswer.TYPE_OBJECT
    assert tallest.object_ids[0].startswith("chair_")
    where = room.ask("Where is the table?", camera="front")
    assert where.result_type == SpatialAnswer.TYPE_DIRECTION
    assert where.unit == "deg"
    x, y, _ = centre(TABLE)
    assert where.values[0] == pytest.approx(math.degrees(math.atan2(y, x)), abs=5.0)
    assert "right" in where.direction or where.direction == "front"


def test_directions_are_those_of_the_camera_that_is_named(room):
    front = room.ask("Where is the chair?", camera="front")
    rear = room.ask("Where is the chair?", camera="rear")
    turned = math.remainder(front.values[0] - rear.values[0], 360.0)
    assert abs(turned) == pytest.approx(180.0, abs=5.0)


def test_a_dialogue_goes_on_within_its_session(room):
    height = room.ask("How tall is the table?", session="tour")
    check_number(height, 0.7, "m", 0.1)
    width = room.ask("And how wide is it?", session="tour")
    check_number(width, 1.2, "m", 0.15)
    assert list(width.object_ids) == list(height.object_ids)
    feet = room.ask("In feet?", session="tour")
    check_number(feet, width.values[0] * FEET, "ft", 0.1)
    other = room.ask("And how tall is the chair?", session="another tour")
    check_number(other, 0.8, "m", 0.1)
    again = room.ask("How wide is it?", session="tour")
    assert list(again.object_ids) == list(height.object_ids)


def test_it_means_nothing_without_a_session(room):
    room.ask("How tall is the table?")
    answer = room.ask("And how wide is it?")
    assert answer.result_type in (SpatialAnswer.TYPE_NONE, SpatialAnswer.TYPE_ERROR)
    assert not answer.values


def test_an_action_and_a_program_are_part_of_the_dialogue(room):
    client = room.robot.ros.action_client(AskSpatialAction, room.robot.name("ask_action"))
    goal = AskSpatialAction.Goal(question="How tall is the chair?", session="mixed")
    result = room.robot.ros.goal_result(room.robot.ros.send_goal(client, goal))
    answer = room.robot.ros.result(result, 30.0).result.answer
    check_number(answer, 0.8, "m", 0.1)
    width = room.ask("And how wide is it?", session="mixed")
    assert list(width.object_ids) == list(answer.object_ids)
    program = TellNumber(Quantity("height", (The(Named("plant")),)))
    request = RunQuery.Request(program=encoded(program), session="mixed")
    plant = room.robot.call(RunQuery, "run_query", request).answer
    check_number(plant, 0.7, "m", 0.1)
    width = room.ask("And how wide is it?", session="mixed")
    assert list(width.object_ids) == list(plant.object_ids)


def test_an_ambiguous_question_names_the_candidates_of_all_cameras(room):
    room.driver.stand(0.0, 0.0, 0.0, (*ROOM, SECOND_CHAIR))
    room.wait_for_states(*ALL_SEEN, ("chair", SEEN))
    answer = room.ask("How far is the chair?", session="which one", target_frame="base_link")
    assert answer.error_code == ErrorCode.AMBIGUOUS, answer.answer
    assert answer.result_type == SpatialAnswer.TYPE_ERROR
    assert len(answer.object_ids) == 2
    assert all(name in answer.error_message for name in answer.object_ids)
    assert answer.error_message.count(" m away") == 2
    assert not answer.values
    assert not answer.distances
    assert json.loads(answer.program), "what was understood"
    assert [one.id for one in answer.objects] == list(answer.object_ids), (
        "to choose by their places"
    )
    assert {one.header.frame_id for one in (answer, *answer.objects)} == {"base_link"}
    assert {one.label for one in answer.objects} == {"chair"}
    places = [(one.pose.pose.position.x, one.pose.pose.position.y) for one in answer.objects]
    assert sorted(places) == [
        pytest.approx(centre(box)[:2], abs=0.15) for box in (SECOND_CHAIR, CHAIR)
    ]
    nowhere = room.ask("How far is the chair?", target_frame="no_such_frame")
    assert nowhere.error_code == ErrorCode.WRONG_FRAME, nowhere.error_message
    assert not nowhere.objects
    count = room.ask("How many chairs are there?")
    assert list(count.values) == [2.0]
    assert sorted(count.object_ids) == sorted(answer.object_ids)
    table = room.ask("What about the table?", session="which one")
    assert table.error_code == ErrorCode.OK, table.error_message
    assert [name.split("_")[0] for name in table.object_ids] == ["table"]
    room.driver.stand(0.0, 0.0, 0.0)
    wait_for(lambda: ("chair", SpatialObject.STATE_GONE) in room.states(), what="a chair gone")
    known = room.ask("How many chairs are there?")
    assert list(known.values) == [1.0]
    empty = room.robot.call(SaveObjects, "save_objects", SaveObjects.Request(path="one.json"))
    assert empty.error_code == ErrorCode.OK, empty.error_message


def test_what_is_out_of_view_is_answered_as_remembered(running):
    room = running
    room.driver.stand(0.0, 0.0, 0.0)
    wait_for(lambda: set(ALL_SEEN) <= set(room.states()), what=lambda: str(room.states()))
    room.driver.stand(0.0, 0.0, math.pi / 2)
    wait_for(
        lambda: not any(state == SEEN for _, state in room.states()),
        what=lambda: str(room.states()),
    )
    where = room.ask("Where did you last see the table?")
    assert where.error_code == ErrorCode.OK, where.error_message
    assert where.result_type == SpatialAnswer.TYPE_DIRECTION
    x, y, _ = centre(TABLE)
    true = math.degrees(math.remainder(math.atan2(y, x) - math.pi / 2, 2 * math.pi))
    assert where.values[0] == pytest.approx(true, abs=6.0)
    assert where.how_seen == DistanceEstimate.HOW_REMEMBERED
    assert where.age > 0
    assert 0 < stamp_to_ns(where.seen_stamp) < stamp_to_ns(where.header.stamp)
    apart = room.ask("How far is the table from the plant?")
    check_number(apart, math.dist(centre(TABLE), centre(PLANT)), "m", 0.2)
    assert apart.distances[0].how_seen == DistanceEstimate.HOW_REMEMBERED
    refused = room.ask("How far is the table from the plant?", in_view_only=True)
    assert refused.error_code == ErrorCode.PHRASE_NOT_FOUND, refused.answer


def test_a_loaded_map_begins_a_new_dialogue(running):
    """Its ids are of the map that was saved: "it" may not mean one of them."""
    room = running
    assert room.ask("How tall is the table?", session="old").error_code == ErrorCode.OK
    saved = room.robot.call(SaveObjects, "save_objects", SaveObjects.Request(path="all.json"))
    loaded = room.robot.call(LoadObjects, "load_objects", LoadObjects.Request(path=saved.path))
    assert loaded.error_code == ErrorCode.OK, loaded.error_message
    answer = room.ask("And how wide is it?", session="old")
    assert not answer.values
