# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which objects a question means: pairs its phrases with the request's regions, finds the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from spatialgeo_ros.errors import AmbiguousError, BadRequestError, PhraseNotFoundError
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.grounding.found import Found
from spatialgeo_ros.memory.observation import Observation
from spatialgeo_ros.query.intent import Intent, Mention
from spatialgeo_ros.scene.scene import Scene
from spatialgeo_ros.scene.sighting import Sighting


@dataclass(eq=False)
class Mentioned:
    """An object of the question: its pixels, the observation they are of, and its points."""

    name: str
    found: Found
    seen_in: Observation
    sighting: Sighting | None = None


def find_mentions(
    scene: Scene,
    intent: Intent,
    observation: Observation,
    regions: Sequence[Region],
    recall: bool = True,
) -> list[Mentioned]:
    """Find the pixels of every object of the question, in the order of the intent.

    Raises:
        BadRequestError: too few objects are named, or a region's number is out of range.
        PhraseNotFoundError: an object is not found, or what was found may be another thing.
        AmbiguousError: several things fit a phrase.
    """
    mentions = list(intent.objects)
    if len(mentions) == 1 and intent.objects_needed == 2 and not regions:
        mentions = _both(scene, observation, mentions[0])
    given = _match_regions(scene, observation, mentions, regions)
    taken = {id(region) for region in given if region is not None}
    spare = [region for region in regions if id(region) not in taken]
    while len(mentions) < intent.objects_needed and spare:
        region = spare.pop(0)
        mentions.append(Mention(region.label, "b" if mentions else "a"))
        given.append(region)
    if len(mentions) < intent.objects_needed:
        raise BadRequestError(
            f"'{intent.text}' needs {intent.objects_needed} objects, "
            f"{len(mentions)} named: name them, or give their regions"
        )
    mentioned: list[Mentioned] = []
    for mention, chosen in zip(mentions, given, strict=True):
        name = mention.phrase or (chosen.label if chosen is not None else "") or mention.label
        if chosen is None and not mention.phrase:
            raise BadRequestError(
                f"'{intent.text}' does not say which object: name it, or give its region"
            )
        rivals = [other.phrase for other in mentions if other is not mention and other.phrase]
        what = name if chosen is None else chosen
        found, seen_in = scene.finder.find(observation, what, rivals, recall=recall)
        if found.doubt:
            raise PhraseNotFoundError(f"{found.doubt}; give a box, point or mask for '{name}'")
        if not found.region.label:
            found = replace(found, region=replace(found.region, label=name))
        mentioned.append(Mentioned(name, found, seen_in))
    return mentioned


def _both(scene: Scene, observation: Observation, mention: Mention) -> list[Mention]:
    """Make two objects of "the two chairs", where exactly two are in view."""
    phrase = scene.locator.vocabulary.parse(mention.phrase)
    if phrase.count != 2:
        return [mention]
    seen = scene.finder.selection(observation).every(mention.phrase)
    if len(seen) != 2:
        raise AmbiguousError(
            f"'{mention.phrase}' means two things, and {len(seen)} such are in view: name each, "
            f"for example 'the nearest {phrase.noun}'"
        )
    name = f"{phrase.colour} {phrase.noun}".strip()
    return [Mention(f"{side} {name}", role) for side, role in (("left", "a"), ("right", "b"))]


def _match_regions(
    scene: Scene,
    observation: Observation,
    mentions: Sequence[Mention],
    regions: Sequence[Region],
) -> list[Region | None]:
    """Pair the question's objects with the request's regions: by number, label, then order."""
    vocabulary = scene.locator.vocabulary
    pairs: list[Region | None] = [None] * len(mentions)
    free = list(regions)
    for index, mention in enumerate(mentions):
        if mention.region is None or (mention.phrase and mention.region >= len(regions)):
            continue
        if not regions:
            continue  # "it", with nothing to point at: refused by the caller with its own words
        if mention.region >= len(regions):
            raise BadRequestError(
                f"the question speaks of region {mention.region}, the request has {len(regions)} "
                "regions (counted from 0)"
            )
        chosen = regions[mention.region]
        pairs[index] = chosen
        free = [region for region in free if region is not chosen]
    for index, mention in enumerate(mentions):
        if pairs[index] is not None or not mention.phrase:
            continue
        phrase = vocabulary.parse(mention.phrase)
        scores = [vocabulary.agreement(phrase, region.label)[0] for region in free]
        best = max(scores, default=0.0)
        if best <= 0:
            continue
        fitting = [region for region, score in zip(free, scores, strict=True) if score == best]
        alike = sum(other.phrase == mention.phrase for other in mentions[index:])
        chosen = fitting[0]
        if len(fitting) != alike or not phrase.plain:  # else "the chair and the chair": by order
            candidates = [Found(region, "request", 1.0) for region in fitting]
            found = scene.finder.selection(observation).one(mention.phrase, given=candidates)
            chosen = chosen if found is None else found.region
        pairs[index] = chosen
        free = [region for region in free if region is not chosen]
    unlabelled = [region for region in free if not region.label]
    open_slots = [index for index, region in enumerate(pairs) if region is None]
    if len(unlabelled) >= len(open_slots):
        for index, spare in zip(open_slots, unlabelled, strict=False):
            pairs[index] = spare
    return pairs
