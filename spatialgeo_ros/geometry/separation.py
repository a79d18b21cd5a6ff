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
from spatialgeo_ros.geometry.cells import Cells, DepthPlane, connected, extent, patches
from spatialgeo_ros.geometry.chromaticity import bounded_paint, of_paint
from spatialgeo_ros.geometry.colour import (
    agree,
    bounded_by_colour,
    cell_colours,
    connected_by_colour,
    outline_of_flat,
    refined_outline,
)
from spatialgeo_ros.geometry.contacts import without_folding, without_standing
from spatialgeo_ros.geometry.growth import FARTHEST, covered, depth_of
from spatialgeo_ros.geometry.pieces import Piece, gap_between
from spatialgeo_ros.geometry.sizes import Size
from spatialgeo_ros.geometry.small_arrays import median, percentiles

_GROW = 0.03  # of a box's size on each side, that it may be too small: still inside,
_BAND = 0.08  # and what ends so near is the object's too if it goes on from it
_FLAT = 0.03  # metres: what rises less lies flat on its background
_FEW = 0.15  # of the region's cells
_FLAT_SHARE = 0.06  # of the smaller side of large things (doors)
_SCATTERED = 2.0  # tolerances of a plane that a thing on it may seem to rise
_SCRAP, _FAR = 0.05, 1.0  # share of a mask's cells; gap as a share of the object's size
_MODE = 0.7  # such a gap of what is too much for a scrap
_LEAST_GAP = 0.05  # metres: what is nearer is beside it
_STANDS_OUT = 0.45  # of the box's area that standing surfaces reach over
_SCRAPS, _HOLES = 0.2, 0.2  # of the box's area: scraps only stand out; a flat thing's holes
_LIES_FLAT = 0.9  # of the box's area that a flat surface reaches over
_AS_GOOD = 0.2  # less than this: without what is of others a choice explains the region as well
_FURNITURE = 0.6  # metres: a kind of which one side is longer is furniture, however little is seen
_EXPLAINS = 0.8  # score above which what is left of what stands out is none of the thing
_CLEAR = 0.95  # score above which depth alone is clear
_BETTER = 0.1
_SHORT, _REACHED = 0.15, 0.09  # of the region's size: stops short of a side; reaches all
_IN_PLANE = 0.03  # metres from an object's own plane
_MOSTLY = 0.6  # of what is left in a region
_LEAST_PLANE = 40  # cells that tell a plane
_CREASE = 0.8  # share of a strip's cells that hardly stand out of the background beside them
_SAME = 0.5  # of all cells of two readings that are in both: they are one
_SURE = 0.15  # of what depth found: of other things; of a paint: what depth did not find
_READ = 0.3  # of a paint's cells that have depth
_NEAREST = 2.0  # per cent of an object's cells that may be strays before it
_AHEAD = 0.1  # metres: what is so much nearer is before an object
_SQUARE = np.ones((3, 3), np.uint8)


@dataclass(frozen=True, eq=False)
class Separation:
    """One reading of a window.

    Attributes:
        thing: [h, w] bool, cells of the object.
        background: [h, w] bool, cells on the surfaces it stands on, hangs on or lies before.
        planes: those surfaces.
        flat: the object lies flat on one of them, its outline is by colour or the box alone.
        other: another reading that explains the region as well, None where there is none.
    """

    thing: NDArray[np.bool_]
    background: NDArray[np.bool_]
    planes: tuple[Plane, ...]
    flat: bool = False
    other: Separation | None = None


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
    around = grown(within)
    large = is_large(cells, within)
    found, others = _separated(cells, within, around, large, gravity, floor, usual, image)
    if image is None or large:
        return found
    colours = cell_colours(cells, image)
    thing = _painted(cells, found, within, around, image, colours)
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
    cells: Cells,
    found: Separation,
    within: NDArray[np.bool_],
    around: NDArray[np.bool_],
    image: NDArray[np.uint8],
    colours: NDArray[np.float32],
) -> NDArray[np.bool_] | None:
    """A small thing as its paint tells it, [h, w] bool; None where depth has found it as well."""
    paint = bounded_paint(cells, within, around, image)
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


