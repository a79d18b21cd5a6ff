# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures for people: the camera image with what was found and measured in it.

The top-down map of keyframes and coverage is in :mod:`spatialgeo_ros.drawing.map` and offered here
too.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

import spatialgeo_ros.drawing.canvas as canvas
from spatialgeo_ros.errors import BadRegionError
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.distance import DistanceEstimate, Kind
from spatialgeo_ros.geometry.regions import Region, RegionType

#: Surfaces that are not the object, drawn as hatching so that no colour of an object is like them.
SUPPORT_COLOUR: canvas.Colour = (170, 255, 60)
REJECTED_COLOUR: canvas.Colour = (255, 40, 170)
# Below this width in pixels no text fits; such images only get their masks and lines.
_SMALLEST_FOR_TEXT = 160
_NAMES = {
    Kind.NEAREST_POINTS: "gap",
    Kind.HORIZONTAL: "horizontal",
    Kind.VERTICAL: "vertical",
    Kind.WIDTH: "width",
    Kind.HEIGHT: "height",
    Kind.DEPTH_EXTENT: "depth",
}


def draw_overlay(
    image: npt.NDArray[np.uint8],
    *,
    camera: PinholeCamera | None = None,
    regions: Sequence[Region] = (),
    masks: Sequence[npt.NDArray[np.bool_] | None] = (),
    supports: Sequence[npt.NDArray[np.bool_] | None] = (),
    rejected: Sequence[npt.NDArray[np.bool_] | None] = (),
    distances: Sequence[DistanceEstimate] = (),
    question: str = "",
    answer: str = "",
    note: str = "",
) -> npt.NDArray[np.uint8]:
    """Draw objects, measured lines and the dialogue; returns a new picture.

    Args:
        image: ``[H, W, 3]`` uint8 RGB; not changed.
        camera: Calibration of ``image``; without it no measured line can be drawn.
        regions: Objects that were found. Regions outside the image are left out.
        masks: The pixels ``[H, W]`` of each region's object, in the same order; may be shorter,
            None where unknown.
        supports: As ``masks``, the surface that each object stands on, hangs on or lies before.
            Where supports or rejected pixels are given, a legend names them.
        rejected: As ``masks``, what was measured in each region and is neither object nor support.
        distances: What was measured, end points in this camera's optical frame (metres). Invalid
            estimates are left out.
        question: What was asked; with question, answer or note, a strip is added on top.
        answer: What was answered.
        note: Small print of the strip, for example how the distance was measured.

    Returns:
        ``[H + strip, W, 3]`` uint8 RGB.
    """
    picture = np.ascontiguousarray(image).copy()
    height, width = picture.shape[:2]
    unit = max(0.7, height / 480)
    size = 14 * unit
    area = (2 * unit, 2 * unit, width - 2 * unit, height - 2 * unit)
    shown = [
        (region, region.bounds(height, width), canvas.PALETTE[i % len(canvas.PALETTE)], i)
        for i, region in enumerate(regions)
        if _is_visible(region, height, width)
    ]
    explained = [
        (name, colour, rising)
        for name, colour, rising, parts in (
            ("support", SUPPORT_COLOUR, True, supports),
            ("thrown away", REJECTED_COLOUR, False, rejected),
        )
        if _hatch_all(picture, [parts[i] for *_, i in shown if i < len(parts)], colour, rising)
    ]
    for region, box, colour, i in shown:
        mask = masks[i] if i < len(masks) else region.mask
        _draw_object(picture, region, box, mask, colour, unit)
    lines = _project(distances, camera, height, width)
    for start, end, _ in lines:
        canvas.polyline(picture, [start, end], canvas.PAPER, 2.2 * unit, casing=canvas.INK)
        for point in (start, end):
            canvas.disc(picture, point, 3.6 * unit, canvas.PAPER, casing=canvas.INK)
    if width >= _SMALLEST_FOR_TEXT:
        # No label may hide where a line ends.
        reach = 6 * unit
        taken: list[canvas.Rect] = [
            (u - reach, v - reach, u + reach, v + reach)
            for start, end, _ in lines
            for u, v in (start, np.add(start, end) / 2, end)
        ]
        for start, end, text in lines:
            taken.append(_label_line(picture, start, end, text, size * 1.1, taken, area))
        for region, box, colour, _ in shown:
            if region.label:
                taken.append(_label_box(picture, box, region.label, size, colour, taken, area))
        if explained:
            _legend(picture, explained, size, [*taken, *(box for _, box, _, _ in shown)], area)
        if question or answer or note:
            picture = np.vstack([_strip(width, unit, question, answer, note), picture])
    return picture


