# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters that were given and that nobody reads are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from spatialgeo_ros.node.overrides import for_another_node, undeclared

DECLARED = ["profile", "process_rate", "camera.image_topic", "camera.mount", "use_sim_time"]


def test_misspelt_names_come_with_the_closest_one():
    text = undeclared(["profile", "process_rat", "camera.imagetopic", "colour"], DECLARED)
    assert "'process_rat' (did you mean 'process_rate'?)" in text
    assert "'camera.imagetopic' (did you mean 'camera.image_topic'?)" in text
    assert "'colour'" in text
    assert "'profile'" not in text


def test_what_is_declared_or_declared_later_by_rclpy_is_not_named():
    assert undeclared(["profile", "use_sim_time"], DECLARED) == ""
    assert undeclared(["qos_overrides./a/b.subscription.depth"], DECLARED) == ""


def test_many_and_strange_names_stay_one_line():
    text = undeclared([f"x{n}\n" for n in range(500)] + ["y" * 10**6], DECLARED)
    assert "and 481 more" in text
    assert len(text) < 2500
    assert "\n" not in text


@pytest.mark.parametrize(
    ("key", "node", "applies"),
    [
        ("/**", "/robot/spatialgeo", True),
        ("/robot/spatialgeo", "/robot/spatialgeo", True),
        ("/robot/*", "/robot/spatialgeo", True),
        ("/**/spatialgeo", "/spatialgeo", True),
        ("/**/spatialgeo", "/a/b/spatialgeo", True),
        ("spatialgeo", "/spatialgeo", True),
        ("/*/spatialgeo", "/a/b/spatialgeo", False),
        ("spatialgeo", "/robot/spatialgeo", False),
        ("spatialgeo_node", "/spatialgeo", False),
    ],
)
def test_keys_of_a_parameter_file_apply_as_in_rcl(tmp_path: Path, key, node, applies):
    path = tmp_path / "robot.yaml"
    path.write_text(f"{key}:\n  ros__parameters:\n    profile: none\n")
    found = list(for_another_node(["node", "--ros-args", "--params-file", str(path)], node))
    assert (not found) == applies
    if not applies:
        assert node in found[0]
        assert f"'/{key.lstrip('/')}'" in found[0]


def test_nested_keys_and_files_of_several_nodes(tmp_path: Path):
    path = tmp_path / "robot.yaml"
    path.write_text(
        "robot:\n  spatialgeo:\n    ros__parameters: {a: 1}\nother:\n  ros__parameters: {a: 1}\n"
    )
    arguments = ["node", "--ros-args", "--params-file", str(path), "--", "--params-file", "x"]
    assert not list(for_another_node(arguments, "/robot/spatialgeo"))
    (text,) = for_another_node(arguments, "/spatialgeo")
    assert "'/robot/spatialgeo', '/other'" in text


def test_single_parameters_of_another_node():
    arguments = ["node", "--ros-args", "-p", "spatialgeo_node:profile:=none", "-p", "keyframes:=3"]
    (text,) = for_another_node(arguments, "/spatialgeo")
    assert "'profile'" in text
    assert "'spatialgeo_node'" in text
    assert not list(for_another_node(arguments, "/robot/spatialgeo_node"))
    assert not list(for_another_node(["-p", "x:y:=1"], "/spatialgeo")), "no ROS arguments"


def test_files_that_cannot_be_read_are_left_to_rcl(tmp_path: Path):
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [")
    for path in (broken, tmp_path / "missing.yaml", tmp_path):
        assert not list(for_another_node(["--ros-args", "--params-file", str(path)], "/n"))
