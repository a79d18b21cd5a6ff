# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Chooses where camera poses come from: TF, odometry and a known mount, or nowhere.

Lookups run on the geometry lane and may wait a little there; the executor is never blocked.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from rclpy.duration import Duration
from rclpy.time import Time

from spatialgeo_ros.errors import quoted
from spatialgeo_ros.findings.finding import Finding
from spatialgeo_ros.node.camera_pose import ZERO_STAMP, PoseResult, PoseSource, mount_pose
from spatialgeo_ros.node.conversions import msg_to_pose
from spatialgeo_ros.node.odometry_pose import OdometryPose
from spatialgeo_ros.node.parameters import CameraConfig, Config
from spatialgeo_ros.node.receiver import Receiver
from spatialgeo_ros.node.stream_statistics import Counters
from spatialgeo_ros.node.tf_listener import TfListener, TransformException, tf_is_installed

__all__ = [
    "FirstPose",
    "NoPose",
    "OdometryPose",
    "PoseResult",
    "PoseSource",
    "TfPose",
    "make_pose_source",
    "mount_pose",
]

#: Why poses cannot come from TF here.
NO_TF = Finding(
    "tf2-missing",
    "tf2_ros is not installed: install ros-$ROS_DISTRO-tf2-ros-py or use odometry",
)

# How long odometry that is there already waits for a TF that has only just begun to arrive.
_TF_HEAD_START = 1.0  # s


def make_pose_source(receiver: Receiver, tf: TfListener, config: Config) -> PoseSource:
    """Return the source that the parameter ``pose_source`` asks for."""
    if config.pose_source == "none":
        return NoPose("pose_source is 'none'")
    if config.pose_source == "tf":
        return TfPose(tf, config) if tf_is_installed() else NoPose(NO_TF)
    if config.pose_source == "odometry" or not tf_is_installed():
        return OdometryPose(receiver, config)
    counters = Counters()
    both = TfPose(tf, config, counters), OdometryPose(receiver, config, counters)
    return FirstPose(*both, counters, receiver.node.get_logger().info)


