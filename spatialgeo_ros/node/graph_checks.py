# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the ROS graph tells about a topic that is silent: DDS matches names and types in silence."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import Any, Protocol

from spatialgeo_ros.node.parameters import CameraConfig, Config

_IMAGE, _COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
_INFO, _ODOMETRY = "sensor_msgs/msg/CameraInfo", "nav_msgs/msg/Odometry"
_DETECTIONS = "vision_msgs/msg/Detection2DArray"
_VISION_INFO = "vision_msgs/msg/VisionInfo"


class Graph(Protocol):
    """What is asked of a node."""

    def get_publishers_info_by_topic(self, topic_name: str) -> list[Any]:
        """Return the publishers of a fully qualified topic, with ``topic_type``."""

    def get_node_names_and_namespaces(self) -> list[tuple[str, str]]:
        """Return all nodes of the graph, with one entry for each."""

    def resolve_topic_name(self, topic: str) -> str:
        """Return the fully qualified name, remapped."""

    def get_name(self) -> str:
        """Return the node's name."""

    def get_namespace(self) -> str:
        """Return the node's namespace."""


def silent_image(graph: Graph, camera: CameraConfig) -> str:
    """Say why no image comes from a camera, with the cure; never empty."""
    return _silent_images(
        graph, camera.name, "image", camera.image_topic, camera.image_transport, "compressed"
    )


def silent_depth(graph: Graph, camera: CameraConfig) -> str:
    """Say why no depth comes from a camera; empty when nobody publishes any."""
    if not camera.depth_topic:
        return ""
    reason = _silent_images(
        graph, camera.name, "depth", camera.depth_topic, camera.depth_transport, "compressedDepth"
    )
    return "" if reason.startswith(_NOBODY) else reason


def wrong_types(graph: Graph, camera: CameraConfig) -> Iterator[str]:
    """Yield what is wrong with the types on a camera's CameraInfo and detections topics."""
    for parameter, topic, wanted in (
        ("camera_info_topic", camera.camera_info_topic, _INFO),
        ("depth_camera_info_topic", camera.depth_camera_info_topic, _INFO),
        ("detections_topic", camera.detections_topic, _DETECTIONS),
        ("vision_info_topic", camera.vision_info_topic, _VISION_INFO),
    ):
        if topic:
            yield from _wrong_type(graph, f"{camera.name}.{parameter}", topic, wanted)
    if camera.detections_topic and not _is_installed("vision_msgs"):
        topic = graph.resolve_topic_name(camera.detections_topic)
        if _DETECTIONS in _types(graph, topic):
            yield (
                f"detections are published on {topic}, but vision_msgs is not installed: "
                "install ros-$ROS_DISTRO-vision-msgs and start the node again"
            )


def wrong_odometry(graph: Graph, config: Config) -> Iterator[str]:
    """Yield what is wrong with the type on the odometry topic, where odometry is used."""
    if config.pose_source in ("auto", "odometry"):
        yield from _wrong_type(graph, "odometry_topic", config.odometry_topic, _ODOMETRY)


def namesakes(graph: Graph) -> str:
    """Say that another node has this node's name; empty when none has."""
    own = (graph.get_name(), graph.get_namespace())
    count = sum(tuple(entry[:2]) == own for entry in graph.get_node_names_and_namespaces())
    if count < 2:
        return ""
    full = "/".join((own[1].rstrip("/"), own[0]))
    return (
        f"{count} nodes are called {full}: requests and parameters reach any of them; give each a "
        "name or namespace of its own (-r __ns:=/...)"
    )


_NOBODY = "nobody publishes it"


def _silent_images(
    graph: Graph, camera: str, what: str, base: str, transport: str, packed: str
) -> str:
    """Say why nothing comes on an image topic: ``packed`` is the other transport beside raw."""
    topic = graph.resolve_topic_name(base)
    raw = transport == "raw"
    found, beside = _types(graph, topic), _types(graph, f"{topic}/{packed}")
    use = f"set {camera}.{what}_transport to"
    if _COMPRESSED in found and not (raw and _IMAGE in found):
        parent = topic.removesuffix(f"/{packed}")
        cure = f"{use} {packed} and " if raw else ""
        if parent != topic:
            cure += f"set {camera}.{what}_topic to {parent}"
        else:  # the transport's own ending is missing
            cure += f"remap {topic}/{packed} to {topic}"
        return f"{topic} carries {_COMPRESSED}: {cure}"
    if raw and not found and _COMPRESSED in beside:
        return f"only {topic}/{packed} is published: {use} {packed}"
    if not raw and not beside and _IMAGE in found:
        return f"only {topic} is published, as {_IMAGE}: {use} raw"
    wanted, there = (_IMAGE, found) if raw else (_COMPRESSED, beside)
    if not there:
        return f"{_NOBODY}: is the camera driver running, and is the topic right?"
    if wanted not in there:
        return f"{topic} carries {', '.join(sorted(there))}, not {wanted}: is the topic right?"
    return "its publisher is there and silent: is the camera streaming?"


def _wrong_type(graph: Graph, parameter: str, name: str, wanted: str) -> Iterator[str]:
    topic = graph.resolve_topic_name(name)
    found = _types(graph, topic)
    if found and wanted not in found:
        yield f"{topic} carries {', '.join(sorted(found))}, not {wanted}: set {parameter}"


def _types(graph: Graph, topic: str) -> set[str]:
    return {publisher.topic_type for publisher in graph.get_publishers_info_by_topic(topic)}


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
