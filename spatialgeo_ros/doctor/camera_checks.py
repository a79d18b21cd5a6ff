# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Listens to one camera as the node does, with the node's own code, and judges what comes."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo

from spatialgeo_ros.errors import BadImageError
from spatialgeo_ros.findings.finding import Finding, named
from spatialgeo_ros.geometry.edge_alignment import edge_alignment
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.observation import Mount
from spatialgeo_ros.node import graph_checks
from spatialgeo_ros.node.cameras import CameraInput, Detection2DArray
from spatialgeo_ros.node.conversions import (
    corners_of,
    detections_to_regions,
    hypothesis_of,
    stamp_to_ns,
)
from spatialgeo_ros.node.detection_findings import judge_boxes, judge_extents, judge_labels
from spatialgeo_ros.node.frame_decoder import FrameAssembler
from spatialgeo_ros.node.parameters import CameraConfig, Config
from spatialgeo_ros.node.receiver import Receiver
from spatialgeo_ros.node.stream_findings import judge_clock, judge_rate, judge_stamps
from spatialgeo_ros.node.stream_statistics import StreamStatistics
from spatialgeo_ros.scene.camera_inputs import CameraInputs
from spatialgeo_ros.scene.observer import orientation_of

_MOST_FRAMES = 8  # of a camera that are decoded and judged
_MOST_MESSAGES = 20  # of a detector
_INFO_SLOP = 5.0  # ms


class _ClockedStatistics(StreamStatistics):
    """Also notes how old each message is by the node's clock as it comes."""

    def __init__(self, node: Node) -> None:
        super().__init__()
        self._ros_clock = node.get_clock()
        self.behind: deque[float] = deque(maxlen=32)
        self.stamps: deque[int] = deque(maxlen=64)

    def add(self, stamp_ns: int) -> None:
        super().add(stamp_ns)
        now = self._ros_clock.now().nanoseconds
        if stamp_ns and now:
            self.behind.append((now - stamp_ns) * 1e-9)
        self.stamps.append(stamp_ns)


