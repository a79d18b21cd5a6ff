# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The measured part of a question: which objects it means, and what geometry says about them.

A question becomes a program, and the program runs on the object map. Lengths of things in view are
measured on their points in the image, which is more exact than the map's boxes. Without poses there
is no map; then the image alone is asked. All this needs no language model, so it is known, and can
be published, before the first word is spoken.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from spatialgeo_ros.answer.map_estimates import all_better_in_map
from spatialgeo_ros.answer.mentions import Mentioned, find_mentions
from spatialgeo_ros.answer.planner.interface import Planner
from spatialgeo_ros.answer.presence import presence_answer
from spatialgeo_ros.answer.program_part import (
    absence_means_nothing,
    all_in_view,
    all_of_image,
    contradicts,
    expected_in,
    failed_for_want_of_objects,
    labels_known,
    measured_on_points,
    remembered,
    run_program,
    with_regions,
)
from spatialgeo_ros.answer.sentences import Measured, Subject, measured_answer
from spatialgeo_ros.answer.typed import typed_result
from spatialgeo_ros.answer.understanding import Understood, understand
from spatialgeo_ros.errors import (
    AmbiguousError,
    CancelledError,
    NoCameraInfoError,
    NoGeometryError,
    NoLanguageModelError,
    NotUnderstoodError,
    PhraseNotFoundError,
    SpatialGeoError,
    TooLittleSupportError,
)
from spatialgeo_ros.geometry.completion import estimate_centre
from spatialgeo_ros.geometry.distance import PAIR_KINDS, Kind
from spatialgeo_ros.geometry.pose import level_frame
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.memory.observation import Observation
from spatialgeo_ros.memory.snapshot import MapSnapshot
from spatialgeo_ros.query.english import Dialogue
from spatialgeo_ros.query.intent import OPEN, PRESENCE, Intent, intent_of
from spatialgeo_ros.query.language import check_readable
from spatialgeo_ros.query.program import Program, Quantity, TellNumber
from spatialgeo_ros.query.relations import ObjectFacts
from spatialgeo_ros.query.result import QueryError, Result, ResultType, error_of
from spatialgeo_ros.query.units import convert, fits, unit_of
from spatialgeo_ros.scene.frame_map import frame_snapshot
from spatialgeo_ros.scene.map_lengths import whole_is_told
from spatialgeo_ros.scene.recall import relative_pose, require_distinct
from spatialgeo_ros.scene.scene import Scene
from spatialgeo_ros.scene.sighting import SightedEstimate, Sighting

#: What can be missing for a measurement while the language model may still answer.
_UNMEASURABLE = (NoCameraInfoError, NoGeometryError, TooLittleSupportError)


