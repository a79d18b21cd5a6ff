# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every parameter of the node in one table, and the frozen configuration it is read into.

The table is the only place with names, types, defaults, ranges, units and descriptions: the
descriptors (``ros2 param describe``), the validation and the configuration all come from it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import ParameterException
from rclpy.parameter import Parameter

from spatialgeo_ros.errors import BadRequestError

if TYPE_CHECKING:
    from rclpy.node import Node


class ParameterError(BadRequestError):
    """A parameter has a value the node cannot use; ``parameter`` is its name."""

    def __init__(self, parameter: str, problem: str) -> None:
        """Describe the ``problem`` with ``parameter``."""
        super().__init__(f"parameter '{parameter}': {problem}")
        self.parameter = parameter


class Change(Enum):
    """When a parameter may change."""

    LIVE = "at any time, effective at once"
    CONFIGURE = "while unconfigured, effective at the next configure"
    STARTUP = "at startup only"


@dataclass(frozen=True)
class Spec:
    """One row of the table. ``low`` and ``high`` are inclusive; "" in ``unit`` means none."""

    name: str
    default: Any
    description: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    change: Change = Change.CONFIGURE

    def descriptor(self) -> ParameterDescriptor:
        """Return what ``ros2 param describe`` shows and rclpy enforces (type and range)."""
        text = self.description + (f" [{self.unit}]" if self.unit else "")
        descriptor = ParameterDescriptor(
            name=self.name,
            description=f"{text}. Can change {self.change.value}.",
            read_only=self.change is Change.STARTUP,
            additional_constraints=("one of: " + ", ".join(self.choices)) if self.choices else "",
        )
        if self.low is not None and self.high is not None:
            if isinstance(self.default, float):
                descriptor.floating_point_range = [
                    FloatingPointRange(from_value=float(self.low), to_value=float(self.high))
                ]
            else:
                descriptor.integer_range = [
                    IntegerRange(from_value=int(self.low), to_value=int(self.high))
                ]
        return descriptor

    def check(self, value: Any) -> None:
        """Check what a descriptor cannot express.

        Raises:
            ParameterError: The value is not one of the choices, not finite, or of wrong length.
        """
        if self.choices and value not in self.choices:
            raise ParameterError(self.name, f"'{value}' is not one of: {', '.join(self.choices)}")
        if isinstance(value, float) and not math.isfinite(value):
            raise ParameterError(self.name, "the value must be finite")
        if self.name.endswith("mount") and (
            len(value) != 6 or not all(math.isfinite(entry) for entry in value)
        ):
            raise ParameterError(
                self.name, "give six finite numbers: x y z (m), roll pitch yaw (rad)"
            )


_LIVE, _STARTUP = Change.LIVE, Change.STARTUP

