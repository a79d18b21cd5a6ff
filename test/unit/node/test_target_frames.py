# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames that a request names, at the stamp of an image: the world, a camera, the base, others."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")

from spatialgeo_ros.errors import BadRequestError, WrongFrameError
from spatialgeo_ros.geometry.pose import BODY_FROM_OPTICAL, Pose
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.snapshot import MapObject, MapSnapshot
from spatialgeo_ros.node.camera_pose import PoseResult
from spatialgeo_ros.node.target_frames import TargetFrames
from spatialgeo_ros.perception import Perception
from spatialgeo_ros.query.result import Result, ResultType
from spatialgeo_ros.scene.frame_map import FRAME


@dataclass
class Odometry:
    """Knows "base_link" one metre ahead in "odom", and a camera one metre above it."""

    world: str = "odom"
    name: str = "odometry"
    direct: PoseResult | None = None
    lost: bool = False
    stamps: list[int] = field(default_factory=list)

    def frame(self, frame_id: str, stamp_ns: int) -> PoseResult:
        self.stamps.append(stamp_ns)
        if frame_id != "base_link":
            return PoseResult(None, reason=f"odometry does not know {frame_id}")
        return PoseResult(Pose(np.eye(3), np.array([1.0, 0, 0])), self.world)

    def between(self, target: str, frame_id: str, stamp_ns: int) -> PoseResult | None:
        return self.direct

    def lookup(self, camera: Any, frame_id: str, stamp_ns: int) -> PoseResult:
        if self.lost:
            return PoseResult(None, reason="no odometry on '/odom'")
        return PoseResult(Pose(np.eye(3), np.array([1.0, 0, 1.0])), self.world)


@pytest.fixture
def source() -> Odometry:
    return Odometry()


@pytest.fixture
def frames(source) -> TargetFrames:
    return TargetFrames(source, [SimpleNamespace(name="front")], {"front": "front_optical"})


@pytest.mark.parametrize("target", ["", "odom"])
def test_the_world_frame_needs_no_lookup(frames, source, target):
    assert frames.from_world(target, "odom", 5) is None
    assert source.stamps == []


def test_the_base_and_a_camera_are_known_at_the_stamp(frames, source):
    base = frames.from_world("base_link", "odom", 5)
    assert base.frame_id == "base_link"
    assert base.pose.apply(np.array([[3.0, 0, 0]])).tolist() == [[2.0, 0, 0]]
    camera = frames.from_world("front_optical", "odom", 6)
    assert camera.pose.apply(np.array([[3.0, 0, 0]])).tolist() == [[2.0, 0, -1.0]]
    assert source.stamps == [5, 6]


def test_an_unknown_frame_is_named_with_the_reason_and_the_cure(frames):
    with pytest.raises(WrongFrameError, match="'gripper'.*does not know gripper; or leave target"):
        frames.from_world("gripper", "odom", 5)
    with pytest.raises(WrongFrameError, match="'gripper' is not known in 'front_optical'.*or "):
        frames.from_camera("gripper", image())


def test_a_pose_of_another_world_is_refused(frames, source):
    source.world = "map"
    with pytest.raises(WrongFrameError, match="'map', but what was measured is in 'odom'"):
        frames.from_world("base_link", "odom", 5)
    with pytest.raises(WrongFrameError, match="'map', but the image is in 'odom'"):
        frames.from_camera("base_link", image(pose=Pose.identity()))


def image(frame_id: str = "front_optical", pose: Pose | None = None) -> Frame:
    pixels = np.zeros((4, 4, 3), np.uint8)
    world = "" if pose is None else "odom"
    return Frame("front", 7, frame_id, pixels, pose=pose, world_frame=world)


@pytest.mark.parametrize("target", ["", "front_optical"])
def test_the_cameras_own_frame_needs_no_pose_at_all(frames, source, target):
    source.lost = True
    assert frames.from_camera(target, image()) is None


def test_points_of_an_image_come_into_base_and_world_at_its_stamp(frames, source):
    base = frames.from_camera("base_link", image())
    assert base.frame_id == "base_link"
    assert base.pose.apply([0.5, 0, 0]).tolist() == [0.5, 0, 1.0]
    assert source.stamps == [7]
    world = frames.from_camera("odom", image())
    assert world.pose.apply([0.5, 0, 0]).tolist() == [1.5, 0, 1.0]


def test_the_pose_that_the_image_came_with_is_its_pose(frames, source):
    source.lost = True
    there = Pose(np.eye(3), np.array([4.0, 0, 0]))
    assert frames.from_camera("odom", image(pose=there)).pose.translation.tolist() == [4, 0, 0]
    with pytest.raises(WrongFrameError, match="no odometry on '/odom'"):
        frames.from_camera("odom", image())


def test_what_the_source_knows_directly_needs_no_world(frames, source):
    source.lost = True
    source.direct = PoseResult(Pose(np.eye(3), np.array([0.0, 0, 2.0])), "arm")
    assert frames.from_camera("arm", image()).pose.translation.tolist() == [0, 0, 2]
    source.direct = PoseResult(None, reason="TF from 'front_optical' to 'arm' is 0.40 s behind")
    with pytest.raises(WrongFrameError, match="is 0.40 s behind"):
        frames.from_camera("arm", image())


def test_without_a_source_of_poses_the_cure_is_one(frames, source):
    source.name, source.direct = "none", PoseResult(None, reason="pose_source is 'none'")
    with pytest.raises(WrongFrameError, match="'none'; let poses come from TF or odom"):
        frames.from_camera("base_link", image())


def test_a_name_has_a_bound(frames):
    for look in (lambda name: frames.from_world(name, "odom", 5),
                 lambda name: frames.from_camera(name, image())):  # fmt: skip
        with pytest.raises(BadRequestError, match="201 characters"):
            look("x" * 201)


def placed_in(frames: TargetFrames, wanted: str, pose: Pose | None) -> tuple[str, list[float]]:
    """Frame and place of a cup that an image alone shows half a metre right of the camera, 2 m off.

    The image's gravity is unknown: its things are in the camera's axes of REP-103.
    """
    pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")
    from spatialgeo_ros.node.question_parts import Places

    spread = np.diag([1e-2, 1e-4, 1e-4])
    size = np.full(3, 0.1)
    cup = MapObject("cup", "cup", np.array([2.0, -0.5, 0]), spread, size, size, 0.0, 7, 7)
    told = SimpleNamespace(
        result=Result(ResultType.ERROR, "", objects=("cup",)),
        snapshot=MapSnapshot((cup,), FRAME, 7),
    )
    places = Places.of(frames, wanted, told, Perception(None).observe(image(pose=pose)))
    (message,) = places.objects
    position = message.pose.pose.position
    return message.header.frame_id, [round(one, 6) for one in (position.x, position.y, position.z)]


def test_what_one_image_shows_is_in_a_frame_that_tf_knows(frames):
    optical = ("front_optical", [0.5, 0.0, 2.0])
    assert placed_in(frames, "", None) == optical
    assert placed_in(frames, "front_optical", None) == optical
    pose = Pose(BODY_FROM_OPTICAL.rotation, np.array([1.0, 0, 1.0]))
    assert placed_in(frames, "", pose) == ("odom", [3.0, -0.5, 0.0]), "on the floor"
    assert placed_in(frames, "base_link", pose) == ("base_link", [2.0, -0.5, 0.0])
    with pytest.raises(WrongFrameError):
        placed_in(frames, "gripper", pose)
