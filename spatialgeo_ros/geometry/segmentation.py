# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which points of a region are the object: without its background, its occluders and the floor.

A box also holds what is behind, beside and in front of the object. Surfaces that go on outside the
box cannot be the object that the box bounds; of the rest, the object is the set of connected
surfaces that fills the box from side to side.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialgeo_ros.errors import BadRegionError, TooLittleSupportError
from spatialgeo_ros.geometry.background import Floor, find_floor
from spatialgeo_ros.geometry.cells import Window, make_cells
from spatialgeo_ros.geometry.given_masks import separate_given
from spatialgeo_ros.geometry.lifting import MIN_SUPPORT, RegionView, seen_floor
from spatialgeo_ros.geometry.object_pixels import eroded, settled, share_inside
from spatialgeo_ros.geometry.object_points import ObjectPoints
from spatialgeo_ros.geometry.pointing import box_around, separate_grown
from spatialgeo_ros.geometry.pointmap import PointMap
from spatialgeo_ros.geometry.readings import Separation
from spatialgeo_ros.geometry.regions import Region, RegionType
from spatialgeo_ros.geometry.separation import separate_bounded
from spatialgeo_ros.geometry.sizes import TYPICAL_SIZES, Size, usual_size

_MOST_CELLS = 5000
_LEAST_SETTLED = 0.25  # of a cell's pixels, for a cell of a mask
_COARSE_OUTLINE = 0.5  # of a cell of a mask's grid: standard deviation of its outline
_THIN_OUTLINE = 1.5  # the same, of a mask that has no inside a cell from its outline
_AGREE = 0.7  # of both masks' pixels: one thing
_PLACE = 0.1  # metres around what is pointed at
_MARGIN = 0.2  # of the region's size: how much surrounding is looked at,
_LEAST_MARGIN = 0.06  # at least so much of its longer side


def segment_object(
    pointmap: PointMap,
    region: Region,
    gravity: ArrayLike | None = None,
    floor_height: float | None = None,
    sizes: Mapping[str, Size] | None = None,
    image: NDArray[np.uint8] | None = None,
    outlines: bool = True,
    excluded: NDArray[np.bool_] | None = None,
) -> ObjectPoints:
    """Separate the object of a region from everything else in it.

    Boxes and polygons are searched for the object they bound. A point means what stands out around
    it and ends; where that is in doubt, all that goes on around it is the other reading. A mask is
    trusted, but for pixels that float at its depth edges; the outline of one that was made on a
    coarse grid, only to a cell of it.

    Args:
        pointmap: of the whole image.
        region: in pixels of that image.
        gravity: direction of falling [3] in the optical frame, when known: tells what stands above
            or below, and what the object stands on; background is found without it.
        floor_height: of the camera above the floor in metres; looked for in the point map when
            None and gravity is known.
        sizes: usual (width, depth, height) in metres by kind of object, found by the words of the
            region's label; default :data:`TYPICAL_SIZES`, an empty mapping for none.
        image: [H, W, 3] uint8 RGB of the same pixels, when known: tells flat things from what they
            lie on.
        outlines: fill ``ObjectPoints.outlines``, for measuring; that doubles the time.
        excluded: [H, W] bool, pixels that are known to be something else; None for none.

    Raises:
        BadRegionError: the region is empty, outside the image, or a phrase.
        TooLittleSupportError: fewer than :data:`MIN_SUPPORT` measured pixels on the object, or so
            little depth in the region that what there is may be of anything; or all of the region
            is excluded.
    """
    if region.type is RegionType.PHRASE:
        raise BadRegionError(f"phrase '{region.label}' has to be located before it is measured")
    down = None
    if gravity is not None:
        down = np.asarray(gravity, np.float64) / np.linalg.norm(gravity)
        if floor_height is None:
            floor_height = find_floor(pointmap, down)
    else:
        floor_height = None
    height, width = pointmap.shape
    inside = region.rasterise(height, width)
    if excluded is not None:
        inside &= ~excluded
    x0, y0, x1, y1 = (int(v) for v in region.bounds(height, width))
    window = (0, 0, width, height)  # a point may be of anything in the image
    if region.type is not RegionType.POINT:
        window = _with_margin(x0, y0, x1, y1, pointmap.shape)
    whole, pointmap = pointmap, pointmap.keeping(window)
    cells = make_cells(pointmap, window, 2 * _MOST_CELLS if x1 == x0 else _MOST_CELLS)
    within = share_inside(inside, cells) > 0.5
    if excluded is not None and not within.any():
        raise TooLittleSupportError(
            f"nothing is left of '{region.label}' without what is known to be something else"
        )
    usual = usual_size(region.label, TYPICAL_SIZES if sizes is None else sizes)
    floor = None
    if down is not None and floor_height is not None:
        floor = Floor(down, floor_height)
    own = None
    if region.type is RegionType.MASK:
        own = np.zeros_like(inside)
        part = slice(window[1], window[3]), slice(window[0], window[2])
        own[part] = settled(pointmap, inside[part], window, region.cell)
        within &= share_inside(own, cells) > _LEAST_SETTLED
        reading = separate_given(cells, within, region.cell)
    elif region.type is RegionType.POINT:
        reading = separate_grown(cells, *cells.at(x0, y0), floor)
    else:
        reading = separate_bounded(cells, within, down, floor, usual, image)
    if floor is not None:
        floor = seen_floor(reading.planes, floor)
    view = RegionView(
        pointmap, region, inside, excluded, own, window, cells, within, down, floor_height, floor,
        image,
    )  # fmt: skip
    found = view.object(reading)
    if region.type is RegionType.POINT:
        place = box_around(whole, x0, y0, floor)
        thing = None
        if place is not None:
            boxed = Region.from_box(*place.box, region.label, region.score)
            with suppress(TooLittleSupportError):
                thing = segment_object(
                    whole, boxed, down, floor_height, sizes, image, outlines, excluded
                )
        sure = place is not None and place.sure
        return _pointed_at(view, reading, found, (x0, y0), thing, sure)
    if reading.other is not None:
        try:
            found = replace(found, other=view.object(reading.other))
        except TooLittleSupportError:
            found = view.object(replace(reading, other=None))
    if region.type is not RegionType.MASK or region.cell <= 1.0:
        return found
    others = _other_outlines(region, height, width)
    measured = []
    for one in others if outlines else ():
        with suppress(TooLittleSupportError):
            measured.append(segment_object(pointmap, one, down, floor_height, sizes, image))
    thin = len(others) < 2  # nothing of it is surely inside
    outline = (_THIN_OUTLINE if thin else _COARSE_OUTLINE) * region.cell
    return replace(found, outline=outline, outlines=tuple(measured))


