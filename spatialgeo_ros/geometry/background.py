# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What things stand on, hang on and lie before: floors, table tops, shelves, walls.

A background surface is a plane that is seen outside the region and reaches into it without a break.
Its direction does not matter, and gravity is not needed: a table top is to a mug what the floor is
to a sofa. Where the floor is known it is one more plane to try, fitted to what is seen of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialgeo_ros.geometry.cells import Cells, extent, on_both_sides, patches
from spatialgeo_ros.geometry.floor import estimate_floor
from spatialgeo_ros.geometry.pointmap import PointMap
from spatialgeo_ros.geometry.small_arrays import median, solved, spread_out

_FLOOR_TOLERANCE = 0.018  # metres above the floor that still count as floor
_HYPOTHESES = 128
_SAMPLE = 700  # points that vote for a plane
_FITTED = 1500  # that it is fitted to in the end
_THINNED, _PROMISING = 4, 16  # every so many vote first, for so many planes that all vote for
_MOST_PLANES = 4
#: Random numbers for each plane that is looked for: the same window always gives the same answer.
_DRAWN = np.random.default_rng(0).random((_MOST_PLANES, _HYPOTHESES, 8))
_NEAREST = 0.05  # metres from the camera to a plane; nearer it is seen edge-on
_THICKNESS = 0.004  # metres in front of a plane that cannot be told from it
_BENT = 0.008  # of depth, over one radian of the image, before the bend is measured
_BEND = 0.008  # metres, standard deviation of how far a camera bends a plane
_STIFF = np.eye(6) / _BEND**2  # keeps the bend that small where little is seen
_ALIKE = 25.0  # neighbouring cells whose errors are alike
_TOLD = 0.2  # share of the known floor's cells outside the region: they tell how it scatters,
# and the low foot of a lamp within it is no scatter
_GROWTH = 2  # fits of a plane to what is joined to it
_SCATTER = 0.7  # largest spread of a plane as a share of what noise explains
_FLOOR_SLACK = 0.04  # metres that the floor may lie off where it should be
_FLOOR_TURN = 0.995  # cosine of the angle up to which what is seen there is the floor
_BEHIND, _BEHIND_BY = 0.03, 0.02  # share of points that may lie so far (metres) behind a wall
_SHARE_OUTSIDE = 0.2  # of a patch's cells inside the region: it is seen at least as much outside
_LARGE = 0.4  # metres: a region from this size on can hold an occluder, whose side has
_HIDING = 0.1  # most of the rest of the region so many metres behind it,
_LEAST_SEEN = 0.1  # or is less than this share of the region's cells
_BAND = 3  # cells on both sides of the region's border that are looked at
_ALONG, _STEEP = 2, 0.5  # cells, and rise over so many to both sides, from which a plane cuts
_GOES_ON = 0.7  # of a patch's cells at the border that go on outside, for a background


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


@dataclass(frozen=True, eq=False)
class Plane:
    """A surface behind or below things: ``normal @ p == offset > 0``, away from the camera.

    Depth cameras bend planes by a centimetre or two over their image. How this one is bent and how
    far its points scatter is measured where it is seen outside the region.

    Attributes:
        normal: [3] unit vector in the optical frame.
        offset: distance from the camera, metres.
        spread: standard deviation of its points across it, metres.
        front: [h, w] float32, distance of every cell in front of it, its bend removed, metres.
        cells: [h, w] bool, the cells of the window on it that are joined to what is seen of it
            outside the region.
    """

    normal: NDArray[np.float64]
    offset: float
    spread: float
    front: NDArray[np.float32]
    cells: NDArray[np.bool_]

    @property
    def tolerance(self) -> float:
        """Distance up to which a point counts as on the plane, metres."""
        return _THICKNESS + 3.0 * self.spread

    def closes(self, use: NDArray[np.bool_]) -> bool:
        """Tell whether next to nothing of ``use`` [h, w] lies behind it: all objects are before."""
        return bool((self.front[use] < -self.tolerance - _BEHIND_BY).mean() < _BEHIND)