def distance_text(estimate: DistanceEstimate) -> str:
    """Return what is written at a measured line, for example ``gap 1.23 m ± 0.04``."""
    text = f"{estimate.distance:.2f} m"
    if np.isfinite(estimate.sigma):
        text += f" ± {estimate.sigma:.2f}" if estimate.sigma >= 0.005 else " ± <0.01"
    name = _NAMES.get(Kind(estimate.kind), "")
    return f"{name} {text}".strip()


def _is_visible(region: Region, height: int, width: int) -> bool:
    if region.type is RegionType.PHRASE:
        return False
    try:
        region.bounds(height, width)
    except BadRegionError:
        return False
    return True


def _hatch_period(height: int) -> int:
    """Pixels between the lines of a hatching in a picture of this height."""
    return max(4, round(6 * height / 480))


def _hatch_all(
    picture: npt.NDArray[np.uint8],
    masks: Sequence[npt.NDArray[np.bool_] | None],
    colour: canvas.Colour,
    rising: bool,
) -> bool:
    """Hatch what any mask holds; tell whether there was anything."""
    usable = [mask for mask in masks if mask is not None and mask.shape == picture.shape[:2]]
    if not usable or not (held := np.logical_or.reduce(usable)).any():
        return False
    canvas.tint(picture, held, colour, 0.3)  # single pixels may lie between the lines
    canvas.hatch(picture, held, colour, _hatch_period(picture.shape[0]), rising)
    return True


def _legend(
    picture: npt.NDArray[np.uint8],
    entries: Sequence[tuple[str, canvas.Colour, bool]],
    size: float,
    taken: Sequence[canvas.Rect],
    area: canvas.Rect,
) -> None:
    """Say in a corner which hatching means what."""
    swatch, gap = 1.6 * size, 0.4 * size
    row = 1.5 * size
    width = swatch + 3 * gap + max(canvas.text_width(name, size) for name, _, _ in entries)
    height = row * len(entries) + gap
    corners = [(x, y) for y in (area[3] - height, area[1]) for x in (area[0], area[2] - width)]
    left, top, right, bottom = canvas.place((width, height), corners, taken, area)
    canvas.rounded_rectangle(picture, (left, top, right, bottom), size * 0.3, canvas.INK)
    for k, (name, colour, rising) in enumerate(entries):
        y = top + gap / 2 + k * row
        field = np.zeros(picture.shape[:2], bool)
        first, last = round(y + 0.25 * size), round(y + 1.25 * size)
        field[first:last, round(left + gap) : round(left + gap + swatch)] = True
        canvas.hatch(picture, field, colour, _hatch_period(picture.shape[0]), rising)
        at = (left + swatch + 2 * gap, y + 0.2 * size)
        canvas.draw_text(picture, name, at, size, canvas.PAPER)


def _draw_object(
    picture: npt.NDArray[np.uint8],
    region: Region,
    box: canvas.Rect,
    mask: npt.NDArray[np.bool_] | None,
    colour: canvas.Colour,
    unit: float,
) -> None:
    if mask is not None and mask.shape == picture.shape[:2]:
        canvas.tint(picture, mask, colour, 0.2)
        contours = cv2.findContours(
            mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
        )[0]
        for contour in contours:
            # Specks of a noisy depth edge would only clutter the outline.
            if cv2.contourArea(contour) > 12 * unit * unit:
                canvas.polyline(picture, contour[:, 0].tolist(), colour, 1.6 * unit, closed=True)
    if region.type is RegionType.POINT and region.point is not None:
        canvas.disc(picture, region.point, 4 * unit, colour, casing=canvas.INK)
    elif region.type is RegionType.POLYGON and region.polygon is not None:
        corners = region.polygon.tolist()
        canvas.polyline(picture, corners, colour, 1.6 * unit, casing=canvas.INK, closed=True)
    elif region.type is RegionType.BOX:
        _draw_brackets(picture, box, colour, unit)


