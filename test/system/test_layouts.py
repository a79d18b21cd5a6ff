# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The layouts for RViz and Foxglove show topics that the node has, in panels that can show them."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")
pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")

from ros_support import wait_for

REPOSITORY = Path(__file__).parents[2]
IMAGES = {"sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"}
RVIZ = {
    "PointCloud2": {"sensor_msgs/msg/PointCloud2"},
    "MarkerArray": {"visualization_msgs/msg/MarkerArray"},
    "Image": {"sensor_msgs/msg/Image"},
}
SCENE = {
    "sensor_msgs/msg/PointCloud2",
    "visualization_msgs/msg/MarkerArray",
    "sensor_msgs/msg/Image",
}
NUMBERS = {
    "double",
    "float",
    "boolean",
    *(f"{s}int{n}" for s in ("", "u") for n in (8, 16, 32, 64)),
}
EVERYWHERE = {"/rosout": "rcl_interfaces/msg/Log"}
PATH = re.compile(r"^(?P<topic>/[\w/]+)(?P<filter>\{[^}]*\})?(?P<fields>(\.\w+(\[:?\d*\])?)*)$")


@pytest.fixture(scope="module")
def topics(robot: Any) -> dict[str, str]:
    """Types of the node's topics, with the node at the graph's root as the layouts have it."""
    space = f"/{robot.namespace}"

    def listed() -> dict[str, str]:
        node = robot.ros.node
        own = node.get_publisher_names_and_types_by_node("spatialgeo", space)
        own += node.get_subscriber_names_and_types_by_node("spatialgeo", space)
        return {name.removeprefix(space): kinds[0] for name, kinds in own}

    wait_for(lambda: {"/spatialgeo/objects", "/camera/image_raw"} <= listed().keys())
    return {**listed(), **EVERYWHERE}


@pytest.fixture(scope="module")
def foxglove() -> dict[str, Any]:
    return json.loads((REPOSITORY / "foxglove" / "spatialgeo.json").read_text())


def panels(foxglove: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    found = [c for name, c in foxglove["configById"].items() if name.split("!")[0] == kind]
    assert found, kind
    return found


def fields_of(kind: str) -> dict[str, str]:
    """Types of a message's fields, by name."""
    package, *_, message = kind.split("/")
    module = importlib.import_module(f"{package}.msg")
    return getattr(module, message).get_fields_and_field_types()


def field_type(kind: str, fields: list[str]) -> str:
    """Type of a field of a message, by its path."""
    for name in fields:
        types = fields_of(kind)
        bare = name.split("[")[0]
        assert bare in types, f"{kind} has no field {bare}"
        kind = types[bare]
        if "[" in name:
            kind = re.sub(r"^sequence<(.*)>$", r"\1", kind)
    return kind


def check_path(path: str, topics: dict[str, str]) -> str:
    """Type of what a message path of Foxglove names."""
    parts = PATH.match(path)
    assert parts, f"{path} is no message path"
    kind = topics[parts["topic"]]
    for name in re.findall(r"(\w+)\s*[=!<>]=", parts["filter"] or ""):
        field_type(kind, [name])
    return field_type(kind, [one for one in parts["fields"].split(".") if one])


def test_rviz_shows_what_there_is(topics: dict[str, str]) -> None:
    config = yaml.safe_load((REPOSITORY / "rviz" / "spatialgeo.rviz").read_text())
    shown = [one for one in config["Visualization Manager"]["Displays"] if "Topic" in one]
    assert len(shown) >= 5
    for display in shown:
        topic = "/" + display["Topic"]["Value"]
        assert topics.get(topic) in RVIZ[display["Class"].split("/")[1]], topic


def test_foxglove_panels_have_each_a_place(foxglove: dict[str, Any]) -> None:
    def names(part: Any) -> list[str]:
        if isinstance(part, str):
            return [part]
        assert part["direction"] in ("row", "column")
        assert 0 < part["splitPercentage"] < 100
        return names(part["first"]) + names(part["second"])

    placed = names(foxglove["layout"])
    for config in panels(foxglove, "Tab"):
        assert 0 <= config["activeTabIdx"] < len(config["tabs"])
        for tab in config["tabs"]:
            assert tab["title"]
            placed += names(tab["layout"])
    assert sorted(placed) == sorted(foxglove["configById"])
    assert {"globalVariables", "userNodes", "playbackConfig"} <= foxglove.keys()


def test_foxglove_shows_scene_and_images_that_there_are(
    foxglove: dict[str, Any], topics: dict[str, str]
) -> None:
    for config in panels(foxglove, "3D"):
        for topic in config["topics"]:
            assert topics.get(topic) in SCENE, topic
    for config in panels(foxglove, "Image"):
        mode = config["imageMode"]
        assert topics.get(mode["imageTopic"]) in IMAGES, mode
        if "calibrationTopic" in mode:
            assert topics.get(mode["calibrationTopic"]) == "sensor_msgs/msg/CameraInfo", mode


def test_foxglove_plots_numbers_that_there_are(
    foxglove: dict[str, Any], topics: dict[str, str]
) -> None:
    for config in panels(foxglove, "Plot"):
        for path in config["paths"]:
            assert path["enabled"]
            assert check_path(path["value"], topics) in NUMBERS, path
            topic = path["value"].split("{")[0].split(".")[0]
            stamped = "header" in fields_of(topics[topic])
            assert path["timestampMethod"] == ("headerStamp" if stamped else "receiveTime")


def test_foxglove_lists_messages_that_there_are(
    foxglove: dict[str, Any], topics: dict[str, str]
) -> None:
    for config in panels(foxglove, "RawMessages"):
        check_path(config["topicPath"], topics)
    (diagnostics,) = panels(foxglove, "DiagnosticSummary")
    assert topics[diagnostics["topicToRender"]] == "diagnostic_msgs/msg/DiagnosticArray"
    (log,) = panels(foxglove, "RosOut")
    assert topics[log["topicToRender"]] == "rcl_interfaces/msg/Log"


@pytest.mark.parametrize(
    "path", ["/spatialgeo/distances.length", "/spatialgeo/distance.distance", "distances"]
)
def test_a_path_that_is_not_there_is_found(path: str, topics: dict[str, str]) -> None:
    with pytest.raises((AssertionError, KeyError)):
        check_path(path, topics)
