# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where the camera of a bag was: TF, odometry with the mount, or a trajectory from a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spatialgeo_ros.errors import BadRequestError, quoted
from spatialgeo_ros.geometry.pose import Pose, mount_pose
from spatialgeo_ros.node.conversions import msg_to_pose, stamp_to_ns
from spatialgeo_ros.recordings.trajectory import StampedTrajectory
from spatialgeo_ros.recordings.transforms import TransformTree

#: Sources by name; anything else is the path of a trajectory.
SOURCES = ("auto", "tf", "odometry", "none")
#: Frames that do not move with the robot, by REP-105, in the order in which one is chosen. Any
#: other topmost frame may be the robot itself: its map would be wrong, and look right.
_WORLDS = ("odom", "map", "world", "earth")
#: As the node's odometry_gap, nanoseconds.
_ODOMETRY_GAP_NS = 500_000_000
#: Images that are tried to find out whether a source knows the camera.
_TRIED = 50


@dataclass(frozen=True)
class PoseOptions:
    """Where poses come from.

    Attributes:
        source: one of :data:`SOURCES`, or the path of a trajectory ``time x y z qx qy qz qw``.
        world_frame: that poses refer to; "" for "odom", else "map", "world" or "earth".
        mount: x y z (m) roll pitch yaw (rad) of the camera on the robot's base, for odometry; empty
            where the bag's TF says it.
        world_axes: of a trajectory: "rep103" or "optical"; see :class:`StampedTrajectory`.
    """

    source: str = "auto"
    world_frame: str = ""
    mount: tuple[float, ...] = ()
    world_axes: str = "rep103"

    def __post_init__(self) -> None:
        if len(self.mount) not in (0, 6):
            raise BadRequestError(
                f"a mount has six numbers x y z roll pitch yaw, not {len(self.mount)}"
            )

    def trajectory(self) -> StampedTrajectory | None:
        """Read the trajectory's file; None where poses come from somewhere else.

        Raises:
            BadRequestError: it cannot be read.
        """
        if self.source in SOURCES:
            return None
        return StampedTrajectory.read_tum(Path(self.source), self.world_axes)