@dataclass(eq=False)
class MeasuredPart:
    """What is known of a question before the language model speaks.

    Attributes:
        intent: the family of what was understood.
        observation: the frame that was asked about.
        mentioned: its objects, in the order of the intent.
        estimates: measured lengths, the one asked for first.
        measured: the answer from measurements alone, None where there is none.
        program: what was understood; None when nothing was.
        planned_by: the planner that wrote the program; "" when the grammar did.
        result: its typed result; None when there is none.
        snapshot: the map that the result is about; None when the image alone was asked.
        problem: why there is no measurement, where there should be one.
        timings: seconds per stage.
        seconds: that the part took in all.
        degraded: what was missing or assumed.
    """

    intent: Intent
    observation: Observation
    mentioned: list[Mentioned] = field(default_factory=list)
    estimates: list[SightedEstimate] = field(default_factory=list)
    measured: Measured | None = None
    program: Program | None = None
    planned_by: str = ""
    result: Result | None = None
    snapshot: MapSnapshot | None = None
    problem: SpatialGeoError | None = None
    timings: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    degraded: list[str] = field(default_factory=list)

    @property
    def reference(self) -> Measured | None:
        """What a language model's words are compared with."""
        if self.measured is not None or self.result is None:
            return self.measured
        result = self.result
        if result.type is ResultType.BOOLEAN:
            return Measured(result.text, choice="yes" if result.boolean else "no")
        unit = unit_of(result.unit)
        if len(result.values) != 1 or unit is None or not fits(unit, "m"):
            return None
        value, sigma = (convert(one, unit, "m") for one in (*result.values, *result.std_devs))
        return Measured(result.text, value, sigma)

    @property
    def names(self) -> list[str]:
        """What the objects of the question are called, found or not."""
        if self.mentioned:
            return [one.name for one in self.mentioned]
        return [mention.phrase or mention.label for mention in self.intent.objects]

    @property
    def sightings(self) -> list[Sighting]:
        """The objects that were seen, in the order of the intent."""
        return [one.sighting for one in self.mentioned if one.sighting is not None]

    @property
    def text(self) -> str:
        """The answer as far as it is known without a language model, "" when there is none."""
        if self.result is not None and self.result.text:
            return self.result.text
        return "" if self.measured is None else self.measured.text

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

    def failure(self) -> SpatialGeoError:
        """Return the error of a question that was neither measured nor told."""
        if self.problem is not None:
            self.problem.program = self.program
        asked_in_vain = "the language model gave no answer"
        if any("no language model" in reason for reason in self.degraded):
            asked_in_vain = "the profile has no language model to ask"
        if self.problem is None:
            return NoLanguageModelError(f"nothing was measured, and {asked_in_vain}")
        if isinstance(self.problem, NotUnderstoodError):
            return NotUnderstoodError(f"{self.problem}; {asked_in_vain}")
        return self.problem


def measure_question(
    scene: Scene,
    question: str,
    observation: Observation,
    regions: Sequence[Region] = (),
    cancelled: Callable[[], bool] | None = None,
    *,
    in_view_of: Collection[str] = (),
    dialogue: Dialogue | None = None,
    planner: Planner | None = None,
) -> MeasuredPart:
    """Understand a question, find its objects and measure them.

    Args:
        scene: finds and measures.
        question: in plain English.
        observation: the frame that is asked about.
        regions: objects the question names, where they are known already.
        cancelled: asked between stages, and while a planner works.
        in_view_of: cameras whose view alone counts; empty where things may be remembered.
        dialogue: the question before.
        planner: asked for the program of a question that is not understood; None for nobody.

    Raises:
        CancelledError: ``cancelled`` became true.
        PhraseNotFoundError: an object is not found, and no language model could look for it.
        AmbiguousError: several things fit; ``result`` and ``snapshot`` of the error have the
            candidates as far as they could be measured.
        BadRequestError: the question is empty, not English, or names too few objects.
        SpatialGeoError: why the program has no answer.
    """
    started = time.perf_counter()
    part = MeasuredPart(intent_of(None, question), observation)
    snapshot = scene.map_with(observation)
    check_readable(question)
    nouns = labels_known(snapshot, observation, regions)
    understood = understand(question, nouns, len(regions), dialogue, planner, cancelled)
    _take_program(part, understood)
    part.note(*observation.degraded)
    networks = scene.networks
    if networks is None or not networks.has_language:
        part.note("no language model in this profile: answered from measurements alone")
    check_cancelled(cancelled)
    if part.program is not None:
        try:
            _answer(scene, part, part.program, regions, snapshot, in_view_of, cancelled)
        except SpatialGeoError as error:
            error.program = part.program  # a dialogue goes on from it: "the red one"
            error.snapshot = part.snapshot
            _list_candidates(error, observation)
            raise
    part.seconds = time.perf_counter() - started
    return part


