# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One node with fake networks per test module, and a client of it."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ros_support import NodeProcess, RosClient, wait_for

FAKE_NODE = Path(__file__).with_name("fake_spatialgeo_node.py")


@dataclass
class Robot:
    """A running node: its process, its namespace and a client."""

    process: NodeProcess
    namespace: str
    ros: RosClient

    def name(self, interface: str) -> str:
        return f"/{self.namespace}/spatialgeo/{interface}"

    def call(self, kind: type, interface: str, request: Any, timeout: float = 30.0) -> Any:
        return self.ros.call(kind, self.name(interface), request, timeout)

    def state(self, timeout: float = 30.0) -> str:
        from lifecycle_msgs.srv import GetState

        return self.call(GetState, "get_state", GetState.Request(), timeout).current_state.label

    def change(self, transition: str) -> bool:
        from lifecycle_msgs.srv import ChangeState

        request = ChangeState.Request()
        request.transition.label = transition
        return self.call(ChangeState, "change_state", request).success

    def set(self, **values: Any) -> list[Any]:
        from rcl_interfaces.srv import SetParameters
        from rclpy.parameter import Parameter

        parameters = [
            Parameter(name.replace("__", "."), value=value).to_parameter_msg()
            for name, value in values.items()
        ]
        request = SetParameters.Request(parameters=parameters)
        return list(self.call(SetParameters, "set_parameters", request).results)


def start_robot(
    folder: Path, executable: Path = FAKE_NODE, namespace: str = "", **parameters: Any
) -> Robot:
    """Start a node in a namespace of its own, or this one, and wait until it has come up.

    "{namespace}" in the name of a parameter stands for that namespace.
    """
    # Not a number of this module: pytest and the tests import it as two modules.
    namespace = namespace or f"robot_{uuid.uuid4().hex[:12]}"
    parameters = {key.format(namespace=namespace): v for key, v in parameters.items()}
    process = NodeProcess(
        executable, folder / namespace, parameters=parameters, namespace=namespace
    )
    robot = Robot(process, namespace, RosClient(namespace=namespace))
    expected = "active" if parameters.get("autostart", True) else "unconfigured"
    try:
        wait_for(lambda: _is_up(robot, expected), 60.0, lambda: f"'{expected}':{_dump(process)}")
    except BaseException:
        stop_robot(robot)
        raise
    return robot


def _is_up(robot: Robot, expected: str) -> bool:
    assert robot.process.is_running(), f"the node ended:\n{robot.process.output}"
    try:
        return robot.state(timeout=2.0) == expected
    except AssertionError:  # not there yet, or no more
        return False


def _dump(process: NodeProcess) -> str:
    """Return the output of a node that hangs, with the stack of each of its threads."""
    if process.name != FAKE_NODE.name:
        return f"\n{process.output}"
    os.kill(process.pid, signal.SIGUSR1)
    process.wait_for_output("Current thread", 10.0)
    return f"\n{process.output}"


def stop_robot(robot: Robot) -> None:
    robot.ros.close()
    process = robot.process
    process.interrupt(wait=False)
    try:
        wait_for(
            lambda: not process.is_running(), 20.0, lambda: f"the end on SIGINT:{_dump(process)}"
        )
    finally:
        process.stop(timeout=0.0)


@pytest.fixture(scope="module")
def robot(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[Robot]:
    """The module's node, with the module's ``PARAMETERS`` and ``EXECUTABLE`` where it has them."""
    pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")
    pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")
    parameters = getattr(request.module, "PARAMETERS", {})
    executable = getattr(request.module, "EXECUTABLE", FAKE_NODE)
    running = start_robot(tmp_path_factory.mktemp("robot"), executable, **parameters)
    yield running
    stop_robot(running)
