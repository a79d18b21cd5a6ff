# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How right the object map of an annotated sequence is: counts, places, distances, identities.

The map is fed frame by frame with the annotated boxes and their labels. Which object a box is of is
withheld from it, and used afterwards to see what it made of each.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.evaluation.annotated_frames import AnnotatedFrame, AnnotatedSequence
from spatialgeo_ros.evaluation.sequence import read_images
from spatialgeo_ros.evaluation.sequence_tables import Cell, Table
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.memory.detected import MapUpdate
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.snapshot import MapObject, Presence
from spatialgeo_ros.perception import Perception
from spatialgeo_ros.query.phrases import parse_label

#: Metres within which a remembered distance is right, whatever its standard deviation.
RIGHT = 0.08
#: Standard deviation of the poses of a handheld depth camera that is tracked well, metres.
POSE_SIGMA = 0.02
_SECOND = 1_000_000_000


@dataclass(frozen=True, eq=False)
class MapRun:
    """What came of a sequence.

    Attributes:
        objects: of the map at the end, by id.
        surfaces: [N, 3] points of their surfaces in the levelled world, metres, by id.
        given: by annotated name, the ids that its sightings were given, in order.
        final: by annotated name, the id that most of them are part of at the end; "" for none.
        updates: what the map said to each frame.
    """

    objects: Mapping[str, MapObject]
    surfaces: Mapping[str, NDArray[np.float64]]
    given: Mapping[str, tuple[str, ...]]
    final: Mapping[str, str]
    updates: tuple[MapUpdate, ...]


def run_map(sequence: AnnotatedSequence, pose_sigma: float = POSE_SIGMA) -> MapRun:
    """Feed a sequence to an object map.

    Args:
        sequence: its poses are taken as corrected ones, without drift.
        pose_sigma: their standard deviation, metres.

    Raises:
        BadRequestError: gravity or every pose is unknown.
        BadImageError: an image cannot be read.
    """
    if sequence.upright is None or not any(frame.pose is not None for frame in sequence.frames):
        raise BadRequestError(
            "an object map needs poses in a world whose gravity is known: give poses.json, and "
            "'level' in reference.json"
        )
    perception = Perception(None, pose_sigma=pose_sigma, way_drift=0.0)
    given: dict[str, list[str]] = {}
    updates = []
    heir: dict[str, str] = {}
    for frame in sequence.frames:
        if frame.pose is None:
            continue
        observation = perception.observe(labelled_frame(sequence, frame))
        update = perception.update_map(observation)
        updates.append(update)
        heir.update(update.merged)
        for thing, name in zip(frame.objects, update.identified, strict=True):
            if name:
                given.setdefault(thing.name, []).append(name)
    objects = perception.object_map
    known = {one.id: one for one in objects.snapshot().objects}
    final = {}
    for name, ids in given.items():
        last = Counter(_heir(heir, one) for one in ids).most_common(1)[0][0]
        final[name] = last if last in known else ""
    return MapRun(
        known,
        {name: objects.surface(name) for name in known},
        {name: tuple(ids) for name, ids in given.items()},
        final,
        tuple(updates),
    )


def map_tables(sequence: AnnotatedSequence, run: MapRun) -> tuple[Table, ...]:
    """Tables of a run: kinds, centres, pairs (summary and one by one), identities."""
    pairs = _pair_rows(sequence, run)
    return (
        Table("map: kinds", tuple(_kind_rows(sequence, run))),
        Table("map: pairs", tuple(_pair_summary(pairs))),
        Table("map: identities", (_identity_row(run),)),
        Table("map: centres", tuple(_centre_rows(sequence, run))),
        Table("map: single pairs", tuple(pairs)),
        Table("map: identities with several ids, ids with several identities", _mixed(run)),
    )


def labelled_frame(sequence: AnnotatedSequence, frame: AnnotatedFrame) -> Frame:
    """Return a frame with labelled boxes, in the levelled world with the floor at 0.

    Sequence and frame say where the camera was and which way is up. Stamps are made up: a second
    from each frame to the next.

    Raises:
        BadImageError: an image cannot be read.
    """
    assert sequence.upright is not None and frame.pose is not None
    readings = read_images(frame)
    floor = sequence.floor or 0.0
    stamp = (frame.position + 1) * _SECOND
    pose = Pose(
        sequence.upright @ frame.pose.rotation,
        sequence.upright @ frame.pose.translation - [0.0, 0.0, floor],
    )
    boxes = [Region.from_box(*thing.box, thing.label) for thing in frame.objects]
    return Frame(
        camera="camera", stamp_ns=stamp, frame_id="camera_optical_frame", image=readings.image,
        model=frame.camera, depth=readings.depth, pose=pose, world_frame="world",
        detections=tuple(replace(box, stamp_ns=stamp) for box in boxes),
        detections_stamp_ns=stamp,
    )  # fmt: skip


def _heir(heirs: Mapping[str, str], name: str) -> str:
    while name in heirs:
        name = heirs[name]
    return name


def _kind(label: str) -> str:
    return parse_label(label).kind or label


def _kind_rows(sequence: AnnotatedSequence, run: MapRun) -> list[dict[str, Cell]]:
    """Objects by kind: annotated, of these with a reference place, and in the map."""
    labels = {thing.name: thing.label for frame in sequence.frames for thing in frame.objects}
    there = [one for one in run.objects.values() if one.state is not Presence.GONE]
    annotated = Counter(_kind(label) for label in labels.values())
    placed = Counter(_kind(label) for name, label in labels.items() if name in sequence.centres)
    mapped = Counter(_kind(one.label) for one in there)
    gone = Counter(_kind(one.label) for one in run.objects.values())
    return [
        {
            "kind": kind,
            "annotated": annotated[kind],
            "with_place": placed[kind],
            "map": mapped[kind],
            "gone": gone[kind] - mapped[kind],
        }
        for kind in sorted(set(annotated) | set(gone))
    ]


