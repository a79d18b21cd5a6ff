# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What asks for a program needs of a planner."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

from spatialgeo_ros.query.english import Dialogue
from spatialgeo_ros.query.program import Program


class Planner(Protocol):
    """Writes programs of questions; see docs/planner.md. All calls come from one thread."""

    @property
    def name(self) -> str:
        """What writes, for answers and errors; holds no secret."""

    def plan(
        self,
        question: str,
        nouns: Collection[str],
        dialogue: Dialogue,
        cancelled: Callable[[], bool] | None = None,
        regions: int = 0,
    ) -> Program:
        """Return the program of a question, checked like any that comes from outside.

        Args:
            question: as a person typed it.
            nouns: what the things are called that are known here.
            dialogue: the question before.
            cancelled: asked all the while.
            regions: how many regions the request has.

        Raises:
            CancelledError: ``cancelled`` became true.
            NotUnderstoodError: the planner says that no program can ask this.
            PlannerFailedError: it gave no program that may be run, or not in time; why.
        """

    def close(self) -> None:
        """Free memory; it cannot be asked afterwards."""
