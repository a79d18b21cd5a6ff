# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The demo's pictures: the annotated image, the map of keyframes, and the object map."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from spatialgeo_ros.drawing.map import MapKeyframe, MapObject, draw_map
from spatialgeo_ros.drawing.map_boxes import BoxState, MapBox, box_label
from spatialgeo_ros.msg import SpatialObject
from spatialgeo_ros.node.conversions import msg_to_pose, stamp_to_ns
from spatialgeo_ros.robot_sim.demo.robot import Robot
from spatialgeo_ros.robot_sim.demo.true_world import TrueThing

Image: TypeAlias = npt.NDArray[np.uint8]


def save(path: Path, picture: Image) -> None:
    """Write ``[H, W, 3]`` RGB as PNG.

    Raises:
        OSError: the file cannot be written.
    """
    if not cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)):
        raise OSError(f"cannot write {path}")


def coverage_map(robot: Robot, title: str) -> Image | None:
    """Draw the keyframes that the node holds; None when it has published none with a pose."""
    message = robot.keyframes
    if message is None:
        return None
    shown = []
    for number, keyframe in enumerate(message.keyframes, start=1):
        cloud = robot.clouds.get(stamp_to_ns(keyframe.header.stamp))
        if not keyframe.has_pose or cloud is None:
            continue
        pose = msg_to_pose(keyframe.pose)
        shown.append(MapKeyframe(pose.apply(cloud), pose, f"keyframe {number}"))
    scene = robot.newest_truth()
    if not shown or scene is None:
        return None
    things = [MapObject(one.label, *_ground(one.pose, one.size)) for one in scene.objects]
    return draw_map(
        shown,
        path=robot.path,
        robot=msg_to_pose(scene.camera_poses[0]),
        objects=things,
        title=title,
        subtitle=f"{len(message.keyframes)} of at most {message.capacity} keyframes cover "
        f"{message.covered_voxels} voxels of {message.voxel_size:g} m; outlines: true furniture",
        cell=message.voxel_size,
    )


def object_map(robot: Robot, title: str, taken: TrueThing | None) -> Image | None:
    """Draw the node's object map beside the true room; None when it has published none.

    Args:
        robot: the client of the node.
        title: above the map.
        taken: what somebody has taken away.
    """
    message, scene = robot.objects, robot.newest_truth()
    if message is None or scene is None:
        return None
    boxes = [
        MapBox(
            box_label(one.label, one.colour, _STATES[one.state]),
            *_ground(one.pose.pose, one.size),
            _STATES[one.state],
        )
        for one in message.objects
    ]
    things = [MapObject("", *_ground(one.pose, one.size)) for one in scene.objects]
    if taken is not None:
        x, y, _ = taken.box.centre
        boxes.append(
            MapBox("", np.array((x, y)), taken.box.size[:2], taken.box.yaw, BoxState.TAKEN)
        )
    count = Counter(_STATES[one.state].value for one in message.objects)
    return draw_map(
        (),
        path=robot.path,
        robot=msg_to_pose(scene.camera_poses[0]),
        objects=things,
        boxes=boxes,
        title=title,
        subtitle=", ".join(f"{number} {state}" for state, number in sorted(count.items())),
    )


def _ground(pose: Any, size: Any) -> tuple[npt.NDArray[np.float64], tuple[float, float], float]:
    """Centre, footprint and yaw of a message's box, metres and radians."""
    placed = msg_to_pose(pose)
    yaw = float(np.arctan2(placed.rotation[1, 0], placed.rotation[0, 0]))
    return placed.translation, (size.x, size.y), yaw


_STATES = {
    SpatialObject.STATE_VISIBLE: BoxState.VISIBLE,
    SpatialObject.STATE_REMEMBERED: BoxState.REMEMBERED,
    SpatialObject.STATE_GONE: BoxState.GONE,
}
