# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Colour as a second witness: where two things touch, depth alone cannot tell them apart."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.geometry.assembly import fill
from spatialgeo_ros.geometry.cells import (
    STEPS,
    Cells,
    connected,
    extent,
    linked,
    neighbours,
    separate_rest,
    spread_labels,
)
from spatialgeo_ros.geometry.small_arrays import squared_distances

_EDGE = 9.0  # of CIE L*a*b*: contrast within three cells that is an outline
_CUT_SIDE = 64  # pixels of the longer side of the picture that GrabCut works on
_OUTLINE_BAND = 0.12  # of the object's size, to both sides of its outline
_LEAST_CORE = 0.2  # of the object's cells: with less it has no inside
_ALIKE = 0.04  # metres of depth from the object's own nearby
_CHANGE = (0.6, 1.4)  # least and largest share of the object's cells that are left
_REACH = 4  # cells that an outline is wide at most
_LEAST_SEEN, _SAMPLES = 20, 64  # cells of a surface whose colour is learnt; of these are compared
_GOES_ON = 0.15  # share of a patch outside the region, relative to that inside, that is too much
_LEAST_PATCH, _PATCH = 3, 0.02  # cells; share of the region's cells that a patch has at least
_PATTERN = 0.5  # of a patch's cells: in a colour that is usual around the region
_AGREES = 0.7  # of all cells that depth or colour give to the thing: those that both do
_BOUNDED = 0.85  # of the region's box that what its colour bounds reaches over
_USUAL = 0.05  # share of them with a colour that is usual there
_REACHES = 0.7  # of the region's box that an outline's box covers
_LEAST_FLAT, _LEAST_CUT = 0.15, 0.3  # of the flat cells; where the surface is not known


def image_of(cells: Cells, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The window's part of the whole image, [h * step, w * step, 3].

    The last cells may reach over the border of the image: there its last pixels are repeated.
    """
    height, width = (size * cells.step for size in cells.shape)
    part: NDArray[np.uint8] = image[cells.y0 : cells.y0 + height, cells.x0 : cells.x0 + width]
    missing = height - part.shape[0], width - part.shape[1]
    if any(missing):
        part = np.pad(part, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")
    return part


def cell_colours(cells: Cells, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Mean colour of every cell, [h, w, 3] CIE L*a*b*.

    Args:
        cells: the window.
        image: [H, W, 3] uint8 RGB, the whole image.
    """
    h, w = cells.shape
    part = image_of(cells, image)
    small = part if cells.step == 1 else cv2.resize(part, (w, h), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2Lab), np.float32)


def connected_by_colour(
    cells: Cells, use: NDArray[np.bool_], colours: NDArray[np.float32]
) -> NDArray[np.int32]:
    """Label the cells of ``use`` by connected surface of even colour, -1 elsewhere.

    Even patches are found first; the cells of the outlines between them join the neighbour they
    resemble.
    """
    kernel = np.ones((3, 3), np.uint8)
    soft = cv2.GaussianBlur(colours, (3, 3), 0.8)
    spans = cv2.dilate(soft, kernel) - cv2.erode(soft, kernel)
    contrast = np.maximum(np.maximum(spans[..., 0], spans[..., 1]), spans[..., 2])
    even = use & (contrast < _EDGE)
    label = connected(cells, even)
    channels = [np.ascontiguousarray(colours[..., k]) for k in range(3)]
    links = []
    for (dy, dx), link in zip(STEPS, linked(cells, use), strict=True):
        here, there = neighbours(dy, dx, cells.shape)
        first, second, third = (np.abs(channel[here] - channel[there]) for channel in channels)
        links.append((link, first + (second + third)))
    # What has no even neighbour is a surface of its own.
    return separate_rest(cells, use, spread_labels(label, links, _REACH))


