# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Publishes the object map: ``~/objects``, ``~/object_markers`` (latched), ``~/detections_3d``."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from rclpy.lifecycle import LifecycleNode
from visualization_msgs.msg import MarkerArray

from spatialgeo_ros.errors import NoMapError
from spatialgeo_ros.memory.snapshot import MapSnapshot, Presence
from spatialgeo_ros.msg import SpatialObjectArray
from spatialgeo_ros.node.conversions import pose_to_msg
from spatialgeo_ros.node.lifecycle_publishers import LATCHED, RESULTS, LifecyclePublishers
from spatialgeo_ros.node.object_markers import object_markers
from spatialgeo_ros.node.object_messages import (
    empty_objects_message,
    objects_message,
    placed,
    snapshot_header,
)

try:
    import vision_msgs.msg as vision
except ImportError:  # optional
    vision = None

NO_VISION = "no ~/detections_3d: vision_msgs is not installed (ros-$ROS_DISTRO-vision-msgs)"
_UNHEARD = 5.0  # s between messages that nobody listens to; who comes late gets the last one
_SHARE = 0.1  # of the geometry lane's time that publishing may take


class ObjectOutputs:
    """Publishers of the object map; a bounded rate, and a map that ends is said at once."""

    def __init__(
        self,
        node: LifecycleNode,
        rate: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create the publishers; they are silent unless the node is active.

        Args:
            node: Owner of the publishers.
            rate: Most messages a second; read before each.
            clock: Monotonic seconds.
        """
        self._rate, self._clock = rate, clock
        self._lock = threading.Lock()
        self._due, self._last = 0.0, -_UNHEARD
        self._frame = ""
        self._missing: str | None = None
        self._publishers = LifecyclePublishers(node)
        create = self._publishers.create
        self._objects = create(SpatialObjectArray, "objects", LATCHED)
        self._markers = create(MarkerArray, "object_markers", LATCHED)
        self._detections = None
        if vision is not None:
            self._detections = create(vision.Detection3DArray, "detections_3d", RESULTS)
        else:
            node.get_logger().info(NO_VISION)

    def close(self) -> None:
        """Destroy the publishers."""
        self._publishers.close()

    def publish(self, perception: Any, *, now: bool = False) -> None:
        """Publish the map where it is due; ``now`` always. On the geometry lane."""
        started = self._clock()
        with self._lock:
            heard = self._publishers.is_heard()
            due = self._due if heard else max(self._due, self._last + _UNHEARD)
            if started < due and not now:
                return
            self._last = started
        try:
            self._publish_map(perception.objects(), perception.describe().get("degraded", ()))
        except NoMapError as error:
            self._publish_nothing(str(error))
        # A map of thousands takes its time: never more than a share of the lane's.
        cost = (self._clock() - started) / _SHARE
        with self._lock:
            self._due = started + max(1.0 / self._rate(), cost)

    def _publish_map(self, snapshot: MapSnapshot, degraded: Iterable[str]) -> None:
        with self._lock:
            self._missing, self._frame = None, snapshot.frame
            self._objects.publish(objects_message(snapshot, degraded))
            self._markers.publish(object_markers(snapshot))
            if self._detections is not None and self._detections.get_subscription_count() > 0:
                self._detections.publish(detections_message(snapshot))

    def clear_markers(self) -> None:
        """Take the markers back: the node stops."""
        with self._lock:
            if self._frame:
                self._markers.publish(object_markers(None, self._frame))
            self._missing = None

    def _publish_nothing(self, reason: str) -> None:
        """Say, once for each reason, that there is no map."""
        with self._lock:
            if reason == self._missing:
                return
            self._missing = reason
            self._objects.publish(empty_objects_message([reason]))
            if self._frame:  # nothing was ever shown without one
                self._markers.publish(object_markers(None, self._frame))


def detections_3d_available() -> bool:
    """Whether ``~/detections_3d`` can be published here."""
    return vision is not None


def detections_message(snapshot: MapSnapshot) -> Any:
    """Return the objects that are there as a ``vision_msgs/Detection3DArray``."""
    header = snapshot_header(snapshot)
    message = vision.Detection3DArray(header=header)
    for thing in snapshot.objects:
        if thing.state is Presence.GONE:
            continue
        detection = vision.Detection3D(header=header, id=thing.id)
        pose, covariance = placed(thing, None)
        result = vision.ObjectHypothesisWithPose()
        result.hypothesis.class_id = thing.label
        result.hypothesis.score = float(thing.probability)
        result.pose.pose = pose_to_msg(pose)
        result.pose.covariance = covariance
        detection.results = [result]
        detection.bbox.center = pose_to_msg(pose)
        size = detection.bbox.size
        size.x, size.y, size.z = (float(value) for value in thing.size)
        message.detections.append(detection)
    return message