def _separated(
    cells: Cells,
    within: NDArray[np.bool_],
    around: NDArray[np.bool_],
    large: bool,
    gravity: NDArray[np.float64] | None,
    floor: Floor | None,
    usual: Size | None,
    image: NDArray[np.uint8] | None,
) -> tuple[Separation, NDArray[np.bool_]]:
    """Separate by depth, with colour where depth alone is vague; as :func:`separate_bounded`.

    ``around`` is the region grown by what it may be too small, ``large`` whether it is of the size
    of furniture.

    Returns:
        The object, and [h, w] bool, cells that stand out as well and are surely another thing.
    """
    use = cells.ok.copy()
    furniture = large or (usual is not None and max(usual) > _FURNITURE)
    planes = tuple(background_planes(cells, use, within, ~around, floor, furniture))
    backdrop = on_any(planes, cells)
    standing = use & ~backdrop
    label = connected(cells, standing)
    others = np.zeros(cells.shape, bool)
    if large:  # small things are themselves no wider than a crease
        # Outside the region such strips stay: they show what goes on there.
        crease = creases(cells, label, planes, backdrop) & around
        standing &= ~crease
        label[crease] = -1
    choice = select(cells, label, around, gravity, usual)
    if not furniture:
        choice, label = _of_one_thing(
            cells, standing, label, choice, planes, within, around, gravity, usual
        )
        others = standing & (label < 0)
        standing &= ~others
    if image is not None and (choice is None or choice.score < _CLEAR):
        wanted = -np.inf if choice is None else choice.score + _BETTER
        if most_score(standing, around) > wanted:
            labels = connected_by_colour(cells, standing, cell_colours(cells, image))
            other = select(cells, labels, around, gravity, usual, wanted)
            if other is not None and other.score > wanted:
                # A sliver that leaves nothing is no better than a surface that leaves a little.
                if choice is None or fill(other.cells, within) >= _STANDS_OUT:
                    choice, label = other, labels
    chosen = None if choice is None else choice.cells
    if chosen is not None and fill(chosen, within) >= _STANDS_OUT:
        flat = _lies_on(cells, chosen, within, large, planes)
        if flat is None:
            chosen = refined_outline(cells, chosen, use & around, image)
            chosen = completed_to_sides(cells, chosen, within)
            chosen = completed_beyond(label, chosen, around, within)
            rival = None if choice is None else choice.other
            if rival is None and not furniture:
                rival = without_standing(cells, chosen, within)
            reading = Separation(chosen, _behind(planes, chosen), planes)
            if rival is not None:
                rival = completed_beyond(label, rival, around, within)
                second = Separation(rival, _behind(planes, rival), planes)
                reading = replace(reading, other=second)
            if not furniture and choice is not None and choice.score > _EXPLAINS:
                others = use & ~chosen & ~reading.background
            return reading, others
        chosen = chosen | (flat.cells & within)
        outline = outline_of_flat(cells, chosen, within, image, flat.cells & ~around)
        return Separation(outline, backdrop & ~outline, planes, flat=True), others
    # Nothing stands out: the object is flush with its background (a door, a picture, a window).
    largest = max(
        planes, key=lambda plane: int(np.count_nonzero(plane.cells & within)), default=None
    )
    on = np.zeros(cells.shape, bool) if largest is None else largest.cells
    patch = select(cells, np.where(on & within, 0, -1).astype(np.int32), within, gravity, usual)
    flush = None if patch is None else patch.cells
    standing_out = 0.0 if chosen is None else fill(chosen, within)
    if flush is not None and (
        chosen is None
        or fill(flush, within) > _LIES_FLAT
        or (standing_out < _SCRAPS and fill(flush, within) > _LIES_FLAT - standing_out - _HOLES)
    ):
        if largest is not None and large:
            rising = np.abs(largest.front) < _flat(cells, flush, within, large, largest)
            flush = flush | (rising & standing & within)
        outline = outline_of_flat(cells, flush, within, image, on & ~around)
        return Separation(outline, backdrop & ~outline, planes, flat=True), others
    if chosen is None:
        choice = select(cells, connected(cells, use & within), within, gravity, usual)
        chosen = np.zeros(cells.shape, bool) if choice is None else choice.cells
    background = _behind(planes, chosen) if chosen.any() else backdrop
    return Separation(chosen, background, planes), others


