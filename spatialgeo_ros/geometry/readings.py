# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a window of cells may be taken for: an object, and the background it stands before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.geometry.background import Plane
from spatialgeo_ros.geometry.small_arrays import median


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


def before(planes: tuple[Plane, ...], chosen: NDArray[np.bool_]) -> Separation:
    """The chosen cells [h, w] as a reading, with what of the planes is behind them."""
    return Separation(chosen, behind(planes, chosen), planes)


def behind(planes: tuple[Plane, ...], chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Cells on the planes that the chosen cells lie before; a plane before them hides them."""
    out = np.zeros(chosen.shape, bool)
    for plane in planes:
        if _is_before(plane, chosen):
            out |= plane.cells
    return out & ~chosen


def _is_before(plane: Plane, chosen: NDArray[np.bool_]) -> bool:
    """Tell whether most of the chosen cells lie on a plane or on the camera's side of it."""
    return bool(chosen.any() and median(plane.front[chosen]) > -plane.tolerance)
