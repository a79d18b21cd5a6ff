# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One object of the map while it is tracked: its place, box, surface, names and existence."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.memory.detected import Detected, MapFrame
from spatialgeo_ros.memory.place import DISPLACED, Place
from spatialgeo_ros.memory.snapshot import BestView, MapObject, Presence
from spatialgeo_ros.memory.surface_cells import SurfaceCells

Array = npt.NDArray[np.float64]

#: Directions that a thing is seen from, told apart. Views from one of them err alike.
VIEWS = 8
#: Views from one direction beyond which one more is worth no less.
_MOST_ALIKE = 12
#: Displaced sightings in a row that may mean that the thing was moved, and how far it has to be
#: off. A part of a large thing is displaced, too: its old place must also be seen empty.
_MOVED_AFTER, _LEAST_MOVE = 3, 0.10
#: Share of its surface that is then seen through, and share that says nothing of the kind.
_MOVED_THROUGH, _HARDLY_THROUGH = 0.3, 0.15
#: Displaced sightings in a row, more than all others, from which the first ones were wrong.
_OUTVOTED = 4
_MOST_NAMES = 8  # labels, colours and cameras kept of one object
_MOST_APART = 32
#: Share of the hits of cells that are seen often, from which a cell is surely of the object: now
#: and then something behind or before it is taken for a part of it.
_OFTEN = 0.3
_LEAST_DRIFT = 0.01  # metres: a smaller shift of poses does not move the surface
_BLUR = 0.02  # metres by which fused surfaces are thicker than the thing


