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
from spatialgeo_ros.geometry.lens import EQUIDISTANT, distort, undistort, undistort_grid

#: Two images show the same view when their aspect ratios differ by less than this share.
_ASPECT_TOLERANCE = 0.01
#: Longest side of an image in pixels: what is larger is no size but an error of a driver.
MOST_PIXELS = 32768
_COUNTS = {"plumb_bob": (4, 5), "rational_polynomial": (8, 12), EQUIDISTANT: (4,)}
_PINHOLE = frozenset(("", "none", "pinhole", "perspective", "rectified", "undistorted"))
#: What drivers and calibration tools call the three models.
_NAMES = {
    "plumb_bob": "plumb_bob",
    "brown_conrady": "plumb_bob",
    "radtan": "plumb_bob",
    "radial_tangential": "plumb_bob",
    "rational_polynomial": "rational_polynomial",
    "rational": "rational_polynomial",
    "equidistant": EQUIDISTANT,
    "equidistant4": EQUIDISTANT,
    "equi": EQUIDISTANT,
    "fisheye": EQUIDISTANT,
    "fisheye4": EQUIDISTANT,
    "opencv_fisheye": EQUIDISTANT,
    "kannala_brandt": EQUIDISTANT,
    "kannala_brandt4": EQUIDISTANT,
    "kb4": EQUIDISTANT,
}
_SUPPORTED = (
    "plumb_bob (4 or 5 coefficients), rational_polynomial (8 or 12) and equidistant (4; also named "
    "fisheye or kannala_brandt)"
)
_CURE = (
    "calibrate with one of them, or publish the rectified image and set the camera's parameter "
    "'rectified'"
)
_MOST_ECHOED = 40  # characters of a name from outside that a message repeats


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
        if not (1 <= self.width <= MOST_PIXELS and 1 <= self.height <= MOST_PIXELS):
            raise NoCameraInfoError(
                f"camera model has image size {self.width}x{self.height}; "
                "check that the driver fills CameraInfo.width, height and roi"
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
                f"distortion model {_echo(self.distortion_model)} is not supported; supported are "
                f"{_SUPPORTED}: {_CURE}"
            )
        _require_count(self.distortion_model, self.distortion_model, len(self.distortion))

    @classmethod
    def from_camera_info(cls, info: CameraInfoLike, rectified: bool = False) -> PinholeCamera:
        """Build from a CameraInfo message: :func:`read_camera_info` without its remarks."""
        return read_camera_info(info, rectified)[0]

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

    def lift(self, depth: NDArray[np.float32], rows: slice, columns: slice) -> NDArray[np.float32]:
        """Points [h, w, 3] in metres at depth z [h, w] along the rays of a part of the pixels.

        The same numbers as those rays times z. A camera without distortion needs no rays of the
        whole image for it: its x are the same in all rows and its y in all columns.
        """
        x: NDArray[np.float32]
        y: NDArray[np.float32]
        if self.distortion:
            x, y = np.moveaxis(self.rays()[rows, columns, :2], -1, 0)
        else:
            u, v = _directions(self)
            x, y = u[columns], v[rows, None]
        points = np.empty((*depth.shape, 3), np.float32)
        np.multiply(x, depth, out=points[..., 0])
        np.multiply(y, depth, out=points[..., 1])
        points[..., 2] = depth
        return points

    def lift_pixels(
        self,
        depth: NDArray[np.float32],
        rows: NDArray[np.int64],
        columns: NDArray[np.int64],
    ) -> NDArray[np.float32]:
        """Points [N, 3] in metres at depth z [N] of single pixels; the numbers of :meth:`lift`."""
        points = np.empty((len(depth), 3), np.float32)
        if self.distortion:
            x, y = self.rays()[rows, columns, :2].T
        else:
            u, v = _directions(self)
            x, y = u[columns], v[rows]
        np.multiply(x, depth, out=points[:, 0])
        np.multiply(y, depth, out=points[:, 1])
        points[:, 2] = depth
        return points

    def project(self, points: ArrayLike) -> NDArray[np.float64]:
        """Points [N, 3] in metres to pixels [N, 2], with distortion.

        NaN at or behind z = 0, and outside the field in which the distortion model is valid: there
        the formulas would fold the point back into the image.
        """
        xyz = np.asarray(points, np.float64).reshape(-1, 3)
        with np.errstate(divide="ignore", invalid="ignore"):
            xy = self._distort(np.where(xyz[:, 2:] > 0, xyz[:, :2] / xyz[:, 2:], np.nan))
        return np.asarray(xy * (self.fx, self.fy) + (self.cx, self.cy), np.float64)

    def unproject(self, pixels: ArrayLike, depth: ArrayLike) -> NDArray[np.float64]:
        """Pixels [N, 2] at depth z [N] in metres to points [N, 3]."""
        uv = np.asarray(pixels, np.float64).reshape(-1, 2)
        z = np.asarray(depth, np.float64).reshape(-1, 1)
        xy = self._undistort((uv - (self.cx, self.cy)) / (self.fx, self.fy))
        return np.concatenate([xy, np.ones_like(z)], axis=1) * z

    def rays_of_grid(
        self, rows: NDArray[np.float64], columns: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """x/z and y/z [h, w, 2] of the rays through rows [h] and columns [w], any real numbers."""
        if self.distortion:
            pixels = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
            rays = self.unproject(pixels, np.ones(len(pixels)))[:, :2]
            return rays.reshape(len(rows), len(columns), 2).astype(np.float32)
        out = np.empty((len(rows), len(columns), 2), np.float32)
        out[..., 0] = (columns - self.cx) / self.fx
        out[..., 1] = ((rows - self.cy) / self.fy)[:, None]
        return out

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

    def _distort(self, xy: NDArray[np.floating]) -> NDArray[np.floating]:
        return distort(xy, self.distortion_model, self.distortion) if self.distortion else xy

    def _undistort(self, xy: NDArray[np.floating]) -> NDArray[np.floating]:
        return undistort(xy, self.distortion_model, self.distortion) if self.distortion else xy


def read_camera_info(
    info: CameraInfoLike, rectified: bool = False
) -> tuple[PinholeCamera, tuple[str, ...]]:
    """Camera of the image that a CameraInfo's ROI and binning describe, and what was assumed.

    K refers to the full sensor; the published image starts at the ROI's corner and is divided by
    the binning, exactly as ``image_geometry`` does it: ``c' = (c - offset) / binning``.

    K and D describe the raw image, P the rectified one. Drivers that fill only one of them are
    read as long as raw and rectified image are the same, which is when there is no distortion.

    Args:
        info: the message (``sensor_msgs/CameraInfo`` or the same fields).
        rectified: the image is ``image_rect``: use P, without distortion.

    Returns:
        The camera, and in words what of the message was not used as it stands.

    Raises:
        NoCameraInfoError: uncalibrated, of an unknown model, or with numbers that cannot be.
    """
    model, coefficients, remarks = lens_of(str(info.distortion_model), info.d, rectified)
    k = tuple(float(info.k[i]) for i in (0, 2, 4, 5))
    p = tuple(float(info.p[i]) for i in (0, 2, 5, 6))
    own, other = (p, k) if rectified else (k, p)
    own_name, other_name = ("p", "k") if rectified else ("k", "p")
    if own[0] == 0.0 and other[0] == 0.0:
        raise NoCameraInfoError(
            "the camera_info that arrives has k[0] = p[0] = 0: the camera is uncalibrated; "
            "calibrate it or give the driver a camera_info_url"
        )
    if own[0] == 0.0:
        if any(info.d) or model:
            image = "rectified" if rectified else "raw"
            raise NoCameraInfoError(
                f"the camera_info that arrives has {own_name}[0] = 0 and a distortion, so nothing "
                f"describes the {image} image: fill {own_name}, or use the "
                f"{'raw' if rectified else 'rectified'} image and set the camera's parameter "
                f"'rectified' to {'false' if rectified else 'true'}"
            )
        own = other
        remarks += (f"camera_info has {own_name}[0] = 0: {other_name} is used in its place",)
    fx, cx, fy, cy = own
    x0, y0 = int(info.roi.x_offset), int(info.roi.y_offset)
    width, height = int(info.width), int(info.height)
    if int(info.roi.width) and int(info.roi.height):  # all zero means the full image
        width, height = int(info.roi.width), int(info.roi.height)
    bin_x, bin_y = max(1, int(info.binning_x)), max(1, int(info.binning_y))
    camera = PinholeCamera(
        width // bin_x,
        height // bin_y,
        fx / bin_x,
        fy / bin_y,
        (cx - x0) / bin_x,
        (cy - y0) / bin_y,
        model,
        coefficients,
    )
    return camera, remarks


def lens_of(
    name: str, coefficients: ArrayLike, rectified: bool = False
) -> tuple[str, tuple[float, ...], tuple[str, ...]]:
    """Distortion model and coefficients as :class:`PinholeCamera` takes them, and remarks.

    Names are read without regard to case and separators, with those that drivers and calibration
    tools use for the same formulas. ``plumb_bob`` with 8 or 12 coefficients is OpenCV's rational
    model. Zeros beyond the coefficients of a model are dropped. Brown-Conrady with nothing but
    zeros is no distortion; equidistant with nothing but zeros is a fisheye lens still.

    Args:
        name: ``CameraInfo.distortion_model``.
        coefficients: ``CameraInfo.d``.
        rectified: the image has no distortion whatever the camera's lens is.

    Raises:
        NoCameraInfoError: the model is not known, or takes another number of coefficients.
    """
    values = tuple(float(v) for v in np.asarray(coefficients, np.float64).reshape(-1))
    if rectified:
        return "", (), ()
    word = "_".join(name.lower().replace("-", " ").replace("_", " ").split())
    if word in _PINHOLE:
        if any(values):
            raise NoCameraInfoError(
                f"the camera_info that arrives has {len(values)} distortion coefficients but the "
                f"distortion_model {_echo(name)}; set it to one of {_SUPPORTED}"
            )
        return "", (), ()
    model = _NAMES.get(word)
    if model is None:
        raise NoCameraInfoError(
            f"the camera_info that arrives has the distortion_model {_echo(name)}, which is not "
            f"supported; supported are {_SUPPORTED}: {_CURE}"
        )
    if model != EQUIDISTANT and not any(values):
        return "", (), ()
    remarks: tuple[str, ...] = ()
    if model == EQUIDISTANT:
        values = _without_zeros(values, 4)
    elif len(_without_zeros(values, 12)) > 12:
        raise NoCameraInfoError(
            f"the camera_info that arrives has {len(values)} distortion coefficients: a tilted "
            f"sensor (those beyond 12) is not supported; {_CURE}"
        )
    elif model == "plumb_bob":
        for most in (12, 8, 5):
            values = _without_zeros(values, most)
        if len(values) in _COUNTS["rational_polynomial"]:
            model = "rational_polynomial"
            remarks += (f"plumb_bob with {len(values)} coefficients is read as {model}",)
    else:
        values = _without_zeros(values, 12)
    _require_count(model, name, len(values))
    if model != word and not remarks:
        remarks += (f"the distortion_model {_echo(name)} is read as {model}",)
    return model, values, remarks


def _without_zeros(values: tuple[float, ...], most: int) -> tuple[float, ...]:
    """Cut coefficients to ``most`` when those beyond are all zero."""
    return values if any(values[most:]) else values[:most]


def _require_count(model: str, name: str, count: int) -> None:
    if count not in _COUNTS[model]:
        raise NoCameraInfoError(
            f"the distortion_model {_echo(name)} takes "
            f"{' or '.join(map(str, _COUNTS[model]))} coefficients, {count} arrived; correct "
            "CameraInfo.d or the name of the model"
        )


def _echo(name: str) -> str:
    """Repeat a name from outside in a message: quoted, escaped and cut."""
    return repr(name if len(name) <= _MOST_ECHOED else name[:_MOST_ECHOED] + "...")


def _normalised(camera: PinholeCamera) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Normalised coordinates of the columns [W] and rows [H] in the image, distortion included."""
    u = (np.arange(camera.width) - camera.cx) / camera.fx
    v = (np.arange(camera.height) - camera.cy) / camera.fy
    return u, v


@lru_cache(maxsize=64)
def _directions(camera: PinholeCamera) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return x [W] and y [H] of the rays of a camera without distortion."""
    u, v = _normalised(camera)
    return u.astype(np.float32), v.astype(np.float32)


@lru_cache(maxsize=8)
def _rays(camera: PinholeCamera) -> NDArray[np.float32]:
    u, v = _normalised(camera)
    rays = np.ones((camera.height, camera.width, 3), np.float32)
    if camera.distortion:
        focal = (camera.fx, camera.fy)
        rays[..., :2] = undistort_grid(u, v, focal, camera.distortion_model, camera.distortion)
        rays[np.isnan(rays[..., 0])] = np.nan
    else:
        rays[..., 0] = u
        rays[..., 1] = v[:, None]
    rays.flags.writeable = False
    return rays
