# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Graph and machine, looked at side by side, and never for longer than 15 seconds."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from spatialgeo_ros.doctor import machine, middleware
from spatialgeo_ros.doctor.options import Options
from spatialgeo_ros.doctor.report import Report
from spatialgeo_ros.errors import BadRequestError, escaped
from spatialgeo_ros.findings.finding import Finding

#: Seconds after which a part that has not ended is left behind.
LONGEST = 13.0
_TRIAL = 6.0  # s that a middleware has to be loaded


def examine(options: Options, context: Any = None, longest: float = LONGEST) -> Report:
    """Look at graph and machine.

    Args:
        options: What to look at.
        context: Of rclpy; a new one by default.
        longest: Seconds after which what is not done is reported as not done; the graph has one
            less.

    Raises:
        BadRequestError: The options cannot be used.
    """
    started = time.monotonic()
    deadline = started + longest
    report = Report()
    needs: list[machine.Need] = [_need(dict(options.settings))]
    looked = threading.Event()
    graph, packages = Report(), Report()

    def look_at_graph() -> None:
        try:
            if options.graph:
                needs[:] = _look_at_graph(options, graph, deadline - 1.0, context) or needs
        finally:
            looked.set()

    def look_at_machine() -> None:
        if not options.machine:
            return
        _look_at_packages(packages)
        # The profile is that of the running node, and PyTorch's import must not slow the graph.
        looked.wait()
        for need in {need.profile: need for need in needs}.values():
            _look_at_profile(need, packages)

    parts = [
        _Part("graph", look_at_graph, graph),
        _Part("machine", look_at_machine, packages),
    ]
    for part in parts:
        part.start()
    for part in parts:
        part.join(deadline)
        report.merge(part.report)
    report.seconds = time.monotonic() - started
    return report


class _Part:
    """One part on a thread of its own; its report counts as far as it got."""

    def __init__(self, name: str, run: Callable[[], None], report: Report) -> None:
        self.name, self.report, self._run = name, report, run
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._guarded, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def _guarded(self) -> None:
        try:
            self._run()
        except BaseException as error:  # whatever it is, the other part is still reported
            self._error = error

    def join(self, deadline: float) -> None:
        self._thread.join(max(0.0, deadline - time.monotonic()))
        if self._thread.is_alive() or isinstance(self._error, TimeoutError):
            snapshot = Report()
            snapshot.merge(self.report)  # the thread may go on
            self.report = snapshot
            self.report.add(
                self.name,
                Finding(
                    "check-unfinished",
                    f"the {self.name} could not be looked at to the end in the time there is: the "
                    "machine is busy, or the graph is very large; name a --node, or use --only",
                ),
            )
        elif isinstance(self._error, BadRequestError):
            raise self._error
        elif self._error is not None:
            text = escaped(f"{type(self._error).__name__}: {self._error}", 300)
            self.report.add(self.name, Finding("check-failed", f"the {self.name}: {text}"))


def _look_at_graph(
    options: Options, report: Report, deadline: float, context: Any
) -> list[machine.Need]:
    missing = _missing_ros()
    if missing is not None:
        report.add("graph", missing)
        return []
    if (unusable := _unusable_middleware()) is not None:
        report.add("graph", unusable)
        return []
    from rclpy.utilities import get_rmw_implementation_identifier

    try:
        chosen = get_rmw_implementation_identifier()
        from spatialgeo_ros.doctor.graph import examine_graph
    except (ImportError, RuntimeError) as error:
        report.add("graph", _without_middleware(str(error)))
        return []
    report.facts.update(middleware.middleware_facts(os.environ, chosen))
    if options.machine:
        report.add(
            "machine",
            *middleware.middleware_findings(os.environ, chosen, middleware.ros_processes()),
        )
    try:
        configs = examine_graph(options, report, deadline, context)
    except RuntimeError as error:  # of rcl, which says no more
        report.add("graph", _without_middleware(str(error)))
        return []
    return [
        machine.Need(
            one.profile,
            one.grounding,
            one.device,
            one.quantisation,
            one.precision,
            one.engine_folder,
            loaded,
        )
        for one, loaded in configs
    ]


def _missing_ros() -> Finding | None:
    if importlib.util.find_spec("rclpy") is None:
        return Finding(
            "ros-missing",
            "ROS 2 is not there (no rclpy), so the graph cannot be looked at: source "
            "/opt/ros/$ROS_DISTRO/setup.bash and your workspace",
        )
    if importlib.util.find_spec("spatialgeo_ros.msg") is None:
        return Finding(
            "interfaces-missing",
            "the messages of spatialgeo_ros are not there, so the graph cannot be looked at: build "
            "the workspace (colcon build) and source install/setup.bash",
        )
    return None


def _unusable_middleware() -> Finding | None:
    """Try a chosen middleware in another process: where it is not there, rcl ends the process."""
    if not os.environ.get("RMW_IMPLEMENTATION") or "rclpy" in sys.modules:
        return None
    try:
        done = subprocess.run(
            [sys.executable, "-c", "import rclpy; rclpy.get_rmw_implementation_identifier()"],
            capture_output=True,
            text=True,
            timeout=_TRIAL,
        )
    except subprocess.TimeoutExpired:  # a slow machine; what is wrong shows in this process
        return None
    if done.returncode == 0:
        return None
    words = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    return _without_middleware(words)


def _without_middleware(error: str) -> Finding:
    chosen = os.environ.get("RMW_IMPLEMENTATION", "the default")
    return Finding(
        "rmw-unusable",
        f"the middleware cannot be started (RMW_IMPLEMENTATION is {chosen}): "
        f"{escaped(error, 200)}; install ros-$ROS_DISTRO-rmw-..., or unset RMW_IMPLEMENTATION",
    )


def _need(settings: dict[str, Any]) -> machine.Need:
    names = ("profile", "grounding", "device", "quantisation", "precision", "engine_folder")
    given: dict[str, Any] = {name: str(settings[name]) for name in names if name in settings}
    return machine.Need(**given)


def _look_at_packages(report: Report) -> None:
    found = machine.versions()
    report.facts["packages"] = found
    cards = machine.gpus()
    report.facts["GPU"] = [f"{one.name} ({one.total:.0f} GiB, {one.driver})" for one in cards]


def _look_at_profile(need: machine.Need, report: Report) -> None:
    found = machine.versions()
    report.facts["profile"] = need.profile
    report.add("machine", *machine.package_findings(found, need))
    findings, needed = machine.profile_findings(need)
    report.add("machine", *findings)
    cards = machine.gpus()
    report.add("machine", *machine.gpu_findings(cards, found["torch"], need, needed))
    if need.has_networks:
        findings, text = machine.engine_findings(need.engine_folder)
        report.add("machine", *findings)
        report.facts["engines"] = text
