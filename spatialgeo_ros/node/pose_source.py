# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where the camera was at an image's stamp: from TF, from odometry and a known mount, or unknown.

Lookups run on the worker thread and may wait a little there; the executor is never blocked.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from nav_msgs.msg import Odometry
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.time import Time

from spatialgeo_ros.geometry.pose import BODY_FROM_OPTICAL, Pose, interpolate
from spatialgeo_ros.node.conversions import msg_to_pose, stamp_to_ns
from spatialgeo_ros.node.parameters import CameraConfig, Config

try:
    import tf2_ros
except ImportError:  # not on PyPI: a workspace from wheels has no TF
    tf2_ros = None

_BUFFER = 2000  # odometry messages: 10 s at 200 Hz
_JUMP_NS = 1_000_000_000


@dataclass(frozen=True)
class PoseResult:
    """``world_from_camera`` (optical frame) in ``world_frame``, or None and the ``reason``."""

    pose: Pose | None
    world_frame: str = ""
    reason: str = ""


class PoseSource(Protocol):
    """One way to find out where a camera was."""

    name: str

    def lookup(self, camera: CameraConfig, frame_id: str, stamp_ns: int) -> PoseResult:
        """Return the pose of the optical frame ``frame_id`` at ``stamp_ns``; may wait a little."""

    def clear(self) -> None:
        """Forget everything from before a time jump."""

    def close(self) -> None:
        """Release the subscriptions."""


def mount_pose(mount: tuple[float, ...]) -> Pose:
    """Return base_from_optical for a mount given as x y z (m) roll pitch yaw (rad), REP-103."""
    x, y, z, roll, pitch, yaw = mount
    (sr, cr), (sp, cp), (sy, cy) = ((np.sin(a), np.cos(a)) for a in (roll, pitch, yaw))
    rotation = np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    )
    return Pose(rotation, np.array([x, y, z])) @ BODY_FROM_OPTICAL


def make_pose_source(node: Node, config: Config) -> PoseSource:
    """Return the source that the parameter ``pose_source`` asks for."""
    if config.pose_source == "none":
        return NoPose("pose_source is 'none'")
    if config.pose_source == "tf":
        return (
            TfPose(node, config)
            if tf2_ros is not None
            else NoPose(
                "tf2_ros is not installed: install ros-$ROS_DISTRO-tf2-ros-py or use odometry"
            )
        )
    if config.pose_source == "odometry" or tf2_ros is None:
        return OdometryPose(node, config)
    return FirstPose((TfPose(node, config), OdometryPose(node, config)))


