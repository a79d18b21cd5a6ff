# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Robust metric alignment of a monocular depth map to sensor depth, and their fusion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from spatialgeo_ros.errors import TooLittleSupportError
from spatialgeo_ros.geometry.depth_readings import DepthReadings
from spatialgeo_ros.geometry.pointmap import DepthSource, PointMap

_MIN_PIXELS = 50
_MOST_PIXELS = 20000
_BISQUARE = 4.685  # in standard deviations: 95 % efficient on Gaussian errors
_ITERATIONS = 20


@dataclass(frozen=True)
class ScaleAlignment:
    """``sensor = scale * monocular + shift``.

    Attributes:
        scale: factor on the monocular depth.
        shift: metres.
        inlier_ratio: share of the compared pixels within 2.5 robust standard deviations.
        rms: relative residual of the inliers, root mean square.
        count: number of compared pixels.
    """

    scale: float
    shift: float
    inlier_ratio: float
    rms: float
    count: int

    def apply(self, monocular: PointMap, sensor: PointMap | None = None) -> PointMap:
        """Return the monocular map in the sensor's metres, sensor pixels taken where valid.

        A shift moves a point along its ray, so the points stay on their pixels.

        Args:
            monocular: map to correct.
            sensor: map of the same camera and resolution to fuse in.

        Raises:
            ValueError: the maps differ in resolution.
        """
        z = self.scale * monocular.depth + np.float32(self.shift)
        valid = monocular.valid & (np.nan_to_num(z) > 0)
        # What the fit leaves unexplained is the least the aligned depth can be wrong by.
        sigma = np.hypot(self.scale * monocular.sigma * 0.5, self.rms * z)
        if sensor is not None:
            if sensor.shape != valid.shape:
                raise ValueError(f"sensor map {sensor.shape} is not {valid.shape}")
            z = np.where(sensor.valid, sensor.depth, z)
            sigma = np.where(sensor.valid, sensor.sigma, sigma)
            valid = valid | sensor.valid
        z = np.where(valid, z, np.float32(np.nan)).astype(np.float32)
        sigma = np.where(valid, sigma, np.nan).astype(np.float32)
        return PointMap(DepthReadings(z), monocular.camera, DepthSource.MONOCULAR_ALIGNED, sigma)


def align_depth(
    mono_depth: ArrayLike, sensor_depth: ArrayLike, sensor_sigma: ArrayLike
) -> ScaleAlignment:
    """Fit scale and shift by iteratively reweighted least squares with Tukey's bisquare weights.

    The residual is taken relative to depth, because a network errs in proportion to it. The start
    is the median ratio, which up to half of the pixels (mirrors, edges, moving things) cannot pull;
    from there, weights that fall to zero keep outliers in the *network's* depth, which have
    leverage on the line, out of the fit (Huber's weights would not).

    Args:
        mono_depth: [H, W] metres, NaN invalid.
        sensor_depth: [H, W] metres, NaN invalid.
        sensor_sigma: [H, W] standard deviation of ``sensor_depth``, metres.

    Raises:
        TooLittleSupportError: fewer than 50 pixels are valid in both.
    """
    x = np.asarray(mono_depth, np.float64).ravel()
    y = np.asarray(sensor_depth, np.float64).ravel()
    s = np.asarray(sensor_sigma, np.float64).ravel()
    use = np.flatnonzero(np.isfinite(x) & np.isfinite(y) & np.isfinite(s) & (x > 0) & (y > 0))
    if len(use) < _MIN_PIXELS:
        raise TooLittleSupportError(
            f"only {len(use)} pixels have both sensor and monocular depth ({_MIN_PIXELS} needed) "
            "to align them"
        )
    use = use[:: max(1, len(use) // _MOST_PIXELS)]
    x, y, s = x[use], y[use], s[use]
    scale, shift = float(np.median(y / x)), 0.0
    noise = np.hypot(s / y, 0.005)  # relative, with a floor for the network's fine texture
    spread = 1.0
    # A shift can only be told from a scale when the depths vary.
    with_shift = np.percentile(x, 95) > 1.3 * np.percentile(x, 5)
    for _ in range(_ITERATIONS):
        residual = (scale * x + shift - y) / (y * noise)
        spread = max(1.0, 1.4826 * float(np.median(np.abs(residual))))
        size = np.abs(residual) / spread
        weight = np.maximum(1 - (size / _BISQUARE) ** 2, 0.0) ** 2 / (y * noise) ** 2
        before = scale, shift
        if with_shift:
            sw, swx, swy = weight.sum(), weight @ x, weight @ y
            determinant = sw * (weight @ (x * x)) - swx**2
            scale = float((sw * (weight @ (x * y)) - swx * swy) / determinant)
            shift = float((swy - scale * swx) / sw)
        else:
            scale = float((weight @ (x * y)) / (weight @ (x * x)))
        if abs(scale - before[0]) < 1e-6 * abs(scale) and abs(shift - before[1]) < 1e-6:
            break
    if scale <= 0:  # nonsense fit (no common structure): fall back on the robust ratio alone
        scale, shift = float(np.median(y / x)), 0.0
    residual = (scale * x + shift - y) / (y * noise)
    spread = max(1.0, 1.4826 * float(np.median(np.abs(residual))))
    inlier = np.abs(residual) <= 2.5 * spread
    rms = float(np.sqrt(np.mean(((scale * x + shift - y)[inlier] / y[inlier]) ** 2)))
    return ScaleAlignment(scale, shift, float(inlier.mean()), rms, len(x))
