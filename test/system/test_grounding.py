# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Phrases through a detector that takes a second for an image, in a running node over real DDS."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")
pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")

from action_msgs.msg import GoalStatus
from diagnostic_msgs.msg import DiagnosticArray
from ros_support import wait_for
from spatialgeo_ros.action import AskSpatial as AskSpatialAction
from spatialgeo_ros.msg import DistanceEstimate, ErrorCode, Region
from spatialgeo_ros.srv import AskSpatial, MeasureDistance, WatchDistance
from system.camera_driver import BOX, BOX_DISTANCE, CameraDriver

CAMERA_RATE, WATCH_RATE = 20.0, 10.0
PARAMETERS = {
    "profile": "detector",
    "process_rate": 0.0,
    "pose_source": "odometry",
    "camera.mount": [0.0, 0.0, 0.9, 0.0, 0.0, 0.0],
}


@pytest.fixture(scope="module")
def driver(robot: Any) -> Iterator[CameraDriver]:
    with CameraDriver(robot.ros, robot.namespace) as camera:
        wait_for(camera.matched, what="the node's subscriptions")
        camera.run(CAMERA_RATE, odometry=True)
        wait_for(lambda: measure(robot, "the red box").error_code == 0, what="a measurement")
        yield camera


def measure(robot: Any, words: str) -> Any:
    request = MeasureDistance.Request(from_region=Region(label=words))
    return robot.call(MeasureDistance, "measure_distance", request)


def ask(robot: Any, question: str) -> Any:
    return robot.call(AskSpatial, "ask", AskSpatial.Request(question=question)).answer


def test_a_question_about_a_phrase_is_measured_in_the_image_it_was_looked_for_in(robot, driver):
    answer = ask(robot, "How far is the red box?")
    assert answer.error_code == ErrorCode.OK, answer.error_message
    (estimate,) = answer.distances
    assert estimate.valid and estimate.distance == pytest.approx(BOX_DISTANCE, abs=0.02)
    assert estimate.how_seen == DistanceEstimate.HOW_IN_VIEW
    assert estimate.header == answer.header
    assert answer.image_age > 0.5, "the image is as old as the detector is slow"


def test_an_absent_thing_is_said_with_what_was_seen(robot, driver):
    ask(robot, "How far is the red box?")
    answer = ask(robot, "How far is the blue box from the red box?")
    assert answer.error_code == ErrorCode.PHRASE_NOT_FOUND
    assert "'blue box' is not in view" in answer.error_message
    assert "in view: red box" in answer.error_message


def test_what_the_detector_invents_is_doubted_and_has_no_length(robot, driver):
    response = measure(robot, "the purple box")
    assert response.error_code == ErrorCode.OK, response.error_message
    (estimate,) = response.distances
    assert not estimate.valid and math.isnan(estimate.distance)
    assert estimate.doubt == "what was taken for 'purple box' does not look purple"
    assert measure(robot, "the red box").distances[0].doubt == ""
    answer = ask(robot, "How far is the purple box?")
    assert answer.error_code == ErrorCode.PHRASE_NOT_FOUND
    assert "does not look purple" in answer.error_message


def test_a_watch_keeps_its_rate_and_says_how_it_follows(robot, driver):
    arrivals: list[tuple[float, DistanceEstimate]] = []
    robot.ros.node.create_subscription(
        DistanceEstimate, robot.name("distances"),
        lambda message: arrivals.append((time.monotonic(), message)), 50,
    )  # fmt: skip
    x0, y0, x1, y1 = (float(v) for v in BOX)
    given = Region(type=Region.TYPE_BOX, x_min=x0, y_min=y0, x_max=x1 - 1, y_max=y1 - 1)
    for name, region in (("w", Region(label="the red box")), ("given", given)):
        request = WatchDistance.Request(watch_id=name, rate=WATCH_RATE, from_region=region)
        assert robot.call(WatchDistance, "watch_distance", request).error_code == ErrorCode.OK

    def watched(name: str = "w") -> list[tuple[float, DistanceEstimate]]:
        return [(at, one) for at, one in arrivals if one.watch_id == name]

    wait_for(lambda: any(one.valid for _, one in watched()), what="a valid measurement")
    start = time.monotonic()
    wait_for(lambda: time.monotonic() > start + 6.0, 20.0)
    seen = [one for at, one in watched() if start < at <= start + 6.0]
    possible = sum(start < at <= start + 6.0 for at, _ in watched("given"))
    assert possible > 30 and len(seen) >= 0.95 * possible
    assert sum(one.valid for one in seen) >= 0.95 * len(seen)
    assert all(one.distance == pytest.approx(BOX_DISTANCE, abs=0.03) for one in seen if one.valid)
    followed = [one for one in seen if one.how_seen == DistanceEstimate.HOW_OTHER_STAMP]
    assert len(followed) > 0.8 * len(seen)
    assert "followed from there by pose and depth" in followed[0].reason
    ages = {reason for one in followed for reason in [one.reason]}
    assert len(ages) > 5, "it is looked for again and again, and its age is told"
    for name in ("w", "given"):
        stop = WatchDistance.Request(watch_id=name, command=WatchDistance.Request.STOP)
        assert robot.call(WatchDistance, "watch_distance", stop).error_code == ErrorCode.OK


def test_a_goal_can_be_cancelled_while_the_detector_looks(robot, driver):
    client = robot.ros.action_client(AskSpatialAction, robot.name("ask_action"))
    goal = AskSpatialAction.Goal(question="How far is the green box?")
    handle = robot.ros.send_goal(client, goal)
    result = robot.ros.goal_result(handle)
    time.sleep(0.3)
    robot.ros.cancel_goal(handle)
    assert robot.ros.result(result).status == GoalStatus.STATUS_CANCELED


def test_diagnostics_say_which_detector_looks_how_often_and_how_long(robot, driver):
    messages = robot.ros.collect(DiagnosticArray, "/diagnostics")

    def values() -> dict[str, str]:
        for message in messages[::-1]:
            for status in message.status:
                if robot.namespace in status.name and status.name.endswith("perception"):
                    return {value.key: value.value for value in status.values}
        return {}

    wait_for(lambda: "latency grounding" in values(), what="the detector's latency")
    assert values()["grounding kind"] == "scripted"
    assert values()["grounding rate"] == "0.5 Hz"
    assert values()["grounding failures"] == "0"
    # The longest: the mean has the look that was cancelled in it.
    assert float(values()["latency grounding"].split()[4]) >= 1000.0


def test_the_map_is_fed_at_its_own_rate(robot, driver):
    from spatialgeo_ros.msg import SpatialObjectArray

    arrays = robot.ros.collect(SpatialObjectArray, robot.name("objects"))
    wait_for(
        lambda: any(one.label == "red box" for array in arrays for one in array.objects),
        what="the box in the map",
    )
