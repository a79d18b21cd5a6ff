# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The whole object from its visible surface: an upright box that includes the unseen half.

A camera sees the front of things. The box's heading is fitted in the ground plane to the visible
points. What was not seen comes, in this order, from where the region says that the object goes on
without a reading, from the usual size of the kind of object, and from what things of the visible
shape are like. Things reach down to what they stand on where it is right below; furniture reaches
to the floor. What could be hidden but need not be widens the uncertainty and moves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialgeo_ros.geometry.footprint import fit_footprint
from spatialgeo_ros.geometry.object_points import ObjectPoints
from spatialgeo_ros.geometry.pose import level_frame
from spatialgeo_ros.geometry.sizes import TYPICAL_SIZES, Size, usual_size

# Calibrated on simulated frames with structured-light depth of the tuning seeds (furniture, things,
# clutter), boxes and masks as regions, except where another source is named.

# How far things reach down.
_CLOSE = 0.03  # metres, and
_CLOSE_SHARE = 0.15  # share of the visible height: how far feet may end above what they stand on
_LYING = 0.04  # metres that a thing may seem to reach into what it stands on
_STANDS = 0.35  # metres: furniture that ends this little above the floor stands on it
_FITS = 1.35  # times the usual height: what would be higher does not stand on the floor
_REACH = 2.0  # times its longest visible side: how far a thing may reach down, hidden or not

# Standard deviations of sides. One that is wrong by e moves the centre by e / 2.
_SIDE = 0.005  # metres
_SIDE_SHARE = 0.03  # of the visible extent
_HEIGHT_SHARE = 0.01  # of the visible height: tops stand out against what is behind
_SIDE_PIXELS = 1.5  # pixels: what outlines of depth are off by
_UNSURE = ((0.2, 0.3), (0.7, 0.09))  # (share of the region found to be the object, of its sides)
_UNSURE_HEIGHT = 0.3  # times as much for its height
_MOST_UNSURE = 0.06  # metres, of it
_SIZE_SPREAD = 0.15  # of the usual size: how much sizes differ within a kind
_KNOWN_DEPTH_SHARE = 0.15  # of the usual size along the view, seen or not
_DEPTH_SHARE = 0.3  # of the depth of things of unknown kind
_HIDDEN_SHARE = 0.5  # of a hidden stretch that was assumed
_EITHER_SHARE = 0.58  # of a hidden stretch that may be at either end: even odds, 2 / sqrt(12)
_SMALL_SHARE = 0.2  # of what a side with both ends in view lacks of the usual size
_CUT_SHARE = 0.3  # of the visible extent, where something nearer may hide more
_BORDER_SHARE = 0.6  # of the visible extent at the image's border, which may cut off the most
_BLIND_SHARE = 0.3  # of a stretch without readings that the region gives to the object

# What the unseen depth is like.
_ROUND = (0.15, 0.28)  # thickness of a visible surface by its size: flat below, round above
_TOP_SHOWS = 0.5  # radians from above at which things show their whole depth
_THICK = ((0.25, 0.10), (0.6, 0.45))  # (size in metres, share of it) hidden behind flat fronts
_THICK_SPREAD = 0.2  # of the size, at least: standard deviation behind flat fronts
_ROUND_SPREAD = 0.35  # of the unseen depth of round things
_MOST_UNSEEN = 0.6  # metres
_FEWEST = 6  # points that tell a shape
_UPRIGHT = 0.35  # ratio of sides under which the thin one is the thickness of a front
_HALF = 0.5  # of its usual height: what shows less, over something nearer, may show its back
_ASKEW = 0.35  # sine of the angle to the view from which the end that is cut off is the hidden one

# A sparse tail behind a thing of unknown kind: chosen on frames of a real kitchen, where background
# beside leaning books and leaflets was taken for them; simulated things are none the worse for it.
_TAIL_FROM = 90  # percentile of the distances from the camera
_TAIL = 1.0  # longer than this share of what is nearer
_TAIL_SHARE = 0.5  # of its length: standard deviation of the depth


@dataclass(frozen=True, eq=False)
class Completed:
    """An object's whole box, in the camera optical frame.

    Attributes:
        centre: [3] metres.
        extents: (width, height, depth) metres; width is the longer horizontal side.
        rotation: [3, 3], columns are the box's axes: along its width, down, along its depth.
        covariance: [3, 3] of the centre, square metres.
        extent_sigma: standard deviations of the extents, metres.
    """

    centre: NDArray[np.float64]
    extents: Size
    rotation: NDArray[np.float64]
    covariance: NDArray[np.float64]
    extent_sigma: Size

    @property
    def sigma(self) -> float:
        """Standard deviation of the centre along its most uncertain direction, metres."""
        return float(np.sqrt(np.linalg.eigvalsh(self.covariance)[-1]))


