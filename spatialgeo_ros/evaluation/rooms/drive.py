# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A drive through a room that was never used before: what the robot's sensors say, and the truth.

Rooms have seeds from :data:`FIRST_SEED` on. Training, tuning and all other reports use seeds below
it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.sim.depth_noise import DepthSensorModel
from spatialgeo_ros.sim.detector import DetectorModel
from spatialgeo_ros.sim.odometry import OdometryModel
from spatialgeo_ros.sim.path import BaseState
from spatialgeo_ros.sim.renderer import RoomRenderer
from spatialgeo_ros.sim.rig import camera_pose, default_camera
from spatialgeo_ros.sim.room import Room, make_room
from spatialgeo_ros.sim.survey import survey

#: Seed of the first room of the first series.
FIRST_SEED = 10_000_000
#: Rooms of one series; a drive that finds no free place takes the next one.
SERIES = 10_000
#: Stamp of the first image, nanoseconds.
_START_NS = 1_000_000_000
_MARGIN = 6  # pieces are tried for beside the fewest


@dataclass(frozen=True)
class DriveSettings:
    """How rooms are furnished and driven through.

    Attributes:
        frames: images of a drive.
        width: of the images, pixels; their height is three quarters of it.
        fewest_objects: fewest pieces of furniture that are tried to be placed.
        sensor: faults of the depth camera.
        odometry: faults of the robot's poses.
    """

    frames: int = 72
    width: int = 640
    fewest_objects: int = 7
    sensor: DepthSensorModel = field(default_factory=DepthSensorModel)
    odometry: OdometryModel = field(default_factory=OdometryModel)

    def camera(self) -> PinholeCamera:
        """Return the intrinsics of the images."""
        return default_camera(self.width, self.width * 3 // 4)


@dataclass(frozen=True, eq=False)
class DriveImage:
    """One image of a drive with everything that is known about it.

    Attributes:
        stamp_ns: when it was taken.
        pose: world_from_camera, true.
        odometry: world_from_camera as the robot believes it.
        rgb: [H, W, 3] uint8.
        depth: [H, W] true depth, metres, NaN for nothing.
        measured: [H, W] uint16 millimetres, what the sensor returns.
        segmentation: [H, W] index of the room's objects, -1 none.
    """

    stamp_ns: int
    pose: Pose
    odometry: Pose
    rgb: NDArray[np.uint8]
    depth: NDArray[np.float32]
    measured: NDArray[np.uint16]
    segmentation: NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class Drive:
    """A drive through a room.

    Attributes:
        room: where.
        camera: intrinsics of the images.
        images: in the order they were taken.
        last: where the base is at the end, true.
    """

    room: Room
    camera: PinholeCamera
    images: tuple[DriveImage, ...]
    last: BaseState

    def frames(self, detector: DetectorModel | None) -> Iterator[Frame]:
        """Yield what a node would get: images, depth, odometry, and boxes of a detector if any."""
        kinds = [thing.kind for thing in self.room.objects]
        for number, image in enumerate(self.images):
            boxes: tuple[Region, ...] = ()
            if detector is not None:
                rng = np.random.default_rng([self.room.seed, 5, number])
                found = detector.detect(image.segmentation, kinds, rng)
                boxes = tuple(replace(region, stamp_ns=image.stamp_ns) for region in found)
            yield Frame(
                camera="camera", stamp_ns=image.stamp_ns, frame_id="camera_optical_frame",
                image=image.rgb, model=self.camera, depth=image.measured, pose=image.odometry,
                world_frame="odom", detections=boxes, sequence=number,
                detections_stamp_ns=0 if detector is None else image.stamp_ns,
            )  # fmt: skip


def drives(series: int, rooms: int, settings: DriveSettings) -> Iterator[Drive]:
    """Drive through rooms of a series; the same series gives the same drives.

    Args:
        series: number of the series, from 0.
        rooms: how many, at most :data:`SERIES`.
        settings: how.

    Raises:
        RendererUnavailableError: no off-screen OpenGL.
    """
    renderer: RoomRenderer | None = None
    camera = settings.camera()
    made, seed = 0, FIRST_SEED + series * SERIES
    try:
        while made < rooms:
            most = settings.fewest_objects + _MARGIN
            room = make_room(seed, settings.fewest_objects, most)
            seed += 1
            try:
                stops = survey(room, settings.frames)
            except ValueError:
                continue  # the furniture left no place for a robot
            if renderer is None:
                renderer = RoomRenderer(room, camera.width, camera.height, samples=0)
            else:
                renderer.load(room)
            rng = np.random.default_rng([room.seed, 3])
            states = [stop.state for stop in stops]
            believed = settings.odometry.apply(states, rng)
            images = []
            for stop, belief in zip(stops, believed, strict=True):
                pose = _camera_at(stop.state)
                seen = renderer.render(pose, camera)
                measured = settings.sensor.apply(seen.depth, rng, camera, seen.material)
                images.append(
                    DriveImage(
                        _START_NS + round(stop.seconds * 1e9),
                        pose,
                        _camera_at(belief),
                        seen.rgb,
                        seen.depth,
                        measured,
                        seen.segmentation,
                    )  # fmt: skip
                )
            made += 1
            yield Drive(room, camera, tuple(images), states[-1])
    finally:
        if renderer is not None:
            renderer.close()


def _camera_at(state: BaseState) -> Pose:
    return camera_pose(state.x, state.y, state.yaw)
