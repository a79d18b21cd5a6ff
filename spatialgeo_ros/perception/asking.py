# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One question from words to answer: objects, measurements, the language model, the check.

The measured number is what the answer states. What the language model says stays in a field of its
own, is compared with the measurement, and is the answer only where nothing could be measured.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from spatialgeo_ros.errors import (
    BadRequestError,
    CancelledError,
    InternalError,
    NoCameraInfoError,
    NoGeometryError,
    NoLanguageModelError,
    PhraseNotFoundError,
    SpatialGeoError,
    TooLittleSupportError,
)
from spatialgeo_ros.geometry.completion import estimate_centre
from spatialgeo_ros.geometry.distance import PAIR_KINDS, DistanceEstimate, Kind
from spatialgeo_ros.geometry.pose import level_frame
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.language.intent import (
    OPEN,
    Intent,
    canonical_question,
    parse_question,
)
from spatialgeo_ros.language.relations import ObjectFacts
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.perception.answering import Measured, Subject, measured_answer
from spatialgeo_ros.perception.mentions import Spotted, spot_objects
from spatialgeo_ros.perception.remembering import relative_pose, require_distinct
from spatialgeo_ros.perception.results import (
    Answer,
    FrameReference,
    LocatedObject,
    Observation,
    Question,
    frame_reference,
)
from spatialgeo_ros.perception.verdict import LanguageVerdict, judge

if TYPE_CHECKING:
    from spatialgeo_ros.perception import Perception

#: Open questions that a list of the objects in view answers.
_SCENE = re.compile(r"\b(see|visible|view|objects|things|there|around|scene|describe)\b")
#: What can be missing for a measurement while the language model may still answer.
_UNMEASURABLE = (NoCameraInfoError, NoGeometryError, TooLittleSupportError)


@dataclass(eq=False)
class _Run:
    """What is gathered while one question is served."""

    intent: Intent
    timings: dict[str, float] = field(default_factory=dict)
    degraded: list[str] = field(default_factory=list)
    spotted: list[Spotted] = field(default_factory=list)
    estimates: list[DistanceEstimate] = field(default_factory=list)
    measured: Measured | None = None
    problem: SpatialGeoError | None = None
    language_text: str = ""
    language_names: list[str] = field(default_factory=list)
    context: list[Frame] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """What the objects of the question are called, found or not."""
        if self.spotted:
            return [spot.name for spot in self.spotted]
        return [mention.phrase or mention.label for mention in self.intent.objects]

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage, in seconds."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.timings[name] = self.timings.get(name, 0.0) + time.perf_counter() - started

    def note(self, *reasons: str) -> None:
        """Keep what was missing or assumed, once."""
        for reason in reasons:
            if reason and reason not in self.degraded:
                self.degraded.append(reason)


def ask_question(
    perception: Perception,
    question: str,
    observation: Observation,
    regions: Sequence[Region],
    on_token: Callable[[str], None] | None,
    cancelled: Callable[[], bool] | None,
    earlier: Sequence[Observation] | None = None,
) -> Answer:
    """Serve one question; see :meth:`spatialgeo_ros.perception.Perception.ask`."""
    started = time.perf_counter()
    run = _Run(parse_question(question))
    run.note(*observation.degraded)
    _check(cancelled)
    if run.intent.family != OPEN:
        with run.stage("locate"):
            _locate(perception, run, observation, regions)
        _check(cancelled)
        with run.stage("measure"):
            _measure(perception, run, observation)
        _check(cancelled)
    with run.stage("language"):
        _tell(perception, run, observation, question, on_token, cancelled, earlier)
    verdict = judge(
        run.intent,
        run.measured,
        run.language_text,
        run.language_names,
        run.names,
    )
    text = _final_text(perception, run, observation)
    run.timings["total"] = time.perf_counter() - started
    networks = perception.networks
    return Answer(
        text=text,
        language_text=run.language_text,
        language_value_m=verdict.value_m,
        distances=(*run.estimates, *_told_estimate(run, verdict)),
        regions=tuple(spot.found.region for spot in run.spotted if spot.seen_in is observation),
        agreement=verdict.agreement,
        frames=_frames(run, observation),
        timings=run.timings,
        degraded=tuple(run.degraded),
        model_id="none" if networks is None else networks.model_id,
        backend="none" if networks is None else networks.backend,
        family=run.intent.family,
    )


