# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Objects of the map, the room and typed results as messages, in the world and in other frames."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")
pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")

from small_map import NOW, SECOND, chair, small_map
from spatialgeo_ros.msg import DistanceEstimate, ErrorCode, SpatialAnswer, SpatialObject

from spatialgeo_ros.geometry.pose import BODY_FROM_OPTICAL, Pose
from spatialgeo_ros.memory.snapshot import RoomLayout
from spatialgeo_ros.node.conversions import stamp_to_ns
from spatialgeo_ros.node.object_messages import (
    empty_objects_message,
    object_message,
    objects_message,
    pose_messages,
    result_message,
)
from spatialgeo_ros.node.target_frames import Target
from spatialgeo_ros.query.result import QueryError, Result, ResultType
from spatialgeo_ros.scene.approach import ApproachPose

TURNED = Pose(np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]]), np.array([1.0, 0.0, 0.0]))


def xyz(point) -> list[float]:
    return [point.x, point.y, point.z]


def test_an_object_says_what_where_how_large_and_when_it_was_seen():
    message = object_message(chair(), small_map())
    assert message.header.frame_id == "odom"
    assert stamp_to_ns(message.header.stamp) == NOW
    assert (message.id, message.label, message.colour) == ("chair_1", "chair", "red")
    assert message.labels == ["chair", "stool"]
    assert list(message.label_shares) == [0.75, 0.25]
    assert xyz(message.pose.pose.position) == [2.0, 0.5, 0.45]
    assert message.pose.pose.orientation.z == pytest.approx(math.sin(math.pi / 4))
    covariance = np.reshape(message.pose.covariance, (6, 6))
    assert np.diag(covariance).tolist() == pytest.approx([4e-4, 1e-4, 9e-4, 0, 0, 0])
    assert xyz(message.size) == [0.5, 0.4, 0.9]
    assert xyz(message.size_std_dev) == [0.02] * 3
    assert message.yaw == pytest.approx(math.pi / 2)
    assert message.state == SpatialObject.STATE_VISIBLE
    assert stamp_to_ns(message.first_seen) == 90 * SECOND
    assert message.age == 0.0
    assert (message.best_camera, stamp_to_ns(message.best_stamp)) == ("front", 95 * SECOND)


def test_in_another_level_frame_place_covariance_and_yaw_turn_along():
    message = object_message(chair(), small_map(), Target("base_link", TURNED))
    assert message.header.frame_id == "base_link"
    assert xyz(message.pose.pose.position) == pytest.approx([1.5, -2.0, 0.45])
    covariance = np.reshape(message.pose.covariance, (6, 6))
    assert np.diag(covariance)[:3].tolist() == pytest.approx([1e-4, 4e-4, 9e-4])
    assert message.yaw == pytest.approx(0.0, abs=1e-9)


def test_in_an_optical_frame_there_is_no_yaw():
    optical = BODY_FROM_OPTICAL.inverse()
    message = object_message(chair(), small_map(), Target("camera_optical", optical))
    assert math.isnan(message.yaw)
    assert xyz(message.pose.pose.position) == pytest.approx([-0.5, -0.45, 2.0])


def test_ages_are_those_of_images_and_never_negative():
    seen = small_map()
    assert [object_message(one, seen).age for one in seen.objects] == pytest.approx([0, 12, 15])
    states = [one.state for one in objects_message(seen).objects]
    assert states == [0, 1, 2]


def test_what_is_not_known_of_the_room_is_nan_and_empty():
    for message in (objects_message(small_map()), empty_objects_message(["no pose"])):
        assert math.isnan(message.floor_height)
        assert math.isnan(message.ceiling_height)
        assert math.isnan(message.area)
        assert not message.room.points
    assert message.degraded == ["no pose"]


def test_a_room_has_its_area_with_a_standard_deviation():
    polygon = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 3.0], [0.0, 3.0]])
    room = RoomLayout(0.02, 0.01, 2.5, 0.03, polygon, 0.05)
    message = objects_message(small_map(room))
    assert message.floor_height == 0.02
    assert message.ceiling_height == 2.5
    assert len(message.room.points) == 4
    assert message.area == pytest.approx(12.0)
    # Each wall is off by 5 cm: 4 m x 5 cm twice and 3 m x 5 cm twice, independent.
    assert message.area_std_dev == pytest.approx(0.05 * math.sqrt(50))


