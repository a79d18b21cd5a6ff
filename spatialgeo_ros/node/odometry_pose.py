# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The camera's pose from the odometry of the robot's base and the camera's mount on it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from nav_msgs.msg import Odometry
from rclpy.qos import QoSProfile, ReliabilityPolicy

from spatialgeo_ros.errors import quoted
from spatialgeo_ros.findings.finding import Finding
from spatialgeo_ros.geometry.pose import Pose, interpolate
from spatialgeo_ros.node.camera_pose import ZERO_STAMP, PoseResult, mount_pose
from spatialgeo_ros.node.conversions import msg_to_pose, stamp_to_ns
from spatialgeo_ros.node.odometry_findings import judge_frames, judge_step
from spatialgeo_ros.node.parameters import CameraConfig, Config
from spatialgeo_ros.node.receiver import Receiver
from spatialgeo_ros.node.stream_statistics import Counters

try:
    import tf2_ros
except ImportError:  # not on PyPI: a workspace from wheels has no TF
    tf2_ros = None

_BUFFER = 2000  # odometry messages: 10 s at 200 Hz
_JUMP_NS = 1_000_000_000
# A world is left for another one only when nothing has been heard of it for so long: two
# publishers on one topic must not throw the camera from one world into the other and back.
_WORLD_HELD = 1.0  # s
# Names of counters.
REFUSED, FOREIGN, CHANGES = "odometry refused", "odometry of other frames", "world changes"
NAMELESS, JUMPS = "odometry without frames", "odometry jumps"


