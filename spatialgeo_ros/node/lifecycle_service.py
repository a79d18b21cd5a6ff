# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Puts two things right in rclpy's lifecycle nodes: refused transitions, and leaving the graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lifecycle_msgs.srv import ChangeState
from rclpy.lifecycle import LifecycleNode

from spatialgeo_ros.errors import escaped, quoted


def answer_refused_transitions(node: LifecycleNode) -> None:
    """Make ``~/change_state`` answer ``success: false`` where rclpy raises, as rclcpp does."""
    for service in node.services:
        if service.srv_type is ChangeState:
            service.callback = _answering(service.callback, node)


def release_state_machine(node: LifecycleNode) -> None:
    """Free what keeps a destroyed lifecycle node in the graph: rclpy leaves it to the garbage.

    Without it, other nodes see a node that ended for as long as the middleware's lease, 20 s.
    """
    machine = getattr(node, "_state_machine", None)  # rclpy has no public way to it
    if hasattr(machine, "destroy_when_not_in_use"):
        machine.destroy_when_not_in_use()


def _answering(change: Callable[[Any, Any], Any], node: LifecycleNode) -> Callable[[Any, Any], Any]:
    def answer(request: Any, response: Any) -> Any:
        try:
            return change(request, response)
        except Exception as error:  # RCLError in the releases known; a client is answered anyway
            asked = request.transition
            name = quoted(asked.label) if asked.label else str(asked.id)
            node.get_logger().warning(f"transition {name} refused: {escaped(error, 300)}")
            response.success = False
            return response

    return answer
