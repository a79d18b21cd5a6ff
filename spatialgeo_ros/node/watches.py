# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Standing measurements: repeated on new frames at their own rate until they are stopped."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from spatialgeo_ros.errors import BadRequestError, BusyError, SpatialGeoError
from spatialgeo_ros.geometry.distance import Kind
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.node.messages import Measurement, lost_estimates, measure

_MOST = 32
_MAX_RATE = 1000.0  # Hz


@dataclass(frozen=True)
class Watch:
    """What to measure, in which camera, and how often at most (``rate`` in Hz, 0: every frame)."""

    watch_id: str
    camera: str
    kinds: tuple[Kind, ...]
    first: Region
    second: Region | None
    rate: float

    def __post_init__(self) -> None:
        """Reject a rate that is not a rate."""
        if not 0 <= self.rate <= _MAX_RATE:
            raise BadRequestError(f"rate must be within 0 to {_MAX_RATE:g} Hz, not {self.rate}")


class WatchBoard:
    """The standing measurements. Started and stopped by callbacks, measured by the worker."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start without watches; ``clock`` gives monotonic seconds."""
        self._clock = clock
        self._lock = threading.Lock()
        self._watches: dict[str, Watch] = {}
        self._next_due: dict[str, float] = {}
        self._numbers = itertools.count(1)

    def new_id(self) -> str:
        """Return a name that no watch has."""
        with self._lock:
            return next(name for n in self._numbers if (name := f"watch_{n}") not in self._watches)

    def start(self, watch: Watch) -> None:
        """Begin ``watch``, in place of the one of the same id.

        Raises:
            BusyError: There are too many already.
        """
        with self._lock:
            if watch.watch_id not in self._watches and len(self._watches) >= _MOST:
                raise BusyError(f"{_MOST} measurements are standing already: stop one first")
            self._watches[watch.watch_id] = watch
            self._next_due[watch.watch_id] = self._clock()

    def stop(self, watch_id: str) -> None:
        """End a watch.

        Raises:
            BadRequestError: There is none of that name.
        """
        with self._lock:
            if self._watches.pop(watch_id, None) is None:
                known = ", ".join(self._watches) or "none"
                raise BadRequestError(f"no standing measurement '{watch_id}'; there are: {known}")
            del self._next_due[watch_id]

    def clear(self) -> None:
        """End every watch."""
        with self._lock:
            self._watches.clear()
            self._next_due.clear()

    def __len__(self) -> int:
        """Return the number of standing measurements."""
        with self._lock:
            return len(self._watches)

    def measure(self, perception: Any, observation: Any) -> list[Measurement]:
        """Measure all watches that are due on this observation's camera.

        An object that is not in view gives invalid estimates with the reason, so that a subscriber
        can tell "lost" from "the node has died".
        """
        return [
            self._measure_one(perception, observation, watch)
            for watch in self._due(observation.frame.camera)
        ]

    @staticmethod
    def _measure_one(perception: Any, observation: Any, watch: Watch) -> Measurement:
        name = watch.watch_id
        try:
            return measure(
                perception, observation, watch.kinds, watch.first, watch.second, name, name
            )
        except SpatialGeoError as error:
            labels = (watch.first.label, watch.second.label if watch.second else "")
            return Measurement(
                name, lost_estimates(watch.kinds, labels, observation.frame, name, str(error))
            )

    def _due(self, camera: str) -> list[Watch]:
        now = self._clock()
        with self._lock:
            due = [
                watch
                for watch in self._watches.values()
                if watch.camera == camera and now >= self._next_due[watch.watch_id]
            ]
            for watch in due:
                if watch.rate > 0:
                    # A frame that comes a little late must not shift all that follow.
                    due_next = self._next_due[watch.watch_id] + 1.0 / watch.rate
                    late = due_next <= now
                    self._next_due[watch.watch_id] = now + 1.0 / watch.rate if late else due_next
            return due
