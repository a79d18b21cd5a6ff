# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which cells of a window are the object that a box bounds, and which its background.

The surfaces that the object stands on, hangs on or lies before are found first: they are seen
outside the box and go on into it. What stands out of them is the object, if it fills the box. What
does not stand out lies flat on its background: then its colour tells where it ends.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.geometry.assembly import Choice, fill, most_score, select
from spatialgeo_ros.geometry.background import (
    Floor,
    Plane,
    background_planes,
    is_large,
    on_any,
)
from spatialgeo_ros.geometry.cells import Cells, connected, extent
from spatialgeo_ros.geometry.chromaticity import bounded_paint, of_paint
from spatialgeo_ros.geometry.colour import (
    agree,
    bounded_by_colour,
    cell_colours,
    connected_by_colour,
    outline_of_flat,
    refined_outline,
)
from spatialgeo_ros.geometry.contacts import creases, without_folding, without_standing
from spatialgeo_ros.geometry.given_masks import separate_given
from spatialgeo_ros.geometry.readings import Separation, before, behind
from spatialgeo_ros.geometry.region_borders import completed_beyond, completed_to_sides, grown
from spatialgeo_ros.geometry.sizes import Size
from spatialgeo_ros.geometry.small_arrays import median, percentiles

LEAST_FILL = 0.3  # of a region's area that a thing reaches over: slivers reach over less
_FLAT = 0.03  # metres: what rises less lies flat on its background
_FEW = 0.15  # of the region's cells
_FLAT_SHARE = 0.06  # of the smaller side of large things (doors)
_SCATTERED = 2.0  # tolerances of a plane that a thing on it may seem to rise
_STANDS_OUT = 0.45  # of the box's area that standing surfaces reach over
_SCRAPS, _HOLES = 0.2, 0.2  # of the box's area: scraps only stand out; a flat thing's holes
_LIES_FLAT = 0.9  # of the box's area that a flat surface reaches over
_AS_GOOD = 0.2  # less than this: without what is of others a choice explains the region as well
_FURNITURE = 0.6  # metres: a kind of which one side is longer is furniture, however little is seen
_SCRAPS_TIMES = 3.5  # times the cells of scraps: what is surely more
_MOST_OF = 0.3  # of the region's cells: what it cuts has
_THICK = 0.25  # metres: a kind that is nowhere thinner lies flat on nothing
_FOOT = 0.05  # of the box's area that its foot may reach over, where the rest is not read
_INSIDE = 0.6  # of the cells of what a region cuts, that are inside
_EXPLAINS = 0.8  # score above which what is left of what stands out is none of the thing
_CLEAR = 0.95  # score above which depth alone is clear
_BETTER = 0.1
_SAME = 0.5  # of all cells of two readings that are in both: they are one
_SURE = 0.15  # of what depth found: of other things; of a paint: what depth did not find
_READ = 0.3  # of a paint's cells that have depth
_NEAREST = 2.0  # per cent of an object's cells that may be strays before it
_AHEAD = 0.1  # metres: what is so much nearer is before an object
_SQUARE = np.ones((3, 3), np.uint8)


@dataclass(frozen=True, eq=False)
class _Bounded:
    """A window, and what is known of the thing that a region in it bounds.

    Attributes:
        cells: the window.
        within: [h, w] bool, cells inside the region.
        around: [h, w] bool, the region grown by what it may be too small.
        large: the region is of the size of furniture.
        gravity: direction of falling [3], None when unknown.
        floor: the floor, None when unknown.
        usual: (width, depth, height) of this kind of object in metres, None when unknown.
        image: [H, W, 3] uint8 RGB; None where there is none.
    """

    cells: Cells
    within: NDArray[np.bool_]
    around: NDArray[np.bool_]
    large: bool
    gravity: NDArray[np.float64] | None
    floor: Floor | None
    usual: Size | None
    image: NDArray[np.uint8] | None

    @property
    def furniture(self) -> bool:
        """Of the size of furniture, or of such a kind, however little of it is seen."""
        return self.large or (self.usual is not None and max(self.usual) > _FURNITURE)

    @property
    def thick(self) -> bool:
        """Of a kind that is nowhere thin, and lies flat on nothing."""
        return self.usual is not None and min(self.usual) >= _THICK

    def select(self, label: NDArray[np.int32], better_than: float = -np.inf) -> Choice | None:
        """Choose the thing among connected surfaces: :func:`select`."""
        return select(self.cells, label, self.around, self.gravity, self.usual, better_than)


