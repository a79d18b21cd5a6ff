# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where a depth camera sits beside its colour camera: from a parameter, else from TF."""

from __future__ import annotations

from typing import Any

from rclpy.time import Time

from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.node.camera_pose import pose_of
from spatialgeo_ros.node.conversions import msg_to_pose
from spatialgeo_ros.node.parameters import CameraConfig, Config
from spatialgeo_ros.node.tf_listener import TfListener, TransformException, tf_is_installed


class DepthTransforms:
    """Poses of depth cameras in the optical frames of their colour cameras.

    The two are bolted together, so one lookup is enough, whatever its stamp.
    """

    def __init__(self, tf: TfListener, config: Config) -> None:
        """Listen to TF where a depth camera has a calibration of its own and no given place."""
        asked = [one for one in config.cameras if one.depth_camera_info_topic]
        self._tf = tf
        self._buffer: Any = None
        if tf_is_installed() and any(one.depth_extrinsics is None for one in asked):
            self._buffer = tf.open()
        self._known: dict[tuple[str, str], Pose] = {}

    def lookup(self, camera: CameraConfig, colour_frame: str, depth_frame: str) -> Pose | None:
        """Return colour_from_depth, or None when it is not known (yet)."""
        if camera.depth_extrinsics is not None:
            return pose_of(camera.depth_extrinsics)
        if self._buffer is None or not colour_frame or not depth_frame:
            return None
        key = colour_frame, depth_frame
        if key not in self._known:
            try:
                found = self._buffer.lookup_transform(colour_frame, depth_frame, Time())
                self._known[key] = msg_to_pose(found.transform)
            except (TransformException, ValueError):
                return None
        return self._known[key]

    def close(self) -> None:
        """Stop listening."""
        if self._buffer is not None:
            self._buffer = None
            self._tf.close()