@dataclass(eq=False)
class _Box:
    """The rectangle in the ground plane and the heights, while they are completed.

    Attributes:
        axes: [2, 2], rows are the unit directions of the sides in the ground plane.
        low, high: [2] its extent along them, metres.
        spread: [2] standard deviations of its sides' lengths, metres.
        up, down: top and bottom, metres along gravity from the camera.
        spread_y: standard deviation of its height, metres.
    """

    axes: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    spread: NDArray[np.float64]
    up: float
    down: float
    spread_y: float

    @property
    def middle(self) -> NDArray[np.float64]:
        """Centre in the ground plane [2], metres."""
        return self.axes.T @ ((self.low + self.high) / 2)

    def widen(self, k: int, sigma: float) -> None:
        """Add an independent standard deviation to the length of a side."""
        self.spread[k] = np.hypot(self.spread[k], sigma)

    def widen_height(self, sigma: float) -> None:
        """Add an independent standard deviation to the height."""
        self.spread_y = float(np.hypot(self.spread_y, sigma))

    def extend(self, k: int, length: float, toward: float) -> None:
        """Make a side longer at its far (toward > 0), near (< 0) or both ends (0)."""
        if toward >= 0:
            self.high[k] += length if toward > 0 else length / 2
        if toward <= 0:
            self.low[k] -= length if toward < 0 else length / 2


def estimate_centre(
    obj: ObjectPoints,
    gravity: ArrayLike | None = None,
    kind_prior: str | None = None,
    sizes: Mapping[str, Size] | None = None,
) -> Completed:
    """Estimate the whole box of an object.

    Args:
        obj: its visible surface.
        gravity: direction of falling [3] in the optical frame; default: the object's own. Unknown:
            the image's vertical.
        kind_prior: kind of object, a key of ``sizes``; default: found in the object's label.
        sizes: usual (width, depth, height) in metres by kind, default :data:`TYPICAL_SIZES`.
    """
    sizes = TYPICAL_SIZES if sizes is None else sizes
    usual = usual_size(kind_prior or obj.label, sizes)
    if gravity is None:
        gravity = obj.gravity
    level = np.eye(3) if gravity is None else level_frame(gravity)
    points = obj.surface.astype(np.float64) @ level.T
    noise = float(np.median(obj.surface_sigma))
    box = _visible_box(obj, points, level, noise, usual is not None)
    seen = box.high - box.low
    seen_height = box.down - box.up
    _complete_height(box, obj, usual)
    if usual is None:
        _complete_depth(box, obj, points, seen, seen_height, noise)
    else:
        half_hidden = obj.cut[3] and seen_height < _HALF * usual[2]
        _complete_sides(box, obj, usual, seen, half_hidden)
    middle = box.middle
    centre = np.array([middle[0], (box.up + box.down) / 2, middle[1]])
    extents = box.high - box.low
    order = (0, 1) if extents[0] >= extents[1] else (1, 0)
    long, short = (np.array([box.axes[k][0], 0.0, box.axes[k][1]]) for k in order)
    frame = np.stack([long, [0.0, 1.0, 0.0], short], axis=1)
    if np.linalg.det(frame) < 0:
        frame[:, 2] *= -1
    rotation = level.T @ frame
    # An unseen side that is wrong by e moves the centre by e / 2.
    sides = np.array([box.spread[order[0]], box.spread_y, box.spread[order[1]]])
    covariance = rotation @ np.diag((sides / 2) ** 2 + noise**2) @ rotation.T
    sides = np.hypot(sides, noise)
    return Completed(
        level.T @ centre,
        (float(extents[order[0]]), float(box.down - box.up), float(extents[order[1]])),
        rotation,
        covariance,
        (float(sides[0]), float(sides[1]), float(sides[2])),
    )


