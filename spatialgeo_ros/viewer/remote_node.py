# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node that is looked at: whether it is there, and with which parameters it runs."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import rclpy
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.srv import GetParameters, ListParameters
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.parameter import Parameter

from spatialgeo_ros.errors import BusyError, RequestTimeoutError

_POLL = 0.02  # s


class Spinner:
    """Runs the callbacks of one node in a thread."""

    def __init__(self, node: Any, context: Any) -> None:
        self._node, self._executor = node, SingleThreadedExecutor(context=context)
        self._executor.add_node(node)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._spin, name=node.get_name(), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop, and take the node from the graph."""
        self._stopping.set()
        self._executor.wake()
        self._thread.join(5.0)
        self._executor.shutdown()
        self._node.destroy_node()

    def _spin(self) -> None:
        try:
            while not self._stopping.is_set():
                self._executor.spin_once(timeout_sec=0.5)
        except ExternalShutdownException:
            pass  # the context ended first


class RemoteNode:
    """A client of the node's parameter services.

    Args:
        context: of ROS.
        name: full name of the node ("/spatialgeo").
        stopping: ends waiting.
    """

    def __init__(self, context: Any, name: str, stopping: threading.Event) -> None:
        self.name = "/" + name.strip("/")
        namespace, _, self._base = self.name.rpartition("/")
        self.namespace = namespace or "/"
        self._stopping = stopping
        self._node = rclpy.create_node(f"spatialgeo_view_{os.getpid()}", context=context)
        self._list = self._node.create_client(ListParameters, f"{self.name}/list_parameters")
        self._get = self._node.create_client(GetParameters, f"{self.name}/get_parameters")
        self._spinner = Spinner(self._node, context)

    def run_id(self) -> bytes:
        """Return what tells one run of the node from the next; empty while it is not there."""
        # Every node has this publisher, and each run another one.
        for one in self._node.get_publishers_info_by_topic("/parameter_events"):
            if (one.node_name, one.node_namespace) == (self._base, self.namespace):
                return bytes(one.endpoint_gid)
        return b""

    def parameters(self, timeout: float) -> tuple[bytes, list[Parameter]]:
        """Return which run it is, and all its parameters.

        Raises:
            BusyError: it is not there within ``timeout`` seconds.
            RequestTimeoutError: it is there and does not answer, or waiting was ended.
        """
        end = time.monotonic() + timeout
        while not self._get.service_is_ready() or not self._list.service_is_ready():
            if time.monotonic() > end:
                raise BusyError(
                    f"{self.name} is not running: start it with `ros2 launch spatialgeo_ros "
                    "spatialgeo.launch.py` in the same ROS_DOMAIN_ID, or name it with --node"
                )
            if self._stopping.wait(_POLL):
                raise RequestTimeoutError("stopped while waiting for the node")
        names = self._call(self._list, ListParameters.Request(), end).result.names
        response = self._call(self._get, GetParameters.Request(names=names), end)
        while not (run := self.run_id()):  # its services may be known before the rest of it
            self._wait(end)
        return run, [
            Parameter.from_parameter_msg(ParameterMessage(name=name, value=value))
            for name, value in zip(names, response.values, strict=True)
        ]

    def close(self) -> None:
        """Leave the graph."""
        self._spinner.close()

    def _call(self, client: Any, request: Any, end: float) -> Any:
        future = client.call_async(request)
        try:
            while not future.done():
                self._wait(end)
        except RequestTimeoutError:
            client.remove_pending_request(future)
            raise
        return future.result()

    def _wait(self, end: float) -> None:
        if self._stopping.wait(_POLL) or time.monotonic() > end:
            raise RequestTimeoutError(
                f"{self.name} does not tell its parameters: does it still run?"
            )
