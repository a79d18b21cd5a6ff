# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One object of the map while it is tracked: its place, box, surface, names and existence."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.memory.detected import Detected, MapFrame
from spatialgeo_ros.memory.snapshot import MapObject, Presence
from spatialgeo_ros.memory.surface_cells import SurfaceCells

Array = npt.NDArray[np.float64]

#: Directions that a thing is seen from, told apart. Views from one of them err alike.
VIEWS = 8
#: Views from one direction beyond which one more is worth no less.
_MOST_ALIKE = 12
#: Squared Mahalanobis distance (three degrees of freedom, one in a hundred) from which a centre
#: counts as displaced, and weighs less the farther off it is.
_DISPLACED = 11.3
#: Displaced sightings in a row that say that the thing was moved, not badly measured.
_MOVED_AFTER = 3
#: Metres that a thing has to be off to have been moved.
_LEAST_MOVE = 0.10
_LEAST_SIGMA = 0.005  # metres: no centre is known better
_SIZE_FLOOR = 0.008  # metres: no side is known better
_MOST_NAMES = 8  # labels, colours and cameras kept of one object
_MOST_APART = 32
_BLUR = 0.02  # metres by which fused surfaces are thicker than the thing


@dataclass(frozen=True)
class BestView:
    """The image that showed an object best.

    Attributes:
        camera_name: of the image.
        stamp_ns: of the image.
        box: x0, y0, x1, y1 of the object there, pixels.
        quality: square pixels of the box; a quarter of it where the border cuts the object.
    """

    camera_name: str = ""
    stamp_ns: int = 0
    box: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    quality: float = -1.0


