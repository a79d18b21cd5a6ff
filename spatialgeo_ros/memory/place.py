# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where an object stands and how large it is, fused from views that each see a part of it.

The top of things is seen nearly always; how far down they reach is often hidden behind a table or
assumed from what kind of thing it is. So the state is the middle of the top, filtered, and apart
from it the bottom, which is the one that most views vote for: a mean of "down to the floor" and
"only the back rest" would be neither.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.memory.detected import Detected, MapFrame

Array = npt.NDArray[np.float64]

#: Squared Mahalanobis distance (three degrees of freedom, one in a hundred) from which a view
#: counts as displaced, and weighs less the farther off it is.
DISPLACED = 11.3
#: The same of a single side (one degree of freedom).
_OTHER_SIDE = 6.6
#: Views from one direction beyond which one more is worth no less.
_MOST_ALIKE = 12
_LEAST_SIGMA = 0.005  # metres: no place is known better
_SIDE_FLOOR = 0.008  # metres: no side is known better
_MOST_SCATTER = 30.0  # squared Mahalanobis distance that one view may count for
_NEWEST = 0.15  # weight of the newest view in running means
_MOST_GROWTH = 2.0  # standard deviations of a side
_COMPARABLE = 4.0  # times the usual variance: a worse view says nothing about the usual ones
_VOTES = 3  # kept of each direction for the bottom


#: Points spread over a square of side 1, [2, N].
_GRID = np.stack(np.meshgrid(*2 * [(np.arange(8) + 0.5) / 8 - 0.5])).reshape(2, -1)


