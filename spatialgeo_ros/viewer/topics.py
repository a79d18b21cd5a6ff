# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Subscriptions to the cameras and to what the node publishes; nothing is decoded here."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from std_msgs.msg import Float64

from spatialgeo_ros.msg import DistanceEstimate, KeyframeArray, SpatialAnswer, SpatialObjectArray
from spatialgeo_ros.node import parameters
from spatialgeo_ros.node.lifecycle_publishers import LATCHED
from spatialgeo_ros.node.outputs import LATENCIES
from spatialgeo_ros.node.parameters import CameraConfig
from spatialgeo_ros.node.pose_source import make_pose_source
from spatialgeo_ros.node.receiver import Receiver
from spatialgeo_ros.node.tf_listener import TfListener
from spatialgeo_ros.viewer.remote_node import Spinner
from spatialgeo_ros.viewer.streams import EventStream, FramesStream, NewestStream

try:
    from vision_msgs.msg import Detection2DArray
except ImportError:  # optional: without it nobody publishes boxes
    Detection2DArray = None

_NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
_RESULTS = QoSProfile(depth=50, reliability=ReliabilityPolicy.RELIABLE)


# Parameters that mean something where the node runs: its clock, and a file there.
_OF_ITS_MACHINE = ("use_sim_time", ".detection_labels_file")
Stream = NewestStream | FramesStream | EventStream


@dataclass(frozen=True)
class Rates:
    """How much is looked at.

    Attributes:
        images: of each camera, Hz at most; 0: all.
        clouds: Hz at most; 0: no clouds, and the node makes none for this viewer.
        overlays: whether the node's own pictures are wanted; it draws them only for listeners.
    """

    images: float = 10.0
    clouds: float = 2.0
    overlays: bool = True


class Topics:
    """What comes from a node and its cameras, and where the cameras are.

    The topics are those of its parameters, seen from its namespace. Topics that the node remaps
    must be remapped for the viewer too.

    Args:
        context: of ROS.
        name: full name of the node.
        values: its parameters.
        rates: how much is looked at.
        wake: set whenever something came.

    Attributes:
        config: the node's parameters.
        poses: where cameras were, as the node finds it.
        images: of each camera.
        infos: CameraInfo of each camera, None until it came.

    Raises:
        ParameterError: the node has parameters that this version does not know how to read.
    """

    def __init__(
        self,
        context: Any,
        name: str,
        values: Sequence[Parameter],
        rates: Rates,
        wake: threading.Event,
    ) -> None:
        self._wake = wake
        self._node = node = rclpy.create_node(
            f"spatialgeo_view_topics_{os.getpid()}",
            namespace=name.rpartition("/")[0],
            context=context,
            parameter_overrides=[one for one in values if not one.name.endswith(_OF_ITS_MACHINE)],
        )
        self._receiver = Receiver(node)
        try:
            parameters.declare(node)
            self.config = parameters.read(node)
            self.poses = make_pose_source(self._receiver, TfListener(self._receiver), self.config)
            self._name = name
            self.images: dict[str, NewestStream] = {}
            self.detections: dict[str, NewestStream] = {}
            self.infos: dict[str, CameraInfo | None] = {}
            for camera in self.config.cameras:
                self._add_camera(camera, rates)
            self.clouds = FramesStream("clouds", rates.clouds)
            self.overlays = FramesStream("overlays", rates.images)
            self.objects = NewestStream("objects")
            self.keyframes = NewestStream("keyframes")
            self.distances = EventStream("distances")
            self.answers = EventStream("answers")
            self.diagnostics = EventStream("diagnostics")
            self.latencies = {stage: NewestStream(f"latency {stage}") for stage in LATENCIES}
            self._add_results(rates)
        except BaseException:
            self._receiver.close()
            node.destroy_node()
            raise
        self._spinner = Spinner(node, context)

    def streams(self) -> Iterator[Stream]:
        """All of them, for a summary."""
        yield from self.images.values()
        yield from self.detections.values()
        yield from (self.clouds, self.overlays, self.objects, self.keyframes)
        yield from (self.distances, self.answers, self.diagnostics)

    def close(self) -> None:
        """Leave the graph."""
        self.poses.close()
        self._receiver.close()
        self._spinner.close()

    def _add_camera(self, camera: CameraConfig, rates: Rates) -> None:
        name = camera.name
        self.images[name] = stream = NewestStream(f"images of {name}", rates.images)
        self.infos[name] = None
        if camera.image_transport == "compressed":
            self._subscribe(CompressedImage, f"{camera.image_topic}/compressed", stream, _NEWEST)
        else:
            self._subscribe(Image, camera.image_topic, stream, _NEWEST)
        self._node.create_subscription(
            CameraInfo,
            camera.camera_info_topic,
            lambda message: self.infos.__setitem__(name, message),
            qos_profile_sensor_data,
        )
        if camera.detections_topic and Detection2DArray is not None:
            boxes = self.detections[name] = NewestStream(f"detections of {name}", rates.images)
            self._subscribe(Detection2DArray, camera.detections_topic, boxes, _NEWEST)

    def _add_results(self, rates: Rates) -> None:
        own = self._name
        if rates.clouds > 0:
            self._subscribe(PointCloud2, f"{own}/points", self.clouds, _NEWEST)
        if rates.overlays:
            self._subscribe(Image, f"{own}/overlay", self.overlays, _NEWEST)
        self._subscribe(SpatialObjectArray, f"{own}/objects", self.objects, LATCHED)
        self._subscribe(KeyframeArray, f"{own}/keyframes", self.keyframes, LATCHED)
        self._subscribe(DistanceEstimate, f"{own}/distances", self.distances, _RESULTS)
        self._subscribe(SpatialAnswer, f"{own}/answers", self.answers, _RESULTS)
        self._subscribe(DiagnosticArray, "/diagnostics", self.diagnostics, _RESULTS)
        for stage, stream in self.latencies.items():
            self._subscribe(Float64, f"{own}/latency/{stage}", stream, _RESULTS)

    def _subscribe(self, kind: Any, topic: str, stream: Stream, qos: QoSProfile) -> None:
        def received(message: Any) -> None:
            stream.put(message)
            self._wake.set()

        self._node.create_subscription(kind, topic, received, qos)
