# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Transitions, parameters at run time, signals, two instances and diagnostics, over real DDS."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")
pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")

from action_msgs.msg import GoalStatus
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from ros_support import wait_for
from rosgraph_msgs.msg import Clock
from spatialgeo_ros.action import AskSpatial as AskSpatialAction
from spatialgeo_ros.msg import DistanceEstimate, ErrorCode, Region
from spatialgeo_ros.srv import (
    AskSpatial,
    FindObjects,
    GetApproachPose,
    LoadObjects,
    MeasureDistance,
    RunQuery,
    SaveObjects,
    WatchDistance,
)
from system.camera_driver import CameraDriver
from system.conftest import Robot, start_robot, stop_robot
from visualization_msgs.msg import Marker, MarkerArray


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Robot]]:
    robots: list[Robot] = []

    def run(**parameters: Any) -> Robot:
        robots.append(start_robot(tmp_path, **parameters))
        return robots[-1]

    yield run
    for robot in robots:
        stop_robot(robot)


def ask_code(robot: Robot) -> int:
    request = AskSpatial.Request(question="what is there?")
    return robot.call(AskSpatial, "ask", request).answer.error_code


def measure_code(robot: Robot) -> int:
    box = Region(type=Region.TYPE_PHRASE, label="the box")
    request = MeasureDistance.Request(from_region=box)
    return robot.call(MeasureDistance, "measure_distance", request).error_code


def object_codes(robot: Robot) -> list[int]:
    """Return the error codes of all services on the object map."""
    program = '{"op": "tell_objects", "things": {"op": "everything"}}'
    query = robot.call(RunQuery, "run_query", RunQuery.Request(program=program))
    return [query.answer.error_code] + [
        robot.call(kind, name, kind.Request(**fields)).error_code
        for kind, name, fields in (
            (FindObjects, "find_objects", {"phrase": "boxes"}),
            (SaveObjects, "save_objects", {"path": "/tmp/never_written.json"}),
            (LoadObjects, "load_objects", {"path": "/tmp/never_read.json"}),
            (GetApproachPose, "get_approach_pose", {"phrase": "box"}),
        )
    ]


def find_status(messages: list[Any], robot: Robot, part: str) -> Any:
    name = f"/{robot.namespace}/spatialgeo: {part}"
    found = [s for m in tuple(messages) for s in m.status if s.name == name]
    return found[-1] if found else None


def test_every_transition_and_failed_configure(start):
    robot = start(autostart=False, profile="broken")
    assert set(object_codes(robot)) == {ErrorCode.NOT_ACTIVE}
    diagnostics = robot.ros.collect(DiagnosticArray, "/diagnostics")
    assert ask_code(robot) == ErrorCode.NOT_ACTIVE
    assert not robot.change("configure")
    assert robot.state() == "unconfigured"
    assert "profile 'broken' has no weights" in robot.process.output
    assert "configure failed: profile 'broken' has no weights" in robot.process.output
    wait_for(
        lambda: (
            (status := find_status(diagnostics, robot, "perception"))
            and status.level == DiagnosticStatus.ERROR
            and "has no weights" in status.message
        ),
        what="the failed configure in /diagnostics",
    )
    assert robot.set(profile="nano")[0].successful
    assert robot.change("configure")
    assert robot.state() == "inactive"
    assert ask_code(robot) == ErrorCode.NOT_ACTIVE
    with CameraDriver(robot.ros, robot.namespace) as camera:
        assert not camera.matched()
        for _ in range(3):
            assert robot.change("activate")
            wait_for(camera.matched, what="subscriptions while active")
            camera.run()
            wait_for(lambda: ask_code(robot) == ErrorCode.OK, what="an answer")
            assert set(object_codes(robot)) == {ErrorCode.NO_MAP}, "it has no pose"
            camera.stop()
            assert robot.change("deactivate")
            wait_for(lambda: not camera.image.get_subscription_count(), what="unsubscription")
            assert ask_code(robot) == ErrorCode.NOT_ACTIVE
        assert robot.change("cleanup")
        assert robot.state() == "unconfigured"
        assert robot.change("configure")
        assert robot.change("activate")
        camera.run()
        wait_for(lambda: ask_code(robot) == ErrorCode.OK, what="an answer after cleanup")
    assert robot.change("shutdown")
    assert robot.state() == "finalized"
    assert robot.process.is_running()


