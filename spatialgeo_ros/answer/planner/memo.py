# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Keeps the newest programs: a question that is asked of several cameras is planned once."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable

from spatialgeo_ros.answer.planner.interface import Planner
from spatialgeo_ros.query.english import Dialogue
from spatialgeo_ros.query.program import Program

_MOST = 32
_EXPIRES_AFTER_S = 60.0


class RememberingPlanner:
    """Asks another planner for what it was not asked a moment ago; failures are not kept.

    The nouns do not count: cameras see different things, and a program means the same in all.

    Args:
        planner: that is asked.
        clock: monotonic seconds.
    """

    def __init__(self, planner: Planner, clock: Callable[[], float] = time.monotonic) -> None:
        self._planner, self._clock = planner, clock
        self._kept: OrderedDict[Hashable, tuple[float, Program]] = OrderedDict()

    @property
    def name(self) -> str:
        """Of the planner that is asked."""
        return self._planner.name

    def plan(
        self,
        question: str,
        nouns: Collection[str],
        dialogue: Dialogue,
        cancelled: Callable[[], bool] | None = None,
        regions: int = 0,
    ) -> Program:
        """Return the program of a question; see :class:`.interface.Planner`."""
        key = (question, dialogue, regions)
        made, program = self._kept.get(key, (float("-inf"), None))
        if program is not None and self._clock() - made < _EXPIRES_AFTER_S:
            return program
        program = self._planner.plan(question, nouns, dialogue, cancelled, regions)
        self._kept.pop(key, None)
        self._kept[key] = (self._clock(), program)
        while len(self._kept) > _MOST:
            self._kept.popitem(last=False)
        return program

    def close(self) -> None:
        """Forget the programs and close the planner."""
        self._kept.clear()
        self._planner.close()
