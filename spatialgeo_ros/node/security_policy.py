# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An access policy for SROS 2, made of what a running node does in the ROS graph.

The file is in the schema of ``sros2`` (policy version 0.2.0), from which ``ros2 security
create_permission`` makes the signed permissions of DDS. ``ros2 security generate_policy`` writes
one of every node at once; this writes one of the named nodes, in a fixed order, with actions as
actions, so that it can be kept under version control and compared.
"""

from __future__ import annotations

import argparse
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rclpy
from rclpy.action import (
    get_action_client_names_and_types_by_node,
    get_action_server_names_and_types_by_node,
)
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.utilities import remove_ros_args

from spatialgeo_ros.errors import BadRequestError, SpatialGeoError, quoted

POLICY_VERSION = "0.2.0"
#: Topics that do not move with a node's namespace; each is written in full.
GLOBAL_TOPICS = frozenset(
    {"/clock", "/diagnostics", "/parameter_events", "/rosout", "/tf", "/tf_static"}
)
_HIDDEN = "/_action/"  # topics and services that an action consists of
_SETTLED = 1.0  # s without a change, after which the graph counts as known
_POLL = 0.1  # s
_NOTICE = (
    "\n  Copyright 2026 The spatialgeo_ros authors\n  SPDX-License-Identifier: Apache-2.0\n"
    "\n  Written by `ros2 run spatialgeo_ros security_policy`; docs/security.md says how to use "
    "it.\n"
)


@dataclass(frozen=True)
class Access:
    """What one node does in the graph, by fully qualified names.

    Attributes:
        name: Of the node.
        namespace: Of the node, with a leading slash.
        rules: Element (topics, services, actions) and right (publish, reply, ...) to names.
    """

    name: str
    namespace: str
    rules: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)

    @property
    def full_name(self) -> str:
        """Fully qualified name of the node."""
        return f"{self.namespace.rstrip('/')}/{self.name}"


def access_of(observer: Node, full_name: str, subscribe: Iterable[str] = ()) -> Access:
    """Read from the graph what a node publishes, subscribes to, serves and asks for.

    Args:
        observer: Any node of the same domain.
        full_name: Fully qualified name of the node.
        subscribe: Topics it may subscribe to besides.

    Raises:
        rclpy.node.NodeNameNonExistentError: It is not in the graph.
    """
    namespace, _, name = full_name.rpartition("/")
    namespace = namespace or "/"
    found: dict[tuple[str, str], Iterable[str]] = {
        ("topics", "subscribe"): [
            *_names(observer.get_subscriber_names_and_types_by_node, name, namespace),
            *subscribe,
        ],
        ("topics", "publish"): _names(
            observer.get_publisher_names_and_types_by_node, name, namespace
        ),
        ("services", "reply"): _names(
            observer.get_service_names_and_types_by_node, name, namespace
        ),
        ("services", "request"): _names(
            observer.get_client_names_and_types_by_node, name, namespace
        ),
        ("actions", "execute"): [
            action
            for action, _ in get_action_server_names_and_types_by_node(observer, name, namespace)
        ],
        ("actions", "call"): [
            action
            for action, _ in get_action_client_names_and_types_by_node(observer, name, namespace)
        ],
    }
    rules = {key: frozenset(n for n in names if _HIDDEN not in n) for key, names in found.items()}
    return Access(name, namespace, {key: names for key, names in rules.items() if names})


def settled_access(
    observer: Node,
    full_name: str,
    timeout: float,
    subscribe: Iterable[str] = (),
    clock: Callable[[], float] = time.monotonic,
) -> Access:
    """Return :func:`access_of` once the node is there and nothing changed for a second.

    Args:
        observer: A node that is spun elsewhere, or needs no spinning for graph queries.
        full_name: Fully qualified name of the node.
        timeout: Longest wait, s.
        subscribe: As for :func:`access_of`.
        clock: Monotonic seconds.

    Raises:
        BadRequestError: The node did not appear, or its connections kept changing.
    """
    topics = tuple(subscribe)
    start = since = clock()
    last: Access | None = None
    while clock() - start < timeout:
        try:
            now: Access | None = access_of(observer, full_name, topics)
        except rclpy.node.NodeNameNonExistentError:
            now = None
        if now is None or now != last:
            last, since = now, clock()
        elif clock() - since >= _SETTLED:
            return now
        time.sleep(_POLL)
    if last is None:
        raise BadRequestError(
            f"no node {quoted(full_name)} within {timeout:g} s: start it, in the same ROS_DOMAIN_ID"
        )
    raise BadRequestError(
        f"the connections of {quoted(full_name)} kept changing for {timeout:g} s: try again when "
        "it is active"
    )


def policy_xml(nodes: Iterable[Access], enclave: str = "") -> str:
    """Write a policy in the schema of ``sros2``.

    Names below the node's own are written with ``~``, those in its namespace relative to it, as
    ``sros2`` writes them, but for the topics of the whole system: so a profile fits a robot in a
    namespace by its two attributes alone.

    Args:
        nodes: One profile each.
        enclave: Path of the one enclave of all; empty: one each, named after the node.

    Returns:
        The file's content.
    """
    policy = ElementTree.Element("policy", version=POLICY_VERSION)
    enclaves = ElementTree.SubElement(policy, "enclaves")
    profiles: dict[str, ElementTree.Element] = {}
    for access in nodes:
        path = enclave or access.full_name
        if path not in profiles:
            element = ElementTree.SubElement(enclaves, "enclave", path=path)
            profiles[path] = ElementTree.SubElement(element, "profiles")
        profile = ElementTree.SubElement(
            profiles[path], "profile", ns=access.namespace, node=access.name
        )
        for (kind, right), names in sorted(access.rules.items()):
            group = ElementTree.SubElement(profile, kind, {right: "ALLOW"})
            for name in sorted(_relative(name, access) for name in names):
                ElementTree.SubElement(group, kind.removesuffix("s")).text = name
    ElementTree.indent(policy)
    body = ElementTree.tostring(policy, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<!--{_NOTICE}-->\n{body}\n'


def main(arguments: list[str] | None = None) -> int:
    """Write the policy of running nodes; returns the exit status."""
    parser = argparse.ArgumentParser(prog="security_policy", description=__doc__)
    add = parser.add_argument
    add("nodes", nargs="*", default=["/spatialgeo"], help="fully qualified names (/spatialgeo)")
    add("--out", type=Path, help="file to write; otherwise the policy is printed")
    add("--enclave", default="", help="one enclave for all nodes; otherwise each has its own")
    add("--subscribe", nargs="*", default=[], metavar="TOPIC",
        help="topics that may be subscribed to besides, such as /clock")  # fmt: skip
    add("--timeout", type=float, default=20.0, help="longest wait for a node, s")
    options = parser.parse_args(remove_ros_args(sys.argv if arguments is None else arguments)[1:])
    context = rclpy.Context()
    rclpy.init(args=arguments, context=context)
    observer = rclpy.create_node("security_policy", context=context)
    executor = SingleThreadedExecutor(context=context)
    try:
        text = policy_xml(
            [
                settled_access(observer, name, options.timeout, options.subscribe)
                for name in options.nodes
            ],
            options.enclave,
        )
    except SpatialGeoError as error:
        print(f"security_policy: {error}", file=sys.stderr)
        return 1
    finally:
        executor.shutdown()
        observer.destroy_node()
        rclpy.shutdown(context=context)
    if options.out is None:
        print(text, end="")
    else:
        options.out.write_text(text)
    return 0


def _names(query: Callable[..., list[tuple[str, Any]]], name: str, namespace: str) -> list[str]:
    return [found for found, _ in query(name, namespace)]


def _relative(name: str, access: Access) -> str:
    """Write a name as ``sros2`` does: below the node, in its namespace, or in full."""
    if name in GLOBAL_TOPICS:
        return name
    below, beside = f"{access.full_name}/", f"{access.namespace.rstrip('/')}/"
    if name.startswith(below):
        return f"~/{name.removeprefix(below)}"
    return name.removeprefix(beside) if name.startswith(beside) else name
