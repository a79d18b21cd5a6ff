# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The facade on an image or on the frames of a recording, as a robot for the tools."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from spatialgeo_ros.answer.result import Answer
from spatialgeo_ros.drawing import draw_overlay
from spatialgeo_ros.errors import BadRequestError, SpatialGeoError, WrongFrameError, quoted
from spatialgeo_ros.geometry.distance import Kind
from spatialgeo_ros.mcp_server.results import (
    ApproachChoice,
    ApproachChoices,
    Length,
    SpatialReply,
    Thing,
    ThingList,
    known,
    place,
)
from spatialgeo_ros.memory.observation import Observation
from spatialgeo_ros.memory.snapshot import MapObject, MapSnapshot, Presence
from spatialgeo_ros.perception import Perception
from spatialgeo_ros.query.phrase_program import program_of_phrase
from spatialgeo_ros.query.program import Program
from spatialgeo_ros.query.program_json import from_text, to_json
from spatialgeo_ros.query.result import Result
from spatialgeo_ros.scene.approach import Base
from spatialgeo_ros.scene.sighting import SightedEstimate


class FileRobot:
    """A loaded profile that has looked at all its frames.

    Args:
        perception: with every frame observed, and worked into its map where it has a pose.
        newest: the last observation.
        source: what the frames are of, for the description.
    """

    def __init__(self, perception: Perception, newest: Observation, source: str) -> None:
        self._perception, self._newest, self._source = perception, newest, source

    def describe(self) -> str:
        """Who it is, in a sentence."""
        return f"What you see is recorded: {self._source}. It does not change between calls."

    def ask(self, question: str, session: str, target_frame: str = "") -> SpatialReply:
        """Answer a question; see :class:`.robot.Robot`."""
        self._require_camera_frame(target_frame)
        try:
            asked = self._perception.begin(question, self._newest, session=session)
            answer = self._perception.speak(asked)
        except SpatialGeoError as error:  # as a node answers: an agent goes on from it
            return reply_of_error(error, self._newest)
        return reply_of(answer, self._newest, asked.measured.snapshot)

    def run_query(self, program: str, session: str, target_frame: str = "") -> SpatialReply:
        """Run a program; see :class:`.robot.Robot`."""
        snapshot = self._snapshot(target_frame)
        node = from_text(program)
        result = self._perception.run_query(node, session=session)
        return reply_of_result(result, node, self._newest, snapshot)

    def list_objects(self, include_gone: bool, target_frame: str = "") -> ThingList:
        """List the objects; see :class:`.robot.Robot`."""
        snapshot = self._snapshot(target_frame)
        things = [
            _thing(one, snapshot)
            for one in snapshot.objects
            if include_gone or one.state is not Presence.GONE
        ]
        return ThingList(things, snapshot.frame)

    def find(self, phrase: str, target_frame: str = "") -> ThingList:
        """Find what a phrase means; see :class:`.robot.Robot`."""
        snapshot = self._snapshot(target_frame)
        named = {one.id: one for one in snapshot.objects}
        result = self._perception.run_query(program_of_phrase(phrase))
        error = result.text if result.error is not None else ""
        return ThingList(
            [_thing(named[k], snapshot) for k in result.objects], snapshot.frame, error
        )

    def measure(self, first: str, second: str, kind: str, target_frame: str = "") -> list[Length]:
        """Measure; see :class:`.robot.Robot`."""
        self._require_camera_frame(target_frame)
        things = [first, second] if second else [first]
        estimates = self._perception.measure(self._newest, kinds_of(kind, len(things)), *things)
        return [_length(one, self._newest) for one in estimates]

    def approach(
        self, target: str, stand_off_m: float, robot_radius_m: float, target_frame: str = ""
    ) -> ApproachChoices:
        """Say where the base can stand; see :class:`.robot.Robot`."""
        snapshot = self._snapshot(target_frame)
        chosen = next((one for one in snapshot.objects if one.id == target), None)
        if chosen is None:
            found = self._perception.run_query(program_of_phrase(target))
            if len(found.objects) != 1:
                raise BadRequestError(
                    f"'{target}' means {len(found.objects)} objects ({', '.join(found.objects)}): "
                    "give one of these ids"
                )
            chosen = next(one for one in snapshot.objects if one.id == found.objects[0])
        base = Base(radius=robot_radius_m)
        poses = self._perception.approach(chosen, stand_off_m, base)
        choices = [ApproachChoice(p.x, p.y, p.yaw, p.clearance) for p in poses]
        return ApproachChoices(chosen.id, snapshot.frame, choices)

    def look(self, phrases: list[str]) -> bytes:
        """Return the newest image as PNG; see :class:`.robot.Robot`."""
        seen = self._perception
        regions = [seen.locate(self._newest, one, recall=False).region for one in phrases]
        frame = self._newest.frame
        picture = draw_overlay(frame.image, regions=regions, camera=frame.model)
        return png(picture)

    def _require_camera_frame(self, target_frame: str) -> None:
        """Refuse another frame for points than the camera's.

        Raises:
            WrongFrameError: files have no TF.
        """
        _require_frame(target_frame, self._newest.frame.frame_id)

    def _snapshot(self, target_frame: str) -> MapSnapshot:
        """Return the map, where it is in the frame asked for.

        Raises:
            NoMapError: there is none.
            WrongFrameError: files have no TF.
        """
        snapshot = self._perception.objects()
        _require_frame(target_frame, snapshot.frame)
        return snapshot

    def close(self) -> None:
        """Free the networks."""
        self._perception.close()


