# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Boxes that enclose nothing: said with the cure, and no look at the image."""

from __future__ import annotations

import math
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")
pytest.importorskip("vision_msgs.msg", reason="vision_msgs is not installed")

import vision_msgs.msg as vision
from declared_node import declared_node
from sensor_msgs.msg import Image

from spatialgeo_ros.node import parameters
from spatialgeo_ros.node.cameras import CameraInput


@pytest.fixture
def camera() -> Iterator[CameraInput]:
    with declared_node("useless_boxes") as node:
        config = parameters.read(node)
        receiver: Any = SimpleNamespace(node=node)
        camera = CameraInput(receiver, config.cameras[0], config, lambda: None, lambda _: None)
        image = Image()
        image.header.stamp.sec = 5
        camera._on_image(image, 0)
        yield camera


def detections(*sides: float) -> Any:
    array = vision.Detection2DArray()
    array.header.stamp.sec = 5
    for side in sides:
        guess = vision.ObjectHypothesisWithPose()
        guess.hypothesis.class_id, guess.hypothesis.score = "chair", 0.9
        box = vision.BoundingBox2D(size_x=side, size_y=side)
        array.detections.append(vision.Detection2D(bbox=box, results=[guess]))
    return array


@pytest.mark.parametrize("side", [0.0, -3.0, math.nan, math.inf])
def test_boxes_of_nothing_are_no_look_at_the_image(camera: CameraInput, side: float) -> None:
    camera._on_detections(detections(side, side), 0)
    assert camera.boxed() is None, "else the map would miss what it holds"
    assert not camera.has_detector()
    problem = camera.detections_problem()
    assert problem == camera.counters.reason("boxes_left_out")
    assert "have no area, or are not finite; the detector must publish" in problem


def test_one_of_them_costs_the_others_nothing(camera: CameraInput) -> None:
    camera._on_detections(detections(10.0, 0.0), 0)
    assert camera.boxed() is not None and camera.has_detector()
    assert camera.counters.get("boxes_left_out") == 1


def test_no_boxes_are_a_look_that_saw_nothing(camera: CameraInput) -> None:
    camera._on_detections(detections(), 0)
    assert camera.boxed() is not None and not camera.detections_problem()
