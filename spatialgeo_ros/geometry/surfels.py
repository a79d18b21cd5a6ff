# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An object's visible surface as a few thousand denoised points, and exact looks at parts of it.

Noise is removed by fitting local planes. Inverse depth is linear in the pixel coordinates of a
plane, so the fit is a weighted linear regression over the neighbours that lie on the same surface.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.cells import CORRELATED, Window
from spatialgeo_ros.geometry.pointmap import PointMap

_MOST = 2000
_SUPPORT = 6  # pixels around a surface point that must agree with it
_RIDGE = 0.5  # pixels^2: keeps a fit through few or aligned neighbours from tilting freely


def surfels(
    pointmap: PointMap, mask: NDArray[np.bool_], window: Window
) -> tuple[NDArray[np.float32], NDArray[np.float32], int]:
    """Denoised surface points of the masked pixels.

    Args:
        pointmap: of the whole image.
        mask: [H, W] bool, pixels of one object, all valid.
        window: half-open pixel box (x0, y0, x1, y1) around them.

    Returns:
        Points [M, 3] in metres, their standard deviation of z [M] (shared part included), and the
        side of the squares of pixels that each stands for.
    """
    x0, y0, x1, y1 = window
    part = mask[y0:y1, x0:x1]
    step = max(1, math.ceil(math.sqrt(int(part.sum()) / _MOST)))
    h, w = math.ceil(part.shape[0] / step), math.ceil(part.shape[1] / step)
    rows, columns = np.nonzero(part)
    cell = (rows // step) * w + columns // step
    depth = pointmap.depth[y0:y1, x0:x1][part].astype(np.float64)
    noise = pointmap.sigma[y0:y1, x0:x1][part].astype(np.float64)
    count = np.bincount(cell, minlength=h * w)
    mean = _per_cell(cell, depth, count)
    # One cell can hold two surfaces: keep the pixels on the side of its mean that is nearer.
    spread = np.sqrt(np.maximum(_per_cell(cell, depth**2, count) - mean**2, 0))
    folded = spread > 3 * _per_cell(cell, noise, count) + 0.03
    keep = ~folded[cell] | (depth <= mean[cell])
    cell, depth, noise = cell[keep], depth[keep], noise[keep]
    rows, columns = rows[keep], columns[keep]
    count = np.bincount(cell, minlength=h * w)
    grid = [
        _per_cell(cell, values, count).reshape(h, w)
        for values in (1.0 / depth, columns.astype(float), rows.astype(float), noise)
    ]
    q, u, v, sigma = grid
    weight = count.reshape(h, w).astype(np.float64)
    smooth, gain, pixels = _regress(q, u, v, sigma, weight)
    ok = weight > 0
    if (ok & (pixels >= _SUPPORT)).any():  # a few pixels alone may be noise at an edge
        ok &= pixels >= _SUPPORT
    z = 1.0 / smooth[ok]
    places = np.stack([u[ok] + x0, v[ok] + y0], axis=1)
    shared = CORRELATED[pointmap.source]
    left = sigma[ok] * np.sqrt(shared**2 + (1 - shared**2) * gain[ok])
    points = pointmap.camera.unproject(places, z)
    good = np.isfinite(points).all(axis=1)
    return points[good].astype(np.float32), left[good].astype(np.float32), step


def _per_cell(
    cell: NDArray[np.int64], values: NDArray[np.float64], count: NDArray[np.int64]
) -> NDArray[np.float64]:
    return np.bincount(cell, values, len(count)) / np.maximum(count, 1)


def _regress(
    q: NDArray[np.float64],
    u: NDArray[np.float64],
    v: NDArray[np.float64],
    sigma: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Local plane per cell over its 3x3 neighbours.

    Returns its value at the cell, the variance of that value divided by that of one pixel, and the
    number of pixels on it.
    """
    h, w = q.shape
    # A neighbour is on the same surface when its depth is close for its distance in the image.
    tolerance = 3 * sigma * q**2 + 0.03 * q
    pad = {name: np.pad(a, 1) for name, a in (("q", q), ("u", u), ("v", v), ("n", weight))}
    sums = np.zeros((9, h, w))
    for dy in (0, 1, 2):
        for dx in (0, 1, 2):
            at = (slice(dy, dy + h), slice(dx, dx + w))
            dq, du, dv = pad["q"][at] - q, pad["u"][at] - u, pad["v"][at] - v
            n = np.where(np.abs(dq) < tolerance, pad["n"][at], 0)
            for k, term in enumerate((1, du, dv, du * du, du * dv, dv * dv, dq, dq * du, dq * dv)):
                sums[k] += n * term
    n, su, sv, suu, suv, svv, sq, squ, sqv = sums
    n = np.maximum(n, 1e-9)
    # Centre the sums, solve the 2x2 system for the slopes, read the plane off at du = dv = 0.
    mu, mv, mq = su / n, sv / n, sq / n
    a, b, c = suu - n * mu * mu, suv - n * mu * mv, svv - n * mv * mv
    ridge = _RIDGE * n
    a, c = a + ridge, c + ridge
    determinant = a * c - b * b
    e, f = squ - n * mu * mq, sqv - n * mv * mq
    slope_u, slope_v = (c * e - b * f) / determinant, (a * f - b * e) / determinant
    value = q + mq - slope_u * mu - slope_v * mv
    gain = 1 / n + (c * mu * mu - 2 * b * mu * mv + a * mv * mv) / determinant
    return np.where(value > 0, value, q), np.minimum(gain, 1.0), n


def local_surface(
    points: NDArray[np.float32],
    sigma: NDArray[np.float32],
    camera: PinholeCamera,
    around: NDArray[np.float64],
    radius: float,
) -> NDArray[np.float64]:
    """Every measured pixel within ``radius`` of a place, moved onto their common plane.

    The points keep their pixels; only their depth is replaced by that of a robust plane through
    all of them. [K, 3]; empty when fewer than six pixels are there.

    Args:
        points: [N, 3] measured points of one object, metres.
        sigma: [N] their standard deviation of z, metres.
        camera: intrinsics.
        around: [3] metres.
        radius: metres.
    """
    apart = points - around.astype(np.float32)
    near = np.flatnonzero((apart * apart).sum(axis=1) < radius * radius)
    if len(near) < 6:
        return np.zeros((0, 3))
    local = points[near].astype(np.float64)
    q = 1.0 / local[:, 2]
    design = np.stack([np.ones(len(q)), local[:, 0] * q, local[:, 1] * q], axis=1)
    design[:, 1:] -= design[:, 1:].mean(axis=0)
    noise = sigma[near] * q**2
    # Pull the slopes towards facing the camera until the pixels say otherwise.
    scale = 3.0 / (camera.fx * np.sqrt(len(q)))
    prior = np.diag([0.0, scale**2, scale**2]) * len(q)
    weight = 1.0 / noise**2
    for _ in range(3):
        normal = design.T @ (design * weight[:, None]) + prior * weight.mean()
        fit = np.linalg.solve(normal, design.T @ (weight * q))
        off = np.abs(q - design @ fit) / noise
        weight = np.where(off < 2.5, 1.0, 0.05) / noise**2
    on = off < 4
    if on.sum() < 6:
        return np.zeros((0, 3))
    return local[on] * (q[on] / (design[on] @ fit))[:, None]
