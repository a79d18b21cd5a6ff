# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Answers and diagnostics as text, coloured by how much they can be trusted."""

from __future__ import annotations

from typing import Any

import numpy as np
import rerun as rr

from spatialgeo_ros.errors import escaped
from spatialgeo_ros.viewer.entries import ANSWERS, DIAGNOSTICS, LATENCIES, VIEWER, Entry, below

_LONGEST = 1000
# diagnostic_msgs/DiagnosticStatus: level -> word in the timeline of states, level of the log
_LEVELS = {0: ("ok", "INFO"), 1: ("warn", "WARN"), 2: ("error", "ERROR"), 3: ("stale", "WARN")}
_STATE_COLOURS = {"ok": 0x2CA02CFF, "warn": 0xFFBB33FF, "error": 0xD62728FF, "stale": 0x999999FF}


def answer_entries(message: Any) -> list[Entry]:
    """Return an answer as a line: measured parts quietly, failures as errors.

    Args:
        message: ``spatialgeo_ros/SpatialAnswer``.
    """
    question = message.question or message.program
    if message.error_code:
        level, said = "ERROR", message.error_message
    else:
        measured = message.state == message.STATE_MEASURED
        disagrees = message.agreement == message.AGREEMENT_DISAGREE
        doubted = disagrees or bool(message.doubt)
        level = "DEBUG" if measured else "WARN" if doubted else "INFO"
        said = f"{'measured: ' if measured else ''}{message.answer}"
    remarks = [message.comparison] if message.comparison else []
    remarks += [message.doubt] if message.doubt else []
    remarks += message.degraded
    more = f" [{'; '.join(remarks)}]" if remarks else ""
    text = escaped(f"{question} -> {said}{more}", _LONGEST)
    return [Entry(ANSWERS, (rr.TextLog(text, level=level),))]


class DiagnosticsLog:
    """Turns the node's diagnostics into states, a line at each change, and a table of the values.

    Args:
        node: full name of the node; statuses of others are left out.
    """

    def __init__(self, node: str) -> None:
        self._prefix = f"{node}: "
        self._last: dict[str, tuple[int, str]] = {}

    def entries(self, message: Any) -> list[Entry]:
        """Return what a ``diagnostic_msgs/DiagnosticArray`` says of this node."""
        return [
            entry
            for status in message.status
            if status.name.startswith(self._prefix)
            for entry in self._status(status)
        ]

    def _status(self, status: Any) -> list[Entry]:
        name = status.name.removeprefix(self._prefix)
        path = below(DIAGNOSTICS, name)
        level = status.level[0] if isinstance(status.level, bytes) else int(status.level)
        word, log_level = _LEVELS.get(level, ("stale", "WARN"))
        rows = [f"| {_cell(pair.key)} | {_cell(pair.value)} |" for pair in status.values]
        table = "\n".join([f"**{word}**: {_cell(status.message)}", "", "| | |", "|-|-|", *rows])
        entries = [
            Entry(f"{path}/values", (rr.TextDocument(table, media_type="text/markdown"),)),
            Entry(f"{path}/level", (rr.StateChange(state=word),)),
        ]
        if name not in self._last:
            states = list(_STATE_COLOURS)
            colours = np.array(list(_STATE_COLOURS.values()), np.uint32)
            looks = rr.StateConfiguration(values=states, colors=colours)
            entries.insert(0, Entry(f"{path}/level", (looks,), static=True))
        if self._last.get(name) != (level, status.message):
            self._last[name] = (level, status.message)
            text = escaped(f"{name}: {status.message}", _LONGEST)
            entries.append(Entry(f"{path}/log", (rr.TextLog(text, level=log_level),)))
        return entries


def latency_entries(stage: str, seconds: float) -> list[Entry]:
    """Return how long a stage took."""
    return [Entry(below(LATENCIES, stage), (rr.Scalars([seconds]),))]


def remark(text: str, level: str = "WARN") -> Entry:
    """Return a line of the viewer's own log: what it cannot show, and why."""
    return Entry(VIEWER, (rr.TextLog(escaped(text, _LONGEST), level=level),))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
