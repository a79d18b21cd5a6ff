# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a language model that is shown regions is asked, and which length its words are."""

from __future__ import annotations

import numpy as np
import pytest
from checkpoints.profiles import write_profile

from spatialgeo_ros.answer.language_part import LanguagePart
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.nearest import mean_nearest_distance
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.perception import Perception

WIDTH, HEIGHT = 160, 120
CAMERA = PinholeCamera(WIDTH, HEIGHT, 100.0, 100.0, (WIDTH - 1) / 2, (HEIGHT - 1) / 2)
#: Two boards one metre away before a wall at three: 0.3 m wide each, 0.5 m between.
LEFT, RIGHT = (20, 40, 49, 79), (100, 40, 129, 79)


@pytest.fixture(scope="module")
def perception(tmp_path_factory: pytest.TempPathFactory) -> Perception:
    path = write_profile("spatialrgpt_8b", tmp_path_factory.mktemp("rgpt"))
    return Perception.load(str(path), device="cpu")


def frame() -> Frame:
    image = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    depth = np.full((HEIGHT, WIDTH), 3.0, np.float32)
    for (x0, y0, x1, y1), colour in ((LEFT, (200, 40, 30)), (RIGHT, (30, 60, 200))):
        image[y0 : y1 + 1, x0 : x1 + 1] = colour
        depth[y0 : y1 + 1, x0 : x1 + 1] = 1.0
    return Frame("camera", 1_000_000_000, "camera_optical_frame", image, CAMERA, depth)


def asked(perception: Perception, question: str, *labels: str) -> LanguagePart:
    perception.reset()
    boxes = (LEFT, RIGHT)[: len(labels)]
    regions = [Region.from_box(*box, name) for box, name in zip(boxes, labels, strict=True)]
    part = perception.begin(question, perception.observe(frame()), regions).language
    assert part is not None
    return part


def test_a_distance_is_asked_about_both_regions(perception: Perception) -> None:
    part = asked(perception, "How far is the crate from the board?", "crate", "board")
    assert part.question.text == "How far is <region> from <region>?"
    assert [int(mask.nonzero()[1].mean()) // 80 for mask in part.question.regions] == [0, 1]
    assert part.question.depth is not None
    assert list(part.question.names) == ["crate", "board"]


def test_its_distance_is_compared_with_the_mean_of_nearest_points(perception: Perception) -> None:
    part = asked(perception, "How far is the crate from the board?", "crate", "board")
    assert part.reference is not None
    # Columns 0.3 m wide, 0.5 m apart: a point's nearest of the other is 0.5 to 0.8 m away.
    assert part.reference.value == pytest.approx(0.65, abs=0.03)
    assert part.reference.length == "mean of nearest points"


def test_its_horizontal_distance_is_along_the_picture(perception: Perception) -> None:
    question = "What is the horizontal distance between the crate and the board?"
    part = asked(perception, question, "crate", "board")
    assert part.reference is not None
    assert part.reference.value == pytest.approx(0.80, abs=0.03)
    assert part.reference.length == "along the picture's width"


def test_other_lengths_are_compared_as_measured(perception: Perception) -> None:
    part = asked(perception, "How wide is the crate?", "crate")
    assert part.question.text == "How wide is <region>?"
    assert part.reference is not None
    assert part.reference.value == pytest.approx(0.30, abs=0.03)


def test_words_of_an_open_question_become_regions_where_they_stand(perception: Perception) -> None:
    perception.reset()
    observation = perception.observe(frame())
    part = perception.begin("What could this be for?", observation).language
    assert part is not None
    assert part.question.text == "What could this be for?"
    assert not part.question.regions


def test_distances_from_the_camera_are_not_asked(perception: Perception) -> None:
    perception.reset()
    region = Region.from_box(*LEFT, "crate")
    answer = perception.ask("How far away is the crate?", perception.observe(frame()), [region])
    assert not answer.language_text
    assert any("not trained for distances from the camera" in why for why in answer.degraded)
    assert answer.distances[0].distance == pytest.approx(1.045, abs=0.02)  # of its near edge


def test_what_the_speaker_notes_reaches_the_answer(perception: Perception) -> None:
    perception.reset()
    regions = [Region.from_box(*LEFT, "crate"), Region.from_box(*RIGHT, "board")]
    observation = perception.observe(frame())
    answer = perception.ask("How far is the crate from the board?", observation, regions)
    assert any("picture of depth is made of" in why for why in answer.degraded)
    assert answer.language_text
    assert answer.distances[0].valid


def test_mean_nearest_distance_of_shifted_and_unlike_sets() -> None:
    line = np.stack([np.linspace(0, 1, 50), np.zeros(50), np.zeros(50)], axis=1)
    assert mean_nearest_distance(line, line + [0, 0, 2]) == pytest.approx(2.0)
    point = np.zeros((1, 3))
    # From the line to its end 0.5 m on average, from its end to the line nothing.
    assert mean_nearest_distance(line, point) == pytest.approx(0.25, abs=0.01)
