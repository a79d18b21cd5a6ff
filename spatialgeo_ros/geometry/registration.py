# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth of one camera moved into the image of another: what drivers call aligned depth.

Every depth pixel is projected into the colour image and covers there what it covered in its own
(a rectangle without gaps to its neighbours on the same surface); where several cover a pixel the
nearest one wins. That says which surface each colour pixel sees. How far that surface is at the
pixel is then read in the depth image at the place that the pixel sees, so that slanted surfaces
and noise are reproduced without the bias of "the nearest of all that cover it".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.errors import BadImageError
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.lens import EQUIDISTANT, kannala_brandt, widest_radius
from spatialgeo_ros.geometry.pose import Pose

Image = NDArray[np.float32]

_SURFACE = 0.06  # relative depth step between neighbours that still are one surface
_STEEPEST = 0.4  # the same for neighbours on one plane, seen edge-on
_BEND = 0.03  # relative second difference of inverse depth on a plane: nothing but noise
_EMPTY = np.float32(1e9)
_MOST_FOOTPRINT = 16  # pixels that a depth pixel may cover in each direction
_MOST_INSERTED = 15  # points between two neighbours that a slanted surface pulls apart
_KEY = 2000.0  # depth in half millimetres orders the points; beyond 32 m they count as equal
_TABLE_MARGIN = 0.1  # of the field of view, around it
_TABLE_STEP = 2.0  # pixels between the entries of a table of projections
_NOWHERE = -1e6  # the pixel of what a lens does not see


def register_depth(
    depth: NDArray[np.float32],
    depth_camera: PinholeCamera,
    colour_camera: PinholeCamera,
    colour_from_depth: Pose,
) -> NDArray[np.float32]:
    """Depth along the colour camera's optical axis at each of its pixels.

    Args:
        depth: [h, w] metres along the depth camera's axis, NaN where there is no reading.
        depth_camera: intrinsics of exactly this image.
        colour_camera: intrinsics of the colour image.
        colour_from_depth: pose of the depth camera in the colour camera's optical frame.

    Returns:
        [H, W] float32 metres at the colour image's size; NaN where no depth pixel's surface is
        seen, among them the places that the depth camera cannot see past an object.

    Raises:
        BadImageError: the depth image has another size than its camera.
    """
    if depth.shape != (depth_camera.height, depth_camera.width):
        raise BadImageError(
            f"depth is {depth.shape[1]}x{depth.shape[0]} but its calibration is for "
            f"{depth_camera.width}x{depth_camera.height}; publish the camera_info of this depth"
        )
    rig = _rig(
        depth_camera,
        colour_camera,
        tuple(map(float, colour_from_depth.rotation.ravel())),
        tuple(map(float, colour_from_depth.translation)),
    )
    z = np.asarray(depth, np.float32)
    with np.errstate(all="ignore"):
        visible = _splat(rig, z)
        return _resampled(rig, z, visible)


@dataclass(frozen=True, eq=False)
class _Rig:
    """What stays the same from frame to frame.

    Attributes:
        forward: three [h, w] images: rays of the depth camera in the colour frame.
        shift: [3] origin of the depth camera in the colour frame, metres.
        backward: three [H, W] images: rays of the colour camera in the depth frame.
        back_shift: [3] the same shift in the axes of the depth frame.
        colour, depth: the projections.
    """

    forward: tuple[Image, Image, Image]
    shift: NDArray[np.float32]
    backward: tuple[Image, Image, Image]
    back_shift: NDArray[np.float32]
    colour: _Projection
    depth: _Projection


@lru_cache(maxsize=4)
def _rig(
    depth_camera: PinholeCamera,
    colour_camera: PinholeCamera,
    rotation: tuple[float, ...],
    translation: tuple[float, ...],
) -> _Rig:
    turn = np.array(rotation, np.float32).reshape(3, 3)
    shift = np.array(translation, np.float32)
    return _Rig(
        _planes(depth_camera.rays() @ turn.T),
        shift,
        _planes(colour_camera.rays() @ turn),
        turn.T @ shift,
        _projection(colour_camera),
        _projection(depth_camera),
    )


def _planes(rays: NDArray[np.float32]) -> tuple[Image, Image, Image]:
    x, y, z = (np.ascontiguousarray(rays[..., k]) for k in range(3))
    return x, y, z


