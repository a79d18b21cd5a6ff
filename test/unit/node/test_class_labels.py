# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Words for the class numbers of one camera's detector."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace as Message
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")

from spatialgeo_ros.node.class_labels import ClassLabels, VisionInfoLabels
from spatialgeo_ros.node.conversions import detections_to_regions
from spatialgeo_ros.node.parameter_table import ParameterError, camera_specs
from spatialgeo_ros.node.parameters import CameraConfig

FRONT = CameraConfig(
    name="front",
    **{
        **{spec.name.split(".")[1]: spec.default for spec in camera_specs("front")},
        "detection_labels": (),
    },
)
TOPIC = "/front/detections"


def labels(*names: str) -> ClassLabels:
    return ClassLabels(replace(FRONT, detection_labels=names), TOPIC)


def detections(*classes: tuple[str, float]) -> Any:
    """One box for each class, in the layout of Humble where a class is without its hypothesis."""
    boxes = [
        Message(
            bbox=Message(center=Message(x=10.0, y=10.0), size_x=4.0, size_y=4.0),
            results=[Message(id=name, score=score)],
        )
        for name, score in classes
    ]
    return Message(header=Message(stamp=Message(sec=1, nanosec=0)), detections=boxes)


def test_numbers_become_words_and_words_stay():
    named = labels("person", "cup")
    array = detections(("1", 0.9), ("sofa", 0.8))
    assert named.unnamed(array) == []
    regions = detections_to_regions(array, word=named.word)
    assert [one.label for one in regions] == ["cup", "sofa"]


def test_a_number_without_a_word_is_left_out_and_said_with_the_cure():
    array = detections(("1", 0.9), ("7", 0.8), ("7", 0.7), ("sofa", 0.8))
    bare = labels()
    assert bare.unnamed(array) == [1, 7, 7]
    assert [one.label for one in detections_to_regions(array, word=bare.word)] == ["sofa"]
    assert bare.problem([1, 7, 7]) == (
        "the detector on '/front/detections' names its classes by number (1, 7): set "
        "front.detection_labels or detection_labels_file, or vision_info_topic"
    )
    assert bare.describe() == "none"


def test_a_list_that_is_too_short_is_told_from_none():
    short = labels("person", "cup")
    assert "front.detection_labels has no name for it (it names 0, 1)" in short.problem([7])
    assert short.describe() == "2 of front.detection_labels"


def test_a_vision_info_that_failed_is_part_of_the_cause_until_one_works():
    bare = labels()
    bare.failure = "the VisionInfo on '/v' points at 'x': /detectnet has no such parameter"
    assert bare.problem([1]).endswith(f"vision_info_topic ({bare.failure})")
    assert bare.describe() == bare.failure
    bare.use({1: "cup"}, "/detectnet x")
    assert bare.word("1") == "cup"
    assert "no such parameter" not in bare.problem([2])
    assert "/detectnet x has no name for it" in bare.problem([2])


def test_a_box_without_any_class_keeps_its_place():
    (region,) = detections_to_regions(detections(("", 0.0)), word=labels().word)
    assert region.label == ""


def test_parameters_are_judged_when_they_are_read(tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("person\ncup\n")
    file = replace(FRONT, detection_labels_file=str(path))
    assert file.class_names() == {0: "person", 1: "cup"}
    with pytest.raises(ParameterError, match="front.detection_labels.*not both"):
        replace(file, detection_labels=("cup",)).class_names()
    with pytest.raises(ParameterError, match="front.detection_labels.*does not exist"):
        replace(FRONT, detection_labels_file=str(tmp_path / "no.txt")).class_names()
    with pytest.raises(ParameterError, match="201 characters"):
        replace(FRONT, detection_labels=("x" * 201,)).class_names()


class MuteOwner:
    """A node, and its client of a parameter service that is there and never answers."""

    def __init__(self) -> None:
        self.pending: list[Any] = []

    def create_subscription(self, *_: Any, **__: Any) -> Any:
        return Message()

    def create_timer(self, *_: Any, **__: Any) -> Any:
        return Message(cancel=lambda: None, reset=lambda: None)

    def create_client(self, *_: Any, **__: Any) -> Any:
        return self

    def get_node_names_and_namespaces(self) -> list[tuple[str, str]]:
        return [("detector", "/")]

    def get_publishers_info_by_topic(self, topic: str) -> list[Any]:
        return [Message(node_namespace="/", node_name="detector")]

    def service_is_ready(self) -> bool:
        return True

    def call_async(self, request: Any) -> Any:
        self.pending.append(Message(add_done_callback=lambda call: None))
        return self.pending[-1]

    def remove_pending_request(self, future: Any) -> None:
        self.pending.remove(future)


def test_a_node_that_never_answers_is_asked_again_and_nothing_piles_up():
    pytest.importorskip("vision_msgs", reason="needs vision_msgs")
    node = MuteOwner()
    info = VisionInfoLabels(node, "/vision_info", labels(), None, print)
    info._on_info(Message(database_location="names", database_version=0))
    for _ in range(5):
        info._try()
    assert len(node.pending) == 1
