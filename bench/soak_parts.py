# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What surrounds the node in the soak, each in a process of its own: sensors, and who does harm.

``python -m bench.soak_parts ROLE ...``; all of them end on SIGTERM, or are killed.
"""

from __future__ import annotations

import argparse
import itertools
import signal
import sys
import time
from typing import Any

import numpy as np

from bench.ingest_depth import WIDTH, room_depth, send_camera, send_odometry

CRATE_DISTANCE = 2.0  # m, of a thing in front of the camera, in the middle of its image
STAMPS_BACK = 10_000_000_000  # ns that SIGUSR1 moves the stamps back by, and SIGUSR2 forward again
_FOR_EVER = 7 * 86400.0
_GARBAGE_RATE = 10.0  # Hz, of each kind


def crate_box(width: int, height: int) -> tuple[int, int, int, int]:
    """Return x0, y0, x1, y1 of the crate in an image of this size, pixels."""
    return 5 * width // 12, 3 * height // 8, 7 * width // 12, 5 * height // 8


def scene_depth(width: int, height: int) -> np.ndarray:
    """Depth [H, W] in millimetres of the room with the crate in it."""
    depth = room_depth(width, height)
    x0, y0, x1, y1 = crate_box(width, height)
    noise = np.random.default_rng(1).normal(size=(y1 - y0, x1 - x0)) * 0.009  # m, at 2 m
    depth[y0:y1, x0:x1] = np.rint(1000 * (CRATE_DISTANCE + noise)).astype(np.uint16)
    return depth


class ShiftedClock:
    """The system's time, moved back between SIGUSR1 and SIGUSR2."""

    def __init__(self) -> None:
        """Listen to the signals; call it on the main thread."""
        self._shift = 0
        signal.signal(signal.SIGUSR1, lambda *_: self._set(STAMPS_BACK))
        signal.signal(signal.SIGUSR2, lambda *_: self._set(0))

    def __call__(self) -> int:
        """Return nanoseconds."""
        return time.time_ns() - self._shift

    def _set(self, shift: int) -> None:
        self._shift = shift


def send_garbage(camera: str, width: int, height: int) -> None:
    """Publish images, infos, depth and boxes that cannot be used on the topics of ``camera``."""
    import rclpy
    from rclpy.qos import qos_profile_sensor_data
    from sensor_msgs.msg import CameraInfo, Image
    from vision_msgs.msg import BoundingBox2D, Detection2D, Detection2DArray

    from spatialgeo_ros.node.conversions import message_bytes, ns_to_stamp

    few = message_bytes(np.zeros(100, np.uint8))
    nan = float("nan")
    broken_box = Detection2D(bbox=BoundingBox2D(size_x=nan, size_y=-1.0))
    messages: dict[str, list[Any]] = {
        "image_raw": [
            Image(encoding="bgr8", width=width, height=height, step=3 * width, data=few),
            Image(encoding="rgb12_strange", width=width, height=height, data=few),
            Image(encoding="bgr8", width=2**31, height=2**31, step=2**31, data=few),
            Image(),
        ],
        "camera_info": [
            CameraInfo(width=width, height=height, k=[nan] * 9),
            CameraInfo(width=width, height=height),
            CameraInfo(width=width, height=height, k=[-1e300] * 9, d=[nan] * 5),
        ],
        "depth/image_raw": [
            Image(encoding="16UC1", width=width, height=height, step=2 * width, data=few),
            Image(encoding="32FC1", width=2**31, height=1, step=0, data=few),
            Image(encoding="bgr8", width=5, height=6, step=15, data=few),
        ],
        "detections": [
            Detection2DArray(detections=[Detection2D()] * 50),
            Detection2DArray(detections=[broken_box]),
        ],
    }
    rclpy.init()
    node = rclpy.create_node(f"garbage_{camera}")
    senders = [
        (node.create_publisher(type(of[0]), f"{camera}/{name}", qos_profile_sensor_data), of)
        for name, of in messages.items()
    ]
    for number in itertools.count():
        for sender, of in senders:
            message = of[number % len(of)]
            message.header.stamp = ns_to_stamp(time.time_ns())
            sender.publish(message)
        time.sleep(1 / _GARBAGE_RATE)


def ask_and_die() -> None:
    """Send goals and requests, say so, and wait to be killed."""
    import rclpy
    from rclpy.action import ActionClient
    from spatialgeo_ros.action import AskSpatial as AskAction
    from spatialgeo_ros.srv import AskSpatial

    rclpy.init()
    node = rclpy.create_node("doomed")
    action = ActionClient(node, AskAction, "spatialgeo/ask_action")
    service = node.create_client(AskSpatial, "spatialgeo/ask")
    action.wait_for_server()
    service.wait_for_service()
    for _ in range(3):
        action.send_goal_async(AskAction.Goal(question="How far is the crate?"))
        service.call_async(AskSpatial.Request(question="How far is the crate?"))
    sys.stdout.write("sent\n")
    sys.stdout.flush()
    rclpy.spin(node)


def main() -> None:
    """Play a role."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("role", choices=("camera", "odometry", "garbage", "doomed"))
    parser.add_argument("--camera", default="front")
    parser.add_argument("--rate", type=float, default=30.0)
    parser.add_argument("--width", type=int, default=WIDTH)
    arguments = parser.parse_args()
    width, height = arguments.width, arguments.width * 9 // 16
    if arguments.role == "camera":
        depth = scene_depth(width, height)
        send_camera(arguments.camera, arguments.rate, _FOR_EVER, depth, ShiftedClock())
    elif arguments.role == "odometry":
        send_odometry(_FOR_EVER, ShiftedClock())
    elif arguments.role == "garbage":
        send_garbage(arguments.camera, width, height)
    else:
        ask_and_die()


if __name__ == "__main__":
    main()
