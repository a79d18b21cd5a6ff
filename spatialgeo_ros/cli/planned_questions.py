# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reads a corpus of questions as the facade does: the grammar, and a planner where one is named."""

from __future__ import annotations

from spatialgeo_ros.answer.planner.choice import make_planner
from spatialgeo_ros.answer.understanding import understand
from spatialgeo_ros.evaluation.question_corpus import Asked
from spatialgeo_ros.memory.snapshot import MapSnapshot
from spatialgeo_ros.query.english import Dialogue
from spatialgeo_ros.query.parser import NotUnderstood
from spatialgeo_ros.query.program import Program


class PlannedReader:
    """Counts what was asked of the planner.

    Args:
        planner, timeout, key_variable: see :func:`make_planner`.

    Raises:
        BadRequestError: the planner cannot be used; of a local one ModelLoadError.
    """

    def __init__(self, planner: str, timeout: float, key_variable: str) -> None:
        self._planner = make_planner(planner, timeout, key_variable)
        self._planned = self._declined = 0
        self._seconds = 0.0
        self._first = ""

    def read(self, question: str, before: Asked, snapshot: MapSnapshot) -> Program:
        """Return the program of a question.

        Raises:
            NotUnderstood: it has none.
        """
        objects = before.result.objects if before.result else ()
        labels = {one.label for one in snapshot.objects}
        dialogue = Dialogue(before.program, objects)
        understood = understand(question, labels, dialogue=dialogue, planner=self._planner)
        self._seconds += understood.seconds
        self._planned += bool(understood.planned_by)
        if understood.program is None:
            self._declined += 1
            self._first = self._first or str(understood.problem)
            raise NotUnderstood(str(understood.problem))
        return understood.program

    @property
    def summary(self) -> str:
        """What the planner did, "" where there is none."""
        if self._planner is None:
            return ""
        asked = self._planned + self._declined
        text = f"planner {self._planner.name}: {self._planned} programs for {asked} questions"
        text += f" in {self._seconds:.1f} s"
        return f"{text}; the first without one: {self._first}" if self._first else text

    def close(self) -> None:
        """Free the planner; the summary stays."""
        if self._planner is not None:
            self._planner.close()
