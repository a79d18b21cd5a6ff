# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What each dialogue was about last, for "it" and "in feet?": bounded in number, and expiring."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from spatialgeo_ros.query.english import Dialogue
from spatialgeo_ros.query.program import Program

MOST_DIALOGUES = 100
EXPIRES_AFTER_S = 300.0


class Dialogues:
    """The last question of each session. A session that nobody names has no memory.

    Args:
        most: sessions that are kept; the one that was silent longest goes first.
        expires_after: seconds of silence after which a session is forgotten.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        most: int = MOST_DIALOGUES,
        expires_after: float = EXPIRES_AFTER_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most, self._expires_after, self._clock = most, expires_after, clock
        self._last: OrderedDict[str, tuple[float, Dialogue]] = OrderedDict()

    def before(self, session: str) -> Dialogue:
        """Return what a session was about last; empty for a new, an expired or no session."""
        if not session or session not in self._last:
            return Dialogue()
        said, dialogue = self._last[session]
        if self._clock() - said > self._expires_after:
            del self._last[session]
            return Dialogue()
        return dialogue

    def remember(self, session: str, program: Program | None, objects: tuple[str, ...]) -> None:
        """Keep what a session is about now; a question that was not understood changes nothing."""
        if not session or program is None:
            return
        self._last.pop(session, None)
        self._last[session] = (self._clock(), Dialogue(program, objects))
        while len(self._last) > self._most:
            self._last.popitem(last=False)

    def clear(self) -> None:
        """Forget everything (the map was cleared: its ids mean nothing any more)."""
        self._last.clear()
