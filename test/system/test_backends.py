# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node on ONNX Runtime: engines made ahead, refused when missing, named in diagnostics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")
pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")
pytest.importorskip("onnxruntime", reason="needs the extra 'engines'")

from checkpoints.profiles import write_profile
from diagnostic_msgs.msg import DiagnosticArray
from ros_support import NodeProcess, wait_for
from spatialgeo_ros.msg import DistanceEstimate, ErrorCode, Region
from spatialgeo_ros.srv import MeasureDistance
from system.camera_driver import CameraDriver
from system.conftest import start_robot, stop_robot

EXECUTABLE = Path(__file__).parents[2] / "scripts" / "spatialgeo_node"


def build_only(folder: Path, **parameters: Any) -> tuple[int, str]:
    """Run the node until it ends by itself; returns exit status and output."""
    process = NodeProcess(EXECUTABLE, folder, parameters={"build_only": True, **parameters})
    wait_for(lambda: not process.is_running(), 180.0, lambda: f"its end:\n{process.output}")
    status = process.interrupt(timeout=1.0)
    assert status is not None
    return status, process.output


def test_engines_are_made_ahead_then_used_and_named(tmp_path: Path) -> None:
    engines = tmp_path / "engines"
    settings: dict[str, Any] = {
        "profile": str(write_profile("moge2_l", tmp_path / "profile")),
        "backend": "onnxruntime",
        "backend_policy": "fail",
        "engine_folder": str(engines),
        "engine_image_size": [160, 120],
        "device": "cpu",
    }
    status, output = build_only(tmp_path / "refused", build_engines=False, **settings)
    assert status == 1, output
    assert "spatialgeo engines build" in output

    status, output = build_only(tmp_path / "built", **settings)
    assert status == 0, output
    assert list(engines.rglob("*.onnx"))

    robot = start_robot(
        tmp_path, EXECUTABLE, build_engines=False, process_rate=0.0, max_frame_age=30.0,
        pose_source="none", **settings,
    )  # fmt: skip
    try:
        diagnostics = robot.ros.collect(DiagnosticArray, "/diagnostics")
        name = f"/{robot.namespace}/spatialgeo: perception"

        def facts() -> dict[str, str]:
            found = [s for m in tuple(diagnostics) for s in m.status if s.name == name]
            return {pair.key: pair.value for pair in found[-1].values} if found else {}

        wait_for(facts, what="diagnostics")
        assert facts()["backend"] == "geometry=onnxruntime-cpu"
        assert facts()["geometry runs on"] == "onnxruntime-cpu"
        box = Region(type=Region.TYPE_BOX, x_min=50.0, y_min=40.0, x_max=110.0, y_max=80.0)
        with CameraDriver(robot.ros, robot.namespace) as camera:
            wait_for(lambda: camera.image.get_subscription_count() > 0, what="subscriptions")
            camera.run(rate=5.0, depth=False)

            def measured() -> Any:
                request = MeasureDistance.Request(from_region=box)
                response = robot.call(MeasureDistance, "measure_distance", request)
                return response if response.error_code == ErrorCode.OK else None

            (estimate,) = wait_for(measured, what="a distance without a depth sensor").distances
        assert estimate.source == DistanceEstimate.SOURCE_MONOCULAR_DEPTH
    finally:
        stop_robot(robot)