def _answer(
    scene: Scene,
    part: MeasuredPart,
    program: Program,
    regions: Sequence[Region],
    snapshot: MapSnapshot | None,
    in_view_of: Collection[str],
    cancelled: Callable[[], bool] | None,
) -> None:
    """Answer what was understood: from the map, by the regions of the request, or in the image."""
    observation = part.observation
    if snapshot is not None and not regions:
        with part.stage("program"):
            _answer_from_map(scene, part, program, snapshot, in_view_of, cancelled)
    elif part.intent.family in PRESENCE:
        with part.stage("locate"):
            part.measured, part.mentioned, part.estimates = presence_answer(
                scene, part.intent, observation
            )
    elif part.intent.family != OPEN:
        _answer_from_points(scene, part, regions, not in_view_of, cancelled)
    else:
        part.program = with_regions(program, regions)
        with part.stage("program"):
            result, asked, lengths = run_program(
                scene, part.program, observation, regions, snapshot, in_view_of=in_view_of
            )
            part.estimates = list(lengths)
            _take(scene, part, part.program, result, asked)
        if snapshot is None:
            part.note("no pose: only what is in view is known")
    part.result = part.result or _typed(part)


def _list_candidates(error: SpatialGeoError, observation: Observation) -> None:
    """Say as objects what a phrase fits alike in the image that was asked about."""
    things = [one for one in error.candidates if one.frame is observation.frame]
    error.candidates = ()
    if not things:
        return
    error.snapshot = frame_snapshot(things, observation)
    ids = tuple(one.id for one in error.snapshot.objects)
    error.result = Result(ResultType.ERROR, str(error), objects=ids, error=QueryError.AMBIGUOUS)


def check_cancelled(cancelled: Callable[[], bool] | None) -> None:
    """Raise when the client has given up.

    Raises:
        CancelledError: it has.
    """
    if cancelled is not None and cancelled():
        raise CancelledError("the question was cancelled")


def _take_program(part: MeasuredPart, understood: Understood) -> None:
    """Go on with a program; that there is none is kept as the part's problem."""
    part.program, part.planned_by = understood.program, understood.planned_by
    part.note(understood.remark)
    if understood.seconds:
        part.timings["planner"] = understood.seconds
    if part.program is None:
        part.problem = understood.problem
        part.note(f"not measured: {part.problem}")
        return
    part.intent = intent_of(part.program, part.intent.text)


def _answer_from_map(
    scene: Scene,
    part: MeasuredPart,
    program: Program,
    snapshot: MapSnapshot,
    in_view_of: Collection[str],
    cancelled: Callable[[], bool] | None,
) -> None:
    """Run the program on the map; measure on points where all its things are in view.

    Of what was measured, the map tells what it knows better: sizes, and what the image cuts.

    What the map does not have is looked for in the image and in the keyframes: a detector may know
    things by a phrase that it does not name unasked.
    """
    result, asked, lengths = run_program(
        scene, program, part.observation, (), snapshot, in_view_of=in_view_of
    )
    missing = failed_for_want_of_objects(result)
    shown = all_in_view(result, asked)
    # What the map alone knows is good enough where this image does not show it well.
    tried = not (missing or shown) and expected_in(result, asked, part.observation)
    if part.intent.family in (OPEN, *PRESENCE) or not (missing or shown or tried):
        if not result.objects and _sees_by_itself(scene, part.observation):
            once = run_program(scene, program, part.observation, (), None)
            if once[0].error is None and once[0].objects:
                result, asked, lengths = once
                part.note("seen in this image alone: not sure enough for the map yet")
        part.estimates = list(lengths)
        _take(scene, part, program, result, asked)
        return
    try:
        _answer_from_points(scene, part, (), missing and not in_view_of, cancelled)
    except PhraseNotFoundError as error:
        part.mentioned = []
        if missing:
            error.result = result
            raise
        if all_of_image(result, asked, part.observation):
            raise  # in this very image, but nothing to rely on
        part.estimates = list(lengths)
        _take(scene, part, program, result, asked)
        return
    # Seen a moment ago, and not in this image: what a box in it holds may be something else.
    elsewhere = bool(lengths) and not (in_view_of or all_of_image(result, asked, part.observation))
    if part.measured is None and (tried or elsewhere):
        part.mentioned, part.problem, part.estimates = [], None, list(lengths)
        _take(scene, part, program, result, asked)
        return
    cut = [one.label for one in part.sightings if one.cut]
    sure = not (missing or in_view_of or any(one.doubt for one in part.sightings))
    if sure and all_better_in_map(lengths, part.estimates, bool(cut)):
        part.measured, part.problem, part.estimates = None, None, list(lengths)
        _take(scene, part, program, result, asked)
        for name in cut:
            part.note(whole_is_told(name))
        return
    if part.measured is None:
        return  # what is seen of it cannot be measured well: the part's problem says why
    if not missing:
        number = program.number if isinstance(program, TellNumber) else None
        points = measured_on_points(part.estimates) if isinstance(number, Quantity) else None
        result, asked, _ = run_program(
            scene, program, part.observation, (), snapshot, in_view_of=in_view_of, measured=points
        )
    if missing or contradicts(result, part.measured):
        part.snapshot, part.result = asked, _typed(part)
        return
    _take(scene, part, program, result, asked)
    asked_unit = program.unit if isinstance(program, TellNumber) else ""
    if part.result is not None and asked_unit in ("", "m"):
        # The sentence of what was measured says from where to where.
        part.result = replace(part.result, text=part.measured.text)


