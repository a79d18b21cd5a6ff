# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Services and action of a running node, over real DDS."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")
pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")

from action_msgs.msg import GoalStatus
from ros_support import wait_for
from spatialgeo_ros.action import AskSpatial as AskSpatialAction
from spatialgeo_ros.msg import DistanceEstimate, ErrorCode, Region, SpatialAnswer
from spatialgeo_ros.srv import AskSpatial, MeasureDistance, WatchDistance
from std_msgs.msg import Float64
from system.camera_driver import BOX, BOX_DISTANCE, CameraDriver

DOOMED_CLIENT = Path(__file__).with_name("doomed_client.py")
PARAMETERS = {"queue_size": 1, "process_rate": 0.0}


@pytest.fixture(scope="module")
def driver(robot: Any) -> Iterator[CameraDriver]:
    with CameraDriver(robot.ros, robot.namespace) as camera:
        wait_for(camera.matched, what="the node's subscriptions")
        camera.run()
        wait_for(lambda: measure(robot).error_code == ErrorCode.OK, what="the first measurement")
        yield camera


@pytest.fixture(scope="module")
def goals(robot: Any, driver: CameraDriver) -> Iterator[Any]:
    """Send goals; ``goals.send(question)`` returns handle, result future and feedback list."""
    client = robot.ros.action_client(AskSpatialAction, robot.name("ask_action"))

    def send(question: str) -> Any:
        feedback: list[Any] = []
        goal = AskSpatialAction.Goal(question=question)
        handle = robot.ros.send_goal(client, goal, lambda one: feedback.append(one.feedback))
        result = robot.ros.goal_result(handle)
        return SimpleNamespace(handle=handle, result=result, feedback=feedback)

    def busy() -> bool:
        refused = robot.ros.result(send("what else?").result)
        return refused.result.answer.error_code == ErrorCode.BUSY

    yield SimpleNamespace(send=send, busy=busy)


def box_region(label: str = "box") -> Region:
    x0, y0, x1, y1 = (float(v) for v in BOX)
    return Region(
        type=Region.TYPE_BOX, label=label, x_min=x0 - 8, y_min=y0 - 8, x_max=x1 + 7, y_max=y1 + 7
    )


def measure(robot: Any, **fields: Any) -> Any:
    fields.setdefault("from_region", box_region())
    return robot.call(MeasureDistance, "measure_distance", MeasureDistance.Request(**fields))


def ask(robot: Any, question: str, **fields: Any) -> SpatialAnswer:
    return robot.call(AskSpatial, "ask", AskSpatial.Request(question=question, **fields)).answer


def test_ask_answers_with_the_source_images_header(robot, driver):
    answers = robot.ros.collect(SpatialAnswer, robot.name("answers"))
    wait_for(lambda: robot.ros.node.count_publishers(robot.name("answers")), what="publisher")
    answer = ask(robot, "How far is the box?", regions=[box_region()])
    assert answer.error_code == ErrorCode.OK, answer.error_message
    assert answer.answer.startswith("The box is 1.00 m"), answer.answer
    assert answer.state == SpatialAnswer.STATE_FINAL
    assert answer.language_answer == "word0 word1 word2 word3 word4"
    assert answer.how_seen == DistanceEstimate.HOW_IN_VIEW
    assert answer.seen_stamp == answer.header.stamp
    assert answer.age == 0.0
    assert answer.header.frame_id == "camera_optical_frame"
    assert 0 <= answer.image_age < 2.0
    assert answer.frames == [answer.header]
    assert list(answer.cameras) == ["camera"]
    estimate = answer.distances[0]
    assert estimate.distance == pytest.approx(BOX_DISTANCE, abs=0.02)
    assert estimate.header == answer.header
    assert answer.regions[0].label == "box"
    same = [SpatialAnswer.STATE_MEASURED, SpatialAnswer.STATE_FINAL]
    wait_for(
        lambda: [one.state for one in answers if one.header == answer.header] == same,
        what="~/answers, measured and then final",
    )


