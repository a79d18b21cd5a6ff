# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What furniture stands on and in front of: the floor, and the planes that close a room.

A wall is found as a *supporting* plane: many points lie on it and nothing lies behind it. Removing
such a plane as a whole cannot cut through an object, because every object is in front of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialgeo_ros.geometry.cells import Cells
from spatialgeo_ros.geometry.floor import estimate_floor
from spatialgeo_ros.geometry.pointmap import PointMap

_FLOOR_TOLERANCE = 0.018  # metres above the floor that still count as floor
_HYPOTHESES = 96
_SAMPLE = 900  # points that vote for a plane
_NEAREST = 0.25  # metres from the camera to a supporting plane
_BEHIND = 0.03  # share of points that may lie behind a supporting plane


def find_floor(pointmap: PointMap, gravity: ArrayLike) -> float | None:
    """Height of the camera above the floor in metres: that of :func:`estimate_floor` alone."""
    level = estimate_floor(pointmap, gravity)
    return None if level is None else level.height


@dataclass(frozen=True, eq=False)
class Floor:
    """The floor as a plane: ``normal @ p == height`` on it, the normal pointing down into it."""

    normal: NDArray[np.float64]
    height: float

    def holds(self, points: NDArray[np.floating], sigma: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Tell which points [..., 3] with noise ``sigma`` of z are on the floor or below it."""
        drop = points @ self.normal.astype(points.dtype)
        with np.errstate(invalid="ignore", divide="ignore"):
            noise = sigma * np.abs(drop) / points[..., 2]
            return drop > self.height - _FLOOR_TOLERANCE - 2 * noise

    def below(self, points: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Tell which denoised points [N, 3] are on the floor or below it."""
        drop = points @ self.normal.astype(points.dtype)
        return drop > self.height - _FLOOR_TOLERANCE


def on_backdrop(
    cells: Cells,
    candidates: NDArray[np.bool_],
    ring: NDArray[np.bool_],
    gravity: NDArray[np.float64] | None,
    most: int = 3,
) -> NDArray[np.bool_]:
    """Cells of ``candidates`` on a supporting plane that is seen outside the region, [h, w] bool.

    Args:
        cells: the window.
        candidates: cells to explain (floor already removed).
        ring: cells outside the region; a plane must show there, or it could be the object itself.
        gravity: direction of falling; then only upright planes (walls) are looked for.
        most: how many planes.
    """
    found = np.zeros(cells.shape, bool)
    rng = np.random.default_rng(0)  # the same window always gives the same answer
    rest = candidates.copy()
    everything = cells.points[candidates].astype(np.float64)
    everything_sigma = cells.sigma[candidates].astype(np.float64)
    enough = max(25, int(0.04 * (candidates & ring).sum()))
    for _ in range(most):
        seeds = rest & ring
        if seeds.sum() < enough:
            break
        plane = _supporting_plane(
            everything, everything_sigma, cells.points[seeds].astype(np.float64), gravity, rng
        )
        if plane is None:
            break
        normal, offset = plane
        near = _front(cells.points, normal, offset) < _tolerance(cells.points, cells.sigma, normal)
        on = rest & near
        if (on & ring).sum() < enough:
            break
        found |= on
        rest &= ~on
    return found


def _front(
    points: NDArray[np.floating], normal: NDArray[np.float64], offset: float
) -> NDArray[np.floating]:
    """Distance of points [..., 3] in front of the plane, towards the camera."""
    return offset - points @ normal.astype(points.dtype)


def _tolerance(
    points: NDArray[np.floating], sigma: NDArray[np.floating], normal: NDArray[np.float64]
) -> NDArray[np.floating]:
    """How far a point may be off a plane: noise along its ray, seen across the plane."""
    with np.errstate(invalid="ignore", divide="ignore"):
        across = np.abs(points @ normal.astype(points.dtype)) / points[..., 2]
    return 0.015 + 2.5 * sigma * across


def _supporting_plane(
    points: NDArray[np.float64],
    sigma: NDArray[np.float64],
    seeds: NDArray[np.float64],
    gravity: NDArray[np.float64] | None,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], float] | None:
    """Best plane through the seeds that has next to nothing behind it: (normal, offset).

    The normal points away from the camera: ``normal @ p == offset > 0`` on the plane.
    """
    if len(points) > _SAMPLE:
        pick = rng.choice(len(points), _SAMPLE, replace=False)
        points, sigma = points[pick], sigma[pick]
    if len(seeds) > _SAMPLE:
        seeds = seeds[rng.choice(len(seeds), _SAMPLE, replace=False)]
    corners = seeds[rng.integers(len(seeds), size=(_HYPOTHESES, 3))]
    first = corners[:, 1] - corners[:, 0]
    second = corners[:, 2] - corners[:, 0] if gravity is None else gravity[None]
    normals = np.cross(first, second)
    length = np.linalg.norm(normals, axis=1)
    apart = np.linalg.norm(first, axis=1)
    usable = (length > 1e-3) & (apart > 0.15) & (length > 0.1 * apart)
    if not usable.any():
        return None
    normals = normals[usable] / length[usable, None]
    offsets = np.einsum("ij,ij->i", normals, corners[usable, 0])
    normals[offsets < 0] *= -1
    offsets = np.abs(offsets)
    margin = 0.03 + 2.5 * sigma
    behind = (points @ normals.T - offsets > margin[:, None]).mean(axis=0)
    support = (np.abs(offsets - seeds @ normals.T) < 0.03 + 0.008 * seeds[:, 2:]).mean(axis=0)
    # A plane that almost holds the camera is seen edge-on: anything lies on its far side.
    support[(behind > _BEHIND) | (offsets < _NEAREST)] = 0
    best = int(np.argmax(support))
    if support[best] < 0.12:
        return None
    normal, offset = normals[best], float(offsets[best])
    for width in (0.05, 0.03):  # refine on what lies near, noise-weighted
        near = seeds[np.abs(offset - seeds @ normal) < width + 0.006 * seeds[:, 2]]
        if len(near) < 10:
            return None
        weight = 1 / (0.005 + 0.002 * near[:, 2] ** 2) ** 2
        normal, offset = _fit(near, weight, gravity, normal)
    if offset < _NEAREST or (points @ normal - offset > margin).mean() > _BEHIND:
        return None
    return normal, offset


def _fit(
    points: NDArray[np.float64],
    weight: NDArray[np.float64],
    gravity: NDArray[np.float64] | None,
    towards: NDArray[np.float64],
) -> tuple[NDArray[np.float64], float]:
    """Weighted total least squares plane; upright when gravity is given."""
    centre = weight @ points / weight.sum()
    local = points - centre
    if gravity is not None:
        local = local - (local @ gravity)[:, None] * gravity
    values, vectors = np.linalg.eigh((local * weight[:, None]).T @ local)
    normal = vectors[:, 0] if gravity is None else vectors[:, 1]
    # With gravity taken out, the smallest eigenvector is gravity itself.
    if normal @ towards < 0:
        normal = -normal
    return normal, float(normal @ centre)
