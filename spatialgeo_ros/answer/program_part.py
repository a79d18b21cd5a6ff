# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The program of a question, run on what is known: the object map, or else the image alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.answer.map_estimates import estimates_from_map, kinds_of_program
from spatialgeo_ros.answer.sentences import Measured
from spatialgeo_ros.errors import PhraseNotFoundError, TooLittleSupportError
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.grounding.found import DETECTION, Found
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.observation import Observation
from spatialgeo_ros.memory.snapshot import MapObject, MapSnapshot, Presence
from spatialgeo_ros.query import program as nodes
from spatialgeo_ros.query.nouns import canonical, is_a
from spatialgeo_ros.query.phrases import parse_label
from spatialgeo_ros.query.program import Program, QuantityName
from spatialgeo_ros.query.program_edit import nodes as nodes_of
from spatialgeo_ros.query.program_edit import rebuilt
from spatialgeo_ros.query.program_words import things_in_words
from spatialgeo_ros.query.result import QueryError, Result, ResultType
from spatialgeo_ros.scene.estimate import Estimate
from spatialgeo_ros.scene.executor import execute
from spatialgeo_ros.scene.frame_map import (
    frame_snapshot,
    level_pose,
    object_of,
    region_name,
)
from spatialgeo_ros.scene.map_lengths import QUANTITIES, things_of
from spatialgeo_ros.scene.scene import Scene
from spatialgeo_ros.scene.sighting import SightedEstimate, Sighting

_A_MOMENT_NS = 3_000_000_000
Numbers: TypeAlias = Mapping[QuantityName, tuple[Estimate, ...]]


def labels_known(
    snapshot: MapSnapshot | None, observation: Observation, regions: Sequence[Region]
) -> set[str]:
    """Return what the things that a question may name are called here: nouns, without colours."""
    objects = () if snapshot is None else snapshot.objects
    names = {one.label for one in objects}
    names |= {region.label for region in (*observation.frame.detections, *regions)}
    # "red crate" as a noun of its own would be any crate: its colour has to be read as one.
    return {parse_label(name).kind or name for name in names if name}


def with_regions(program: Program, regions: Sequence[Region]) -> Program:
    """Put the request's regions in the place of the phrases that name them.

    A phrase of kind and colour alone that fits the label of exactly one region means that region.
    """
    labels = [parse_label(region.label) if region.label else None for region in regions]

    def change(node: Any) -> Any:
        if not isinstance(node, nodes.The) or node.count != 1:
            return node
        if not isinstance(node.of, nodes.Named) or node.of.unknown or node.of.material:
            return node
        kind, colour = canonical(node.of.kind) or node.of.kind, node.of.colour
        fitting = [
            index
            for index, label in enumerate(labels)
            if label is not None
            and is_a(canonical(label.kind) or label.kind, kind)
            and (not colour or not label.colour or label.colour == colour)
        ]
        words = things_in_words(node.of)
        return nodes.RequestRegion(fitting[0], words) if len(fitting) == 1 else node

    return rebuilt(program, change)


def run_program(
    scene: Scene,
    program: Program,
    observation: Observation,
    regions: Sequence[Region],
    snapshot: MapSnapshot | None,
    *,
    in_view_of: Collection[str] = (),
    measured: Numbers | None = None,
) -> tuple[Result, MapSnapshot, tuple[SightedEstimate, ...]]:
    """Run a program on the map, or on what is in view where there is no map.

    Args:
        scene: finds and measures.
        program: of the question.
        observation: the frame that is asked about.
        regions: of the request.
        snapshot: the object map, or None.
        in_view_of: cameras whose newest images alone count; empty for the whole map.
        measured: lengths that were measured on points.

    Returns:
        The result, the map that it is about, and the lengths it tells, where it does.
    """
    if snapshot is None:
        sightings = _in_view(scene, observation, _kinds(program))
        snapshot = frame_snapshot(sightings, observation)
        objects = [_object(scene, observation, k, region) for k, region in enumerate(regions)]
        result = execute(program, snapshot, objects)
        named = {one.id: thing for one, thing in zip(snapshot.objects, sightings, strict=True)}
        things = [named[one] for one in result.objects if one in named]
        kinds = kinds_of_program(program)
        if not kinds or len(things) != things_of(kinds):
            return result, snapshot, ()
        estimates = scene.measure(observation, list(kinds), *things)
        points = measured_on_points(estimates)
        return execute(program, snapshot, objects, points), snapshot, tuple(estimates)
    if in_view_of:
        shown = [snapshot.in_view_of.get(camera, frozenset()) for camera in in_view_of]
        ids = frozenset().union(*shown)
        seen = tuple(one for one in snapshot.objects if one.id in ids)
        snapshot = replace(snapshot, objects=seen)
    objects = _regions_in_map(scene, observation, regions)
    result = execute(program, snapshot, objects, measured)
    return result, snapshot, estimates_from_map(program, result, snapshot, observation.frame)


