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

from spatialgeo_ros.geometry.cells import Window
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
    # A cell can hold two surfaces: the nearer half is smoothed with its neighbours, the farther
    # half stands for itself.
    spread = np.sqrt(np.maximum(_per_cell(cell, depth**2, count) - mean**2, 0))
    folded = spread > 3 * _per_cell(cell, noise, count) + 0.03
    behind = folded[cell] & (depth > mean[cell])
    values = (1.0 / depth, columns.astype(np.float64), rows.astype(np.float64), noise)
    front = _means(cell, ~behind, values, h * w)
    q, u, v, sigma, weight = (part.reshape(h, w) for part in front)
    smooth, gain, pixels = _regress(q, u, v, sigma, weight)
    ok = weight > 0
    if (ok & (pixels >= _SUPPORT)).any():  # a few pixels alone may be noise at an edge
        ok &= pixels >= _SUPPORT
    back = _means(cell, behind, values, h * w)
    back = [part[back[4] >= _SUPPORT] for part in back]
    places = np.stack(
        [np.concatenate([u[ok], back[1]]) + x0, np.concatenate([v[ok], back[2]]) + y0], axis=1
    )
    points = pointmap.camera.unproject(places, 1.0 / np.concatenate([smooth[ok], back[0]]))
    shared = pointmap.correlated
    gain = np.concatenate([gain[ok], 1 / np.maximum(back[4], 1)])
    left = np.concatenate([sigma[ok], back[3]]) * np.sqrt(shared**2 + (1 - shared**2) * gain)
    good = np.isfinite(points).all(axis=1)
    return points[good].astype(np.float32), left[good].astype(np.float32), step


def _means(
    cell: NDArray[np.int64],
    use: NDArray[np.bool_],
    values: tuple[NDArray[np.float64], ...],
    cells: int,
) -> list[NDArray[np.float64]]:
    """Mean of each value per cell over the pixels in use, and how many they are."""
    count = np.bincount(cell[use], minlength=cells)
    out = [_per_cell(cell[use], value[use], count) for value in values]
    return [*out, count.astype(np.float64)]


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


def denoised_pixels(
    mask: NDArray[np.bool_],
    points: NDArray[np.float32],
    sigma: NDArray[np.float32],
    pick: NDArray[np.int64],
    reach: int,
) -> NDArray[np.float64]:
    """Some measured pixels of an object, each moved along its ray onto the plane around it.

    Args:
        mask: [h, w] bool, the object's pixels in any window that holds them all.
        points: [N, 3] their points, in the order of ``np.nonzero(mask)``, metres.
        sigma: [N] their standard deviation of z, metres.
        pick: [K] which of them.
        reach: pixels to each side that the plane is fitted to.

    Returns:
        [L, 3] points; those with fewer than six pixels on their plane are left out.
    """
    rows, columns = np.nonzero(mask)
    h, w = mask.shape
    q_image = np.full((h + 2 * reach, w + 2 * reach), np.nan)
    q_image[rows + reach, columns + reach] = 1.0 / points[:, 2]
    dv, du = (d.ravel() for d in np.mgrid[-reach : reach + 1, -reach : reach + 1])
    at = (rows[pick] + reach)[:, None] + dv, (columns[pick] + reach)[:, None] + du
    q = 1.0 / points[pick, 2].astype(np.float64)
    dq = q_image[at] - q[:, None]
    noise = sigma[pick] * q**2
    near = np.abs(dq) < (4 * noise + 0.005 * q * reach)[:, None]
    dq = np.where(near, dq, 0.0)
    for _ in range(2):  # fit, drop what is off the plane, fit again
        n = near.sum(axis=1)
        weight = near / np.maximum(n, 1)[:, None]
        mean_u, mean_v, mean_q = weight @ du, weight @ dv, (weight * dq).sum(axis=1)
        uu = weight @ (du * du) - mean_u**2 + _RIDGE
        vv = weight @ (dv * dv) - mean_v**2 + _RIDGE
        uv = weight @ (du * dv) - mean_u * mean_v
        uq = (weight * dq) @ du - mean_u * mean_q
        vq = (weight * dq) @ dv - mean_v * mean_q
        determinant = uu * vv - uv**2
        slope_u = (vv * uq - uv * vq) / determinant
        slope_v = (uu * vq - uv * uq) / determinant
        offset = mean_q - slope_u * mean_u - slope_v * mean_v
        plane = offset[:, None] + slope_u[:, None] * du + slope_v[:, None] * dv
        near &= np.abs(dq - plane) < 3 * noise[:, None] + 1e-4
    fitted = q + offset
    good = (n >= _SUPPORT) & (fitted > 0)
    return points[pick[good]].astype(np.float64) * (q[good] / fitted[good])[:, None]