def _sees_by_itself(scene: Scene, observation: Observation) -> bool:
    """Tell whether own networks look at an image beside the map, or alone.

    The map tells of what they find once several images agree.
    """
    frame, locator = observation.frame, scene.locator
    boxed = bool(frame.detections or frame.detections_stamp_ns)
    return locator.knows_any_words or (locator.can_ground and not boxed)


def _typed(part: MeasuredPart) -> Result | None:
    if part.measured is None:
        return None
    return typed_result(
        part.program, part.intent, part.measured, part.estimates, len(part.mentioned)
    )


def _take(
    scene: Scene, part: MeasuredPart, program: Program, result: Result, asked: MapSnapshot
) -> None:
    """Take over the result of a program; an error is kept as the part's problem.

    Raises:
        AmbiguousError, PhraseNotFoundError: the things it names are not clear, or not there.
    """
    error = error_of(result)
    if error is None and (
        why := absence_means_nothing(scene, part.observation, asked, program, result)
    ):
        error = PhraseNotFoundError(why)
    part.snapshot = asked
    networks = scene.networks
    free = networks is not None and networks.has_language and not networks.canonical_only
    looks = scene.locator.can_ground or part.observation.frame.detections
    if isinstance(error, AmbiguousError):
        raise error
    if isinstance(error, PhraseNotFoundError) and (looks or not free):
        raise error
    if error is not None:
        part.problem = error
        part.note(f"not measured: {error}")
        return
    part.result = result
    part.note(*result.remarks)
    unfamiliar = scene.locator.unfamiliar(part.observation)
    if unfamiliar and part.intent.family in (OPEN, *PRESENCE):
        part.note(f"only detections count: {unfamiliar}")
    for one in remembered(result, asked):
        part.note(f"'{one.label}' ({one.id}) is not in view now: remembered")


def _answer_from_points(
    scene: Scene,
    part: MeasuredPart,
    regions: Sequence[Region],
    recall: bool,
    cancelled: Callable[[], bool] | None,
) -> None:
    """Find the named objects in the image and measure them on their points."""
    with part.stage("locate"):
        _locate(scene, part, regions, recall)
    check_cancelled(cancelled)
    with part.stage("measure"):
        _measure(scene, part, cancelled)
    check_cancelled(cancelled)


