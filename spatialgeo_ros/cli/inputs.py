# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Arguments that the commands share (image, depth, camera, profile, regions), and reading them."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

from spatialgeo_ros.answer.planner.choice import TIMEOUT
from spatialgeo_ros.errors import BadImageError, BadRequestError
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.observation import Mount, Observation
from spatialgeo_ros.models.precision_choice import FROM_PROFILE, PRECISIONS
from spatialgeo_ros.recordings.bags import BAG_OPTIONS
from spatialgeo_ros.recordings.depth_file import read_depth_file
from spatialgeo_ros.recordings.image_codec import read_colour_file
from spatialgeo_ros.recordings.rgbd_folder import read_calibration
from spatialgeo_ros.scene.camera_inputs import DEPTH_IGNORED

#: Name of the one camera that a command's images come from.
CAMERA = "image"
#: What a command reads of a bag.
_BAG_ROLES = ("image", "camera_info", "depth")


def read_shard(text: str) -> tuple[int, int]:
    """Return which of several processes this is, from 0, and how many there are, of "I/N".

    Raises:
        BadRequestError: it is nothing of that form.
    """
    index, _, count = text.partition("/")
    if not (index.isdigit() and count.isdigit() and 1 <= int(index) <= int(count)):
        raise BadRequestError(f"--shard must be I/N with I from 1 to N, not '{text}'")
    return int(index) - 1, int(count)


def add_image(parser: argparse.ArgumentParser) -> None:
    """Add ``--image`` and the depth that belongs to it."""
    parser.add_argument("--image", type=Path, required=True, help="colour image")
    add_depth(parser)


def add_image_or_clip(parser: argparse.ArgumentParser) -> None:
    """Add ``--image``, ``--video`` and ``--bag``, one of which is needed, and which frames."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--image", type=Path, help="colour image")
    source.add_argument(
        "--video", type=Path, metavar="CLIP",
        help="video file, folder of images, or recording with color/: its last frame is asked",
    )  # fmt: skip
    source.add_argument("--bag", type=Path, help="ROS 2 bag: its last frame is asked")
    add_bag_topics(parser)
    add_depth(parser)
    rate = parser.add_mutually_exclusive_group()
    rate.add_argument("--every", type=int, metavar="N", help="of a clip, use every N-th frame")
    rate.add_argument(
        "--fps", type=float, help="of a clip, use this many frames a second; by default at most 128"
    )


def add_bag_topics(parser: argparse.ArgumentParser) -> None:
    """Add the options that name a bag's topics."""
    for role in _BAG_ROLES:
        parser.add_argument(
            BAG_OPTIONS[role], dest=f"{role}_topic", metavar="TOPIC",
            help=f"of a bag, the {role.replace('_', ' ')}, where there are several; '' for none",
        )  # fmt: skip


def bag_topics(options: argparse.Namespace) -> dict[str, str]:
    """Topic of each role that the options of :func:`add_bag_topics` name."""
    named = {role: getattr(options, f"{role}_topic") for role in _BAG_ROLES}
    return {role: topic for role, topic in named.items() if topic is not None}


def add_depth(parser: argparse.ArgumentParser) -> None:
    """Add ``--depth`` and its unit."""
    parser.add_argument(
        "--depth", type=Path,
        help="depth registered to the image: 16-bit PNG, or .npy with one array [H, W]; integers "
        "are millimetres, floats metres",
    )  # fmt: skip
    add_depth_scale(parser)


def add_depth_scale(parser: argparse.ArgumentParser) -> None:
    """Add ``--depth-scale``."""
    parser.add_argument(
        "--depth-scale", type=_scale, metavar="METRES",
        help="metres per unit of the depth images, where they are in another unit: 0.00025 for a "
        "RealSense L515, 0.0002 for TUM RGB-D, 0.001 for floats in millimetres",
    )  # fmt: skip


def _scale(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and value > 0):
        raise ValueError(text)  # argparse says it
    return value


def add_camera(parser: argparse.ArgumentParser) -> None:
    """Add calibration and mount of the camera."""
    parser.add_argument(
        "--camera-info", metavar="FILE|FX,FY,CX,CY",
        help="calibration file (ROS YAML, Open3D JSON) or the four numbers in pixels",
    )  # fmt: skip
    parser.add_argument("--mount-height", type=float, help="camera height above the floor, metres")
    parser.add_argument("--mount-pitch", type=float, default=0.0, help="degrees it looks down")


def add_model(parser: argparse.ArgumentParser, default_profile: str) -> None:
    """Add the choice of profile and device."""
    parser.add_argument("--profile", default=default_profile, help="model profile, or none")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:<n>")
    parser.add_argument(
        "--precision", default=FROM_PROFILE, choices=(FROM_PROFILE, *PRECISIONS),
        help="of the networks; half: what suits network and card",
    )  # fmt: skip
    bits = parser.add_mutually_exclusive_group()
    for flag, kind, text in (("4bit", "nf4", "4 bits (NF4)"), ("8bit", "int8", "8 bits")):
        bits.add_argument(
            f"--load-{flag}", dest="quantisation", action="store_const", const=kind,
            default="profile", help=f"language model in {text}, whatever the profile says",
        )  # fmt: skip