def test_parameters_at_run_time(start):
    robot = start()
    assert robot.set(process_rate=1.0)[0].successful
    for name, value, word in (
        ("profile", "other", "clean up"),
        ("camera__image_topic", "elsewhere", "clean up"),
        ("queue_size", 9, "read-only"),
        ("process_rate", -1.0, "process_rate"),
        ("process_rate", "quick", ""),
    ):
        (result,) = robot.set(**{name: value})
        assert not result.successful, name
        assert word in result.reason
    # Other cameras take a cleanup; then they bring their own parameters.
    assert robot.change("deactivate")
    assert robot.change("cleanup")
    assert robot.set(cameras=["front"], pose_source="none")[0].successful
    assert robot.change("configure")
    assert robot.change("activate")
    with CameraDriver(robot.ros, robot.namespace, "front") as camera:
        wait_for(camera.matched, what="subscriptions of the new camera")
        camera.run()
        wait_for(lambda: ask_code(robot) == ErrorCode.OK, what="an answer")


def test_a_parameter_that_cannot_be_used_ends_the_start_with_its_name(tmp_path):
    with pytest.raises(AssertionError, match="voxel_size"):
        start_robot(tmp_path, voxel_size=-1.0)


def test_deactivate_aborts_goals_and_takes_markers_back(start):
    robot = start()
    markers = robot.ros.collect(MarkerArray, robot.name("markers"))
    client = robot.ros.action_client(AskSpatialAction, robot.name("ask_action"))
    with CameraDriver(robot.ros, robot.namespace) as camera:
        camera.run()
        wait_for(lambda: measure_code(robot) == ErrorCode.OK, what="a measurement")
        wait_for(lambda: markers, what="markers")
        feedback: list[Any] = []
        goal = AskSpatialAction.Goal(question="slow story")
        result = robot.ros.goal_result(robot.ros.send_goal(client, goal, feedback.append))
        wait_for(lambda: len(feedback) > 3, what="tokens")
        assert robot.change("deactivate")
        outcome = robot.ros.result(result, 10.0)
    assert outcome.status == GoalStatus.STATUS_ABORTED
    assert outcome.result.answer.error_code == ErrorCode.NOT_ACTIVE
    added = {(m.ns, m.id) for a in markers for m in a.markers if m.action == Marker.ADD}
    assert added
    wait_for(
        lambda: (
            added
            == {
                (m.ns, m.id) for a in tuple(markers) for m in a.markers if m.action == Marker.DELETE
            }
        ),
        what="the deletion of every marker",
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_a_busy_node_cleanly(start, number):
    robot = start()
    client = robot.ros.action_client(AskSpatialAction, robot.name("ask_action"))
    with CameraDriver(robot.ros, robot.namespace) as camera:
        camera.run()
        wait_for(lambda: measure_code(robot) == ErrorCode.OK, what="a measurement")
        feedback: list[Any] = []
        goal = AskSpatialAction.Goal(question="slow story")
        result = robot.ros.goal_result(robot.ros.send_goal(client, goal, feedback.append))
        wait_for(lambda: len(feedback) > 3, what="tokens")
        os.kill(robot.process.pid, number)
        # The node is still there to tell its client.
        assert robot.ros.result(result, 10.0).status == GoalStatus.STATUS_ABORTED
        wait_for(lambda: not robot.process.is_running(), 10.0, "the end of the process")
    assert robot.process.interrupt(timeout=1.0) == 0
    assert "Traceback" not in robot.process.output, robot.process.output


def test_a_frame_that_breaks_the_network_is_logged_once(start):
    import numpy as np

    from spatialgeo_ros.node.conversions import rgb_to_image

    robot = start(process_rate=0.0)
    diagnostics = robot.ros.collect(DiagnosticArray, "/diagnostics")
    poison = rgb_to_image(np.full((8, 8, 3), (255, 0, 255), np.uint8))
    with CameraDriver(robot.ros, robot.namespace) as camera:
        wait_for(camera.matched)

        def counted() -> bool:
            camera.publish(image=poison, info=False, depth=False)
            status = find_status(diagnostics, robot, "perception")
            return bool(status) and any(
                pair.key == "internal errors" and int(pair.value) >= 3 for pair in status.values
            )

        wait_for(counted, what="three internal errors")
        assert robot.process.output.count("RuntimeError: this image breaks") == 1
        camera.run()
        wait_for(lambda: measure_code(robot) == ErrorCode.OK, what="a measurement afterwards")


def test_two_namespaced_instances_do_not_meet(start):
    first, second = start(), start()
    with CameraDriver(first.ros, first.namespace) as camera:
        camera.run()
        wait_for(lambda: measure_code(first) == ErrorCode.OK, what="a measurement")
        assert measure_code(second) == ErrorCode.NO_FRAME


def test_diagnostics_of_a_camera_that_dies(start):
    robot = start(camera_timeout=0.5, cameras=["dead"], process_rate=0.0)
    diagnostics = robot.ros.collect(DiagnosticArray, "/diagnostics")

    def status(part: str) -> Any:
        return find_status(diagnostics, robot, part)

    dead = wait_for(
        lambda: (s := status("camera dead")) and s.level == DiagnosticStatus.ERROR and s,
        what="ERROR of the silent camera",
    )
    assert f"/{robot.namespace}/dead/image_raw" in dead.message
    with CameraDriver(robot.ros, robot.namespace, "dead") as camera:
        camera.run(rate=20.0)
        wait_for(lambda: status("camera dead").level != DiagnosticStatus.ERROR, what="recovery")
        values = wait_for(
            lambda: (
                (v := {p.key: p.value for p in status("camera dead").values})
                and float(v["received rate"].split()[0]) > 10
                and v
            ),
            what="the received rate",
        )
        assert int(values["received"]) > 5
    wait_for(
        lambda: (
            status("camera dead").level == DiagnosticStatus.ERROR
            and " for " in status("camera dead").message
        ),
        what="ERROR after the camera died",
    )
    overall = {p.key: p.value for p in status("perception").values}
    assert overall["model_id"] == "fake"
    assert overall["queue"] == "0 of 4"
    assert "latency geometry" in overall


def test_incompatible_qos_is_reported_with_the_cure(start):
    override = "qos_overrides./{namespace}/camera/image_raw.subscription.reliability"
    robot = start(**{override: "reliable"})
    diagnostics = robot.ros.collect(DiagnosticArray, "/diagnostics")
    with CameraDriver(robot.ros, robot.namespace) as best_effort:
        best_effort.run()
        status = wait_for(
            lambda: (
                (s := find_status(diagnostics, robot, "camera camera"))
                and "incompatible QoS" in s.message
                and s
            ),
            what="incompatible QoS in /diagnostics",
        )
    assert status.level >= DiagnosticStatus.WARN
    assert f"qos_overrides./{robot.namespace}/camera/image_raw.subscription" in status.message


def test_simulated_time_that_jumps_back_clears_everything(start):
    robot = start(use_sim_time=True, process_rate=0.0)
    clock = robot.ros.node.create_publisher(Clock, "/clock", 10)
    seconds = {"now": 1000.0}
    stop = threading.Event()

    def tick() -> None:
        while not stop.wait(0.02):
            seconds["now"] += 0.02
            whole = int(seconds["now"])
            stamp = Time(sec=whole, nanosec=int((seconds["now"] - whole) * 1e9))
            clock.publish(Clock(clock=stamp))

    ticking = threading.Thread(target=tick, daemon=True)
    ticking.start()
    try:
        with CameraDriver(robot.ros, robot.namespace) as camera:
            wait_for(camera.matched)

            def answer_age() -> float:
                camera.publish(stamp_ns=int(seconds["now"] * 1e9))
                request = AskSpatial.Request(question="what?")
                answer = robot.call(AskSpatial, "ask", request).answer
                return answer.image_age if answer.error_code == 0 else -1e9

            wait_for(lambda: -0.5 < answer_age() < 5.0, what="an age by simulated time")
            seconds["now"] = 500.0
            wait_for(
                lambda: "the clock jumped by" in robot.process.output, what="the jump in the log"
            )
            wait_for(lambda: -0.5 < answer_age() < 5.0, what="an answer after the jump")
    finally:
        stop.set()
        ticking.join()


def test_watches_survive_deactivation_but_not_cleanup(start):
    robot = start(process_rate=0.0)
    estimates = robot.ros.collect(DistanceEstimate, robot.name("distances"))
    with CameraDriver(robot.ros, robot.namespace) as camera:
        camera.run()
        request = WatchDistance.Request(
            watch_id="w", from_region=Region(label="the box"), command=WatchDistance.Request.START
        )
        assert robot.call(WatchDistance, "watch_distance", request).error_code == ErrorCode.OK
        wait_for(lambda: estimates, what="estimates")
        assert robot.change("deactivate")
        assert robot.call(WatchDistance, "watch_distance", request).error_code == (
            ErrorCode.NOT_ACTIVE
        )
        estimates.clear()
        assert robot.change("activate")
        wait_for(lambda: estimates, what="estimates after the second activation")
        assert robot.change("deactivate")
        assert robot.change("cleanup")
        assert robot.change("configure")
        assert robot.change("activate")
        wait_for(lambda: measure_code(robot) == ErrorCode.OK, what="a measurement")
        request.command = WatchDistance.Request.STOP
        assert robot.call(WatchDistance, "watch_distance", request).error_code == (
            ErrorCode.BAD_REQUEST
        )
