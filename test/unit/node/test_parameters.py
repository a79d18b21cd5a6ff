# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")

import rclpy
from rclpy.parameter import Parameter

from spatialgeo_ros.node import parameters
from spatialgeo_ros.node.parameter_table import (
    CAMERA_GROUPS,
    CAMERA_TABLE,
    NODE_GROUPS,
    NODE_TABLE,
    Change,
    ParameterError,
    camera_specs,
)

CONFIG = Path(__file__).parents[3] / "config"


@pytest.fixture
def make_node() -> Iterator[Any]:
    context = rclpy.Context()
    rclpy.init(context=context)
    nodes = []

    def make(**values: Any) -> Any:
        overrides = [Parameter(name.replace("__", "."), value=v) for name, v in values.items()]
        node = rclpy.create_node("probe", context=context, parameter_overrides=overrides)
        nodes.append(node)
        return node

    yield make
    for node in nodes:
        node.destroy_node()
    context.try_shutdown()


def read(node: Any) -> parameters.Config:
    parameters.declare(node)
    return parameters.read(node)


def test_configuration_holds_exactly_the_table(make_node):
    config = read(make_node())
    assert {spec.name for spec in NODE_TABLE} == {field.name for field in fields(config)}
    (camera,) = config.cameras
    names = {spec.name for spec in CAMERA_TABLE} | {"name"}
    assert names == {field.name for field in fields(camera)}
    assert camera.image_topic == "camera/image_raw"
    assert not camera.has_mount


def test_params_file_lists_every_parameter_with_its_default():
    listed = yaml.safe_load((CONFIG / "spatialgeo.yaml").read_text())["/**"]["ros__parameters"]
    camera = listed.pop("camera")
    assert listed == {spec.name: spec.default for spec in NODE_TABLE}
    # NaN, "unknown", equals nothing: compared as text.
    assert {f"camera.{name}": str(value) for name, value in camera.items()} == {
        spec.name: str(spec.default) for spec in camera_specs("camera")
    }


def test_the_simulated_robots_mount_is_that_of_the_simulator():
    from spatialgeo_ros.node.pose_source import mount_pose
    from spatialgeo_ros.sim.rig import base_pose, camera_pose

    listed = yaml.safe_load((CONFIG / "simulated_robot.yaml").read_text())
    mount = listed["/**"]["ros__parameters"]["camera"]["mount"]
    optical = base_pose(1.0, 2.0, 0.7) @ mount_pose(mount)
    expected = camera_pose(1.0, 2.0, 0.7)
    assert optical.matrix == pytest.approx(expected.matrix, abs=1e-6)


def test_every_descriptor_says_what_range_and_when(make_node):
    node = make_node()
    parameters.declare(node)
    for spec in (*NODE_TABLE, *camera_specs("camera")):
        descriptor = node.describe_parameter(spec.name)
        assert spec.description in descriptor.description
        assert spec.change.value in descriptor.description
        assert descriptor.read_only == (spec.change is Change.STARTUP)
        if isinstance(spec.default, (int, float)) and not isinstance(spec.default, bool):
            assert descriptor.integer_range or descriptor.floating_point_range, spec.name


def test_cameras_get_their_own_parameters(make_node):
    node = make_node(cameras=["left", "right"], left__image_topic="a/image")
    config = read(node)
    assert [camera.name for camera in config.cameras] == ["left", "right"]
    assert config.cameras[0].image_topic == "a/image"
    assert config.cameras[1].depth_topic == "right/depth/image_raw"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("process_rate", -1.0),
        ("process_rate", "fast"),
        ("process_rate", math.nan),
        ("keyframes", 0),
        ("queue_size", 1000),
        ("pose_source", "gps"),
        ("cameras", ["a", "a"]),
        ("cameras", ["left camera"]),
        ("cameras", ["profile"]),
        ("camera__mount", [0.0, 1.0]),
        ("camera__mount", [math.nan] * 6),
        ("camera__depth_extrinsics", [0.1] * 5 + [math.nan]),
        ("camera__depth_extrinsics", [math.nan] * 3),
        ("camera__image_topic", ""),
        ("camera__image_transport", "theora"),
    ],
)
def test_unusable_values_are_named(make_node, name, value):
    with pytest.raises(ParameterError) as caught:
        read(make_node(**{name: value}))
    assert caught.value.parameter == name.replace("__", ".")
    assert name.replace("__", ".") in str(caught.value)


