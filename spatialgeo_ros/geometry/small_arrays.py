# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What numpy does with large arrays, for the hundreds of small ones that measuring one box takes.

numpy spends most of a median of a few hundred numbers on finding out what is asked, is slow along
short axes, and slow where a row meets a column: a product of matrices does that ten times faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


def median(values: NDArray[np.floating]) -> np.floating[Any]:
    """Median of an array, NaN where one of it is: ``np.median(values)``.

    Raises:
        ValueError: the array is empty.
    """
    ordered = np.sort(values, axis=None)  # NaN last
    count = ordered.size
    if count == 0:
        raise ValueError("an empty array has no median")
    middle = count // 2
    last: np.floating[Any] = ordered[-1]
    if last != last:
        return last
    found: np.floating[Any] = ordered[middle]
    return found if count % 2 else (ordered[middle - 1] + found) / ordered.dtype.type(2)


def percentiles(values: NDArray[np.floating], shares: Sequence[float]) -> list[float]:
    """Percentiles of an array without NaN: ``np.percentile(values, shares)``.

    Args:
        values: at least one.
        shares: 0 to 100.

    Raises:
        ValueError: the array is empty.
    """
    ordered = np.sort(values, axis=None)
    if ordered.size == 0:
        raise ValueError("an empty array has no percentiles")
    last = ordered.size - 1
    found = []
    for share in shares:
        place = last * (share / 100)
        below = int(place)
        part = place - below
        low, high = ordered[below], ordered[min(below + 1, last)]
        step = float(high - low)
        found.append(float(high) - step * (1 - part) if part >= 0.5 else float(low) + step * part)
    return found


def counts(values: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many along the last axis are true: ``values.sum(axis=-1)``, below 2^24."""
    ones = np.ones(values.shape[-1], np.float32)
    return (values.astype(np.float32) @ ones).astype(np.int64)


def bordered(values: NDArray[Any], width: int, value: float) -> NDArray[Any]:
    """An array [h, w] in a frame of one value: ``np.pad(values, width, constant_values=value)``."""
    h, w = values.shape
    out = np.full((h + 2 * width, w + 2 * width), value, values.dtype)
    out[width : width + h, width : width + w] = values
    return out


def spread_out(count: int, most: int) -> NDArray[np.int64]:
    """At most ``most`` of the indices below ``count``, in order.

    Steps of the golden ratio: every n-th cell of a piece that is n wide would be one column.
    """
    if count <= most:
        return np.arange(count)
    pick = (_golden_steps(most) * count).astype(np.int64)
    return pick[np.append(True, pick[1:] != pick[:-1])]


@lru_cache(maxsize=8)
def _golden_steps(most: int) -> NDArray[np.float64]:
    """Steps of the golden ratio from 0 to 1, in order."""
    steps = np.sort(np.arange(most) * 0.6180339887498949 % 1.0)
    steps.flags.writeable = False
    return steps


def squared_distances(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.floating]:
    """Squared distances [N, M] between points [N, 3] and [M, 3]; rounding may make small ones < 0.

    Points far from the origin lose what single precision does not hold: move them there first.
    """
    first = np.empty((len(a), 5), a.dtype)
    first[:, :3] = a
    first[:, :3] *= -2
    first[:, 3] = np.einsum("ij,ij->i", a, a)
    first[:, 4] = 1
    second = np.empty((len(b), 5), b.dtype)
    second[:, :3] = b
    second[:, 3] = 1
    second[:, 4] = np.einsum("ij,ij->i", b, b)
    # BLAS works on more than such short rows, and flags what it finds beyond them.
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(first @ second.T)


def solved(system: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solution [N] of a symmetric, positive definite system [N, N]: ``np.linalg.solve``.

    OpenCV takes a fifth of the time.
    """
    _, found = cv2.solve(system, right[:, None], flags=cv2.DECOMP_CHOLESKY)
    return np.asarray(found[:, 0], np.float64)
