# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every request in a frame that it names, and one question about two cameras, over real DDS."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")
pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")

from box_world import camera_pose
from ros_support import wait_for
from spatialgeo_ros.action import AskSpatial as AskSpatialAction
from spatialgeo_ros.msg import DistanceEstimate, ErrorCode, Region, SpatialAnswer, SpatialObject
from spatialgeo_ros.srv import AskSpatial, FindObjects, MeasureDistance, RunQuery, WatchDistance
from system.conftest import Robot, start_robot, stop_robot
from system.room_driver import (
    CAMERA_HEIGHT,
    CHAIR,
    LATCHED,
    MOUNTS,
    PARAMETERS,
    PITCH,
    PLANT,
    RoomDriver,
)
from visualization_msgs.msg import Marker, MarkerArray

from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.node.conversions import stamp_to_ns
from spatialgeo_ros.node.object_services import encoded
from spatialgeo_ros.query.program import Named, Quantity, TellNumber, TellObjects, The

#: Where the robot stands, away from the origin and turned: no two frames are the same.
PLACE = (0.3, -0.2, 0.4)
OPTICAL = "front_optical_frame"
FRAMES = ["odom", "base_link", "rear_optical_frame"]


class Stand:
    """A robot at its place that sees the room."""

    def __init__(self, robot: Robot, driver: RoomDriver) -> None:
        self.robot, self.driver = robot, driver

    def measure(self, **fields: Any) -> Any:
        request = MeasureDistance.Request(from_region=Region(label="the red chair"), **fields)
        return self.robot.call(MeasureDistance, "measure_distance", request)

    def ask(self, question: str, **fields: Any) -> SpatialAnswer:
        request = AskSpatial.Request(question=question, **fields)
        return self.robot.call(AskSpatial, "ask", request).answer

    def find(self, phrase: str) -> list[Any]:
        request = FindObjects.Request(phrase=phrase)
        return list(self.robot.call(FindObjects, "find_objects", request).objects)


def world_from(frame: str) -> Pose:
    """The true pose of a frame of the robot in the world."""
    x, y, yaw = PLACE
    if frame == "odom":
        return Pose.identity()
    if frame == "base_link":
        cos, sin = math.cos(yaw), math.sin(yaw)
        return Pose(np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1.0]]), np.array([x, y, 0.0]))
    mount = MOUNTS[frame.removesuffix("_optical_frame")]
    return camera_pose(x, y, CAMERA_HEIGHT, yaw + mount[5], PITCH)


def xyz(point: Any) -> np.ndarray:
    return np.array([point.x, point.y, point.z])


@pytest.fixture(scope="module")
def stand(tmp_path_factory: Any) -> Iterator[Stand]:
    robot = start_robot(tmp_path_factory.mktemp("robot"), **PARAMETERS)
    with RoomDriver(robot.ros, robot.namespace) as driver:
        wait_for(driver.matched, what="the node's subscriptions")
        driver.stand(*PLACE)
        driver.run(10.0)
        here = Stand(robot, driver)
        wait_for(
            lambda: {one.label for one in here.find("things")} >= {"chair", "plant"},
            what=lambda: f"the map:\n{robot.process.output[-3000:]}",
        )
        yield here
    stop_robot(robot)


@pytest.mark.parametrize("frame", FRAMES)
def test_a_measured_point_is_where_the_thing_is_in_that_frame(stand, frame):
    response = stand.measure(camera="front", target_frame=frame)
    assert response.error_code == ErrorCode.OK, response.error_message
    (length,) = response.distances
    assert length.header.frame_id == frame
    assert stamp_to_ns(length.header.stamp) in stand.driver.stamps, "the image's, never now"
    point = world_from(frame).apply(xyz(length.to_point))
    low, high = np.array(CHAIR.low), np.array(CHAIR.high)
    assert (low - 0.08 <= point).all(), point
    assert (point <= high + 0.08).all(), point
    assert np.linalg.norm(xyz(length.to_point) - xyz(length.from_point)) == pytest.approx(
        length.distance, abs=0.02
    )
    camera = world_from(frame).apply(xyz(length.from_point))
    assert camera == pytest.approx(world_from(OPTICAL).translation, abs=0.01)


