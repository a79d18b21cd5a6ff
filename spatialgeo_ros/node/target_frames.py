# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The frame that a request wants its points in, at the stamp of an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spatialgeo_ros.errors import BadRequestError, WrongFrameError, quoted
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.node.camera_pose import PoseResult, PoseSource
from spatialgeo_ros.node.parameters import CameraConfig

#: Longest name of a frame in a request, as the comments of srv/ and action/ state it.
MOST_FRAME_NAME = 200
_NO_SOURCE = "let poses come from TF or odometry (pose_source), or leave target_frame empty"
_UNKNOWN = "or leave target_frame empty"


@dataclass(frozen=True, eq=False)
class Target:
    """A frame that points are wanted in, and how they come there.

    Attributes:
        frame_id: its name.
        pose: target_from_source, of the frame that the points are in.
    """

    frame_id: str
    pose: Pose


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

    def from_world(self, target: str, world: str, stamp_ns: int) -> Target | None:
        """Return how points of the world come into a frame; None where they are in it.

        Args:
            target: The frame asked for; "" for the world frame.
            world: The world frame of what is to be taken there.
            stamp_ns: When.

        Raises:
            BadRequestError: The name of the frame is too long.
            WrongFrameError: The frame is not known in this world at that time; the message says
                why, and what to do.
        """
        _check(target)
        if target in ("", world):
            return None
        result = self._placed(target, stamp_ns)
        if result.pose is None:
            raise self._unknown(target, world, result.reason)
        if result.world_frame != world:
            raise _another_world(target, result.world_frame, "what was measured", world)
        return Target(target, result.pose.inverse())

    def from_camera(self, target: str, frame: Frame) -> Target | None:
        """Return how points of an image's optical frame come into a frame, at its stamp.

        None where they are in it, or none is asked for (""). A world frame is not needed where
        the source of poses knows the two frames beside each other, as TF does for what is bolted
        together.

        Raises:
            BadRequestError, WrongFrameError: As :meth:`from_world`.
        """
        _check(target)
        if target in ("", frame.frame_id):
            return None
        direct = self._poses.between(target, frame.frame_id, frame.stamp_ns)
        if direct is None:
            direct = self._by_world(target, frame)
        if direct.pose is None:
            raise self._unknown(target, frame.frame_id, direct.reason)
        return Target(target, direct.pose)

    def _by_world(self, target: str, frame: Frame) -> PoseResult:
        """Return target_from_camera by the poses of both in the world, at the image's stamp."""
        camera = PoseResult(frame.pose, frame.world_frame)
        if frame.pose is None:  # not there when the image came; it may be now
            config = next(one for one in self._cameras if one.name == frame.camera)
            camera = self._poses.lookup(config, frame.frame_id, frame.stamp_ns)
        if camera.pose is None:
            return camera
        if target == camera.world_frame:
            return camera
        placed = self._placed(target, frame.stamp_ns)
        if placed.pose is None:
            return placed
        if placed.world_frame != camera.world_frame:
            raise _another_world(target, placed.world_frame, "the image", camera.world_frame)
        return PoseResult(placed.pose.inverse() @ camera.pose, target)

    def _placed(self, target: str, stamp_ns: int) -> PoseResult:
        """Return the pose of a frame in the world; optical frames are those of our cameras."""
        result = self._poses.frame(target, stamp_ns)
        for camera in self._cameras:
            if result.pose is None and self._optical_frames.get(camera.name) == target:
                result = self._poses.lookup(camera, target, stamp_ns)
        return result

    def _unknown(self, target: str, source: str, reason: str) -> WrongFrameError:
        cure = _NO_SOURCE if self._poses.name == "none" else _UNKNOWN
        return WrongFrameError(
            f"frame {quoted(target)} is not known in {quoted(source)} at the image's stamp: "
            f"{reason}; {cure}"
        )


def _check(target: str) -> None:
    if len(target) > MOST_FRAME_NAME:
        raise BadRequestError(
            f"target_frame has {len(target)} characters, allowed are {MOST_FRAME_NAME}"
        )


def _another_world(target: str, known_in: str, what: str, world: str) -> WrongFrameError:
    return WrongFrameError(
        f"frame {quoted(target)} is known in {quoted(known_in)}, but {what} is in {quoted(world)}: "
        "ask again when images have come in the new frame"
    )
