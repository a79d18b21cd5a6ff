# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the ROS graph tells about a topic that is silent: DDS matches names and types in silence."""

from __future__ import annotations

import importlib.util
from collections.abc import Collection, Iterator
from typing import Any, Protocol

from rclpy.qos import DurabilityPolicy, QoSCompatibility, ReliabilityPolicy, qos_check_compatible

from spatialgeo_ros.findings.finding import Finding
from spatialgeo_ros.node.parameters import CameraConfig, Config

_IMAGE, _COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
_INFO, _ODOMETRY = "sensor_msgs/msg/CameraInfo", "nav_msgs/msg/Odometry"
_DETECTIONS = "vision_msgs/msg/Detection2DArray"
_VISION_INFO = "vision_msgs/msg/VisionInfo"


class Graph(Protocol):
    """What is asked of a node."""

    def get_publishers_info_by_topic(self, topic_name: str) -> list[Any]:
        """Return the publishers of a fully qualified topic, with ``topic_type``."""

    def get_subscriptions_info_by_topic(self, topic_name: str) -> list[Any]:
        """Return the subscriptions of a fully qualified topic, with ``qos_profile``."""

    def get_node_names_and_namespaces(self) -> list[tuple[str, str]]:
        """Return all nodes of the graph, with one entry for each."""

    def resolve_topic_name(self, topic: str) -> str:
        """Return the fully qualified name, remapped."""

    def get_name(self) -> str:
        """Return the node's name."""

    def get_namespace(self) -> str:
        """Return the node's namespace."""


def silent_image(graph: Graph, camera: CameraConfig) -> Finding:
    """Say why no image comes from a camera, with the cure; never empty."""
    return _silent_images(
        graph, camera.name, "image", camera.image_topic, camera.image_transport, "compressed"
    )


def silent_depth(graph: Graph, camera: CameraConfig) -> Finding | None:
    """Say why no depth comes from a camera; None when none is wanted."""
    if not camera.depth_topic:
        return None
    return _silent_images(
        graph, camera.name, "depth", camera.depth_topic, camera.depth_transport, "compressedDepth"
    )


def wrong_types(graph: Graph, camera: CameraConfig) -> Iterator[Finding]:
    """Yield what is wrong with the types on a camera's CameraInfo and detections topics."""
    for id, parameter, topic, wanted in (
        ("camera-info-type", "camera_info_topic", camera.camera_info_topic, _INFO),
        ("camera-info-type", "depth_camera_info_topic", camera.depth_camera_info_topic, _INFO),
        ("detections-type", "detections_topic", camera.detections_topic, _DETECTIONS),
        ("detections-type", "vision_info_topic", camera.vision_info_topic, _VISION_INFO),
    ):
        if topic:
            yield from _wrong_type(graph, id, f"{camera.name}.{parameter}", topic, wanted)
    if camera.detections_topic and not _is_installed("vision_msgs"):
        topic = graph.resolve_topic_name(camera.detections_topic)
        if _DETECTIONS in _types(graph, topic):
            yield Finding(
                "vision-msgs-missing",
                f"detections are published on {topic}, but vision_msgs is not installed: "
                "install ros-$ROS_DISTRO-vision-msgs and start the node again",
            )


def wrong_odometry(graph: Graph, config: Config) -> Iterator[Finding]:
    """Yield what is wrong with the type on the odometry topic, where odometry is used."""
    if config.pose_source in ("auto", "odometry"):
        topic = config.odometry_topic
        yield from _wrong_type(graph, "odometry-type", "odometry_topic", topic, _ODOMETRY)


def namesakes(graph: Graph, name: str = "", namespace: str = "") -> Finding | None:
    """Say that several nodes have one name; None when only one has.

    Args:
        graph: Who is asked.
        name: Of the node in question; "" for the one that is asked.
        namespace: Its namespace.
    """
    own = (name or graph.get_name(), namespace if name else graph.get_namespace())
    count = sum(tuple(entry[:2]) == own for entry in graph.get_node_names_and_namespaces())
    if count < 2:
        return None
    full = "/".join((own[1].rstrip("/"), own[0]))
    return Finding(
        "namesakes",
        f"{count} nodes are called {full}: requests and parameters reach any of them; give each a "
        "name or namespace of its own (-r __ns:=/...)",
    )


def no_clock(node: Any) -> Finding | None:
    """Say that a node of simulated time has none; None where it has, or takes the system's.

    Args:
        node: Of rclpy.
    """
    if not node.get_parameter("use_sim_time").value:
        return None
    given = "use_sim_time is true, but"
    cure = "start the simulator or play the bag with --clock, or set use_sim_time to false"
    if node.count_publishers("/clock") == 0:
        return Finding("clock-missing", f"{given} nobody publishes /clock: {cure}")
    if node.get_clock().now().nanoseconds == 0:
        return Finding("clock-missing", f"{given} nothing has come on /clock: {cure}")
    return None


