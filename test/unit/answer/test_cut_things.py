# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A thing that the image's border cuts: what is out of view may be nearer than all that is seen."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from geometry_scene import CAMERA, Block, box_of, render
from map_scene import looking

from spatialgeo_ros.answer.result import Answer
from spatialgeo_ros.errors import PhraseNotFoundError
from spatialgeo_ros.geometry.distance import Kind
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.observation import Observation
from spatialgeo_ros.perception import Perception
from spatialgeo_ros.scene.sighting import HowSeen

BENCH = Block(2.9, 0.0, (1.8, 0.5, 0.6))
CABINET = Block(4.6, 0.9, (0.4, 0.4, 1.2))
#: Whole in view from all three.
AROUND = (looking(0.2, 0.9, -0.3), looking(0.3, -0.9, 0.3), looking(0.2, 1.2, -0.4))
#: Its near end is beyond the right border, its far one in view.
BESIDE = looking(0.9, 1.0, math.radians(5))


def observe(perception: Perception, pose: Pose, number: int) -> Observation:
    """Show a camera's view, with the boxes that a detector draws around what is seen."""
    depth, index = render([BENCH, CABINET], pose, wall=8.0)
    image = np.full((*depth.shape, 3), 120, np.uint8)
    image[index == 0], image[index == 1] = (30, 60, 200), (200, 40, 30)
    boxes = tuple(
        Region.from_box(*map(float, box_of(index, k)), label, 0.9)
        for k, label in enumerate(("bench", "cabinet"))
        if (index == k).any()
    )
    stamp = number * 500_000_000
    return perception.observe(
        Frame(
            "camera", stamp, "camera_optical_frame", image, CAMERA, depth.astype(np.float32), pose,
            "odom", detections=boxes, detections_stamp_ns=stamp,
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
    depth, index = render([BENCH, CABINET], pose, wall=8.0)
    rows, columns = np.nonzero(index == 0)
    points = CAMERA.unproject(np.stack([columns, rows], axis=1), depth[rows, columns])
    return float(np.linalg.norm(points, axis=1).min())


def test_a_measurement_by_name_takes_the_maps_word_too(perception: Perception) -> None:
    """As questions do: that is what a watch tells a robot that drives up to a thing."""
    (told,) = perception.measure(observe(perception, BESIDE, 10), [], "bench")
    true = from_camera(BESIDE)
    assert told.valid and abs(told.distance - true) < max(0.05 * true, 2 * told.sigma)
    assert told.distance == pytest.approx(np.linalg.norm(told.point_to), abs=1e-9)
    note = "'bench' is cut by the image border: the map tells of the whole of it"
    assert note in told.reason and note in told.degraded
    assert told.how is HowSeen.IN_VIEW and told.age == 0.0


@pytest.mark.parametrize(
    ("kind", "true"),
    [
        (Kind.WIDTH, 1.8),
        (Kind.HEIGHT, 0.6),
        (Kind.CENTRE_TO_CENTRE, math.dist(BENCH.centre, CABINET.centre)),
    ],
)
def test_size_and_centre_of_a_cut_thing_are_measured_as_the_map_knows_them(
    perception: Perception, kind: Kind, true: float
) -> None:
    seen = observe(perception, BESIDE, 10)
    (told,) = perception.measure(seen, [kind], "bench", "cabinet")
    assert told.valid and abs(told.distance - true) < max(0.1, 2 * told.sigma)
    assert "the map tells of the whole of it" in told.reason
    (alone,) = perception.scene.measure(seen, [kind], "bench", "cabinet", use_map=False)
    assert "the map tells" not in alone.reason
    assert not alone.valid or alone.sigma > told.sigma


@pytest.mark.parametrize("what", ["request", "elsewhere", "another thing"])
def test_the_map_tells_only_of_what_it_knows_to_be_the_thing(
    perception: Perception, what: str
) -> None:
    seen = observe(perception, BESIDE, 10)
    if what == "request":  # a box of the request may be of a part of the bench
        (told,) = perception.measure(seen, [], replace(seen.frame.detections[0], label="bench"))
    elif what == "elsewhere":  # the bench was moved since the map saw it
        shift = Pose(np.eye(3), np.array([0.0, 2.0, 0.0]))
        moved = replace(seen.frame, pose=shift @ seen.frame.pose, stamp_ns=6_000_000_000)
        (told,) = perception.measure(perception.observe(moved), [], "bench")
    else:
        boxes = [replace(one, label="cat") for one in seen.frame.detections[:1]]
        frame = replace(seen.frame, detections=tuple(boxes), stamp_ns=6_000_000_000)
        (told,) = perception.measure(perception.observe(frame), [], "cat")
    assert "the map tells" not in told.reason
    if told.valid:
        assert told.distance == pytest.approx(seen_alone(BESIDE), abs=0.03)


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


@pytest.mark.parametrize(
    ("question", "true"),
    [
        ("how wide is the bench?", 1.8),
        ("how tall is the bench?", 0.6),
        (
            "what is the distance between the bench and the cabinet?",
            math.dist(BENCH.centre, CABINET.centre),
        ),
    ],
)
def test_the_map_tells_size_and_centre_of_a_cut_thing(
    perception: Perception, question: str, true: float
) -> None:
    told = ask(perception, question, BESIDE).distances[0]
    assert told.valid and abs(told.distance - true) < max(0.1, 2 * told.sigma)
    assert told.sigma < 0.3


def test_a_size_is_the_maps_where_that_is_surer(perception: Perception) -> None:
    """One image shows two sides of a thing, several show all."""
    alone = ask(perception, "how big is the bench?", AROUND[0], in_view_of=("camera",)).distances
    told = ask(perception, "how big is the bench?", AROUND[0]).distances
    assert [one.kind for one in told] == [one.kind for one in alone]
    assert all(a.sigma < b.sigma for a, b in zip(told, alone, strict=True))
    for one, true in zip(told, BENCH.size, strict=True):
        assert one.distance == pytest.approx(true, abs=max(0.05, 2 * one.sigma))


def test_a_detection_of_a_size_that_no_such_thing_has_is_doubted(perception: Perception) -> None:
    seen = observe(perception, AROUND[0], 10)
    floor = Region.from_box(130.0, 215.0, 180.0, 235.0, "door", 0.5)
    frame = replace(seen.frame, detections=(*seen.frame.detections, floor), stamp_ns=6_000_000_000)
    with pytest.raises(PhraseNotFoundError, match="taken for 'door' is none: it is 0.0"):
        perception.ask("how far is the door?", perception.observe(frame))