def _draw_brackets(
    picture: npt.NDArray[np.uint8], box: canvas.Rect, colour: canvas.Colour, unit: float
) -> None:
    """Draw a box as a fine line with strong corners, which hides least of the object."""
    left, top, right, bottom = box
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    canvas.polyline(picture, corners, colour, 1 * unit, closed=True)
    arm = min(18 * unit, (right - left) / 3, (bottom - top) / 3)
    for x, y in corners:
        dx, dy = (arm if x == left else -arm), (arm if y == top else -arm)
        canvas.polyline(
            picture, [(x + dx, y), (x, y), (x, y + dy)], colour, 2.6 * unit, casing=canvas.INK
        )


def _project(
    distances: Sequence[DistanceEstimate], camera: PinholeCamera | None, height: int, width: int
) -> list[tuple[canvas.Point, canvas.Point, str]]:
    """Return both ends in pixels and the text of each valid estimate that can be seen.

    The camera itself cannot be in its image: a line from it starts at the middle of the lower
    border, as from the robot.
    """
    if camera is None:
        return []
    out = []
    for estimate in distances:
        if not estimate.valid or estimate.point_from is None or estimate.point_to is None:
            continue
        ends = np.stack([estimate.point_from, estimate.point_to]).astype(np.float64)
        pixels = camera.project(ends)
        pixels[ends[:, 2] <= 1e-3] = (width / 2, height - 1)
        if np.isfinite(pixels).all():
            (u0, v0), (u1, v1) = pixels.tolist()
            out.append(((u0, v0), (u1, v1), distance_text(estimate)))
    return out


def _label_line(
    picture: npt.NDArray[np.uint8],
    start: canvas.Point,
    end: canvas.Point,
    text: str,
    size: float,
    taken: Sequence[canvas.Rect],
    area: canvas.Rect,
) -> canvas.Rect:
    width, height = canvas.tag_size(text, size)
    along = np.subtract(end, start)
    length = float(np.hypot(*along))
    across = np.array([-along[1], along[0]]) / length if length > 1 else np.array([0.0, -1.0])
    across *= -1 if across[1] > 0 else 1  # above the line first
    reach = abs(across[0]) * width / 2 + abs(across[1]) * height / 2 + size * 0.5
    candidates = []
    for share in (0.5, 0.35, 0.65):
        middle = np.add(start, along * share)
        for side in (1.0, -1.0):
            centre = middle + across * side * reach
            candidates.append((float(centre[0] - width / 2), float(centre[1] - height / 2)))
    rect = canvas.place((width, height), candidates, taken, area)
    canvas.draw_tag(picture, text, rect[:2], size, canvas.INK, canvas.PAPER)
    return rect


def _label_box(
    picture: npt.NDArray[np.uint8],
    box: canvas.Rect,
    text: str,
    size: float,
    colour: canvas.Colour,
    taken: Sequence[canvas.Rect],
    area: canvas.Rect,
) -> canvas.Rect:
    width, height = canvas.tag_size(text, size)
    left, top, right, bottom = box
    candidates = [
        (left, top - height - 2),
        (right - width, top - height - 2),
        (left + 3, top + 3),
        (left, bottom + 3),
        (left + 3, bottom - height - 3),
        (right - width - 3, bottom - height - 3),
    ]
    rect = canvas.place((width, height), candidates, taken, area)
    canvas.draw_tag(picture, text, rect[:2], size, colour)
    return rect


def _strip(width: int, unit: float, question: str, answer: str, note: str) -> npt.NDArray[np.uint8]:
    """Return the dialogue as a dark strip ``[h, width, 3]``."""
    margin = 12 * unit
    room = width - 2 * margin
    rows = [(line, 14 * unit, canvas.MUTED, False)
            for line in canvas.wrap(question, 14 * unit, room, 2)]  # fmt: skip
    rows += [(line, 18 * unit, canvas.PAPER, True)
             for line in canvas.wrap(answer, 18 * unit, room, 2, bold=True)]  # fmt: skip
    rows += [(line, 12 * unit, canvas.MUTED, False)
             for line in canvas.wrap(note, 12 * unit, room, 1)]  # fmt: skip
    height = round(sum(size * 1.35 for _, size, _, _ in rows) + 1.4 * margin)
    strip = np.empty((height, width, 3), np.uint8)
    strip[:] = canvas.INK
    y = 0.7 * margin
    for line, size, colour, bold in rows:
        canvas.draw_text(strip, line, (margin, y + size * 0.15), size, colour, bold)
        y += size * 1.35
    return strip
