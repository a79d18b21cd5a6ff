# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Regions of an image that a request, a detector or the model points at, and their pixels.

Coordinates are pixels with integer pixel centres; a pixel belongs to a region when its centre does
(the border included).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialgeo_ros.errors import BadRegionError

Box = tuple[float, float, float, float]

#: Most corners of a polygon: an outline at every pixel of a large object, thinned, has fewer.
MOST_CORNERS = 1000
#: Farthest a coordinate may lie from the origin, pixels; what is farther is no place in an image.
MOST_COORDINATE = 1e6
#: Most pixels of a mask: larger than any camera's image.
MOST_MASK_PIXELS = 100_000_000
_KEPT_POLYGONS = 16  # filled polygons that are kept for the next frame


class RegionType(IntEnum):
    """How a region is given; values equal the TYPE_ constants of ``msg/Region.msg``."""

    PHRASE = 0
    BOX = 1
    POLYGON = 2
    POINT = 3
    MASK = 4


@dataclass(frozen=True, eq=False)
class Region:
    """One region. Build it with a ``from_...`` constructor; only the fields of its type are used.

    Attributes:
        type: which of the fields below is meant.
        label: name of the object, free text; for PHRASE what to look for.
        score: confidence of who made the region, 0..1.
        box: x0, y0, x1, y1 in pixels.
        polygon: [N, 2] pixels, closed, even-odd rule.
        point: u, v in pixels.
        mask: [H, W] bool at the image's resolution.
        cell: of a mask: side in image pixels of a cell of the grid that it was made on. Its outline
            is not known better than that; 1 where it was drawn at the image's resolution.
        stamp_ns: stamp in nanoseconds of the image it was drawn on; 0 when that is the image at
            hand, or unknown.
    """

    type: RegionType
    label: str = ""
    score: float = 1.0
    box: Box | None = None
    polygon: NDArray[np.float64] | None = None
    point: tuple[float, float] | None = None
    mask: NDArray[np.bool_] | None = None
    stamp_ns: int = 0
    cell: float = 1.0

    @classmethod
    def from_box(
        cls, x0: float, y0: float, x1: float, y1: float, label: str = "", score: float = 1.0
    ) -> Region:
        """Box from corner to corner, pixels.

        Raises:
            BadRegionError: not finite, beyond :data:`MOST_COORDINATE`, or x1 < x0 or y1 < y0.
        """
        box = (float(x0), float(y0), float(x1), float(y1))
        if not all(map(math.isfinite, box)) or box[2] < box[0] or box[3] < box[1]:
            raise BadRegionError(
                f"box {_name(label)}{box} must be finite with x_min <= x_max and y_min <= y_max"
            )
        _require_near("box", label, max(map(abs, box)))
        return cls(RegionType.BOX, label, float(score), box=box)

    @classmethod
    def from_polygon(cls, polygon: ArrayLike, label: str = "", score: float = 1.0) -> Region:
        """Polygon [N, 2] of 3 to :data:`MOST_CORNERS` corners, pixels.

        Raises:
            BadRegionError: fewer or more corners, not finite, or beyond :data:`MOST_COORDINATE`.
        """
        given = np.asarray(polygon)
        if given.ndim != 2 or given.shape[1:] != (2,) or len(given) < 3:
            raise BadRegionError(
                f"polygon {_name(label)}needs at least 3 corners [N, 2], got {given.shape}"
            )
        if len(given) > MOST_CORNERS:
            raise BadRegionError(
                f"polygon {_name(label)}has {len(given)} corners, {MOST_CORNERS} is the most; "
                "simplify the outline (cv2.approxPolyDP), or send a mask"
            )
        corners = given.astype(np.float64)  # a copy
        if not np.isfinite(corners).all():
            raise BadRegionError(f"polygon {_name(label)}has a corner that is not finite")
        _require_near("polygon", label, float(np.abs(corners).max()))
        corners.flags.writeable = False  # what is filled once is kept
        return cls(RegionType.POLYGON, label, float(score), polygon=corners)

    @classmethod
    def from_point(cls, u: float, v: float, label: str = "", score: float = 1.0) -> Region:
        """One pixel on the object.

        Raises:
            BadRegionError: not finite, or beyond :data:`MOST_COORDINATE`.
        """
        if not (math.isfinite(u) and math.isfinite(v)):
            raise BadRegionError(f"point {_name(label)}({u}, {v}) is not finite")
        _require_near("point", label, max(abs(u), abs(v)))
        return cls(RegionType.POINT, label, float(score), point=(float(u), float(v)))

    @classmethod
    def from_mask(
        cls, mask: ArrayLike, label: str = "", score: float = 1.0, cell: float = 1.0
    ) -> Region:
        """Mask [H, W] of the object's pixels (non-zero is object), at the image's resolution.

        Args:
            mask: of the whole image.
            label: name of the object.
            score: confidence of who made it.
            cell: image pixels per cell of the coarser grid that a network made it on.

        Raises:
            BadRegionError: not two-dimensional, empty, or of more than :data:`MOST_MASK_PIXELS`;
                or the cell is no length.
        """
        if not (math.isfinite(cell) and 0 < cell <= MOST_COORDINATE):
            raise BadRegionError(f"mask {_name(label)}has cells of {cell} pixels: no length")
        given = np.asarray(mask)
        if given.size > MOST_MASK_PIXELS:
            raise BadRegionError(
                f"mask {_name(label)}has {given.size} pixels, {MOST_MASK_PIXELS} is the most; send "
                "it at the image's resolution"
            )
        pixels = given != 0
        if pixels.ndim != 2 or not pixels.any():
            raise BadRegionError(f"mask {_name(label)}is empty or not [H, W] ({pixels.shape})")
        return cls(RegionType.MASK, label, float(score), mask=pixels, cell=max(1.0, float(cell)))

    @classmethod
    def from_phrase(cls, phrase: str) -> Region:
        """Words that name the object; they have to be located before anything is measured.

        Raises:
            BadRegionError: the phrase is empty.
        """
        if not phrase.strip():
            raise BadRegionError("the phrase of a region is empty; name the object")
        return cls(RegionType.PHRASE, phrase.strip())

    def rasterise(self, height: int, width: int) -> NDArray[np.bool_]:
        """Pixels of the region as a mask [height, width].

        Raises:
            BadRegionError: no pixel of the image is inside, the mask has another size, or the
                region is a phrase.
        """
        if self.type is RegionType.MASK and self.mask is not None:
            if self.mask.shape != (height, width):
                raise BadRegionError(
                    f"mask {_name(self.label)}is {self.mask.shape[1]}x{self.mask.shape[0]} but "
                    f"the image is {width}x{height}; send it at the image's resolution"
                )
            return self.mask.copy()
        x0, y0, x1, y1 = self._window(height, width)
        out = np.zeros((height, width), bool)
        if self.type is RegionType.POLYGON:
            inside = _filled(self, height, width)
            if not inside.any():
                raise BadRegionError(f"polygon {_name(self.label)}covers no pixel of the image")
            out[y0:y1, x0:x1] = inside
        else:
            out[y0:y1, x0:x1] = True
        return out

    def bounds(self, height: int, width: int) -> Box:
        """Box (x0, y0, x1, y1) around the region's pixels in the image: first and last pixel.

        Raises:
            BadRegionError: as :meth:`rasterise`.
        """
        if self.type in (RegionType.BOX, RegionType.POINT):
            x0, y0, x1, y1 = self._window(height, width)
            return float(x0), float(y0), float(x1 - 1), float(y1 - 1)
        pixels = self.rasterise(height, width)
        rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
        return float(columns[0]), float(rows[0]), float(columns[-1]), float(rows[-1])

    def _window(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Half-open pixel window x0, y0, x1, y1 of everything but a mask."""
        if self.type is RegionType.BOX and self.box is not None:
            left, top, right, bottom = self.box
        elif self.type is RegionType.POLYGON and self.polygon is not None:
            left, top = self.polygon.min(axis=0)
            right, bottom = self.polygon.max(axis=0)
        elif self.type is RegionType.POINT and self.point is not None:
            # The pixel whose area holds the point.
            left = right = math.floor(self.point[0] + 0.5)
            top = bottom = math.floor(self.point[1] + 0.5)
        elif self.type is RegionType.PHRASE:
            raise BadRegionError(f"phrase '{self.label}' has no pixels until it is located")
        else:
            raise BadRegionError(
                f"region {_name(self.label)}of type {self.type.name} is not filled"
            )
        x0, y0 = max(0, math.ceil(left)), max(0, math.ceil(top))
        x1, y1 = min(width, math.floor(right) + 1), min(height, math.floor(bottom) + 1)
        if x1 <= x0 or y1 <= y0:
            raise BadRegionError(
                f"{self.type.name.lower()} {_name(self.label)}({left:.1f}, {top:.1f}) to "
                f"({right:.1f}, {bottom:.1f}) covers no pixel of the {width}x{height} image"
            )
        return x0, y0, x1, y1


def _name(label: str) -> str:
    return f"'{label}' " if label else ""


def _require_near(kind: str, label: str, farthest: float) -> None:
    if farthest > MOST_COORDINATE:
        raise BadRegionError(
            f"{kind} {_name(label)}reaches {farthest:.4g} pixels from the image's origin, "
            f"{MOST_COORDINATE:g} is the most; coordinates are pixels of the image"
        )


@lru_cache(maxsize=_KEPT_POLYGONS)
def _filled(region: Region, height: int, width: int) -> NDArray[np.bool_]:
    """The polygon's pixels in its window of an image of this size; kept, so do not write to it.

    Regions are compared by identity and do not change, so one that a watch measures on every frame
    is filled once.
    """
    inside = _fill(np.asarray(region.polygon, np.float64), *region._window(height, width))
    inside.flags.writeable = False
    return inside


def _fill(polygon: NDArray[np.float64], x0: int, y0: int, x1: int, y1: int) -> NDArray[np.bool_]:
    """Even-odd fill of the window: count the edges to the left of each pixel centre.

    All crossings of edges and rows of pixels at once. ``cv2.fillPoly`` is not used: it paints every
    pixel that the outline touches, also those whose centre is outside.
    """
    a, b = polygon, np.roll(polygon, -1, axis=0)
    low, high = np.minimum(a[:, 1], b[:, 1]), np.maximum(a[:, 1], b[:, 1])
    first = np.maximum(np.ceil(low), y0).astype(np.int64)
    count = np.maximum(np.minimum(np.ceil(high), y1).astype(np.int64) - first, 0)
    edge = np.repeat(np.arange(len(a)), count)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    run = (row - a[edge, 1]) * (b[edge, 0] - a[edge, 0]) / (b[edge, 1] - a[edge, 1])
    crossing = a[edge, 0] + run
    column = np.clip(np.ceil(crossing), x0, x1).astype(np.int64) - x0
    across = x1 - x0 + 1
    toggles = np.bincount((row - y0) * across + column, minlength=(y1 - y0) * across)
    odd = np.cumsum(toggles.reshape(y1 - y0, across), axis=1, dtype=np.int32) & 1
    return odd[:, :-1].astype(bool)


def box_iou(first: Box, second: Box) -> float:
    """Intersection over union, in [0, 1], of two boxes (x0, y0, x1, y1)."""
    across = min(first[2], second[2]) - max(first[0], second[0])
    down = min(first[3], second[3]) - max(first[1], second[1])
    shared = max(0.0, across) * max(0.0, down)
    areas = sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in (first, second))
    return float(shared / max(areas - shared, 1e-9))
