# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A top-down map of what the keyframes cover, where they were taken and what was answered."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

import spatialgeo_ros.drawing.canvas as canvas
from spatialgeo_ros.drawing.map_boxes import MapBox, draw_box, draw_box_legend, footprint
from spatialgeo_ros.drawing.map_frame import (
    ACCENT,
    MapView,
    draw_grid,
    draw_legend,
    draw_scale_bar,
    draw_title,
    map_area,
    spread_colours,
)
from spatialgeo_ros.geometry.pose import Pose

_GROUND: canvas.Colour = (246, 247, 249)
_WEDGE_M = 0.35  # how far a camera's wedge reaches, metres
_WEDGE_HALF_ANGLE = math.radians(28)
# Heights in metres between which a cell's colour goes from pale (floor) to full.
_PALE_BELOW, _FULL_ABOVE = 0.05, 1.2
_HIGHEST = 1.9  # what is above (ceiling, lamps) would hide the room from a map seen from above


@dataclass(frozen=True, eq=False)
class MapKeyframe:
    """A keyframe on the map.

    Attributes:
        points: ``[N, 3]`` world points or voxel centres that it covers, metres.
        pose: ``world_from_camera`` (optical frame), or None when unknown.
        label: What the legend calls it.
    """

    points: npt.NDArray[np.floating]
    pose: Pose | None
    label: str


@dataclass(frozen=True, eq=False)
class MapObject:
    """An object on the map: its name, centre ``[2 or 3]`` and, where known, its footprint.

    ``size`` is width and depth in metres, turned by ``yaw`` radians about the vertical.
    """

    label: str
    centre: npt.NDArray[np.floating]
    size: tuple[float, float] | None = None
    yaw: float = 0.0


@dataclass(frozen=True, eq=False)
class MapLine:
    """A measured line between two world points ``[2 or 3]`` (metres) and its text."""

    start: npt.NDArray[np.floating]
    end: npt.NDArray[np.floating]
    text: str = ""


def draw_map(
    keyframes: Sequence[MapKeyframe],
    *,
    path: npt.ArrayLike | None = None,
    robot: Pose | None = None,
    objects: Sequence[MapObject] = (),
    boxes: Sequence[MapBox] = (),
    lines: Sequence[MapLine] = (),
    title: str = "",
    subtitle: str = "",
    cell: float = 0.1,
    size: tuple[int, int] = (1200, 900),
) -> npt.NDArray[np.uint8]:
    """Draw the map, north (world y) up; each covered cell has the colour of its first keyframe.

    Args:
        keyframes: Oldest first. World frame with z up and the floor at 0 (REP-103).
        path: ``[M, 2 or 3]`` metres, where the robot drove.
        robot: ``world_from_camera`` of the newest frame.
        objects: Objects to label; true ones where there are boxes.
        boxes: Of the object map.
        lines: Measured lines of the current answer.
        title: First line above the map, for example the answer.
        subtitle: Second line, for example the question.
        cell: Edge of a coverage cell in metres (the memory's voxel size).
        size: Width and height of the picture in pixels; at least 480 x 360.

    Returns:
        ``[H, W, 3]`` uint8 RGB.

    Raises:
        ValueError: ``cell`` is not positive or ``size`` is too small.
    """
    width, height = size
    if width < 480 or height < 360:
        raise ValueError(f"a map needs at least 480x360 pixels, not {width}x{height}")
    if not cell > 0:
        raise ValueError(f"cell must be positive, not {cell}")
    unit = min(width / 1200, height / 900)
    picture = np.full((height, width, 3), 255, np.uint8)
    track = np.empty((0, 2)) if path is None else np.asarray(path, np.float64)[:, :2]
    colours = spread_colours(len(keyframes))
    top = draw_title(picture, title, subtitle, unit)
    area = (64 * unit, top, width - 268 * unit, height - 58 * unit)
    view = MapView.fit(area, _extent(keyframes, track, robot, [*objects, *boxes], lines))
    _draw_coverage(picture, view, keyframes, colours, cell)
    draw_grid(picture, view, unit)
    inside = map_area(picture, view)
    if len(track) > 1:
        canvas.polyline(inside, view.pixels(track, local=True), canvas.INK, 2 * unit)
    for keyframe, colour in zip(keyframes, colours, strict=True):
        if keyframe.pose is not None:
            _draw_wedge(inside, view, keyframe.pose, colour, unit)
    for number, keyframe in enumerate(keyframes, 1):
        if keyframe.pose is not None:
            _draw_number(inside, view, keyframe.pose, str(number), unit)
    for box in boxes:
        draw_box(inside, view, box, unit)
    for thing in objects:
        _draw_footprint(inside, view, thing, unit)
    taken: list[canvas.Rect] = []
    for line in lines:
        taken += _draw_line(inside, view, line, unit)
    if robot is not None:
        _draw_robot(inside, view, robot, unit)
    labelled: list[MapObject | MapBox] = [*objects, *boxes]
    for named in labelled:
        _label_object(inside, view, named, taken, unit)
    draw_scale_bar(picture, view, unit)
    labels = [keyframe.label for keyframe in keyframes]
    top = float(view.area[1])
    if boxes:
        at = (view.area[2] + 26 * unit, top)
        top = draw_box_legend(picture, at, boxes, bool(objects), unit)
    symbols = (len(track) > 1, robot is not None)
    draw_legend(picture, view, labels, colours, *symbols, unit, top=top, quiet=bool(boxes))
    return picture


