# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Nothing that arrives over DDS kills the node, holds it up for seconds or takes its memory.

The node as it is shipped, on sensor depth. Each input is looked at before the next: a good frame
and a request follow it. After each batch a good request is answered rightly.
"""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")
pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")

import malformed_messages as bad
from hypothesis import HealthCheck, given, settings
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.srv import SetParameters
from ros_support import wait_for
from spatialgeo_ros.action import AskSpatial as AskAction
from spatialgeo_ros.msg import ErrorCode, Region
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
from system.camera_driver import BOX, BOX_DISTANCE, CameraDriver

EXECUTABLE = Path(__file__).parents[2] / "scripts" / "spatialgeo_node"
JPEG = "jpeg"  # a camera of compressed images
PARAMETERS = {
    "profile": "none",
    "cameras": ["camera", JPEG],
    f"{JPEG}.image_transport": "compressed",
    "pose_source": "auto",  # with TF where tf2_ros is installed
    "process_rate": 0.0,
    "depth_wait": 0.02,
    "pose_wait": 0.02,
    "camera.mount": [0.0, 0.0, 0.9, 0.0, 0.0, 0.0],
}
LONGEST = 5.0  # s that any response may take
MOST_MEMORY = 300.0  # MB more than before, at any moment
SERVICES = {
    "ask": AskSpatial,
    "measure_distance": MeasureDistance,
    "watch_distance": WatchDistance,
    "find_objects": FindObjects,
    "run_query": RunQuery,
    "get_approach_pose": GetApproachPose,
    "save_objects": SaveObjects,
    "load_objects": LoadObjects,
    "set_parameters": SetParameters,
    "change_state": ChangeState,
}
# Generated inputs are the same in every run.
generated = settings(
    max_examples=30,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def memory(pid: int, field: str) -> float:
    """Return a memory field of a process in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"{field}:\s+(\d+) kB", status)[1]) / 1000


class Node:
    """The node under test, what is sent to it, and whether it stands it."""

    def __init__(self, robot: Any, driver: CameraDriver) -> None:
        self.robot, self.driver = robot, driver
        self._clients = {
            name: robot.ros.node.create_client(kind, robot.name(name))
            for name, kind in SERVICES.items()
        }
        for name, client in self._clients.items():
            wait_for(client.service_is_ready, what=name)
        x0, y0, x1, y1 = (float(v) for v in BOX)
        box = Region(
            type=Region.TYPE_BOX, x_min=x0 - 4, y_min=y0 - 4, x_max=x1 + 3, y_max=y1 + 3
        )  # fmt: skip
        self._good = MeasureDistance.Request(from_region=box, camera="camera")

    def call(self, name: str, request: Any) -> Any:
        """Return the response of a service, which must come in time."""
        future = self._clients[name].call_async(request)
        return self.robot.ros.result(future, LONGEST, f"a response of {name} to {request!s:.500}")

    def look(self, **what: Any) -> Any:
        """Send a frame, measure in it, and return the response, which is no defect."""
        self.driver.publish(**what)
        response = self.call("measure_distance", self._good)
        assert response.error_code != ErrorCode.INTERNAL, (response.error_message, what)
        return response

    def stands(self) -> None:
        """Good frames are measured rightly."""

        def measured() -> bool:
            response = self.look(odometry=True)
            if response.error_code or not response.distances[0].valid:
                return False
            return response.distances[0].distance == pytest.approx(BOX_DISTANCE, abs=0.02)

        wait_for(measured, LONGEST, "a right measurement")
        assert self.robot.process.is_running()
        assert "Traceback" not in self.robot.process.output, self.robot.process.output[-5000:]


@pytest.fixture(scope="module")
def running(robot: Any) -> Iterator[Node]:
    with CameraDriver(robot.ros, robot.namespace) as driver:
        wait_for(driver.matched, what="the node's subscriptions")
        node = Node(robot, driver)
        # What the first requests load belongs to no input.
        node.stands()
        node.call("ask", AskSpatial.Request(question="how far is the red box from the wall?"))
        yield node


@pytest.fixture
def node(running: Node) -> Iterator[Node]:
    """The node before a batch; after it, it must stand and have kept its memory."""
    pid = running.robot.process.pid
    running.stands()
    before = memory(pid, "VmRSS")
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak counts from here
    yield running
    running.stands()
    assert memory(pid, "VmHWM") - before < MOST_MEMORY


@pytest.mark.parametrize(
    ("part", "fixed", "least"),
    [
        ("image", bad.fixed_images, 40),
        ("info", bad.fixed_infos, 40),
        ("depth", bad.fixed_depths, 15),
    ],
    ids=["images", "camera_infos", "depths"],
)
def test_messages_of_a_camera(node, part, fixed, least):
    batch = list(fixed())
    others = {"depth": False} if part == "image" else {}
    for message in batch:
        node.look(**{part: message}, **others)
    assert len(batch) >= least


