# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Chooses the topics of a robot's cameras by type and name, where nobody names them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_IMAGE, _PACKED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
_INFO, _ODOMETRY = "sensor_msgs/msg/CameraInfo", "nav_msgs/msg/Odometry"
_DETECTIONS = "vision_msgs/msg/Detection2DArray"
#: Last part of an image topic, the one to take first.
_IMAGES = ("image_raw", "image_color", "image", "image_rect_color", "image_rect", "image_mono")
_NO_COLOUR = ("depth", "infra", "/ir/", "confidence", "disparity", "mask", "overlay", "debug")
_REGISTERED = ("aligned_depth", "depth_registered", "depth/image_raw", "depth")
_MOST_CAMERAS = 8


def discovered(topics: Mapping[str, Iterable[str]]) -> dict[str, Any]:
    """Return parameters of the node for the cameras that are published.

    A camera is an image topic with a ``camera_info`` beside it. Depth, detections and odometry are
    those of the name that is nearest.

    Args:
        topics: Types by full name, of what has publishers.

    Returns:
        "cameras" with their topics; empty where no camera is published.
    """
    of_type: dict[str, list[str]] = {}
    for topic, types in sorted(topics.items()):
        for one in types:
            of_type.setdefault(one, []).append(topic)
    images = {topic: "raw" for topic in of_type.get(_IMAGE, ())}
    for topic in of_type.get(_PACKED, ()):
        base, _, ending = topic.rpartition("/")
        if ending == "compressed" and base not in images:
            images[base] = "compressed"
    infos = set(of_type.get(_INFO, ()))
    found: dict[str, Any] = {}
    names: list[str] = []
    for folder in sorted({topic.rpartition("/")[0] for topic in images}):
        beside = [topic for topic in images if topic.rpartition("/")[0] == folder]
        colour = [one for one in beside if not _is_other(one)]
        if not colour or len(names) == _MOST_CAMERAS:
            continue
        image = min(colour, key=_rank)
        name = _name(folder, names)
        names.append(name)
        found[f"{name}.image_topic"] = image
        found[f"{name}.image_transport"] = images[image]
        info = f"{folder}/camera_info"
        found[f"{name}.camera_info_topic"] = info if info in infos else _nearest(infos, image, info)
        depths = [one for one in of_type.get(_IMAGE, ()) if "depth" in one.lower()]
        found[f"{name}.depth_topic"] = _depth(depths, image)
        detections = of_type.get(_DETECTIONS, ())
        found[f"{name}.detections_topic"] = _nearest(detections, image, "")
    if not names:
        return {}
    found["cameras"] = names
    if odometry := of_type.get(_ODOMETRY):
        found["odometry_topic"] = min(odometry, key=lambda one: (not one.endswith("/odom"), one))
    return found


def _is_other(topic: str) -> bool:
    return any(word in f"{topic.lower()}/" for word in _NO_COLOUR)


def _rank(topic: str) -> tuple[int, str]:
    last = topic.rpartition("/")[2]
    return (_IMAGES.index(last) if last in _IMAGES else len(_IMAGES), topic)


def _name(folder: str, taken: list[str]) -> str:
    """A name of a camera, from the folder of its topics."""
    parts = [p for p in folder.split("/") if p and p not in ("color", "rgb", "camera", "image")]
    name = "".join(c if c.isalnum() and c.isascii() else "_" for c in "_".join(parts)) or "camera"
    name = name if name.isidentifier() else f"camera_{name}"
    return name if name not in taken else f"{name}_{len(taken)}"


def _nearest(topics: Iterable[str], image: str, default: str) -> str:
    """The topic that shares the most leading parts with the image's; none of another camera."""
    best = max(topics, key=lambda one: _shared(one, image), default="")
    return best if best and _shared(best, image) > 0 else default


def _depth(topics: list[str], image: str) -> str:
    """The depth topic of the same camera, registered ones first."""
    near = [one for one in topics if _shared(one, image) > 0]
    words = [word for word in _REGISTERED if any(word in one for one in near)]
    fitting = [one for one in near if words and words[0] in one]
    return max(fitting, key=lambda one: _shared(one, image), default="")


def _shared(one: str, other: str) -> int:
    """Number of leading parts that two topics share, their last parts left out."""
    count = 0
    for a, b in zip(one.strip("/").split("/")[:-1], other.strip("/").split("/")[:-1], strict=False):
        if a != b:
            break
        count += 1
    return count
