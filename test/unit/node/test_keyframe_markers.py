# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Keyframes as outlines of views that RViz can place."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")

from std_msgs.msg import Header
from visualization_msgs.msg import Marker

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.node.keyframe_markers import keyframe_markers, view_corners

CAMERA = PinholeCamera(640, 480, 320.0, 320.0, 319.5, 239.5)
ODOM = Header(frame_id="odom")


def kept(camera: str = "front", x: float | None = 1.0, model: Any = CAMERA) -> Any:
    pose = None if x is None else Pose(np.eye(3), np.array([x, 0.0, 0.5]))
    frame = SimpleNamespace(camera=camera, pose=pose, model=model)
    return SimpleNamespace(payload=SimpleNamespace(frame=frame))


def test_each_placed_keyframe_is_the_outline_of_its_view():
    first, *views = keyframe_markers([kept(), kept("rear", 2.0)], ODOM).markers
    assert first.action == Marker.DELETEALL
    assert [(one.ns, one.id, one.pose.position.x) for one in views] == [
        ("front", 0, 1.0),
        ("rear", 1, 2.0),
    ]
    for one in (first, *views):
        assert one.header.frame_id == "odom", "a deletion too: RViz drops one without"
    for one in views:
        assert (one.type, one.action) == (Marker.LINE_LIST, Marker.ADD)
        assert one.frame_locked, "TF of its stamp is gone when RViz is started later"
        assert len(one.points) % 2 == 0
        assert one.scale.x > 0
        assert one.color.a > 0
        assert one.pose.orientation.w == 1.0
        assert min(point.z for point in one.points) == 0.0, "they meet in the camera"
    colours = [(one.color.r, one.color.g, one.color.b) for one in views]
    assert colours[0] != colours[1], "the newest is told from the others"


def test_keyframes_without_a_place_are_left_out():
    lost, blind = kept(x=None), kept(model=None)
    (first, view) = keyframe_markers([kept(), lost, blind], ODOM).markers
    assert first.action == Marker.DELETEALL
    assert view.id == 0
    assert [one.action for one in keyframe_markers([lost], ODOM).markers] == [Marker.DELETEALL]


def test_the_outline_is_the_edge_of_the_image_and_shows_which_side_is_up():
    corners = view_corners(CAMERA, 0.5)
    assert corners.shape == (6, 3)
    assert corners[1] == pytest.approx([-0.5, -0.375, 0.5])
    assert corners[3] == pytest.approx([0.5, 0.375, 0.5])
    assert corners[5, 1] < corners[1, 1], "y is down: above the upper edge"


def test_a_lens_without_an_inverse_at_its_corners_has_an_outline_too():
    bent = PinholeCamera(640, 480, 320.0, 320.0, 319.5, 239.5, "plumb_bob", (-0.9, 0.3, 0, 0, 0))
    assert np.isfinite(view_corners(bent, 0.3)).all()
