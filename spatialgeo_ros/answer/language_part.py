# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The language model's part of a question: what it is asked about which image, and asking it.

Preparing reads the scene and runs nothing; speaking runs the language model and touches no scene.
So the two can happen on different threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from spatialgeo_ros.answer.measured_part import MeasuredPart
from spatialgeo_ros.answer.region_question import ask_about_regions, region_reference
from spatialgeo_ros.answer.sentences import Measured
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.observation import Observation, View
from spatialgeo_ros.networks.interface import Networks, Question
from spatialgeo_ros.query.intent import canonical_question
from spatialgeo_ros.scene.scene import Scene


@dataclass(frozen=True, eq=False)
class LanguagePart:
    """What the language model is to be asked.

    Attributes:
        view: the image it looks at.
        question: wording, regions and earlier views.
        names: what the objects are called in its question.
        context: the earlier frames it looks at.
        reference: what its words are compared with.
        notes: what its speaker said is not as it should be, filled while it speaks.
    """

    view: View
    question: Question
    names: tuple[str, ...]
    context: tuple[Frame, ...]
    reference: Measured | None
    notes: list[str] = field(default_factory=list)


def prepare_language(
    scene: Scene,
    part: MeasuredPart,
    question: str,
    given: Sequence[Observation] | None = None,
) -> LanguagePart | None:
    """Decide what the language model is asked; None, with a note in ``part``, when it is not.

    Args:
        scene: its keyframes are what a model for clips looks at.
        part: the measured part of the question.
        question: as it was asked.
        given: earlier observations, oldest first, instead of the keyframes.
    """
    networks = scene.networks
    if networks is None or not networks.has_language:
        return None
    views = {id(one.seen_in.frame): one.seen_in for one in part.mentioned}
    if len(views) > 1 and not networks.context_views:
        part.note("language model not asked: it sees one image, the objects are in several")
        return None
    observation = part.observation
    seen = observation if networks.context_views else next(iter(views.values()), observation)
    if unfamiliar := networks.unfamiliar(seen.view):
        part.note(f"language model not asked: {unfamiliar}")
        return None
    names = [_model_name(scene, name) for name in part.names]
    wording, masks, reference = question, [], part.reference
    if networks.canonical_only:
        if any(sighting.doubt for sighting in part.sightings):
            part.note("language model not asked: what it would be shown may be something else")
            return None
        canonical = canonical_question(part.intent, names) if part.mentioned else None
        if canonical is None:
            part.note("language model not asked: it was not trained for this kind of question")
            return None
        height, width = seen.frame.image.shape[:2]
        wording = canonical
        masks = [
            # The object's own pixels where they are known: that is what it was trained with.
            one.sighting.points.mask
            if one.sighting is not None
            else one.found.region.rasterise(height, width)
            for one in part.mentioned
        ]
    elif networks.takes_regions:
        asked = ask_about_regions(scene, part, question, seen)
        if asked is None:
            part.note("language model not asked: it was not trained for distances from the camera")
            return None
        wording, masks, names = asked.text, list(asked.masks), list(asked.names)
        reference = region_reference(part)
    elif any(one.found.how == "request" for one in part.mentioned):
        part.note("the language model sees the image and the question, not the given regions")
    if given is None:
        earlier = _earlier(scene, seen, networks.context_views)
    else:
        earlier = list(given)[max(0, len(given) - networks.context_views) :]
    return LanguagePart(
        seen.view,
        Question(
            wording,
            masks,
            part.intent.family,
            [one.view for one in earlier],
            names=names,
            depth=None if seen.pointmap is None else seen.pointmap.depth,
        ),
        tuple(names),
        tuple(one.frame for one in earlier),
        reference,
    )


def speak(
    networks: Networks,
    asked: LanguagePart,
    on_token: Callable[[str], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> str:
    """Let the language model answer; it is the only thing that this runs.

    Raises:
        CancelledError: ``cancelled`` became true.
    """
    question = replace(
        asked.question, on_token=on_token, cancelled=cancelled, note=asked.notes.append
    )
    return networks.answer(asked.view, question).strip()


def _earlier(scene: Scene, newest: Observation, count: int) -> list[Observation]:
    """Return up to ``count`` keyframes of the same camera from before, oldest first."""
    kept: list[Observation] = [keyframe.payload for keyframe in scene.keyframes()]
    same = [
        one
        for one in kept
        if one.frame.camera == newest.frame.camera and one.frame.stamp_ns < newest.frame.stamp_ns
    ]
    return sorted(same, key=lambda one: one.frame.stamp_ns)[max(0, len(same) - count) :]


def _model_name(scene: Scene, name: str) -> str:
    """Return the name in the words the language model was trained with, "" for "object"."""
    vocabulary = scene.locator.vocabulary
    phrase = vocabulary.parse(name)
    if not vocabulary.kinds:
        return name
    return phrase.name if phrase.known else ""
