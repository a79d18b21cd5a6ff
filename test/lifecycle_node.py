# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A lifecycle node that only collects what is published."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


class Node:
    """Stands for a lifecycle node: collects what is published by topic."""

    def __init__(self) -> None:
        self.sent: dict[str, list[Any]] = {}
        self.lines: list[str] = []
        self.listeners = 1

    def create_lifecycle_publisher(self, kind: type, topic: str, qos: Any, **_: Any) -> Any:
        messages = self.sent.setdefault(topic, [])
        return SimpleNamespace(
            publish=messages.append, qos=qos, get_subscription_count=lambda: self.listeners
        )

    def destroy_lifecycle_publisher(self, publisher: Any) -> None:
        pass

    def get_logger(self) -> Any:
        return SimpleNamespace(info=self.lines.append)
