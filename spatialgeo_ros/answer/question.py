# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A question in two parts: the measured one, then the language model's; joined to an answer.

The measured number is what the answer states. What the language model says stays in a field of its
own, is compared with the measurement, and is the answer only where nothing could be measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from spatialgeo_ros.answer.language_part import LanguagePart, prepare_language
from spatialgeo_ros.answer.measured_part import MeasuredPart, measure_question
from spatialgeo_ros.answer.planner.interface import Planner
from spatialgeo_ros.answer.result import Answer
from spatialgeo_ros.answer.sources import sources_of
from spatialgeo_ros.answer.verdict import LanguageVerdict, judge
from spatialgeo_ros.geometry.distance import Kind
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.memory.frame import FrameReference, frame_reference
from spatialgeo_ros.memory.observation import Observation
from spatialgeo_ros.query.english import Dialogue
from spatialgeo_ros.scene.scene import Scene
from spatialgeo_ros.scene.sighting import SightedEstimate


@dataclass(frozen=True, eq=False)
class AskedQuestion:
    """A question whose measured part is known.

    Attributes:
        measured: that part.
        language: what the language model is still to be asked; None when it is not.
        model_id, backend: of the profile, for the answer.
    """

    measured: MeasuredPart
    language: LanguagePart | None
    model_id: str
    backend: str

    def answer(self, text: str = "", seconds: float = 0.0, *, final: bool = True) -> Answer:
        """Join the parts.

        Args:
            text: the language model's words.
            seconds: that they took.
            final: whether nothing more is to come. What is known before may be empty.

        Raises:
            SpatialGeoError: the answer is final, and there is neither a measurement nor a word.
        """
        part = self.measured
        told_names = () if self.language is None else self.language.names
        language = self.language
        reference = part.reference if language is None else language.reference
        verdict = judge(part.intent, reference, text, told_names, part.names)
        timings = dict(part.timings)
        if self.language is not None and final:
            timings["language"] = seconds
        timings["total"] = part.seconds + seconds
        seen = sources_of(part)
        return Answer(
            text=self._text(text, final),
            language_text=text,
            language_value_m=verdict.value_m,
            distances=(*part.estimates, *_told_estimate(part, verdict)),
            regions=tuple(
                one.found.region for one in part.mentioned if one.seen_in is part.observation
            ),
            agreement=verdict.agreement,
            comparison=verdict.words,
            frames=self._frames(),
            timings=timings,
            degraded=(*part.degraded, *(() if language is None else language.notes)),
            model_id=self.model_id,
            backend=self.backend,
            family=part.intent.family,
            how=seen.how,
            seen_stamp_ns=seen.stamp_ns,
            age=seen.age,
            result=part.result,
            program=part.program,
            planned_by=part.planned_by,
            doubt=_doubt(part),
        )

    def _text(self, told: str, final: bool) -> str:
        if self.measured.text:
            return self.measured.text
        if told:
            return f"{told} (said by the language model, not measured)"
        if not final:
            return ""
        raise self.measured.failure()

    def _frames(self) -> tuple[FrameReference, ...]:
        part = self.measured
        context = () if self.language is None else self.language.context
        used = [part.observation.frame, *(one.seen_in.frame for one in part.mentioned), *context]
        return tuple(dict.fromkeys(frame_reference(frame) for frame in used))


def _doubt(part: MeasuredPart) -> str:
    """Say why an object of a question may be another one, each reason once."""
    doubts = [*(one.doubt for one in part.sightings), *(one.doubt for one in part.estimates)]
    return "; ".join(dict.fromkeys(filter(None, doubts)))


def ask_question(
    scene: Scene,
    question: str,
    observation: Observation,
    regions: Sequence[Region] = (),
    cancelled: Callable[[], bool] | None = None,
    earlier: Sequence[Observation] | None = None,
    *,
    in_view_of: Collection[str] = (),
    dialogue: Dialogue | None = None,
    planner: Planner | None = None,
) -> AskedQuestion:
    """Work out the measured part of a question, and what the language model is to be asked.

    Args:
        scene: finds and measures.
        question: in plain English.
        observation: the frame that is asked about.
        regions: objects the question names, where they are known already.
        cancelled: asked between stages, and while a planner works.
        earlier: what a language model for clips looks at before the frame, oldest first; None for
            the keyframes.
        in_view_of: cameras whose view alone counts; empty where things may be remembered.
        dialogue: the question before.
        planner: asked for the program of a question that is not understood; None for nobody.

    Raises:
        SpatialGeoError: as :func:`measure_question`; or there is no measurement, and no language
            model to ask.
    """
    part = measure_question(
        scene, question, observation, regions, cancelled,
        in_view_of=in_view_of, dialogue=dialogue, planner=planner,
    )  # fmt: skip
    language = prepare_language(scene, part, question, earlier)
    if language is None and not part.text:
        raise part.failure()
    networks = scene.networks
    return AskedQuestion(
        part,
        language,
        "none" if networks is None else networks.model_id,
        "none" if networks is None else networks.backend,
    )


def _told_estimate(part: MeasuredPart, verdict: LanguageVerdict) -> tuple[SightedEstimate, ...]:
    """Return the language model's length where it is the only one, marked as told."""
    if part.text or not math.isfinite(verdict.value_m) or not part.intent.kinds:
        return ()
    kind = Kind[part.intent.kinds[0]]
    start, end, *_ = (*part.names, "", "")
    if kind is Kind.CAMERA_TO_OBJECT:
        start, end = "camera", start
    nowhere = np.full(3, np.nan)
    return (
        SightedEstimate(
            kind, start, end, verdict.value_m, math.nan, nowhere, nowhere, "language", True,
            "said by the language model, not measured", degraded=tuple(part.degraded),
        ),
    )  # fmt: skip
