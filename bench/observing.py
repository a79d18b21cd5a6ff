# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""CPU time of observing a frame with sensor depth and a pose, by the size of its images.

The baseline is the plain way: point, validity and standard deviation of every pixel, and voxels
from every fourth pixel of them. Both work on the same frames of a simulated walk, one after the
other on each frame, so that both see the same load. Process CPU time: threads count.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from bench.common import digits, report, table
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.depth_sensor import DepthNoise
from spatialgeo_ros.geometry.pointmap import pointmap_from_depth
from spatialgeo_ros.geometry.pose import gravity_in_camera
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.keyframes import Decision, KeyframeMemory
from spatialgeo_ros.memory.observation import Observation
from spatialgeo_ros.perception import Perception
from spatialgeo_ros.scene.camera_inputs import InputSettings
from spatialgeo_ros.scene.coverage import covered_voxels
from spatialgeo_ros.scene.observer import FrameObserver, Orientation, with_seen_floor
from spatialgeo_ros.sim.depth_noise import DepthSensorModel
from spatialgeo_ros.sim.path import RobotPath
from spatialgeo_ros.sim.renderer import RoomRenderer
from spatialgeo_ros.sim.rig import camera_pose, default_camera
from spatialgeo_ros.sim.room import make_room

T = TypeVar("T")

SEED = 900003
KEYFRAMES, VOXEL = 16, 0.1
#: Seconds of rest before each way: threads of BLAS spin on for a while after a matrix product, and
#: their time would be that of whoever comes next.
_REST = 0.05
#: Width, height, and focal length in pixels of a 640 pixel wide image.
SIZES = ((640, 480, 525.0), (1280, 720, 466.7), (1920, 1080, 466.7))


@dataclass
class Spent:
    """CPU milliseconds of each frame by stage."""

    stages: dict[str, list[float]] = field(default_factory=dict)

    def on(self, stage: str, call: Callable[[], T]) -> T:
        """Call and note the time under the name of a stage."""
        started = time.process_time()
        result = call()
        self.stages.setdefault(stage, []).append(1e3 * (time.process_time() - started))
        return result

    def median(self, *stages: str) -> float:
        """Median over the frames of the sum of stages."""
        columns = [self.stages[stage] for stage in stages]
        return statistics.median(sum(frame) for frame in zip(*columns, strict=True))


def walk(camera: PinholeCamera, count: int) -> Iterator[Frame]:
    """Frames of a lap through a furnished room: noisy depth in millimetres, with holes."""
    room = make_room(SEED)
    path, rng = RobotPath(room), np.random.default_rng(0)
    renderer = RoomRenderer(room, camera.width, camera.height)
    for number in range(count):
        state = path.at(number * path.period / count)
        pose = camera_pose(state.x, state.y, state.yaw)
        seen = renderer.render(pose, camera)
        depth = DepthSensorModel().apply(seen.depth, rng)
        yield Frame("camera", (number + 1) * 10**9, "optical", seen.rgb, camera, depth, pose, "map")
    renderer.close()


class PlainWay:
    """Every array of the whole image first."""

    def __init__(self) -> None:
        self._memory = KeyframeMemory(KEYFRAMES, VOXEL)
        self._points: npt.NDArray[np.float32] = np.empty((0, 0, 3), np.float32)
        self._valid: npt.NDArray[np.bool_] = np.empty((0, 0), bool)

    def lift(self, frame: Frame) -> Orientation:
        """Make the arrays and look for the floor."""
        assert frame.depth is not None and frame.model is not None and frame.pose is not None
        z = frame.depth.astype(np.float32)
        z /= np.float32(1000)
        z[(frame.depth == 0) | (frame.depth == 65535)] = np.nan
        self._valid = (z >= 0.1) & (z <= 20.0)
        z[~self._valid] = np.nan
        self._points = frame.model.rays() * z[..., None]
        DepthNoise().sigma(z)
        # The floor is that of some thousand of these pixels, whichever way they are worked out.
        known = Orientation(gravity_in_camera(frame.pose), float(frame.pose.translation[2]), None)
        return with_seen_floor(known, pointmap_from_depth(frame.depth, frame.model))

    def remember(self, frame: Frame) -> Decision:
        """Offer the voxels of every fourth pixel in both directions."""
        assert frame.pose is not None
        points = self._points[2::4, 2::4][self._valid[2::4, 2::4]]
        cells = np.floor(frame.pose.apply(points).astype(np.float64) / VOXEL)
        usable = (np.abs(cells) < 2.0**53).all(axis=1)
        x, y, z = (cells[usable].astype(np.int64) & (2**21 - 1)).T
        keys = np.unique(x << 42 | y << 21 | z)
        return self._memory.offer(frame.stamp_ns, frame.camera, keys)


