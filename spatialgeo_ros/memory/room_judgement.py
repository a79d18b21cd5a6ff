# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whether an outline is the room's: how much of it was seen as wall, and what the rest is.

An outline is believed where at least 60 % of it was seen as wall, everything else being hidden by
things that stand before it or gaps of a door's width, and where most of the floor within it was
looked over.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.memory.room_faces import on_line
from spatialgeo_ros.memory.room_outline import Outline, polygon_area
from spatialgeo_ros.memory.wall_grid import CELL, OpenSpace, Surfaces

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_STEP = 0.05  # m between places on the outline
_LEAST_SEEN = 0.6  # share of the outline seen as wall
_WIDEST_GAP = 1.1  # m, a double door and more is no gap in a wall
_MOST_OPEN = 0.2  # share of the outline in gaps
_LEAST_LOOKED = 0.6  # share of the floor within that was looked over
_HIDDEN = 1.0  # m before a wall: what stands there hides it
_BEYOND = 0.35  # m behind a wall
_LEAST_AREA = 1.5  # m^2
#: Metres without wall near a corner, beside a wall that goes on past the corner for some length:
#: the way round a piece of furniture as high as a wall. Ends of walls are seen 12 cm too long.
_CORNER_GAP, _NEAR_CORNER, _GOES_ON = 0.1, 0.6, 0.3
_PAST = (0.1, 0.8)  # m past the corner
_SIDE_SEEN = 0.3  # share of a side that makes it a wall that was seen
_LONG = 0.8  # m, of sides that are counted as walls


@dataclass(frozen=True)
class Judgement:
    """What is to be thought of an outline.

    Attributes:
        seen: share of it that was seen as wall.
        widest_gap: longest stretch that is neither wall nor hidden, metres.
        sigma: standard deviation of a wall's place, metres.
        why_unknown: cause and cure where it is not to be believed, "" where it is.
    """

    seen: float
    widest_gap: float
    sigma: float
    why_unknown: str


def judge(outline: Outline, surfaces: Surfaces, space: OpenSpace) -> Judgement:
    """Compare an outline with what was seen."""
    seen_parts, gap_parts, walls, lengths, weights = [], [], [], [], []
    corners, ends = outline.corners, []
    for k, line in enumerate(outline.lines):
        start, end = corners[k], corners[(k + 1) % len(corners)]
        length = float(np.hypot(*(end - start)))
        count = max(1, round(length / _STEP))
        places = start + (end - start) * ((np.arange(count) + 0.5) / count)[:, None]
        ahead = (end - start) / max(length, 1e-9)
        inwards = np.array([-ahead[1], ahead[0]])
        pieces = surfaces.places[on_line(line, surfaces)]
        seen = _covered(places, ahead, pieces)
        ends.append((_length_past(start, -ahead, pieces), _length_past(end, ahead, pieces)))
        gap = ~seen & ~_hidden(places, ahead, inwards, surfaces, space)
        # What is behind a wall that was seen may show through a window; a gap shows it freely.
        seen_parts.append(seen)
        gap_parts.append(gap)
        lengths.append(length)
        weights.append(line.sigma**2)
        if length > _LONG:
            walls.append(bool(seen.mean() >= _SIDE_SEEN))
    seen_all, gap_all = np.concatenate(seen_parts), np.concatenate(gap_parts)
    share, open_share = float(seen_all.mean()), float(gap_all.mean())
    widest = _STEP * _longest_run(gap_all)
    sigma = math.sqrt(float(np.average(weights, weights=lengths)))
    looked = _looked_over(corners, space)
    why = ""
    if polygon_area(corners) < _LEAST_AREA or not _is_simple(corners):
        why = "the walls in view close no room. Drive or turn until the camera saw them all around."
    elif share < _LEAST_SEEN or not all(walls):
        of = f"{sum(walls)} of {len(walls)}" if not all(walls) else f"{share:.0%} of the"
        why = f"only {of} walls were seen. Drive along the others, or turn until they are in view."
    elif widest > _WIDEST_GAP or open_share > _MOST_OPEN:
        why = (
            f"the walls leave {widest:.1f} m open, more than a door: the room goes on there, or "
            "its wall was not seen. Point the camera there."
        )
    elif _goes_round(gap_parts, ends):
        why = (
            "a wall goes on past the end of the room that was seen: something high stands there. "
            "Drive around it."
        )
    elif looked < _LEAST_LOOKED:
        why = f"only {looked:.0%} of the room was looked over. Drive through the rest of it."
    return Judgement(share, widest, sigma, why)


