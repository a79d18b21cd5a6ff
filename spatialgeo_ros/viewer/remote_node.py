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

    def is_there(self) -> bool:
        """Whether the graph has such a node."""
        wanted = (self._base, self.namespace)
        return wanted in self._node.get_node_names_and_namespaces()

    def parameters(self, timeout: float) -> list[Parameter]:
        """Return all its parameters.

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
        return [
            Parameter.from_parameter_msg(ParameterMessage(name=name, value=value))
            for name, value in zip(names, response.values, strict=True)
        ]

    def close(self) -> None:
        """Leave the graph."""
        self._spinner.close()

    def _call(self, client: Any, request: Any, end: float) -> Any:
        future = client.call_async(request)
        while not future.done():
            if self._stopping.wait(_POLL) or time.monotonic() > end:
                client.remove_pending_request(future)
                raise RequestTimeoutError(
                    f"{self.name} does not tell its parameters: does it still run?"
                )
        return future.result()
