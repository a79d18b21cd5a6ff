# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")

import rclpy
from geometry_msgs.msg import Transform
from nav_msgs.msg import Odometry

from spatialgeo_ros.geometry.pose import gravity_in_camera
from spatialgeo_ros.node import parameters, pose_source
from spatialgeo_ros.node.conversions import ns_to_stamp
from spatialgeo_ros.node.pose_source import (
    FirstPose,
    NoPose,
    OdometryPose,
    make_pose_source,
    mount_pose,
)

SECOND = 1_000_000_000
MOUNT = (0.2, 0.0, 0.9, 0.0, math.radians(12.0), 0.0)


@pytest.fixture(scope="module")
def node() -> Iterator[Any]:
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("poses", context=context)
    parameters.declare(node)
    yield node
    node.destroy_node()
    context.try_shutdown()


@pytest.fixture
def config(node: Any) -> parameters.Config:
    config = parameters.read(node)
    camera = replace(config.cameras[0], mount=MOUNT)
    return replace(config, cameras=(camera,), pose_wait=0.05)


def odometry(stamp_ns: int, x: float, yaw: float = 0.0, child: str = "base_link") -> Odometry:
    message = Odometry(child_frame_id=child)
    message.header.stamp, message.header.frame_id = ns_to_stamp(stamp_ns), "odom"
    message.pose.pose.position.x = x
    message.pose.pose.orientation.z = math.sin(yaw / 2)
    message.pose.pose.orientation.w = math.cos(yaw / 2)
    return message


@pytest.fixture
def source(node: Any, config: parameters.Config) -> Iterator[OdometryPose]:
    source = OdometryPose(node, config)
    yield source
    source.close()


def feed(source: OdometryPose, *messages: Odometry) -> None:
    for message in messages:
        source._on_odometry(message)


def test_mount_follows_rep_103():
    level = mount_pose((1.0, 2.0, 3.0, 0.0, 0.0, 0.0))
    assert level.apply([0.0, 0.0, 5.0]) == pytest.approx([6.0, 2.0, 3.0])  # ahead is base x
    assert level.apply([1.0, 0.0, 0.0]) == pytest.approx([1.0, 1.0, 3.0])  # right is base -y
    assert level.apply([0.0, 1.0, 0.0]) == pytest.approx([1.0, 2.0, 2.0])  # down is base -z
    down = mount_pose((0.0, 0.0, 0.0, 0.0, math.radians(30.0), 0.0))
    assert down.apply([0.0, 0.0, 1.0])[2] == pytest.approx(-0.5)  # positive pitch looks down
    left = mount_pose((0.0, 0.0, 0.0, 0.0, 0.0, math.radians(90.0)))
    assert left.apply([0.0, 0.0, 1.0]) == pytest.approx([0.0, 1.0, 0.0])  # positive yaw is left
    rolled = mount_pose((0.0, 0.0, 0.0, math.radians(90.0), 0.0, 0.0))
    assert rolled.apply([1.0, 0.0, 0.0]) == pytest.approx([0.0, 0.0, -1.0])


def test_odometry_is_interpolated_at_the_stamp_and_mounted(source, config):
    feed(source, odometry(SECOND, 0.0), odometry(SECOND + 200_000_000, 1.0, yaw=0.2))
    result = source.lookup(config.cameras[0], "camera_optical", SECOND + 100_000_000)
    assert result.world_frame == "odom"
    expected = [0.5 + 0.2 * math.cos(0.1), 0.2 * math.sin(0.1), 0.9]
    assert result.pose.translation == pytest.approx(expected)
    gravity = gravity_in_camera(result.pose)
    assert gravity == pytest.approx([0.0, math.cos(MOUNT[4]), math.sin(MOUNT[4])])


def test_odometry_of_the_optical_frame_itself_needs_no_mount(source, config):
    feed(source, odometry(SECOND, 3.0, child="camera_optical"))
    result = source.lookup(config.cameras[0], "camera_optical", SECOND)
    assert result.pose.translation == pytest.approx([3.0, 0.0, 0.0])


def test_unknown_mount_is_said(source, config):
    feed(source, odometry(SECOND, 0.0))
    camera = replace(config.cameras[0], mount=(0.0,) * 6)
    assert "camera.mount" in source.lookup(camera, "camera_optical", SECOND).reason


@pytest.mark.parametrize(
    ("stamp", "words"),
    [
        (0, "zero stamp"),
        (SECOND - 1, "around"),  # before everything
        (4 * SECOND, "around"),  # within a gap that is too long
        (9 * SECOND, "around"),  # never extrapolated
    ],
)
def test_no_pose_where_odometry_does_not_reach(source, config, stamp, words):
    feed(source, odometry(SECOND, 0.0), odometry(6 * SECOND, 1.0))
    result = source.lookup(config.cameras[0], "camera_optical", stamp)
    assert result.pose is None
    assert words in result.reason


