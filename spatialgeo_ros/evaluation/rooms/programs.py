# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Answers English on a map as the robot does: the question becomes a program, the map runs it."""

from __future__ import annotations

from spatialgeo_ros.memory.snapshot import MapSnapshot
from spatialgeo_ros.query.parser import NotUnderstood, parse
from spatialgeo_ros.query.result import QueryError, Result, ResultType
from spatialgeo_ros.scene.executor import execute


class ProgramAnswerer:
    """Parses each question and runs its program on one map.

    Args:
        snapshot: the map.
    """

    def __init__(self, snapshot: MapSnapshot) -> None:
        self._snapshot = snapshot
        self._labels = tuple({one.label for one in snapshot.objects})

    @property
    def snapshot(self) -> MapSnapshot:
        """The map."""
        return self._snapshot

    def answer(self, question: str) -> Result:
        """Return the typed answer; a question without a reading is an error of the result."""
        try:
            program = parse(question, labels=self._labels)
        except NotUnderstood as error:
            return Result(ResultType.ERROR, str(error), error=QueryError.NOT_UNDERSTOOD)
        return execute(program, self._snapshot)
