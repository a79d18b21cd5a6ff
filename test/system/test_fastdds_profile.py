# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The shipped Fast DDS profile is really used, and whole images pass as best effort."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ros_support import NodeProcess, RosClient, wait_for

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")

LARGEST_IMAGE = 1920 * 1080 * 3
IMAGES = 12


@pytest.fixture
def publisher(tmp_path: Path) -> Iterator[NodeProcess]:
    script = Path(__file__).with_name("large_image_publisher.py")
    process = NodeProcess(script, tmp_path / "publisher")
    yield process
    process.interrupt()


def shared_segments(pid: int | str) -> set[tuple[str, int]]:
    """Names and sizes of the shared-memory segments of Fast DDS that a process has mapped."""
    segments = set()
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        if "/dev/shm/fast" in line and "_port" not in line:
            start, end = line.split()[0].split("-")
            segments.add((line.split()[-1], int(end, 16) - int(start, 16)))
    return segments


def test_profile_sets_the_segment_and_whole_images_arrive(
    ros: RosClient, publisher: NodeProcess
) -> None:
    from rclpy.qos import qos_profile_sensor_data
    from rclpy.utilities import get_rmw_implementation_identifier
    from sensor_msgs.msg import Image
    from std_msgs.msg import UInt32

    if not get_rmw_implementation_identifier().startswith("rmw_fastrtps"):
        pytest.skip("another middleware than Fast DDS is chosen")
    images = ros.collect(Image, "large_image", qos_profile_sensor_data)
    requests = ros.node.create_publisher(UInt32, "request", 10)
    wait_for(lambda: ros.node.count_publishers("large_image"), 30, "the publisher")
    wait_for(lambda: requests.get_subscription_count(), 30, "the publisher's subscription")

    # One at a time: the machine's speed decides nothing, only whether an image fits. A request is
    # repeated each second: delivery is best effort, and at first nothing may be matched yet.
    for number in range(IMAGES):
        asked = -math.inf

        def arrived(wanted: str = str(number)) -> bool:
            nonlocal asked
            if time.monotonic() - asked > 1:
                asked = time.monotonic()
                requests.publish(UInt32(data=int(wanted)))
            return bool(images) and images[-1].header.frame_id == wanted

        wait_for(arrived, 30, f"image {number}")
    assert len(images[-1].data) == LARGEST_IMAGE

    # The segment of the publisher, which the subscriber maps too, holds four images and more.
    mine, its = shared_segments(os.getpid()), shared_segments(publisher.pid)
    assert [size for _, size in mine & its if size >= 4 * LARGEST_IMAGE]