def test_silence_and_unfilled_quaternions_are_told_apart(source, config):
    camera = config.cameras[0]
    assert "no odometry on '/odom'" in source.lookup(camera, "o", SECOND).reason
    source._on_odometry(Odometry(pose=_zero_quaternion()))
    assert "quaternion" in source.lookup(camera, "o", SECOND).reason


def _zero_quaternion() -> Any:
    message = Odometry().pose
    message.pose.orientation.w = 0.0
    return message


def test_lookup_waits_for_odometry_on_its_way(node, config):
    source = OdometryPose(node, replace(config, pose_wait=10.0))
    feed(source, odometry(SECOND, 0.0))
    late = threading.Timer(0.05, feed, (source, odometry(SECOND + 100_000_000, 1.0)))
    late.start()
    started = time.monotonic()
    result = source.lookup(config.cameras[0], "camera_optical", SECOND + 50_000_000)
    assert result.pose.translation[0] == pytest.approx(0.7)
    assert time.monotonic() - started < 5.0
    late.join()
    source.close()


def test_late_messages_are_dropped_and_a_restarted_bag_begins_anew(source, config):
    camera = config.cameras[0]
    feed(source, odometry(10 * SECOND, 0.0), odometry(10 * SECOND - 1000, 99.0))
    assert source.lookup(camera, "o", 10 * SECOND).pose.translation[0] == pytest.approx(0.2)
    feed(source, odometry(2 * SECOND, 5.0))
    assert source.lookup(camera, "o", 10 * SECOND).pose is None
    assert source.lookup(camera, "o", 2 * SECOND).pose.translation[0] == pytest.approx(5.2)
    source.clear()
    assert source.lookup(camera, "o", 2 * SECOND).pose is None


class TransformException(Exception):
    pass


class FakeTf:
    """Stands for tf2_ros: one transform, from 1 s to 2 s."""

    TransformException = TransformException

    def __init__(self) -> None:
        self.cleared = 0
        self.waits: list[float] = []
        self.Buffer = lambda: self
        self.TransformListener = lambda buffer, node, spin_thread: SimpleNamespace(
            unregister=lambda: None
        )

    def can_transform(self, target: str, source: str, stamp: Any) -> bool:
        return source == "camera_optical"

    def lookup_transform(self, target: str, source: str, stamp: Any, timeout: Any) -> Any:
        self.waits.append(timeout.nanoseconds * 1e-9)
        if source != "camera_optical":
            raise TransformException(f"frame {source} does not exist")
        if not SECOND <= stamp.nanoseconds <= 2 * SECOND:
            raise TransformException("extrapolation into the future")
        transform = Transform()
        transform.translation.x = stamp.nanoseconds / SECOND
        return SimpleNamespace(transform=transform)

    def clear(self) -> None:
        self.cleared += 1


@pytest.fixture
def tf(monkeypatch: pytest.MonkeyPatch) -> FakeTf:
    fake = FakeTf()
    monkeypatch.setattr(pose_source, "tf2_ros", fake)
    return fake


def test_tf_at_the_images_stamp_never_the_latest(node, config, tf):
    source = make_pose_source(node, replace(config, pose_source="tf"))
    camera = config.cameras[0]
    result = source.lookup(camera, "camera_optical", SECOND * 3 // 2)
    assert result.pose.translation == pytest.approx([1.5, 0.0, 0.0])
    assert "zero stamp" in source.lookup(camera, "camera_optical", 0).reason
    assert "future" in source.lookup(camera, "camera_optical", 5 * SECOND).reason
    assert tf.waits == pytest.approx([0.05, 0.05])
    assert "does not exist" in source.lookup(camera, "unknown", SECOND).reason
    assert tf.waits[-1] == 0.0, "nothing to wait for"
    source.clear()
    assert tf.cleared == 1
    source.close()


def test_auto_falls_back_to_odometry(node, config, tf):
    source = make_pose_source(node, replace(config, pose_source="auto"))
    assert isinstance(source, FirstPose)
    camera = config.cameras[0]
    assert source.lookup(camera, "camera_optical", SECOND).pose.translation[0] == 1.0
    reason = source.lookup(camera, "camera_optical", 5 * SECOND).reason
    assert "TF: extrapolation" in reason
    assert "no odometry" in reason
    feed(source._sources[1], odometry(5 * SECOND, 7.0))
    result = source.lookup(camera, "camera_optical", 5 * SECOND)
    assert result.pose.translation[0] == pytest.approx(7.2)
    source.close()


def test_missing_tf2_is_said_or_replaced(node, config, monkeypatch):
    monkeypatch.setattr(pose_source, "tf2_ros", None)
    source = make_pose_source(node, replace(config, pose_source="tf"))
    assert isinstance(source, NoPose)
    assert "tf2" in source.lookup(config.cameras[0], "o", SECOND).reason
    source = make_pose_source(node, config)
    assert isinstance(source, OdometryPose)
    source.close()
    none = make_pose_source(node, replace(config, pose_source="none"))
    assert none.lookup(config.cameras[0], "o", SECOND).pose is None
    assert np.isfinite(mount_pose(MOUNT).matrix).all()
