# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A room whose answers can be worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spatialgeo_ros.evaluation.rooms.truth import RoomTruth, SeenObject
from spatialgeo_ros.memory.snapshot import MapObject, MapSnapshot, RoomLayout
from spatialgeo_ros.sim.room import Room, SceneObject

SECOND = 1_000_000_000


def thing(kind: str, x: float, y: float, size: tuple[float, float, float]) -> SceneObject:
    return SceneObject(f"red {kind}", kind, "red", (x, y, size[2] / 2), size, 0.0, ())


#: Sofa in the west, table in the middle, shelf in the north, door in the east; two chairs.
THINGS = (
    thing("sofa", -2.5, 0.0, (1.0, 2.0, 0.8)),
    thing("table", 0.0, 0.0, (1.2, 0.8, 0.7)),
    thing("shelf", 0.0, 2.2, (1.0, 0.4, 1.8)),
    thing("door", 2.9, 0.0, (0.1, 0.9, 2.0)),
    thing("chair", 0.0, -1.4, (0.5, 0.5, 0.9)),
    thing("chair", 1.5, 1.5, (0.5, 0.5, 0.9)),
)
#: In this order they come into view; the chairs from the third second on.
FIRST_SECONDS = (1, 2, 4, 5, 3, 7)


def known_truth(seed: int = 1) -> RoomTruth:
    room = Room(seed, 6.0, 5.0, 2.5, THINGS, (), (1, 1, 1), (1, 1, 1), 0.0, (0.3, 0.5))
    number: dict[str, int] = {}
    seen, mapped = [], []
    for one, second in zip(THINGS, FIRST_SECONDS, strict=True):
        number[one.kind] = number.get(one.kind, 0) + 1
        name, stamp = f"{one.kind}_{number[one.kind]}", second * SECOND
        seen.append(SeenObject(name, one, 0.1, stamp, stamp, np.ones(3)))
        mapped.append(
            MapObject(
                name,
                one.kind,
                np.array(one.centre),
                np.zeros((3, 3)),
                np.array(one.size),
                np.zeros(3),
                one.yaw,
                stamp,
                9 * SECOND,
            )  # fmt: skip
        )
    corners = np.array([[3.0, 2.5], [-3.0, 2.5], [-3.0, -2.5], [3.0, -2.5]])
    snapshot = MapSnapshot(
        tuple(mapped), "odom", 9 * SECOND, 0, RoomLayout(0.0, 0.0, 2.5, 0.0, corners)
    )
    return RoomTruth(room, tuple(seen), snapshot)


def without(truth: RoomTruth, kind: str) -> MapSnapshot:
    """The map without the objects of a kind."""
    snapshot = truth.snapshot
    return replace(snapshot, objects=tuple(o for o in snapshot.objects if o.label != kind))