def test_measure_by_box_point_and_phrase(robot, driver):
    point = Region(type=Region.TYPE_POINT, point_x=80.0, point_y=60.0)
    for region in (box_region(), point, Region(type=Region.TYPE_PHRASE, label="the box")):
        response = measure(robot, from_region=region)
        assert response.error_code == ErrorCode.OK, response.error_message
        (estimate,) = response.distances
        assert estimate.valid
        assert estimate.kind == DistanceEstimate.KIND_CAMERA_TO_OBJECT
        assert estimate.distance == pytest.approx(BOX_DISTANCE, abs=0.02)
        assert 0 < estimate.std_dev < 0.1
        assert estimate.to_point.z == pytest.approx(BOX_DISTANCE, abs=0.02)
        assert estimate.source == DistanceEstimate.SOURCE_SENSOR_DEPTH
        assert estimate.how_seen == DistanceEstimate.HOW_IN_VIEW
        assert estimate.seen_stamp == estimate.header.stamp
        assert estimate.age == 0.0
        assert any("no pose" in reason for reason in estimate.degraded)


def test_several_kinds_come_back_in_order(robot, driver):
    kinds = [DistanceEstimate.KIND_HEIGHT, DistanceEstimate.KIND_CAMERA_TO_OBJECT]
    response = measure(robot, kinds=kinds)
    assert response.error_code == ErrorCode.OK, response.error_message
    assert [estimate.kind for estimate in response.distances] == kinds


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ({"from_region": Region()}, ErrorCode.BAD_REQUEST, "from_region"),
        ({"kinds": [99]}, ErrorCode.BAD_REQUEST, "99"),
        ({"kinds": [1]}, ErrorCode.BAD_REQUEST, "to_region"),
        ({"camera": "rear"}, ErrorCode.UNKNOWN_CAMERA, "rear"),
        ({"from_region": Region(label="a unicorn")}, ErrorCode.PHRASE_NOT_FOUND, "a unicorn"),
        ({"from_region": Region(type=1, x_min=5.0)}, ErrorCode.BAD_REGION, ""),
        ({"from_region": Region(type=77)}, ErrorCode.BAD_REGION, "77"),
        ({"from_region": Region(type=3, point_x=float("nan"))}, ErrorCode.BAD_REGION, ""),
        ({"from_region": Region(type=1, camera="rear")}, ErrorCode.BAD_REQUEST, "rear"),
        ({"max_image_age": float("nan")}, ErrorCode.BAD_REQUEST, "max_image_age"),
        ({"max_image_age": 1e-9}, ErrorCode.STALE_FRAME, "allowed"),
        ({"kinds": [0] * 100_000}, ErrorCode.BAD_REQUEST, "allowed 16"),
        ({"from_region": Region(label="x" * 1000)}, ErrorCode.BAD_REGION, "allowed are 200"),
        (
            {"from_region": Region(type=2, polygon_x=[1.0] * 9999, polygon_y=[1.0] * 9999)},
            ErrorCode.BAD_REGION,
            "allowed are 1000",
        ),
    ],
)
def test_bad_requests_say_what_is_wrong(robot, driver, fields, code, words):
    response = measure(robot, **fields)
    assert response.error_code == code, response.error_message
    assert words in response.error_message
    assert not response.distances


@pytest.mark.parametrize("question", ["", "   ", "why " * 1000])
def test_bad_questions_are_refused(robot, driver, question):
    assert ask(robot, question).error_code == ErrorCode.BAD_REQUEST


def test_a_crash_is_an_internal_error_and_the_node_lives_on(robot, driver):
    answer = ask(robot, "crash now")
    assert answer.error_code == ErrorCode.INTERNAL
    assert "the language model crashed" in answer.error_message
    assert "Traceback" in robot.process.output
    assert ask(robot, "still there?").error_code == ErrorCode.OK


def test_action_streams_tokens_in_order(robot, goals):
    goal = goals.send("what could this be used for?")
    result = robot.ros.result(goal.result)
    assert result.status == GoalStatus.STATUS_SUCCEEDED
    assert result.result.answer.error_code == ErrorCode.OK
    wait_for(lambda: goal.feedback and goal.feedback[-1].tokens == 5, what="the last token")
    tokens = [one for one in goal.feedback if one.token]
    assert [one.token for one in tokens] == [f"word{n} " for n in range(5)]
    assert tokens[-1].partial_text.strip() == result.result.answer.language_answer
    assert not any(one.measured for one in goal.feedback), "nothing was measured"
    states = [one.state for one in goal.feedback]
    assert states == sorted(states)
    assert states[-1] == AskSpatialAction.Feedback.STATE_GENERATING


