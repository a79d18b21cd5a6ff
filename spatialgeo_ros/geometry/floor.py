# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How far below the camera the floor is: from the point map, and against what the pose says.

The floor is the lowest level at which points pile up. A table top that fills the view looks the
same, and so does a real floor when the pose's origin is wrong. What tells them apart is how much
of the view lies on each of the two levels, how large the surface is, and whether anything is seen
below it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialgeo_ros.geometry.pointmap import PointMap
from spatialgeo_ros.geometry.pose import level_frame

_BIN = 0.02  # metres
_BAND = 0.04  # metres to either side of a level that still are the level
_FARTHEST = 6.0  # metres of depth within which the floor is looked for
_DEEPEST = 20.0  # metres below the camera; a calibration that cannot be puts points farther down
_POINTS = 8000  # of the map that are looked at
_LEAST_POINTS = 50
_BELOW = 0.03  # share of the points that may lie below the floor
_LEAST_SUPPORT = 0.04  # share of the points that makes a level
_SYSTEMATIC = 0.008  # metres: a level is no better known, whatever the number of its points

#: Two levels within this are one, metres.
_SAME = 0.05
#: Sides in metres from which a surface is too large for a table: it is a floor.
_FLOOR_SIZE = (2.5, 1.5)
#: Heights above the floor that a surface to put things on has, metres.
_TOPS = (0.3, 1.3)
#: Least share of the points at the pose's level that tells that the level exists.
_TRACE = 0.005
_DISPUTE = 0.15  # metres of disagreement that are worth a remark

# Probability that the lowest level in view is the floor although the pose says otherwise.
#: There are more points at the pose's level, or some beneath a smaller surface.
_FLOOR_BELOW = 0.03
#: It lies below the pose's level, is too large for a table, or at no height that tables have: what
#: remains are ledges, and mirror images in a shining floor.
_CLEAR = 0.98
#: A small surface with higher things around it: a piece of floor, or a table against walls.
_ENCLOSED = 0.65
#: A small surface that fills the view: as a table top does from close by.
_FILLING = 0.15


@dataclass(frozen=True)
class Level:
    """A horizontal surface in view.

    Attributes:
        height: of the camera above it, metres.
        sigma: one standard deviation of it, metres.
        support: share of the points within 6 m that lie on it.
        size: (longer, shorter) side of what is seen of it, metres, outermost 5 % left out.
        fills_view: it reaches the left, the right and the lower border of the depth image.
    """

    height: float
    sigma: float
    support: float
    size: tuple[float, float]
    fills_view: bool = False

    @property
    def large(self) -> bool:
        """Whether it is larger than table tops are."""
        return self.size[0] >= _FLOOR_SIZE[0] and self.size[1] >= _FLOOR_SIZE[1]


@dataclass(frozen=True)
class AgreedFloor:
    """The floor that everything known agrees on best.

    Attributes:
        height: of the camera above the floor, metres.
        sigma: one standard deviation of it, metres, the disagreement included.
        remark: what disagreed and what was taken; "" where nothing did.
    """

    height: float
    sigma: float
    remark: str = ""


def estimate_floor(pointmap: PointMap, gravity: ArrayLike) -> Level | None:
    """Lowest level at which points pile up; None when there is none in view.

    A histogram of heights has its floor peak there and next to nothing below. The standard
    deviation has the spread of the points, the share of the sensor's noise that neighbours have in
    common, and 8 mm for what is not modelled.

    Args:
        pointmap: of the whole image.
        gravity: direction of falling [3] in the camera optical frame.
    """
    view = _View.of(pointmap, gravity)
    if view is None:
        return None
    bins = np.bincount((view.drop / _BIN).astype(np.int64))  # at most _DEEPEST / _BIN of them
    near = np.convolve(bins, np.ones(3), "same")
    below = len(view.drop) - np.cumsum(bins)
    lowest = int(np.flatnonzero(below <= _BELOW * view.total)[0])
    # Noise smears the peak upwards and downwards: look for it around the lowest level.
    start = max(0, lowest - 4)
    peak = start + int(np.argmax(near[start : lowest + 3]))
    higher = near[: max(0, peak - 2)]
    usual = float(np.median(higher[higher > 0])) if higher.any() else 0.0
    if near[peak] < max(_LEAST_SUPPORT * view.total, 2.0 * usual):
        return None
    return view.level((peak + 0.5) * _BIN)


