# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What small things stand on: furniture with open boards, and the level surfaces of furniture."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.sim.furniture import COLOURS, Part, Size
from spatialgeo_ros.sim.room import SceneObject

_BOARD = 0.02  # thickness of a board, metres


@dataclass(frozen=True)
class Surface:
    """A level rectangle that carries things.

    Attributes:
        support: name of the object it belongs to, "floor" for the floor.
        kind: kind of that object.
        centre: [3] of the rectangle in the world frame, metres.
        yaw: of the rectangle about world z, radians; the open front is at its -y.
        half: half width and half depth, metres.
        headroom: free height above it, metres.
        back: whether an upright face rises along +y that things can lean on.
        sides: whether upright faces rise along -x and +x.
    """

    support: str
    kind: str
    centre: tuple[float, float, float]
    yaw: float
    half: tuple[float, float]
    headroom: float = math.inf
    back: bool = False
    sides: bool = False

    def place(self, x: float, y: float) -> tuple[float, float]:
        """World x, y of a place in the rectangle's own frame, metres."""
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        return self.centre[0] + c * x - s * y, self.centre[1] + s * x + c * y


def _board(w: float, d: float, z: float, rgb: tuple[float, float, float]) -> Part:
    return Part("box", (w / 2, d / 2, _BOARD / 2), (0.0, 0.0, z - _BOARD / 2), rgb)


def open_shelf(size: Size, colour: str, boards: int) -> list[Part]:
    """A shelf without anything in it; ``boards`` counts its levels with the uppermost."""
    w, d, h = size
    rgb = COLOURS[colour]
    parts = [
        Part("box", (_BOARD / 2, d / 2, h / 2), (side * (w - _BOARD) / 2, 0.0, h / 2), rgb)
        for side in (-1, 1)
    ]
    back = (w / 2 - _BOARD, _BOARD / 4, h / 2)
    parts.append(Part("box", back, (0.0, (d - _BOARD / 2) / 2, h / 2), rgb))
    parts += [_board(w - 2 * _BOARD, d - _BOARD / 2, z, rgb) for z in board_heights(h, boards)]
    return parts


def board_heights(height: float, boards: int) -> list[float]:
    """Upper faces of the boards of a shelf of ``height`` metres, lowest first."""
    lowest = 0.08
    step = (height - lowest) / (boards - 1)
    return [lowest + k * step for k in range(boards)]


def wall_shelf(size: Size, colour: str, top: float) -> list[Part]:
    """A board on two brackets whose upper face is ``top`` metres above the floor."""
    w, d, h = size
    rgb = COLOURS[colour]
    parts = [_board(w, d, top, rgb)]
    for side in (-1, 1):
        half = (0.012, d / 2, (h - _BOARD) / 2)
        at = (side * 0.35 * w, 0.0, top - _BOARD - (h - _BOARD) / 2)
        parts.append(Part("box", half, at, (0.35, 0.35, 0.37)))
    return parts


def windowsill(size: Size, top: float) -> list[Part]:
    """A sill whose upper face is ``top`` metres above the floor, with a lip below its front."""
    w, d, h = size
    stone = (0.80, 0.79, 0.76)
    lip = Part("box", (w / 2, 0.012, h / 2), (0.0, -d / 2 + 0.012, top - h / 2), stone)
    return [_board(w, d, top, stone), lip]


def surfaces(thing: SceneObject) -> list[Surface]:
    """Level surfaces of a piece of furniture; none for kinds that carry nothing."""
    w, d, h = thing.size

    def level(
        z: float,
        half: tuple[float, float],
        y: float = 0.0,
        headroom: float = math.inf,
        back: bool = False,
        sides: bool = False,
    ) -> Surface:
        c, s = math.cos(thing.yaw), math.sin(thing.yaw)
        centre = (thing.centre[0] - s * y, thing.centre[1] + c * y, z)
        return Surface(thing.name, thing.kind, centre, thing.yaw, half, headroom, back, sides)

    top = thing.centre[2] + h / 2
    if thing.kind in ("table", "cabinet"):
        return [level(top, (w / 2, d / 2))]
    if thing.kind == "chair":
        return [level(0.485, (w / 2, d / 2 - 0.04), -0.02, back=True)]
    if thing.kind in ("wall shelf", "windowsill"):
        return [level(top, (w / 2, d / 2), back=True)]
    if thing.kind == "shelf":
        boards = sum(part.half[2] == _BOARD / 2 for part in thing.parts)
        levels = board_heights(h, boards)
        room = levels[1] - levels[0] - _BOARD
        half = (w / 2 - _BOARD, (d - _BOARD / 2) / 2)
        within = [level(z, half, -_BOARD / 4, room, back=True, sides=True) for z in levels[:-1]]
        return [*within, level(levels[-1], half, -_BOARD / 4)]
    return []


def rectangle(x: float, y: float, half: tuple[float, float], yaw: float) -> NDArray[np.float64]:
    """Corners [4, 2] of a turned rectangle in the order around it."""
    c, s = math.cos(yaw), math.sin(yaw)
    signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * np.array(half)
    return signs @ np.array([[c, s], [-s, c]]) + np.array([x, y])


def apart(a: NDArray[np.float64], b: NDArray[np.float64], gap: float) -> bool:
    """Tell whether two rectangles [4, 2] are more than ``gap`` metres apart along some edge.

    The separating-axis test of convex shapes (Ericson, Real-Time Collision Detection, 2004, 5.2.1).
    """
    for corners in (a, b):
        for k in (0, 1):
            edge = corners[k + 1] - corners[k]
            axis = np.array([-edge[1], edge[0]]) / np.hypot(*edge)
            pa, pb = a @ axis, b @ axis
            if pa.min() - pb.max() > gap or pb.min() - pa.max() > gap:
                return True
    return False
