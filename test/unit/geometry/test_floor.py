# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The floor is found with an honest standard deviation and weighed against pose and mount."""

import math
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from geometry_scene import CAMERA, HEIGHT, Block, render

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.depth_readings import DepthReadings
from spatialgeo_ros.geometry.floor import Level, agree_on_floor, estimate_floor, level_at
from spatialgeo_ros.geometry.pointmap import DepthNoise, PointMap, pointmap_from_depth
from spatialgeo_ros.geometry.pose import Pose, gravity_in_camera

KINECT = DepthNoise(0.0012, 0.0019)
CABINET = Block(2.5, 0.4, (0.8, 0.4, 0.9))
SHELF = Block(3.0, -1.0, (0.6, 0.9, 1.8))


def camera_pose(height: float = HEIGHT, pitch: float = 0.2) -> Pose:
    """A camera at the world's origin that heads along world x and looks down by ``pitch``."""
    forward = np.array([np.cos(pitch), 0, -np.sin(pitch)])
    right = np.array([0.0, -1.0, 0.0])
    rotation = np.stack([right, np.cross(forward, right), forward], axis=1)
    return Pose(rotation, [0, 0, height])


def view(blocks, pose, noise=KINECT, seed=0, wall=5.0) -> tuple[PointMap, np.ndarray]:
    depth, _ = render(blocks, pose, wall=wall)
    depth = depth + np.random.default_rng(seed).normal(size=depth.shape) * noise.sigma(depth)
    return pointmap_from_depth(depth, CAMERA, noise), gravity_in_camera(pose)


def agreed(blocks, pose, known, **how):
    pointmap, gravity = view(blocks, pose, **how)
    return agree_on_floor(
        estimate_floor(pointmap, gravity), known, at_known=level_at(pointmap, gravity, known)
    )


@pytest.mark.parametrize("noise", [KINECT, DepthNoise(0.001, 0.004)], ids=["kinect", "stereo"])
def test_the_error_of_the_floor_is_what_its_sigma_says(noise):
    misses = []
    for seed, (height, pitch) in enumerate([(0.3, 0.0), (0.9, 0.2), (0.9, 0.6), (1.3, 0.4)] * 3):
        pointmap, gravity = view([CABINET, SHELF], camera_pose(height, pitch), noise, seed)
        level = estimate_floor(pointmap, gravity)
        assert level.large and level.support > 0.1
        misses.append((level.height - height) / level.sigma)
        assert level.sigma < 0.03
    assert np.abs(misses).max() < 3
    assert np.sqrt(np.mean(np.square(misses))) < 1.5


def test_nothing_level_is_no_floor():
    pointmap, gravity = view([Block(1.2, 0.0, (0.2, 4.0, 3.0))], camera_pose(pitch=0.0))
    assert estimate_floor(pointmap, gravity) is None
    assert level_at(pointmap, gravity, 0.9) is None
    empty = replace(pointmap, readings=DepthReadings(np.full_like(pointmap.depth, np.nan)))
    assert estimate_floor(empty, gravity) is None


def test_points_of_a_calibration_that_cannot_be_take_no_memory():
    # A principal point 4e8 pixels above the image puts every point 1e6 metres down.
    camera = PinholeCamera(320, 240, 262.5, 262.5, 159.5, -4e8)
    pointmap = pointmap_from_depth(np.full((240, 320), 1.0, np.float32), camera)
    tracemalloc.start()
    level = estimate_floor(pointmap, [0, 1, 0])
    assert level is None or level.height <= 20.0
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()


@pytest.mark.parametrize("known", [HEIGHT + 0.7, HEIGHT + 1.5, HEIGHT - 0.3, HEIGHT + 0.2])
def test_a_wrong_pose_does_not_win_over_a_floor_that_is_clearly_seen(known):
    floor = agreed([CABINET, SHELF], camera_pose(), known)
    assert floor.height == pytest.approx(HEIGHT, abs=0.02)
    # The disagreement is in sigma and, beyond 15 cm, in words.
    assert floor.sigma > 0.1 * abs(known - HEIGHT)
    assert f"says {known:.2f} m" in floor.remark and f"taken at {floor.height:.2f}" in floor.remark


def test_a_pose_that_agrees_is_kept_without_a_word():
    floor = agreed([CABINET], camera_pose(), HEIGHT + 0.03)
    assert floor.height == pytest.approx(HEIGHT + 0.03)
    assert floor.remark == "" and 0.02 < floor.sigma < 0.05


