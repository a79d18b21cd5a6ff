# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An object's visible surface as a few thousand denoised points, and exact looks at parts of it.

Noise is removed by fitting local planes. Inverse depth is linear in the pixel coordinates of a
plane, so the fit is a weighted linear regression over the neighbours that lie on the same surface.
"""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.geometry.cells import Window
from spatialgeo_ros.geometry.pointmap import PointMap
from spatialgeo_ros.geometry.small_arrays import bordered, counts, median

_MOST = 2000
_SUPPORT = 6  # pixels around a surface point that must agree with it
_RIDGE = 0.5  # pixels^2: keeps a fit through few or aligned neighbours from tilting freely
_STRIDES = ((3, 9), (2, 4), (1, 0))  # (every how many pixels, from squares of this side on)
_STRIP = 3  # pixels: the width of the strips that sensors make of a neighbour's depth at an outline
_STRIP_STEP = 0.02  # of the depth, from pixel to pixel: an edge rather than a steep surface
_SLOPE_REACH = 4  # pixels around one that tell the plane of a steep surface,
_SLOPE_SUPPORT, _SLOPE_SPREAD = 10, 0.5  # at least so many, and their variance (pixels^2)
_SLOPE_LEAST = 0.01  # of inverse depth from pixel to pixel: a steep surface
_SLOPE_SLACK = 0.002  # of inverse depth that a surface may be off its plane beside noise
_FEW = 1000  # pixels that tell how much noise there is
_STRIP_SHARE = 0.6  # of the object's pixels around one that have to be on its own surface


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
    step = max(1, math.ceil(math.sqrt(np.count_nonzero(part) / _MOST)))
    # Of a large square a part of its pixels tells as much: most of the noise is their neighbours',
    # too.
    stride = next(s for s, least in _STRIDES if step >= least)
    step = math.ceil(step / stride)
    part = part[::stride, ::stride]
    depth = pointmap.depth_in(window)[::stride, ::stride]
    noise = pointmap.sigma_in(window)[::stride, ::stride]
    kept = without_strips(part, depth, noise, reach=math.ceil(_STRIP / stride))
    if np.count_nonzero(kept) >= _SUPPORT:
        part = kept
    h, w = math.ceil(part.shape[0] / step), math.ceil(part.shape[1] / step)
    use, z, error = (np.full((h * step, w * step), value, np.float32) for value in (0, 1, 0))
    inner = slice(0, part.shape[0]), slice(0, part.shape[1])
    use[inner] = part
    np.copyto(z[inner], depth, where=part)
    np.copyto(error[inner], noise, where=part)
    q, u, v, sigma, weight, square = _means(use, z, error, step)
    # A cell can hold two surfaces: the nearer half is smoothed with its neighbours, the farther
    # half stands for itself.
    with np.errstate(divide="ignore"):
        mean = 1.0 / q
    folded = np.sqrt(square) > (3 * sigma * q**2 + 0.03 * q**2)
    folded &= weight > 0
    back = [np.zeros(0)] * 5
    if folded.any():
        limit = np.where(folded, mean, np.inf).repeat(step, axis=0).repeat(step, axis=1)
        behind = use * (z > limit)
        q, u, v, sigma, weight, _ = _means(use - behind, z, error, step)
        parts = _means(behind, z, error, step)
        enough = parts[4] >= _SUPPORT
        back = [one[enough] for one in parts[:5]]
        back = [
            np.concatenate(pair)
            for pair in zip(back, _steep_ends(folded, use, z, error, step), strict=True)
        ]
    ok = weight > 0
    smooth, gain, pixels = _regress(q, u, v, sigma, weight)
    if (pixels >= _SUPPORT).any():  # a few pixels alone may be noise at an edge
        enough = pixels >= _SUPPORT
        ok[ok] = enough
        smooth, gain = smooth[enough], gain[enough]
    places = np.stack(
        [
            np.concatenate([u[ok], back[1]]) * stride + x0,
            np.concatenate([v[ok], back[2]]) * stride + y0,
        ],
        axis=1,
    )
    points = pointmap.camera.unproject(places, 1.0 / np.concatenate([smooth, back[0]]))
    shared = pointmap.correlated
    gain = np.concatenate([gain, 1 / np.maximum(back[4], 1)])
    left = np.concatenate([sigma[ok], back[3]]) * np.sqrt(shared**2 + (1 - shared**2) * gain)
    good = np.isfinite(points).all(axis=1)
    return points[good].astype(np.float32), left[good].astype(np.float32), step * stride


def without_strips(
    mask: NDArray[np.bool_],
    depth: NDArray[np.float32],
    sigma: NDArray[np.float32],
    inside: NDArray[np.bool_] | None = None,
    reach: int | None = None,
) -> NDArray[np.bool_]:
    """Pixels of an object without the strips at its outline that have a neighbour's depth.

    Sensors with a projector or matching windows put outlines off by a pixel or two, and mix the
    depths of both sides: an outline that is right in the image then holds strips of what is before
    or behind the object. A pixel within :data:`_STRIP` pixels of both the outline and a depth edge
    stays when most of the object around it is on its own surface. Thin parts that stand alone
    have nothing else around them and stay.

    Args:
        mask: [h, w] bool, measured pixels of one object in a window a few pixels larger than it.
        depth: [h, w] metres, of all pixels of the window, NaN where there is no reading.
        sigma: [h, w] standard deviation of depth, metres.
        inside: [h, w] bool, pixels of the object with or without a reading, where an outline in the
            image is trusted: then a pixel is also left out when holes separate it from the object
            but none from what is beside it.
        reach: pixels that strips are wide; fewer where only every n-th pixel is given.
    """
    if not mask.any():
        return mask
    if reach is None:
        reach = _STRIP if inside is None else _STRIP + 1
    ring = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    padded = bordered(mask, reach, False)
    outline = padded if inside is None else bordered(inside, reach, False)
    q = bordered(np.where(np.isfinite(depth), 1 / depth, np.float32(0)), reach, 0)
    some = np.flatnonzero(mask)
    some = some[:: max(1, len(some) // _FEW)]
    least = _STRIP_STEP + 4 * float(median(sigma.ravel()[some] / depth.ravel()[some]))
    edge = _steps(np.where(padded, q, np.float32(np.nan)), least)
    if inside is not None:
        edge |= outline & ~padded
    if not edge.any():
        return mask
    core = cv2.erode(outline.astype(np.uint8), ring, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    doubtful = padded & (core == 0) & (cv2.dilate(edge.astype(np.uint8), ring) > 0)
    rows, columns = np.nonzero(doubtful)
    dv, du = square_around(reach)
    at = (rows * q.shape[1] + columns)[:, None] + (dv * q.shape[1] + du)
    own = q[rows, columns][:, None]
    apart = np.abs([dv, du]).max(axis=0).astype(np.float32) * np.float32(0.5 * _STRIP_STEP)
    alike = np.abs(np.take(q, at) - own) < (apart + np.float32(least)) * own
    mine = np.take(padded, at)
    same = counts(alike & mine)
    strip = (same < _STRIP_SHARE * counts(mine)) & ~_steep(q, padded, rows, columns, least)
    if inside is not None:
        within = np.take(outline, at)
        lone = same < _STRIP_SHARE * within.sum(axis=1)
        strip |= lone & ((alike & ~within).sum(axis=1) > same)
    doubted = np.flatnonzero(strip)
    noise = sigma[rows[doubted] - reach, columns[doubted] - reach]
    strip[doubted] = ~on_slope(q, padded, rows[doubted], columns[doubted], noise)
    padded[rows[strip], columns[strip]] = False
    return padded[reach:-reach, reach:-reach]


def _steep_ends(
    folded: NDArray[np.bool_],
    use: NDArray[np.float32],
    z: NDArray[np.float32],
    sigma: NDArray[np.float32],
    step: int,
) -> list[NDArray[np.float64]]:
    """Both ends of squares that hold a piece of one steep plane, whose middle says little of it.

    Args:
        folded: [h, w] bool, squares of which more than one depth is seen.
        use: [h * step, w * step] float32, 1 for pixels in use.
        z: [h * step, w * step] depth, metres.
        sigma: [h * step, w * step] its standard deviation.
        step: side of the squares in pixels.

    Returns:
        [N] each: inverse depth, column, row, sigma and the number of pixels it is fitted to.
    """
    rows, columns = np.nonzero(folded)
    side = np.arange(step)
    v, u = (d.ravel() for d in np.meshgrid(side, side, indexing="ij"))
    at = rows[:, None] * step + v, columns[:, None] * step + u
    weight, error = use[at].astype(np.float64), sigma[at]
    q = weight / z[at]
    n = weight.sum(axis=1)
    share = weight / np.maximum(n, 1)[:, None]
    mu, mv, mq = share @ u, share @ v, q.sum(axis=1) / np.maximum(n, 1)
    du, dv, dq = u - mu[:, None], v - mv[:, None], weight * (q - mq[:, None])
    uu, vv, uv = ((share * one * two).sum(axis=1) for one, two in ((du, du), (dv, dv), (du, dv)))
    uq, vq = (share * du * dq).sum(axis=1), (share * dv * dq).sum(axis=1)
    along, down = _slopes(uu, uv, vv, uq, vq)
    spread = np.sqrt(np.maximum((share * dq * dq).sum(axis=1) - along * uq - down * vq, 0))
    noise = (share * error).sum(axis=1)
    steep = (n >= _SUPPORT) & (np.minimum(uu, vv) > 0.3)
    steep &= np.hypot(along, down) > _SLOPE_LEAST * mq
    steep &= spread < 1.3 * noise * mq**2 + _SLOPE_SLACK * mq
    plane = along[steep, None] * du[steep] + down[steep, None] * dv[steep]
    plane = np.where(weight[steep] > 0, plane, np.nan)
    found = []
    for end in (np.nanargmin(plane, axis=1), np.nanargmax(plane, axis=1)):
        k = np.arange(len(end))
        found.append(
            [
                mq[steep] + plane[k, end],
                columns[steep] * step + u[end],
                rows[steep] * step + v[end],
                noise[steep],
                n[steep] / 4,  # at an end a plane is known as well as by a quarter of them
            ]
        )
    return [np.concatenate(pair).astype(np.float64) for pair in zip(*found, strict=True)]


def on_slope(
    q: NDArray[np.float32],
    use: NDArray[np.bool_],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    noise: NDArray[np.floating],
) -> NDArray[np.bool_]:
    """Pixels on the plane of a steep surface that the pixels around them lie on.

    The far end of a table top or the side of a sofa at a grazing angle has no neighbours at its own
    depth; but inverse depth is linear over the image of a plane, so that what lies next to it tells
    where it should be. A step between two surfaces, and pixels that float in it, fit no plane.

    Args:
        q: [H, W] inverse depth, 0 where there is none.
        use: [H, W] bool, pixels that are surely of the surface, or of another that a plane through
            both does not fit.
        rows: [N] of the pixels asked for, which need not be in use.
        columns: [N] of them.
        noise: [N] standard deviation of their depth, metres.

    Returns:
        [N] bool.
    """
    if not len(rows):
        return np.zeros(0, bool)
    reach = _SLOPE_REACH
    dv, du = square_around(reach)
    other = (dv != 0) | (du != 0)
    dv, du = dv[other].astype(np.float32), du[other].astype(np.float32)
    q, use = bordered(q, reach, 0), bordered(use, reach, False)
    at = (rows + reach) * q.shape[1] + columns + reach
    around = at[:, None] + (dv * q.shape[1] + du).astype(np.int64)
    own = q.ravel()[at]
    weight = use.ravel()[around].astype(np.float32)
    value = (q.ravel()[around] - own[:, None]) * weight
    n = np.maximum(weight.sum(axis=1), 1)
    mu, mv, mq = (weight @ du) / n, (weight @ dv) / n, value.sum(axis=1) / n
    uu = (weight @ (du * du)) / n - mu * mu
    vv = (weight @ (dv * dv)) / n - mv * mv
    uv = (weight @ (du * dv)) / n - mu * mv
    uq, vq = (value @ du) / n - mu * mq, (value @ dv) / n - mv * mq
    qq = (value * value).sum(axis=1) / n - mq * mq
    along, down = _slopes(uu, uv, vv, uq, vq)
    spread = np.sqrt(np.maximum(qq - along * uq - down * vq, 0))
    off = np.abs(mq - along * mu - down * mv)
    error = noise * own * own
    return np.asarray(
        (n >= _SLOPE_SUPPORT)
        & (np.minimum(uu, vv) > _SLOPE_SPREAD)
        & (np.hypot(along, down) > _SLOPE_LEAST * own)
        & (spread < 1.3 * error + _SLOPE_SLACK * own)
        & (off < 3 * error + 2 * _SLOPE_SLACK * own)
    )


@lru_cache(maxsize=8)
def square_around(reach: int) -> NDArray[np.int64]:
    """Rows and columns [2, N] of the pixels up to ``reach`` from one, counted from it."""
    square = np.indices((2 * reach + 1, 2 * reach + 1)).reshape(2, -1) - reach
    square.flags.writeable = False
    return square


def _slopes(
    uu: NDArray[np.floating],
    uv: NDArray[np.floating],
    vv: NDArray[np.floating],
    uq: NDArray[np.floating],
    vq: NDArray[np.floating],
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Change of q along u and v of the planes with these covariances, [N] each."""
    determinant = np.maximum(uu * vv - uv * uv, 1e-6)
    return (vv * uq - uv * vq) / determinant, (uu * vq - uv * uq) / determinant