def _tolerance(cells: Cells) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How far a cell may be off a plane before its bend is known, in two parts.

    Noise is seen across the plane. A camera bends surfaces over its whole image: little within a
    small window.

    Returns:
        [h, w] metres that each cell may be off any plane, and [h, w] what is added for each metre
        that it is from the camera along the plane's normal.
    """
    z = cells.points[..., 2]
    bent = np.float32(_BENT * max(cells.shape) * cells.angle)
    return np.float32(_THICKNESS) + bent * z, np.float32(2) * cells.sigma / z


def background_planes(
    cells: Cells,
    use: NDArray[np.bool_],
    within: NDArray[np.bool_],
    outside: NDArray[np.bool_],
    floor: Floor | None = None,
    furniture: bool = False,
) -> list[Plane]:
    """Planes that are seen outside the region and reach into it, the floor and the largest first.

    Args:
        cells: the window around the region.
        use: [h, w] bool, cells to explain.
        within: [h, w] bool, cells inside the region.
        outside: [h, w] bool, cells that are surely outside the region.
        floor: where the floor should be, when known. It is taken as it is seen, if it is seen.
        furniture: the region is known to be of furniture, however small it is.
    """
    parts = _tolerance(cells)
    large = is_large(cells, within)
    found: list[Plane] = []
    rest = use & outside
    enough = max(20, int(0.03 * np.count_nonzero(rest)))
    for attempt in range(-1, _MOST_PLANES):
        if attempt >= 0 and np.count_nonzero(rest) < enough:
            break
        slack = 0.0
        if attempt < 0:
            if floor is None:
                continue
            normal, offset, slack = floor.normal, floor.height, _FLOOR_SLACK
        else:
            fitted = _dominant_plane(cells, rest, parts, _DRAWN[attempt])
            if fitted is None:
                break
            normal, offset = fitted
        along = cells.points @ normal.astype(np.float32)
        limit = parts[0] + parts[1] * np.abs(along)
        near = np.abs(offset - along) < limit + slack
        own = rest & near
        # Where the floor is, is known: below furniture it is as good as beside it, where it need
        # not be seen, or too little of it to tell how it goes on.
        known = attempt < 0 and large
        if known:
            own = use & near
        grown = None
        if np.count_nonzero(own) >= enough:
            grown = _grown(cells, use, own, normal, limit, enough)
        if attempt >= 0:
            rest &= ~own
        if grown is None:
            continue
        normal, offset, on = grown
        if attempt < 0 and floor is not None and normal @ floor.normal < _FLOOR_TURN:
            continue
        beside = on & outside
        told = not known or np.count_nonzero(beside) > _TOLD * np.count_nonzero(on)
        plane = _bent(cells, beside if told else on, normal, offset)
        if known and told and not _explains(plane, on & within):  # a rug lies beside the region
            plane = _bent(cells, on, normal, offset)
        if plane.spread > _SCATTER * float(median(limit[on])):
            continue  # scattered evenly: several surfaces that pass through one slab
        front = plane.front
        on = use & (np.abs(front) < plane.tolerance)
        if not large and not furniture:
            on = _along(cells, on, front)
        behind = use & (front < -plane.tolerance)
        if known or plane.closes(use):
            joined = on
        else:
            new = on & outside & ~on_any(found, cells)
            joined = _joined(on, behind, within, outside, new)
        rest &= ~(on & outside)
        rest_inside = use & within & ~on
        hiding = large and bool(np.count_nonzero(rest_inside) > 20)
        hiding = hiding and bool(median(front[rest_inside]) < -_HIDING)
        # Without its own small planes, what is left of an occluder would seem to end at the region.
        small = attempt >= 0 and (np.count_nonzero(joined) < _LEAST_SEEN * np.count_nonzero(within))
        if joined.any() and not (large and (hiding or small)):
            found.append(replace(plane, cells=joined))
    return found


def is_large(cells: Cells, within: NDArray[np.bool_]) -> bool:
    """Tell whether a region is of the size of furniture by the shorter of its sides."""
    top, bottom, left, right = extent(within)
    depth = cells.points[..., 2][within & cells.ok]
    middle = float(median(depth)) if len(depth) else 0.0
    return min(bottom - top, right - left) * cells.angle * middle > _LARGE


def on_any(planes: Sequence[Plane], cells: Cells) -> NDArray[np.bool_]:
    """Cells [h, w] that some of the planes explain."""
    taken = np.zeros(cells.shape, bool)
    for plane in planes:
        taken |= plane.cells
    return taken


def _grown(
    cells: Cells,
    use: NDArray[np.bool_],
    own: NDArray[np.bool_],
    normal: NDArray[np.float64],
    limit: NDArray[np.floating],
    enough: int,
) -> tuple[NDArray[np.float64], float, NDArray[np.bool_]] | None:
    """Fit a plane to the cells ``own``, then to all that is joined to them and lies on it.

    A strip beside the region alone says little of a plane's direction.

    Returns:
        Normal, offset and the cells it was fitted to; None when it does not hold together.
    """
    normal, offset = _refined_on(cells, own, normal)
    for _ in range(_GROWTH):
        flat = offset - cells.points @ normal.astype(np.float32)
        on = use & (np.abs(flat) < limit)
        number, label = patches(on)
        count = np.bincount(label[own & on], minlength=number + 1)
        keep = count >= max(3, 0.05 * np.count_nonzero(own))
        keep[0] = False
        own = keep[label]
        if np.count_nonzero(own) < enough:
            return None
        normal, offset = _refined_on(cells, own, normal)
        if offset < _NEAREST:
            return None
    return normal, offset, own


def _bent(cells: Cells, on: NDArray[np.bool_], normal: NDArray[np.float64], offset: float) -> Plane:
    """Measure bend and spread of a plane on the cells ``on``.

    The bend is a polynomial of second degree in the viewing ray, by ridge regression: its
    coefficients have a standard deviation of :data:`_BEND`, so that it stays small where the plane
    is not seen.
    """
    terms = cells.bend_terms
    flat = np.float32(offset) - cells.points @ normal.astype(np.float32)
    thin = slice(None, None, max(1, int(np.count_nonzero(on)) // _SAMPLE))
    sample = np.flatnonzero(on)[thin]
    own = terms.reshape(-1, 6)[sample].astype(np.float64)
    off = flat.ravel()[sample].astype(np.float64)
    spread = _robust_spread(off)
    bend: NDArray[np.float64] = np.zeros(6)
    for _ in range(2):
        use = np.abs(off - own @ bend) < 3 * spread + 0.002
        # Neighbouring cells err together: they count as this many times fewer.
        weight = float(thin.step) / (_ALIKE * spread**2)
        near = own[use]
        weighted = weight * near.T
        bend = solved(weighted @ near + _STIFF, weighted @ off[use])
        spread = _robust_spread(off - own @ bend)
    return Plane(normal, offset, spread, flat - terms @ bend.astype(np.float32), on)


def _along(cells: Cells, on: NDArray[np.bool_], front: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Cells on a plane, without those where it cuts through a surface of another direction.

    Small things in a heap have many of these, each a band without an inside that lies along the
    plane.

    Args:
        cells: the window.
        on: [h, w] bool, cells on the plane.
        front: [h, w] distance of every cell in front of it, metres.
    """
    across = np.zeros(cells.shape, bool)
    z = cells.points[..., 2]
    width = np.float32(cells.angle) * z
    for dy, dx in (_ALONG, 0), (0, _ALONG):
        before, middle, after = on_both_sides(dy, dx, cells.shape)
        with np.errstate(invalid="ignore"):
            rise = np.abs(front[after] - front[before]) - 2 * cells.sigma[middle]
            along = np.hypot(z[after] - z[before], (dy + dx) * 2 * width[middle])
            across[middle] |= rise > _STEEP * along
    inside = cv2.morphologyEx((on & ~across).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3)))
    reach = 2 * _ALONG + 3
    return on & cv2.dilate(inside, np.ones((reach, reach), np.uint8)).astype(bool)