def level_at(pointmap: PointMap, gravity: ArrayLike, height: float) -> Level | None:
    """The level within 5 cm of a height that has been named, None when nothing lies there.

    Args:
        pointmap: of the whole image.
        gravity: direction of falling [3] in the camera optical frame.
        height: of the camera above the level, metres.
    """
    view = _View.of(pointmap, gravity)
    if view is None:
        return None
    near = view.drop[np.abs(view.drop - height) < _SAME + _BIN]
    if len(near) < max(3, _TRACE * view.total):
        return None
    return view.level(float(np.median(near)))


def is_known_floor(seen: Level, known: float) -> bool:
    """Whether the lowest level in view is the floor that pose or mount name.

    Then nothing else of the view has to be looked at: :func:`level_at` plays no part.
    """
    return abs(seen.height - known) <= _SAME


def agree_on_floor(
    seen: Level | None,
    known: float | None,
    known_sigma: float = 0.03,
    at_known: Level | None = None,
) -> AgreedFloor | None:
    """Weigh the floor in view against the one that pose or mount name.

    ==========================================  ==============================================
    the lowest level in view                    what is taken
    ==========================================  ==============================================
    none                                        the pose's
    within 5 cm of the pose's                   the pose's; sigma holds the difference
    has fewer points than the pose's level      the pose's level as it is seen
    below the pose's                            the lowest: something is there
    above it, 2.5 m x 1.5 m or larger           the lowest: no table is so large, so the pose's
                                                origin is not on this floor
    above it, by less than 0.3 or more than     the lowest: no table has that height
    1.3 m
    above it, with points at the pose's level   the pose's
    above it, smaller, filling the view         the pose's: a table top from close by
    above it, smaller, amid higher things       the lowest, but neither is sure
    ==========================================  ==============================================

    The two levels are the possible answers, each with a probability; sigma is the standard
    deviation of that mixture, so a disagreement is never without trace.

    Args:
        seen: :func:`estimate_floor` of the view.
        known: height of the camera above the floor by pose or mount, metres.
        known_sigma: its standard deviation, metres.
        at_known: :func:`level_at` the known height, where that is not the one in view.

    Returns:
        None when neither is known.
    """
    if known is None:
        if seen is None:
            return None
        # With nothing else known, a table top can stand in for the floor.
        doubt = 0.0 if seen.large else _SAME
        return AgreedFloor(seen.height, math.hypot(seen.sigma, doubt))
    if seen is None:
        return AgreedFloor(known, known_sigma)
    apart = seen.height - known
    if is_known_floor(seen, known):
        return AgreedFloor(known, math.hypot(min(known_sigma, seen.sigma), apart))
    pose, pose_sigma = known, known_sigma
    if at_known is not None:
        pose, pose_sigma = at_known.height, at_known.sigma
    sure = _probability(seen, known, at_known)
    taken, sigma = (seen.height, seen.sigma) if sure > 0.5 else (pose, pose_sigma)
    sigma = math.hypot(sigma, math.sqrt(sure * (1 - sure)) * (seen.height - pose))
    remark = ""
    if abs(apart) > _DISPUTE:
        remark = (
            f"the lowest level in view is {seen.height:.2f} m below the camera, the pose or mount "
            f"says {known:.2f} m: the floor is taken at {taken:.2f} +- {sigma:.2f} m (the pose's "
            "z = 0, or the mount's height, must refer to the floor)"
        )
    return AgreedFloor(taken, sigma, remark)