class OdometryPose:
    """Odometry of the base, interpolated at the image's stamp, and the camera's mount."""

    name = "odometry"

    def __init__(
        self,
        receiver: Receiver,
        config: Config,
        counters: Counters | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Subscribe to the odometry topic.

        Args:
            receiver: Takes the messages.
            config: Topic and tolerances.
            counters: Where to count, if they are shared.
            clock: Monotonic seconds.
        """
        self.counters = Counters() if counters is None else counters
        self._receiver = receiver
        self._node = node = receiver.node
        self._clock = clock
        self._topic = node.resolve_topic_name(config.odometry_topic)
        self._gap = config.odometry_gap
        self._wait = config.pose_wait
        self._condition = threading.Condition()
        self._poses: deque[tuple[int, Pose]] = deque(maxlen=_BUFFER)
        self._world = self._child = ""
        self._heard = -_WORLD_HELD  # when, of the current world
        self._refused = 0  # since the last good message
        self._refusal = Finding("odometry-refused", "")
        self._subscription = receiver.subscribe(
            Odometry,
            config.odometry_topic,
            lambda message, _: self._on_odometry(message),
            QoSProfile(depth=50, reliability=ReliabilityPolicy.BEST_EFFORT),
        )

    def lookup(self, camera: CameraConfig, frame_id: str, stamp_ns: int) -> PoseResult:
        """Return the interpolated pose; waits for odometry that is on its way."""
        base, child = self._base(stamp_ns)
        if base.pose is None or child == frame_id:
            return base
        if not camera.has_mount:
            text = (
                f"set '{camera.name}.mount' to use odometry: where the camera sits on the robot, "
                "or publish TF"
            )
            return PoseResult(None, reason=Finding("mount-missing", text))
        return PoseResult(base.pose @ mount_pose(camera.mount), base.world_frame)

    def frame(self, frame_id: str, stamp_ns: int) -> PoseResult:
        """Return the pose of the base, the one frame that odometry knows."""
        base, child = self._base(stamp_ns)
        if base.pose is None or child == frame_id:
            return base
        missing = "" if tf2_ros is not None else " (not installed: ros-$ROS_DISTRO-tf2-ros-py)"
        return PoseResult(
            None,
            reason=f"odometry knows only {quoted(child)} in {quoted(base.world_frame)}: ask for "
            f"one of these, or let poses come from TF{missing}",
        )

    def between(self, target: str, frame_id: str, stamp_ns: int) -> PoseResult | None:
        """Return None: odometry knows frames by their poses in its world alone."""
        return None

    def _base(self, stamp_ns: int) -> tuple[PoseResult, str]:
        """Return the pose of the base at a stamp, and the name of its frame."""
        if stamp_ns == 0:
            return PoseResult(None, reason=ZERO_STAMP), ""
        deadline = time.monotonic() + self._wait
        with self._condition:
            while self._poses and self._poses[-1][0] < stamp_ns:
                remaining = deadline - time.monotonic()
                if remaining <= 0 or not self._condition.wait(remaining):
                    break
            base = self._interpolated(stamp_ns)
            if base is None:
                return PoseResult(None, reason=self._reason(stamp_ns)), ""
            return PoseResult(base, self._world), self._child

    def clear(self) -> None:
        """Empty the buffer; what comes next may be of another world."""
        with self._condition:
            self._poses.clear()
            self._heard = -_WORLD_HELD

    def close(self) -> None:
        """Unsubscribe."""
        self._receiver.unsubscribe(self._subscription)

    def _interpolated(self, stamp_ns: int) -> Pose | None:
        later: tuple[int, Pose] | None = None
        for entry in reversed(self._poses):  # images are new: the right place is near the end
            if entry[0] == stamp_ns:
                return entry[1]
            if entry[0] < stamp_ns:
                if later is None or later[0] - entry[0] > self._gap * 1e9:
                    return None
                fraction = (stamp_ns - entry[0]) / (later[0] - entry[0])
                return interpolate(entry[1], later[1], fraction)
            later = entry
        return None

    def _reason(self, stamp_ns: int) -> Finding:
        """Say why there is no pose at a stamp: first what is refused now, then what is missing."""
        if self._refused:
            return self._refusal.within(after=f" ({self._refused} messages refused)")
        if not self._poses:
            return Finding("odometry-missing", f"no odometry on '{self._topic}'")
        id = "odometry-gap"
        early, late = (self._poses[0][0] - stamp_ns) * 1e-9, (stamp_ns - self._poses[-1][0]) * 1e-9
        missing = f"a gap of more than odometry_gap, {self._gap:g} s"
        if late > 0:
            id = "odometry-late"
            missing = (
                f"after a wait of {self._wait:g} s the newest is {late:.2f} s older; if it is "
                "late, raise pose_wait, else compare the clocks of both publishers"
            )
        elif early > 0:
            id = "odometry-late"
            missing = (
                f"the oldest is {early:.2f} s newer; where it has only begun, the next images have "
                "it, else compare the clocks of both publishers"
            )
        return Finding(id, f"no odometry around the image's stamp: {missing}")

    def _on_odometry(self, message: Odometry) -> None:
        stamp = stamp_to_ns(message.header.stamp)
        try:
            if stamp == 0:
                raise ValueError("its stamp is zero; the sender must fill it")
            pose = msg_to_pose(message.pose.pose)
        except ValueError as error:
            with self._condition:
                self._refused += 1
                text = f"odometry on '{self._topic}': {error}"
                self._refusal = Finding("odometry-refused", text)
                self.counters.add(REFUSED, self._refusal)
            return
        world, child = message.header.frame_id, message.child_frame_id
        for finding in judge_frames(self._topic, world, child):
            self.counters.add(NAMELESS, finding)
        with self._condition:
            if not self._is_of_this_world(world, child):
                return
            self._refused = 0
            if self._poses and stamp <= self._poses[-1][0]:
                if self._poses[-1][0] - stamp < _JUMP_NS:
                    return  # late or repeated: interpolation needs rising stamps
                self._poses.clear()
            if self._poses:
                before, last = self._poses[-1]
                for finding in judge_step(self._topic, (stamp - before) * 1e-9, last, pose):
                    self.counters.add(JUMPS, finding)
            self._poses.append((stamp, pose))
            self._condition.notify_all()

    def _is_of_this_world(self, world: str, child: str) -> bool:
        """Whether a message belongs to the frames in use; those change only after a silence."""
        now, known = self._clock(), self._world or self._child
        if (world, child) != (self._world, self._child):
            change = (
                f"from {quoted(self._child)} in {quoted(self._world)} to {quoted(child)} in "
                f"{quoted(world)}"
            )
            if known and now - self._heard < _WORLD_HELD:
                self.counters.add(
                    FOREIGN,
                    Finding(
                        "odometry-alternates",
                        f"odometry on '{self._topic}' alternates {change}: the first is used; give "
                        "each publisher a topic of its own",
                    ),
                )
                return False
            if known:
                text = Finding(
                    "odometry-alternates",
                    f"odometry on '{self._topic}' changed {change}: what was kept is forgotten",
                )
                self.counters.add(CHANGES, text)
                self._node.get_logger().warning(text)
            self._poses.clear()
            self._world, self._child = world, child
        self._heard = now
        return True