def measured_on_points(estimates: Sequence[SightedEstimate]) -> Numbers:
    """Return measured lengths by what a program calls them."""
    found: dict[QuantityName, tuple[Estimate, ...]] = {}
    for one in estimates:
        if one.valid and QUANTITIES.get(one.kind) not in (None, *found):
            found[QUANTITIES[one.kind]] = (Estimate(one.distance, "m", own_sigma=one.sigma),)
    sides: tuple[QuantityName, ...] = ("width", "depth", "height")
    if all(side in found for side in sides):
        found["size"] = tuple(found[side][0] for side in sides)
    return found


def absence_means_nothing(
    scene: Scene,
    observation: Observation,
    snapshot: MapSnapshot,
    program: Program,
    result: Result,
) -> str:
    """Say why a "no", "none" or "nothing" cannot be told, "" where it can.

    That something is not there means something only where somebody here knows such things.

    Args:
        scene: what could look for it.
        observation: the frame that is asked about.
        snapshot: the map.
        program: of the question.
        result: its answer.
    """
    about_sets = any(isinstance(node, nodes.Exists | nodes.Count) for node in nodes_of(program))
    if result.objects or not (about_sets or result.type is ResultType.OBJECTS):
        return ""
    locator = scene.locator
    cure = "publish detections of such things, or choose another profile"
    labels = (label for one in snapshot.objects for label in one.labels)
    known = {canonical(parse_label(label).kind) or label for label in labels}
    for node in nodes_of(program):
        if isinstance(node, nodes.Everything) and not snapshot.objects:
            looks = bool(observation.frame.detections_stamp_ns) or locator.can_ground
            if why := locator.unfamiliar(observation) or (
                "" if looks else "nobody looks for things"
            ):
                return f"what is there cannot be told: {why}; {cure}"
        if not isinstance(node, nodes.Named) or not node.kind:
            continue
        kind = canonical(node.kind) or node.kind
        if any(is_a(label, kind) for label in known):
            continue
        phrase = locator.vocabulary.parse(node.kind)
        if not locator.can_look_for(observation, phrase):
            why = locator.unfamiliar(observation) or locator.failure(observation, phrase)
            why = why or locator.without or "nothing here knows such things"
            return f"whether there is a {node.kind} cannot be told: {why}; {cure}"
    return ""


def contradicts(result: Result, measured: Measured) -> bool:
    """Tell whether a yes/no of the map is not what was measured on points."""
    if result.error is not None:
        return True
    if result.type is not ResultType.BOOLEAN or measured.choice not in ("yes", "no"):
        return False
    return result.boolean != (measured.choice == "yes")


def all_of_image(result: Result, snapshot: MapSnapshot, observation: Observation) -> bool:
    """Tell whether everything that a result rests on was seen in this very image."""
    named = {one.id: one for one in snapshot.objects}
    frame = observation.frame
    return all(
        one in named
        and named[one].last_seen_ns == frame.stamp_ns
        and frame.camera in named[one].cameras
        for one in result.objects
    )


def failed_for_want_of_objects(result: Result) -> bool:
    """Tell whether a program failed because the map does not have what it names."""
    return result.error is QueryError.UNKNOWN_OBJECT


def all_in_view(result: Result, snapshot: MapSnapshot) -> bool:
    """Tell whether everything that a result rests on is in the newest images."""
    return result.error is None and all(one in snapshot.in_view for one in result.objects)


