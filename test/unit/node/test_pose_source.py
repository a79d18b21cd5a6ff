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

from declared_node import declared_node
from geometry_msgs.msg import Transform
from nav_msgs.msg import Odometry
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import MultiDOFJointState

from spatialgeo_ros.geometry.pose import gravity_in_camera
from spatialgeo_ros.node import parameters, tf_listener
from spatialgeo_ros.node.conversions import ns_to_stamp
from spatialgeo_ros.node.depth_transforms import DepthTransforms
from spatialgeo_ros.node.odometry_pose import CHANGES, FOREIGN, REFUSED
from spatialgeo_ros.node.pose_source import (
    FirstPose,
    NoPose,
    OdometryPose,
    TfPose,
    make_pose_source,
    mount_pose,
)
from spatialgeo_ros.node.receiver import Receiver
from spatialgeo_ros.node.stream_statistics import Counters
from spatialgeo_ros.node.tf_listener import TfListener, TransformException

SECOND = 1_000_000_000
MOUNT = (0.2, 0.0, 0.9, 0.0, math.radians(12.0), 0.0)


@pytest.fixture(scope="module")
def node() -> Iterator[Any]:
    with declared_node("poses") as node:
        yield node


@pytest.fixture
def config(node: Any) -> parameters.Config:
    config = parameters.read(node)
    camera = replace(config.cameras[0], mount=MOUNT)
    return replace(config, cameras=(camera,), pose_wait=0.05)


def odometry(
    stamp_ns: int, x: float, yaw: float = 0.0, child: str = "base_link", world: str = "odom"
) -> Odometry:
    message = Odometry(child_frame_id=child)
    message.header.stamp, message.header.frame_id = ns_to_stamp(stamp_ns), world
    message.pose.pose.position.x = x
    message.pose.pose.orientation.z = math.sin(yaw / 2)
    message.pose.pose.orientation.w = math.cos(yaw / 2)
    return message


@pytest.fixture(scope="module")
def receiver(node: Any) -> Iterator[Receiver]:
    receiver = Receiver(node)
    yield receiver
    receiver.close()


@pytest.fixture
def source(receiver: Receiver, config: parameters.Config) -> Iterator[OdometryPose]:
    source = OdometryPose(receiver, config)
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
        (SECOND // 2, "the oldest is 0.50 s newer; where it has only begun"),
        (4 * SECOND, "odometry_gap, 0.5 s"),
        (9 * SECOND, "the newest is 3.00 s older"),  # never extrapolated
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
    feed(source, unusable(SECOND, "zero quaternion"))
    assert "quaternion" in source.lookup(camera, "o", SECOND).reason


def unusable(stamp_ns: int, fault: str) -> Odometry:
    message = odometry(stamp_ns, 0.0)
    if fault == "zero quaternion":
        message.pose.pose.orientation.w = 0.0
    elif fault == "NaN quaternion":
        message.pose.pose.orientation.x = math.nan
    elif fault == "NaN position":
        message.pose.pose.position.y = math.nan
    else:
        message.header.stamp = ns_to_stamp(0)
    return message


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("zero quaternion", "has length 0, not 1"),
        ("NaN quaternion", "has length nan, not 1"),
        ("NaN position", "finite"),
        ("zero stamp", "stamp is zero"),
    ],
)
def test_odometry_that_becomes_unusable_is_named_with_its_count(source, config, fault, words):
    camera = config.cameras[0]
    feed(source, odometry(SECOND, 0.0))
    assert source.lookup(camera, "o", SECOND).pose is not None
    feed(source, *(unusable((2 + n) * SECOND, fault) for n in range(3)))
    reason = source.lookup(camera, "o", 3 * SECOND).reason
    assert words in reason
    assert "3 messages refused" in reason
    assert source.counters.get(REFUSED) == 3
    assert words in source.counters.reason(REFUSED)
    feed(source, odometry(9 * SECOND, 0.0))
    assert "refused" not in source.lookup(camera, "o", 20 * SECOND).reason
    assert source.counters.get(REFUSED) == 3


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("other", [{"world": "robot1/odom"}, {"child": "base_2"}])
def test_two_odometries_on_one_topic_do_not_alternate(receiver, config, other):
    source, camera = OdometryPose(receiver, config, clock=Clock()), config.cameras[0]
    for n in range(1, 6):
        feed(source, odometry(n * SECOND, 1.0), odometry(n * SECOND + 1000, 9.0, **other))
        result = source.lookup(camera, "o", n * SECOND)
        assert result.world_frame == "odom"
        assert result.pose.translation[0] == pytest.approx(1.2)
    assert source.counters.get(FOREIGN) == 5
    assert next(iter(other.values())) in source.counters.reason(FOREIGN)
    assert source.counters.get(CHANGES) == 0
    source.close()