class _Projection:
    """Ideal coordinates to pixels; Brown-Conrady by a table, which costs no more than none."""

    def __init__(self, camera: PinholeCamera) -> None:
        self.size = camera.width, camera.height
        self._focal = np.float32(camera.fx), np.float32(camera.fy)
        self._centre = np.float32(camera.cx), np.float32(camera.cy)
        self._fisheye = camera.distortion if camera.distortion_model == EQUIDISTANT else ()
        if self._fisheye:
            self._widest = np.float32(widest_radius(EQUIDISTANT, self._fisheye))
        self._table: NDArray[np.float32] | None = None
        if not camera.distortion or self._fisheye:
            return
        rays = camera.rays()[..., :2]
        low = np.nanmin(rays, axis=(0, 1)).astype(np.float64)
        high = np.nanmax(rays, axis=(0, 1)).astype(np.float64)
        low, high = low - _TABLE_MARGIN * (high - low), high + _TABLE_MARGIN * (high - low)
        counts = [max(16, int(side / _TABLE_STEP)) for side in self.size]
        x, y = (np.linspace(low[k], high[k], counts[k]) for k in (0, 1))
        grid = np.stack([*np.meshgrid(x, y), np.ones((counts[1], counts[0]))], axis=-1)
        pixels = camera.project(grid.reshape(-1, 3)).reshape(counts[1], counts[0], 2)
        self._table = np.nan_to_num(pixels, nan=_NOWHERE).astype(np.float32)
        scale = (np.array(counts) - 1) / (high - low)
        self._scale = scale.astype(np.float32)
        self._offset = (-low * scale).astype(np.float32)

    def pixels(self, x: Image, y: Image) -> tuple[Image, Image]:
        """Pixels of ideal coordinates, which are overwritten.

        What the lens does not see has NaN or a place far outside the image.
        """
        if self._table is not None:
            x *= self._scale[0]
            x += self._offset[0]
            y *= self._scale[1]
            y += self._offset[1]
            uv = cv2.remap(
                self._table, x, y, cv2.INTER_LINEAR, None, cv2.BORDER_CONSTANT, (_NOWHERE, _NOWHERE)
            )
            return np.ascontiguousarray(uv[..., 0]), np.ascontiguousarray(uv[..., 1])
        if self._fisheye:
            radius = np.sqrt(x * x + y * y)
            scale = kannala_brandt(np.arctan(radius), self._fisheye)[0] / radius
            scale[radius < 1e-6] = 1
            scale[radius > self._widest] = np.nan  # beyond, the formula folds back into the image
            x *= scale
            y *= scale
        x *= self._focal[0]
        x += self._centre[0]
        y *= self._focal[1]
        y += self._centre[1]
        return x, y


@lru_cache(maxsize=8)
def _projection(camera: PinholeCamera) -> _Projection:
    return _Projection(camera)


def _splat(rig: _Rig, depth: Image) -> Image:
    """Depth of the surface that each colour pixel sees, 1e9 where none: [H, W]."""
    width, height = rig.colour.size
    z = rig.forward[2] * depth
    z += rig.shift[2]
    z[~(z > 0)] = np.nan
    inverse = np.float32(1.0) / z
    x = rig.forward[0] * depth
    x += rig.shift[0]
    x *= inverse
    y = rig.forward[1] * depth
    y += rig.shift[1]
    y *= inverse
    u, v = rig.colour.pixels(x, y)
    # What is far outside the image needs no neighbours: at the rim of a fisheye they are far apart.
    reach = np.float32(_MOST_FOOTPRINT)
    z[~((u > -reach) & (u < width + reach) & (v > -reach) & (v < height + reach))] = np.nan
    kx, ky = _footprint(u, v, z)
    u, v, z = _with_inserted(u, v, z, kx, ky)
    # The first pixel covered, in an image with a border that takes what is partly outside.
    u += np.float32(0.5 - (kx - 1) / 2 + kx)
    v += np.float32(0.5 - (ky - 1) / 2 + ky)
    inside = (u >= 1) & (u < width + kx) & (v >= 1) & (v < height + ky)
    u, v, z = u[inside], v[inside], z[inside]
    stride = width + 2 * kx
    place = v.astype(np.int32) * np.int32(stride) + u.astype(np.int32)
    # Far to near, so that the nearest is written last.
    key = np.minimum(z * np.float32(_KEY), np.float32(65535)).astype(np.uint16)
    order = np.argsort(key, kind="stable")[::-1]
    first = np.full((height + 2 * ky) * stride, _EMPTY, np.float32)
    first[place[order]] = z[order]
    # The rectangles of all points at once: the minimum over those whose first pixel is near.
    covered = cv2.erode(
        first.reshape(height + 2 * ky, stride),
        np.ones((ky, kx), np.uint8),
        anchor=(kx - 1, ky - 1),
        borderType=cv2.BORDER_CONSTANT,
        borderValue=float(_EMPTY),
    )
    return np.ascontiguousarray(covered[ky : ky + height, kx : kx + width], np.float32)


def _footprint(u: Image, v: Image, z: Image) -> tuple[int, int]:
    """Columns and rows of the colour image that a depth pixel covers, on most of its surfaces."""
    reach = np.zeros(2)
    for step in (np.s_[::4, 1::4], np.s_[1::4, ::4]):  # to the right, and down
        start = np.s_[::4, ::4]
        rows, columns = z[step].shape
        here = z[start][:rows, :columns]
        level = np.abs(z[step] - here) < np.float32(0.01) * here
        if not level.any():
            continue
        # Of a lattice that is turned, the steps along both of its axes add up.
        for k, pixels in enumerate((u, v)):
            apart = np.abs(pixels[step] - pixels[start][:rows, :columns])
            reach[k] += np.percentile(apart[level], 90)
    kx, ky = (min(_MOST_FOOTPRINT, max(1, math.ceil(side - 1e-3))) for side in reach)
    return kx, ky