def _level(sequence: AnnotatedSequence, point: NDArray[np.float64]) -> NDArray[np.float64]:
    assert sequence.upright is not None
    return sequence.upright @ point - [0.0, 0.0, sequence.floor or 0.0]


def _visible_centre(run: MapRun, name: str) -> NDArray[np.float64]:
    """Centre of what the map has of a surface: the reference's centres are of surfaces, too."""
    return np.asarray(run.surfaces[name].mean(axis=0))


def _centre_rows(sequence: AnnotatedSequence, run: MapRun) -> list[dict[str, Cell]]:
    """How far each object is from its reference centre: of its surface, and of its whole box."""
    rows: list[dict[str, Cell]] = []
    for name, reference in sequence.centres.items():
        mapped = run.objects.get(run.final.get(name, ""))
        row: dict[str, Cell] = {"name": name, "id": "", "surface_m": math.nan, "box_m": math.nan}
        row.update(sigma_m=math.nan, sightings=0)
        if mapped is not None:
            truth = _level(sequence, reference.centre)
            row.update(
                id=mapped.id,
                surface_m=float(np.linalg.norm(_visible_centre(run, mapped.id) - truth)),
                box_m=float(np.linalg.norm(mapped.centre - truth)),
                sigma_m=float(np.sqrt(np.linalg.eigvalsh(mapped.covariance)[-1])),
                sightings=mapped.sightings,
            )
        rows.append(row)
    return rows


def _pair_rows(sequence: AnnotatedSequence, run: MapRun) -> list[dict[str, Cell]]:
    """Distances of the reference beside those of the map."""
    rows: list[dict[str, Cell]] = []
    for pair in sequence.pairs:
        row: dict[str, Cell] = {
            "a": pair.first,
            "b": pair.second,
            "seen_together": "no" if pair.needs_memory else "yes",
            "reference_m": pair.centres,
            "surface_m": math.nan,
            "box_m": math.nan,
            "sigma_m": math.nan,
        }
        first, second = (run.final.get(name, "") for name in (pair.first, pair.second))
        if first and second and first != second:
            a, b = run.objects[first], run.objects[second]
            between = b.centre - a.centre
            along = between / np.linalg.norm(between)
            seen = _visible_centre(run, second) - _visible_centre(run, first)
            row.update(
                surface_m=float(np.linalg.norm(seen)),
                box_m=float(np.linalg.norm(between)),
                sigma_m=float(np.sqrt(along @ (a.covariance + b.covariance) @ along)),
            )
        rows.append(row)
    return rows


def _pair_summary(pairs: list[dict[str, Cell]]) -> list[dict[str, Cell]]:
    """Shares of right distances, of the pairs never seen together and of all.

    A pair of which the map lacks an object is not right.
    """
    rows: list[dict[str, Cell]] = []
    apart = [row for row in pairs if row["seen_together"] == "no"]
    for title, chosen in (("never seen together", apart), ("all", pairs)):
        for measure, between in (("surface_m", "surfaces"), ("box_m", "whole boxes")):
            errors = np.array([float(row[measure]) - float(row["reference_m"]) for row in chosen])
            sigmas = np.array([float(row["sigma_m"]) for row in chosen])
            close, covered = np.abs(errors) <= RIGHT, np.abs(errors) <= 2 * sigmas
            known = np.isfinite(errors)
            middle = float(np.median(np.abs(errors[known]))) if known.any() else math.nan
            rows.append(
                {
                    "pairs": title,
                    "centres_of": between,
                    "n": len(chosen),
                    "in_map": int(known.sum()),
                    "within_8_cm_share": _share(close),
                    "within_2_sigma_share": _share(covered),
                    "within_8_cm_or_2_sigma_share": _share(close | covered),
                    "median_abs_error_m": middle,
                }
            )
    return rows


def _share(chosen: NDArray[np.bool_]) -> float:
    return float(chosen.mean()) if len(chosen) else math.nan


def _holders(run: MapRun) -> dict[str, set[str]]:
    """Annotated names by the id that they were given."""
    holders: dict[str, set[str]] = {}
    for name, ids in run.given.items():
        for one in ids:
            holders.setdefault(one, set()).add(name)
    return holders


def _identity_row(run: MapRun) -> dict[str, Cell]:
    """How stable ids are, over all sightings."""
    holders = _holders(run)
    right = sum(Counter(ids).most_common(1)[0][1] for ids in run.given.values())
    return {
        "identities": len(run.given),
        "with_one_id": sum(len(set(ids)) == 1 for ids in run.given.values()),
        "ids": len(holders),
        "of_one_identity": sum(len(names) == 1 for names in holders.values()),
        "sightings": sum(len(ids) for ids in run.given.values()),
        "with_the_usual_id_share": right / max(1, sum(len(ids) for ids in run.given.values())),
        "merged": sum(len(update.merged) for update in run.updates),
        "images_not_used": sum(not update.used for update in run.updates),
    }


def _mixed(run: MapRun) -> tuple[dict[str, Cell], ...]:
    rows: list[dict[str, Cell]] = [
        {"what": name, "has": ", ".join(ids)}
        for name, ids in run.given.items()
        if len(set(ids)) > 1
    ]
    rows += [
        {"what": one, "has": ", ".join(sorted(names))}
        for one, names in _holders(run).items()
        if len(names) > 1
    ]
    return tuple(rows)
