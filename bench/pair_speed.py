# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From two boxes to their distance: how long it takes on one core, by the size of the image.

CPU time of this process, so that what else the machine does counts little. The baseline is what
robots usually do, in the same run: the median depth of each box, lifted at its middle.
"""

from __future__ import annotations

import argparse
import os
import time
from itertools import combinations, islice

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before numpy: on one core

import cv2
import numpy as np

from bench.common import report, table
from bench.measuring import boxes, middle_of_box
from spatialgeo_ros.errors import TooLittleSupportError
from spatialgeo_ros.evaluation.truth_frames import TUNING_SEEDS, Scenes, render_frames
from spatialgeo_ros.geometry.distance import Kind, measure
from spatialgeo_ros.geometry.pointmap import pointmap_from_depth
from spatialgeo_ros.geometry.pose import gravity_in_camera
from spatialgeo_ros.geometry.segmentation import segment_object
from spatialgeo_ros.sim.depth_noise import DepthSensorModel
from spatialgeo_ros.sim.rig import default_camera

SIZES = ((640, 480), (1280, 720))
FRAMES, QUICK = 30, 4
_PAIRS = 3  # of a frame, at most


def times(scenes: Scenes, width: int, height: int, frames: int) -> dict[str, list[float]]:
    """Time pairs of boxes in rendered frames, milliseconds each."""
    out: dict[str, list[float]] = {name: [] for name in _ROWS}
    camera = default_camera(width, height)
    sensor = DepthSensorModel.structured_light()
    for frame in render_frames(
        TUNING_SEEDS[scenes], frames, scenes=scenes, sensor=sensor, camera=camera
    ):
        gravity, above = gravity_in_camera(frame.pose), float(frame.pose.translation[2])
        pointmap = pointmap_from_depth(frame.measured, frame.camera)
        for pair in islice(combinations([region for _, region in boxes(frame)], 2), _PAIRS):
            start = time.process_time()
            try:
                a, b = (
                    segment_object(pointmap, region, gravity, above, image=frame.rgb)
                    for region in pair
                )
            except TooLittleSupportError:
                continue
            separated = time.process_time()
            measure(Kind.NEAREST_POINTS, a, b)
            near = time.process_time()
            measure(Kind.CENTRE_TO_CENTRE, a, b)
            centred = time.process_time()
            for region in pair:
                middle_of_box(pointmap, region)
            usual = time.process_time()
            spans = (
                separated - start, near - separated, near - start, centred - near, usual - centred
            )  # fmt: skip
            for name, span in zip(_ROWS, spans, strict=True):
                out[name].append(1e3 * span)
    return out


_ROWS = (
    "separate two boxes",
    "nearest points",
    "two boxes to their nearest distance",
    "centre to centre",
    "the usual way, two boxes",
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few frames, to see it run")
    frames = QUICK if parser.parse_args().quick else FRAMES
    cv2.setNumThreads(1)
    rows = []
    for width, height in SIZES:
        for scenes in (Scenes.FURNITURE, Scenes.THINGS):
            found = times(scenes, width, height, frames)
            usual = float(np.median(found["the usual way, two boxes"]))
            for name, values in found.items():
                median, late = np.percentile(values, (50, 95))
                ratio = f"{median / usual:.1f}x"
                rows.append(
                    (f"{width}x{height}", scenes.value, name, f"{median:.1f}", f"{late:.1f}", ratio)
                )
    header = ("image", "scenes", "step", "median ms", "95 % ms", "of the usual way")
    report(
        "Two boxes to a distance",
        [
            f"{frames} rendered frames of each kind with structured-light depth, at most {_PAIRS} "
            "pairs of boxes of each, gravity and floor height known, colour used. CPU time on one "
            "core; a box that two pairs share is separated for each."
        ],
        table(header, rows),
    )


if __name__ == "__main__":
    main()
