# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is seen of one object: its pixels, its points, its surface, and how surely it is whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.geometry.background import Floor
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.evidence import Evidence
from spatialgeo_ros.geometry.pointmap import DepthSource
from spatialgeo_ros.geometry.small_arrays import median


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
        excluded: [H, W] bool, pixels that were known to be something else; None for none.
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
    excluded: NDArray[np.bool_] | None = None

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
