# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The thread that takes sensors' messages, with real publishers in the same process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")

import rclpy
from rclpy.clock import JumpThreshold
from rclpy.duration import Duration
from rclpy.executors import MultiThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from ros_support import wait_for
from rosgraph_msgs.msg import Clock
from std_msgs.msg import Header

from spatialgeo_ros.node.compatibility import subscription_event_callbacks
from spatialgeo_ros.node.receiver import Receiver

QOS = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)


@pytest.fixture
def graph() -> Iterator[Any]:
    """A node that an executor spins, its receiver, and another node that publishes."""
    context = rclpy.Context()
    rclpy.init(context=context)
    node, sender = (rclpy.create_node(name, context=context) for name in ("taker", "sender"))
    executor = MultiThreadedExecutor(2, context=context)
    executor.add_node(node)
    spinning = threading.Thread(target=executor.spin, daemon=True)
    spinning.start()
    receiver = Receiver(node)
    yield SimpleNamespace(node=node, receiver=receiver, sender=sender, spinning=spinning)
    receiver.close()
    executor.shutdown()
    spinning.join(10.0)
    for one in (node, sender):
        one.destroy_node()
    context.try_shutdown()


def publisher(graph: Any, topic: str = "numbers", qos: QoSProfile = QOS) -> Any:
    made = graph.sender.create_publisher(Header, topic, qos)
    wait_for(made.get_subscription_count, what="the match")
    return made


def test_messages_come_on_its_thread_in_order_with_their_arrival(graph):
    came: list[tuple[str, int, str]] = []
    graph.receiver.subscribe(
        Header,
        "numbers",
        lambda m, at: came.append((m.frame_id, at, threading.current_thread().name)),
        QOS,
    )
    sender, before = publisher(graph), time.time_ns()
    for number in range(5):
        sender.publish(Header(frame_id=str(number)))
        wait_for(lambda: len(came) == number + 1)  # noqa: B023
    assert [text for text, _, _ in came] == list("01234")
    assert {name for _, _, name in came} == {"receiver"}
    stamps = [at for _, at, _ in came]
    assert stamps == sorted(stamps) and before <= stamps[0] and stamps[-1] <= time.time_ns()


def test_the_executor_does_not_wake_for_its_messages(graph):
    """Nor for its events, which in Fast DDS wake whoever waits for them at each message."""
    came: list[Any] = []
    receiving = graph.receiver._thread
    graph.receiver.subscribe(Header, "numbers", lambda m, at: came.append(m), QOS)
    sender = publisher(graph)
    clocks = [time.pthread_getcpuclockid(t.ident) for t in (graph.spinning, receiving)]
    before = [time.clock_gettime(clock) for clock in clocks]
    for number in range(300):
        sender.publish(Header(frame_id=str(number)))
        wait_for(lambda: len(came) > number)  # noqa: B023
    executor, receiver = (time.clock_gettime(c) - b for c, b in zip(clocks, before, strict=True))
    assert executor < 0.3 * receiver


def test_a_failing_callback_costs_its_message_alone(graph):
    came: list[str] = []

    def take(message: Header, _: int) -> None:
        if message.frame_id == "bad":
            raise ValueError("no number")
        came.append(message.frame_id)

    graph.receiver.subscribe(Header, "numbers", take, QOS)
    sender = publisher(graph)
    for text in ("bad", "good"):
        sender.publish(Header(frame_id=text))
    wait_for(lambda: came == ["good"])


def test_incompatible_publishers_are_told(graph):
    events: list[Any] = []
    graph.receiver.subscribe(
        Header,
        "numbers",
        lambda message, at: None,
        QOS,
        subscription_event_callbacks(incompatible_qos=events.append),
    )
    best_effort = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    graph.sender.create_publisher(Header, "numbers", best_effort)
    wait_for(lambda: events, what="the event")
    assert events[0].total_count_change == 1


def test_nothing_comes_after_unsubscribing_and_others_go_on(graph):
    first: list[str] = []
    second: list[str] = []
    gone = graph.receiver.subscribe(Header, "a", lambda m, at: first.append(m.frame_id), QOS)
    graph.receiver.subscribe(Header, "b", lambda m, at: second.append(m.frame_id), QOS)
    senders = [publisher(graph, topic) for topic in "ab"]
    for sender in senders:
        sender.publish(Header(frame_id="before"))
    wait_for(lambda: first and second)
    graph.receiver.unsubscribe(gone)
    wait_for(lambda: not senders[0].get_subscription_count(), what="the end of the match")
    for sender in senders:
        sender.publish(Header(frame_id="after"))
    wait_for(lambda: second == ["before", "after"])
    assert first == ["before"]
    again: list[str] = []
    graph.receiver.subscribe(Header, "a", lambda m, at: again.append(m.frame_id), QOS)
    wait_for(senders[0].get_subscription_count)
    senders[0].publish(Header(frame_id="again"))
    wait_for(lambda: again == ["again"])


def test_it_closes_once_and_at_once_from_whichever_thread(graph):
    graph.receiver.subscribe(Header, "numbers", lambda m, at: graph.receiver.close(), QOS)
    sender = publisher(graph)
    sender.publish(Header())
    wait_for(lambda: not graph.receiver._thread.is_alive())
    started = time.monotonic()
    graph.receiver.close()
    assert time.monotonic() - started < 1.0
    other = Receiver(graph.node)
    other.close()
    assert not other._thread.is_alive()


def test_simulated_time_comes_beside_the_executor_and_is_given_back(graph):
    on = Parameter("use_sim_time", value=True)
    assert graph.node.set_parameters([on])[0].successful
    threads: list[str] = []
    kept = graph.node.get_clock().create_jump_callback(
        JumpThreshold(min_forward=Duration(nanoseconds=1), min_backward=None),
        post_callback=lambda jump: threads.append(threading.current_thread().name),
    )
    sender = graph.sender.create_publisher(Clock, "/clock", 1)

    def tell(seconds: int) -> bool:
        message = Clock()
        message.clock.sec = seconds
        sender.publish(message)
        time.sleep(0.005)
        return bool(graph.node.get_clock().now().nanoseconds == seconds * 1_000_000_000)

    wait_for(lambda: tell(1), what="the executor's time")
    graph.receiver.take_over("/clock")
    graph.receiver.take_over("/clock")  # twice is no harm
    wait_for(lambda: tell(2), what="the receiver's first time")
    threads.clear()
    spinning = time.pthread_getcpuclockid(graph.spinning.ident)
    before = time.clock_gettime(spinning)
    for seconds in range(3, 203):
        wait_for(lambda: tell(seconds), what="the receiver's time")  # noqa: B023
    assert set(threads) == {"receiver"}
    assert time.clock_gettime(spinning) - before < 0.1, "200 times must not wake the executor"
    graph.receiver.close()
    threads.clear()
    wait_for(lambda: tell(300), what="the executor's time again")
    assert threads and "receiver" not in threads
    kept.unregister()
