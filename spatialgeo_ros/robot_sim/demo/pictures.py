# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The demo's pictures: the annotated camera image and the map of keyframes and coverage."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from spatialgeo_ros.drawing.map import MapKeyframe, MapObject, draw_map
from spatialgeo_ros.node.conversions import msg_to_pose, stamp_to_ns
from spatialgeo_ros.robot_sim.demo.robot import Robot


def save(path: Path, picture: npt.NDArray[np.uint8]) -> None:
    """Write ``[H, W, 3]`` RGB as PNG.

    Raises:
        OSError: the file cannot be written.
    """
    if not cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)):
        raise OSError(f"cannot write {path}")


def coverage_map(robot: Robot, title: str) -> npt.NDArray[np.uint8] | None:
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
    things = []
    for thing in scene.objects:
        pose = msg_to_pose(thing.pose)
        yaw = float(np.arctan2(pose.rotation[1, 0], pose.rotation[0, 0]))
        things.append(MapObject(thing.label, pose.translation, (thing.size.x, thing.size.y), yaw))
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
