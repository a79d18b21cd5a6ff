# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A small object map made by hand: a red chair in view, a remembered table, a mug that is gone."""

from __future__ import annotations

import numpy as np

from spatialgeo_ros.memory.snapshot import (
    BestView,
    MapObject,
    MapSnapshot,
    Presence,
    RoomLayout,
    Viewer,
)

SECOND = 1_000_000_000
NOW = 100 * SECOND


def chair() -> MapObject:
    return MapObject(
        "chair_1", "chair", np.array([2.0, 0.5, 0.45]), np.diag([4e-4, 1e-4, 9e-4]),
        np.array([0.5, 0.4, 0.9]), np.full(3, 0.02), np.pi / 2, 90 * SECOND, NOW,
        Presence.VISIBLE, "red", labels={"chair": 0.75, "stool": 0.25}, cameras=("front",),
        sightings=8, probability=0.98, best=BestView("front", 95 * SECOND),
    )  # fmt: skip


def table() -> MapObject:
    return MapObject(
        "table_1", "table", np.array([1.0, -1.5, 0.35]), np.eye(3) * 1e-3,
        np.array([1.2, 0.8, 0.7]), np.full(3, 0.03), 0.0, 80 * SECOND, 88 * SECOND,
        Presence.REMEMBERED, labels={"table": 1.0}, cameras=("front", "rear"),
    )  # fmt: skip


def mug() -> MapObject:
    return MapObject(
        "mug_1", "mug", np.array([1.0, -1.5, 0.75]), np.eye(3) * 1e-4,
        np.array([0.08, 0.08, 0.1]), np.full(3, 0.01), 0.0, 80 * SECOND, 85 * SECOND,
        Presence.GONE, probability=0.02,
    )  # fmt: skip


def small_map(room: RoomLayout | None = None) -> MapSnapshot:
    return MapSnapshot(
        (chair(), table(), mug()), "odom", NOW, 80 * SECOND, room,
        Viewer(0.0, 0.0, 0.9, 0.0), frozenset({"chair_1"}),
    )  # fmt: skip