def _steep(
    q: NDArray[np.float32],
    mask: NDArray[np.bool_],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    least: float,
) -> NDArray[np.bool_]:
    """Pixels on a slanted surface, as the top of a thing seen at a grazing angle.

    Inverse depth goes up or down from neighbour to neighbour, evenly; a strip of another surface is
    level and ends with a step. The arrays reach beyond every pixel asked for.
    """
    own = q[rows, columns]
    out = np.zeros(len(rows), bool)
    for dv, du in ((1, 0), (0, 1)):
        before, after = (rows - dv, columns - du), (rows + dv, columns + du)
        inside = mask[before] & mask[after]
        slope, bend = q[after] - q[before], q[after] + q[before] - 2 * own
        limit = np.float32(least) * own
        out |= inside & (np.abs(bend) < limit) & (np.abs(slope) > limit)
    return out


def _steps(q: NDArray[np.float32], least: float) -> NDArray[np.bool_]:
    """Pixels beside a step of inverse depth [h, w] (NaN off the object), over holes of two."""
    out = np.zeros(q.shape, bool)
    for gap in (1, 2, 3):
        limit = np.float32(least + 0.5 * _STRIP_STEP * (gap - 1))
        for one, two, at in (
            (q[:-gap], q[gap:], out[gap:]),
            (q[:, :-gap], q[:, gap:], out[:, gap:]),
        ):
            at |= np.abs(one - two) > limit * one
    return out


