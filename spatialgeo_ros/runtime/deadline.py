# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A strict limit of time for what cannot be interrupted: a server, a forward pass."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from spatialgeo_ros.errors import CancelledError, PlannerFailedError, SpatialGeoError

T = TypeVar("T")
_POLL = 0.02  # s between two looks at a cancel


class Deadline:
    """How long something may still take for one question, all its rounds together.

    Args:
        seconds: from now.
        cancelled: whether the question was given up.
        failure: what is raised when the time is over.
        setting: that says how many seconds, for the message.
    """

    def __init__(
        self,
        seconds: float,
        cancelled: Callable[[], bool] | None = None,
        failure: type[SpatialGeoError] = PlannerFailedError,
        setting: str = "planner_timeout",
    ) -> None:
        self._seconds, self._failure, self._setting = seconds, failure, setting
        self._end = time.monotonic() + seconds
        self._cancelled = cancelled or (lambda: False)
        self._abandoned = threading.Event()

    @property
    def left(self) -> float:
        """Seconds that are left, 0 at least."""
        return max(0.0, self._end - time.monotonic())

    def over(self) -> bool:
        """Tell whether what still works on the question should stop; for any thread."""
        return self._abandoned.is_set() or self.left == 0

    def ended(self) -> bool:
        """Tell whether the time is over or the question given up; :meth:`check` says which."""
        return self._cancelled() or self.left == 0

    def check(self) -> None:
        """Raise what :meth:`run` raises where the time is over or the question given up."""
        self._check(lambda: None)

    def run(
        self,
        work: Callable[[], T],
        abandon: Callable[[], None] = lambda: None,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> T:
        """Run ``work`` on a thread of its own and wait for it as long as there is time.

        Work that goes on too long is left behind: its thread ends by itself when it looks at
        :meth:`over`, or fails once ``abandon`` was called; what it returns is lost. ``meanwhile``
        is called on this thread every few hundredths of a second, and once at the end.

        Raises:
            CancelledError: the question was given up.
            SpatialGeoError: the time is over; of the type that was asked for.
            Exception: what ``work`` raises.
        """
        outcome: _Outcome[T] = _Outcome()
        self._check(abandon)
        thread = threading.Thread(target=outcome.take, args=(work,), name="deadline", daemon=True)
        thread.start()
        while not outcome.done.wait(min(_POLL, self.left)):
            self._check(abandon)
            meanwhile()
        meanwhile()
        if outcome.error is not None:
            raise outcome.error
        return outcome.value[0]

    def _check(self, abandon: Callable[[], None]) -> None:
        given_up = self._cancelled()
        if not given_up and self.left > 0:
            return
        self._abandoned.set()
        abandon()
        if given_up:
            raise CancelledError("the question was cancelled")
        raise self._failure(
            f"no answer within {self._seconds:g} s: ask a faster model, or raise {self._setting}"
        )


class _Outcome(Generic[T]):
    """What a thread returned or raised."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.value: list[T] = []
        self.error: BaseException | None = None

    def take(self, work: Callable[[], T]) -> None:
        try:
            self.value.append(work())
        except BaseException as error:  # raised again on the thread that waits
            self.error = error
        finally:
            self.done.set()