def test_a_change_of_the_world_is_said_and_nothing_is_interpolated_across_it(receiver, config):
    clock = Clock()
    source, camera = OdometryPose(receiver, config, clock=clock), config.cameras[0]
    feed(source, odometry(SECOND, 1.0))
    clock.now += 5.0
    feed(source, odometry(SECOND + 200_000_000, 50.0, world="map"))
    assert source.lookup(camera, "o", SECOND + 100_000_000).pose is None
    result = source.lookup(camera, "o", SECOND + 200_000_000)
    assert result.world_frame == "map"
    assert source.counters.get(CHANGES) == 1
    assert "'odom' to 'base_link' in 'map'" in source.counters.reason(CHANGES)
    source.clear()  # time jumped: another bag may begin at once
    feed(source, odometry(SECOND, 1.0))
    assert source.lookup(camera, "o", SECOND).world_frame == "odom"
    source.close()


def test_lookup_waits_for_odometry_on_its_way(receiver, config):
    source = OdometryPose(receiver, replace(config, pose_wait=10.0))
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


def moved(x: float) -> Transform:
    transform = Transform()
    transform.translation.x = x
    return transform


class FakeTf:
    """Stands for tf2_ros: one transform, from 1 s to 2 s."""

    def __init__(self) -> None:
        self.cleared = 0
        self.heard: list[tuple[str, float, str]] = []
        self.static: dict[tuple[str, str], float] = {}
        self.waits: list[float] = []
        self.asked: list[tuple[str, str]] = []
        self.Buffer = lambda: self

    def set_transform(self, transform: Any, authority: str) -> None:
        self.heard.append(("tf", transform.translation.x, threading.current_thread().name))

    def set_transform_static(self, transform: Any, authority: str) -> None:
        self.heard.append(("static", transform.translation.x, threading.current_thread().name))

    def can_transform(self, target: str, source: str, stamp: Any) -> bool:
        return source == "camera_optical"

    def lookup_transform(self, target: str, source: str, stamp: Any, timeout: Any = None) -> Any:
        self.asked.append((target, source))
        if (target, source) in self.static:
            return SimpleNamespace(transform=moved(self.static[target, source]))
        if timeout is not None:
            self.waits.append(timeout.nanoseconds * 1e-9)
        if source != "camera_optical":
            raise TransformException(f"frame {source} does not exist")
        if not SECOND <= stamp.nanoseconds <= 2 * SECOND:
            raise TransformException("extrapolation into the future")
        return SimpleNamespace(transform=moved(stamp.nanoseconds / SECOND))

    def get_latest_common_time(self, target: str, source: str) -> Any:
        if source != "camera_optical":
            raise TransformException(f"frame {source} does not exist")
        return SimpleNamespace(nanoseconds=2 * SECOND)

    def clear(self) -> None:
        self.cleared += 1


@pytest.fixture
def tf(monkeypatch: pytest.MonkeyPatch) -> FakeTf:
    fake = FakeTf()
    monkeypatch.setattr(tf_listener, "tf2_ros", fake)
    # tf2_msgs is not on PyPI: this, too, has a field "transforms".
    monkeypatch.setattr(tf_listener, "TFMessage", MultiDOFJointState)
    return fake


