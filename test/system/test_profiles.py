# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The shipped profiles in the real node, with tiny checkpoints in the official layouts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")
pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")

from checkpoints.profiles import write_profile
from diagnostic_msgs.msg import DiagnosticArray
from ros_support import wait_for
from spatialgeo_ros.msg import DistanceEstimate, ErrorCode, Region
from spatialgeo_ros.srv import AskSpatial
from system.camera_driver import BOX, BOX_DISTANCE, CameraDriver
from system.conftest import Robot, start_robot, stop_robot

EXECUTABLE = Path(__file__).parents[2] / "scripts" / "spatialgeo_node"
SPEAKING = (
    "llava_1_5_7b", "spatialgeo_7b", "spatial_mllm_3b", "qwen2_5_vl_3b", "spatialrgpt_8b",
)  # fmt: skip


@pytest.fixture(scope="module", params=["moge_l", "moge2_l", *SPEAKING])
def robot(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[Robot]:
    folder = tmp_path_factory.mktemp(request.param)
    running = start_robot(
        folder,
        EXECUTABLE,
        profile=str(write_profile(request.param, folder / "profile")),
        pose_source="none",
        backend="torch",  # what other backends give is compared in test_compiling.py
        process_rate=0.0,
        max_frame_age=30.0,
        frame_history=30.0,
    )
    running.profile = request.param  # type: ignore[attr-defined]
    yield running
    stop_robot(running)


@pytest.fixture(scope="module")
def driver(robot: Robot) -> Iterator[CameraDriver]:
    with CameraDriver(robot.ros, robot.namespace) as camera:
        wait_for(camera.matched, what="the node's subscriptions")
        yield camera.run(rate=5.0)


def ask(robot: Robot, question: str, regions: list[Region]) -> Any:
    request = AskSpatial.Request(question=question, regions=regions)
    answers: list[Any] = []

    def answered() -> bool:
        answers.append(robot.call(AskSpatial, "ask", request, timeout=60.0).answer)
        return answers[-1].error_code != ErrorCode.NO_FRAME

    wait_for(answered, 60.0, "an answer about a frame")
    return answers[-1]


def crate() -> Region:
    x0, y0, x1, y1 = (float(v) for v in BOX)
    return Region(
        type=Region.TYPE_BOX, label="crate", x_min=x0 - 4, y_min=y0 - 4, x_max=x1 + 3, y_max=y1 + 3
    )


def test_the_measured_number_is_answered_beside_what_the_model_says(robot, driver):
    answer = ask(robot, "How far away is the crate?", [crate()])
    assert answer.error_code == ErrorCode.OK, answer.error_message
    estimate = answer.distances[0]
    assert estimate.source == DistanceEstimate.SOURCE_SENSOR_DEPTH
    assert estimate.distance == pytest.approx(BOX_DISTANCE, abs=0.02)
    assert f"{estimate.distance:.2f} m" in answer.answer
    assert robot.profile in answer.model_id
    # SpatialRGPT was not trained for distances from the camera.
    asked = robot.profile in SPEAKING and robot.profile != "spatialrgpt_8b"
    assert bool(answer.language_answer) == asked


def test_two_regions_are_measured_and_shown(robot, driver):
    left, right = crate(), crate()
    left.x_max = right.x_min = (left.x_min + left.x_max) / 2
    left.label, right.label = "left half", "right half"
    answer = ask(robot, "Is the left half wider than the right half?", [left, right])
    assert answer.error_code == ErrorCode.OK, answer.error_message
    assert bool(answer.language_answer) == (robot.profile in SPEAKING)
    shown = any("picture of depth is made of" in why for why in answer.degraded)
    assert shown == (robot.profile == "spatialrgpt_8b")


def test_a_free_question_is_answered_or_refused_with_the_reason(robot, driver):
    answer = ask(robot, "What could this room be used for?", [])
    if robot.profile in SPEAKING:
        assert answer.error_code == ErrorCode.OK, answer.error_message
        assert answer.language_answer
    else:
        assert answer.error_code == ErrorCode.NOT_UNDERSTOOD
        assert "no language model" in answer.error_message


def newest_diagnostics(robot: Robot) -> Callable[[], dict[str, str]]:
    """Return what gives the newest values of the perception's status, {} before the first."""
    diagnostics = robot.ros.collect(DiagnosticArray, "/diagnostics")
    name = f"/{robot.namespace}/spatialgeo: perception"

    def newest() -> dict[str, str]:
        found = [s for m in tuple(diagnostics) for s in m.status if s.name == name]
        return {p.key: p.value for p in found[-1].values} if found else {}

    return newest


def test_diagnostics_name_the_profile(robot, driver):
    newest = newest_diagnostics(robot)
    wait_for(lambda: newest().get("profile") == robot.profile, what="the profile in /diagnostics")


def test_a_second_question_about_an_image_computes_its_own_tokens_alone(robot, driver):
    """The camera goes on; a region that was drawn on the first question's image says which."""
    if robot.profile not in SPEAKING:
        pytest.skip("no language model")
    newest = newest_diagnostics(robot)
    names = ("prefix_hits", "prefix_prefills", "computed_tokens")

    def settled(at_least: int) -> dict[str, int]:
        """Counts once they hold that many questions; each is shown with the next frame."""
        found: dict[str, int] = {}

        def shown() -> bool:
            found.update({name: int(newest().get(name, -1)) for name in names})
            return found["prefix_hits"] + found["prefix_prefills"] >= at_least

        wait_for(shown, what=lambda: f"the counts of {at_least} questions, got {found}")
        return found

    wait_for(lambda: "prefix_hits" in newest(), what="the counts in /diagnostics")
    questions = sum(int(newest()[name]) for name in names[:2])
    first = ask(robot, "How wide is the crate?", [crate()])
    # Counts of earlier tests may have arrived late: whatever was asked before is in by now.
    before = settled(questions + 1)
    region = crate()
    region.stamp = first.header.stamp
    second = ask(robot, "How tall is the crate?", [region])
    assert second.header.stamp == first.header.stamp
    assert second.language_answer
    after = settled(before["prefix_hits"] + before["prefix_prefills"] + 1)
    assert after["prefix_hits"] == before["prefix_hits"] + 1
    assert after["prefix_prefills"] == before["prefix_prefills"]
    assert after["computed_tokens"] - before["computed_tokens"] < 60  # the image has over 100
    assert "eager loop: CUDA graphs need an NVIDIA GPU" in newest()["decoding"]
