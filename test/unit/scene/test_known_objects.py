# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A box in one image holds what the map knows to be another thing."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from geometry_scene import CAMERA, Block, box_of, render
from map_scene import towards

from spatialgeo_ros.errors import PhraseNotFoundError
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.observation import Observation
from spatialgeo_ros.memory.snapshot import Presence
from spatialgeo_ros.perception import Perception
from spatialgeo_ros.scene.known_objects import object_at, without_known
from spatialgeo_ros.scene.lifting import segment


def on_legs(block: Block, inset: float) -> tuple[Block, ...]:
    """A board and its four legs."""
    (x, y), (wide, deep, _) = (block.x, block.y), block.size
    x_leg, y_leg = wide / 2 - inset, deep / 2 - inset
    places = [(x + a * x_leg, y + b * y_leg) for a in (-1, 1) for b in (-1, 1)]
    return block, *(Block(a, b, (0.04, 0.04, block.bottom)) for a, b in places)


#: Seen from the front the chair hides much of the table.
THINGS = {
    "chair": (
        *on_legs(Block(1.4, 0.1, (0.46, 0.5, 0.06), bottom=0.42), 0.02),
        Block(1.18, 0.1, (0.04, 0.5, 0.5), bottom=0.44),
    ),
    "table": on_legs(Block(2.6, 0.3, (0.8, 1.1, 0.04), bottom=0.68), 0.03),
    "cabinet": (Block(3.0, -1.2, (0.4, 1.0, 0.9)),),
    "lamp": (Block(1.6, -1.7, (0.3, 0.3, 1.4)),),
}
TABLE, CABINET = (list(THINGS).index(name) for name in ("table", "cabinet"))
FRONT = towards(0.0, 0.0, (2.0, 0.0), pitch=0.1)
AROUND = tuple(
    towards(x, y, at)
    for x, y, at in (
        (0.6, 2.0, (2.2, 0.2)), (0.9, 2.3, (2.0, -0.8)), (0.2, -0.6, (2.4, -1.4)),
        (1.2, 1.9, (2.4, 0.0)),
    )
)  # fmt: skip


def frame_of(
    things: dict[str, tuple[Block, ...]], pose: Pose, seconds: float, named: dict[str, str]
) -> tuple[Frame, np.ndarray]:
    """One image with the boxes around the named things, and which thing each pixel is of."""
    blocks = [(k, block) for k, parts in enumerate(things.values()) for block in parts]
    depth, block_index = render([block for _, block in blocks], pose, wall=6.0)
    index = np.array([*(k for k, _ in blocks), -1])[block_index]
    image = np.full((*depth.shape, 3), 120, np.uint8)
    for k in range(len(things)):
        image[index == k] = (40 + 40 * k, 200 - 40 * k, 60)
    boxes = tuple(
        Region.from_box(*map(float, box_of(index, k)), named[name], 0.9)
        for k, name in enumerate(things)
        if name in named and np.count_nonzero(index == k) > 60
    )
    stamp = round(seconds * 1e9)
    frame = Frame(
        "camera", stamp, "camera_optical_frame", image, CAMERA, depth.astype(np.float32), pose,
        "odom", detections=boxes, detections_stamp_ns=stamp,
    )  # fmt: skip
    return frame, index


def nearest(frame: Frame, index: np.ndarray, number: int) -> float:
    """Metres to the nearest pixel of a thing."""
    rows, columns = np.nonzero(index == number)
    pixels = np.stack([columns, rows], axis=1)
    points = CAMERA.unproject(pixels, frame.depth[rows, columns])
    return float(np.linalg.norm(points, axis=1).min())


@pytest.fixture
def perception() -> Perception:
    """Its map has seen all of the things from around."""
    made = Perception(None)
    for number, pose in enumerate(AROUND * 2):
        frame, _ = frame_of(THINGS, pose, number + 1, {name: name for name in THINGS})
        made.scene.update_map(made.observe(frame))
    known = made.scene.map_snapshot().objects
    assert sorted(one.label for one in known) == sorted(THINGS)
    assert all(one.sightings >= 3 for one in known)
    return made


def test_a_hidden_thing_is_measured_without_the_one_before_it_that_was_not_detected(
    perception: Perception,
) -> None:
    frame, index = frame_of(THINGS, FRONT, 20.0, {"table": "table"})
    alone = Perception(None)
    (fooled,) = alone.measure(alone.observe(frame), [], "table")
    true = nearest(frame, index, TABLE)
    assert abs(fooled.distance - true) > 0.5  # what this test is about
    (told,) = perception.measure(perception.observe(frame), [], "table")
    assert told.valid and told.distance == pytest.approx(true, abs=0.1)
    assert "what of 'chair' is in the box of 'table' is left out" in told.reason


