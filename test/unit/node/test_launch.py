# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The launch files parse, describe their arguments, and start what they say, with what they say."""

import logging
import os
import subprocess
import sys

import pytest
import yaml

launch = pytest.importorskip("launch", reason="needs ROS 2's launch")
if not hasattr(launch, "LaunchDescription"):
    pytest.skip("the ROS package launch is not installed", allow_module_level=True)
pytest.importorskip("launch_ros.actions", reason="needs launch_ros")

from ament_index_python.packages import PackageNotFoundError  # noqa: E402
from launch import LaunchContext  # noqa: E402
from launch.actions import (  # noqa: E402
    DeclareLaunchArgument,
    GroupAction,
    IncludeLaunchDescription,
    LogInfo,
    OpaqueFunction,
)
from launch.launch_description_sources import get_launch_description_from_python_launch_file  # noqa: E402, E501
from launch.utilities import perform_substitutions  # noqa: E402
from launch_ros.actions import LifecycleNode  # noqa: E402
from launch_ros.utilities import evaluate_parameters  # noqa: E402

from spatialgeo_ros.node import launch_arguments  # noqa: E402

# launch makes loggers that do not propagate: those of other tests would say nothing to pytest.
logging.setLoggerClass(logging.Logger)

FILES = ["spatialgeo.launch.py", "demo.launch.py"]


@pytest.fixture
def launch_file(repository):
    return lambda name: str(repository / "launch" / name)


def arguments_of(description):
    """Declared arguments of one file, not of the files it includes."""
    found = [e for e in description.entities if isinstance(e, DeclareLaunchArgument)]
    return {argument.name: argument for argument in found}


def context_with(description, given):
    context = LaunchContext()
    for name, argument in arguments_of(description).items():
        default = "".join(part.perform(context) for part in argument.default_value)
        context.launch_configurations[name] = given.get(name, default)
    return context


def nodes_of(launch_file, **given):
    """Nodes that spatialgeo.launch.py starts with some arguments, and the context."""
    description = get_launch_description_from_python_launch_file(launch_file(FILES[0]))
    context = context_with(description, given)
    (group,) = [e for e in description.entities if isinstance(e, GroupAction)]
    (start,) = [e for e in group.get_sub_entities() if isinstance(e, OpaqueFunction)]
    return start.execute(context), context


@pytest.fixture
def installed(monkeypatch):
    """RViz is installed, whether it is or not."""
    monkeypatch.setattr(launch_arguments, "get_package_prefix", lambda name: f"/opt/ros/{name}")


def rviz_of(launch_file, **given):
    """RViz with some arguments, and what it is started with: topics, words on its command line."""
    (rviz, node), context = nodes_of(launch_file, rviz="true", **given)
    assert isinstance(node, LifecycleNode), "RViz first: what fails then leaves no node behind"
    remapped = {
        perform_substitutions(context, list(source)): perform_substitutions(context, list(target))
        for source, target in rviz._Node__remappings
    }
    given = rviz._Node__arguments
    words = [one if isinstance(one, str) else one.perform(context) for one in given]
    return remapped, words


def parameters_of(node, context):
    """Parameters as the node gets them: later ones win."""
    merged = {}
    for entry in evaluate_parameters(context, node._Node__parameters):
        if isinstance(entry, dict):
            merged.update(entry)
        else:
            content = yaml.safe_load(open(entry).read())
            merged.update(content["/**"]["ros__parameters"])
    return merged


@pytest.mark.parametrize("name", FILES)
def test_every_argument_is_described(launch_file, name):
    description = get_launch_description_from_python_launch_file(launch_file(name))
    arguments = arguments_of(description)
    assert {"namespace", "profile", "rviz", "log_level"} <= set(arguments)
    for argument in arguments.values():
        assert len(argument.description) > 10, argument.name
        assert argument.default_value is not None, argument.name


