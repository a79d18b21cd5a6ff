# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rendered views of simulated rooms with everything that is known about them.

Rooms that thresholds are tuned on and rooms that numbers are reported of are made from different
seeds: :data:`TUNING_SEEDS` and :data:`REPORTED_SEEDS`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.sim.cluttered_room import make_cluttered_room, small_things_view
from spatialgeo_ros.sim.depth_noise import DepthSensorModel
from spatialgeo_ros.sim.renderer import RoomRenderer
from spatialgeo_ros.sim.rig import default_camera
from spatialgeo_ros.sim.room import Room, make_room
from spatialgeo_ros.training.render import HELD_OUT_SEEDS, random_view

#: Furniture that shows less of the image is left out.
LEAST_SHARE = 0.01
#: Small things that show fewer pixels are left out: a mug at three metres has 200.
LEAST_PIXELS = 150
#: Small things whose true median depth is elsewhere are left out: the sensor does not reach them.
_DEPTHS = (0.45, 7.0)
#: Draws of a view before a room is given up.
_DRAWS = 6


class Scenes(Enum):
    """What kind of room is rendered and which of its objects are measured."""

    #: Rooms of the robot; the furniture.
    FURNITURE = "furniture"
    #: A few small things on each table, shelf, sill and on the floor; the small things.
    THINGS = "things on things"
    #: Many small things close to, on and against each other; the small things.
    CLUTTER = "clutter"

    def make_room(self, seed: int) -> Room:
        """Return the room of a seed."""
        if self is Scenes.FURNITURE:
            return make_room(seed)
        return make_cluttered_room(seed, clutter=self is Scenes.CLUTTER)


#: Seeds of the first room that thresholds and standard deviations may be tuned on.
TUNING_SEEDS = {Scenes.FURNITURE: 800_000, Scenes.THINGS: 820_000, Scenes.CLUTTER: 840_000}
#: Seeds of the first room that numbers are reported of: nothing is tuned or trained on them.
REPORTED_SEEDS = {
    Scenes.FURNITURE: HELD_OUT_SEEDS,
    Scenes.THINGS: HELD_OUT_SEEDS + 60_000,
    Scenes.CLUTTER: HELD_OUT_SEEDS + 80_000,
}


@dataclass(frozen=True, eq=False)
class TruthFrame:
    """One rendered view with everything that is known about it.

    Attributes:
        scenes: which objects are measured.
        room: what was rendered.
        view: which view of the room it is, from 0.
        camera: intrinsics.
        pose: world_from_camera.
        rgb: [H, W, 3] uint8, the image.
        depth: [H, W] true depth, metres.
        measured: [H, W] uint16 millimetres, what the simulated sensor returns.
        segmentation: [H, W] object index, -1 none.
    """

    scenes: Scenes
    room: Room
    view: int
    camera: PinholeCamera
    pose: Pose
    rgb: NDArray[np.uint8]
    depth: NDArray[np.float32]
    measured: NDArray[np.uint16]
    segmentation: NDArray[np.int16]

    def targets(self) -> list[int]:
        """Indices of the objects that are measured: large enough in the image, and in reach."""
        counts = np.bincount(self.segmentation[self.segmentation >= 0].astype(np.intp))
        if self.scenes is Scenes.FURNITURE:
            return [int(k) for k in np.nonzero(counts >= LEAST_SHARE * self.depth.size)[0]]
        found = []
        for index in np.nonzero(counts >= LEAST_PIXELS)[0]:
            if self.room.objects[index].support:
                depth = float(np.median(self.depth[self.segmentation == index]))
                if _DEPTHS[0] <= depth <= _DEPTHS[1]:
                    found.append(int(index))
        return found

    def save(self, path: Path) -> None:
        """Write the frame as an ``.npz``; the room is made again from its seed."""
        partial = path.with_suffix(".part.npz")
        c = self.camera
        np.savez_compressed(
            partial, rgb=self.rgb, depth=self.depth, measured=self.measured,
            segmentation=self.segmentation, pose=self.pose.matrix,
            intrinsics=np.array([c.fx, c.fy, c.cx, c.cy]),
            made=np.array([self.room.seed, self.view]), scenes=np.array(self.scenes.value),
        )  # fmt: skip
        os.replace(partial, path)

    @classmethod
    def load(cls, path: Path) -> TruthFrame:
        """Read what :meth:`save` wrote.

        Raises:
            OSError: there is no such file.
            KeyError: it is another kind of ``.npz``.
        """
        with np.load(path) as stored:
            scenes = Scenes(str(stored["scenes"]))
            seed, view = (int(v) for v in stored["made"])
            height, width = stored["depth"].shape
            fx, fy, cx, cy = (float(v) for v in stored["intrinsics"])
            camera = PinholeCamera(width, height, fx, fy, cx, cy)
            return cls(
                scenes, scenes.make_room(seed), view, camera, Pose.from_matrix(stored["pose"]),
                stored["rgb"], stored["depth"], stored["measured"], stored["segmentation"],
            )  # fmt: skip


