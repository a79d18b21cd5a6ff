# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every parameter of the node, by topic: name, type, default, unit, range, when it may change.

The type is that of the default. Descriptors (``ros2 param describe``), validation and the
configuration (``parameters.py``) all come from here.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor

from spatialgeo_ros.errors import BadRequestError, quoted
from spatialgeo_ros.geometry.depth_sensor import PRESETS


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
            raise ParameterError(
                self.name, f"{quoted(value)} is not one of: {', '.join(self.choices)}"
            )
        if isinstance(value, float) and not math.isfinite(value):
            raise ParameterError(self.name, "the value must be finite")
        if self.name == "engine_image_size" and (len(value) != 2 or min(value) < 14):
            raise ParameterError(self.name, "give width and height in pixels, such as [640, 480]")
        unknown = self.name.endswith("depth_extrinsics") and all(map(math.isnan, value))
        if self.name.endswith(("mount", "depth_extrinsics")) and (
            len(value) != 6 or not (unknown or all(map(math.isfinite, value)))
        ):
            raise ParameterError(
                self.name, "give six finite numbers: x y z (m), roll pitch yaw (rad)"
            )


@dataclass(frozen=True)
class ParameterGroup:
    """What a reader looks for together: a section of docs/parameters.md.

    Attributes:
        title: Of letters and spaces; no two groups have the same.
        specs: The rows.
    """

    title: str
    specs: tuple[Spec, ...]


_LIVE, _STARTUP = Change.LIVE, Change.STARTUP

