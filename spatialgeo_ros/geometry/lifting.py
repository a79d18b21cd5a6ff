# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From the cells of a window that are an object to its pixels, points and surface.

What has too little depth to say which surface is the object's is refused here.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.errors import TooLittleSupportError
from spatialgeo_ros.geometry.assembly import fill
from spatialgeo_ros.geometry.background import Floor, Plane
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.cells import Cells, DepthPlane, Window, extent
from spatialgeo_ros.geometry.evidence import Evidence, evidence_of, evidence_of_mask
from spatialgeo_ros.geometry.fringe import fringe_of
from spatialgeo_ros.geometry.object_pixels import pixels_of, rim_of, spread_mask
from spatialgeo_ros.geometry.object_points import ObjectPoints
from spatialgeo_ros.geometry.pointmap import PointMap
from spatialgeo_ros.geometry.readings import Separation
from spatialgeo_ros.geometry.regions import Region, RegionType
from spatialgeo_ros.geometry.separation import LEAST_FILL
from spatialgeo_ros.geometry.small_arrays import median, percentiles
from spatialgeo_ros.geometry.surfels import surfels

MIN_SUPPORT = 12  # pixels; fewer cannot tell a surface from noise
_LEVEL = 0.95  # cosine of the angle up to which a plane is level
_SUNK = 0.04  # metres that a thing may seem to reach into what it stands on
_LEAST_READ = 0.4  # share of a region with depth, below which it must show enough of a thing
_LEAST_READ_FLAT = 0.5  # the same for what does not stand out: screens and windows show none
_LEAST_SHARE = 0.05  # of the region's cells on the object
_MOST_UNEXPLAINED = 0.3  # of a region, beside slivers


@dataclass(frozen=True, eq=False)
class RegionView:
    """A region and what is around it, in pixels and in cells.

    Attributes:
        pointmap: of the window.
        region: in pixels of the image.
        inside: [H, W] bool, its pixels.
        excluded: [H, W] bool, pixels that are known to be something else; None for none.
        own: [H, W] bool, what of a mask is kept; None where the region is none.
        window: pixels that are looked at.
        cells: of the window.
        within: [h, w] bool, cells inside the region.
        gravity: unit direction of falling in the optical frame, None when unknown.
        floor_height: of the camera above the floor, metres, None when unknown.
        floor: as it is seen, None when unknown.
        image: [H, W, 3] uint8 RGB, None when unknown.
    """

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
            TooLittleSupportError: too little of the region has depth, or is the object's.
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
        ends = (box[0] < edge, box[1] < edge, box[2] >= width - edge, box[3] >= height - edge)
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
            any(ends),
            self.gravity,
            self.floor_height,
            box,
            _cut_sides(cells, reading.thing, ends, floor),
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
        if found < LEAST_FILL:
            raise TooLittleSupportError(
                f"what ends within {name} reaches over {found:.0%} of it only, and surfaces that "
                f"go on outside fill {evidence.unexplained:.0%} of it: it may be of any of them; "
                "draw the box around all of one thing, or give a mask"
            )


def seen_floor(planes: tuple[Plane, ...], floor: Floor) -> Floor:
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
    ends: tuple[bool, bool, bool, bool],
    floor: Floor | None,
) -> tuple[bool, bool, bool, bool]:
    """Whether the object goes on unseen at its left, top, right and bottom.

    It does where the image ``ends``, and where something nearer lies beside its outermost cells.
    The floor in front of an object is nearer too and hides nothing.
    """
    top, bottom, left, right = extent(chosen)
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
        ends[0] or cut[0],
        ends[1] or cut[1],
        ends[2] or cut[2],
        ends[3] or cut[3],
    )
