# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is of one paint, in light and in shade, and is bounded by a region.

A side in the shade is darker than one in the light in the same proportion of red, green and blue:
the logarithms of these proportions tell what is painted alike, although there is an edge of
brightness between two sides.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.geometry.cells import STEPS, Cells, extent, lattice_of, neighbours
from spatialgeo_ros.geometry.colour import image_of

_DARK = 12.0  # of 255: below it noise tells more than colour
_ALIKE = 0.16  # distance of logarithms of proportions up to which two colours are one paint
_SHADES = 2.6  # times that what is in the light is brighter than what is in the shade
_EDGE, _EDGE_SHARE = 6.0, 0.03  # of 255, and of the brightness: change from pixel to pixel
_GOES_ON, _LEAST_OUTSIDE = 0.15, 4  # share of a patch outside, relative to that inside; pixels
_SPECK, _LEAST_SPECK = 0.001, 3  # of the region's pixels; pixels of a patch that counts
_PAINT, _LEAST_PAINT = 0.01, 8  # the same of one that shows a paint
_EVEN, _LEGIBLE = 0.005, 0.85  # of the region: a patch that is no texture; all of these
_RIVAL = 1.0  # of a paint's pixels inside: as many of it in patches that go on outside
_SIDE = 0.02  # of a paint's pixels: a patch that reaches a side
_GAP, _LEAST_GAP = 0.03, 2.0  # of the region's size; pixels: an outline may stop short of its side
_LEAST_PATCH, _LEAST_PART = 4, 0.1  # cells of a patch; share of the region of one that is a part
_ACROSS, _LEAST_PAIRS = 3, 3  # cells across the edge of a patch; pairs of them that tell a step
_BEFORE, _BEHIND = 0.0065, 0.05  # metres that another thing stands before the paint, or behind it


def bounded_paint(
    cells: Cells,
    within: NDArray[np.bool_],
    around: NDArray[np.bool_],
    image: NDArray[np.uint8],
) -> NDArray[np.bool_] | None:
    """The largest paint in a region that is bounded by it; None where there is none.

    A box around a thing of one colour is touched by that colour at all four sides, and the colour
    does not go on outside. Other things in the box fail one or the other: so a book is found that
    is mostly hidden by the one before it, which depth takes for the object. A paint is not known
    where patches of it that go on outside are larger than those that do not, nor where the image
    has so much texture that patches of even colour fill too little of the region.

    Args:
        cells: the window around the region.
        within: [h, w] bool, cells inside the region.
        around: [h, w] bool, the region grown by what it may be too small.
        image: [H, W, 3] uint8 RGB, the whole image.

    Returns:
        [h, w] bool, cells with or without depth that are mostly of this paint.
    """
    h, w = cells.shape
    scale = max(1, cells.step // 2)
    part = image_of(cells, image)
    size = w * cells.step // scale, h * cells.step // scale
    if scale > 1:
        part = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)
    inside, near = (
        cv2.resize(m.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST).astype(bool)
        for m in (within, around)
    )
    count, patch, sides = _even_patches(part)
    area = np.count_nonzero(inside)
    own = np.bincount(patch[inside], minlength=count)
    if own[own >= _EVEN * area].sum() < _LEGIBLE * area:
        return None  # texture
    outside = np.bincount(patch[~near], minlength=count)
    names = np.flatnonzero(own >= max(_LEAST_SPECK, _SPECK * area))
    names = names[np.argsort(-own[names], kind="stable")]
    own, outside, sides = own[names], outside[names], sides[names]
    goes_on = (outside > _GOES_ON * own) & (outside >= _LEAST_OUTSIDE)
    index = np.full(count, len(names))
    index[names] = np.arange(len(names))
    index = index[patch]
    logs = np.log(part.astype(np.float32) + np.float32(_DARK)).reshape(-1, 3)
    total = np.bincount(index.ravel(), minlength=len(names) + 1)[:-1]
    sums = [np.bincount(index.ravel(), logs[:, k], len(names) + 1)[:-1] for k in range(3)]
    colours = np.stack(sums, axis=1) / total[:, None]
    tint, shade = colours[:, [0, 2]] - colours[:, 1:2], colours.mean(axis=1)
    top, bottom, left, right = extent(inside)
    slack = [max(_LEAST_GAP, _GAP * (b - a + 1)) for a, b in ((top, bottom), (left, right))]
    taken = goes_on.copy()
    best, most = None, 0
    for k in range(len(names)):
        if own[k] < max(_LEAST_PAINT, _PAINT * area):
            break
        if taken[k]:
            continue
        alike = np.hypot(*(tint - tint[k]).T) < _ALIKE
        alike &= np.abs(shade - shade[k]) < np.log(_SHADES)
        members = alike & ~goes_on
        taken |= members
        whole = int(own[members].sum())
        if whole <= most or own[alike & goes_on].sum() > _RIVAL * whole:
            continue
        reaching = sides[members & (own >= _SIDE * whole)]
        if not len(reaching):
            continue  # all of it is specks
        first, west = reaching[:, :2].min(axis=0)
        last, east = reaching[:, 2:].max(axis=0)
        if (
            max(first - top, bottom - last) <= slack[0]
            and max(west - left, right - east) <= slack[1]
        ):
            best, most = members, whole
    if best is None:
        return None
    found = (np.append(best, False)[index] & near).astype(np.float32)
    return np.asarray(cv2.resize(found, (w, h), interpolation=cv2.INTER_AREA) >= 0.5)


