# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``/diagnostics`` at 1 Hz: what comes in, what is lost and why, what runs, how long it takes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from spatialgeo_ros.errors import escaped
from spatialgeo_ros.node import graph_checks
from spatialgeo_ros.node.cameras import CameraInput
from spatialgeo_ros.node.compatibility import fast_dds_profile_variables
from spatialgeo_ros.node.lanes import Lanes
from spatialgeo_ros.node.object_outputs import NO_VISION, detections_3d_available
from spatialgeo_ros.node.parameters import Config
from spatialgeo_ros.node.pose_source import PoseResult, PoseSource
from spatialgeo_ros.node.stream_statistics import Counters, RecentRises
from spatialgeo_ros.node.watches import WatchBoard

_PERIOD = 1.0  # s
_GRAPH_ROUNDS = 5  # of the period: asking the graph about every topic each second costs too much
_LONGEST = 500  # characters of a message or a value
_MOST_SAID = 200  # findings that are remembered as logged


class Host(Protocol):
    """What the diagnostics look at."""

    config: Config
    lanes: Lanes | None
    watches: WatchBoard
    cameras: Mapping[str, CameraInput]
    poses: PoseSource | None
    configure_error: str
    loading: bool
    loading_stage: str

    def is_active(self) -> bool:
        """Whether the lifecycle state is active."""

    def grounding_rate(self) -> float:
        """Return how often own networks look at a camera's images, Hz."""

    def last_pose(self, camera: str) -> PoseResult | None:
        """Return the newest pose lookup of a camera."""


