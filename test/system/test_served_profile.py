# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The profile of a served language model in the real node, before a real HTTP server."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")
pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")

from action_msgs.msg import GoalStatus
from diagnostic_msgs.msg import DiagnosticArray
from planner_server import PlannerServer, serving
from ros_support import wait_for
from spatialgeo_ros.action import AskSpatial
from spatialgeo_ros.msg import ErrorCode, Region
from spatialgeo_ros.srv import MeasureDistance
from system.camera_driver import BOX, BOX_DISTANCE, CameraDriver
from system.conftest import Robot, start_robot, stop_robot

EXECUTABLE = Path(__file__).parents[2] / "scripts" / "spatialgeo_node"
PIECES = ("It is ", "far ", "away.")


class Service:
    """What the server does: streams its pieces, then ends, hangs or refuses, as a test says."""

    def __init__(self) -> None:
        self.hangs = threading.Event()
        self.refuses = threading.Event()
        self.gone = threading.Event()  # whoever asked has left a stream that hangs
        self.speaks = threading.Event()  # not before the client knows its goal: it would hear less
        self.heard = threading.Event()  # after the first piece nothing comes before it was heard
        self.heard.set()

    def __call__(self, request: BaseHTTPRequestHandler) -> None:
        if self.refuses.is_set():
            request.send_error(503, "busy")
            return
        request.send_response(200)
        request.send_header("Content-Type", "text/event-stream")
        request.send_header("Connection", "close")
        request.end_headers()
        self.speaks.wait(30)
        try:
            self._stream(request)
        except OSError:  # at any piece: a cancel may come before the last one is written
            self.gone.set()

    def _stream(self, request: BaseHTTPRequestHandler) -> None:
        for number, piece in enumerate(PIECES):
            if number:
                self.heard.wait(30)
            self._send(request, {"delta": {"content": piece}, "finish_reason": None})
        while self.hangs.is_set():  # a comment, as servers send them to keep a stream alive
            request.wfile.write(b": still thinking\n\n")
            request.wfile.flush()
            self.gone.wait(0.05)
        self._send(request, {"delta": {}, "finish_reason": "stop"})

    def _send(self, request: BaseHTTPRequestHandler, choice: dict[str, Any]) -> None:
        request.wfile.write(f"data: {json.dumps({'choices': [choice]})}\n\n".encode())
        request.wfile.flush()


@pytest.fixture(scope="module")
def service() -> Service:
    return Service()


@pytest.fixture(scope="module")
def server(service: Service) -> Iterator[PlannerServer]:
    with serving(service) as running:
        yield running


@pytest.fixture(scope="module")
def robot(server: PlannerServer, tmp_path_factory: Any, module_key: str) -> Iterator[Robot]:
    running = start_robot(
        tmp_path_factory.mktemp("served"), EXECUTABLE, profile=f"openai:seer@{server.address}",
        pose_source="none", process_rate=0.0, max_frame_age=30.0, frame_history=30.0,
    )  # fmt: skip
    yield running
    stop_robot(running)


@pytest.fixture(scope="module")
def module_key() -> Iterator[str]:
    """A key in the node's environment, before it starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", "secret-of-the-test")
        yield "secret-of-the-test"


@pytest.fixture(scope="module")
def driver(robot: Robot) -> Iterator[CameraDriver]:
    with CameraDriver(robot.ros, robot.namespace) as camera:
        wait_for(camera.matched, what="the node's subscriptions")
        camera.run(rate=5.0)
        measured = MeasureDistance.Request(from_region=crate())  # asks nobody
        wait_for(
            lambda: (
                robot.call(MeasureDistance, "measure_distance", measured).error_code == ErrorCode.OK
            ),
            what="the first measurement",
        )
        yield camera


def crate() -> Region:
    x0, y0, x1, y1 = (float(v) for v in BOX)
    return Region(
        type=Region.TYPE_BOX, label="crate", x_min=x0 - 4, y_min=y0 - 4, x_max=x1 + 3, y_max=y1 + 3
    )


def send(robot: Robot, service: Service, feedback: list[Any]) -> Any:
    service.speaks.clear()
    client = robot.ros.action_client(AskSpatial, robot.name("ask_action"))
    goal = AskSpatial.Goal(question="How far away is the crate?", regions=[crate()])
    handle = robot.ros.send_goal(client, goal, lambda one: feedback.append(one.feedback))
    service.speaks.set()
    return handle


def finished(robot: Robot, handle: Any) -> Any:
    return robot.ros.result(robot.ros.goal_result(handle))


def diagnostics(robot: Robot) -> dict[str, str]:
    """Values of the perception's status, once there is one."""
    name = f"/{robot.namespace}/spatialgeo: perception"
    found: dict[str, str] = {}
    arrays = robot.ros.collect(DiagnosticArray, "/diagnostics")

    def told() -> bool:
        for status in (s for m in tuple(arrays) for s in m.status if s.name == name):
            found.update({pair.key: pair.value for pair in status.values})
        return bool(found)

    wait_for(told, what="a status of the perception")
    return found


def test_images_stay_here_until_a_question_is_asked(
    robot: Robot, driver: CameraDriver, service: Service, server: PlannerServer, module_key: str
) -> None:
    """Which is told before; and what is sent then is one JPEG within the limit, with the words."""
    found = diagnostics(robot)
    assert found["images"] == f"are sent to {server.address} with every question"
    assert found["key"] == "of the variable OPENAI_API_KEY"
    assert module_key not in str(found)
    assert not server.bodies
    feedback: list[Any] = []
    service.heard.clear()
    handle = send(robot, service, feedback)
    wait_for(lambda: any(one.token == PIECES[0] for one in feedback), what="the first piece")
    service.heard.set()
    answer = finished(robot, handle).result.answer
    assert answer.error_code == ErrorCode.OK, answer.error_message
    assert answer.distances[0].distance == pytest.approx(BOX_DISTANCE, abs=0.02)
    assert answer.language_answer == "".join(PIECES)
    (body,) = server.bodies
    assert (body["model"], body["stream"]) == ("seer", True)
    image, words = body["messages"][0]["content"]
    data = base64.b64decode(image["image_url"]["url"].partition(",")[2])
    shown = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert shown.shape[0] * shown.shape[1] <= 1_000_000
    assert "How far away is the crate?" in words["text"]
    assert server.headers[0]["Authorization"] == f"Bearer {module_key}"
    assert module_key not in robot.process.output


def test_a_cancel_ends_the_request(robot: Robot, driver: CameraDriver, service: Service) -> None:
    service.hangs.set()
    try:
        feedback: list[Any] = []
        handle = send(robot, service, feedback)
        wait_for(lambda: any(one.token for one in feedback), what="the first words")
        robot.ros.cancel_goal(handle)
        assert finished(robot, handle).status == GoalStatus.STATUS_CANCELED
        wait_for(service.gone.is_set, what="the end of the connection")
    finally:
        service.hangs.clear()


def test_a_server_that_fails_costs_its_words_alone(
    robot: Robot, driver: CameraDriver, service: Service, server: PlannerServer
) -> None:
    service.refuses.set()
    try:
        answer = finished(robot, send(robot, service, [])).result.answer
    finally:
        service.refuses.clear()
    assert answer.error_code == ErrorCode.OK, answer.error_message
    assert answer.distances[0].valid
    assert not answer.language_answer
    (why,) = (one for one in answer.degraded if "language model not heard" in one)
    assert server.address in why and "503" in why
