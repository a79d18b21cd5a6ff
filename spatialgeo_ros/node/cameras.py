# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The subscriptions of one camera: callbacks count, pair by stamp and store; nothing is decoded.

Decoding belongs to the geometry lane (see ``frame_decoder.py``): it only decodes the newest frame.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from rclpy.qos import QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from spatialgeo_ros.findings.finding import Finding, named
from spatialgeo_ros.memory.slot import NewestSlot
from spatialgeo_ros.node.class_labels import ClassLabels, VisionInfoLabels
from spatialgeo_ros.node.compatibility import subscription_event_callbacks
from spatialgeo_ros.node.conversions import corners_of, stamp_to_ns
from spatialgeo_ros.node.detection_findings import judge_extents
from spatialgeo_ros.node.frame_history import FrameHistory, RawFrame
from spatialgeo_ros.node.pairing import Pair, StampPairing
from spatialgeo_ros.node.parameters import CameraConfig, Config
from spatialgeo_ros.node.receiver import Callback, Receiver
from spatialgeo_ros.node.stream_statistics import Counters, StreamStatistics

try:
    from vision_msgs.msg import Detection2DArray
except ImportError:  # optional: without it there are no detections to subscribe to
    Detection2DArray = None

# A stamp this much older than the last one is not a late message but a bag that started again.
_JUMP_NS = 1_000_000_000
# Message, number in the stream, arrival by the monotonic clock and, in ns, by the system's.
_Image = tuple[Any, int, float, int]
DETECTOR_GIVEN_UP = 5.0  # s of silence, after which the profile's own grounding looks instead


