# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measuring objects in a depth image: how right it is under several conditions, and how long.

The baseline is what robots usually do: the median depth in a box, lifted at the box's middle.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from itertools import combinations

import numpy as np

from bench.common import measure, report, table
from spatialgeo_ros.evaluation.measurement import (
    Condition,
    RegionSource,
    Results,
    evaluate,
    format_results,
    region_of,
)
from spatialgeo_ros.evaluation.tables import (
    Column,
    by_kind,
    by_support,
    format_centres,
    format_table,
)
from spatialgeo_ros.evaluation.truth_frames import (
    REPORTED_SEEDS,
    Scenes,
    TruthFrame,
    render_frames,
)
from spatialgeo_ros.geometry.distance import Kind
from spatialgeo_ros.geometry.distance import measure as measure_distance
from spatialgeo_ros.geometry.pointmap import PointMap, pointmap_from_depth
from spatialgeo_ros.geometry.pose import gravity_in_camera
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.geometry.segmentation import segment_object
from spatialgeo_ros.sim.depth_noise import DepthSensorModel

#: Views of each kind of scenes.
FRAMES = {Scenes.FURNITURE: 200, Scenes.THINGS: 150, Scenes.CLUTTER: 150}
_QUICK = 6


def boxes(frame: TruthFrame) -> list[tuple[int, Region]]:
    """Index and box of every object that is measured."""
    return [(index, region_of(frame, index, RegionSource.BOX)) for index in frame.targets()]


def middle_of_box(pointmap: PointMap, region: Region) -> np.ndarray:
    """Point [3] at the box's middle with the median depth of the box, metres."""
    x0, y0, x1, y1 = (int(v) for v in region.bounds(*pointmap.depth.shape))
    depth = float(np.nanmedian(pointmap.depth[y0 : y1 + 1, x0 : x1 + 1]))
    return pointmap.camera.unproject([[(x0 + x1) / 2, (y0 + y1) / 2]], [depth])[0]


def usual_way(frame: TruthFrame, camera: Column, pairs: Column) -> None:
    """Add the baseline's distances of one frame: camera to object, and centre to centre."""
    pointmap = pointmap_from_depth(frame.measured, frame.camera)
    points = []
    for index, region in boxes(frame):
        seen = frame.segmentation == index
        visible = frame.camera.rays()[seen] * frame.depth[seen][:, None]
        point = middle_of_box(pointmap, region)
        camera.add(float(np.nanmin(np.linalg.norm(visible, axis=1))), float(np.linalg.norm(point)))
        points.append((np.array(frame.room.objects[index].centre), point))
    for (centre_a, a), (centre_b, b) in combinations(points, 2):
        pairs.add(float(np.linalg.norm(centre_a - centre_b)), float(np.linalg.norm(a - b)))


def timings(frame: TruthFrame) -> list[tuple[str, str]]:
    """Time every step of measuring the two largest objects of a frame."""
    gravity, height = gravity_in_camera(frame.pose), float(frame.pose.translation[2])
    pointmap = pointmap_from_depth(frame.measured, frame.camera)
    largest = sorted(boxes(frame), key=lambda item: -(frame.segmentation == item[0]).sum())[:2]
    regions = [region for _, region in largest]
    a, b = (
        segment_object(pointmap, region, gravity, height, image=frame.rgb) for region in regions
    )
    rows = [
        (
            "point map 640x480, all of it",
            lambda: pointmap_from_depth(frame.measured, frame.camera).points,
        ),
        (
            "separate two objects",
            lambda: [
                segment_object(pointmap, region, gravity, height, image=frame.rgb)
                for region in regions
            ],
        ),
        ("nearest points", lambda: measure_distance(Kind.NEAREST_POINTS, a, b)),
        ("centre to centre", lambda: measure_distance(Kind.CENTRE_TO_CENTRE, a, b)),
        ("the usual way, two boxes", lambda: [middle_of_box(pointmap, box) for box in regions]),
    ]
    return [(name, str(measure(call, seconds=0.5))) for name, call in rows]


class Baseline:
    """The usual way, and the time of each step, on frames of furniture that pass through."""

    def __init__(self) -> None:
        self.columns = {
            "usual way: camera to object": Column(),
            "usual way: centre to centre": Column(),
        }
        self.speed = ""

    def watch(self, frames: Iterable[TruthFrame]) -> Iterator[TruthFrame]:
        """Hand the frames on."""
        for frame in frames:
            if not self.speed and len(frame.targets()) >= 2:
                self.speed = table(("step", "time"), timings(frame))
            usual_way(frame, *self.columns.values())
            yield frame


def centres_in_detail(results: dict[Condition, Results]) -> str:
    """Tables of the centres from exact boxes by kind of thing and by what it stands on."""
    errors = results[Condition(RegionSource.BOX)].centres
    return (
        "Centre of the visible surface, exact boxes, gravity and floor height known:\n\n"
        + format_centres(by_support(errors) | by_kind(errors))
    )


def main() -> None:
    """Print the tables of each kind of scenes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few frames, to see it run")
    names = [scenes.name.lower() for scenes in Scenes]
    parser.add_argument("--only", choices=names, help="one kind of scenes")
    parser.add_argument("--frames", type=int, help="views of each kind instead of 150 or 200")
    arguments = parser.parse_args()
    plan = [
        (Scenes.FURNITURE, None),
        (Scenes.FURNITURE, DepthSensorModel.structured_light()),
        (Scenes.THINGS, DepthSensorModel.structured_light()),
        (Scenes.CLUTTER, DepthSensorModel.structured_light()),
    ]
    for scenes, sensor in plan:
        if arguments.only not in (None, scenes.name.lower()):
            continue
        frames = _QUICK if arguments.quick else arguments.frames or FRAMES[scenes]
        seed = REPORTED_SEEDS[scenes]
        baseline = Baseline()
        rendered = render_frames(seed, frames, scenes=scenes, sensor=sensor)
        furniture = scenes is Scenes.FURNITURE
        results = evaluate(baseline.watch(rendered) if furniture else rendered)
        light = "structured light with all its faults" if sensor else "independent noise and holes"
        parts = [format_results(results), centres_in_detail(results)]
        if furniture:
            parts.append(f"The usual way, exact boxes:\n\n{format_table(baseline.columns)}")
        if sensor is None:
            parts.append("Median and quartiles of each step, two objects in one frame:")
            parts.append(baseline.speed)
        report(
            f"Measuring: {scenes.value}, {light}",
            [
                f"{frames} rendered frames of rooms never trained or tuned on (seeds from {seed}). "
                "Whole objects are compared with the true geometry, visible surfaces with "
                "noise-free depth and true masks."
                + " The usual way is the median depth of a box, lifted at its middle."
                * furniture
            ],
            *parts,
        )


if __name__ == "__main__":
    main()
