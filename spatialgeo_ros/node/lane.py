# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Threads that can be paused, and one that serves a bounded queue: what the node's lanes share.

No ROS is imported here, so the whole behaviour is tested without a graph.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
import traceback
from abc import ABC, abstractmethod
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from typing import Any

from spatialgeo_ros.errors import (
    BusyError,
    CancelledError,
    InternalError,
    NotActiveError,
    RequestTimeoutError,
    SpatialGeoError,
)
from spatialgeo_ros.node.request import Request
from spatialgeo_ros.node.stream_statistics import Counters, LatencyStatistics

_IDLE_TIMEOUT = 30.0  # s that pausing waits for the running inference; none takes longer
_MOST_LOGGED = 64  # different defects whose traceback is logged once
#: Of a thread that gives way (on Linux each has its own), and of those that PyTorch starts from it.
_NICENESS = 10


def give_way() -> None:
    """Let the other threads of the process go first where both want a CPU; for the calling one."""
    with contextlib.suppress(OSError, AttributeError):  # not on every system
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


class LaneThread(ABC):
    """A thread that can be paused.

    A subclass makes :meth:`_run` wait on ``_wake`` while ``_active`` is False, and end when
    ``_stopping`` is True; both change with the lock held.
    """

    def __init__(self, name: str) -> None:
        """Prepare a thread of this name."""
        self._wake = threading.Condition()
        self._active = self._stopping = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread, paused."""
        self._thread.start()

    def resume(self) -> None:
        """Begin to take work."""
        with self._wake:
            self._active = True
            self._wake.notify_all()

    @abstractmethod
    def pause(self) -> None:
        """Give up what waits, and return when nothing runs."""

    def stop(self) -> None:
        """Pause, end the thread and join it."""
        self.pause()
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    @abstractmethod
    def _run(self) -> None:
        """Work until stopped; on the thread."""


class Lane(LaneThread):
    """Serves requests in order on its own thread. Public methods may be called from any thread."""

    def __init__(
        self, name: str, queue_size: int, statistics: LaneStatistics, logger: logging.Logger | Any
    ) -> None:
        """Prepare the thread; :meth:`start` runs it, :meth:`resume` lets it process.

        Args:
            name: Of the thread.
            queue_size: Requests that may wait while one is served.
            statistics: Takes counts and latencies.
            logger: Takes errors.
        """
        super().__init__(name)
        self._queue_size = queue_size
        self._statistics = statistics
        self._logger = logger
        self._queue: deque[Request] = deque()
        self._running: Request | None = None
        self._busy = False
        self._logged: OrderedDict[str, None] = OrderedDict()

    def pause(self) -> None:
        """Refuse everything with NOT_ACTIVE, cancel what runs, and return when nothing does."""
        with self._wake:
            self._active = False
            while self._queue:
                self._queue.popleft().fail(NotActiveError("the node was deactivated"))
            if self._running is not None:
                self._running.cancel.set()
            if not self._wake.wait_for(lambda: not self._busy, _IDLE_TIMEOUT):
                self._logger.error("the running inference did not stop in time")

    def notify(self) -> None:
        """Say that there may be something to do."""
        with self._wake:
            self._wake.notify_all()

    def submit(self, request: Request) -> None:
        """Queue a request; its future gets the result or a SpatialGeoError.

        Raises:
            NotActiveError: The lane is paused.
            BusyError: The queue is full.
        """
        with self._wake:
            if not self._active:
                raise NotActiveError("the node is not active: activate it first")
            if len(self._queue) + (self._running is not None) > self._queue_size:
                self._statistics.counters.add("busy")
                raise BusyError(
                    f"{len(self._queue)} requests wait already: ask again later or raise queue_size"
                )
            self._queue.append(request)
            self._wake.notify_all()

    def cancel(self, request: Request) -> None:
        """Give a request up: drop it if it waits, else stop it at its next look."""
        request.cancel.set()
        with self._wake:
            if request in self._queue:
                self._queue.remove(request)
                request.fail(CancelledError("cancelled before it was served"))

    @property
    def queue_length(self) -> int:
        """Requests waiting."""
        with self._wake:
            return len(self._queue)

    # What a lane does

    def _begin(self) -> None:
        """Prepare the thread; called once, on it."""

    # The next two are called with the lock held.

    def _next(self) -> Request | None:
        """Take the next request that can be served off the queue, None when there is none."""
        return self._queue.popleft() if self._queue else None

    def _delay(self) -> float | None:
        """Return the seconds until there is other work (not positive: now), None for never."""
        return None

    def _step(self, request: Request | None) -> None:
        """Serve a request, or do other work that is due."""
        raise NotImplementedError

    # The thread

    def _run(self) -> None:
        self._begin()
        while True:
            with self._wake:
                self._busy = False
                self._running = None
                self._wake.notify_all()
                request, due = None, False
                while not self._stopping and not due:
                    delay = None
                    if self._active:
                        request = self._next()
                        delay = self._delay()
                    due = request is not None or (delay is not None and delay <= 0)
                    if not due:
                        self._wake.wait(delay)
                if self._stopping:
                    return
                self._busy = True
                self._running = request
            try:
                self._step(request)
            except Exception as error:  # the thread must outlive any defect of a model
                self._report(error)

    def _finish(self, request: Request, work: Callable[[], Any]) -> None:
        """End a request by the result of ``work``, or by what it raises."""
        try:
            result = work()
        except CancelledError as error:
            request.fail(self._reason_of_cancel(request, error))
        except SpatialGeoError as error:
            request.fail(error)
        except Exception as error:
            self._report(error)
            request.fail(InternalError(f"{type(error).__name__}: {error}; see the node's log"))
        else:
            self._deliver(request, result)

    def _deliver(self, request: Request, result: Any) -> None:
        """Pass the result of a request on."""
        request.succeed(result)

    def _reason_of_cancel(self, request: Request, error: CancelledError) -> SpatialGeoError:
        if not self._active:
            return NotActiveError("the node was deactivated")
        if request.is_late() and not request.cancel.is_set():
            return RequestTimeoutError("not answered in time: see request_timeout")
        return error

    def _report(self, error: Exception) -> None:
        """Count a defect; log its traceback once, so that a broken camera cannot flood the log."""
        text = f"{type(error).__name__}: {error}"
        self._statistics.counters.add("internal_errors", text)
        if text in self._logged:
            return
        self._logged[text] = None
        if len(self._logged) > _MOST_LOGGED:
            self._logged.popitem(last=False)
        lines = traceback.format_exception(type(error), error, error.__traceback__)
        self._logger.error("".join(lines))


class LaneStatistics:
    """Counts and latencies of both lanes."""

    def __init__(self, publish: Callable[[Mapping[str, float]], None]) -> None:
        """Start empty; ``publish`` gets each duration as it is recorded."""
        self.counters = Counters()
        self.latencies = LatencyStatistics()
        self._publish = publish

    def add(self, latencies: Mapping[str, float]) -> None:
        """Record durations in seconds by name of stage."""
        self.latencies.add(latencies)
        self._publish(latencies)

    def time(self, stage: str, started: float) -> None:
        """Record the seconds since ``started`` (monotonic) for a stage."""
        self.add({stage: time.monotonic() - started})
