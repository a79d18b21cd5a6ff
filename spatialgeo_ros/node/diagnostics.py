# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``/diagnostics`` at 1 Hz: what comes in, what is lost and why, what runs, how long it takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from spatialgeo_ros.node.cameras import CameraInput
from spatialgeo_ros.node.lanes import Lanes
from spatialgeo_ros.node.parameters import Config
from spatialgeo_ros.node.pose_source import PoseResult
from spatialgeo_ros.node.watches import WatchBoard

_PERIOD = 1.0  # s
_LOSS_CURE = (
    "images are lost before they arrive; with Fast DDS, start publisher and node with "
    "FASTRTPS_DEFAULT_PROFILES_FILE (Jazzy and later: also FASTDDS_DEFAULT_PROFILES_FILE) set to "
    "share/spatialgeo_ros/config/fastdds.xml, whose shared-memory segment holds whole images"
)


class Host(Protocol):
    """What the diagnostics look at."""

    config: Config
    lanes: Lanes | None
    watches: WatchBoard
    cameras: Mapping[str, CameraInput]
    configure_error: str
    loading: bool
    loading_stage: str

    def is_active(self) -> bool:
        """Whether the lifecycle state is active."""

    def last_pose(self, camera: str) -> PoseResult | None:
        """Return the newest pose lookup of a camera."""


class Diagnostics:
    """Publishes the state of the node, in every lifecycle state."""

    def __init__(self, node: Node, host: Host) -> None:
        """Start the timer; it runs on a steady clock, so it does not stop with simulated time."""
        self._node = node
        self._host = host
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._lost: dict[str, int] = {}
        node.create_timer(
            _PERIOD,
            self._publish,
            callback_group=MutuallyExclusiveCallbackGroup(),
            clock=Clock(clock_type=ClockType.STEADY_TIME),
        )

    def _publish(self) -> None:
        message = DiagnosticArray()
        message.header.stamp = self._node.get_clock().now().to_msg()
        message.status.append(self._overall())
        message.status += [self._camera(camera) for camera in tuple(self._host.cameras.values())]
        self._publisher.publish(message)

    def _overall(self) -> DiagnosticStatus:
        host, lanes = self._host, self._host.lanes
        status = self._status("perception")
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
        for reason in description.get("degraded", ()):
            _raise(status, DiagnosticStatus.WARN, reason)
        served = lanes.statistics.counters
        errors = served.get("internal_errors")
        if errors:
            _raise(
                status,
                DiagnosticStatus.WARN,
                f"{errors} internal errors, last: {served.reason('internal_errors')}",
            )
        waiting = lanes.language.queue_length
        values = {
            **{name: _text(value) for name, value in description.items()},
            "queue": f"{lanes.geometry.queue_length} of {host.config.queue_size}",
            "questions waiting for the language model": waiting,
            "refused as busy": served.get("busy"),
            "standing measurements": len(host.watches),
            "internal errors": errors,
        }
        for stage, latency in lanes.statistics.latencies.snapshot().items():
            values[f"latency {stage}"] = (
                f"mean {latency.mean * 1e3:.1f} ms, max {latency.maximum * 1e3:.1f} ms"
            )
        return _filled(status, values)

    def _camera(self, camera: CameraInput) -> DiagnosticStatus:
        host, lanes, name = self._host, self._host.lanes, camera.config.name
        status = self._status(f"camera {name}")
        images, counters = camera.images, camera.counters
        silence, rate, stamp_rate = images.silence(), images.rate(), images.stamp_rate()
        if host.is_active():
            self._judge(status, camera, silence)
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
            served = lanes.statistics.counters
            for counter in ("processed", "decode_errors", "frame_errors"):
                key = f"{name}.{counter}"
                values[counter.replace("_", " ")] = served.get(key)
                if served.reason(key):
                    values[f"{counter.replace('_', ' ')}: last"] = served.reason(key)
        for counter, count in counters.snapshot().items():
            values[counter.replace("_", " ")] = count
            if counters.reason(counter):
                values[f"{counter.replace('_', ' ')}: last"] = counters.reason(counter)
        return _filled(status, values)

    def _judge(self, status: DiagnosticStatus, camera: CameraInput, silence: float) -> None:
        """Find what is wrong now; counts alone stay values, they may be old."""
        images, counters = camera.images, camera.counters
        if silence > self._host.config.camera_timeout:
            since = f"for {silence:.1f} s" if images.received else "since activation"
            _raise(
                status,
                DiagnosticStatus.ERROR,
                f"no image on {camera.image_topic} {since}: is the camera driver running, and "
                "is the topic right?",
            )
        if images.loses_messages():
            stamped = images.stamp_rate() or 0.0
            _raise(
                status,
                DiagnosticStatus.WARN,
                f"{images.rate():.1f} Hz received of {stamped:.1f} Hz published: {_LOSS_CURE}",
            )
        if counters.get("incompatible_qos"):
            _raise(status, DiagnosticStatus.WARN, counters.reason("incompatible_qos"))
        lanes, name = self._host.lanes, camera.config.name
        sources = [(counters, "without_camera_info"), (counters, "depth_errors")]
        sources += [(counters, name) for name in ("without_pose", "without_depth")]
        sources += [(counters, "detections_unmatched")]
        if lanes is not None:
            sources += [
                (lanes.statistics.counters, f"{name}.{e}")
                for e in ("decode_errors", "frame_errors")
            ]
        for source, counter in sources:
            if self._rises(f"{name}/{counter}", source.get(counter)):
                text = counter.split(".")[-1].replace("_", " ")
                _raise(status, DiagnosticStatus.WARN, f"{text}: {source.reason(counter)}")

    def _rises(self, key: str, count: int) -> bool:
        """Whether a count has grown since the last call for it."""
        before, self._lost[key] = self._lost.get(key, 0), count
        return count > before

    def _status(self, part: str) -> DiagnosticStatus:
        name = self._node.get_fully_qualified_name()
        return DiagnosticStatus(level=DiagnosticStatus.OK, name=f"{name}: {part}", hardware_id=name)


def _raise(status: DiagnosticStatus, level: bytes, text: str) -> None:
    """Add a finding; the worst level counts."""
    status.level = max(status.level, level)
    status.message = f"{status.message}; {text}" if status.message else text


def _filled(status: DiagnosticStatus, values: Mapping[str, Any]) -> DiagnosticStatus:
    status.message = status.message or "ok"
    status.values = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
    return status


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, (list, tuple)):
        return "; ".join(map(str, value)) or "none"
    return str(value)