def _visible_box(
    obj: ObjectPoints,
    points: NDArray[np.float64],
    level: NDArray[np.float64],
    noise: float,
    knows_size: bool,
) -> _Box:
    """Box of the visible points [N, 3] (level frame) and of where readings are missing.

    The region bounds the object where the sensor does not see it. That is not taken over for depths
    and for heights of known kinds: both would hang on how deep the object is there.
    """
    ground = points[:, [0, 2]]
    tail = 0.0 if knows_size else _tail(ground)
    if tail > 0:
        reach = ground @ (ground.mean(axis=0) / np.linalg.norm(ground.mean(axis=0)))
        points = points[reach <= np.percentile(reach, _TAIL_FROM)]
        ground = points[:, [0, 2]]
    footprint = fit_footprint(ground)
    low, high = footprint.low.copy(), footprint.high.copy()
    up, down = (float(v) for v in np.percentile(points[:, 1], (0.5, 99.5)))
    pixels = max(_SIDE_PIXELS, obj.outline) * float(np.median(obj.surface[:, 2])) / obj.camera.fx
    least = 2 * noise + _SIDE + pixels
    spread = least + _SIDE_SHARE * (high - low)
    spread_y = least + _HEIGHT_SHARE * (down - up)
    if tail > 0:
        deep = int(np.argmax(np.abs(footprint.axes @ ground.mean(axis=0))))
        spread[deep] = np.hypot(spread[deep], _TAIL_SHARE * tail)
    if len(obj.beyond):
        blind = obj.beyond.astype(np.float64) @ level.T
        middle = footprint.axes.T @ ((low + high) / 2)
        k = int(np.argmin(np.abs(footprint.axes @ middle)))
        first, last = np.percentile(blind[:, [0, 2]] @ footprint.axes[k], (1, 99))
        spread[k] += _BLIND_SHARE * (max(low[k] - first, 0) + max(last - high[k], 0))
        low[k], high[k] = min(low[k], first), max(high[k], last)
        if not knows_size:
            top, bottom = (float(v) for v in np.percentile(blind[:, 1], (1, 99)))
            spread_y += _BLIND_SHARE * (max(up - top, 0) + max(bottom - down, 0))
            up, down = min(up, top), max(down, bottom)
    unsure = float(np.interp(obj.fraction, *np.transpose(_UNSURE)))
    spread = np.hypot(spread, np.minimum(unsure * (high - low), _MOST_UNSURE))
    spread_y = float(
        np.hypot(spread_y, min(_UNSURE_HEIGHT * unsure * (down - up), 0.5 * _MOST_UNSURE))
    )
    return _Box(footprint.axes, low, high, spread, up, down, spread_y)


def _tail(ground: NDArray[np.float64]) -> float:
    """Length of a sparse tail behind points [N, 2] in the ground plane, metres; 0 without one.

    A few cells of what is behind an object are easily taken for it, and would move its centre.
    """
    away = ground.mean(axis=0)
    reach = ground @ (away / max(float(np.linalg.norm(away)), 1e-6))
    near, dense, far = np.percentile(reach, (1, _TAIL_FROM, 99))
    return float(far - dense) if far - dense > _TAIL * (dense - near) else 0.0


def _complete_height(box: _Box, obj: ObjectPoints, usual: Size | None) -> None:
    """Reach down to what the object stands on; tell what else may be hidden."""
    _, cut_top, _, cut_bottom = obj.cut
    height = box.down - box.up
    floor, base = obj.floor_height, obj.base
    on_floor = base is None or floor is None or floor - base < _LYING
    if usual is not None and floor is not None and on_floor:
        hidden = floor - box.down
        fits = floor - box.up < _FITS * usual[2] or hidden < _STANDS
        if hidden > -_LYING and fits:
            box.down = floor
            # Legs that end a little early say nothing against it; being hardly seen does.
            doubt = _HIDDEN_SHARE * max(hidden, 0) ** 2 / (max(hidden, 0) + height)
            box.widen_height(np.hypot(obj.floor_sigma, doubt))
            cut_bottom = False
    elif base is not None:
        hidden = base - box.down
        may_reach = 0 < hidden < _REACH * max(height, float((box.high - box.low).max()))
        if -_LYING < hidden < _CLOSE + _CLOSE_SHARE * height or (cut_bottom and may_reach):
            box.down = base
            box.widen_height(_HIDDEN_SHARE * max(hidden, 0))
            cut_bottom = False
        elif may_reach:
            box.widen_height(_EITHER_SHARE * hidden)
    elif usual is not None and cut_bottom and height < usual[2]:
        box.down = box.up + usual[2]
        box.widen_height(np.hypot(_SIZE_SPREAD * usual[2], _HIDDEN_SHARE * (usual[2] - height)))
        cut_bottom = False
    if cut_top and usual is not None and box.down - box.up < usual[2]:
        box.up = box.down - usual[2]
        box.widen_height(_SIZE_SPREAD * usual[2])
    elif cut_top or cut_bottom:
        box.widen_height(_cut_share(obj) * height)


def _cut_share(obj: ObjectPoints) -> float:
    """Share of the visible extent by which a side that is cut off is uncertain."""
    return _BORDER_SHARE if obj.truncated else _CUT_SHARE


def _view(box: _Box) -> NDArray[np.float64]:
    """Direction from the camera to the object in the ground plane, [2]."""
    middle = box.middle
    return middle / max(float(np.linalg.norm(middle)), 1e-6)