def _locate(scene: Scene, part: MeasuredPart, regions: Sequence[Region], recall: bool) -> None:
    """Find the objects of the question.

    Where nothing can look for words, a language model of free wording can still be asked: it looks
    at the image itself. Words that were looked for and not found stay an error.
    """
    try:
        part.mentioned = find_mentions(scene, part.intent, part.observation, regions, recall)
    except PhraseNotFoundError as error:
        networks = scene.networks
        free = networks is not None and networks.has_language and not networks.canonical_only
        if scene.locator.can_ground or part.observation.frame.detections or not free:
            raise
        part.problem = error
        part.note(f"not measured: {error}")


def _measure(scene: Scene, part: MeasuredPart, cancelled: Callable[[], bool] | None) -> None:
    """Measure what the question asks; what cannot be measured is kept as the part's problem."""
    if part.problem is not None:
        return
    try:
        for one in part.mentioned:
            check_cancelled(cancelled)
            one.sighting = scene.finder.sight(one.seen_in, one.found, part.observation)
            part.note(*one.sighting.remarks)
        sightings = part.sightings
        require_distinct(sightings)
        part.estimates = _estimates(scene, part, sightings)
        subjects = [
            _subject(one.name, sighting, part.observation)
            for one, sighting in zip(part.mentioned, sightings, strict=True)
        ]
    except _UNMEASURABLE as error:
        part.problem = error
        part.note(f"not measured: {error}")
        return
    doubts = [sighting.doubt for sighting in sightings if sighting.doubt]
    if doubts:
        part.problem = PhraseNotFoundError(
            f"{'; '.join(doubts)}: come closer, or give a box, point or mask"
        )
        part.note(f"not measured: {part.problem}")
        return
    part.measured = measured_answer(part.intent, subjects, part.estimates)
    if part.measured is None:
        reasons = [e.reason for e in part.estimates if not e.valid and e.reason]
        why = "; ".join(dict.fromkeys(reasons)) or "the sizes of the objects are unknown"
        part.problem = NoGeometryError(f"not measured: {why}")
        part.note(str(part.problem))
    if part.observation.gravity is None:
        part.note("gravity unknown: heights and directions are in the image's axes")


def _estimates(
    scene: Scene, part: MeasuredPart, sightings: Sequence[Sighting]
) -> list[SightedEstimate]:
    """Measure on points; what the map knows better is told of its own objects, not here."""
    intent = part.intent
    measure = functools.partial(scene.measure, part.observation, use_map=False)
    kinds = [Kind[name] for name in intent.kinds]
    if intent.reference is not None:
        a, b, reference = sightings
        return [measure(kinds, thing, reference)[0] for thing in (a, b)]
    pair = len(sightings) > 1 and any(kind in PAIR_KINDS for kind in kinds)
    if not pair:
        single = [kind for kind in kinds if kind not in PAIR_KINDS]
        return [
            estimate
            for thing in (sightings if single else ())
            for estimate in measure(single, thing)
        ]
    if intent.family == "distance" and kinds == [Kind.CENTRE_TO_CENTRE]:
        kinds.append(Kind.NEAREST_POINTS)  # the gap is what a robot has to pass through
    return measure(kinds, sightings[0], sightings[1])


def _subject(name: str, thing: Sighting, observation: Observation) -> Subject:
    """Express the whole object, unseen half estimated, in the level frame of the asked camera."""
    completed = estimate_centre(thing.points, kind_prior=thing.kind or None)
    pose = relative_pose(observation.frame, thing.frame)
    gravity = observation.gravity
    level = np.eye(3) if gravity is None else level_frame(gravity)
    rotation = level @ pose.rotation
    centre = level @ pose.apply(completed.centre)
    width, height, depth = completed.extents
    spread = completed.extent_sigma
    covariance = rotation @ completed.covariance @ rotation.T
    return Subject(
        name,
        ObjectFacts((float(centre[0]), float(centre[1]), float(centre[2])), (width, depth, height)),
        covariance + thing.position_sigma**2 * np.eye(3),
        (spread[0], spread[2], spread[1]),
    )
