# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Poses compose, invert, convert and interpolate; gravity and the level frame have right signs."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation, Slerp

from spatialgeo_ros.geometry.pose import Pose, gravity_in_camera, interpolate, level_frame


def random_poses(count):
    rng = np.random.default_rng(3)
    rotations = Rotation.random(count, random_state=3)
    return [Pose(r.as_matrix(), rng.normal(size=3)) for r in rotations], rotations


def test_quaternions_agree_with_scipy_in_every_branch():
    poses, rotations = random_poses(50)
    poses += [Pose(Rotation.from_rotvec(np.pi * axis).as_matrix()) for axis in np.eye(3)]
    for rotation in rotations:
        np.testing.assert_allclose(
            Pose.from_quaternion(rotation.as_quat()).rotation, rotation.as_matrix(), atol=1e-12
        )
    for pose in poses:
        q = pose.quaternion()
        assert q[3] >= 0 and np.linalg.norm(q) == pytest.approx(1)
        np.testing.assert_allclose(Rotation.from_quat(q).as_matrix(), pose.rotation, atol=1e-9)


def test_inverse_and_chain():
    (a, b), _ = random_poses(2)
    np.testing.assert_allclose((a @ b).matrix, a.matrix @ b.matrix, atol=1e-12)
    np.testing.assert_allclose((a @ a.inverse()).matrix, np.eye(4), atol=1e-12)
    points = np.random.default_rng(0).normal(size=(4, 5, 3))
    np.testing.assert_allclose((a @ b).apply(points), a.apply(b.apply(points)), atol=1e-12)
    assert a.apply(points.astype(np.float32)).dtype == np.float32


def test_slerp_agrees_with_scipy_and_takes_the_short_way():
    (a, b), rotations = random_poses(2)
    for t in (0.0, 0.3, 1.0):
        expected = Slerp([0, 1], rotations)(t).as_matrix()
        np.testing.assert_allclose(interpolate(a, b, t).rotation, expected, atol=1e-9)
    np.testing.assert_allclose(
        interpolate(a, b, 0.25).translation, 0.75 * a.translation + 0.25 * b.translation
    )
    np.testing.assert_allclose(interpolate(a, a, 0.5).matrix, a.matrix, atol=1e-12)


def test_matrices_with_rounded_rotations_are_projected():
    (a,), _ = random_poses(1)
    pose = Pose.from_matrix(np.round(a.matrix, 5))
    assert np.abs(pose.rotation @ pose.rotation.T - np.eye(3)).max() < 1e-12


@pytest.mark.parametrize("bad", [np.zeros((3, 3)), np.diag([1.0, 1, -1]), np.full((3, 3), np.nan)])
def test_what_is_no_rotation_is_refused(bad):
    with pytest.raises(ValueError):
        Pose(bad)


def test_an_unfilled_quaternion_is_refused():
    with pytest.raises(ValueError, match="not filled"):
        Pose.from_quaternion([0, 0, 0, 0])


def test_gravity_of_a_level_camera_is_down_the_image():
    # Optical frame of a camera that looks along world x: right = -y, down = -z, forward = x.
    level = Pose(np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]], float))
    np.testing.assert_allclose(gravity_in_camera(level), [0, 1, 0], atol=1e-12)


def test_level_frame_takes_out_roll_and_pitch_only():
    rotation = Rotation.from_euler("xz", [0.3, -0.2]).as_matrix()  # pitch, roll
    gravity = rotation.T @ [0, 1, 0]
    level = level_frame(5 * gravity)
    np.testing.assert_allclose(level @ level.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(level) == pytest.approx(1)
    np.testing.assert_allclose(level @ gravity, [0, 1, 0], atol=1e-12)
    heading = level @ [0, 0, 1]  # the optical axis stays in the vertical plane ahead
    assert heading[0] == pytest.approx(0, abs=1e-12) and heading[2] > 0


@pytest.mark.parametrize("looking", [1, -1])
def test_level_frame_of_a_camera_that_looks_straight_down_or_up(looking):
    level = level_frame([0, 0, looking])
    # The top of the image is ahead when looking down, behind when looking up.
    np.testing.assert_allclose(level @ [0, -1, 0], [0, 0, looking], atol=1e-12)


def test_level_frame_refuses_no_direction():
    with pytest.raises(ValueError):
        level_frame([0, 0, 0])