def _check(cancelled: Callable[[], bool] | None) -> None:
    if cancelled is not None and cancelled():
        raise CancelledError("the question was cancelled")


# Measuring


def _locate(
    perception: Perception, run: _Run, observation: Observation, regions: Sequence[Region]
) -> None:
    """Find the objects of the question.

    Where nothing can look for words, a language model of free wording can still be asked: it looks
    at the image itself. Words that were looked for and not found stay an error.
    """
    try:
        run.spotted = spot_objects(perception, run.intent, observation, regions)
    except PhraseNotFoundError as error:
        networks = perception.networks
        free = networks is not None and networks.has_language and not networks.canonical_only
        if perception.locator.can_ground or observation.frame.detections or not free:
            raise
        run.problem = error
        run.note(f"not measured: {error}")
    run.note(*(spot.found.note for spot in run.spotted))


def _measure(perception: Perception, run: _Run, observation: Observation) -> None:
    """Measure what the question asks; what cannot be measured is kept as the run's problem."""
    if run.problem is not None:
        return
    try:
        for spot in run.spotted:
            spot.located = perception.measured_points(spot.seen_in, spot.found, observation)
            run.note(spot.located.note)
        located = [spot.located for spot in run.spotted if spot.located is not None]
        require_distinct(located)
        run.estimates = _estimates(perception, run.intent, observation, located)
        subjects = [
            _subject(spot.name, thing, observation)
            for spot, thing in zip(run.spotted, located, strict=True)
        ]
    except _UNMEASURABLE as error:
        run.problem = error
        run.note(f"not measured: {error}")
        return
    run.measured = measured_answer(run.intent, subjects, run.estimates)
    if run.measured is None:
        reasons = [e.reason for e in run.estimates if not e.valid and e.reason]
        why = "; ".join(dict.fromkeys(reasons)) or "the sizes of the objects are unknown"
        run.problem = NoGeometryError(f"not measured: {why}")
        run.note(str(run.problem))
    if observation.gravity is None:
        run.note("gravity unknown: heights and directions are in the image's axes")


def _estimates(
    perception: Perception,
    intent: Intent,
    observation: Observation,
    located: Sequence[LocatedObject],
) -> list[DistanceEstimate]:
    kinds = [Kind[name] for name in intent.kinds]
    if intent.reference is not None:
        a, b, reference = located
        return [perception.measure(observation, kinds, thing, reference)[0] for thing in (a, b)]
    pair = len(located) > 1 and any(kind in PAIR_KINDS for kind in kinds)
    if not pair:
        single = [kind for kind in kinds if kind not in PAIR_KINDS]
        return [
            estimate
            for thing in (located if single else ())
            for estimate in perception.measure(observation, single, thing)
        ]
    if intent.family == "distance" and kinds == [Kind.CENTRE_TO_CENTRE]:
        kinds.append(Kind.NEAREST_POINTS)  # the gap is what a robot has to pass through
    return perception.measure(observation, kinds, located[0], located[1])


def _subject(name: str, thing: LocatedObject, observation: Observation) -> Subject:
    """Express the whole object, unseen half estimated, in the level frame of the asked camera."""
    completed = estimate_centre(thing.points, kind_prior=thing.kind or None)
    pose = relative_pose(observation.frame, thing.frame)
    gravity = observation.gravity
    level = np.eye(3) if gravity is None else level_frame(gravity)
    rotation = level @ pose.rotation
    centre = level @ pose.apply(completed.centre)
    width, height, depth = completed.extents
    spread = completed.extent_sigma
    return Subject(
        name,
        ObjectFacts((float(centre[0]), float(centre[1]), float(centre[2])), (width, depth, height)),
        rotation @ completed.covariance @ rotation.T,
        (spread[0], spread[2], spread[1]),
    )


# The language model


