# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sensors lose the outermost pixels of things: nearest points are there all the same."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from geometry_scene import CAMERA, HEIGHT, Block, box_of, camera_pose, render

from spatialgeo_ros.geometry.distance import Kind, measure
from spatialgeo_ros.geometry.object_pixels import rim_of
from spatialgeo_ros.geometry.pointmap import DepthNoise, pointmap_from_depth
from spatialgeo_ros.geometry.pose import gravity_in_camera
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.geometry.segmentation import segment_object

FINE = DepthNoise(0.0005, 0.0)
BOARDS = [Block(2.0, 0.3, (0.02, 0.3, 0.4)), Block(2.0, -0.3, (0.02, 0.3, 0.4))]
PITCH = float(np.radians(12))


def lost_edges(blocks, pixels, pitch=PITCH):
    """A view whose sensor reads nothing ``pixels`` to both sides of every block's outline."""
    pose = camera_pose(pitch)
    depth, index = render(blocks, pose)
    kernel = np.ones((2 * pixels + 1, 2 * pixels + 1), np.uint8)
    seen = (index + 2).astype(np.uint8)
    depth[cv2.dilate(seen, kernel) != cv2.erode(seen, kernel)] = np.nan
    return pointmap_from_depth(depth, CAMERA, FINE), index, gravity_in_camera(pose)


def true_gap(blocks, pitch=PITCH):
    depth, index = render(blocks, camera_pose(pitch))
    points = CAMERA.rays().astype(np.float64) * depth[..., None]
    a, b = points[index == 0], points[index == 1]
    return min(float(np.linalg.norm(b - point, axis=1).min()) for point in a)


def found(made, index, gravity, kind):
    return [
        segment_object(
            made,
            Region.from_mask(index == k) if kind == "mask" else Region.from_box(*box_of(index, k)),
            gravity,
            HEIGHT,
        )
        for k in (0, 1)
    ]


@pytest.mark.parametrize("pixels", [1, 2])
@pytest.mark.parametrize("kind", ["mask", "box"])
def test_outermost_pixels_that_are_not_read_are_no_part_of_a_gap(kind, pixels):
    truth, pixel = true_gap(BOARDS), 2.0 / CAMERA.fx
    a, b = found(*lost_edges(BOARDS, pixels), kind)
    with_rim = measure(Kind.NEAREST_POINTS, a, b)
    none = np.zeros((0, 2), np.int64)
    without = measure(Kind.NEAREST_POINTS, replace(a, rim=none), replace(b, rim=none))
    assert abs(with_rim.distance - truth) < pixel
    assert without.distance - truth > 1.5 * pixels * pixel, "what it is good for"


@pytest.mark.parametrize("pixels", [1, 2])
def test_a_steep_top_goes_on_over_rows_that_are_not_read(pixels):
    """Rows of a board's far end are 7 cm apart; its mask says that it goes on."""
    pitch = np.radians(5)
    blocks = [Block(1.6, 0.0, (1.2, 1.2, 0.78)), Block(2.55, 0.35, (0.12, 0.12, 1.3))]
    truth = true_gap(blocks, pitch)
    a, b = found(*lost_edges(blocks, pixels, pitch), "mask")
    none = np.zeros((0, 2), np.int64)
    without = measure(Kind.NEAREST_POINTS, replace(a, rim=none), replace(b, rim=none)).distance
    with_rim = measure(Kind.NEAREST_POINTS, a, b).distance
    assert abs(with_rim - truth) < 0.6 * abs(without - truth)


def test_what_is_read_as_something_else_is_not_the_object_s():
    """The sides of blocks, seen at a grazing angle, are read: gaps do not reach over them."""
    blocks = [Block(2.6, 0.55, (0.5, 0.5, 0.6)), Block(2.6, -0.55, (0.5, 0.5, 0.6))]
    pose = camera_pose()
    depth, index = render(blocks, pose)
    made = pointmap_from_depth(depth, CAMERA, FINE)
    a, b = found(made, index, gravity_in_camera(pose), "mask")
    assert len(a.rim) == len(b.rim) == 0
    assert measure(Kind.NEAREST_POINTS, a, b).distance == pytest.approx(0.6, abs=0.005)


@pytest.mark.parametrize(("given", "reach"), [(False, 2), (True, 3)])
def test_only_unread_pixels_inside_the_region_near_the_object_count(given, reach):
    part, inside, read = np.zeros((3, 30, 40), bool)
    part[10:20, 10:20] = inside[8:25, 5:30] = True
    read[:] = True
    read[15, :] = part[15, :]  # one row is read on the object alone
    assert rim_of(part, inside, read, given).tolist() == [
        [15, column] for column in (*range(10 - reach, 10), *range(20, 20 + reach)) if column >= 5
    ]
    inside[15, 19:] = False
    assert (rim_of(part, inside, read, given)[:, 1] < 10).all()
    part[:], part[0, 0], read[:], inside[:] = False, True, False, True
    corner = rim_of(part, inside, read, given)
    assert len(corner) == (reach + 1) ** 2 and corner.min() == 0
