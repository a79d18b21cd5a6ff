# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Time and memory of the object map by the number of objects, and over many frames.

A hall of chairs a metre and a half apart, a camera that walks among them, and a detector that sees
what is within six metres and misses one thing in ten. Only the map's own work is timed: the boxes
come lifted and completed. CPU time of the process, one thread.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.common import digits, report, table
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.memory.detected import EVERYTHING, Detected, MapFrame
from spatialgeo_ros.memory.objects import ObjectMap

COUNTS = (10, 100, 300, 1000)
FRAMES, LONG_FRAMES, LONG_COUNT = 600, 10_000, 100
CAMERA = PinholeCamera(640, 480, 525.0, 525.0, 319.5, 239.5)
SIZE = np.array([0.48, 0.5, 0.9])
_SPACING, _FARTHEST, _HEIGHT, _PITCH = 1.5, 6.0, 1.2, 0.2
_POINTS = 600  # on the visible surface of one thing
_MISSED = 0.1
_NOISE, _POSE_SIGMA = 0.01, 0.02
_GOAL_MS = 15.0


@dataclass(frozen=True, eq=False)
class Depth:
    """Depth of every pixel [H, W], metres."""

    metres: npt.NDArray[np.float32]

    def depth_at(
        self, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64], /
    ) -> npt.NDArray[np.float32]:
        """Depth of single pixels."""
        return self.metres[rows, columns]

    def sigma_at(
        self, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64], /
    ) -> npt.NDArray[np.float32]:
        """Its standard deviation."""
        return np.full(rows.shape, 0.01, np.float32)