def test_tf_at_the_images_stamp_never_the_latest(receiver, config, tf):
    source = make_pose_source(receiver, TfListener(receiver), replace(config, pose_source="tf"))
    camera = config.cameras[0]
    result = source.lookup(camera, "camera_optical", SECOND * 3 // 2)
    assert result.pose.translation == pytest.approx([1.5, 0.0, 0.0])
    assert "zero stamp" in source.lookup(camera, "camera_optical", 0).reason
    assert "3.00 s behind" in source.lookup(camera, "camera_optical", 5 * SECOND).reason
    assert tf.waits == pytest.approx([0.05, 0.05])
    assert "does not exist" in source.lookup(camera, "unknown", SECOND).reason
    assert tf.waits[-1] == 0.0, "nothing to wait for"
    source.clear()
    assert tf.cleared == 1
    source.close()


def test_late_tf_is_named_with_its_delay(receiver, config, tf):
    source = make_pose_source(receiver, TfListener(receiver), replace(config, pose_source="tf"))
    reason = source.lookup(config.cameras[0], "camera_optical", 2 * SECOND + 350_000_000).reason
    assert "0.35 s behind the image's stamp after a wait of 0.05 s" in reason
    assert "pose_wait" in reason
    early = source.lookup(config.cameras[0], "camera_optical", SECOND // 2).reason
    assert "extrapolation" in early
    source.close()


@pytest.fixture
def auto(node: Any, receiver: Receiver, config: parameters.Config, tf: FakeTf) -> Iterator[Any]:
    """The source for "auto" with what it logs, its clock and its odometry."""
    clock, lines, counters = Clock(), [], Counters()
    parts = TfPose(TfListener(receiver), config, counters), OdometryPose(receiver, config, counters)
    source = FirstPose(*parts, counters, lines.append, clock)
    yield SimpleNamespace(source=source, odometry=parts[1], lines=lines, clock=clock)
    source.close()


def test_auto_takes_tf_where_it_has_the_transform_and_keeps_it(auto, config):
    camera = config.cameras[0]
    feed(auto.odometry, odometry(SECOND, 7.0))
    assert auto.source.lookup(camera, "camera_optical", SECOND).pose.translation[0] == 1.0
    assert auto.source.name == "auto: tf"
    assert len(auto.lines) == 1
    assert "tf" in auto.lines[0]
    # Whatever odometry knows now: one world until cleanup.
    feed(auto.odometry, odometry(5 * SECOND, 7.0))
    auto.source.clear()
    feed(auto.odometry, odometry(5 * SECOND, 7.0))
    auto.clock.now += 100.0
    result = auto.source.lookup(camera, "camera_optical", 5 * SECOND)
    assert result.pose is None
    assert "took tf" in result.reason


def test_auto_takes_odometry_where_tf_has_nothing_and_keeps_it(auto, config):
    camera = config.cameras[0]
    reason = auto.source.lookup(camera, "elsewhere", SECOND).reason
    assert "does not exist" in reason
    assert "no odometry" in reason
    assert auto.source.name == "auto: none has a pose yet"
    feed(auto.odometry, odometry(SECOND, 7.0))
    assert "waiting for TF" in auto.source.lookup(camera, "elsewhere", SECOND).reason
    auto.clock.now += 2.0
    assert auto.source.lookup(camera, "elsewhere", SECOND).pose.translation[0] == 7.2
    assert auto.source.name == "auto: odometry"
    # TF has this one, odometry does not: still odometry's world.
    result = auto.source.lookup(camera, "camera_optical", SECOND * 3 // 2)
    assert result.pose is None
    assert "took odometry" in result.reason
    assert len(auto.lines) == 1


def test_auto_is_made_of_both(receiver, config, tf):
    source = make_pose_source(receiver, TfListener(receiver), replace(config, pose_source="auto"))
    assert isinstance(source, FirstPose)
    source.close()


def test_missing_tf2_is_said_or_replaced(receiver, config, monkeypatch):
    monkeypatch.setattr(tf_listener, "tf2_ros", None)
    source = make_pose_source(receiver, TfListener(receiver), replace(config, pose_source="tf"))
    assert isinstance(source, NoPose)
    assert "tf2" in source.lookup(config.cameras[0], "o", SECOND).reason
    source = make_pose_source(receiver, TfListener(receiver), config)
    assert isinstance(source, OdometryPose)
    source.close()
    none = make_pose_source(receiver, TfListener(receiver), replace(config, pose_source="none"))
    assert none.lookup(config.cameras[0], "o", SECOND).pose is None
    assert np.isfinite(mount_pose(MOUNT).matrix).all()


def test_odometry_knows_the_base_and_says_what_it_does_not_know(source, config):
    feed(source, odometry(SECOND, 1.0), odometry(SECOND + 400_000_000, 2.0))
    base = source.frame("base_link", SECOND + 200_000_000)
    assert base.pose.translation[0] == pytest.approx(1.5)
    assert "odometry knows only 'base_link' in 'odom'" in source.frame("gripper", SECOND).reason
    assert "zero stamp" in source.frame("base_link", 0).reason


def test_auto_knows_frames_once_it_has_chosen(auto, config):
    assert "neither TF nor odometry" in auto.source.frame("camera_optical", SECOND).reason
    auto.source.lookup(config.cameras[0], "camera_optical", SECOND)
    assert auto.source.frame("camera_optical", SECOND).pose.translation[0] == 1.0
    assert "does not exist" in auto.source.frame("gripper", SECOND).reason


def test_tf_knows_frames_beside_each_other_without_a_world(receiver, config, tf):
    source = make_pose_source(receiver, TfListener(receiver), replace(config, pose_source="tf"))
    beside = source.between("base_link", "camera_optical", SECOND)
    assert tf.asked[-1] == ("base_link", "camera_optical")
    assert beside.pose.translation[0] == 1.0
    assert "zero stamp" in source.between("base_link", "camera_optical", 0).reason
    late = source.between("base_link", "camera_optical", 5 * SECOND).reason
    assert "TF from 'camera_optical' to 'base_link' is 3.00 s behind" in late
    assert "raise pose_wait" in late
    source.close()


def test_auto_asks_tf_what_stands_beside_before_any_camera_is_placed(auto, tf):
    assert auto.source.between("base_link", "camera_optical", SECOND).pose is not None
    assert auto.source.name == "auto: none has a pose yet"


def test_odometry_leaves_frames_beside_each_other_to_its_world(source):
    assert source.between("base_link", "camera_optical", SECOND) is None
    assert NoPose("chosen").between("a", "b", SECOND).reason == "chosen"


def listens(node: Any) -> int:
    """How many subscriptions of /tf a node has."""
    return sum(subscription.topic_name == "/tf" for subscription in node.subscriptions)


def test_one_listener_serves_poses_and_depth_cameras(node, receiver, config, tf):
    shared = TfListener(receiver)
    own = replace(config.cameras[0], depth_camera_info_topic="depth/camera_info")
    config = replace(config, pose_source="auto", cameras=(own,))
    poses = make_pose_source(receiver, shared, config)
    depth = DepthTransforms(shared, config)
    assert listens(node) == 1
    poses.close()  # as when odometry is chosen: the depth camera is still looked for
    assert listens(node) == 1
    assert depth.lookup(own, "colour_optical", "depth_optical") is None
    tf.static = {("colour_optical", "depth_optical"): 0.05}
    assert depth.lookup(own, "colour_optical", "depth_optical").translation[0] == 0.05
    tf.static.clear()
    assert depth.lookup(own, "colour_optical", "depth_optical") is not None, "bolted together"
    depth.close()
    depth.close()
    assert listens(node) == 0


def test_nobody_listens_to_tf_for_a_depth_camera_whose_place_is_given(node, receiver, config, tf):
    place = (0.03, 0.0, 0.0, 0.0, 0.0, 0.0)
    own = replace(
        config.cameras[0], depth_camera_info_topic="depth/camera_info", depth_extrinsics=place
    )
    depth = DepthTransforms(TfListener(receiver), replace(config, cameras=(own,)))
    assert listens(node) == 0
    assert depth.lookup(own, "a", "b") is not None
    depth.close()
    plain = DepthTransforms(TfListener(receiver), config)  # depth is registered to colour
    assert listens(node) == 0
    plain.close()


def test_tf_is_read_beside_the_executor(node, receiver, tf):
    """Nothing spins this node: a thousand transforms a second are no load of its executor."""
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    moving = node.create_publisher(MultiDOFJointState, "/tf", 100)
    static = node.create_publisher(MultiDOFJointState, "/tf_static", latched)
    static.publish(MultiDOFJointState(transforms=[moved(3.0)]))  # before anybody listens
    listener = TfListener(receiver)
    listener.open()
    until = time.monotonic() + 20.0
    while len({kind for kind, _, _ in tf.heard}) < 2 and time.monotonic() < until:
        moving.publish(MultiDOFJointState(transforms=[moved(1.0), moved(2.0)]))
        time.sleep(0.01)
    assert ("static", 3.0, "receiver") in tf.heard
    assert tf.heard.count(("tf", 1.0, "receiver")) == tf.heard.count(("tf", 2.0, "receiver")) > 0
    listener.close()
    node.destroy_publisher(moving)
    node.destroy_publisher(static)
