# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Trajectories with times: the TUM layout, interpolation, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.geometry.pose import Pose, gravity_in_camera
from spatialgeo_ros.recordings.trajectory import StampedTrajectory

HALF = 0.5**0.5


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.fixture
def trajectory(tmp_path: Path) -> StampedTrajectory:
    """A quarter turn about z while moving 2 m along x, within 0.2 s; then a gap; then one pose."""
    return StampedTrajectory.read_tum(
        write(
            tmp_path / "poses.csv",
            "timestamp,x,y,z,qx,qy,qz,qw\n# comment\n"
            "1305031102.2,2,0,1,0,0,1,1\n"
            "1305031102.0 0 0 1 0 0 0 1\n\n"
            "1305031110.0,5,5,5,0,0,0,1\n",
        )
    )


def test_lines_are_sorted_and_times_exact(trajectory: StampedTrajectory) -> None:
    assert trajectory.stamps_ns.tolist() == [
        1305031102_000000000, 1305031102_200000000, 1305031110_000000000,
    ]  # fmt: skip
    assert trajectory.span() == "1305031102.000 s to 1305031110.000 s"


def test_poses_between_are_interpolated(trajectory: StampedTrajectory) -> None:
    middle = trajectory.at(1305031102_100000000)
    assert middle is not None
    np.testing.assert_allclose(middle.translation, [1, 0, 1], atol=1e-12)
    expected = Pose.from_quaternion([0, 0, np.sin(np.pi / 8), np.cos(np.pi / 8)]).rotation
    np.testing.assert_allclose(middle.rotation, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("stamp", "x"),
    [
        (1305031102_200000000, 2.0),
        (1305031101_960000000, 0.0),
        (1305031101_900000000, None),
        (1305031102_240000000, 2.0),
        (1305031105_000000000, None),
        (1305031110_040000000, 5.0),
        (1305031111_000000000, None),
    ],
)
def test_gaps_and_ends_have_no_pose(
    trajectory: StampedTrajectory, stamp: int, x: float | None
) -> None:
    pose = trajectory.at(stamp)
    assert (None if pose is None else pose.translation[0]) == x


def test_optical_worlds_become_z_up(tmp_path: Path) -> None:
    path = write(tmp_path / "poses.txt", "0.5 1 2 3 0 0 0 1\n")
    pose = StampedTrajectory.read_tum(path, "optical").at(500_000_000)
    assert pose is not None
    np.testing.assert_allclose(pose.translation, [3, -1, -2])
    np.testing.assert_allclose(gravity_in_camera(pose), [0, 1, 0], atol=1e-12)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "no poses"),
        ("0 1 2 3 0 0 0\n", "line 1.*7 columns"),
        ("0 0 0 0 0 0 0 1\n1 2 x 4 0 0 0 1\n", "line 2"),
        ("0 0 0 0 0 0 0 0\n", "line 1.*no direction"),
    ],
)
def test_other_files_are_refused_with_the_line(tmp_path: Path, text: str, match: str) -> None:
    with pytest.raises(BadRequestError, match=match):
        StampedTrajectory.read_tum(write(tmp_path / "poses.txt", text))


def test_missing_file_and_unknown_axes(tmp_path: Path) -> None:
    with pytest.raises(BadRequestError, match="missing.txt does not exist"):
        StampedTrajectory.read_tum(tmp_path / "missing.txt")
    with pytest.raises(BadRequestError, match="world_axes"):
        StampedTrajectory.read_tum(tmp_path / "missing.txt", "enu")


@pytest.mark.parametrize("seconds", ["1e400", "-inf", "9" * 30, "9" * 5000, "-1e12"], ids=range(5))
def test_times_that_are_none_are_refused(tmp_path: Path, seconds: str) -> None:
    with pytest.raises(BadRequestError, match="line 1"):
        StampedTrajectory.read_tum(write(tmp_path / "poses.txt", f"{seconds} 0 0 0 0 0 0 1\n"))
