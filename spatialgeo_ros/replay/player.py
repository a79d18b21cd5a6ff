# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Publishes a recording (a folder of RGB-D images, or a ROS 2 bag) as a live camera.

``spatialgeo replay PATH`` or ``ros2 run spatialgeo_ros replay PATH``; ``--help`` lists the options.
"""

from __future__ import annotations

import argparse
import importlib
import math
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rclpy.node import Node
from rclpy.serialization import deserialize_message
from rclpy.utilities import remove_ros_args
from rosgraph_msgs.msg import Clock

from spatialgeo_ros.errors import SpatialGeoError
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.pose import BODY_FROM_OPTICAL, Pose
from spatialgeo_ros.node.conversions import ns_to_stamp, stamp_to_ns
from spatialgeo_ros.node.lifecycle_publishers import LATCHED
from spatialgeo_ros.node.pose_source import mount_pose
from spatialgeo_ros.recordings.bags import BagMessage, BagRecording, is_bag
from spatialgeo_ros.recordings.rgbd_folder import FolderRecording, RecordedFrame, read_calibration
from spatialgeo_ros.replay.camera_publisher import (
    CameraPublisher,
    PosePublisher,
    sensor_qos,
)
from spatialgeo_ros.replay.options import parse
from spatialgeo_ros.replay.source_runner import run_source

#: Recorded time -> time of the header that is published, nanoseconds.
Restamp = Callable[[int], int]

_UNKNOWN_RATE = 10.0  # Hz, of images whose recording tells none


@dataclass(frozen=True)
class Item:
    """Something to publish: when it was recorded, whether it is a frame, and how to publish it."""

    stamp_ns: int
    is_frame: bool
    publish: Callable[[Restamp], None]


class FolderSource:
    """Frames of a :class:`FolderRecording` as items.

    Args:
        node: that owns the publishers.
        recording: what to publish.
        options: the command line.
    """

    def __init__(self, node: Node, recording: FolderRecording, options: Any) -> None:
        self._recording = recording
        self._camera = CameraPublisher(
            node, options.camera, recording.camera, options.reliable, recording.has_depth
        )
        self.image_topic = f"{options.camera}/image_raw"
        self._poses = None
        self._lift, self._optical_from_base = Pose.identity(), Pose.identity()
        if recording.has_poses:
            if options.mount is None:
                self._poses = PosePublisher(node, [], base_frame=self._camera.frame_id)
            else:
                base_from_optical = mount_pose(tuple(options.mount))
                self._optical_from_base = base_from_optical.inverse()
                mount = base_from_optical @ BODY_FROM_OPTICAL.inverse()
                self._poses = PosePublisher(node, [(options.camera, mount)])
            if options.camera_height is not None:
                first = recording[0].pose
                lift = options.camera_height - (first.translation[2] if first else 0.0)
                self._lift = Pose(translation=[0.0, 0.0, lift])

    def __iter__(self) -> Iterator[Item]:
        for frame in self._recording:
            yield Item(
                frame.stamp_ns, True, lambda restamp, frame=frame: self._send(frame, restamp)
            )

    def _send(self, frame: RecordedFrame, restamp: Restamp) -> None:
        stamp = ns_to_stamp(restamp(frame.stamp_ns))
        if self._poses is not None and frame.pose is not None:
            self._poses.publish(stamp, self._lift @ frame.pose @ self._optical_from_base)
        self._camera.publish(stamp, frame.image, frame.depth)


class BagSource:
    """Messages of a :class:`BagRecording` as items, on the topics that a camera driver would use.

    Args:
        node: that owns the publishers.
        recording: what to publish.
        options: the command line.
    """

    def __init__(self, node: Node, recording: BagRecording, options: Any) -> None:
        self._recording = recording
        self._types: dict[str, type] = {}
        self._publishers: dict[str, Any] = {}
        targets = _targets(options.camera, recording.types)
        for role, msgtype in recording.types.items():
            package, _, name = msgtype.partition("/msg/")
            try:
                self._types[role] = getattr(importlib.import_module(f"{package}.msg"), name)
            except ImportError:
                node.get_logger().warning(
                    f"{package} is not installed: {recording.topics[role]} is not replayed"
                )
                continue
            qos: Any = 10
            if role == "tf_static":
                qos = LATCHED
            elif role in ("image", "depth", "camera_info", "depth_camera_info"):
                qos = sensor_qos(options.reliable)
            publisher = node.create_publisher(self._types[role], targets[role], qos)
            self._publishers[role] = publisher
            node.get_logger().info(f"{recording.topics[role]} -> {publisher.topic_name}")
        self.image_topic = targets["image" if "image" in self._publishers else "depth"]

    def __iter__(self) -> Iterator[Item]:
        frames = "image" if "image" in self._publishers else "depth"
        for message in self._recording.messages():
            if message.role in self._publishers:
                yield Item(
                    message.stamp_ns,
                    message.role == frames,
                    lambda restamp, message=message: self._send(message, restamp),
                )

    def _send(self, recorded: BagMessage, restamp: Restamp) -> None:
        message: Any = deserialize_message(recorded.data, self._types[recorded.role])
        stamped = message.transforms if recorded.role in ("tf", "tf_static") else [message]
        for part in stamped:
            part.header.stamp = ns_to_stamp(max(0, restamp(stamp_to_ns(part.header.stamp))))
        self._publishers[recorded.role].publish(message)


def _targets(camera: str, types: dict[str, str]) -> dict[str, str]:
    """Where each role is published."""
    image, depth = f"{camera}/image_raw", f"{camera}/depth/image_raw"
    if types.get("image", "").endswith("CompressedImage"):
        image += "/compressed"
    if types.get("depth", "").endswith("CompressedImage"):
        depth += "/compressedDepth"
    return {
        "image": image,
        "camera_info": f"{camera}/camera_info",
        "depth": depth,
        "depth_camera_info": f"{camera}/depth/camera_info",
        "odometry": "odom",
        "detections": f"{camera}/detections",
        "tf": "/tf",
        "tf_static": "/tf_static",
    }


class Replay(Node):
    """Plays the items of a source, on a thread of its own.

    Args:
        options: the command line, see :mod:`spatialgeo_ros.replay.options`.

    Raises:
        SpatialGeoError: the recording cannot be read; the message says why.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__("replay")
        self._options = options
        self._source = self._open()
        self._clock_topic = None
        if options.clock:
            self._clock_topic = self.create_publisher(Clock, "/clock", 10)
        self._stop = threading.Event()
        self.failure: str | None = None
        self._thread = threading.Thread(target=self._run, name="replay", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop playing and wait for the thread."""
        self._stop.set()
        self._thread.join(timeout=10.0)

    def _open(self) -> FolderSource | BagSource:
        options = self._options
        path = Path(options.path)
        if path.is_dir() and not is_bag(path):
            return FolderSource(self, _open_folder(path, options), options)
        topics = dict(entry.split("=", 1) for entry in options.topic)
        return BagSource(self, BagRecording(path, topics), options)

    def _run(self) -> None:
        try:
            if self._options.wait_for_subscriber:
                while not self.count_subscribers(self._source.image_topic):
                    if self._stop.wait(0.05):
                        return
                # Discovery is not the same instant on both sides.
                self._stop.wait(0.5)
            laps = 0
            while not self._stop.is_set() and (laps == 0 or self._options.loop):
                frames = self._lap()
                laps += 1
                self.get_logger().info(f"{frames} frames played (lap {laps})")
            self._stop.wait(0.3)  # what was sent last leaves the process before it ends
        except Exception as error:
            if self.context.ok():
                if not isinstance(error, SpatialGeoError):
                    self.get_logger().error(traceback.format_exc())
                self.failure = str(error) or repr(error)
        finally:
            self.context.try_shutdown()

    def _lap(self) -> int:
        """Play the recording once; return the number of frames."""
        options = self._options
        begin, first, frames = time.monotonic(), None, 0
        now = self.get_clock().now().nanoseconds
        for item in self._source:
            if first is None:
                first = item.stamp_ns
            frames += item.is_frame
            if options.rate is not None:
                seconds = max(0, frames - 1) / options.rate
            else:
                seconds = (item.stamp_ns - first) * 1e-9 / options.speed
            if not self._wait(begin, seconds, first):
                break
            item.publish(self._restamp(now, first, item.stamp_ns, seconds))
        if options.loop and first is not None:  # keep the rhythm to the next lap
            alone = 1.0 / (options.rate or _UNKNOWN_RATE)
            self._wait(begin, seconds * frames / (frames - 1) if frames > 1 else alone, first)
        return frames

    def _restamp(self, now: int, first: int, stamp_ns: int, seconds: float) -> Restamp:
        """Return how header stamps change for an item recorded at ``stamp_ns``.

        Stamps within an item keep their distance from the item's own time.
        """
        if self._options.stamps == "recorded":
            return lambda recorded: recorded
        return lambda recorded: now + round(seconds * 1e9) + recorded - stamp_ns

    def _wait(self, begin: float, seconds: float, first: int) -> bool:
        """Wait until ``seconds`` after ``begin``, with /clock running; False when stopped."""
        step = 1.0 / self._options.clock if self._clock_topic is not None else math.inf
        while True:
            elapsed = time.monotonic() - begin
            if self._clock_topic is not None:
                at = first + round(min(elapsed, seconds) * self._options.speed * 1e9)
                self._clock_topic.publish(Clock(clock=ns_to_stamp(at)))
            if elapsed >= seconds:
                return not self._stop.is_set()
            if self._stop.wait(min(step, seconds - elapsed)):
                return False


def _open_folder(path: Path, options: argparse.Namespace) -> FolderRecording:
    numbers = (options.fx, options.fy, options.cx, options.cy)
    camera = None
    if options.calibration:
        camera = read_calibration(options.calibration, options.width, options.height)
    elif any(value is not None for value in numbers):
        if any(value is None for value in numbers):
            raise SpatialGeoError("give all of --fx, --fy, --cx and --cy")
        camera = PinholeCamera(options.width, options.height, *numbers)
    return FolderRecording(
        path, camera, options.rate or _UNKNOWN_RATE, options.world_axes, options.depth_scale
    )


def main(args: list[str] | None = None) -> int:
    """Play a recording until its end or until stopped; return the exit status.

    Args:
        args: command line without the program's name; None takes that of the process.
    """
    arguments = sys.argv[1:] if args is None else args
    options = parse(remove_ros_args(["replay", *arguments])[1:])
    return run_source("replay", lambda: Replay(options), ["replay", *arguments])


if __name__ == "__main__":
    sys.exit(main())
