# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whether things are still there: what depth and detectors say of the places in view.

The probability that an object is there is kept as log-odds, to which each image adds the logarithm
of how much likelier what it shows is with the object than without it (as cells of occupancy grids
are: Moravec and Elfes, ICRA 1985). A detection speaks for it. A detector that looked and missed it
although the place is open to view, inside the image and large enough, speaks against it; depth
that sees through its place speaks strongly against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.memory.detected import Array, MapFrame
from spatialgeo_ros.memory.map_object import TrackedObject

#: Log-odds: what one detection of score 1 adds, what a first one begins with at most, where they
#: end; and what a first one is less sure than its score says: a box that nothing confirms is of
#: something else, or of nothing, oftener than one that others agree with.
_HIT, _FIRST, _MOST = 1.2, 1.5, 4.0
_ALONE = 0.8
_LEAST = -3.0
#: Below these an object is not listed, and is gone (one that was listed before).
UNSURE, GONE = 0.0, -1.0
#: What an image takes away: its place is seen empty; another kind of thing fills its place; it is
#: missed where depth shows nothing of it, and where depth agrees that something is there.
_THROUGH, _OTHER_THING, _MISSED, _MISSED_THERE = 2.6, 1.2, 0.7, 0.35
_KNOWN = (
    3  # sightings from which a surface in its place speaks for an object, not just for a surface
)
#: A look counts when this share of the surface is inside the image and not hidden.
_INSIDE, _OPEN = 0.85, 0.5
#: Share of the readings on the place that have to be behind it for it to be empty, least readings.
_EMPTY_SHARE, _LEAST_READINGS = 0.65, 8
#: Share of the readings at the place itself from which something is there.
_THERE_SHARE = 0.5
#: Pixels that a missed thing has to have at its shorter side, and as share of its smallest box.
_LEAST_PIXELS, _SMALLEST_SHARE = 24.0, 0.8
#: Metres, and standard deviations, behind a surface from which a reading sees through it.
_BEHIND, _SIGMAS = 0.06, 3.0
_NEAREST = 0.15  # metres before the camera
_MOST_SIDE = 12  # pixels that a place is looked at around, at most


@dataclass(frozen=True, eq=False)
class Look:
    """What an image shows at the place of an object, as shares; no reading says nothing.

    Attributes:
        inside: of its surface that projects into the image.
        readings: number of surface points with a reading.
        through: of the readings, those that see through.
        hidden: of the readings, those before it.
        box: x0, y0, x1, y1 of its surface in the image, pixels.
        through_cells: [N] bool, cells of its surface that are seen through.
    """

    inside: float
    readings: int
    through: float
    hidden: float
    box: tuple[float, float, float, float]
    through_cells: npt.NDArray[np.bool_]

    @property
    def pixels(self) -> float:
        """Shorter side of its extent in the image, pixels; 0 outside."""
        x0, y0, x1, y1 = self.box
        return max(min(x1 - x0, y1 - y0), 0.0)

    @property
    def empty(self) -> bool:
        """Whether the place is seen to be empty."""
        open_to_view = self.readings * (1 - self.hidden)
        return (
            open_to_view >= max(_LEAST_READINGS, 0.3 * self.readings)
            and self.inside > 0.5
            and self.through * self.readings > _EMPTY_SHARE * open_to_view
        )

    @property
    def there(self) -> bool:
        """Whether something is measured where the object should be."""
        return self.readings >= _LEAST_READINGS and (1 - self.through - self.hidden > _THERE_SHARE)

    @property
    def in_view(self) -> bool:
        """Whether a detector could see it."""
        return self.inside >= _INSIDE and self.hidden <= 1 - _OPEN

    @property
    def partly_in_view(self) -> bool:
        """Whether some of its place is in the image and not hidden."""
        return self.inside > 0.3 and self.hidden < 0.7