@generated
@given(image=bad.some_image())
def test_more_images(running, image):
    running.look(image=image, depth=False)


def test_compressed_images(node):
    batch = list(bad.fixed_compressed())
    request = MeasureDistance.Request(camera=JPEG, from_region=node._good.from_region)
    with CameraDriver(node.robot.ros, node.robot.namespace, JPEG, compressed=True) as driver:
        wait_for(driver.matched, what="the node's subscriptions")
        for image in batch:
            driver.publish(image=image)
            response = node.call("measure_distance", request)
            assert response.error_code not in (ErrorCode.OK, ErrorCode.INTERNAL), image.format
    assert len(batch) >= 30


@generated
@given(info=bad.some_info())
def test_more_camera_infos(running, info):
    running.look(info=info)


@generated
@given(depth=bad.some_image())
def test_more_depths(running, depth):
    running.look(depth=depth)


def test_odometry(node):
    batch = list(bad.fixed_odometries())
    for number, message in enumerate(batch):
        message.header.stamp.sec = (0, 2**31 - 1, int(time.time()))[number % 3]
        node.driver.odometry.publish(message)
        node.look()
    assert len(batch) >= 15


@generated
@given(message=bad.some_odometry())
def test_more_odometry(running, message):
    message.header.stamp.sec = int(time.time())
    running.driver.odometry.publish(message)
    running.look()


def test_transforms(node):
    tf2_msgs = pytest.importorskip("tf2_msgs.msg", reason="tf2_msgs is not installed")
    from geometry_msgs.msg import TransformStamped

    sender = node.robot.ros.node.create_publisher(tf2_msgs.TFMessage, "/tf", 10)
    for parent, child, w in itertools.product(
        ("", "a", "odom"), ("", "a", "x" * 9999), (0.0, bad.NAN)
    ):
        one = TransformStamped(child_frame_id=child)
        one.header.frame_id, one.transform.rotation.w = parent, w
        sender.publish(tf2_msgs.TFMessage(transforms=[one] * 50))
        node.look()


def test_detections(node):
    vision = pytest.importorskip("vision_msgs.msg", reason="vision_msgs is not installed")
    topic = f"/{node.robot.namespace}/camera/detections"
    sender = node.robot.ros.node.create_publisher(vision.Detection2DArray, topic, 1)
    batch = []
    for value in (0.0, -1.0, bad.NAN, bad.INF, 1e300):
        box = vision.BoundingBox2D(size_x=value, size_y=value)
        box.center.position.x = box.center.theta = value
        for label in ("", "box", "x" * 9999, "\x1b[2J", "999999999999"):
            hypothesis = vision.ObjectHypothesisWithPose()
            hypothesis.hypothesis.score, hypothesis.hypothesis.class_id = value, label
            batch += [[vision.Detection2D(bbox=box, results=[hypothesis] * n)] * n for n in (1, 40)]
    for detections in batch:
        header = node.driver.publish()
        sender.publish(vision.Detection2DArray(header=header, detections=detections))
        node.look()
    assert len(batch) >= 50


def test_requests(node):
    batch = list(bad.fixed_requests())
    for name, request in batch:
        response = node.call(name, request)
        response = getattr(response, "answer", response)
        assert response.error_code != ErrorCode.INTERNAL, response.error_message
        assert len(response.error_message) < 3000 and "\x1b" not in response.error_message
        if len(str(request)) > 50_000:
            node.look()  # and the next frame is not held up
    assert len(batch) >= 200


@generated
@given(named=bad.some_request())
def test_more_requests(running, named):
    name, request = named
    response = running.call(name, request)
    response = getattr(response, "answer", response)
    assert response.error_code != ErrorCode.INTERNAL, response.error_message


def test_goals(node):
    ros = node.robot.ros
    client = ros.action_client(AskAction, node.robot.name("ask_action"))
    for text in bad.TEXTS:
        handle = ros.send_goal(client, AskAction.Goal(question=text, camera=text[:50]))
        result = ros.result(ros.goal_result(handle), LONGEST, f"a result of {text:.50}").result
        assert result.answer.error_code not in (ErrorCode.OK, ErrorCode.INTERNAL)


def test_parameters_and_transitions(node):
    batch = list(bad.fixed_parameters())
    for one in batch:
        results = node.call("set_parameters", SetParameters.Request(parameters=[one])).results
        assert len(results[0].reason) < 3000
        node.look()
    assert len(batch) >= 30
    for number, label in itertools.product((0, 99, 255), ("", "nosuch", "x" * 10_000)):
        request = ChangeState.Request()
        request.transition.id, request.transition.label = number, label
        assert not node.call("change_state", request).success


def test_many_at_once(node):
    """Nothing is lost where requests pile up: each is answered, BUSY where it is too much."""
    futures = [
        node._clients[name].call_async(request)
        for name, request in itertools.islice(bad.fixed_requests(), 0, None, 7)
    ]
    for future in futures:
        node.robot.ros.result(future, 4 * LONGEST)
