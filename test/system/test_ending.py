# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a signal to the end of the process: at any moment, in time and in order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")
pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")

from lifecycle_msgs.srv import ChangeState
from ros_support import NodeProcess, RosClient, wait_for
from spatialgeo_ros.srv import AskSpatial
from system.camera_driver import CameraDriver
from system.conftest import FAKE_NODE, Robot

# From the signal to the end, s: an alarm ends the process after 1.9, the rest is a busy machine's.
LONGEST = 5.0
REAL_NODE = Path(__file__).parents[2] / "scripts" / "spatialgeo_node"


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[..., Robot]]:
    """Start a node without waiting until it is up."""
    robots: list[Robot] = []

    def run(executable: Path = FAKE_NODE, **parameters: Any) -> Robot:
        namespace = f"ending_{os.getpid()}_{len(robots)}"
        process = NodeProcess(
            executable, tmp_path / namespace, parameters=parameters, namespace=namespace
        )
        robots.append(Robot(process, namespace, RosClient(namespace=namespace)))
        return robots[-1]

    yield run
    for robot in robots:
        robot.ros.close()
        robot.process.stop(timeout=0.0)


def end(robot: Robot, *signals: int, pause: float = 0.0) -> tuple[int | None, float]:
    """Send signals with pauses between them; return the exit status and the seconds it took."""
    started = time.monotonic()
    for number, one in enumerate(signals):
        time.sleep(pause if number else 0.0)
        os.kill(robot.process.pid, one)
    wait_for(lambda: not robot.process.is_running(), 20.0, "the end of the process")
    return robot.process.interrupt(), time.monotonic() - started


def assert_gone(robot: Robot) -> None:
    """It said good-bye: a node that was killed stays in the graph for its lease of 20 s.

    On a machine so busy that the time for an orderly end ran out, it says so instead.
    """
    if "not everything ended in time" in robot.process.output:
        return
    name = ("spatialgeo", f"/{robot.namespace}")
    graph = robot.ros.node.get_node_names_and_namespaces
    wait_for(lambda: name not in graph(), 5.0, "its leaving of the graph")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_while_autostart_loads(launch, number):
    robot = launch(profile="endless")
    robot.process.wait_for_output("loading profile")
    assert robot.state() == "configuring"
    status, seconds = end(robot, number)
    assert (status, seconds < LONGEST) == (0, True), seconds
    assert "ending while models are loading" in robot.process.output
    assert "Traceback" not in robot.process.output, robot.process.output
    assert_gone(robot)


def test_while_a_lifecycle_manager_waits_for_configure(launch):
    robot = launch(profile="endless", autostart=False)
    client = robot.ros.node.create_client(ChangeState, robot.name("change_state"))
    wait_for(client.service_is_ready, 60.0)
    request = ChangeState.Request()
    request.transition.label = "configure"
    client.call_async(request)
    robot.process.wait_for_output("loading profile")
    status, seconds = end(robot, signal.SIGTERM)
    assert (status, seconds < LONGEST) == (0, True), seconds
    assert_gone(robot)


def test_a_load_that_ends_meanwhile_is_not_built_upon(launch):
    robot = launch(profile="sluggish")
    robot.process.wait_for_output("loading profile")
    time.sleep(2.6)
    status, seconds = end(robot, signal.SIGINT)
    assert (status, seconds < LONGEST) == (0, True), seconds
    assert "ready:" not in robot.process.output
    assert "Traceback" not in robot.process.output, robot.process.output


def test_while_build_only_builds(launch):
    robot = launch(profile="endless", build_only=True)
    robot.process.wait_for_output("loading profile")
    status, seconds = end(robot, signal.SIGINT)
    assert (status, seconds < LONGEST) == (1, True), seconds


def stuck(launch: Callable[..., Robot]) -> Robot:
    """A node whose perception computes and looks at nothing else."""
    robot = launch(process_rate=0.0)
    robot.process.wait_for_output("ready:")
    client = robot.ros.node.create_client(AskSpatial, robot.name("ask"))
    with CameraDriver(robot.ros, robot.namespace) as camera:
        wait_for(camera.matched, what="subscriptions")
        camera.publish()
        wait_for(client.service_is_ready, 60.0)

        def answered() -> bool:
            camera.publish()
            request = AskSpatial.Request(question="what?")
            return robot.call(AskSpatial, "ask", request).answer.error_code == 0

        wait_for(answered, what="an answer")
        camera.publish()
        client.call_async(AskSpatial.Request(question="stuck"))
        time.sleep(0.5)
    return robot


