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
from spatialgeo_ros.geometry.regions import Region, RegionType
from spatialgeo_ros.grounding.grounder import PendingError
from spatialgeo_ros.node.messages import (
    MOST_WATCH_ID,
    Measurement,
    Measuring,
    lost_estimates,
    measure,
    named_in_words,
)
from spatialgeo_ros.node.target_frames import MOST_FRAME_NAME, Target

_MOST = 32
_MAX_RATE = 1000.0  # Hz


@dataclass(frozen=True)
class Watch:
    """What to measure, in which camera, and how often at most (``rate`` in Hz, 0: every frame).

    Objects that are out of view are invalid, or with ``recall`` where they were last seen. Points
    are in ``target_frame``, or in the camera's where it is "".
    """

    watch_id: str
    camera: str
    kinds: tuple[Kind, ...]
    first: Region
    second: Region | None
    rate: float
    recall: bool = False
    target_frame: str = ""

    @property
    def wanted(self) -> Measuring:
        """What is measured."""
        return Measuring(self.kinds, self.first, self.second, self.recall, carried=True)

    def __post_init__(self) -> None:
        """Reject a rate that is not a rate, and a name without a bound."""
        if len(self.watch_id) > MOST_WATCH_ID:
            raise BadRequestError(
                f"watch_id has {len(self.watch_id)} characters, allowed are {MOST_WATCH_ID}"
            )
        if len(self.target_frame) > MOST_FRAME_NAME:
            raise BadRequestError(
                f"target_frame has {len(self.target_frame)} characters, allowed are "
                f"{MOST_FRAME_NAME}"
            )
        if not 0 <= self.rate <= _MAX_RATE:
            raise BadRequestError(f"rate must be within 0 to {_MAX_RATE:g} Hz, not {self.rate}")


class WatchBoard:
    """The standing measurements: callbacks start and stop them, the geometry lane measures."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        target_frame: Callable[[str, Any], Target | None] = lambda wanted, frame: None,
    ) -> None:
        """Start without watches.

        Args:
            clock: Monotonic seconds.
            target_frame: Called with the name of a frame and an image's Frame; see
                :meth:`.target_frames.TargetFrames.from_camera`.
        """
        self._clock, self._target_frame = clock, target_frame
        self._lock = threading.Lock()
        self._watches: dict[str, Watch] = {}
        self._next_due: dict[str, float] = {}
        self._last_stamp: dict[str, int] = {}
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
            self._last_stamp.pop(watch.watch_id, None)

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
            self._last_stamp.pop(watch_id, None)

    def clear(self) -> None:
        """End every watch."""
        with self._lock:
            self._watches.clear()
            self._next_due.clear()
            self._last_stamp.clear()

    def __len__(self) -> int:
        """Return the number of standing measurements."""
        with self._lock:
            return len(self._watches)

    def words(self, camera: str) -> tuple[str, ...]:
        """Return how what is watched in a camera's images is called, where it is named in words."""
        with self._lock:
            watches = [watch for watch in self._watches.values() if watch.camera == camera]
        named = (region for watch in watches for region in watch.wanted.regions)
        words = (region.label for region in named if region.type is RegionType.PHRASE)
        return tuple(dict.fromkeys(words))

    def measure(
        self, perception: Any, observation: Any, boxed: Callable[[], Any] = lambda: None
    ) -> list[Measurement]:
        """Measure all watches that are due on this observation's camera.

        An object that is not in view gives invalid estimates with the reason, so that a subscriber
        can tell "lost" from "the node has died"; one that allows remembered objects says where
        they were last seen.

        Args:
            perception: The facade.
            observation: The newest of the camera.
            boxed: Returns the newest that has boxes of a detector, or None: what is named in words
                is measured there.
        """
        camera = observation.frame.camera
        measured = []
        for watch in self._due(camera):
            seen = observation
            if named_in_words(watch.wanted.regions):
                with_boxes = boxed()
                if with_boxes is not None:
                    seen = with_boxes
                    if self._last_stamp.get(watch.watch_id) == seen.frame.stamp_ns:
                        continue  # the detector has not answered since
            self._measured(watch, seen.frame.stamp_ns)
            measured.append(self._measure_one(perception, seen, watch))
        return measured

    def _measure_one(self, perception: Any, observation: Any, watch: Watch) -> Measurement:
        name = watch.watch_id
        try:
            target = self._target_frame(watch.target_frame, observation.frame)
            return measure(perception, observation, watch.wanted, name, name, target)
        except SpatialGeoError as error:
            why = str(error)
        except PendingError:
            why = "the detector has not answered yet"
        lost = lost_estimates(watch.wanted, observation, name, why)
        return Measurement(name, observation.frame, lost)

    def _due(self, camera: str) -> list[Watch]:
        now = self._clock()
        with self._lock:
            return [
                watch
                for watch in self._watches.values()
                if watch.camera == camera and now >= self._next_due[watch.watch_id]
            ]

    def _measured(self, watch: Watch, stamp_ns: int) -> None:
        """Note that a watch is measured now; it may have been stopped meanwhile."""
        now, name = self._clock(), watch.watch_id
        with self._lock:
            if self._watches.get(name) is not watch:
                return
            self._last_stamp[name] = stamp_ns
            if watch.rate > 0:
                # A frame that comes a little late must not shift all that follow.
                due_next = self._next_due[name] + 1.0 / watch.rate
                self._next_due[name] = now + 1.0 / watch.rate if due_next <= now else due_next
