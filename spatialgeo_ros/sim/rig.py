# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The robot's camera mount and the smooth path the robot drives through a room."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.sim.room import Room

#: Nominal mount of the camera: metres above the floor and radians of downward tilt.
MOUNT_HEIGHT = 0.9
MOUNT_PITCH = math.radians(12.0)


def default_camera(width: int = 640, height: int = 480, focal: float = 525.0) -> PinholeCamera:
    """Return the simulated camera; ``focal`` is in pixels of a 640 pixel wide image."""
    f = focal * width / 640
    return PinholeCamera(width, height, f, f, (width - 1) / 2, (height - 1) / 2)


def camera_pose(
    x: float,
    y: float,
    yaw: float,
    height: float = MOUNT_HEIGHT,
    pitch: float = MOUNT_PITCH,
    roll: float = 0.0,
) -> Pose:
    """Pose of the optical frame in the world for a base at (x, y) that heads along ``yaw``.

    Args:
        x: of the base, metres.
        y: of the base, metres.
        yaw: heading, radians counter-clockwise from world x.
        height: of the camera above the floor, metres.
        pitch: downward tilt, radians.
        roll: clockwise as the camera sees it, radians.
    """
    ahead, drop = math.cos(pitch), math.sin(pitch)
    forward = np.array([math.cos(yaw) * ahead, math.sin(yaw) * ahead, -drop])
    right = np.array([math.sin(yaw), -math.cos(yaw), 0.0])
    down = np.cross(forward, right)
    c, s = math.cos(roll), math.sin(roll)
    axes = np.stack([c * right + s * down, -s * right + c * down, forward], axis=1)
    return Pose(axes, np.array([x, y, height]))


def base_pose(x: float, y: float, yaw: float) -> Pose:
    """Pose of base_link (x forward, z up, on the floor) in the world."""
    c, s = math.cos(yaw), math.sin(yaw)
    return Pose(np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]), np.array([x, y, 0.0]))


@dataclass(frozen=True)
class BaseState:
    """Where the base is: metres and radians in the world frame."""

    x: float
    y: float
    yaw: float


class RobotPath:
    """A closed, smooth loop around the room that keeps clear of the furniture.

    The base is holonomic: it drives the loop while its heading sweeps over the far side of the
    room, so the camera sees most of the furniture in one lap.

    Args:
        room: the room to drive in.
        speed: along the loop, metres per second.
        clearance: radius of the robot, metres.

    Raises:
        ValueError: when the room has no free loop and no free place to turn on the spot.
    """

    def __init__(self, room: Room, speed: float = 0.4, clearance: float = 0.25) -> None:
        self._points = _loop(room, clearance)
        closed = np.vstack([self._points, self._points[:1]])
        steps = np.linalg.norm(np.diff(closed, axis=0), axis=1)
        self._arc = np.concatenate([[0.0], np.cumsum(steps)])
        self._closed = closed
        self.length = float(self._arc[-1])
        # A loop of a single place is a turn on the spot: one turn in 20 s.
        self.period = self.length / speed if self.length > 0 else 20.0
        self._speed = speed

    def at(self, t: float) -> BaseState:
        """Return the state of the base at ``t`` seconds; the loop repeats."""
        phase = (t % self.period) / self.period
        if self.length == 0:
            x, y = self._points[0]
            return BaseState(float(x), float(y), _wrap(2 * math.pi * phase))
        s = phase * self.length
        x = float(np.interp(s, self._arc, self._closed[:, 0]))
        y = float(np.interp(s, self._arc, self._closed[:, 1]))
        # Look across the room, sweeping 35 degrees to each side three times a lap.
        sweep = math.radians(35) * math.sin(3 * 2 * math.pi * phase)
        return BaseState(x, y, _wrap(math.atan2(-y, -x) + sweep))


def _wrap(angle: float) -> float:
    return (angle + math.pi) % (2 * math.pi) - math.pi


def _loop(room: Room, clearance: float) -> np.ndarray:
    """Waypoints around the room's middle, smoothed as long as they stay clear, [N, 2]."""
    angles = np.linspace(-math.pi, math.pi, 72, endpoint=False)
    reach = 0.5 * math.hypot(room.width, room.depth)
    for inner in (0.9, 0.6, 0.3):
        radii: list[float] = []
        for angle in angles:
            candidates = np.arange(reach, inner - 1e-9, -0.05)
            free = [
                r
                for r in candidates
                if room.is_free(r * math.cos(angle), r * math.sin(angle), clearance)
            ]
            if not free:
                break
            radii.append(float(free[0]))
        if len(radii) < len(angles):
            continue
        points = np.array(
            [[r * math.cos(a), r * math.sin(a)] for r, a in zip(radii, angles, strict=True)]
        )
        smooth = _smooth(room, points, clearance)
        if smooth is not None:
            return smooth
    for x, y in sorted(
        ((x, y) for x in np.arange(-2.5, 2.6, 0.1) for y in np.arange(-2.5, 2.6, 0.1)),
        key=lambda place: math.hypot(*place),
    ):
        if room.is_free(float(x), float(y), clearance):
            return np.array([[x, y]])
    raise ValueError(f"room {room.seed} has no free place of radius {clearance} m")


def _smooth(room: Room, points: np.ndarray, clearance: float) -> np.ndarray | None:
    """Relax the loop towards the mean of its neighbours; None when a stretch is not free."""
    current = points.copy()
    for _ in range(60):
        target = 0.5 * current + 0.25 * (np.roll(current, 1, 0) + np.roll(current, -1, 0))
        moved = [
            new if room.is_free(float(new[0]), float(new[1]), clearance) else old
            for old, new in zip(current, target, strict=True)
        ]
        current = np.array(moved)
    following = np.roll(current, -1, 0)
    for start, end in zip(current, following, strict=True):
        for fraction in (0.25, 0.5, 0.75):
            x, y = start + fraction * (end - start)
            if not room.is_free(float(x), float(y), clearance * 0.8):
                return None
    return current
