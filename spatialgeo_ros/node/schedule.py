# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which camera's frame is due when: at most so many per second, the longest waiting first."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol


class FrameSource(Protocol):
    """What the geometry lane needs of a camera."""

    def take(self) -> Any | None:
        """Return the newest raw frame that was not taken yet, without waiting."""

    def ready_at(self) -> float | None:
        """Return the monotonic time at which :meth:`take` has a frame, or None."""

    def boxed(self) -> Any | None:
        """Return the newest raw frame that has boxes of a detector, or None."""

    def boxes_patience(self) -> float:
        """Return the seconds that a request for things by name waits for boxes; 0: need not."""

    def frame_at(self, stamp_ns: int) -> Any | None:
        """Return the raw frame of this stamp if it is still kept."""


class FrameSchedule:
    """Due times of the cameras' newest frames, by the monotonic clock. One thread uses it."""

    def __init__(self, sources: Mapping[str, FrameSource], rate: Callable[[], float]) -> None:
        """Schedule ``sources``; ``rate`` gives the most frames per second and camera, 0 for all."""
        self._sources = sources
        self._rate = rate
        self._last: dict[str, float] = {}

    def started(self, name: str, now: float) -> None:
        """Note that a frame of the camera was taken."""
        self._last[name] = now

    def clear(self) -> None:
        """Forget when frames were taken: the next ones are due at once."""
        self._last.clear()

    def delay(self) -> float | None:
        """Return the seconds until a frame is due (not positive: now), or None if none waits."""
        due = self._due()
        return None if due is None else due[0] - time.monotonic()

    def due_camera(self) -> str | None:
        """Return the camera whose frame is due, the longest waiting one, or None."""
        due = self._due()
        return due[1] if due is not None and due[0] <= time.monotonic() else None

    def _due(self) -> tuple[float, str] | None:
        rate = self._rate()
        period = 1.0 / rate if rate > 0 else 0.0
        times = []
        for name, source in self._sources.items():
            ready = source.ready_at()
            if ready is not None:
                times.append((max(ready, self._last.get(name, -period) + period), name))
        return min(times, default=None)