def _means(
    use: NDArray[np.float32], z: NDArray[np.float32], sigma: NDArray[np.float32], step: int
) -> list[NDArray[np.float64]]:
    """Means over the used pixels of squares of ``step`` pixels.

    Args:
        use: [h * step, w * step] float32, 1 for pixels in use.
        z: [h * step, w * step] depth in metres, any finite number elsewhere.
        sigma: [h * step, w * step] its standard deviation, any finite number elsewhere.
        step: side of the squares in pixels.

    Returns:
        [h, w] each: inverse depth, column, row, sigma, the number of pixels, and the variance of
        inverse depth.
    """
    size = use.shape[1] // step, use.shape[0] // step
    rows = np.arange(use.shape[0], dtype=np.float32)[:, None]
    columns = np.arange(use.shape[1], dtype=np.float32)

    def total(values: NDArray[np.float32]) -> NDArray[np.float64]:
        small = values if step == 1 else cv2.resize(values, size, interpolation=cv2.INTER_AREA)
        return small.astype(np.float64) * step**2

    q = use / z
    count = total(use)
    share = 1 / np.maximum(count, 1)
    mean = total(q) * share
    square = np.maximum(total(q * q) * share - mean**2, 0)
    column, row = total(use * columns) * share, total(use * rows) * share
    return [mean, column, row, total(use * sigma) * share, count, square]


