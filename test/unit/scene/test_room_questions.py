# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Questions about the room, from depth images through the facade to answers with their sigma."""

from __future__ import annotations

import math

import numpy as np
import pytest
from room_scenes import CAMERA, HEIGHT, Face, Scene, rectangle

from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.perception import Perception
from spatialgeo_ros.query.parser import parse
from spatialgeo_ros.query.result import QueryError, Result
from spatialgeo_ros.sim.rig import camera_pose

WIDTH, DEPTH, CEILING = 5.0, 4.0, 2.5
X, Y = 0.5, 0.2


def look_around(perception: Perception, scene: Scene, pitch: float, world: str = "odom") -> None:
    """One turn on the spot that ends with the heading along the world's x."""
    rng = np.random.default_rng(3)
    black = np.zeros((CAMERA.height, CAMERA.width, 3), np.uint8)
    for k in range(1, 25):
        pose = camera_pose(X, Y, k * math.pi / 12, HEIGHT, pitch)
        depth = scene.depth(pose, rng).depth
        stamp = k * 100_000_000
        frame = Frame(
            camera="camera", stamp_ns=stamp, frame_id="camera_optical_frame", image=black,
            model=CAMERA, depth=depth, pose=pose, world_frame=world, detections_stamp_ns=stamp,
        )  # fmt: skip
        perception.update_map(perception.observe(frame))


def ask(perception: Perception, question: str) -> Result:
    return perception.run_query(parse(question))


@pytest.fixture(scope="module")
def closed() -> Perception:
    perception = Perception(None)
    look_around(perception, Scene().ring(rectangle(WIDTH, DEPTH)), -0.2)
    return perception


@pytest.mark.parametrize(
    ("question", "value", "unit"),
    [
        ("How big is this room?", WIDTH * DEPTH, "m2"),
        ("What is the area of the room in square feet?", WIDTH * DEPTH / 0.3048**2, "ft2"),
        ("How high is the ceiling?", CEILING, "m"),
        ("How far is the nearest wall?", DEPTH / 2 - Y, "m"),
        ("How far is the wall in front of me?", WIDTH / 2 - X, "m"),
        ("How far is the wall behind me?", WIDTH / 2 + X, "m"),
        ("How long is the room?", WIDTH, "m"),
    ],
)
def test_the_room_is_measured(closed: Perception, question: str, value: float, unit: str):
    result = ask(closed, question)
    assert not result.error, result.text
    assert result.unit == unit
    (measured,), (sigma,) = result.values, result.std_devs
    assert measured == pytest.approx(value, rel=0.02)
    assert 0 < sigma < 0.1 * value
    assert abs(measured - value) < 3 * sigma


def test_what_was_not_seen_is_said_with_the_cure():
    scene = Scene().ring(rectangle(WIDTH, DEPTH), [2])
    scene.faces.append(Face((2.5, 2), (-2.5, 2), blind=True))
    perception = Perception(None)
    look_around(perception, scene, 0.2)
    for question, words in {
        "How big is this room?": "close no room",
        "How far is the nearest wall?": "Drive along the others",
        "How high is the ceiling?": "Point the camera up",
    }.items():
        result = ask(perception, question)
        assert result.error is QueryError.UNANSWERABLE
        assert words in result.text
    facts = perception.scene.describe()["room"]
    assert facts["frames"] == 24
    assert facts["area_m2"] is None


def test_another_world_frame_and_a_reset_forget_the_room():
    perception = Perception(None)
    look_around(perception, Scene().ring(rectangle(WIDTH, DEPTH)), 0.2)
    assert perception.objects().room.polygon is not None
    look_around(perception, Scene(ceiling=None), 0.2, "map")
    assert perception.objects().room.polygon is None
    perception.reset()
    assert perception.scene.room_map.layout() is None
