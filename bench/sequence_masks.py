# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Real frames measured from boxes and from masks: what fraction of reference distances improves.

A folder of annotated RGB-D frames has boxes only. Its masks here are what depth separation finds in
each box, with the holes of the depth image closed, taken to a segmenter's grid and back: what a
mask of the same thing is worth that knows no more than the box.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from bench.common import report, table
from spatialgeo_ros.errors import SpatialGeoError
from spatialgeo_ros.evaluation.annotated_frames import (
    AnnotatedFrame,
    AnnotatedSequence,
    read_sequence,
)
from spatialgeo_ros.evaluation.sequence import (
    Condition,
    Known,
    counted_pairs,
    given_box,
    observe,
    read_images,
)
from spatialgeo_ros.geometry.distance import Kind
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.perception import Sighting

_GRID = 256  # cells along each side of the image
_CLOSED = 5  # pixels: holes of the depth image that are closed
#: Metres by which an error has to change to be better or worse.
_CHANGE = 0.01


def mask_of(found: Sighting, label: str) -> Region:
    """A region of what was found, as a segmenter on a grid would give it."""
    mask = found.points.mask.astype(np.uint8)
    closed = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((_CLOSED, _CLOSED), np.uint8))
    height, width = mask.shape
    share = cv2.resize(closed.astype(np.float32), (_GRID, _GRID), interpolation=cv2.INTER_AREA)
    large = cv2.resize(share, (width, height), interpolation=cv2.INTER_LINEAR)
    return Region.from_mask(large > 0.5, label, cell=max(height, width) / _GRID)


def measure_frame(
    sequence: AnnotatedSequence, frame: AnnotatedFrame, condition: Condition
) -> list[tuple[float, float, float, float, float]]:
    """Reference, distance and sigma from boxes, the same from masks; metres, NaN where invalid."""
    perception, seen = observe(sequence, frame, read_images(frame), condition.known)
    things = {thing.name: thing for thing in frame.objects}
    rows = []
    for pair in counted_pairs(sequence, frame):
        if not np.isfinite(pair.gap):
            continue
        row = [pair.gap]
        for masks in (False, True):
            try:
                ends = []
                for name in (pair.first, pair.second):
                    box = given_box(frame, things[name], condition)
                    label = things[name].label
                    found = perception.locate(seen, Region.from_box(*box, label))
                    if masks:
                        found = perception.locate(seen, mask_of(found, label))
                    ends.append(found)
                (estimate,) = perception.measure(seen, [Kind.NEAREST_POINTS], *ends)
                row += [estimate.distance, estimate.sigma]
            except SpatialGeoError:
                row += [np.nan, np.nan]
        rows.append((row[0], row[1], row[2], row[3], row[4]))
    return rows


def summary(rows: Sequence[tuple[float, ...]]) -> tuple[str, ...]:
    """One line of the table."""
    values = np.array(rows)
    errors = np.abs(values[:, [1, 3]] - values[:, :1])
    sigma = values[:, [2, 4]]
    change = errors[:, 1] - errors[:, 0]

    def share(condition: np.ndarray) -> str:
        return f"{condition.mean():.0%}"

    with np.errstate(invalid="ignore"):
        within = [share((errors[:, k] < 0.05) | (errors[:, k] < 2 * sigma[:, k])) for k in (0, 1)]
        bad = [
            int(((errors[:, k] > 0.15) & (errors[:, k] > 3 * sigma[:, k])).sum()) for k in (0, 1)
        ]
        return (
            str(len(values)),
            f"{100 * np.nanmedian(errors[:, 0]):.1f} / {100 * np.nanmedian(errors[:, 1]):.1f}",
            share(change < -_CHANGE),
            share(change > _CHANGE),
            share((np.abs(change) <= _CHANGE) | ~np.isfinite(change)),
            " / ".join(within),
            f"{share(~np.isfinite(errors[:, 0]))} / {share(~np.isfinite(errors[:, 1]))}",
            f"{bad[0]} / {bad[1]}",
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="as `spatialgeo evaluate sequence` takes it")
    parser.add_argument("--frames", type=int, default=24, help="most frames")
    arguments = parser.parse_args()
    sequence = read_sequence(arguments.folder)
    lines = []
    for name, condition in (
        ("as given", Condition(Known.POSE)),
        ("3 % off", Condition(Known.POSE, 0.03)),
    ):
        rows = [
            row
            for frame in sequence.frames[: arguments.frames]
            if frame.pose is not None
            for row in measure_frame(sequence, frame, condition)
        ]
        lines.append((name, *summary(rows)))
    heads = (
        "boxes", "pairs", "median error, box / mask, cm", "better by 1 cm", "worse by 1 cm",
        "neither", "within 5 cm or 2 sigma, box / mask", "invalid, box / mask",
        "valid and badly wrong, box / mask",
    )  # fmt: skip
    report(
        "Nearest points on real frames: masks by depth separation against boxes",
        ["Masks are what separation finds in the box, through a 256-cell grid."],
        table(heads, lines),
    )


if __name__ == "__main__":
    main()
