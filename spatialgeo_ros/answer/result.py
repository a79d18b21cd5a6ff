# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The finished answer to one question."""

from __future__ import annotations

from dataclasses import dataclass

from spatialgeo_ros.geometry.distance import DistanceEstimate
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.memory.frame import FrameReference


@dataclass(frozen=True, eq=False)
class Answer:
    """The answer to one question.

    Attributes:
        text: what to tell the person; states the measured number where there is a valid one.
        language_text: the language model's own words, "" when it was not asked.
        language_value_m: the length in metres the language model said, NaN when none.
        distances: measured lengths, the one asked for first.
        regions: the objects located for the question, in order.
        agreement: "agree" or "disagree" between language and measurement; "unknown" when one of
            them is missing.
        frames: every image that was used; the newest frame of the camera first.
        timings: seconds per stage.
        degraded: what was missing or assumed.
        model_id: profile and weights.
        backend: how the networks ran.
        family: the kind of question that was understood ("distance", "left_right", "open", ...).
        comparison: the two lengths behind ``agreement``, which length they are, and the tolerance;
            "" when no lengths were compared.
    """

    text: str
    language_text: str
    language_value_m: float
    distances: tuple[DistanceEstimate, ...]
    regions: tuple[Region, ...]
    agreement: str
    frames: tuple[FrameReference, ...]
    timings: dict[str, float]
    degraded: tuple[str, ...]
    model_id: str
    backend: str
    family: str = "open"
    comparison: str = ""
