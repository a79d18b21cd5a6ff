# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A thing that the image's border cuts: what is out of view may be nearer than all that is seen."""

from __future__ import annotations

import math

import numpy as np
import pytest
from geometry_scene import CAMERA, Block, box_of, render
from map_scene import looking

from spatialgeo_ros.answer.result import Answer
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.observation import Observation
from spatialgeo_ros.perception import Perception

BENCH = Block(2.9, 0.0, (1.8, 0.5, 0.6))
#: Whole in view from all three.
AROUND = (looking(0.2, 0.9, -0.3), looking(0.3, -0.9, 0.3), looking(0.2, 1.2, -0.4))
#: Its near end is beyond the right border, its far one in view.
BESIDE = looking(0.9, 1.0, math.radians(5))


def observe(perception: Perception, pose: Pose, number: int) -> Observation:
    """Show a camera's view, with the box that a detector draws around what is seen."""
    depth, index = render([BENCH], pose, wall=8.0)
    image = np.full((*depth.shape, 3), 120, np.uint8)
    image[index == 0] = (30, 60, 200)
    box = Region.from_box(*map(float, box_of(index, 0)), "bench", 0.9)
    stamp = number * 500_000_000
    return perception.observe(
        Frame(
            "camera", stamp, "camera_optical_frame", image, CAMERA, depth.astype(np.float32), pose,
            "odom", detections=(box,), detections_stamp_ns=stamp,
        )
    )  # fmt: skip


def from_camera(pose: Pose) -> float:
    """Metres from a camera to the nearest point of the bench."""
    half = np.array(BENCH.size) / 2
    away = pose.translation - BENCH.centre
    return float(np.linalg.norm(away - np.clip(away, -half, half)))


@pytest.fixture
def perception() -> Perception:
    """A map that has seen the bench whole."""
    made = Perception(None)
    for number, pose in enumerate(AROUND * 2):
        made.scene.update_map(observe(made, pose, number + 1))
    return made


def ask(perception: Perception, text: str, pose: Pose, **changes: object) -> Answer:
    return perception.speak(perception.begin(text, observe(perception, pose, 10), **changes))


def test_the_map_tells_how_far_a_cut_thing_is_whose_nearest_part_is_out_of_view(
    perception: Perception,
) -> None:
    answer = ask(perception, "how far is the bench?", BESIDE)
    told, true = answer.distances[0], from_camera(BESIDE)
    assert told.valid and abs(told.distance - true) < max(0.05 * true, 2 * told.sigma)
    assert told.distance < 0.9 * seen_alone(BESIDE)
    assert any("cut by the image border: the map" in reason for reason in answer.degraded)


def seen_alone(pose: Pose) -> float:
    """The nearest point of the bench that is seen, metres."""
    depth, index = render([BENCH], pose, wall=8.0)
    rows, columns = np.nonzero(index == 0)
    points = CAMERA.unproject(np.stack([columns, rows], axis=1), depth[rows, columns])
    return float(np.linalg.norm(points, axis=1).min())


def test_of_what_is_in_view_alone_it_is_said_to_be_cut(perception: Perception) -> None:
    answer = ask(perception, "how far is the bench?", BESIDE, in_view_of=("camera",))
    told = answer.distances[0]
    assert told.valid and "'bench' is cut by the image border" in told.reason
    assert told.distance == pytest.approx(seen_alone(BESIDE), abs=0.03)


def test_what_is_seen_whole_is_measured_on_its_points(perception: Perception) -> None:
    answer = ask(perception, "how far is the bench?", AROUND[0])
    told = answer.distances[0]
    assert told.valid and "cut" not in told.reason
    assert told.distance == pytest.approx(seen_alone(AROUND[0]), abs=0.02)
    assert told.sigma < 0.03


def test_the_map_tells_how_long_a_cut_thing_is(perception: Perception) -> None:
    answer = ask(perception, "how wide is the bench?", BESIDE)
    told = answer.distances[0]
    assert told.valid and told.distance == pytest.approx(1.8, abs=max(0.1, 2 * told.sigma))
    assert told.sigma < 0.3