def test_without_a_frame_points_are_in_the_cameras_as_ever(stand):
    (length,) = stand.measure(camera="front").distances
    assert length.header.frame_id == OPTICAL
    assert xyz(length.from_point).tolist() == [0, 0, 0]
    (same,) = stand.measure(camera="front", target_frame=OPTICAL).distances
    assert xyz(same.from_point).tolist() == [0, 0, 0]


def test_an_answer_has_points_and_objects_in_the_frame(stand):
    answer = stand.ask("How far is the red chair?", target_frame="base_link")
    assert answer.error_code == ErrorCode.OK, answer.error_message
    assert answer.header.frame_id == "base_link"
    assert stamp_to_ns(answer.header.stamp) in stand.driver.stamps
    assert {one.header.frame_id for one in answer.distances} == {"base_link"}
    assert OPTICAL in {one.frame_id for one in answer.frames}, "of the images, still"
    (chair,) = answer.objects
    assert chair.id == answer.object_ids[0]
    assert chair.header.frame_id == "base_link"
    centre = world_from("base_link").apply(xyz(chair.pose.pose.position))
    assert centre == pytest.approx([2.0, 0.5, 0.4], abs=0.15)


def test_the_action_speaks_in_the_frame_from_its_measured_part_on(stand):
    client = stand.robot.ros.action_client(AskSpatialAction, stand.robot.name("ask_action"))
    feedback: list[Any] = []
    goal = AskSpatialAction.Goal(question="How far is the red chair?", target_frame="odom")
    handle = stand.robot.ros.send_goal(client, goal, feedback.append)
    answer = stand.robot.ros.result(stand.robot.ros.goal_result(handle), 30.0).result.answer
    assert answer.error_code == ErrorCode.OK, answer.error_message
    assert answer.header.frame_id == "odom"
    measured = [part for one in feedback for part in one.feedback.measured]
    assert {part.header.frame_id for part in measured} <= {"odom"}


def test_a_program_gives_its_objects_in_the_frame(stand):
    program = encoded(TellObjects(Named("chair"), one=True))
    request = RunQuery.Request(program=program, target_frame=OPTICAL)
    answer = stand.robot.call(RunQuery, "run_query", request).answer
    assert answer.error_code == ErrorCode.OK, answer.error_message
    assert answer.header.frame_id == OPTICAL
    (chair,) = answer.objects
    assert world_from(OPTICAL).apply(xyz(chair.pose.pose.position)) == pytest.approx(
        [2.0, 0.5, 0.4], abs=0.15
    )
    spread = np.reshape(chair.pose.covariance, (6, 6))[:3, :3]
    request = RunQuery.Request(program=program)
    (there,) = stand.robot.call(RunQuery, "run_query", request).answer.objects
    turn = world_from(OPTICAL).rotation
    known = np.reshape(there.pose.covariance, (6, 6))[:3, :3]
    assert np.trace(spread) == pytest.approx(np.trace(known), rel=0.2)
    assert turn @ spread @ turn.T == pytest.approx(known, abs=0.2 * np.trace(known))


