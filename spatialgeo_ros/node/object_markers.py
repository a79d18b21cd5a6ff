# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Objects of the map as RViz markers: box, name and how surely their centre is known.

A visible object is drawn strong, a remembered one pale, a gone one as a grey frame with a word.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from geometry_msgs.msg import Point, Vector3
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.memory.snapshot import MapObject, MapSnapshot, Presence
from spatialgeo_ros.node.conversions import pose_to_msg
from spatialgeo_ros.node.object_messages import age_of, placed, snapshot_header

BOXES, NAMES, SPREAD = "objects", "names", "covariance"  # namespaces, to be switched in RViz
_ALPHA = {Presence.VISIBLE: 0.6, Presence.REMEMBERED: 0.2, Presence.GONE: 0.5}
_COLOURS = {
    "red": (0.9, 0.15, 0.1), "orange": (1.0, 0.55, 0.1), "yellow": (0.95, 0.85, 0.1),
    "green": (0.15, 0.7, 0.2), "blue": (0.15, 0.35, 0.9), "purple": (0.55, 0.2, 0.7),
    "pink": (1.0, 0.55, 0.7), "brown": (0.5, 0.32, 0.15), "black": (0.1, 0.1, 0.1),
    "white": (0.95, 0.95, 0.95), "grey": (0.5, 0.5, 0.5),
}  # fmt: skip
_UNKNOWN, _GONE = (0.3, 0.65, 0.85), (0.6, 0.6, 0.6)
_TEXT, _LINE = 0.12, 0.012  # m
_SIGMAS = 2.0  # of the ellipsoid's half axes
_EDGES = ((0, 1), (1, 2), (2, 3), (3, 0), (4, 5), (5, 6), (6, 7), (7, 4), (0, 4), (1, 5), (2, 6),
          (3, 7))  # fmt: skip


class Named(Protocol):
    """What is said of an object."""

    @property
    def id(self) -> str:
        """Its name in the map."""

    @property
    def label(self) -> str:
        """What it is."""

    @property
    def colour(self) -> str:
        """The canonical colour, "" when unknown."""

    @property
    def state(self) -> Presence:
        """Whether it is there."""


def object_markers(snapshot: MapSnapshot | None, frame_id: str = "") -> MarkerArray:
    """Return the message that shows a map, and nothing that was shown before.

    Args:
        snapshot: The map; None shows nothing.
        frame_id: Of the deletion where there is no map; RViz wants one.
    """
    header = Header(frame_id=frame_id) if snapshot is None else snapshot_header(snapshot)
    markers = [Marker(header=header, action=Marker.DELETEALL)]
    for number, one in enumerate(() if snapshot is None else snapshot.objects):
        markers += _markers(number, one, snapshot, header)
    return MarkerArray(markers=markers)


def _markers(number: int, thing: MapObject, snapshot: MapSnapshot, header: Header) -> list[Marker]:
    """Return what shows an object, placed by the newest transform: it stays for longer than TF."""
    gone = thing.state is Presence.GONE
    pose, _ = placed(thing, None)
    red, green, blue = colour_of(thing)
    colour = ColorRGBA(r=red, g=green, b=blue, a=_ALPHA[thing.state])
    box = Marker(header=header, ns=BOXES, id=number, action=Marker.ADD, color=colour)
    box.pose = pose_to_msg(pose)
    x, y, z = (float(value) for value in thing.size)
    if gone:
        box.type, box.scale = Marker.LINE_LIST, Vector3(x=_LINE)
        box.points = _frame(x / 2, y / 2, z / 2)
    else:
        box.type, box.scale = Marker.CUBE, Vector3(x=x, y=y, z=z)
    name = Marker(header=header, ns=NAMES, id=number, action=Marker.ADD)
    name.type, name.scale, name.text = (
        Marker.TEXT_VIEW_FACING,
        Vector3(z=_TEXT),
        caption(thing, age_of(thing, snapshot)),
    )
    shade = 1.0 if thing.state is Presence.VISIBLE else 0.7
    name.color = ColorRGBA(r=shade, g=shade, b=shade, a=1.0)
    name.pose.orientation.w = 1.0
    centre = thing.centre
    name.pose.position = Point(x=float(centre[0]), y=float(centre[1]), z=thing.top + _TEXT)
    shown = [box, name] if gone else [box, name, _spread(number, thing, header)]
    for marker in shown:
        marker.frame_locked = True
    return shown


def colour_of(thing: Named) -> tuple[float, float, float]:
    """Return in which colour (red, green, blue, 0..1) an object is drawn."""
    gone = thing.state is Presence.GONE
    return _GONE if gone else _COLOURS.get(thing.colour, _UNKNOWN)


def caption(thing: Named, age: float) -> str:
    """Return what is written at an object, for example "chair_2 red chair, 12 s ago"."""
    label = thing.label
    if thing.colour and thing.colour not in label.split():
        label = f"{thing.colour} {label}"
    said = f"{thing.id} {label}"
    if thing.state is Presence.VISIBLE:
        return said
    when = f"{age:.0f} s" if age < 120 else f"{age / 60:.0f} min"
    return f"{said}, gone" if thing.state is Presence.GONE else f"{said}, {when} ago"


def _spread(number: int, thing: MapObject, header: Header) -> Marker:
    """Return an ellipsoid of two standard deviations around the centre."""
    variances, axes = np.linalg.eigh(np.asarray(thing.covariance, np.float64))
    if np.linalg.det(axes) < 0:
        axes[:, 0] *= -1
    marker = Marker(header=header, ns=SPREAD, id=number, action=Marker.ADD, type=Marker.SPHERE)
    marker.pose = pose_to_msg(Pose(axes, thing.centre))
    # RViz refuses a scale of zero.
    x, y, z = (max(0.005, 2 * _SIGMAS * math.sqrt(max(0.0, float(v)))) for v in variances)
    marker.scale = Vector3(x=x, y=y, z=z)
    marker.color = ColorRGBA(r=1.0, g=0.9, b=0.2, a=_ALPHA[thing.state] * 0.7)
    return marker


def _frame(x: float, y: float, z: float) -> list[Point]:
    """Return the edges of a box of these half sides as pairs of points."""
    corners = [
        Point(x=sx * x, y=sy * y, z=sz * z)
        for sz in (-1, 1)
        for sx, sy in ((-1, -1), (1, -1), (1, 1), (-1, 1))
    ]
    return [corners[end] for edge in _EDGES for end in edge]