class Hall:
    """Chairs in rows, and a camera that walks among them.

    Args:
        count: of chairs.
        seed: of noise and misses.
    """

    def __init__(self, count: int, seed: int = 0) -> None:
        self._rng = np.random.default_rng(seed)
        side = math.ceil(math.sqrt(count))
        grid = np.array([(k % side, k // side) for k in range(count)], np.float64)
        self.places = np.concatenate(
            [(grid - (side - 1) / 2) * _SPACING, np.full((count, 1), SIZE[2] / 2)], axis=1
        )
        self._side = side
        rays = CAMERA.rays().astype(np.float64)
        down = rays[..., 1] * math.cos(_PITCH) + math.sin(_PITCH)
        self._floor = np.where(down > 0.05, _HEIGHT / np.maximum(down, 0.05), np.nan)
        surface = self._rng.uniform(-0.5, 0.5, (_POINTS, 3))
        face = self._rng.integers(0, 3, _POINTS)
        surface[np.arange(_POINTS), face] = np.where(face == 2, 0.5, np.sign(surface[:, 0]) * 0.5)
        self._surface = surface * SIZE

    def frames(self, count: int) -> Iterator[MapFrame]:
        """Images of a walk up and down the aisles, five a second at half a metre a second."""
        aisle = (self._side + 1) * _SPACING
        for k in range(count):
            number, along = divmod(0.1 * k, aisle)
            back = int(number) % 2 == 1
            x = (along - aisle / 2) * (-1 if back else 1)
            y = (int(number) % max(self._side - 1, 1) - self._side / 2 + 1) * _SPACING
            turn = 0.4 * math.sin(k / 20)
            yield self._frame((k + 1) * 200_000_000, x, y, turn + (math.pi if back else 0.0))

    def tour(self) -> Iterator[MapFrame]:
        """Boxes of all chairs, twenty at a time and twice, without depth: what was known before."""
        stamp = 0
        for _ in range(2):
            for first in range(0, len(self.places), 20):
                stamp += 1000
                chunk = range(first, min(first + 20, len(self.places)))
                things = tuple(self._thing(k, (0, 0, 60, 80), False) for k in chunk)
                yield MapFrame(stamp, "camera", "map", Pose(), CAMERA, detected=things)

    def _frame(self, stamp: int, x: float, y: float, heading: float) -> MapFrame:
        c, s = math.cos(heading), math.sin(heading)
        forward = np.array([c * math.cos(_PITCH), s * math.cos(_PITCH), -math.sin(_PITCH)])
        right = np.array([s, -c, 0.0])
        pose = Pose(np.stack([right, np.cross(forward, right), forward], axis=1), [x, y, _HEIGHT])
        local = (self.places - pose.translation) @ pose.rotation
        depth = self._floor.astype(np.float32)
        things = []
        ahead = np.flatnonzero(local[:, 2] > 0.3)
        for k in ahead[np.argsort(-local[ahead, 2])]:  # nearer ones are drawn over farther ones
            u, v = CAMERA.project(local[k])[0]
            z = local[k, 2]
            w, h = 0.75 * CAMERA.fx * SIZE[0] / z, 0.55 * CAMERA.fy * SIZE[2] / z
            x0, x1 = (int(np.clip(value, 0, CAMERA.width - 1)) for value in (u - w, u + w))
            y0, y1 = (int(np.clip(value, 0, CAMERA.height - 1)) for value in (v - h, v + h))
            depth[y0 : y1 + 1, x0 : x1 + 1] = z - SIZE[1] / 2
            if x1 - x0 < 20 or y1 - y0 < 20:
                continue
            if z < _FARTHEST and self._rng.random() > _MISSED:
                cut = x0 == 0 or x1 == CAMERA.width - 1
                things.append(self._thing(int(k), (x0, y0, x1, y1), cut))
        return MapFrame(
            stamp, "camera", "map", pose, CAMERA, Depth(depth), _POSE_SIGMA, tuple(things),
            looked_for=EVERYTHING,
        )  # fmt: skip

    def _thing(self, k: int, box: tuple[int, int, int, int], cut: bool) -> Detected:
        off = self._rng.normal(0, _NOISE, 3)
        return Detected(
            "chair", 0.9, self._surface + self.places[k] + off, self.places[k] + off,
            _NOISE**2 * np.eye(3), SIZE, np.full(3, 0.03), 0.0, "chair", cut,
            (float(box[0]), float(box[1]), float(box[2]), float(box[3])),
        )  # fmt: skip


@dataclass
class Walk:
    """CPU milliseconds of each update, things per frame, and the map at the end."""

    times: npt.NDArray[np.float64]
    things: float
    facts: dict[str, object]
    snapshot_ms: float

    @classmethod
    def through(cls, hall: Hall, count: int) -> Walk:
        """Feed a new map with a walk."""
        objects = ObjectMap(drift_share=0.0)
        for frame in hall.tour():
            objects.update(frame)
        times, things = np.zeros(count), 0
        for k, frame in enumerate(hall.frames(count)):
            started = time.process_time()
            objects.update(frame)
            times[k] = 1e3 * (time.process_time() - started)
            things += len(frame.detected)
        started = time.process_time()
        objects.snapshot()
        spent = 1e3 * (time.process_time() - started)
        return cls(times, things / count, objects.describe(), spent)

    def part(self, first: float, last: float) -> str:
        """Median and 95th percentile of a part of the walk, from share to share of it."""
        count = len(self.times)
        part = self.times[int(first * count) : int(last * count)]
        return f"{digits(float(np.median(part)))} ({digits(float(np.percentile(part, 95)))})"


def by_count(frames: int) -> str:
    """Table of maps of different numbers of objects."""
    rows = []
    for count in COUNTS:
        walk = Walk.through(Hall(count), frames)
        rows.append(
            (
                f"{count:,}", walk.facts["objects"], digits(walk.things), walk.part(0.0, 0.5),
                walk.part(0.5, 1.0), digits(walk.snapshot_ms),
                digits(float(str(walk.facts["bytes"])) / 1e6),
            )
        )  # fmt: skip
    header = (
        "chairs", "in the map", "things per frame", "first half, ms", "second half, ms",
        "snapshot, ms", "MB",
    )  # fmt: skip
    return table(header, rows)


def over_time(frames: int) -> str:
    """Table of one long walk by its tenths."""
    walk = Walk.through(Hall(LONG_COUNT), frames)
    rows = [
        (
            f"{round(first * frames):,} to {round((first + 0.1) * frames):,}",
            walk.part(first, first + 0.1),
        )
        for first in (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
    ]
    bytes_text = f"{digits(float(str(walk.facts['bytes'])) / 1e6)} MB at the end"
    return table(("frames", f"ms per frame; {bytes_text}"), rows)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few frames, to see it run")
    arguments = parser.parse_args()
    short, long = (60, 200) if arguments.quick else (FRAMES, LONG_FRAMES)
    report(
        "Object map",
        [
            "CPU milliseconds of one update: median (95th percentile). Wanted: at most "
            f"{_GOAL_MS:g} ms at 100 objects, and no more after many frames than after few.",
        ],
        by_count(short),
        f"The same map of {LONG_COUNT} chairs over {long:,} frames:",
        over_time(long),
    )


if __name__ == "__main__":
    main()
