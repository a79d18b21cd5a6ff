# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is set up wrongly is named with its cure, in diagnostics and once in the log."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")
pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import PoseStamped
from lifecycle_msgs.srv import ChangeState
from nav_msgs.msg import Odometry
from rcl_interfaces.srv import GetParameters, ListParameters, SetParameters
from ros_support import wait_for
from sensor_msgs.msg import CompressedImage
from spatialgeo_ros.msg import Region
from spatialgeo_ros.srv import MeasureDistance
from std_msgs.msg import String
from system.camera_driver import HEIGHT, WIDTH, CameraDriver
from system.conftest import Robot, start_robot, stop_robot

PARAMETERS = {
    "cameras": ["packed", "beside", "raw", "odd", "steady", "unstamped", "unframed", "info", "odo"],
    "packed.image_topic": "packed/image_raw/compressed",
    "raw.image_transport": "compressed",
    "camera_timeout": 1.0,
    "process_rate": 0.0,
    "odo.mount": [0.0, 0.0, 0.9, 0.0, 0.0, 0.0],
    # Misspelt: named at the start.
    "process_rat": 1.0,
    "odo.imagetopic": "/front/image",
    "stereo.image_topic": "/front/image",
}


@pytest.fixture(scope="module")
def diagnostics(robot: Robot) -> list[Any]:
    return robot.ros.collect(DiagnosticArray, "/diagnostics")


def status(robot: Robot, diagnostics: list[Any], part: str) -> Any:
    name = f"/{robot.namespace}/spatialgeo: {part}"
    found = [s for message in diagnostics[-3:] for s in message.status if s.name == name]
    return found[-1] if found else DiagnosticStatus()


def found(
    robot: Robot,
    diagnostics: list[Any],
    part: str,
    *words: str,
    during: Callable[[], object] = lambda: None,
) -> None:
    """Wait until the status of a part has all ``words``, and the log has them once."""

    def shown() -> bool:
        during()
        return all(word in status(robot, diagnostics, part).message for word in words)

    wait_for(shown, 30.0, lambda: f"{words} in {status(robot, diagnostics, part)}")
    values = {pair.key: pair.value for pair in status(robot, diagnostics, part).values}
    named = [key for key, value in values.items() if key.startswith("finding ")]
    assert any(all(word in values[key] for word in words) for key in named), values

    def lines() -> list[str]:
        text = robot.process.output.splitlines()
        return [line for line in text if "[WARN]" in line and all(w in line for w in words)]

    wait_for(lambda: len(lines()) == 1, 5.0, lambda: f"{words} once in\n{robot.process.output}")


def publisher(robot: Robot, kind: type, topic: str) -> Any:
    return robot.ros.node.create_publisher(kind, f"/{robot.namespace}/{topic}", 1)


def test_parameters_that_nobody_reads(robot):
    (line,) = [o for o in robot.process.output.splitlines() if "are ignored" in o]
    assert "[WARN]" in line
    assert "'process_rat' (did you mean 'process_rate'?)" in line
    assert "'odo.imagetopic' (did you mean 'odo.image_topic'?)" in line
    assert "'stereo.image_topic'" in line
    assert "camera_timeout" not in line


@pytest.mark.parametrize(
    ("camera", "topic", "kind", "words"),
    [
        (
            "packed",
            "packed/image_raw/compressed",
            CompressedImage,
            ("set packed.image_transport to compressed", "set packed.image_topic to", "Compressed"),
        ),
        (
            "beside",
            "beside/image_raw/compressed",
            CompressedImage,
            ("only", "set beside.image_transport to compressed"),
        ),
        ("odd", "odd/image_raw", String, ("carries std_msgs/msg/String", "is the topic right")),
    ],
    ids=["compressed", "beside", "other"],
)
def test_topics_of_another_type(robot, diagnostics, camera, topic, kind, words):
    publisher(robot, kind, topic)
    found(robot, diagnostics, f"camera {camera}", *words)


def test_raw_images_for_a_compressed_subscriber(robot, diagnostics):
    with CameraDriver(robot.ros, robot.namespace, "raw"):
        found(robot, diagnostics, "camera raw", "set raw.image_transport to raw")


def test_camera_info_of_another_type(robot, diagnostics):
    publisher(robot, String, "info/camera_info")
    words = "info/camera_info carries std_msgs/msg/String", "set info.camera_info_topic"
    found(robot, diagnostics, "camera info", *words)


def test_odometry_of_another_type(tmp_path):
    robot = start_robot(tmp_path)
    try:
        diagnostics = robot.ros.collect(DiagnosticArray, "/diagnostics")
        publisher(robot, PoseStamped, "odom")
        words = "odom carries geometry_msgs/msg/PoseStamped", "set odometry_topic"
        found(robot, diagnostics, "perception", *words)
    finally:
        stop_robot(robot)


