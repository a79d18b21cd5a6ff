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
from dataclasses import dataclass, field, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialgeo_ros.errors import BadRegionError, TooLittleSupportError
from spatialgeo_ros.geometry.assembly import fill
from spatialgeo_ros.geometry.background import Floor, Plane, find_floor
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.cells import Cells, DepthPlane, Window, extent, make_cells
from spatialgeo_ros.geometry.evidence import Evidence, evidence_of, evidence_of_mask
from spatialgeo_ros.geometry.fringe import fringe_of
from spatialgeo_ros.geometry.object_pixels import (
    eroded,
    pixels_of,
    rim_of,
    settled,
    share_inside,
    spread_mask,
)
from spatialgeo_ros.geometry.pointing import box_around
from spatialgeo_ros.geometry.pointmap import DepthSource, PointMap
from spatialgeo_ros.geometry.regions import Region, RegionType
from spatialgeo_ros.geometry.separation import (
    Separation,
    separate_bounded,
    separate_given,
    separate_grown,
)
from spatialgeo_ros.geometry.sizes import TYPICAL_SIZES, Size, usual_size
from spatialgeo_ros.geometry.small_arrays import median, percentiles
from spatialgeo_ros.geometry.surfels import surfels

MIN_SUPPORT = 12  # pixels; fewer cannot tell a surface from noise
_MOST_CELLS = 5000
_LEVEL = 0.95  # cosine of the angle up to which a plane is level
_SUNK = 0.04  # metres that a thing may seem to reach into what it stands on
_LEAST_READ = 0.4  # share of a region with depth, below which it must show enough of a thing
_LEAST_READ_FLAT = 0.5  # the same for what does not stand out: screens and windows show none
_LEAST_SHARE = 0.05  # of the region's cells on the object
_LEAST_FILL, _MOST_UNEXPLAINED = 0.3, 0.3  # of a region: slivers reach over less, beside more
_LEAST_SETTLED = 0.25  # of a cell's pixels, for a cell of a mask
_COARSE_OUTLINE = 0.5  # of a cell of a mask's grid: standard deviation of its outline
_THIN_OUTLINE = 1.5  # the same, of a mask that has no inside a cell from its outline
_AGREE = 0.7  # of both masks' pixels: one thing
_PLACE = 0.1  # metres around what is pointed at
_MARGIN = 0.2  # of the region's size: how much surrounding is looked at,
_LEAST_MARGIN = 0.06  # at least so much of its longer side


