# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Lens distortion on normalised image coordinates, its inverse, and the inverse of a whole image.

Two models, with OpenCV's formulas and order of coefficients ("Camera Calibration and 3D
Reconstruction", detailed description, and the fisheye module):

- Brown-Conrady with the rational and thin-prism terms: k1 k2 p1 p2 [k3 [k4 k5 k6 [s1 s2 s3 s4]]].
- Kannala-Brandt (``equidistant``): k1 k2 k3 k4.

A model is valid from the optical axis to the angle at which the distorted radius stops growing,
or to 89.5 degrees: beyond that fold two rays share a pixel, and no ray with z = 1 exists at 90
degrees. What lies beyond is NaN in both directions.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Coefficients = tuple[float, ...]

#: Name of the Kannala-Brandt model; every other model is Brown-Conrady's.
EQUIDISTANT = "equidistant"

_WIDEST = math.radians(89.5)
_PROFILE_SAMPLES = 8192  # one per 0.011 degrees
_NEWTON_STEPS = 20
_TOLERANCE = 1e-10  # of a normalised image coordinate: about 1e-7 px
_CONVERGED = 1e-7  # largest miss of a solution
_BLOCK = 16384  # points worked on at once: they stay in the processor's cache
_NODE_SPACING = 8  # pixels between the nodes of the grid that an image is interpolated from
#: Share beyond the radial fold up to which tangential terms may move it.
_FOLD_SLACK = 1.02
#: Largest reprojection error of an interpolated ray at the middle of a cell of that grid, pixels.
_MOST_PIXELS_OFF = 0.002
_LEAST_PIXELS = 4 * _NODE_SPACING  # a shorter side is solved for pixel by pixel


def distort(xy: Array, model: str, d: Coefficients) -> Array:
    """Ideal normalised coordinates [N, 2] to distorted ones; NaN beyond the model's valid field."""
    limit = _profile(model, d)[0][-1] * _FOLD_SLACK
    radius = np.hypot(xy[:, 0], xy[:, 1])
    with np.errstate(all="ignore"):
        if model == EQUIDISTANT:
            theta = kannala_brandt(np.arctan(radius), d)[0]
            out = xy * np.where(radius > 1e-12, theta / radius, 1.0)[:, None]
        else:
            out = np.stack(_brown(xy[:, 0], xy[:, 1], d), axis=1)
    out[~(radius <= limit)] = np.nan
    return out


def widest_radius(model: str, d: Coefficients) -> float:
    """Distance from the axis, in ideal coordinates, up to which a model is valid."""
    return float(_profile(model, d)[0][-1])


def undistort(xy: Array, model: str, d: Coefficients) -> Array:
    """Distorted normalised coordinates [N, 2] to ideal ones; NaN where no ray of the model goes."""
    solve = _undistort_kannala_brandt if model == EQUIDISTANT else _undistort_brown
    out = np.empty_like(xy)
    for start in range(0, len(xy), _BLOCK):
        block = slice(start, start + _BLOCK)
        out[block] = solve(xy[block], d)
    return out


def undistort_grid(
    u: Array, v: Array, focal: tuple[float, float], model: str, d: Coefficients
) -> NDArray[np.float32]:
    """Ideal coordinates [len(v), len(u), 2] of the pixels of an image, NaN without a ray.

    The inverse is solved at every eighth pixel and interpolated in between by cubic polynomials.
    Each cell is checked by distorting its middle again; where that misses by more than 0.002 px,
    or a node has no ray, every pixel is solved for. In between a ray misses its pixel by 0.01 px at
    most, which it reaches beside a fold.

    Args:
        u: distorted normalised coordinates of the columns, evenly spaced.
        v: those of the rows.
        focal: fx, fy in pixels, which make an error of a coordinate one in pixels.
        model: as in :func:`undistort`.
        d: its coefficients.
    """
    out = np.full((len(v), len(u), 2), np.nan, np.float32)
    wanted = np.ones((len(v), len(u)), bool)  # pixels to be solved for
    if min(len(u), len(v)) >= _LEAST_PIXELS:
        columns, rows = _Nodes(len(u)), _Nodes(len(v))
        mesh = _mesh(columns.between(u, columns.positions), rows.between(v, rows.positions))
        nodes = undistort(mesh, model, d).reshape(rows.count, columns.count, 2)
        finite = np.isfinite(nodes[..., 0])
        known = np.nan_to_num(nodes)
        centres = [rows.to_middles @ known[..., k] @ columns.to_middles.T for k in (0, 1)]
        again = distort(np.stack(centres, axis=-1).reshape(-1, 2), model, d)
        mesh = _mesh(columns.between(u, columns.middles), rows.between(v, rows.middles))
        with np.errstate(invalid="ignore"):
            close = (np.abs(again - mesh) * focal).max(axis=1) < _MOST_PIXELS_OFF
        good = close.reshape(len(rows.middles), len(columns.middles))
        good &= columns.stencils(rows.stencils(finite).T).T
        # No node around has a ray: outside the valid field, nothing to solve for.
        empty = columns.stencils(rows.stencils(~finite).T).T
        for k in (0, 1):
            out[..., k] = rows.to_pixels @ (known[..., k] @ columns.to_pixels.T)
        wanted = ~(good | empty)[rows.cell[:, None], columns.cell]
        out[empty[rows.cell[:, None], columns.cell]] = np.nan
    row, column = np.nonzero(wanted)
    out[row, column] = undistort(np.stack([u[column], v[row]], axis=1), model, d)
    return out


