# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Topics of the object map: when they are published, their markers and detections."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")
pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")

from lifecycle_node import Node
from small_map import chair, mug, small_map, table
from visualization_msgs.msg import Marker

from spatialgeo_ros.errors import NoMapError
from spatialgeo_ros.node import object_outputs
from spatialgeo_ros.node.object_markers import BOXES, NAMES, SPREAD, caption, object_markers
from spatialgeo_ros.node.object_outputs import NO_VISION, ObjectOutputs, detections_message


class Perception:
    def __init__(self, snapshot: Any) -> None:
        self.snapshot = snapshot

    def objects(self) -> Any:
        if isinstance(self.snapshot, str):
            raise NoMapError(self.snapshot)
        return self.snapshot

    def describe(self) -> dict[str, Any]:
        return {"degraded": ("camera 'rear' has no pose",)}


@pytest.fixture
def bench() -> SimpleNamespace:
    node, clock = Node(), SimpleNamespace(now=0.0)
    outputs = ObjectOutputs(node, lambda: 2.0, lambda: clock.now)
    return SimpleNamespace(node=node, clock=clock, outputs=outputs)


def test_the_map_is_published_at_a_bounded_rate_and_at_once_when_asked(bench):
    perception = Perception(small_map())
    for now in (0.0, 0.1, 0.4, 0.55, 0.6):
        bench.clock.now = now
        bench.outputs.publish(perception)
    sent = bench.node.sent["~/objects"]
    assert len(sent) == 2
    bench.outputs.publish(perception, now=True)
    assert len(sent) == len(bench.node.sent["~/object_markers"]) == 3
    assert [one.id for one in sent[-1].objects] == ["chair_1", "table_1", "mug_1"]
    assert sent[-1].degraded == ["camera 'rear' has no pose"]


def test_a_map_that_nobody_listens_to_is_published_rarely(bench):
    bench.node.listeners = 0
    perception = Perception(small_map())
    for now in np.arange(0.0, 11.0, 0.25):
        bench.clock.now = now
        bench.outputs.publish(perception)
    assert len(bench.node.sent["~/objects"]) == 3
    bench.node.listeners = 1
    bench.clock.now = 11.25
    bench.outputs.publish(perception)
    assert len(bench.node.sent["~/objects"]) == 4


def test_a_large_map_leaves_the_lane_its_time(bench):
    class Slow(Perception):
        def objects(self) -> Any:
            bench.clock.now += 0.2  # as building its messages would take
            return super().objects()

    perception = Slow(small_map())
    for _ in range(100):
        bench.outputs.publish(perception)
        bench.clock.now += 0.1
    assert len(bench.node.sent["~/objects"]) <= 6


def test_without_a_map_that_is_said_once_and_the_markers_go(bench):
    bench.outputs.publish(Perception(small_map()))
    for now in (1.0, 2.0, 3.0):
        bench.clock.now = now
        bench.outputs.publish(Perception("no pose: no object map"))
    sent = bench.node.sent["~/objects"]
    assert len(sent) == 2
    assert not sent[-1].objects
    assert sent[-1].degraded == ["no pose: no object map"]
    (deletion,) = bench.node.sent["~/object_markers"][-1].markers
    assert (deletion.action, deletion.header.frame_id) == (Marker.DELETEALL, "odom")


def test_markers_that_were_never_shown_are_not_deleted(bench):
    bench.outputs.publish(Perception("no pose: no object map"))
    assert len(bench.node.sent["~/objects"]) == 1
    assert not bench.node.sent["~/object_markers"], "RViz wants a frame, and there is none"


def test_missing_vision_msgs_is_said(monkeypatch):
    monkeypatch.setattr(object_outputs, "vision", None)
    node = Node()
    outputs = ObjectOutputs(node, lambda: 2.0)
    assert node.lines == [NO_VISION]
    assert "~/detections_3d" not in node.sent
    outputs.publish(Perception(small_map()))
    assert len(node.sent["~/objects"]) == 1


class Record(SimpleNamespace):
    """Stands for a message of vision_msgs: fields are made as they are named."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value = [] if name in ("detections", "results") else Record()
        setattr(self, name, value)
        return value


def test_detections_are_what_is_there_with_their_ids(monkeypatch):
    names = ("Detection3DArray", "Detection3D", "ObjectHypothesisWithPose")
    fake = SimpleNamespace(**dict.fromkeys(names, Record))
    monkeypatch.setattr(object_outputs, "vision", fake)
    message = detections_message(small_map())
    assert message.header.frame_id == "odom"
    assert [one.id for one in message.detections] == ["chair_1", "table_1"]
    first = message.detections[0]
    assert first.results[0].hypothesis.class_id == "chair"
    assert first.results[0].hypothesis.score == pytest.approx(0.98)
    assert first.bbox.center.position.x == 2.0
    assert (first.bbox.size.x, first.bbox.size.y, first.bbox.size.z) == (0.5, 0.4, 0.9)
    assert first.results[0].pose.covariance[0] == pytest.approx(4e-4)


def test_the_real_detection_message_takes_it():
    pytest.importorskip("vision_msgs.msg", reason="vision_msgs is not installed")
    message = detections_message(small_map())
    assert [one.id for one in message.detections] == ["chair_1", "table_1"]


def test_markers_show_remembered_ones_paler_and_mark_gone_ones():
    markers = object_markers(small_map()).markers
    assert markers[0].action == Marker.DELETEALL
    by_name = {(one.ns, one.id): one for one in markers[1:]}
    seen, kept, gone = (by_name[BOXES, number] for number in range(3))
    assert (seen.type, kept.type, gone.type) == (Marker.CUBE, Marker.CUBE, Marker.LINE_LIST)
    assert seen.color.a > 2 * kept.color.a
    assert seen.color.r > seen.color.b, "a red chair"
    assert len(gone.points) == 24
    assert by_name[NAMES, 2].text == "mug_1 mug, gone"
    assert (SPREAD, 2) not in by_name
    assert {one.header.frame_id for one in markers} == {"odom"}
    assert all(one.frame_locked for one in markers[1:]), "TF of their stamp may be gone"
    assert all(one.pose.orientation.w or one.pose.orientation.z for one in markers[1:])


def test_the_covariance_is_an_ellipsoid_of_two_standard_deviations():
    marker = next(one for one in object_markers(small_map()).markers if one.ns == SPREAD)
    axes = sorted((marker.scale.x, marker.scale.y, marker.scale.z))
    assert axes == pytest.approx([4 * 0.01, 4 * 0.02, 4 * 0.03])
    q = marker.pose.orientation
    assert np.linalg.norm([q.x, q.y, q.z, q.w]) == pytest.approx(1.0)


def test_captions():
    assert caption(chair(), 0.0) == "chair_1 red chair"
    assert caption(table(), 12.4) == "table_1 table, 12 s ago"
    assert caption(table(), 600.0) == "table_1 table, 10 min ago"
    assert caption(mug(), 15.0) == "mug_1 mug, gone"
