# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A small room whose every distance can be worked out by hand, as an object map.

The room is 6 m x 4 m x 2.5 m. The camera is at (1, 1, 1) and looks along x, so left is y.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spatialgeo_ros.memory.snapshot import MapObject, MapSnapshot, Presence, RoomLayout, Viewer

SIGMA = 0.01  # metres, of every centre, size and wall, and of the viewer's place


def thing(
    name: str,
    label: str,
    centre: tuple[float, float, float],
    size: tuple[float, float, float],
    colour: str = "",
    material: str = "",
    seen: tuple[float, float] = (0.0, 60.0),
    yaw: float = 0.0,
    sigma: float = SIGMA,
    state: Presence = Presence.VISIBLE,
) -> MapObject:
    return MapObject(
        id=name,
        label=label,
        centre=np.array(centre, float),
        covariance=np.eye(3) * sigma**2,
        size=np.array(size, float),
        size_sigma=np.full(3, sigma),
        yaw=yaw,
        first_seen_ns=round(seen[0] * 1e9),
        last_seen_ns=round(seen[1] * 1e9),
        state=state,
        colour=colour,
        material=material,
    )


OBJECTS = (
    thing("table_1", "dining table", (4, 1, 0.4), (1.2, 0.8, 0.8), "brown", "wood", (1, 60)),
    thing("mug_1", "mug", (4, 1, 0.85), (0.1, 0.1, 0.1), "red", "ceramic", (2, 60)),
    thing("chair_1", "chair", (4, 2, 0.45), (0.4, 0.4, 0.9), "red", "wood", (3, 60)),
    thing("chair_2", "office chair", (2, 3.2, 0.5), (0.5, 0.5, 1.0), "blue", "plastic", (4, 60)),
    thing("sofa_1", "couch", (4.5, 3.5, 0.4), (2.0, 0.8, 0.8), "grey", "fabric", (5, 58)),
    thing(
        "lamp_1", "floor lamp", (0.3, 0.3, 0.8), (0.3, 0.3, 1.6), "black", "metal", (6, 20),
        state=Presence.REMEMBERED,
    ),
    thing("lamp_2", "lamp", (3, 1, 2.2), (0.4, 0.4, 0.4), seen=(7, 60)),
    thing(
        "plant_1", "plant", (1, 3, 0.5), (0.4, 0.4, 1.0), "green", seen=(8, 30),
        state=Presence.GONE,
    ),
)  # fmt: skip
VIEWER = Viewer(1.0, 1.0, 1.0, 0.0, SIGMA)
WALLS = np.array([[0, 0], [6, 0], [6, 4], [0, 4]], float)
ROOM = RoomLayout(0.0, SIGMA, 2.5, SIGMA, WALLS, SIGMA)
MAP = MapSnapshot(
    OBJECTS,
    "world",
    stamp_ns=60 * 10**9,
    room=ROOM,
    viewer=VIEWER,
    in_view=frozenset({"table_1", "mug_1", "chair_1", "lamp_2"}),
)


def with_objects(*objects: MapObject) -> MapSnapshot:
    """The room with these objects only."""
    return replace(MAP, objects=objects)