def _with_inserted(u: Image, v: Image, z: Image, kx: int, ky: int) -> tuple[Image, Image, Image]:
    """All valid points, and more of them between neighbours on one surface that lie far apart."""
    parts = [[u, v, z]]
    for a, b, before, after in _NEIGHBOURS:
        apart = np.maximum(
            np.abs(u[b] - u[a]) / np.float32(kx), np.abs(v[b] - v[a]) / np.float32(ky)
        )
        row, column = np.nonzero(apart > 1.0)
        if not len(row):
            continue
        beside = [
            z[
                np.clip(row + down, 0, z.shape[0] - 1),
                np.clip(column + right, 0, z.shape[1] - 1),
            ]
            for down, right in (before, after)
        ]
        joined = _one_surface(z[a][row, column], z[b][row, column], *beside)
        wide = row[joined], column[joined]
        count = np.minimum(np.ceil(apart[wide]).astype(np.int64) - 1, _MOST_INSERTED)
        which = np.repeat(np.arange(len(count)), count)
        first = np.cumsum(count) - count
        share = ((np.arange(len(which)) - first[which] + 1) / (count[which] + 1)).astype(np.float32)
        start = [image[a][wide][which] for image in (u, v, z)]
        end = [image[b][wide][which] for image in (u, v, z)]
        parts.append([s + share * (e - s) for s, e in zip(start, end, strict=True)])
    out = [np.concatenate([part[k].ravel() for part in parts]) for k in range(3)]
    return out[0], out[1], out[2]


#: Slices of each pixel and its neighbour to the right or below, and the steps to the pixel before
#: the one and behind the other.
_NEIGHBOURS = (
    (np.s_[:, :-1], np.s_[:, 1:], (0, -1), (0, 2)),
    (np.s_[:-1, :], np.s_[1:, :], (-1, 0), (2, 0)),
)


def _one_surface(a: Image, b: Image, before: Image, after: Image) -> NDArray[np.bool_]:
    """Whether neighbours are one surface: a small step, or the slope of a plane goes on.

    Inverse depth is linear over the image of any plane.
    """
    step = np.abs(b - a)
    small = step < np.float32(_SURFACE) * a
    ia, ib = 1 / a, 1 / b
    bend = np.fmin(np.abs(2 * ia - 1 / before - ib), np.abs(2 * ib - 1 / after - ia))
    plane = (bend < np.float32(_BEND) * ia) & (step < np.float32(_STEEPEST) * np.minimum(a, b))
    return small | plane


def _resampled(rig: _Rig, depth: Image, visible: Image) -> Image:
    """Depth of the visible surface at each pixel, read in the depth image where the pixel looks."""
    inverse = np.float32(1.0) / depth
    np.nan_to_num(inverse, copy=False, nan=0.0)
    rough = np.where(_planar(inverse), np.float32(0), inverse)
    z = rig.backward[2] * visible
    z -= rig.back_shift[2]
    np.divide(np.float32(1.0), z, out=z)
    x = rig.backward[0] * visible
    x -= rig.back_shift[0]
    x *= z
    y = rig.backward[1] * visible
    y -= rig.back_shift[1]
    y *= z
    column, row = rig.depth.pixels(x, y)
    # Between smooth pixels interpolated; beside an edge the one pixel that is looked at.
    found = cv2.remap(rough, column, row, cv2.INTER_NEAREST)
    between = cv2.remap(inverse, column, row, cv2.INTER_LINEAR)
    np.copyto(found, between, where=found == 0)
    # Along the ray of the depth camera through this place, from its depth to the colour camera's.
    out = visible - rig.shift[2]
    out *= z
    out /= found
    out += rig.shift[2]
    off = np.abs(out - visible) <= np.float32(_SURFACE) * visible
    np.copyto(out, visible, where=~off)
    out[visible >= _EMPTY] = np.nan
    return out


def _planar(inverse: Image) -> NDArray[np.bool_]:
    """Pixels whose inverse depth goes on evenly to all four sides."""
    limit = np.float32(_BEND) * inverse
    out = np.zeros(inverse.shape, bool)
    middle = inverse[1:-1, 1:-1]
    out[1:-1, 1:-1] = middle > 0
    for less, more in (
        (inverse[1:-1, :-2], inverse[1:-1, 2:]),
        (inverse[:-2, 1:-1], inverse[2:, 1:-1]),
    ):
        out[1:-1, 1:-1] &= np.abs(less + more - 2 * middle) < limit[1:-1, 1:-1]
        out[1:-1, 1:-1] &= np.abs(more - less) < np.float32(_STEEPEST) * middle
    return out
