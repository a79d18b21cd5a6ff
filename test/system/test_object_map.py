# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The object map of a running node over real DDS: topics, services, bad input, other worlds."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")
pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")

from diagnostic_msgs.msg import DiagnosticArray
from ros_support import wait_for
from spatialgeo_ros.action import AskSpatial as AskSpatialAction
from spatialgeo_ros.msg import (
    ErrorCode,
    Region,
    SpatialAnswer,
    SpatialObject,
    SpatialObjectArray,
)
from spatialgeo_ros.srv import (
    AskSpatial,
    FindObjects,
    GetApproachPose,
    LoadObjects,
    RunQuery,
    SaveObjects,
)
from system.camera_driver import HEIGHT, WIDTH
from system.conftest import Robot, start_robot, stop_robot
from system.room_driver import CHAIR, LATCHED, PARAMETERS, ROOM, RoomDriver
from visualization_msgs.msg import Marker, MarkerArray

from spatialgeo_ros.node.conversions import stamp_to_ns
from spatialgeo_ros.node.object_services import encoded
from spatialgeo_ros.query.program import (
    Compare,
    Constant,
    Count,
    Everything,
    It,
    Named,
    Quantity,
    Rank,
    TellDirection,
    TellNumber,
    TellObjects,
    TellWhether,
    The,
    Viewer,
)

CHAIR_DISTANCE = Quantity("distance", (Viewer(), The(Named("chair"))))


class Room:
    """A robot that sees the room, and its services."""

    def __init__(self, robot: Robot, driver: RoomDriver) -> None:
        self.robot, self.driver = robot, driver
        self.arrays: list[Any] = robot.ros.collect(
            SpatialObjectArray, robot.name("objects"), LATCHED
        )

    def find(self, **fields: Any) -> Any:
        return self.robot.call(FindObjects, "find_objects", FindObjects.Request(**fields))

    def query(self, program: Any, **fields: Any) -> SpatialAnswer:
        text = program if isinstance(program, str) else encoded(program)
        request = RunQuery.Request(program=text, **fields)
        return self.robot.call(RunQuery, "run_query", request).answer

    def approach(self, **fields: Any) -> Any:
        request = GetApproachPose.Request(**fields)
        return self.robot.call(GetApproachPose, "get_approach_pose", request)

    def save(self, path: str) -> Any:
        return self.robot.call(SaveObjects, "save_objects", SaveObjects.Request(path=path))

    def load(self, path: str) -> Any:
        return self.robot.call(LoadObjects, "load_objects", LoadObjects.Request(path=path))

    def states(self) -> dict[str, int]:
        """State of each kind as last published."""
        return {one.label: one.state for one in self.arrays[-1].objects} if self.arrays else {}

    def wait_for_states(self, **wanted: int) -> None:
        wait_for(
            lambda: all(self.states().get(name) == state for name, state in wanted.items()),
            what=lambda: f"{wanted}, have {self.states()}:\n{self.robot.process.output[-3000:]}",
        )


SEEN, REMEMBERED = SpatialObject.STATE_VISIBLE, SpatialObject.STATE_REMEMBERED


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
    running.driver.world, running.driver.odometry_on = "odom", True
    running.driver.stand(0.0, 0.0, 0.0)
    running.wait_for_states(chair=SEEN, table=SEEN, plant=SEEN)
    return running


def centre(box: Any) -> list[float]:
    return [(a + b) / 2 for a, b in zip(box.low, box.high, strict=True)]


def test_both_cameras_feed_one_latched_map_in_the_world_frame(room):
    late = room.robot.ros.collect(SpatialObjectArray, room.robot.name("objects"), LATCHED)
    wait_for(lambda: late, what="the latched map")
    message = late[-1]
    assert message.header.frame_id == "odom"
    assert stamp_to_ns(message.header.stamp) in room.driver.stamps, "an image's stamp, never now"
    things = {one.label: one for one in message.objects}
    assert set(things) == {"chair", "table", "plant"}
    chair, plant = things["chair"], things["plant"]
    at = chair.pose.pose.position
    assert [at.x, at.y, at.z] == pytest.approx(centre(CHAIR), abs=0.12)
    assert chair.pose.covariance[0] > 0
    assert [chair.size.x, chair.size.y, chair.size.z] == pytest.approx([0.4, 0.4, 0.8], abs=0.15)
    assert (chair.cameras, plant.cameras) == (["front"], ["rear"])
    assert chair.best_camera == "front"
    assert stamp_to_ns(chair.best_stamp) in room.driver.stamps
    assert chair.colour == "red"
    assert 0 <= chair.age < 2.0
    assert math.isnan(message.ceiling_height)


