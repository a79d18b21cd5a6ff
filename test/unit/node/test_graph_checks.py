# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the graph tells about silent topics, asked of a graph that is made up."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")

from spatialgeo_ros.node import graph_checks
from spatialgeo_ros.node.parameter_table import NODE_TABLE, camera_specs
from spatialgeo_ros.node.parameters import CameraConfig, Config

IMAGE, PACKED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
CAMERA = CameraConfig(
    name="front", **{spec.name.split(".")[1]: spec.default for spec in camera_specs("front")}
)
CONFIG = Config(**{spec.name: spec.default for spec in NODE_TABLE})


class Graph:
    """Topics with the types of their publishers."""

    def __init__(self, nodes: tuple[tuple[str, str], ...] = (), **topics: Any) -> None:
        self._topics = {f"/{name.replace('__', '/')}": types for name, types in topics.items()}
        self._nodes = list(nodes)

    def get_publishers_info_by_topic(self, topic_name: str) -> list[Any]:
        types = self._topics.get(topic_name, "")
        return [SimpleNamespace(topic_type=one) for one in types.split()]

    def get_node_names_and_namespaces(self) -> list[tuple[str, str]]:
        return self._nodes

    def resolve_topic_name(self, topic: str) -> str:
        return f"/{topic.lstrip('/')}"

    def get_name(self) -> str:
        return "spatialgeo"

    def get_namespace(self) -> str:
        return "/robot"


@pytest.mark.parametrize(
    ("topics", "changes", "words"),
    [
        ({}, {}, "nobody publishes it: is the camera driver running"),
        ({"front__image_raw": IMAGE}, {}, "its publisher is there and silent"),
        ({"front__image_raw": PACKED}, {}, "remap /front/image_raw/compressed to /front/image_raw"),
        (
            {"front__image_raw__compressed": PACKED},
            {},
            "set front.image_transport to compressed",
        ),
        (
            {"front__image_raw__compressed": PACKED},
            {"image_topic": "front/image_raw/compressed"},
            "set front.image_transport to compressed and set front.image_topic to /front/image_raw",
        ),
        (
            {"front__image_raw__compressed": PACKED},
            {"image_topic": "front/image_raw/compressed", "image_transport": "compressed"},
            "set front.image_topic to /front/image_raw",
        ),
        (
            {"front__image_raw": IMAGE},
            {"image_transport": "compressed"},
            "set front.image_transport to raw",
        ),
        ({"front__image_raw": "a/msg/B"}, {}, "carries a/msg/B, not sensor_msgs/msg/Image"),
        ({"front__image_raw": f"{PACKED} {IMAGE}"}, {}, "its publisher is there and silent"),
    ],
)
def test_why_an_image_topic_is_silent(topics, changes, words):
    assert words in graph_checks.silent_image(Graph(**topics), replace(CAMERA, **changes))


def test_why_a_depth_topic_is_silent():
    assert graph_checks.silent_depth(Graph(), CAMERA).id == "depth-missing"
    assert graph_checks.silent_depth(Graph(), replace(CAMERA, depth_topic="")) is None
    packed = Graph(front__depth__image_raw__compressedDepth=PACKED)
    assert "depth_transport to compressedDepth" in graph_checks.silent_depth(packed, CAMERA)


def test_types_of_the_other_topics(monkeypatch):
    monkeypatch.setattr(graph_checks, "_is_installed", lambda package: True)
    right = Graph(
        front__camera_info="sensor_msgs/msg/CameraInfo",
        front__detections="vision_msgs/msg/Detection2DArray",
        odom="nav_msgs/msg/Odometry",
    )
    assert not list(graph_checks.wrong_types(right, CAMERA))
    assert not list(graph_checks.wrong_odometry(right, CONFIG))
    wrong = Graph(front__camera_info=IMAGE, front__detections="yolo_msgs/msg/Boxes", odom="a/msg/B")
    info, detections = graph_checks.wrong_types(wrong, CAMERA)
    assert "set front.camera_info_topic" in info
    assert "yolo_msgs/msg/Boxes, not vision_msgs/msg/Detection2DArray" in detections
    assert len(list(graph_checks.wrong_odometry(wrong, CONFIG))) == 1
    assert not list(graph_checks.wrong_odometry(wrong, replace(CONFIG, pose_source="tf")))


def test_detections_that_cannot_be_read_without_vision_msgs(monkeypatch):
    monkeypatch.setattr(graph_checks, "_is_installed", lambda package: False)
    published = Graph(front__detections="vision_msgs/msg/Detection2DArray")
    (text,) = graph_checks.wrong_types(published, CAMERA)
    assert "install ros-$ROS_DISTRO-vision-msgs" in text
    assert not list(graph_checks.wrong_types(Graph(), CAMERA)), "nobody needs it"
    assert not list(graph_checks.wrong_types(published, replace(CAMERA, detections_topic="")))


def test_two_nodes_of_one_name():
    own, other = ("spatialgeo", "/robot"), ("spatialgeo", "/robot2")
    assert graph_checks.namesakes(Graph((own, other))) is None
    assert "2 nodes are called /robot/spatialgeo" in graph_checks.namesakes(
        Graph((own, other, own))
    )