def bounded_by_colour(
    cells: Cells,
    thing: NDArray[np.bool_],
    within: NDArray[np.bool_],
    around: NDArray[np.bool_],
    colours: NDArray[np.float32],
    background: NDArray[np.bool_],
    others: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """A small thing without what goes on outside its region in colour, with what ends inside.

    Depth does not tell a book from those it stands between: all are one surface, and where the
    backs of the others were found to be a background, its own back is too. Patches of even colour
    that go on outside the region are not what it bounds; those that end within it are, where their
    colour is not usual around it (a pattern). Taken only where both together reach over the region.

    Args:
        cells: the window.
        thing: [h, w] bool, what depth says, not empty.
        within: [h, w] bool, cells inside the region.
        around: [h, w] bool, the region grown by what it may be too small.
        colours: [h, w, 3] of the cells, as :func:`cell_colours` gives them.
        background: [h, w] bool, what the thing stands on or lies before: that its colour goes on
            there (a mug in the colour of its table) says nothing of the thing.
        others: [h, w] bool, what is surely another thing: the print on it ends within the region.
    """
    label = connected_by_colour(cells, cells.ok, colours)
    count = int(label.max(initial=-1)) + 1
    label[label < 0] = count  # cells without depth: no patch
    inside, outside, standing = (
        np.bincount(label[part], minlength=count + 1)
        for part in (within, ~around, ~around & ~background)
    )
    inside[count] = outside[count] = standing[count] = 0
    leaving, passing = (
        (beyond > _GOES_ON * inside) & (beyond >= _LEAST_PATCH) for beyond in (standing, outside)
    )
    ends = ~passing & (inside >= max(_LEAST_PATCH, _PATCH * np.count_nonzero(within)))
    own = within & ~others
    found = trimmed = thing & ~leaving[label]
    if not agree(thing, trimmed | (own & ends[label])):
        # Depth has not found it. Else what it has left out is a hole or another thing.
        usual = _coloured_as(colours, ~around & cells.ok)
        if usual is not None:
            ends &= np.bincount(label[within & usual], minlength=count + 1) < _PATTERN * inside
        more = trimmed | (own & ends[label])
        found = trimmed if agree(thing, more) else more
    return found if found.any() and fill(found, within) > _BOUNDED else thing


def agree(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> bool:
    """Tell whether two masks are mostly the same cells."""
    both = np.count_nonzero(first & second)
    return bool(both > _AGREES * np.count_nonzero(first | second))


def outline_of_flat(
    cells: Cells,
    flat: NDArray[np.bool_],
    within: NDArray[np.bool_],
    image: NDArray[np.uint8] | None,
    surface: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Of the cells of a flat thing, those whose colour is not that of what it lies on.

    Taken only where it looks like an outline: it reaches over most of the region.

    Args:
        cells: the window.
        flat: [h, w] bool, cells at the depth of the thing and of what it lies on.
        within: [h, w] bool, cells inside the region.
        image: [H, W, 3] uint8 RGB, or None: then nothing changes.
        surface: [h, w] bool, cells outside the region of the surface that the thing lies on.
    """
    if image is None:
        return flat
    # A thing that lies askew fills less than half of its box: GrabCut, told that most of the box is
    # the thing, learns the surface's colour as the thing's. What the surface looks like is seen.
    usual = _coloured_as(cell_colours(cells, image), surface)
    if usual is not None:
        found = _opened(flat & ~usual)
        if (
            found.any()
            and fill(found, within) > _REACHES
            and found.sum() > _LEAST_FLAT * flat.sum()
        ):
            return flat & _filled(found)
    labels = np.where(flat, cv2.GC_PR_FGD, cv2.GC_BGD).astype(np.uint8)
    cut = _grab_cut(cells, labels, image)
    if cut is None:
        return flat
    found = _opened(cut & flat)
    if found.any() and fill(found, within) > _REACHES and found.sum() > _LEAST_CUT * flat.sum():
        return found
    return flat


def _opened(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask [h, w] without what is less than three cells wide."""
    return cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3))).astype(bool)


