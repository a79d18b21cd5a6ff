# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the tools return: typed, with units in the names; what is unknown is null, never NaN."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Length:
    """A measured length.

    Attributes:
        kind: "camera_to_object", "centre_to_centre", "nearest_points", "horizontal", "vertical",
            "width", "height" or "depth_extent".
        from_object, to_object: what it lies between; to_object is "" for sizes.
        metres, std_dev_m: the length and one standard deviation.
        valid: false means that it must not be used; reason says why.
        how_seen: "in_view", "other_stamp", "remembered" or "unknown".
        age_s: seconds since the objects were seen.
        from_point_m, to_point_m: the points it was measured between, x, y, z in frame_id; null
            where it is not valid.
        frame_id: the target_frame asked for, else the camera's (x right, y down, z forward).
        doubt: why an object may be another thing than it is called; such a length is not valid.
    """

    kind: str
    from_object: str
    to_object: str
    metres: float | None
    std_dev_m: float | None
    valid: bool
    reason: str = ""
    how_seen: str = "unknown"
    age_s: float | None = None
    from_point_m: list[float] | None = None
    to_point_m: list[float] | None = None
    frame_id: str = ""
    doubt: str = ""


@dataclass
class Thing:
    """An object of the map.

    Attributes:
        id: stable name ("chair_3").
        position_m, position_std_dev_m: of its centre, x, y, z in frame_id.
        size_m: width, depth, height.
        yaw_rad: of its own x axis; null where the frame's z axis does not point up.
        state: "visible", "remembered" or "gone".
        probability: that it is still there.
        age_s: seconds since it was last seen.
        sightings: images that showed it.
    """

    id: str
    label: str
    colour: str
    position_m: list[float]
    position_std_dev_m: list[float]
    size_m: list[float]
    yaw_rad: float | None
    state: str
    probability: float
    age_s: float
    sightings: int


@dataclass
class SpatialReply:
    """The answer to a question or a program.

    Attributes:
        text: a sentence with the measured number in it.
        result_type: "number", "boolean", "count", "object", "objects", "direction", "text",
            "error" or "none".
        values, std_devs, unit: the number; three for sizes.
        boolean, probability: of a yes/no question.
        direction, word: of a direction or a text.
        object_ids: objects of the map that it rests on, or the candidates of an ambiguous one.
        objects, objects_frame_id: those of them that the map holds, and the frame they are in.
        error: why there is no answer and what to do about it, "" where there is one.
        how_seen, age_s: the worst and the oldest of what it rests on.
        image_stamp_s, frame_id: of the image that was asked about; seconds of its own clock.
        lengths: measured lengths, the one asked for first.
        doubt: why an object that it rests on may be another thing than it is called.
        told: what the language model says, "" when it was not asked; trust the measurement.
        agreement: "agree", "disagree" or "unknown".
        degraded: what was missing while answering.
        program: the question as it was understood.
    """

    text: str
    result_type: str = "none"
    values: list[float | None] = field(default_factory=list)
    std_devs: list[float | None] = field(default_factory=list)
    unit: str = ""
    boolean: bool | None = None
    probability: float | None = None
    direction: str = ""
    word: str = ""
    object_ids: list[str] = field(default_factory=list)
    objects: list[Thing] = field(default_factory=list)
    objects_frame_id: str = ""
    error: str = ""
    how_seen: str = "unknown"
    age_s: float | None = None
    image_stamp_s: float | None = None
    frame_id: str = ""
    lengths: list[Length] = field(default_factory=list)
    doubt: str = ""
    told: str = ""
    agreement: str = "unknown"
    degraded: list[str] = field(default_factory=list)
    program: dict[str, Any] | None = None


@dataclass
class ThingList:
    """Objects of the map.

    Attributes:
        objects: those asked for.
        frame_id: frame of their positions.
        error: why there are none, "" where the list is what is known (it may be empty).
    """

    objects: list[Thing] = field(default_factory=list)
    frame_id: str = ""
    error: str = ""


@dataclass
class ApproachChoice:
    """A pose of the robot's base on the floor, facing the object. Nothing moves the robot.

    Attributes:
        x_m, y_m, yaw_rad: in the frame of the list.
        clearance_m: free way from the robot's outline to the nearest footprint.
    """

    x_m: float
    y_m: float
    yaw_rad: float
    clearance_m: float


@dataclass
class ApproachChoices:
    """Poses to look at or reach an object from, best first.

    Attributes:
        object_id: that is approached.
        frame_id: frame of the poses.
        error: why there are none, "" where there are.
    """

    object_id: str = ""
    frame_id: str = ""
    poses: list[ApproachChoice] = field(default_factory=list)
    error: str = ""


def place(values: Iterable[float]) -> list[float] | None:
    """The coordinates of a point, or None where it has none."""
    point = [float(value) for value in values]
    return point if all(map(math.isfinite, point)) else None


def known(value: float) -> float | None:
    """The number, or None where it is not finite."""
    return float(value) if math.isfinite(value) else None
