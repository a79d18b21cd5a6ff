# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The spatialgeo nodes of the graph: their parameters, and what they say themselves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import Parameter as Message
from rcl_interfaces.srv import GetParameters, ListParameters
from rclpy.node import Node, NodeNameNonExistentError
from rclpy.parameter import Parameter

from spatialgeo_ros.findings.catalogue import CATALOGUE
from spatialgeo_ros.findings.finding import Finding, Level
from spatialgeo_ros.node.diagnostics import FINDING

_SERVICE = "spatialgeo_ros/srv/MeasureDistance"  # which every one of our nodes serves
_POLL = 0.02
_AGAIN = 1.0  # s


@dataclass
class RunningNode:
    """A node of ours on the graph.

    Attributes:
        name: Full name.
        parameters: Its values; None where it did not answer.
        statuses: The newest of each part of its diagnostics, by part.
    """

    name: str
    parameters: list[Parameter] | None = None
    statuses: dict[str, Any] = field(default_factory=dict)

    @property
    def namespace(self) -> str:
        """That of the node."""
        return self.name.rpartition("/")[0] or "/"

    @property
    def base_name(self) -> str:
        """Its name without the namespace."""
        return self.name.rpartition("/")[2]

    def value(self, part: str, key: str) -> str:
        """Return a value of its diagnostics, "" where there is none."""
        status = self.statuses.get(part)
        values = [] if status is None else status.values
        return next((one.value for one in values if one.key == key), "")

    def said(self) -> Iterator[tuple[str, Finding]]:
        """Yield what the node finds itself: the part, and the finding in the node's words."""
        for part, status in self.statuses.items():
            left = status.message
            level = Level(status.level[0] if isinstance(status.level, bytes) else status.level % 3)
            for pair in status.values:
                if not pair.key.startswith(FINDING):
                    continue
                id = pair.key.removeprefix(FINDING)
                known = id if id in CATALOGUE else "node-reports"  # a node of another version
                left = left.replace(pair.value, "", 1)
                yield part, Finding(known, pair.value)
            left = left.strip("; ")
            if level > Level.OK and left:
                yield part, Finding("node-reports", left)


def full_names(graph: Node) -> list[str]:
    """Return the full names of our nodes, by the service that each serves.

    A list of services without their nodes also has those that a client only waits for.
    """
    names = []
    for name, namespace in graph.get_node_names_and_namespaces():
        try:
            services = graph.get_service_names_and_types_by_node(name, namespace)
        except NodeNameNonExistentError:
            continue  # it has left meanwhile
        if any(_SERVICE in types for _, types in services):
            names.append(f"{namespace.rstrip('/')}/{name}")
    return sorted(names)


def ask_parameters(
    graph: Node,
    nodes: list[RunningNode],
    timeout: float,
    deadline: float,
    spin: Callable[[float], None],
) -> None:
    """Fill in the parameters of nodes, all at once.

    Args:
        graph: Who asks.
        nodes: Who is asked; ``parameters`` stays None of one that does not answer.
        timeout: Seconds without any answer after which those that are left do not come.
        deadline: Monotonic seconds at which to stop in any case.
        spin: Lets messages come for some seconds.
    """
    end = time.monotonic() + timeout
    questions = [_Question(graph, node) for node in nodes]
    while time.monotonic() < min(end, deadline):
        left = [one for one in questions if one.node.parameters is None]
        if not left:
            break
        for question in left:
            if question.go_on():  # a busy machine answers one after the other
                end = time.monotonic() + timeout
        spin(_POLL)
    for question in questions:
        question.close()


class _Question:
    """Asks one node for the names of its parameters, then for their values."""

    def __init__(self, graph: Node, node: RunningNode) -> None:
        self.node = node
        self._graph = graph
        self._names: list[str] = []
        self._clients = [graph.create_client(ListParameters, f"{node.name}/list_parameters")]
        self._future: Any = None
        self._asked = 0.0

    def go_on(self) -> bool:
        """Do what can be done now; tell whether an answer has come."""
        client = self._clients[-1]
        if self._future is not None and self._future.done():
            response, self._future = self._future.result(), None
            if not self._names:
                self._names = list(response.result.names)
                kind, name = GetParameters, f"{self.node.name}/get_parameters"
                self._clients.append(self._graph.create_client(kind, name))
            else:
                self.node.parameters = [
                    Parameter.from_parameter_msg(Message(name=name, value=value))
                    for name, value in zip(self._names, response.values, strict=False)
                ]
            return True
        # Asked again: an answer is lost where the server has not met this client yet.
        late = self._future is not None and time.monotonic() - self._asked > _AGAIN
        if late:
            client.remove_pending_request(self._future)
        if (late or self._future is None) and client.service_is_ready():
            names = self._names
            request = GetParameters.Request(names=names) if names else ListParameters.Request()
            self._future, self._asked = client.call_async(request), time.monotonic()
        return False

    def close(self) -> None:
        for client in self._clients:
            self._graph.destroy_client(client)


class DiagnosticsReader:
    """The newest diagnostics of every node, from the moment it is made."""

    def __init__(self, graph: Node) -> None:
        """Subscribe."""
        self._statuses: dict[str, Any] = {}
        graph.create_subscription(DiagnosticArray, "/diagnostics", self._on_message, 50)

    def _on_message(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self._statuses[status.name] = status

    def of(self, name: str) -> dict[str, Any]:
        """Return the statuses of a node by their part."""
        before = f"{name}: "
        return {
            key.removeprefix(before): status
            for key, status in list(self._statuses.items())
            if key.startswith(before)
        }
