# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What stands in the world: cameras, points, objects, the room and keyframes, as entries.

Everything three-dimensional is in the world frame, with the pose of its own stamp: what was seen
stays where it was seen, whatever the camera does next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import rerun as rr

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.memory.snapshot import Presence
from spatialgeo_ros.node.conversions import msg_to_pose
from spatialgeo_ros.node.object_markers import caption, colour_of
from spatialgeo_ros.viewer.entries import (
    CLOUDS,
    KEYFRAMES,
    OBJECTS,
    ROOM,
    Entry,
    below,
    camera_path,
    cleared,
    image_path,
)
from spatialgeo_ros.viewer.pictures import Picture

_POINT = 0.006  # m, radius
_LINE = 0.008  # m, radius
_ROOM_COLOUR, _KEYFRAME_COLOUR = (120, 120, 130), (90, 170, 250)
_FRUSTUM = 0.25  # m, from a keyframe to the plane that is drawn
_FILL = {
    Presence.VISIBLE: rr.components.FillMode.TransparentFillMajorWireframe,
    Presence.REMEMBERED: rr.components.FillMode.MajorWireframe,
    Presence.GONE: rr.components.FillMode.MajorWireframe,
}


_ALPHA = {Presence.VISIBLE: 1.0, Presence.REMEMBERED: 0.5, Presence.GONE: 0.8}
_WHITE = 0.25  # share of white, so that black things are seen on the viewer's black


@dataclass(frozen=True)
class _Shown:
    """An object of the map as its caption and colour need it."""

    id: str
    label: str
    colour: str
    state: Presence


def camera_entries(name: str, pose: Pose) -> list[Entry]:
    """Return where a camera is.

    Args:
        name: of the camera.
        pose: world_from_camera, optical frame.
    """
    turn = rr.Quaternion(xyzw=pose.quaternion())
    moved = rr.Transform3D(translation=pose.translation, quaternion=turn)
    return [Entry(camera_path(name), (moved,))]


def image_entries(name: str, picture: Picture, camera: PinholeCamera | None) -> list[Entry]:
    """Return a camera's image, and how it projects where that is known."""
    parts: tuple[Any, ...] = (picture.archetype,)
    if camera is not None:
        parts += (picture.pinhole(camera),)
    return [Entry(image_path(name), parts)]


def cloud_entries(
    name: str,
    points: npt.NDArray[np.float32],
    colours: npt.NDArray[np.uint8] | None,
    pose: Pose,
) -> list[Entry]:
    """Return what a camera's points show.

    Args:
        name: of the camera.
        points: [N, 3] metres, in the optical frame.
        colours: [N, 3] RGB.
        pose: world_from_camera at the stamp of the points.
    """
    placed = pose.apply(points).astype(np.float32)
    return [Entry(below(CLOUDS, name), (rr.Points3D(placed, colors=colours, radii=_POINT),))]


def objects_entries(message: Any) -> list[Entry]:
    """Return the object map: visible, remembered (pale) and gone (grey, crossed out) ones.

    The ids, probabilities, ages (s), standard deviations of the centres (m) and numbers of
    sightings stand beside the boxes, in their order.

    Args:
        message: ``spatialgeo_ros/SpatialObjectArray``.
    """
    entries = []
    for state in Presence:
        path = f"{OBJECTS}/{state.name.lower()}"
        objects = [one for one in message.objects if one.state == state]
        if not objects:
            entries.append(cleared(path))
            continue
        entries.append(Entry(path, _object_parts(objects, state)))
        if state is Presence.GONE:
            crosses = rr.LineStrips3D(
                [strip for one in objects for strip in _cross(one)],
                colors=_rgba(objects, state)[0],
                radii=_LINE,
            )
            entries.append(Entry(f"{path}/crosses", (crosses,)))
    return [*entries, _room_entry(message)]


