# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What waits to be shown: the newest of what is continuous, and some of what happens."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from spatialgeo_ros.memory.slot import NewestSlot

_MOST_FRAMES = 300  # cameras of one node


class NewestStream:
    """Images, clouds, maps: only the newest counts, and not more often than a rate.

    Args:
        name: for the summary.
        rate: most that are taken in a second, Hz; 0: all that can be.
        clock: monotonic seconds.
    """

    def __init__(
        self, name: str, rate: float = 0.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.name = name
        self.received = self.taken = self.late = 0
        self._period = 1.0 / rate if rate > 0 else 0.0
        self._clock = clock
        self._due = 0.0
        self._slot: NewestSlot[Any] = NewestSlot()

    def put(self, message: Any) -> None:
        """Keep a message instead of the one that waits."""
        self.received += 1
        # One that was replaced although it could have been taken shows that the viewer is too slow.
        self.late += self._slot.put(message) and self._clock() > self._due + self._period

    def take(self) -> Any | None:
        """Return the newest message that has not been taken, if the rate allows one now."""
        now = self._clock()
        if now < self._due:
            return None
        message = self._slot.take()
        if message is not None:
            self.taken += 1
            # in step with the rate, unless nothing came for a while
            next_one = self._due + self._period
            self._due = next_one if next_one > now else now + self._period
        return message

    def summary(self) -> str:
        """Return in words how many came and were shown."""
        late = f", {self.late} too late" if self.late else ""
        return f"{self.name}: {self.taken} of {self.received} shown{late}"


class FramesStream:
    """Images or clouds of several cameras on one topic: the newest of each counts.

    Args:
        name: for the summary.
        rate: most that are taken of each frame in a second, Hz; 0: all that can be.
    """

    def __init__(self, name: str, rate: float = 0.0) -> None:
        self.name, self._rate = name, rate
        self._lock = threading.Lock()
        self._frames: dict[str, NewestStream] = {}
        self._refused = 0

    @property
    def received(self) -> int:
        """How many came."""
        with self._lock:
            return self._refused + sum(one.received for one in self._frames.values())

    def put(self, message: Any) -> None:
        """Keep a message instead of the one of its frame that waits."""
        frame = message.header.frame_id
        with self._lock:
            if frame not in self._frames:
                if len(self._frames) >= _MOST_FRAMES:
                    self._refused += 1
                    return
                self._frames[frame] = NewestStream(f"{self.name} in {frame}", self._rate)
            self._frames[frame].put(message)

    def take(self) -> Any | None:
        """Return the newest message of a frame that has one; frames take turns."""
        with self._lock:
            for frame, stream in self._frames.items():
                message = stream.take()
                if message is not None:
                    self._frames[frame] = self._frames.pop(frame)  # last in line from now on
                    return message
        return None

    def summary(self) -> str:
        """Return in words how many came and were shown."""
        with self._lock:
            refused = [f"{self.name}: {self._refused} of too many frames"] if self._refused else []
            return "; ".join([*(one.summary() for one in self._frames.values()), *refused])


class EventStream:
    """Distances, answers, diagnostics: each counts, as long as there are not too many.

    Args:
        name: for the summary.
        most: that wait; then the oldest goes.
    """

    def __init__(self, name: str, most: int = 200) -> None:
        self.name = name
        self.received = self.taken = self.late = 0
        self._lock = threading.Lock()
        self._waiting: deque[Any] = deque(maxlen=most)

    def put(self, message: Any) -> None:
        """Keep a message."""
        with self._lock:
            self.received += 1
            self.late += len(self._waiting) == self._waiting.maxlen
            self._waiting.append(message)

    def take(self) -> Any | None:
        """Return the oldest message that waits."""
        with self._lock:
            if not self._waiting:
                return None
            self.taken += 1
            return self._waiting.popleft()

    def summary(self) -> str:
        """Return in words how many came and were shown."""
        late = f", {self.late} too late" if self.late else ""
        return f"{self.name}: {self.taken} of {self.received} shown{late}"