class BagPoses:
    """Poses of one camera, from everything that a bag says about frames.

    Args:
        options: where they come from.

    Attributes:
        note: what was chosen where something had to be, in words.

    Raises:
        BadRequestError: the trajectory cannot be read.
    """

    def __init__(self, options: PoseOptions) -> None:
        self._options = options
        self._trajectory = options.trajectory()
        self._tf, self._odometry = TransformTree(), TransformTree()
        self._odometry_frames = ("", "")  # world and base
        self._refused = ""
        self._source, self._world, self._frame_id = "none", "", ""
        self._why_not = ""
        self.note = ""

    @property
    def roles(self) -> tuple[str, ...]:
        """Roles of the topics that are needed; TF also says where a depth camera sits."""
        if self._options.source == "odometry" or self._options.source == "auto":
            return ("tf", "tf_static", "odometry")
        return ("tf", "tf_static")

    @property
    def tree(self) -> TransformTree:
        """What TF says."""
        return self._tf

    def add(self, role: str, message: Any) -> None:
        """Take in a decoded message of one of the :attr:`roles`."""
        if role == "odometry":
            self._add_odometry(message)
            return
        for one in message.transforms:
            try:
                pose = msg_to_pose(one.transform)
            except ValueError as error:
                self._refused = f"TF of {quoted(one.child_frame_id)}: {error}"
                continue
            parent, child = one.header.frame_id, one.child_frame_id
            if role == "tf_static":
                self._tf.add_static(parent, child, pose)
                self._odometry.add_static(parent, child, pose)
            else:
                self._tf.add(parent, child, stamp_to_ns(one.header.stamp), pose)

    def _add_odometry(self, message: Any) -> None:
        try:
            pose = msg_to_pose(message.pose.pose)
        except ValueError as error:
            self._refused = f"odometry: {error}"
            return
        world, base = message.header.frame_id, message.child_frame_id or "base_link"
        self._odometry_frames = (world, base)
        stamp = stamp_to_ns(message.header.stamp)
        self._odometry.add(world, base, stamp, pose, _ODOMETRY_GAP_NS)

    def choose(self, frame_id: str, stamps_ns: Sequence[int]) -> None:
        """Choose the source, when everything was taken in.

        Args:
            frame_id: TF frame of the images.
            stamps_ns: of the images.

        Raises:
            BadRequestError: a source was named and says nothing about this camera.
        """
        self._frame_id = frame_id
        wanted = self._options.source
        if self._trajectory is not None:
            self._source, self._world = "trajectory", self._options.world_frame or "world"
        if wanted == "none":
            self._why_not = "poses are switched off with --poses none"
        if wanted in ("none",) or self._trajectory is not None:
            return
        tried = list(stamps_ns[:: max(1, len(stamps_ns) // _TRIED)])
        reasons = []
        for source in ("tf", "odometry") if wanted == "auto" else (wanted,):
            self._source = source
            self._world = self._tf_world() if source == "tf" else self._odometry_frames[0]
            if source == "odometry":
                self._mount_on_base()
            results = [self.at(stamp) for stamp in tried]
            if any(pose is not None for pose, _ in results):
                self.note = f"poses come from {source}, in the frame '{self._world}'"
                return
            reasons.append(results[len(results) // 2][1] if results else "there is no image")
        self._source = "none"
        self._why_not = "; ".join(dict.fromkeys(reasons))
        if wanted != "auto":
            raise BadRequestError(f"--poses {wanted}: {self._why_not}")

    def _tf_world(self) -> str:
        """Frame that does not move; "" where none is known."""
        if self._options.world_frame:
            return self._options.world_frame
        above = self._tf.above(self._frame_id)
        found = (one for name in _WORLDS for one in above if one.rpartition("/")[2] == name)
        return next(found, "")

    def _mount_on_base(self) -> None:
        base = self._odometry_frames[1]
        if self._options.mount and base:
            self._odometry.add_static(base, self._frame_id, mount_pose(self._options.mount))

    def at(self, stamp_ns: int) -> tuple[Pose | None, str]:
        """Return world_from_camera at a time and "", or None and why there is none."""
        if self._trajectory is not None:
            pose = self._trajectory.at(stamp_ns)
            span = self._trajectory.span()
            why = f"the trajectory ({span}) has no pose at {stamp_ns * 1e-9:.3f} s"
            return pose, "" if pose is not None else why
        if self._source == "none":
            return None, self._why_not
        if self._source == "tf":
            if self._frame_id not in self._tf:
                return None, (
                    f"the bag's TF has no frame {quoted(self._frame_id)}: record /tf and "
                    "/tf_static, or give --poses FILE"
                ) + self._also_refused()
            if not self._world:
                top = self._tf.above(self._frame_id)[-1]
                return None, (
                    f"the bag's TF ends at {quoted(top)}, which may move with the robot, and none "
                    f"of {', '.join(_WORLDS)} is above the camera: record odometry, or name the "
                    "frame that stands still with --world-frame"
                )
            if self._world not in self._tf:
                world = quoted(self._world)
                return None, f"the bag's TF has no frame {world}: name another --world-frame"
            pose, reason = self._tf.lookup(self._world, self._frame_id, stamp_ns)
            return pose, f"TF: {reason}" if reason else ""
        return self._by_odometry(stamp_ns)

    def _by_odometry(self, stamp_ns: int) -> tuple[Pose | None, str]:
        world, base = self._odometry_frames
        if not world:
            return None, "the bag has no odometry: record it, or give --poses FILE" + (
                self._also_refused()
            )
        pose, reason = self._odometry.lookup(world, self._frame_id, stamp_ns)
        if pose is None and self._frame_id not in self._odometry:
            reason = (
                f"odometry knows {quoted(base)}, and nothing says where the camera "
                f"{quoted(self._frame_id)} sits on it: record /tf_static, or give --mount"
            )
        return pose, f"odometry: {reason}" if reason else ""

    def _also_refused(self) -> str:
        return f" ({self._refused})" if self._refused else ""

    @property
    def world_frame(self) -> str:
        """Name of the frame that poses refer to; "" where there are none."""
        return "" if self._source == "none" else self._world