def test_stamps_that_stand_still_are_zero_or_unframed(robot, diagnostics):
    now = time.time_ns()
    for name, words, what in (
        ("steady", ("stamps", "stand still"), {"stamp_ns": now}),
        ("unstamped", ("stamps", "are zero"), {"stamp_ns": 0}),
        ("unframed", ("empty frame_id",), {}),
    ):
        with CameraDriver(robot.ros, robot.namespace, name) as camera:
            wait_for(camera.matched)
            if name == "unframed":
                camera._frame_id = ""
            publish = functools.partial(camera.publish, **what)
            found(robot, diagnostics, f"camera {name}", *words, during=publish)


def test_odometry_that_becomes_unusable_is_named(robot, diagnostics):
    point = Region(type=Region.TYPE_POINT, point_x=WIDTH / 2, point_y=HEIGHT / 2)
    request = MeasureDistance.Request(from_region=point, camera="odo")
    with CameraDriver(robot.ros, robot.namespace, "odo") as camera:
        wait_for(camera.matched)

        def posed() -> bool:
            camera.publish(odometry=True)
            robot.call(MeasureDistance, "measure_distance", request)
            values = status(robot, diagnostics, "camera odo").values
            return ("pose", "in odom") in [(pair.key, pair.value) for pair in values]

        wait_for(posed, what="a pose")

        def spoiled() -> None:
            bad = Odometry(header=camera.publish(), child_frame_id="base_link")
            bad.header.frame_id = "odom"
            bad.pose.pose.orientation.w = 0.0
            camera.odometry.publish(bad)
            time.sleep(0.05)

        found(robot, diagnostics, "camera odo", "has length 0, not 1", "refused", during=spoiled)
        values = {p.key: p.value for p in status(robot, diagnostics, "perception").values}
        assert int(values["odometry refused"]) > 0
        assert "has length 0" in values["odometry refused: last"]
        assert values["pose source"] in ("odometry", "auto: odometry")


def test_refused_transitions_are_answered(robot):
    for number, label in ((3, ""), (1, ""), (8, ""), (0, ""), (99, ""), (255, ""), (0, "activate")):
        request = ChangeState.Request()
        request.transition.id, request.transition.label = number, label
        assert not robot.call(ChangeState, "change_state", request, timeout=5.0).success
    assert robot.state() == "active"
    assert "Traceback" not in robot.process.output


def test_the_nodes_own_dump_is_accepted(robot):
    names = robot.call(ListParameters, "list_parameters", ListParameters.Request()).result.names
    request = GetParameters.Request(names=names)
    values = robot.call(GetParameters, "get_parameters", request).values
    from rcl_interfaces.msg import Parameter

    given = [Parameter(name=n, value=v) for n, v in zip(names, values, strict=True)]
    results = robot.call(
        SetParameters, "set_parameters", SetParameters.Request(parameters=given)
    ).results
    refused = {n: r.reason for n, r in zip(names, results, strict=True) if not r.successful}
    assert len(names) > 100
    assert not refused
    for name, value in (("queue_size", 9), ("profile", "other"), ("odo__depth_max", 3.0)):
        assert not robot.set(**{name: value})[0].successful


def test_two_nodes_of_one_name(robot, diagnostics):
    import rclpy

    twin = rclpy.create_node("spatialgeo", namespace=robot.namespace, context=robot.ros.context)
    try:
        found(robot, diagnostics, "perception", "2 nodes are called", f"/{robot.namespace}/spatial")
    finally:
        twin.destroy_node()


def test_simulated_time_that_nobody_gives_and_poses_that_nobody_wants(tmp_path):
    robot = start_robot(tmp_path, use_sim_time=True, pose_source="none", process_rate=0.0)
    try:
        diagnostics = robot.ros.collect(DiagnosticArray, "/diagnostics")
        found(robot, diagnostics, "perception", "use_sim_time is true, but nobody publishes /clock")
        with CameraDriver(robot.ros, robot.namespace) as camera:
            camera.run()
            wait_for(
                lambda: (
                    (s := status(robot, diagnostics, "camera camera")).level == DiagnosticStatus.OK
                    and ("processed", "0") not in [(p.key, p.value) for p in s.values]
                    and s.message == "ok"
                ),
                what=lambda: f"ok, not {status(robot, diagnostics, 'camera camera')}",
            )
            assert "pose" not in status(robot, diagnostics, "perception").message
    finally:
        stop_robot(robot)
