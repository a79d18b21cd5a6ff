# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Finds parameters that were given and that nobody reads: misspelt, or meant for another node."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from spatialgeo_ros.errors import quoted

_MOST_NAMED = 20
# Declared by rclpy itself, some of them only when a subscription is made.
_FOREIGN = ("qos_overrides.", "use_sim_time", "start_type_description_service")


def undeclared(given: Iterable[str], declared: Iterable[str]) -> str:
    """Say which of the ``given`` parameters nothing declares; empty when all are."""
    known = sorted(declared)
    lost = sorted(set(given) - set(known))
    lost = [name for name in lost if not name.startswith(_FOREIGN)]
    if not lost:
        return ""
    named = [_with_closest(name, known) for name in lost[:_MOST_NAMED]]
    more = f" and {len(lost) - _MOST_NAMED} more" if len(lost) > _MOST_NAMED else ""
    return f"parameters that the node does not have are ignored: {', '.join(named)}{more}"


def _with_closest(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
    return f"{quoted(name)} (did you mean '{close[0]}'?)" if close else quoted(name)


def for_another_node(arguments: Sequence[str], node: str) -> Iterator[str]:
    """Yield what the process's ROS arguments set for other nodes than ``node`` alone.

    Args:
        arguments: Of the process, such as ``sys.argv``.
        node: The node's fully qualified name.
    """
    for flag, value in _ros_arguments(arguments):
        if flag == "--params-file":
            names = _nodes_of(Path(value))
            if names and not any(_matches(name, node) for name in names):
                others = ", ".join(quoted(name) for name in names[:_MOST_NAMED])
                yield (
                    f"{quoted(value, 200)} sets nothing of {node}: its parameters are those of "
                    f"{others}; key them with /**: or with the node's full name"
                )
        elif (single := re.fullmatch(r"([^:=]+):([^:=]+):=.*", value, re.DOTALL)) and (
            single[1] not in (node, node.rsplit("/", 1)[-1])
        ):
            yield f"parameter {quoted(single[2])} is given for node {quoted(single[1])}, not {node}"


def parameters_for(path: Path, node: str) -> dict[str, Any]:
    """Return what a parameter file sets for a node, by the parameters' dotted names.

    Args:
        path: Of the YAML file.
        node: The node's fully qualified name.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no YAML, or sets nothing for this node; the text says which.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"no YAML: {error}") from None
    found: dict[str, Any] = {}
    matched = False
    for key, values in _node_sections(content, ""):
        if _matches(key, node) and isinstance(values, dict):
            matched = True
            found.update(_flat(values, ""))
    if not matched:
        keys = ", ".join(quoted(key) for key, _ in _node_sections(content, "")) or "none"
        raise ValueError(
            f"it sets nothing of {node} (its nodes: {keys}); key it with /**: or with the node's "
            "full name"
        )
    return found


def _flat(values: dict[Any, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _ros_arguments(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield flag and value of the parameters among the arguments between --ros-args and --."""
    inside, flag = False, ""
    for argument in arguments:
        if argument == "--ros-args":
            inside = True
        elif argument == "--":
            inside = False
        elif inside and flag in ("--params-file", "-p", "--param"):
            yield flag, argument
            flag = ""
            continue
        flag = argument


def _nodes_of(path: Path) -> list[str]:
    """Return the node names that a parameter file is keyed with; rcl has read it before."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return []
    return [key for key, _ in _node_sections(content, "")]


def _node_sections(content: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Yield the names of nodes in a parameter file, each with what it sets for them."""
    if not isinstance(content, dict):
        return
    for key, value in content.items():
        if key == "ros__parameters":
            yield prefix or "/", value
        else:
            yield from _node_sections(value, f"{prefix}/{str(key).strip('/')}")


def _matches(pattern: str, node: str) -> bool:
    """Whether rcl applies parameters of this key: * is one name, ** any number of them."""
    wild = {"*": "/[^/]+", "**": "(/[^/]+)*"}
    parts = [wild.get(part, f"/{re.escape(part)}") for part in pattern.strip("/").split("/")]
    return re.fullmatch("".join(parts), node) is not None
