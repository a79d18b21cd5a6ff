# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is true about a room, and how much of it a drive has really seen."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.evaluation.rooms.drive import Drive, DriveImage
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.geometry.upright_box import UprightBox
from spatialgeo_ros.memory.snapshot import MapObject, MapSnapshot, RoomLayout, Viewer
from spatialgeo_ros.query.phrases import parse_label
from spatialgeo_ros.sim.rig import MOUNT_HEIGHT
from spatialgeo_ros.sim.room import Room, SceneObject

Array = NDArray[np.float64]

#: Share of an image's pixels that a thing must show to be clearly in view.
CLEAR_SHARE = 0.01
#: Share from which on somebody may say that it is in view.
GLIMPSE_SHARE = 0.0003
_EVERY = 2  # pixels, where the seen extent is worked out


@dataclass(frozen=True, eq=False)
class SeenObject:
    """One object of a room and what a drive has seen of it.

    Attributes:
        id: kind and number, unique in the room.
        thing: the object itself.
        share: largest share of an image's pixels that it showed.
        glimpse_ns: stamp of the first image in which somebody may notice it, None if none.
        clear_ns: stamp of the first image in which it is clearly in view, None if none.
        seen: [3] share of its extent along its own axes that was in view, all images together.
    """

    id: str
    thing: SceneObject
    share: float
    glimpse_ns: int | None
    clear_ns: int | None
    seen: Array

    @property
    def clear(self) -> bool:
        """Whether it was clearly in view at least once."""
        return self.clear_ns is not None

    @property
    def longest(self) -> int:
        """Index of its longest side in ``thing.size``."""
        return int(np.argmax(self.thing.size))

    @property
    def box(self) -> UprightBox:
        """The box around it, world frame."""
        return self.thing.box


@dataclass(frozen=True, eq=False)
class RoomTruth:
    """The truth about one drive.

    Attributes:
        room: where it was.
        objects: all of the room, seen or not.
        snapshot: the map that a perfect robot has at the end; of the objects in clear view.
        odometry_from_world: where the robot's odometry has the true world at the end.
    """

    room: Room
    objects: tuple[SeenObject, ...]
    snapshot: MapSnapshot
    odometry_from_world: Pose = field(default_factory=Pose.identity)

    def clear(self) -> list[SeenObject]:
        """Return the objects that were clearly in view at least once."""
        return [one for one in self.objects if one.clear]

    def whole_kinds(self) -> dict[str, list[SeenObject]]:
        """Return by kind all objects, for kinds of which each was clearly in view."""
        kinds: dict[str, list[SeenObject]] = {}
        for one in self.objects:
            kinds.setdefault(one.thing.kind, []).append(one)
        return {kind: ones for kind, ones in kinds.items() if all(one.clear for one in ones)}

    def unique(self) -> list[SeenObject]:
        """Return the objects that are the only ones of their kind, in clear view."""
        return [ones[0] for ones in self.whole_kinds().values() if len(ones) == 1]


def kind_of(mapped: MapObject) -> str:
    """Return what a map's object is, without a colour that its label may have: "chair"."""
    return parse_label(mapped.label).kind or mapped.label


def truth_of(drive: Drive) -> RoomTruth:
    """Work out what a drive has seen and what is true of it."""
    things = drive.room.objects
    shares = np.array([_shares(image, len(things)) for image in drive.images])
    stamps = [image.stamp_ns for image in drive.images]
    extents = _seen_extents(drive.images, drive.camera, things)
    count: Counter[str] = Counter()
    seen = []
    for index, thing in enumerate(things):
        count[thing.kind] += 1
        own = shares[:, index]
        seen.append(
            SeenObject(
                f"{thing.kind}_{count[thing.kind]}",
                thing,
                float(own.max()),
                _first(stamps, own >= GLIMPSE_SHARE),
                _first(stamps, own >= CLEAR_SHARE),
                extents[index],
            )  # fmt: skip
        )
    end = drive.images[-1]
    drifted = end.odometry @ end.pose.inverse()
    return RoomTruth(drive.room, tuple(seen), _snapshot(drive, seen, shares), drifted)


def _shares(image: DriveImage, objects: int) -> Array:
    hit = image.segmentation[image.segmentation >= 0].astype(np.intp)
    return np.bincount(hit, minlength=objects) / image.segmentation.size


def _first(stamps: list[int], holds: NDArray[np.bool_]) -> int | None:
    return stamps[int(np.argmax(holds))] if holds.any() else None


def _seen_extents(
    images: Iterable[DriveImage], camera: PinholeCamera, things: tuple[SceneObject, ...]
) -> Array:
    """Share [objects, 3] of each object's extent along its own axes that some image shows."""
    low, high = np.full((len(things), 3), np.inf), np.full((len(things), 3), -np.inf)
    for image in images:
        index = image.segmentation[::_EVERY, ::_EVERY]
        rows, columns = np.nonzero(index >= 0)
        owner = index[rows, columns]
        pixels = np.stack([columns, rows], axis=1) * _EVERY
        depth = image.depth[::_EVERY, ::_EVERY][rows, columns]
        world = image.pose.apply(camera.unproject(pixels, depth))
        for number in np.unique(owner):
            thing = things[number]
            points = world[owner == number] - thing.centre
            c, s = math.cos(thing.yaw), math.sin(thing.yaw)
            points = points @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
            low[number] = np.minimum(low[number], np.nanmin(points, axis=0))
            high[number] = np.maximum(high[number], np.nanmax(points, axis=0))
    sizes = np.array([thing.size for thing in things]).reshape(-1, 3)
    return np.asarray(np.clip((high - low) / sizes, 0.0, 1.0))


def _snapshot(drive: Drive, seen: list[SeenObject], shares: Array) -> MapSnapshot:
    """The map of a robot that knows everything about what was in clear view."""
    stamps = np.array([image.stamp_ns for image in drive.images])
    objects = []
    for index, one in enumerate(seen):
        if one.clear_ns is None:
            continue
        clear = shares[:, index] >= CLEAR_SHARE
        thing = one.thing
        objects.append(
            MapObject(
                id=one.id,
                label=thing.kind,
                centre=np.array(thing.centre),
                covariance=np.zeros((3, 3)),
                size=np.array(thing.size),
                size_sigma=np.zeros(3),
                yaw=thing.yaw,
                first_seen_ns=one.clear_ns,
                last_seen_ns=int(stamps[clear][-1]),
                colour=thing.colour,
                labels={thing.kind: 1.0},
                cameras=("camera",),
                sightings=int(clear.sum()),
            )  # fmt: skip
        )
    half = np.array([drive.room.width, drive.room.depth]) / 2
    corners = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * half
    last = drive.last
    return MapSnapshot(
        tuple(objects), "odom", int(stamps[-1]), int(stamps[0]),
        RoomLayout(0.0, 0.0, drive.room.height, 0.0, corners, 0.0),
        Viewer(last.x, last.y, MOUNT_HEIGHT, last.yaw),
    )  # fmt: skip