def _explains(plane: Plane, on: NDArray[np.bool_]) -> bool:
    """Tell whether most of some cells [h, w] are on a plane, its bend and scatter as measured."""
    off = np.abs(plane.front[on])
    return bool(2 * np.count_nonzero(off < plane.tolerance) >= len(off))


def _robust_spread(values: NDArray[np.float64]) -> float:
    middle = len(values) // 2
    off = np.abs(values - np.sort(values)[middle])
    return max(5e-4, 1.4826 * float(np.sort(off)[middle]))


def _goes_on(
    patch: NDArray[np.bool_],
    behind: NDArray[np.bool_],
    within: NDArray[np.bool_],
    outside: NDArray[np.bool_],
) -> bool:
    """Tell whether a patch goes on outside the region where it reaches the region's border.

    A background does, wherever nothing nearer hides it. A side of the object ends at the border:
    what is seen beyond lies ``behind`` it.
    """
    top, bottom, left, right = extent(within)
    high, low, west, east = extent(~outside)
    rows, columns = slice(top, bottom + 1), slice(left, right + 1)
    going_on = ending = 0
    for inner, outer, axis in (
        (slice(top, top + _BAND), slice(max(0, high - _BAND), high), 0),
        (slice(bottom + 1 - _BAND, bottom + 1), slice(low + 1, low + 1 + _BAND), 0),
        (slice(left, left + _BAND), slice(max(0, west - _BAND), west), 1),
        (slice(right + 1 - _BAND, right + 1), slice(east + 1, east + 1 + _BAND), 1),
    ):
        here = (inner, columns) if axis == 0 else (rows, inner)
        there = (outer, columns) if axis == 0 else (rows, outer)
        if patch[there].size == 0:  # the image ends here
            continue
        reaching = patch[here].any(axis=axis)
        continued = patch[there].any(axis=axis)
        going_on += int((reaching & continued).sum())
        ending += int((reaching & ~continued & behind[there].any(axis=axis)).sum())
    return going_on > _GOES_ON * (going_on + ending)