# fmt: off
NODE_TABLE: tuple[Spec, ...] = (
    Spec("cameras", ["camera"], "Names of the cameras; each has parameters '<camera>.*'"),
    Spec("autostart", True, "Configure and activate without a lifecycle manager",
         change=_STARTUP),
    # Models.
    Spec("profile", "nano", "Model profile: a name in config/models/ or the path of a YAML file"),
    Spec("device", "auto", "Where the networks run: auto, cpu, cuda or cuda:<n>"),
    Spec("threads", 0, "CPU threads of the networks; 0 lets PyTorch choose", "", 0, 256),
    Spec("load_4bit", False, "Load the language model in 4-bit NF4"),
    Spec("encode", "on_demand", "When the networks run: on_demand only for what a request or "
         "missing depth needs, always on every processed frame", choices=("on_demand", "always")),
    Spec("keyframes", 16, "Most keyframes kept for coverage and for questions", "", 1, 128),
    Spec("voxel_size", 0.1, "Edge of a coverage voxel", "m", 0.01, 2.0),
    # Time.
    Spec("process_rate", 5.0, "Most frames per second and camera that are processed; 0 takes "
         "every frame", "Hz", 0.0, 120.0, change=_LIVE),
    Spec("max_frame_age", 2.0, "Requests fail with STALE_FRAME when the newest image arrived "
         "longer ago", "s", 0.05, 3600.0, change=_LIVE),
    Spec("camera_timeout", 5.0, "Diagnostics report ERROR when a camera is silent for longer",
         "s", 0.1, 3600.0, change=_LIVE),
    Spec("request_timeout", 60.0, "Requests fail with TIMEOUT when not answered within this time",
         "s", 0.1, 3600.0, change=_LIVE),
    Spec("queue_size", 4, "Requests that may wait while one is served; more fail with BUSY",
         "", 0, 32, change=_STARTUP),
    Spec("result_timeout", 60, "How long a finished action's result is kept for its client",
         "s", 1, 3600, change=_STARTUP),
    # Synchronisation.
    Spec("depth_slop", 0.02, "Largest stamp difference between an image and its depth image",
         "s", 0.0, 1.0),
    Spec("depth_wait", 0.2, "How long an image waits for its depth before it is used without",
         "s", 0.0, 5.0),
    Spec("detections_slop", 0.2, "Largest stamp difference between an image and the detections "
         "used with it", "s", 0.0, 5.0),
    # Pose.
    Spec("pose_source", "auto", "Where camera poses come from; auto takes TF where it has the "
         "transform, else odometry", choices=("auto", "tf", "odometry", "none")),
    Spec("world_frame", "odom", "TF frame (REP-105) in which keyframes and coverage are kept"),
    Spec("odometry_topic", "odom", "nav_msgs/Odometry of the robot's base"),
    Spec("odometry_gap", 0.5, "Longest gap between two odometry messages that is interpolated",
         "s", 0.01, 10.0),
    Spec("pose_wait", 0.1, "How long the worker waits for the pose at an image's stamp",
         "s", 0.0, 2.0),
    # Outputs.
    Spec("marker_lifetime", 5.0, "How long RViz shows a measurement", "s", 0.1, 3600.0,
         change=_LIVE),
)

CAMERA_TABLE: tuple[Spec, ...] = (
    Spec("image_topic", "{camera}/image_raw", "sensor_msgs/Image; with image_transport "
         "compressed, the base topic to which /compressed is appended"),
    Spec("image_transport", "raw", "How images arrive", choices=("raw", "compressed")),
    Spec("camera_info_topic", "{camera}/camera_info", "sensor_msgs/CameraInfo of the images"),
    Spec("rectified", False, "The images are rectified (image_rect): P of the CameraInfo is used, "
         "without distortion"),
    Spec("depth_topic", "{camera}/depth/image_raw", "Depth registered to the image (16UC1 mm or "
         "32FC1 m); empty for none"),
    Spec("detections_topic", "{camera}/detections", "vision_msgs/Detection2DArray on the image; "
         "empty for none"),
    Spec("mount", [0.0] * 6,
         "Camera on the robot: x y z of its body frame (x forward, z up; not the optical frame) "
         "in the base on the floor, then roll pitch yaw (pitch > 0 looks down). Used with "
         "odometry, and for gravity and height without a pose. All zero: unknown", "m, rad"),
)
# fmt: on


@dataclass(frozen=True)
class CameraConfig:
    """Parameters ``<name>.*`` of one camera; see ``CAMERA_TABLE`` for meaning and units."""

    name: str
    image_topic: str
    image_transport: str
    camera_info_topic: str
    rectified: bool
    depth_topic: str
    detections_topic: str
    mount: tuple[float, ...]

    @property
    def has_mount(self) -> bool:
        """Whether the mount was given."""
        return any(self.mount)


@dataclass(frozen=True)
class Config:
    """All parameters of the node; see ``NODE_TABLE`` for meaning and units."""

    cameras: tuple[CameraConfig, ...]
    autostart: bool
    profile: str
    device: str
    threads: int
    load_4bit: bool
    encode: str
    keyframes: int
    voxel_size: float
    process_rate: float
    max_frame_age: float
    camera_timeout: float
    request_timeout: float
    queue_size: int
    result_timeout: int
    depth_slop: float
    depth_wait: float
    detections_slop: float
    pose_source: str
    world_frame: str
    odometry_topic: str
    odometry_gap: float
    pose_wait: float
    marker_lifetime: float


