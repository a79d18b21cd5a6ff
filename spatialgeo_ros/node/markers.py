# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measured distances as RViz markers: a line, its end points and the number, with stable ids."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Sequence

from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, Vector3
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from spatialgeo_ros.msg import DistanceEstimate

_LINE, _ENDS, _TEXT, _PARTS = 0, 1, 2, 3
_COLOUR = ColorRGBA(r=1.0, g=0.75, b=0.1, a=1.0)
_WHITE = ColorRGBA(r=1.0, g=1.0, b=1.0, a=1.0)
_LINE_WIDTH, _END_SIZE, _TEXT_HEIGHT = 0.01, 0.05, 0.1  # m


class MarkerBoard:
    """Knows which markers are shown, so that each can be replaced and taken back.

    The namespace of a marker is the measurement's name ("request", or the id of a watch), its id
    the place of the estimate in the measurement. Safe to use from any thread.
    """

    def __init__(self) -> None:
        """Start with nothing shown."""
        self._lock = threading.Lock()
        self._shown: dict[str, tuple[set[int], Header]] = {}

    def show(
        self, namespace: str, estimates: Sequence[DistanceEstimate], lifetime: float
    ) -> MarkerArray:
        """Return the message that shows ``estimates`` in place of what ``namespace`` showed."""
        markers = []
        for index, estimate in enumerate(estimates):
            if estimate.valid:
                markers += _markers(namespace, index * _PARTS, estimate, lifetime)
        shown = {marker.id for marker in markers}
        with self._lock:
            before, header = self._shown.get(namespace, (set(), Header()))
            header = estimates[0].header if estimates else header
            self._shown[namespace] = (shown, header)
        markers += [_deletion(namespace, one, header) for one in sorted(before - shown)]
        return MarkerArray(markers=markers)

    def clear(self, namespace: str = "") -> MarkerArray:
        """Return the message that deletes what ``namespace`` shows, or everything if empty."""
        with self._lock:
            names: Iterable[str] = [namespace] if namespace else list(self._shown)
            gone = [(name, *self._shown.pop(name, (set(), Header()))) for name in names]
        return MarkerArray(
            markers=[
                _deletion(name, one, header) for name, ids, header in gone for one in sorted(ids)
            ]
        )


def _markers(
    namespace: str, first_id: int, estimate: DistanceEstimate, lifetime: float
) -> list[Marker]:
    ends = [estimate.from_point, estimate.to_point]
    seconds = int(lifetime)
    duration = Duration(sec=seconds, nanosec=int((lifetime - seconds) * 1e9))
    line, balls, text = (
        Marker(
            header=estimate.header,
            ns=namespace,
            id=first_id + part,
            type=kind,
            action=Marker.ADD,
            color=_COLOUR,
            lifetime=duration,
        )
        for part, kind in (
            (_LINE, Marker.LINE_STRIP),
            (_ENDS, Marker.SPHERE_LIST),
            (_TEXT, Marker.TEXT_VIEW_FACING),
        )
    )
    line.points, line.scale = ends, Vector3(x=_LINE_WIDTH)
    balls.points, balls.scale = ends, Vector3(x=_END_SIZE, y=_END_SIZE, z=_END_SIZE)
    text.color, text.scale = _WHITE, Vector3(z=_TEXT_HEIGHT)
    text.text = caption(estimate)
    text.pose.position = Point(
        x=(ends[0].x + ends[1].x) / 2,
        y=(ends[0].y + ends[1].y) / 2 - _TEXT_HEIGHT,  # optical frame: y is down
        z=(ends[0].z + ends[1].z) / 2,
    )
    for marker in (line, balls, text):
        marker.pose.orientation.w = 1.0
    return [line, balls, text]


def caption(estimate: DistanceEstimate) -> str:
    """Return what is written at a measured distance, for example "1.24 ± 0.02 m"."""
    if not math.isfinite(estimate.std_dev):
        return f"{estimate.distance:.2f} m"
    return f"{estimate.distance:.2f} \u00b1 {estimate.std_dev:.2f} m"


def _deletion(namespace: str, marker_id: int, header: Header) -> Marker:
    """Return the message that takes a marker back; RViz drops one without a frame."""
    return Marker(header=header, ns=namespace, id=marker_id, action=Marker.DELETE)
