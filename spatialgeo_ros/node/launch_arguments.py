# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the launch files have in common. Imported by them alone: it needs ROS 2's ``launch``."""

from __future__ import annotations

from pathlib import Path

from launch.actions import DeclareLaunchArgument, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import EnvironmentVariable

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
        switch("rviz", "false", "start RViz"),
    ]


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
