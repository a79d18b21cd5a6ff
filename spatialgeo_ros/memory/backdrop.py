# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Points of the room itself, by which a wrong pose is told from things that were taken away.

When a robot is carried off, or its localisation jumps, everything in the map seems to be gone at
once, the walls and the floor too. They do not go away: images that see through them are not used.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spatialgeo_ros.memory.detected import MapFrame
from spatialgeo_ros.memory.existence import look_at
from spatialgeo_ros.memory.surface_cells import SurfaceCells

_CELL, _MOST_CELLS = 0.25, 4000  # metres, and how many points are kept
_GRID = (15, 20)  # rows and columns of readings taken of an image
_FARTHEST = 6.0  # metres: readings beyond are too noisy
_STABLE = 3  # images in which a point was seen before it says anything
_LEAST_POINTS = 40
#: Share of the points open to view that are seen through, where the pose is wrong for certain; and
#: where it is if also hardly any of the readings fits (surfaces of elsewhere hide what they do not
#: show empty) and this is more than the errors at edges. From the other side of a cluttered room
#: nearly everything known is hidden, too, but next to nothing is seen through.
_WRONG, _DOUBTFUL, _FITS_LITTLE, _EDGES = 0.5, 0.3, 0.45, 0.06
_FITS = 0.6  # share of readings that fit, from which a pose is right


@dataclass(frozen=True)
class Agreement:
    """How an image agrees with the room seen before.

    Attributes:
        through: share of the points open to view that the image sees through.
        fits: share of the readings at known points that are of these points.
        seen_through: share of the readings at known points that are behind them.
    """

    through: float
    fits: float
    seen_through: float

    @property
    def wrong(self) -> bool:
        """Whether the pose of the image is wrong."""
        doubtful = self.through > _DOUBTFUL and self.fits < _FITS_LITTLE
        return self.seen_through > _EDGES and (self.through > _WRONG or doubtful)

    @property
    def right(self) -> bool:
        """Whether the pose of the image is right."""
        return self.fits > _FITS


class Backdrop:
    """A sample of everything that depth has shown, bounded."""

    def __init__(self) -> None:
        self.cells = SurfaceCells(_CELL, _MOST_CELLS, newest=True)
        self._through = np.zeros(0, np.int64)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return self.cells.nbytes

    def agreement(self, frame: MapFrame, sigma: float) -> Agreement | None:
        """Compare an image with the known points that it should show; None with too few of them.

        Args:
            frame: the image.
            sigma: standard deviation of the points' places, metres.
        """
        self._through = np.zeros(0, np.int64)
        stable = np.flatnonzero(self.cells.hits >= _STABLE)
        if frame.depth is None or len(stable) < _LEAST_POINTS:
            return None
        (look,) = look_at(frame, [self.cells.points[stable]], [sigma])
        self._through = stable[look.through_cells]
        if look.readings < _LEAST_POINTS:
            return None
        open_to_view = max(1 - look.hidden, 1e-6)
        return Agreement(look.through / open_to_view, 1 - look.through - look.hidden, look.through)

    def add(self, frame: MapFrame) -> None:
        """Take a sample of an image's depth, without what goes about by itself.

        What the last :meth:`agreement`, of this image, saw through loses weight.
        """
        if frame.depth is None:
            return
        through = np.zeros(len(self.cells), bool)
        through[self._through] = True
        self.cells.seen_through(through)
        self._through = np.zeros(0, np.int64)
        rows, columns = (
            ((np.arange(count) + 0.5) * size / count).astype(np.int64)
            for count, size in zip(_GRID, (frame.camera.height, frame.camera.width), strict=True)
        )
        row, column = (grid.ravel() for grid in np.meshgrid(rows, columns, indexing="ij"))
        fixed = np.ones(len(row), bool)
        for thing in frame.detected:
            if thing.dynamic:
                x0, y0, x1, y1 = thing.box
                fixed &= (column < x0) | (column > x1) | (row < y0) | (row > y1)
        row, column = row[fixed], column[fixed]
        depth = np.asarray(frame.depth.depth_at(row, column), np.float64)
        with np.errstate(invalid="ignore"):
            read = (depth > 0.1) & (depth < _FARTHEST)
        pixels = np.stack([column[read], row[read]], axis=1)
        self.cells.add(frame.pose.apply(frame.camera.unproject(pixels, depth[read])))
