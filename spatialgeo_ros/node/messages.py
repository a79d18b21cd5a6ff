# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Requests and results of this package's own interfaces: what the services and watches exchange."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from geometry_msgs.msg import Point
from std_msgs.msg import Header

from spatialgeo_ros.answer.result import Answer
from spatialgeo_ros.errors import BadRequestError, SpatialGeoError
from spatialgeo_ros.geometry.distance import PAIR_KINDS, Kind
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.keyframes import Keyframe as KeptFrame
from spatialgeo_ros.msg import (
    DistanceEstimate,
    Keyframe,
    KeyframeArray,
    SpatialAnswer,
    StageLatency,
)
from spatialgeo_ros.node.conversions import (
    estimate_to_msg,
    msg_to_optional_region,
    ns_to_stamp,
    pose_to_msg,
    region_to_msg,
)

REQUEST = "request"  # name of the measurements of services and the action
_AGREEMENT = {
    "unknown": SpatialAnswer.AGREEMENT_UNKNOWN,
    "agree": SpatialAnswer.AGREEMENT_AGREE,
    "disagree": SpatialAnswer.AGREEMENT_DISAGREE,
}


@dataclass(frozen=True, eq=False)
class Measurement:
    """One measurement in a frame, ready to be published and drawn.

    ``name`` is the id of its watch, or REQUEST. ``regions`` and ``masks`` are the objects that
    were located in this very frame, ``estimates`` is what was measured between them; all are empty
    when an object was not found.
    """

    name: str
    messages: Sequence[DistanceEstimate]
    regions: Sequence[Region] = ()
    masks: Sequence[Any] = ()
    estimates: Sequence[Any] = ()


def measure(
    perception: Any,
    observation: Any,
    kinds: Sequence[Kind],
    first: Region,
    second: Region | None,
    name: str,
    watch_id: str = "",
) -> Measurement:
    """Locate and measure in an observation.

    Raises:
        SpatialGeoError: An object is not found, or there is nothing to measure it with.
    """
    a = perception.locate(observation, first)
    b = None if second is None else perception.locate(observation, second)
    estimates = perception.measure(observation, kinds, a, b)
    messages = estimate_messages(estimates, observation.frame, watch_id)
    # An object may be remembered from another frame, where its pixels mean nothing in this one.
    here = [one for one in (a, b) if one is not None and one.frame is observation.frame]
    return Measurement(
        name,
        messages,
        regions=[one.region for one in here],
        masks=[one.points.mask for one in here],
        estimates=estimates,
    )


def frame_header(frame: Any, frame_id: str | None = None) -> Header:
    """Return the header of a result: stamp and frame of its source image, never of now.

    ``frame`` has ``stamp_ns`` and ``frame_id`` (Frame, FrameReference); ``frame_id`` replaces it.
    """
    return Header(
        stamp=ns_to_stamp(frame.stamp_ns),
        frame_id=frame.frame_id if frame_id is None else frame_id,
    )


def measurement_request(
    request: Any, camera: str
) -> tuple[tuple[Kind, ...], Region, Region | None]:
    """Return kinds and regions of a MeasureDistance or WatchDistance request for ``camera``.

    Raises:
        BadRequestError: No first region, an unknown kind, a kind that lacks its second region, or
            a region of another camera.
        BadRegionError: A region cannot be used.
    """
    first = msg_to_optional_region(request.from_region)
    if first is None:
        raise BadRequestError("from_region is empty: name an object, or give a box, point or mask")
    second = msg_to_optional_region(request.to_region)
    for region in (request.from_region, request.to_region):
        check_region_camera(region, camera)
    usual = Kind.CAMERA_TO_OBJECT if second is None else Kind.NEAREST_POINTS
    kinds = tuple(_kind(value) for value in request.kinds) or (usual,)
    lacking = [kind.name for kind in kinds if kind in PAIR_KINDS and second is None]
    if lacking:
        raise BadRequestError(f"{', '.join(lacking)} needs a second object in to_region")
    return kinds, first, second


def check_region_camera(region: Any, camera: str) -> None:
    """Check that a region message is meant for this camera (its own, or none named).

    Raises:
        BadRequestError: It names another camera.
    """
    if region.camera and region.camera != camera:
        raise BadRequestError(
            f"region '{region.label}' is of camera '{region.camera}', the request of '{camera}'"
        )