# fmt: off
_START = ParameterGroup("Start", (
    Spec("cameras", ["camera"], "Names of the cameras; each has parameters '<camera>.*'"),
    Spec("autostart", True, "Configure and activate without a lifecycle manager",
         change=_STARTUP),
))
_MODELS = ParameterGroup("Models", (
    Spec("profile", "none", "Model profile: a name in config/models/, the path of a YAML file, or "
         "none for no networks but the detector"),
    Spec("device", "auto", "Where the networks run: auto, cpu, cuda or cuda:<n>"),
    Spec("threads", 0, "CPU threads of the networks; 0 lets PyTorch choose", "", 0, 256),
    Spec("quantisation", "profile", "Linear layers of the language model: profile takes what the "
         "profile says", choices=("profile", "none", "nf4", "int8")),
    Spec("precision", "profile", "Floating-point type of the networks: profile takes what the "
         "profile says, half what suits network and card",
         choices=("profile", "float32", "float16", "bfloat16", "half")),
    Spec("encode", "on_demand", "When the networks run: on_demand only for what a request or "
         "missing depth needs, always on every processed frame", choices=("on_demand", "always")),
))
_BACKENDS = ParameterGroup("Backends", (
    Spec("backend", "auto", "What runs the image networks; auto takes the best that is installed "
         "and computes what PyTorch computes",
         choices=("auto", "torch", "onnxruntime", "tensorrt", "tensorrt_rtx")),
    Spec("backend_policy", "next_backend", "When a backend is missing or computes something else: "
         "run on the next one and say so, or fail to configure",
         choices=("next_backend", "fail")),
    Spec("build_engines", True, "Make missing exports and engines while configuring (minutes on a "
         "GPU); false: fail with the command that makes them"),
    Spec("build_only", False, "Configure, which makes the engines, and end", change=_STARTUP),
    Spec("engine_folder", "", "Folder of exports and engines; empty for engines/ of a checkout, "
         "else ~/.cache/spatialgeo/engines"),
    Spec("engine_image_size", [640, 480], "Width and height of camera images that profiles with an "
         "input of the camera's aspect (moge*) are compiled for", "px"),
))
_GROUNDING = ParameterGroup("Grounding", (
    Spec("grounding", "profile", "What looks for words: profile (what the model profile names, "
         "else the best detector for this machine whose weights are here), none, clip_patches, a "
         "name or kind in config/grounding/, or the path of a YAML file"),
    Spec("grounding_rate", -1.0, "How often per camera own networks look for objects of the map "
         "while no detections come, and again for what is watched by name; 0: never for the map; "
         "-1: a detector 0.5 on a CPU, 2 on a GPU, 0 elsewhere; patches of CLIP 1", "Hz", -1.0,
         60.0, change=_LIVE),
    Spec("vocabulary_file", "", "Nouns, one a line, that a detector looks for unasked, for the "
         "object map; empty: config/vocabulary.txt of the package"),
    Spec("map_phrases", [""], "Nouns, beside those of vocabulary_file, that a detector looks for "
         "unasked, for the object map"),
))
_PLANNER = ParameterGroup("Planner", (
    Spec("planner", "", "What writes the program of a question that the grammar declines: "
         "openai:http://host:port/v1#model, local:/path/of/a/checkpoint; empty: nobody "
         "(docs/planner.md)"),
    Spec("planner_timeout", 5.0, "How long the planner has for one question; meanwhile neither "
         "frames nor other requests are served", "s", 0.1, 60.0),
    Spec("planner_key_variable", "", "Environment variable of the node that has the key of the "
         "planner's API; empty: no key"),
))
_IMAGES = ParameterGroup("Images", (
    Spec("process_rate", 5.0, "Most frames per second and camera that are processed; 0 takes "
         "every frame", "Hz", 0.0, 120.0, change=_LIVE),
    Spec("max_image_megapixels", 64.0, "Images that claim to be larger are refused unread",
         "Mpx", 0.01, 1000.0),
    Spec("frame_history", 1.0, "How long images are kept for boxes and regions that were drawn on "
         "them, 128 MiB per camera at most", "s", 0.0, 30.0),
))
_DEPTH_AND_DETECTIONS = ParameterGroup("Depth and detections", (
    Spec("depth_slop", 0.02, "Largest stamp difference between an image and its depth image",
         "s", 0.0, 1.0),
    Spec("depth_wait", 0.2, "How long an image waits for its depth before it is used without",
         "s", 0.0, 5.0),
    Spec("detections_slop", 0.01, "Largest stamp difference between boxes of a detector and the "
         "image they belong to", "s", 0.0, 1.0),
    Spec("detections_wait", 0.3, "How long a request for things by name waits for boxes of a "
         "detector that is behind", "s", 0.0, 10.0),
))
_POSES = ParameterGroup("Poses", (
    Spec("pose_source", "auto", "Where camera poses come from; auto takes TF where it has the "
         "transform, else odometry: the first that has a pose, until cleanup",
         choices=("auto", "tf", "odometry", "none")),
    Spec("world_frame", "odom", "TF frame (REP-105) in which keyframes and the object map are "
         "kept"),
    Spec("odometry_topic", "odom", "nav_msgs/Odometry of the robot's base"),
    Spec("odometry_gap", 0.5, "Longest gap between two odometry messages that is interpolated",
         "s", 0.01, 10.0),
    Spec("pose_wait", 0.1, "How long a frame waits for the pose at an image's stamp",
         "s", 0.0, 2.0),
    Spec("drift", 0.005, "How fast camera poses drift, one standard deviation per second; widens "
         "the uncertainty of what is remembered", "m/s", 0.0, 10.0),
))
_MEMORY_AND_OBJECT_MAP = ParameterGroup("Memory and object map", (
    Spec("keyframes", 16, "Most keyframes kept for coverage and for questions", "", 1, 128),
    Spec("voxel_size", 0.1, "Edge of a coverage voxel", "m", 0.01, 2.0),
    Spec("memory_max_age", 60.0, "Things that left the view are not recalled after this time",
         "s", 0.0, 86400.0),
    Spec("objects_rate", 2.0, "How often the object map is published at most", "Hz", 0.01, 60.0,
         change=_LIVE),
    Spec("objects_directory", "", "Folder of saved object maps whose path is relative; empty for "
         "spatialgeo_objects/ in $ROS_HOME, else in ~/.ros"),
))
_REQUESTS = ParameterGroup("Requests", (
    Spec("max_frame_age", 2.0, "Requests fail with STALE_FRAME when the newest image arrived "
         "longer ago", "s", 0.05, 3600.0, change=_LIVE),
    Spec("request_timeout", 60.0, "Requests fail with TIMEOUT when not answered within this time",
         "s", 0.1, 3600.0, change=_LIVE),
    Spec("queue_size", 4, "Requests that may wait while one is served; more fail with BUSY",
         "", 0, 32, change=_STARTUP),
    Spec("result_timeout", 60, "How long a finished action's result is kept for its client",
         "s", 1, 3600, change=_STARTUP),
))
_DIAGNOSTICS_AND_MARKERS = ParameterGroup("Diagnostics and markers", (
    Spec("camera_timeout", 5.0, "Diagnostics report ERROR when a camera is silent for longer",
         "s", 0.1, 3600.0, change=_LIVE),
    Spec("marker_lifetime", 5.0, "How long RViz shows a measurement", "s", 0.1, 3600.0,
         change=_LIVE),
))
_IMAGES_OF_A_CAMERA = ParameterGroup("Images of a camera", (
    Spec("image_topic", "{camera}/image_raw", "sensor_msgs/Image; with image_transport "
         "compressed, the base topic to which /compressed is appended"),
    Spec("image_transport", "raw", "How images arrive", choices=("raw", "compressed")),
    Spec("camera_info_topic", "{camera}/camera_info", "sensor_msgs/CameraInfo of the images"),
    Spec("rectified", False, "The images are rectified (image_rect): P of the CameraInfo is used, "
         "without distortion"),
))
_DEPTH_OF_A_CAMERA = ParameterGroup("Depth of a camera", (
    Spec("depth_topic", "{camera}/depth/image_raw", "Depth registered to the image (16UC1 mm or "
         "32FC1 m); with depth_transport compressedDepth, the base topic to which "
         "/compressedDepth is appended; empty for none"),
    Spec("depth_transport", "raw", "How depth arrives; compressedDepth must be of format png",
         choices=("raw", "compressedDepth")),
    Spec("depth_camera_info_topic", "", "sensor_msgs/CameraInfo of depth that is not registered to "
         "the image; empty: depth is registered, or refused"),
    Spec("depth_extrinsics", [math.nan] * 6,
         "Depth's optical frame in the colour optical frame: x y z, then roll pitch yaw. All NaN: "
         "unknown", "m, rad"),
    Spec("depth_scale", 0.0, "Metres of one unit of the depth image; 0: by its encoding (16UC1 "
         "0.001, 32FC1 1)", "m", 0.0, 10.0),
    Spec("depth_registered", False, "Depth belongs to the image's pixels whatever its frame_id and "
         "its camera_info say"),
    Spec("depth_noise", "kinect_v1", "Noise of the depth sensor: its name (" +
         ", ".join(PRESETS) + "), or three numbers: constant (m), linear, quadratic (1/m)"),
    Spec("depth_min", 0.1, "Nearer depth readings are not used", "m", 0.0, 100.0),
    Spec("depth_max", 20.0, "Farther depth readings are not used", "m", 0.1, 1000.0),
))
_DETECTIONS_OF_A_CAMERA = ParameterGroup("Detections of a camera", (
    Spec("detections_topic", "{camera}/detections", "vision_msgs/Detection2DArray on the image; "
         "empty for none"),
    Spec("detection_labels", [""], "Names of the detector's classes, from number 0 on, where it "
         "gives numbers for names"),
    Spec("detection_labels_file", "", "File with the names of the detector's classes: one a "
         "line, or YAML or JSON (a list, or 'names: {0: cup, ...}')"),
    Spec("vision_info_topic", "", "vision_msgs/VisionInfo that says where the names of the "
         "detector's classes are: its database_location is a parameter of its node, or a file; "
         "used without detection_labels and detection_labels_file"),
))
_MOUNT = ParameterGroup("Mount", (
    Spec("mount", [0.0] * 6,
         "Camera on the robot: x y z of its body frame (x forward, z up; not the optical frame) "
         "in the base on the floor, then roll pitch yaw (pitch > 0 looks down). Used with "
         "odometry, and for gravity and height without a pose. All zero: unknown", "m, rad"),
))
# fmt: on

NODE_GROUPS = (
    _START,
    _MODELS,
    _BACKENDS,
    _GROUNDING,
    _PLANNER,
    _IMAGES,
    _DEPTH_AND_DETECTIONS,
    _POSES,
    _MEMORY_AND_OBJECT_MAP,
    _REQUESTS,
    _DIAGNOSTICS_AND_MARKERS,
)
CAMERA_GROUPS = (
    _IMAGES_OF_A_CAMERA,
    _DEPTH_OF_A_CAMERA,
    _DETECTIONS_OF_A_CAMERA,
    _MOUNT,
)
NODE_TABLE = tuple(spec for group in NODE_GROUPS for spec in group.specs)
CAMERA_TABLE = tuple(spec for group in CAMERA_GROUPS for spec in group.specs)


@functools.lru_cache(maxsize=1024)
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
