# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Words for a detector that names its classes by number: from parameters or a VisionInfo."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import GetParameters
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from spatialgeo_ros.errors import BadRequestError, quoted
from spatialgeo_ros.findings.finding import Finding
from spatialgeo_ros.grounding.class_names import (
    class_number,
    names_of_list,
    names_of_text,
    read_class_names,
    shown,
)
from spatialgeo_ros.node.conversions import hypothesis_of
from spatialgeo_ros.node.parameters import CameraConfig

try:
    from vision_msgs.msg import VisionInfo
except ImportError:  # optional
    VisionInfo = None

_RETRY = 1.0  # s between two attempts to read the names


class ClassLabels:
    """What the class numbers of one camera's detector mean. Safe to use from any thread."""

    def __init__(self, camera: CameraConfig, topic: str) -> None:
        """Start with the names of the parameters.

        Args:
            camera: Whose detector it is.
            topic: Of its detections, for messages.
        """
        self._camera, self._topic = camera.name, topic
        self._names: Mapping[int, str] = camera.class_names()
        self._source = f"{camera.name}.detection_labels"
        #: Why a VisionInfo gave no names; "" when it did, or there was none.
        self.failure = ""

    def use(self, names: Mapping[int, str], source: str) -> None:
        """Take names from somewhere else."""
        self._names, self._source, self.failure = names, source, ""

    def word(self, class_id: str) -> str:
        """Return the name of a class; "" for a number that has none."""
        number = class_number(class_id)
        return class_id if number is None else self._names.get(number, "")

    def unnamed(self, message: Any) -> list[int]:
        """Return the numbers without a name in a detector's message, one for each such box."""
        numbers = (hypothesis_of(one)[0] for one in message.detections)
        known = ((class_number(name), name) for name in numbers)
        return [number for number, name in known if number is not None and not self.word(name)]

    def problem(self, numbers: list[int]) -> Finding:
        """Say what is wrong with numbers that have no name, and the cure."""
        return Finding("detections-labels", self._problem(numbers))

    def _problem(self, numbers: list[int]) -> str:
        said = f"the detector on '{self._topic}' names its classes by number ({shown(numbers)})"
        if self._names:
            return (
                f"{said}, and {self._source} has no name for {'them' if numbers[1:] else 'it'} "
                f"(it names {shown(self._names)}): complete the list"
            )
        why = f" ({self.failure})" if self.failure else ""
        return (
            f"{said}: set {self._camera}.detection_labels or detection_labels_file, or "
            f"vision_info_topic{why}"
        )

    def describe(self) -> str:
        """Say for diagnostics what is known."""
        if self._names:
            return f"{len(self._names)} of {self._source}"
        return self.failure or "none"