def check_duration(value: float, name: str) -> float:
    """Return ``value`` if it is finite and not negative.

    Raises:
        BadRequestError: It is not; the message names the field.
    """
    if not math.isfinite(value) or value < 0:
        raise BadRequestError(f"{name} must be finite and not negative, not {value}")
    return value


def lost_estimates(
    kinds: Iterable[Kind],
    labels: tuple[str, str],
    frame: Frame,
    watch_id: str,
    reason: str,
) -> list[DistanceEstimate]:
    """Return invalid estimates that say why nothing could be measured in this frame."""
    nowhere = Point(x=math.nan, y=math.nan, z=math.nan)
    return [
        DistanceEstimate(
            header=frame_header(frame),
            camera=frame.camera,
            kind=int(kind),
            from_object="camera" if kind is Kind.CAMERA_TO_OBJECT else labels[0],
            to_object=labels[0] if kind is Kind.CAMERA_TO_OBJECT else labels[1],
            distance=math.nan,
            std_dev=math.nan,
            from_point=nowhere,
            to_point=nowhere,
            valid=False,
            reason=reason,
            watch_id=watch_id,
        )
        for kind in kinds
    ]


def estimate_messages(
    estimates: Iterable[Any], frame: Frame, watch_id: str = ""
) -> list[DistanceEstimate]:
    """Return the estimates of one frame as messages."""
    header = frame_header(frame)
    return [estimate_to_msg(estimate, header, frame.camera, watch_id) for estimate in estimates]


def answer_message(question: str, answer: Answer, frame: Frame, image_age: float) -> SpatialAnswer:
    """Return a facade's Answer, given for ``frame``, as a message.

    Args:
        question: As it was asked.
        answer: What the facade returned.
        frame: The frame that the question was asked about.
        image_age: Age of its image in seconds; NaN when unknown.
    """
    size = (frame.height, frame.width)
    return SpatialAnswer(
        header=frame_header(frame),
        question=question,
        answer=answer.text,
        distances=estimate_messages(answer.distances, frame),
        regions=[region_to_msg(region, frame.camera, size) for region in answer.regions],
        frames=[frame_header(used) for used in answer.frames],
        cameras=[used.camera for used in answer.frames],
        agreement=_AGREEMENT[answer.agreement],
        language_answer=answer.language_text,
        language_value=float(answer.language_value_m),
        comparison=answer.comparison,
        model_id=answer.model_id,
        backend=answer.backend,
        degraded=list(answer.degraded),
        stages=[
            StageLatency(name=name, seconds=float(seconds))
            for name, seconds in answer.timings.items()
        ],
        image_age=image_age,
    )


def failed_answer(question: str, error: SpatialGeoError) -> SpatialAnswer:
    """Return the message of a question that was not answered."""
    return SpatialAnswer(
        question=question,
        error_code=error.code,
        error_message=str(error),
        language_value=math.nan,
        image_age=math.nan,
    )


def keyframes_message(
    kept: Sequence[KeptFrame], newest: Frame, description: dict[str, Any]
) -> KeyframeArray:
    """Return the frame memory as a message; ``newest`` is the frame offered last."""
    return KeyframeArray(
        header=frame_header(newest, newest.world_frame),
        keyframes=[_keyframe(entry) for entry in kept],
        capacity=int(description["capacity"]),
        covered_voxels=int(description["covered_voxels"]),
        voxel_size=float(description["voxel_size"]),
    )


def _keyframe(entry: KeptFrame) -> Keyframe:
    frame, decision = entry.payload.frame, entry.payload.keyframe
    message = Keyframe(
        header=frame_header(frame),
        camera=frame.camera,
        has_pose=frame.pose is not None,
        voxels=0 if entry.keys is None else int(entry.keys.size),
        gain=decision.gain,
    )
    if frame.pose is not None:
        message.pose = pose_to_msg(frame.pose)
    return message


def _kind(value: int) -> Kind:
    try:
        return Kind(value)
    except ValueError:
        raise BadRequestError(
            f"kind {value} is unknown; use a KIND_ constant of DistanceEstimate"
        ) from None
