# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A question that names no camera is asked of the images of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from spatialgeo_ros.answer.all_cameras import begin_on_any
from spatialgeo_ros.errors import BadRequestError, PhraseNotFoundError

STAMP = 7


class Perception:
    """Finds things by camera; without a map, or with one of what each camera shows."""

    def __init__(self, shown: dict[str, str], remembered: str = "", mapped: bool = False) -> None:
        self.shown, self.remembered, self.mapped = shown, remembered, mapped
        self.asked: list[tuple[str, bool, str]] = []

    def dialogue(self, session: str) -> str:
        return f"before {len(self.asked)} in '{session}'"

    def begin(
        self,
        question: str,
        seen: Any,
        *_: Any,
        in_view_of: Sequence[str],
        session: str,
        dialogue: str,
    ) -> Any:
        recall = not in_view_of
        self.asked.append((seen.frame.camera, recall, dialogue))
        if question == "nonsense":
            raise BadRequestError("nonsense")
        camera = next((name for name, thing in self.shown.items() if thing == question), "")
        if camera == seen.frame.camera:
            return answered([SimpleNamespace()], question, camera)
        if self.mapped and camera or recall and self.remembered == question:
            return answered([], question, camera)
        raise PhraseNotFoundError(f"not in {seen.frame.camera}")


def answered(sightings: list[Any], thing: str, camera: str) -> Any:
    known = SimpleNamespace(id=thing, last_seen_ns=STAMP, cameras=(camera,))
    return SimpleNamespace(
        measured=SimpleNamespace(
            snapshot=SimpleNamespace(objects=[known]),
            result=SimpleNamespace(objects=(thing,)),
            sightings=sightings,
        )
    )


FRONT, REAR = (
    SimpleNamespace(frame=SimpleNamespace(camera=name, stamp_ns=STAMP))
    for name in ("front", "rear")
)


def begin(perception: Perception, question: str, *seen: Any, recall: bool = True) -> Any:
    return begin_on_any(
        perception, question, seen, (), lambda: False, recall=recall, session="tour"
    )[1]


def cameras(perception: Perception) -> list[str]:
    return [camera for camera, _, _ in perception.asked]


def test_without_a_map_the_camera_that_shows_it_answers():
    perception = Perception({"rear": "mug"})
    assert begin(perception, "mug", FRONT, REAR) is REAR
    assert cameras(perception) == ["front", "rear"]


def test_what_the_map_has_is_measured_in_the_image_that_shows_it():
    perception = Perception({"rear": "mug"}, mapped=True)
    assert begin(perception, "mug", FRONT, REAR) is REAR
    assert cameras(perception) == ["front", "rear"]


def test_each_image_is_asked_as_if_it_were_the_first():
    perception = Perception({"rear": "mug"}, mapped=True)
    begin(perception, "mug", FRONT, REAR)
    assert {dialogue for _, _, dialogue in perception.asked} == {"before 0 in 'tour'"}


def test_what_no_image_shows_is_remembered():
    perception = Perception({}, remembered="mug")
    assert begin(perception, "mug", FRONT, REAR) is FRONT
    with pytest.raises(PhraseNotFoundError, match="not in front"):
        begin(perception, "mug", FRONT, REAR, recall=False)


def test_one_camera_is_asked_once():
    perception = Perception({"front": "mug"})
    begin(perception, "mug", FRONT)
    assert cameras(perception) == ["front"]


def test_other_errors_are_not_tried_again():
    perception = Perception({})
    with pytest.raises(BadRequestError):
        begin(perception, "nonsense", FRONT, REAR)
    assert len(perception.asked) == 1
