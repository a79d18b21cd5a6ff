# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One question on its way through the two lanes: published when measured, and again when told."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from spatialgeo_ros.msg import SpatialAnswer, SpatialObject
from spatialgeo_ros.node.messages import REQUEST, Measurement, answer_message
from spatialgeo_ros.node.object_messages import result_objects
from spatialgeo_ros.node.outputs import Outputs
from spatialgeo_ros.node.progress import Progress
from spatialgeo_ros.node.request import Spoken
from spatialgeo_ros.node.target_frames import Target, TargetFrames
from spatialgeo_ros.scene.frame_map import FRAME, camera_from_map


class Host(Protocol):
    """What a question needs of the node."""

    outputs: Outputs

    def age_of(self, stamp_ns: int) -> float:
        """Return the seconds since a stamp by the node's clock; NaN for a zero stamp."""


@dataclass(frozen=True, eq=False)
class Places:
    """Where the points and objects of an answer are given.

    Attributes:
        target: frame of the points; None for the camera's.
        objects: those that it rests on, or may rest on, in the same frame, or the world's; without
            poses in the camera's.
    """

    target: Target | None = None
    objects: Sequence[SpatialObject] = ()

    @classmethod
    def of(cls, frames: TargetFrames, wanted: str, told: Any, observation: Any) -> Places:
        """Look the frame up for the measured part of a question; on the geometry lane.

        Args:
            frames: Knows the frames.
            wanted: Name of the frame asked for; "" for none.
            told: What has a ``result`` and its ``snapshot``: the measured part of a question, or
                the error of one that has no answer.
            observation: That was asked about.

        Raises:
            BadRequestError, WrongFrameError: The frame is not known at the image's stamp.
        """
        target = frames.from_camera(wanted, observation.frame)
        result, snapshot = told.result, told.snapshot
        if snapshot is None or result is None:
            return cls(target)
        if snapshot.frame == FRAME:
            objects_in = _from_image(target, observation)
        else:
            objects_in = frames.from_world(wanted, snapshot.frame, snapshot.stamp_ns)
        return cls(target, result_objects(result, snapshot, objects_in))


def _from_image(target: Target | None, observation: Any) -> Target:
    """Return how the things of a map of one image come where they are wanted.

    That is the target, else the world where the image has a pose, else the camera's frame: the map
    itself is in a frame that nobody else knows.
    """
    frame, pose = observation.frame, camera_from_map(observation)
    if target is not None:
        return Target(target.frame_id, target.pose @ pose)
    if frame.pose is not None:
        return Target(frame.world_frame, frame.pose @ pose)
    return Target(frame.frame_id, pose)


class QuestionParts:
    """Publishes the measured part of a question, then lets the language model finish it."""

    def __init__(
        self,
        host: Host,
        question: str,
        perception: Any,
        asked: Any,
        observation: Any,
        places: Places,
        progress: Progress | None,
    ) -> None:
        """Go on with a question whose measured part is known.

        Args:
            host: The node.
            question: As it was asked.
            perception: The facade.
            asked: What ``perception.begin`` returned.
            observation: That was asked about.
            places: Frame of its points.
            progress: Of the goal, None for a service.
        """
        self._host, self._question, self._perception = host, question, perception
        self._asked, self._observation, self._progress = asked, observation, progress
        self._places = places
        self._shown = False  # whether the measurements have been published

    def begin(self, cancelled: Callable[[], bool]) -> SpatialAnswer | Spoken:
        """Publish what is measured; return it, or what the language lane is to go on with.

        On the geometry lane.
        """
        if self._asked.language is None:
            return self._published(self._asked.answer())
        if not self._asked.measured.text:
            return Spoken(lambda: self._speak(cancelled), None)
        message = self._published(self._asked.answer(final=False), final=False)
        self._shown = True
        if self._progress is not None:
            self._progress.measured(message)
        return Spoken(lambda: self._speak(cancelled), self._without)

    def _speak(self, cancelled: Callable[[], bool]) -> SpatialAnswer:
        """Let the language model speak; on the language lane."""
        on_token = None if self._progress is None else self._progress.token
        answer = self._perception.speak(self._asked, on_token, cancelled)
        return self._published(answer)

    def _without(self, reason: str) -> SpatialAnswer:
        """Return the measured answer with the reason why nothing was told."""
        self._asked.measured.note(reason)
        return self._published(self._asked.answer())

    def _published(self, answer: Any, *, final: bool = True) -> SpatialAnswer:
        frame, places = self._observation.frame, self._places
        message = answer_message(
            self._question,
            answer,
            frame,
            self._host.age_of(frame.stamp_ns),
            final=final,
            target=places.target,
            objects=places.objects,
        )
        measurement = Measurement(
            REQUEST,
            frame,
            message.distances,
            regions=answer.regions,
            estimates=answer.distances,
            target=places.target,
        )
        try:
            self._host.outputs.publish_answer(
                message, None if self._shown else measurement, answer.text
            )
        except Exception:  # a picture that fails must not cost the answer
            self._host.outputs.report(f"publishing an answer:\n{traceback.format_exc()}")
        return message