class _Nodes:
    """Nodes along one side of an image, about every eighth pixel, and cubic weights to and from.

    Attributes:
        count: number of nodes; there is one cell fewer.
        positions, middles: of the nodes and of the cells between them, in pixels.
        cell: [pixels] the cell of each pixel.
        to_pixels, to_middles: [pixels, nodes] and [cells, nodes] weights of the interpolation.
    """

    def __init__(self, pixels: int) -> None:
        self.count = math.ceil((pixels - 1) / _NODE_SPACING) + 1
        self._spacing = (pixels - 1) / (self.count - 1)
        self.positions = np.arange(self.count) * self._spacing
        self.middles = (np.arange(self.count - 1) + 0.5) * self._spacing
        cells = np.arange(pixels) / self._spacing
        self.cell = np.clip(cells.astype(np.int64), 0, self.count - 2)
        self.to_pixels = self._weights(cells)
        self.to_middles = self._weights(np.arange(self.count - 1) + 0.5)

    @staticmethod
    def between(values: Array, positions: Array) -> Array:
        """Evenly spaced values of pixels, at positions in pixels."""
        return values[0] + (values[-1] - values[0]) / (len(values) - 1) * positions

    def stencils(self, nodes: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Per cell along the first axis, whether all four nodes it is interpolated from are set."""
        four = nodes[:-3] & nodes[1:-2] & nodes[2:-1] & nodes[3:]
        return four[self._first(np.arange(self.count - 1))]

    def _first(self, cell: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.clip(cell - 1, 0, self.count - 4)

    def _weights(self, at: Array) -> Array:
        """Lagrange weights [len(at), nodes] of the four nodes around each place, in cells."""
        first = self._first(np.minimum(at.astype(np.int64), self.count - 2))
        t = at - first
        out = np.zeros((len(at), self.count))
        lines = np.arange(len(at))
        out[lines, first] = -(t - 1) * (t - 2) * (t - 3) / 6
        out[lines, first + 1] = t * (t - 2) * (t - 3) / 2
        out[lines, first + 2] = -t * (t - 1) * (t - 3) / 2
        out[lines, first + 3] = t * (t - 1) * (t - 2) / 6
        return out


def _mesh(u: Array, v: Array) -> Array:
    """All pairs of columns and rows, [len(v) * len(u), 2]."""
    return np.stack(np.meshgrid(u, v), axis=-1).reshape(-1, 2)


@lru_cache(maxsize=16)
def _profile(model: str, d: Coefficients) -> tuple[Array, Array]:
    """Ideal radii [K] from the axis to the fold, and what the radial terms make of them.

    The distorted radii ascend strictly, so the pair is a table of the inverse.
    """
    theta = np.linspace(0.0, _WIDEST, _PROFILE_SAMPLES)
    ideal = np.tan(theta)
    with np.errstate(all="ignore"):
        if model == EQUIDISTANT:
            distorted = kannala_brandt(theta, d)[0]
        else:
            radial, _, denominator = _radial(ideal * ideal, d)
            distorted = np.where(denominator > 0, ideal * radial, np.nan)
        turns = np.flatnonzero(~(np.diff(distorted) > 0))
    last = int(turns[0]) + 1 if len(turns) else len(ideal)
    return ideal[:last], distorted[:last]


def _radial(r2: Array, d: Coefficients) -> tuple[Array, Array, Array]:
    """Radial factor of Brown-Conrady, its derivative by r2, and its denominator."""
    k1, k2, _, _, k3, k4, k5, k6, *_ = (*d, *([0.0] * (12 - len(d))))
    denominator = 1 + r2 * (k4 + r2 * (k5 + r2 * k6))
    radial = (1 + r2 * (k1 + r2 * (k2 + r2 * k3))) / denominator
    slope = k1 + r2 * (2 * k2 + 3 * k3 * r2) - radial * (k4 + r2 * (2 * k5 + 3 * k6 * r2))
    return radial, slope / denominator, denominator


def _brown(x: Array, y: Array, d: Coefficients) -> tuple[Array, Array]:
    """Brown-Conrady distortion of ideal coordinates."""
    _, _, p1, p2, _, _, _, _, s1, s2, s3, s4 = (*d, *([0.0] * (12 - len(d))))
    r2 = x * x + y * y
    radial = _radial(r2, d)[0]
    return (
        x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x) + r2 * (s1 + s2 * r2),
        y * radial + 2 * p2 * x * y + p1 * (r2 + 2 * y * y) + r2 * (s3 + s4 * r2),
    )


def _brown_jacobian(x: Array, y: Array, d: Coefficients) -> tuple[Array, Array, Array, Array]:
    """Derivatives of :func:`_brown`: dx/dx, dx/dy, dy/dx, dy/dy."""
    _, _, p1, p2, _, _, _, _, s1, s2, s3, s4 = (*d, *([0.0] * (12 - len(d))))
    r2 = x * x + y * y
    radial, slope, _ = _radial(r2, d)
    prism_x, prism_y = 2 * (s1 + 2 * s2 * r2), 2 * (s3 + 2 * s4 * r2)
    cross = 2 * x * y * slope + 2 * p1 * x + 2 * p2 * y
    return (
        radial + 2 * x * x * slope + 2 * p1 * y + 6 * p2 * x + prism_x * x,
        cross + prism_x * y,
        cross + prism_y * x,
        radial + 2 * y * y * slope + 2 * p2 * x + 6 * p1 * y + prism_y * y,
    )


def _largest(miss: Array) -> float:
    """Largest absolute value that is a number; 0 where none is.

    Not ``np.nanmax(..., initial=0)``: NumPy knows that argument from 1.22 on, Humble has 1.21.
    """
    return float(np.max(np.abs(miss), initial=0.0, where=~np.isnan(miss)))


def _undistort_brown(target: Array, d: Coefficients) -> Array:
    """Invert :func:`_brown` by Newton's method, from the inverse of the radial terms alone."""
    ideal, distorted = _profile("", d)
    radius = np.hypot(target[:, 0], target[:, 1])
    with np.errstate(all="ignore"):
        start = np.where(radius > 1e-12, np.interp(radius, distorted, ideal) / radius, 1.0)
        x, y = target[:, 0] * start, target[:, 1] * start
        for _ in range(_NEWTON_STEPS):
            value_x, value_y = _brown(x, y, d)
            miss_x, miss_y = value_x - target[:, 0], value_y - target[:, 1]
            if max(_largest(miss_x), _largest(miss_y)) < _TOLERANCE:
                break
            xx, xy, yx, yy = _brown_jacobian(x, y, d)
            det = xx * yy - xy * yx
            x = x - (yy * miss_x - xy * miss_y) / det
            y = y - (xx * miss_y - yx * miss_x) / det
        value_x, value_y = _brown(x, y, d)
        good = (np.abs(value_x - target[:, 0]) < _CONVERGED) & (
            np.abs(value_y - target[:, 1]) < _CONVERGED
        )
        # Beyond the fold the mapping turns over, and far beyond it may turn back: not real rays.
        xx, xy, yx, yy = _brown_jacobian(x, y, d)
        good &= (xx * yy > xy * yx) & (xx + yy > 0)
        good &= np.hypot(x, y) <= ideal[-1] * _FOLD_SLACK
    out = np.stack([x, y], axis=1)
    out[~good] = np.nan
    return out


def kannala_brandt(theta: Array, d: Coefficients) -> tuple[Array, Array]:
    """Distorted angle and its derivative."""
    k1, k2, k3, k4 = d
    t2 = theta * theta
    value = theta * (1 + t2 * (k1 + t2 * (k2 + t2 * (k3 + t2 * k4))))
    slope = 1 + t2 * (3 * k1 + t2 * (5 * k2 + t2 * (7 * k3 + t2 * 9 * k4)))
    return value, slope


def _undistort_kannala_brandt(target: Array, d: Coefficients) -> Array:
    """Invert the distorted angle by Newton's method, from the table of the inverse."""
    ideal, distorted = _profile(EQUIDISTANT, d)
    radius = np.hypot(target[:, 0], target[:, 1])
    with np.errstate(all="ignore"):
        theta = np.interp(radius, distorted, np.arctan(ideal))
        for _ in range(_NEWTON_STEPS):
            value, slope = kannala_brandt(theta, d)
            if _largest(value - radius) < _TOLERANCE:
                break
            theta = theta - (value - radius) / slope
        value, slope = kannala_brandt(theta, d)
        good = (np.abs(value - radius) < _CONVERGED) & (slope > 0)
        good &= (theta >= 0) & (theta < _WIDEST)
        scale = np.where(radius > 1e-12, np.tan(theta) / radius, 1.0)
    scale[~good] = np.nan
    return target * scale[:, None]