def _probability(seen: Level, known: float, at_known: Level | None) -> float:
    """Probability that the lowest level in view is the floor, where the pose says otherwise."""
    above = known - seen.height
    if at_known is not None and (at_known.support > seen.support or above > 0):
        return _FLOOR_BELOW
    if above < 0 or seen.large or not _TOPS[0] <= above <= _TOPS[1]:
        return _CLEAR
    return _FILLING if seen.fills_view else _ENCLOSED


@dataclass(frozen=True, eq=False)
class _View:
    """The points that a floor is looked for among.

    Attributes:
        drop: [N] heights of the camera above those that are below it, metres.
        ground: [N, 2] their places in the ground plane, metres.
        noise: [N] standard deviation of their heights, metres.
        pixel: [N] their index in the thinned image.
        valid: [h, w] bool, the thinned image: pixels with a point within range.
        correlated: share of the noise that neighbours have in common.
    """

    drop: NDArray[np.float32]
    ground: NDArray[np.float32]
    noise: NDArray[np.float32]
    pixel: NDArray[np.int64]
    valid: NDArray[np.bool_]
    correlated: float

    @property
    def total(self) -> int:
        """Number of points within range, those above the camera included."""
        return int(self.valid.sum())

    @classmethod
    def of(cls, pointmap: PointMap, gravity: ArrayLike) -> _View | None:
        level = level_frame(gravity).astype(np.float32)
        rows, columns = pointmap.shape
        stride = max(1, int(np.sqrt(rows * columns / _POINTS)))
        thinned = pointmap.points_every(stride)
        with np.errstate(invalid="ignore"):
            valid = np.isfinite(thinned[..., 2]) & (thinned[..., 2] < _FARTHEST)
        pixel = np.flatnonzero(valid)
        if len(pixel) < _LEAST_POINTS:
            return None
        points = thinned.reshape(-1, 3)[pixel]
        drop = np.minimum(points @ level[1], np.float32(_DEEPEST))
        under = drop > 0.05
        if under.sum() < 30:
            return None
        points, drop, pixel = points[under], drop[under], pixel[under]
        sigma = pointmap.sigma_every(stride).reshape(-1)[pixel]
        noise = sigma * drop / points[:, 2]
        ground = points @ level[[0, 2]].T
        return cls(drop, ground, noise, pixel, valid, pointmap.correlated)

    def level(self, height: float) -> Level:
        """Measure the level at about this height."""
        on = np.abs(self.drop - height) < _BAND
        middle = float(np.median(self.drop[on]))
        count = int(on.sum())
        spread = 1.4826 * float(np.median(np.abs(self.drop[on] - middle)))
        shared = self.correlated * float(np.median(self.noise[on]))
        sigma = math.sqrt(spread**2 / count + shared**2 + _SYSTEMATIC**2)
        # Principal directions of what is seen of it: a table stands at any angle.
        ground = self.ground[on].astype(np.float64)
        _, axes = np.linalg.eigh(np.cov(ground.T) + 1e-12 * np.eye(2))
        low, high = np.percentile(ground @ axes, (5, 95), axis=0)
        short, long = sorted(float(v) for v in high - low)
        return Level(middle, sigma, count / self.total, (long, short), self._fills(on))

    def _fills(self, on: NDArray[np.bool_]) -> bool:
        """Whether points reach the left, right and lower border of what has depth at all."""
        image = np.zeros(self.valid.shape, bool)
        image.ravel()[self.pixel[on]] = True
        rows = np.flatnonzero(self.valid.any(axis=1))
        columns = np.flatnonzero(self.valid.any(axis=0))
        bottom = image[rows[-1] - 1 : rows[-1] + 1].any(axis=0)
        left = image[:, columns[0] : columns[0] + 2]
        right = image[:, columns[-1] - 1 : columns[-1] + 1]
        return bool(bottom.sum() > 0.5 * len(columns) and left.any() and right.any())
