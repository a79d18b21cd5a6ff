# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A window of a point map as a coarse grid of denoised cells, and the surfaces that connect them.

Measuring works on a few thousand cells instead of every pixel: a cell is the robust mean of its
pixels, so it is faster and less noisy at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.geometry.pointmap import PointMap
from spatialgeo_ros.geometry.small_arrays import bordered, counts

_ARM = 3  # cells on both sides of a valley that are compared with it
_VALLEY, _NOISE = 0.004, 2.5  # metres that it is behind both, and standard deviations of its depth
_SAMPLES = 4  # pixels of a cell along each side that are looked at

Window = tuple[int, int, int, int]
Extent = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells of ``step`` x ``step`` pixels.

    Attributes:
        x0, y0: pixel of the first cell's first corner.
        step: side of a cell in pixels.
        points: [h, w, 3] float32, smoothed surface point in the optical frame, NaN where empty.
        ok: [h, w] bool, the cell has a point.
        raw_z: [h, w] float32, robust mean depth of the cell's own pixels.
        sigma: [h, w] float32, standard deviation of the smoothed depth, correlated part included.
        angle: height of a cell at a depth of one metre, metres.
        rays: [h, w, 2] float32, x/z and y/z of the cells' middles.
    """

    x0: int
    y0: int
    step: int
    points: NDArray[np.float32]
    ok: NDArray[np.bool_]
    raw_z: NDArray[np.float32]
    sigma: NDArray[np.float32]
    angle: float
    rays: NDArray[np.float32]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the grid."""
        return self.ok.shape[0], self.ok.shape[1]

    @cached_property
    def links(self) -> list[NDArray[np.bool_]]:
        """Which neighbours are of one surface, [h', w'] bool for each of :data:`STEPS`."""
        z = self.points[..., 2]
        with np.errstate(invalid="ignore", divide="ignore"):
            inverse = np.float32(1.0) / z
        tolerance = 0.03 + 3 * self.sigma + 0.006 * np.nan_to_num(z)
        return [_link(z, inverse, tolerance, dy, dx) for dy, dx in STEPS]

    @cached_property
    def valleys(self) -> NDArray[np.bool_]:
        """Cells [h, w] that lie behind the middle between cells on both sides of them.

        Inverse depth is linear over the image of a plane, so its second difference tells how two
        surfaces meet, whatever their slope; so it does at the foot of a step.
        """
        z = self.points[..., 2]
        out = np.zeros(self.shape, bool)
        with np.errstate(invalid="ignore", divide="ignore"):
            q = np.float32(1.0) / z
            limit = 2 * (_VALLEY + _NOISE * self.sigma) * q * q
            for dy, dx in STEPS:
                before, middle, after = on_both_sides(_ARM * dy, _ARM * dx, self.shape)
                out[middle] |= q[before] - 2 * q[middle] + q[after] > limit[middle]
        return out

    @cached_property
    def bend_terms(self) -> NDArray[np.float32]:
        """Polynomials of second degree in the cells' rays, [h, w, 6], -1 to 1 over the window."""
        low, high = self.rays[0, 0], self.rays[-1, -1]
        middle, size = (low + high) / 2, float(np.abs(high - low).max() / 2)
        u, v = ((self.rays[..., k] - middle[k]) / size for k in (0, 1))
        out = np.empty((*u.shape, 6), np.float32)
        for k, term in enumerate((1, u, v, u * u, u * v, v * v)):
            out[..., k] = term
        return out

    def at(self, u: int, v: int) -> tuple[int, int]:
        """Row and column of the cell that holds a pixel."""
        return (v - self.y0) // self.step, (u - self.x0) // self.step