@dataclass(eq=False)
class TrackedObject:
    """One object. Metres, world frame; arrays are replaced, never written into.

    Attributes:
        id: stable name, never given again.
        kind: what it was taken for at first; part of the id.
        order: counts up over all objects ever added.
        place: its box in the world.
        first_ns, last_ns: stamps of the first and last image that showed it.
        cells: its surface.
        labels, colours, materials: weight of what it was called, and how it looked.
        cameras: images by camera that showed it.
        sightings: images that showed it.
        best: image that showed it best.
        odds: natural logarithm of the odds that it is there.
        confirmed: whether it was ever sure enough to be listed.
        gone: whether its place is empty now.
        dynamic: whether it goes about by itself.
        views: [VIEWS] sightings by direction.
        misses: [VIEWS] images since the last sighting, by direction, in which it was missed.
        way: metres that the robot had gone when it was last seen.
        least_pixels: shorter side of the smallest box that it was detected in.
        displaced: sightings in a row that put it elsewhere.
        apart: by id, images that showed another thing and this one beside each other.
        rival: id of a thing of another kind detected in its place since it was last seen.
    """

    id: str
    kind: str
    order: int
    place: Place
    first_ns: int
    last_ns: int
    cells: SurfaceCells = field(default_factory=SurfaceCells)
    labels: dict[str, float] = field(default_factory=dict)
    colours: dict[str, float] = field(default_factory=dict)
    materials: dict[str, float] = field(default_factory=dict)
    cameras: dict[str, int] = field(default_factory=dict)
    sightings: int = 0
    best: BestView = field(default_factory=BestView)
    odds: float = 0.0
    confirmed: bool = False
    gone: bool = False
    dynamic: bool = False
    views: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(VIEWS, np.int64))
    misses: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(VIEWS, np.int64))
    way: float = 0.0
    least_pixels: float = math.inf
    displaced: int = 0
    apart: dict[str, int] = field(default_factory=dict)
    rival: str = ""
    _box: tuple[Array, Array] | None = field(default=None, init=False, repr=False)

    @classmethod
    def of(
        cls, name: str, order: int, thing: Detected, frame: MapFrame, way: float
    ) -> TrackedObject:
        """Begin an object with the first thing seen of it."""
        place = Place.of(thing, frame, direction(thing.centre, frame.pose.translation))
        made = cls(
            name, thing.kind or thing.label, order, place, frame.stamp_ns, frame.stamp_ns,
            dynamic=thing.dynamic,
        )  # fmt: skip
        made._note(thing, frame, way)
        made.cells.add(thing.points)
        return made

    @property
    def label(self) -> str:
        """What it was called most."""
        return max(self.labels, key=lambda name: self.labels[name], default=self.kind)

    @property
    def probability(self) -> float:
        """That it is there, in [0, 1]."""
        return 1 / (1 + math.exp(-self.odds))

    @property
    def radius(self) -> float:
        """Half the diagonal of its box, metres."""
        return float(np.linalg.norm(self.place.size)) / 2

    @property
    def centre(self) -> Array:
        """Centre of its box [3], metres."""
        return self.place.centre

    @property
    def nbytes(self) -> int:
        """Bytes it occupies, about."""
        return self.cells.nbytes + 2500

    def direction_from(self, viewpoint: Array) -> int:
        """Number of the direction that a camera at ``viewpoint`` [3] sees it from."""
        return direction(self.place.top, viewpoint)

    def see(
        self,
        thing: Detected,
        frame: MapFrame,
        way: float,
        drift: float,
        through: npt.NDArray[np.bool_] | None = None,
        afresh: bool = False,
    ) -> bool:
        """Fuse one more sighting; tell whether the thing turned out to have been moved.

        Args:
            thing: what was seen of it.
            frame: in which image.
            way: metres gone so far.
            drift: standard deviation of the poses since the last sighting, metres.
            through: [N] cells of its surface that the image sees through; None where that is not
                known.
            afresh: whether only this sighting counts.
        """
        self._box = None
        away, squared = self.place.offset(thing, frame, drift)
        share = 1.0 if through is None else float(through.mean())
        self.displaced = self.displaced + 1 if squared > DISPLACED else 0
        moved = (
            self.displaced >= _MOVED_AFTER
            and float(np.linalg.norm(away)) > _LEAST_MOVE
            and share >= _MOVED_THROUGH
        )
        outvoted = self.displaced >= max(_OUTVOTED, (self.sightings + 1) / 2)
        towards = self.direction_from(frame.pose.translation)
        if moved or outvoted or afresh or self.dynamic:
            self.place = Place.of(thing, frame, towards)
            self.cells = SurfaceCells()
            self.views = np.zeros(VIEWS, np.int64)
            self.displaced = 0
        else:
            drifted = self.place.fuse(thing, frame, drift, towards, int(self.views[towards]))
            if np.linalg.norm(drifted) > _LEAST_DRIFT:
                self.cells.shift(drifted)
                through = None  # of other cells now
        # While it may be moving, its old surface is kept to be seen through.
        if self.displaced == 0 or (through is not None and share < _HARDLY_THROUGH):
            if through is not None and len(through) == len(self.cells):
                self.cells.seen_through(through)
            self.cells.add(thing.points)
        self._note(thing, frame, way)
        return moved

    def notice(self, thing: Detected, frame: MapFrame) -> None:
        """Count a sighting that tells nothing of the place."""
        self._note(thing, frame, self.way)

    def absorb(self, other: TrackedObject) -> None:
        """Take over what a duplicate of this object knows."""
        self._box = None
        self.place.merge(other.place)
        self.cells.merge(other.cells)
        for mine, theirs in (
            (self.labels, other.labels),
            (self.colours, other.colours),
            (self.materials, other.materials),
        ):
            for name, weight in theirs.items():
                _count(mine, name, weight)
        for name, count in other.cameras.items():
            self.cameras[name] = self.cameras.get(name, 0) + count
        self.first_ns = min(self.first_ns, other.first_ns)
        self.last_ns = max(self.last_ns, other.last_ns)
        self.sightings += other.sightings
        self.odds = max(self.odds, other.odds)
        self.confirmed |= other.confirmed
        self.views = self.views + other.views
        self.way = max(self.way, other.way)
        self.least_pixels = min(self.least_pixels, other.least_pixels)
        self.best = max(self.best, other.best, key=lambda view: view.quality)

    def keep_apart(self, other: str) -> None:
        """Count an image that showed ``other`` beside this object."""
        if other in self.apart or len(self.apart) < _MOST_APART:
            self.apart[other] = self.apart.get(other, 0) + 1

    def box(self) -> tuple[Array, Array]:
        """Centre and size [3] of the fused box that also holds the surface seen, metres."""
        if self._box is None:
            hits = self.cells.hits
            often = max(2.0, _OFTEN * float(np.percentile(hits, 75))) if len(hits) else 0.0
            points = self.cells.points
            self._box = self.place.holding(points[hits >= often], _BLUR)
        return self._box

    def as_seen(self, state: Presence, drift: float) -> MapObject:
        """Return the object for a snapshot; its place is uncertain by ``drift`` metres more."""
        centre, size = self.box()
        sigma, yaw = self.place.size_sigma, self.place.yaw
        if size[1] > size[0]:  # the longer side is the width
            size, sigma = size[[1, 0, 2]], sigma[[1, 0, 2]]
            yaw = math.remainder(yaw + math.pi / 2, 2 * math.pi)
        total = sum(self.labels.values())
        return MapObject(
            self.id, self.label, centre, self.place.centre_covariance + drift**2 * np.eye(3),
            size, sigma, yaw,
            self.first_ns, self.last_ns, state, _most(self.colours), _most(self.materials),
            {name: weight / total for name, weight in self.labels.items()},
            tuple(sorted(self.cameras)), self.sightings, self.probability,
            self.best,
        )  # fmt: skip

    def _note(self, thing: Detected, frame: MapFrame, way: float) -> None:
        """Count a sighting."""
        _count(self.labels, thing.label, thing.score)
        for colour, share in thing.colours.items():
            _count(self.colours, colour, share)
        if thing.material:
            _count(self.materials, thing.material, thing.score)
        self.cameras[frame.camera_name] = self.cameras.get(frame.camera_name, 0) + 1
        self.sightings += 1
        self.last_ns = max(self.last_ns, frame.stamp_ns)
        self.views[self.direction_from(frame.pose.translation)] += 1
        self.misses = np.zeros(VIEWS, np.int64)
        self.way = way
        x0, y0, x1, y1 = (float(v) for v in thing.box)
        if not thing.cut:
            self.least_pixels = min(self.least_pixels, x1 - x0, y1 - y0)
        quality = (x1 - x0) * (y1 - y0) * (0.25 if thing.cut else 1.0)
        if quality > self.best.quality:
            self.best = BestView(frame.camera_name, frame.stamp_ns, (x0, y0, x1, y1), quality)


def direction(place: Array, viewpoint: Array) -> int:
    """Number of the direction, of :data:`VIEWS` around, from a place [3] to a camera [3]."""
    dx, dy = (viewpoint - place)[:2]
    return int((math.atan2(dy, dx) / (2 * math.pi) + 0.5) * VIEWS) % VIEWS


def _count(weights: dict[str, float], name: str, weight: float) -> None:
    """Add a weight; of too many names the lightest leaves."""
    weights[name] = weights.get(name, 0.0) + max(float(weight), 1e-3)
    if len(weights) > _MOST_NAMES:
        del weights[min(weights, key=lambda one: weights[one])]


def _most(weights: dict[str, float]) -> str:
    """Name that holds nearly half of the weight or more, else ""."""
    name = max(weights, key=lambda one: weights[one], default="")
    return name if name and weights[name] >= 0.45 * sum(weights.values()) else ""
