# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node as it is shipped with a detector in the official layout: random weights, so plumbing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")
pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")

from checkpoints.grounding import write_grounding_profile
from diagnostic_msgs.msg import DiagnosticArray
from ros_support import wait_for
from spatialgeo_ros.msg import ErrorCode
from spatialgeo_ros.srv import AskSpatial
from system.camera_driver import CameraDriver
from system.conftest import Robot, start_robot, stop_robot

EXECUTABLE = Path(__file__).parents[2] / "scripts" / "spatialgeo_node"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: Any) -> Iterator[Robot]:
    folder = tmp_path_factory.mktemp("tiny")
    profile = write_grounding_profile("owlvit", folder)
    robot = start_robot(
        folder, EXECUTABLE, profile="none", grounding=str(profile), device="cpu",
        map_phrases=["mug"], pose_source="none",
    )  # fmt: skip
    yield robot
    stop_robot(robot)


def test_a_question_goes_through_the_detector_and_comes_back(tiny: Robot) -> None:
    diagnostics = tiny.ros.collect(DiagnosticArray, "/diagnostics")
    with CameraDriver(tiny.ros, tiny.namespace) as camera:
        wait_for(camera.matched, what="the node's subscriptions")
        camera.run()
        asked = AskSpatial.Request(question="How far is the red chair from the door?")

        def answer() -> Any:
            found = tiny.call(AskSpatial, "ask", asked).answer
            return None if found.error_code == ErrorCode.NO_FRAME else found

        answered = wait_for(answer, what="an answer")
        # What random weights find is nobody's business; that they were asked is.
        expected = (
            ErrorCode.OK, ErrorCode.PHRASE_NOT_FOUND, ErrorCode.AMBIGUOUS,
            ErrorCode.TOO_LITTLE_SUPPORT, ErrorCode.NO_GEOMETRY,
        )  # fmt: skip
        assert answered.error_code in expected, answered.error_message
        assert "failed" not in answered.error_message

        def facts() -> dict[str, str]:
            for message in diagnostics[::-1]:
                for status in message.status:
                    if tiny.namespace in status.name and status.name.endswith("perception"):
                        return {value.key: value.value for value in status.values}
            return {}

        wait_for(lambda: facts().get("grounding passes", "0") != "0", what="a pass")
        assert facts()["grounding kind"] == "owl"
        assert facts()["grounding failures"] == "0"
