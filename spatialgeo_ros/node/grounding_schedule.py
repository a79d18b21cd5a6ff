# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which images a detector on a thread of its own is shown for watches and for the object map.

It takes seconds: each camera has one image for either waiting or in work. No ROS is imported here.
Used on the geometry lane alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from spatialgeo_ros.grounding.head_phrases import of_question
from spatialgeo_ros.node.look import Look, Purpose


class GroundingSchedule:
    """Submits looks at a rate of their own."""

    def __init__(
        self,
        rate: Callable[[], float],
        submit: Callable[[Look], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Submit at ``rate`` (Hz per camera, positive) what is watched.

        Args:
            rate: Read before each look.
            submit: Takes a look.
            clock: Monotonic seconds.
        """
        self._rate, self._submit, self._clock = rate, submit, clock
        self.clear()

    def clear(self) -> None:
        """Forget what was shown (time jumped)."""
        self._best: dict[str, Any] = {}
        self._waiting: dict[tuple[str, Purpose], Look] = {}
        self._watched: dict[str, float] = {}

    def consider(self, observation: Any) -> None:
        """Note an image: of those since the last look, the map gets that with the most new space.

        Without new space it gets the newest.
        """
        camera = observation.frame.camera
        best = self._best.get(camera)
        if best is None or _gain(observation) >= _gain(best):
            self._best[camera] = observation

    def show_for_map(self, perception: Any, newest: Any) -> bool:
        """Show an image to the detector for the object map.

        Returns:
            False where the map can have ``newest`` itself: nothing has to be waited for, or no
            look would help.
        """
        if perception.cannot_map(newest) or not perception.locator.must_wait_for(newest):
            return False
        camera = newest.frame.camera
        if self._is_waiting(camera, Purpose.MAP):
            return True
        observation = self._best.pop(camera, newest)
        if perception.cannot_map(observation):
            observation = newest
        missing = perception.locator.must_wait_for(observation)
        self._show(observation, missing or perception.locator.map_vocabulary.phrases, Purpose.MAP)
        return True

    def show_for_watches(self, perception: Any, observation: Any, labels: Iterable[str]) -> None:
        """Show an image to the detector again for what is watched by name, where it is due.

        What was never looked for is due at once.

        Args:
            perception: The facade.
            observation: The newest of the camera.
            labels: Words of what is watched in the camera's images.
        """
        locator, grounder = perception.locator, perception.grounder
        if grounder is None:
            return
        wanted = [text for text in labels if not locator.is_published(observation, text)]
        if not wanted or locator.unfamiliar(observation):
            return
        phrases = of_question(map(locator.vocabulary.parse, wanted))
        camera = observation.frame.camera
        if self._is_waiting(camera, Purpose.WATCH) or not grounder.missing(observation, phrases):
            return
        now = self._clock()
        due = self._watched.get(camera, -1e9) + 1.0 / self._rate()
        if now < due and grounder.last_look(camera, phrases) is not None:
            return
        self._watched[camera] = now
        self._show(observation, phrases, Purpose.WATCH)

    def _is_waiting(self, camera: str, purpose: Purpose) -> bool:
        look = self._waiting.get((camera, purpose))
        return look is not None and not look.done

    def _show(self, observation: Any, phrases: tuple[str, ...], purpose: Purpose) -> None:
        look = Look(observation, phrases, purpose)
        self._waiting[observation.frame.camera, purpose] = look
        self._submit(look)


def _gain(observation: Any) -> int:
    """Voxels of new space that an image showed when it came."""
    return 0 if observation.keyframe is None else int(observation.keyframe.gain)