def separate_bounded(
    cells: Cells,
    within: NDArray[np.bool_],
    gravity: NDArray[np.float64] | None,
    floor: Floor | None,
    usual: Size | None,
    image: NDArray[np.uint8] | None,
) -> Separation:
    """Separate the object that a box or polygon bounds.

    Where the colour of a small thing says something quite else than its depth, there are two
    readings.

    Args:
        cells: the window around the region.
        within: [h, w] bool, cells inside the region.
        gravity: direction of falling [3], None when unknown.
        floor: the floor, None when unknown.
        usual: (width, depth, height) of this kind of object in metres, None when unknown.
        image: [H, W, 3] uint8 RGB; None where there is none.
    """
    large = is_large(cells, within)
    asked = _Bounded(cells, within, grown(within), large, gravity, floor, usual, image)
    found, others = _by_depth(asked)
    whole = _cut_by_region(asked, found)
    if whole is not None:
        return whole
    if found.flat and asked.thick:  # the wall behind a lamp whose pole is not read
        found = _doubted(asked, found, _FOOT)
    return found if image is None or large else _by_colour(asked, found, others, image)


def _cut_by_region(asked: _Bounded, found: Separation) -> Separation | None:
    """Furniture that fills its region and goes on outside, in place of the scraps beside it.

    What goes on outside is not what a region bounds; but of a region that is too small that is the
    thing itself, and what ends inside a few parts of what is behind it, or of a chair the floor.
    None where more than that ends inside, or too little to be taken for it. Small things are seen
    between others, and are what is left there.

    Args:
        asked: what is looked for.
        found: all that ends inside; it becomes the other reading.
    """
    cells, within = asked.cells, asked.within
    thing = found.thing if found.other is None else found.thing | found.other.thing
    if not asked.furniture or not found.thing.any() or fill(thing, within) < LEAST_FILL:
        return None
    left = cells.ok & ~thing & ~found.background
    least = _MOST_OF * np.count_nonzero(within)
    if not (found.flat and asked.thick):
        least = max(least, _SCRAPS_TIMES * np.count_nonzero(thing & within))
    if np.count_nonzero(left & within) <= least:
        return None
    label = connected(cells, left)
    inside = np.bincount(label[left & within])
    largest = int(np.argmax(inside))
    whole = label == largest
    if inside[largest] <= max(least, _INSIDE * np.count_nonzero(whole)):
        return None
    reading = _standing_out(asked, Choice(whole & asked.around, 0.0), label, found.planes)
    return replace(reading, other=replace(found, other=None))


def _by_colour(
    asked: _Bounded,
    found: Separation,
    others: NDArray[np.bool_],
    image: NDArray[np.uint8],
) -> Separation:
    """A small thing as its colour tells it, with what depth has found as the other reading.

    Args:
        asked: what is looked for.
        found: by depth.
        others: [h, w] bool, cells that stand out as well and are surely another thing.
        image: of ``asked``.
    """
    cells, within, around = asked.cells, asked.within, asked.around
    colours = cell_colours(cells, image)
    thing = _painted(asked, found, image, colours)
    if thing is None:
        if not found.thing.any():
            return found
        behind = np.zeros(cells.shape, bool) if found.flat else found.background
        thing = bounded_by_colour(cells, found.thing, within, around, colours, behind, others)
    if thing is found.thing:
        return found
    same = np.count_nonzero(thing & found.thing) > _SAME * np.count_nonzero(thing | found.thing)
    if same:  # then what is nearer than all of it hides it
        (nearest,) = percentiles(cells.points[..., 2][found.thing], (_NEAREST,))
        thing = thing & (found.thing | (cells.points[..., 2] > nearest - _AHEAD))
    return replace(
        found,
        thing=thing,
        background=found.background & ~thing,
        flat=bool(found.flat and same),
        other=found.other if same else replace(found, other=None),
    )


def _painted(
    asked: _Bounded,
    found: Separation,
    image: NDArray[np.uint8],
    colours: NDArray[np.float32],
) -> NDArray[np.bool_] | None:
    """A small thing as its paint tells it, [h, w] bool; None where depth has found it as well."""
    cells, around = asked.cells, asked.around
    paint = bounded_paint(cells, asked.within, around, image)
    if paint is None:
        return None
    read = paint & cells.ok
    if np.count_nonzero(read) <= _READ * np.count_nonzero(paint):
        return None
    label = connected_by_colour(cells, cells.ok & ~read, colours)
    thing, others = of_paint(cells, read, found.thing, label, around)
    if not found.flat and agree(thing, found.thing):
        # Depth draws the outline of what it finds better.
        own = cv2.dilate(thing.astype(np.uint8), _SQUARE).astype(bool) & ~others
        return found.thing & own if (found.thing & ~own).any() else None
    missing = np.count_nonzero(read & ~found.thing) > _SURE * np.count_nonzero(read)
    if not missing and np.count_nonzero(others) <= _SURE * np.count_nonzero(found.thing):
        return None
    reading = separate_given(cells, thing)  # without scraps of what is before and behind
    return reading.thing if reading.other is None else reading.other.thing


