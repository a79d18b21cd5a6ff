# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The room's layout: what an image and a layout cost, how it stays flat, how right the area is."""

from __future__ import annotations

import argparse
import itertools
import statistics
import time

import numpy as np

from bench.common import digits, measure, report, table
from spatialgeo_ros.geometry.pointmap import PointMap, pointmap_from_depth
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.memory.room import RoomMap
from spatialgeo_ros.memory.room_outline import polygon_area
from spatialgeo_ros.sim.depth_noise import DepthSensorModel
from spatialgeo_ros.sim.path import RobotPath
from spatialgeo_ros.sim.renderer import RoomRenderer
from spatialgeo_ros.sim.rig import MOUNT_HEIGHT, camera_pose, default_camera
from spatialgeo_ros.sim.room import Room, make_room

FIRST_SEED = 7_700_000  # of rooms that nothing else uses
IMAGES = 48  # of a lap
DRIFT = 0.01  # of the way, in each direction


def lap(renderer: RoomRenderer, room: Room, laps: float) -> list[tuple[PointMap, Pose]]:
    """Depth images of a drive with a sensor's noise, and what a drifting odometry says."""
    camera, rng = default_camera(), np.random.default_rng(room.seed)
    path, sensor = RobotPath(room), DepthSensorModel()
    images = []
    count = round(IMAGES * laps)
    for k in range(count):
        state = path.at(path.period * k / IMAGES)
        true = camera_pose(state.x, state.y, state.yaw)
        seen = renderer.render(true, camera)
        depth = sensor.apply(seen.depth, rng, camera, seen.material).astype(np.float32) / 1000
        way = path.length * k / IMAGES
        off = np.array([DRIFT, -DRIFT, 0.0]) * way
        depth[depth == 0] = np.nan
        pose = Pose(true.rotation, true.translation + off)
        images.append((pointmap_from_depth(depth, camera), pose))
    return images


def main() -> None:
    """Time updates and layouts, and compare areas with the truth."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    rooms = 2 if quick else 12
    errors, updates, renderer = [], [], None
    images: list[tuple[PointMap, Pose]] = []
    for seed in range(FIRST_SEED, FIRST_SEED + rooms):
        room = make_room(seed, 7, 13)
        if renderer is None:
            renderer = RoomRenderer(room, 640, 480, samples=0)
        else:
            renderer.load(room)
        images = lap(renderer, room, 1.5)
        layout_map = RoomMap()
        for pointmap, pose in images:
            started = time.perf_counter()
            layout_map.update(pointmap, pose, MOUNT_HEIGHT)
            updates.append(time.perf_counter() - started)
        layout = layout_map.layout()
        if layout is not None and layout.polygon is not None:
            truth = room.width * room.depth
            errors.append(abs(polygon_area(layout.polygon) / truth - 1))
    if renderer is not None:
        renderer.close()
    rows = []
    once, feed = RoomMap(), itertools.cycle(images)

    def see() -> None:
        once.update(*next(feed), MOUNT_HEIGHT)

    def work_out() -> None:
        see()
        once.layout()

    for count in (100, 1_000) if quick else (100, 1_000, 10_000):
        while once.describe()["frames"] < count - 20:
            see()
        update = measure(see, 0.3)
        both = measure(work_out, 0.3)
        rows.append([f"{count:,}", update, both, f"{once.bytes / 1e6:.1f} MB"])
    share = f"{len(errors)} of {rooms}"
    median = digits(100 * statistics.median(errors)) if errors else "-"
    worst = digits(100 * max(errors)) if errors else "-"
    report(
        "The room's layout",
        [
            f"640x480 depth of a simulated sensor, 1.5 laps through furnished rooms, odometry that "
            f"drifts by {DRIFT:.0%} of the way in x and y. An image costs "
            f"{statistics.median(updates) * 1e3:.1f} ms (median over all drives).",
        ],
        table(["images so far", "image", "image and layout", "memory"], rows),
        table(
            ["rooms with a polygon", "error of the area, median", "largest"],
            [[share, f"{median} %", f"{worst} %"]],
        ),
    )


if __name__ == "__main__":
    main()
