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

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialgeo_ros.errors import BadRegionError

Box = tuple[float, float, float, float]


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

    @classmethod
    def from_box(
        cls, x0: float, y0: float, x1: float, y1: float, label: str = "", score: float = 1.0
    ) -> Region:
        """Box from corner to corner, pixels.

        Raises:
            BadRegionError: not finite, or x1 < x0 or y1 < y0.
        """
        box = (float(x0), float(y0), float(x1), float(y1))
        if not all(map(math.isfinite, box)) or box[2] < box[0] or box[3] < box[1]:
            raise BadRegionError(
                f"box {_name(label)}{box} must be finite with x_min <= x_max and y_min <= y_max"
            )
        return cls(RegionType.BOX, label, float(score), box=box)

    @classmethod
    def from_polygon(cls, polygon: ArrayLike, label: str = "", score: float = 1.0) -> Region:
        """Polygon [N, 2] of at least three corners, pixels.

        Raises:
            BadRegionError: fewer corners, or not finite.
        """
        corners = np.array(polygon, np.float64)
        if corners.ndim != 2 or corners.shape[1:] != (2,) or len(corners) < 3:
            raise BadRegionError(
                f"polygon {_name(label)}needs at least 3 corners [N, 2], got {corners.shape}"
            )
        if not np.isfinite(corners).all():
            raise BadRegionError(f"polygon {_name(label)}has a corner that is not finite")
        return cls(RegionType.POLYGON, label, float(score), polygon=corners)

    @classmethod
    def from_point(cls, u: float, v: float, label: str = "", score: float = 1.0) -> Region:
        """One pixel on the object.

        Raises:
            BadRegionError: not finite.
        """
        if not (math.isfinite(u) and math.isfinite(v)):
            raise BadRegionError(f"point {_name(label)}({u}, {v}) is not finite")
        return cls(RegionType.POINT, label, float(score), point=(float(u), float(v)))

    @classmethod
    def from_mask(cls, mask: ArrayLike, label: str = "", score: float = 1.0) -> Region:
        """Mask [H, W] of the object's pixels (non-zero is object), at the image's resolution.

        Raises:
            BadRegionError: not two-dimensional, or empty.
        """
        pixels = np.asarray(mask) != 0
        if pixels.ndim != 2 or not pixels.any():
            raise BadRegionError(f"mask {_name(label)}is empty or not [H, W] ({pixels.shape})")
        return cls(RegionType.MASK, label, float(score), mask=pixels)

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
        out = np.zeros((height, width), bool)
        if self.type is RegionType.MASK and self.mask is not None:
            if self.mask.shape != (height, width):
                raise BadRegionError(
                    f"mask {_name(self.label)}is {self.mask.shape[1]}x{self.mask.shape[0]} but "
                    f"the image is {width}x{height}; send it at the image's resolution"
                )
            return self.mask.copy()
        x0, y0, x1, y1 = self._window(height, width)
        if self.type is RegionType.POLYGON and self.polygon is not None:
            out[y0:y1, x0:x1] = _fill(self.polygon, x0, y0, x1, y1)
            if not out.any():
                raise BadRegionError(f"polygon {_name(self.label)}covers no pixel of the image")
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


def _fill(polygon: NDArray[np.float64], x0: int, y0: int, x1: int, y1: int) -> NDArray[np.bool_]:
    """Even-odd fill of the window: count the edges to the left of each pixel centre."""
    toggles = np.zeros((y1 - y0, x1 - x0 + 1), np.int32)
    for (ax, ay), (bx, by) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if ay == by:
            continue
        rows = np.arange(max(y0, math.ceil(min(ay, by))), min(y1, math.ceil(max(ay, by))))
        crossing = ax + (rows - ay) * (bx - ax) / (by - ay)
        columns = np.clip(np.ceil(crossing).astype(np.int64), x0, x1) - x0
        toggles[rows - y0, columns] += 1
    return (np.cumsum(toggles, axis=1)[:, :-1] & 1).astype(bool)
