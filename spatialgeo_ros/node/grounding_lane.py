# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The thread that a detector runs on: it takes seconds, and the geometry lane never waits for it.

A look is one image and the phrases to look for in it. Requests come first, then what is watched,
then the object map; looks at one image share a pass. No ROS is imported here.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from spatialgeo_ros.errors import CancelledError
from spatialgeo_ros.grounding.grounder import Grounder
from spatialgeo_ros.node.lane import LaneStatistics, LaneThread, give_way
from spatialgeo_ros.node.look import Look, Purpose

_IDLE_TIMEOUT = 30.0  # s that pausing waits for the running pass


@dataclass(eq=False)
class _Pass:
    """The looks at one image that share a pass."""

    looks: list[Look] = field(default_factory=list)

    @property
    def purpose(self) -> Purpose:
        return min(look.purpose for look in self.looks)

    def given_up(self) -> bool:
        return all(look.cancelled() for look in self.looks)


class GroundingLane(LaneThread):
    """Runs a detector on its own thread. Public methods may be called from any thread."""

    def __init__(
        self,
        grounder: Grounder,
        on_done: Callable[[Look], None],
        statistics: LaneStatistics,
        logger: logging.Logger | Any,
    ) -> None:
        """Prepare the thread; :meth:`start` runs it, :meth:`resume` lets it look.

        Args:
            grounder: The detector; from now on it looks on this thread alone.
            on_done: Told of each look that is done, on this thread.
            statistics: Takes latencies.
            logger: Takes errors.
        """
        super().__init__("grounding")
        self._grounder, self._on_done = grounder, on_done
        self._statistics, self._logger = statistics, logger
        self._waiting: list[Look] = []
        self._running: _Pass | None = None
        grounder.deferred = True

    def pause(self) -> None:
        """Give up everything, and return when nothing runs."""
        with self._wake:
            self._active = False
            for look in self._waiting:
                look.done = True
            self._waiting.clear()
            if not self._wake.wait_for(lambda: self._running is None, _IDLE_TIMEOUT):
                self._logger.error("the detector did not stop in time")

    def submit(self, look: Look) -> None:
        """Queue a look; one for a watch or the map takes the place of an older such of its camera.

        While the lane is paused it is given up at once.
        """
        camera = look.observation.frame.camera
        with self._wake:
            if not self._active:
                look.done = True
                return
            for other in tuple(self._waiting):
                same = other.observation.frame.camera == camera and other.purpose is look.purpose
                if same and look.purpose is not Purpose.REQUEST:
                    self._waiting.remove(other)
                    other.done = True
            self._waiting.append(look)
            self._wake.notify_all()

    def clear(self) -> None:
        """Give up what waits for watches and the map (time jumped)."""
        with self._wake:
            for look in tuple(self._waiting):
                if look.purpose is not Purpose.REQUEST:
                    self._waiting.remove(look)
                    look.done = True

    # The thread

    def _run(self) -> None:
        give_way()  # on a machine without a GPU the detector wants every core
        while True:
            with self._wake:
                self._running = None
                self._wake.notify_all()
                self._wake.wait_for(lambda: self._stopping or (self._active and self._waiting))
                if self._stopping:
                    return
                self._running = shared = self._take()
            self._look(shared)

    def _take(self) -> _Pass:
        """Take the first look off the queue, and all others at the same image; lock held."""
        first = min(self._waiting, key=lambda look: look.purpose)
        frame = first.observation.frame
        taken = [look for look in self._waiting if look.observation.frame is frame]
        self._waiting = [look for look in self._waiting if look not in taken]
        return _Pass(taken)

    def _gives_way(self, shared: _Pass) -> bool:
        """Tell whether a pass for the map has to end because a request waits."""
        if shared.purpose is not Purpose.MAP:
            return False
        return any(look.purpose is Purpose.REQUEST for look in tuple(self._waiting))

    def _look(self, shared: _Pass) -> None:
        observation = shared.looks[0].observation
        phrases = tuple(dict.fromkeys(p for look in shared.looks for p in look.phrases))
        started = time.monotonic()

        def cancelled() -> bool:
            return not self._active or shared.given_up() or self._gives_way(shared)

        try:
            self._grounder.look(observation, phrases, cancelled)
        except CancelledError:
            with self._wake:
                if self._active and not shared.given_up():
                    self._waiting += shared.looks  # later: what it worked out is kept
                    return
        except Exception as error:  # the thread must outlive any defect
            text = f"{type(error).__name__}: {error}"
            self._statistics.counters.add("internal_errors", text)
            self._logger.error(traceback.format_exc())
        else:
            self._statistics.time("grounding", started)
            for look in shared.looks:
                look.found = True
        for look in shared.looks:
            look.done = True
            self._on_done(look)