class CameraInput:
    """Everything the node receives from one camera."""

    def __init__(
        self,
        receiver: Receiver,
        camera: CameraConfig,
        config: Config,
        on_frame: Callable[[], None],
        on_time_jump: Callable[[str], None],
    ) -> None:
        """Prepare the input; :meth:`start` subscribes.

        Args:
            receiver: Takes the messages.
            camera: Topics and transport.
            config: Synchronisation slop and waits.
            on_frame: Called whenever :meth:`take` may have something new.
            on_time_jump: Called with a description when the stamps start over.
        """
        node = receiver.node
        self.config = camera
        self.counters = Counters()
        self.images = StreamStatistics()
        self.depths = StreamStatistics()
        self.detections = StreamStatistics()
        self.slot: NewestSlot[RawFrame] = NewestSlot()
        self.info: CameraInfo | None = None
        self.depth_info: CameraInfo | None = None
        self.image_topic = node.resolve_topic_name(camera.image_topic)
        if camera.image_transport == "compressed":
            # The convention of image_transport: remap the base topic, then append the transport.
            self.image_topic += "/compressed"
        self.info_topic = node.resolve_topic_name(camera.camera_info_topic)
        self.depth_topic = camera.depth_topic and node.resolve_topic_name(camera.depth_topic)
        if camera.depth_topic and camera.depth_transport == "compressedDepth":
            self.depth_topic += "/compressedDepth"
        self.detections_topic = camera.detections_topic and node.resolve_topic_name(
            camera.detections_topic
        )
        self.labels = ClassLabels(camera, self.detections_topic)
        self._vision_info: VisionInfoLabels | None = None
        self._useless = ""  # why no box of the newest detections can be used
        self._node = node
        self._receiver = receiver
        self._on_frame = on_frame
        self._on_time_jump = on_time_jump
        self._lock = threading.Lock()
        self._pairing: StampPairing[_Image, tuple[Any, int]] = StampPairing(
            round(config.depth_slop * 1e9),
            config.depth_wait,
            lambda: bool(self.depth_topic) and node.count_publishers(self.depth_topic) > 0,
        )
        self._history = FrameHistory(config.frame_history, round(config.detections_slop * 1e9))
        self._boxes_wait = config.detections_wait
        self._depth_slop = config.depth_slop
        self._last_stamp = 0
        self._sequence = 0
        self._subscriptions: list[Any] = []

    def start(self) -> None:
        """Subscribe, with SensorData QoS and a depth of one unless overridden by parameters."""
        camera = self.config
        compressed = camera.image_transport == "compressed"
        self._subscribe(CompressedImage if compressed else Image, self.image_topic, self._on_image)
        self._subscribe(CameraInfo, camera.camera_info_topic, self._on_info)
        if self.depth_topic:
            packed = camera.depth_transport == "compressedDepth"
            self._subscribe(CompressedImage if packed else Image, self.depth_topic, self._on_depth)
            if camera.depth_camera_info_topic:
                self._subscribe(CameraInfo, camera.depth_camera_info_topic, self._on_depth_info)
        if camera.detections_topic and Detection2DArray is not None:
            self._subscribe(Detection2DArray, camera.detections_topic, self._on_detections)
            if camera.vision_info_topic and not camera.class_names():
                self._vision_info = VisionInfoLabels(
                    self._node,
                    self._node.resolve_topic_name(camera.vision_info_topic),
                    self.labels,
                    subscription_event_callbacks(incompatible_qos=lambda event: None),
                    self._node.get_logger().info,
                )
        for stream in (self.images, self.depths, self.detections):
            stream.restart()

    def stop(self) -> None:
        """Unsubscribe and forget what waits."""
        for subscription in self._subscriptions:
            self._receiver.unsubscribe(subscription)
        self._subscriptions.clear()
        vision_info, self._vision_info = self._vision_info, None
        if vision_info is not None:
            vision_info.close()
        self.clear()

    def clear(self) -> None:
        """Forget everything that belongs to the time before a jump; calibration stays."""
        with self._lock:
            self._pairing.clear()
            self._last_stamp = 0
            self._history.clear()
            self.slot.clear()
        for stream in (self.images, self.depths, self.detections):
            stream.restart()

    def take(self) -> RawFrame | None:
        """Return the newest frame that has not been taken yet, without waiting."""
        with self._lock:
            self._store(self._pairing.overdue(time.monotonic()))
        return self.slot.take()

    def ready_at(self) -> float | None:
        """Return the monotonic time at which :meth:`take` has a frame, or None when none waits."""
        if self.slot.peek() is not None:
            return 0.0
        with self._lock:
            return self._pairing.next_overdue()

    def boxed(self) -> RawFrame | None:
        """Return the newest frame that has boxes; None without a detector, or when it is silent."""
        with self._lock:
            return self._history.boxed()

    def boxes_patience(self) -> float:
        """Return the seconds that a request for things by name waits for boxes.

        0 where a frame with boxes is as new as the detector's pace allows, and where nobody
        publishes any.
        """
        with self._lock:
            if self._history.is_alive():
                return 0.0 if self._history.is_fresh() else self._boxes_wait
        expected = bool(self.detections_topic) and Detection2DArray is not None
        publishers = self._node.count_publishers(self.detections_topic) if expected else 0
        return self._boxes_wait if publishers and not self.detections.received else 0.0

    def has_detector(self) -> bool:
        """Whether a detector looks at the images: its boxes come, or will in a few seconds.

        It may be late for an image or two on a machine that is busy; it is given up when nothing
        has come for :data:`DETECTOR_GIVEN_UP` seconds.
        """
        if not self.detections_topic or Detection2DArray is None or self._useless:
            return False
        if self.detections.silence() > DETECTOR_GIVEN_UP:
            return False
        return self.detections.received > 0 or (
            self._node.count_publishers(self.detections_topic) > 0
        )

    def frame_at(self, stamp_ns: int) -> RawFrame | None:
        """Return the kept frame of exactly this stamp."""
        with self._lock:
            return self._history.frame_at(stamp_ns)

    def detections_problem(self) -> str:
        """Say why boxes are missing although somebody publishes them; "" when nobody does."""
        topic = self.detections_topic
        if not topic or self._useless:
            return self._useless
        with self._lock:
            problem, alive = self._history.problem, self._history.is_alive()
        if problem and alive:
            return named("detections-stamps", problem).within(after=f" ('{topic}')")
        if alive or self._node.count_publishers(topic) == 0:
            return ""
        if Detection2DArray is None:
            return Finding(
                "vision-msgs-missing",
                f"detections are published on '{topic}', but vision_msgs is not installed here: "
                "install ros-$ROS_DISTRO-vision-msgs",
            )
        text = f"somebody publishes on '{topic}', but no detections have arrived yet"
        if self.detections.received:
            text = f"no detections on '{topic}' for {self.detections.silence():.1f} s"
        return Finding("detections-silent", text)

    @property
    def unmatched_detections(self) -> int:
        """Messages of the detector that belong to no kept image."""
        return self._history.unmatched

    def detections_lag(self) -> float:
        """Return how long after their images boxes typically come, seconds; 0 when unknown."""
        with self._lock:
            return self._history.lag()

    @property
    def unmatched_images(self) -> int:
        """Images that were dropped or used without depth although depth arrives."""
        return self._pairing.unmatched_images

    @property
    def unmatched_depths(self) -> int:
        """Depth images that no image was found for."""
        return self._pairing.unmatched_depths

    def _on_detections(self, message: Any, arrived_ns: int) -> None:
        stamp = stamp_to_ns(message.header.stamp)
        self.detections.add(stamp)
        unnamed = self.labels.unnamed(message)
        if unnamed:
            self.counters.add("classes_without_a_name", self.labels.problem(unnamed))
        unusable = sum(corners_of(one) is None for one in message.detections)
        reason = next(judge_extents(self.detections_topic, unusable > 0), "")
        if reason:
            self.counters.add("boxes_left_out", reason)
        # Boxes that nobody can ask for, or that enclose nothing, are no look at the image: what the
        # map holds is not missed.
        if message.detections and len(message.detections) in (len(unnamed), unusable):
            self._useless = reason or self.labels.problem(unnamed)
            return
        self._useless = ""
        with self._lock:
            matched = self._history.add_detections(stamp, message)
            problem = self._history.problem
        if problem and not matched:
            self.counters.add("detections_unmatched", problem)
        self._on_frame()

    def _subscribe(self, message_type: type, topic: str, callback: Callback) -> None:
        qos = QoSProfile(
            reliability=qos_profile_sensor_data.reliability,
            durability=qos_profile_sensor_data.durability,
            history=qos_profile_sensor_data.history,
            depth=1,
        )
        events = subscription_event_callbacks(
            incompatible_qos=lambda event: self._on_incompatible_qos(topic, event)
        )
        self._subscriptions.append(
            self._receiver.subscribe(message_type, topic, callback, qos, events)
        )

    def _on_image(self, message: Image | CompressedImage, arrived_ns: int) -> None:
        stamp = stamp_to_ns(message.header.stamp)
        self.images.add(stamp)
        if not message.header.frame_id:
            self.counters.add(
                "without_frame_id",
                Finding(
                    "frame-id-empty",
                    f"the images on {self.image_topic} have an empty frame_id: TF cannot place "
                    "them, and RViz cannot show what is measured in them; the driver must fill it",
                ),
            )
        if stamp == 0:
            self.counters.add("zero_stamps")
        elif stamp <= self._last_stamp:
            if self._last_stamp - stamp < _JUMP_NS:
                self.counters.add("out_of_order")
                return
            self.counters.add("time_jumps")
            self._on_time_jump(
                f"stamps of camera '{self.config.name}' went back by "
                f"{(self._last_stamp - stamp) * 1e-9:.1f} s"
            )
        now = time.monotonic()
        with self._lock:
            self._last_stamp = stamp or self._last_stamp
            self._sequence += 1
            image = (message, self._sequence, now, arrived_ns)
            self._store(self._pairing.add_image(stamp, image, now))
        self._on_frame()

    def _on_depth(self, message: Image | CompressedImage, arrived_ns: int) -> None:
        stamp = stamp_to_ns(message.header.stamp)
        self.depths.add(stamp)
        with self._lock:
            depth = (message, arrived_ns)
            self._store(self._pairing.add_depth(stamp, depth, time.monotonic()))
        self._on_frame()

    def _on_info(self, message: CameraInfo, arrived_ns: int) -> None:
        # Kept like a latched message: drivers may publish it once, or at another rate than images.
        # The geometry lane notices a change, since the message object differs.
        self.info = message

    def _on_depth_info(self, message: CameraInfo, arrived_ns: int) -> None:
        self.depth_info = message

    def _store(self, pair: Pair[_Image, tuple[Any, int]] | None) -> None:
        if pair is not None:
            message, sequence, received, arrived = pair.image
            stamp = stamp_to_ns(message.header.stamp)
            depth, problem = None, ""
            if pair.depth is None:
                problem = self._depth_problem(pair.nearest_ns)
            else:
                depth, arrived = pair.depth[0], max(arrived, pair.depth[1])
            raw = RawFrame(
                stamp, message, depth, sequence, received, arrived, depth_problem=problem
            )
            self.slot.put(self._history.add_frame(raw))

    def _depth_problem(self, nearest_ns: int | None) -> str:
        """Say why an image has no depth although somebody publishes it; "" when nobody does."""
        if not self.depth_topic:
            return ""
        if nearest_ns is not None:
            return Finding(
                "depth-stamps",
                f"depth arrives on '{self.depth_topic}', but its stamps are "
                f"{nearest_ns * 1e-6:.0f} ms off those of the images, and depth_slop is "
                f"{self._depth_slop * 1e3:.0f} ms: synchronise the streams, or raise depth_slop",
            )
        if self._node.count_publishers(self.depth_topic) == 0:
            return ""
        if self.depths.received:
            text = f"no depth on '{self.depth_topic}' for {self.depths.silence():.1f} s"
        else:
            text = f"somebody publishes on '{self.depth_topic}', but no depth image has arrived yet"
        return Finding("depth-silent", text)

    def _on_incompatible_qos(self, topic: str, event: Any) -> None:
        reason = Finding(
            "qos-incompatible",
            f"a publisher of '{topic}' offers incompatible QoS; set "
            f"qos_overrides.{self._node.resolve_topic_name(topic)}.subscription.*",
        )
        if self.counters.add("incompatible_qos", reason, event.total_count_change):
            self._node.get_logger().warning(reason)