def add_grounding(parser: argparse.ArgumentParser) -> None:
    """Add the choice of what looks for words."""
    parser.add_argument(
        "--grounding", default="profile", metavar="NAME",
        help="what looks for words: a name or kind of config/grounding, a YAML file, clip_patches, "
        "none, or profile for what the profile names, else the best detector whose weights are "
        "here (profile)",
    )  # fmt: skip


def add_planner(parser: argparse.ArgumentParser) -> None:
    """Add what writes programs of questions that are not understood."""
    parser.add_argument(
        "--planner", default="", metavar="openai:URL#MODEL|local:DIR",
        help="writes the program of a question that is not understood: a served language model "
        "(openai:http://localhost:8000/v1#name), or a checkpoint (local:/path)",
    )  # fmt: skip
    parser.add_argument(
        "--planner-timeout", type=_seconds, default=TIMEOUT, metavar="S",
        help=f"seconds that it has for one question ({TIMEOUT:g})",
    )  # fmt: skip
    parser.add_argument(
        "--planner-key-variable", default="", metavar="NAME",
        help="environment variable with the key of its API",
    )  # fmt: skip


def _seconds(text: str) -> float:
    value = float(text)
    if not 0.1 <= value <= 3600:
        raise ValueError(text)  # argparse says it
    return value


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add where the results go."""
    parser.add_argument("--overlay", type=Path, help="write the annotated picture here (PNG)")
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def load_perception(options: argparse.Namespace) -> Any:
    """Load the facade that the options of :func:`add_model` and :func:`add_camera` describe."""
    from spatialgeo_ros.perception import Perception

    mounts = {}
    if options.mount_height is not None:
        pitch = math.radians(options.mount_pitch)
        mounts[CAMERA] = Mount.from_pitch(options.mount_height, pitch)
    chosen = {
        name: getattr(options, name)
        for name in ("grounding", "planner", "planner_timeout", "planner_key_variable")
        if hasattr(options, name)  # of the commands that take words or questions
    }
    return Perception.load(
        options.profile,
        device=options.device,
        quantisation=options.quantisation,
        precision=options.precision,
        mounts=mounts,
        **chosen,
    )


def read_frame(options: argparse.Namespace) -> Frame:
    """Read the frame that the options of :func:`add_image` and :func:`add_camera` describe.

    Raises:
        BadImageError: image or depth cannot be read.
        NoCameraInfoError: the calibration cannot be used.
        BadRequestError: there is a scale of depth, but no depth.
    """
    if options.depth_scale is not None and options.depth is None:
        raise BadRequestError("--depth-scale goes with --depth")
    image = read_colour_file(options.image)
    height, width = image.shape[:2]
    camera = read_camera(options.camera_info, width, height) if options.camera_info else None
    depth = read_depth_file(options.depth, options.depth_scale) if options.depth else None
    return Frame(CAMERA, 0, "camera_optical_frame", image, camera, depth)


def require_readings(observation: Observation) -> None:
    """Refuse a frame whose depth was given and cannot be used: nobody wants a guess instead.

    Raises:
        BadImageError: says why, and asks for the unit where it is another one.
    """
    if observation.frame.depth is None or observation.camera is None:
        return
    for finding in observation.findings:
        if finding.startswith(DEPTH_IGNORED):
            raise BadImageError(finding.replace("depth_scale", "--depth-scale"))


def read_camera(text: str, width: int, height: int) -> PinholeCamera:
    """Return the camera of ``--camera-info`` for images of this size, in pixels.

    Raises:
        BadRequestError: it is numbers, but not four.
        NoCameraInfoError: the numbers or the file are no calibration.
    """
    numbers = _numbers(text)
    if len(numbers) == 4:
        fx, fy, cx, cy = numbers
        return PinholeCamera(width, height, fx, fy, cx, cy)
    if len(numbers) > 1:
        raise BadRequestError(f"--camera-info {text}: expected FX,FY,CX,CY or a file")
    return read_calibration(text, width, height)


def read_region(text: str, label: str = "") -> Region:
    """Return the region that a box, a point or a phrase on the command line means.

    Raises:
        BadRequestError: numbers that are neither a box nor a point.
    """
    numbers = _numbers(text)
    if len(numbers) == 4:
        x0, y0, x1, y1 = numbers
        return Region.from_box(x0, y0, x1, y1, label)
    if len(numbers) == 2:
        return Region.from_point(numbers[0], numbers[1], label)
    if numbers:
        raise BadRequestError(f"'{text}' is neither a box x0,y0,x1,y1 nor a point u,v")
    return Region.from_phrase(text)


def read_labelled_region(text: str) -> Region:
    """Return the region of ``--region [LABEL=]x0,y0,x1,y1`` or ``[LABEL=]u,v``.

    Raises:
        BadRequestError: there are no numbers, or too few.
    """
    label, separator, numbers = text.rpartition("=")
    region = read_region(numbers, label if separator else "")
    if not _numbers(numbers):
        raise BadRequestError(f"--region {text}: expected [LABEL=]x0,y0,x1,y1 or [LABEL=]u,v")
    return region


def _numbers(text: str) -> list[float]:
    """Return comma-separated numbers, or nothing when the text is anything else."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        return []