def test_the_map_does_not_take_it_for_a_second_one(perception: Perception) -> None:
    for number in range(4):
        frame, _ = frame_of(THINGS, FRONT, 20.0 + number, {"table": "table"})
        perception.scene.update_map(perception.observe(frame))
    known = perception.scene.map_snapshot().objects
    assert sorted(one.label for one in known) == sorted(THINGS)


def test_what_is_called_by_a_wrong_name_is_doubted_and_the_map_tells_of_the_right_one(
    perception: Perception,
) -> None:
    beside = towards(0.4, 0.2, (2.4, -1.4))
    frame, _ = frame_of(THINGS, beside, 19.8, {name: name for name in THINGS})
    perception.scene.update_map(perception.observe(frame))
    frame, _ = frame_of(THINGS, beside, 20.0, {"cabinet": "lamp"})
    observation = perception.observe(frame)
    (told,) = perception.measure(observation, [], "lamp")
    assert not told.valid and math.isnan(told.distance)
    assert told.doubt.startswith("what was taken for 'lamp' is the cabinet that the map knows")
    answer = perception.ask("how far is the lamp?", observation)
    (lamp,) = THINGS["lamp"]
    away = np.maximum(np.abs(beside.translation - lamp.centre) - np.array(lamp.size) / 2, 0.0)
    assert answer.distances[0].valid
    assert answer.distances[0].distance == pytest.approx(np.linalg.norm(away), abs=0.15)
    assert any("'lamp' is the cabinet" in reason for reason in answer.degraded)
    with pytest.raises(PhraseNotFoundError, match="is the cabinet that the map knows there"):
        perception.speak(
            perception.begin("how far is the lamp?", observation, in_view_of=("camera",))
        )


@pytest.mark.parametrize(
    "small",
    [
        Block(2.9, -1.0, (0.1, 0.1, 0.12), bottom=0.9),  # on the cabinet
        Block(2.7, -1.0, (0.15, 0.2, 0.3)),  # before it
    ],
)
def test_what_is_new_on_or_before_a_known_thing_is_none_of_it(
    perception: Perception, small: Block
) -> None:
    beside = towards(1.5, 0.3, (2.8, -1.0), height=1.3, pitch=0.35)
    frame, index = frame_of({**THINGS, "bag": (small,)}, beside, 20.0, {"bag": "bag"})
    (told,) = perception.measure(perception.observe(frame), [], "bag")
    assert told.valid and not told.doubt and "left out" not in told.reason
    true = nearest(frame, index, len(THINGS))
    assert told.distance == pytest.approx(true, abs=max(0.03, 2 * told.sigma))


def lifted(perception: Perception, frame: Frame) -> tuple[Observation, Region, np.ndarray]:
    observation = perception.observe(frame)
    assert observation.pointmap is not None
    region = frame.detections[0]
    return observation, region, segment(observation, observation.pointmap, region).points


def test_objects_are_known_by_name_and_place(perception: Perception) -> None:
    frame, _ = frame_of(THINGS, AROUND[0], 20.0, {"cabinet": "cabinet"})
    _, _, points = lifted(perception, frame)
    snapshot, pose = perception.scene.map_snapshot(), AROUND[0]
    found = object_at("cabinet", points, pose, snapshot)
    assert found is not None and found.label == "cabinet"
    assert object_at("cupboard", points, pose, snapshot) is found  # as near by name
    assert object_at("lamp", points, pose, snapshot) is None
    aside = Pose(pose.rotation, pose.translation + (0.0, 0.8, 0.0))
    assert object_at("cabinet", points, aside, snapshot) is None


@pytest.mark.parametrize("why", ["another world", "seen once", "gone"])
def test_only_what_the_map_is_sure_of_counts(perception: Perception, why: str) -> None:
    frame, _ = frame_of(THINGS, AROUND[0], 20.0, {"cabinet": "lamp"})
    observation, region, _ = lifted(perception, frame)
    assert observation.pointmap is not None
    points = segment(observation, observation.pointmap, region)
    snapshot = perception.scene.map_snapshot()
    rest, other = without_known(observation, region, points, AROUND[0], snapshot)
    assert rest is None and other is not None and other.label == "cabinet"
    changed = {
        "another world": {},
        "seen once": {"sightings": 1},
        "gone": {"state": Presence.GONE},
    }[why]
    snapshot = replace(
        snapshot,
        frame="map" if why == "another world" else snapshot.frame,
        objects=tuple(replace(one, **changed) for one in snapshot.objects),
    )
    same, other = without_known(observation, region, points, AROUND[0], snapshot)
    assert same is points and other is None
