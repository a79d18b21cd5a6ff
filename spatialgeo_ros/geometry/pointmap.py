# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Metric point maps: one 3-D point, validity and standard deviation per pixel, where it is read.

A map comes from a depth image (with the sensor's noise model) or from a monocular network (with
the network's own relative uncertainty) and always has the resolution of its camera, so regions in
image pixels index it directly.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialgeo_ros.errors import BadImageError
from spatialgeo_ros.geometry.camera import PinholeCamera, same_aspect
from spatialgeo_ros.geometry.depth_readings import DepthReadings, Part
from spatialgeo_ros.geometry.depth_sensor import DepthNoise

#: Pixels (x0, y0, x1, y1) within the image, half open.
Window = tuple[int, int, int, int]

_ALL = slice(None)


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

    Points, depth and standard deviation are worked out where they are read: a window, every n-th
    pixel, or the whole image, which is kept once it was asked for. Each pixel has the same numbers
    whichever way it is read. One thread owns a map, as it owns the scene.

    Attributes:
        readings: depth along the optical axis, [H, W].
        camera: intrinsics of exactly this resolution; a pixel without a ray has no point.
        source: where the metres come from.
        noise: standard deviation of z: the sensor's model, or [H, W] float32 metres.
        shared: share of ``sigma`` that neighbouring pixels have in common, where the sensor says.

    Raises:
        ValueError: readings or noise have another shape than the camera's image.
    """

    readings: DepthReadings
    camera: PinholeCamera
    source: DepthSource
    noise: DepthNoise | NDArray[np.float32]
    shared: float | None = None

    def __post_init__(self) -> None:
        shape = (self.camera.height, self.camera.width)
        if self.readings.shape != shape:
            raise ValueError(f"depth {self.readings.shape} does not fit the camera's {shape}")
        if not isinstance(self.noise, DepthNoise) and self.noise.shape != shape:
            raise ValueError(f"sigma {self.noise.shape} does not fit the camera's {shape}")

    @classmethod
    def of_points(
        cls,
        points: NDArray[np.float32],
        valid: NDArray[np.bool_],
        sigma: NDArray[np.float32],
        camera: PinholeCamera,
        source: DepthSource,
        shared: float | None = None,
    ) -> PointMap:
        """Make a map of points [H, W, 3] on the camera's rays, metres, of which some are valid.

        Raises:
            ValueError: a shape is not the camera's.
        """
        depth = np.where(valid, points[..., 2], np.float32(np.nan))
        return cls(DepthReadings(depth), camera, source, sigma, shared)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the image."""
        return self.readings.shape

    @property
    def correlated(self) -> float:
        """Share of ``sigma`` that does not average away over the pixels of a surface."""
        return _CORRELATED[self.source] if self.shared is None else self.shared

    @property
    def blind(self) -> bool:
        """Whether not a single pixel has a point."""
        # A few pixels show that there are points; only an image without has to be read to the end.
        grids = slice(None, None, 16), _ALL
        return not any(np.isfinite(self.depth_at(grid, grid)).any() for grid in grids)

    @cached_property
    def depth(self) -> NDArray[np.float32]:
        """Depth along the optical axis [H, W] in metres, NaN where invalid."""
        return self.depth_at(_ALL, _ALL)

    @cached_property
    def valid(self) -> NDArray[np.bool_]:
        """[H, W], whether a pixel has a point."""
        return np.isfinite(self.depth)

    @cached_property
    def sigma(self) -> NDArray[np.float32]:
        """One standard deviation of z [H, W] in metres, NaN where invalid."""
        return self._sigma(self.depth, _ALL, _ALL)

    @cached_property
    def points(self) -> NDArray[np.float32]:
        """Points [H, W, 3] in metres, NaN where invalid."""
        return self.camera.lift(self.depth, _ALL, _ALL)

    def points_in(self, window: Window) -> NDArray[np.float32]:
        """Points [h, w, 3] in metres of the pixels of a window, NaN where invalid."""
        return self._points(*_window(window))

    def sigma_in(self, window: Window) -> NDArray[np.float32]:
        """One standard deviation of z [h, w] in metres in a window, NaN where invalid."""
        return self.sigma_at(*_window(window))

    def depth_in(self, window: Window) -> NDArray[np.float32]:
        """Depth [h, w] in metres in a window, NaN where invalid."""
        return self.depth_at(*_window(window))

    def pixels_in(
        self, window: Window, mask: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Points [N, 3] and standard deviation of z [N] of some pixels of a window, metres.

        Args:
            window: within the image.
            mask: [h, w] of the window, row by row the pixels that are asked for.
        """
        at = np.flatnonzero(mask)
        depth, sigma = (part.ravel()[at] for part in (self.depth_in(window), self.sigma_in(window)))
        rows, columns = np.divmod(at, mask.shape[1])
        rows += window[1]
        columns += window[0]
        return self.camera.lift_pixels(depth, rows, columns), sigma

    def keeping(self, window: Window) -> PointMap:
        """Return the same map for one object: it reads the window once, and keeps what it read.

        What it returns of the window, or of a part of it, must not be changed.
        """
        return _WindowMap(
            self.readings, self.camera, self.source, self.noise, self.shared, window=window
        )

    def points_every(self, step: int, offset: int = 0) -> NDArray[np.float32]:
        """Points [h, w, 3] of every ``step``-th row and column from ``offset`` on, metres."""
        grid = slice(offset, None, step)
        return self._points(grid, grid)

    def sigma_every(self, step: int, offset: int = 0) -> NDArray[np.float32]:
        """One standard deviation of z of the pixels of :meth:`points_every`, [h, w] metres."""
        grid = slice(offset, None, step)
        return self.sigma_at(grid, grid)

    def depth_at(self, rows: Part, columns: Part) -> NDArray[np.float32]:
        """Depth in metres of ranges of rows and columns, or of single pixels, NaN where invalid.

        Args:
            rows: a slice; or the rows of single pixels [N].
            columns: a slice; or the columns of single pixels [N].
        """
        z = self.readings.metres(rows, columns)
        if self.camera.distortion:  # only then can pixels lack a ray
            z *= self.camera.rays()[..., 2][rows, columns]
        return z

    def sigma_at(self, rows: Part, columns: Part) -> NDArray[np.float32]:
        """One standard deviation of :meth:`depth_at`, metres."""
        return self._sigma(self.depth_at(rows, columns), rows, columns)

    def _sigma(self, depth: NDArray[np.float32], rows: Part, columns: Part) -> NDArray[np.float32]:
        if isinstance(self.noise, DepthNoise):
            return self.noise.sigma(depth)
        return self.noise[rows, columns]

    def _points(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        return self.camera.lift(self.depth_at(rows, columns), rows, columns)


@dataclass(frozen=True, eq=False)
class _WindowMap(PointMap):
    """A map that keeps depth and standard deviation of one window.

    Attributes:
        window: what is kept.
    """

    window: Window = (0, 0, 0, 0)

    @cached_property
    def _depth_kept(self) -> NDArray[np.float32]:
        return super().depth_in(self.window)

    @cached_property
    def _sigma_kept(self) -> NDArray[np.float32]:
        return self._sigma(self._depth_kept, *_window(self.window))

    def depth_in(self, window: Window) -> NDArray[np.float32]:
        """As of any map, without reading what is kept again."""
        part = self._part(window)
        return super().depth_in(window) if part is None else self._depth_kept[part]

    def sigma_in(self, window: Window) -> NDArray[np.float32]:
        """As of any map, without reading what is kept again."""
        part = self._part(window)
        return super().sigma_in(window) if part is None else self._sigma_kept[part]

    def points_in(self, window: Window) -> NDArray[np.float32]:
        """As of any map, without reading what is kept again."""
        return self.camera.lift(self.depth_in(window), *_window(window))

    def _part(self, window: Window) -> tuple[slice, slice] | None:
        """Rows and columns of a window within what is kept, None when it is not within."""
        x0, y0, x1, y1 = self.window
        if window[0] < x0 or window[1] < y0 or window[2] > x1 or window[3] > y1:
            return None
        return slice(window[1] - y0, window[3] - y0), slice(window[0] - x0, window[2] - x0)


def _window(window: Window) -> tuple[slice, slice]:
    """Rows and columns of a window."""
    x0, y0, x1, y1 = window
    return slice(y0, y1), slice(x0, x1)


def pointmap_from_depth(
    depth: ArrayLike | DepthReadings,
    camera: PinholeCamera,
    noise: DepthNoise | None = None,
    min_depth: float = 0.1,
    max_depth: float = 20.0,
    scale: float | None = None,
) -> PointMap:
    """Lift a depth image that is registered to the camera's image.

    Args:
        depth: [H, W], uint16 millimetres or float metres (see :class:`DepthReadings`); it is read
            when the map is.
        camera: intrinsics; rescaled when the depth image has another resolution of the same view.
        noise: the sensor's noise model, default :class:`DepthNoise`.
        min_depth: nearer readings are invalid, metres.
        max_depth: farther readings are invalid, metres.
        scale: of an array, metres per unit as in :class:`DepthReadings`.

    Raises:
        BadImageError: the depth image has another shape (aspect ratio) than the camera's image.
    """
    if not isinstance(depth, DepthReadings):
        depth = DepthReadings(np.asarray(depth), scale)
    height, width = depth.shape
    if (height, width) != (camera.height, camera.width):
        if not same_aspect(width, height, camera.width, camera.height):
            raise BadImageError(
                f"depth is {width}x{height} but the camera's image is "
                f"{camera.width}x{camera.height}; register the depth to the colour camera"
            )
        camera = camera.resized(width, height)
    noise = noise or DepthNoise()
    readings = depth.within(min_depth, max_depth)
    return PointMap(readings, camera, DepthSource.SENSOR, noise, noise.correlated)


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
    if camera.distortion:
        ok = ok & np.isfinite(camera.rays()[..., 0])
    z = np.where(ok, z, np.float32(np.nan))
    return PointMap(DepthReadings(z), camera, DepthSource.MONOCULAR, z * relative)


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
