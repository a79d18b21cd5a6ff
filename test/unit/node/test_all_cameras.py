# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A question that names no camera is asked of the images of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")
pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")

from spatialgeo_ros.errors import BadRequestError, PhraseNotFoundError
from spatialgeo_ros.node.question_parts import begin_on_any


def asked(text: str) -> Any:
    """A question whose measured part is known, without a map."""
    return SimpleNamespace(text=text, measured=SimpleNamespace(snapshot=None, result=None))


class Perception:
    """Finds things by camera; remembers some."""

    def __init__(self, shown: dict[str, str], remembered: str = "") -> None:
        self.shown, self.remembered = shown, remembered
        self.asked: list[tuple[str, bool]] = []

    def begin(
        self,
        question: str,
        seen: Any,
        regions: Any,
        cancelled: Any,
        *,
        in_view_of: Sequence[str],
        session: str,
    ) -> Any:
        recall = not in_view_of
        self.asked.append((seen.name, recall))
        if question == "nonsense":
            raise BadRequestError("nonsense")
        if self.shown.get(seen.name) == question:
            return asked(f"in view of {seen.name}")
        if recall and self.remembered == question:
            return asked("remembered")
        raise PhraseNotFoundError(f"not in {seen.name}")


def image(camera: str) -> Any:
    """An observation of a camera."""
    return SimpleNamespace(name=camera, frame=SimpleNamespace(camera=camera))


FRONT, REAR = image("front"), image("rear")


def begin(perception: Perception, question: str, *seen: Any, recall: bool = True) -> Any:
    measured, where = begin_on_any(perception, question, seen, (), lambda: False, recall=recall)
    return measured.text, where


def test_the_camera_that_shows_it_answers():
    perception = Perception({"rear": "mug"})
    assert begin(perception, "mug", FRONT, REAR) == ("in view of rear", REAR)
    assert perception.asked == [("front", True), ("rear", True)]


def test_only_what_no_camera_shows_is_remembered():
    perception = Perception({}, remembered="mug")
    assert begin(perception, "mug", FRONT, REAR) == ("remembered", FRONT)
    with pytest.raises(PhraseNotFoundError, match="not in front"):
        begin(perception, "mug", FRONT, REAR, recall=False)


def test_one_camera_is_asked_once():
    perception = Perception({"front": "mug"})
    begin(perception, "mug", FRONT)
    assert perception.asked == [("front", True)]


def test_other_errors_are_not_tried_again():
    perception = Perception({})
    with pytest.raises(BadRequestError):
        begin(perception, "nonsense", FRONT, REAR)
    assert len(perception.asked) == 1
