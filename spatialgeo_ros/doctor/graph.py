# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Looks at the running graph for a few seconds: nodes, topics, what comes and what does not."""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.logging import LoggingSeverity
from rclpy.node import Node
from rclpy.parameter import Parameter

from spatialgeo_ros.doctor.camera_checks import CameraCheck
from spatialgeo_ros.doctor.middleware import other_domains, ros_processes
from spatialgeo_ros.doctor.options import Options
from spatialgeo_ros.doctor.pose_checks import PoseCheck
from spatialgeo_ros.doctor.report import Report
from spatialgeo_ros.doctor.running_nodes import (
    DiagnosticsReader,
    RunningNode,
    ask_parameters,
    full_names,
)
from spatialgeo_ros.doctor.topics import discovered
from spatialgeo_ros.errors import BadRequestError, escaped
from spatialgeo_ros.findings.finding import Finding
from spatialgeo_ros.node import graph_checks, parameters
from spatialgeo_ros.node.depth_transforms import DepthTransforms
from spatialgeo_ros.node.frame_decoder import FrameAssembler
from spatialgeo_ros.node.overrides import parameters_for, undeclared
from spatialgeo_ros.node.parameters import CameraConfig, Config, ParameterError
from spatialgeo_ros.node.perception_factory import mounts_of
from spatialgeo_ros.node.receiver import Receiver
from spatialgeo_ros.node.tf_listener import TfListener

# Seconds of discovery: without a new node or topic; at least; at most where none of our nodes is
# seen (a participant that was missed announces itself again after 3 s); and at most.
_STEADY, _LEAST_DISCOVERY, _PATIENT, _DISCOVERY = 0.8, 1.2, 3.7, 5.0
_ANSWER = 3.0  # s without an answer of any node to the question for its parameters
_DIAGNOSTICS = 1.5  # s, of a node that publishes them once a second
_MOST_NODES = 32  # that are looked at side by side
_LOOK = 0.1  # s between two looks at the newest frames
# s by which the doctor sleeps too long on a machine that is so busy that its own delays look like
# those of what it listens to.
_OVERSLEPT = 0.08
_PAIRING_WAIT = 1.0  # s
_OF_TIMES = {"images-lost", "images-slow", "odometry-late", "tf-late"}
_NAME = "spatialgeo_doctor"


def examine_graph(
    options: Options, report: Report, deadline: float, context: Any = None
) -> list[tuple[Config, bool]]:
    """Look at the graph and report what is wrong.

    Args:
        options: What to look at.
        report: Gets findings as they are made, so that what was found is not lost with the time.
        deadline: Monotonic seconds at which to stop.
        context: Of rclpy; a new one by default.

    Returns:
        The configurations of the nodes that were looked at, and whether each runs.

    Raises:
        BadRequestError: A parameter file cannot be read.
    """
    own = context is None
    if own:
        context = rclpy.Context()
        rclpy.init(args=[], context=context)
    examination = _Examination(options, report, deadline, context)
    try:
        return examination.run()
    finally:
        examination.close()
        if own:
            context.try_shutdown()


class _Target:
    """One node that runs, or would: a guest with its parameters, and what the guest receives."""

    def __init__(self, guest: Node, config: Config, running: RunningNode | None) -> None:
        # A guest may be slower than the node: what comes late to it alone is not to be missing.
        config = replace(config, depth_wait=max(config.depth_wait, _PAIRING_WAIT))
        self.guest, self.config, self.running = guest, config, running
        self._receiver = Receiver(guest)
        tf = TfListener(self._receiver)
        self.poses = PoseCheck(self._receiver, tf, config)
        self._transforms = DepthTransforms(tf, config)
        self.cameras = [CameraCheck(self._receiver, camera, config) for camera in config.cameras]
        self._mounts = mounts_of(config)
        self._assembler = FrameAssembler(
            {check.config.name: check.input for check in self.cameras},
            self.poses,
            self._transforms,
            round(config.max_image_megapixels * 1e6),
            lambda _: None,
        )

    @property
    def subscribers(self) -> list[str]:
        """Full names of the node and its guest, whose subscriptions ask for the same."""
        own = [self.guest.get_fully_qualified_name()]
        return own if self.running is None else [self.running.name, *own]

    def ask_for_latched_info(self) -> None:
        for check in self.cameras:
            check.ask_for_latched_info()

    def look(self) -> None:
        for check in self.cameras:
            check.look(self._assembler, self._mounts)

    def close(self) -> None:
        for check in self.cameras:
            check.input.stop()
        self.poses.close()
        self._receiver.close()
        self._transforms.close()
        self.guest.destroy_node()


