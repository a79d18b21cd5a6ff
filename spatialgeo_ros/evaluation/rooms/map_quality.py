# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How right a map's objects are: which are there, which are missing, how far their centres are off.

A robot's map is in the frame of its odometry, which drifts against the room. So centres are
compared twice: as they are, and after the one rigid motion along the floor that fits all best.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.evaluation.rooms.truth import RoomTruth, kind_of
from spatialgeo_ros.memory.snapshot import MapSnapshot, Presence

Array = NDArray[np.float64]

#: Farthest that a map's centre may be from the true one to be the same object, metres.
TOLERANCE = 0.5


@dataclass(frozen=True)
class MapQuality:
    """Objects of maps against the truth; of several rooms by :meth:`of_rooms`.

    Attributes:
        true_objects: in clear view at least once.
        map_objects: that are not gone.
        found: true objects that the map has.
        right: map objects that are true ones, also of those that were only noticed.
        errors: distance of each found centre from the true one in the frame of the map, metres:
            where the robot's odometry has it at the end, which is where the robot would go.
        aligned_errors: the same after the best rigid motion along the floor.
    """

    true_objects: int
    map_objects: int
    found: int
    right: int
    errors: tuple[float, ...]
    aligned_errors: tuple[float, ...]

    @classmethod
    def of_rooms(cls, rooms: Iterable[MapQuality]) -> MapQuality:
        """Add up."""
        parts = list(rooms)
        return cls(
            sum(part.true_objects for part in parts),
            sum(part.map_objects for part in parts),
            sum(part.found for part in parts),
            sum(part.right for part in parts),
            tuple(error for part in parts for error in part.errors),
            tuple(error for part in parts for error in part.aligned_errors),
        )

    def summary(self) -> dict[str, float | None]:
        """Precision and recall, median errors in metres; None where nothing counts."""
        return {
            "true_objects": self.true_objects,
            "map_objects": self.map_objects,
            "precision": self.right / self.map_objects if self.map_objects else None,
            "recall": self.found / self.true_objects if self.true_objects else None,
            "median_centre_error_m": _median(self.errors),
            "median_centre_error_aligned_m": _median(self.aligned_errors),
        }


def _median(values: tuple[float, ...]) -> float | None:
    return float(np.median(values)) if values else None


def map_quality(truth: RoomTruth, snapshot: MapSnapshot) -> MapQuality:
    """Match a map's objects with the true ones, kind by kind, nearest pairs first."""
    there = [one for one in snapshot.objects if one.state is not Presence.GONE]
    drifted = truth.odometry_from_world
    noticed = [one for one in truth.objects if one.glimpse_ns is not None]
    pairs = sorted(
        (float(np.linalg.norm(mapped.centre - drifted.apply(true.thing.centre))), t, m)
        for t, true in enumerate(noticed)
        for m, mapped in enumerate(there)
        if kind_of(mapped) == true.thing.kind
    )
    match: dict[int, int] = {}
    for error, t, m in pairs:
        if error <= TOLERANCE and t not in match and m not in match.values():
            match[t] = m
    clear = [t for t in match if noticed[t].clear]
    estimated = np.array([there[match[t]].centre for t in clear]).reshape(-1, 3)
    centres = [drifted.apply(noticed[t].thing.centre) for t in clear]
    true_centres = np.array(centres).reshape(-1, 3)
    return MapQuality(
        true_objects=len(truth.clear()),
        map_objects=len(there),
        found=len(clear),
        right=len(match),
        errors=_distances(estimated, true_centres),
        aligned_errors=_distances(_aligned(estimated, true_centres), true_centres),
    )


def _distances(a: Array, b: Array) -> tuple[float, ...]:
    return tuple(float(v) for v in np.linalg.norm(a - b, axis=1))


def _aligned(points: Array, onto: Array) -> Array:
    """Points [N, 3] after the rotation about z and shift in x, y that fit ``onto`` best.

    Least squares (Umeyama, IEEE PAMI 13(4), 1991, without scale). Fewer than three points fit
    anything, so they are left as they are.
    """
    if len(points) < 3:
        return points
    a, b = points[:, :2], onto[:, :2]
    p, q = a - a.mean(axis=0), b - b.mean(axis=0)
    angle = np.arctan2((p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]).sum(), (p * q).sum())
    c, s = np.cos(angle), np.sin(angle)
    moved = points.copy()
    moved[:, :2] = p @ np.array([[c, s], [-s, c]]) + b.mean(axis=0)
    return moved
