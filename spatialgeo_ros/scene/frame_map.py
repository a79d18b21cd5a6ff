# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A map of one image alone, for cameras without a pose: what is in view, and nothing else.

Its frame is the level frame of the camera in the axes of REP-103: x ahead, y left, z up from the
floor, or from the camera where the floor is not known.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

import numpy as np

from spatialgeo_ros.geometry.pose import Pose, level_frame
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.memory.detected import Detected
from spatialgeo_ros.memory.observation import Observation
from spatialgeo_ros.memory.snapshot import MapObject, MapSnapshot, RoomLayout, Viewer
from spatialgeo_ros.scene.mapping import detected_of
from spatialgeo_ros.scene.sighting import Sighting

#: Axes of REP-103 from those of the level frame (x right, y down, z ahead).
_REP103 = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
#: Name of the frame of such a map.
FRAME = "camera_level"
_ONE_OF_SEVERAL = re.compile(r"_\d+_of_\d+$")


def level_pose(observation: Observation) -> Pose:
    """Return the pose of the camera in its own level frame; the image's axes without gravity."""
    gravity = observation.gravity
    level = np.eye(3) if gravity is None else level_frame(gravity)
    height = observation.camera_height or 0.0
    return Pose(_REP103 @ level, np.array([0.0, 0.0, height]))


def camera_from_map(observation: Observation) -> Pose:
    """Return the pose of an observation's map in the frame of its camera."""
    return level_pose(observation).inverse()


def object_of(sighting: Sighting, seen_in: Observation, pose: Pose, name: str) -> MapObject:
    """Return a thing seen in an observation as an object of a map.

    Args:
        sighting: of the thing, its points in the camera frame of ``seen_in``.
        seen_in: the image.
        pose: of its camera in the frame of the map.
        name: the id.
    """
    thing = detected_of(sighting.region, sighting.points, pose, seen_in.frame.image)
    return _object(thing, seen_in, name)


def frame_snapshot(sightings: Iterable[Sighting], observation: Observation) -> MapSnapshot:
    """Return what is seen in one observation as a map.

    Its ids are of this image alone ("cup", or "cup_1_of_2"), and never those of a map ("cup_1").

    Args:
        sightings: of the things, in this very observation.
        observation: the image.
    """
    pose, image = level_pose(observation), observation.frame.image
    things = [detected_of(one.region, one.points, pose, image) for one in sightings]
    alike = Counter(map(_kind, things))
    numbers: Counter[str] = Counter()
    objects = []
    for thing in things:
        name = _kind(thing)
        numbers[name] += 1
        if alike[name] > 1:
            name = f"{name}_{numbers[name]}_of_{alike[name]}"
        objects.append(_object(thing, observation, name))
    z = float(pose.translation[2])
    room = None
    if observation.camera_height is not None:
        room = RoomLayout(0.0, observation.camera_height_sigma)
    return MapSnapshot(
        tuple(objects),
        FRAME,
        observation.frame.stamp_ns,
        observation.frame.stamp_ns,
        room,
        Viewer(0.0, 0.0, z, 0.0),
        frozenset(one.id for one in objects),
    )


def same_in_next_image(names: Iterable[str]) -> bool:
    """Tell whether ids of such a map mean the same things in the next image: each is the only one.

    Several of a kind are numbered as a detector happened to list them.
    """
    return not any(_ONE_OF_SEVERAL.search(name) for name in names)


def region_name(index: int, region: Region) -> str:
    """Return the id of the object in a region of the request."""
    return f"{region.label or 'region'}_{index}"


def _kind(thing: Detected) -> str:
    return (thing.kind or thing.label).replace(" ", "_")


def _object(thing: Detected, observation: Observation, name: str) -> MapObject:
    frame = observation.frame
    colour = max(thing.colours, key=lambda one: thing.colours[one], default="")
    return MapObject(
        name, thing.label, thing.centre, thing.covariance, thing.size, thing.size_sigma, thing.yaw,
        frame.stamp_ns, frame.stamp_ns, colour=colour, material=thing.material,
        labels={thing.label: 1.0}, cameras=(frame.camera,),
    )  # fmt: skip
