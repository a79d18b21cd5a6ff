# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Questions for a number: how many, how far apart, how large, how large the room is.

Wording and conditions are those of VSI-Bench (Yang et al. 2025, arXiv 2412.14171, appendix): kinds
with one object for distances and sizes, with several for counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TypeVar

import numpy as np

from spatialgeo_ros.evaluation.rooms.task import Task
from spatialgeo_ros.evaluation.rooms.truth import RoomTruth, SeenObject
from spatialgeo_ros.geometry.upright_box import box_separation

T = TypeVar("T")

#: Smallest distance that is asked for, metres: relative errors of less say nothing.
LEAST_DISTANCE = 0.4
#: How much of an object's longest side may have been out of view in all images.
UNSEEN_SHARE = 0.05


def count_tasks(truth: RoomTruth, scene: str, most: int, rng: np.random.Generator) -> list[Task]:
    """Ask how many there are of kinds that have several."""
    kinds = {kind: len(ones) for kind, ones in truth.whole_kinds().items() if len(ones) > 1}
    return [
        Task(
            scene, "object_counting", f"How many {kind}(s) are in this room?", str(kinds[kind]),
            kinds=(kind,),
        )
        for kind in drawn(sorted(kinds), most, rng)
    ]  # fmt: skip


def distance_tasks(truth: RoomTruth, scene: str, most: int, rng: np.random.Generator) -> list[Task]:
    """Ask how far two objects are apart, nearest points."""
    tasks: list[Task] = []
    for a, b in drawn(list(combinations(truth.unique(), 2)), None, rng):
        metres = gap(a, b)
        if metres < LEAST_DISTANCE or len(tasks) == most:
            continue
        first, second = a.thing.kind, b.thing.kind
        question = (
            "Measuring from the closest point of each object, what is the distance between the "
            f"{first} and the {second} (in meters)?"
        )
        tasks.append(
            Task(
                scene, "object_abs_distance", question, f"{metres:.2f}", kinds=(first, second)
            )  # fmt: skip
        )
    return tasks


def size_tasks(truth: RoomTruth, scene: str, most: int, rng: np.random.Generator) -> list[Task]:
    """Ask for the longest side of objects that were seen along all of it."""
    whole = [one for one in truth.unique() if one.seen[one.longest] >= 1 - UNSEEN_SHARE]
    return [
        Task(
            scene, "object_size_estimation",
            "What is the length of the longest dimension (length, width, or height) of the "
            f"{one.thing.kind}, measured in centimeters?",
            f"{100 * max(one.thing.size):.0f}", kinds=(one.thing.kind,),
        )
        for one in drawn(whole, most, rng)
    ]  # fmt: skip


def room_task(truth: RoomTruth, scene: str) -> Task:
    """Ask for the area of the floor."""
    return Task(
        scene, "room_size_estimation",
        "What is the size of this room (in square meters)? If multiple rooms are shown, estimate "
        "the size of the combined space.",
        f"{truth.room.width * truth.room.depth:.1f}",
    )  # fmt: skip


def gap(a: SeenObject, b: SeenObject) -> float:
    """True distance between the nearest points of two objects' boxes, metres."""
    return max(0.0, box_separation(a.box, b.box).value)


def drawn(things: Sequence[T], most: int | None, rng: np.random.Generator) -> list[T]:
    """Return up to ``most`` of the things in a drawn order; None for all."""
    return [things[int(k)] for k in rng.permutation(len(things))[:most]]