class _Examination:
    def __init__(self, options: Options, report: Report, deadline: float, context: Any) -> None:
        self._options, self._report, self._deadline = options, report, deadline
        self._context = context
        self._executor = SingleThreadedExecutor(context=context)
        self._node = self._make_node("", [])
        self._diagnostics = DiagnosticsReader(self._node)
        self._targets: list[_Target] = []
        self._busy = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _make_node(self, namespace: str, overrides: list[Parameter]) -> Node:
        number = len(self._targets) if hasattr(self, "_targets") else 0
        node = rclpy.create_node(
            f"{_NAME}_{os.getpid()}_{id(self) % 10000}_{number}",
            namespace=namespace,
            context=self._context,
            parameter_overrides=overrides,
            use_global_arguments=False,
            start_parameter_services=False,
            enable_rosout=False,
        )
        # What the node's code logs is among the findings.
        node.get_logger().set_level(LoggingSeverity.ERROR)
        self._executor.add_node(node)
        return node

    def _spin(self) -> None:
        while not self._stopping.is_set():
            self._executor.spin_once(timeout_sec=0.05)

    def close(self) -> None:
        self._stopping.set()
        self._thread.join(timeout=1.0)
        if self._thread.is_alive():
            return  # the process ends: what hangs is left alone
        for target in self._targets:
            target.close()
        self._node.destroy_node()
        self._executor.shutdown(timeout_sec=0.5)

    def _sleep(self, seconds: float) -> None:
        time.sleep(max(0.0, min(seconds, self._deadline - time.monotonic())))

    def _until(self, condition: Callable[[], bool], seconds: float) -> bool:
        end = min(time.monotonic() + seconds, self._deadline)
        while not condition():
            if time.monotonic() >= end:
                return False
            self._sleep(0.05)
        return True

    def run(self) -> list[tuple[Config, bool]]:
        self._discover()
        running = self._running_nodes()
        for node in running:
            self._report.add(node.name, self._namesakes(node))
        self._make_targets(running)
        end = min(time.monotonic() + self._options.seconds, self._deadline - 2.0)
        overslept: list[float] = []
        middle = time.monotonic() + self._options.seconds / 2
        while time.monotonic() < end:
            for target in self._targets:
                target.look()
                if time.monotonic() > middle:
                    target.ask_for_latched_info()
            asleep = time.monotonic()
            self._sleep(_LOOK)
            overslept.append(time.monotonic() - asleep - _LOOK)
        self._busy = bool(overslept) and statistics.median(overslept) > _OVERSLEPT
        if self._busy:
            text = (
                f"this machine has no time left ({os.getloadavg()[0]:.0f} processes want its "
                f"{os.cpu_count()} cores): delays and lost images were not judged"
            )
            self._report.add("machine", Finding("machine-busy", text))
        several = len(self._targets) > 1
        for target in self._targets:
            self._judge(target, several)
        return [(target.config, target.running is not None) for target in self._targets]

    def _discover(self) -> None:
        """Wait until nothing new appears."""
        start = steady = time.monotonic()
        seen: Any = None
        while time.monotonic() < min(start + _DISCOVERY, self._deadline):
            self._sleep(0.1)
            now = (
                sorted(self._node.get_node_names_and_namespaces()),
                sorted(name for name, _ in self._node.get_topic_names_and_types()),
            )
            if now != seen:
                seen, steady = now, time.monotonic()
            least = _LEAST_DISCOVERY if full_names(self._node) else _PATIENT
            if time.monotonic() - steady > _STEADY and time.monotonic() - start > least:
                return

    def _others(self) -> list[str]:
        """Full names of the nodes that are neither doctors nor hidden tools."""
        return [
            f"{space.rstrip('/')}/{name}"
            for name, space in self._node.get_node_names_and_namespaces()
            if not name.startswith((_NAME, "_"))
        ]

    def _running_nodes(self) -> list[RunningNode]:
        others = self._others()
        self._report.facts["nodes on the graph"] = len(others)
        if not others:
            domain = os.environ.get("ROS_DOMAIN_ID") or "0"
            hint = other_domains(ros_processes(), domain)
            self._report.add(
                "graph",
                Finding(
                    "graph-empty",
                    f"no other node is seen in ROS_DOMAIN_ID {domain}{hint}: start the robot, or "
                    "use the ROS_DOMAIN_ID, ROS_AUTOMATIC_DISCOVERY_RANGE (ROS_LOCALHOST_ONLY) and "
                    "RMW_IMPLEMENTATION that it uses",
                ),
            )
        names = full_names(self._node)
        twice = [k for k, count in Counter(others).items() if count > 1 and k not in names]
        if twice:
            text = f"several nodes are called {', '.join(twice[:5])}: give each robot a namespace"
            self._report.add("graph", Finding("namesakes-other", text))
        wanted = self._options.node
        if wanted:
            wanted = f"/{wanted.strip('/')}"
            if wanted not in names:
                there = f"; there are {', '.join(names)}" if names else ""
                text = (
                    f"no spatialgeo node {wanted} is on the graph{there}: start it, or set --node"
                )
                self._report.add("graph", Finding("node-missing", text))
            names = [name for name in names if name == wanted]
        elif not names:
            text = "no spatialgeo node is running: topics are judged as it would find them"
            self._report.add("graph", Finding("node-absent", text))
        if len(names) > _MOST_NODES:
            text = (
                f"{len(names)} spatialgeo nodes run, of which the first {_MOST_NODES} were looked "
                "at: name one by --node"
            )
            self._report.add("graph", Finding("check-unfinished", text))
        nodes = [RunningNode(name) for name in names[:_MOST_NODES]]
        ask_parameters(self._node, nodes, _ANSWER, self._deadline - 2.0, self._sleep)
        for node in nodes:
            if node.parameters is None:
                text = (
                    f"{node.name} does not answer within {_ANSWER:g} s: it hangs, or it is "
                    "stopped; end it (kill -9) and start it again"
                )
                self._report.add(node.name, Finding("node-silent", text))
        self._until(lambda: all(self._diagnostics.of(one.name) for one in nodes), _DIAGNOSTICS)
        for node in nodes:
            node.statuses = self._diagnostics.of(node.name)
        self._report.facts["spatialgeo nodes"] = names
        return nodes

    def _namesakes(self, node: RunningNode) -> Finding | None:
        return graph_checks.namesakes(self._node, node.base_name, node.namespace)

    def _make_targets(self, running: list[RunningNode]) -> None:
        asked = [node for node in running if node.parameters is not None]
        if self._options.params_file is not None or not running:
            self._add_target(self._given_parameters(), None)
        if self._options.params_file is not None:
            return  # the file is judged, not what a node was started with
        for node in asked:
            given = {one.name: one.value for one in node.parameters or []}
            self._add_target({**given, **self._options.settings}, node)

    def _given_parameters(self) -> dict[str, Any]:
        """Parameters by file and options; the topics by discovery where neither names any."""
        options = self._options
        values: dict[str, Any] = {}
        if options.params_file is not None:
            try:
                values = parameters_for(options.params_file, options.node or "/spatialgeo")
            except (OSError, ValueError) as error:
                raise BadRequestError(f"--params-file {options.params_file}: {error}") from error
        values.update(options.settings)
        if not any(name.endswith("_topic") for name in values):
            published = {
                name: types
                for name, types in self._node.get_topic_names_and_types()
                if self._node.count_publishers(name)
            }
            found = discovered(published)
            if not found:
                return values
            cameras = values.get("cameras") or found["cameras"]
            if set(cameras) == set(found["cameras"]) or "cameras" not in values:
                values = {**found, **values}
        return values

    def _add_target(self, values: dict[str, Any], running: RunningNode | None) -> None:
        subject = "node" if running is None else running.name
        overrides = []
        for name, value in values.items():
            try:
                overrides.append(Parameter(name, value=value))
            except (TypeError, AssertionError):  # a list of several types, an empty one
                text = f"parameter '{name}' has a value that ROS has no type for: {value!r:.80}"
                self._report.add(subject, Finding("parameter-invalid", text))
        namespace = self._namespace(running)
        guest = self._make_node(namespace, overrides)
        try:
            parameters.declare(guest)
            config = parameters.read(guest)
        except ParameterError as error:
            self._report.add(subject, Finding("parameter-invalid", str(error)))
            guest.destroy_node()
            return
        declared = [*parameters.names(guest), *guest._parameters]
        if running is None and (lost := undeclared(values, declared)):
            self._report.add(subject, Finding("parameters-ignored", lost))
        if running is not None:
            config = _as_resolved(config, running)
        try:
            self._targets.append(_Target(guest, config, running))
        except RuntimeError as error:  # of rcl: a name that is no topic's, two types on one topic
            text = f"the topics of {subject} cannot be listened to: {escaped(error, 200)}"
            self._report.add(subject, Finding("check-failed", text))

    def _namespace(self, running: RunningNode | None) -> str:
        name = self._options.node if running is None else running.name
        return f"/{name.strip('/')}".rpartition("/")[0]

    def _judge(self, target: _Target, several: bool) -> None:
        running = target.running
        prefix = f"{running.name} " if several and running is not None else ""
        said: dict[str, list[Finding]] = {}
        if running is not None:
            running.statuses = self._diagnostics.of(running.name)
            for part, finding in running.said():
                said.setdefault(part, []).append(finding)
            if not running.statuses:
                text = f"{running.name} publishes nothing on /diagnostics: does it hang?"
                self._report.add(running.name, Finding("diagnostics-missing", text))
        for check in target.cameras:
            if time.monotonic() > self._deadline:
                raise TimeoutError
            subject = f"{prefix}camera {check.config.name}"

            def known(what: str, part: str = f"camera {check.config.name}") -> bool:
                return running is not None and running.value(part, what) == "received"

            found = check.findings(target.subscribers, known)
            own = [one for one in found if self._counts(one)]
            if running is not None and f"camera {check.config.name}" in running.statuses:
                # The node counts every message; a guest on the same two cores loses its own.
                own = [one for one in own if one.id != "images-lost"]
            self._report.add(subject, *own)
            poses = target.poses.about_camera(check.config.name)
            self._report.add(subject, *(one for one in poses if self._counts(one)))
            self._report.add(subject, *said.pop(f"camera {check.config.name}", ()))
        subject = f"{prefix}robot"
        self._report.add(subject, *target.poses.about_robot())
        self._report.add(subject, graph_checks.no_clock(target.guest))
        for findings in said.values():
            self._report.add(target.subscribers[0] if running else "node", *findings)
        self._report.facts[f"{prefix}cameras"] = list(_facts(target))

    def _counts(self, finding: Finding) -> bool:
        """Whether a finding is no delay of this process itself."""
        return not (self._busy and finding.id in _OF_TIMES)