def _by_depth(asked: _Bounded) -> tuple[Separation, NDArray[np.bool_]]:
    """Separate by depth, with colour where depth alone is vague.

    Returns:
        The object, and [h, w] bool, cells that stand out as well and are surely another thing.
    """
    cells, within, around = asked.cells, asked.within, asked.around
    use = cells.ok.copy()
    planes = tuple(background_planes(cells, use, within, ~around, asked.floor, asked.furniture))
    backdrop = on_any(planes, cells)
    standing = use & ~backdrop
    label = connected(cells, standing)
    others = np.zeros(cells.shape, bool)
    if asked.large:  # small things are themselves no wider than a crease
        # Outside the region such strips stay: they show what goes on there.
        crease = creases(cells, label, planes, backdrop) & around
        standing &= ~crease
        label[crease] = -1
    choice = asked.select(label)
    if not asked.furniture:
        choice, label = _of_one_thing(asked, standing, label, choice, planes)
        others = standing & (label < 0)
        standing &= ~others
    if asked.image is not None and (choice is None or choice.score < _CLEAR):
        wanted = -np.inf if choice is None else choice.score + _BETTER
        if most_score(standing, around) > wanted:
            labels = connected_by_colour(cells, standing, cell_colours(cells, asked.image))
            other = asked.select(labels, wanted)
            if other is not None and other.score > wanted:
                # A sliver that leaves nothing is no better than a surface that leaves a little.
                if choice is None or fill(other.cells, within) >= _STANDS_OUT:
                    choice, label = other, labels
    if choice is not None and fill(choice.cells, within) >= _STANDS_OUT:
        on = _lies_on(asked, choice.cells, planes)
        if on is None:
            reading = _standing_out(asked, choice, label, planes)
            if not asked.furniture and choice.score > _EXPLAINS:
                others = use & ~reading.thing & ~reading.background
            return reading, others
        return _outlined(asked, choice.cells | (on.cells & within), on.cells, planes), others
    chosen = None if choice is None else choice.cells
    flush = _flush(asked, chosen, standing, planes)
    if flush is not None:
        return flush, others
    if chosen is None:
        choice = select(cells, connected(cells, use & within), within, asked.gravity, asked.usual)
        chosen = np.zeros(cells.shape, bool) if choice is None else choice.cells
    background = behind(planes, chosen) if chosen.any() else backdrop
    rival = None if choice is None or choice.other is None else before(planes, choice.other)
    return Separation(chosen, background, planes, other=rival), others


def _standing_out(
    asked: _Bounded, choice: Choice, label: NDArray[np.int32], planes: tuple[Plane, ...]
) -> Separation:
    """What stands out of all planes, as far as it goes, with what it may also be.

    Args:
        asked: what is looked for.
        choice: what fills the region of it.
        label: [h, w] number of the connected surface of each cell that the choice was made of.
        planes: of the background.
    """
    cells, within, around = asked.cells, asked.within, asked.around
    chosen = refined_outline(cells, choice.cells, cells.ok & around, asked.image)
    chosen = completed_to_sides(cells, chosen, within)
    chosen = completed_beyond(label, chosen, around, within)
    rival = choice.other
    if rival is None and not asked.furniture:
        rival = without_standing(cells, chosen, within)
    reading = before(planes, chosen)
    if rival is None:
        return reading
    rival = completed_beyond(label, rival, around, within)
    return replace(reading, other=before(planes, rival))


def _flush(
    asked: _Bounded,
    chosen: NDArray[np.bool_] | None,
    standing: NDArray[np.bool_],
    planes: tuple[Plane, ...],
) -> Separation | None:
    """What is flush with its background (a door, a picture, a window); None where nothing is.

    Args:
        asked: what is looked for.
        chosen: [h, w] bool, what stands out and does not fill the region; None for nothing.
        standing: [h, w] bool, cells on none of the planes.
        planes: of the background.
    """
    cells, within = asked.cells, asked.within
    if not planes:
        return None
    largest = _largest(asked, planes)
    label = np.where(largest.cells & within, 0, -1).astype(np.int32)
    patch = select(cells, label, within, asked.gravity, asked.usual)
    if patch is None:
        return None
    standing_out = 0.0 if chosen is None else fill(chosen, within)
    least = _LIES_FLAT - standing_out - _HOLES if standing_out < _SCRAPS else _LIES_FLAT
    if chosen is not None and fill(patch.cells, within) <= least:
        return None
    flush = patch.cells
    if asked.large:
        rising = np.abs(largest.front) < _flat(asked, flush, largest)
        flush = flush | (rising & standing & within)
    reading = _outlined(asked, flush, largest.cells, planes)
    if asked.furniture or reading.thing is not flush:
        return reading
    # Nothing but the box tells of the flat thing: a cup on its saucer may be the cup alone.
    return _doubted(asked, reading, _SCRAPS)


