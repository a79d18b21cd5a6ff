# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A ROS node with the parameters of spatialgeo_ros, without a graph of its own around it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import rclpy

from spatialgeo_ros.node import parameters


@contextmanager
def declared_node(name: str) -> Iterator[Any]:
    """Yield a node on a context of its own that has declared the parameters."""
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node(name, context=context)
    parameters.declare(node)
    try:
        yield node
    finally:
        node.destroy_node()
        context.try_shutdown()
