# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The executable ``spatialgeo_node``: spins the node, starts it by itself, and ends it cleanly."""

from __future__ import annotations

import signal
import sys
import threading
import time
import traceback

import rclpy
from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode
from rclpy.logging import get_logger
from rclpy.signals import SignalHandlerOptions

from spatialgeo_ros.node.allocator import keep_image_memory
from spatialgeo_ros.node.node import SpatialGeoNode
from spatialgeo_ros.node.parameters import ParameterError
from spatialgeo_ros.node.perception_factory import PerceptionFactory, load_perception

# Beside the callbacks that wait for the lanes: subscriptions, timers, cancels, lifecycle.
_SPARE_THREADS = 4
_POLL = 0.2  # s
_BETWEEN_ROUNDS = 0.02  # s
_AFTER_FAILURE = 0.1  # s; bounds the log should every spin fail


def main(
    args: list[str] | None = None,
    perception_factory: PerceptionFactory = load_perception,
) -> int:
    """Run the node until SIGINT, SIGTERM or a shutdown from outside; return the exit status.

    With the parameter ``build_only`` it ends when it is configured: 0 done, 1 failed.

    The executor spins in a thread of its own. So signals reach the main thread at once, and the
    node can shut down in order, with the graph still there: goals are aborted, markers deleted.
    """
    keep_image_memory()
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        node = SpatialGeoNode(perception_factory, stop.is_set)
    except ParameterError as error:
        get_logger("spatialgeo").fatal(str(error))
        rclpy.shutdown()
        return 1
    # Each request that is served or waits holds one thread (see services.py).
    executor = MultiThreadedExecutor(2 * (node.config.queue_size + 1) + _SPARE_THREADS)
    executor.add_node(node)
    spinning = threading.Thread(target=_spin, args=(executor, node, stop), name="executor")
    spinning.start()
    try:
        if node.config.build_only:
            return 0 if node.build() else 1
        if node.config.autostart:
            node.autostart()
        # With a timeout: a signal that comes just before the wait begins does not interrupt it.
        while not stop.wait(_POLL):
            pass
        node.shut_down()
        _drain(executor)
    finally:
        stop.set()
        executor.shutdown()
        spinning.join()
        node.destroy_node()
        rclpy.try_shutdown()
    return 0


def _spin(executor: MultiThreadedExecutor, node: LifecycleNode, stop: threading.Event) -> None:
    """Spin until the executor is shut down; one failing callback does not end the node."""
    while not stop.is_set():
        try:
            executor.spin()
        except ExternalShutdownException:
            stop.set()
        except rclpy_implementation.InvalidHandle:
            # rclpy met the events of a subscription that deactivate destroys at this moment.
            continue
        except Exception:  # rclpy raises a callback's exception here
            node.get_logger().error(f"a callback failed:\n{traceback.format_exc()}")
            stop.wait(_AFTER_FAILURE)


def _drain(executor: MultiThreadedExecutor) -> None:
    """Let the executor send what is on its way: the results of goals that were just aborted.

    rclpy makes a task of sending a result only after the goal's callback has returned, and it runs
    its newest task first: one round alone could overtake it.
    """
    for _ in range(3):
        served = threading.Event()
        executor.create_task(served.set)
        served.wait(1.0)
        time.sleep(_BETWEEN_ROUNDS)


if __name__ == "__main__":
    sys.exit(main())
