# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The RViz configuration shows what the node publishes, with QoS that fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

#: Topic of a display -> its class in RViz, and whether it is latched.
SHOWN = {
    "camera/image_raw": ("Image", False),
    "spatialgeo/overlay": ("Image", False),
    "spatialgeo/depth/image": ("Image", False),
    "spatialgeo/points": ("PointCloud2", False),
    "spatialgeo/markers": ("MarkerArray", False),
    "spatialgeo/object_markers": ("MarkerArray", True),
    "spatialgeo/keyframe_markers": ("MarkerArray", True),
}


@pytest.fixture
def displays(repository: Path) -> dict[str, dict[str, Any]]:
    config = yaml.safe_load((repository / "rviz" / "spatialgeo.rviz").read_text())
    shown = config["Visualization Manager"]["Displays"]
    return {one["Topic"]["Value"]: one for one in shown if "Topic" in one}


def test_image_overlay_cloud_measurements_objects_and_keyframes_are_shown(displays):
    assert {topic: one["Class"].split("/")[1] for topic, one in displays.items()} == {
        topic: kind for topic, (kind, _) in SHOWN.items()
    }
    off = [topic for topic, one in displays.items() if not one["Enabled"]]
    assert off == ["spatialgeo/depth/image"]


def test_what_is_latched_is_there_for_an_rviz_that_starts_late(displays):
    for topic, (_, latched) in SHOWN.items():
        durability = displays[topic]["Topic"]["Durability Policy"]
        assert durability == ("Transient Local" if latched else "Volatile"), topic


def test_the_node_publishes_what_is_shown(displays, repository):
    node = repository / "spatialgeo_ros" / "node"
    source = (node / "outputs.py").read_text() + (node / "object_outputs.py").read_text()
    for topic in displays:
        if topic.startswith("spatialgeo/"):
            assert f'"{topic.removeprefix("spatialgeo/")}"' in source, topic