class OurWay:
    """The parts of ``Perception.observe``, to be timed one by one."""

    def __init__(self) -> None:
        self._observer = FrameObserver(None, {}, {}, InputSettings())
        self._memory = KeyframeMemory(KEYFRAMES, VOXEL)

    def lift(self, frame: Frame) -> Observation:
        """Judge the inputs, make a point map, look for the floor."""
        return self._observer.lift(frame)

    def remember(self, observation: Observation) -> Decision:
        """Offer the frame's voxels."""
        frame, pointmap = observation.frame, observation.pointmap
        assert frame.pose is not None and pointmap is not None
        keys = covered_voxels(pointmap, frame.pose, VOXEL)
        return self._memory.offer(frame.stamp_ns, frame.camera, keys)


def compare(camera: PinholeCamera, count: int) -> list[str]:
    """Observe a walk both ways; the row of the table."""
    plain, ours, whole = PlainWay(), OurWay(), Perception(None, keyframes=KEYFRAMES)
    cost = {"plain": Spent(), "ours": Spent()}
    kept: list[tuple[bool, bool]] = []
    floors: list[float] = []

    def the_plain_way(frame: Frame) -> tuple[Decision, Orientation]:
        time.sleep(_REST)
        orientation = cost["plain"].on("geometry", lambda: plain.lift(frame))
        return cost["plain"].on("keyframes", lambda: plain.remember(frame)), orientation

    def our_way(frame: Frame) -> tuple[Decision, Observation]:
        time.sleep(_REST)
        observation = cost["ours"].on("geometry", lambda: ours.lift(frame))
        return cost["ours"].on("keyframes", lambda: ours.remember(observation)), observation

    for number, frame in enumerate(walk(camera, count)):
        # The first to come finds the image out of the caches: in turn.
        if number % 2:
            (decided, observation), (expected, orientation) = our_way(frame), the_plain_way(frame)
        else:
            (expected, orientation), (decided, observation) = the_plain_way(frame), our_way(frame)
        time.sleep(_REST)
        cost["ours"].on("observe", lambda frame=frame: whole.observe(frame))
        kept.append((expected.kept, decided.kept))
        assert observation.camera_height is not None and orientation.height is not None
        floors.append(abs(observation.camera_height - orientation.height))
    before = cost["plain"].median("geometry", "keyframes")
    after = cost["ours"].median("observe")
    return [
        f"{camera.width}x{camera.height}",
        *(digits(cost["plain"].median(stage)) for stage in ("geometry", "keyframes")),
        f"{digits(before)} ms",
        *(digits(cost["ours"].median(stage)) for stage in ("geometry", "keyframes")),
        f"{digits(after)} ms",
        f"{digits(before / after)}x",
        f"{sum(b for b, _ in kept)} / {sum(a for _, a in kept)}",
        f"{sum(b == a for b, a in kept)} of {len(kept)}",
        f"{1e3 * max(floors):.2g} mm",
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few frames, to see it run")
    count = 6 if parser.parse_args(arguments).quick else 60
    rows = [compare(default_camera(*size), count) for size in SIZES]
    report(
        "Observing",
        [
            f"{count} frames of a simulated lap with noisy depth (16UC1) and poses, {KEYFRAMES} "
            f"keyframes, voxels of {VOXEL:g} m; median CPU time per frame in ms, threads included. "
            "Geometry: inputs judged, point map, floor. Keyframes: voxels, and what becomes of the "
            "frame. Ours, together: `Perception.observe`. Floor: greatest difference of the height."
        ],
        table(
            ["image", "plain: geometry", "keyframes", "together", "ours: geometry", "keyframes",
             "together", "faster", "kept, plain / ours", "same decision", "floor"],
            rows,
        ),
    )  # fmt: skip


if __name__ == "__main__":
    main()
