# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How right measured distances are: simulated rooms, sensor depth with noise, given boxes.

``python -m spatialgeo_ros.evaluation.measurement`` renders held-out rooms, measures every object
and pair from the 2-D boxes of their visible pixels, and prints the table of docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.errors import TooLittleSupportError
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.distance import Kind, measure
from spatialgeo_ros.geometry.pointmap import DepthNoise, PointMap, pointmap_from_depth
from spatialgeo_ros.geometry.pose import Pose, gravity_in_camera
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.geometry.segmentation import ObjectPoints, segment_object
from spatialgeo_ros.geometry.sizes import Size
from spatialgeo_ros.sim.depth_noise import DepthSensorModel
from spatialgeo_ros.sim.renderer import RoomRenderer
from spatialgeo_ros.sim.rig import default_camera
from spatialgeo_ros.sim.room import Room, SceneObject, make_room
from spatialgeo_ros.sim.surface import nearest_distance, object_surface
from spatialgeo_ros.training.render import HELD_OUT_SEEDS, random_view

log = logging.getLogger(__name__)

#: Objects that show fewer of the image's pixels are left out.
LEAST_SHARE = 0.01

#: Rows of the table, in order. The truth of "same estimator" is what the estimator says of the
#: true masks in the depth image without noise, that of "exact" the least distance of all pixels.
ROWS = (
    "camera to object",
    "nearest points (visible, same estimator)",
    "nearest points (visible, exact)",
    "nearest points (visible, exact), given masks",
    "nearest points (whole objects)",
    "centre to centre",
    "centre to centre, sizes unknown",
    "centre to centre, true visible surface",
    "horizontal",
    "width",
    "height",
    "depth extent",
)


@dataclass(frozen=True, eq=False)
class TruthFrame:
    """One rendered view with everything that is known about it.

    Attributes:
        room: what was rendered.
        camera: intrinsics.
        pose: world_from_camera.
        rgb: [H, W, 3] uint8, the image.
        depth: [H, W] true depth, metres.
        measured: [H, W] uint16 millimetres, what the simulated sensor returns.
        segmentation: [H, W] object index, -1 none.
    """

    room: Room
    camera: PinholeCamera
    pose: Pose
    rgb: NDArray[np.uint8]
    depth: NDArray[np.float32]
    measured: NDArray[np.uint16]
    segmentation: NDArray[np.int16]


@dataclass
class Column:
    """Truth, estimate and standard deviation of one row of the table; NaN where invalid."""

    truth: list[float] = field(default_factory=list)
    estimate: list[float] = field(default_factory=list)
    sigma: list[float] = field(default_factory=list)

    def add(self, truth: float, estimate: float, sigma: float = np.nan) -> None:
        """Append one comparison."""
        self.truth.append(truth)
        self.estimate.append(estimate)
        self.sigma.append(sigma)

    def share_within(self, relative: float) -> float:
        """Share of the estimates within ``relative`` of the truth; invalid ones count as wrong."""
        truth, estimate = np.array(self.truth), np.array(self.estimate)
        return float(np.mean(np.abs(estimate - truth) <= relative * truth))

    def best_constant(self, relative: float) -> float:
        """Share that the best single constant answer gets within ``relative``."""
        truth = np.array(self.truth)
        answers = np.linspace(truth.min(), truth.max(), 400)[:, None]
        return float((np.abs(answers - truth) <= relative * truth).mean(axis=1).max())

    def median_error(self) -> float:
        """Median relative error."""
        truth, estimate = np.array(self.truth), np.array(self.estimate)
        return float(np.nanmedian(np.abs(estimate - truth) / truth))

    def within_sigmas(self, sigmas: float) -> float:
        """Share of the valid estimates whose error is within ``sigmas`` standard deviations."""
        truth, estimate, sigma = (np.array(v) for v in (self.truth, self.estimate, self.sigma))
        use = np.isfinite(estimate) & np.isfinite(sigma)
        if not use.any():
            return float("nan")
        return float(np.mean(np.abs(estimate - truth)[use] <= sigmas * sigma[use]))


def render_frames(first_seed: int, frames: int, per_room: int = 2) -> Iterator[TruthFrame]:
    """Render views of rooms from ``first_seed`` on, each with at least two objects in view."""
    camera = default_camera()
    renderer: RoomRenderer | None = None
    made, seed = 0, first_seed
    try:
        while made < frames:
            room = make_room(seed)
            rng = np.random.default_rng([seed, 1])
            seed += 1
            if renderer is None:
                renderer = RoomRenderer(room, camera.width, camera.height, samples=0)
            else:
                renderer.load(room)
            for _ in range(min(per_room, frames - made)):
                view = random_view(room, rng, camera)
                if view is None:
                    continue
                pose, drawn = view
                seen = renderer.render(pose, drawn)
                measured = DepthSensorModel().apply(seen.depth, rng)
                made += 1
                yield TruthFrame(
                    room, drawn, pose, seen.rgb, seen.depth, measured, seen.segmentation
                )
    finally:
        if renderer is not None:
            renderer.close()


