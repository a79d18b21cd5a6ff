# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rigid poses (parent_from_child), their interpolation in time, and what gravity looks like.

World frames follow REP-103 (z up); camera frames are optical (x right, y down, z forward).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pose:
    """A rigid transform ``parent_from_child``: ``p_parent = rotation @ p_child + translation``.

    Attributes:
        rotation: [3, 3] float64, orthonormal with determinant +1.
        translation: [3] float64, metres.
    """

    rotation: Array = field(default_factory=lambda: np.eye(3))
    translation: Array = field(default_factory=lambda: np.zeros(3))

    def __post_init__(self) -> None:
        rotation = np.array(self.rotation, np.float64).reshape(3, 3)
        translation = np.array(self.translation, np.float64).reshape(3)
        if not (np.isfinite(rotation).all() and np.isfinite(translation).all()):
            raise ValueError("pose is not finite")
        if np.abs(rotation @ rotation.T - np.eye(3)).max() > 1e-3 or np.linalg.det(rotation) < 0:
            raise ValueError("rotation of a pose must be orthonormal with determinant +1")
        rotation.flags.writeable = False
        translation.flags.writeable = False
        object.__setattr__(self, "rotation", rotation)
        object.__setattr__(self, "translation", translation)

    @classmethod
    def identity(cls) -> Pose:
        """Return the pose that changes nothing."""
        return cls()

    @classmethod
    def from_quaternion(cls, xyzw: ArrayLike, translation: ArrayLike = (0.0, 0.0, 0.0)) -> Pose:
        """Build from a quaternion in ROS order (x, y, z, w); it is normalised here.

        Raises:
            ValueError: the quaternion has no direction (an unfilled message is all zero).
        """
        q = np.asarray(xyzw, np.float64).reshape(4)
        norm = float(np.linalg.norm(q))
        if not np.isfinite(norm) or norm < 1e-6:
            raise ValueError(f"quaternion {q.tolist()} has no direction; the pose was not filled")
        x, y, z, w = q / norm
        rotation = np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
            ]
        )
        return cls(rotation, np.asarray(translation, np.float64))

    @classmethod
    def from_matrix(cls, matrix: ArrayLike) -> Pose:
        """Build from a homogeneous [4, 4] matrix; rounding in its rotation is projected away.

        Raises:
            ValueError: the upper left block is not a rotation (to 1e-3).
        """
        m = np.asarray(matrix, np.float64).reshape(4, 4)
        pose = cls(m[:3, :3], m[:3, 3])
        u, _, vt = np.linalg.svd(pose.rotation)  # nearest rotation in the Frobenius norm
        return cls(u @ vt, pose.translation)

    @property
    def matrix(self) -> Array:
        """Homogeneous matrix [4, 4]."""
        m = np.eye(4)
        m[:3, :3] = self.rotation
        m[:3, 3] = self.translation
        return m

    def quaternion(self) -> Array:
        """Return the rotation as a unit quaternion (x, y, z, w) with w >= 0.

        The largest component is found first, so no division loses precision (Shepperd 1978).
        """
        r = self.rotation
        trace = np.trace(r)
        squares = np.array([*(2 * np.diag(r) - trace), trace])  # 4 q_i^2 - 1
        i = int(np.argmax(squares))
        q = np.empty(4)
        if i == 3:
            q[:3] = (r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1])
            q[3] = 1 + trace
        else:
            j, k = (i + 1) % 3, (i + 2) % 3
            q[i] = 1 + squares[i]
            q[j] = r[j, i] + r[i, j]
            q[k] = r[k, i] + r[i, k]
            q[3] = r[k, j] - r[j, k]
        q /= np.linalg.norm(q)
        return -q if q[3] < 0 else q

    def inverse(self) -> Pose:
        """Return ``child_from_parent``."""
        return Pose(self.rotation.T, -self.rotation.T @ self.translation)

    def __matmul__(self, other: Pose) -> Pose:
        """Chain: ``a_from_b @ b_from_c == a_from_c``."""
        return Pose(
            self.rotation @ other.rotation, self.rotation @ other.translation + self.translation
        )

    def apply(self, points: ArrayLike) -> Array:
        """Transform points [..., 3] (metres); the dtype of float32 input is kept."""
        p = np.asarray(points)
        dtype = np.float32 if p.dtype == np.float32 else np.float64
        return p @ self.rotation.T.astype(dtype) + self.translation.astype(dtype)


#: Body axes (x forward, y left, z up) from optical axes (x right, y down, z forward), REP-103.
BODY_FROM_OPTICAL = Pose(np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]))


def interpolate(a: Pose, b: Pose, t: float) -> Pose:
    """Pose between ``a`` (t = 0) and ``b`` (t = 1): straight line and great arc (slerp)."""
    qa, qb = a.quaternion(), b.quaternion()
    dot = float(qa @ qb)
    if dot < 0:  # q and -q are the same rotation: take the short way round
        qb, dot = -qb, -dot
    angle = np.arccos(min(1.0, dot))
    if angle < 1e-6:
        q = qa + t * (qb - qa)
    else:
        q = (np.sin((1 - t) * angle) * qa + np.sin(t * angle) * qb) / np.sin(angle)
    return Pose.from_quaternion(q, a.translation + t * (b.translation - a.translation))


def gravity_in_camera(world_from_camera: Pose) -> Array:
    """Direction in which things fall, as a unit vector [3] in the camera optical frame.

    The world has z up (REP-103). A level camera sees (0, 1, 0): its y axis points down.
    """
    return -world_from_camera.rotation[2].copy()


def level_frame(gravity: ArrayLike) -> Array:
    """Rotation [3, 3] ``level_from_camera`` that takes roll and pitch out of camera coordinates.

    Axes of the level frame: x right, y down along gravity, z forward in the horizontal plane (the
    camera's heading). A camera that looks straight down or up has its image's vertical as heading.

    Args:
        gravity: direction of falling [3] in the camera optical frame, any length.

    Raises:
        ValueError: gravity is zero or not finite.
    """
    g = np.asarray(gravity, np.float64).reshape(3)
    norm = float(np.linalg.norm(g))
    if not np.isfinite(norm) or norm < 1e-9:
        raise ValueError("gravity must be a finite vector that is not zero")
    down = g / norm
    forward = np.array([0.0, 0.0, 1.0]) - down[2] * down
    if np.linalg.norm(forward) < 1e-3:
        top = np.array([0.0, -np.sign(down[2]), 0.0])
        forward = top - (top @ down) * down
    forward /= np.linalg.norm(forward)
    return np.stack([np.cross(down, forward), down, forward])


def mount_pose(mount: tuple[float, ...]) -> Pose:
    """Return base_from_optical for a mount given as x y z (m) roll pitch yaw (rad), REP-103."""
    return pose_of(mount) @ BODY_FROM_OPTICAL


def pose_of(numbers: tuple[float, ...]) -> Pose:
    """Return the pose of six numbers: x y z (m), then roll pitch yaw about fixed axes (rad)."""
    x, y, z, roll, pitch, yaw = numbers
    (sr, cr), (sp, cp), (sy, cy) = ((np.sin(a), np.cos(a)) for a in (roll, pitch, yaw))
    rotation = np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    )
    return Pose(rotation, np.array([x, y, z]))
