# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a language model that is shown regions is asked, and what its numbers mean.

SpatialRGPT was trained on short questions about regions; its distance of two things is the mean
distance between nearest points of both, and its horizontal distance looks along the picture's width
alone (facts of its data pipeline, arXiv 2406.01584). Its words are compared with these lengths.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.answer.measured_part import MeasuredPart
from spatialgeo_ros.answer.mentions import Mentioned, find_mentions
from spatialgeo_ros.answer.sentences import Measured
from spatialgeo_ros.errors import SpatialGeoError
from spatialgeo_ros.geometry.nearest import mean_nearest_distance
from spatialgeo_ros.geometry.pose import level_frame
from spatialgeo_ros.memory.observation import Observation
from spatialgeo_ros.query.families import REGION_PLACEHOLDER
from spatialgeo_ros.query.intent import canonical_question
from spatialgeo_ros.scene.recall import relative_pose
from spatialgeo_ros.scene.scene import Scene
from spatialgeo_ros.scene.sighting import Sighting

_FROM_CAMERA = ("camera_distance", "camera_direction")


@dataclass(frozen=True, eq=False)
class RegionQuestion:
    """A question with regions in it.

    Attributes:
        text: ``<region>`` k in it is mask k.
        masks: [H, W] of the image, in the order of mention.
        names: what the things are called, in the same order.
    """

    text: str
    masks: tuple[npt.NDArray[np.bool_], ...]
    names: tuple[str, ...]


def ask_about_regions(
    scene: Scene, part: MeasuredPart, question: str, seen: Observation
) -> RegionQuestion | None:
    """Put the pixels of a question's things into its words.

    Things that are not found in the image, or whose words are not found in the question, stay
    words; a note says so.

    Args:
        scene: finds things of a question that the map answered.
        part: the measured part of the question.
        question: as it was asked.
        seen: the observation of the image that is shown.

    Returns:
        None where the model was not trained for such a question.
    """
    question = question.replace(REGION_PLACEHOLDER, "region")  # as typed, it is a word
    intent = part.intent
    if intent.family in _FROM_CAMERA:
        return None
    mentioned = [one for one in _mentioned(scene, part, seen) if one.seen_in is seen]
    if not mentioned:
        if intent.objects:
            part.note("the language model was shown no regions: the things are not in this image")
        return RegionQuestion(question, (), ())
    masks = tuple(_pixels(one, seen) for one in mentioned)
    names = tuple(one.name for one in mentioned)
    wording = canonical_question(intent, names, REGION_PLACEHOLDER)
    if wording is not None:
        # The templates are written for a tokenizer of words: "how wide is <region> ?".
        text = re.sub(r"\s+([?.,])", r"\1", wording)
        return RegionQuestion(text[0].upper() + text[1:], masks, names)
    return _in_place(part, question, masks, names)


def _in_place(
    part: MeasuredPart,
    question: str,
    masks: Sequence[npt.NDArray[np.bool_]],
    names: Sequence[str],
) -> RegionQuestion:
    """Replace each thing's words in a question by its region."""
    places: list[tuple[int, int, int]] = []
    for number, name in enumerate(names):
        found = re.search(rf"\b(?:the |a |an )?{re.escape(name)}\b", question, re.IGNORECASE)
        if found is None or any(found.start() < end and found.end() > begin
                                for begin, end, _ in places):  # fmt: skip
            part.note(f"the language model was shown no region for '{name}'")
            continue
        places.append((found.start(), found.end(), number))
    text = question
    order: list[int] = []
    for begin, end, number in sorted(places, reverse=True):
        text = f"{text[:begin]}{REGION_PLACEHOLDER}{text[end:]}"
        order.insert(0, number)
    return RegionQuestion(
        text, tuple(masks[number] for number in order), tuple(names[number] for number in order)
    )


def _mentioned(scene: Scene, part: MeasuredPart, seen: Observation) -> list[Mentioned]:
    """The things of a question: as they were measured, or looked for where the map answered."""
    if part.mentioned or not part.intent.objects:
        return part.mentioned
    try:
        return find_mentions(scene, part.intent, seen, (), recall=False)
    except SpatialGeoError:
        return []  # what is not seen clearly is not shown; the caller notes it


def _pixels(one: Mentioned, seen: Observation) -> npt.NDArray[np.bool_]:
    """The thing's own pixels where they are known, else its region's."""
    if one.sighting is not None:
        return one.sighting.points.mask
    return one.found.region.rasterise(*seen.frame.image.shape[:2])


def region_reference(part: MeasuredPart) -> Measured | None:
    """Return what the words of SpatialRGPT are compared with: a length of the same kind.

    None where that length is not known: the words are then not compared.
    """
    measured, family = part.reference, part.intent.family
    if measured is None or family not in ("distance", "horizontal_distance"):
        return measured
    if len(part.sightings) != 2:
        return None
    first, second = (_level_points(one, part.observation) for one in part.sightings)
    if family == "distance":
        value, which = mean_nearest_distance(first, second), "mean of nearest points"
    else:
        middles = [(side.min(axis=0) + side.max(axis=0)) / 2 for side in (first, second)]
        value, which = abs(float(middles[0][0] - middles[1][0])), "along the picture's width"
    sigmas = [one.position_sigma for one in part.sightings]
    known = math.isfinite(measured.sigma)
    sigma = measured.sigma if known else math.hypot(*sigmas)
    return replace(measured, value=value, sigma=sigma, length=which)


def _level_points(one: Sighting, observation: Observation) -> npt.NDArray[np.float64]:
    """Visible surface [N, 3] in the level frame of the asked camera (x right, y down, z ahead)."""
    level = np.eye(3) if observation.gravity is None else level_frame(observation.gravity)
    pose = relative_pose(observation.frame, one.frame)
    return np.asarray(pose.apply(one.points.surface.astype(np.float64))) @ level.T