def test_cancel_stops_within_a_token(robot, goals):
    goal = goals.send("sluggish story")  # a token takes a second, far longer than messages travel
    wait_for(lambda: any(one.tokens for one in goal.feedback), what="the first token")
    spoken = goal.feedback[-1].tokens
    robot.ros.cancel_goal(goal.handle)
    result = robot.ros.result(goal.result)
    assert result.status == GoalStatus.STATUS_CANCELED
    assert result.result.answer.error_code == ErrorCode.CANCELLED
    # The token under way when the cancel arrives is finished; no other one is begun.
    said = int(result.result.answer.error_message.split()[-2])
    assert spoken <= said <= spoken + 2


def test_the_measured_part_comes_before_the_words(robot, goals):
    distances = robot.ros.collect(DistanceEstimate, robot.name("distances"))
    goal = goals.send("How far is the crate?")
    result = robot.ros.result(goal.result)
    assert result.status == GoalStatus.STATUS_SUCCEEDED, result.result.answer.error_message
    wait_for(lambda: goal.feedback and goal.feedback[-1].tokens == 5, what="the last token")
    measured = [index for index, one in enumerate(goal.feedback) if one.measured]
    tokens = [index for index, one in enumerate(goal.feedback) if one.token]
    assert len(measured) == 1 and measured[0] < tokens[0]
    (part,) = goal.feedback[measured[0]].measured
    assert part.state == SpatialAnswer.STATE_MEASURED
    assert part.distances[0].distance == pytest.approx(BOX_DISTANCE, abs=0.02)
    assert part.language_answer == ""
    answer = result.result.answer
    assert (answer.state, answer.distances) == (SpatialAnswer.STATE_FINAL, part.distances)
    wait_for(lambda: any(one.header == part.header for one in distances), what="~/distances")
    assert sum(one.header == part.header and not one.watch_id for one in distances) == 1


def test_everything_else_goes_on_while_the_language_model_speaks(robot, goals):
    estimates = robot.ros.collect(DistanceEstimate, robot.name("distances"))
    request = WatchDistance.Request(watch_id="steady", from_region=box_region())
    assert robot.call(WatchDistance, "watch_distance", request).error_code == ErrorCode.OK
    speaking = goals.send("sluggish story")
    wait_for(lambda: any(one.tokens for one in speaking.feedback), what="the first token")
    before, spoken = len(estimates), speaking.feedback[-1].tokens
    response = measure(robot)
    assert response.error_code == ErrorCode.OK, response.error_message
    wait_for(lambda: len(estimates) > before + 10, what="the watch's results")
    assert not speaking.result.done()
    assert speaking.feedback[-1].tokens >= spoken
    robot.ros.cancel_goal(speaking.handle)
    assert robot.ros.result(speaking.result).status == GoalStatus.STATUS_CANCELED
    request = WatchDistance.Request(command=WatchDistance.Request.STOP, watch_id="steady")
    assert robot.call(WatchDistance, "watch_distance", request).error_code == ErrorCode.OK


def test_a_waiting_question_can_be_cancelled_and_a_full_lane_is_busy(robot, goals):
    running = goals.send("slow one")
    wait_for(lambda: any(one.tokens for one in running.feedback), what="tokens")
    waiting = goals.send("slow two")
    wait_for(lambda: waiting.feedback, what="the second goal's first feedback")
    wait_for(lambda: goals.busy(), what="a question that is refused: one speaks and one waits")
    # What can be measured is answered all the same, and says why nothing was told.
    answer = ask(robot, "How far is the crate?")
    assert answer.error_code == ErrorCode.OK, answer.error_message
    assert answer.language_answer == ""
    assert any("language model not asked" in reason for reason in answer.degraded)
    assert measure(robot).error_code == ErrorCode.OK
    for goal in (waiting, running):
        robot.ros.cancel_goal(goal.handle)
        result = robot.ros.result(goal.result, 10.0)
        assert result.status == GoalStatus.STATUS_CANCELED
    assert not any(one.tokens for one in waiting.feedback)


def test_request_timeout_ends_the_request(robot, driver):
    assert robot.set(request_timeout=0.3)[0].successful
    try:
        answer = ask(robot, "slow and late")
        assert answer.error_code == ErrorCode.TIMEOUT, answer.error_message
        assert "request_timeout" in answer.error_message
        assert answer.header.frame_id == "camera_optical_frame", "the image that was looked at"
    finally:
        assert robot.set(request_timeout=60.0)[0].successful
    assert ask(robot, "quick?").error_code == ErrorCode.OK


