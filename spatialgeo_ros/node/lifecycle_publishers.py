# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Publishers below the node's own name, the QoS of what it says, and how parameters override it."""

from __future__ import annotations

from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions

# Reliable publishers suit every subscriber: best-effort ones and RViz, which asks for reliable.
RESULTS = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
IMAGES = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
#: Of what stays true until the next message: who comes late gets the last one.
LATCHED = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


class LifecyclePublishers:
    """Some publishers of a node; they are silent unless the node is active."""

    def __init__(self, node: LifecycleNode) -> None:
        """Create them on ``node``."""
        self._node = node
        self._publishers: list[Any] = []

    def create(self, kind: type, topic: str, qos: QoSProfile) -> Any:
        """Create the publisher of ``~/topic``; ``qos_overrides`` of the parameters count."""
        publisher = self._node.create_lifecycle_publisher(
            kind,
            f"~/{topic}",
            qos,
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )
        self._publishers.append(publisher)
        return publisher

    def is_heard(self) -> bool:
        """Whether somebody listens to one of them."""
        return any(one.get_subscription_count() > 0 for one in self._publishers)

    def close(self) -> None:
        """Destroy them."""
        for publisher in self._publishers:
            self._node.destroy_lifecycle_publisher(publisher)
        self._publishers.clear()