def _facts(target: _Target) -> Iterator[str]:
    for check in target.cameras:
        own = check.input
        yield (
            f"{check.config.name}: {own.image_topic} {own.images.rate():.1f} Hz, depth "
            f"{own.depths.rate():.1f} Hz, boxes {own.detections.rate():.1f} Hz"
        )


def _as_resolved(config: Config, running: RunningNode) -> Config:
    """Topics as the node resolved them: remappings are not among its parameters."""

    def topic(part: str, key: str, parameter: str, ending: str = "") -> str:
        value = running.value(part, key)
        if not value:
            return parameter
        return "" if value == "none" else value.removesuffix(ending)

    def camera(one: CameraConfig) -> CameraConfig:
        part = f"camera {one.name}"
        packed = "/compressed" if one.image_transport == "compressed" else ""
        depth = "/compressedDepth" if one.depth_transport == "compressedDepth" else ""
        return replace(
            one,
            image_topic=topic(part, "topic", one.image_topic, packed),
            camera_info_topic=topic(part, "camera_info topic", one.camera_info_topic),
            depth_topic=topic(part, "depth topic", one.depth_topic, depth),
            detections_topic=topic(part, "detections topic", one.detections_topic),
        )

    return replace(
        config,
        cameras=tuple(camera(one) for one in config.cameras),
        odometry_topic=topic("perception", "odometry topic", config.odometry_topic),
    )