def _require_frame(target_frame: str, known_frame: str) -> None:
    if target_frame not in ("", known_frame):
        raise WrongFrameError(
            f"frame {quoted(target_frame)} is not known: a file has no TF; leave target_frame "
            f"empty for {quoted(known_frame)}"
        )


def kinds_of(kind: str, things: int) -> list[Kind]:
    """Kinds of length by name; the usual ones for a number of things where none is named.

    Raises:
        BadRequestError: there is no such kind.
    """
    if not kind:
        pair = [Kind.CENTRE_TO_CENTRE, Kind.NEAREST_POINTS]
        return [Kind.CAMERA_TO_OBJECT] if things == 1 else pair
    try:
        return [Kind[kind.upper()]]
    except KeyError:
        names = ", ".join(one.name.lower() for one in Kind)
        raise BadRequestError(f"'{kind}' is no kind of length; there are {names}") from None


def png(picture: np.ndarray) -> bytes:
    """An RGB image [H, W, 3] as PNG."""
    done, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    assert done, "OpenCV always has a PNG encoder"
    return data.tobytes()


def reply_of_error(error: SpatialGeoError, observation: Observation) -> SpatialReply:
    """Return why a question about an image has no answer, with the candidates where there are."""
    reply = SpatialReply("", result_type="error", error=str(error))
    if error.result is not None:
        _take_result(reply, error.result)
        reply.error = str(error)
    if error.snapshot is not None:
        _take_objects(reply, error.snapshot)
    return _stamped(reply, observation)


def reply_of_result(
    result: Result, program: Program, observation: Observation, snapshot: MapSnapshot
) -> SpatialReply:
    """Return what a program gave on a map when an image was the newest."""
    reply = SpatialReply(result.text, program=to_json(program))
    _take_result(reply, result)
    _take_objects(reply, snapshot)
    return _stamped(reply, observation)


def reply_of(
    answer: Answer, observation: Observation, snapshot: MapSnapshot | None
) -> SpatialReply:
    """Return the answer to a question about an image, with the objects of the map it is about."""
    reply = SpatialReply(
        answer.text,
        how_seen=answer.how.name.lower(),
        age_s=known(answer.age),
        lengths=[_length(one, observation) for one in answer.distances],
        doubt=answer.doubt,
        told=answer.language_text,
        agreement=answer.agreement,
        degraded=list(answer.degraded),
        program=None if answer.program is None else to_json(answer.program),
    )
    if answer.result is not None:
        _take_result(reply, answer.result)
    if snapshot is not None:
        _take_objects(reply, snapshot)
    return _stamped(reply, observation)


def _take_result(reply: SpatialReply, result: Result) -> None:
    reply.result_type = result.type.name.lower()
    reply.values, reply.std_devs = _known(result.values), _known(result.std_devs)
    reply.unit = result.unit
    if reply.result_type == "boolean":
        reply.boolean, reply.probability = result.boolean, known(result.probability)
    reply.direction, reply.word = result.direction, result.word
    reply.object_ids = list(result.objects)
    reply.error = result.text if result.error is not None else ""


def _take_objects(reply: SpatialReply, snapshot: MapSnapshot) -> None:
    named = {one.id: one for one in snapshot.objects}
    reply.objects = [_thing(named[k], snapshot) for k in reply.object_ids if k in named]
    reply.objects_frame_id = snapshot.frame if reply.objects else ""


def _stamped(reply: SpatialReply, observation: Observation) -> SpatialReply:
    reply.image_stamp_s = observation.frame.stamp_ns * 1e-9
    reply.frame_id = observation.frame.frame_id
    return reply


def _known(values: Sequence[float]) -> list[float | None]:
    return [known(value) for value in values]


def _length(one: SightedEstimate, observation: Observation) -> Length:
    ends = (place(one.point_from), place(one.point_to)) if one.valid else (None, None)
    return Length(
        one.kind.name.lower(), one.from_label, one.to_label, known(one.distance),
        known(one.sigma), one.valid, one.reason, one.how.name.lower(), known(one.age), *ends,
        observation.frame.frame_id, one.doubt,
    )  # fmt: skip


def _thing(one: MapObject, snapshot: MapSnapshot) -> Thing:
    return Thing(
        id=one.id,
        label=one.label,
        colour=one.colour,
        position_m=[float(v) for v in one.centre],
        position_std_dev_m=[math.sqrt(float(v)) for v in np.diag(one.covariance)],
        size_m=[float(v) for v in one.size],
        yaw_rad=known(one.yaw),
        state=one.state.name.lower(),
        probability=one.probability,
        age_s=max(0.0, (snapshot.stamp_ns - one.last_seen_ns) * 1e-9),
        sightings=one.sightings,
    )
