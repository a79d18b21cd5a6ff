# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Runs a node that publishes from a thread of its own: the simulated camera and the replay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

from spatialgeo_ros.errors import SpatialGeoError

# rclpy's signal handler wakes the executor, and its thread ends the context: an executor that
# looked at the context between the two waits again, and nobody wakes it any more.
_LONGEST_WAIT = 0.5  # s


class Source(Protocol):
    """A node whose thread publishes until :meth:`close`."""

    #: Why it stopped by itself, or None.
    failure: str | None

    def close(self) -> None:
        """Stop publishing; may be called twice."""

    def destroy_node(self) -> None:
        """Leave the graph."""


def run_source(name: str, create: Callable[[], Source], arguments: list[str] | None) -> int:
    """Spin a source until it ends or is interrupted.

    Args:
        name: of the logger that gets what went wrong.
        create: makes the node, once ROS is initialised.
        arguments: command line for ROS; None takes that of the process.

    Returns:
        The exit status: 0 done, 1 failed while running, 2 could not start.
    """
    rclpy.init(args=arguments)
    logger = rclpy.logging.get_logger(name)
    node = None
    try:
        try:
            node = create()
        except (SpatialGeoError, ValueError) as error:
            logger.fatal(str(error))
            return 2
        except Exception:
            if rclpy.ok():
                raise
            return 0  # interrupted while it was being made
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        try:
            while rclpy.ok():
                executor.spin_once(timeout_sec=_LONGEST_WAIT)
        except (KeyboardInterrupt, ExternalShutdownException):
            pass
        node.close()
        if node.failure is not None:
            logger.fatal(node.failure)
            return 1
        return 0
    finally:
        if node is not None:
            node.close()
            node.destroy_node()
        rclpy.try_shutdown()
