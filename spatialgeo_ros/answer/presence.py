# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whether there is such a thing in view, and how many: yes, no, perhaps, or nobody can tell.

"No" means that somebody who knows such things looked at the image and saw none. Where nobody knows
them, the question is refused.
"""

from __future__ import annotations

from collections.abc import Sequence

from spatialgeo_ros.answer.mentions import Mentioned
from spatialgeo_ros.answer.sentences import Measured
from spatialgeo_ros.errors import PhraseNotFoundError, SpatialGeoError
from spatialgeo_ros.geometry.distance import Kind
from spatialgeo_ros.memory.observation import Observation
from spatialgeo_ros.query.intent import COUNT, Intent
from spatialgeo_ros.query.nouns import plural
from spatialgeo_ros.scene.scene import Scene
from spatialgeo_ros.scene.sighting import SightedEstimate


def presence_answer(
    scene: Scene, intent: Intent, observation: Observation
) -> tuple[Measured, list[Mentioned], list[SightedEstimate]]:
    """Answer "is there a chair?" and "how many chairs are there?" for what is in view.

    Returns:
        The answer, the things that are surely there, and their distances, nearest first.

    Raises:
        PhraseNotFoundError: nothing here knows such things.
        SpatialGeoError: as :meth:`spatialgeo_ros.scene.selection.Selection.every`.
    """
    locator, text = scene.locator, intent.objects[0].phrase
    phrase = locator.vocabulary.parse(text)
    found = scene.finder.selection(observation).every(text)
    if not found and not locator.can_look_for(observation, phrase):
        knows = ", ".join(locator.vocabulary.names() if phrase.known else locator.vocabulary.kinds)
        nobody = locator.without or "the profile has no grounding"
        who = f"the profile knows {knows}" if knows else nobody
        who = locator.failure(observation, phrase) or who
        raise PhraseNotFoundError(
            f"whether there is a {text} in view cannot be told: {who}, and no detections arrive; "
            "publish detections of such things"
        )
    sure = [one for one in found if one.sure and not one.doubt]
    mentioned, estimates = [], []
    for one in sure:
        mention = Mentioned(text, one, observation)
        try:
            mention.sighting = scene.finder.sight(observation, one, observation)
            estimates += scene.measure(observation, [Kind.CAMERA_TO_OBJECT], mention.sighting)
        except SpatialGeoError:
            pass  # that it is there does not depend on how far away it is
        mentioned.append(mention)
    estimates.sort(key=lambda estimate: (not estimate.valid, estimate.distance))
    name = f"{phrase.colour} {phrase.noun}".strip() if phrase.plain else text
    by = "detections" if observation.frame.detections else "network"
    said = _count if intent.family == COUNT else _exists
    return said(name, len(sure), len(found), _away(estimates), by), mentioned, estimates


def _exists(name: str, sure: int, found: int, away: str, by: str) -> Measured:
    if sure:
        things = f"one {name}" if sure == 1 else f"{sure} {plural(name)}"
        return Measured(f"Yes: {things} in view{away}.", choice="yes")
    if found:
        return Measured(f"Perhaps: what may be a {name} is in view, but not seen clearly.")
    return Measured(f"No {name} is in view now{_MEANS[by]}.", choice="no")


def _count(name: str, sure: int, found: int, away: str, by: str) -> Measured:
    if not found:
        return Measured(f"No {name} is in view now{_MEANS[by]}.")
    things = f"{sure} {name if sure == 1 else plural(name)}"
    more = found - sure
    doubt = f"; {more} more may be, not seen clearly" if more else ""
    return Measured(f"{things} in view now{away}{doubt}.")


#: What it means that nothing was found.
_MEANS = {
    "detections": ": none of the detections is called so",
    "network": ": the network recognises none; small, far and hidden ones escape it",
}


def _away(estimates: Sequence[SightedEstimate]) -> str:
    lengths = [f"{estimate.distance:.2f} m" for estimate in estimates if estimate.valid]
    if not lengths:
        return ""
    listed = lengths[0] if len(lengths) == 1 else f"{', '.join(lengths[:-1])} and {lengths[-1]}"
    return f", {listed} away"
