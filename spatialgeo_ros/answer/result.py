# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The finished answer to one question."""

from __future__ import annotations

import math
from dataclasses import dataclass

from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.memory.frame import FrameReference
from spatialgeo_ros.query.program import Program
from spatialgeo_ros.query.result import Result
from spatialgeo_ros.scene.sighting import HowSeen, SightedEstimate


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
        how: how the objects were seen that the answer rests on, the worst of them.
        seen_stamp_ns: stamp of the oldest image that one of them was seen in; 0 when none.
        age: seconds from that image to the one asked about; NaN when nothing was seen.
        result: what was measured as a robot reads it; None when nothing was.
        program: what was understood; None when nothing was.
        planned_by: the planner that wrote the program; "" when the grammar did.
        doubt: why an object that it rests on may be another one; "" when nothing says so.
    """

    text: str
    language_text: str
    language_value_m: float
    distances: tuple[SightedEstimate, ...]
    regions: tuple[Region, ...]
    agreement: str
    frames: tuple[FrameReference, ...]
    timings: dict[str, float]
    degraded: tuple[str, ...]
    model_id: str
    backend: str
    family: str = "open"
    comparison: str = ""
    how: HowSeen = HowSeen.UNKNOWN
    seen_stamp_ns: int = 0
    age: float = math.nan
    result: Result | None = None
    program: Program | None = None
    planned_by: str = ""
    doubt: str = ""