class Diagnostics:
    """Publishes the state of the node, in every lifecycle state.

    What is wrong is a finding: shown as long as it lasts, and logged once.
    """

    def __init__(self, node: Node, host: Host) -> None:
        """Start the timer; it runs on a steady clock, so it does not stop with simulated time."""
        self._node = node
        self._host = host
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._rises = RecentRises()
        self._said: set[str] = set()
        self._round = 0
        self._graph_findings: dict[str, tuple[str, ...]] = {}
        node.create_timer(
            _PERIOD,
            self._publish,
            callback_group=MutuallyExclusiveCallbackGroup(),
            clock=Clock(clock_type=ClockType.STEADY_TIME),
        )

    def _publish(self) -> None:
        message = DiagnosticArray()
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._round += 1
        message.status.append(self._overall())
        for number, camera in enumerate(tuple(self._host.cameras.values())):
            message.status.append(self._camera(camera, number))
        self._publisher.publish(message)

    def _overall(self) -> DiagnosticStatus:
        host, lanes = self._host, self._host.lanes
        status = self._status("perception")
        for finding in self._asked_graph("", self._round, self._about_the_node):
            self._find(status, DiagnosticStatus.WARN, finding)
        if lanes is None:
            if host.loading:
                stage = f": {host.loading_stage}" if host.loading_stage else ""
                text = f"loading profile '{host.config.profile}'{stage}"
                _raise(status, DiagnosticStatus.WARN, text)
            elif host.configure_error:
                text = f"configure failed: {host.configure_error}"
                _raise(status, DiagnosticStatus.ERROR, text)
            else:
                _raise(status, DiagnosticStatus.WARN, "unconfigured")
            return status
        if not host.is_active():
            _raise(status, DiagnosticStatus.WARN, "inactive")
        description = lanes.description
        # Who chose to have no poses need not be told.
        degraded = list(description.get("degraded", ()))
        if host.config.pose_source == "none":
            degraded = [one for one in degraded if "has no pose" not in one]
        for reason in degraded:
            _raise(status, DiagnosticStatus.WARN, reason)
        served = lanes.statistics.counters
        errors = served.get("internal_errors")
        if errors:
            _raise(
                status,
                DiagnosticStatus.WARN,
                f"{errors} internal errors, last: {served.reason('internal_errors')}",
            )
        values = {
            **_texts({**description, "degraded": degraded}),
            "detections_3d": "published" if detections_3d_available() else NO_VISION,
            "queue": f"{lanes.geometry.queue_length} of {host.config.queue_size}",
            "questions waiting for the language model": lanes.language.queue_length,
            "refused as busy": lanes.statistics.counters.get("busy"),
            "standing measurements": len(host.watches),
            "grounding rate": f"{host.grounding_rate():g} Hz",
            "internal errors": errors,
        }
        poses = host.poses
        if poses is not None:
            values["pose source"] = poses.name
            for counter, reason in self._rising(poses.counters, "pose"):
                _raise(status, DiagnosticStatus.WARN, f"{counter}: {reason}")
            values.update(_counted(poses.counters))
        for stage, latency in lanes.statistics.latencies.snapshot().items():
            values[f"latency {stage}"] = (
                f"mean {latency.mean * 1e3:.1f} ms, max {latency.maximum * 1e3:.1f} ms"
            )
        return _filled(status, values)

    def _camera(self, camera: CameraInput, number: int) -> DiagnosticStatus:
        host, lanes, name = self._host, self._host.lanes, camera.config.name
        status = self._status(f"camera {name}")
        images, counters = camera.images, camera.counters
        silence, rate, stamp_rate = images.silence(), images.rate(), images.stamp_rate()
        if host.is_active():
            self._judge(status, camera, silence, number)
        else:
            _raise(status, DiagnosticStatus.OK, "not listening: the node is not active")
        pose = host.last_pose(name)
        values: dict[str, Any] = {
            "topic": camera.image_topic,
            "received": images.received,
            "received rate": f"{rate:.1f} Hz",
            "rate of the stamps": "unknown" if stamp_rate is None else f"{stamp_rate:.1f} Hz",
            "last image": f"{silence:.2f} s ago" if images.received else "never",
            "replaced by newer": camera.slot.dropped,
            "calibration": "received" if camera.info is not None else "missing",
            "depth received": camera.depths.received,
            "images without depth partner": camera.unmatched_images,
            "depth images without partner": camera.unmatched_depths,
            "detections received": camera.detections.received,
            "detections used": camera.detections.received - camera.unmatched_detections,
            "detections without their image": camera.unmatched_detections,
            "detections behind": f"{camera.detections_lag():.2f} s",
            "pose": "unknown" if pose is None or pose.pose is None else f"in {pose.world_frame}",
        }
        if lanes is not None:
            values["processed"] = lanes.statistics.counters.get(f"{name}.processed")
            values.update(_counted(lanes.statistics.counters, f"{name}."))
        return _filled(status, {**values, **_counted(counters)})

    def _judge(
        self, status: DiagnosticStatus, camera: CameraInput, silence: float, number: int
    ) -> None:
        """Find what is wrong now; counts alone stay values, they may be old."""
        images, counters, name = camera.images, camera.counters, camera.config.name
        if silence > self._host.config.camera_timeout:
            since = f"for {silence:.1f} s" if images.received else "since activation"
            cause = graph_checks.silent_image(self._node, camera.config)
            text = f"no image on {camera.image_topic} {since}: {cause}"
            _raise(status, DiagnosticStatus.ERROR, text)
            self._say(f"no image of camera '{name}': {cause}")
        if images.loses_messages():
            stamped = images.stamp_rate() or 0.0
            _raise(
                status,
                DiagnosticStatus.WARN,
                f"{images.rate():.1f} Hz received of {stamped:.1f} Hz published: {loss_cure()}",
            )
        if images.stands_still():
            text = f"the stamps on {camera.image_topic} stand still: the driver must stamp each"
            self._find(status, DiagnosticStatus.WARN, f"{text} image anew")
        if images.has_zero_stamps():
            text = f"the stamps on {camera.image_topic} are zero: without them there is no pose,"
            self._find(status, DiagnosticStatus.WARN, f"{text} no pairing and no age")
        for finding in self._asked_graph(
            name, self._round + number, lambda: self._about_the_camera(camera)
        ):
            self._find(status, DiagnosticStatus.WARN, finding)
        findings: tuple[str, ...] = ()
        if self._host.lanes is not None:
            findings = self._host.lanes.geometry.findings(name)
        for finding in findings:
            self._find(status, DiagnosticStatus.WARN, finding)
        if counters.get("incompatible_qos"):
            _raise(status, DiagnosticStatus.WARN, counters.reason("incompatible_qos"))
        lanes = self._host.lanes
        sources = [(counters, "")]
        if lanes is not None:
            sources.append((lanes.statistics.counters, f"{name}."))
            self._judge_poses(status, camera, lanes)
        for source, prefix in sources:
            for counter, reason in self._rising(source, name, prefix):
                if counter in ("incompatible qos", "without pose"):
                    continue
                # A finding about the same input has said it already.
                if not any(reason in finding for finding in findings):
                    self._find(status, DiagnosticStatus.WARN, f"{counter}: {reason}", counter)

    def _judge_poses(self, status: DiagnosticStatus, camera: CameraInput, lanes: Lanes) -> None:
        """Warn where most of the last frames had no pose, or the last one, when frames are rare."""
        name, counters = camera.config.name, camera.counters
        processed = lanes.statistics.counters.get(f"{name}.processed")
        missing = self._rises.share(f"{name} poses", counters.get("without_pose"), processed)
        last = self._host.last_pose(name)
        if missing is None:
            missing = float(last is not None and last.pose is None)
        if missing > 0.5 and self._host.config.pose_source != "none":
            text = f"without pose: {counters.reason('without_pose')}"
            self._find(status, DiagnosticStatus.WARN, text, "pose")

    def _about_the_camera(self, camera: CameraInput) -> Iterator[str]:
        if camera.depths.received == 0 and (
            reason := graph_checks.silent_depth(self._node, camera.config)
        ):
            yield f"no depth: {reason}"
        yield from graph_checks.wrong_types(self._node, camera.config)

    def _about_the_node(self) -> Iterator[str]:
        node = self._node
        if same := graph_checks.namesakes(node):
            yield same
        if self._host.lanes is not None:
            yield from graph_checks.wrong_odometry(node, self._host.config)
        if node.get_parameter("use_sim_time").value:
            if node.count_publishers("/clock") == 0:
                yield "use_sim_time is true, but nobody publishes /clock"
            elif node.get_clock().now().nanoseconds == 0:
                yield "use_sim_time is true, but nothing has come on /clock"

    def _asked_graph(self, key: str, number: int, ask: Any) -> tuple[str, ...]:
        """Return the findings of the graph about one part; asked anew every few rounds."""
        if key not in self._graph_findings or number % _GRAPH_ROUNDS == 0:
            self._graph_findings[key] = tuple(ask())
        return self._graph_findings[key]

    def _rising(self, counters: Counters, key: str, prefix: str = "") -> Iterator[tuple[str, str]]:
        """Yield the counters that have a reason and grew lately, with it."""
        for counter, count in counters.snapshot().items():
            reason = counters.reason(counter)
            if counter.startswith(prefix) and reason and self._rises.rose(key + counter, count):
                yield counter.removeprefix(prefix).replace("_", " "), reason

    def _find(self, status: DiagnosticStatus, level: bytes, text: str, kind: str = "") -> None:
        """Show a finding, and log it the first time; one of a ``kind`` if its text varies."""
        _raise(status, level, text)
        self._say(text, f"{status.name} {kind}" if kind else "")

    def _say(self, text: str, key: str = "") -> None:
        key = key or text
        if key not in self._said and len(self._said) < _MOST_SAID:
            self._said.add(key)
            self._node.get_logger().warning(escaped(text, _LONGEST))

    def _status(self, part: str) -> DiagnosticStatus:
        name = self._node.get_fully_qualified_name()
        return DiagnosticStatus(level=DiagnosticStatus.OK, name=f"{name}: {part}", hardware_id=name)