def _extent(
    keyframes: Sequence[MapKeyframe],
    track: npt.NDArray[np.float64],
    robot: Pose | None,
    objects: Sequence[MapObject | MapBox],
    lines: Sequence[MapLine],
) -> tuple[float, float, float, float]:
    """World rectangle x0, y0, x1, y1 that shows everything; stray points do not stretch it."""
    fixed = [track]
    fixed += [k.pose.translation[None, :2] for k in keyframes if k.pose is not None]
    fixed += [np.reshape(o.centre, (1, -1))[:, :2] for o in objects]
    fixed += [np.stack([line.start[:2], line.end[:2]]) for line in lines]
    if robot is not None:
        fixed.append(robot.translation[None, :2])
    clouds = [np.asarray(k.points, np.float64).reshape(-1, 3)[:, :2] for k in keyframes]
    cloud = np.concatenate([np.empty((0, 2)), *clouds])
    cloud = cloud[np.isfinite(cloud).all(axis=1)]
    if len(cloud):
        fixed.append(np.percentile(cloud, (0.5, 99.5), axis=0))
    everything = np.concatenate(fixed)
    if len(everything) == 0:
        return (-2.0, -2.0, 2.0, 2.0)
    (x0, y0), (x1, y1) = everything.min(axis=0), everything.max(axis=0)
    margin = max(0.4, 0.04 * max(x1 - x0, y1 - y0))
    return (x0 - margin, y0 - margin, x1 + margin, y1 + margin)


def _draw_coverage(
    picture: npt.NDArray[np.uint8],
    view: MapView,
    keyframes: Sequence[MapKeyframe],
    colours: Sequence[canvas.Colour],
    cell: float,
) -> None:
    """Paint the covered cells: the hue says which keyframe came first, the depth how high."""
    left, top, right, bottom = view.area
    columns = np.floor((view.x0 + np.arange(right - left) / view.scale) / cell).astype(np.int64)
    rows = np.floor((view.y1 - np.arange(bottom - top) / view.scale) / cell).astype(np.int64)
    shape = (int(rows[0] - rows[-1]) + 1, int(columns[-1] - columns[0]) + 1)
    owner = np.full(shape, -1, np.int32)
    tallest = np.full(shape, -np.inf)
    for index, keyframe in enumerate(keyframes):
        points = np.asarray(keyframe.points, np.float64).reshape(-1, 3)
        points = points[np.isfinite(points).all(axis=1) & (points[:, 2] < _HIGHEST)]
        x = np.floor(points[:, 0] / cell).astype(np.int64) - columns[0]
        y = rows[0] - np.floor(points[:, 1] / cell).astype(np.int64)
        seen = (x >= 0) & (x < shape[1]) & (y >= 0) & (y < shape[0])
        at = (y[seen], x[seen])
        owner[at] = np.where(owner[at] < 0, index, owner[at])
        np.maximum.at(tallest, at, points[seen, 2])
    tallest = np.where(owner < 0, 0.0, tallest)
    share = np.clip((tallest - _PALE_BELOW) / (_FULL_ABOVE - _PALE_BELOW), 0, 1) ** 0.7
    share = (0.2 + 0.75 * share)[..., None]
    hues = np.array([*colours, _GROUND], np.float64)  # index -1: nothing covers the cell
    shades = np.where(owner[..., None] < 0, hues[-1], 255 + (hues[owner] - 255) * share)
    painted = shades.round().astype(np.uint8)
    picture[top:bottom, left:right] = painted[(rows[0] - rows)[:, None], columns - columns[0]]


def _heading(pose: Pose) -> npt.NDArray[np.float64] | None:
    """Horizontal viewing direction of an optical frame, None when it looks straight down."""
    forward = pose.rotation[:2, 2]
    length = float(np.hypot(*forward))
    return forward / length if length > 1e-3 else None