def test_while_an_inference_cannot_be_stopped(launch):
    robot = stuck(launch)
    status, seconds = end(robot, signal.SIGINT)
    assert (status, seconds < LONGEST) == (0, True), seconds
    assert "not everything ended in time" in robot.process.output


def test_a_second_signal_ends_at_once_and_two_at_once_are_one(launch):
    robot = stuck(launch)
    status, seconds = end(robot, signal.SIGINT, signal.SIGINT, pause=0.7)
    assert status == 128 + signal.SIGINT
    assert seconds < 1.2
    robot = launch()
    robot.process.wait_for_output("ready:")
    assert end(robot, signal.SIGINT, signal.SIGINT, pause=0.01)[0] == 0


def test_the_orderly_end_leaves_nothing_behind(launch):
    robot = launch()
    robot.process.wait_for_output("ready:")
    wait_for(lambda: robot.state() == "active")
    status, seconds = end(robot, signal.SIGINT)
    assert (status, seconds < LONGEST) == (0, True), seconds
    assert "not everything ended" not in robot.process.output
    assert_gone(robot)


def has_mapped(robot: Robot, library: str) -> bool:
    """Whether the process has loaded a library: where in its start it is."""
    assert robot.process.is_running(), robot.process.output
    return library in Path(f"/proc/{robot.process.pid}/maps").read_text()


@pytest.mark.parametrize(
    ("library", "number"),
    [
        ("_rclpy_pybind11", signal.SIGINT),
        ("_rclpy_pybind11", signal.SIGTERM),
        ("libtorch", signal.SIGTERM),
        ("tokenizers", signal.SIGINT),
    ],
)
def test_the_real_node_while_it_starts(launch, library, number):
    """Importing ROS, importing PyTorch, loading a profile's networks."""
    robot = launch(REAL_NODE, profile="nano")
    wait_for(lambda: has_mapped(robot, library), 60.0, what=library)
    status, seconds = end(robot, number)
    # Before rclpy runs, the signal ends it as it ends any process.
    assert (status in (0, -number), seconds < LONGEST) == (True, True), (status, seconds)
    assert "Traceback" not in robot.process.output, robot.process.output
    assert "ready:" not in robot.process.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_real_node_under_load_with_questions_on_their_way(launch, number):
    robot = launch(REAL_NODE, profile="none", process_rate=0.0, pose_source="odometry")
    robot.process.wait_for_output("ready:")
    request = AskSpatial.Request(question="How far is the box from the wall?")
    client = robot.ros.node.create_client(AskSpatial, robot.name("ask"))
    with CameraDriver(robot.ros, robot.namespace) as camera:
        wait_for(camera.matched, what="subscriptions")
        camera.run(rate=60.0, odometry=True)
        wait_for(client.service_is_ready, 60.0)
        robot.ros.result(client.call_async(request))
        for _ in range(6):
            client.call_async(request)
        status, seconds = end(robot, number)
    assert (status, seconds < LONGEST) == (0, True), (status, seconds)
    assert "Traceback" not in robot.process.output, robot.process.output
    assert_gone(robot)


@pytest.mark.parametrize("transition", ["configure", "deactivate"])
def test_the_real_node_in_the_middle_of_a_transition(launch, transition):
    order = ("configure", "activate", "deactivate")
    robot = launch(REAL_NODE, profile="none", autostart=False)
    client = robot.ros.node.create_client(ChangeState, robot.name("change_state"))
    wait_for(client.service_is_ready, 60.0)
    for before in order[: order.index(transition)]:
        assert robot.change(before)
    request = ChangeState.Request()
    request.transition.label = transition
    client.call_async(request)
    status, seconds = end(robot, signal.SIGINT)
    assert (status, seconds < LONGEST) == (0, True), (status, seconds)
    assert "Traceback" not in robot.process.output, robot.process.output


SOURCE = """
import sys, threading, time
import rclpy
from rclpy.node import Node
from spatialgeo_ros.replay.source_runner import run_source

class Idle(Node):
    failure = None
    def __init__(self):
        super().__init__("idle")
        threading.Thread(target=self.end, daemon=True).start()
    def end(self):
        time.sleep(1.0)  # the executor waits by then
        with self.context.handle:
            self.context.handle.shutdown()  # as rclpy's signal handler does it: nobody is woken
    def close(self):
        pass

sys.exit(run_source("idle", Idle, []))
"""


def test_a_source_whose_executor_missed_the_signal_ends():
    done = subprocess.run([sys.executable, "-c", SOURCE], capture_output=True, timeout=30)
    assert done.returncode == 0, done.stderr
