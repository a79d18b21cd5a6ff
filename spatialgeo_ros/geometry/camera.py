# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The pinhole camera of a ``sensor_msgs/CameraInfo``: rays, projection, lens distortion, resizing.

Everything is in the camera optical frame (x right, y down, z forward, REP-103), in metres, and in
pixels whose centres have integer coordinates (the convention of OpenCV and ``image_geometry``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialgeo_ros.errors import NoCameraInfoError

_COUNTS = {"plumb_bob": (4, 5), "rational_polynomial": (8, 12), "equidistant": (4,)}
_NO_DISTORTION = ("", "none")
_NEWTON_STEPS = 20
#: Two images show the same view when their aspect ratios differ by less than this share.
_ASPECT_TOLERANCE = 0.01
_TOLERANCE = 1e-10  # of a normalised image coordinate: about 1e-7 px


class CameraInfoLike(Protocol):
    """The fields of ``sensor_msgs/CameraInfo`` that are read (so that no ROS import is needed)."""

    width: int
    height: int
    distortion_model: str
    d: Any
    k: Any
    p: Any
    binning_x: int
    binning_y: int
    roi: Any


def same_aspect(width: int, height: int, other_width: int, other_height: int) -> bool:
    """Tell whether two image sizes have one aspect ratio, so that one is a resize of the other."""
    if min(width, height, other_width, other_height) < 1:
        return False
    return abs(width * other_height / (height * other_width) - 1.0) < _ASPECT_TOLERANCE


@dataclass(frozen=True)
class PinholeCamera:
    """Intrinsics of one image.

    Attributes:
        width, height: image size in pixels.
        fx, fy, cx, cy: focal lengths and principal point in pixels.
        distortion_model: ``""``, ``"plumb_bob"``, ``"rational_polynomial"`` or ``"equidistant"``.
        distortion: coefficients in ROS and OpenCV order: k1 k2 p1 p2 [k3 [k4 k5 k6 [s1 s2 s3 s4]]],
            or k1 k2 k3 k4 for ``equidistant``.

    Raises:
        NoCameraInfoError: on intrinsics or coefficients that cannot be used.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    distortion_model: str = ""
    distortion: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise NoCameraInfoError(
                f"camera model has image size {self.width}x{self.height}; "
                "check that the driver fills CameraInfo.width and height"
            )
        values = (self.fx, self.fy, self.cx, self.cy, *self.distortion)
        if not all(math.isfinite(v) for v in values) or self.fx <= 0 or self.fy <= 0:
            raise NoCameraInfoError(
                f"camera intrinsics fx={self.fx} fy={self.fy} cx={self.cx} cy={self.cy} "
                f"d={list(self.distortion)} are not usable; calibrate the camera"
            )
        if self.distortion_model == "" and not self.distortion:
            return
        if self.distortion_model not in _COUNTS:
            raise NoCameraInfoError(
                f"distortion model '{self.distortion_model}' is not supported; use one of "
                f"{', '.join(_COUNTS)}, or publish the rectified image"
            )
        if len(self.distortion) not in _COUNTS[self.distortion_model]:
            raise NoCameraInfoError(
                f"distortion model '{self.distortion_model}' needs "
                f"{' or '.join(map(str, _COUNTS[self.distortion_model]))} coefficients, "
                f"got {len(self.distortion)}"
            )

    @classmethod
    def from_camera_info(cls, info: CameraInfoLike, rectified: bool = False) -> PinholeCamera:
        """Build from a CameraInfo message, for the image that its ROI and binning describe.

        K refers to the full sensor; the published image starts at the ROI's corner and is divided
        by the binning, exactly as ``image_geometry`` does it: ``c' = (c - offset) / binning``.

        Args:
            info: the message (``sensor_msgs/CameraInfo`` or the same fields).
            rectified: the image is ``image_rect``: use P, without distortion.

        Raises:
            NoCameraInfoError: the camera is uncalibrated (K[0] is 0) or the model is unknown.
        """
        matrix, columns = (info.p, 4) if rectified else (info.k, 3)
        fx, cx, fy, cy = (float(matrix[i]) for i in (0, 2, columns + 1, columns + 2))
        if fx == 0.0:
            raise NoCameraInfoError(
                f"CameraInfo.{'p' if rectified else 'k'}[0] is 0: the camera is uncalibrated; "
                "calibrate it or give the driver a camera_info_url"
            )
        coefficients = tuple(float(v) for v in info.d)
        model = "" if info.distortion_model in _NO_DISTORTION else info.distortion_model
        if rectified or not any(coefficients):
            model, coefficients = "", ()
        elif model == "":
            raise NoCameraInfoError(
                "CameraInfo has distortion coefficients but an empty distortion_model; "
                "set it to plumb_bob, rational_polynomial or equidistant"
            )
        elif model == "plumb_bob" and len(coefficients) > 5 and not any(coefficients[5:]):
            coefficients = coefficients[:5]
        elif model == "rational_polynomial" and len(coefficients) == 14:
            if any(coefficients[12:]):
                raise NoCameraInfoError("a tilted sensor (14 coefficients) is not supported")
            coefficients = coefficients[:12]
        x0, y0 = int(info.roi.x_offset), int(info.roi.y_offset)
        width, height = int(info.width), int(info.height)
        if int(info.roi.width) and int(info.roi.height):  # all zero means the full image
            width, height = int(info.roi.width), int(info.roi.height)
        bin_x, bin_y = max(1, int(info.binning_x)), max(1, int(info.binning_y))
        return cls(
            width // bin_x,
            height // bin_y,
            fx / bin_x,
            fy / bin_y,
            (cx - x0) / bin_x,
            (cy - y0) / bin_y,
            model,
            coefficients,
        )

    @property
    def K(self) -> NDArray[np.float64]:
        """Camera matrix [3, 3]."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]], np.float64)

    @property
    def hfov(self) -> float:
        """Horizontal field of view in radians, distortion left out."""
        return math.atan((self.cx + 0.5) / self.fx) + math.atan(
            (self.width - 0.5 - self.cx) / self.fx
        )

    @property
    def vfov(self) -> float:
        """Vertical field of view in radians, distortion left out."""
        return math.atan((self.cy + 0.5) / self.fy) + math.atan(
            (self.height - 0.5 - self.cy) / self.fy
        )

    def rays(self) -> NDArray[np.float32]:
        """Undistorted rays [H, W, 3] with z = 1 through the pixel centres; cached, read-only.

        NaN where the distortion model cannot be inverted (outside its valid field).
        """
        return _rays(self)

    def project(self, points: ArrayLike) -> NDArray[np.float64]:
        """Points [N, 3] in metres to pixels [N, 2], with distortion; NaN at or behind z = 0."""
        xyz = np.asarray(points, np.float64).reshape(-1, 3)
        with np.errstate(divide="ignore", invalid="ignore"):
            xy = np.where(xyz[:, 2:] > 0, xyz[:, :2] / xyz[:, 2:], np.nan)
            xy = self._distort(xy)
        return xy * (self.fx, self.fy) + (self.cx, self.cy)

    def unproject(self, pixels: ArrayLike, depth: ArrayLike) -> NDArray[np.float64]:
        """Pixels [N, 2] at depth z [N] in metres to points [N, 3]."""
        uv = np.asarray(pixels, np.float64).reshape(-1, 2)
        z = np.asarray(depth, np.float64).reshape(-1, 1)
        xy = self._undistort((uv - (self.cx, self.cy)) / (self.fx, self.fy))
        return np.concatenate([xy, np.ones_like(z)], axis=1) * z

    def resized(self, width: int, height: int) -> PinholeCamera:
        """Return the camera of the image resized to ``width`` x ``height``.

        Pixel areas are mapped onto each other as ``cv2.resize`` does, so the principal point moves
        with its half-pixel offset: ``c' = (c + 0.5) * s - 0.5``.
        """
        sx, sy = width / self.width, height / self.height
        return PinholeCamera(
            width,
            height,
            self.fx * sx,
            self.fy * sy,
            (self.cx + 0.5) * sx - 0.5,
            (self.cy + 0.5) * sy - 0.5,
            self.distortion_model,
            self.distortion,
        )

    def _distort(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        if not self.distortion:
            return xy
        if self.distortion_model == "equidistant":
            r = np.hypot(xy[:, 0], xy[:, 1])
            theta = np.arctan(r)
            with np.errstate(divide="ignore", invalid="ignore"):
                scale = np.where(r > 1e-12, _fisheye(theta, self.distortion)[0] / r, 1.0)
            return xy * scale[:, None]
        return _brown(xy, self.distortion)[0]

    def _undistort(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        if not self.distortion:
            return xy
        if self.distortion_model == "equidistant":
            return _undistort_fisheye(xy, self.distortion)
        return _undistort_brown(xy, self.distortion)


@lru_cache(maxsize=8)
def _rays(camera: PinholeCamera) -> NDArray[np.float32]:
    u = (np.arange(camera.width) - camera.cx) / camera.fx
    v = (np.arange(camera.height) - camera.cy) / camera.fy
    rays = np.ones((camera.height, camera.width, 3), np.float32)
    if camera.distortion:
        grid = np.stack(np.meshgrid(u, v), axis=-1).reshape(-1, 2)
        rays[..., :2] = camera._undistort(grid).reshape(camera.height, camera.width, 2)
        rays[np.isnan(rays[..., 0])] = np.nan
    else:
        rays[..., 0] = u
        rays[..., 1] = v[:, None]
    rays.flags.writeable = False
    return rays


def _brown(
    xy: NDArray[np.float64], d: tuple[float, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Brown-Conrady distortion with OpenCV's rational and thin-prism terms.

    Formulas: OpenCV, "Camera Calibration and 3D Reconstruction", detailed description.

    Args:
        xy: ideal normalised coordinates [N, 2].
        d: k1 k2 p1 p2 [k3 [k4 k5 k6 [s1 s2 s3 s4]]].

    Returns:
        The distorted coordinates [N, 2] and their Jacobian [N, 2, 2].
    """
    k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4 = (*d, *([0.0] * (12 - len(d))))
    x, y = xy[:, 0], xy[:, 1]
    r2 = x * x + y * y
    num = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    den = 1 + r2 * (k4 + r2 * (k5 + r2 * k6))
    radial = num / den
    slope = (  # d radial / d r2
        k1 + r2 * (2 * k2 + 3 * k3 * r2) - radial * (k4 + r2 * (2 * k5 + 3 * k6 * r2))
    ) / den
    out = np.empty_like(xy)
    out[:, 0] = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x) + r2 * (s1 + s2 * r2)
    out[:, 1] = y * radial + 2 * p2 * x * y + p1 * (r2 + 2 * y * y) + r2 * (s3 + s4 * r2)
    jac = np.empty((len(xy), 2, 2))
    prism_x, prism_y = 2 * (s1 + 2 * s2 * r2), 2 * (s3 + 2 * s4 * r2)
    cross = 2 * x * y * slope + 2 * p1 * x + 2 * p2 * y
    jac[:, 0, 0] = radial + 2 * x * x * slope + 2 * p1 * y + 6 * p2 * x + prism_x * x
    jac[:, 0, 1] = cross + prism_x * y
    jac[:, 1, 0] = cross + prism_y * x
    jac[:, 1, 1] = radial + 2 * y * y * slope + 2 * p2 * x + 6 * p1 * y + prism_y * y
    return out, jac


def _undistort_brown(target: NDArray[np.float64], d: tuple[float, ...]) -> NDArray[np.float64]:
    """Invert :func:`_brown` by Newton's method; NaN where no solution lies on the valid branch."""
    xy = target.copy()
    with np.errstate(all="ignore"):
        for _ in range(_NEWTON_STEPS):
            value, jac = _brown(xy, d)
            miss = value - target
            det = jac[:, 0, 0] * jac[:, 1, 1] - jac[:, 0, 1] * jac[:, 1, 0]
            xy[:, 0] -= (jac[:, 1, 1] * miss[:, 0] - jac[:, 0, 1] * miss[:, 1]) / det
            xy[:, 1] -= (jac[:, 0, 0] * miss[:, 1] - jac[:, 1, 0] * miss[:, 0]) / det
            if np.nanmax(np.abs(miss), initial=0.0) < _TOLERANCE:
                break
        good = np.abs(_brown(xy, d)[0] - target).max(axis=1) < 1e-7
        # Beyond the fold of the polynomial the mapping turns over: not a real ray. A ray is real
        # when the mapping keeps its orientation all the way from the axis.
        for share in (0.25, 0.5, 0.75, 1.0):
            jac = _brown(share * xy, d)[1]
            good &= jac[:, 0, 0] * jac[:, 1, 1] > jac[:, 0, 1] * jac[:, 1, 0]
            good &= jac[:, 0, 0] + jac[:, 1, 1] > 0
    xy[~good] = np.nan
    return xy


def _fisheye(
    theta: NDArray[np.float64], d: tuple[float, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Kannala-Brandt: distorted angle and its derivative (OpenCV's fisheye model)."""
    k1, k2, k3, k4 = d
    t2 = theta * theta
    value = theta * (1 + t2 * (k1 + t2 * (k2 + t2 * (k3 + t2 * k4))))
    slope = 1 + t2 * (3 * k1 + t2 * (5 * k2 + t2 * (7 * k3 + t2 * 9 * k4)))
    return value, slope


def _undistort_fisheye(target: NDArray[np.float64], d: tuple[float, ...]) -> NDArray[np.float64]:
    """Invert the fisheye model; NaN at 90 degrees and beyond, where no z = 1 ray exists."""
    radius = np.hypot(target[:, 0], target[:, 1])
    theta = np.minimum(radius, math.pi / 2)
    with np.errstate(all="ignore"):
        for _ in range(_NEWTON_STEPS):
            value, slope = _fisheye(theta, d)
            theta = theta - (value - radius) / slope
        value, slope = _fisheye(theta, d)
        good = (np.abs(value - radius) < 1e-7) & (slope > 0) & (theta >= 0)
        good &= theta < math.radians(89.5)
        scale = np.where(radius > 1e-12, np.tan(theta) / radius, 1.0)
    scale[~good] = np.nan
    return target * scale[:, None]