def several_publishers(graph: Graph, topic: str) -> Finding | None:
    """Say that more than one node publishes a topic that has one source."""
    publishers = graph.get_publishers_info_by_topic(topic)
    if len(publishers) < 2:
        return None
    names = sorted({_full_name(one) for one in publishers})
    return Finding(
        "publishers-several",
        f"{len(publishers)} publishers are on {topic} ({', '.join(names)}): their messages are "
        "taken for those of one; give each robot a namespace, or stop one of them",
    )


def incompatible_qos(graph: Graph, topic: str, subscribers: Collection[str]) -> Finding | None:
    """Say that publishers of a topic offer less than a node's subscription asks for.

    Args:
        graph: Who is asked.
        topic: Fully qualified.
        subscribers: Full names of the nodes whose subscriptions count.
    """
    for theirs in graph.get_subscriptions_info_by_topic(topic):
        if (subscriber := _full_name(theirs)) not in subscribers:
            continue
        for one in graph.get_publishers_info_by_topic(topic):
            compatibility, reason = qos_check_compatible(one.qos_profile, theirs.qos_profile)
            if compatibility != QoSCompatibility.ERROR:
                continue
            prefix = f"qos_overrides.{topic}.subscription"
            settings = {}
            if one.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT:
                settings[f"{prefix}.reliability"] = "best_effort"
            if one.qos_profile.durability == DurabilityPolicy.VOLATILE:
                settings[f"{prefix}.durability"] = "volatile"
            cures = " and ".join(f"{name} to {value}" for name, value in settings.items())
            return Finding(
                "qos-incompatible",
                f"{_full_name(one)} publishes {topic} with a QoS that {subscriber} does not accept "
                f"({reason.strip().rstrip(';')}): set {cures or prefix + '.*'}",
                settings,
            )
    return None


def latched_info(topic: str) -> Finding:
    """Say that a calibration is published once, and only for subscriptions that ask for it."""
    prefix = f"qos_overrides.{topic}.subscription"
    return Finding(
        "camera-info-latched",
        f"{topic} was published once, latched (transient local): a subscription that asks for what "
        "comes now never gets it; let the driver publish it with every image, or set "
        f"{prefix}.durability to transient_local and {prefix}.reliability to reliable",
        {f"{prefix}.durability": "transient_local", f"{prefix}.reliability": "reliable"},
    )


def _full_name(endpoint: Any) -> str:
    return f"{endpoint.node_namespace.rstrip('/')}/{endpoint.node_name}"


#: What is wrong with a topic of images, by the word for them.
_MISSING = {"image": "image-missing", "depth": "depth-missing"}
_TYPE = {"image": "image-type", "depth": "depth-type"}
_SILENT = {"image": "image-silent", "depth": "depth-silent"}


def _silent_images(
    graph: Graph, camera: str, what: str, base: str, transport: str, packed: str
) -> Finding:
    """Say why nothing comes on an image topic: ``packed`` is the other transport beside raw."""
    topic = graph.resolve_topic_name(base)
    raw = transport == "raw"
    found, beside = _types(graph, topic), _types(graph, f"{topic}/{packed}")
    use = f"set {camera}.{what}_transport to"
    transports = {f"{camera}.{what}_transport": packed if raw else "raw"}
    if _COMPRESSED in found and not (raw and _IMAGE in found):
        parent = topic.removesuffix(f"/{packed}")
        cure = f"{use} {packed} and " if raw else ""
        settings = transports if raw else {}
        if parent != topic:
            cure += f"set {camera}.{what}_topic to {parent}"
            settings = {**settings, f"{camera}.{what}_topic": parent}
        else:  # the transport's own ending is missing
            cure += f"remap {topic}/{packed} to {topic}"
            settings = {}
        return Finding(_TYPE[what], f"{topic} carries {_COMPRESSED}: {cure}", settings)
    if raw and not found and _COMPRESSED in beside:
        text = f"only {topic}/{packed} is published: {use} {packed}"
        return Finding(_TYPE[what], text, transports)
    if not raw and not beside and _IMAGE in found:
        text = f"only {topic} is published, as {_IMAGE}: {use} raw"
        return Finding(_TYPE[what], text, transports)
    wanted, there = (_IMAGE, found) if raw else (_COMPRESSED, beside)
    if not there:
        return Finding(
            _MISSING[what],
            "nobody publishes it: is the camera driver running, and is the topic right? (set "
            f"{camera}.{what}_topic)",
        )
    if wanted not in there:
        return Finding(
            _TYPE[what],
            f"{topic} carries {', '.join(sorted(there))}, not {wanted}: is the topic right? (set "
            f"{camera}.{what}_topic)",
        )
    return Finding(_SILENT[what], "its publisher is there and silent: is the camera streaming?")


def _wrong_type(graph: Graph, id: str, parameter: str, name: str, wanted: str) -> Iterator[Finding]:
    topic = graph.resolve_topic_name(name)
    found = _types(graph, topic)
    if found and wanted not in found:
        text = f"{topic} carries {', '.join(sorted(found))}, not {wanted}: set {parameter}"
        yield Finding(id, text)


def _types(graph: Graph, topic: str) -> set[str]:
    return {publisher.topic_type for publisher in graph.get_publishers_info_by_topic(topic)}


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