def _draw_wedge(
    picture: npt.NDArray[np.uint8], view: MapView, pose: Pose, colour: canvas.Colour, unit: float
) -> None:
    forward = _heading(pose)
    if forward is None:
        return
    origin = pose.translation[:2]
    reach = max(_WEDGE_M, 26 * unit / view.scale)
    c, s = math.cos(_WEDGE_HALF_ANGLE), math.sin(_WEDGE_HALF_ANGLE)
    turns = (np.array([[c, -s], [s, c]]), np.array([[c, s], [-s, c]]))
    wedge = view.pixels([origin, *(origin + reach * (t @ forward) for t in turns)], local=True)
    canvas.polygon(picture, wedge, colour)
    canvas.polyline(picture, wedge, canvas.INK, 1.2 * unit, closed=True)


def _draw_number(
    picture: npt.NDArray[np.uint8], view: MapView, pose: Pose, number: str, unit: float
) -> None:
    centre = view.pixels([pose.translation[:2]], local=True)[0]
    canvas.disc(picture, centre, 8 * unit, canvas.PAPER, casing=canvas.INK)
    size = 12 * unit
    shift = canvas.text_width(number, size, bold=True) / 2
    at = (centre[0] - shift, centre[1] - size * 0.56)
    canvas.draw_text(picture, number, at, size, canvas.INK, bold=True)


def _draw_robot(picture: npt.NDArray[np.uint8], view: MapView, robot: Pose, unit: float) -> None:
    centre = np.array(view.pixels([robot.translation[:2]], local=True)[0])
    forward = _heading(robot)
    ahead = np.array([0.0, -1.0]) if forward is None else forward * (1, -1)
    side = np.array([-ahead[1], ahead[0]])
    shape = ((20, 0), (-11, 12), (-5, 0), (-11, -12))
    arrow = [tuple(centre + (a * ahead + b * side) * unit) for a, b in shape]
    canvas.polygon(picture, arrow, ACCENT)
    canvas.polyline(picture, arrow, canvas.PAPER, 1.6 * unit, closed=True)


def _draw_line(
    picture: npt.NDArray[np.uint8], view: MapView, line: MapLine, unit: float
) -> list[canvas.Rect]:
    ends = view.pixels(np.stack([line.start[:2], line.end[:2]]), local=True)
    canvas.polyline(picture, ends, ACCENT, 3 * unit, casing=canvas.PAPER)
    for end in ends:
        canvas.disc(picture, end, 5 * unit, ACCENT, casing=canvas.PAPER)
    if not line.text:
        return []
    size = 17 * unit
    width, height = canvas.tag_size(line.text, size)
    x, y = np.mean(ends, axis=0).tolist()
    area = (4.0, 4.0, picture.shape[1] - 4.0, picture.shape[0] - 4.0)
    rect = canvas.place((width, height), [(x - width / 2, y - height - 8 * unit)], [], area)
    canvas.draw_tag(picture, line.text, rect[:2], size, ACCENT, canvas.PAPER)
    return [rect]


def _draw_footprint(
    picture: npt.NDArray[np.uint8], view: MapView, thing: MapObject, unit: float
) -> None:
    if thing.size is None:
        centre = view.pixels([thing.centre[:2]], local=True)[0]
        canvas.disc(picture, centre, 4 * unit, canvas.INK, casing=canvas.PAPER)
        return
    outline = view.pixels(footprint(thing.centre, thing.size, thing.yaw), local=True)
    canvas.polyline(picture, outline, canvas.INK, 1.8 * unit, casing=canvas.PAPER, closed=True)


def _label_object(
    picture: npt.NDArray[np.uint8],
    view: MapView,
    thing: MapObject | MapBox,
    taken: list[canvas.Rect],
    unit: float,
) -> None:
    """Write the name at the object, or beside it where a label is already; adds to ``taken``."""
    if not thing.label:
        return
    size = 16 * unit
    x, y = view.pixels([thing.centre[:2]], local=True)[0]
    top = y + 7 * unit if thing.size is None else y - size * 0.6
    width = canvas.text_width(thing.label, size, bold=True)
    places = [(x - width / 2, top + shift * size) for shift in (0, 1.3, -1.3, 2.6)]
    area = (2.0, 2.0, picture.shape[1] - 2.0, picture.shape[0] - 2.0)
    rect = canvas.place((width, size * 1.2), places, taken, area)
    canvas.draw_halo_text(picture, thing.label, rect[:2], size, canvas.INK)
    taken.append(rect)
