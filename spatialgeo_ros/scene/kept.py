# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The observations at hand: the newest of each camera, a few that were asked for, keyframes."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.keyframes import KeyframeMemory
from spatialgeo_ros.memory.observation import Observation
from spatialgeo_ros.scene.observer import FrameObserver

#: Observations of images that were asked for by their stamp and are kept for the next request.
_MOST_ASIDE = 4


class KeptObservations:
    """Finds an observation again by its image.

    Args:
        observer: makes observations.
        memory: keyframes; they are kept without their point maps.
    """

    def __init__(self, observer: FrameObserver, memory: KeyframeMemory) -> None:
        self._observer, self._memory = observer, memory
        self.newest: dict[str, Observation] = {}
        self._aside: deque[Observation] = deque(maxlen=_MOST_ASIDE)

    def aside(self, frame: Frame) -> Observation:
        """Work out a frame that is not the newest: one that boxes or a region were drawn on.

        It is kept for a while for regions that carry its stamp, and offered to no memory.
        """
        kept = self.at(frame.camera, frame.stamp_ns)
        if kept is not None and kept.frame.detections_stamp_ns == frame.detections_stamp_ns:
            return kept
        # Boxes that came after the image change nothing of its geometry.
        observation = self._observer.lift(frame) if kept is None else replace(kept, frame=frame)
        self._aside.append(observation)
        return observation

    def keep(self, observation: Observation) -> None:
        """Keep an observation for a while that the language model was asked about.

        Who goes on asking about the same image names it by its stamp, when newer ones have come;
        what the networks have made of it is there then.
        """
        if all(one is not observation for one in self._aside):
            self._aside.append(observation)

    def at(self, camera: str, stamp_ns: int) -> Observation | None:
        """Return the observation of a camera's image of this stamp if it is still kept."""
        kept = [*self._aside, *self.newest.values()]
        kept += [keyframe.payload for keyframe in self._memory.frames]
        for observation in kept:
            if (observation.frame.camera, observation.frame.stamp_ns) == (camera, stamp_ns):
                return self.with_pointmap(observation)
        return None

    def with_pointmap(self, observation: Observation) -> Observation:
        """Return an observation with its point map, which keyframes are kept without."""
        if observation.pointmap is not None:
            return observation
        rebuilt = self._observer.lift(observation.frame, observation.visual)
        return replace(rebuilt, keyframe=observation.keyframe)

    def now(self, asked: Observation) -> list[Observation]:
        """Return what the cameras see now, the asked frame first."""
        others = (one for one in self.newest.values() if one.frame is not asked.frame)
        return [asked, *others]

    def clear(self) -> None:
        """Forget all but the keyframes, which are the memory's."""
        self.newest.clear()
        self._aside.clear()
