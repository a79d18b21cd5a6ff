# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Boxes of the object map on the top-down map: in view, remembered (paler) and gone (crossed)."""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

import spatialgeo_ros.drawing.canvas as canvas
from spatialgeo_ros.drawing.map_frame import MapView


class BoxState(enum.Enum):
    """How a box is drawn; the value is what the legend calls it."""

    VISIBLE = "in view"
    REMEMBERED = "remembered"
    GONE = "gone"
    TAKEN = "was here, taken away"  # the truth: no box of the map


@dataclass(frozen=True, eq=False)
class MapBox:
    """A box of the object map, seen from above, in the world frame.

    Attributes:
        label: what it is called; "" for no name.
        centre: ``[2 or 3]`` metres.
        size: width and depth, metres.
        yaw: radians, counter-clockwise.
        state: how it is drawn.
    """

    label: str
    centre: npt.NDArray[np.floating]
    size: tuple[float, float]
    yaw: float
    state: BoxState


_FILLS: dict[BoxState, tuple[canvas.Colour, float]] = {
    BoxState.VISIBLE: ((20, 110, 200), 0.75),
    BoxState.REMEMBERED: ((20, 110, 200), 0.25),
    BoxState.GONE: ((120, 126, 138), 0.15),
}
_RIMS: dict[BoxState, canvas.Colour] = {
    BoxState.VISIBLE: (12, 74, 140),
    BoxState.REMEMBERED: (110, 160, 205),
    BoxState.GONE: (214, 40, 70),
    BoxState.TAKEN: canvas.MUTED,
}


def box_label(label: str, colour: str, state: BoxState) -> str:
    """Return what a box is called: "red chair, gone"."""
    name = f"{colour} {label}" if colour and colour not in label else label
    return f"{name}, gone" if state is BoxState.GONE else name


def footprint(
    centre: npt.NDArray[np.floating], size: tuple[float, float], yaw: float
) -> list[npt.NDArray[np.float64]]:
    """Return the corners of a footprint in order, metres."""
    c, s = math.cos(yaw), math.sin(yaw)
    turn = np.array([[c, -s], [s, c]])
    halves = np.array(size) / 2
    signs = ((1, 1), (-1, 1), (-1, -1), (1, -1))
    return [np.asarray(centre[:2]) + turn @ (halves * sign) for sign in signs]


def draw_box(picture: npt.NDArray[np.uint8], view: MapView, box: MapBox, unit: float) -> None:
    """Draw a box on the map area."""
    _draw(picture, view.pixels(footprint(box.centre, box.size, box.yaw), local=True), box.state,
          unit)  # fmt: skip


def draw_box_legend(
    picture: npt.NDArray[np.uint8],
    at: canvas.Point,
    boxes: Sequence[MapBox],
    has_truth: bool,
    unit: float,
) -> float:
    """Explain the boxes that are there, right of the map; return where the next line goes."""
    x, y = at
    size, row = 15 * unit, 25 * unit
    canvas.draw_text(picture, "Object map", (x, y), 18 * unit, canvas.INK, bold=True)
    y += 32 * unit
    for state in BoxState:
        if any(box.state is state for box in boxes):
            _draw(picture, _plate(x, y, unit), state, unit)
            canvas.draw_text(picture, state.value, (x + 34 * unit, y), size, canvas.INK)
            y += row
    if has_truth:
        canvas.polyline(picture, _plate(x, y, unit), canvas.INK, 1.8 * unit, closed=True)
        canvas.draw_text(picture, "true object", (x + 34 * unit, y), size, canvas.INK)
        y += row
    return y + 12 * unit


def _plate(x: float, y: float, unit: float) -> list[canvas.Point]:
    right, bottom = x + 24 * unit, y + 18 * unit
    return [(x, y), (right, y), (right, bottom), (x, bottom)]


def _draw(
    picture: npt.NDArray[np.uint8], outline: list[canvas.Point], state: BoxState, unit: float
) -> None:
    rim = _RIMS[state]
    if state in _FILLS:
        mask = np.zeros(picture.shape[:2], np.uint8)
        canvas.polygon(mask, outline, (255, 255, 255))
        colour, strength = _FILLS[state]
        canvas.tint(picture, mask > 127, colour, strength)
    if state is BoxState.TAKEN:
        _dashes(picture, outline, rim, unit)
        return
    canvas.polyline(picture, outline, rim, 2 * unit, closed=True)
    if state is BoxState.GONE:
        for start, end in ((0, 2), (1, 3)):
            canvas.polyline(picture, [outline[start], outline[end]], rim, 2 * unit)


def _dashes(
    picture: npt.NDArray[np.uint8], outline: list[canvas.Point], rim: canvas.Colour, unit: float
) -> None:
    """Draw a dashed outline."""
    for start, end in zip(outline, [*outline[1:], outline[0]], strict=True):
        length = math.dist(start, end)
        steps = max(1, round(length / (8 * unit)))
        points = np.linspace(start, end, 2 * steps)
        for k in range(0, 2 * steps, 2):
            dash = [(float(px), float(py)) for px, py in points[k : k + 2]]
            canvas.polyline(picture, dash, rim, 1.8 * unit)
