# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Requests and results of this package's own interfaces: what the services and watches exchange."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from geometry_msgs.msg import Point
from std_msgs.msg import Header

from spatialgeo_ros.answer.result import Answer
from spatialgeo_ros.errors import BadRequestError, SpatialGeoError
from spatialgeo_ros.geometry.distance import Kind, requested_kinds
from spatialgeo_ros.geometry.regions import Region, RegionType
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.keyframes import Keyframe as KeptFrame
from spatialgeo_ros.msg import (
    DistanceEstimate,
    Keyframe,
    KeyframeArray,
    SpatialAnswer,
    SpatialObject,
    StageLatency,
)
from spatialgeo_ros.node.conversions import (
    estimate_to_msg,
    msg_to_optional_region,
    ns_to_stamp,
    pose_to_msg,
    region_to_msg,
)
from spatialgeo_ros.node.target_frames import Target
from spatialgeo_ros.query.program import Program
from spatialgeo_ros.query.program_json import to_json
from spatialgeo_ros.query.result import Result, ResultType

#: Bounds of the requests, as the comments of srv/ and action/ state them.
MOST_KINDS, MOST_REGIONS, MOST_WATCH_ID, MOST_SESSION = 16, 32, 100, 100
REQUEST = "request"  # name of the measurements of services and the action
_AGREEMENT = {
    "unknown": SpatialAnswer.AGREEMENT_UNKNOWN,
    "agree": SpatialAnswer.AGREEMENT_AGREE,
    "disagree": SpatialAnswer.AGREEMENT_DISAGREE,
}


@dataclass(frozen=True)
class Measuring:
    """What a request or a watch measures.

    Attributes:
        kinds: what to measure.
        first, second: the objects; ``second`` is None for kinds of one object.
        recall: whether objects that are not in view may be remembered ones.
        carried: whether a detector's find of a moment ago may be followed into a newer image.
    """

    kinds: tuple[Kind, ...]
    first: Region
    second: Region | None
    recall: bool
    carried: bool = False

    @property
    def regions(self) -> tuple[Region, ...]:
        """The objects."""
        return (self.first,) if self.second is None else (self.first, self.second)

    @property
    def labels(self) -> tuple[str, str]:
        """What the objects are called."""
        return self.first.label, self.second.label if self.second is not None else ""


def named_in_words(regions: Iterable[Region]) -> bool:
    """Tell whether an object has to be looked for, so that a detector's boxes are of use."""
    return any(region.type is RegionType.PHRASE for region in regions)


def stamps_of(regions: Iterable[Region]) -> tuple[int, ...]:
    """Return the stamps of the images that regions were drawn on, nanoseconds."""
    return tuple(sorted({region.stamp_ns for region in regions if region.stamp_ns}))


@dataclass(frozen=True, eq=False)
class Measurement:
    """One measurement in ``frame``, ready to be published and drawn.

    ``name`` is the id of its watch, or REQUEST. ``regions`` and ``masks`` are the objects that
    were located in this very frame, ``estimates`` is what was measured between them; all are empty
    when an object was not found. ``target`` is the frame that ``messages`` are in; None for the
    camera's.
    """

    name: str
    frame: Frame
    messages: Sequence[DistanceEstimate]
    regions: Sequence[Region] = ()
    masks: Sequence[Any] = ()
    estimates: Sequence[Any] = ()
    target: Target | None = None

    @property
    def in_camera(self) -> Sequence[DistanceEstimate]:
        """The messages in the camera's frame, as they are drawn."""
        if self.target is None:
            return self.messages
        return estimate_messages(self.estimates, self.frame)


def measure(
    perception: Any,
    observation: Any,
    wanted: Measuring,
    name: str,
    watch_id: str = "",
    target: Target | None = None,
) -> Measurement:
    """Locate and measure in an observation.

    Args:
        perception: The facade.
        observation: What is looked at.
        wanted: What to measure.
        name: Of the measurement.
        watch_id: Of its watch, "" for none.
        target: Frame of the messages' points; None for the camera's.

    Raises:
        SpatialGeoError: An object is not found, or there is nothing to measure it with.
    """
    how = {"recall": wanted.recall, "carried": wanted.carried}
    a = perception.locate(observation, wanted.first, **how)
    b = None
    if wanted.second is not None:
        b = perception.locate(observation, wanted.second, **how)
    estimates = perception.measure(observation, wanted.kinds, a, b)
    messages = estimate_messages(estimates, observation.frame, watch_id, target)
    # An object may be remembered from another frame, where its pixels mean nothing in this one.
    here = [one for one in (a, b) if one is not None and one.frame is observation.frame]
    return Measurement(
        name,
        observation.frame,
        messages,
        regions=[one.region for one in here],
        masks=[one.points.mask for one in here],
        estimates=estimates,
        target=target,
    )


def frame_header(frame: Any, frame_id: str | None = None) -> Header:
    """Return the header of a result: stamp and frame of its source image, never of now.

    ``frame`` has ``stamp_ns`` and ``frame_id`` (Frame, FrameReference); ``frame_id`` replaces it.
    """
    return Header(
        stamp=ns_to_stamp(frame.stamp_ns),
        frame_id=frame.frame_id if frame_id is None else frame_id,
    )


