# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node as it is shipped, on sensor depth alone (profile "none"), with poses from odometry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")
pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")

from rclpy.qos import DurabilityPolicy, QoSProfile
from ros_support import wait_for
from spatialgeo_ros.msg import DistanceEstimate, ErrorCode, KeyframeArray, Region
from spatialgeo_ros.srv import AskSpatial, MeasureDistance
from system.camera_driver import BOX, BOX_DISTANCE, FOCAL, CameraDriver

EXECUTABLE = Path(__file__).parents[2] / "scripts" / "spatialgeo_node"
PARAMETERS = {
    "profile": "none",
    "pose_source": "odometry",
    "camera.mount": [0.0, 0.0, 0.9, 0.0, 0.0, 0.0],
}


@pytest.fixture(scope="module")
def driver(robot: Any) -> Iterator[CameraDriver]:
    with CameraDriver(robot.ros, robot.namespace) as camera:
        wait_for(camera.matched, what="the node's subscriptions")
        camera.run(odometry=True)
        wait_for(
            lambda: measure(robot, []).error_code == ErrorCode.OK, what="the first measurement"
        )
        yield camera


def box() -> Region:
    x0, y0, x1, y1 = (float(v) for v in BOX)
    return Region(
        type=Region.TYPE_BOX, label="crate", x_min=x0 - 4, y_min=y0 - 4, x_max=x1 + 3, y_max=y1 + 3
    )


def measure(robot: Any, kinds: list[int]) -> Any:
    request = MeasureDistance.Request(from_region=box(), kinds=kinds)
    return robot.call(MeasureDistance, "measure_distance", request)


def test_distance_width_and_height(robot, driver):
    kinds = [
        DistanceEstimate.KIND_CAMERA_TO_OBJECT,
        DistanceEstimate.KIND_WIDTH,
        DistanceEstimate.KIND_HEIGHT,
    ]
    response = measure(robot, kinds)
    assert response.error_code == ErrorCode.OK, response.error_message
    distance, width, height = response.distances
    assert distance.distance == pytest.approx(BOX_DISTANCE, abs=0.02)
    assert width.distance == pytest.approx((BOX[2] - BOX[0]) * BOX_DISTANCE / FOCAL, abs=0.04)
    assert height.distance == pytest.approx((BOX[3] - BOX[1]) * BOX_DISTANCE / FOCAL, abs=0.04)
    assert "gravity unknown" not in height.reason


def test_an_answer_states_the_measured_number(robot, driver):
    request = AskSpatial.Request(question="How far away is the crate?", regions=[box()])
    answer = robot.call(AskSpatial, "ask", request).answer
    assert answer.error_code == ErrorCode.OK, answer.error_message
    assert f"{answer.distances[0].distance:.2f} m" in answer.answer
    assert answer.distances[0].distance == pytest.approx(BOX_DISTANCE, abs=0.02)


def test_an_unknown_object_is_named(robot, driver):
    request = MeasureDistance.Request(from_region=Region(label="the green piano"))
    response = robot.call(MeasureDistance, "measure_distance", request)
    assert response.error_code == ErrorCode.PHRASE_NOT_FOUND
    assert "green piano" in response.error_message


def test_keyframes_are_latched_and_one_view_is_kept_once(robot, driver):
    qos = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    arrays = robot.ros.collect(KeyframeArray, robot.name("keyframes"), qos)
    wait_for(lambda: arrays, what="the latched message")
    # The camera stands still: later frames show nothing new.
    assert len(arrays[-1].keyframes) == 1
    kept = arrays[-1].keyframes[0]
    assert kept.has_pose
    assert kept.voxels == kept.gain == arrays[-1].covered_voxels > 100
    assert kept.pose.position.z == pytest.approx(0.9)
    assert arrays[-1].header.frame_id == "odom"