def test_a_watch_is_published_in_the_frame_and_drawn_in_the_cameras(stand):
    lengths: list[Any] = stand.robot.ros.collect(DistanceEstimate, stand.robot.name("distances"))
    markers: list[Any] = stand.robot.ros.collect(MarkerArray, stand.robot.name("markers"))
    start = WatchDistance.Request(
        watch_id="base", camera="front", from_region=Region(label="the red chair"),
        target_frame="base_link",
    )  # fmt: skip
    response = stand.robot.call(WatchDistance, "watch_distance", start)
    assert response.error_code == ErrorCode.OK, response.error_message

    def newest() -> Any:
        mine = (one for one in list(lengths) if one.watch_id == "base")
        return next((one for one in mine if one.valid), None)

    length = wait_for(newest, what="a result of the watch")
    assert length.header.frame_id == "base_link"
    point = world_from("base_link").apply(xyz(length.to_point))
    assert point[0] == pytest.approx(1.8, abs=0.1)

    def drawn() -> set[str]:
        every = (one for array in list(markers) for one in array.markers)
        return {one.header.frame_id for one in every if one.ns == "base"}

    assert wait_for(drawn, what="its markers") == {OPTICAL}
    start.target_frame = "gripper"
    stand.robot.call(WatchDistance, "watch_distance", start)

    def refused() -> Any:
        mine = (one for one in list(lengths) if one.watch_id == "base")
        return next((one for one in mine if "'gripper'" in one.reason), None)

    assert not wait_for(refused, what="a result that names the frame").valid
    stop = WatchDistance.Request(command=WatchDistance.Request.STOP, watch_id="base")
    stand.robot.call(WatchDistance, "watch_distance", stop)


@pytest.mark.parametrize("frame", ["gripper", "map", "/base_link", "x" * 200])
def test_an_unknown_frame_is_refused_with_cause_and_cure(stand, frame):
    answer = stand.ask("How far is the red chair?", target_frame=frame)
    program = RunQuery.Request(program=encoded(TellObjects(Named("chair"))), target_frame=frame)
    for response in (
        stand.measure(camera="front", target_frame=frame),
        answer,
        stand.robot.call(RunQuery, "run_query", program).answer,
    ):
        assert response.error_code == ErrorCode.WRONG_FRAME, response.error_message
        assert frame[:20] in response.error_message
        assert "odometry knows only 'base_link' in 'odom'" in response.error_message
        assert "leave target_frame empty" in response.error_message
    assert answer.header.frame_id == OPTICAL, "the image that was looked at"
    assert stand.measure(camera="front").error_code == ErrorCode.OK


def test_a_name_without_a_bound_is_refused_everywhere(stand):
    long = "x" * 201
    watch = WatchDistance.Request(from_region=Region(label="chair"), target_frame=long)
    program = RunQuery.Request(program=encoded(TellObjects(Named("chair"))), target_frame=long)
    find = FindObjects.Request(phrase="chair", target_frame=long)
    for response in (
        stand.measure(target_frame=long),
        stand.ask("How far is the red chair?", target_frame=long),
        stand.robot.call(WatchDistance, "watch_distance", watch),
        stand.robot.call(RunQuery, "run_query", program).answer,
        stand.robot.call(FindObjects, "find_objects", find),
    ):
        assert response.error_code == ErrorCode.BAD_REQUEST, response.error_message
        assert "201 characters" in response.error_message


# Two cameras that see different things


def gap() -> float:
    """Between the centres of the chair, which the front camera sees, and the plant, the rear's."""
    centres = [(np.array(box.low) + np.array(box.high)) / 2 for box in (CHAIR, PLANT)]
    return float(np.linalg.norm(centres[0] - centres[1]))


def test_one_question_is_answered_across_two_cameras(stand):
    (chair,), (plant,) = stand.find("chair"), stand.find("plant")
    assert (chair.cameras, plant.cameras) == (["front"], ["rear"]), "one thing each"
    answer = stand.ask("How far is the red chair from the plant?", target_frame="odom")
    assert answer.error_code == ErrorCode.OK, answer.error_message
    assert answer.values[0] == pytest.approx(gap(), abs=0.2)
    assert answer.std_devs[0] > 0
    assert set(answer.object_ids) == {chair.id, plant.id}
    length = answer.distances[0]
    assert length.valid
    ends = [xyz(length.from_point), xyz(length.to_point)]
    assert min(abs(end[0] - 2.0) for end in ends) < 0.3, "one end at the chair"
    assert min(abs(end[0] + 2.0) for end in ends) < 0.3, "the other at the plant"