def _doubted(asked: _Bounded, flat: Separation, least: float) -> Separation:
    """A flat thing, with the largest surface of the region before it as the other reading.

    Also one that goes on outside: something else, or a part of a thing beside its neighbour (the
    label of a clear bottle).

    Args:
        asked: what is looked for.
        flat: lies on one of its planes.
        least: share of the region's area that the surface reaches over; else there is no doubt.
    """
    plane = _largest(asked, flat.planes)
    nearer = asked.within & (plane.front > plane.tolerance)
    surfaces = [nearer & other.cells for other in flat.planes if other is not plane]
    rest = nearer & ~on_any(flat.planes, asked.cells)
    if rest.any():
        label = connected(asked.cells, rest)
        surfaces.append(label == np.bincount(label[rest]).argmax())
    found = max(surfaces, key=np.count_nonzero, default=None)
    if found is None or not found.any() or fill(found, asked.within) < least:
        return flat
    return replace(flat, other=before(flat.planes, found))


def _largest(asked: _Bounded, planes: tuple[Plane, ...]) -> Plane:
    """The plane that most of the region is on."""
    return max(planes, key=lambda plane: int(np.count_nonzero(plane.cells & asked.within)))


def _outlined(
    asked: _Bounded,
    flat: NDArray[np.bool_],
    surface: NDArray[np.bool_],
    planes: tuple[Plane, ...],
) -> Separation:
    """What lies flat on a surface [h, w], as far as its colour goes."""
    outline = outline_of_flat(asked.cells, flat, asked.within, asked.image, surface & ~asked.around)
    return Separation(outline, on_any(planes, asked.cells) & ~outline, planes, flat=True)


def _of_one_thing(
    asked: _Bounded,
    standing: NDArray[np.bool_],
    label: NDArray[np.int32],
    choice: Choice | None,
    planes: tuple[Plane, ...],
) -> tuple[Choice | None, NDArray[np.int32]]:
    """A choice without the surfaces of things that go on outside the region, where it explains it.

    Args:
        asked: what is looked for.
        standing: [h, w] bool, cells on none of the planes.
        label: [h, w] number of the connected surface of each of them, -1 elsewhere.
        choice: among these surfaces.
        planes: of the background.

    Returns:
        The choice, and the surfaces that it was made of; what is in none is of other things. Where
        it explains less without them, or only scraps are left, it is as before, with what is left
        as another reading.
    """
    rest = without_folding(asked.cells, standing, planes, asked.around)
    if rest is None:
        return choice, label
    second = asked.select(rest)
    if second is None or fill(second.cells, asked.within) < _STANDS_OUT:
        return choice, label
    if choice is None or (
        second.score > choice.score - _AS_GOOD and not _scraps(second.cells, choice.cells)
    ):
        return second, rest
    return (choice if choice.other is not None else replace(choice, other=second.cells)), label


def _scraps(less: NDArray[np.bool_], more: NDArray[np.bool_]) -> bool:
    """Tell whether some cells are scraps of what is beside a thing, however far they reach."""
    return bool(_SCRAPS_TIMES * np.count_nonzero(less) < np.count_nonzero(more))


def _flat(asked: _Bounded, chosen: NDArray[np.bool_], plane: Plane) -> float:
    """Metres by which something of the region's size may rise from a plane and be flat on it.

    What is large may rise by as much as the plane seems to scatter: a door far away.
    """
    top, bottom, left, right = extent(asked.within)
    size = min(bottom - top, right - left) + 1  # of the region, in cells
    depth = float(median(asked.cells.points[..., 2][chosen]))
    scatter = _SCATTERED * plane.tolerance if asked.large else 0.0
    return max(_FLAT, _FLAT_SHARE * size * asked.cells.angle * depth, scatter)


def _lies_on(asked: _Bounded, chosen: NDArray[np.bool_], planes: tuple[Plane, ...]) -> Plane | None:
    """The plane that the chosen cells lie flat on, or None: they rise from every one."""
    few = np.count_nonzero(chosen) < _FEW * np.count_nonzero(asked.within)
    more = 2 if few else 1  # creases and noise of something flat
    for plane in planes:
        (off,) = percentiles(np.abs(plane.front[chosen]), (90,))
        if off < more * _flat(asked, chosen, plane):
            return plane
    return None