def answered(result: Result) -> SpatialAnswer:
    facts = {"model_id": "none", "backend": "none"}
    return result_message(result, small_map(), '{"x": 1}', facts, 0.002, 0.1)


def test_a_number_comes_typed_with_its_unit_and_how_its_objects_were_seen():
    result = Result(
        ResultType.NUMBER, "The table is 6.2 ft away.", (6.2,), (0.1,), "ft",
        objects=("table_1",), remarks=("table_1 is remembered",),
    )  # fmt: skip
    message = answered(result)
    assert message.error_code == ErrorCode.OK
    assert message.answer == "The table is 6.2 ft away."
    assert message.result_type == SpatialAnswer.TYPE_NUMBER
    assert (list(message.values), list(message.std_devs), message.unit) == ([6.2], [0.1], "ft")
    assert message.object_ids == ["table_1"]
    assert message.how_seen == DistanceEstimate.HOW_REMEMBERED
    assert message.age == pytest.approx(12.0)
    assert stamp_to_ns(message.seen_stamp) == 88 * SECOND
    assert math.isnan(message.probability)
    assert message.degraded == ["table_1 is remembered"]
    assert message.program == '{"x": 1}'
    assert (stamp_to_ns(message.header.stamp), message.header.frame_id) == (NOW, "odom")


def test_a_boolean_has_its_probability():
    message = answered(Result(ResultType.BOOLEAN, "Yes.", boolean=True, probability=0.66))
    assert message.boolean_value
    assert message.probability == pytest.approx(0.66)
    assert message.how_seen == DistanceEstimate.HOW_UNKNOWN
    assert math.isnan(message.age)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (QueryError.UNKNOWN_OBJECT, ErrorCode.PHRASE_NOT_FOUND),
        (QueryError.AMBIGUOUS, ErrorCode.AMBIGUOUS),
        (QueryError.UNKNOWN_ATTRIBUTE, ErrorCode.UNKNOWN_ATTRIBUTE),
        (QueryError.NOT_UNDERSTOOD, ErrorCode.NOT_UNDERSTOOD),
        (QueryError.UNANSWERABLE, ErrorCode.UNANSWERABLE),
        (QueryError.EMPTY, ErrorCode.PHRASE_NOT_FOUND),
        (None, ErrorCode.INTERNAL),
    ],
)
def test_a_failed_program_is_an_error_with_its_candidates(error, code):
    message = answered(Result(ResultType.ERROR, "because", error=error, objects=("chair_1",)))
    assert message.error_code == code
    assert message.error_message == "because"
    assert message.answer == ""
    assert message.result_type == SpatialAnswer.TYPE_ERROR
    assert message.object_ids == ["chair_1"]


def test_approach_poses_stand_on_the_floor_and_turn_with_the_frame():
    poses = [ApproachPose(1.0, 2.0, 0.0, 0.5, 0.4)]
    room = RoomLayout(floor=0.1)
    (here,) = pose_messages(poses, small_map(room))
    assert xyz(here.pose.position) == [1.0, 2.0, 0.1]
    assert here.pose.orientation.w == pytest.approx(1.0)
    assert here.header.frame_id == "odom"
    (there,) = pose_messages(poses, small_map(room), Target("base_link", TURNED))
    assert xyz(there.pose.position) == pytest.approx([3.0, -1.0, 0.1])
    assert there.pose.orientation.z == pytest.approx(-math.sin(math.pi / 4))


def test_an_answer_of_the_map_holds_its_objects_in_the_frame_asked_for():
    result = Result(ResultType.OBJECTS, "Two.", objects=("table_1", "chair_1", "ghost_9"))
    facts = {"model_id": "none", "backend": "torch-cpu"}
    here = result_message(result, small_map(), "{}", facts, 0.002, 0.1)
    assert here.header.frame_id == "odom"
    assert [one.id for one in here.objects] == ["table_1", "chair_1"]
    target = Target("base_link", TURNED)
    there = result_message(result, small_map(), "{}", facts, 0.002, 0.1, target)
    assert there.header.frame_id == "base_link"
    assert {one.header.frame_id for one in there.objects} == {"base_link"}
    assert xyz(there.objects[1].pose.pose.position) == pytest.approx([1.5, -2.0, 0.45])
