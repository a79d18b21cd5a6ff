# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A simulated robot drives through a furnished room, and the spatialgeo node watches.

Then ask, for example: ``ros2 service call /spatialgeo/ask spatialgeo_ros/srv/AskSpatial
"{question: 'How far is the purple table?'}"``.
"""

from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    GroupAction,
    IncludeLaunchDescription,
    OpaqueFunction,
)
from launch.conditions import IfCondition
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from spatialgeo_ros.node.launch_arguments import ON_OFF, fast_dds_environment, log_level_and_rviz

SHARE = Path(__file__).parent.parent

# Launch argument (= parameter of simulated_camera) -> (default, type, description)
CAMERA = {
    "seed": ("7", int, "room: the same seed gives the same room"),
    "rate": ("10.0", float, "frames per second"),
    "width": ("640", int, "image width, px"),
    "height": ("480", int, "image height, px"),
    "speed": ("0.25", float, "speed of the robot, m/s; 0: it stands still"),
    "depth": ("true", bool, "publish depth; without it the node uses its geometry network alone"),
    "depth_noise": ("1.0", float, "factor on the depth noise; 0: exact depth"),
}  # fmt: skip


def start_camera(context: LaunchContext) -> list:
    """Return the simulated camera with its parameters."""
    return [
        Node(
            package="spatialgeo_ros",
            executable="simulated_camera",
            name="simulated_camera",
            namespace=LaunchConfiguration("namespace"),
            parameters=[
                {
                    name: IfCondition(LaunchConfiguration(name)).evaluate(context)
                    if kind is bool
                    else ParameterValue(LaunchConfiguration(name), value_type=kind)
                    for name, (_, kind, _) in CAMERA.items()
                }
            ],
            arguments=["--ros-args", "--log-level", LaunchConfiguration("log_level")],
            output="screen",
            emulate_tty=True,
        )
    ]


def generate_launch_description() -> LaunchDescription:
    arguments = [
        *(
            DeclareLaunchArgument(
                name,
                default_value=default,
                description=text,
                choices=ON_OFF if kind is bool else None,
            )
            for name, (default, kind, text) in CAMERA.items()
        ),
        DeclareLaunchArgument("namespace", default_value="", description="namespace of both nodes"),
        DeclareLaunchArgument("profile", default_value="nano", description="model profile"),
        DeclareLaunchArgument(
            "grounding", default_value="profile", description="what looks for words"
        ),
        DeclareLaunchArgument(
            "params_file",
            default_value=str(SHARE / "config" / "simulated_robot.yaml"),
            description="YAML file of node parameters, in place of config/simulated_robot.yaml, "
            "which says where the camera sits",
        ),
        *log_level_and_rviz(),
    ]
    spatialgeo = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(Path(__file__).parent / "spatialgeo.launch.py")),
        launch_arguments={
            name: LaunchConfiguration(name)
            for name in ("params_file", "namespace", "profile", "grounding", "rviz", "log_level")
        }.items(),
    )
    return LaunchDescription(
        [
            *arguments,
            GroupAction(
                [*fast_dds_environment(SHARE), OpaqueFunction(function=start_camera), spatialgeo],
                scoped=True,
            ),
        ]
    )
