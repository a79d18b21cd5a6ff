# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Calls of an action client from another thread than the one that spins.

rclpy's action client sends a request and only then notes what it waits for. A response that the
spinning thread takes in between is "unexpected", and the future never completes. So these calls
are made in the spinning thread, and the caller waits for a future.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.action import ActionClient
from rclpy.action.client import ClientGoalHandle
from rclpy.executors import Executor
from rclpy.task import Future


def send_goal(
    executor: Executor,
    client: ActionClient,
    goal: Any,
    on_feedback: Callable[[Any], None] | None = None,
) -> Future:
    """Send a goal; the future's result is its ``ClientGoalHandle``, accepted or not."""
    return _call(executor, lambda: client.send_goal_async(goal, on_feedback))


def get_result(executor: Executor, handle: ClientGoalHandle) -> Future:
    """Ask for the result of an accepted goal."""
    return _call(executor, handle.get_result_async)


def cancel_goal(executor: Executor, handle: ClientGoalHandle) -> Future:
    """Ask for a goal to be cancelled; the future's result is the response to that."""
    return _call(executor, handle.cancel_goal_async)


def _call(executor: Executor, call: Callable[[], Future]) -> Future:
    """Make a call in the thread that spins the executor; what it raises, the future raises."""
    outcome = Future()

    def finish(future: Future) -> None:
        error = future.exception()
        if error is None:
            outcome.set_result(future.result())
        else:
            outcome.set_exception(error)

    def begin() -> None:
        try:
            future = call()
        except Exception as error:
            outcome.set_exception(error)
        else:
            future.add_done_callback(finish)

    executor.create_task(begin)
    return outcome