def loss_cure() -> str:
    """Say what helps against images that do not arrive, with the middleware in use."""
    lost = "images are lost before they arrive"
    middleware = rclpy.get_rmw_implementation_identifier()
    if "fastrtps" in middleware:
        variables = fast_dds_profile_variables()
        if any(os.environ.get(name) for name in variables):
            return (
                f"{lost}; a Fast DDS profile is set here: start the publisher with the same one, "
                "or set image_transport to compressed"
            )
        return (
            f"{lost}; start publisher and node with {' and '.join(variables)} set to "
            "share/spatialgeo_ros/config/fastdds.xml, whose shared-memory segment holds whole "
            "images"
        )
    if "cyclonedds" in middleware:
        return (
            f"{lost}; raise the kernel's net.core.rmem_max and Cyclone DDS's SocketReceiveBuffer"
            "Size, or set image_transport to compressed"
        )
    return f"{lost}; raise the buffers of {middleware}, or set image_transport to compressed"


def _counted(counters: Counters, prefix: str = "") -> dict[str, Any]:
    """Return the counters of a prefix as values, each with its last reason."""
    values: dict[str, Any] = {}
    for counter, count in counters.snapshot().items():
        if counter.startswith(prefix):
            name = counter.removeprefix(prefix).replace("_", " ")
            values[name] = count
            if counters.reason(counter):
                values[f"{name}: last"] = counters.reason(counter)
    return values


def _raise(status: DiagnosticStatus, level: bytes, text: str) -> None:
    """Add a finding; the worst level counts."""
    status.level = max(status.level, level)
    text = escaped(text, _LONGEST)
    status.message = f"{status.message}; {text}" if status.message else text


def _filled(status: DiagnosticStatus, values: Mapping[str, Any]) -> DiagnosticStatus:
    status.message = status.message or "ok"
    status.values = [
        KeyValue(key=escaped(key, _LONGEST), value=escaped(value, _LONGEST))
        for key, value in values.items()
    ]
    return status


def _texts(facts: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return facts as texts; those of a part are named after it."""
    texts: dict[str, str] = {}
    for name, value in facts.items():
        if isinstance(value, Mapping):
            texts.update(_texts(value, f"{prefix}{name.replace('_', ' ')} "))
        else:
            texts[prefix + (name.replace("_", " ") if prefix else name)] = _text(value)
    return texts


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, (list, tuple)):
        return "; ".join(map(str, value)) or "none"
    return str(value)
