# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A robot with RGB-D cameras that drives through a procedural room, as ROS topics.

Publishes per camera what a camera driver does, odometry, TF, and on ``~/ground_truth`` what is
true, for the demo, the tests and the benchmarks.
"""

from __future__ import annotations

import math
import sys
import threading
import time
import traceback
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import rclpy
from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.time import Time
from std_msgs.msg import Header

from spatialgeo_ros.errors import quoted
from spatialgeo_ros.geometry.pose import BODY_FROM_OPTICAL
from spatialgeo_ros.msg import SceneGroundTruth
from spatialgeo_ros.node.lifecycle_publishers import LATCHED
from spatialgeo_ros.node.parameters import Change, ParameterError, Spec
from spatialgeo_ros.replay.camera_publisher import (
    CameraPublisher,
    PosePublisher,
)
from spatialgeo_ros.replay.source_runner import run_source
from spatialgeo_ros.robot_sim.ground_truth import DetectionPublisher, ground_truth
from spatialgeo_ros.sim.depth_noise import DepthSensorModel
from spatialgeo_ros.sim.path import BaseState, RobotPath
from spatialgeo_ros.sim.renderer import Rendered, RendererUnavailableError, RoomRenderer
from spatialgeo_ros.sim.rig import base_pose, camera_pose, default_camera
from spatialgeo_ros.sim.room import Room, make_room

_START = Change.STARTUP

TABLE: tuple[Spec, ...] = (
    Spec("seed", 7, "Room and noise: the same seed gives the same world", "", 0, 2**31, (), _START),
    Spec("rate", 10.0, "Frames per camera", "Hz", 0.1, 120.0, (), _START),
    Spec("odometry_rate", 0.0, "Odometry and TF; 0 publishes one with each frame, at its stamp",
         "Hz", 0.0, 200.0, (), _START),
    Spec("width", 640, "Image width", "px", 64, 1920, (), _START),
    Spec("height", 480, "Image height", "px", 48, 1440, (), _START),
    Spec("focal_length", 525.0, "Focal length of an image 640 px wide; scales with the width",
         "px", 100.0, 2000.0, (), _START),
    Spec("cameras", 1, "Number of cameras, evenly around the robot: camera, camera_2, ...",
         "", 1, 8, (), _START),
    Spec("depth", True, "Publish depth", change=_START),
    Spec("depth_noise", 1.0, "Factor on the axial noise of a structured-light sensor; 0 is exact",
         "", 0.0, 10.0, (), _START),
    Spec("depth_holes", 1.0, "Factor on the lost depth pixels (edges, drop-outs); 0 loses none "
         "inside the sensor's range", "", 0.0, 1.4, (), _START),
    Spec("colour_noise", 2.0, "Standard deviation of the colour noise", "of 255", 0.0, 50.0, (),
         _START),
    Spec("reliable", False, "Publish images reliably instead of best effort", change=_START),
    Spec("compressed", False, "Publish JPEG images on image_raw/compressed as well",
         change=_START),
    Spec("detections", False, "Publish true boxes as vision_msgs/Detection2DArray",
         change=_START),
    Spec("detected_kinds", False, "Detections are called by their kind, not by their name",
         change=_START),
    Spec("speed", 0.25, "Of the robot along its path; 0 stands still", "m/s", 0.0, 3.0, (), _START),
    Spec("start", 0.0, "Where on its lap the robot starts, 0 to 1", "", 0.0, 1.0, (), _START),
    Spec("loop", True, "Drive on after one lap; otherwise stop where it began", change=_START),
    Spec("shadows", False, "Cast shadows (several times slower in software)", change=_START),
    Spec("taken_away", "", "Name of an object that somebody has taken away; empty: all are there",
         change=Change.LIVE),
    Spec("odom_frame", "odom", "World frame of odometry, TF and ground truth", change=_START),
    Spec("base_frame", "base_link", "Frame of the robot's base, on the floor", change=_START),
)  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """Parameters of the simulated camera; see ``TABLE`` for meaning and units."""

    seed: int
    rate: float
    odometry_rate: float
    width: int
    height: int
    focal_length: float
    cameras: int
    depth: bool
    depth_noise: float
    depth_holes: float
    colour_noise: float
    reliable: bool
    compressed: bool
    detections: bool
    detected_kinds: bool
    speed: float
    start: float
    loop: bool
    shadows: bool
    taken_away: str
    odom_frame: str
    base_frame: str


def read_settings(node: Node, table: tuple[Spec, ...]) -> dict[str, Any]:
    """Declare the parameters of ``table`` and return their values.

    Raises:
        ParameterError: a value has the wrong type or is out of range.
    """
    values = {}
    for spec in table:
        try:
            node.declare_parameter(spec.name, spec.default, spec.descriptor())
        except rclpy.exceptions.ParameterException as error:
            raise ParameterError(spec.name, str(error)) from error
        values[spec.name] = node.get_parameter(spec.name).value
        spec.check(values[spec.name])
    return values


class Drive:
    """Where the robot is, a given time after it started.

    Args:
        room: to drive in.
        speed: metres per second; 0 stands still.
        start: share of the lap at which it starts.
        loop: whether to drive on after one lap.
    """

    def __init__(self, room: Room, speed: float, start: float, loop: bool) -> None:
        self._path = RobotPath(room, speed if speed > 0 else 1.0)
        self._moving, self._loop = speed > 0, loop
        self._offset = start * self._path.period

    def at(self, seconds: float) -> BaseState:
        """Return the state ``seconds`` after the start."""
        driven = seconds if self._moving else 0.0
        if not self._loop:
            driven = min(driven, self._path.period)
        return self._path.at(self._offset + driven)


class SimulatedCamera(Node):
    """The node. Rendering has its own thread, so that the executor is never blocked.

    Raises:
        ParameterError: a parameter cannot be used.
    """

    def __init__(self) -> None:
        super().__init__("simulated_camera")
        self.settings = Settings(**read_settings(self, TABLE))
        s = self.settings
        self.room = make_room(s.seed)
        self._taken_away = s.taken_away
        self._check_taken(s.taken_away)
        self._camera = default_camera(s.width, s.height, s.focal_length)
        self._drive = Drive(self.room, s.speed, s.start, s.loop)
        self._yaws = [2 * math.pi * k / s.cameras for k in range(s.cameras)]
        names = [f"camera_{k + 1}" if k else "camera" for k in range(s.cameras)]
        self._outputs = [
            CameraPublisher(self, name, self._camera, s.reliable, s.depth, s.compressed)
            for name in names
        ]
        mounts = [camera_pose(0, 0, yaw) @ BODY_FROM_OPTICAL.inverse() for yaw in self._yaws]
        self._poses = PosePublisher(
            self, zip(names, mounts, strict=True), s.odom_frame, s.base_frame
        )
        self._truth = self.create_publisher(SceneGroundTruth, "~/ground_truth", LATCHED)
        self._detections = (
            DetectionPublisher(self, names, s.detected_kinds) if s.detections else None
        )
        self._sensor = DepthSensorModel(
            noise=s.depth_noise, edge_holes=0.7 * s.depth_holes, random_holes=0.003 * s.depth_holes
        )
        self._random = np.random.default_rng(s.seed)
        self._started: Time | None = None
        self._stop = threading.Event()
        self.failure: str | None = None
        self.add_on_set_parameters_callback(self._on_parameters)
        if s.odometry_rate > 0:
            self.create_timer(1.0 / s.odometry_rate, self._publish_odometry)
        self._thread = threading.Thread(target=self._run, name="render", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop rendering and wait for its thread."""
        self._stop.set()
        self._thread.join(timeout=10.0)

    def _elapsed(self, now: Time) -> float:
        """Seconds of ROS time since the first frame; a clock set back starts the lap anew."""
        if self._started is None or now < self._started:
            self._started = now
        return (now - self._started).nanoseconds * 1e-9

    def _publish_odometry(self) -> None:
        now = self.get_clock().now()
        base = self._drive.at(self._elapsed(now))
        self._poses.publish(now.to_msg(), base_pose(base.x, base.y, base.yaw))

    def _on_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        """Take an object away, or put it back."""
        for parameter in parameters:
            if parameter.name != "taken_away":
                continue
            try:
                self._check_taken(parameter.value)
            except ParameterError as error:
                return SetParametersResult(successful=False, reason=str(error))
            self._taken_away = parameter.value
        return SetParametersResult(successful=True)

    def _check_taken(self, name: str) -> None:
        names = [thing.name for thing in self.room.objects]
        if name and name not in names:
            known = ", ".join(names)
            raise ParameterError("taken_away", f"no {quoted(name)} in the room; there are: {known}")

    def _room_now(self) -> Room:
        """The room without what was taken away."""
        left = tuple(one for one in self.room.objects if one.name != self._taken_away)
        return replace(self.room, objects=left)

    def _renderer(self, room: Room) -> RoomRenderer:
        s = self.settings
        return RoomRenderer(room, s.width, s.height, shadows=s.shadows)

    def _run(self) -> None:
        """Render and publish at the rate until stopped. The OpenGL context lives on this thread."""
        s = self.settings
        room, taken_away = self._room_now(), self._taken_away
        try:
            renderer = self._renderer(room)
        except RendererUnavailableError as error:
            self.failure = str(error)
            self.context.try_shutdown()
            return
        self.get_logger().info(
            f"room {s.seed}: {', '.join(thing.name for thing in self.room.objects)}"
        )
        due = time.monotonic()
        try:
            while not self._stop.is_set():
                if taken_away != self._taken_away:
                    taken_away, room = self._taken_away, self._room_now()
                    renderer.close()
                    renderer = self._renderer(room)
                self._frame(renderer, room)
                due += 1.0 / s.rate
                late = time.monotonic() - due
                if late > 1.0:
                    self.get_logger().warning(
                        f"rendering cannot keep up with {s.rate:g} Hz on this machine: lower "
                        "rate, width and height or the number of cameras",
                        throttle_duration_sec=30.0,
                    )
                    due = time.monotonic()
                self._stop.wait(max(0.0, -late))
        except Exception as error:
            if self.context.ok():  # publishing into a context that is shutting down may fail
                self.get_logger().error(traceback.format_exc())
                self.failure = f"rendering stopped: {error!r}"
                self.context.try_shutdown()
        finally:
            renderer.close()

    def _frame(self, renderer: RoomRenderer, room: Room) -> None:
        """Render all cameras at one instant and publish them with its stamp."""
        now = self.get_clock().now()
        stamp = now.to_msg()
        base = self._drive.at(self._elapsed(now))
        poses = [camera_pose(base.x, base.y, base.yaw + yaw) for yaw in self._yaws]
        views = [renderer.render(pose, self._camera) for pose in poses]
        if self.settings.odometry_rate <= 0:
            self._poses.publish(stamp, base_pose(base.x, base.y, base.yaw))
        header = Header(stamp=stamp, frame_id=self.settings.odom_frame)
        names = [publisher.name for publisher in self._outputs]
        truth = ground_truth(header, room, names, poses, views, self._camera)
        for publisher, view in zip(self._outputs, views, strict=True):
            depth = self._sensor.apply(view.depth, self._random) if self.settings.depth else None
            publisher.publish(stamp, self._colour(view), depth)
        self._truth.publish(truth)
        if self._detections is not None:
            self._detections.publish(truth)

    def _colour(self, view: Rendered) -> np.ndarray:
        if self.settings.colour_noise <= 0:
            return view.rgb
        noise = np.empty(view.rgb.shape, np.int16)
        cv2.setRNGSeed(int(self._random.integers(2**31 - 1)))
        cv2.randn(noise, 0, self.settings.colour_noise)
        return cv2.add(view.rgb, noise, dtype=cv2.CV_8U)


def main(args: list[str] | None = None) -> int:
    """Run the simulated camera until it is stopped; return the exit status."""
    return run_source("simulated_camera", SimulatedCamera, args)


if __name__ == "__main__":
    sys.exit(main())