def test_a_program_measures_across_two_cameras(stand):
    across = Quantity("distance", (The(Named("chair")), The(Named("plant"))))
    request = RunQuery.Request(program=encoded(TellNumber(across, "m")))
    answer = stand.robot.call(RunQuery, "run_query", request).answer
    assert answer.error_code == ErrorCode.OK, answer.error_message
    assert answer.values[0] == pytest.approx(gap(), abs=0.2)
    assert {one.cameras[0] for one in answer.objects} == {"front", "rear"}


def test_what_only_the_other_camera_sees_is_found_without_naming_it(stand):
    for phrase, camera in (("red chair", "front"), ("plant", "rear")):
        answer = stand.ask(f"How far is the {phrase}?", target_frame="odom")
        assert answer.error_code == ErrorCode.OK, answer.error_message
        assert answer.cameras[0] == camera
        assert answer.objects[0].state == SpatialObject.STATE_VISIBLE


def test_without_poses_two_cameras_share_nothing_and_that_is_said(tmp_path):
    robot = start_robot(tmp_path, **{**PARAMETERS, "pose_source": "none"})
    try:
        with RoomDriver(robot.ros, robot.namespace) as driver:
            driver.odometry_on = False
            wait_for(lambda: driver.image.get_subscription_count() > 0, what="a subscription")
            driver.stand(*PLACE)
            driver.run(10.0)
            here = Stand(robot, driver)
            wait_for(
                lambda: here.ask("How far is the red chair?").error_code == ErrorCode.OK,
                what="an answer in one image",
            )
            answer = here.ask("How far is the red chair from the plant?")
            assert answer.error_code != ErrorCode.OK, answer.answer
            assert not any(one.valid for one in answer.distances)
            refused = here.measure(camera="front", target_frame="base_link")
            assert refused.error_code == ErrorCode.WRONG_FRAME, refused.error_message
            assert "pose_source is 'none'" in refused.error_message
            assert "let poses come from TF or odometry" in refused.error_message
    finally:
        stop_robot(robot)


def test_keyframes_and_objects_come_as_markers_that_rviz_can_place(stand):
    frusta: list[Any] = stand.robot.ros.collect(
        MarkerArray, stand.robot.name("keyframe_markers"), LATCHED
    )
    boxes: list[Any] = stand.robot.ros.collect(
        MarkerArray, stand.robot.name("object_markers"), LATCHED
    )
    wait_for(lambda: frusta and boxes, what="the latched markers")
    for array in (frusta[-1], boxes[-1]):
        assert array.markers[0].action == Marker.DELETEALL
        assert {one.header.frame_id for one in array.markers} == {"odom"}
    lines = [one for one in frusta[-1].markers if one.type == Marker.LINE_LIST]
    assert {one.ns for one in lines} == {"front", "rear"}


def test_a_measurement_reaches_what_the_other_camera_sees(stand):
    """The plant is behind the front camera: measured in the rear image, and brought here."""
    request = {"camera": "front", "to_region": Region(label="plant"), "target_frame": "odom"}
    kinds = [DistanceEstimate.KIND_CENTRE_TO_CENTRE, DistanceEstimate.KIND_NEAREST_POINTS]
    response = stand.measure(kinds=kinds, **request)
    assert response.error_code == ErrorCode.OK, response.error_message
    centres, nearest = response.distances
    assert centres.valid, centres.reason
    assert centres.distance == pytest.approx(gap(), abs=0.2)
    assert nearest.valid, nearest.reason
    low = np.array(CHAIR.low[:2]) - np.array(PLANT.high[:2])
    assert nearest.distance == pytest.approx(float(np.hypot(low[0], max(low[1], 0))), abs=0.15)
    for length in (centres, nearest):
        assert xyz(length.to_point)[0] < -1.7
        assert xyz(length.from_point)[0] > 1.7