def test_latencies_are_published_as_numbers(robot, driver):
    stages = ("stamp_to_processed", "decode", "geometry", "keyframes", "request", "language")
    seen = {stage: robot.ros.collect(Float64, robot.name(f"latency/{stage}")) for stage in stages}
    wait_for(
        lambda: all(robot.ros.node.count_publishers(robot.name(f"latency/{s}")) for s in stages),
        what="the publishers",
    )

    def asked() -> bool:
        assert ask(robot, "quick?").error_code == ErrorCode.OK
        return all(seen.values())

    wait_for(asked, what=lambda: f"every stage, got {[s for s in stages if seen[s]]}")
    assert all(0 <= one.data < 30 for values in seen.values() for one in values)


def test_regions_are_measured_in_the_image_they_were_drawn_on(robot, driver):
    estimate = measure(robot).distances[0]
    region = box_region()
    region.stamp = estimate.header.stamp
    again = measure(robot, from_region=region)
    assert again.error_code == ErrorCode.OK, again.error_message
    assert again.distances[0].header.stamp == estimate.header.stamp
    assert again.distances[0].seen_stamp == estimate.header.stamp
    region.stamp.sec -= 1000
    assert measure(robot, from_region=region).error_code == ErrorCode.STALE_FRAME


def test_watch_publishes_new_frames_until_stopped(robot, driver):
    estimates = robot.ros.collect(DistanceEstimate, robot.name("distances"))
    request = WatchDistance.Request(command=WatchDistance.Request.START, from_region=box_region())
    response = robot.call(WatchDistance, "watch_distance", request)
    assert response.error_code == ErrorCode.OK, response.error_message
    watch_id = response.watch_id
    assert watch_id

    def watched() -> list[Any]:
        return [one for one in estimates if one.watch_id == watch_id]

    wait_for(lambda: len(watched()) >= 4, what="watched distances")
    stamps = [(one.header.stamp.sec, one.header.stamp.nanosec) for one in watched()]
    assert stamps == sorted(set(stamps)), "one estimate per image, in order"
    assert all(one.distance == pytest.approx(BOX_DISTANCE, abs=0.02) for one in watched())
    request = WatchDistance.Request(command=WatchDistance.Request.STOP, watch_id=watch_id)
    assert robot.call(WatchDistance, "watch_distance", request).error_code == ErrorCode.OK
    assert robot.call(WatchDistance, "watch_distance", request).error_code == ErrorCode.BAD_REQUEST


def test_watch_of_a_lost_object_says_so(robot, driver):
    estimates = robot.ros.collect(DistanceEstimate, robot.name("distances"))
    request = WatchDistance.Request(
        command=WatchDistance.Request.START,
        watch_id="ghost",
        from_region=Region(label="a ghost"),
        rate=20.0,
    )
    assert robot.call(WatchDistance, "watch_distance", request).watch_id == "ghost"
    lost = wait_for(
        lambda: next((one for one in estimates if one.watch_id == "ghost"), None), what="estimate"
    )
    assert not lost.valid
    assert "a ghost" in lost.reason
    assert lost.distance != lost.distance  # NaN
    request = WatchDistance.Request(command=WatchDistance.Request.STOP, watch_id="ghost")
    assert robot.call(WatchDistance, "watch_distance", request).error_code == ErrorCode.OK


@pytest.mark.parametrize(
    "fields", [{"rate": -1.0}, {"rate": float("nan")}, {"command": 9}, {"rate": 1e9}]
)
def test_bad_watches_are_refused(robot, driver, fields):
    request = WatchDistance.Request(from_region=box_region(), **fields)
    response = robot.call(WatchDistance, "watch_distance", request)
    assert response.error_code == ErrorCode.BAD_REQUEST


def test_killed_client_does_not_harm_the_node(robot, driver, goals):
    doomed = subprocess.Popen(
        [sys.executable, str(DOOMED_CLIENT), robot.name("ask_action")],
        stdout=subprocess.PIPE,
        env=os.environ,
    )
    assert doomed.stdout.readline(), "no feedback reached the client"
    doomed.send_signal(signal.SIGKILL)
    doomed.wait()
    # Its goal runs on, as nobody cancelled it; another client's cancel of everything ends it.
    from action_msgs.srv import CancelGoal

    response = robot.call(CancelGoal, "ask_action/_action/cancel_goal", CancelGoal.Request())
    assert len(response.goals_canceling) == 1
    wait_for(lambda: ask(robot, "free?").error_code == ErrorCode.OK, what="the worker")
    assert robot.process.is_running()
