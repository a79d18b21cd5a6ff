# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The one thread that owns the perception: requests first, else each camera's newest frame.

Callbacks only submit requests and store frames; they wake this thread and never compute. No ROS is
imported here, so the whole behaviour is tested without a graph.
"""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from spatialgeo_ros.errors import (
    BadImageError,
    BusyError,
    CancelledError,
    InternalError,
    NoFrameError,
    NotActiveError,
    RequestTimeoutError,
    SpatialGeoError,
    StaleFrameError,
    UnknownCameraError,
)
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.node.request import Request
from spatialgeo_ros.node.schedule import FrameSchedule, FrameSource
from spatialgeo_ros.node.stream_statistics import Counters, LatencyStatistics

_IDLE_TIMEOUT = 30.0  # s that pausing waits for the running inference; none takes longer


@dataclass(frozen=True, eq=False)
class Observed:
    """The newest observation of one camera and when its image arrived (monotonic seconds)."""

    observation: Any
    received: float


class Worker:
    """Runs the perception on its own thread. Public methods may be called from any thread."""

    def __init__(
        self,
        perception: Any,
        cameras: Mapping[str, FrameSource],
        assemble: Callable[[str, Any], Frame],
        on_observation: Callable[[Any, Any], None],
        process_rate: Callable[[], float],
        queue_size: int,
        logger: logging.Logger | Any,
    ) -> None:
        """Prepare the thread; :meth:`start` runs it, :meth:`resume` lets it process.

        Args:
            perception: The facade; only the worker's thread calls it from now on.
            cameras: Frame sources by camera name.
            assemble: Decodes a raw frame; raises SpatialGeoError when it cannot be used.
            on_observation: Called on the worker thread with (perception, observation).
            process_rate: Most frames per second and camera, 0 for all; read before every frame.
            queue_size: Requests that may wait while one is served.
            logger: Takes errors.
        """
        self._perception = perception
        self._cameras = cameras
        self._assemble = assemble
        self._on_observation = on_observation
        self._schedule = FrameSchedule(cameras, process_rate)
        self._queue_size = queue_size
        self._logger = logger
        self._wake = threading.Condition()
        self._queue: deque[Request] = deque()
        self._running: Request | None = None
        self._active = self._stopping = self._reset = self._busy = False
        self._thread = threading.Thread(target=self._run, name="perception", daemon=True)
        # Only the worker thread touches these.
        self._latest: dict[str, Observed] = {}
        self._problems: dict[str, SpatialGeoError] = {}
        self._logged: set[str] = set()
        self.counters = Counters()
        self.latencies = LatencyStatistics()
        self.description: dict[str, Any] = perception.describe()

    def start(self) -> None:
        """Start the thread, paused."""
        self._thread.start()

    def resume(self) -> None:
        """Begin to take requests and frames."""
        with self._wake:
            self._active = True
            self._wake.notify_all()

    def pause(self) -> None:
        """Refuse everything with NOT_ACTIVE, cancel what runs, and return when nothing does."""
        with self._wake:
            self._active = False
            self._drain(NotActiveError("the node was deactivated"))
            if not self._wake.wait_for(lambda: not self._busy, _IDLE_TIMEOUT):
                self._logger.error("the running inference did not stop in time")

    def stop(self) -> None:
        """Pause, end the thread and join it."""
        self.pause()
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def reset(self) -> None:
        """Forget everything from before a time jump, before the next frame or request."""
        with self._wake:
            self._reset = True
            self._wake.notify_all()

    def notify(self) -> None:
        """Say that a camera may have a new frame."""
        with self._wake:
            self._wake.notify_all()

    def submit(self, request: Request) -> None:
        """Queue a request; its future gets the result or a SpatialGeoError.

        Raises:
            UnknownCameraError: There is no camera of that name.
            NotActiveError: The worker is paused.
            BusyError: The queue is full.
        """
        if request.camera not in self._cameras:
            raise UnknownCameraError(
                f"no camera '{request.camera}'; there are: {', '.join(self._cameras)}"
            )
        with self._wake:
            if not self._active:
                raise NotActiveError("the node is not active: activate it first")
            if len(self._queue) + (self._running is not None) > self._queue_size:
                self.counters.add("busy")
                raise BusyError(
                    f"{len(self._queue)} requests wait already: ask again later or raise queue_size"
                )
            self._queue.append(request)
            self._wake.notify_all()

    def cancel(self, request: Request) -> None:
        """Give a request up: drop it if it waits, else stop it at its next token."""
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

    def _run(self) -> None:
        while True:
            with self._wake:
                self._busy = False
                self._wake.notify_all()
                self._wait_for_work()
                if self._stopping:
                    return
                self._busy = True
                reset, self._reset = self._reset, False
                request = self._queue.popleft() if self._queue else None
                self._running = request
            try:
                if reset:
                    self._forget()
                if request is not None:
                    self._serve(request)
                elif self._active and (camera := self._schedule.due_camera()) is not None:
                    self._observe_newest(camera)
            except Exception as error:  # the thread must outlive any defect of a model
                self._report(error)
            finally:
                self._running = None

    def _wait_for_work(self) -> None:
        while not self._stopping and not self._reset and not (self._active and self._queue):
            delay = self._schedule.delay() if self._active else None
            if delay is not None and delay <= 0:
                return
            self._wake.wait(delay)

    def _observe_newest(self, name: str) -> None:
        """Observe the camera's newest frame if it has one; bad frames are counted and dropped."""
        raw = self._cameras[name].take()
        if raw is None:
            return
        started = time.monotonic()
        self._schedule.started(name, started)
        try:
            frame = self._assemble(name, raw)
            decoded = time.monotonic()
            observation = self._perception.observe(frame)
        except SpatialGeoError as error:
            kind = "decode_errors" if isinstance(error, BadImageError) else "frame_errors"
            self.counters.add(f"{name}.{kind}", str(error))
            self._problems[name] = error
            return
        self._problems.pop(name, None)
        self._latest[name] = Observed(observation, raw.received)
        self.counters.add(f"{name}.processed")
        self.latencies.add({"decode": decoded - started, **observation.timings})
        self.description = self._perception.describe()
        self._on_observation(self._perception, observation)

    def _serve(self, request: Request) -> None:
        try:
            request.on_start()
            self._observe_newest(request.camera)
            self._check_in_time(request)
            observation = self._usable_observation(request)
            started = time.monotonic()
            result = request.work(self._perception, observation)
            self.latencies.add({"request": time.monotonic() - started})
        except CancelledError as error:
            request.fail(self._reason_of_cancel(request, error))
        except SpatialGeoError as error:
            request.fail(error)
        except Exception as error:
            self._report(error)
            request.fail(InternalError(f"{type(error).__name__}: {error}; see the node's log"))
        else:
            if not request.future.done():
                request.future.set_result(result)

    def _check_in_time(self, request: Request) -> None:
        if request.is_cancelled():
            raise CancelledError("cancelled before it was served")

    def _reason_of_cancel(self, request: Request, error: CancelledError) -> SpatialGeoError:
        if not self._active:
            return NotActiveError("the node was deactivated")
        if time.monotonic() > request.deadline and not request.cancel.is_set():
            return RequestTimeoutError("not answered in time: see request_timeout")
        return error

    def _usable_observation(self, request: Request) -> Any:
        latest = self._latest.get(request.camera)
        problem = self._problems.get(request.camera)
        if latest is None:
            raise problem or NoFrameError(
                f"no image has arrived from camera '{request.camera}': see /diagnostics"
            )
        age = time.monotonic() - latest.received
        if age > request.max_age:
            cause = f"; newer ones are unusable: {problem}" if problem else ""
            raise StaleFrameError(
                f"the newest image of camera '{request.camera}' arrived {age:.1f} s ago, "
                f"allowed are {request.max_age:.1f} s{cause}"
            )
        return latest.observation

    def _forget(self) -> None:
        self._perception.reset()
        self._latest.clear()
        self._schedule.clear()
        self._problems.clear()
        self.description = self._perception.describe()

    def _drain(self, error: SpatialGeoError) -> None:
        while self._queue:
            self._queue.popleft().fail(error)
        if self._running is not None:
            self._running.cancel.set()

    def _report(self, error: Exception) -> None:
        """Count a defect; log its traceback once, so that a broken camera cannot flood the log."""
        text = f"{type(error).__name__}: {error}"
        self.counters.add("internal_errors", text)
        if text not in self._logged:
            self._logged.add(text)
            lines = traceback.format_exception(type(error), error, error.__traceback__)
            self._logger.error("".join(lines))
