# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A detector that gives numbers for names, over real DDS: refused in words, then named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")
pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import QoSProfile
from ros_support import wait_for
from spatialgeo_ros.msg import ErrorCode, Region
from spatialgeo_ros.srv import MeasureDistance
from std_msgs.msg import Header
from system.camera_driver import BOX, BOX_DISTANCE, CameraDriver
from system.conftest import Robot, start_robot, stop_robot
from system.room_driver import LATCHED

vision = pytest.importorskip("vision_msgs.msg", reason="vision_msgs is not installed")

CUP = 3
NAMES = ["person", "chair", "bottle", "cup"]


class Detector(CameraDriver):
    """A camera whose detector boxes the box, with a number for its name."""

    def __init__(self, robot: Robot) -> None:
        super().__init__(robot.ros, robot.namespace)
        self.class_id = str(CUP)
        self._boxes = robot.ros.node.create_publisher(
            vision.Detection2DArray, f"/{robot.namespace}/camera/detections", 10
        )

    def publish(self, stamp_ns: int | None = None, **what: Any) -> Header:
        header = super().publish(stamp_ns, **what)
        one = vision.Detection2D(header=header)
        box = one.bbox
        box.center.position.x, box.center.position.y = (BOX[0] + BOX[2]) / 2, (BOX[1] + BOX[3]) / 2
        box.size_x, box.size_y = float(BOX[2] - BOX[0]), float(BOX[3] - BOX[1])
        guess = vision.ObjectHypothesisWithPose()
        guess.hypothesis.class_id, guess.hypothesis.score = self.class_id, 0.9
        one.results = [guess]
        self._boxes.publish(vision.Detection2DArray(header=header, detections=[one]))
        return header


def measure(robot: Robot, phrase: str) -> Any:
    request = MeasureDistance.Request(from_region=Region(label=phrase))
    return robot.call(MeasureDistance, "measure_distance", request)


def assert_measured(robot: Robot, phrase: str = "the cup") -> None:
    response = measure(robot, phrase)
    assert response.error_code == ErrorCode.OK, response.error_message
    (length,) = response.distances
    assert length.valid, length.reason
    assert length.distance == pytest.approx(BOX_DISTANCE, abs=0.03)


def problem(robot: Robot) -> str:
    """What a request for the cup says."""
    response = measure(robot, "the cup")
    return "" if response.error_code == ErrorCode.OK else response.error_message


@pytest.fixture(scope="module")
def unlisted(tmp_path_factory: Any) -> Iterator[tuple[Robot, Detector]]:
    folder = tmp_path_factory.mktemp("robot")
    robot = start_robot(folder, **{"camera.vision_info_topic": "camera/vision_info"})
    with Detector(robot) as detector:
        wait_for(detector.matched, what="the node's subscriptions")
        detector.run(10.0)
        yield robot, detector
    stop_robot(robot)


def test_numbers_without_a_list_are_said_everywhere_and_match_nothing(unlisted):
    robot, _ = unlisted
    words = "names its classes by number (3): set camera.detection_labels or detection_labels_file"
    wait_for(lambda: words in problem(robot), what=lambda: f"the cause, have {problem(robot)!r}")
    for phrase in ("3", "thing 3", "class 3"):
        assert measure(robot, phrase).error_code != ErrorCode.OK, "a number is no word"
    heard = robot.ros.collect(DiagnosticArray, "/diagnostics")
    name = f"/{robot.namespace}/spatialgeo: camera camera"

    def said() -> bool:
        status = [one for array in heard for one in array.status if one.name == name]
        return any(words in one.message for one in status)

    wait_for(said, what="the same words in diagnostics")
    assert words in robot.process.output, "and in the log"
    assert measure(robot, "the box").error_code == ErrorCode.OK, "own networks look instead"


def test_a_vision_info_that_leads_nowhere_is_named_and_one_that_does_is_followed(unlisted):
    robot, detector = unlisted
    info = robot.ros.node.create_publisher(
        vision.VisionInfo, f"/{robot.namespace}/camera/vision_info", LATCHED
    )
    info.publish(vision.VisionInfo(database_location="//class_labels_42"))
    wait_for(
        lambda: "no such parameter with a list of names" in problem(robot),
        what=lambda: f"the failed lookup, have {problem(robot)!r}",
    )
    assert "'//class_labels_42'" in problem(robot)
    robot.ros.node.declare_parameter("class_labels_42", NAMES)  # it is asked for again
    wait_for(lambda: not problem(robot), what=lambda: f"a cup, have {problem(robot)!r}")
    assert_measured(robot)
    assert "4 names of classes from" in robot.process.output
    detector.class_id = "17"
    wait_for(
        lambda: "has no name for it (it names 0, 1, 2, 3): complete the list" in problem(robot),
        what=lambda: f"a number beyond the list, have {problem(robot)!r}",
    )
    detector.class_id = "bottle"  # a detector with words needs no list
    wait_for(lambda: measure(robot, "bottle").error_code == ErrorCode.OK, what="a bottle")


@pytest.mark.parametrize("way", ["list", "file", "volatile VisionInfo"])
def test_every_way_to_name_the_numbers(tmp_path: Path, way: str):
    names = tmp_path / "names.yaml"
    names.write_text("names: {3: cup}\n")
    parameters = {
        "list": {"camera.detection_labels": NAMES},
        "file": {"camera.detection_labels_file": str(names)},
        "volatile VisionInfo": {"camera.vision_info_topic": "camera/vision_info"},
    }[way]
    robot = start_robot(tmp_path, **parameters)
    try:
        with Detector(robot) as detector:
            info = robot.ros.node.create_publisher(
                vision.VisionInfo, f"/{robot.namespace}/camera/vision_info", QoSProfile(depth=1)
            )
            wait_for(detector.matched, what="the node's subscriptions")
            detector.run(10.0)

            def named() -> bool:
                info.publish(vision.VisionInfo(database_location=str(names)))
                return not problem(robot)

            wait_for(named, what=lambda: f"a cup, have {problem(robot)!r}")
            assert_measured(robot)
    finally:
        stop_robot(robot)
