# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Takes the messages of sensors on a thread of its own, beside rclpy's executor.

For each message, the executor goes two or three times through every entity of the node in Python
(services, timers, events of each publisher) and hands the work to a pool of threads. Two cameras at
30 Hz and odometry at 50 Hz are 230 messages a second: that alone filled the interpreter, and most
images were lost or old before anybody looked at them (docs/benchmarks.md). Here a wait set of the
sensors' subscriptions alone is waited for, and each callback runs where its message was taken.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.guard_condition import GuardCondition
from rclpy.node import Node
from rclpy.qos import QoSPolicyKind, QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription

from spatialgeo_ros.node.compatibility import rclpy_bindings, subscription_options

_rclpy = rclpy_bindings()

_LONGEST_WAIT = 1_000_000_000  # ns, should a wake-up be lost
_LOG_PERIOD = 5.0  # s between two tracebacks of callbacks

# By parameters qos_overrides.<topic>.subscription.*: the usual three, and the durability, because
# drivers that publish a calibration once offer it to subscriptions that ask for what was before.
_OVERRIDDEN = (
    QoSPolicyKind.HISTORY,
    QoSPolicyKind.DEPTH,
    QoSPolicyKind.RELIABILITY,
    QoSPolicyKind.DURABILITY,
)

#: Called with a message and when the middleware received it, nanoseconds of the system's clock.
Callback = Callable[[Any, int], None]


class _TakenElsewhere(CallbackGroup):
    """Keeps the executor from a subscription and its events.

    The events too: in Fast DDS they wake whoever waits for them whenever there is a message, and
    until it is taken.
    """

    def can_execute(self, entity: Any) -> bool:
        """Return False."""
        return False

    def beginning_execution(self, entity: Any) -> bool:
        """Return False."""
        return False

    def ending_execution(self, entity: Any) -> None:
        """Do nothing: nothing began."""


