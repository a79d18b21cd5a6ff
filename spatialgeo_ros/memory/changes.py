# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is worked out about a frame on its way into the map: matches, and what they changed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from spatialgeo_ros.memory.detected import Array
from spatialgeo_ros.memory.map_object import TrackedObject
from spatialgeo_ros.memory.surface_cells import SurfaceCells

#: A common shift of what is seen again that means a wrong pose: metres, standard deviations of
#: drift, and the fewest things that tell; how far single shifts are from it, as share of it, and
#: for which share of the things.
_SHIFT, _SHIFT_SIGMAS, _SHIFT_LEAST = 0.25, 3.0, 4
_SHIFT_SPREAD, _SHIFT_EQUAL = 0.4, 0.7


@dataclass(eq=False)
class Changes:
    """Ids by what happened to them in a frame; see :class:`MapUpdate`."""

    names: list[str]
    added: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    merged: list[tuple[str, str]] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    returned: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    shown: set[str] = field(default_factory=set)
    reason: str = ""


@dataclass(frozen=True, eq=False)
class Matches:
    """The things of a frame, thinned, and the objects that they are.

    Attributes:
        surfaces: of each thing.
        kept: indices of the things without second boxes around one thing.
        pairs: object by index of the thing.
        offsets: [P, 3] of the things that do not move by themselves from their objects, metres.
        drift: largest standard deviation of drift among those, metres.
    """

    surfaces: list[SurfaceCells]
    kept: list[int]
    pairs: dict[int, TrackedObject]
    offsets: Array
    drift: float

    @property
    def shift(self) -> float:
        """Median distance of what is seen again from its place, metres; NaN with fewer than 3."""
        if len(self.offsets) < 3:
            return math.nan
        return float(np.median(np.linalg.norm(self.offsets, axis=1)))

    @property
    def displaced(self) -> bool:
        """Whether everything is off by the same way, farther than poses drift."""
        if len(self.offsets) < _SHIFT_LEAST:
            return False
        common = np.median(self.offsets, axis=0)
        length = float(np.linalg.norm(common))
        if length < max(_SHIFT, _SHIFT_SIGMAS * self.drift):
            return False
        apart = np.linalg.norm(self.offsets - common, axis=1)
        return float((apart < _SHIFT_SPREAD * length).mean()) > _SHIFT_EQUAL
