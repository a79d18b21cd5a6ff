# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the simulator knows to be true as messages: scene ground truth and true detections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from rclpy.node import Node
from std_msgs.msg import Header

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.msg import Region, SceneGroundTruth, SceneObject
from spatialgeo_ros.node.conversions import pose_to_msg
from spatialgeo_ros.node.parameters import ParameterError
from spatialgeo_ros.sim.renderer import Rendered
from spatialgeo_ros.sim.rig import base_pose
from spatialgeo_ros.sim.room import Room
from spatialgeo_ros.sim.room import SceneObject as Thing

#: An object is said to be in view from this share of the image's pixels on.
_VISIBLE = 1e-3
#: And is detected where this share of its outline, about, is not hidden behind something.
_DETECTED = 0.6
_SUREST = 0.95  # score of a detection


def ground_truth(
    header: Header,
    room: Room,
    cameras: Sequence[str],
    poses: Sequence[Pose],
    views: Sequence[Rendered],
    camera: PinholeCamera,
) -> SceneGroundTruth:
    """Return the true scene at one instant.

    Args:
        header: stamp of the images and the world frame.
        room: what was rendered.
        cameras: names of the cameras.
        poses: world_from_camera of each camera's optical frame.
        views: what each camera sees; gives the boxes of the objects in view.
        camera: intrinsics of all of them.
    """
    message = SceneGroundTruth(header=header, cameras=list(cameras))
    message.camera_poses = [pose_to_msg(pose) for pose in poses]
    for index, thing in enumerate(room.objects):
        entry = SceneObject(label=thing.name, kind=thing.kind, colour=thing.colour)
        entry.pose = pose_to_msg(base_pose(thing.centre[0], thing.centre[1], thing.yaw))
        entry.pose.position.z = float(thing.centre[2])
        entry.size.x, entry.size.y, entry.size.z = (float(v) for v in thing.size)
        for name, pose, view in zip(cameras, poses, views, strict=True):
            box = visible_box(view.segmentation == index)
            if box is not None:
                share = shown_share(thing, pose, camera, box) * (1 - covered(view, index, box))
                entry.views.append(_box_region(thing.name, name, box, share))
        message.objects.append(entry)
    return message


def visible_box(mask: np.ndarray) -> tuple[int, int, int, int] | None:
    """Bounds (first column, first row, last column, last row) of a mask [H, W], None if tiny."""
    if np.count_nonzero(mask) < _VISIBLE * mask.size:
        return None
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])


def shown_share(
    thing: Thing, pose: Pose, camera: PinholeCamera, box: tuple[int, int, int, int]
) -> float:
    """Share of a thing's outline in the image that the box of its visible pixels spans.

    Args:
        thing: in the room.
        pose: world_from_camera of the optical frame.
        camera: intrinsics.
        box: first column, first row, last column, last row of what is visible.
    """
    corners = camera.project(pose.inverse().apply(thing.corners()))
    if not np.isfinite(corners).all():  # partly behind the camera: it fills the image
        return 1.0
    low = np.clip(corners.min(axis=0), 0, (camera.width - 1, camera.height - 1))
    high = np.clip(corners.max(axis=0), 0, (camera.width - 1, camera.height - 1))
    whole = float(np.prod(high - low + 1))
    x0, y0, x1, y1 = box
    return min(1.0, (x1 - x0 + 1) * (y1 - y0 + 1) / whole)


def covered(view: Rendered, index: int, box: tuple[int, int, int, int]) -> float:
    """Share of the box of a thing's visible pixels that other, nearer things fill.

    Args:
        view: what the camera sees.
        index: of the thing in the room.
        box: first column, first row, last column, last row of its visible pixels.
    """
    x0, y0, x1, y1 = box
    index_of = view.segmentation[y0 : y1 + 1, x0 : x1 + 1]
    depth = view.depth[y0 : y1 + 1, x0 : x1 + 1]
    own = index_of == index
    return float(((index_of >= 0) & ~own & (depth < np.nanmedian(depth[own]))).mean())


def _box_region(label: str, camera: str, box: tuple[int, int, int, int], share: float) -> Region:
    x0, y0, x1, y1 = (float(v) for v in box)
    return Region(
        type=Region.TYPE_BOX, label=label, score=share, camera=camera,
        x_min=x0, y_min=y0, x_max=x1, y_max=y1,
    )  # fmt: skip


class DetectionPublisher:
    """True boxes as a detector would publish them; needs ``vision_msgs``.

    What is mostly hidden behind something else is not detected, as by a real detector.

    Args:
        node: owner of the publishers.
        cameras: their names.
        kinds: whether boxes are called by their kind ("chair"), as a detector calls them, or by
            their unique name ("red chair").

    Raises:
        ParameterError: ``vision_msgs`` is not installed.
    """

    def __init__(self, node: Node, cameras: Sequence[str], kinds: bool) -> None:
        try:
            from vision_msgs import msg as vision
        except ImportError as error:
            raise ParameterError(
                "detections", "needs vision_msgs (apt-get install ros-$ROS_DISTRO-vision-msgs)"
            ) from error
        self._types, self._kinds = vision, kinds
        self._topics = {
            name: node.create_publisher(vision.Detection2DArray, f"{name}/detections", 5)
            for name in cameras
        }

    def publish(self, truth: SceneGroundTruth) -> None:
        """Publish the views of the ground truth, one array per camera."""
        for name, publisher in self._topics.items():
            header = Header(stamp=truth.header.stamp, frame_id=f"{name}_optical_frame")
            array = self._types.Detection2DArray(header=header)
            for thing in truth.objects:
                label = thing.kind if self._kinds else thing.label
                array.detections += [
                    self._detection(view, label, min(view.score, _SUREST), header)
                    for view in thing.views
                    if view.camera == name and view.score >= _DETECTED
                ]
            publisher.publish(array)

    def _detection(self, view: Region, label: str, score: float, header: Header) -> Any:
        detection = self._types.Detection2D(header=header)
        result = self._types.ObjectHypothesisWithPose()
        result.hypothesis.class_id, result.hypothesis.score = label, score
        detection.results = [result]
        box = detection.bbox
        box.center.position.x = (view.x_min + view.x_max) / 2
        box.center.position.y = (view.y_min + view.y_max) / 2
        box.size_x, box.size_y = view.x_max - view.x_min, view.y_max - view.y_min
        return detection
