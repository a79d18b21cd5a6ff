# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where the cameras are, by the node's own sources of poses, and why not."""

from __future__ import annotations

from collections.abc import Iterator

from spatialgeo_ros.findings.finding import Finding, named
from spatialgeo_ros.node import graph_checks
from spatialgeo_ros.node.camera_pose import PoseResult, PoseSource
from spatialgeo_ros.node.parameters import CameraConfig, Config
from spatialgeo_ros.node.pose_source import NO_TF, NoPose, OdometryPose, TfPose
from spatialgeo_ros.node.receiver import Receiver
from spatialgeo_ros.node.stream_statistics import Counters
from spatialgeo_ros.node.tf_listener import TfListener, tf_is_installed

_TF = "/tf"


class PoseCheck:
    """A pose source that asks every source the configuration allows and remembers why one failed.

    Unlike the node's it never settles on one, so that each source's reason can be told.
    """

    name = "all"

    def __init__(self, receiver: Receiver, tf: TfListener, config: Config) -> None:
        """Listen to the sources of ``config.pose_source``."""
        node = receiver.node
        self._node, self._config = node, config
        self.counters = Counters()
        self._sources: list[PoseSource] = []
        if config.pose_source in ("auto", "tf") and tf_is_installed():
            self._sources.append(TfPose(tf, config, self.counters))
        if config.pose_source in ("auto", "odometry"):
            self._sources.append(OdometryPose(receiver, config, self.counters))
        self._reasons: dict[str, dict[str, Finding]] = {}
        self._posed: set[str] = set()
        self._asked: set[str] = set()

    def lookup(self, camera: CameraConfig, frame_id: str, stamp_ns: int) -> PoseResult:
        """Return the first pose that a source has."""
        self._asked.add(camera.name)
        result = PoseResult(None, reason="pose_source is 'none'")
        for source in self._sources or [NoPose(NO_TF)]:
            result = source.lookup(camera, frame_id, stamp_ns)
            if result.pose is not None:
                self._posed.add(camera.name)
                return result
            reason = named("pose-missing", result.reason)
            self._reasons.setdefault(camera.name, {})[source.name] = reason
        return result

    def frame(self, frame_id: str, stamp_ns: int) -> PoseResult:
        """Return the pose of any frame by the first source that knows it."""
        result = PoseResult(None)
        for source in self._sources:
            result = source.frame(frame_id, stamp_ns)
            if result.pose is not None:
                break
        return result

    def between(self, target: str, frame_id: str, stamp_ns: int) -> PoseResult | None:
        """Return the pose of one frame in another by the first source that knows it."""
        result = None
        for source in self._sources:
            result = source.between(target, frame_id, stamp_ns)
            if result is not None and result.pose is not None:
                break
        return result

    def clear(self) -> None:
        """Forget everything from before a time jump."""
        for source in self._sources:
            source.clear()

    def close(self) -> None:
        """Stop listening."""
        for source in self._sources:
            source.close()

    def about_camera(self, name: str) -> Iterator[Finding]:
        """Yield why a camera whose images came has no pose; nothing where it has."""
        if self._config.pose_source == "none" or name in self._posed or name not in self._asked:
            return
        for reason in self._reasons.get(name, {}).values():
            yield reason.within("without pose: ")

    def about_robot(self) -> Iterator[Finding]:
        """Yield what is wrong with odometry and TF themselves."""
        config = self._config
        yield from graph_checks.wrong_odometry(self._node, config)
        for counter in self.counters.snapshot():
            if reason := self.counters.reason(counter):
                yield named("odometry-refused", reason)
        if config.pose_source in ("auto", "odometry"):
            topic = self._node.resolve_topic_name(config.odometry_topic)
            if several := graph_checks.several_publishers(self._node, topic):
                yield several
        without = self._asked - self._posed
        if not tf_is_installed() and config.pose_source in ("auto", "tf") and without:
            if self._node.count_publishers(_TF):
                yield NO_TF.within("somebody publishes TF, but ")
