# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The doctor as a command: silent on a healthy robot, quick on every graph, of use without ROS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")
pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")

from ros_support import RosClient, wait_for
from sensor_msgs.msg import CameraInfo
from spatialgeo_ros.srv import MeasureDistance
from std_msgs.msg import String
from system.camera_driver import CameraDriver
from system.conftest import start_robot, stop_robot

from spatialgeo_ros.doctor import examination, graph
from spatialgeo_ros.doctor.examination import examine
from spatialgeo_ros.doctor.options import Options
from spatialgeo_ros.errors import BadRequestError

REPOSITORY = Path(__file__).resolve().parents[2]
LONGEST = 15.0
#: What the machine that runs the tests may lack: a container has 64 MB in /dev/shm.
OF_THE_MACHINE = {"shm-small", "rmem-small"}
NAMESPACE = "healthy"
# Said of a machine that other tests keep busy, and of what it makes late.
OF_A_BUSY_MACHINE = {"machine-busy", "images-lost", "images-slow", "odometry-late", "tf-late"}


def doctor(*arguments: str, **environment: str) -> tuple[int, dict[str, Any], float]:
    """Run the command; returns its exit status, its JSON, and how long the process took."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / "scripts" / "doctor"), "--json", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": f"{REPOSITORY}:{os.environ['PYTHONPATH']}", **environment},
    )
    seconds = time.monotonic() - began
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout), seconds


def bad(report: dict[str, Any]) -> list[str]:
    return [
        f"{one['id']}: {one['what']}"
        for one in report["findings"]
        if one["level"] != "ok" and one["id"] not in OF_THE_MACHINE
    ]


def test_a_healthy_robot_is_silent(run_node):
    rig = {"width": 160, "height": 120, "rate": 5.0}
    remapped = {"camera/image_raw": "front/picture"}
    run_node("simulated_camera", parameters=rig, namespace=NAMESPACE, remappings=remapped)
    run_node(
        "spatialgeo_node",
        parameters={
            "profile": "none",
            "grounding": "none",
            "camera.mount": [0.0, 0.0, 0.9, 0.0, 0.20943951, 0.0],
        },
        namespace=NAMESPACE,
        remappings=remapped,
    )
    last: dict[str, Any] = {}

    def healthy() -> bool:
        """On a machine that is busy with other tests the robot itself may lag for a while."""
        status, report, seconds = doctor("--node", f"/{NAMESPACE}/spatialgeo")
        last.update(report)
        assert seconds < LONGEST
        assert (status == 0) == (report["worst"] == "ok")
        return report["facts"].get("spatialgeo nodes") == [f"/{NAMESPACE}/spatialgeo"] and not bad(
            report
        )

    wait_for(healthy, 120.0, lambda: f"silence, not {bad(last)} {last.get('facts')}")
    (camera,) = last["facts"]["cameras"]
    assert "/healthy/front/picture" in camera, "topics are those that the node resolved"
    assert " 0.0 Hz, depth" not in camera, "it did listen"


def test_a_node_that_is_not_active_is_told_from_one_that_is(tmp_path):
    robot = start_robot(tmp_path, autostart=False, profile="none", pose_source="none")
    try:
        name = f"/{robot.namespace}/spatialgeo"

        def says(id: str) -> bool:
            report = examine(Options(node=name, seconds=0.5, machine=False), longest=60.0)
            return report.ids(name) == ({id} if id else set())

        wait_for(lambda: says("node-unconfigured"), 60.0, "a node that is unconfigured")
        assert robot.change("configure")
        wait_for(lambda: says("node-inactive"), 60.0, "a node that is inactive")
        assert robot.change("activate")
        wait_for(lambda: says(""), 60.0, "a node that is active")
    finally:
        stop_robot(robot)


def test_a_client_that_waits_is_no_node(ros: RosClient):
    client = ros.node.create_client(MeasureDistance, "/late_robot/spatialgeo/measure_distance")
    try:
        report = examine(Options(machine=False), longest=60.0)
        assert "node-silent" not in report.ids()
        report = examine(Options(machine=False, node="/late_robot/spatialgeo"), longest=60.0)
        assert "node-missing" in report.ids()
    finally:
        ros.node.destroy_client(client)


def test_an_empty_graph_is_said_in_time():
    status, report, seconds = doctor(ROS_DOMAIN_ID="101")
    assert seconds < LONGEST
    assert status == 4
    (empty,) = [one for one in report["findings"] if one["id"] == "graph-empty"]
    assert "ROS_DOMAIN_ID 101" in empty["what"]


def test_a_middleware_that_is_not_there_is_said():
    status, report, seconds = doctor(RMW_IMPLEMENTATION="rmw_of_nobody_cpp")
    assert seconds < LONGEST
    assert status == 4
    (finding,) = [one for one in report["findings"] if one["id"] == "rmw-unusable"]
    assert "rmw_of_nobody_cpp" in finding["what"]
    assert "packages" in report["facts"], "the machine is looked at all the same"


def test_a_graph_of_many_topics_is_looked_at_in_time(ros: RosClient):
    for number in range(150):
        ros.node.create_publisher(String, f"many/topic_{number}", 1)
    for number in range(8):
        ros.node.create_publisher(CameraInfo, f"many/camera_{number}/camera_info", 1)
    began = time.monotonic()
    report = examine(Options(machine=False))
    assert time.monotonic() - began < LONGEST
    assert "graph-empty" not in report.ids()


def test_topics_of_a_file_and_of_discovery(ros: RosClient, tmp_path):
    """No node runs: a parameter file is judged, or what is published."""
    mount = "camera.mount: [0.0, 0.0, 0.9, 0.0, 0.0, 0.0]"
    path = tmp_path / "robot.yaml"
    path.write_text(
        "/**:\n  ros__parameters:\n    cameras: [front]\n    pose_source: none\n"
        "    profile: moge2_s\n    front.image_topic: /bare/camera/image_raw\n"
        "    front.camera_info: /somewhere\n"
        f"    {mount}\n"
    )
    with CameraDriver(ros, "bare").run(8.0, odometry=True):

        def judged() -> bool:
            report = examine(Options(params_file=path, machine=False), longest=60.0)
            lost = [one.finding for one in report.found if one.finding.id == "parameters-ignored"]
            return (
                report.ids("camera front") == {"camera-info-missing"}
                and bool(lost)
                and "'front.camera_info' (did you mean 'front.camera_info_topic'?)" in lost[0]
                and "'camera.mount'" in lost[0]
            )

        wait_for(judged, 60.0, "the file's faults")

        last: dict[str, Any] = {}

        def discovered() -> bool:
            report = examine(Options(settings={"pose_source": "none"}, machine=False), longest=60.0)
            # An earlier test's node that was killed is known until its lease ends: then no cameras.
            last.update(ids=report.ids() - OF_A_BUSY_MACHINE, cameras=report.facts.get("cameras"))
            return not last["ids"] and "/bare/camera/image_raw" in (last["cameras"] or [""])[0]

        wait_for(discovered, 90.0, lambda: f"the camera that is published, without a fault: {last}")


def test_a_parameter_file_that_is_none_is_refused(tmp_path):
    with pytest.raises(BadRequestError, match=r"nosuch\.yaml"):
        examine(Options(params_file=tmp_path / "nosuch.yaml", machine=False), longest=60.0)


def test_what_hangs_is_left_behind(monkeypatch):
    monkeypatch.setattr(examination, "_look_at_graph", lambda *_: time.sleep(60))
    began = time.monotonic()
    report = examine(Options(machine=False), longest=0.5)
    assert time.monotonic() - began < 5.0
    assert report.ids() == {"check-unfinished"}
    assert report.exit_status == 3


def test_findings_made_before_an_error_are_reported(monkeypatch, ros: RosClient):
    def fails(self: Any, running: Any) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(graph._Examination, "_make_targets", fails)
    report = examine(Options(machine=False, node="/nobody"), longest=60.0)
    assert report.ids() == {"node-missing", "check-failed"}


def test_without_ros_the_machine_is_looked_at():
    program = (
        "import sys; sys.modules['rclpy'] = None\n"
        "from spatialgeo_ros.cli import main\n"
        "sys.exit(main(['doctor', '--json']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, cwd=REPOSITORY
    )
    report = json.loads(done.stdout)
    (missing,) = [one for one in report["findings"] if one["id"] == "ros-missing"]
    assert "the graph cannot be looked at" in missing["what"]
    assert report["facts"]["packages"]["numpy"] not in ("", "missing")
    assert done.returncode == 3