class Receiver:
    """Subscriptions whose callbacks run one after the other on one thread, which must not wait."""

    def __init__(self, node: Node) -> None:
        """Start the thread; ``node`` owns the subscriptions."""
        self.node = node
        self._lock = threading.Lock()
        self._callbacks: dict[Subscription, Callback] = {}
        self._borrowed: dict[Subscription, CallbackGroup] = {}
        self._changed = self._closed = False
        # Of no callback group: the executor does not know it.
        self._wake = GuardCondition(None, None, context=node.context)
        self._thread = threading.Thread(target=self._run, name="receiver", daemon=True)
        self._thread.start()

    def subscribe(
        self,
        message_type: type,
        topic: str,
        callback: Callback,
        qos: QoSProfile,
        event_callbacks: Any = None,
    ) -> Subscription:
        """Subscribe; ``callback`` runs on the receiver's thread.

        Args:
            message_type: Of the topic.
            topic: Name, remapped as usual.
            callback: Takes messages.
            qos: Which parameters may override.
            event_callbacks: rclpy's SubscriptionEventCallbacks; they run on this thread, too.
        """
        subscription = self.node.create_subscription(
            message_type,
            topic,
            lambda message: None,  # never called: see _TakenElsewhere
            qos,
            callback_group=_TakenElsewhere(),
            event_callbacks=event_callbacks,
            qos_overriding_options=QoSOverridingOptions(_OVERRIDDEN),
            **subscription_options(self.node),
        )
        with self._lock:
            self._callbacks[subscription] = callback
            self._changed = True
        self._wake.trigger()
        return subscription

    def take_over(self, topic: str) -> None:
        """Take the messages of subscriptions that rclpy itself made, until this is closed.

        Args:
            topic: Full name, such as ``/clock``, which simulators publish up to a thousand times a
                second.
        """
        for subscription in self.node.subscriptions:
            if subscription.topic_name == topic and subscription not in self._callbacks:
                self._borrowed[subscription] = subscription.callback_group
                _regroup(subscription, _TakenElsewhere())
                with self._lock:
                    self._callbacks[subscription] = _without_arrival(subscription.callback)
                    self._changed = True
                self._wake.trigger()

    def unsubscribe(self, subscription: Subscription) -> None:
        """Destroy a subscription; a callback that runs at this moment ends."""
        with self._lock:
            self._callbacks.pop(subscription, None)
            self._changed = True
        self._wake.trigger()
        self.node.destroy_subscription(subscription)

    def close(self) -> None:
        """Destroy what is subscribed, give back what was taken over, and end the thread."""
        with self._lock:
            for subscription in self._borrowed:
                self._callbacks.pop(subscription, None)
        for subscription in tuple(self._callbacks):
            self.unsubscribe(subscription)
        with self._lock:
            if self._closed:
                return
            self._changed = self._closed = True
        self._wake.trigger()
        if threading.current_thread() is not self._thread:
            self._thread.join()
        self._wake.destroy()
        while self._borrowed:
            subscription, group = self._borrowed.popitem()
            _regroup(subscription, group)
        executor = self.node.executor
        if executor is not None:
            executor.wake()  # it waits without what was given back

    def _run(self) -> None:
        while self.node.context.ok():
            with self._lock:
                if self._closed:
                    return
                callbacks, self._changed = dict(self._callbacks), False
            try:
                self._receive(callbacks)
            except _rclpy.RCLError:
                if self.node.context.ok():
                    self._report()
                    time.sleep(0.1)  # bounds the log should every wait fail

    def _receive(self, callbacks: Mapping[Subscription, Callback]) -> None:
        """Wait for messages and deliver them until the subscriptions change."""
        context = self.node.context
        with ExitStack() as in_use:  # nothing is destroyed while it is waited for
            waited = []
            for subscription in callbacks:
                try:
                    in_use.enter_context(subscription.handle)
                except _rclpy.InvalidHandle:  # the node is being destroyed
                    continue
                waited.append(subscription)
            in_use.enter_context(self._wake.handle)
            in_use.enter_context(context.handle)
            events = [handler for one in waited for handler in one.event_handlers]
            for handler in events:
                in_use.enter_context(handler)
            wait_set = _rclpy.WaitSet(len(waited), 1, 0, 0, 0, len(events), context.handle)
            while not self._changed and context.ok():
                wait_set.clear_entities()
                wait_set.add_guard_condition(self._wake.handle)
                for subscription in waited:
                    wait_set.add_subscription(subscription.handle)
                for handler in events:
                    handler.add_to_wait_set(wait_set)
                wait_set.wait(_LONGEST_WAIT)
                for handler in events:
                    if handler.is_ready(wait_set):
                        self._call(handler.callback, handler.take_data())
                ready = wait_set.get_ready_entities("subscription")
                for subscription in waited:
                    if subscription.handle.pointer in ready:
                        self._deliver(subscription, callbacks[subscription])

    def _deliver(self, subscription: Subscription, callback: Callback) -> None:
        """Take a message and pass it on, unless it was unsubscribed meanwhile."""
        if self._changed and subscription not in self._callbacks:
            return
        taken = subscription.handle.take_message(subscription.msg_type, False)
        if taken is None:
            return
        message, info = taken
        # Not every middleware says when.
        arrived = int(info.get("received_timestamp", 0)) or time.time_ns()
        self._call(callback, message, arrived)

    def _call(self, callback: Callable[..., None], *arguments: Any) -> None:
        """Run a callback; one that fails costs its message and a line of the log."""
        try:
            callback(*arguments)
        except Exception:
            self._report()

    def _report(self) -> None:
        self.node.get_logger().error(
            f"receiving failed:\n{traceback.format_exc()}", throttle_duration_sec=_LOG_PERIOD
        )


def _regroup(subscription: Subscription, group: CallbackGroup) -> None:
    """Give a subscription and its events to a callback group."""
    for entity in (subscription, *subscription.event_handlers):
        entity.callback_group = group


def _without_arrival(callback: Callable[[Any], None]) -> Callback:
    """Make a callback of rclpy's kind one that takes the time of arrival, too."""

    def call(message: Any, arrived_ns: int) -> None:
        callback(message)

    return call