def test_markers_are_latched_and_named(room):
    markers = room.robot.ros.collect(MarkerArray, room.robot.name("object_markers"), LATCHED)
    wait_for(lambda: markers, what="the latched markers")
    first, *rest = markers[-1].markers
    assert first.action == Marker.DELETEALL
    texts = [one.text for one in rest if one.ns == "names"]
    assert any(text.startswith("chair_") and text.endswith("red chair") for text in texts)
    assert {one.ns for one in rest} == {"objects", "names", "covariance"}


def test_find_by_phrase_and_in_other_frames(room):
    response = room.find(phrase="the red chair")
    assert response.error_code == ErrorCode.OK, response.error_message
    (chair,) = response.objects
    assert chair.header.frame_id == "odom"
    assert json.loads(response.program)
    everything = room.find(phrase="things").objects
    away = [math.hypot(one.pose.pose.position.x, one.pose.pose.position.y) for one in everything]
    assert len(everything) == 3
    assert away == sorted(away), "the nearest first"
    room.driver.stand(0.5, 0.0, 0.0)
    wait_for(
        lambda: (
            room.find(phrase="chair", target_frame="base_link").objects[0].pose.pose.position.x
            == pytest.approx(centre(CHAIR)[0] - 0.5, abs=0.15)
        ),
        what="the chair half a metre nearer",
    )
    seen = room.find(phrase="chair", target_frame="front_optical_frame").objects[0]
    assert seen.header.frame_id == "front_optical_frame"
    assert seen.pose.pose.position.z > 1.0, "ahead along the optical axis"
    assert math.isnan(seen.yaw)


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ({}, ErrorCode.BAD_REQUEST, "either a phrase or a program"),
        ({"phrase": "  "}, ErrorCode.BAD_REQUEST, "either a phrase or a program"),
        ({"phrase": "chair", "program": "{}"}, ErrorCode.BAD_REQUEST, "not both"),
        ({"phrase": "x" * 201}, ErrorCode.BAD_REQUEST, "201 characters"),
        ({"phrase": "the of"}, ErrorCode.NOT_UNDERSTOOD, "of"),
        ({"phrase": "wobbly chairs"}, ErrorCode.UNKNOWN_ATTRIBUTE, "wobbly"),
        ({"program": "{not json"}, ErrorCode.BAD_REQUEST, "JSON"),
        ({"program": "[" * 5000}, ErrorCode.BAD_REQUEST, ""),
        ({"program": '{"ask": "world peace"}'}, ErrorCode.BAD_REQUEST, ""),
        ({"program": encoded(TellNumber(Count(Everything())))}, ErrorCode.BAD_REQUEST, "run_query"),
        ({"phrase": "chair", "target_frame": "gripper"}, ErrorCode.WRONG_FRAME, "'gripper'"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_cannot_be_found_so_is_refused_and_the_node_lives(room, fields, code, words):
    response = room.find(**fields)
    assert response.error_code == code, response.error_message
    assert words in response.error_message
    assert not response.objects
    assert room.find(phrase="chair").error_code == ErrorCode.OK


def test_nothing_that_fits_is_no_error(room):
    response = room.find(phrase="unicorns")
    assert (response.error_code, list(response.objects)) == (ErrorCode.OK, [])


def test_a_number_comes_with_unit_and_standard_deviation(room):
    answers = room.robot.ros.collect(SpatialAnswer, room.robot.name("answers"))
    answer = room.query(TellNumber(CHAIR_DISTANCE, "ft"))
    assert answer.error_code == ErrorCode.OK, answer.error_message
    assert answer.result_type == SpatialAnswer.TYPE_NUMBER
    assert answer.unit == "ft"
    assert 1.5 < answer.values[0] * 0.3048 < 2.3
    assert 0 < answer.std_devs[0] < 1
    assert answer.object_ids[0].startswith("chair_")
    assert answer.header.frame_id == "odom"
    assert stamp_to_ns(answer.header.stamp) in room.driver.stamps
    assert json.loads(answer.program)
    wait_for(lambda: answers, what="the answer on ~/answers")


def test_yes_no_counts_objects_and_directions(room):
    near = room.query(TellWhether(Compare(CHAIR_DISTANCE, "<", Constant(9.0, "m"))))
    assert near.result_type == SpatialAnswer.TYPE_BOOLEAN
    assert near.boolean_value
    assert near.probability > 0.99
    count = room.query(TellNumber(Count(Everything())))
    assert (count.result_type, list(count.values)) == (SpatialAnswer.TYPE_COUNT, [3.0])
    by_distance = Rank(Everything(), Quantity("distance", (Viewer(), It())), count=1)
    nearest = room.query(TellObjects(by_distance, one=True))
    assert nearest.result_type == SpatialAnswer.TYPE_OBJECT
    table = TellDirection(Named("table"), "side")
    where = room.query(table)
    assert (where.result_type, where.direction) == (SpatialAnswer.TYPE_DIRECTION, "right")
    assert room.query(table, camera="rear").direction == "left"
    assert room.query(table, camera="side").error_code == ErrorCode.UNKNOWN_CAMERA


def test_an_ambiguous_program_names_the_candidates(room):
    answer = room.query(TellObjects(Everything(), one=True))
    assert answer.error_code == ErrorCode.AMBIGUOUS
    assert answer.result_type == SpatialAnswer.TYPE_ERROR
    assert len(answer.object_ids) == 3
    assert all(name in answer.error_message for name in answer.object_ids)


@pytest.mark.parametrize(
    "program", ["", "null", "7", "{", '{"ask": "number"}', "\x00", "x" * 20_001]
)
def test_bad_programs_are_refused_and_the_node_lives(room, program):
    answer = room.query(program)
    assert answer.error_code == ErrorCode.BAD_REQUEST, answer.error_message
    assert answer.error_message
    assert room.query(TellNumber(CHAIR_DISTANCE)).error_code == ErrorCode.OK


def test_nothing_waits_behind_a_language_model(room):
    client = room.robot.ros.action_client(AskSpatialAction, room.robot.name("ask_action"))
    feedback: list[Any] = []
    goal = AskSpatialAction.Goal(question="slow story, please")
    handle = room.robot.ros.send_goal(client, goal, feedback.append)
    result = room.robot.ros.goal_result(handle)
    wait_for(lambda: any(one.feedback.tokens for one in feedback), what="tokens")
    assert room.find(phrase="chair").error_code == ErrorCode.OK
    assert room.query(TellNumber(CHAIR_DISTANCE)).error_code == ErrorCode.OK
    assert room.approach(phrase="chair", robot_radius=0.2).error_code == ErrorCode.OK
    assert not result.done(), "it still speaks"
    room.robot.ros.cancel_goal(handle)
    room.robot.ros.result(result, 10.0)


def test_a_session_has_a_bounded_name(room):
    answer = room.query(TellNumber(CHAIR_DISTANCE), session="s" * 101)
    assert answer.error_code == ErrorCode.BAD_REQUEST
    assert "session" in answer.error_message


def test_a_question_without_a_camera_is_asked_of_all(room):
    request = AskSpatial.Request(question="How far is the plant?")
    answer = room.robot.call(AskSpatial, "ask", request).answer
    assert answer.error_code == ErrorCode.OK, answer.error_message
    assert answer.header.frame_id == "rear_optical_frame"
    assert answer.cameras[0] == "rear"
    request = AskSpatial.Request(question="How far is the sofa?")
    answer = room.robot.call(AskSpatial, "ask", request).answer
    assert answer.error_code == ErrorCode.PHRASE_NOT_FOUND


def test_a_question_with_regions_is_asked_of_their_camera(room):
    middle = Region(type=Region.TYPE_POINT, label="plant", camera="rear")
    middle.point_x, middle.point_y = WIDTH / 2, HEIGHT / 2
    request = AskSpatial.Request(question="How far is the plant?", regions=[middle])
    answer = room.robot.call(AskSpatial, "ask", request).answer
    assert answer.error_code == ErrorCode.OK, answer.error_message
    assert answer.header.frame_id == "rear_optical_frame"
    middle.camera = "side"
    answer = room.robot.call(AskSpatial, "ask", request).answer
    assert answer.error_code == ErrorCode.UNKNOWN_CAMERA


def test_approach_poses_face_the_object_on_free_floor(room):
    response = room.approach(phrase="chair", stand_off=0.3, robot_radius=0.2)
    assert response.error_code == ErrorCode.OK, response.error_message
    assert response.object.label == "chair"
    assert 1 <= len(response.poses) <= 8
    assert len(response.clearances) == len(response.poses)
    x, y, _ = centre(CHAIR)
    for one in response.poses:
        assert one.header.frame_id == "odom"
        at, turn = one.pose.position, one.pose.orientation
        yaw = 2 * math.atan2(turn.z, turn.w)
        towards = math.atan2(y - at.y, x - at.x)
        assert math.remainder(yaw - towards, 2 * math.pi) == pytest.approx(0.0, abs=0.2)
        assert math.hypot(x - at.x, y - at.y) > 0.2 + 0.2 + 0.2, "outside of the footprint"
        assert at.z == pytest.approx(0.0, abs=0.05)
    again = room.approach(object_id=response.object.id, target_frame="base_link", stand_off=0.3)
    assert again.error_code == ErrorCode.OK, again.error_message
    assert again.poses[0].header.frame_id == "base_link"


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ({}, ErrorCode.BAD_REQUEST, "either a phrase or an object_id"),
        ({"phrase": "chair", "object_id": "chair_1"}, ErrorCode.BAD_REQUEST, "not both"),
        ({"object_id": "ghost_7"}, ErrorCode.PHRASE_NOT_FOUND, "'ghost_7'"),
        ({"phrase": "sofa"}, ErrorCode.PHRASE_NOT_FOUND, "sofa"),
        ({"phrase": "things"}, ErrorCode.AMBIGUOUS, "chair"),
        ({"phrase": "chair", "stand_off": -1.0}, ErrorCode.BAD_REQUEST, "stand_off"),
        ({"phrase": "chair", "stand_off": math.nan}, ErrorCode.BAD_REQUEST, "stand_off"),
        ({"phrase": "chair", "robot_radius": 0.0}, ErrorCode.BAD_REQUEST, "robot_radius"),
        ({"phrase": "chair", "robot_radius": 2.0}, ErrorCode.NO_FREE_PLACE, "seen free"),
        ({"phrase": "chair", "target_frame": "map"}, ErrorCode.WRONG_FRAME, "'map'"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_cannot_be_approached_is_refused(room, fields, code, words):
    response = room.approach(**fields)
    assert response.error_code == code, response.error_message
    assert words in response.error_message
    assert not response.poses


def test_what_leaves_the_view_is_remembered_and_what_is_taken_away_is_gone(room):
    room.driver.stand(0.0, 0.0, math.pi / 2)
    room.wait_for_states(chair=REMEMBERED, table=REMEMBERED, plant=REMEMBERED)
    (chair,) = room.find(phrase="chair").objects
    assert chair.state == REMEMBERED
    answer = room.query(TellNumber(CHAIR_DISTANCE))
    assert answer.error_code == ErrorCode.OK, answer.error_message
    assert answer.age > 0
    room.driver.stand(0.0, 0.0, 0.0, ROOM[1:])
    room.wait_for_states(chair=SpatialObject.STATE_GONE, table=SEEN)
    assert not room.find(phrase="chair").objects
    (gone,) = room.find(phrase="chair", include_gone=True).objects
    assert gone.state == SpatialObject.STATE_GONE
    response = room.approach(object_id=gone.id)
    assert response.error_code == ErrorCode.NO_FREE_PLACE
    assert "gone" in response.error_message


def test_a_map_is_saved_and_comes_back_remembered(room, tmp_path):
    saved = room.save("kitchen.json")
    assert saved.error_code == ErrorCode.OK, saved.error_message
    path = Path(saved.path)
    assert path.is_absolute()
    assert path.is_file()
    assert path.parent.name == "maps", "relative to objects_directory"
    assert saved.objects >= 3
    room.driver.stand(0.0, 0.0, math.pi / 2, ())
    loaded = room.load(str(path))
    assert loaded.error_code == ErrorCode.OK, loaded.error_message
    assert loaded.objects == saved.objects
    assert {one.state for one in room.find(phrase="things").objects} == {REMEMBERED}
    other = tmp_path / "other.json"
    content = json.loads(path.read_text())
    other.write_text(json.dumps({**content, "world_frame": "moon"}))
    other.with_suffix(".npz").write_bytes(path.with_suffix(".npz").read_bytes())
    stored = json.loads(other.read_text())
    stored["arrays"]["file"] = "other.npz"
    other.write_text(json.dumps(stored))
    refused = room.load(str(other))
    assert refused.error_code == ErrorCode.WRONG_FRAME, refused.error_message
    assert "moon" in refused.error_message
    assert room.find(phrase="chair").objects, "the map is as it was"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("", ErrorCode.BAD_REQUEST),
        ("  ", ErrorCode.BAD_REQUEST),
        ("a\nb.json", ErrorCode.BAD_REQUEST),
        ("x" * 4001, ErrorCode.BAD_REQUEST),
        ("map.pickle", ErrorCode.BAD_REQUEST),
        ("/proc/nowhere/map.json", ErrorCode.FILE_ACCESS),
        ("missing/folder/map.json", ErrorCode.FILE_ACCESS),
        ("x" * 300 + ".json", ErrorCode.FILE_ACCESS),
    ],
    ids=lambda value: str(value)[:20],
)
def test_paths_that_cannot_be_used_are_refused(room, path, code):
    for response in (room.save(path), room.load(path)):
        assert response.error_code == code, response.error_message
        assert response.error_message
    assert room.find(phrase="chair").error_code == ErrorCode.OK