def camera_specs(camera: str) -> tuple[Spec, ...]:
    """Return the rows of one camera, with full parameter names and its default topics."""
    return tuple(
        replace(
            spec,
            name=f"{camera}.{spec.name}",
            default=spec.default.format(camera=camera)
            if isinstance(spec.default, str)
            else spec.default,
        )
        for spec in CAMERA_TABLE
    )


def declare(node: Node) -> None:
    """Declare the node's parameters and those of its cameras; doing it again is harmless.

    Raises:
        ParameterError: A value given at startup has the wrong type or is out of range.
    """
    _declare(node, NODE_TABLE)
    for camera in _camera_names(node.get_parameter("cameras").value):
        _declare(node, camera_specs(camera))


def read(node: Node) -> Config:
    """Return the current values, with every one checked.

    Raises:
        ParameterError: A value is not usable; the message names the parameter.
    """
    values = {spec.name: _checked(node, spec) for spec in NODE_TABLE}
    cameras = []
    for name in _camera_names(values.pop("cameras")):
        row = {spec.name.split(".", 1)[1]: _checked(node, spec) for spec in camera_specs(name)}
        for topic in ("image_topic", "camera_info_topic"):
            if not row[topic]:
                raise ParameterError(f"{name}.{topic}", "the topic must not be empty")
        row["mount"] = tuple(row["mount"])
        cameras.append(CameraConfig(name=name, **row))
    return Config(cameras=tuple(cameras), **values)


def validate(
    changes: Iterable[Parameter], configured: bool, cameras: Iterable[str]
) -> SetParametersResult:
    """Say whether ``changes`` may be made; changes nothing.

    Args:
        changes: What someone wants to set (type and range are checked by rclpy before).
        configured: Whether the node is inactive or active, so that models are loaded.
        cameras: Names of the cameras whose parameters are declared.
    """
    table = _by_name(cameras)
    try:
        for change in changes:
            spec = table.get(change.name)
            if spec is None:  # use_sim_time, qos_overrides: not ours to judge
                continue
            if configured and spec.change is not Change.LIVE:
                raise ParameterError(
                    spec.name, f"can change {spec.change.value}: deactivate and clean up first"
                )
            spec.check(change.value)
            if spec.name == "cameras":
                _camera_names(change.value)
    except ParameterError as error:
        return SetParametersResult(successful=False, reason=str(error))
    return SetParametersResult(successful=True)


def update(config: Config, changes: Iterable[Parameter]) -> Config:
    """Return ``config`` with the accepted ``changes`` of live parameters applied."""
    live = {spec.name for spec in NODE_TABLE if spec.change is Change.LIVE}
    values = {change.name: change.value for change in changes if change.name in live}
    return replace(config, **values) if values else config


def _by_name(cameras: Iterable[str]) -> Mapping[str, Spec]:
    specs = list(NODE_TABLE)
    for camera in cameras:
        specs.extend(camera_specs(camera))
    return {spec.name: spec for spec in specs}


def _declare(node: Node, specs: Iterable[Spec]) -> None:
    for spec in specs:
        if node.has_parameter(spec.name):
            continue
        try:
            node.declare_parameter(spec.name, spec.default, spec.descriptor())
        except ParameterException as error:
            raise ParameterError(spec.name, str(error)) from error


def _checked(node: Node, spec: Spec) -> Any:
    value = node.get_parameter(spec.name).value
    spec.check(value)
    return value


def _camera_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names after checking that each can be part of a topic and a parameter name."""
    result = tuple(names)
    taken = {field.name for field in fields(Config)}
    if not result:
        raise ParameterError("cameras", "name at least one camera")
    for name in result:
        if not name.isidentifier() or not name.isascii() or name in taken:
            raise ParameterError("cameras", f"'{name}' is not usable as the name of a camera")
    if len(set(result)) != len(result):
        raise ParameterError("cameras", "a name occurs twice")
    return result
