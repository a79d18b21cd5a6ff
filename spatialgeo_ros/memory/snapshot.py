# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the object map knows at one moment: its objects, the room and who looks.

Programs are executed on a snapshot, wherever it comes from: the live object map, a saved one, or
a file of boxes. The frame is gravity aligned (REP-103): x and y level, z up, metres, radians
counter-clockwise.
"""

from __future__ import annotations

import enum
import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.geometry.upright_box import UprightBox

Array = npt.NDArray[np.float64]


class Presence(enum.IntEnum):
    """Whether an object is there now; values equal ``msg/SpatialObject.msg``'s STATE_."""

    VISIBLE = 0
    REMEMBERED = 1
    GONE = 2


@dataclass(frozen=True)
class BestView:
    """The image that showed an object best.

    Attributes:
        camera_name: of the image.
        stamp_ns: of the image.
        box: x0, y0, x1, y1 of the object there, pixels.
        quality: square pixels of the box; a quarter of it where the border cuts the object.
    """

    camera_name: str = ""
    stamp_ns: int = 0
    box: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    quality: float = -1.0


@dataclass(frozen=True, eq=False)
class MapObject:
    """One object of the map as it is known at the snapshot's time. Treat arrays as read-only.

    Attributes:
        id: stable name, kind and number ("chair_3").
        label: what detectors call it most.
        centre: [3] of the whole object, metres, world frame.
        covariance: [3, 3] of ``centre``, m^2.
        size: [3] width along the object's own x, depth along its own y, height; metres.
        size_sigma: [3] standard deviations of ``size``, metres.
        yaw: of the object's own x axis, radians from the world's x.
        first_seen_ns: stamp of the first image that showed it.
        last_seen_ns: stamp of the last one.
        state: visible, remembered or gone.
        colour: canonical colour, "" when unknown.
        material: "" when unknown.
        labels: share of the sightings by label.
        cameras: that saw it.
        sightings: number of images that showed it.
        probability: that it is still there, in [0, 1].
        best: the image that showed it best.
    """

    id: str
    label: str
    centre: Array
    covariance: Array
    size: Array
    size_sigma: Array
    yaw: float
    first_seen_ns: int
    last_seen_ns: int
    state: Presence = Presence.VISIBLE
    colour: str = ""
    material: str = ""
    labels: Mapping[str, float] = field(default_factory=dict)
    cameras: tuple[str, ...] = ()
    sightings: int = 1
    probability: float = 1.0
    best: BestView = field(default_factory=BestView)

    @property
    def bottom(self) -> float:
        """Height of its lowest point, metres, world frame."""
        return float(self.centre[2] - self.size[2] / 2)

    @property
    def top(self) -> float:
        """Height of its highest point, metres, world frame."""
        return float(self.centre[2] + self.size[2] / 2)

    @functools.cached_property
    def box(self) -> UprightBox:
        """Where it is, world frame."""
        x, y, z = self.centre.tolist()
        width, depth, height = self.size.tolist()
        return UprightBox((x, y, z), (width, depth, height), self.yaw)

    def footprint(self) -> Array:
        """Return the corners seen from above [4, 2], counter-clockwise, metres."""
        half = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * self.size[:2] / 2
        cos, sin = math.cos(self.yaw), math.sin(self.yaw)
        return np.asarray(half @ np.array([[cos, sin], [-sin, cos]]) + self.centre[:2])


@dataclass(frozen=True, eq=False)
class RoomLayout:
    """Floor, walls and ceiling; what is not known is None.

    Attributes:
        floor: height of the floor, metres, world frame.
        floor_sigma: its standard deviation, metres.
        ceiling: height of the ceiling, metres, world frame, or None.
        ceiling_sigma: its standard deviation, metres.
        polygon: [N, 2] corners of the walls in order, metres, or None.
        polygon_sigma: standard deviation of a wall's place, metres.
        why_unknown: why there is no polygon and what would give one, for answers; "" with one.
    """

    floor: float = 0.0
    floor_sigma: float = 0.0
    ceiling: float | None = None
    ceiling_sigma: float = 0.0
    polygon: Array | None = None
    polygon_sigma: float = 0.0
    why_unknown: str = ""


@dataclass(frozen=True)
class Viewer:
    """Where the robot's camera is: "me", "you" and "here" of a question.

    Attributes:
        x: metres, world frame, of the camera's centre.
        y: metres, world frame.
        z: metres, world frame.
        yaw: heading, radians.
        position_sigma: metres, of a point seen now in the world frame.
    """

    x: float
    y: float
    z: float
    yaw: float
    position_sigma: float = 0.0


def viewer_at(pose: Pose, sigma: float) -> Viewer:
    """Return the viewer of a camera.

    Args:
        pose: world_from_camera, of its optical frame.
        sigma: standard deviation of its place, metres.
    """
    x, y, z = (float(value) for value in pose.translation)
    forward = pose.rotation[:, 2]
    return Viewer(x, y, z, math.atan2(forward[1], forward[0]), sigma)


@dataclass(frozen=True, eq=False)
class MapSnapshot:
    """Everything a program may ask about.

    Attributes:
        objects: of the map, gone ones included.
        frame: name of the world frame.
        stamp_ns: now, as the newest image says.
        start_ns: when the map began; "first seen" counts from here.
        room: floor, walls and ceiling, or None.
        viewer: who looks, or None without a pose.
        in_view: ids of the objects that the newest images show.
        in_view_of: the same by camera.
    """

    objects: tuple[MapObject, ...]
    frame: str
    stamp_ns: int
    start_ns: int = 0
    room: RoomLayout | None = None
    viewer: Viewer | None = None
    in_view: frozenset[str] = frozenset()
    in_view_of: Mapping[str, frozenset[str]] = field(default_factory=dict)