def make_cells(pointmap: PointMap, window: Window, most: int) -> Cells:
    """Reduce a pixel window (x0, y0, x1, y1; half open) to at most about ``most`` cells."""
    x0, y0, x1, y1 = window
    step = max(1, math.ceil(math.sqrt((x1 - x0) * (y1 - y0) / most)))
    h, w = math.ceil((y1 - y0) / step), math.ceil((x1 - x0) / step)
    z, count, pixel_sigma = _reduce(pointmap, window, step, h, w)
    ok = count > 0
    smooth, samples = _smooth(z, count, pixel_sigma)
    shared = pointmap.correlated
    sigma = pixel_sigma * np.sqrt(shared**2 + (1 - shared**2) / np.maximum(samples, 1))
    rows = np.minimum(y0 + np.arange(h) * step + (step - 1) / 2, pointmap.camera.height - 1)
    columns = np.minimum(x0 + np.arange(w) * step + (step - 1) / 2, pointmap.camera.width - 1)
    rays = pointmap.camera.rays_of_grid(rows, columns)
    points = np.empty((h, w, 3), np.float32)
    for k in (0, 1):
        np.multiply(rays[..., k], smooth, out=points[..., k])
    points[..., 2] = smooth
    return Cells(
        x0,
        y0,
        step,
        points,
        ok,
        z,
        sigma.astype(np.float32),
        step / pointmap.camera.fy,
        rays,
    )


