# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The facade in a simulated room: true boxes, noisy sensor depth, answers against the truth."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest

from spatialgeo_ros.errors import PhraseNotFoundError
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.observation import Observation
from spatialgeo_ros.perception import Perception
from spatialgeo_ros.sim.depth_noise import DepthSensorModel
from spatialgeo_ros.sim.renderer import RendererUnavailableError, RoomRenderer
from spatialgeo_ros.sim.rig import camera_pose, default_camera
from spatialgeo_ros.sim.room import Room, SceneObject, make_room

pytestmark = pytest.mark.slow
SEED = 900003


@dataclass
class View:
    """One observation with the boxes of the objects that are well in view."""

    observation: Observation
    boxes: dict[str, Region]
    pose: Pose


@pytest.fixture(scope="module")
def room() -> Room:
    return make_room(SEED)


@pytest.fixture(scope="module")
def perception() -> Perception:
    return Perception(None)


@pytest.fixture(scope="module")
def views(room: Room, perception: Perception) -> list[View]:
    camera = default_camera()
    try:
        renderer = RoomRenderer(room, camera.width, camera.height)
    except RendererUnavailableError as error:
        pytest.skip(str(error))
    noise, rng, found = DepthSensorModel(), np.random.default_rng(0), []
    # From the middle of each side of the room, looking across it.
    places = [(0.0, -1.6, 90), (0.0, 1.6, -90), (-1.9, 0.0, 0), (1.9, 0.0, 180)]
    for number, (x, y, degrees) in enumerate(places):
        if not room.is_free(x, y, 0.1):
            continue
        pose = camera_pose(x, y, math.radians(degrees))
        seen = renderer.render(pose, camera)
        boxes = {}
        for index, thing in enumerate(room.objects):
            mask = seen.segmentation == index
            if mask.mean() < 0.02 or mask[:, [0, -1]].any() or mask[[0, -1]].any():
                continue
            bounds = Region.from_mask(mask).bounds(*mask.shape)
            boxes[thing.name] = Region.from_box(*bounds, thing.name)
        frame = Frame(
            "camera", (number + 1) * 10**9, "camera_optical_frame", seen.rgb, camera,
            noise.apply(seen.depth, rng), pose, "world", sequence=number,
        )  # fmt: skip
        found.append(View(perception.observe(frame), boxes, pose))
    renderer.close()
    assert sum(len(view.boxes) for view in found) >= 3, "choose another room"
    return found


def _things(room: Room, views: list[View]) -> Iterator[tuple[View, SceneObject]]:
    for view in views:
        for name in view.boxes:
            yield view, room.find(name)


def test_sizes_and_directions_are_answered(
    room: Room, views: list[View], perception: Perception
) -> None:
    for view, thing in _things(room, views):
        regions = [view.boxes[thing.name]]
        tall = perception.ask(f"how tall is the {thing.name}?", view.observation, regions)
        assert tall.distances[0].distance == pytest.approx(thing.size[2], rel=0.15), thing.name
        centre = view.pose.inverse().apply(np.array(thing.centre))
        where = perception.ask(f"where is the {thing.name}?", view.observation, regions)
        hour = round(math.degrees(math.atan2(centre[0], centre[2])) / 30) % 12 or 12
        told = int(where.text.split(" at ")[1].split()[0])
        assert min((told - hour) % 12, (hour - told) % 12) <= 1, thing.name


def test_distances_between_objects_are_answered(
    room: Room, views: list[View], perception: Perception
) -> None:
    compared = 0
    for view in views:
        names = sorted(view.boxes)
        for first, second in zip(names, names[1:], strict=False):
            truth = math.dist(room.find(first).centre, room.find(second).centre)
            answer = perception.ask(
                f"how far is the {first} from the {second}?",
                view.observation,
                [view.boxes[first], view.boxes[second]],
            )
            compared += 1
            assert answer.distances[0].distance == pytest.approx(truth, rel=0.25), (first, second)
            assert answer.text.startswith(f"The {first} is ")
    assert compared


def test_the_floor_is_covered_at_height_zero(views: list[View], perception: Perception) -> None:
    assert all(view.observation.camera_height == pytest.approx(0.9, abs=0.03) for view in views)
    assert len(perception.keyframes()) == len(views)


def test_two_phrases_for_one_object_are_refused(views: list[View], perception: Perception) -> None:
    view = next(view for view in views if view.boxes)
    box = next(iter(view.boxes.values()))
    twice = tuple(
        Region.from_box(*box.box, label, score) for label, score in (("sofa", 0.9), ("lamp", 0.6))
    )
    frame = replace(view.observation.frame, detections=twice, stamp_ns=10**11)
    seen = perception.observe(frame)
    with pytest.raises(PhraseNotFoundError, match="'lamp' is not in view.*'sofa'"):
        perception.ask("how far is the sofa from the lamp?", seen)
    with pytest.raises(PhraseNotFoundError, match="'lamp'"):
        perception.measure(seen, [], "the lamp", "the sofa")
    # Regions of a request are taken at their word.
    assert perception.measure(seen, [], twice[0], twice[1])[0].valid