def _of_one_thing(
    cells: Cells,
    standing: NDArray[np.bool_],
    label: NDArray[np.int32],
    choice: Choice | None,
    planes: tuple[Plane, ...],
    within: NDArray[np.bool_],
    around: NDArray[np.bool_],
    gravity: NDArray[np.float64] | None,
    usual: Size | None,
) -> tuple[Choice | None, NDArray[np.int32]]:
    """A choice without the surfaces of things that go on outside the region, where it explains it.

    Args:
        cells: the window.
        standing: [h, w] bool, cells on none of the planes.
        label: [h, w] number of the connected surface of each of them, -1 elsewhere.
        choice: among these surfaces.
        planes: of the background.
        within: [h, w] bool, cells inside the region.
        around: [h, w] bool, the region grown by what it may be too small.
        gravity: as for :func:`separate_bounded`.
        usual: as for :func:`separate_bounded`.

    Returns:
        The choice, and the surfaces that it was made of; what is in none is of other things. Where
        it explains less without them it is as before, with what is left as another reading.
    """
    rest = without_folding(cells, standing, planes, around)
    if rest is None:
        return choice, label
    second = select(cells, rest, around, gravity, usual)
    if second is None or fill(second.cells, within) < _STANDS_OUT:
        return choice, label
    if choice is None or second.score > choice.score - _AS_GOOD:
        return second, rest
    return (choice if choice.other is not None else replace(choice, other=second.cells)), label