def _reduce(
    pointmap: PointMap, window: Window, step: int, h: int, w: int
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
    """Robust mean depth per cell, how many pixels made it, and the sigma of one pixel."""
    side = min(step, _SAMPLES)
    # A few pixels of each cell are enough to tell surfaces apart; the object's points are made of
    # its pixels later.
    x0, y0, x1, y1 = window
    places = np.arange(side) * step // side + (step // side) // 2
    rows = (np.arange(h)[:, None] * step + places).ravel()
    columns = (np.arange(w)[:, None] * step + places).ravel()
    rows, columns = rows[rows < y1 - y0], columns[columns < x1 - x0]
    depth = np.full((h * side, w * side), np.nan, np.float32)
    sigma = np.full_like(depth, np.nan)
    part = slice(0, len(rows)), slice(0, len(columns))
    depth[part] = pointmap.depth_in(window)[rows][:, columns]
    sigma[part] = pointmap.sigma_in(window)[rows][:, columns]
    if side == 1:
        return depth, np.isfinite(depth).astype(np.int64), np.nan_to_num(sigma)
    blocks = depth.reshape(h, side, w, side).swapaxes(1, 2).reshape(h, w, side * side)
    ordered = np.sort(blocks, axis=2)  # NaN last
    pixels = side * side
    middle = np.maximum(counts(np.isfinite(ordered)) - 1, 0) // 2
    place = np.arange(h * w) * pixels + middle.ravel()
    median = ordered.ravel()[place].reshape(h, w, 1)
    with np.errstate(invalid="ignore"):
        # Row by row of the cells first: numpy is slow along short axes.
        noise = np.where(sigma > 0, sigma, 0).reshape(h, side, w * side)
        noise = noise.max(axis=1).reshape(h, w, side)
        noise = np.maximum.reduce([noise[..., k] for k in range(side)])
        near = np.abs(ordered - median) <= (3 * noise + 0.01)[..., None]
        count = counts(near)
        total = np.where(near, ordered, np.float32(0)) @ np.ones(pixels, np.float32)
        mean = total / np.maximum(count, 1)
    return np.where(count > 0, mean, np.nan).astype(np.float32), count, noise


def _smooth(
    z: NDArray[np.float32], count: NDArray[np.int64], pixel_sigma: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean over the 3x3 neighbours on the same surface; returns it and its sample count."""
    h, w = z.shape
    tolerance = 3 * pixel_sigma / np.sqrt(np.maximum(count, 1)) + 0.004
    total = np.zeros((h, w), np.float32)
    samples = np.zeros((h, w), np.float32)
    padded_z = bordered(z, 1, np.nan)
    padded_n = bordered(count.astype(np.float32), 1, 0)
    with np.errstate(invalid="ignore"):
        # Opposite neighbours enter together, so a slope does not pull the mean to one side.
        for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
            z1 = padded_z[1 + dy : h + 1 + dy, 1 + dx : w + 1 + dx]
            z2 = padded_z[1 - dy : h + 1 - dy, 1 - dx : w + 1 - dx]
            both = np.abs(0.5 * (z1 + z2) - z) <= tolerance * 1.5
            both &= np.abs(z1 - z2) < 0.05 * z
            n1 = padded_n[1 + dy : h + 1 + dy, 1 + dx : w + 1 + dx]
            n2 = padded_n[1 - dy : h + 1 - dy, 1 - dx : w + 1 - dx]
            n = np.where(both, np.minimum(n1, n2), 0)
            total += np.where(both, n * (z1 + z2), 0)
            samples += 2 * n
        total += np.where(count > 0, count * np.nan_to_num(z), 0)
        samples += count
        return (total / samples).astype(np.float32), samples


def connected(cells: Cells, use: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Label the cells of ``use`` by connected surface, 0, 1, 2, ...; -1 elsewhere.

    Neighbours (8-connected) belong together when their depths differ little, or when the three
    cells across the step lie on one plane: inverse depth is linear over the image of any plane, so
    its second difference tells a slanted surface from a jump.
    """
    between = linked(cells, use)
    lattice = lattice_of(use, between[0], between[1])
    count, names = cv2.connectedComponents(lattice, connectivity=4, ltype=cv2.CV_32S)
    label = names[::2, ::2]
    # Diagonal links join some of these: few, so a table of names is enough.
    name = np.arange(count, dtype=np.int32)
    for (dy, dx), link in zip(STEPS[2:], between[2:], strict=True):
        a, b = _pair(label, dy, dx)
        apart = link & (a != b)
        for one, other in {*zip(a[apart].tolist(), b[apart].tolist(), strict=True)}:
            first, second = name[one], name[other]
            if first != second:
                name[name == max(first, second)] = min(first, second)
    used = np.zeros(count, bool)
    used[name[1:]] = True  # 0 is what is not in use
    name = (np.cumsum(used) - 1).astype(np.int32)[name]
    return np.where(use, name[label], np.int32(-1))


def lattice_of(
    use: NDArray[np.bool_], right: NDArray[np.bool_], below: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Cells and the links between them as one image, in which OpenCV finds what is connected.

    Args:
        use: [h, w] bool, cells: at even rows and columns.
        right: [h, w - 1] bool, links from cells to those at their right: between them.
        below: [h - 1, w] bool, links to those below.

    Returns:
        [2 h - 1, 2 w - 1] uint8, 4-connected.
    """
    h, w = use.shape
    lattice = np.zeros((2 * h - 1, 2 * w - 1), np.uint8)
    lattice[::2, ::2] = use
    lattice[::2, 1::2] = right
    lattice[1::2, ::2] = below
    return lattice


def patches(use: NDArray[np.bool_]) -> tuple[int, NDArray[np.int32]]:
    """Label cells by connected patch of the image (8-connected), 0 elsewhere; returns how many."""
    count, label = cv2.connectedComponents(use.astype(np.uint8), connectivity=8, ltype=cv2.CV_32S)
    return count - 1, np.asarray(label, np.int32)


def linked(cells: Cells, use: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """Which neighbours in use are of one surface, [h', w'] bool for each of :data:`STEPS`."""
    out = []
    for (dy, dx), link in zip(STEPS, cells.links, strict=True):
        a, b = _pair(use, dy, dx)
        out.append(link & a & b)
    return out


_T = TypeVar("_T", bound=np.generic)
#: From a cell to four of its neighbours, (rows, columns); the other four are the way back.
STEPS = ((0, 1), (1, 0), (1, 1), (1, -1))


def neighbours(
    dy: int, dx: int, shape: tuple[int, ...]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Slices of all cells that have a neighbour at (dy, dx), and of those neighbours."""
    h, w = shape
    dy = min(dy, h)
    left = max(0, -dx)
    right = max(left, w - max(0, dx))
    return (slice(0, h - dy), slice(left, right)), (slice(dy, h), slice(left + dx, right + dx))


def on_both_sides(
    dy: int, dx: int, shape: tuple[int, ...]
) -> tuple[tuple[slice, slice], tuple[slice, slice], tuple[slice, slice]]:
    """Slices of all cells that have neighbours at (-dy, -dx) and (dy, dx), these between them."""
    before, after = neighbours(2 * dy, 2 * dx, shape)
    rows, columns = (
        slice(a.start + (b.start - a.start) // 2, a.stop + (b.start - a.start) // 2)
        for a, b in zip(before, after, strict=True)
    )
    return before, (rows, columns), after


def spread_labels(
    label: NDArray[np.int32],
    links: Sequence[tuple[NDArray[np.bool_], NDArray[np.float32]]],
    times: int,
) -> NDArray[np.int32]:
    """Give cells without a label that of the neighbour they resemble most, cell by cell.

    Args:
        label: [h, w] number of the surface of each cell, -1 for none.
        links: for each of :data:`STEPS` [h', w'] bool, which neighbours are of one surface, and
            [h', w'] how little they resemble each other.
        times: cells that a surface grows by at most.
    """
    for _ in range(times):
        best = np.full(label.shape, np.inf, np.float32)
        taken = label.copy()
        labelled = label >= 0
        for (dy, dx), (link, apart) in zip(STEPS, links, strict=True):
            here, there = neighbours(dy, dx, label.shape)
            for source, target in ((here, there), (there, here)):
                free = link & ~labelled[target] & labelled[source]
                if not free.any():
                    continue
                nearer = free & (apart < best[target])
                np.copyto(best[target], apart, where=nearer)
                np.copyto(taken[target], label[source], where=nearer)
        if np.array_equal(taken, label):
            break
        label = taken
    return label


def separate_rest(
    cells: Cells, use: NDArray[np.bool_], label: NDArray[np.int32]
) -> NDArray[np.int32]:
    """Label what is left of ``use`` without a label by connected surface, too."""
    alone = connected(cells, use & (label < 0))
    return np.where(alone >= 0, alone + int(label.max(initial=-1)) + 1, label)


def _pair(array: NDArray[_T], dy: int, dx: int) -> tuple[NDArray[_T], NDArray[_T]]:
    """Views of all cells that have a neighbour at (dy, dx), and of those neighbours."""
    here, there = neighbours(dy, dx, array.shape)
    return array[here], array[there]


def _link(
    z: NDArray[np.floating],
    inverse: NDArray[np.floating],
    tolerance: NDArray[np.floating],
    dy: int,
    dx: int,
) -> NDArray[np.bool_]:
    a, b = _pair(z, dy, dx)
    limit = np.maximum(*_pair(tolerance, dy, dx))
    with np.errstate(invalid="ignore"):
        jump = np.abs(a - b)
        link = jump < limit
        # Slanted surfaces: predict b from the cell before a, and a from the cell after b.
        bend = np.full(inverse.shape, np.nan, np.float32)
        before, middle, after = on_both_sides(dy, dx, inverse.shape)
        own = inverse[middle]
        np.copyto(bend[middle], np.abs(inverse[before] - 2 * own + inverse[after]) * own**-2)
        bend_a, bend_b = _pair(bend, dy, dx)
        planar = np.fmin(bend_a, bend_b) < limit
        return link | (planar & (jump < 0.12 * np.minimum(a, b)))


@dataclass(frozen=True, eq=False)
class DepthPlane:
    """The plane through some cells: inverse depth is linear in rows and columns.

    Attributes:
        middle: [2] row and column.
        terms: [3] inverse depth there, its change from row to row and from column to column, 1/m.
    """

    middle: NDArray[np.float64]
    terms: NDArray[np.float64]

    @classmethod
    def through(cls, cells: Cells, chosen: NDArray[np.bool_]) -> DepthPlane:
        """Fit to the chosen cells [h, w], at least one; level where they do not tell its slope."""
        rows, columns = np.nonzero(chosen)
        q = 1.0 / cells.points[rows, columns, 2].astype(np.float64)
        middle = np.array([rows.mean(), columns.mean()])
        terms = np.stack([np.ones(len(q)), rows - middle[0], columns - middle[1]], axis=1)
        system = terms.T @ terms + np.diag([0.0, 1.0, 1.0]) * len(q)
        return cls(middle, np.linalg.solve(system, terms.T @ q))

    def inverse_depth(self, at: NDArray[np.int64]) -> NDArray[np.float64]:
        """Inverse depth [N] of rows and columns [N, 2], 1/m; not positive behind the camera."""
        return np.asarray(self.terms[0] + (at - self.middle) @ self.terms[1:])


def extent(cells: NDArray[np.bool_]) -> Extent:
    """First row, last row, first column, last column of a mask.

    Raises:
        ValueError: it is empty.
    """
    left, top, width, height = cv2.boundingRect(cells.view(np.uint8))
    if not width:
        raise ValueError("an empty mask has no extent")
    return top, top + height - 1, left, left + width - 1