class CameraCheck:
    """What comes from one camera, and what is wrong with it."""

    def __init__(self, receiver: Receiver, camera: CameraConfig, config: Config) -> None:
        """Subscribe as the node would.

        Args:
            receiver: Takes the messages, for a node with the parameters and namespace of the node.
            camera: Topics and transport; names may be full ones.
            config: Of the node.
        """
        node = receiver.node
        self.config = camera
        self.input = CameraInput(receiver, camera, config, lambda: None, lambda _: None)
        self.images = _ClockedStatistics(node)
        self.input.images = self.images
        self._node, self._detections_wait = node, config.detections_wait
        self._has_network = config.profile != "none"
        self._judge = CameraInputs(camera.input_settings())
        self._judged: list[Finding] = []
        self._unusable: Finding | None = None
        self._with_depth = 0
        self._pairs: list[tuple[Any, Any]] = []
        self._frames = 0
        self._size = (0, 0)
        self._latched: CameraInfo | None = None
        self._asked_latched = False
        self._detections: deque[Any] = deque(maxlen=_MOST_MESSAGES)
        self.input.start()
        if camera.detections_topic and Detection2DArray is not None:
            node.create_subscription(
                Detection2DArray,
                self.input.detections_topic,
                self._on_detections,
                qos_profile_sensor_data,
            )

    def ask_for_latched_info(self) -> None:
        """Where no calibration has come and it may be latched: ask for what was before.

        Not at once: a publisher that does not offer it would fill the robot's log with warnings.
        """
        if self.input.info is not None or self._asked_latched:
            return
        for one in self._node.get_publishers_info_by_topic(self.input.info_topic):
            offered = one.qos_profile
            if offered.durability == DurabilityPolicy.TRANSIENT_LOCAL:
                self._asked_latched = True
                self._node.create_subscription(
                    CameraInfo,
                    self.input.info_topic,
                    self._on_latched,
                    QoSProfile(
                        depth=1, durability=offered.durability, reliability=offered.reliability
                    ),
                )
                return

    def _on_latched(self, message: CameraInfo) -> None:
        self._latched = message

    def _on_detections(self, message: Any) -> None:
        self._detections.append(message)

    def topics(self) -> list[str]:
        """Return the full names of the topics that it listens to."""
        own = self.input
        named_topics = (own.image_topic, own.info_topic, own.depth_topic, own.detections_topic)
        return [topic for topic in named_topics if topic]

    def look(self, assembler: FrameAssembler, mounts: dict[str, Mount]) -> None:
        """Decode and judge the newest frame, if there is one and not enough have been."""
        raw = self.input.take()
        if raw is None or self._frames >= _MOST_FRAMES:
            return
        try:
            frame = assembler.assemble(self.config.name, raw)
        except BadImageError as error:
            self._unusable = Finding("image-unusable", str(error))
            return
        self._frames += 1
        self._size = frame.width, frame.height
        orientation = orientation_of(frame, mounts, None)
        judged = self._judge.judge(frame, orientation.gravity, orientation.height)
        self._judged += judged.findings
        self._with_depth += frame.depth is not None
        if judged.depth is not None:
            self._keep(frame, judged.depth.metres(), judged.findings)

    def _keep(self, frame: Frame, metres: Any, findings: tuple[Finding, ...]) -> None:
        if not np.isfinite(metres).any():
            text = (
                f"the depth image on {self.input.depth_topic} has no reading: is the sensor "
                "covered, too near, or its projector off?"
            )
            self._judged.append(Finding("depth-empty", text))
        elif metres.shape == frame.image.shape[:2] and not any(
            one.id == "depth-registered-here" for one in findings
        ):
            self._pairs.append((frame.image, metres))

    def findings(
        self, subscribers: Collection[str], known: Callable[[str], bool]
    ) -> Iterator[Finding]:
        """Yield what is wrong, after some seconds of listening.

        Args:
            subscribers: Full names of the nodes whose subscriptions count.
            known: Tells whether the running node has said that it received what is named:
                "calibration".
        """
        own = self.input
        refused = False
        for topic in self.topics():
            found = graph_checks.incompatible_qos(self._node, topic, subscribers)
            refused |= found is not None
            if found is not None:
                yield found
        if not own.images.received:
            if not refused:
                cause = graph_checks.silent_image(self._node, self.config)
                yield cause.within(f"no image on {own.image_topic}: ")
        else:
            yield from self._about_images()
        yield from self._about_calibration(known, refused)
        yield from graph_checks.wrong_types(self._node, self.config)
        yield from self._lasting()
        yield from self._about_depth(refused)
        yield from self._about_detections()
        for topic in self.topics():
            if several := graph_checks.several_publishers(self._node, topic):
                yield several

    def _lasting(self) -> Iterator[Finding]:
        """Yield what most frames showed: the first may have come before what belongs to them."""
        counts = Counter(one.id for one in self._judged)
        for id, count in counts.items():
            if 2 * count > self._frames and id != "camera-info-missing":
                yield next(one for one in reversed(self._judged) if one.id == id)

    def _about_images(self) -> Iterator[Finding]:
        if self._unusable is not None:
            yield self._unusable
        own, simulated = self.input, bool(self._node.get_parameter("use_sim_time").value)
        yield from judge_stamps(self.images, own.image_topic)
        yield from judge_rate(self.images, own.image_topic)
        if not self.images.stands_still():
            yield from judge_clock(list(self.images.behind), own.image_topic, simulated)
        counters = own.counters
        if counters.reason("without_frame_id"):
            yield named("frame-id-empty", counters.reason("without_frame_id"))
        back = counters.get("out_of_order") + counters.get("time_jumps")
        if back and not self.images.stands_still() and not own_publishers(self._node, own):
            yield Finding(
                "stamps-backwards",
                f"the stamps on {own.image_topic} went back {back} times in "
                f"{own.images.received} images: such images are dropped, or what was remembered "
                "is; the driver must stamp in order",
            )

    def _about_calibration(self, known: Callable[[str], bool], refused: bool) -> Iterator[Finding]:
        own = self.input
        if own.info is not None:
            yield from self._about_stamps_of_info(own.info)
            return
        if refused or known("calibration"):
            return
        publishers = self._node.get_publishers_info_by_topic(own.info_topic)
        if self._latched is not None:
            yield graph_checks.latched_info(own.info_topic)
            return
        if not publishers:
            yield Finding(
                "camera-info-missing",
                f"no camera_info on '{own.info_topic}': publish it beside the images, or set "
                f"{self.config.name}.camera_info_topic",
            )
        elif any(one.topic_type == "sensor_msgs/msg/CameraInfo" for one in publishers):
            yield Finding(
                "camera-info-silent",
                f"somebody publishes on '{own.info_topic}', but no camera_info came: let the "
                "driver publish it with every image",
            )

    def _about_stamps_of_info(self, info: CameraInfo) -> Iterator[Finding]:
        """Yield that the calibration is stamped at other times than the images."""
        stamp = stamp_to_ns(info.header.stamp)
        stamps = [one for one in self.images.stamps if one]
        if not stamps or not min(stamps) <= stamp <= max(stamps):
            return  # published once, or before the first image
        off = min(abs(stamp - one) for one in stamps) * 1e-6
        if off > _INFO_SLOP:
            yield Finding(
                "camera-info-stamps",
                f"the stamps on {self.input.info_topic} are {off:.0f} ms off those of the images: "
                "this node does not mind, others that synchronise both (image_proc) drop them",
            )

    def _about_depth(self, refused: bool) -> Iterator[Finding]:
        own = self.input
        if not own.depths.received:
            cause = graph_checks.silent_depth(self._node, self.config)
            absent = cause is None or cause.id == "depth-missing"
            if absent and not self._has_network:
                yield Finding(
                    "depth-needed",
                    "nothing can be measured: there is no depth"
                    f"{f' on {own.depth_topic}' if own.depth_topic else ''}, and profile 'none' "
                    f"has no network that estimates it; set {self.config.name}.depth_topic, or a "
                    "profile with a geometry network (moge2_s)",
                )
            elif cause is not None and not refused:
                yield cause.within(f"no depth on {own.depth_topic}: ")
            return
        problem = own.counters.reason("without_depth")
        if problem and not self._with_depth:
            yield named("depth-silent", problem)
        alignment = edge_alignment(self._pairs)
        if alignment is not None and alignment.is_elsewhere:
            right, down = alignment.shift
            size = "" if alignment.scale == 1 else f" and {alignment.scale:.2f} times as large"
            yield Finding(
                "depth-misaligned",
                f"the edges of the depth on {own.depth_topic} do not meet those of the image "
                f"({alignment.here:.1f} of {alignment.best:.1f} standard deviations); they would "
                f"{right:+.0f} px to the right, {down:+.0f} px down{size}: it looks like depth "
                "that is not registered, or is that of another moment",
            )

    def _about_detections(self) -> Iterator[Finding]:
        own = self.input
        if not self._detections:
            return
        problem = own.counters.reason("detections_unmatched") or own.detections_problem()
        if problem and not any(message.detections == [] for message in self._detections):
            yield named("detections-stamps", problem)
        if unnamed := own.counters.reason("classes_without_a_name"):
            yield named("detections-labels", unnamed)
        boxes = [box for message in self._detections for box in message.detections]
        yield from judge_labels(own.detections_topic, [hypothesis_of(box)[0] for box in boxes])
        unusable = any(corners_of(box) is None for box in boxes)
        yield from judge_extents(own.detections_topic, unusable)
        regions = [box for message in self._detections for box in detections_to_regions(message)]
        if min(self._size) > 0:
            yield from judge_boxes(own.detections_topic, regions, *self._size)
        lag = own.detections_lag()
        if lag > self._detections_wait:
            yield Finding(
                "detections-behind",
                f"the detections on {own.detections_topic} come {lag:.2f} s behind their images: "
                "things are measured where they were then; a faster detector makes answers newer",
            )


def own_publishers(node: Node, camera: CameraInput) -> bool:
    """Whether several publishers share the image topic, whose stamps then cross."""
    return graph_checks.several_publishers(node, camera.image_topic) is not None
