# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of a frame selection: a contact sheet, and what it covers of the space from above."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

import spatialgeo_ros.drawing.canvas as canvas
from spatialgeo_ros.drawing.map_frame import MapView, draw_scale_bar
from spatialgeo_ros.memory.sampling import SamplingResult

_GROUND: canvas.Colour = (246, 247, 249)
_MISSED: canvas.Colour = (206, 210, 218)
_MARGIN, _GAP, _HEADING, _CAPTION = 28, 10, 62, 26
_COLUMNS = 8
_PANEL = 640


@dataclass(frozen=True)
class Choice:
    """A selection to show.

    Attributes:
        name: heading.
        frames: chosen candidates, ascending.
        captions: below each picture.
        colour: of what it covers.
    """

    name: str
    frames: tuple[int, ...]
    captions: tuple[str, ...]
    colour: canvas.Colour


def contact_sheet(
    choices: Sequence[Choice], thumbnails: Sequence[npt.NDArray[np.uint8]], note: str = ""
) -> npt.NDArray[np.uint8]:
    """Draw the chosen frames of every selection, in the order of time.

    Args:
        choices: the selections, one below the other.
        thumbnails: of all candidates, [h, w, 3] uint8 RGB, of equal width.
        note: last line.

    Returns:
        [H, W, 3] uint8 RGB.
    """
    width = thumbnails[0].shape[1]
    height = max(picture.shape[0] for picture in thumbnails)
    columns = min(_COLUMNS, max(len(choice.frames) for choice in choices))
    rows = [-(-len(choice.frames) // columns) for choice in choices]
    row_height = height + _CAPTION + _GAP
    size = (
        _MARGIN + sum(_HEADING + count * row_height for count in rows) + _MARGIN + _CAPTION,
        2 * _MARGIN + columns * (width + _GAP) - _GAP,
    )
    sheet = np.full((*size, 3), 255, np.uint8)
    y = _MARGIN
    for choice, count in zip(choices, rows, strict=True):
        canvas.disc(sheet, (_MARGIN + 9, y + 14), 9, choice.colour)
        room = size[1] - 2 * _MARGIN - 32
        for line in canvas.wrap(choice.name, 24, room, 1, bold=True):
            canvas.draw_text(sheet, line, (_MARGIN + 30, y), 24, canvas.INK, bold=True)
        y += _HEADING - 16
        for number, (frame, caption) in enumerate(zip(choice.frames, choice.captions, strict=True)):
            left = _MARGIN + number % columns * (width + _GAP)
            top = y + number // columns * row_height
            picture = thumbnails[frame]
            sheet[top : top + picture.shape[0], left : left + width] = picture
            for line in canvas.wrap(caption, 16, width, 1):
                canvas.draw_text(sheet, line, (left, top + height + 5), 16, canvas.MUTED)
        y += count * row_height + 16
    canvas.draw_text(sheet, note, (_MARGIN, size[0] - _MARGIN), 16, canvas.MUTED)
    return sheet


def coverage_picture(
    choices: Sequence[Choice],
    result: SamplingResult,
    positions: npt.NDArray[np.float64],
    metric: bool,
    note: str = "",
) -> npt.NDArray[np.uint8]:
    """Draw from above what each selection covers of the space that all candidates cover.

    A cell's colour is as full as the share of the voxels above it that the selection covers; grey
    cells are seen by other candidates alone.

    Args:
        choices: the selections, one beside the other.
        result: voxels of the candidates.
        positions: [N, 3] of the candidates' cameras, NaN where unknown.
        metric: z points up and lengths are metres; else y points down and there is no scale.
        note: last line.

    Returns:
        [H, W, 3] uint8 RGB.
    """
    axes = (0, 1) if metric else (0, 2)
    everything = result.covered()
    ground = result.centres(everything)[:, axes]
    here = positions[np.isfinite(positions).all(axis=1)][:, axes]
    x0, y0, x1, y1 = _extent(np.concatenate([ground, here]), 2 * result.voxel_size)
    panel_height = round(np.clip(_PANEL * (y1 - y0) / (x1 - x0), 320, 900))
    top = _MARGIN + _HEADING
    shape = (top + panel_height + 90, _MARGIN + len(choices) * (_PANEL + _MARGIN), 3)
    picture = np.full(shape, 255, np.uint8)
    total = _columns(result, everything, axes)
    for number, choice in enumerate(choices):
        left = _MARGIN + number * (_PANEL + _MARGIN)
        view = MapView.fit((left, top, left + _PANEL, top + panel_height), (x0, y0, x1, y1))
        covered = _columns(result, result.covered(choice.frames), axes)
        _paint(picture, view, result, axes, covered, total, choice.colour)
        _draw_cameras(picture, view, positions[list(choice.frames)][:, axes])
        count = f"{result.covered(choice.frames).size} of {everything.size} voxels"
        for line in canvas.wrap(choice.name, 24, _PANEL, 1, bold=True):
            canvas.draw_text(picture, line, (left, _MARGIN - 6), 24, canvas.INK, bold=True)
        canvas.draw_text(picture, count, (left, _MARGIN + 26), 18, canvas.MUTED)
        if metric:
            draw_scale_bar(picture, view, 1.0)
    legend = "full colour: every voxel above the cell is covered; grey: none of them is"
    canvas.draw_text(picture, legend, (_MARGIN, shape[0] - 56 + 26), 16, canvas.MUTED)
    right = shape[1] - _MARGIN - canvas.text_width(note, 16)
    canvas.draw_text(picture, note, (right, shape[0] - 56 + 26), 16, canvas.MUTED)
    return picture


def _extent(points: npt.NDArray[np.float64], margin: float) -> tuple[float, float, float, float]:
    (x0, y0), (x1, y1) = points.min(axis=0) - margin, points.max(axis=0) + margin
    return float(x0), float(y0), float(x1), float(y1)


def _columns(
    result: SamplingResult, cells: npt.NDArray[np.int64], axes: tuple[int, int]
) -> npt.NDArray[np.int64]:
    """Count the voxels above each ground cell, [side of axis 0, side of axis 1]."""
    index = np.unravel_index(cells, result.sides)
    shape = (result.sides[axes[0]], result.sides[axes[1]])
    counts = np.zeros(shape, np.int64)
    np.add.at(counts, (index[axes[0]], index[axes[1]]), 1)
    return counts


def _paint(
    picture: npt.NDArray[np.uint8],
    view: MapView,
    result: SamplingResult,
    axes: tuple[int, int],
    covered: npt.NDArray[np.int64],
    total: npt.NDArray[np.int64],
    colour: canvas.Colour,
) -> None:
    """Fill a panel with the shares of voxels that are covered."""
    left, top, right, bottom = view.area
    share = np.divide(covered, total, out=np.zeros(total.shape), where=total > 0)[..., None]
    shades = np.array(_MISSED) + (np.array(colour, np.float64) - _MISSED) * share
    shades[total == 0] = _GROUND
    shades = np.pad(shades, ((0, 1), (0, 1), (0, 0)), constant_values=0)
    shades[-1], shades[:, -1] = _GROUND, _GROUND  # what lies outside the grid
    x = view.x0 + (np.arange(right - left) + 0.5) / view.scale
    y = view.y1 - (np.arange(bottom - top) + 0.5) / view.scale
    columns = _cells(x, result, axes[0])
    rows = _cells(y, result, axes[1])
    painted = shades[columns[None, :], rows[:, None]]
    picture[top:bottom, left:right] = painted.round().astype(np.uint8)
    cv2.rectangle(picture, (left, top), (right - 1, bottom - 1), canvas.MUTED, 1)


def _cells(
    values: npt.NDArray[np.floating], result: SamplingResult, axis: int
) -> npt.NDArray[np.int64]:
    """Cell of each coordinate along an axis; -1 outside the grid."""
    index = np.floor((values - float(result.bbox[0][axis])) / result.voxel_size).astype(np.int64)
    return np.where((index >= 0) & (index < result.sides[axis]), index, -1)


def _draw_cameras(
    picture: npt.NDArray[np.uint8], view: MapView, places: npt.NDArray[np.float64]
) -> None:
    known = places[np.isfinite(places).all(axis=1)]
    for at in view.pixels(known) if len(known) else ():
        canvas.disc(picture, at, 5, canvas.INK, canvas.PAPER)
