# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Start the spatialgeo node on a robot's camera topics, with RViz if asked for.

``ros2 launch spatialgeo_ros spatialgeo.launch.py --show-args`` describes the arguments.
"""

from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, OpaqueFunction
from launch.conditions import IfCondition, InvalidConditionExpressionError
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode
from launch_ros.parameter_descriptions import ParameterValue

from spatialgeo_ros.node.launch_arguments import (
    ON_OFF,
    fast_dds_environment,
    log_level_and_rviz,
    parameters_of_file,
    rviz_actions,
    rviz_arguments,
    switch,
)

# Beside this file in the sources and in share/: it can be read without an installation.
SHARE = Path(__file__).parent.parent

# Launch argument -> (node parameter, type, description). An empty argument sets nothing: then the
# parameter file's value counts, or the node's default.
PARAMETERS = {
    "profile": ("profile", str, "model profile: none, a name in config/models/ or a YAML file"),
    "grounding": ("grounding", str, "what looks for words: profile, none, a name or kind in "
                  "config/grounding/ or a YAML file"),
    "device": ("device", str, "where the networks run: auto, cpu, cuda"),
    "quantisation": ("quantisation", str, "linear layers of the language model: profile, none, "
                     "nf4, int8"),
    "precision": ("precision", str, "type of the networks: profile, float32, float16, bfloat16, "
                  "half"),
    "backend": ("backend", str, "what runs the image networks: auto, torch, onnxruntime, tensorrt, "
                "tensorrt_rtx"),
    "backend_policy": ("backend_policy", str, "a backend that fails: next_backend, fail"),
    "build_engines": ("build_engines", bool, "make missing engines while configuring: true, false"),
    "autostart": ("autostart", bool, "configure and activate by itself: true (the node's default); "
                  "false: drive it with `ros2 lifecycle set`"),
    "pose_source": ("pose_source", str, "camera poses from: auto, tf, odometry, none"),
    "world_frame": ("world_frame", str, "TF frame in which keyframes and the object map are kept "
                    "(odom, map)"),
    "odometry_topic": ("odometry_topic", str, "nav_msgs/Odometry of the base"),
    "image_topic": ("{camera}.image_topic", str, "colour image; with image_transport compressed "
                    "its base name"),
    "image_transport": ("{camera}.image_transport", str, "raw or compressed"),
    "camera_info_topic": ("{camera}.camera_info_topic", str, "calibration of the colour image"),
    "depth_topic": ("{camera}.depth_topic", str, "depth registered to the image; 'none' for none"),
    "depth_transport": ("{camera}.depth_transport", str, "raw or compressedDepth"),
    "detections_topic": ("{camera}.detections_topic", str, "vision_msgs/Detection2DArray; 'none' "
                         "for none"),
    "detection_labels_file": ("{camera}.detection_labels_file", str, "names of a detector's "
                              "classes that are numbers: one a line, or YAML"),
    "vision_info_topic": ("{camera}.vision_info_topic", str, "vision_msgs/VisionInfo that says "
                          "where the names of a detector's classes are"),
}  # fmt: skip


def is_on(argument: str, context: LaunchContext) -> bool:
    """Return an argument as a truth value, in every spelling that launch's conditions take."""
    try:
        return IfCondition(LaunchConfiguration(argument)).evaluate(context)
    except InvalidConditionExpressionError as error:
        given = LaunchConfiguration(argument).perform(context)
        raise ValueError(f"{argument}:={given}: must be one of {', '.join(ON_OFF)}") from error


def node_parameters(context: LaunchContext) -> list:
    """Return the node's parameters: the file, then the arguments that were given."""
    camera = LaunchConfiguration("camera").perform(context)
    values: dict = {
        "cameras": ParameterValue([camera], value_type=list[str]),
        "use_sim_time": is_on("use_sim_time", context),
    }
    for argument, (name, kind, _) in PARAMETERS.items():
        text = LaunchConfiguration(argument).perform(context)
        if not text:
            continue
        value = "" if text == "none" and "topic" in name else text
        values[name.format(camera=camera)] = (
            is_on(argument, context) if kind is bool else ParameterValue(value, value_type=kind)
        )
    file = LaunchConfiguration("params_file").perform(context)
    if not file:
        return [values]
    if not Path(file).is_file():  # launch_ros would only warn, and start with other parameters
        raise FileNotFoundError(f"params_file {file} does not exist")
    if camera == "camera":
        del values["cameras"]  # the file may name several
    return [file, values]


def start(context: LaunchContext) -> list:
    """Return the processes to start: RViz first, as what fails then leaves no node behind."""
    namespace = LaunchConfiguration("namespace")
    level = LaunchConfiguration("log_level")
    return [
        *rviz(context),
        LifecycleNode(
            package="spatialgeo_ros",
            executable="spatialgeo_node",
            name="spatialgeo",
            namespace=namespace,
            parameters=node_parameters(context),
            arguments=["--ros-args", "--log-level", ["spatialgeo:=", level]],
            output="screen",
            emulate_tty=True,
        ),
    ]


def rviz(context: LaunchContext) -> list:
    """Return RViz, looking at the node's first camera and in its world, where it is wanted."""
    if not is_on("rviz", context):
        return []
    file = LaunchConfiguration("params_file").perform(context)
    given = parameters_of_file(file) if file else {}
    camera = LaunchConfiguration("camera").perform(context)
    if camera != "camera" or not given.get("cameras"):
        given["cameras"] = [camera]
    for argument in ("image_topic", "world_frame"):
        if text := LaunchConfiguration(argument).perform(context):
            given[PARAMETERS[argument][0].format(camera=given["cameras"][0])] = text
    return rviz_actions(context, given, is_on("use_sim_time", context))


def generate_launch_description() -> LaunchDescription:
    arguments = [
        DeclareLaunchArgument("namespace", default_value="", description="namespace of the node"),
        DeclareLaunchArgument(
            "params_file", default_value="", description="YAML file of node parameters; empty: none"
        ),
        DeclareLaunchArgument(
            "camera", default_value="camera", description="name of the camera; topics default to "
            "<camera>/image_raw, ...; several cameras: parameter 'cameras' in params_file"
        ),
        *(
            DeclareLaunchArgument(
                name, default_value="", description=f"{text}. Empty: params_file or default"
            )
            for name, (_, _, text) in PARAMETERS.items()
        ),
        switch("use_sim_time", "false", "time from /clock"),
        *log_level_and_rviz(),
        *rviz_arguments(SHARE),
        switch(
            "fastdds_profile", "true", "use Fast DDS with a shared-memory segment large enough for "
            "images (config/fastdds.xml); without it most best-effort images are lost. A profile "
            "that is already set is kept",
        ),
    ]  # fmt: skip
    environment = fast_dds_environment(SHARE, IfCondition(LaunchConfiguration("fastdds_profile")))
    # The group keeps the change to these nodes.
    return LaunchDescription(
        [*arguments, GroupAction([*environment, OpaqueFunction(function=start)], scoped=True)]
    )
