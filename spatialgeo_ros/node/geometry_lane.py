# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The thread that owns the scene: requests first, else each camera's newest frame.

It measures, finds, watches, and works out the measured part of every question; it never waits for
a language model to speak, and for one that plans no longer than its timeout. Callbacks only submit
requests and store frames; they wake this thread and never compute. No ROS is imported here, so the
whole behaviour is tested without a graph.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from spatialgeo_ros.errors import (
    BadImageError,
    CancelledError,
    InternalError,
    NoFrameError,
    NotActiveError,
    SpatialGeoError,
    StaleFrameError,
    UnknownCameraError,
)
from spatialgeo_ros.grounding.grounder import PendingError
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.node.grounding_lane import GroundingLane
from spatialgeo_ros.node.lane import Lane, LaneStatistics
from spatialgeo_ros.node.language_lane import LanguageLane
from spatialgeo_ros.node.look import Look, Purpose
from spatialgeo_ros.node.request import Request, Spoken
from spatialgeo_ros.node.schedule import FrameSchedule, FrameSource


@dataclass(frozen=True, eq=False)
class Observed:
    """An observation of one camera and when its image arrived (monotonic seconds)."""

    observation: Any
    received: float


class GeometryLane(Lane):
    """Runs the scene on its own thread. Public methods may be called from any thread."""

    def __init__(
        self,
        perception: Any,
        cameras: Mapping[str, FrameSource],
        assemble: Callable[[str, Any], Frame],
        on_observation: Callable[[Any, Any, Callable[[], Any]], None],
        process_rate: Callable[[], float],
        queue_size: int,
        language: LanguageLane,
        statistics: LaneStatistics,
        logger: logging.Logger | Any,
        on_look: Callable[[Any, Look], None] = lambda perception, look: None,
    ) -> None:
        """Prepare the thread; :meth:`start` runs it, :meth:`resume` lets it process.

        Args:
            perception: The facade; but for speaking, only this thread calls it from now on.
            cameras: Frame sources by camera name.
            assemble: Decodes a raw frame; raises SpatialGeoError when it cannot be used.
            on_observation: Called on this thread with (perception, observation, boxed), where
                ``boxed()`` returns the camera's newest observation that has boxes of a detector,
                or None.
            process_rate: Most frames per second and camera, 0 for all; read before every frame.
            queue_size: Requests that may wait while one is served.
            language: Goes on with requests that have a spoken part.
            statistics: Takes counts and latencies.
            logger: Takes errors.
            on_look: Called on this thread with (perception, look) when the detector has looked at
                an image for something else than a request.
        """
        super().__init__("geometry", queue_size, statistics, logger)
        self._perception = perception
        self._cameras = cameras
        self._assemble = assemble
        self._on_observation = on_observation
        self._schedule = FrameSchedule(cameras, process_rate)
        self._language = language
        self._reset = False
        self._on_look = on_look
        self._looked: deque[Look] = deque()
        #: Runs the detector; None without one. Set before the lane starts.
        self.grounding: GroundingLane | None = None
        # Only this thread touches these.
        self._latest: dict[str, Observed] = {}
        self._boxed: dict[str, Observed] = {}
        self._problems: dict[str, SpatialGeoError] = {}
        self.description: dict[str, Any] = perception.describe()

    def findings(self, camera: str) -> tuple[str, ...]:
        """Return what is wrong with the inputs of a camera's newest frame, in words."""
        latest = self._latest.get(camera)
        return () if latest is None else latest.observation.findings

    def on_looked(self, look: Look) -> None:
        """Take a look that the detector is done with; a request goes on with what it found."""
        with self._wake:
            if look.purpose is not Purpose.REQUEST:
                self._looked.append(look)
            self._wake.notify_all()

    def reset(self) -> None:
        """Forget everything from before a time jump, before the next frame or request."""
        with self._wake:
            self._reset = True
            self._wake.notify_all()

    def submit(self, request: Request) -> None:
        """Queue a request; see :meth:`Lane.submit`.

        Raises:
            UnknownCameraError: There is no camera of that name.
            NotActiveError: The lane is paused.
            BusyError: The queue is full.
        """
        if request.camera and request.camera not in self._cameras:
            raise UnknownCameraError(
                f"no camera '{request.camera}'; there are: {', '.join(self._cameras)}"
            )
        super().submit(request)

    def _next(self) -> Request | None:
        for request in self._queue:
            if not request.waits and self._boxes_due(request) <= 0:
                self._queue.remove(request)
                return request
        return None

    def _delay(self) -> float | None:
        if self._reset or self._looked:
            return 0.0
        delays = [self._boxes_due(request) for request in self._queue if not request.waits]
        if (frame := self._schedule.delay()) is not None:
            delays.append(frame)
        return min(delays, default=None)

    def _boxes_due(self, request: Request) -> float:
        """Return the seconds that a request still waits for boxes of a detector; <= 0: none."""
        if not request.by_name or request.seen is not None or request.is_cancelled():
            return 0.0
        patience = max(self._cameras[name].boxes_patience() for name in self._asked(request))
        return request.created + patience - time.monotonic()

    def _step(self, request: Request | None) -> None:
        with self._wake:
            reset, self._reset = self._reset, False
        if reset:
            self._forget()
        if request is not None:
            self._serve(request)
        elif self._looked:
            look = self._looked.popleft()
            if self._active:
                self._on_look(self._perception, look)
        elif self._active and (camera := self._schedule.due_camera()) is not None:
            self._observe_newest(camera)

    def _observe_newest(self, name: str) -> None:
        """Observe the camera's newest frame if it has one; bad frames are counted and dropped."""
        raw = self._cameras[name].take()
        if raw is None:
            return
        started = time.monotonic()
        waited = (time.time_ns() - raw.arrived_ns) * 1e-9
        self._schedule.started(name, started)
        frame = self._decoded(name, raw)
        if frame is None:
            return
        decoded = time.monotonic()
        observation = self._perception.observe(frame)
        self._problems.pop(name, None)
        self._latest[name] = Observed(observation, raw.received)
        self._statistics.counters.add(f"{name}.processed")
        self._statistics.add(
            {"waiting": waited, "decode": decoded - started, **observation.timings}
        )
        self.description = self._perception.describe()
        self._on_observation(self._perception, observation, lambda: self._observe_boxed(name))

    def _decoded(self, name: str, raw: Any) -> Frame | None:
        """Decode a frame; None, counted, when it cannot be used."""
        try:
            return self._assemble(name, raw)
        except SpatialGeoError as error:
            kind = "decode_errors" if isinstance(error, BadImageError) else "frame_errors"
            self._statistics.counters.add(f"{name}.{kind}", str(error))
            self._problems[name] = error
            return None

    def _observe_boxed(self, name: str) -> Any | None:
        """Return the observation of the camera's newest frame that has boxes, or None.

        A detector answers later than the camera: its boxes belong to an older image, and that
        image is the one that is measured.
        """
        raw = self._cameras[name].boxed()
        if raw is None:
            return None
        latest, known = self._latest.get(name), self._boxed.get(name)
        for observed in (latest, known):
            if observed is not None and observed.received == raw.received:
                if observed.observation.frame.detections_stamp_ns:
                    return observed.observation
        frame = self._decoded(name, raw)
        if frame is None:
            return None
        self._boxed[name] = Observed(self._perception.observe_aside(frame), raw.received)
        return self._boxed[name].observation

    def _asked(self, request: Request) -> list[str]:
        """Return the cameras that a request is about."""
        return [request.camera] if request.camera else list(self._cameras)

    def _serve(self, request: Request) -> None:
        started = time.monotonic()

        def work() -> Any:
            if request.is_cancelled():
                raise CancelledError("cancelled before it was served")
            seen = request.seen
            if seen is None:
                request.on_start()
                for name in self._asked(request):
                    self._observe_newest(name)
                if request.is_cancelled():
                    raise CancelledError("cancelled before it was served")
                name = request.camera
                seen = self._observation_for(request, name) if name else self._all_for(request)
            try:
                return request.work(self._perception, seen)
            except PendingError as pending:
                before = request.look
                if before is not None and before.observation is pending.observation:
                    if set(before.phrases) & set(pending.phrases):
                        raise InternalError(f"the detector looked in vain: {pending}") from None
                # It is served again, on the same images, when the detector has looked.
                request.seen = seen
                return Look(
                    pending.observation, pending.phrases, Purpose.REQUEST, request.is_cancelled
                )

        self._finish(request, work)
        self._statistics.time("request", started)

    def _deliver(self, request: Request, result: Any) -> None:
        if isinstance(result, Look):
            request.look = result
            with self._wake:
                if not self._active:
                    request.fail(NotActiveError("the node was deactivated"))
                    return
                self._queue.appendleft(request)
            if self.grounding is not None:
                self.grounding.submit(result)
        elif isinstance(result, Spoken):
            request.spoken = result
            self._language.hand_over(request)
        else:
            request.succeed(result)

    def _all_for(self, request: Request) -> tuple[Any, ...]:
        """Return the observations of all cameras that a request may use.

        Raises:
            SpatialGeoError: The request needs an image and no camera has one; that of the first.
        """
        seen, problem = [], None
        for name in self._cameras:
            try:
                seen.append(self._observation_for(request, name))
            except SpatialGeoError as error:
                problem = problem or error
        if not seen and request.needs_image and problem is not None:
            raise problem
        return tuple(seen)

    def _observation_for(self, request: Request, name: str) -> Any:
        """Return what a request asks of a camera: of its stamp, with boxes, or the newest.

        Raises:
            StaleFrameError: It is too old, or the image a region was drawn on is not kept.
            NoFrameError: There is none.
        """
        if request.stamps:
            # All its regions' images, so that the scene has them; the newest is asked about.
            return [self._observation_at(name, stamp) for stamp in sorted(request.stamps)][-1]
        newest = self._latest.get(name)
        if request.by_name:
            observation = self._observe_boxed(name)
            boxed = self._boxed.get(name)
            if boxed is not None and boxed.observation is observation:
                age = time.monotonic() - boxed.received
                if age <= request.max_age:
                    return observation
        problem = self._problems.get(name)
        if newest is None:
            raise problem or NoFrameError(
                f"no image has arrived from camera '{name}': see /diagnostics"
            )
        age = time.monotonic() - newest.received
        if age > request.max_age:
            cause = f"; newer ones are unusable: {problem}" if problem else ""
            raise StaleFrameError(
                f"the newest image of camera '{name}' arrived {age:.1f} s ago, "
                f"allowed are {request.max_age:.1f} s{cause}"
            )
        return newest.observation

    def _observation_at(self, name: str, stamp_ns: int) -> Any:
        kept = self._perception.observation_at(name, stamp_ns)
        if kept is not None:
            return kept
        raw = self._cameras[name].frame_at(stamp_ns)
        frame = None if raw is None else self._decoded(name, raw)
        if frame is None:
            raise StaleFrameError(
                f"the image of camera '{name}' with the stamp {stamp_ns * 1e-9:.9f} that a region "
                "was drawn on is not kept (any more): draw it on a newer one, or raise "
                "frame_history"
            )
        return self._perception.observe_aside(frame)

    def _forget(self) -> None:
        self._looked.clear()
        if self.grounding is not None:
            self.grounding.clear()
        self._perception.reset()
        self._latest.clear()
        self._boxed.clear()
        self._schedule.clear()
        self._problems.clear()
        self.description = self._perception.describe()
