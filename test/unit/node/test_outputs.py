# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The keyframes' header is the world frame of their poses."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")
pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")

from lifecycle_node import Node
from visualization_msgs.msg import Marker

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.node.outputs import Outputs, world_frame


def kept(*worlds: str) -> list[Any]:
    """Keyframes with a pose in the world of that name, or without one."""
    return [
        SimpleNamespace(
            payload=SimpleNamespace(
                frame=SimpleNamespace(pose=Pose.identity() if world else None, world_frame=world)
            )
        )
        for world in worlds
    ]


@pytest.mark.parametrize(
    ("worlds", "frame"),
    [(("odom",), "odom"), (("odom", "", ""), "odom"), (("", "map", ""), "map"), (("", ""), "")],
)
def test_a_newest_frame_without_a_pose_does_not_empty_the_header(worlds, frame):
    assert world_frame(kept(*worlds)) == frame


def test_no_keyframes_have_no_frame():
    assert world_frame([]) == ""


class Perception:
    """Keyframes, and what describes them."""

    def __init__(self, *frames: Any) -> None:
        self.frames = frames

    def keyframes(self) -> list[Any]:
        decision = SimpleNamespace(gain=1, kept=True)
        return [
            SimpleNamespace(payload=SimpleNamespace(frame=one, keyframe=decision), keys=None)
            for one in self.frames
        ]

    def describe(self) -> dict[str, Any]:
        return {"capacity": 4, "covered_voxels": 0, "voxel_size": 0.1}


def frame(world: str) -> Frame:
    pose = Pose.identity() if world else None
    pixels, camera = np.zeros((4, 4, 3), np.uint8), PinholeCamera(4, 4, 4.0, 4.0, 1.5, 1.5)
    return Frame("front", 7, "optical", pixels, camera, pose=pose, world_frame=world)


def offer(outputs: Outputs, *worlds: str) -> None:
    """Publish what is kept; the newest image is the last one."""
    frames = [frame(world) for world in worlds]
    seen = SimpleNamespace(
        frame=frames[-1], pointmap=None, keyframe=SimpleNamespace(kept=True, gain=1)
    )
    outputs.publish_observation(Perception(*frames), seen)


@pytest.fixture
def outputs() -> Iterator[tuple[Outputs, list[Any]]]:
    node = Node()
    made = Outputs(node, lambda: 5.0, lambda: 2.0)
    yield made, node.sent["~/keyframe_markers"]


def test_keyframes_are_drawn_where_their_poses_are(outputs):
    made, sent = outputs
    offer(made, "odom", "")
    first, view = sent[-1].markers
    assert first.action == Marker.DELETEALL
    assert view.header.frame_id == first.header.frame_id == "odom"


def test_keyframes_that_have_no_place_any_more_are_deleted_in_the_frame_they_had(outputs):
    made, sent = outputs
    offer(made, "")
    assert not sent, "nothing was ever shown, and RViz wants a frame"
    offer(made, "odom")
    offer(made, "")
    (deletion,) = sent[-1].markers
    assert (deletion.action, deletion.header.frame_id) == (Marker.DELETEALL, "odom")
    offer(made, "")
    assert len(sent) == 2


def test_a_node_that_stops_takes_its_keyframes_back_once(outputs):
    made, sent = outputs
    offer(made, "map")
    made.clear_markers("a_watch")
    assert len(sent) == 1
    made.clear_markers()
    made.clear_markers()
    (deletion,) = sent[-1].markers
    assert (deletion.action, deletion.header.frame_id) == (Marker.DELETEALL, "map")
    assert len(sent) == 2