def _even_patches(
    part: NDArray[np.uint8],
) -> tuple[int, NDArray[np.int32], NDArray[np.int32]]:
    """Patches without an edge between neighbours (4-connected), numbered from 1.

    Returns:
        Count with 0, for none; [H, W] number; [count, 4] first row and column, last row and column.
    """
    shape = part.shape[:2]
    bright = part.max(axis=2)
    links = []
    for dy, dx in STEPS[:2]:
        here, there = neighbours(dy, dx, shape)
        step = cv2.absdiff(part[there], part[here]).max(axis=2)
        links.append(step < _EDGE + _EDGE_SHARE * bright[there])
    lattice = lattice_of(np.ones(shape, bool), *links)
    count, names, stats, _ = cv2.connectedComponentsWithStats(
        lattice, connectivity=4, ltype=cv2.CV_32S
    )
    low = stats[:, [1, 0]]
    sides = np.concatenate([low, low + stats[:, [3, 2]] - 1], axis=1) // 2
    return count, np.asarray(names[::2, ::2], np.int32), np.asarray(sides, np.int32)


def of_paint(
    cells: Cells,
    painted: NDArray[np.bool_],
    thing: NDArray[np.bool_],
    label: NDArray[np.int32],
    around: NDArray[np.bool_],
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """A thing of a paint and of what else is on it, and what is of others.

    Of what depth found beside the paint, a large patch of even colour is a part of the thing (the
    body of a can with a rim) unless it goes on outside the region, or stands before the paint by a
    step, as a book does before the one that it hides: then it is of another.

    Args:
        cells: the window.
        painted: [h, w] bool, cells of the paint that have depth, some.
        thing: [h, w] bool, what depth says.
        label: [h, w] patches of even colour, -1 for none.
        around: [h, w] bool, the region grown by what it may be too small.

    Returns:
        [h, w] bool, the thing; [h, w] bool, what depth took for it and is of others.
    """
    found = painted.copy()
    rest = thing & ~painted
    count = int(label.max(initial=-1)) + 1
    sizes = np.bincount(label[rest & (label >= 0)], minlength=count)
    outside = np.bincount(label[~around & (label >= 0)], minlength=count)
    order = np.argsort(-sizes, kind="stable")
    names = order[: np.count_nonzero(sizes >= _LEAST_PATCH)]
    goes_on = outside[names] > _GOES_ON * sizes[names]
    foreign = np.zeros(count + 1, bool)  # the last for label -1
    foreign[names[goes_on]] = True
    left = names[~goes_on].tolist()
    for _ in range(2):  # what does not touch the paint may touch a part of the thing beside it
        for k in list(left):
            own = rest & (label == k)
            step = _step_between(cells, own, found)
            if step is None:
                continue
            left.remove(k)
            if not -_BEHIND < step < _BEFORE:
                foreign[k] = True
            elif sizes[k] >= _LEAST_PART * np.count_nonzero(around):
                found |= own
    return found, rest & foreign[label]


def _step_between(cells: Cells, near: NDArray[np.bool_], far: NDArray[np.bool_]) -> float | None:
    """Metres that one patch stands before another along the edge between them, the median."""
    z = cells.points[..., 2]
    steps = []
    for dy, dx in STEPS[:2]:
        ends = neighbours(_ACROSS * dy, _ACROSS * dx, cells.shape)
        for here, there in (ends, ends[::-1]):
            steps.append((z[there] - z[here])[near[here] & far[there]])
    across = np.concatenate(steps)
    return float(np.median(across)) if len(across) >= _LEAST_PAIRS else None