def look_at(
    frame: MapFrame, surfaces: Sequence[npt.NDArray[np.float32]], sigmas: Sequence[float]
) -> list[Look]:
    """Look at places in the depth of an image.

    A surface point is seen through where the reading at its pixel, and those around it as far as
    its place is uncertain, are all behind it by more than their error.

    Args:
        frame: the image.
        surfaces: points [N, 3] of each object, metres, world frame; none may be empty.
        sigmas: standard deviation of each one's place, metres.
    """
    if not surfaces:
        return []
    counts = np.array([len(points) for points in surfaces])
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    points = np.concatenate(surfaces).astype(np.float64)
    sigma = np.repeat(np.asarray(sigmas, np.float64), counts)
    local = (points - frame.pose.translation) @ frame.pose.rotation
    pixels = frame.camera.project(local)
    with np.errstate(invalid="ignore"):
        inside = (
            (local[:, 2] > _NEAREST)
            & (pixels >= 0).all(axis=1)
            & (pixels <= (frame.camera.width - 1, frame.camera.height - 1)).all(axis=1)
        )
    through, hidden, read = (np.zeros(len(points), bool) for _ in range(3))
    if frame.depth is not None and inside.any():
        through[inside], hidden[inside], read[inside] = _compare(
            frame, pixels[inside], local[inside, 2], sigma[inside]
        )
    total = np.add.reduceat(inside, starts, dtype=np.int64)
    readings = np.add.reduceat(read, starts, dtype=np.int64)
    behind = np.add.reduceat(through, starts, dtype=np.int64)
    before = np.add.reduceat(hidden, starts, dtype=np.int64)
    low = np.minimum.reduceat(np.where(inside[:, None], pixels, np.inf), starts, axis=0)
    high = np.maximum.reduceat(np.where(inside[:, None], pixels, -np.inf), starts, axis=0)
    return [
        Look(
            float(total[k] / counts[k]),
            int(readings[k]),
            float(behind[k] / max(readings[k], 1)),
            float(before[k] / max(readings[k], 1)),
            (float(low[k, 0]), float(low[k, 1]), float(high[k, 0]), float(high[k, 1])),
            through[start : start + counts[k]],
        )
        for k, start in enumerate(starts)
    ]


def _compare(
    frame: MapFrame, pixels: Array, expected: Array, sigma: Array
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """For points at ``pixels`` [N, 2]: seen through, hidden, and read at all."""
    assert frame.depth is not None
    height, width = frame.camera.height, frame.camera.width
    column, row = np.rint(pixels).astype(np.int64).T
    depth = np.asarray(frame.depth.depth_at(row, column), np.float64)
    noise = np.asarray(frame.depth.sigma_at(row, column), np.float64)
    read = np.isfinite(depth)
    with np.errstate(invalid="ignore"):
        margin = np.maximum(_BEHIND, _SIGMAS * np.hypot(noise, sigma))
        through, hidden = depth > expected + margin, depth < expected - margin
    # To the side the place is as uncertain: a reading at it may be one past its edge.
    asked = np.flatnonzero(through)
    if len(asked):
        radius = np.minimum(2 * sigma[asked] * frame.camera.fx / expected[asked], _MOST_SIDE)
        radius = np.rint(radius).astype(np.int64)
        beyond = expected[asked] + margin[asked]
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            around = np.asarray(
                frame.depth.depth_at(
                    np.clip(row[asked] + dy * radius, 0, height - 1),
                    np.clip(column[asked] + dx * radius, 0, width - 1),
                ),
                np.float64,
            )
            with np.errstate(invalid="ignore"):
                through[asked] &= ~(around <= beyond)
    return through, hidden, read


def begin(tracked: TrackedObject, score: float) -> None:
    """Set the odds of an object that was seen once."""
    share = min(max(score, 0.02), 0.98)
    tracked.odds = float(min(np.log(share / (1 - share)) - _ALONE, _FIRST))
    tracked.confirmed = tracked.odds > UNSURE


def doubt(tracked: TrackedObject) -> None:
    """Do not list an object before a second image agrees with the first."""
    tracked.confirmed = False


def detected(tracked: TrackedObject, score: float) -> bool:
    """Count a detection; tell whether the object was gone and is back."""
    back = tracked.gone
    if back:
        tracked.odds = max(tracked.odds, UNSURE)
    tracked.odds = min(tracked.odds + _HIT * (0.4 + 0.6 * score), _MOST)
    tracked.gone = False
    tracked.confirmed |= tracked.odds > UNSURE
    return back


def seen_empty(tracked: TrackedObject) -> None:
    """Count a look through the object's place."""
    _lower(tracked, _THROUGH)


def filled_by_other(tracked: TrackedObject) -> None:
    """Count the detection of another kind of thing in its place."""
    _lower(tracked, _OTHER_THING)


def could_be_detected(tracked: TrackedObject, look: Look) -> bool:
    """Tell whether not being detected means anything for an object that was looked for."""
    least = max(_LEAST_PIXELS, _SMALLEST_SHARE * min(tracked.least_pixels, 200.0))
    return look.in_view and look.pixels >= least


def missed(tracked: TrackedObject, look: Look, direction: int) -> None:
    """Count a miss of a detector; the n-th in a row from one direction counts as 1 / n."""
    tracked.misses[direction] += 1
    known = tracked.sightings >= _KNOWN
    weight = _MISSED_THERE if look.there and known else _MISSED
    _lower(tracked, weight / float(tracked.misses[direction]))


def _lower(tracked: TrackedObject, weight: float) -> None:
    tracked.odds = max(tracked.odds - weight, _LEAST)
    if tracked.odds < GONE:
        tracked.gone = True