def render_frames(
    first_seed: int,
    frames: int,
    per_room: int = 2,
    scenes: Scenes = Scenes.FURNITURE,
    sensor: DepthSensorModel | None = None,
    camera: PinholeCamera | None = None,
) -> Iterator[TruthFrame]:
    """Render views of rooms from ``first_seed`` on, each with at least two objects in view.

    Args:
        first_seed: of the first room; see :data:`TUNING_SEEDS` and :data:`REPORTED_SEEDS`.
        frames: how many.
        per_room: most views of one room.
        scenes: which rooms.
        sensor: default: independent noise and drop-outs. The views are the same with any sensor.
        camera: intrinsics that the views are drawn around; default 640x480.

    Raises:
        RendererUnavailableError: no off-screen OpenGL.
    """
    camera = camera or default_camera()
    renderer: RoomRenderer | None = None
    made, seed = 0, first_seed
    try:
        while made < frames:
            room = scenes.make_room(seed)
            if renderer is None:
                renderer = RoomRenderer(room, camera.width, camera.height, samples=0)
            else:
                renderer.load(room)
            for frame in _views(scenes, room, renderer, camera, sensor, per_room):
                if made < frames:
                    made += 1
                    yield frame
            seed += 1
    finally:
        if renderer is not None:
            renderer.close()


def _views(
    scenes: Scenes,
    room: Room,
    renderer: RoomRenderer,
    camera: PinholeCamera,
    sensor: DepthSensorModel | None,
    per_room: int,
) -> Iterator[TruthFrame]:
    """Render up to ``per_room`` views of a loaded room."""
    rng = np.random.default_rng([room.seed, 1])
    draw = random_view if scenes is Scenes.FURNITURE else small_things_view
    draws = per_room if scenes is Scenes.FURNITURE else _DRAWS
    made = 0
    for _ in range(draws):
        view = draw(room, rng, camera)
        if view is None or made == per_room:
            continue
        pose, drawn = view
        seen = renderer.render(pose, drawn)
        # The usual sensor draws from the same generator as the views: it is always run, so that
        # the views of another sensor are the same.
        measured = DepthSensorModel().apply(seen.depth, rng)
        if sensor is not None:
            own = np.random.default_rng([room.seed, 2, made])
            measured = sensor.apply(seen.depth, own, drawn, seen.material)
        frame = TruthFrame(
            scenes, room, made, drawn, pose, seen.rgb, seen.depth, measured, seen.segmentation
        )
        if scenes is Scenes.FURNITURE or len(frame.targets()) >= 2:
            made += 1
            yield frame


def stored_frames(folder: Path, frames: int, fresh: Iterator[TruthFrame]) -> Iterator[TruthFrame]:
    """Read the first ``frames`` frames of a folder, or write those of ``fresh`` there.

    Args:
        folder: for one kind of scenes, sensor and seed; made where it is missing.
        frames: how many.
        fresh: renders them all; touched only when one is missing.
    """
    paths = [folder / f"{number:05d}.npz" for number in range(frames)]
    if all(path.exists() for path in paths):
        yield from map(TruthFrame.load, paths)
        return
    folder.mkdir(parents=True, exist_ok=True)
    for path, frame in zip(paths, fresh, strict=False):
        frame.save(path)
        yield frame
