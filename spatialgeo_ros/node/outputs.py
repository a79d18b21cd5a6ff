# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The publishers. Every header is the source image's; what costs time is made for subscribers only.

The lanes and callbacks call it; what it draws and remembers is behind one lock.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Float64, Header
from visualization_msgs.msg import MarkerArray

from spatialgeo_ros import drawing
from spatialgeo_ros.msg import DistanceEstimate, KeyframeArray, SpatialAnswer
from spatialgeo_ros.node.conversions import (
    camera_to_info,
    depth_to_image,
    pointmap_to_cloud,
    rgb_to_image,
)
from spatialgeo_ros.node.keyframe_markers import keyframe_markers
from spatialgeo_ros.node.lifecycle_publishers import IMAGES, LATCHED, RESULTS, LifecyclePublishers
from spatialgeo_ros.node.markers import MarkerBoard
from spatialgeo_ros.node.messages import REQUEST, Measurement, frame_header, keyframes_message
from spatialgeo_ros.node.object_outputs import ObjectOutputs

#: Stages whose durations are published, seconds.
LATENCIES = (
    "stamp_to_processed",
    "waiting",
    "decode",
    "geometry",
    "keyframes",
    "free_space",
    "map",
    "request",
    "language",
)


class Outputs:
    """Topics of results, of the frame memory (latched) and of images."""

    def __init__(
        self,
        node: LifecycleNode,
        marker_lifetime: Callable[[], float],
        objects_rate: Callable[[], float],
    ) -> None:
        """Create the publishers; they are silent unless the node is active.

        Args:
            node: Owner of the publishers.
            marker_lifetime: Called for the seconds that a marker is shown.
            objects_rate: Called for how often the object map is published at most, Hz.

        Attributes:
            objects: publishes the object map.
        """
        self._node = node
        self._marker_lifetime = marker_lifetime
        self._lock = threading.Lock()
        self._board = MarkerBoard()
        self.objects = ObjectOutputs(node, objects_rate)
        self._overlay_until = 0.0
        self._publishers = LifecyclePublishers(node)
        create = self._publishers.create
        self._answers = create(SpatialAnswer, "answers", RESULTS)
        self._distances = create(DistanceEstimate, "distances", RESULTS)
        self._markers = create(MarkerArray, "markers", RESULTS)
        self._keyframes = create(KeyframeArray, "keyframes", LATCHED)
        self._views = create(MarkerArray, "keyframe_markers", LATCHED)
        self._views_in = ""  # the frame of what is shown
        self._depth = create(Image, "depth/image", IMAGES)
        self._depth_info = create(CameraInfo, "depth/camera_info", IMAGES)
        self._points = create(PointCloud2, "points", IMAGES)
        self._overlay = create(Image, "overlay", IMAGES)
        self._latencies = {
            stage: create(Float64, f"latency/{stage}", RESULTS) for stage in LATENCIES
        }

    def close(self) -> None:
        """Destroy the publishers."""
        self._publishers.close()
        self.objects.close()

    def publish_result(self, message: SpatialAnswer) -> None:
        """Publish the answer of a program that was run on the object map."""
        self._answers.publish(message)

    def publish_observation(self, perception: Any, observation: Any) -> None:
        """Publish what a processed frame shows, to those who listen."""
        frame, pointmap = observation.frame, observation.pointmap
        header = frame_header(frame)
        if pointmap is not None:
            if self._wanted(self._depth):
                self._depth.publish(depth_to_image(pointmap.depth, header))
            if self._wanted(self._depth_info):
                self._depth_info.publish(camera_to_info(pointmap.camera, header))
            if self._wanted(self._points):
                self._points.publish(pointmap_to_cloud(pointmap, frame.image, header))
        decision = observation.keyframe
        if decision is not None and decision.kept:
            kept = perception.keyframes()
            message = keyframes_message(kept, frame, perception.describe())
            message.header.frame_id = world_frame(kept)
            self._keyframes.publish(message)
            self._publish_views(kept, message.header)

    def _publish_views(self, kept: Sequence[Any], header: Header) -> None:
        """Show keyframes; those that no longer have a place are deleted in the frame they had."""
        with self._lock:
            if not header.frame_id and not self._views_in:
                return  # nothing was ever shown
            views = Header(stamp=header.stamp, frame_id=header.frame_id or self._views_in)
            self._views_in = header.frame_id
            self._views.publish(keyframe_markers(kept, views))

    def publish_answer(
        self, message: SpatialAnswer, measurement: Measurement | None, text: str
    ) -> None:
        """Publish an answer of a text, with what was measured for it where that is new."""
        self._answers.publish(message)
        if measurement is not None:
            self.publish_measurements([measurement], message.question, text)

    def publish_measurements(
        self,
        measurements: Sequence[Measurement],
        question: str = "",
        answer: str = "",
    ) -> None:
        """Publish measurements as messages, markers and overlay."""
        with self._lock:
            for measurement in measurements:
                for message in measurement.messages:
                    self._distances.publish(message)
                self._markers.publish(
                    self._board.show(
                        measurement.name, measurement.in_camera, self._marker_lifetime()
                    )
                )
            if measurements:
                self._draw(measurements, question, answer)

    def publish_picture(self, observation: Any) -> None:
        """Publish the plain image where nothing was measured in it."""
        with self._lock:
            self._draw([Measurement("", observation.frame, ())], "", "")

    def publish_latencies(self, latencies: Mapping[str, float]) -> None:
        """Publish how long stages took, seconds, on ``~/latency/<stage>``."""
        for stage, seconds in latencies.items():
            publisher = self._latencies.get(stage.replace(" ", "_"))
            if publisher is not None:
                publisher.publish(Float64(data=float(seconds)))

    def report(self, text: str) -> None:
        """Log a failure that costs nobody an answer."""
        self._node.get_logger().error(text, throttle_duration_sec=5.0)

    def _draw(self, measurements: Sequence[Measurement], question: str, answer: str) -> None:
        """Draw what was measured into its image."""
        # What a request measured stays to be seen as long as its markers do.
        now = time.monotonic()
        asked = bool(question) or any(one.name == REQUEST for one in measurements)
        if not self._wanted(self._overlay) or (not asked and now < self._overlay_until):
            return
        if asked:
            self._overlay_until = now + self._marker_lifetime()
        frame = measurements[-1].frame
        here = [one for one in measurements if one.frame is frame]
        try:
            picture = drawing.draw_overlay(
                frame.image,
                camera=frame.model,
                regions=[region for one in here for region in one.regions],
                masks=[mask for one in here for mask in one.masks],
                distances=[estimate for one in here for estimate in one.estimates],
                question=question,
                answer=answer,
            )
        except Exception:  # a picture that fails must not cost what it shows
            self.report(f"drawing the overlay:\n{traceback.format_exc()}")
            return
        self._overlay.publish(rgb_to_image(picture, frame_header(frame)))

    def clear_markers(self, namespace: str = "") -> None:
        """Delete the markers of one measurement, or all if ``namespace`` is empty."""
        with self._lock:
            message = self._board.clear(namespace)
            if message.markers:
                self._markers.publish(message)
            if not namespace and self._views_in:
                self._views.publish(keyframe_markers((), Header(frame_id=self._views_in)))
                self._views_in = ""

    def _wanted(self, publisher: Any) -> bool:
        return publisher.get_subscription_count() > 0


def world_frame(kept: Sequence[Any]) -> str:
    """Return the frame of the keyframes' poses, whether or not the newest image has a pose."""
    frames = [one.payload.frame for one in kept]
    return next((frame.world_frame for frame in reversed(frames) if frame.pose is not None), "")