def _with_margin(x0: int, y0: int, x1: int, y1: int, shape: tuple[int, int]) -> Window:
    """First and last pixels with what is looked at around them, as far as the image goes."""
    height, width = shape
    least = max(8, int(_LEAST_MARGIN * max(x1 - x0, y1 - y0)))  # cells are as large as that
    pad_x = max(least, int(_MARGIN * (x1 - x0)))
    pad_y = max(least, int(_MARGIN * (y1 - y0)))
    return (
        max(0, x0 - pad_x),
        max(0, y0 - pad_y),
        min(width, x1 + 1 + pad_x),
        min(height, y1 + 1 + pad_y),
    )


def _pointed_at(
    view: RegionView,
    reading: Separation,
    surface: ObjectPoints,
    point: tuple[int, int],
    thing: ObjectPoints | None,
    sure: bool,
) -> ObjectPoints:
    """The object that a point is on, with all that may be it as the other reading.

    Args:
        view: of the point.
        reading: all that goes on around it.
        surface: the same, lifted.
        point: column, row.
        thing: what the box around the thing at the point bounds; None where there is none.
        sure: that box is of one thing.
    """
    column, row = point
    around = slice(max(0, row - 2), row + 3), slice(max(0, column - 2), column + 3)
    if thing is not None and thing.mask[around].any():
        both = np.count_nonzero(thing.mask & surface.mask)
        if both > _AGREE * np.count_nonzero(thing.mask | surface.mask):
            return surface
        return thing if sure else replace(thing, other=surface)
    # What is there goes on, over all of the image maybe: the place itself is all that is sure.
    cells = view.cells
    away = np.linalg.norm(cells.points - cells.points[cells.at(column, row)], axis=-1)
    with suppress(TooLittleSupportError):
        spot = Separation(reading.thing & (away < _PLACE), reading.background, ())
        return replace(view.object(spot), other=surface)
    return surface


def _other_outlines(region: Region, height: int, width: int) -> list[Region]:
    """A coarse mask's box, and the mask without a cell along its outline where that leaves any."""
    regions = [Region.from_box(*region.bounds(height, width), region.label)]
    core = eroded(region.rasterise(height, width), region.cell)
    if core.sum() >= MIN_SUPPORT:
        regions.append(Region.from_mask(core, region.label))
    return regions
