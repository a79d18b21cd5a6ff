# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a question to its program: the grammar first, and a planner for what it declines."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from spatialgeo_ros.answer.planner.interface import Planner
from spatialgeo_ros.errors import (
    NotUnderstoodError,
    PlannerFailedError,
    SpatialGeoError,
    quoted,
)
from spatialgeo_ros.query.english import Dialogue
from spatialgeo_ros.query.parser import NotUnderstood, parse
from spatialgeo_ros.query.program import Program

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Understood:
    """What became of a question.

    Attributes:
        program: of it; None where there is none.
        problem: why there is none.
        planned_by: the planner that wrote the program; "" where the grammar did.
        seconds: that a planner was waited for.
    """

    program: Program | None
    problem: SpatialGeoError | None = None
    planned_by: str = ""
    seconds: float = 0.0

    @property
    def remark(self) -> str:
        """What an answer says of it."""
        return f"planned by {self.planned_by}" if self.planned_by else ""


def understand(
    question: str,
    nouns: Collection[str],
    regions: int = 0,
    dialogue: Dialogue | None = None,
    planner: Planner | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Understood:
    """Return the program of a question, or why it has none.

    Args:
        question: in plain English.
        nouns: what the things are called that are known here.
        regions: how many regions the request has.
        dialogue: the question before.
        planner: asked where the grammar has no reading; None for nobody.
        cancelled: asked while a planner works.

    Raises:
        CancelledError: ``cancelled`` became true.
    """
    dialogue = dialogue or Dialogue()
    try:
        return Understood(parse(question, dialogue, nouns, regions))
    except NotUnderstood as error:
        declined = str(error)
    if planner is None:
        return Understood(None, NotUnderstoodError(declined))
    started = time.perf_counter()
    kind: type[SpatialGeoError]
    try:
        program = planner.plan(question, nouns, dialogue, cancelled, regions)
    except NotUnderstoodError as error:
        kind, why = NotUnderstoodError, str(error)
    except PlannerFailedError as error:
        kind, why = PlannerFailedError, str(error)
    else:
        seconds = time.perf_counter() - started
        log.info(
            "%s: planned by %s in %.2f s (%s)", quoted(question), planner.name, seconds, declined
        )
        return Understood(program, planned_by=planner.name, seconds=seconds)
    problem = kind(f"{declined}; planner {planner.name}: {why}")
    log.warning("%s: %s", quoted(question), problem)
    return Understood(None, problem, seconds=time.perf_counter() - started)
