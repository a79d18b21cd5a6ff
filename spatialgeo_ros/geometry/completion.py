# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The whole object from its visible surface: an upright box that includes the unseen half.

A camera sees the front of things. The box's heading is fitted in the ground plane to the visible
points; sides that were not seen come from the usual size of the kind of object, else from what
furniture looks like; what stands on the floor reaches down to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialgeo_ros.geometry.footprint import fit_footprint
from spatialgeo_ros.geometry.pose import level_frame
from spatialgeo_ros.geometry.segmentation import ObjectPoints
from spatialgeo_ros.geometry.sizes import TYPICAL_SIZES, Size, usual_size

_SIZE_SPREAD = 0.15  # standard deviation of a size within its kind, as a share
_BLIND_SPREAD = 0.35  # the same for a guessed unseen side
_STANDS = 0.35  # metres: whatever ends this little above the floor stands on it


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
    ground = points[:, [0, 2]]
    footprint = fit_footprint(ground)
    axes, low, high = footprint.axes, footprint.low, footprint.high
    noise = float(np.median(obj.surface_sigma))
    left, top, right, bottom = obj.cut
    low, high, spread = _complete_sides(axes, low, high, usual, left, right, noise)
    up, down, spread_y = _complete_height(points[:, 1], obj, usual, top, bottom, noise)
    middle = axes.T @ ((low + high) / 2)
    centre = np.array([middle[0], (up + down) / 2, middle[1]])
    extents = high - low
    order = (0, 1) if extents[0] >= extents[1] else (1, 0)
    long, short = (np.array([axes[k][0], 0.0, axes[k][1]]) for k in order)
    box = np.stack([long, [0.0, 1.0, 0.0], short], axis=1)
    if np.linalg.det(box) < 0:
        box[:, 2] *= -1
    rotation = level.T @ box
    # An unseen side that is wrong by e moves the centre by e / 2.
    sides = np.array([spread[order[0]], spread_y, spread[order[1]]])
    covariance = rotation @ np.diag((sides / 2) ** 2 + noise**2) @ rotation.T
    sides = np.hypot(sides, noise)
    return Completed(
        level.T @ centre,
        (float(extents[order[0]]), float(down - up), float(extents[order[1]])),
        rotation,
        covariance,
        (float(sides[0]), float(sides[1]), float(sides[2])),
    )


def _complete_sides(
    axes: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    usual: Size | None,
    cut_left: bool,
    cut_right: bool,
    noise: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Extend the rectangle to the sides that were not seen; also each side's uncertainty."""
    low, high = low.copy(), high.copy()
    seen = high - low
    middle = axes.T @ ((low + high) / 2)
    view = middle / max(float(np.linalg.norm(middle)), 1e-6)
    spread = 2 * noise + 0.01 + 0.03 * seen
    if usual is None:
        # The axis along the view: a thin front is a face whose depth is hidden behind it.
        k = int(np.argmax(np.abs(axes @ view)))
        wanted = seen.copy()
        if seen[k] < 0.5 * seen[1 - k]:
            wanted[k] = max(seen[k], min(0.45 * seen[1 - k], 0.6))
        share = _BLIND_SPREAD
        spread[k] = np.hypot(spread[k], share * max(wanted[k], 0.5 * seen[1 - k]))
    else:
        wanted = _assign(seen, usual)
        share = _SIZE_SPREAD
    for k in range(2):
        hidden = wanted[k] - seen[k]
        if hidden <= 0.05 * wanted[k]:
            continue
        lateral = axes[k][0] * view[1] - axes[k][1] * view[0]  # to the right as seen
        away = float(axes[k] @ view)
        toward = np.sign(away) or 1.0
        if abs(lateral) > abs(away):
            if cut_left == cut_right:
                if not cut_left and seen[k] > 0.7 * wanted[k]:
                    continue
                half = hidden / 2
                low[k], high[k] = low[k] - half, high[k] + half
                spread[k] = np.hypot(spread[k], share * wanted[k])
                continue
            toward = np.sign(lateral) * (1.0 if cut_right else -1.0)
        elif seen[k] > 0.8 * wanted[k]:
            continue
        if toward > 0:
            high[k] += hidden
        else:
            low[k] -= hidden
        spread[k] = np.hypot(spread[k], share * wanted[k])
    return low, high, spread


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


def _complete_height(
    y: NDArray[np.float64],
    obj: ObjectPoints,
    usual: Size | None,
    cut_top: bool,
    cut_bottom: bool,
    noise: float,
) -> tuple[float, float, float]:
    """Top and bottom in the level frame (y down) and the uncertainty of the height."""
    up, down = (float(v) for v in np.percentile(y, (0.5, 99.5)))
    spread = 2 * noise + 0.01
    floor = obj.floor_height
    if floor is not None and (floor - down < _STANDS or cut_bottom or usual is not None):
        down = floor
        spread = float(np.hypot(spread, obj.floor_sigma))
    elif cut_bottom and usual is not None:
        down = max(down, up + usual[2])
        spread = float(np.hypot(spread, _SIZE_SPREAD * usual[2]))
    if cut_top and usual is not None and down - up < usual[2]:
        up = down - usual[2]
        spread = float(np.hypot(spread, _SIZE_SPREAD * usual[2]))
    elif cut_top or (cut_bottom and floor is None):
        spread = float(np.hypot(spread, _BLIND_SPREAD * (down - up)))
    return up, down, spread