#: A table top that holds whatever a camera 0.5 m above it sees, with the wall behind it.
TABLE = Block(0.8, 0.0, (1.8, 2.4, 0.75))


def test_a_table_top_that_fills_the_view_is_no_floor():
    pose = camera_pose(height=1.25, pitch=0.6)
    pointmap, gravity = view([TABLE], pose, wall=1.7)
    top = estimate_floor(pointmap, gravity)
    assert top.height == pytest.approx(0.5, abs=0.02) and top.fills_view and not top.large
    floor = agreed([TABLE], pose, 1.25, wall=1.7)
    assert floor.height == pytest.approx(1.25)
    assert floor.sigma > 0.2 and "0.50 m below the camera" in floor.remark


def test_a_floor_seen_beside_the_table_settles_it():
    # A narrower table: the floor shows to its sides, little of it.
    pose = camera_pose(height=1.25, pitch=0.6)
    floor = agreed([Block(0.8, 0.0, (1.8, 0.7, 0.75))], pose, 1.25, wall=1.7)
    assert floor.height == pytest.approx(1.25, abs=0.02)
    assert floor.sigma < 0.05 and floor.remark == ""


def test_a_table_top_without_a_pose_is_taken_with_a_doubt():
    pose = camera_pose(height=1.25, pitch=0.6)
    pointmap, gravity = view([TABLE], pose, wall=1.7)
    floor = agree_on_floor(estimate_floor(pointmap, gravity), None)
    assert floor.height == pytest.approx(0.5, abs=0.02) and floor.sigma >= 0.05


def test_at_a_ledge_the_floor_of_the_pose_is_kept():
    # The robot stands on a platform 0.4 m above the hall that it looks into.
    pose = camera_pose(height=HEIGHT + 0.4, pitch=0.35)
    pointmap, gravity = view([Block(1.0, 0.0, (4.0, 6.0, 0.4))], pose, wall=6.0)
    low, high = estimate_floor(pointmap, gravity), level_at(pointmap, gravity, HEIGHT)
    assert low.height == pytest.approx(HEIGHT + 0.4, abs=0.02) and low.support < high.support
    floor = agree_on_floor(low, HEIGHT, at_known=high)
    assert floor.height == pytest.approx(HEIGHT, abs=0.02) and "1.30 m" in floor.remark


def level(height: float, size=(1.2, 1.0), fills=False, support=0.2) -> Level:
    return Level(height, 0.01, support, size, fills)


@pytest.mark.parametrize(
    ("seen", "known", "at_known", "taken"),
    [
        (level(0.9), 0.92, None, 0.92),  # agree
        (level(0.9, (4.0, 3.0)), 1.6, None, 0.9),  # too large for a table
        (level(0.9, fills=True), 1.6, None, 1.6),  # a table top from close by
        (level(0.9), 1.6, None, 0.9),  # a piece of floor amid furniture
        (level(0.9), 1.6, level(1.59, support=0.01), 1.59),  # something lies where the pose says
        (level(0.9, fills=True), 2.6, None, 0.9),  # no table is 1.7 m high
        (level(0.9, fills=True), 1.1, None, 0.9),  # nor 0.2 m
        (level(1.3), 0.9, None, 1.3),  # the base frame is above the ground
        (level(1.3), 0.9, level(0.9, support=0.01), 1.3),  # with something low in view
        (level(1.3, support=0.1), 0.9, level(0.9, support=0.3), 0.9),  # a ledge
        (None, 0.9, None, 0.9),
        (level(0.9), None, None, 0.9),
    ],
)
def test_which_level_is_taken(seen, known, at_known, taken):
    floor = agree_on_floor(seen, known, at_known=at_known)
    assert floor.height == taken
    # Whichever of the two is true, it lies within three standard deviations where it is open.
    if seen is not None and known is not None and not seen.large and abs(seen.height - known) < 1:
        other = known if taken == seen.height else seen.height
        decided = known < seen.height or at_known is not None or known - seen.height < 0.3
        assert decided or abs(other - taken) < 3 * floor.sigma
    assert not math.isnan(floor.sigma) and floor.sigma > 0


def test_nothing_known_and_nothing_seen():
    assert agree_on_floor(None, None) is None
