# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the launch files have in common. Imported by them alone: it needs ROS 2's ``launch``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch import Action, LaunchContext
from launch.actions import DeclareLaunchArgument, LogInfo, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import EnvironmentVariable, LaunchConfiguration
from launch_ros.actions import Node

from spatialgeo_ros.node.compatibility import fast_dds_profile_variables

#: How a truth value is written: Nav2's launch files pass True and False on.
ON_OFF = ["true", "false", "True", "False", "1", "0"]


def switch(name: str, default: str, description: str) -> DeclareLaunchArgument:
    """Declare an argument that is true or false."""
    return DeclareLaunchArgument(
        name, default_value=default, choices=ON_OFF, description=description
    )


def log_level_and_rviz() -> list[DeclareLaunchArgument]:
    """Declare ``log_level`` and ``rviz``."""
    return [
        DeclareLaunchArgument(
            "log_level",
            default_value="info",
            choices=["debug", "info", "warn", "error", "fatal"],
            description="lowest severity that is logged",
        ),
        switch("rviz", "false", "start RViz, where it is installed"),
    ]


def rviz_arguments(share: Path) -> list[DeclareLaunchArgument]:
    """Declare what RViz is started with.

    Args:
        share: folder that holds rviz/.
    """
    return [
        DeclareLaunchArgument(
            "rviz_config",
            default_value=str(share / "rviz" / "spatialgeo.rviz"),
            description="RViz configuration file",
        ),
        DeclareLaunchArgument(
            "rviz_fixed_frame",
            default_value="",
            description="frame that RViz shows everything in: without poses a camera's optical "
            "frame. Empty: world_frame of the argument or params_file, or the configuration's",
        ),
    ]


def rviz_actions(context: LaunchContext, given: Mapping[str, Any], sim_time: bool) -> list[Action]:
    """Return what starts RViz; where it is not installed, one line of the log that says so.

    A launch file that names a package that is not there ends, and leaves what it started before.

    Args:
        context: of the launch file, with ``rviz_config``, ``rviz_fixed_frame`` and ``namespace``.
        given: the node's parameters that were given, by name ("cameras", "front.image_topic").
        sim_time: whether time comes from /clock.
    """
    try:
        get_package_prefix("rviz2")
    except PackageNotFoundError:
        return [
            LogInfo(msg="rviz:=true, but rviz2 is not installed (ros-$ROS_DISTRO-rviz2): no RViz")
        ]
    camera = next(iter(given.get("cameras") or ()), "camera")
    image = given.get(f"{camera}.image_topic") or f"{camera}/image_raw"
    frame = LaunchConfiguration("rviz_fixed_frame").perform(context)
    frame = frame or str(given.get("world_frame", ""))
    return [
        Node(
            package="rviz2",
            executable="rviz2",
            name="rviz",
            namespace=LaunchConfiguration("namespace"),
            arguments=["-d", LaunchConfiguration("rviz_config"), *(["-f", frame] if frame else ())],
            remappings=[("camera/image_raw", image)],
            parameters=[{"use_sim_time": sim_time}],
            output="log",
        )
    ]


def parameters_of_file(path: str) -> dict[str, Any]:
    """Return the node's parameters of a parameter file, nested ones by their full names.

    What cannot be read is the node's to name; for RViz it gives nothing.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    found: dict[str, Any] = {}
    for node, part in content.items() if isinstance(content, dict) else ():
        if str(node).endswith(("spatialgeo", "**")) and isinstance(part, dict):
            found.update(_flat(part.get("ros__parameters")))
    return found


def _flat(values: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(values, dict):
        return {}
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found.update(_flat(value, f"{prefix}{name}."))
        else:
            found[f"{prefix}{name}"] = value
    return found


def fast_dds_environment(
    share: Path, condition: IfCondition | None = None
) -> list[SetEnvironmentVariable]:
    """Set our Fast DDS profile, unless one is set already, for what is started in the same group.

    Without its large shared-memory segment most best-effort images are lost; both ends of an image
    topic need it.

    Args:
        share: folder that holds config/.
        condition: of setting it.
    """
    profile = str(share / "config" / "fastdds.xml")
    return [
        SetEnvironmentVariable(
            name, EnvironmentVariable(name, default_value=profile), condition=condition
        )
        for name in fast_dds_profile_variables()
    ]
