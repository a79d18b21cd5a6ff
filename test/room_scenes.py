# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rooms of upright faces, a floor and a ceiling, seen by a depth camera, for tests of the room."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.pointmap import PointMap, pointmap_from_depth
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.memory.room import RoomMap
from spatialgeo_ros.sim.rig import camera_pose

CAMERA = PinholeCamera(160, 120, 131.0, 131.0, 79.5, 59.5)
HEIGHT = 0.9


@dataclass(frozen=True)
class Face:
    """An upright rectangle from ``start`` to ``end``, metres."""

    start: tuple[float, float]
    end: tuple[float, float]
    low: float = 0.0
    high: float = 2.5
    blind: bool = False  # glass: no depth through it


@dataclass
class Scene:
    """Faces between floor and ceiling, metres; the ceiling may be missing."""

    faces: list[Face] = field(default_factory=list)
    tops: list[tuple[float, float, float, float, float]] = field(default_factory=list)
    ceiling: float | None = 2.5

    def ring(self, corners: Sequence[tuple[float, float]], leave: Iterable[int] = ()) -> Scene:
        """Add walls around corners; those from the corners in ``leave`` are left out."""
        for k, corner in enumerate(corners):
            if k not in leave:
                self.faces.append(Face(corner, corners[(k + 1) % len(corners)]))
        return self

    def box(self, x0: float, y0: float, x1: float, y1: float, low: float, high: float) -> Scene:
        """Add a piece of furniture."""
        ring = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
        for k in range(4):
            self.faces.append(Face(ring[k], ring[(k + 1) % 4], low, high))
        self.tops += [(x0, y0, x1, y1, high), (x0, y0, x1, y1, low)]
        return self

    def depth(self, pose: Pose, rng: np.random.Generator | None = None) -> PointMap:
        """Render depth, with a structured-light sensor's noise where there is a generator."""
        rays = CAMERA.rays().astype(np.float64) @ pose.rotation.T
        origin = pose.translation
        depth = np.full(rays.shape[:2], np.inf)
        blind = np.zeros(depth.shape, bool)
        with np.errstate(divide="ignore", invalid="ignore"):
            for level in (0.0, self.ceiling):
                if level is not None:
                    t = (level - origin[2]) / rays[..., 2]
                    depth = np.where((t > 0.01) & (t < depth), t, depth)
            for x0, y0, x1, y1, z in self.tops:
                t = (z - origin[2]) / rays[..., 2]
                x, y = origin[0] + t * rays[..., 0], origin[1] + t * rays[..., 1]
                hit = (t > 0.01) & (t < depth) & (x > x0) & (x < x1) & (y > y0) & (y < y1)
                depth[hit] = t[hit]
            for face in self.faces:
                a, b = np.array(face.start), np.array(face.end)
                length = np.hypot(*(b - a))
                ahead = (b - a) / length
                normal = np.array([-ahead[1], ahead[0]])
                t = (normal @ (a - origin[:2])) / (rays[..., :2] @ normal)
                along = (origin[:2] - a) @ ahead + t * (rays[..., :2] @ ahead)
                z = origin[2] + t * rays[..., 2]
                hit = (t > 0.01) & (t < depth) & (along >= 0) & (along <= length)
                hit &= (z >= face.low) & (z <= face.high)
                depth[hit] = t[hit]
                blind[hit] = face.blind
        depth[blind | (depth > 8) | (depth < 0.3)] = np.nan
        if rng is not None:
            depth += rng.standard_normal(depth.shape) * (0.0012 + 0.0019 * (depth - 0.4) ** 2)
        return pointmap_from_depth(depth.astype(np.float32), CAMERA)


def rectangle(width: float, depth: float) -> list[tuple[float, float]]:
    """Corners of a rectangle about the origin, counter-clockwise."""
    w, d = width / 2, depth / 2
    return [(-w, -d), (w, -d), (w, d), (-w, d)]


def turned(corners: Sequence[tuple[float, float]], degrees: float) -> list[tuple[float, float]]:
    """Corners turned about the origin."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return [(c * x - s * y, s * x + c * y) for x, y in corners]


def spin(
    room: RoomMap,
    scene: Scene,
    place: tuple[float, float],
    *,
    frames: int = 24,
    pitch: float = math.radians(12),
    roll: float = 0.0,
    rng: np.random.Generator | None = None,
    arc: tuple[float, float] = (0.0, 2 * math.pi),
) -> None:
    """Turn a camera on the spot and show its images to a room map."""
    for k in range(frames):
        yaw = arc[0] + (arc[1] - arc[0]) * k / frames
        pose = camera_pose(*place, yaw, HEIGHT, pitch, roll)
        room.update(scene.depth(pose, rng), pose, HEIGHT)