@pytest.mark.parametrize("name", FILES)
def test_reading_a_launch_file_imports_no_network_code(launch_file, name):
    script = (
        "import sys\n"
        "from launch.launch_description_sources import "
        "get_launch_description_from_python_launch_file as read\n"
        f"read({launch_file(name)!r})\n"
        "heavy = {'torch', 'mujoco', 'transformers', 'cv2', 'rclpy.node'} & set(sys.modules)\n"
        "heavy.discard('rclpy.node')\n"  # launch_ros itself needs it
        "sys.exit(str(heavy) if heavy else 0)\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_defaults_leave_the_parameters_to_the_node(launch_file):
    (node,), context = nodes_of(launch_file)
    assert isinstance(node, LifecycleNode)
    assert parameters_of(node, context) == {"cameras": ["camera"], "use_sim_time": False}


def test_arguments_become_typed_parameters(launch_file):
    (node,), context = nodes_of(
        launch_file,
        camera="front",
        image_topic="/robot/front/rgb",
        depth_topic="none",
        autostart="false",
        use_sim_time="true",
        profile="none",
        detection_labels_file="/etc/coco.txt",
    )
    assert parameters_of(node, context) == {
        "cameras": ["front"],
        "front.image_topic": "/robot/front/rgb",
        "front.depth_topic": "",
        "autostart": False,
        "use_sim_time": True,
        "profile": "none",
        "front.detection_labels_file": "/etc/coco.txt",
    }


SPELLINGS = [("True", True), ("true", True), ("1", True), ("False", False), ("0", False)]


@pytest.mark.parametrize(("text", "value"), SPELLINGS)
def test_switches_take_every_spelling(launch_file, installed, text, value):
    names = ("use_sim_time", "autostart", "build_engines")
    (*rviz, node), context = nodes_of(launch_file, rviz=text, **dict.fromkeys(names, text))
    parameters = parameters_of(node, context)
    assert [parameters[name] for name in names] == [value] * 3
    assert [parameters_of(one, context) for one in rviz] == [{"use_sim_time": True}] * value
    for file in FILES:
        description = get_launch_description_from_python_launch_file(launch_file(file))
        for argument in arguments_of(description).values():
            if argument.choices and "true" in argument.choices:
                assert text in argument.choices, argument.name


@pytest.mark.parametrize(("text", "value"), SPELLINGS)
def test_the_demos_camera_takes_every_spelling(launch_file, text, value):
    description = get_launch_description_from_python_launch_file(launch_file(FILES[1]))
    context = context_with(description, {"depth": text})
    (group,) = [e for e in description.entities if isinstance(e, GroupAction)]
    (start,) = [e for e in group.get_sub_entities() if isinstance(e, OpaqueFunction)]
    (camera,) = start.execute(context)
    assert parameters_of(camera, context)["depth"] is value


def test_a_switch_that_is_none_is_named(launch_file):
    with pytest.raises(ValueError, match="autostart:=maybe: must be one of true"):
        nodes_of(launch_file, autostart="maybe")


def test_given_arguments_win_over_the_parameter_file(launch_file, tmp_path):
    path = tmp_path / "robot.yaml"
    content = {"cameras": ["left", "right"], "profile": "none", "keyframes": 4}
    path.write_text(yaml.safe_dump({"/**": {"ros__parameters": content}}))
    (node,), context = nodes_of(launch_file, params_file=str(path), profile="nano")
    merged = parameters_of(node, context)
    assert merged["profile"] == "nano"
    assert (merged["keyframes"], list(merged["cameras"])) == (4, ["left", "right"])


def test_a_missing_parameter_file_is_an_error(launch_file):
    with pytest.raises(FileNotFoundError, match="params_file /nowhere.yaml"):
        nodes_of(launch_file, params_file="/nowhere.yaml")


def test_fast_dds_profile_is_set_unless_one_is(launch_file, monkeypatch):
    name = "FASTRTPS_DEFAULT_PROFILES_FILE"

    def environment(**given):
        description = get_launch_description_from_python_launch_file(launch_file(FILES[0]))
        context = context_with(description, given)
        (group,) = [e for e in description.entities if isinstance(e, GroupAction)]
        for action in group.get_sub_entities():
            if type(action).__name__ == "SetEnvironmentVariable":
                action.visit(context)
        return context.environment.get(name)

    monkeypatch.delenv(name, raising=False)
    assert environment(fastdds_profile="false") is None
    ours = environment()
    assert os.path.isfile(ours)
    assert ours.endswith("config/fastdds.xml")
    monkeypatch.setenv(name, "/etc/mine.xml")
    assert environment() == "/etc/mine.xml"


def test_without_rviz_the_node_starts_and_one_line_says_so(launch_file, monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(launch_arguments, "get_package_prefix", missing)
    (line, node), context = nodes_of(launch_file, rviz="true")
    assert isinstance(line, LogInfo)
    assert "rviz2 is not installed" in perform_substitutions(context, line.msg)
    assert isinstance(node, LifecycleNode)


def test_rviz_looks_at_the_nodes_camera_in_its_world(launch_file, installed, tmp_path):
    remapped, words = rviz_of(launch_file)
    assert remapped == {"camera/image_raw": "camera/image_raw"}
    assert "-f" not in words
    remapped, words = rviz_of(
        launch_file, camera="front", image_topic="/front/rgb", world_frame="map"
    )
    assert remapped == {"camera/image_raw": "/front/rgb"}
    assert words[words.index("-f") + 1] == "map"
    assert words[words.index("-d") + 1].endswith("rviz/spatialgeo.rviz")
    _, words = rviz_of(launch_file, world_frame="map", rviz_fixed_frame="front_optical")
    assert words[words.index("-f") + 1] == "front_optical"
    path = tmp_path / "robot.yaml"
    content = {"cameras": ["left", "right"], "left": {"image_topic": "/l/rgb"}, "world_frame": "m"}
    path.write_text(yaml.safe_dump({"/**/spatialgeo": {"ros__parameters": content}}))
    remapped, words = rviz_of(launch_file, params_file=str(path))
    assert remapped == {"camera/image_raw": "/l/rgb"}
    assert words[words.index("-f") + 1] == "m"
    remapped, _ = rviz_of(launch_file, params_file=str(path), camera="right")
    assert remapped == {"camera/image_raw": "right/image_raw"}


@pytest.mark.parametrize("text", ["", "[1, 2]", "a: [", "other: {ros__parameters: {cameras: [x]}}"])
def test_a_file_that_says_nothing_of_cameras_leaves_rviz_its_own(
    launch_file, installed, tmp_path, text
):
    path = tmp_path / "robot.yaml"
    path.write_text(text)
    assert rviz_of(launch_file, params_file=str(path))[0] == {
        "camera/image_raw": "camera/image_raw"
    }


def test_the_demo_takes_a_parameter_file(launch_file, repository):
    description = get_launch_description_from_python_launch_file(launch_file(FILES[1]))
    context = context_with(description, {"params_file": "/my/robot.yaml"})
    (group,) = [e for e in description.entities if isinstance(e, GroupAction)]
    (include,) = [e for e in group.get_sub_entities() if isinstance(e, IncludeLaunchDescription)]
    given = {name: value for name, value in include.launch_arguments}
    assert given["params_file"].perform(context) == "/my/robot.yaml"
    default = context_with(description, {}).launch_configurations["params_file"]
    assert default == str(repository / "config" / "simulated_robot.yaml")
