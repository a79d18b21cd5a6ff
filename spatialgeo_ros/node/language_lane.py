# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The thread that owns the language model: it speaks about what the geometry lane has measured.

Whatever it takes, the geometry lane goes on: watches keep their rate and measurements are served
while a large model speaks.
"""

from __future__ import annotations

import time
from typing import Any

from spatialgeo_ros.errors import BusyError, CancelledError
from spatialgeo_ros.node.lane import Lane, give_way
from spatialgeo_ros.node.request import Request


class LanguageLane(Lane):
    """Serves the spoken part of requests, one after the other."""

    def hand_over(self, request: Request) -> None:
        """Take over a request whose measured part is known; its future gets the whole result.

        Where too many questions wait already, it ends with what was measured, and says so.
        """
        spoken = request.spoken
        assert spoken is not None
        try:
            self.submit(request)
        except BusyError as error:
            if spoken.without is None:
                request.fail(error)
                return
            without, reason = spoken.without, f"language model not asked: {error}"
            self._finish(request, lambda: without(reason))

    def _begin(self) -> None:
        give_way()  # words are never that urgent

    def _step(self, request: Request | None) -> None:
        if request is None:
            return
        started = time.monotonic()
        self._finish(request, lambda: self._speak(request))
        self._statistics.time("language", started)

    def _speak(self, request: Request) -> Any:
        spoken = request.spoken
        assert spoken is not None
        if request.is_cancelled():
            raise CancelledError("cancelled before the language model was asked")
        return spoken.speak()
