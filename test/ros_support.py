# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Helpers of the system tests: wait for a condition, run a node, talk to it over real DDS."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

T = TypeVar("T")
POLL_SECONDS = 0.02


def wait_for(
    condition: Callable[[], T],
    timeout: float = 30.0,
    what: str | Callable[[], str] = "the condition",
) -> T:
    """Return the first truthy value of ``condition()``; fail after ``timeout`` seconds.

    ``what`` names in the failure what was waited for; a callable is asked then.
    """
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            reason = what() if callable(what) else what
            raise AssertionError(f"waited {timeout:g} s in vain for {reason}")
        time.sleep(POLL_SECONDS)


_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def _prepare_child() -> None:
    """Run in a new process before its program."""
    # A background job of a shell ignores SIGINT, and so would all its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # A test run that is killed takes its nodes along, instead of leaving them to meet the next.
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class NodeProcess:
    """One executable in a session of its own; its output goes to ``<folder>/output.txt``."""

    def __init__(
        self,
        script: Path,
        folder: Path,
        *,
        parameters: Mapping[str, Any] | None = None,
        remappings: Mapping[str, str] | None = None,
        namespace: str = "",
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = script.name
        folder.mkdir(parents=True)
        self._output = folder / "output.txt"
        command = [sys.executable, str(script), *arguments, "--ros-args"]
        if parameters:
            path = folder / "parameters.yaml"
            path.write_text(yaml.safe_dump({"/**": {"ros__parameters": dict(parameters)}}))
            command += ["--params-file", str(path)]
        if namespace:
            command += ["-r", f"__ns:=/{namespace.strip('/')}"]
        for source, target in (remappings or {}).items():
            command += ["-r", f"{source}:={target}"]
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
                start_new_session=True,
                preexec_fn=_prepare_child,
            )

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def output(self) -> str:
        """What the process has written so far, stdout and stderr together."""
        return self._output.read_text(errors="replace")

    def is_running(self) -> bool:
        """Tell whether the process lives."""
        return self._process.poll() is None

    def wait_for_output(self, text: str, timeout: float = 60.0) -> None:
        """Wait until ``text`` appears in the output; fails at once when the process ends."""

        def appeared() -> bool:
            ended = not self.is_running()  # asked first, so that the last words are not missed
            if text in self.output:
                return True
            assert not ended, f"{self.name} ended before it wrote {text!r}:\n{self.output}"
            return False

        wait_for(
            appeared, timeout, lambda: f"{text!r} from {self.name}, which wrote:\n{self.output}"
        )

    def interrupt(self, wait: bool = True, timeout: float = 20.0) -> int | None:
        """Send SIGINT; return the exit status when ``wait``."""
        if self.is_running():
            self._process.send_signal(signal.SIGINT)
        return self._process.wait(timeout) if wait else None

    def stop(self, timeout: float = 20.0) -> bool:
        """Wait for the end after a SIGINT; kill the process and return False when it stays."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            return False
        return True


class RosClient:
    """A node with a context of its own that spins in a background thread."""

    def __init__(self, name: str = "test_client", namespace: str = "") -> None:
        import rclpy
        from rclpy.executors import SingleThreadedExecutor

        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node(name, namespace=namespace, context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self._at_close: list[Callable[[], None]] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        while not self._stopping.is_set():
            self.executor.spin_once(timeout_sec=0.05)

    def result(self, future: Any, timeout: float = 30.0, what: str = "the response") -> Any:
        """Wait for an rclpy future (of a service, an action goal or its result)."""
        wait_for(future.done, timeout, what)
        return future.result()

    def call(self, kind: type, name: str, request: Any, timeout: float = 60.0) -> Any:
        """Call a service once and return its response."""
        client = self.node.create_client(kind, name)
        try:
            wait_for(client.service_is_ready, timeout, f"service {name}")
            return self.result(client.call_async(request), timeout, f"a response of {name}")
        finally:
            self.node.destroy_client(client)

    def action_client(self, kind: type, name: str, timeout: float = 30.0) -> Any:
        """Return a client of an action whose server is there."""
        from rclpy.action import ActionClient

        client = ActionClient(self.node, kind, name)
        # Not before the executor has stopped: rclpy fails on a client that goes while it is used.
        self._at_close.append(client.destroy)
        wait_for(client.server_is_ready, timeout, f"action {name}")
        return client

    def send_goal(self, client: Any, goal: Any, on_feedback: Any = None) -> Any:
        """Send a goal and return its handle once the server has responded."""
        from spatialgeo_ros.node.action_calls import send_goal

        return self.result(send_goal(self.executor, client, goal, on_feedback), what="a goal")

    def goal_result(self, handle: Any) -> Any:
        """Return the future of a goal's result."""
        from spatialgeo_ros.node.action_calls import get_result

        return get_result(self.executor, handle)

    def cancel_goal(self, handle: Any) -> Any:
        """Ask for a goal to be cancelled and return the server's response."""
        from spatialgeo_ros.node.action_calls import cancel_goal

        return self.result(cancel_goal(self.executor, handle), what="the cancel's acceptance")

    def collect(self, kind: type, topic: str, qos: Any = 10) -> list[Any]:
        """Subscribe; the returned list grows with every message."""
        messages: list[Any] = []
        self.node.create_subscription(kind, topic, messages.append, qos)
        return messages

    def close(self) -> None:
        """Stop spinning and leave the graph."""
        self._stopping.set()
        self._thread.join(timeout=10.0)
        for release in self._at_close:
            release()
        self.executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()
