# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node's one TF listener: every message of /tf is read once, whoever looks transforms up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.subscription import Subscription

from spatialgeo_ros.node.receiver import Receiver

try:
    import tf2_ros
    from tf2_msgs.msg import TFMessage
    from tf2_ros import TransformException
except ImportError:  # not on PyPI: a workspace from wheels has no TF
    tf2_ros = TFMessage = None
    TransformException = LookupError

__all__ = ["TfListener", "TransformException", "tf_is_installed"]

# What tf2_ros' own listener asks for.
_TF = QoSProfile(depth=100)
_TF_STATIC = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
_AUTHORITY = "spatialgeo_ros"  # tf2 names it in its warnings


def tf_is_installed() -> bool:
    """Whether transforms can be listened to here."""
    return tf2_ros is not None


class TfListener:
    """Fills tf2_ros' buffer from /tf and /tf_static while somebody wants transforms.

    Not tf2_ros' own listener: that takes messages in the executor, and a robot's TF may be a
    thousand a second, for each of which rclpy's executor goes through all entities of the node.
    """

    def __init__(self, receiver: Receiver) -> None:
        """Subscribe with ``receiver`` from the first :meth:`open` on."""
        self._receiver = receiver
        self._lock = threading.Lock()
        self._users = 0
        self._buffer: Any = None
        self._subscriptions: tuple[Subscription, ...] = ()

    def open(self) -> Any:
        """Return the tf2_ros.Buffer to look up in, for one user more.

        Only where :func:`tf_is_installed`.
        """
        with self._lock:
            if self._users == 0:
                buffer = self._buffer = tf2_ros.Buffer()
                self._subscriptions = tuple(
                    self._receiver.subscribe(TFMessage, topic, _filler(store), qos)
                    for topic, store, qos in (
                        ("/tf", buffer.set_transform, _TF),
                        ("/tf_static", buffer.set_transform_static, _TF_STATIC),
                    )
                )
            self._users += 1
            return self._buffer

    def close(self) -> None:
        """Let go for one user; with the last the subscriptions go."""
        with self._lock:
            self._users -= 1
            if self._users == 0:
                for subscription in self._subscriptions:
                    self._receiver.unsubscribe(subscription)
                self._buffer, self._subscriptions = None, ()


def _filler(store: Callable[[Any, str], None]) -> Callable[[TFMessage, int], None]:
    def fill(message: TFMessage, arrived_ns: int) -> None:
        for transform in message.transforms:
            store(transform, _AUTHORITY)

    return fill
