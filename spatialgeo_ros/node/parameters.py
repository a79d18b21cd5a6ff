# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node's parameters as one frozen configuration: declared, read, validated and updated.

What there is, with types, ranges and units, says ``parameter_table.py``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.exceptions import ParameterException
from rclpy.parameter import Parameter

from spatialgeo_ros.errors import BadRequestError, quoted
from spatialgeo_ros.geometry.depth_sensor import DepthSensor, parse_depth_noise
from spatialgeo_ros.grounding.class_names import names_of_list, read_class_names
from spatialgeo_ros.node.parameter_table import (
    NODE_TABLE,
    Change,
    ParameterError,
    Spec,
    camera_specs,
)
from spatialgeo_ros.scene.camera_inputs import InputSettings

if TYPE_CHECKING:
    from rclpy.node import Node

__all__ = [
    "CameraConfig",
    "Change",
    "Config",
    "ParameterError",
    "Spec",
    "declare",
    "equal",
    "names",
    "read",
    "update",
    "validate",
]


@dataclass(frozen=True)
class CameraConfig:
    """Parameters ``<name>.*`` of one camera; see ``CAMERA_TABLE`` for meaning and units."""

    name: str
    image_topic: str
    image_transport: str
    camera_info_topic: str
    rectified: bool
    depth_topic: str
    depth_transport: str
    depth_camera_info_topic: str
    #: Depth's optical frame in the colour optical frame; None when it was not given.
    depth_extrinsics: tuple[float, ...] | None
    depth_scale: float
    depth_registered: bool
    depth_noise: str
    depth_min: float
    depth_max: float
    detections_topic: str
    detection_labels: tuple[str, ...]
    detection_labels_file: str
    vision_info_topic: str
    mount: tuple[float, ...]

    @property
    def has_mount(self) -> bool:
        """Whether the mount was given."""
        return any(self.mount)

    def class_names(self) -> dict[int, str]:
        """Return what the numbers of a detector's classes mean by the parameters; may be empty.

        Raises:
            ParameterError: Both are given, or the file has no names.
        """
        parameter = f"{self.name}.detection_labels"
        if self.detection_labels and self.detection_labels_file:
            raise ParameterError(parameter, "give the list or detection_labels_file, not both")
        try:
            if self.detection_labels_file:
                return read_class_names(self.detection_labels_file)
            return names_of_list(self.detection_labels)
        except BadRequestError as error:
            raise ParameterError(parameter, str(error)) from None

    def input_settings(self) -> InputSettings:
        """Return what the parameters say about the camera's inputs.

        Raises:
            ParameterError: A name, number or range cannot be used.
        """
        try:
            sensor = DepthSensor(
                parse_depth_noise(self.depth_noise),
                self.depth_min,
                self.depth_max,
                self.depth_scale or None,
            )
        except ValueError as error:
            raise ParameterError(f"{self.name}.depth_*", str(error)) from None
        return InputSettings(sensor, self.depth_registered)


@dataclass(frozen=True)
class Config:
    """All parameters of the node; see ``NODE_TABLE`` for meaning and units."""

    cameras: tuple[CameraConfig, ...]
    autostart: bool
    profile: str
    grounding: str
    device: str
    threads: int
    quantisation: str
    precision: str
    backend: str
    backend_policy: str
    build_engines: bool
    build_only: bool
    engine_folder: str
    engine_image_size: tuple[int, int]
    encode: str
    keyframes: int
    voxel_size: float
    planner: str
    planner_timeout: float
    planner_key_variable: str
    process_rate: float
    max_frame_age: float
    camera_timeout: float
    request_timeout: float
    queue_size: int
    result_timeout: int
    depth_slop: float
    depth_wait: float
    detections_slop: float
    detections_wait: float
    frame_history: float
    max_image_megapixels: float
    memory_max_age: float
    drift: float
    objects_rate: float
    grounding_rate: float
    vocabulary_file: str
    map_phrases: tuple[str, ...]
    objects_directory: str
    pose_source: str
    world_frame: str
    odometry_topic: str
    odometry_gap: float
    pose_wait: float
    marker_lifetime: float


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
        if row["depth_max"] <= row["depth_min"]:
            raise ParameterError(
                f"{name}.depth_max",
                f"{row['depth_max']:g} m is not above depth_min, {row['depth_min']:g} m: raise it, "
                "or lower depth_min",
            )
        row["mount"] = tuple(row["mount"])
        labels = tuple(row["detection_labels"])
        row["detection_labels"] = labels if any(labels) else ()
        extrinsics = tuple(row["depth_extrinsics"])
        row["depth_extrinsics"] = None if math.isnan(extrinsics[0]) else extrinsics
        cameras.append(CameraConfig(name=name, **row))
        cameras[-1].input_settings()  # a wrong name or range fails here, not when frames come
        cameras[-1].class_names()
    values["engine_image_size"] = tuple(values["engine_image_size"])
    values["map_phrases"] = tuple(phrase for phrase in values["map_phrases"] if phrase.strip())
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
    known = frozenset(cameras)
    try:
        for change in changes:
            spec = _spec(change.name, known)
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


def equal(one: Parameter, other: Parameter) -> bool:
    """Whether two parameters have the same type and value; NaN, for "unknown", equals NaN.

    So does the word "nan" in a list: ``ros2 param load`` makes words of what ``ros2 param dump``
    wrote of NaN.
    """
    a, b = one.value, other.value
    if one.type_ != other.type_:
        lists = (Parameter.Type.DOUBLE_ARRAY, Parameter.Type.STRING_ARRAY)
        return (one.type_, other.type_) == lists and list(map(str, a)) == list(b) == ["nan"] * len(
            a
        )
    if not isinstance(a, Sequence) or isinstance(a, str):
        a, b = [a], [b]
    return len(a) == len(b) and all(
        x == y or (x != x and y != y) for x, y in zip(a, b, strict=True)
    )


def names(node: Node) -> tuple[str, ...]:
    """Return the names of the node's own parameters, those of its cameras included."""
    cameras = _camera_names(node.get_parameter("cameras").value)
    specs = [*NODE_TABLE, *(spec for camera in cameras for spec in camera_specs(camera))]
    return tuple(spec.name for spec in specs)


def _spec(name: str, cameras: frozenset[str]) -> Spec | None:
    """Return the row of a parameter, or None; does not make those of every camera."""
    camera, dot, _ = name.partition(".")
    specs = NODE_TABLE if not dot else camera_specs(camera) if camera in cameras else ()
    return next((spec for spec in specs if spec.name == name), None)


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
            raise ParameterError("cameras", f"{quoted(name)} is not usable as the name of a camera")
    if len(set(result)) != len(result):
        raise ParameterError("cameras", "a name occurs twice")
    return result
