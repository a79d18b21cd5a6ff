# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where a frame that a request names is in the world, at the stamp of an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from spatialgeo_ros.errors import WrongFrameError, quoted
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.node.camera_pose import PoseSource
from spatialgeo_ros.node.parameters import CameraConfig


class TargetFrames:
    """Poses of frames by the node's one source of poses: TF knows all, odometry those of its robot.

    Used on the geometry lane: a lookup may wait a little.
    """

    def __init__(
        self,
        poses: PoseSource,
        cameras: Sequence[CameraConfig],
        optical_frames: Mapping[str, str],
    ) -> None:
        """Look frames up in ``poses``.

        Args:
            poses: Where cameras were.
            cameras: Of the node, with their mounts.
            optical_frames: Frames of their newest images by camera name; filled as images come.
        """
        self._poses = poses
        self._cameras = tuple(cameras)
        self._optical_frames = optical_frames

    def target_from_world(self, target: str, world: str, stamp_ns: int) -> Pose | None:
        """Return the pose that takes points of the world into a frame; None where it is the world.

        Args:
            target: The frame asked for; "" for the world frame.
            world: The world frame of what is to be taken there.
            stamp_ns: When.

        Raises:
            WrongFrameError: The frame is not known in this world at that time; the message says
                why, and what to do.
        """
        if target in ("", world):
            return None
        result = self._poses.frame(target, stamp_ns)
        for camera in self._cameras:
            if result.pose is None and self._optical_frames.get(camera.name) == target:
                result = self._poses.lookup(camera, target, stamp_ns)
        if result.pose is None:
            raise WrongFrameError(
                f"frame {quoted(target)} is not known in {quoted(world)} at the stamp of the "
                f"newest image: {result.reason}"
            )
        if result.world_frame != world:
            raise WrongFrameError(
                f"frame {quoted(target)} is known in {quoted(result.world_frame)}, but the object "
                f"map is in {quoted(world)}: ask again when images have come in the new frame"
            )
        return result.pose.inverse()
