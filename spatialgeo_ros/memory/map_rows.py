# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The objects of a map with arrays of what all of them are asked in every frame."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.memory.detected import Array, MapFrame
from spatialgeo_ros.memory.map_object import TrackedObject


class MapRows:
    """Objects in the order they were added; row k of each array belongs to the k-th of them.

    Attributes:
        centres: [N, 3] metres.
        radii: [N] half the diagonals of the boxes, metres.
        ways: [N] metres gone when each was last seen.
        gone: [N] whether its place is empty.
        dynamic: [N] whether it goes about by itself.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget every object."""
        self._objects: list[TrackedObject] = []
        self._row: dict[str, int] = {}
        self._resize(0)

    def __len__(self) -> int:
        """Return how many objects there are."""
        return len(self._objects)

    def __iter__(self) -> Iterator[TrackedObject]:
        """Iterate over the objects, oldest first."""
        return iter(self._objects)

    def __getitem__(self, row: int) -> TrackedObject:
        """Return the object of a row."""
        return self._objects[row]

    def get(self, name: str) -> TrackedObject | None:
        """Return the object with an id, or None."""
        row = self._row.get(name)
        return None if row is None else self._objects[row]

    def around(self, place: Array, reach: float) -> list[TrackedObject]:
        """Return the objects that come within ``reach`` metres of a place [3], oldest first."""
        near = np.linalg.norm(self.centres - place, axis=1) <= self.radii + reach
        return [self._objects[row] for row in np.flatnonzero(near)]

    def row(self, tracked: TrackedObject) -> int:
        """Return the row of an object."""
        return self._row[tracked.id]

    def add(self, tracked: TrackedObject) -> None:
        """Append an object."""
        self._row[tracked.id] = len(self._objects)
        self._objects.append(tracked)
        if len(self._objects) > len(self._centres):
            self._resize(max(16, 2 * len(self._objects)))
        self._set_views()
        self.changed(tracked)

    def changed(self, tracked: TrackedObject) -> None:
        """Take over what changed about an object."""
        row = self._row[tracked.id]
        self._centres[row], self._radii[row] = tracked.centre, tracked.radius
        self._ways[row], self._gone[row] = tracked.way, tracked.gone
        self._dynamic[row] = tracked.dynamic

    def remove(self, names: set[str]) -> None:
        """Take objects out."""
        if not names:
            return
        kept = [row for row, one in enumerate(self._objects) if one.id not in names]
        self._objects = [self._objects[row] for row in kept]
        self._row = {one.id: row for row, one in enumerate(self._objects)}
        for array in (self._centres, self._radii, self._ways, self._gone, self._dynamic):
            array[: len(kept)] = array[kept]
        self._set_views()

    def may_show(self, frame: MapFrame) -> npt.NDArray[np.int64]:
        """Rows of the objects, not gone, of which an image may show something."""
        local = (self.centres - frame.pose.translation) @ frame.pose.rotation
        z, reach = local[:, 2], self.radii
        camera = frame.camera
        ahead = np.maximum(z, 1e-3)
        u, v = local[:, 0] / ahead * camera.fx, local[:, 1] / ahead * camera.fy
        # Beyond the edges of the image by the object's own extent; a little more under distortion.
        slack = 1.1 * reach / ahead
        inside = (
            (u > -camera.cx - slack * camera.fx)
            & (u < camera.width - camera.cx + slack * camera.fx)
            & (v > -camera.cy - slack * camera.fy)
            & (v < camera.height - camera.cy + slack * camera.fy)
        )
        close = np.abs(z) < reach
        return np.flatnonzero(((inside & (z > 0)) | close) & ~self.gone)

    def near(self, tracked: TrackedObject, share: float) -> list[TrackedObject]:
        """Other objects that are there, closer than a share of the sum of both radii."""
        away = np.linalg.norm(self.centres - tracked.centre, axis=1)
        rows = np.flatnonzero((away < share * (self.radii + tracked.radius)) & ~self.gone)
        return [self._objects[row] for row in rows if self._objects[row] is not tracked]

    @property
    def nbytes(self) -> int:
        """Bytes of everything kept, about."""
        return self._centres.nbytes * 2 + sum(one.nbytes for one in self._objects)

    def _resize(self, capacity: int) -> None:
        old = getattr(self, "_centres", np.zeros((0, 3)))
        self._centres: Array = np.zeros((capacity, 3))
        self._radii, self._ways = np.zeros(capacity), np.zeros(capacity)
        self._gone, self._dynamic = np.zeros(capacity, bool), np.zeros(capacity, bool)
        self._set_views()
        if len(old):
            for one in self._objects:
                self.changed(one)

    def _set_views(self) -> None:
        count = len(self._objects)
        self.centres, self.radii = self._centres[:count], self._radii[:count]
        self.ways, self.gone = self._ways[:count], self._gone[:count]
        self.dynamic = self._dynamic[:count]
