# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a session remembers between questions about the map, and when it forgets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from geometry_scene import CAMERA, Block, box_of, render
from map_scene import looking, walls

from spatialgeo_ros.errors import (
    AmbiguousError,
    NotUnderstoodError,
    PhraseNotFoundError,
    SpatialGeoError,
)
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.observation import Observation
from spatialgeo_ros.perception import Perception
from spatialgeo_ros.query.program import Named, Quantity, TellNumber, The, Those
from spatialgeo_ros.query.program_edit import nodes
from spatialgeo_ros.scene.frame_map import same_in_next_image

S = 10**9
BLOCKS = {
    "red crate": (Block(2.2, -0.6, (0.5, 0.4, 0.45)), (200, 30, 30)),
    "blue crate": (Block(2.4, 0.9, (0.4, 0.4, 0.7)), (40, 60, 200)),
    "cabinet": (Block(3.2, 0.1, (0.6, 0.5, 0.9)), (120, 120, 120)),
}


def frame(stamp: int, world: str = "map") -> Frame:
    pose = looking(0.0, 0.0, 0.0)
    depth, index = render([*(block for block, _ in BLOCKS.values()), *walls()], pose, CAMERA)
    image = np.full((*depth.shape, 3), 120, np.uint8)
    boxes = []
    for number, (name, (_, colour)) in enumerate(BLOCKS.items()):
        image[index == number] = colour
        x0, y0, x1, y1 = (float(v) for v in box_of(index, number))
        boxes.append(replace(Region.from_box(x0, y0, x1, y1, name, 0.9), stamp_ns=stamp * S))
    return Frame(
        "front", stamp * S, "front_optical", image, CAMERA, depth.astype(np.float32), pose, world,
        tuple(boxes), stamp * S,
    )  # fmt: skip


@pytest.fixture
def perception() -> Perception:
    perception = Perception(None)
    for second in range(1, 4):
        perception.update_map(perception.observe(frame(second)))
    return perception


def observation(perception: Perception, second: int = 4) -> Observation:
    seen = perception.observe(frame(second))
    perception.update_map(seen)
    return seen


def objects(perception: Perception, question: str, session: str, second: int = 4) -> list[str]:
    """Labels of the objects that an answer is about."""
    asked = perception.begin(question, observation(perception, second), session=session)
    result = asked.measured.result
    assert result is not None
    named = {one.id: one.label for one in perception.objects().objects}
    return [named[name] for name in result.objects]


def test_the_red_one_goes_on_from_an_ambiguous_question(perception):
    with pytest.raises(AmbiguousError) as failed:
        objects(perception, "How tall is the crate?", "tour")
    assert len(failed.value.result.objects) == 2
    assert failed.value.program is not None
    assert objects(perception, "The red one", "tour") == ["red crate"]
    assert objects(perception, "And how wide is it?", "tour") == ["red crate"]


def alone(*names: str) -> Observation:
    """An image without a pose that shows some of the blocks."""
    known = frame(1)
    boxes = tuple(one for one in known.detections if one.label in names)
    return Perception(None).observe(replace(known, pose=None, detections=boxes))


def test_without_a_map_the_candidates_are_things_of_the_image():
    perception = Perception(None)
    seen = alone(*BLOCKS)
    for question in ("How far is the crate?", "What colour is the crate?"):
        with pytest.raises(AmbiguousError) as failed:
            perception.begin(question, seen)
        error = failed.value
        assert error.result.objects == ("crate_1_of_2", "crate_2_of_2"), question
        named = {one.id: one for one in error.snapshot.objects}
        found = {named[name].label: named[name].centre for name in error.result.objects}
        assert set(found) == {"red crate", "blue crate"}
        for name, place in found.items():
            assert place[1] == pytest.approx(BLOCKS[name][0].y, abs=0.15), "left is positive"


def test_one_of_several_in_an_image_is_no_it_in_the_next():
    """A detector numbers them in another order there; and a map has numbers of its own."""
    perception = Perception(None)
    perception.begin("What colour is the nearest crate?", alone(*BLOCKS), session="tour")
    again = "How far is it from the farthest crate?"
    asked = perception.begin(again, alone(*BLOCKS), session="tour")
    assert not any(isinstance(node, Those) for node in nodes(asked.measured.program))
    assert asked.measured.result.values[0] == pytest.approx(1.51, abs=0.1), "by its words again"
    asked = perception.begin("What colour is the cabinet?", alone("cabinet"), session="tour")
    assert asked.measured.result.objects == ("cabinet",)
    with pytest.raises(PhraseNotFoundError):
        objects(perception, "How tall is it?", "tour")


def test_a_box_of_tissues_is_no_box_of_several():
    assert same_in_next_image(("box_of_2_of_diamonds", "pair_1_of_socks"))
    assert not same_in_next_image(("cabinet", "crate_10_of_12"))


def test_what_was_not_understood_changes_nothing(perception):
    assert objects(perception, "How tall is the cabinet?", "tour") == ["cabinet"]
    with pytest.raises(NotUnderstoodError):
        objects(perception, "Does it dream of electric sheep?", "tour")
    assert objects(perception, "And how wide is it?", "tour") == ["cabinet"]


def test_sessions_do_not_hear_each_other(perception):
    objects(perception, "How tall is the cabinet?", "tour")
    objects(perception, "How tall is the red crate?", "errand")
    assert objects(perception, "And how wide is it?", "tour") == ["cabinet"]
    with pytest.raises(SpatialGeoError):
        objects(perception, "And how wide is it?", "")


def test_a_program_is_a_question_of_its_session(perception):
    program = TellNumber(Quantity("height", (The(Named("cabinet")),)))
    perception.run_query(program, session="tour")
    assert objects(perception, "And how wide is it?", "tour") == ["cabinet"]


def test_another_question_of_several_images_is_asked_as_the_first(perception):
    before = perception.dialogue("tour")
    for _ in range(2):
        with pytest.raises(SpatialGeoError):
            perception.begin(
                "And how wide is it?", observation(perception), session="tour", dialogue=before
            )


@pytest.mark.parametrize("how", ["reset", "load", "another world"])
def test_another_map_begins_new_dialogues(perception: Perception, how: str, tmp_path: Path):
    objects(perception, "How tall is the cabinet?", "tour")
    if how == "reset":
        perception.reset()
    elif how == "load":
        perception.save_objects(tmp_path / "map.json")
        perception.load_objects(tmp_path / "map.json")
    else:
        perception.update_map(perception.observe(frame(5, "elsewhere")))
    assert perception.dialogue("tour").program is None
