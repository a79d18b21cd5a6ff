# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The executable ``spatialgeo_node``: spins the node, starts it by itself, and ends it cleanly.

How it ends: a signal reaches the main thread, which does nothing but wait for one. It leads the
node through the shutdown transition, destroys it and leaves the process without the interpreter's
own end, which takes a second of CPU once PyTorch is imported. What does not end within the
time a process gets (a checkpoint that is being read, a forward pass of a large model) is left
behind: the operating system takes it back. A signal that comes later ends the process at once.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

import rclpy
from rclpy.exceptions import InvalidHandle
from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor
from rclpy.lifecycle import LifecycleNode
from rclpy.logging import get_logger
from rclpy.signals import SignalHandlerOptions

from spatialgeo_ros.node.allocator import keep_image_memory
from spatialgeo_ros.node.node import SpatialGeoNode
from spatialgeo_ros.node.parameters import ParameterError
from spatialgeo_ros.node.perception_factory import PerceptionFactory, load_perception

# Beside the callbacks that wait for the lanes: subscriptions, timers, cancels, lifecycle.
_SPARE_THREADS = 4
_TURN = 0.001  # s
_POLL = 0.1  # s
_BETWEEN_ROUNDS = 0.02  # s
_AFTER_FAILURE = 0.1  # s; bounds the log should every spin fail
_CALLBACK_GRACE = 0.3  # s that running callbacks get
_TIME_TO_END = 1.5  # s from the signal until the process is left as it is
_LAST_RESORT = 0.4  # s later the kernel ends it, should native code hold Python's lock
_ONE_SIGNAL = 0.5  # s within which signals are one: launch and the terminal both send SIGINT


class _Ending:
    """Whether the process is to end, and since when. Signals come to the main thread."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self._since: float | None = None

    def on_signal(self, number: int, _: Any) -> None:
        """Ask for an orderly end; end at once when that was asked for before."""
        now = time.monotonic()
        if self._since is None:
            self._since = now
            # The default action of SIGALRM needs no Python: it ends the process in any case.
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, _TIME_TO_END + _LAST_RESORT)
            self.event.set()
        elif now - self._since > _ONE_SIGNAL:
            os._exit(128 + number)

    def time_left(self) -> float:
        """Return the seconds that an orderly end may still take."""
        elapsed = 0.0 if self._since is None else time.monotonic() - self._since
        return max(0.0, _TIME_TO_END - elapsed)


def main(
    args: list[str] | None = None,
    perception_factory: PerceptionFactory = load_perception,
) -> NoReturn:
    """Run the node until SIGINT, SIGTERM or a shutdown from outside; end the process.

    With the parameter ``build_only`` it ends when it is configured. The exit status is 0 after
    an orderly end or a build, 1 when the node cannot start or the build fails.

    The executor spins in a thread of its own, and so does what takes time when starting. So signals
    reach the main thread at once, and the node can shut down in order, with the graph still there:
    goals are aborted, markers deleted.
    """
    keep_image_memory()
    # Threads that take turns at the interpreter wait so long for each turn: with the usual 5 ms a
    # callback or a measurement of many small steps crawls while a language model speaks.
    sys.setswitchinterval(_TURN)
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    ending = _Ending()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ending.on_signal)
    try:
        node = SpatialGeoNode(perception_factory, ending.event.is_set)
    except ParameterError as error:
        get_logger("spatialgeo").fatal(str(error))
        rclpy.shutdown()
        _leave(1)
    # Each request that is served or waits holds one thread (see services.py).
    executor = MultiThreadedExecutor(2 * (node.config.queue_size + 1) + _SPARE_THREADS)
    executor.add_node(node)
    spun = _in_thread("executor", lambda: _spin(executor, node, ending.event))
    built: list[bool] = []
    if node.config.build_only:
        _in_thread("build", lambda: built.append(node.build()), then=ending.event.set)
    elif node.config.autostart:
        _in_thread("autostart", node.autostart)
    # With a timeout: a signal that comes just before the wait begins does not interrupt it.
    while not ending.event.wait(_POLL):
        pass
    logger = node.get_logger()
    if node.loading:
        logger.warning("ending while models are loading")
    done = _in_thread("shutdown", lambda: _shut_down(node, executor, spun))
    if not done.wait(ending.time_left()):
        logger.warning("not everything ended in time: leaving it to the operating system")
    _leave(0 if built == [True] or not node.config.build_only else 1)


def _in_thread(
    name: str, work: Callable[[], object], then: Callable[[], object] = lambda: None
) -> threading.Event:
    """Run ``work`` and ``then`` in a thread of their own; the event tells when both are done."""
    done = threading.Event()

    def run() -> None:
        try:
            work()
        except Exception:
            get_logger("spatialgeo").error(f"{name} failed:\n{traceback.format_exc()}")
        finally:
            then()
            done.set()

    threading.Thread(target=run, name=name, daemon=True).start()
    return done


def _shut_down(
    node: SpatialGeoNode, executor: MultiThreadedExecutor, spun: threading.Event
) -> None:
    """Go through the shutdown transition, tell clients, and leave the graph."""
    node.shut_down()
    _drain(executor)
    executor.shutdown(_CALLBACK_GRACE)  # a manager's configure may be among the callbacks
    spun.wait(_CALLBACK_GRACE)  # what it still waits for could not be destroyed
    node.destroy_node()
    rclpy.try_shutdown()


def _leave(status: int) -> NoReturn:
    """End the process now, with what was written flushed and nothing torn down."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)


def _spin(executor: MultiThreadedExecutor, node: LifecycleNode, stop: threading.Event) -> None:
    """Spin until the executor is shut down; one failing callback does not end the node."""
    while not stop.is_set():
        try:
            executor.spin()
        except ExternalShutdownException:
            stop.set()
        except InvalidHandle:
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
    main()
