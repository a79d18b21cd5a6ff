# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What surrounds the top-down map: scale and grid in metres, title, scale bar, legend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

import spatialgeo_ros.drawing.canvas as canvas

#: Colour of the robot and of what was measured.
ACCENT: canvas.Colour = (214, 40, 70)
_GRID: canvas.Colour = (191, 194, 200)
_FRAME: canvas.Colour = (190, 196, 206)


@dataclass(frozen=True)
class MapView:
    """Where metres lie on the picture; y grows upwards in the world and downwards in pixels."""

    area: tuple[int, int, int, int]
    x0: float
    y1: float
    scale: float  # pixels per metre

    @classmethod
    def fit(cls, area: canvas.Rect, extent: tuple[float, float, float, float]) -> MapView:
        """Show the world rectangle ``extent`` (x0, y0, x1, y1) as large as ``area`` allows."""
        left, top, right, bottom = (round(v) for v in area)
        x0, y0, x1, y1 = extent
        scale = min((right - left) / (x1 - x0), (bottom - top) / (y1 - y0))
        # Centre what is shown: the shorter side gets the rest of the room on both ends.
        spare_x = (right - left) / scale - (x1 - x0)
        spare_y = (bottom - top) / scale - (y1 - y0)
        return cls((left, top, right, bottom), x0 - spare_x / 2, y1 + spare_y / 2, scale)

    def pixels(self, points: npt.ArrayLike, local: bool = False) -> list[canvas.Point]:
        """Pixels of world points ``[N, 2 or 3]``, of the picture or of the map area alone."""
        xy = np.asarray(points, np.float64).reshape(-1, np.shape(points)[-1])[:, :2]
        at = np.stack([(xy[:, 0] - self.x0), (self.y1 - xy[:, 1])], axis=1) * self.scale
        return [(x, y) for x, y in (at if local else at + self.area[:2]).tolist()]


def spread_colours(count: int) -> list[canvas.Colour]:
    """Colours along a scale from old (blue) to new (red), apart from each other."""
    if count == 0:
        return []
    steps = np.linspace(18, 232, count) if count > 1 else np.array([60.0])
    table = cv2.applyColorMap(steps.round().astype(np.uint8)[:, None], cv2.COLORMAP_TURBO)
    return [(int(r), int(g), int(b)) for b, g, r in table[:, 0]]


def map_area(picture: npt.NDArray[np.uint8], view: MapView) -> npt.NDArray[np.uint8]:
    """View of the map area alone, so that nothing is drawn over the margins."""
    left, top, right, bottom = view.area
    return picture[top:bottom, left:right]


def draw_title(picture: npt.NDArray[np.uint8], title: str, subtitle: str, unit: float) -> float:
    """Write the lines above the map and return where the map may begin."""
    margin = 64 * unit
    y = 20 * unit
    room = picture.shape[1] - 1.5 * margin
    for line in canvas.wrap(title, 26 * unit, room, 2, bold=True):
        canvas.draw_text(picture, line, (margin, y), 26 * unit, canvas.INK, bold=True)
        y += 34 * unit
    for line in canvas.wrap(subtitle, 18 * unit, room, 2):
        canvas.draw_text(picture, line, (margin, y), 18 * unit, canvas.MUTED)
        y += 25 * unit
    return y + 10 * unit


def draw_grid(picture: npt.NDArray[np.uint8], view: MapView, unit: float) -> None:
    """Draw grid lines over the coverage and their metres along the lower and left border."""
    left, top, right, bottom = view.area
    step = _round_step(90 * unit / view.scale)
    size = 14 * unit
    x = math.ceil(view.x0 / step) * step
    while (at := left + (x - view.x0) * view.scale) < right:
        column = picture[top:bottom, round(at)]
        column[:] = (column * 0.55 + np.array(_GRID) * 0.45).astype(np.uint8)
        text = f"{x:g}"
        shift = canvas.text_width(text, size) / 2
        canvas.draw_text(picture, text, (at - shift, bottom + 6 * unit), size, canvas.MUTED)
        x = round(x + step, 6)
    y = math.floor(view.y1 / step) * step
    while (at := top + (view.y1 - y) * view.scale) < bottom:
        row = picture[round(at), left:right]
        row[:] = (row * 0.55 + np.array(_GRID) * 0.45).astype(np.uint8)
        text = f"{y:g}"
        shift = canvas.text_width(text, size) + 8 * unit
        canvas.draw_text(picture, text, (left - shift, at - size * 0.6), size, canvas.MUTED)
        y = round(y - step, 6)
    corners = [(left, top), (right - 1, top), (right - 1, bottom - 1), (left, bottom - 1)]
    canvas.polyline(picture, corners, _FRAME, 1, closed=True)
    canvas.draw_text(picture, "y / m", (8 * unit, top - 2 * unit), size, canvas.MUTED)
    at = right - canvas.text_width("x / m", size)
    canvas.draw_text(picture, "x / m", (at, bottom + 28 * unit), size, canvas.MUTED)


