# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Keyframes as RViz markers: what each camera saw from where, as the outline of its view."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from geometry_msgs.msg import Point, Vector3
from numpy.typing import NDArray
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.memory.keyframes import Keyframe
from spatialgeo_ros.node.conversions import pose_to_msg

_REACH = 0.3  # m, from the camera to the far end of what is drawn
_LINE = 0.008  # m
_OLD, _NEWEST = (0.35, 0.6, 0.95), (0.3, 0.95, 0.4)
_ALPHA = 0.8
#: Pairs of corners: 0 is the camera, 1 to 4 the image's, clockwise from its upper left, 5 above it.
_EDGES = ((0, 1), (0, 2), (0, 3), (0, 4), (1, 2), (2, 3), (3, 4), (4, 1), (1, 5), (5, 2))


def keyframe_markers(kept: Sequence[Keyframe], header: Header) -> MarkerArray:
    """Return the message that shows the keyframes, and nothing that was shown before.

    Args:
        kept: Of the frame memory, oldest first; those without a pose or a calibration have no place
            to be drawn at.
        header: Its frame_id is the world frame of the poses. RViz wants one for the deletion too.
    """
    markers = [Marker(header=header, action=Marker.DELETEALL)]
    placed = [
        (number, one.payload.frame)
        for number, one in enumerate(kept)
        if one.payload.frame.pose is not None and one.payload.frame.model is not None
    ]
    for number, frame in placed:
        red, green, blue = _NEWEST if number == placed[-1][0] else _OLD
        corners = view_corners(frame.model, _REACH)
        marker = Marker(header=header, ns=frame.camera, id=number, type=Marker.LINE_LIST)
        marker.action, marker.scale = Marker.ADD, Vector3(x=_LINE)
        # Latched for minutes: by its stamp, no viewer has a transform from the world any more.
        marker.frame_locked = True
        marker.color = ColorRGBA(r=red, g=green, b=blue, a=_ALPHA)
        marker.pose = pose_to_msg(frame.pose)
        marker.points = [_point(corners[end]) for edge in _EDGES for end in edge]
        markers.append(marker)
    return MarkerArray(markers=markers)


def view_corners(camera: PinholeCamera, reach: float) -> NDArray[np.float64]:
    """Return the points [6, 3] of a view's outline in the optical frame, metres.

    The camera; the corners of the image at depth ``reach``, as without distortion, which may have
    no inverse there; and a point above its upper edge, so that one sees which side is up.
    """
    u = np.array([0, camera.width, camera.width, 0, camera.width / 2]) - 0.5
    v = np.array([0, 0, camera.height, camera.height, -camera.height / 4]) - 0.5
    rays = np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones(5)], axis=1)
    return np.vstack([np.zeros((1, 3)), reach * rays])


def _point(xyz: NDArray[np.float64]) -> Point:
    x, y, z = (float(value) for value in xyz)
    return Point(x=x, y=y, z=z)