def separate_given(cells: Cells, within: NDArray[np.bool_], cell: float = 1.0) -> Separation:
    """Take a mask as it is, without scraps of other surfaces along its outline.

    A mask is drawn in the colour image; where the depth camera sees past the outline, its pixels
    show what is far behind or well before the object. Such scraps are small, and far from all else
    in the mask. What is far and too much for a scrap may be what the mask leaks onto: the largest
    surface alone is one reading, all of it another. Where something nearer fills the image between
    the two (legs under a table top that hides the seat), it is no leak.

    Args:
        cells: the window around the mask.
        within: [h, w] bool, cells of the mask.
        cell: side of a cell of the grid that the mask was made on, pixels. The outline of a mask
            that was drawn at the image's resolution is right: only strips along it are a sensor's,
            and what has an inside is the object's, however far from the rest (a sofa's back behind
            its arm, in the corner of the image).
    """
    use = cells.ok & within
    solid = cv2.erode(use.astype(np.uint8), _SQUARE, borderValue=1) > 0
    label = connected(cells, use)
    sizes = np.bincount(label[use])
    keep = use.copy()
    alone = use.copy()
    if len(sizes) > 1:
        largest = _piece(cells, label == int(np.argmax(sizes)))
        main = largest.points[:: max(1, len(largest.points) // 400)]
        size = float(np.linalg.norm(np.ptp(np.percentile(main, (5, 95), axis=0), axis=0)))
        for name in np.flatnonzero(sizes < sizes.max()):
            own = label == name
            part = cells.points[own]
            gap = gap_between(part[:: max(1, len(part) // 100)], main)
            if sizes[name] < _SCRAP * use.sum():
                drawn = cell <= 1.0 and (solid & own).any()
                if not drawn and gap > max(_LEAST_GAP, _FAR * size):
                    keep &= ~own
                    alone &= ~own
            elif gap > max(_LEAST_GAP, _MODE * size):
                piece, whole = _piece(cells, own), largest.thinned(400)
                if gap > FARTHEST or not covered(depth_of(cells), piece, whole, [largest]):
                    alone &= ~own
    nothing = np.zeros(cells.shape, bool)
    if (keep & ~alone).any():
        return Separation(alone, nothing, (), other=Separation(keep, nothing, ()))
    return Separation(keep, nothing, ())


def _piece(cells: Cells, own: NDArray[np.bool_]) -> Piece:
    """The cells of a surface that the region holds all of."""
    return Piece(np.argwhere(own), cells.points[own], 0.0)


def separate_grown(cells: Cells, row: int, column: int, floor: Floor | None) -> Separation:
    """Separate the surface around a cell: what a person points at.

    Only planes that the surface lies before are its background: a plane before it is another side
    of the same object, or of one that stands in front.
    """
    use = cells.ok.copy()
    seeds = np.zeros(cells.shape, bool)
    seeds[max(0, row - 2) : row + 3, max(0, column - 2) : column + 3] = True
    background = np.zeros(cells.shape, bool)
    if floor is not None:
        ground = floor.holds(cells.points, cells.sigma)
        if not ground[row, column]:
            background |= cells.ok & ground
    planes = tuple(
        plane
        for plane in background_planes(cells, use & ~background, seeds, ~grown(seeds))
        if abs(plane.front[row, column]) > plane.tolerance and plane.closes(use & ~background)
    )
    for plane in planes:
        background |= use & (np.abs(plane.front) < plane.tolerance)
    use &= ~background
    label = connected(cells, use)
    near = np.argwhere(seeds & use)
    if len(near) == 0:
        return Separation(np.zeros(cells.shape, bool), background, planes)
    at = near[np.argmin(((near - (row, column)) ** 2).sum(axis=1))]
    return Separation(label == label[at[0], at[1]], background, planes)


def completed_beyond(
    label: NDArray[np.int32],
    chosen: NDArray[np.bool_],
    around: NDArray[np.bool_],
    within: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Add what goes on from an object beyond its region and ends near it.

    A region that is too small cuts its object. What is not the object's goes on further than a
    region may be wrong.

    Args:
        label: [h, w] number of the connected surface of each cell, -1 for none.
        chosen: [h, w] bool, the object as far as it was found.
        around: [h, w] bool, cells that it was looked for in.
        within: [h, w] bool, cells inside the region.
    """
    names = np.zeros(int(label.max(initial=-1)) + 2, bool)
    names[label[chosen]] = True
    names[-1] = False  # of label -1
    beyond = names[label] & ~around
    if not beyond.any():
        return chosen
    number, patch = patches(beyond)
    goes_on = np.zeros(number + 1, bool)
    goes_on[patch[~grown(within, _BAND)]] = True
    goes_on[0] = True
    return chosen | ~goes_on[patch]


def grown(within: NDArray[np.bool_], share: float = _GROW) -> NDArray[np.bool_]:
    """The region grown on each side by a share of its size, at least two cells."""
    top, bottom, left, right = extent(within)
    rows, columns = (
        max(2, round(share * (last - first + 1))) for first, last in ((top, bottom), (left, right))
    )
    kernel = np.ones((2 * rows + 1, 2 * columns + 1), np.uint8)
    return cv2.dilate(within.astype(np.uint8), kernel).astype(bool)


def creases(
    cells: Cells,
    label: NDArray[np.int32],
    planes: tuple[Plane, ...],
    backdrop: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Return connected surfaces that are left over where background surfaces meet or end.

    The cells along a crease are a mixture of both sides and on neither. They are a strip without an
    inside, beside the background all along, and off it by less than a cell is wide.

    Args:
        cells: of the window.
        label: [H, W] number of the connected surface of each cell, -1 for none.
        planes: of the background.
        backdrop: [H, W] cells that these explain.

    Returns:
        [H, W] bool.
    """
    count = int(label.max(initial=-1)) + 1
    if count == 0 or not planes:
        return np.zeros(cells.shape, bool)
    size = np.bincount(label[label >= 0], minlength=count)
    solid = cv2.morphologyEx((label >= 0).astype(np.uint8), cv2.MORPH_ERODE, _SQUARE).astype(bool)
    beside = cv2.dilate(backdrop.astype(np.uint8), _SQUARE).astype(bool)
    width = np.float32(cells.angle) * cells.points[..., 2]
    close = np.zeros(cells.shape, bool)
    for plane in planes:
        with np.errstate(invalid="ignore"):
            close |= np.abs(plane.front) < plane.tolerance + width
    close &= beside & (label >= 0)
    share = np.bincount(label[close], minlength=count) / size
    whole = np.bincount(label[solid], minlength=count) > 0
    crease = np.append((share > _CREASE) & ~whole, False)  # the last for label -1
    return np.asarray(crease[label])


def completed_to_sides(
    cells: Cells, chosen: NDArray[np.bool_], within: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Add what goes on in the object's own plane up to sides of the region that it stops short of.

    A region bounds its object from side to side. Where one side of a thing leans on a wall or lies
    on a shelf, depth alone takes that side for the background; if most of what is left in the
    region is in the plane of what was found, and reaches the sides, it is the thing's.

    Args:
        cells: the window.
        chosen: [h, w] bool, the object as far as it was found, not empty.
        within: [h, w] bool, cells inside the region.
    """
    if short_of(chosen, within) < _SHORT or np.count_nonzero(chosen) < _LEAST_PLANE:
        return chosen
    rest = cells.ok & within & ~chosen
    at = np.argwhere(rest)
    near = np.zeros(cells.shape, bool)
    z, q = cells.points[..., 2][rest], DepthPlane.through(cells, chosen).inverse_depth(at)
    on = (q > 0) & (np.abs(z * q - 1) < (_IN_PLANE + 2 * cells.sigma[rest]) * q)
    if np.count_nonzero(on) < _MOSTLY * len(at):
        return chosen
    near[at[on, 0], at[on, 1]] = True
    both = cv2.morphologyEx((near | chosen).astype(np.uint8), cv2.MORPH_OPEN, _SQUARE)
    number, label = patches(both.astype(bool) | chosen)
    touching = np.zeros(number + 1, bool)
    touching[label[chosen]] = True
    touching[0] = False
    found = touching[label]
    return found if short_of(found, within) < _REACHED else chosen


def short_of(chosen: NDArray[np.bool_], within: NDArray[np.bool_]) -> float:
    """Share of the region's size by which the chosen cells stop short of its farthest side."""
    own, region = extent(chosen), extent(within)
    height, width = region[1] - region[0] + 1, region[3] - region[2] + 1
    return max(
        (own[0] - region[0]) / height,
        (region[1] - own[1]) / height,
        (own[2] - region[2]) / width,
        (region[3] - own[3]) / width,
    )


def _behind(planes: tuple[Plane, ...], chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Cells on the planes that the chosen cells lie before; a plane before them hides them."""
    out = np.zeros(chosen.shape, bool)
    for plane in planes:
        if _is_before(plane, chosen):
            out |= plane.cells
    return out & ~chosen


def _is_before(plane: Plane, chosen: NDArray[np.bool_]) -> bool:
    """Tell whether most of the chosen cells lie on a plane or on the camera's side of it."""
    return bool(chosen.any() and median(plane.front[chosen]) > -plane.tolerance)


def _flat(
    cells: Cells,
    chosen: NDArray[np.bool_],
    within: NDArray[np.bool_],
    large: bool,
    plane: Plane,
) -> float:
    """Metres by which something of the region's size may rise from a plane and be flat on it.

    What is large may rise by as much as the plane seems to scatter: a door far away.
    """
    top, bottom, left, right = extent(within)
    size = min(bottom - top, right - left) + 1  # of the region, in cells
    metres = size * cells.angle * float(median(cells.points[..., 2][chosen]))
    scatter = _SCATTERED * plane.tolerance if large else 0.0
    return max(_FLAT, _FLAT_SHARE * metres, scatter)


def _lies_on(
    cells: Cells,
    chosen: NDArray[np.bool_],
    within: NDArray[np.bool_],
    large: bool,
    planes: tuple[Plane, ...],
) -> Plane | None:
    """The plane that the chosen cells lie flat on, or None: they rise from every one."""
    few = np.count_nonzero(chosen) < _FEW * np.count_nonzero(within)
    more = 2 if few else 1  # creases and noise of something flat
    for plane in planes:
        (off,) = percentiles(np.abs(plane.front[chosen]), (90,))
        if off < more * _flat(cells, chosen, within, large, plane):
            return plane
    return None