def _tell(
    perception: Perception,
    run: _Run,
    observation: Observation,
    question: str,
    on_token: Callable[[str], None] | None,
    cancelled: Callable[[], bool] | None,
    given: Sequence[Observation] | None,
) -> None:
    networks = perception.networks
    if networks is None or not networks.has_language:
        run.note("no language model in this profile: answered from measurements alone")
        return
    views = {id(spot.seen_in.frame): spot.seen_in for spot in run.spotted}
    if len(views) > 1 and not networks.context_views:
        run.note("language model not asked: it sees one image, the objects are in several")
        return
    seen = observation if networks.context_views else next(iter(views.values()), observation)
    if unfamiliar := networks.unfamiliar(seen.view):
        run.note(f"language model not asked: {unfamiliar}")
        return
    run.language_names = [_model_name(perception, name) for name in run.names]
    wording, masks = question, []
    if networks.canonical_only:
        canonical = canonical_question(run.intent, run.language_names) if run.spotted else None
        if canonical is None:
            run.note("language model not asked: it was not trained for this kind of question")
            return
        height, width = seen.frame.image.shape[:2]
        wording = canonical
        masks = [
            # The object's own pixels where they are known: that is what it was trained with.
            spot.located.points.mask
            if spot.located is not None
            else spot.found.region.rasterise(height, width)
            for spot in run.spotted
        ]
    elif any(spot.found.how == "request" for spot in run.spotted):
        run.note("the language model sees the image and the question, not the given regions")
    if given is None:
        earlier = _earlier(perception, seen, networks.context_views)
    else:
        earlier = list(given)[max(0, len(given) - networks.context_views) :]
    run.context = [view.frame for view in earlier]
    asked = Question(
        wording, masks, run.intent.family, [one.view for one in earlier], on_token, cancelled
    )
    run.language_text = networks.answer(seen.view, asked).strip()


def _earlier(perception: Perception, newest: Observation, count: int) -> list[Observation]:
    """Return up to ``count`` keyframes of the same camera from before, oldest first."""
    kept: list[Observation] = [keyframe.payload for keyframe in perception.keyframes()]
    same = [
        one
        for one in kept
        if one.frame.camera == newest.frame.camera and one.frame.stamp_ns < newest.frame.stamp_ns
    ]
    return sorted(same, key=lambda one: one.frame.stamp_ns)[max(0, len(same) - count) :]


def _model_name(perception: Perception, name: str) -> str:
    """Return the name in the words the language model was trained with, "" for "object"."""
    vocabulary = perception.locator.vocabulary
    phrase = vocabulary.parse(name)
    if not vocabulary.kinds:
        return name
    return phrase.name if phrase.known else ""


# The answer


def _final_text(perception: Perception, run: _Run, observation: Observation) -> str:
    if run.measured is not None:
        return run.measured.text
    if run.language_text:
        return f"{run.language_text} (said by the language model, not measured)"
    if run.intent.family == OPEN:
        if _SCENE.search(run.intent.text.lower()):
            return _scene_text(perception, run, observation)
        missing = perception.networks is None or not perception.networks.has_language
        problem = NoLanguageModelError if missing else BadRequestError
        raise problem(
            "this question cannot be answered by measuring, and the profile has no language model "
            "for it: ask for a distance, a size, a direction or a comparison of named objects"
        )
    raise run.problem or InternalError("neither measured nor told")


def _scene_text(perception: Perception, run: _Run, observation: Observation) -> str:
    seen = perception.scan(observation)
    if unfamiliar := perception.locator.unfamiliar(observation):
        if not seen:
            raise PhraseNotFoundError(
                f"what is in view cannot be told: {unfamiliar}; publish detections, or choose "
                "another profile"
            )
        run.note(f"only detections are listed: {unfamiliar}")
    if not seen:
        return "Nothing that I know is in view."
    names = [thing.label for thing in seen[:8]]
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return f"In view: {listed}."


def _told_estimate(run: _Run, verdict: LanguageVerdict) -> tuple[DistanceEstimate, ...]:
    """Return the language model's length where it is the only one, marked as told."""
    if run.measured is not None or not math.isfinite(verdict.value_m) or not run.intent.kinds:
        return ()
    kind = Kind[run.intent.kinds[0]]
    start, end, *_ = (*run.names, "", "")
    if kind is Kind.CAMERA_TO_OBJECT:
        start, end = "camera", start
    nowhere = np.full(3, np.nan)
    return (
        DistanceEstimate(
            kind, start, end, verdict.value_m, math.nan, nowhere, nowhere, "language", True,
            "said by the language model, not measured",
        ),
    )  # fmt: skip


def _frames(run: _Run, observation: Observation) -> tuple[FrameReference, ...]:
    used = [observation.frame, *(spot.seen_in.frame for spot in run.spotted), *run.context]
    return tuple(dict.fromkeys(frame_reference(frame) for frame in used))