def measurement_request(request: Any, camera: str, recall: bool) -> Measuring:
    """Return what a MeasureDistance or WatchDistance request measures on ``camera``.

    Raises:
        BadRequestError: No first region, too many kinds, an unknown one, a kind that lacks its
            second region, or a region of another camera.
        BadRegionError: A region cannot be used.
    """
    if len(request.kinds) > MOST_KINDS:
        raise BadRequestError(f"{len(request.kinds)} kinds in one request, allowed {MOST_KINDS}")
    first = msg_to_optional_region(request.from_region)
    if first is None:
        raise BadRequestError("from_region is empty: name an object, or give a box, point or mask")
    second = msg_to_optional_region(request.to_region)
    for region in (request.from_region, request.to_region):
        check_region_camera(region, camera)
    kinds = requested_kinds(request.kinds, second is not None)
    return Measuring(kinds, first, second, recall)


def check_region_camera(region: Any, camera: str) -> None:
    """Check that a region message is meant for this camera (its own, or none named).

    Raises:
        BadRequestError: It names another camera.
    """
    if region.camera and region.camera != camera:
        raise BadRequestError(
            f"region '{region.label}' is of camera '{region.camera}', the request of '{camera}'"
        )


def check_session(session: str) -> str:
    """Return the name of a dialogue.

    Raises:
        BadRequestError: It is too long.
    """
    if len(session) > MOST_SESSION:
        raise BadRequestError(f"session has {len(session)} characters, allowed are {MOST_SESSION}")
    return session


def check_duration(value: float, name: str) -> float:
    """Return ``value`` if it is finite and not negative.

    Raises:
        BadRequestError: It is not; the message names the field.
    """
    if not math.isfinite(value) or value < 0:
        raise BadRequestError(f"{name} must be finite and not negative, not {value}")
    return value


def lost_estimates(
    wanted: Measuring, observation: Any, watch_id: str, reason: str
) -> list[DistanceEstimate]:
    """Return invalid estimates that say why nothing could be measured in this frame."""
    nowhere = Point(x=math.nan, y=math.nan, z=math.nan)
    frame, labels = observation.frame, wanted.labels
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
            age=math.nan,
            degraded=list(observation.degraded),
        )
        for kind in wanted.kinds
    ]


def estimate_messages(
    estimates: Iterable[Any], frame: Frame, watch_id: str = "", target: Target | None = None
) -> list[DistanceEstimate]:
    """Return the estimates of one frame as messages, with points in ``target`` or the camera's."""
    header = frame_header(frame, None if target is None else target.frame_id)
    pose = None if target is None else target.pose
    return [estimate_to_msg(one, header, frame.camera, watch_id, pose) for one in estimates]


def answer_message(
    question: str,
    answer: Answer,
    frame: Frame,
    image_age: float,
    *,
    final: bool = True,
    target: Target | None = None,
    objects: Sequence[SpatialObject] = (),
) -> SpatialAnswer:
    """Return a facade's Answer, given for ``frame``, as a message.

    Args:
        question: As it was asked.
        answer: What the facade returned.
        frame: The frame that the question was asked about.
        image_age: Age of its image in seconds; NaN when unknown.
        final: Whether the language model's part is in it, where there is to be one.
        target: Frame of its points; None for the camera's.
        objects: Those of the map that it rests on.
    """
    size = (frame.height, frame.width)
    message = SpatialAnswer(
        header=frame_header(frame, None if target is None else target.frame_id),
        question=question,
        answer=answer.text,
        distances=estimate_messages(answer.distances, frame, target=target),
        objects=objects,
        doubt=answer.doubt,
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
        state=SpatialAnswer.STATE_FINAL if final else SpatialAnswer.STATE_MEASURED,
        how_seen=int(answer.how),
        seen_stamp=ns_to_stamp(answer.seen_stamp_ns),
        age=float(answer.age),
    )
    result = answer.result or Result(ResultType.NONE, "")
    fill_result(message, result, _program_text(answer.program))
    return message


def _program_text(program: Program | None) -> str:
    return "" if program is None else json.dumps(to_json(program))


def fill_result(message: SpatialAnswer, result: Result, program: str) -> None:
    """Fill the typed fields of an answer.

    Args:
        message: To be filled.
        result: What a program returned.
        program: Its JSON, "" when there is none.
    """
    message.result_type = int(result.type)
    message.values = [float(value) for value in result.values]
    message.std_devs = [float(value) for value in result.std_devs]
    message.unit = result.unit
    message.boolean_value = bool(result.boolean)
    message.probability = float(result.probability)
    message.direction = result.direction
    message.word = result.word
    message.object_ids = list(result.objects)
    message.program = program


def failed_answer(
    question: str,
    error: SpatialGeoError,
    frame: Frame | None = None,
    *,
    target: Target | None = None,
    objects: Sequence[SpatialObject] = (),
) -> SpatialAnswer:
    """Return the message of a question that was not answered.

    Args:
        question: As it was asked.
        error: Why not.
        frame: What was looked at; None where nothing was.
        target: Frame that was asked for; None for the camera's.
        objects: Candidates of an ambiguous phrase.
    """
    frame_id = None if target is None else target.frame_id
    message = SpatialAnswer(
        header=Header() if frame is None else frame_header(frame, frame_id),
        objects=objects,
        question=question,
        error_code=error.code,
        error_message=str(error),
        language_value=math.nan,
        image_age=math.nan,
        age=math.nan,
    )
    # The candidates of an ambiguous phrase are in the result.
    failed = Result(ResultType.ERROR, str(error)) if error.result is None else error.result
    fill_result(message, failed, _program_text(error.program))
    return message


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
