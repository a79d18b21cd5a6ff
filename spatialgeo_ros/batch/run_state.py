# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a run over a recording knows beside its files and the perception; it is saved with them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from spatialgeo_ros.memory.observation import Observation

#: How long boxes are taken for a question after their image, nanoseconds.
_BOXED_NS = 500_000_000


@dataclass(eq=False)
class RecordedClock:
    """Seconds of the recording, so that what expires does so as when it was recorded."""

    seconds: float = 0.0

    def __call__(self) -> float:
        """Return the time of the newest image."""
        return self.seconds


@dataclass(eq=False)
class CameraView:
    """What one camera showed last.

    Attributes:
        latest: its newest observation.
        boxed: the newest with recorded boxes.
        looked_ns: stamp of the last image that was looked through without boxes.
        drawn_ns: stamp of the last image of the video.
    """

    latest: Observation
    boxed: Observation | None = None
    looked_ns: int | None = None
    drawn_ns: int | None = None

    def asked(self) -> Observation:
        """Return what a question is about: things are found in the newest image with boxes."""
        newest = self.latest.frame.stamp_ns
        if self.boxed is None or newest - self.boxed.frame.stamp_ns > _BOXED_NS:
            return self.latest
        return self.boxed


@dataclass(eq=False)
class RunState:
    """Everything of a run that is not in files or in the perception.

    Attributes:
        clock: of the recording.
        done: by camera, number of its last frame that was worked in.
        frames: worked in so far.
        first_ns, last_ns: stamps of the first and the newest frame.
        asked: how often each question was asked.
        offsets: bytes of each growing file that count.
        views: what each camera showed last.
        way: places of the leading camera, metres.
        degraded: by words without numbers: how often, and the first text.
        kinds: of answers, by result type.
        errors: of answers, by name.
        answers, valid: how many, and how many of them are valid.
        distances, distances_valid: the same of rows of distances.
        pictures: of the video, by camera.
        resumed: frames that were done when the run went on, each time.
        seconds: of work, before the run went on.
    """

    clock: RecordedClock = field(default_factory=RecordedClock)
    done: dict[str, int] = field(default_factory=dict)
    frames: int = 0
    first_ns: int | None = None
    last_ns: int = 0
    asked: list[int] = field(default_factory=list)
    offsets: dict[str, int] = field(default_factory=dict)
    views: dict[str, CameraView] = field(default_factory=dict)
    way: list[tuple[float, float]] = field(default_factory=list)
    degraded: dict[str, tuple[int, str]] = field(default_factory=dict)
    kinds: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    answers: int = 0
    valid: int = 0
    distances: int = 0
    distances_valid: int = 0
    pictures: Counter[str] = field(default_factory=Counter)
    resumed: list[int] = field(default_factory=list)
    seconds: float = 0.0
