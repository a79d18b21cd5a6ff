# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The thread that owns the language model: it speaks about what the geometry lane has measured.

Whatever it takes, the geometry lane goes on: watches keep their rate and measurements are served
while a large model speaks.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import Any

from spatialgeo_ros.errors import BusyError, CancelledError
from spatialgeo_ros.node.lane import Lane
from spatialgeo_ros.node.request import Request

#: Of the lane's thread (on Linux each has its own), and so of those that PyTorch starts from it.
_NICENESS = 10


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
        """Let the geometry lane go first where both want a CPU: words are never that urgent."""
        with contextlib.suppress(OSError, AttributeError):  # not on every system
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)

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
