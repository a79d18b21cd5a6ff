# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Starts the demo's nodes as processes of their own and ends them, whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

_GRACE_SECONDS = 15.0
_TAIL_LINES = 15


class ProcessEndedError(RuntimeError):
    """A node ended by itself; the message holds the end of its log."""


class NodeProcess:
    """One node, run with this interpreter; its output goes to a log file.

    Args:
        module: with a ``main`` that is run as ``python -m``.
        log: file for the node's output.
        parameters: of the node.
        file: YAML file of more parameters.
        arguments: of the program itself, before those of ROS.
    """

    def __init__(
        self,
        module: str,
        log: Path,
        parameters: Mapping[str, Any],
        file: Path | None = None,
        arguments: Sequence[str] = (),
    ) -> None:
        self.name, self.log = module.rsplit(".", 1)[-1], log
        command = [sys.executable, "-m", module, *arguments, "--ros-args"]
        if file is not None:
            command += ["--params-file", str(file)]
        for name, value in parameters.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            command += ["-p", f"{name}:={text}"]
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", "RCUTILS_COLORIZED_OUTPUT": "0"},
                start_new_session=True,
                # A shell's background jobs ignore SIGINT, and children inherit that.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            )

    def check(self) -> None:
        """Make sure that the process lives.

        Raises:
            ProcessEndedError: it has ended.
        """
        status = self._process.poll()
        if status is not None:
            lines = self.log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
            raise ProcessEndedError(
                f"{self.name} ended with status {status}; the end of {self.log}:\n  "
                + "\n  ".join(lines)
            )

    def is_running(self) -> bool:
        """Tell whether the process lives."""
        return self._process.poll() is None

    def interrupt(self) -> None:
        """Ask the process to end."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)

    def stop(self) -> None:
        """Wait for the end after :meth:`interrupt`; kill what does not end."""
        try:
            self._process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


class Processes:
    """Nodes that end together, at the end of the ``with`` block."""

    def __init__(self) -> None:
        self._running: list[NodeProcess] = []
        self._spare: list[NodeProcess] = []

    def start(
        self, module: str, log: Path, parameters: Mapping[str, Any], file: Path | None = None
    ) -> NodeProcess:
        """Start a node; see :class:`NodeProcess`."""
        process = NodeProcess(module, log, parameters, file)
        self._running.append(process)
        return process

    def start_spare(self, module: str, log: Path, arguments: Sequence[str]) -> NodeProcess:
        """Start a program without which the others go on."""
        process = NodeProcess(module, log, {}, arguments=arguments)
        self._spare.append(process)
        return process

    def end(self, process: NodeProcess) -> None:
        """End one of them before the others."""
        self._running.remove(process)
        process.interrupt()
        process.stop()

    def check(self) -> None:
        """Make sure that all live.

        Raises:
            ProcessEndedError: one has ended.
        """
        for process in self._running:
            process.check()

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        everything = [*self._running, *self._spare]
        for process in everything:  # all get the signal first: they end side by side
            process.interrupt()
        for process in everything:
            process.stop()