@dataclass(frozen=True, eq=False)
class ObjectPoints:
    """The visible surface of one object.

    Attributes:
        label: the region's label.
        mask: [H, W] bool, the object's pixels: inside the region, or near it where a box cuts it.
        points: [N, 3] float32, their points in the optical frame, metres.
        sigma: [N] float32, standard deviation of each point's z, metres.
        camera: intrinsics of the image.
        source: where the metres come from.
        surface: [M, 3] float32, the same surface as fewer, denoised points for measuring.
        surface_sigma: [M] float32, their standard deviation of z, correlated part included.
        fraction: share of the region's pixels that are the object's.
        truncated: the object touches the border of the image and may go on outside.
        gravity: unit direction of falling in the optical frame, None when unknown.
        floor_height: of the camera above the floor, metres, None when unknown.
        box: first and last pixel of the object: x0, y0, x1, y1.
        cut: at the (left, top, right, bottom) the object goes on unseen, behind the image border
            or behind something nearer.
        cell_pixels: side of a cell of ``surface`` in pixels.
        floor: the floor that the object was taken off, None when unknown. Single pixels of it may
            be left in ``mask`` and ``points``, where noise hides them; none in ``surface``.
        support_mask: [H, W] bool, pixels of the surfaces that the object stands on, hangs on or
            lies before, in and around the region.
        rejected: [H, W] bool, measured pixels inside the region that are neither the object nor
            its support: occluders, things behind it, pixels that float at edges.
        beyond: [K, 3] float32, where the region says that the object goes on but the sensor has no
            reading: pixels without depth, at the depth of the object's own surface, metres. For
            estimating the whole object only.
        base: distance along ``gravity`` from the camera to the surface the object stands on, at
            the object, metres; None when there is none in view or gravity is unknown.
        flat: the object lies flat on its background: its outline is by colour or the region alone.
        floor_sigma: standard deviation of ``floor_height``, metres.
        other: what the region may also be, where it cannot be decided; None where it can.
        outline: standard deviation of the outline, pixels of the image; 0 where it is what the
            depth image says.
        beyond_pixels: how many pixels without a reading ``beyond`` stands for.
        outlines: the same object with other outlines, where its mask was made on a coarse grid:
            without a cell along its outline, and separated from its box by depth. What is measured
            of them too tells how much depends on the outline.
        evidence: for its having been found whole, and nothing else with it.
        rim: [K, 2] int64, row and column of pixels beside the object's that are its own as well, as
            far as is known, and have no reading of it (:func:`rim_of`).
    """

    label: str
    mask: NDArray[np.bool_]
    points: NDArray[np.float32]
    sigma: NDArray[np.float32]
    camera: PinholeCamera
    source: DepthSource
    surface: NDArray[np.float32]
    surface_sigma: NDArray[np.float32]
    fraction: float
    truncated: bool
    gravity: NDArray[np.float64] | None
    floor_height: float | None
    box: tuple[int, int, int, int]
    cut: tuple[bool, bool, bool, bool]
    cell_pixels: int
    floor: Floor | None
    support_mask: NDArray[np.bool_]
    rejected: NDArray[np.bool_]
    beyond: NDArray[np.float32]
    base: float | None
    flat: bool
    floor_sigma: float = 0.0
    other: ObjectPoints | None = None
    outline: float = 0.0
    beyond_pixels: int = 0
    outlines: tuple[ObjectPoints, ...] = ()
    evidence: Evidence = field(default_factory=Evidence)
    rim: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 2), np.int64))

    @cached_property
    def size(self) -> float:
        """Longer side in the image, metres at its own depth."""
        x0, y0, x1, y1 = self.box
        return self.in_metres(max(x1 - x0, y1 - y0))

    @cached_property
    def depth(self) -> float:
        """Median z of its surface, metres."""
        return float(median(self.surface[:, 2]))

    def in_metres(self, pixels: float) -> float:
        """Length in metres of some pixels of the image at the object's depth."""
        return pixels * self.depth / self.camera.fx

    def cell_size(self, z: float) -> float:
        """Width in metres of a cell of ``surface`` at depth ``z``."""
        return self.cell_pixels * z / self.camera.fx

    @property
    def support(self) -> int:
        """Number of measured pixels on the object."""
        return len(self.points)


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
    if region.type is RegionType.POINT:
        window = (0, 0, width, height)
    else:
        least = max(8, int(_LEAST_MARGIN * max(x1 - x0, y1 - y0)))  # cells are as large as that
        pad_x = max(least, int(_MARGIN * (x1 - x0)))
        pad_y = max(least, int(_MARGIN * (y1 - y0)))
        window = (
            max(0, x0 - pad_x),
            max(0, y0 - pad_y),
            min(width, x1 + 1 + pad_x),
            min(height, y1 + 1 + pad_y),
        )
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
        floor = _seen_floor(reading.planes, floor)
    view = _View(
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


def _pointed_at(
    view: _View,
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


@dataclass(frozen=True, eq=False)
class _View:
    """A region and what is around it, in pixels and in cells; ``own`` what of a mask is kept."""

    pointmap: PointMap
    region: Region
    inside: NDArray[np.bool_]
    excluded: NDArray[np.bool_] | None
    own: NDArray[np.bool_] | None
    window: Window
    cells: Cells
    within: NDArray[np.bool_]
    gravity: NDArray[np.float64] | None
    floor_height: float | None
    floor: Floor | None
    image: NDArray[np.uint8] | None

    def object(self, reading: Separation) -> ObjectPoints:
        """Lift one reading.

        Raises:
            TooLittleSupportError: as :func:`segment_object`.
        """
        pointmap, region, cells, floor = self.pointmap, self.region, self.cells, self.floor
        x0, y0, x1, y1 = self.window
        height, width = pointmap.shape
        around = inside = self.inside[y0:y1, x0:x1]
        valid = np.isfinite(pointmap.depth_in(self.window))
        bounded = region.type in (RegionType.BOX, RegionType.POLYGON)
        if self.own is not None:
            part = self.own[y0:y1, x0:x1]
            scraps = cells.ok & self.within & ~reading.thing
            if scraps.any():
                part = part & ~spread_mask(scraps, cells, self.window)
        else:
            part = pixels_of(pointmap, cells, reading.thing, self.window)
            if bounded and reading.flat:  # its outline may be the box alone
                part &= cv2.dilate(inside.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
            if self.excluded is not None:
                part &= ~self.excluded[y0:y1, x0:x1]
            if bounded and not reading.flat and self.image is not None and part.any():
                others = fringe_of(part, valid, self.image[y0:y1, x0:x1])
                kept = part & ~others
                if kept.any():
                    part, around = kept, inside & ~others
        support = int(np.count_nonzero(part))
        evidence = Evidence()  # a point bounds nothing
        if bounded and reading.thing.any():
            evidence = evidence_of(cells, self.within, reading)
        self._require(reading, support, evidence if bounded else None)
        top, bottom, left, right = extent(part)
        box = (x0 + left, y0 + top, x0 + right, y0 + bottom)
        crop = (box[0], box[1], box[2] + 1, box[3] + 1)
        points, sigma = pointmap.pixels_in(crop, part[top : bottom + 1, left : right + 1])
        edge = 2 + cells.step
        truncated = (
            box[0] < edge or box[1] < edge or box[2] >= width - edge or box[3] >= height - edge
        )
        background = valid & ~part & spread_mask(reading.background, cells, self.window)
        unclaimed = inside & valid & ~part & ~background
        mask, support_mask, rejected = (
            self._whole(pixels) for pixels in (part, background, unclaimed)
        )
        surface, surface_sigma, side = surfels(pointmap, mask, crop)
        beyond = np.zeros((0, 3), np.float32)
        if bounded:
            beyond = _beyond(cells, reading.thing, self.within, pointmap.camera)
        if floor is not None:
            ground = floor.below(surface)
            if ground.mean() < 0.5:
                surface, surface_sigma = surface[~ground], surface_sigma[~ground]
            else:  # a rug, or a point on the ground: the object is the floor
                floor = None
        fraction = 1.0 if region.type is RegionType.POINT else float(part[inside].mean())
        if self.own is not None:
            # A coarse mask holds other things along its outline: its outlines tell of these.
            lost = unclaimed if region.cell <= 1.0 else np.zeros_like(unclaimed)
            evidence = evidence_of_mask(pointmap, self.window, lost, fraction)
        return ObjectPoints(
            region.label,
            mask,
            points,
            sigma,
            pointmap.camera,
            pointmap.source,
            surface,
            surface_sigma,
            fraction,
            truncated,
            self.gravity,
            self.floor_height,
            box,
            _cut_sides(cells, reading.thing, box, (height, width), floor),
            side,
            floor,
            support_mask,
            rejected,
            beyond,
            _base(surface, reading.planes, self.gravity, floor),
            reading.flat,
            beyond_pixels=int(np.count_nonzero(inside & ~valid)) if len(beyond) else 0,
            evidence=evidence,
            rim=rim_of(part, around, valid, self.own is not None) + (y0, x0),
        )

    def _whole(self, pixels: NDArray[np.bool_]) -> NDArray[np.bool_]:
        x0, y0, x1, y1 = self.window
        out = np.zeros(self.pointmap.shape, bool)
        out[y0:y1, x0:x1] = pixels
        return out

    def _require(self, reading: Separation, support: int, evidence: Evidence | None) -> None:
        """Refuse what has too little depth to say which surface is the object's.

        Args:
            reading: of the region.
            support: measured pixels on its object.
            evidence: for it, None where the region bounds nothing.

        Raises:
            TooLittleSupportError: names the share of the region that has depth, or that is found.
        """
        name = f"'{self.region.label}'" if self.region.label else "the region"
        if support < MIN_SUPPORT or not reading.thing.any():
            raise TooLittleSupportError(
                f"only {support} measured pixels on {name} ({MIN_SUPPORT} needed); depth may be "
                "missing there, or the region holds only background"
            )
        if evidence is None:
            return
        measured = float(self.cells.ok[self.within].mean())
        share = float((reading.thing & self.within).sum() / self.within.sum())
        least = _LEAST_READ_FLAT if reading.flat else _LEAST_READ
        if measured < least and share < _LEAST_SHARE + (measured if reading.flat else 0.0):
            raise TooLittleSupportError(
                f"only {measured:.0%} of {name} has depth, too little to tell what it is of: dark, "
                "shiny or transparent surfaces give none; move the camera, or give a mask"
            )
        if reading.flat or reading.other is not None or evidence.unexplained < _MOST_UNEXPLAINED:
            return
        found = fill(reading.thing & self.within, self.within) if share > 0 else 0.0
        if found < _LEAST_FILL:
            raise TooLittleSupportError(
                f"what ends within {name} reaches over {found:.0%} of it only, and surfaces that "
                f"go on outside fill {evidence.unexplained:.0%} of it: it may be of any of them; "
                "draw the box around all of one thing, or give a mask"
            )


def _seen_floor(planes: tuple[Plane, ...], floor: Floor) -> Floor:
    """The floor as it is seen in the window, else where it should be."""
    for plane in planes:
        if plane.normal @ floor.normal > _LEVEL and abs(plane.offset - floor.height) < 0.08:
            return Floor(plane.normal, plane.offset)
    return floor


def _beyond(
    cells: Cells, chosen: NDArray[np.bool_], within: NDArray[np.bool_], camera: PinholeCamera
) -> NDArray[np.float32]:
    """Points [K, 3] of the region's cells without depth, on the plane through the object.

    Inverse depth is linear in the pixel coordinates of a plane; where the object is no plane, its
    own range of depths bounds what is extrapolated.
    """
    blind = within & ~cells.ok
    if np.count_nonzero(blind) < 3 or np.count_nonzero(chosen) < 6:
        return np.zeros((0, 3), np.float32)
    at = np.argwhere(blind)
    at = at[:: max(1, len(at) // 400)]
    q = 1.0 / cells.points[..., 2][chosen].astype(np.float64)
    value = DepthPlane.through(cells, chosen).inverse_depth(at)
    low, high = percentiles(q, (5, 95))
    value = np.clip(value, low, high)
    centre = np.array([cells.x0, cells.y0]) + (at[:, ::-1] + 0.5) * cells.step - 0.5
    return camera.unproject(centre, 1.0 / value).astype(np.float32)


def _base(
    surface: NDArray[np.float32],
    planes: tuple[Plane, ...],
    gravity: NDArray[np.float64] | None,
    floor: Floor | None,
) -> float | None:
    """Distance along gravity to the level surface right below an object, or None."""
    if gravity is None or not len(surface):
        return None
    place = surface.mean(axis=0).astype(np.float64)
    (lowest,) = percentiles(surface @ gravity.astype(np.float32), (97,))
    drops = [floor.height] if floor is not None else []
    for plane in planes:
        cosine = float(plane.normal @ gravity)
        if cosine > _LEVEL:
            ahead = plane.offset - float(plane.normal @ place)
            drops.append(float(place @ gravity) + ahead / cosine)
    below = [drop for drop in drops if lowest - _SUNK < drop]
    return min(below, default=None)


def _cut_sides(
    cells: Cells,
    chosen: NDArray[np.bool_],
    box: tuple[int, int, int, int],
    shape: tuple[int, int],
    floor: Floor | None,
) -> tuple[bool, bool, bool, bool]:
    """Whether the object goes on unseen at its left, top, right and bottom.

    It does where the image ends, and where something nearer lies beside its outermost cells. The
    floor in front of an object is nearer too and hides nothing.
    """
    top, bottom, left, right = extent(chosen)
    height, width = shape
    edge = 2 + cells.step
    border = (box[0] < edge, box[1] < edge, box[2] >= width - edge, box[3] >= height - edge)
    others = cells.ok & ~chosen
    step_down = 0.0
    if floor is not None:
        others &= ~floor.holds(cells.points, cells.sigma)
    else:  # a floor that is not known comes nearer by this per row, seen from a metre above
        step_down = float(median(cells.points[..., 2][chosen])) ** 2 * cells.angle
    reach = 3  # cells beyond the outline that may be the occluder
    cut = []
    for axis, last, outward in ((1, left, -1), (0, top, -1), (1, right, 1), (0, bottom, 1)):
        near = slice(last - 2, last + 1 + reach) if outward > 0 else slice(last - reach, last + 3)
        near = slice(max(0, near.start), near.stop)
        strip = (slice(None), near) if axis else (near, slice(None))
        z = cells.points[..., 2][strip]
        mine = np.where(chosen[strip], z, np.inf).min(axis=axis)
        other = np.where(others[strip], z, np.inf).min(axis=axis)
        lines = chosen[strip].any(axis=axis)
        limit = 0.08 + (reach * step_down if (axis, outward) == (0, 1) else 0.0)
        hidden = lines & (other < mine - limit)
        cut.append(bool(hidden.sum() > 0.3 * max(1, lines.sum())))
    return (
        border[0] or cut[0],
        border[1] or cut[1],
        border[2] or cut[2],
        border[3] or cut[3],
    )