@dataclass(eq=False)
class Place:
    """A gravity-aligned box and how well it is known. Metres, world frame.

    Attributes:
        top: [3] middle of the top: x, y and its height.
        covariance: [3, 3] of ``top``.
        sides: [2] width along its own x and depth along its own y.
        side_variance: [2] square metres.
        yaw: of its own x, radians.
        shared: [3, 3] covariance of what single views get wrong about ``top``, on average.
        votes: of each view kept, its direction, the bottom it saw, and one standard deviation.
        bottom: height of the lowest point.
        bottom_sigma: one standard deviation of it.
        scatter: how much wider than their variances the views scatter, 1 for as much.
        side_shared: [2] variance of what single views get wrong about ``sides``, on average; that
            of the first view where nothing else is given.
        side_scatter: [2] as ``scatter``, of the sides.
    """

    top: Array
    covariance: Array
    sides: Array
    side_variance: Array
    yaw: float
    shared: Array
    votes: list[tuple[int, float, float]] = field(default_factory=list)
    bottom: float = 0.0
    bottom_sigma: float = 0.0
    scatter: float = 1.0
    side_shared: Array = field(default_factory=lambda: np.zeros(0))
    side_scatter: Array = field(default_factory=lambda: np.ones(2))

    def __post_init__(self) -> None:
        if not self.side_shared.size:
            self.side_shared = np.array(self.side_variance, np.float64)

    @classmethod
    def of(cls, thing: Detected, frame: MapFrame, direction: int) -> Place:
        """Take the place from one view."""
        made = cls(
            top_of(thing),
            _at_least(_measured(thing) + _pose(frame), frame.pose_sigma),
            np.array(thing.size[:2], np.float64),
            np.square(thing.size_sigma[:2]),
            float(thing.yaw),
            _measured(thing),
        )
        made._vote(thing, direction)
        return made

    @property
    def centre(self) -> Array:
        """Centre of the box [3]."""
        return np.array([self.top[0], self.top[1], (self.top[2] + self.bottom) / 2])

    @property
    def _directions(self) -> int:
        return len({vote[0] for vote in self.votes})

    @property
    def centre_covariance(self) -> Array:
        """Covariance of the centre [3, 3]."""
        halved = np.diag([1.0, 1.0, 0.5])
        # What views from one direction get wrong alike, no number of them takes away.
        spread = max(1.0, self.scatter) * self.covariance + self.shared / self._directions
        covariance = halved @ spread @ halved
        covariance[2, 2] += self.bottom_sigma**2 / 4
        return covariance

    @property
    def size(self) -> Array:
        """Width, depth and height [3]."""
        return np.array([*self.sides, max(self.top[2] - self.bottom, 0.0)])

    @property
    def size_sigma(self) -> Array:
        """Standard deviations of the size [3]."""
        spread = self.side_variance * np.maximum(self.side_scatter, 1.0)
        return self._size_sigma(spread + self.side_shared / self._directions)

    def _size_sigma(self, sides: Array) -> Array:
        height = self.bottom_sigma**2 + self.covariance[2, 2]
        return np.sqrt(np.maximum([*sides, height], _SIDE_FLOOR**2))

    def offset(self, thing: Detected, frame: MapFrame, drift: float) -> tuple[Array, float]:
        """Where a thing's top lies from here [3], and the squared Mahalanobis distance."""
        away = top_of(thing) - self.top
        spread = self.covariance + drift**2 * np.eye(3) + _measured(thing) + _pose(frame)
        return away, float(away @ np.linalg.solve(spread, away))

    def fuse(
        self, thing: Detected, frame: MapFrame, drift: float, direction: int, before: int
    ) -> Array:
        """Weigh in one more view; return how far poses seem to have drifted meanwhile [3], metres.

        A Kalman filter of a place that stands still, whose standard deviation grows by ``drift``
        since the last view. Views from one direction share what they get wrong (the unseen side,
        the same leg taken for background), so the n-th of them counts as 1 / n. The pose's error is
        common to all things and remains as the least standard deviation.

        Args:
            thing: the view.
            frame: its image.
            drift: standard deviation of the poses since the last view, metres.
            direction: that it was seen from.
            before: views from this direction so far.
        """
        away, squared = self.offset(thing, frame, drift)
        alike = 1 + min(before, _MOST_ALIKE)
        # Sides that are guessed from few points are surer of themselves than they should be.
        self.scatter += (min(squared, _MOST_SCATTER) / 3 - self.scatter) * _NEWEST
        measured = _measured(thing)
        if np.trace(measured) < _COMPARABLE * np.trace(self.shared):
            self.shared = self.shared + _NEWEST * (measured - self.shared)
        prior = self.covariance + drift**2 * np.eye(3)
        noise = alike * measured + _pose(frame)
        noise *= max(1.0, squared / DISPLACED)
        gain = prior @ np.linalg.inv(prior + noise)
        wide = max(1.0, self.scatter) * self.covariance + drift**2 * np.eye(3)
        pull = np.linalg.solve(wide + noise, away)
        self.top = self.top + wide @ pull
        self.covariance = _at_least(prior - gain @ prior, frame.pose_sigma)
        sides, turn = turned(thing.size[:2], thing.yaw, self.yaw)
        sigma, _ = turned(thing.size_sigma[:2], thing.yaw, self.yaw)
        share = self._weigh_sides(sides, np.square(sigma), alike)
        # A view that sees both sides well also sees the heading well.
        self.yaw = math.remainder(self.yaw + float(share.min()) * turn, 2 * math.pi)
        self._vote(thing, direction)
        return np.asarray(drift**2 * pull, np.float64)

    def _weigh_sides(self, sides: Array, variance: Array, alike: int) -> Array:
        """Weigh in the sides [2] of a view; return what each of them counted [2].

        A view of a part, or one that takes width for depth, is surer of itself than it should be.
        One such view counts little against many others; where they are the many, the first good
        views widen what is known of the sides until it follows them.
        """
        squared = np.square(sides - self.sides) / (self.side_variance + variance)
        scatter = np.minimum(squared, _MOST_SCATTER) - self.side_scatter
        self.side_scatter = self.side_scatter + _NEWEST * scatter
        usual = variance < _COMPARABLE * self.side_shared
        self.side_shared = self.side_shared + _NEWEST * usual * (variance - self.side_shared)
        noise = alike * variance
        prior = self.side_variance * np.maximum(self.side_scatter, 1.0)
        share = np.asarray(
            prior / (prior + noise * np.maximum(squared / _OTHER_SIDE, 1.0)), np.float64
        )
        self.sides = self.sides + share * (sides - self.sides)
        # How sure it is grows with the views as if they agreed: ``size_sigma`` has what they do.
        left = noise / (self.side_variance + noise)
        self.side_variance = np.maximum(left * self.side_variance, _SIDE_FLOOR**2)
        return share

    def merge(self, other: Place) -> None:
        """Weigh in the place of a duplicate."""
        gain = self.covariance @ np.linalg.inv(self.covariance + other.covariance)
        self.top = self.top + gain @ (other.top - self.top)
        self.covariance = _at_least(self.covariance - gain @ self.covariance, _LEAST_SIGMA)
        share = self.side_variance / (self.side_variance + other.side_variance)
        self.sides = self.sides + share * (turned(other.sides, other.yaw, self.yaw)[0] - self.sides)
        self.side_variance = np.maximum((1 - share) * self.side_variance, _SIDE_FLOOR**2)
        for vote in other.votes:
            self._keep(vote)
        self.count_votes()

    def holding(self, points: npt.NDArray[np.float32], blur: float) -> tuple[Array, Array]:
        """Centre and size [3] of the box after it was made to hold a surface.

        Where points stick out on one side, the box moves; where they do on both, it grows; no
        farther than views that agree leave open: what sticks out more is not of it.

        Args:
            points: [N, 3] of the surface; one in fifty may be no part of it.
            blur: metres by which errors of poses make it thicker than the thing.
        """
        if len(points) < 6:
            return self.centre, self.size
        cos, sin = math.cos(self.yaw), math.sin(self.yaw)
        axes = np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
        along = np.sort(points.astype(np.float64) @ axes.T, axis=0)
        skip = int(0.02 * (len(along) - 1) + 0.5)
        first, last = along[skip] + blur, along[-1 - skip] - blur
        middle = axes @ self.centre
        low, high = middle - self.size / 2, middle + self.size / 2
        most = _MOST_GROWTH * self._size_sigma(self.side_variance)
        first, last = np.maximum(first, low - most), np.minimum(last, high + most)
        shift = np.maximum(last - high, 0) - np.maximum(low - first, 0)
        shift[2] = 0.0  # the bottom has been voted for
        low, high = np.minimum(low + shift, first), np.maximum(high + shift, last)
        return axes.T @ ((low + high) / 2), high - low

    def overlap(self, other: Place) -> float:
        """Share of the smaller of two boxes that is inside the other, by a grid of points."""
        low, high = max(self.bottom, other.bottom), min(self.top[2], other.top[2])
        least = min(self.size[2], other.size[2])
        if high <= low or least <= 0:
            return 0.0
        small, large = self, other
        if small.sides.prod() > large.sides.prod():
            small, large = large, small
        at = _rotation(large.yaw) @ (
            small.top[:2, None] + _rotation(small.yaw).T @ (_GRID * small.sides[:, None])
            - large.top[:2, None]
        )  # fmt: skip
        inside = (np.abs(at) <= large.sides[:, None] / 2).all(axis=0)
        return float(inside.mean() * (high - low) / least)

    def count_votes(self) -> None:
        """Take the bottom that half of the votes' weight is below."""
        order = sorted(self.votes, key=lambda vote: vote[1])
        weights = np.array([1 / max(sigma, 0.01) for _, _, sigma in order])
        reached = np.cumsum(weights) / weights.sum()
        self.bottom = float(order[int(np.searchsorted(reached, 0.5))][1])
        away = np.abs([bottom - self.bottom for _, bottom, _ in order])
        spread = float((weights * away).sum() / weights.sum())
        count = math.sqrt(len(order))
        best = min(sigma for _, _, sigma in order)
        self.bottom_sigma = max(spread / count, best / count, _LEAST_SIGMA)

    def _vote(self, thing: Detected, direction: int) -> None:
        bottom = float(thing.centre[2] - thing.size[2] / 2)
        self._keep((direction, bottom, float(thing.size_sigma[2])))
        self.count_votes()

    def _keep(self, vote: tuple[int, float, float]) -> None:
        alike = [one for one in self.votes if one[0] == vote[0]]
        if len(alike) >= _VOTES:
            self.votes.remove(alike[0])
        self.votes.append(vote)