def draw_scale_bar(picture: npt.NDArray[np.uint8], view: MapView, unit: float) -> None:
    """Draw a bar of a round length in metres below the map."""
    left, _, _, bottom = view.area
    length = _round_step(110 * unit / view.scale)
    pixels = length * view.scale
    x, y = left, bottom + 40 * unit
    for start, fill in ((0.0, canvas.INK), (0.5, canvas.PAPER)):
        bar = (x + start * pixels, y - 3 * unit, x + (start + 0.5) * pixels, y + 3 * unit)
        canvas.rounded_rectangle(picture, bar, 0, fill)
    corners = [(x, y - 3 * unit), (x + pixels, y - 3 * unit), (x + pixels, y + 3 * unit),
               (x, y + 3 * unit)]  # fmt: skip
    canvas.polyline(picture, corners, canvas.INK, 1, closed=True)
    size = 15 * unit
    at = (x + pixels + 10 * unit, y - size * 0.6)
    canvas.draw_text(picture, f"{length:g} m", at, size, canvas.INK)


def draw_legend(
    picture: npt.NDArray[np.uint8],
    view: MapView,
    labels: Sequence[str],
    colours: Sequence[canvas.Colour],
    has_track: bool,
    has_robot: bool,
    unit: float,
    *,
    top: float,
    quiet: bool = False,
) -> None:
    """List the keyframes with their colours, then the other symbols, right of the map.

    Args:
        picture: drawn on.
        view: where the map lies.
        labels: of the keyframes.
        colours: of the keyframes.
        has_track: whether the map shows a path.
        has_robot: whether it shows the robot.
        unit: pixels of the picture for one of a picture of 1200 x 900.
        top: where the legend begins, pixels.
        quiet: nothing is said about keyframes where there are none.
    """
    x, y = view.area[2] + 26 * unit, top
    room = picture.shape[1] - x - 44 * unit
    size, row = 15 * unit, 25 * unit
    if labels or not quiet:
        heading = "Keyframes" if labels else "No keyframes yet"
        canvas.draw_text(picture, heading, (x, y), 18 * unit, canvas.INK, bold=True)
        y += 32 * unit
    notes = 110 * unit
    lines = max(1, int((picture.shape[0] - y - notes) / row))
    shown = len(labels) if len(labels) <= lines else lines - 1
    for number, (label, colour) in enumerate(zip(labels, colours, strict=True), 1):
        if number > shown:
            rest = f"and {len(labels) - shown} more"
            canvas.draw_text(picture, rest, (x, y), size, canvas.MUTED)
            y += row
            break
        plate = (x, y - 1 * unit, x + 24 * unit, y + 19 * unit)
        canvas.rounded_rectangle(picture, plate, 5 * unit, colour)
        ink, at = canvas.readable_on(colour), x + 12 * unit
        shift = canvas.text_width(str(number), 13 * unit, bold=True) / 2
        canvas.draw_text(
            picture, str(number), (at - shift, y + 2 * unit), 13 * unit, ink, bold=True
        )
        text = canvas.wrap(label, size, room, 1)
        canvas.draw_text(picture, "".join(text), (x + 34 * unit, y), size, canvas.INK)
        y += row
    y += 12 * unit
    if has_track:
        stroke = [(x, y + 9 * unit), (x + 18 * unit, y + 9 * unit)]
        canvas.polyline(picture, stroke, canvas.INK, 2 * unit)
        canvas.draw_text(picture, "path", (x + 34 * unit, y), size, canvas.INK)
        y += row
    if has_robot:
        arrow = [(x + a * unit, y + b * unit) for a, b in ((18, 9), (2, 16), (6, 9), (2, 2))]
        canvas.polygon(picture, arrow, ACCENT)
        canvas.draw_text(picture, "robot now", (x + 34 * unit, y), size, canvas.INK)
        y += row
    if labels:
        canvas.draw_text(
            picture, "pale: floor, full: 1.2 m and up", (x, y), 13 * unit, canvas.MUTED
        )


def _round_step(least: float) -> float:
    """Smallest of 1, 2, 5 times a power of ten (at least 0.5 m) that is ``least`` or more."""
    for exponent in range(-1, 6):
        for digit in (1, 2, 5):
            step = digit * 10.0**exponent
            if step >= max(least, 0.5):
                return step
    return least