def _complete_depth(
    box: _Box,
    obj: ObjectPoints,
    points: NDArray[np.float64],
    seen: NDArray[np.float64],
    height: float,
    noise: float,
) -> None:
    """Extend a thing of unknown kind by the depth that its visible surface hides.

    Round things are as deep as wide, and show the more of it the more they are seen from above.
    What is behind a flat front is anything from a leaflet to a box: little for small ones.
    """
    view = _view(box)
    k = int(np.argmin(seen))
    if seen[k] > _UPRIGHT * seen[1 - k]:
        k = int(np.argmax(np.abs(box.axes @ view)))
    width = float(seen[1 - k])
    size = min(width, height)
    left, _, right, _ = obj.cut
    for side in (0, 1):
        lateral = box.axes[side][0] * view[1] - box.axes[side][1] * view[0]
        if (left or right) and abs(lateral) > 0.7:
            box.widen(side, _cut_share(obj) * float(seen[side]))
    if obj.flat or size <= 0 or len(points) < _FEWEST:
        return
    middle = points.mean(axis=0)
    _, vectors = np.linalg.eigh(np.cov((points - middle).T))
    across = (points - middle) @ vectors[:, 0]
    thick = float(np.ptp(np.percentile(across, (8, 92))))
    thick = np.sqrt(max(thick**2 - (4 * noise) ** 2, 0))
    roundness = float(np.clip((thick / size - _ROUND[0]) / (_ROUND[1] - _ROUND[0]), 0, 1))
    above = np.arctan2(box.up, np.linalg.norm(box.middle))
    hides = float(np.clip(1 - above / _TOP_SHOWS, 0, 1))
    behind = roundness * max(width - float(seen[k]), 0) * hides
    share = float(np.interp(size, *np.transpose(_THICK)))
    flatness = (1 - roundness) * hides
    hidden = min(behind + flatness * share * size, _MOST_UNSEEN)
    box.extend(k, hidden, float(np.sign(box.axes[k] @ view)) or 1.0)
    box.widen(k, _DEPTH_SHARE * float(box.high[k] - box.low[k]))
    box.widen(k, _ROUND_SPREAD * behind)
    box.widen(k, flatness * max(_THICK_SPREAD, share) * size)


def _complete_sides(
    box: _Box, obj: ObjectPoints, usual: Size, seen: NDArray[np.float64], half_hidden: bool
) -> None:
    """Extend a thing of known kind to its usual sides where they were not seen."""
    left, _, right, _ = obj.cut
    view = _view(box)
    wanted = _assign(seen, usual)
    deep = int(np.argmax(np.abs(box.axes @ view)))
    box.widen(deep, _KNOWN_DEPTH_SHARE * float(wanted[deep]))
    for k in range(2):
        hidden = float(wanted[k] - (box.high[k] - box.low[k]))
        if hidden <= 0.05 * wanted[k]:
            continue
        lateral = box.axes[k][0] * view[1] - box.axes[k][1] * view[0]  # to the right as seen
        away = float(box.axes[k] @ view)
        if left != right and abs(lateral) > _ASKEW:
            toward = float(np.sign(lateral)) * (1.0 if right else -1.0)
        elif abs(lateral) > abs(away):
            if left:
                box.extend(k, hidden, 0.0)
                box.widen(k, np.hypot(_SIZE_SPREAD * wanted[k], _EITHER_SHARE * hidden))
            elif seen[k] <= 0.7 * wanted[k]:
                # Both ends are seen: it is small for its kind, or a part of it was not found.
                box.widen(k, _SMALL_SHARE * hidden)
            continue
        elif seen[k] > 0.8 * wanted[k]:
            continue
        elif half_hidden:
            # Only its upper part is seen, which may be its front or its back.
            box.extend(k, hidden, 0.0)
            box.widen(k, _EITHER_SHARE * hidden)
            continue
        else:
            toward = float(np.sign(away)) or 1.0
        box.extend(k, hidden, toward)
        box.widen(k, _SIZE_SPREAD * wanted[k])


def _assign(seen: NDArray[np.float64], usual: Size) -> NDArray[np.float64]:
    """Which side is the width: the pairing whose sizes contradict the visible extents least."""
    width, depth, _ = usual
    best, wanted = np.inf, np.zeros(2)
    for pair in (np.array([width, depth]), np.array([depth, width])):
        over = np.maximum(seen - pair, 0) / (0.1 * pair + 0.03)
        under = np.maximum(pair - seen, 0) / (0.5 * pair)
        cost = float((over**2 + under**2).sum())
        if cost < best:
            best, wanted = cost, pair
    return wanted
