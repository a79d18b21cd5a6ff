# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where the camera is among the walls seen before: takes the drift of poses out of the room.

A robot that measures its way by its wheels believes to be centimetres off after some metres; walls
seen before and after would not close. So each scan is laid onto the walls that are known, as far
as the drift since may have moved it: point-to-line registration (Censi, "An ICP variant using a
point-to-line metric", ICRA 2008) within a Kalman filter of the correction, whose variance grows
with the way and shrinks across the walls in view.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.memory.wall_grid import WallGrid
from spatialgeo_ros.memory.wall_scan import WallScan

Array = npt.NDArray[np.float64]

#: Random walk of a pose, as multiples of its drift's share: metres per root of a metre of the way,
#: radians per root of a metre and of a radian. A share is what is left at the end of a way, where
#: steps have partly made up for each other; after a few metres it is more.
_WAY, _TURN_PER_WAY, _TURN_PER_TURN = 3.0, 1.5, 0.5
_NOISE = 0.02  # m, of a scan's place across a wall, beside what it says itself
_ALIKE = 4.0  # places of a scan err together: as many count as one
_GATE, _MOST_GATE = 0.12, 0.4  # m from a wall that a place may be off
_LEAST_PLACES = 6
_ROUNDS, _NARROWER = 3, 0.6
_HELD = 0.03  # m, a correction that is known so well holds the map together


class Correction:
    """The transform from the drifting world to the room as it was first seen.

    Args:
        drift_share: standard deviation of poses, metres per metre of the way; 0: none is made.
    """

    def __init__(self, drift_share: float) -> None:
        self._share = drift_share
        self._state = np.zeros(3)  # x, y in metres and turn in radians, room from world
        self._covariance = np.zeros((3, 3))

    def reset(self) -> None:
        """Forget the correction."""
        self._state[:] = 0
        self._covariance[:] = 0

    @property
    def sigma(self) -> float:
        """Standard deviation of the camera's place among the walls, metres."""
        return math.sqrt(float(np.linalg.eigvalsh(self._covariance[:2, :2])[-1].clip(0)))

    def apply(self, places: Array) -> Array:
        """Take places [..., 2] from the world to the room."""
        return np.asarray(places @ _rotation(self._state[2]).T + self._state[:2])

    def undo(self, places: Array) -> Array:
        """Take places [..., 2] from the room to the world, as poses say now."""
        return np.asarray((places - self._state[:2]) @ _rotation(self._state[2]))

    @property
    def turn(self) -> float:
        """Radians that headings in the room are more than in the world, as poses say now."""
        return float(self._state[2])

    def pose(self, pose: Pose) -> Pose:
        """Take the pose of a camera from the world to the room."""
        rotation = np.eye(3)
        rotation[:2, :2] = _rotation(self._state[2])
        place = np.array([*self.apply(pose.translation[:2]), pose.translation[2]])
        return Pose(rotation @ pose.rotation, place)

    def applied(self, scan: WallScan) -> WallScan:
        """Return a scan in the room."""
        turn = _rotation(self._state[2]).T
        return WallScan(
            self.apply(scan.origin), scan.directions @ turn, scan.reach, self.apply(scan.places),
            scan.weights, scan.turns @ turn @ turn, scan.shared, scan.heights, scan.ground,
        )  # fmt: skip

    def go(self, place: Array, step: float, turn: float) -> None:
        """Become less sure.

        Args:
            place: [2] of the camera in the world, metres.
            step: of the way since the last image, metres.
            turn: since then, radians.
        """
        along = (_WAY * self._share) ** 2 * step
        around = (_TURN_PER_WAY**2 * step + _TURN_PER_TURN**2 * abs(turn)) * self._share**2
        # A turn of the heading is about the camera, not about the world's origin.
        lever = _lever(self.apply(place))
        self._covariance += lever @ np.diag([along, along, around]) @ lever.T

    def match(self, scan: WallScan, walls: WallGrid) -> bool:
        """Lay a scan onto the walls and tell whether the camera's place is known among them.

        Args:
            scan: in the world; call :meth:`go` before.
            walls: in the room.
        """
        if self._share <= 0:
            return True
        about = self.apply(scan.origin)
        lever = _lever(about)
        back = np.linalg.inv(lever)
        prior = back @ self._covariance @ back.T  # of a shift and a turn about the camera
        prior += np.diag([1e-8, 1e-8, 1e-10])
        gate = min(_MOST_GATE, _GATE + 2 * math.sqrt(float(prior[:2, :2].diagonal().max())))
        clear = np.hypot(*scan.turns.T) > 0.5
        change, information = np.zeros(3), np.zeros((3, 3))
        moved = self.applied(scan)
        for number in range(_ROUNDS):
            # What does not fit once most walls do is a piece of something else.
            within = max(_GATE, gate * _NARROWER**number)
            turned = _rotation(change[2])
            places = (moved.places[clear] - about) @ turned.T + about + change[:2]
            on, normals, apart = walls.nearest(places, moved.turns[clear], within)
            if len(on) < _LEAST_PLACES:
                return False
            sigma = np.hypot(_NOISE, scan.shared[clear][on])
            weights = scan.weights[clear][on] / (_ALIKE * sigma**2)
            weights *= np.minimum(1.0, 2 * sigma / np.maximum(np.abs(apart), 1e-6))
            arms = places[on] - about
            rows = np.column_stack(
                [normals, normals[:, 1] * arms[:, 0] - normals[:, 0] * arms[:, 1]]
            )
            information = rows.T @ (rows * weights[:, None])
            certain = np.linalg.inv(prior)
            wanted = rows.T @ (weights * (rows @ change - apart))
            change = np.linalg.solve(information + certain, wanted)
        turned = _rotation(change[2])
        self._state[:2] = turned @ (self._state[:2] - about) + about + change[:2]
        self._state[2] += change[2]
        covariance = np.linalg.inv(information + np.linalg.inv(prior))
        lever = _lever(self.apply(scan.origin))
        self._covariance = lever @ covariance @ lever.T
        held = float(np.linalg.eigvalsh(covariance[:2, :2])[-1])
        return held < _HELD**2


def _rotation(angle: float) -> Array:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s], [s, c]])


def _lever(about: Array) -> Array:
    """What a shift and a turn about a place do to a transform's x, y and turn, [3, 3]."""
    return np.array([[1.0, 0.0, about[1]], [0.0, 1.0, -about[0]], [0.0, 0.0, 1.0]])
