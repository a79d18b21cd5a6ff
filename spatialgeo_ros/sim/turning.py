# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Turned parts: unit quaternions (w, x, y, z), and the upright box around turned bodies."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.sim.furniture import Part, Quaternion


def about(axis: str, angle: float) -> Quaternion:
    """Quaternion of a turn by ``angle`` radians about ``axis``: "x", "y" or "z"."""
    c, s = math.cos(angle / 2), math.sin(angle / 2)
    x, y, z = (s if axis == name else 0.0 for name in "xyz")
    return (c, x, y, z)


def product(first: Quaternion, second: Quaternion) -> Quaternion:
    """Hamilton product: the turn ``second`` and after it the turn ``first``."""
    a, b, c, d = first
    w, x, y, z = second
    return (
        a * w - b * x - c * y - d * z,
        a * x + b * w + c * z - d * y,
        a * y - b * z + c * w + d * x,
        a * z + b * y - c * x + d * w,
    )


def rotation_matrix(turn: Quaternion) -> NDArray[np.float64]:
    """Rotation [3, 3] of a unit quaternion."""
    w, x, y, z = turn
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def turned(parts: Iterable[Part], turn: Quaternion) -> list[Part]:
    """Turn parts about the origin of their frame."""
    rotation = rotation_matrix(turn)
    out = []
    for part in parts:
        x, y, z = (float(v) for v in rotation @ np.array(part.position))
        out.append(replace(part, position=(x, y, z), turn=product(turn, part.turn)))
    return out


def shifted(parts: Iterable[Part], x: float, y: float, z: float) -> list[Part]:
    """Move parts by (x, y, z) metres."""
    return [
        replace(p, position=(p.position[0] + x, p.position[1] + y, p.position[2] + z))
        for p in parts
    ]


def bounds(parts: Iterable[Part]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest corner, [3] metres, of the upright box around turned parts.

    The reach of a body along a world axis is its support function: of a box the sum of its half
    edges, of an ellipsoid the root of the sum of squares, of a cylinder both (Ericson, Real-Time
    Collision Detection, 2004, section 4.2).
    """
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for part in parts:
        along = np.abs(rotation_matrix(part.turn)) * np.array(part.half)
        if part.shape == "box":
            reach = along.sum(axis=1)
        elif part.shape == "ellipsoid":
            reach = np.sqrt((along**2).sum(axis=1))
        else:
            reach = np.hypot(along[:, 0], along[:, 1]) + along[:, 2]
        low = np.minimum(low, np.array(part.position) - reach)
        high = np.maximum(high, np.array(part.position) + reach)
    return low, high
