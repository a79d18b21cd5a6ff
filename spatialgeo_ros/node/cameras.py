# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The subscriptions of one camera: callbacks count, pair by stamp and store; nothing is decoded.

Decoding belongs to the worker (see ``assembly.py``), which only ever decodes the newest frame.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from spatialgeo_ros.memory.slot import NewestSlot
from spatialgeo_ros.node.conversions import stamp_to_ns
from spatialgeo_ros.node.pairing import Pair, StampPairing
from spatialgeo_ros.node.parameters import CameraConfig, Config
from spatialgeo_ros.node.stream_statistics import Counters, StreamStatistics

try:  # the events moved when QoS events became middleware events (Iron)
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

try:
    from vision_msgs.msg import Detection2DArray
except ImportError:  # optional: without it there are no detections to subscribe to
    Detection2DArray = None

# A stamp this much older than the last one is not a late message but a bag that started again.
_JUMP_NS = 1_000_000_000


@dataclass(frozen=True, eq=False)
class RawFrame:
    """The messages of one frame as they arrived, with the monotonic time of arrival in seconds."""

    image: Image | CompressedImage
    depth: Image | CompressedImage | None
    sequence: int
    received: float


class CameraInput:
    """Everything the node receives from one camera."""

    def __init__(
        self,
        node: Node,
        camera: CameraConfig,
        config: Config,
        on_frame: Callable[[], None],
        on_time_jump: Callable[[str], None],
    ) -> None:
        """Prepare the input; :meth:`start` subscribes.

        Args:
            node: Owner of the subscriptions.
            camera: Topics and transport.
            config: Synchronisation slop and waits.
            on_frame: Called whenever :meth:`take` may have something new.
            on_time_jump: Called with a description when the stamps start over.
        """
        self.config = camera
        self.counters = Counters()
        self.images = StreamStatistics()
        self.depths = StreamStatistics()
        self.slot: NewestSlot[RawFrame] = NewestSlot()
        self.info: CameraInfo | None = None
        self.image_topic = node.resolve_topic_name(camera.image_topic)
        if camera.image_transport == "compressed":
            # The convention of image_transport: remap the base topic, then append the transport.
            self.image_topic += "/compressed"
        self.info_topic = node.resolve_topic_name(camera.camera_info_topic)
        self.depth_topic = camera.depth_topic and node.resolve_topic_name(camera.depth_topic)
        if camera.depth_topic and camera.depth_transport == "compressedDepth":
            self.depth_topic += "/compressedDepth"
        self._node = node
        self._on_frame = on_frame
        self._on_time_jump = on_time_jump
        self._lock = threading.Lock()
        self._pairing: StampPairing[tuple[Any, int, float], Any] = StampPairing(
            round(config.depth_slop * 1e9),
            config.depth_wait,
            lambda: bool(self.depth_topic) and node.count_publishers(self.depth_topic) > 0,
        )
        self._detections: deque[Any] = deque(maxlen=16)
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
        if camera.detections_topic and Detection2DArray is not None:
            self._subscribe(Detection2DArray, camera.detections_topic, self._on_detections)
        self.images.restart()
        self.depths.restart()

    def stop(self) -> None:
        """Unsubscribe and forget what waits."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()
        self.clear()

    def clear(self) -> None:
        """Forget everything that belongs to the time before a jump; calibration stays."""
        with self._lock:
            self._pairing.clear()
            self._last_stamp = 0
            self.slot.clear()
        self._detections.clear()
        self.images.restart()
        self.depths.restart()

    def take(self) -> RawFrame | None:
        """Return the newest frame that has not been taken yet, without waiting."""
        with self._lock:
            self._store(self._pairing.overdue(time.monotonic()))
        return self.slot.take(0.0)

    def ready_at(self) -> float | None:
        """Return the monotonic time at which :meth:`take` has a frame, or None when none waits."""
        if self.slot.peek() is not None:
            return 0.0
        with self._lock:
            return self._pairing.next_overdue()

    def detections_at(self, stamp_ns: int, slop_ns: int) -> Any | None:
        """Return the Detection2DArray closest to ``stamp_ns``, within ``slop_ns``."""
        best = min(
            tuple(self._detections),
            key=lambda message: abs(stamp_to_ns(message.header.stamp) - stamp_ns),
            default=None,
        )
        return best if best and abs(stamp_to_ns(best.header.stamp) - stamp_ns) <= slop_ns else None

    @property
    def unmatched_images(self) -> int:
        """Images that were dropped or used without depth although depth arrives."""
        return self._pairing.unmatched_images

    @property
    def unmatched_depths(self) -> int:
        """Depth images that no image was found for."""
        return self._pairing.unmatched_depths

    def _on_detections(self, message: Any) -> None:
        self._detections.append(message)  # rclpy takes no built-in function as a callback

    def _subscribe(self, message_type: type, topic: str, callback: Callable) -> None:
        qos = QoSProfile(
            reliability=qos_profile_sensor_data.reliability,
            durability=qos_profile_sensor_data.durability,
            history=qos_profile_sensor_data.history,
            depth=1,
        )
        events = SubscriptionEventCallbacks(
            incompatible_qos=lambda event: self._on_incompatible_qos(topic, event)
        )
        self._subscriptions.append(
            self._node.create_subscription(
                message_type,
                topic,
                callback,
                qos,
                # A group of its own: in a shared one, images that are always ready starve depth
                # and camera_info on a busy machine.
                callback_group=MutuallyExclusiveCallbackGroup(),
                event_callbacks=events,
                qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            )
        )

    def _on_image(self, message: Image | CompressedImage) -> None:
        stamp = stamp_to_ns(message.header.stamp)
        self.images.add(stamp)
        if not message.header.frame_id:
            self.counters.add(
                "without_frame_id",
                f"the images on {self.image_topic} have an empty frame_id: TF cannot place them, "
                "and RViz cannot show what is measured in them",
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
            self._store(self._pairing.add_image(stamp, (message, self._sequence, now), now))
        self._on_frame()

    def _on_depth(self, message: Image | CompressedImage) -> None:
        stamp = stamp_to_ns(message.header.stamp)
        self.depths.add(stamp)
        with self._lock:
            self._store(self._pairing.add_depth(stamp, message, time.monotonic()))
        self._on_frame()

    def _on_info(self, message: CameraInfo) -> None:
        # Kept like a latched message: drivers may publish it once, or at another rate than images.
        # The worker notices a change, since the message object differs.
        self.info = message

    def _store(self, pair: Pair[tuple[Any, int, float], Any] | None) -> None:
        if pair is not None:
            message, sequence, received = pair.image
            self.slot.put(RawFrame(message, pair.depth, sequence, received))

    def _on_incompatible_qos(self, topic: str, event: Any) -> None:
        reason = (
            f"a publisher of '{topic}' offers incompatible QoS; set "
            f"qos_overrides.{self._node.resolve_topic_name(topic)}.subscription.*"
        )
        if self.counters.add("incompatible_qos", reason, event.total_count_change):
            self._node.get_logger().warning(reason)