class NoPose:
    """No poses at all, for a stated reason."""

    name = "none"

    def __init__(self, reason: str) -> None:
        """Remember the ``reason`` for every lookup."""
        self._reason = reason

    def lookup(self, camera: CameraConfig, frame_id: str, stamp_ns: int) -> PoseResult:
        """Return no pose."""
        return PoseResult(None, reason=self._reason)

    def clear(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class TfPose:
    """TF at the image's stamp, never the latest transform."""

    name = "tf"

    def __init__(self, node: Node, config: Config) -> None:
        """Listen to /tf and /tf_static."""
        self._world = config.world_frame
        self._wait = Duration(seconds=config.pose_wait)
        self._buffer = tf2_ros.Buffer()
        self._listener = tf2_ros.TransformListener(self._buffer, node, spin_thread=False)

    def lookup(self, camera: CameraConfig, frame_id: str, stamp_ns: int) -> PoseResult:
        """Return the transform from ``frame_id`` to the world frame at ``stamp_ns``."""
        if stamp_ns == 0:  # TF would take it for "the latest"
            return PoseResult(None, reason="the image has a zero stamp")
        try:
            # Wait only for the newest piece of a transform that exists, not for a missing one.
            known = self._buffer.can_transform(self._world, frame_id, Time())
            transform = self._buffer.lookup_transform(
                self._world,
                frame_id,
                Time(nanoseconds=stamp_ns),
                timeout=self._wait if known else Duration(),
            ).transform
            pose = msg_to_pose(transform)
        except (tf2_ros.TransformException, ValueError) as error:
            return PoseResult(None, reason=f"TF: {error}")
        return PoseResult(pose, self._world)

    def clear(self) -> None:
        """Empty the buffer; tf2 keeps static transforms."""
        self._buffer.clear()

    def close(self) -> None:
        """Stop listening."""
        self._listener.unregister()


class OdometryPose:
    """Odometry of the base, interpolated at the image's stamp, and the camera's mount."""

    name = "odometry"

    def __init__(self, node: Node, config: Config) -> None:
        """Subscribe to the odometry topic."""
        self._node = node
        self._topic = node.resolve_topic_name(config.odometry_topic)
        self._gap_ns = round(config.odometry_gap * 1e9)
        self._wait = config.pose_wait
        self._condition = threading.Condition()
        self._poses: deque[tuple[int, Pose]] = deque(maxlen=_BUFFER)
        self._world = self._child = ""
        self._rejected = ""
        self._subscription = node.create_subscription(
            Odometry,
            config.odometry_topic,
            self._on_odometry,
            QoSProfile(depth=50, reliability=ReliabilityPolicy.BEST_EFFORT),
            callback_group=MutuallyExclusiveCallbackGroup(),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )

    def lookup(self, camera: CameraConfig, frame_id: str, stamp_ns: int) -> PoseResult:
        """Return the interpolated pose; waits for odometry that is on its way."""
        if stamp_ns == 0:
            return PoseResult(None, reason="the image has a zero stamp")
        deadline = time.monotonic() + self._wait
        with self._condition:
            if not self._poses:
                reason = self._rejected or f"no odometry on '{self._topic}'"
                return PoseResult(None, reason=reason)
            while self._poses and self._poses[-1][0] < stamp_ns:
                remaining = deadline - time.monotonic()
                if remaining <= 0 or not self._condition.wait(remaining):
                    break
            base = self._interpolated(stamp_ns)
            world, child = self._world, self._child
        if base is None:
            return PoseResult(None, reason="no odometry around the image's stamp")
        if child == frame_id:
            return PoseResult(base, world)
        if not camera.has_mount:
            return PoseResult(None, reason=f"set '{camera.name}.mount' to use odometry")
        return PoseResult(base @ mount_pose(camera.mount), world)

    def clear(self) -> None:
        """Empty the buffer."""
        with self._condition:
            self._poses.clear()

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._subscription)

    def _interpolated(self, stamp_ns: int) -> Pose | None:
        later: tuple[int, Pose] | None = None
        for entry in reversed(self._poses):  # images are new: the right place is near the end
            if entry[0] == stamp_ns:
                return entry[1]
            if entry[0] < stamp_ns:
                if later is None or later[0] - entry[0] > self._gap_ns:
                    return None
                fraction = (stamp_ns - entry[0]) / (later[0] - entry[0])
                return interpolate(entry[1], later[1], fraction)
            later = entry
        return None

    def _on_odometry(self, message: Odometry) -> None:
        stamp = stamp_to_ns(message.header.stamp)
        try:
            pose = msg_to_pose(message.pose.pose)
        except ValueError as error:
            self._rejected = f"odometry on '{self._topic}': {error}"
            return
        with self._condition:
            if self._poses and stamp <= self._poses[-1][0]:
                if self._poses[-1][0] - stamp < _JUMP_NS:
                    return  # late or repeated: interpolation needs rising stamps
                self._poses.clear()
            self._world, self._child = message.header.frame_id, message.child_frame_id
            self._poses.append((stamp, pose))
            self._condition.notify_all()


class FirstPose:
    """The first source that knows: TF where it has the transform, else odometry."""

    name = "auto"

    def __init__(self, sources: tuple[PoseSource, ...]) -> None:
        """Try ``sources`` in order on every lookup."""
        self._sources = sources

    def lookup(self, camera: CameraConfig, frame_id: str, stamp_ns: int) -> PoseResult:
        """Return the first pose found, or all the reasons."""
        reasons = []
        for source in self._sources:
            result = source.lookup(camera, frame_id, stamp_ns)
            if result.pose is not None:
                return result
            reasons.append(result.reason)
        return PoseResult(None, reason="; ".join(reasons))

    def clear(self) -> None:
        """Clear every source."""
        for source in self._sources:
            source.clear()

    def close(self) -> None:
        """Close every source."""
        for source in self._sources:
            source.close()
