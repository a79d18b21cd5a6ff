# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which images the object map gets, and when: by boxes of a detector, else by own grounding.

No ROS is imported here. Used on the geometry lane alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

_SAID_AGAIN = 30.0  # s between two equal lines of the log


class MapFeed:
    """Gives one map the images of all cameras; each image once, per camera in order of time.

    A detector answers late: its boxes go in with the image that they were drawn on, and no newer
    image without boxes overtakes them. Where nobody publishes boxes own networks look for objects,
    which takes time, at a low rate of its own.
    """

    def __init__(
        self,
        rate: Callable[[], float],
        log: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        show: Callable[[Any, Any], bool] = lambda perception, newest: False,
    ) -> None:
        """Feed at ``rate`` (Hz per camera, 0: never) where there are no boxes.

        Args:
            rate: Read before each look.
            log: Takes a line when the map was cleared or does not take an image.
            clock: Monotonic seconds.
            show: Given perception and newest observation, shows an image to a detector on a thread
                of its own, which comes to :meth:`give` later; False where there is none.
        """
        self._rate, self._log, self._clock, self._show = rate, log, clock, show
        self._fed: dict[str, int] = {}
        self._looked: dict[str, float] = {}
        self._said: dict[str, float] = {}

    def clear(self) -> None:
        """Forget what was fed (time jumped)."""
        self._fed.clear()
        self._looked.clear()

    def feed(
        self,
        perception: Any,
        newest: Any,
        boxed: Callable[[], Any],
        detected: Callable[[], bool] = lambda: False,
    ) -> Any | None:
        """Give the map what a camera saw; return what became of it, None where nothing was due.

        Args:
            perception: The facade.
            newest: Observation of the camera's newest image.
            boxed: Returns the camera's newest observation that has boxes, or None without a
                detector that is alive.
            detected: Whether the camera has a detector all the same: it is late, and grounding
                that knows less must not put things into the map that it would not.
        """
        camera = newest.frame.camera
        seen = boxed()
        if seen is None:
            if detected() or not self._is_due(camera):
                return None
            if self._show(perception, newest):
                return None
            seen = newest
        return self.give(perception, seen)

    def give(self, perception: Any, seen: Any) -> Any | None:
        """Give the map an observation whose things are known; None where it had it already."""
        camera = seen.frame.camera
        stamp = seen.frame.stamp_ns
        if stamp and self._fed.get(camera) == stamp:
            return None
        self._fed[camera] = stamp
        update = perception.update_map(seen)
        if update.cleared:
            self._log(f"object map cleared: {update.cleared}")
        elif update.reason and "no object map" not in update.reason:  # which diagnostics say
            self._say(f"object map, camera '{camera}': {update.reason}", camera)
        return update

    def _is_due(self, camera: str) -> bool:
        rate, now = self._rate(), self._clock()
        if rate <= 0 or now < self._looked.get(camera, -1e9) + 1.0 / rate:
            return False
        self._looked[camera] = now
        return True

    def _say(self, text: str, key: str) -> None:
        now = self._clock()
        if now - self._said.get(key, -1e9) >= _SAID_AGAIN:
            self._said[key] = now
            self._log(text)