def test_a_file_that_is_no_map_is_refused(room, tmp_path):
    for name, content in (("text.json", "hello"), ("list.json", "[]"), ("other.json", "{}")):
        path = tmp_path / name
        path.write_text(content)
        response = room.load(str(path))
        assert response.error_code == ErrorCode.FILE_ACCESS, response.error_message
        assert os.fspath(path) in response.error_message


def test_diagnostics_tell_about_the_map(room):
    messages = room.robot.ros.collect(DiagnosticArray, "/diagnostics")
    name = f"/{room.robot.namespace}/spatialgeo: perception"

    def values() -> dict[str, str]:
        for message in reversed(messages):
            for status in message.status:
                if status.name == name:
                    return {pair.key: pair.value for pair in status.values}
        return {}

    wait_for(lambda: values().get("object map objects"), what=lambda: f"the facts: {values()}")
    facts = values()
    assert int(facts["object map objects"]) >= 3
    assert int(facts["object map bytes"]) > 0
    assert facts["object map world frame"] == "odom"
    assert facts["detections_3d"]


def test_another_world_frame_clears_the_map_and_says_so(room):
    room.driver.odometry_on = False
    time.sleep(1.3)  # a world is left only when nothing has been heard of it for a second
    room.driver.stand(0.0, 0.0, math.pi / 2, ())
    room.driver.world, room.driver.odometry_on = "map", True
    wait_for(
        lambda: room.arrays[-1].header.frame_id == "map" and not room.arrays[-1].objects,
        what="an empty map in the new frame",
    )
    assert "object map cleared: the world frame is 'map'" in room.robot.process.output
    room.driver.odometry_on = False
    time.sleep(1.3)


def test_a_time_jump_clears_the_map(room):
    room.driver.stop()
    room.driver.stand(0.0, 0.0, math.pi / 2, ())
    old = room.driver.stamps[-1] - 60_000_000_000

    def cleared() -> bool:
        nonlocal old
        old += 50_000_000
        room.driver.publish(old)
        return bool(room.arrays[-1].header.stamp.sec) and not room.arrays[-1].objects

    wait_for(cleared, what="an empty map")
    assert "clearing frames, poses, keyframes and objects" in room.robot.process.output
    assert room.find(phrase="chair").error_code == ErrorCode.OK
