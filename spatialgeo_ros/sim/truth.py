# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""True distances in a simulated room, by the definitions of ``msg/DistanceEstimate.msg``."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.distance import Kind
from spatialgeo_ros.geometry.pose import Pose, gravity_in_camera, level_frame
from spatialgeo_ros.query.relations import ObjectFacts
from spatialgeo_ros.sim.renderer import RoomRenderer
from spatialgeo_ros.sim.room import Room
from spatialgeo_ros.sim.surface import nearest_distance


class SceneTruth:
    """The truth about a room as one camera sees it. Renders, so use it on one thread.

    Args:
        room: the simulated room.
        camera: intrinsics.

    Raises:
        RendererUnavailableError: no off-screen OpenGL.
    """

    def __init__(self, room: Room, camera: PinholeCamera) -> None:
        self.room, self._camera = room, camera
        self._renderer = RoomRenderer(room, camera.width, camera.height, samples=0)

    def facts(self, world_from_camera: Pose, name: str) -> ObjectFacts:
        """Return an object's true centre (in the camera's level frame) and size, metres.

        Raises:
            KeyError: the room has no such object.
        """
        thing = self.room.find(name)
        level = level_frame(gravity_in_camera(world_from_camera))
        x, y, z = level @ world_from_camera.inverse().apply(np.array(thing.centre))
        return ObjectFacts((float(x), float(y), float(z)), thing.size)

    def distance(self, kind: Kind, world_from_camera: Pose, first: str, second: str = "") -> float:
        """Return the true value of a kind of distance, metres.

        Distances to the nearest part and gaps are between visible surfaces, everything else is
        about the whole objects; width is the longer horizontal side, depth the shorter.

        Args:
            kind: what to measure.
            world_from_camera: true pose of the camera's optical frame.
            first: name of the object.
            second: name of the other one, for kinds of two objects.

        Raises:
            KeyError: the room has no such object.
        """
        width, depth, height = self.room.find(first).size
        if kind is Kind.WIDTH:
            return max(width, depth)
        if kind is Kind.DEPTH_EXTENT:
            return min(width, depth)
        if kind is Kind.HEIGHT:
            return height
        if kind is Kind.CAMERA_TO_OBJECT:
            return float(np.linalg.norm(self._surface(world_from_camera, first), axis=1).min())
        if kind is Kind.NEAREST_POINTS:
            surfaces = [self._surface(world_from_camera, name) for name in (first, second)]
            return nearest_distance(surfaces[0], surfaces[1])
        a, b = self.room.find(first).centre, self.room.find(second).centre
        if kind is Kind.HORIZONTAL:
            return math.dist(a[:2], b[:2])
        if kind is Kind.VERTICAL:
            return abs(a[2] - b[2])
        return math.dist(a, b)

    def close(self) -> None:
        """Free the renderer."""
        self._renderer.close()

    def _surface(self, pose: Pose, name: str) -> npt.NDArray[np.float64]:
        """Visible points [N, 3] of an object in the camera frame.

        Raises:
            KeyError: the object is not in view.
        """
        view = self._renderer.render(pose, self._camera)
        index = self.room.objects.index(self.room.find(name))
        rows, columns = np.nonzero((view.segmentation == index) & np.isfinite(view.depth))
        if not len(rows):
            raise KeyError(f"{name!r} is not in view")
        pixels = np.stack([columns, rows], axis=1)
        return self._camera.unproject(pixels, view.depth[rows, columns])