def _rotation(yaw: float) -> Array:
    """Rotation [2, 2] from the world's to a box's own axes."""
    cos, sin = math.cos(yaw), math.sin(yaw)
    return np.array([[cos, sin], [-sin, cos]])


def top_of(thing: Detected) -> Array:
    """Middle of the top of a thing [3], metres."""
    x, y, z = thing.centre
    return np.array([x, y, z + thing.size[2] / 2])


def turned(sides: npt.ArrayLike, yaw: float, onto: float) -> tuple[Array, float]:
    """Sides [2] of a box at ``yaw`` as those of the same box at about ``onto``, and the turn left.

    A box is the same after half a turn, and after a quarter with width and depth exchanged; the
    turn that is left is at most an eighth.
    """
    quarters = round((onto - yaw) / (math.pi / 2))
    rest = yaw + quarters * math.pi / 2 - onto
    two = np.asarray(sides, np.float64)
    return (two[::-1] if quarters % 2 else two), rest


def _measured(thing: Detected) -> Array:
    """Covariance [3, 3] of a thing's top in its image, without the pose's error."""
    covariance = np.array(thing.covariance, np.float64)
    # A height that is wrong by e moves the centre by e / 2; of that, the top knows nothing.
    top = covariance[2, 2] - (float(thing.size_sigma[2]) / 2) ** 2
    covariance[2], covariance[:, 2] = 0.0, 0.0
    covariance[2, 2] = max(top, 4 * _LEAST_SIGMA**2)
    if thing.cut:
        covariance[2, 2] += float(thing.size_sigma[2]) ** 2
    return covariance


def _pose(frame: MapFrame) -> Array:
    return frame.pose_sigma**2 * np.eye(3)


def _at_least(covariance: Array, sigma: float) -> Array:
    """Covariance [3, 3] whose standard deviation is ``sigma`` or more in every direction."""
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    values = np.maximum(values, max(sigma, _LEAST_SIGMA) ** 2)
    return np.asarray((vectors * values) @ vectors.T)