def expected_in(result: Result, snapshot: MapSnapshot, observation: Observation) -> bool:
    """Tell whether an image that no detector looked at should show all that a result rests on.

    The profile's own grounding looks at one image in a second or so: what it saw a moment ago, and
    what lies in the field of view, is looked for again in this image.
    """
    frame = observation.frame
    if frame.detections_stamp_ns or frame.pose is None or frame.model is None:
        return False
    named = {one.id: one for one in snapshot.objects}
    things = [named[one] for one in result.objects if one in named]
    if not things or any(frame.stamp_ns - one.last_seen_ns > _A_MOMENT_NS for one in things):
        return False
    return bool(_inside(frame, np.stack([one.centre for one in things])).all())


def _inside(frame: Frame, places: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which world points [N, 3] lie in an image of known pose and calibration."""
    assert frame.pose is not None and frame.model is not None
    pixels = frame.model.project(frame.pose.inverse().apply(places))
    inside = (pixels >= 0) & (pixels < (frame.width, frame.height))  # NaN behind the camera
    return np.asarray(inside.all(axis=1))


def remembered(result: Result, snapshot: MapSnapshot) -> list[MapObject]:
    """Return the objects of a result that are out of view."""
    named = {one.id: one for one in snapshot.objects}
    found = [named[one] for one in result.objects if one in named]
    return [one for one in found if one.state is Presence.REMEMBERED]


def _kinds(program: Program) -> set[str] | None:
    """Return the kinds that a program names; None where it means everything."""
    kinds: set[str] = set()
    for node in nodes_of(program):
        if isinstance(node, nodes.Everything) or isinstance(node, nodes.Named) and not node.kind:
            return None
        if isinstance(node, nodes.Named):
            kinds.add(canonical(node.kind) or node.kind)
    return kinds


def _in_view(scene: Scene, observation: Observation, kinds: set[str] | None) -> list[Sighting]:
    """Lift what the detector or the profile's own grounding surely sees, of some kinds."""
    boxes = [region for region in observation.frame.detections if region.label]
    found = [Found(region, DETECTION, region.score) for region in boxes]
    locator = scene.locator
    if locator.knows_any_words and not (boxes and kinds is None):
        named = {canonical(kind) or kind for kind in (parse_label(one.label).kind for one in boxes)}
        asked = None if kinds is None else [kind for kind in kinds if kind not in named]
        found += locator.everything(observation, asked) if asked is None or asked else []
    elif not found:
        found = [
            Found(Region.from_box(*one.box, one.label, min(1.0, one.score)), one.how, one.score)
            for one in scene.scan(observation)
        ]
    sightings = []
    for one in found:
        label = parse_label(one.region.label).kind
        if kinds is not None and not any(is_a(canonical(label) or label, kind) for kind in kinds):
            continue
        try:
            sighting = scene.finder.sight(observation, one, observation)
        except TooLittleSupportError:
            continue
        if not sighting.doubt:
            sightings.append(sighting)
    return sightings


def _object(scene: Scene, observation: Observation, index: int, region: Region) -> MapObject:
    found, seen_in = scene.finder.find(observation, region, recall=False)
    if seen_in is not observation:
        raise PhraseNotFoundError(
            f"region {index} was drawn on an earlier image: without poses it cannot be used "
            "together with the newest one"
        )
    sighting = scene.finder.sight(seen_in, found, observation)
    return object_of(sighting, observation, level_pose(observation), region_name(index, region))


def _regions_in_map(
    scene: Scene, observation: Observation, regions: Sequence[Region]
) -> list[MapObject]:
    """Return the things of the request's regions as objects in the world."""
    objects = []
    for index, region in enumerate(regions):
        found, seen_in = scene.finder.find(observation, region, recall=False)
        pose = seen_in.frame.pose
        if pose is None:
            raise PhraseNotFoundError(f"region {index} is of an image without a pose")
        sighting = scene.finder.sight(seen_in, found, observation)
        objects.append(object_of(sighting, seen_in, pose, region_name(index, region)))
    return objects
