# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The launch file starts a node that measures and ends: ``launch_test spatialgeo.test.py``.

A camera is published here: a wall at 2 m. Nothing is downloaded, no display is needed.
"""

from __future__ import annotations

import time
import unittest
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_testing import post_shutdown_test
from launch_testing.actions import ReadyToTest
from launch_testing.asserts import assertExitCodes
from lifecycle_msgs.srv import GetState
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image
from spatialgeo_ros.msg import ErrorCode, Region
from spatialgeo_ros.srv import AskSpatial, MeasureDistance

from spatialgeo_ros.node.conversions import depth_to_image, ns_to_stamp, rgb_to_image

WIDTH, HEIGHT, FOCAL, WALL = 160, 120, 130.0, 2.0  # px, px, px, m
NAMESPACE = "launched_robot"
LONGEST = 60.0  # s
LAUNCH_FILE = Path(__file__).resolve().parents[2] / "launch" / "spatialgeo.launch.py"


def generate_test_description() -> LaunchDescription:
    """Start the node as a user does, without networks."""
    arguments = {"namespace": NAMESPACE, "profile": "none", "pose_source": "none"}
    included = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(LAUNCH_FILE)), launch_arguments=arguments.items()
    )
    return LaunchDescription([included, ReadyToTest()])


class TestNode(unittest.TestCase):
    """While it runs."""

    @classmethod
    def setUpClass(cls) -> None:
        rclpy.init()
        cls.node = rclpy.create_node("launch_test", namespace=NAMESPACE)
        cls.senders = {
            kind: cls.node.create_publisher(kind_of, f"camera/{kind}", qos_profile_sensor_data)
            for kind, kind_of in (
                ("camera_info", CameraInfo),
                ("depth/image_raw", Image),
                ("image_raw", Image),
            )
        }

    @classmethod
    def tearDownClass(cls) -> None:
        cls.node.destroy_node()
        rclpy.shutdown()

    def publish(self) -> None:
        """Send a frame of the wall."""
        depth = depth_to_image(np.full((HEIGHT, WIDTH), round(1000 * WALL), np.uint16))
        image = rgb_to_image(np.full((HEIGHT, WIDTH, 3), 90, np.uint8), depth.header)
        image.header.frame_id = "camera_optical_frame"
        image.header.stamp = ns_to_stamp(time.time_ns())
        k = [FOCAL, 0.0, (WIDTH - 1) / 2, 0.0, FOCAL, (HEIGHT - 1) / 2, 0.0, 0.0, 1.0]
        info = CameraInfo(header=image.header, width=WIDTH, height=HEIGHT, k=k)
        for name, message in zip(self.senders, (info, depth, image), strict=True):
            self.senders[name].publish(message)

    def call(self, kind: type, name: str, request: Any) -> Any:
        """Call a service of the node, while frames go on."""
        client = self.node.create_client(kind, f"spatialgeo/{name}")
        try:
            self.assertTrue(client.wait_for_service(LONGEST), f"no service {name}")
            future, end = client.call_async(request), time.monotonic() + LONGEST
            while not future.done():
                self.assertLess(time.monotonic(), end, f"no response of {name}")
                self.publish()
                rclpy.spin_once(self.node, timeout_sec=0.05)
            return future.result()
        finally:
            self.node.destroy_client(client)

    def until(self, code: int, kind: type, name: str, request: Any) -> Any:
        """Call until the node answers with a code; the node starts meanwhile."""
        end = time.monotonic() + LONGEST
        while True:
            response = self.call(kind, name, request)
            answer = getattr(response, "answer", response)
            if answer.error_code == code:
                return answer
            self.assertLess(time.monotonic(), end, answer.error_message)

    def test_it_becomes_active_and_measures(self) -> None:
        centre = Region(type=Region.TYPE_POINT, label="wall", point_x=WIDTH / 2, point_y=HEIGHT / 2)
        request = MeasureDistance.Request(from_region=centre)
        response = self.until(ErrorCode.OK, MeasureDistance, "measure_distance", request)
        self.assertTrue(response.distances[0].valid)
        self.assertAlmostEqual(response.distances[0].distance, WALL, delta=0.05)
        state = self.call(GetState, "get_state", GetState.Request())
        self.assertEqual(state.current_state.label, "active")

    def test_what_cannot_be_answered_is_an_error(self) -> None:
        request = AskSpatial.Request(question="How far is the piano?")
        answer = self.until(ErrorCode.PHRASE_NOT_FOUND, AskSpatial, "ask", request)
        self.assertIn("piano", answer.error_message)


@post_shutdown_test()
class TestEnd(unittest.TestCase):
    """After launch has interrupted it."""

    def test_it_ended_in_order(self, proc_info: Any) -> None:
        assertExitCodes(proc_info)
