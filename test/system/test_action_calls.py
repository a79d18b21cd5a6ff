# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Action calls from another thread than the spinning one lose no response, however quick it is."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")
pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")

from action_msgs.msg import GoalStatus
from rclpy.action import ActionServer, CancelResponse
from ros_support import RosClient, wait_for
from spatialgeo_ros.action import AskSpatial

from spatialgeo_ros.node.action_calls import get_result, send_goal

# That a client takes to note what it waits for, after it has sent a request.
NOTING_SECONDS = 0.3


class SlowToNote:
    """The handle of an action client, which returns late from sending."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._handle, name)
        if not re.fullmatch("send_.*_request", name):
            return attribute

        def send(request: Any) -> int:
            number = attribute(request)
            time.sleep(NOTING_SECONDS)
            return number

        return send


@pytest.fixture
def client(ros: RosClient) -> Iterator[Any]:
    """A slow client of an action whose goals end when a question is cancelled, or else at once."""
    server = RosClient("server")

    def execute(goal: Any) -> AskSpatial.Result:
        (goal.canceled if goal.is_cancel_requested else goal.succeed)()
        result = AskSpatial.Result()
        result.answer.answer = goal.request.question
        return result

    def begin(goal: Any) -> None:
        if goal.request.question == "wait":
            wait_for(lambda: goal.is_cancel_requested, what="the cancel")
        goal.execute()

    action = ActionServer(
        server.node,
        AskSpatial,
        "quick",
        execute,
        # not in the executor, which has to hear of the cancel
        handle_accepted_callback=lambda goal: threading.Thread(target=begin, args=[goal]).start(),
        cancel_callback=lambda goal: CancelResponse.ACCEPT,
    )
    made = ros.action_client(AskSpatial, "quick")
    made._client_handle = SlowToNote(made._client_handle)
    yield made
    made._client_handle = made._client_handle._handle
    server.close()
    action.destroy()


def test_no_response_is_lost(ros: RosClient, client: Any) -> None:
    handle = ros.send_goal(client, AskSpatial.Goal(question="hello"))
    assert handle.accepted
    outcome = ros.result(ros.goal_result(handle))
    assert outcome.status == GoalStatus.STATUS_SUCCEEDED
    assert outcome.result.answer.answer == "hello"


def test_no_cancel_is_lost(ros: RosClient, client: Any) -> None:
    handle = ros.send_goal(client, AskSpatial.Goal(question="wait"))
    assert len(ros.cancel_goal(handle).goals_canceling) == 1
    assert ros.result(ros.goal_result(handle)).status == GoalStatus.STATUS_CANCELED


def test_an_error_of_the_call_reaches_the_waiting_thread(ros: RosClient, client: Any) -> None:
    future = send_goal(ros.executor, client, "no goal")
    wait_for(future.done, what="the error")
    with pytest.raises(TypeError):
        future.result()


def test_an_error_instead_of_a_response_reaches_the_waiting_thread(ros: RosClient) -> None:
    from rclpy.task import Future

    class Handle:
        @staticmethod
        def get_result_async() -> Future:
            future = Future()
            future.set_exception(ValueError("server gone"))
            return future

    future = get_result(ros.executor, Handle())
    wait_for(future.done, what="the error")
    with pytest.raises(ValueError, match="server gone"):
        future.result()


def test_every_action_call_is_made_where_the_executor_spins(repository: Path) -> None:
    """Only the helper calls the client, or a program that spins in the thread of its call."""
    command = ["git", "-C", str(repository), "ls-files", "*.py"]
    listed = subprocess.run(command, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("no git checkout")
    call = re.compile(r"\.(send_goal_async|get_result_async|cancel_goal_async)\b")
    found = {name for name in listed.stdout.split() if call.search((repository / name).read_text())}
    assert found == {
        "spatialgeo_ros/node/action_calls.py",
        "test/system/doomed_client.py",
        "bench/soak_parts.py",
    }