def keyframes_entries(message: Any, cameras: dict[str, PinholeCamera]) -> list[Entry]:
    """Return the kept images as frusta, each with the voxels that only it showed.

    Args:
        message: ``spatialgeo_ros/KeyframeArray``.
        cameras: calibrations by name; a camera without one is drawn as its axes.
    """
    strips: list[npt.NDArray[np.float64]] = []
    labels = []
    for number, one in enumerate((k for k in message.keyframes if k.has_pose), start=1):
        pose = msg_to_pose(one.pose)
        outline = _frustum(cameras.get(one.camera))
        strips += [pose.apply(strip) for strip in outline]
        label = f"keyframe {number} ({one.camera}): {one.gain} of {one.voxels} voxels new"
        labels += [label, *[""] * (len(outline) - 1)]
    if not strips:
        return [cleared(KEYFRAMES)]
    lines = rr.LineStrips3D(
        strips, colors=_KEYFRAME_COLOUR, radii=_LINE / 2, labels=labels, show_labels=False
    )
    return [Entry(KEYFRAMES, (lines,))]


def _object_parts(objects: list[Any], state: Presence) -> tuple[Any, ...]:
    shown = [_Shown(one.id, one.label, one.colour, state) for one in objects]
    quaternions = [one.pose.pose.orientation for one in objects]
    boxes = rr.Boxes3D(
        centers=[_xyz(one.pose.pose.position) for one in objects],
        sizes=[_xyz(one.size) for one in objects],
        quaternions=[rr.Quaternion(xyzw=(q.x, q.y, q.z, q.w)) for q in quaternions],
        colors=_rgba(objects, state),
        radii=_LINE,
        fill_mode=_FILL[state],
        labels=[caption(what, one.age) for what, one in zip(shown, objects, strict=True)],
        show_labels=True,
    )
    values = rr.AnyValues(
        id=[one.id for one in objects],
        label=[one.label for one in objects],
        probability=[float(one.probability) for one in objects],
        age=[float(one.age) for one in objects],
        sightings=[int(one.sightings) for one in objects],
        std_dev_x=_deviations(objects, 0),
        std_dev_y=_deviations(objects, 7),
        std_dev_z=_deviations(objects, 14),
    )
    return boxes, values


def _deviations(objects: list[Any], diagonal: int) -> list[float]:
    """Return the standard deviations along an axis, by its place in the 6 x 6 covariance."""
    return [float(np.sqrt(max(0.0, one.pose.covariance[diagonal]))) for one in objects]


def _rgba(objects: list[Any], state: Presence) -> npt.NDArray[np.uint8]:
    shown = [_Shown(one.id, one.label, one.colour, state) for one in objects]
    colours = np.array([colour_of(one) for one in shown])
    colours = _WHITE + (1 - _WHITE) * colours
    alpha = np.full((len(objects), 1), _ALPHA[state])
    return np.round(np.hstack([colours, alpha]) * 255).astype(np.uint8)


def _cross(one: Any) -> list[npt.NDArray[np.float64]]:
    """Return two diagonals of an object's box, world frame."""
    half = np.array(_xyz(one.size)) / 2
    pose = msg_to_pose(one.pose.pose)
    ends = ((-1, -1, -1), (1, 1, 1)), ((1, 1, -1), (-1, -1, 1))
    return [pose.apply(np.array(pair) * half) for pair in ends]


def _room_entry(message: Any) -> Entry:
    corners = [(point.x, point.y, point.z) for point in message.room.points]
    if len(corners) < 3:
        return cleared(ROOM)
    return Entry(
        ROOM, (rr.LineStrips3D([[*corners, corners[0]]], colors=_ROOM_COLOUR, radii=_LINE),)
    )


def _frustum(camera: PinholeCamera | None) -> list[npt.NDArray[np.float64]]:
    """Return a camera's outline as lines in its optical frame, metres."""
    if camera is None:
        return [_FRUSTUM * np.array([[0, 0, 0], axis], np.float64) for axis in np.eye(3)]
    # On the lens's axes, without its distortion: it is a sketch of the field of view.
    left, right = -camera.cx / camera.fx, (camera.width - 1 - camera.cx) / camera.fx
    top, bottom = -camera.cy / camera.fy, (camera.height - 1 - camera.cy) / camera.fy
    corners = np.array([[left, top, 1], [right, top, 1], [right, bottom, 1], [left, bottom, 1]])
    corners *= _FRUSTUM
    centre = np.zeros(3)
    return [
        np.array([*corners, corners[0]]),
        np.array([corners[0], centre, corners[1]]),
        np.array([corners[2], centre, corners[3]]),
    ]


def _xyz(vector: Any) -> tuple[float, float, float]:
    return vector.x, vector.y, vector.z
