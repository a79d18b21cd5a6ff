# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Judgements that node and doctor share: odometry, detections, clocks, QoS, parameter files."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")
pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.node import graph_checks
from spatialgeo_ros.node.detection_findings import judge_boxes, judge_labels
from spatialgeo_ros.node.odometry_findings import judge_frames, judge_step
from spatialgeo_ros.node.overrides import parameters_for
from spatialgeo_ros.node.stream_findings import judge_clock, judge_rate
from spatialgeo_ros.node.stream_statistics import StreamStatistics


def ids(findings) -> list[str]:
    return [finding.id for finding in findings]


def place(x: float) -> Pose:
    return Pose(np.eye(3), np.array([x, 0.0, 0.0]))


@pytest.mark.parametrize(
    ("world", "child", "words"),
    [
        ("odom", "base_link", ""),
        ("", "base_link", "empty frame_id"),
        ("odom", "", "empty child_frame_id"),
        ("odom", "odom", "for both"),
    ],
)
def test_frames_of_odometry(world, child, words):
    found = list(judge_frames("/odom", world, child))
    assert ids(found) == (["odometry-frames"] if words else [])
    assert all(words in finding for finding in found)


@pytest.mark.parametrize(
    ("metres", "seconds", "jumps"),
    [
        (0.02, 0.02, False),
        (0.29, 0.001, False),  # a correction of odometry that nobody notices
        (0.5, 0.02, True),
        (0.5, 1.0, False),
        (8.0, 1.0, False),  # a car
        (30.0, 1.0, True),
    ],
)
def test_steps_of_odometry(metres, seconds, jumps):
    found = list(judge_step("/odom", seconds, place(1.0), place(1.0 + metres)))
    assert ids(found) == (["odometry-jumps"] if jumps else [])


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (["chair", "mug"], ""),
        ([], ""),
        (["chair", "17"], ""),
        (["56", "0"], ""),  # said by class_labels, which knows the list of names
        (["", " "], "no label"),
    ],
)
def test_labels_of_detections(labels, words):
    found = list(judge_labels("/boxes", labels))
    assert ids(found) == (["detections-labels"] if words else [])
    assert all(words in finding for finding in found)


@pytest.mark.parametrize(
    ("boxes", "words"),
    [
        ([(10, 10, 100, 90)], ""),
        ([], ""),
        ([(0.1, 0.2, 0.5, 0.9), (0.4, 0.4, 1.0, 1.0)], "shares of the image"),
        ([(0.1, 0.2, 0.5, 0.9), (10, 10, 20, 20)], ""),
        ([(500, 300, 900, 700), (900, 100, 1200, 300)], "of another size"),
        ([(600, 100, 655, 300), (10, 10, 20, 20), (30, 10, 40, 20)], ""),
        ([(-8, 5, 100, 100)], ""),
    ],
)
def test_coordinates_of_boxes(boxes, words):
    regions = [Region.from_box(*box) for box in boxes]
    found = list(judge_boxes("/boxes", regions, 640, 480))
    assert ids(found) == (["detections-boxes"] if words else [])
    assert all(words in finding for finding in found)


@pytest.mark.parametrize(
    ("behind", "simulated", "words"),
    [
        ([], False, ""),
        ([0.03, 0.05, 0.9], False, ""),
        ([-0.05, -0.02, 0.0], False, ""),
        ([0.1, 0.1, 30.0], False, ""),  # one late message
        ([2.0, 2.1, 2.2], False, "synchronise the clocks"),
        ([-0.6, -0.5, -0.5], False, "0.5 s ahead of this machine"),
        ([5e7, 5e7], False, "use_sim_time to true"),
        ([5e7, 5e7], True, "behind /clock"),
    ],
)
def test_stamps_against_the_clock(behind, simulated, words):
    found = list(judge_clock(behind, "/image", simulated))
    assert ids(found) == (["stamps-clock"] if words else [])
    assert all(words in finding for finding in found)


def test_slow_images():
    def stream(rate: float) -> StreamStatistics:
        now = [0.0]
        made = StreamStatistics(lambda: now[0])
        for _ in range(12):
            now[0] += 1 / rate
            made.add(int(now[0] * 1e9))
        return made

    assert ids(judge_rate(stream(0.4), "/image")) == ["images-slow"]
    assert not ids(judge_rate(stream(5.0), "/image"))
    assert not ids(judge_rate(StreamStatistics(), "/image")), "silence has a finding of its own"


def endpoint(name: str, **policies: Any) -> SimpleNamespace:
    return SimpleNamespace(
        node_name=name, node_namespace="/", qos_profile=QoSProfile(depth=1, **policies)
    )


class Graph:
    """One topic with these ends."""

    def __init__(self, publishers: list[Any], subscriptions: list[Any]) -> None:
        self._publishers, self._subscriptions = publishers, subscriptions

    def get_publishers_info_by_topic(self, topic_name: str) -> list[Any]:
        return self._publishers

    def get_subscriptions_info_by_topic(self, topic_name: str) -> list[Any]:
        return self._subscriptions


BEST_EFFORT = {"reliability": ReliabilityPolicy.BEST_EFFORT}
RELIABLE = {"reliability": ReliabilityPolicy.RELIABLE}
KEPT = {**RELIABLE, "durability": DurabilityPolicy.TRANSIENT_LOCAL}


@pytest.mark.parametrize(
    ("offered", "asked", "settings"),
    [
        (BEST_EFFORT, BEST_EFFORT, None),
        (RELIABLE, BEST_EFFORT, None),
        (KEPT, RELIABLE, None),
        (BEST_EFFORT, RELIABLE, {"reliability": "best_effort", "durability": "volatile"}),
        (RELIABLE, KEPT, {"durability": "volatile"}),
    ],
)
def test_qos_of_both_sides(offered, asked, settings):
    graph = Graph([endpoint("driver", **offered)], [endpoint("me", **asked)])
    finding = graph_checks.incompatible_qos(graph, "/image", ["/me"])
    if settings is None:
        assert finding is None
        return
    expected = {f"qos_overrides./image.subscription.{k}": v for k, v in settings.items()}
    assert (finding.id, finding.settings) == ("qos-incompatible", expected)
    assert "/driver publishes /image" in finding
    assert graph_checks.incompatible_qos(graph, "/image", ["/other"]) is None


def test_parameter_files_are_read_as_rcl_reads_them(tmp_path):
    path = tmp_path / "parameters.yaml"
    path.write_text(
        "/**:\n  ros__parameters:\n    profile: nano\n    front: {depth_scale: 0.5}\n"
        "/robot/spatialgeo:\n  ros__parameters:\n    profile: none\n"
        "detector:\n  ros__parameters:\n    rate: 5\n"
    )
    assert parameters_for(path, "/robot/spatialgeo") == {
        "profile": "none",
        "front.depth_scale": 0.5,
    }
    assert parameters_for(path, "/spatialgeo")["profile"] == "nano"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("other:\n  ros__parameters:\n    a: 1\n", "sets nothing of /spatialgeo"),
        ("just a text", "its nodes: none"),
        ("a: [", "no YAML"),
    ],
)
def test_parameter_files_of_no_use(tmp_path, text, words):
    path = tmp_path / "parameters.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=words):
        parameters_for(path, "/spatialgeo")