class NoPose:
    """No poses at all, for a stated reason."""

    name = "none"

    def __init__(self, reason: str) -> None:
        """Remember the ``reason`` for every lookup."""
        self.counters = Counters()
        self._reason = reason

    def lookup(self, camera: CameraConfig, frame_id: str, stamp_ns: int) -> PoseResult:
        """Return no pose."""
        return PoseResult(None, reason=self._reason)

    def frame(self, frame_id: str, stamp_ns: int) -> PoseResult:
        """Return no pose."""
        return PoseResult(None, reason=self._reason)

    def between(self, target: str, frame_id: str, stamp_ns: int) -> PoseResult | None:
        """Return no pose."""
        return PoseResult(None, reason=self._reason)

    def clear(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class TfPose:
    """TF at the image's stamp, never the latest transform."""

    name = "tf"

    def __init__(self, tf: TfListener, config: Config, counters: Counters | None = None) -> None:
        """Listen to /tf and /tf_static; count in ``counters`` if they are shared."""
        self.counters = Counters() if counters is None else counters
        self._world = config.world_frame
        self._wait = Duration(seconds=config.pose_wait)
        self._tf = tf
        self._buffer = tf.open()

    def lookup(self, camera: CameraConfig, frame_id: str, stamp_ns: int) -> PoseResult:
        """Return the transform from ``frame_id`` to the world frame at ``stamp_ns``."""
        return self.frame(frame_id, stamp_ns)

    def frame(self, frame_id: str, stamp_ns: int) -> PoseResult:
        """Return the same for any frame of the tree."""
        return self.between(self._world, frame_id, stamp_ns)

    def between(self, target: str, frame_id: str, stamp_ns: int) -> PoseResult:
        """Return the transform from ``frame_id`` to ``target`` at ``stamp_ns``."""
        if stamp_ns == 0:  # TF would take it for "the latest"
            return PoseResult(None, reason=ZERO_STAMP)
        try:
            # Wait only for the newest piece of a transform that exists, not for a missing one.
            known = self._buffer.can_transform(target, frame_id, Time())
            transform = self._buffer.lookup_transform(
                target,
                frame_id,
                Time(nanoseconds=stamp_ns),
                timeout=self._wait if known else Duration(),
            ).transform
            pose = msg_to_pose(transform)
        except (TransformException, ValueError) as error:
            late = self._delay(target, frame_id, stamp_ns)
            if late <= 0:
                why = str(error).rstrip(" .")
                return PoseResult(
                    None,
                    reason=Finding(
                        "tf-chain",
                        f"TF: {why} (`ros2 run tf2_ros tf2_echo {quoted(target)} "
                        f"{quoted(frame_id)}` tells what is published)",
                    ),
                )
            wait = self._wait.nanoseconds * 1e-9
            return PoseResult(
                None,
                reason=Finding(
                    "tf-late",
                    f"TF from '{frame_id}' to '{target}' is {late:.2f} s behind the "
                    f"image's stamp after a wait of {wait:g} s; if it is late, raise pose_wait, "
                    "else compare the clocks of both publishers",
                ),
            )
        return PoseResult(pose, target)

    def _delay(self, target: str, frame_id: str, stamp_ns: int) -> float:
        """Return by how many seconds the newest transform is older than an image; 0 if unknown."""
        try:
            newest = self._buffer.get_latest_common_time(target, frame_id)
        except TransformException:
            return 0.0
        # Zero: only static transforms, which never are late.
        return (stamp_ns - newest.nanoseconds) * 1e-9 if newest.nanoseconds else 0.0

    def clear(self) -> None:
        """Empty the buffer; tf2 keeps static transforms."""
        self._buffer.clear()

    def close(self) -> None:
        """Stop listening."""
        self._tf.close()


class FirstPose:
    """TF or odometry: the first that delivers, and no other until the node is cleaned up.

    Both may be there, in frames of different names or with different drift. A camera that went
    from one to the other would see the world jump, and with it everything it remembers.
    """

    def __init__(
        self,
        tf: PoseSource,
        odometry: PoseSource,
        counters: Counters,
        log: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Choose between two sources.

        Args:
            tf: Preferred: it has a head start of a second.
            odometry: Taken when TF has nothing.
            counters: Those of both.
            log: Takes the line that says which it is.
            clock: Monotonic seconds.
        """
        self.counters = counters
        self._open: tuple[PoseSource, ...] = (tf, odometry)
        self._log = log
        self._clock = clock
        self._started: float | None = None

    @property
    def name(self) -> str:
        """Which source was chosen, if one was."""
        return f"auto: {self._open[0].name if len(self._open) == 1 else 'none has a pose yet'}"

    def lookup(self, camera: CameraConfig, frame_id: str, stamp_ns: int) -> PoseResult:
        """Return the pose by the chosen source; until there is one, try both."""
        now = self._clock()
        self._started = now if self._started is None else self._started
        chosen = len(self._open) == 1
        reasons = []
        for place, source in enumerate(self._open):
            result = source.lookup(camera, frame_id, stamp_ns)
            if result.pose is not None:
                if not chosen and place > 0 and now - self._started < _TF_HEAD_START:
                    return PoseResult(None, reason=f"waiting for TF before {source.name} is taken")
                if not chosen:
                    self._choose(source)
                return result
            reasons.append(result.reason)
        why = f" (pose_source is 'auto' and took {self._open[0].name})" if chosen else ""
        return PoseResult(None, reason="; ".join(reasons) + why)

    def frame(self, frame_id: str, stamp_ns: int) -> PoseResult:
        """Return the pose of a frame by the chosen source; until there is one, none."""
        if len(self._open) > 1:
            return PoseResult(None, reason="neither TF nor odometry has placed a camera yet")
        return self._open[0].frame(frame_id, stamp_ns)

    def between(self, target: str, frame_id: str, stamp_ns: int) -> PoseResult | None:
        """Return the pose of one frame in another by the chosen source.

        Until there is one, by TF: what is bolted together it knows although no camera is placed in
        the world yet, as on an arm without odometry.
        """
        return self._open[0].between(target, frame_id, stamp_ns)

    def clear(self) -> None:
        """Clear what is open; the choice stays."""
        for source in self._open:
            source.clear()

    def close(self) -> None:
        """Close what is open."""
        for source in self._open:
            source.close()

    def _choose(self, chosen: PoseSource) -> None:
        others = [source for source in self._open if source is not chosen]
        self._open = (chosen,)
        self._log(
            f"camera poses come from {chosen.name}, the first source that has them; "
            "set pose_source to choose another"
        )
        for source in others:
            source.close()