@dataclass(eq=False)
class TrackedObject:
    """One object. Metres, world frame; arrays are replaced, never written into.

    Attributes:
        id: stable name, never given again.
        kind: what it was taken for at first; part of the id.
        order: counts up over all objects ever added.
        centre: [3] of the whole thing.
        covariance: [3, 3] of the centre when last seen.
        size: [3] width along its own x, depth along its own y, height.
        size_variance: [3] square metres.
        yaw: of its own x axis, radians.
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
        apart: ids of things of its kind seen beside it in one image, which are other things.
        rival: id of a thing of another kind detected in its place since it was last seen.
    """

    id: str
    kind: str
    order: int
    centre: Array
    covariance: Array
    size: Array
    size_variance: Array
    yaw: float
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
    apart: set[str] = field(default_factory=set)
    rival: str = ""

    @classmethod
    def of(
        cls, name: str, order: int, thing: Detected, frame: MapFrame, way: float
    ) -> TrackedObject:
        """Begin an object with the first thing seen of it."""
        made = cls(
            name, thing.kind or thing.label, order,
            np.array(thing.centre, np.float64), _with_pose(thing, frame),
            np.array(thing.size, np.float64), np.square(thing.size_sigma), float(thing.yaw),
            frame.stamp_ns, frame.stamp_ns, dynamic=thing.dynamic,
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
        return float(np.linalg.norm(self.size)) / 2

    @property
    def nbytes(self) -> int:
        """Bytes it occupies, about."""
        return self.cells.nbytes + 2500

    def direction_to(self, viewpoint: Array) -> int:
        """Number of the direction that a camera at ``viewpoint`` [3] sees it from."""
        dx, dy = (viewpoint - self.centre)[:2]
        return int((math.atan2(dy, dx) / (2 * math.pi) + 0.5) * VIEWS) % VIEWS

    def offset(self, thing: Detected, frame: MapFrame, drift: float) -> tuple[Array, float]:
        """Where a thing lies from here [3], metres, and the squared Mahalanobis distance."""
        away = np.asarray(thing.centre - self.centre)
        spread = self.covariance + drift**2 * np.eye(3) + _with_pose(thing, frame)
        return away, float(away @ np.linalg.solve(spread, away))

    def see(
        self, thing: Detected, frame: MapFrame, way: float, drift: float, afresh: bool = False
    ) -> bool:
        """Fuse one more sighting; tell whether the thing turned out to have been moved.

        A Kalman filter of a place that stands still, whose standard deviation grows by ``drift``
        (metres) since the last sighting. Views from one direction share what they get wrong
        (the unseen side, the same leg taken for background), so the n-th of them counts as 1 / n.
        The pose's error is common to everything and remains as the least standard deviation. With
        ``afresh`` only this sighting counts.
        """
        away, squared = self.offset(thing, frame, drift)
        far = squared > _DISPLACED
        self.displaced = self.displaced + 1 if far else 0
        length = float(np.linalg.norm(away))
        moved = self.displaced >= _MOVED_AFTER and length > _LEAST_MOVE
        if moved or afresh or self.dynamic:
            self.relocate(thing, frame)
        else:
            alike = 1 + min(int(self.views[self.direction_to(frame.pose.translation)]), _MOST_ALIKE)
            prior = self.covariance + drift**2 * np.eye(3)
            noise = alike * thing.covariance + frame.pose_sigma**2 * np.eye(3)
            if far:
                noise = noise * (squared / _DISPLACED)
            gain = prior @ np.linalg.inv(prior + noise)
            self.centre = self.centre + gain @ away
            self.covariance = _at_least(prior - gain @ prior, frame.pose_sigma)
            self._fuse_size(thing, alike)
            if not far:
                self.cells.add(thing.points)
        self._note(thing, frame, way)
        return moved

    def relocate(self, thing: Detected, frame: MapFrame) -> None:
        """Take the place of a sighting in place of the fused one; the size stays fused."""
        self.centre = np.array(thing.centre, np.float64)
        self.covariance = _at_least(_with_pose(thing, frame), frame.pose_sigma)
        self.yaw = float(thing.yaw)
        self.size = np.array(thing.size, np.float64)
        self.size_variance = np.square(thing.size_sigma)
        self.cells = SurfaceCells()
        self.cells.add(thing.points)
        self.views = np.zeros(VIEWS, np.int64)
        self.displaced = 0

    def absorb(self, other: TrackedObject) -> None:
        """Take over what a duplicate of this object knows."""
        total = self.covariance + other.covariance
        gain = self.covariance @ np.linalg.inv(total)
        self.centre = self.centre + gain @ (other.centre - self.centre)
        self.covariance = _at_least(self.covariance - gain @ self.covariance, _LEAST_SIGMA)
        share = self.size_variance / (self.size_variance + other.size_variance)
        sides, _ = turned(other.size, other.yaw, self.yaw)
        self.size = self.size + share * (sides - self.size)
        self.size_variance = (1 - share) * self.size_variance
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
        """Remember that ``other`` was seen beside this object in one image."""
        if len(self.apart) < _MOST_APART:
            self.apart.add(other)

    def box(self) -> tuple[Array, Array]:
        """Centre and size [3] of a box that also holds the surface seen from all sides, metres.

        The fused box where it holds the surface. Where the surface sticks out on one side, the
        box moves; where it does on both, the box grows.
        """
        points = self.cells.points
        if self.sightings > 3:
            points = points[self.cells.hits > 1]
        if len(points) < 6:
            return self.centre, self.size
        cos, sin = math.cos(self.yaw), math.sin(self.yaw)
        axes = np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
        along = np.sort(points.astype(np.float64) @ axes.T, axis=0)
        skip = int(0.02 * (len(along) - 1) + 0.5)
        first, last = along[skip] + _BLUR, along[-1 - skip] - _BLUR
        middle = axes @ self.centre
        low, high = middle - self.size / 2, middle + self.size / 2
        out_low, out_high = np.maximum(low - first, 0), np.maximum(last - high, 0)
        low, high = (
            np.minimum(low - out_low + out_high, first),
            np.maximum(high + out_high - out_low, last),
        )
        return axes.T @ ((low + high) / 2), high - low

    def as_seen(self, state: Presence, drift: float) -> MapObject:
        """Return the object for a snapshot; its place is uncertain by ``drift`` metres more."""
        centre, size = self.box()
        total = sum(self.labels.values())
        return MapObject(
            self.id, self.label, centre, self.covariance + drift**2 * np.eye(3),
            size, np.sqrt(self.size_variance + _SIZE_FLOOR**2), self.yaw,
            self.first_ns, self.last_ns, state, _most(self.colours), _most(self.materials),
            {name: weight / total for name, weight in self.labels.items()},
            tuple(sorted(self.cameras)), self.sightings, self.probability,
            self.best.camera_name, self.best.stamp_ns,
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
        self.views[self.direction_to(frame.pose.translation)] += 1
        self.misses = np.zeros(VIEWS, np.int64)
        self.way = way
        x0, y0, x1, y1 = thing.box
        if not thing.cut:
            self.least_pixels = min(self.least_pixels, x1 - x0, y1 - y0)
        quality = (x1 - x0) * (y1 - y0) * (0.25 if thing.cut else 1.0)
        if quality > self.best.quality:
            self.best = BestView(frame.camera_name, frame.stamp_ns, thing.box, quality)

    def _fuse_size(self, thing: Detected, alike: int) -> None:
        """Weigh the sides of one more view by their variances."""
        sides, turn = turned(thing.size, thing.yaw, self.yaw)
        sigma, _ = turned(thing.size_sigma, thing.yaw, self.yaw)
        variance = alike * np.square(sigma)
        share = self.size_variance / (self.size_variance + variance)
        self.size = self.size + share * (sides - self.size)
        self.size_variance = np.maximum((1 - share) * self.size_variance, _SIZE_FLOOR**2)
        # A view that sees both sides well also sees the heading well.
        self.yaw = _wrapped(self.yaw + float(share[:2].min()) * turn)


def turned(sides: Array, yaw: float, onto: float) -> tuple[Array, float]:
    """Sides [3] of a box at ``yaw`` as those of the same box at about ``onto``, and the turn left.

    A box is the same after half a turn, and after a quarter with width and depth exchanged; the
    turn that is left is at most an eighth.
    """
    quarters = round((onto - yaw) / (math.pi / 2))
    rest = yaw + quarters * math.pi / 2 - onto
    sides = np.asarray(sides, np.float64)
    return (sides[[1, 0, 2]] if quarters % 2 else sides), rest


def _wrapped(angle: float) -> float:
    return math.remainder(angle, 2 * math.pi)


def _with_pose(thing: Detected, frame: MapFrame) -> Array:
    """Covariance [3, 3] of the centre in the world."""
    return np.asarray(thing.covariance + frame.pose_sigma**2 * np.eye(3))


def _at_least(covariance: Array, sigma: float) -> Array:
    """Covariance [3, 3] whose standard deviation is ``sigma`` or more in every direction."""
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    values = np.maximum(values, max(sigma, _LEAST_SIGMA) ** 2)
    return np.asarray((vectors * values) @ vectors.T)


def _count(weights: dict[str, float], name: str, weight: float) -> None:
    """Add a weight; of too many names the lightest leaves."""
    weights[name] = weights.get(name, 0.0) + max(weight, 1e-3)
    if len(weights) > _MOST_NAMES:
        del weights[min(weights, key=lambda one: weights[one])]


def _most(weights: dict[str, float]) -> str:
    """Name that holds nearly half of the weight or more, else ""."""
    name = max(weights, key=lambda one: weights[one], default="")
    return name if name and weights[name] >= 0.45 * sum(weights.values()) else ""