def _regress(
    q: NDArray[np.float64],
    u: NDArray[np.float64],
    v: NDArray[np.float64],
    sigma: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Local plane per cell that holds pixels over its 3x3 neighbours.

    Args:
        q: [h, w] mean inverse depth, 1/m.
        u: [h, w] mean column.
        v: [h, w] mean row.
        sigma: [h, w] standard deviation of a pixel's depth, metres.
        weight: [h, w] number of pixels.

    Returns:
        For each of the M cells with pixels, in the order of ``np.nonzero``: the plane's value at
        the cell, the variance of that value divided by that of one pixel, and the number of pixels
        on the plane.
    """
    width = q.shape[1] + 2
    fields = [bordered(field, 1, 0).ravel() for field in (q, u, v, weight)]
    own = np.flatnonzero(fields[3] > 0)
    offsets = (np.arange(-1, 2)[:, None] * width + np.arange(-1, 2)).ravel()
    at = own + offsets[:, None]  # [9, M]: numpy is slow along short axes
    dq, du, dv = (np.take(field, at) - field[own] for field in fields[:3])
    q = fields[0][own]
    sigma = bordered(sigma, 1, 0).ravel()[own]
    # A neighbour is on the same surface when its depth is close for its distance in the image.
    tolerance = 3 * sigma * q**2 + 0.03 * q
    n = np.where(np.abs(dq) < tolerance, np.take(fields[3], at), 0)
    ndu, ndv = n * du, n * dv
    products = (n, ndu, ndv, ndu * du, ndu * dv, ndv * dv, n * dq, ndu * dq, ndv * dq)
    n, su, sv, suu, suv, svv, sq, squ, sqv = (one.sum(axis=0) for one in products)
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
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    points: NDArray[np.float32],
    sigma: NDArray[np.float32],
    pick: NDArray[np.intp],
    reach: int,
    slope: NDArray[np.float64],
    measured: int,
) -> NDArray[np.float64]:
    """Some pixels of a surface, each moved along its ray onto the plane around it.

    Args:
        rows: [N] of the pixels, counted from any place.
        columns: [N] of the pixels, counted from any place.
        points: [N, 3] their points, metres.
        sigma: [N] their standard deviation of z, metres.
        pick: [K] which of them.
        reach: pixels to each side that the plane is fitted to.
        slope: [K, 2] change of inverse depth from column to column and row to row around each,
            where it is known to be steep; else zero.
        measured: how many of the pixels are; the others, at about the depth of the surface beside
            them, tell nothing of it.

    Returns:
        [L, 3] points; those with fewer than six pixels on their plane are left out.
    """
    rows, columns = rows - rows.min(), columns - columns.min()
    h, w = int(rows.max()) + 1, int(columns.max()) + 1
    q_image = np.full((h + 2 * reach, w + 2 * reach), np.nan)
    q_image[rows[:measured] + reach, columns[:measured] + reach] = 1.0 / points[:measured, 2]
    dv, du = square_around(reach)
    middle = (rows[pick] + reach) * q_image.shape[1] + columns[pick] + reach
    q = 1.0 / points[pick, 2].astype(np.float64)
    dq = np.take(q_image, middle[:, None] + (dv * q_image.shape[1] + du)) - q[:, None]
    noise = sigma[pick] * q**2
    dq -= slope[:, :1] * du + slope[:, 1:] * dv
    near = np.abs(dq) < (4 * noise + 0.005 * q * reach)[:, None]
    dq = np.where(near, dq, 0.0)
    ones = np.ones(len(du))
    terms = np.array([ones, du, dv], np.float64)
    products = np.stack([ones, du, dv, du * du, dv * dv, du * dv], axis=1)
    for _ in range(2):  # fit, drop what is off the plane, fit again
        use = near.astype(np.float64)
        n, *moments = (use @ products).T
        share = 1 / np.maximum(n, 1)
        mean_u, mean_v, mean_uu, mean_vv, mean_uv = (share * moment for moment in moments)
        mean_q, mean_uq, mean_vq = share * ((use * dq) @ terms.T).T
        uu, vv = mean_uu - mean_u**2 + _RIDGE, mean_vv - mean_v**2 + _RIDGE
        uv = mean_uv - mean_u * mean_v
        slope_u, slope_v = _slopes(uu, uv, vv, mean_uq - mean_u * mean_q, mean_vq - mean_v * mean_q)
        offset = mean_q - slope_u * mean_u - slope_v * mean_v
        plane = np.stack([offset, slope_u, slope_v], axis=1) @ terms
        near &= np.abs(dq - plane) < 3 * noise[:, None] + 1e-4
    fitted = q + offset
    good = (n >= _SUPPORT) & (fitted > 0)
    return points[pick[good]].astype(np.float64) * (q[good] / fitted[good])[:, None]
