# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What two objects of one image were both found to hold: whose it is, and what it says of them.

Each object is separated from its own region alone. A thing before another one ends inside that
one's region, too, and is often found as a part of it; what is seen between a table's legs ends
inside the table's. Two objects together tell more: no pixel is of both.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.cells import lattice_of, neighbours
from spatialgeo_ros.geometry.object_points import ObjectPoints
from spatialgeo_ros.geometry.small_arrays import spread_out, squared_distances

_MARGIN = 0.25  # of the size of where both are, that is looked at around it
_MOST, _FEW = 600, 60  # pixels of an object and of a patch that tell where these are
_SAME = 0.8  # share of an object's pixels that are another's, too, from which they are one thing
_LEAST_LEFT = 80  # pixels that are left of the larger one
_BESIDE = 4  # pixels around what both hold that tell whose it is
_ALIKE = 0.02  # of the depth, to go on at it
_SCRAP = 0.1  # of the largest patch's pixels
_NEARER, _ROUGH = 2.0, 0.02  # times as near; metres that some points of an object are apart
_STEP = 0.01  # of the depth from pixel to pixel, at most, on one surface


class SharedPixels(NamedTuple):
    """What two objects were both found to hold.

    Attributes:
        lost_by_first: [H, W] bool, pixels that the second one's are; None for none.
        lost_by_second: [H, W] bool, those that the first one's are.
        side: of a square as large as what both hold, metres; 0 for two masks, whose outlines are
            sure to a cell of their grid and overlap where they touch.
    """

    lost_by_first: NDArray[np.bool_] | None = None
    lost_by_second: NDArray[np.bool_] | None = None
    side: float = 0.0


def shared_pixels(a: ObjectPoints, b: ObjectPoints) -> SharedPixels:
    """Tell whose the pixels are that two objects of one image were both found to hold.

    They are the object's whose own pixels are much nearer to them in space; where both's are, that
    of which they are more. What the other holds beside them, and goes on from them without a step,
    it was found to hold for the same reason, and loses as well.

    Args:
        a: an object.
        b: another one.
    """
    x0, y0 = max(a.box[0], b.box[0]), max(a.box[1], b.box[1])
    x1, y1 = min(a.box[2], b.box[2]) + 1, min(a.box[3], b.box[3]) + 1
    if x0 >= x1 or y0 >= y1:
        return SharedPixels()
    both = np.count_nonzero(a.mask[y0:y1, x0:x1] & b.mask[y0:y1, x0:x1])
    larger = max(a.support, b.support)
    if both == 0 or both > _SAME * larger or larger - both < _LEAST_LEFT:
        return SharedPixels()
    wide, high = (max(_BESIDE, int(_MARGIN * size)) for size in (x1 - x0, y1 - y0))
    window = slice(max(0, y0 - high), y1 + high), slice(max(0, x0 - wide), x1 + wide)
    shared = a.mask[window] & b.mask[window]
    depths = [_depth_in(thing, window) for thing in (a, b)]
    count, found = cv2.connectedComponents(shared.view(np.uint8), connectivity=8)
    patch = np.asarray(found, np.int32)
    of_first = _nearer_to_first(patch, count, depths, a.camera, window, a.support <= b.support)
    around = (2 * _BESIDE + 1, 2 * _BESIDE + 1)
    weight = cv2.blur(shared.astype(np.float32), around)
    near = cv2.blur(np.where(shared, depths[0], np.float32(0)), around) / np.maximum(weight, 1e-6)
    beside = cv2.dilate(patch.astype(np.float32), np.ones(around, np.uint8)).astype(np.int64)
    lost: list[NDArray[np.bool_] | None] = []
    for k, (thing, others) in enumerate(((a, ~of_first), (b, of_first))):
        others[0] = False  # what is in no patch
        if not others.any():
            lost.append(None)
            continue
        own = thing.mask[window] & ~shared
        start = own & others[beside] & (np.abs(depths[k] - near) < _ALIKE * near)
        pixels = np.zeros_like(thing.mask)
        pixels[window] = others[patch] | _joined(depths[k], own, start)
        lost.append(pixels)
    masks = a.evidence.given and b.evidence.given
    side = 0.0 if masks else a.in_metres(math.sqrt(both))
    return SharedPixels(lost[0], lost[1], side)


def _nearer_to_first(
    patch: NDArray[np.int32],
    count: int,
    depths: list[NDArray[np.float32]],
    camera: PinholeCamera,
    window: tuple[slice, slice],
    unsure: bool,
) -> NDArray[np.bool_]:
    """Which patches [count] are much nearer in space to what is the first object's alone.

    By the tenth of a patch that is nearest: an object goes on beyond one side of it, seldom all
    around. Scraps are what the largest patch is.

    Args:
        patch: [h, w] number of the patch, 0 for none.
        count: of patches, with 0.
        depths: [h, w] of both objects, metres, 0 where there is nothing of them.
        camera: intrinsics.
        window: rows and columns of the image.
        unsure: what is as near to both.
    """
    sizes = np.bincount(patch.ravel(), minlength=count)
    sizes[0] = 0

    def lifted(at: NDArray[np.int64], most: int, z: NDArray[np.float32]) -> NDArray[np.float32]:
        rows, columns = np.divmod(at[spread_out(len(at), most)], z.shape[1])
        image = rows + window[0].start, columns + window[1].start
        return camera.lift_pixels(z[rows, columns], *image)

    clouds = []
    for z in depths:
        own = np.flatnonzero((z > 0) & (patch == 0))
        if not len(own):
            return np.full(count, unsure)
        clouds.append(lifted(own, _MOST, z))
    largest = int(np.argmax(sizes))
    out = np.full(count, unsure)
    for name in {largest, *np.flatnonzero(sizes > _SCRAP * sizes[largest]).tolist()}:
        at = np.flatnonzero(patch == name)
        some = lifted(at, _FEW, depths[0])
        first, second = (_tenth(squared_distances(some, cloud).min(axis=1)) for cloud in clouds)
        if max(first, second) > _NEARER * min(first, second):
            out[name] = first < second
    return np.where(sizes > _SCRAP * sizes[largest], out, out[largest])


def _tenth(squared: NDArray[np.floating]) -> float:
    """Distance that a tenth of some squared ones is below, metres, and what points are apart."""
    few = len(squared) // 10
    return math.sqrt(max(float(np.partition(squared, few)[few]), 0.0)) + _ROUGH


def _joined(
    depth: NDArray[np.float32], own: NDArray[np.bool_], start: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Pixels [h, w] of ``own`` that go on from some of them without a step.

    None where that is most of it: then it is the object itself, which touches the other one.
    """
    links = []
    for axis in (1, 0):
        here, there = neighbours(1 - axis, axis, own.shape)
        near = np.abs(depth[here] - depth[there]) < _STEP * depth[here]
        links.append(near & own[here] & own[there])
    _, names = cv2.connectedComponents(lattice_of(own, *links), connectivity=4)
    name = names[::2, ::2]
    joined = own & np.isin(name, name[start])
    return joined if 2 * np.count_nonzero(joined) < np.count_nonzero(own) else np.zeros_like(own)


def _depth_in(thing: ObjectPoints, window: tuple[slice, slice]) -> NDArray[np.float32]:
    """Depth [h, w] of an object's pixels in a part of the image, metres, 0 elsewhere."""
    rows, columns = window
    before = np.count_nonzero(thing.mask[: rows.start])
    band = thing.mask[rows]
    depth = np.zeros(band.shape, np.float32)
    depth[band] = thing.points[before : before + np.count_nonzero(band), 2]
    return depth[:, columns]