def _filled(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask [h, w] with its holes."""
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    out = np.zeros(mask.shape, np.uint8)
    cv2.drawContours(out, outlines, -1, 1, cv2.FILLED)
    return out.astype(bool)


def _coloured_as(
    colours: NDArray[np.float32], surface: NDArray[np.bool_]
) -> NDArray[np.bool_] | None:
    """Cells [h, w] of a colour that is usual on a surface; None where too little of it is seen."""
    seen = colours[surface]
    if len(seen) < _LEAST_SEEN:
        return None
    few = seen[:: max(1, len(seen) // _SAMPLES)]
    near = squared_distances(colours.reshape(-1, 3), few) < _EDGE**2
    return np.asarray(near.mean(axis=1) > _USUAL).reshape(surface.shape)


def refined_outline(
    cells: Cells,
    chosen: NDArray[np.bool_],
    candidates: NDArray[np.bool_],
    image: NDArray[np.uint8] | None,
) -> NDArray[np.bool_]:
    """Move an object's outline to the colour edges near it, where depth alone is vague.

    Depth cameras smear outlines over some pixels, and a thing merges with what it touches. Only
    cells in a band along the outline can change, and only to and from candidates at the object's
    own depth. Things without an inside (legs, bars) stay as they are.

    Args:
        cells: the window.
        chosen: [h, w] bool, the object by depth.
        candidates: [h, w] bool, cells that may be the object's.
        image: [H, W, 3] uint8 RGB, or None: then nothing changes.
    """
    if image is None:
        return chosen
    top, bottom, left, right = extent(chosen)
    reach = max(2, round(_OUTLINE_BAND * min(bottom - top + 1, right - left + 1)))
    kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    solid = cv2.morphologyEx(chosen.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    core = cv2.erode(solid, kernel, borderValue=0).astype(bool) & chosen
    if np.count_nonzero(core) < _LEAST_CORE * np.count_nonzero(chosen):
        return chosen
    near = cv2.dilate(core.astype(np.uint8), kernel, iterations=2).astype(bool)
    weight = cv2.blur(chosen.astype(np.float32), kernel.shape)
    own = np.where(chosen, np.nan_to_num(cells.points[..., 2]), 0).astype(np.float32)
    with np.errstate(invalid="ignore", divide="ignore"):
        depth = cv2.blur(own, kernel.shape) / weight
        alike = np.abs(cells.points[..., 2] - depth) < _ALIKE + 3 * cells.sigma
    labels = np.full(cells.shape, cv2.GC_BGD, np.uint8)
    vague = cv2.dilate(_vague(cells, chosen).astype(np.uint8), kernel).astype(bool)
    candidates = candidates & near & alike & vague
    labels[candidates] = cv2.GC_PR_BGD
    labels[chosen] = np.where(vague & ~core, cv2.GC_PR_FGD, cv2.GC_FGD)[chosen]
    found = _grab_cut(cells, labels, image)
    if found is None:
        return chosen
    found &= chosen | candidates
    found = cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3))).astype(bool)
    found = np.where(near & vague, found, chosen)  # what is thin or clear stays
    share = np.count_nonzero(found) / np.count_nonzero(chosen)
    return found if _CHANGE[0] < share < _CHANGE[1] else chosen


def _vague(cells: Cells, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Cells of the object that have a neighbour at their own depth which is not the object's."""
    z = cells.points[..., 2]
    limit = _ALIKE + 3 * cells.sigma
    out = np.zeros(chosen.shape, bool)
    for dy, dx in ((0, 1), (1, 0)):
        here, there = neighbours(dy, dx, chosen.shape)
        with np.errstate(invalid="ignore"):
            close = np.abs(z[here] - z[there]) < limit[here]
        border = close & (chosen[here] != chosen[there])
        out[here] |= border
        out[there] |= border
    return out & chosen


def _grab_cut(
    cells: Cells, labels: NDArray[np.uint8], image: NDArray[np.uint8]
) -> NDArray[np.bool_] | None:
    """GrabCut (Rother, Kolmogorov and Blake, SIGGRAPH 2004) on the colours of the cells.

    Returns:
        [h, w] bool, foreground; None where there is too little of either to learn from.
    """
    h, w = cells.shape
    scale = min(1.0, _CUT_SIDE / max(h, w))
    size = max(8, round(w * scale)), max(8, round(h * scale))
    y1, x1 = cells.y0 + h * cells.step, cells.x0 + w * cells.step
    small = cv2.resize(image[cells.y0 : y1, cells.x0 : x1], size, interpolation=cv2.INTER_AREA)
    labels = np.asarray(cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST), np.uint8)
    front = (labels == cv2.GC_PR_FGD) | (labels == cv2.GC_FGD)
    if np.count_nonzero(front) < 20 or np.count_nonzero(~front) < 20:
        return None
    cv2.setRNGSeed(0)  # the same window always gives the same answer
    back_model, front_model = np.zeros((1, 65)), np.zeros((1, 65))
    whole = (0, 0, 0, 0)  # not used with a mask
    cv2.grabCut(small, labels, whole, back_model, front_model, 1, cv2.GC_INIT_WITH_MASK)
    found = ((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)).astype(np.uint8)
    return cv2.resize(found, (w, h), interpolation=cv2.INTER_NEAREST).astype(bool)
