# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is true about the whole room at one image, from the simulator's ground truth.

Distances are those of docs/questions.md, worked out on the true boxes; nothing here knows the map.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from spatialgeo_ros.geometry.upright_box import (
    UprightBox,
    box_separation,
    footprint_separation,
    point_box,
)
from spatialgeo_ros.msg import SceneGroundTruth, SceneObject, SpatialObject
from spatialgeo_ros.node.conversions import msg_to_pose, stamp_to_ns
from spatialgeo_ros.query.phrases import parse_label

#: A thing of the map is a true one of its kind whose centre is nearer than this, metres.
_SAME_WITHIN = 0.6
_BORDER, _UNHIDDEN = 3.0, 0.6  # pixels; share of its outline


@dataclass(frozen=True)
class TrueThing:
    """One object of the room.

    Attributes:
        name: unique ("red chair").
        kind: "chair".
        colour: "red".
        box: in the world frame, metres.
        shown: square pixels of its box in the first camera's image; 0: out of view.
        whole: whether it is there as a whole, neither cut by the border nor mostly hidden.
    """

    name: str
    kind: str
    colour: str
    box: UprightBox
    shown: float
    whole: bool

    @property
    def in_view(self) -> bool:
        """Whether the first camera sees it."""
        return self.shown > 0


class TrueWorld:
    """The room and the robot's first camera in it, metres and radians in the world frame.

    Args:
        scene: ground truth of one image.
        width, height: of the image, pixels.
    """

    def __init__(self, scene: SceneGroundTruth, width: int = 640, height: int = 480) -> None:
        self.stamp_ns = stamp_to_ns(scene.header.stamp)
        camera = scene.cameras[0]
        self.things = tuple(_thing(one, camera, width, height) for one in scene.objects)
        self.camera = msg_to_pose(scene.camera_poses[0])
        forward = self.camera.rotation[:, 2]
        self.heading = math.atan2(forward[1], forward[0])
        self._by_name = {one.name: one for one in self.things}

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def thing(self, name: str) -> TrueThing:
        """Return an object of the room.

        Raises:
            KeyError: there is none of this name.
        """
        return self._by_name[name]

    def of_kind(self, kind: str) -> list[TrueThing]:
        """Return all objects of a kind."""
        return [one for one in self.things if one.kind == kind]

    def alone(self) -> list[TrueThing]:
        """Return the objects that are the only ones of their kind."""
        return [one for one in self.things if len(self.of_kind(one.kind)) == 1]

    def away(self, name: str) -> float:
        """From the camera to the nearest point of an object's box, metres."""
        x, y, z = (float(value) for value in self.camera.translation)
        return box_separation(point_box(x, y, z), self.thing(name).box).value

    def distance(self, a: str, b: str) -> float:
        """Between the centres of two objects, metres."""
        return math.dist(self.thing(a).box.centre, self.thing(b).box.centre)

    def gap(self, a: str, b: str) -> float:
        """Between the nearest points of two boxes, metres; negative where they overlap."""
        return box_separation(self.thing(a).box, self.thing(b).box).value

    def passage(self, a: str, b: str) -> float:
        """Between two footprints, metres."""
        return footprint_separation(self.thing(a).box, self.thing(b).box).value

    def bearing(self, name: str) -> float:
        """Direction of an object's centre from the camera's heading, degrees, left positive."""
        x, y, _ = self.thing(name).box.centre
        at = self.camera.translation
        turn = math.atan2(y - float(at[1]), x - float(at[0])) - self.heading
        return math.degrees(math.remainder(turn, 2 * math.pi))

    def free_way(self, x: float, y: float) -> float:
        """From a place on the floor to the nearest footprint, metres."""
        here = point_box(x, y, 0.0)
        return min(footprint_separation(here, one.box).value for one in self.things)


def _thing(entry: SceneObject, camera: str, width: int, height: int) -> TrueThing:
    place, size = entry.pose.position, entry.size
    turn = msg_to_pose(entry.pose).rotation
    box = UprightBox(
        (place.x, place.y, place.z), (size.x, size.y, size.z), math.atan2(turn[1, 0], turn[0, 0])
    )
    shown, whole = 0.0, False
    for view in entry.views:
        if view.camera == camera:
            shown = (view.x_max - view.x_min) * (view.y_max - view.y_min)
            sides = (view.x_min, view.y_min, width - 1 - view.x_max, height - 1 - view.y_max)
            whole = min(sides) > _BORDER and view.score > _UNHIDDEN
    return TrueThing(entry.label, entry.kind, entry.colour, box, shown, whole)


def true_names(objects: Iterable[SpatialObject], things: Sequence[TrueThing]) -> dict[str, str]:
    """Return the true name by the id of the map: one to one, the nearest of the kind first.

    Args:
        objects: of the map, in the world frame.
        things: that are or were in the room.
    """
    pairs = []
    for one in objects:
        place = one.pose.pose.position
        kind = parse_label(one.label).kind
        for thing in things:
            away = math.dist((place.x, place.y, place.z), thing.box.centre)
            if thing.kind == kind and away < _SAME_WITHIN:
                pairs.append((away, one.id, thing.name))
    names: dict[str, str] = {}
    for _, name, true in sorted(pairs):
        if name not in names and true not in names.values():
            names[name] = true
    return names
