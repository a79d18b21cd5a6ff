# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rebuilding programs: put something in a node's place everywhere, or look for nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from spatialgeo_ros.query.program import Filter, It, Over, Place, Rank

T = TypeVar("T")


def rebuilt(node: T, change: Callable[[Any], Any]) -> T:
    """Return a copy with ``change`` applied to every node, children first."""
    return _rebuilt(node, change, lambda _: False)


def about(condition: T, subject: Place) -> T:
    """Put ``subject`` in the place of It; an It of an inner filter, ranking or sum stays."""

    def change(node: Any) -> Any:
        return subject if isinstance(node, It) else node

    return _rebuilt(condition, change, lambda node: isinstance(node, Filter | Rank | Over))


def _rebuilt(node: Any, change: Callable[[Any], Any], stop: Callable[[Any], bool]) -> Any:
    if isinstance(node, tuple):
        return tuple(_rebuilt(item, change, stop) for item in node)
    if not is_dataclass(node) or isinstance(node, type):
        return node
    if stop(node):
        return node
    changes = {}
    for item in fields(node):
        old = getattr(node, item.name)
        new = _rebuilt(old, change, stop)
        if new is not old:
            changes[item.name] = new
    return change(replace(node, **changes) if changes else node)


def nodes(node: Any) -> Iterator[Any]:
    """Yield every node of a program, parents first."""
    if isinstance(node, tuple):
        for item in node:
            yield from nodes(item)
    elif is_dataclass(node) and not isinstance(node, type):
        yield node
        for item in fields(node):
            yield from nodes(getattr(node, item.name))
