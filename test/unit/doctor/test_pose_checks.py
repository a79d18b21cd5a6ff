# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Why a camera has no pose is told by the node's own sources: TF (made up here) and odometry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")
pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")

from declared_node import declared_node
from geometry_msgs.msg import Transform
from sensor_msgs.msg import MultiDOFJointState
from std_msgs.msg import String

from spatialgeo_ros.doctor.pose_checks import PoseCheck
from spatialgeo_ros.node import parameters, tf_listener
from spatialgeo_ros.node.receiver import Receiver
from spatialgeo_ros.node.tf_listener import TfListener, TransformException

SECOND = 1_000_000_000


@pytest.fixture(scope="module")
def node() -> Iterator[Any]:
    with declared_node("pose_checks") as node:
        yield node


@pytest.fixture
def config(node: Any) -> parameters.Config:
    return replace(parameters.read(node), pose_wait=0.01)


class FakeTf:
    """Stands for tf2_ros: the frame "optical", whose newest transform is of second 2."""

    def __init__(self) -> None:
        self.Buffer = lambda: self
        self.set_transform = self.set_transform_static = lambda transform, authority: None

    def can_transform(self, target: str, source: str, stamp: Any) -> bool:
        return source == "optical"

    def lookup_transform(self, target: str, source: str, stamp: Any, timeout: Any) -> Any:
        if source != "optical" or stamp.nanoseconds > 2 * SECOND:
            raise TransformException(f'frame "{source}" is not part of the tree')
        return SimpleNamespace(transform=Transform())

    def get_latest_common_time(self, target: str, source: str) -> Any:
        if source != "optical":
            raise TransformException("unknown")
        return SimpleNamespace(nanoseconds=2 * SECOND)

    def clear(self) -> None:
        pass


@pytest.fixture
def receiver(node: Any) -> Iterator[Receiver]:
    receiver = Receiver(node)
    yield receiver
    receiver.close()


def use(monkeypatch: pytest.MonkeyPatch, tf: Any) -> None:
    monkeypatch.setattr(tf_listener, "tf2_ros", tf)
    monkeypatch.setattr(tf_listener, "TFMessage", MultiDOFJointState)  # tf2_msgs is not on PyPI


@pytest.mark.parametrize(
    ("frame", "stamp", "id"),
    [("optical", 1, ""), ("optical", 3, "tf-late"), ("elsewhere", 1, "tf-chain")],
)
def test_the_chain_of_tf_and_its_delay(receiver, config, monkeypatch, frame, stamp, id):
    use(monkeypatch, FakeTf())
    check = PoseCheck(receiver, TfListener(receiver), replace(config, pose_source="tf"))
    check.lookup(config.cameras[0], frame, stamp * SECOND)
    found = list(check.about_camera("camera"))
    assert [one.id for one in found] == ([id] if id else [])
    assert not list(check.about_robot())
    check.close()


def test_each_source_says_why_it_has_no_pose(receiver, config, monkeypatch):
    use(monkeypatch, FakeTf())
    check = PoseCheck(receiver, TfListener(receiver), config)
    check.lookup(config.cameras[0], "elsewhere", SECOND)
    assert [one.id for one in check.about_camera("camera")] == ["tf-chain", "odometry-missing"]
    check.lookup(config.cameras[0], "optical", SECOND)
    assert not list(check.about_camera("camera")), "one source is enough"
    assert not list(check.about_camera("other")), "its images never came: that is said elsewhere"
    check.close()


def test_tf_that_is_published_and_cannot_be_read(node, receiver, config, monkeypatch):
    use(monkeypatch, None)
    check = PoseCheck(receiver, TfListener(receiver), config)
    check.lookup(config.cameras[0], "optical", SECOND)
    assert not [one for one in check.about_robot() if one.id == "tf2-missing"]
    publisher = node.create_publisher(String, "/tf", 1)
    try:
        found = [one for one in check.about_robot() if one.id == "tf2-missing"]
    finally:
        node.destroy_publisher(publisher)
    assert len(found) == 1
    assert "tf2-ros-py" in found[0]
    check.close()
    only = PoseCheck(receiver, TfListener(receiver), replace(config, pose_source="tf"))
    only.lookup(config.cameras[0], "optical", SECOND)
    assert [one.id for one in only.about_camera("camera")] == ["tf2-missing"]
    only.close()


def test_who_wants_no_poses_is_told_nothing(receiver, config):
    check = PoseCheck(receiver, TfListener(receiver), replace(config, pose_source="none"))
    check.lookup(config.cameras[0], "optical", SECOND)
    assert not list(check.about_camera("camera"))
    assert not list(check.about_robot())