def _covered(places: Array, ahead: Array, walls: Array) -> Flags:
    """Whether a wall was seen at places [N, 2] along a side; [N]."""
    if not len(walls):
        return np.zeros(len(places), bool)
    along = np.sort(walls @ ahead)
    here = places @ ahead
    index = np.searchsorted(along, here)
    after = along[np.minimum(index, len(along) - 1)]
    before = along[np.maximum(index - 1, 0)]
    return np.asarray(np.minimum(np.abs(after - here), np.abs(here - before)) < 1.2 * CELL)


def _length_past(corner: Array, outwards: Array, pieces: Array) -> float:
    """Return the length of wall on a side's line past its end, metres."""
    along = (pieces - corner) @ outwards
    return CELL * len(np.unique(along[(along > _PAST[0]) & (along < _PAST[1])] // CELL))


def _goes_round(gaps: list[Flags], past: list[tuple[float, float]]) -> bool:
    """Tell whether the outline leaves a gap in a corner that one of its walls goes on past."""
    wide, near = round(_CORNER_GAP / _STEP), round(_NEAR_CORNER / _STEP)
    for k, gap in enumerate(gaps):
        before, after = past[k - 1][1], past[(k + 1) % len(gaps)][0]
        # The cells at the corner itself may be of either wall.
        if before >= _GOES_ON and gap[:near].sum() >= wide:
            return True
        if after >= _GOES_ON and gap[-near:].sum() >= wide:
            return True
    return False


def _hidden(
    places: Array, ahead: Array, inwards: Array, surfaces: Surfaces, space: OpenSpace
) -> Flags:
    """Whether something stands before the wall at places [N, 2], and nothing was seen behind."""
    offset = (surfaces.places - places[0]) @ inwards
    near = (offset > -0.1) & (offset < _HIDDEN)
    found = np.zeros(len(places), bool)
    if near.any():
        found = _covered(places, ahead, surfaces.places[near])
    return found & ~space.at(places - _BEYOND * inwards)


def _longest_run(flags: Flags) -> int:
    """Return the length of the longest run of True around a ring."""
    if flags.all():
        return len(flags)
    start = int(np.argmin(flags))
    turned = np.roll(flags, -start).astype(np.int64)
    edges = np.flatnonzero(np.diff(np.concatenate([turned, [0]])))
    if not len(edges):
        return 0
    begins = np.flatnonzero(np.diff(turned) == 1) + 1
    ends = np.flatnonzero(np.diff(np.append(turned, 0)) == -1) + 1
    return int((ends - begins).max())


def _looked_over(corners: Array, space: OpenSpace) -> float:
    """Return the share of a polygon that was seen through."""
    low, high = corners.min(axis=0), corners.max(axis=0)
    axes = [np.arange(low[i] + CELL, high[i], 2 * CELL) for i in range(2)]
    places = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    inside = contains(corners, places)
    return float(space.at(places[inside]).mean()) if inside.any() else 0.0


def contains(corners: Array, places: Array) -> Flags:
    """Tell which places [N, 2] are inside a polygon [M, 2] (crossings of a ray); [N]."""
    x, y = places[:, :1], places[:, 1:]
    (x0, y0), (x1, y1) = corners.T, np.roll(corners, -1, axis=0).T
    with np.errstate(divide="ignore", invalid="ignore"):
        crossed = ((y0 > y) != (y1 > y)) & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return np.asarray(crossed.sum(axis=1) % 2 == 1)


def _is_simple(corners: Array) -> bool:
    """Tell whether no two sides cross."""
    count = len(corners)
    a, b = corners, np.roll(corners, -1, axis=0)

    def side(p: Array, q: Array, r: Array) -> Array:
        return np.asarray((q[..., 0] - p[..., 0]) * (r[..., 1] - p[..., 1])
                          - (q[..., 1] - p[..., 1]) * (r[..., 0] - p[..., 0]))  # fmt: skip

    p, q, r, s = a[:, None], b[:, None], a[None], b[None]
    cross = (side(p, q, r) * side(p, q, s) < 0) & (side(r, s, p) * side(r, s, q) < 0)
    return not cross.any() if count > 3 else True
