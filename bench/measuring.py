# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measuring two boxes in a depth image: how long it takes and how right it is.

The baseline is what robots usually do: the median depth in a box, lifted at the box's middle.
"""

from __future__ import annotations

import argparse
from itertools import combinations

import numpy as np

from bench.common import measure, report, table
from spatialgeo_ros.evaluation.measurement import (
    HELD_OUT_SEEDS,
    LEAST_SHARE,
    ROWS,
    Column,
    TruthFrame,
    compare,
    format_table,
    render_frames,
)
from spatialgeo_ros.geometry.distance import Kind
from spatialgeo_ros.geometry.distance import measure as measure_distance
from spatialgeo_ros.geometry.pointmap import PointMap, pointmap_from_depth
from spatialgeo_ros.geometry.pose import gravity_in_camera
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.geometry.segmentation import segment_object


def boxes(frame: TruthFrame) -> list[tuple[int, tuple[int, int, int, int]]]:
    """Index and box (x0, y0, x1, y1) of every object that is large enough in the image."""
    found = []
    for index in range(len(frame.room.objects)):
        seen = frame.segmentation == index
        if seen.mean() >= LEAST_SHARE:
            rows, columns = np.nonzero(seen)
            left, right = int(columns.min()), int(columns.max())
            found.append((index, (left, int(rows.min()), right, int(rows.max()))))
    return found


def middle_of_box(pointmap: PointMap, box: tuple[int, int, int, int]) -> np.ndarray:
    """Point [3] at the box's middle with the median depth of the box, metres."""
    x0, y0, x1, y1 = box
    depth = float(np.nanmedian(pointmap.depth[y0 : y1 + 1, x0 : x1 + 1]))
    return pointmap.camera.unproject([[(x0 + x1) / 2, (y0 + y1) / 2]], [depth])[0]


def usual_way(frame: TruthFrame, camera: Column, pairs: Column) -> None:
    """Add the baseline's distances of one frame: camera to object, and centre to centre."""
    pointmap = pointmap_from_depth(frame.measured, frame.camera)
    points = []
    for index, box in boxes(frame):
        seen = frame.segmentation == index
        visible = frame.camera.rays()[seen] * frame.depth[seen][:, None]
        point = middle_of_box(pointmap, box)
        camera.add(float(np.nanmin(np.linalg.norm(visible, axis=1))), float(np.linalg.norm(point)))
        points.append((np.array(frame.room.objects[index].centre), point))
    for (centre_a, a), (centre_b, b) in combinations(points, 2):
        pairs.add(float(np.linalg.norm(centre_a - centre_b)), float(np.linalg.norm(a - b)))


def timings(frame: TruthFrame) -> list[tuple[str, str]]:
    """Time every step of measuring the two largest objects of a frame."""
    gravity, height = gravity_in_camera(frame.pose), float(frame.pose.translation[2])
    pointmap = pointmap_from_depth(frame.measured, frame.camera)
    largest = sorted(boxes(frame), key=lambda item: -(frame.segmentation == item[0]).sum())[:2]
    regions = [
        Region.from_box(*box, label=frame.room.objects[index].name) for index, box in largest
    ]
    a, b = (segment_object(pointmap, region, gravity, height) for region in regions)
    rows = [
        ("point map 640x480", lambda: pointmap_from_depth(frame.measured, frame.camera)),
        (
            "separate two objects",
            lambda: [segment_object(pointmap, region, gravity, height) for region in regions],
        ),
        ("nearest points", lambda: measure_distance(Kind.NEAREST_POINTS, a, b)),
        ("centre to centre", lambda: measure_distance(Kind.CENTRE_TO_CENTRE, a, b)),
        ("the usual way, two boxes", lambda: [middle_of_box(pointmap, box) for _, box in largest]),
    ]
    return [(name, str(measure(call, seconds=0.5))) for name, call in rows]


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few frames, to see it run")
    frames = 6 if parser.parse_args().quick else 200
    results = {row: Column() for row in ROWS}
    usual = {"usual way: camera to object": Column(), "usual way: centre to centre": Column()}
    example = None
    for frame in render_frames(HELD_OUT_SEEDS, frames):
        if example is None and len(boxes(frame)) >= 2:
            example = frame
        compare(frame, results)
        usual_way(frame, *usual.values())
    speed = table(("step", "time"), timings(example)) if example is not None else ""
    report(
        "Measuring",
        [
            f"{frames} rendered frames of rooms never trained or tuned on (seeds from "
            f"{HELD_OUT_SEEDS}), simulated sensor depth with noise and holes, given boxes of the "
            "visible pixels, gravity and camera height known. The usual way is the median depth of "
            "a box, lifted at its middle. Whole objects are compared with the true geometry, "
            "visible surfaces with noise-free depth and true masks."
        ],
        format_table(results | usual),
        "Median and quartiles of each step, two objects in one frame:",
        speed,
    )


if __name__ == "__main__":
    main()