def test_depth_parameters(make_node):
    (camera,) = read(make_node()).cameras
    assert camera.depth_extrinsics is None
    assert camera.depth_noise == "kinect_v1"
    known = [0.0, 0.059, 0.0, 0.0, 0.0, 0.01]
    (camera,) = read(make_node(camera__depth_extrinsics=known, camera__depth_max=4.0)).cameras
    assert camera.depth_extrinsics == tuple(known)
    with pytest.raises(ParameterError, match="depth_min, 5 m") as caught:
        read(make_node(camera__depth_min=5.0, camera__depth_max=4.0))
    assert caught.value.parameter == "camera.depth_max"
    assert "raise it, or lower depth_min" in str(caught.value), "0 is out of range, and no limit"


def change(name: str, value: Any, configured: bool) -> Any:
    return parameters.validate([Parameter(name, value=value)], configured, ["camera"])


def test_models_cannot_change_while_configured():
    for name, value in (("profile", "other"), ("camera.image_topic", "x"), ("cameras", ["b"])):
        refused = change(name, value, configured=True)
        assert not refused.successful
        assert name in refused.reason
        assert "clean up first" in refused.reason
        assert change(name, value, configured=False).successful


def test_a_change_costs_the_same_with_many_cameras(monkeypatch):
    made = []
    monkeypatch.setattr(
        parameters, "camera_specs", lambda camera: made.append(camera) or camera_specs(camera)
    )
    names = [f"c{n}" for n in range(300)]
    for name, value in (("c7.depth_max", 2.0), ("profile", "other"), ("c300.depth_max", 2.0)):
        assert parameters.validate([Parameter(name, value=value)], False, names).successful
    assert made == ["c7"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ([math.nan, 1.0], [math.nan, 1.0], True),
        ([math.nan, 1.0], [math.nan, 2.0], False),
        ([1.0], [1.0, 1.0], False),
        ("ab", "ab", True),
        ("ab", "ba", False),
        (math.nan, math.nan, True),
        (1, 1.0, False),  # an integer is not the parameter's type
        (["a"], ["a"], True),
        (True, False, False),
        ([math.nan] * 2, ["nan", "nan"], True),  # as `ros2 param load` reads its own dump
        ([math.nan] * 2, ["nan"], False),
        ([math.nan, 1.0], ["nan", "1.0"], False),
        ([1.0, 2.0], ["1.0", "2.0"], False),
        (["nan"], [math.nan], False),
    ],
)
def test_equal_values(one, other, same):
    assert parameters.equal(Parameter("a", value=one), Parameter("a", value=other)) == same


def test_live_parameters_change_any_time_and_only_they_are_applied(make_node):
    config = read(make_node())
    assert change("process_rate", 1.0, configured=True).successful
    changes = [Parameter("process_rate", value=1.0), Parameter("profile", value="other")]
    updated = parameters.update(config, changes)
    assert updated.process_rate == 1.0
    assert updated.profile == config.profile
    assert config.process_rate == 5.0


def test_foreign_parameters_are_not_judged():
    assert change("use_sim_time", True, configured=True).successful


def test_the_parameter_page_is_current(repository):
    from spatialgeo_ros.node.parameter_docs import parameters_markdown

    page = (repository / "docs" / "parameters.md").read_text(encoding="utf-8")
    assert page == parameters_markdown(), "run python -m spatialgeo_ros.node.parameter_docs"


def test_the_parameter_page_has_every_parameter_in_one_section_that_can_be_linked(repository):
    titles = [group.title for group in (*NODE_GROUPS, *CAMERA_GROUPS)]
    assert len(set(titles)) == len(titles), "a second heading would get another anchor"
    assert all(re.fullmatch(r"[A-Z][a-z ]+", title) for title in titles)
    page = (repository / "docs" / "parameters.md").read_text(encoding="utf-8")
    rows = re.findall(r"(?m)^\| `([\w.<>]+)` ", page)
    specs = [*(one.name for one in NODE_TABLE), *(f"<camera>.{one.name}" for one in CAMERA_TABLE)]
    assert rows == specs and len(set(rows)) == len(rows)
    links = dict(re.findall(r"(?m)^- \[(.+)\]\((.+)\): ", page))
    assert links == {title: "#" + title.lower().replace(" ", "-") for title in titles}
