# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Metric point maps: one 3-D point, validity and standard deviation per pixel.

A map comes from a depth image (with the sensor's noise model) or from a monocular network (with
the network's own relative uncertainty) and always has the resolution of its camera, so regions in
image pixels index it directly.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialgeo_ros.errors import BadImageError
from spatialgeo_ros.geometry.camera import PinholeCamera, same_aspect
from spatialgeo_ros.geometry.depth_sensor import DepthNoise


class DepthSource(Enum):
    """Where the metres of a point map come from."""

    SENSOR = "sensor"
    MONOCULAR = "monocular"
    MONOCULAR_ALIGNED = "monocular_aligned"


#: Share of the standard deviation of a depth that its neighbours have in common, so that averaging
#: cannot remove it, where the sensor does not say. A sensor's calibration and disparity steps bend
#: whole surfaces; a network's error is one per object.
_CORRELATED = {
    DepthSource.SENSOR: DepthNoise().correlated,
    DepthSource.MONOCULAR: 1.0,
    DepthSource.MONOCULAR_ALIGNED: 0.7,
}


@dataclass(frozen=True, eq=False)
class PointMap:
    """Per-pixel geometry of one image, in the camera optical frame.

    Attributes:
        points: [H, W, 3] float32 metres, NaN where invalid.
        valid: [H, W] bool.
        sigma: [H, W] float32, one standard deviation of z in metres, NaN where invalid.
        camera: intrinsics of exactly this resolution.
        source: where the metres come from.
        shared: share of ``sigma`` that neighbouring pixels have in common, where the sensor says.
    """

    points: NDArray[np.float32]
    valid: NDArray[np.bool_]
    sigma: NDArray[np.float32]
    camera: PinholeCamera
    source: DepthSource
    shared: float | None = None

    def __post_init__(self) -> None:
        shape = (self.camera.height, self.camera.width)
        if self.points.shape != (*shape, 3) or self.valid.shape != shape:
            raise ValueError(f"points {self.points.shape} do not fit the camera's {shape}")
        if self.sigma.shape != shape:
            raise ValueError(f"sigma {self.sigma.shape} does not fit the camera's {shape}")

    @property
    def correlated(self) -> float:
        """Share of ``sigma`` that does not average away over the pixels of a surface."""
        return _CORRELATED[self.source] if self.shared is None else self.shared

    @property
    def depth(self) -> NDArray[np.float32]:
        """Depth along the optical axis [H, W] in metres, NaN where invalid."""
        return self.points[..., 2]


def depth_to_metres(depth: ArrayLike, scale: float | None = None) -> NDArray[np.float32]:
    """Depth image to float32 metres with NaN for "no reading".

    Without a scale the units are those of REP 118: millimetres in uint16 (16UC1), metres in
    floating point (32FC1). 0 and below are impossible depths and REP 117's NaN and +-inf are "no
    reading", "too near" and "too far"; so is the largest number of an integer type, which sensors
    send for a reading beyond it.

    Args:
        depth: [H, W].
        scale: metres per unit, for sensors with another unit (0.00025 for a RealSense L515, 0.0001
            for a D405, 0.0002 for the TUM data sets, 0.001 for floating-point millimetres); then
            any integer type of two bytes or more is taken.

    Raises:
        BadImageError: another dtype, or not two-dimensional.
    """
    array = np.asarray(depth)
    if array.ndim != 2:
        raise BadImageError(f"a depth image has 2 dimensions, got shape {array.shape}")
    kind, size = array.dtype.kind, array.dtype.itemsize
    if (kind, size) == ("u", 2) or (scale is not None and kind in "ui" and size >= 2):
        metres = array.astype(np.float32)
        metres /= np.float32(1000 if scale is None else 1 / scale)  # exact for whole millimetres
        metres[(array <= 0) | (array == np.iinfo(array.dtype).max)] = np.nan
        return metres
    if kind == "f":
        metres = array.astype(np.float32)  # a copy: the message's buffer stays as it was
        if scale is not None:
            metres *= np.float32(scale)
        with np.errstate(invalid="ignore"):
            metres[~((metres > 0) & (metres < np.inf))] = np.nan
        return metres
    raise BadImageError(
        f"depth must be uint16 millimetres (16UC1) or float metres (32FC1), got {array.dtype}; "
        "other integers need a depth_scale"
    )


def pointmap_from_depth(
    depth: ArrayLike,
    camera: PinholeCamera,
    noise: DepthNoise | None = None,
    min_depth: float = 0.1,
    max_depth: float = 20.0,
    scale: float | None = None,
) -> PointMap:
    """Lift a depth image that is registered to the camera's image.

    Args:
        depth: [H, W], uint16 millimetres or float metres (see :func:`depth_to_metres`).
        camera: intrinsics; rescaled when the depth image has another resolution of the same view.
        noise: the sensor's noise model, default :class:`DepthNoise`.
        min_depth: nearer readings are invalid, metres.
        max_depth: farther readings are invalid, metres.
        scale: metres per unit, as in :func:`depth_to_metres`.

    Raises:
        BadImageError: the depth image has another shape (aspect ratio) than the camera's image.
    """
    metres = depth_to_metres(depth, scale)
    height, width = metres.shape
    if (height, width) != (camera.height, camera.width):
        if not same_aspect(width, height, camera.width, camera.height):
            raise BadImageError(
                f"depth is {width}x{height} but the camera's image is "
                f"{camera.width}x{camera.height}; register the depth to the colour camera"
            )
        camera = camera.resized(width, height)
    return _lift(metres, camera, noise or DepthNoise(), min_depth, max_depth)


def _lift(
    metres: NDArray[np.float32],
    camera: PinholeCamera,
    noise: DepthNoise,
    min_depth: float,
    max_depth: float,
) -> PointMap:
    rays = camera.rays()
    with np.errstate(invalid="ignore"):
        valid = (metres >= min_depth) & (metres <= max_depth)
    if camera.distortion:
        valid &= np.isfinite(rays[..., 0])
    metres[~valid] = np.nan
    return PointMap(
        rays * metres[..., None],
        valid,
        noise.sigma(metres),
        camera,
        DepthSource.SENSOR,
        noise.correlated,
    )


def pointmap_from_monocular(
    depth: ArrayLike,
    valid: ArrayLike,
    camera: PinholeCamera,
    relative_sigma: float | ArrayLike,
) -> PointMap:
    """Lift a network's metric depth to a point map at the camera's resolution.

    Networks predict smaller maps than the image. Their depth is interpolated bilinearly in log
    depth, except where the four neighbours differ by more than 10 % (an edge of an object) or one
    is invalid: there the nearest prediction is taken, so that no points float between surfaces.

    Args:
        depth: [h, w] metres along the optical axis.
        valid: [h, w] bool.
        camera: intrinsics of the image; its resolution is the map's.
        relative_sigma: one standard deviation divided by depth, scalar or [h, w].

    Raises:
        BadImageError: shapes disagree.
    """
    z = np.asarray(depth, np.float32)
    ok = np.asarray(valid, bool)
    relative = np.broadcast_to(np.asarray(relative_sigma, np.float32), z.shape)
    if z.ndim != 2 or ok.shape != z.shape:
        raise BadImageError(f"depth {z.shape} and validity {ok.shape} must be the same [h, w]")
    with np.errstate(invalid="ignore"):
        ok = ok & np.isfinite(z) & (z > 0)
    if z.shape != (camera.height, camera.width):
        z, ok, relative = _resample(z, ok, relative, camera.height, camera.width)
    rays = camera.rays()
    if camera.distortion:
        ok = ok & np.isfinite(rays[..., 0])
    z = np.where(ok, z, np.float32(np.nan))
    return PointMap(rays * z[..., None], ok, z * relative, camera, DepthSource.MONOCULAR)


def _resample(
    z: NDArray[np.float32],
    ok: NDArray[np.bool_],
    relative: NDArray[np.float32],
    height: int,
    width: int,
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float32]]:
    h, w = z.shape
    log_z = np.log(np.where(ok, z, np.float32(1.0)))
    v = np.clip((np.arange(height) + 0.5) * h / height - 0.5, 0, h - 1)
    u = np.clip((np.arange(width) + 0.5) * w / width - 0.5, 0, w - 1)
    v0, u0 = v.astype(np.int64), u.astype(np.int64)
    v1, u1 = np.minimum(v0 + 1, h - 1), np.minimum(u0 + 1, w - 1)
    fv, fu = (v - v0).astype(np.float32)[:, None], (u - u0).astype(np.float32)
    rows, columns = np.rint(v).astype(np.int64), np.rint(u).astype(np.int64)
    # Whether the cell of four predictions below and right of each one is one smooth surface.
    below, right = np.minimum(np.arange(h) + 1, h - 1), np.minimum(np.arange(w) + 1, w - 1)
    corners = np.stack([log_z, log_z[below], log_z[:, right], log_z[below][:, right]])
    smooth = ok & ok[below] & ok[:, right] & ok[below][:, right]
    smooth &= np.ptp(corners, axis=0) < np.log(1.1)
    tall = log_z[v0] + fv * (log_z[v1] - log_z[v0])  # rows first: [height, w]
    blended = tall[:, u0] + fu * (tall[:, u1] - tall[:, u0])
    nearest = log_z[rows][:, columns]
    out = np.where(smooth[v0][:, u0], blended, nearest)
    return np.exp(out), ok[rows][:, columns], relative[rows][:, columns]