class VisionInfoLabels:
    """Reads the names of classes that a VisionInfo points at, and gives them to ``labels``.

    Its ``database_location`` is the name of a parameter that holds the list: of the node that
    publishes it, or of the node before the last slash; or the path of a file here.
    """

    def __init__(
        self, node: Node, topic: str, labels: ClassLabels, events: Any, log: Callable[[str], None]
    ) -> None:
        """Subscribe.

        Args:
            node: Owner of the subscription.
            topic: Where the VisionInfo is, resolved.
            labels: Takes the names.
            events: Of the subscriptions: one of the two always finds QoS that does not fit.
            log: Takes the line that says where they come from.
        """
        self._node, self._topic, self._labels, self._log = node, topic, labels, log
        self._lock = threading.Lock()
        self._wanted: tuple[str, int] | None = None
        self._group = MutuallyExclusiveCallbackGroup()
        self._clients: dict[str, Any] = {}
        self._asked: dict[str, Any] = {}  # by owner, what is still to be answered
        # A VisionInfo is published once and latched, or again and again: who offers only the latter
        # is not heard by a subscription to the former.
        self._subscriptions = [
            node.create_subscription(
                VisionInfo,
                topic,
                self._on_info,
                QoSProfile(depth=1, reliability=reliability, durability=durability),
                callback_group=self._group,
                event_callbacks=events,
            )
            for reliability, durability in (
                (ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL),
                (ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE),
            )
        ]
        self._timer = node.create_timer(
            _RETRY,
            self._try,
            callback_group=self._group,
            clock=Clock(clock_type=ClockType.STEADY_TIME),
        )
        self._timer.cancel()

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_timer(self._timer)
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        for client in self._clients.values():
            self._node.destroy_client(client)

    def _on_info(self, message: Any) -> None:
        wanted = message.database_location, message.database_version
        with self._lock:
            if wanted == self._wanted:
                return
            self._wanted = wanted
        self._timer.reset()  # goes on until the names are there
        self._try()

    def _try(self) -> None:
        """Read what the location names."""
        with self._lock:
            location = "" if self._wanted is None else self._wanted[0]
        path, parameter = location.removeprefix("file://"), location.rsplit("/", 1)[-1]
        try:
            if path.startswith("/") and Path(path).is_file():
                self._found(location, read_class_names(path), location)
                return
        except (BadRequestError, OSError, ValueError) as error:  # a path that cannot be one
            self._fail(location, str(error))
            return
        if not parameter:
            self._fail(location, "it names no parameter and no file")
            return
        owners = list(self._owners(location))
        for owner in owners:
            client = self._client(owner)
            if client.service_is_ready():
                before = self._asked.pop(owner, None)
                if before is not None:  # it did not answer: nothing waits for that any more
                    client.remove_pending_request(before)
                future = client.call_async(GetParameters.Request(names=[parameter]))
                self._asked[owner] = future
                future.add_done_callback(lambda done, o=owner: self._on_value(done, o, location))
            else:
                self._fail(location, f"{owner} does not answer")
        if not owners:
            self._fail(location, "nobody publishes it any more")

    def _client(self, owner: str) -> Any:
        if owner not in self._clients:
            self._clients[owner] = self._node.create_client(
                GetParameters, f"{owner}/get_parameters", callback_group=self._group
            )
        return self._clients[owner]

    def _owners(self, location: str) -> Iterator[str]:
        """Yield the nodes that may have the parameter: named in the location, and its publishers.

        Some detectors write their namespace where the node's name belongs.
        """
        named = "/" + location.rsplit("/", 1)[0].strip("/") if "/" in location else ""
        nodes = {
            f"{space.rstrip('/')}/{name}"
            for name, space in self._node.get_node_names_and_namespaces()
        }
        publishers = (
            f"{one.node_namespace.rstrip('/')}/{one.node_name}"
            for one in self._node.get_publishers_info_by_topic(self._topic)
        )
        yield from dict.fromkeys(one for one in (named, *publishers) if one in nodes)

    def _on_value(self, done: Any, owner: str, location: str) -> None:
        values = [] if done.exception() is not None else done.result().values
        source = f"{owner} {location.rsplit('/', 1)[-1]}"
        try:
            for value in values:
                if value.type == ParameterType.PARAMETER_STRING_ARRAY:
                    self._found(location, names_of_list(value.string_array_value), source)
                    return
                if value.type == ParameterType.PARAMETER_STRING:
                    self._found(location, names_of_text(value.string_value, source), source)
                    return
        except BadRequestError as error:
            self._fail(location, str(error))
            return
        self._fail(location, f"{owner} has no such parameter with a list of names")

    def _found(self, location: str, names: Mapping[int, str], source: str) -> None:
        with self._lock:
            if self._wanted is None or self._wanted[0] != location:
                return  # another one has come meanwhile
        self._timer.cancel()
        self._labels.use(names, source)
        self._log(f"{len(names)} names of classes from {source}, by the VisionInfo {self._topic}")

    def _fail(self, location: str, why: str) -> None:
        self._labels.failure = (
            f"the VisionInfo on '{self._topic}' points at {quoted(location)}: {why}"
        )
