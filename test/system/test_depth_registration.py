# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth of a camera beside the colour camera, of known calibration and place, is registered."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")
pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")

from pathlib import Path

from rclpy.qos import qos_profile_sensor_data
from ros_support import wait_for
from sensor_msgs.msg import CameraInfo
from spatialgeo_ros.msg import DistanceEstimate, ErrorCode, Region
from spatialgeo_ros.srv import MeasureDistance
from system.camera_driver import (
    BOX,
    BOX_DISTANCE,
    FOCAL,
    HEIGHT,
    WALL_DISTANCE,
    WIDTH,
    CameraDriver,
)

from spatialgeo_ros.node.conversions import depth_to_image

EXECUTABLE = Path(__file__).resolve().parents[2] / "scripts" / "spatialgeo_node"
BESIDE = 0.1  # m, the depth camera sits so far to the right
PARAMETERS = {
    "profile": "none",
    "process_rate": 0.0,
    "camera.depth_camera_info_topic": "camera/depth/camera_info",
    "camera.depth_extrinsics": [BESIDE, 0.0, 0.0, 0.0, 0.0, 0.0],
}


def depth_seen_from_beside() -> np.ndarray:
    """The scene of the camera driver from 10 cm to the right: the box is nearer and shifts more."""
    depth = np.full((HEIGHT, WIDTH), round(WALL_DISTANCE * 1000), np.uint16)
    shift = round(FOCAL * BESIDE / BOX_DISTANCE)
    depth[BOX[1] : BOX[3], BOX[0] - shift : BOX[2] - shift] = round(BOX_DISTANCE * 1000)
    return depth


def test_depth_from_beside_is_measured_where_the_colour_camera_sees_it(robot: Any) -> None:
    with CameraDriver(robot.ros, robot.namespace) as camera:
        info = robot.ros.node.create_publisher(
            CameraInfo, f"/{robot.namespace}/camera/depth/camera_info", qos_profile_sensor_data
        )
        wait_for(camera.matched, what="the node's subscriptions")
        wait_for(info.get_subscription_count, what="the subscription to the depth's calibration")
        x0, y0, x1, y1 = (float(value) for value in BOX)
        region = Region(
            type=Region.TYPE_BOX, label="box", x_min=x0, y_min=y0, x_max=x1 - 1, y_max=y1 - 1
        )
        kinds = [DistanceEstimate.KIND_CAMERA_TO_OBJECT, DistanceEstimate.KIND_WIDTH]

        def measured() -> Any:
            depth = depth_to_image(depth_seen_from_beside())
            header = camera.publish(depth=False)
            depth.header.stamp, depth.header.frame_id = header.stamp, "camera_depth_optical_frame"
            info.publish(camera.camera_info(depth.header))
            camera.depth.publish(depth)
            request = MeasureDistance.Request(kinds=kinds, from_region=region)
            response = robot.call(MeasureDistance, "measure_distance", request)
            return response if response.error_code == ErrorCode.OK else None

        distance, width = wait_for(measured, what="a measurement").distances
    assert distance.valid and distance.distance == pytest.approx(BOX_DISTANCE, abs=0.02)
    assert any("registered to the image here" in reason for reason in distance.degraded)
    # Unregistered, a third of the box would be missing on one side.
    truth = (BOX[2] - BOX[0]) / FOCAL * BOX_DISTANCE
    assert width.valid and width.distance == pytest.approx(truth, abs=0.03)
    assert math.isclose(distance.to_point.z, BOX_DISTANCE, abs_tol=0.02)