def _joined(
    on: NDArray[np.bool_],
    behind: NDArray[np.bool_],
    within: NDArray[np.bool_],
    outside: NDArray[np.bool_],
    seeds: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Patches of a plane that go on outside the region, all that lies outside included."""
    number, label = patches(on)
    joined = on & outside
    inside = np.bincount(label[within & on], minlength=number + 1)
    for name in np.flatnonzero(inside):
        count = inside[name]
        patch = label == name
        seen = np.count_nonzero(patch & seeds)
        if seen >= max(4, _SHARE_OUTSIDE * count) and _goes_on(patch, behind, within, outside):
            joined |= patch
    return joined


def _dominant_plane(
    cells: Cells,
    seeds: NDArray[np.bool_],
    tolerance: tuple[NDArray[np.float32], NDArray[np.float32]],
    drawn: NDArray[np.float64],
) -> tuple[NDArray[np.float64], float] | None:
    """Plane through most of the seeds.

    Args:
        cells: the window.
        seeds: [h, w] bool, at least three of its cells.
        tolerance: of :func:`_tolerance`.
        drawn: [N, 8] random numbers, 0 to 1: of each row comes one plane that is tried.

    Returns:
        Normal and offset; None where most are on none.
    """
    at = np.flatnonzero(seeds)
    at = at[spread_out(len(at), _SAMPLE)]
    rows, columns = np.divmod(at, cells.shape[1])
    near_points = cells.points.reshape(-1, 3)[at]
    fixed, noise = (part.ravel()[at] for part in tolerance)
    points, sigma = near_points.astype(np.float64), cells.sigma.ravel()[at]
    # Of a few random corners those near the first in the image: likelier on one surface.
    corner = (drawn * len(at)).astype(np.int64)
    apart = np.abs(rows[corner] - rows[corner[:, :1]])
    apart += np.abs(columns[corner] - columns[corner[:, :1]])
    apart[apart < 3] += 10_000
    order = np.argsort(apart[:, 1:], axis=1)[:, :2] + 1
    first, second = (points[np.take_along_axis(corner, order[:, k, None], 1)[:, 0]] for k in (0, 1))
    origin = points[corner[:, 0]]
    first, second = (first - origin).T, (second - origin).T
    (ax, ay, az), (bx, by, bz) = first, second
    normals = np.array([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])
    length = _norms(normals)
    usable = length > 0.2 * _norms(first) * _norms(second) + 1e-9
    if not usable.any():
        return None
    normals = (normals / np.maximum(length, 1e-12))[:, usable]
    offsets = (normals * origin[usable].T).sum(axis=0)
    normals *= np.where(offsets < 0, -1.0, 1.0)
    offsets = np.abs(offsets)
    # A point lies near a plane where |offset - normal @ p| < fixed + noise |normal @ p|: all over
    # its own ``fixed``, so that products of matrices are all there is to do.
    scaled = near_points / fixed[:, None]
    shares = np.concatenate([scaled, 1 / fixed[:, None], scaled * noise[:, None]], axis=1)
    tried = np.concatenate([-normals, offsets[None]]).astype(np.float32)
    few = np.argsort(-_support(shares[::_THINNED], tried))[:_PROMISING]
    best = int(few[np.argmax(_support(shares, tried[:, few]))])
    normal, offset = normals[:, best], float(offsets[best])
    for width in (1.5, 1.0):  # refine on what lies near, noise-weighted
        through = points @ normal
        near = np.abs(offset - through) < width * (fixed + noise * np.abs(through))
        if np.count_nonzero(near) < 10:
            return None
        normal, offset = _refined(points[near], sigma[near], normal)
    return (normal, offset) if offset > _NEAREST else None


def _support(shares: NDArray[np.float32], planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """How many points are near each of some planes.

    Args:
        shares: [N, 7] points, 1, and points times their noise, over what each may be off any plane.
        planes: [4, M] minus their normals, and their offsets, metres.

    Returns:
        [M]; what lies well within the noise counts most: else a plane that cuts a corner wins.
    """
    off = shares[:, :4] @ planes
    np.abs(off, out=off)
    limit = shares[:, 4:] @ planes[:3]
    np.abs(limit, out=limit)
    limit += 1
    each = np.ones(len(off), np.float32)
    near = each @ (off < limit).astype(np.float32)
    off *= 3
    support = each @ (off < limit).astype(np.float32) + np.float32(0.25) * near
    return np.where(planes[3] < _NEAREST, np.float32(0), support)


def _norms(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Length of each vector [3, N]."""
    return np.asarray(np.sqrt((vectors * vectors).sum(axis=0)))


def _refined_on(
    cells: Cells, own: NDArray[np.bool_], towards: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """The same of some cells [h, w]: of many, a part tells as much."""
    at = np.flatnonzero(own)
    at = at[spread_out(len(at), _FITTED)]
    return _refined(cells.points.reshape(-1, 3)[at], cells.sigma.ravel()[at], towards)


def _refined(
    points: NDArray[np.floating], sigma: NDArray[np.floating], towards: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Noise-weighted plane of points that lie near it: (normal, offset)."""
    places = points.astype(np.float64)
    across = sigma.astype(np.float64) * (np.abs(places @ towards) / places[:, 2])
    return _fit(places, 1 / (0.003 + across) ** 2, towards)


def _fit(
    points: NDArray[np.float64], weight: NDArray[np.float64], towards: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Weighted total least squares plane."""
    centre = weight @ points / weight.sum()
    local = np.ascontiguousarray(points.T) - centre[:, None]  # numpy is slow along axes of three
    # OpenCV's for symmetric matrices: a tenth of the time of numpy's. The largest comes first.
    _, _, vectors = cv2.eigen((local * weight) @ local.T)
    normal = vectors[2]
    if normal @ towards < 0:
        normal = -normal
    return normal, float(normal @ centre)
