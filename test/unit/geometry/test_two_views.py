# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Distances between objects that two views show: beside each other, behind each other, apart."""

from __future__ import annotations

import numpy as np
import pytest
from box_world import Box, camera_pose
from box_world import render as render_world

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.distance import Kind, measure
from spatialgeo_ros.geometry.object_points import ObjectPoints
from spatialgeo_ros.geometry.pointmap import pointmap_from_depth
from spatialgeo_ros.geometry.pose import Pose, gravity_in_camera
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.geometry.segmentation import segment_object

CAMERA = PinholeCamera(320, 240, 262.5, 262.5, 159.5, 119.5)
HEIGHT, PITCH = 0.9, 0.3
AHEAD = Box((1.8, 0.0, 0.0), (2.2, 0.4, 0.8), (200, 40, 30))
BESIDE = Box((1.9, -0.9, 0.0), (2.3, -0.5, 0.7), (30, 60, 200))
BEHIND = Box((-2.2, -0.2, 0.0), (-1.8, 0.2, 0.7), (40, 160, 50))
ROOM = (AHEAD, BESIDE, BEHIND)
PAIR = (Kind.CENTRE_TO_CENTRE, Kind.HORIZONTAL, Kind.VERTICAL, Kind.NEAREST_POINTS)


def centre(box: Box) -> np.ndarray:
    return (np.array(box.low) + np.array(box.high)) / 2


def seen(box: Box, pose: Pose) -> ObjectPoints:
    """A box as one view shows it; by its name, the half that no view shows is completed."""
    colour, depth = render_world(CAMERA, pose, ROOM)
    rows, columns = np.nonzero((colour == box.colour).all(axis=-1))
    region = Region.from_box(columns.min(), rows.min(), columns.max(), rows.max(), "chair")
    points = pointmap_from_depth(depth, CAMERA)
    return segment_object(points, region, gravity_in_camera(pose), HEIGHT)


def truth(kind: Kind, a: Box, b: Box) -> float:
    offset = centre(b) - centre(a)
    if kind is Kind.HORIZONTAL:
        return float(np.hypot(*offset[:2]))
    if kind is Kind.VERTICAL:
        return abs(float(offset[2]))
    if kind is Kind.NEAREST_POINTS:
        apart = np.maximum(np.array(a.low) - np.array(b.high), np.array(b.low) - np.array(a.high))
        return float(np.linalg.norm(np.maximum(apart, 0)))
    return float(np.linalg.norm(offset))


FRONT = camera_pose(0.0, 0.0, HEIGHT, 0.0, PITCH)
#: Another view of the second object: the robot's rear camera, and one that has moved on.
VIEWS = {
    "behind": (BEHIND, camera_pose(0.0, 0.0, HEIGHT, np.pi, PITCH)),
    "moved on": (BESIDE, camera_pose(0.4, -0.3, HEIGHT, 0.25, PITCH)),
    "from the side": (BESIDE, camera_pose(2.0, -2.6, HEIGHT, np.pi / 2, PITCH)),
}


@pytest.mark.parametrize("kind", PAIR, ids=lambda kind: kind.name)
@pytest.mark.parametrize("view", VIEWS)
def test_two_views_measure_what_is_true(view, kind):
    box, pose = VIEWS[view]
    a_from_b = FRONT.inverse() @ pose
    a, b = seen(AHEAD, FRONT), seen(box, pose)
    estimate = measure(kind, a, b, a_from_b=a_from_b)
    assert estimate.valid, estimate.reason
    error = abs(estimate.distance - truth(kind, AHEAD, box))
    assert error < max(0.08, 2.5 * estimate.sigma), (error, estimate.sigma)
    # The ends are in the view of the first, behind its camera where the second is.
    start, end = (FRONT.apply(point) for point in (estimate.point_from, estimate.point_to))
    for point, thing in ((start, AHEAD), (end, box)):
        if kind in (Kind.CENTRE_TO_CENTRE, Kind.NEAREST_POINTS):
            assert (point > np.array(thing.low) - 0.12).all(), point
            assert (point < np.array(thing.high) + 0.12).all(), point


@pytest.mark.parametrize("kind", PAIR, ids=lambda kind: kind.name)
def test_one_view_twice_is_one_view(kind):
    a, b = seen(AHEAD, FRONT), seen(BESIDE, FRONT)
    alone, twice = measure(kind, a, b), measure(kind, a, b, a_from_b=Pose.identity())
    assert twice.distance == pytest.approx(alone.distance, abs=0.03)


def test_whichever_is_first_says_the_same():
    pose = VIEWS["behind"][1]
    a, b = seen(AHEAD, FRONT), seen(BEHIND, pose)
    there = measure(Kind.NEAREST_POINTS, a, b, a_from_b=FRONT.inverse() @ pose)
    back = measure(Kind.NEAREST_POINTS, b, a, a_from_b=pose.inverse() @ FRONT)
    assert there.distance == pytest.approx(back.distance, abs=0.02)
    assert there.sigma == pytest.approx(back.sigma, rel=0.3)
    assert FRONT.apply(there.point_to) == pytest.approx(pose.apply(back.point_from), abs=0.15)


def test_pixels_of_two_images_are_not_compared():
    """Both fill the middle of their image: in one image they would dispute each other's pixels."""
    here, pose = camera_pose(0.0, 0.2, HEIGHT, 0.0, PITCH), VIEWS["behind"][1]
    a, b = seen(AHEAD, here), seen(BEHIND, pose)
    assert (a.mask & b.mask).any()
    estimate = measure(Kind.NEAREST_POINTS, a, b, a_from_b=here.inverse() @ pose)
    assert estimate.distance == pytest.approx(truth(Kind.NEAREST_POINTS, AHEAD, BEHIND), abs=0.06)