def compare(
    frame: TruthFrame, table: dict[str, Column], sizes: Mapping[str, Size] | None = None
) -> list[float]:
    """Measure every object and pair of a frame; append to the table, return seconds per object.

    Args:
        frame: the view.
        table: one :class:`Column` per name of :data:`ROWS`.
        sizes: usual sizes by kind; default: those of ``geometry.completion``.
    """
    pointmap = pointmap_from_depth(frame.measured, frame.camera, DepthNoise())
    perfect = pointmap_from_depth(frame.depth, frame.camera, DepthNoise(1e-3, 0.0))
    gravity = gravity_in_camera(frame.pose)
    height = float(frame.pose.translation[2])
    rays = frame.camera.rays()
    things: list[tuple[SceneObject, NDArray[np.float64], ObjectPoints | None]] = []
    ideal: list[ObjectPoints] = []
    masked: list[ObjectPoints | None] = []
    seconds = []
    for index, thing in enumerate(frame.room.objects):
        seen = frame.segmentation == index
        if seen.mean() < LEAST_SHARE:
            continue
        rows, columns = np.nonzero(seen)
        region = Region.from_box(
            columns.min(), rows.min(), columns.max(), rows.max(), label=thing.name
        )
        start = time.perf_counter()
        found = _segmented(pointmap, region, gravity, height)
        seconds.append(time.perf_counter() - start)
        masked.append(_segmented(pointmap, Region.from_mask(seen, thing.name), gravity, height))
        ideal.append(segment_object(perfect, Region.from_mask(seen), gravity, height))
        visible = (rays[seen] * frame.depth[seen][:, None]).astype(np.float64)
        things.append((thing, visible[np.isfinite(visible[:, 2])], found))
    for thing, visible, found in things:
        _add(
            table,
            "camera to object",
            float(np.linalg.norm(visible, axis=1).min()),
            Kind.CAMERA_TO_OBJECT,
            found,
            None,
        )
        width, depth = max(thing.size[:2]), min(thing.size[:2])
        _add(table, "width", width, Kind.WIDTH, found, None, sizes)
        _add(table, "depth extent", depth, Kind.DEPTH_EXTENT, found, None, sizes)
        _add(table, "height", thing.size[2], Kind.HEIGHT, found, None, sizes)
    for i, k in combinations(range(len(things)), 2):
        (a, seen_a, found_a), (b, seen_b, found_b) = things[i], things[k]
        pair = (found_a, found_b)
        same = measure(Kind.NEAREST_POINTS, ideal[i], ideal[k]).distance
        _add(table, "nearest points (visible, same estimator)", same, Kind.NEAREST_POINTS, *pair)
        nearest = nearest_distance(seen_a, seen_b)
        _add(table, "nearest points (visible, exact)", nearest, Kind.NEAREST_POINTS, *pair)
        row = "nearest points (visible, exact), given masks"
        _add(table, row, nearest, Kind.NEAREST_POINTS, masked[i], masked[k])
        whole = nearest_distance(object_surface(a), object_surface(b))
        _add(table, "nearest points (whole objects)", whole, Kind.NEAREST_POINTS, *pair)
        offset = np.array(a.centre) - np.array(b.centre)
        centres = float(np.linalg.norm(offset))
        _add(table, "centre to centre", centres, Kind.CENTRE_TO_CENTRE, *pair, sizes)
        _add(table, "centre to centre, sizes unknown", centres, Kind.CENTRE_TO_CENTRE, *pair, {})
        middle = np.linalg.norm(seen_a.mean(axis=0) - seen_b.mean(axis=0))
        table["centre to centre, true visible surface"].add(centres, float(middle))
        _add(table, "horizontal", float(np.hypot(*offset[:2])), Kind.HORIZONTAL, *pair, sizes)
    return seconds


def _segmented(
    pointmap: PointMap, region: Region, gravity: NDArray[np.float64], height: float
) -> ObjectPoints | None:
    try:
        return segment_object(pointmap, region, gravity, height)
    except TooLittleSupportError as error:
        log.info("%s", error)
        return None


def _add(
    table: dict[str, Column],
    row: str,
    truth: float,
    kind: Kind,
    a: ObjectPoints | None,
    b: ObjectPoints | None,
    sizes: Mapping[str, Size] | None = None,
) -> None:
    if a is None or (b is None and kind in (Kind.CENTRE_TO_CENTRE, Kind.NEAREST_POINTS)):
        table[row].add(truth, np.nan)
        return
    if b is None and kind is Kind.HORIZONTAL:
        table[row].add(truth, np.nan)
        return
    estimate = measure(kind, a, b, sizes=sizes)
    table[row].add(truth, estimate.distance, estimate.sigma)


def evaluate(
    first_seed: int = HELD_OUT_SEEDS, frames: int = 200, sizes: Mapping[str, Size] | None = None
) -> tuple[dict[str, Column], float]:
    """Measure ``frames`` held-out views; returns the table and the mean seconds per object."""
    table = {row: Column() for row in ROWS}
    seconds: list[float] = []
    for frame in render_frames(first_seed, frames):
        seconds += compare(frame, table, sizes)
    return table, float(np.mean(seconds))


def format_table(table: dict[str, Column]) -> str:
    """Lay the table out as Markdown."""
    lines = [
        "| measured | n | within 10 % | within 25 % | median error | best constant 10 / 25 % "
        "| within 1 / 2 sigma |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, column in table.items():
        one, two = column.within_sigmas(1), column.within_sigmas(2)
        lines.append(
            f"| {name} | {len(column.truth)} | {column.share_within(0.10):.1%} "
            f"| {column.share_within(0.25):.1%} | {column.median_error():.1%} "
            f"| {column.best_constant(0.10):.0%} / {column.best_constant(0.25):.0%} "
            f"| {'-' if np.isnan(one) else f'{one:.0%} / {two:.0%}'} |"
        )
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=200, help="views to render")
    parser.add_argument("--seed", type=int, default=HELD_OUT_SEEDS, help="seed of the first room")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    table, seconds = evaluate(arguments.seed, arguments.frames)
    log.info("%s\n\nsegmentation: %.1f ms per object", format_table(table), 1e3 * seconds)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
