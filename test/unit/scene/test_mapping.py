# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a camera's frames to the object map: lifted boxes in the world, or why there is no map."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from geometry_scene import CAMERA, Block, box_of, render
from map_scene import looking, walls

from spatialgeo_ros.geometry.pointmap import DepthSource, PointMap
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.memory.detected import MapFrame, MapUpdate
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.snapshot import Presence
from spatialgeo_ros.perception import Perception
from spatialgeo_ros.scene.known_objects import related_labels
from spatialgeo_ros.scene.mapping import Mapper, why_not

S = 10**9
CABINET = Block(2.6, 0.7, (0.6, 0.5, 0.9))
CRATE = Block(2.2, -0.6, (0.5, 0.4, 0.45))
RED, BLUE = (200, 30, 30), (40, 60, 200)


def frame(
    stamp: int,
    pose: Pose,
    blocks: dict[str, Block],
    colours: dict[str, tuple[int, int, int]] | None = None,
    detections: bool = True,
) -> Frame:
    """What a depth camera sees of named blocks in a walled room, with a box around each."""
    depth, index = render([*blocks.values(), *walls()], pose, CAMERA, wall=100.0)
    image = np.full((*depth.shape, 3), 120, np.uint8)
    boxes = []
    for number, name in enumerate(blocks):
        if not (index == number).any():
            continue
        image[index == number] = (colours or {}).get(name, (120, 120, 120))
        x0, y0, x1, y1 = (float(v) for v in box_of(index, number))
        label = name.rstrip("0123456789")
        boxes.append(replace(Region.from_box(x0, y0, x1, y1, label, 0.9), stamp_ns=stamp * S))
    return Frame(
        "front", stamp * S, "front_optical", image, CAMERA, depth.astype(np.float32), pose, "map",
        tuple(boxes) if detections else (), stamp * S if detections else 0,
    )  # fmt: skip


def feed(perception: Perception, *frames: Frame) -> list[MapUpdate]:
    return [perception.update_map(perception.observe(one)) for one in frames]


def test_boxes_of_frames_become_objects_in_the_world() -> None:
    perception = Perception(None)
    blocks = {"cabinet": CABINET, "red crate": CRATE}
    colours = {"red crate": RED}
    poses = [looking(0, y, 0.0, height=1.1) for y in (0.0, 0.4, -0.4, 0.8)]
    updates = feed(
        perception, *(frame(k + 1, pose, blocks, colours) for k, pose in enumerate(poses))
    )
    assert all(u.used and u.identified == ("cabinet_1", "crate_1") for u in updates)
    snapshot = perception.object_map.snapshot()
    known = {one.id: one for one in snapshot.objects}
    for name, block in (("cabinet_1", CABINET), ("crate_1", CRATE)):
        off = known[name].centre - block.centre
        assert np.linalg.norm(off) < 0.15, (name, off)
        assert abs(known[name].top - block.size[2]) < 0.05
        assert known[name].state is Presence.VISIBLE
    assert known["crate_1"].colour == "red" and known["crate_1"].label == "red crate"
    assert snapshot.frame == "map" and snapshot.in_view == {"cabinet_1", "crate_1"}
    assert snapshot.viewer is not None and snapshot.viewer.z == pytest.approx(1.1)
    assert perception.scene.describe()["object_map"]["objects"] == 2


def test_ids_go_with_the_detections_of_the_frame_whatever_can_be_lifted() -> None:
    perception = Perception(None)
    seen = frame(1, looking(0, 0, 0.0), {"cabinet": CABINET, "crate": CRATE})
    outside = Region.from_box(900, 10, 950, 60, "crate")
    nameless = replace(seen.detections[0], label="")
    boxes = (outside, nameless, *seen.detections)
    (update,) = feed(perception, replace(seen, detections=boxes))
    assert update.identified == ("", "", "cabinet_1", "crate_1")


def test_without_a_pose_there_is_no_map_and_it_says_so() -> None:
    perception = Perception(None)
    lost = replace(frame(1, looking(0, 0, 0.0), {"crate": CRATE}), pose=None, world_frame="")
    (update,) = feed(perception, lost)
    assert not update.used and update.reason == (
        "no object map: camera 'front' has no pose: publish TF or odometry, and name it with "
        "pose_source"
    )
    told = replace(lost, problems={"pose": "no transform from 'odom' to 'front_optical'"})
    assert "no transform from 'odom'" in why_not(perception.observe(told))
    assert not perception.object_map.snapshot().objects


def test_without_points_there_is_no_map_and_it_says_so() -> None:
    perception = Perception(None)
    blind = replace(frame(1, looking(0, 0, 0.0), {"crate": CRATE}), depth=None)
    (update,) = feed(perception, blind)
    assert not update.used and "no points in metres: no depth" in update.reason


def test_a_reset_of_the_scene_clears_the_map() -> None:
    perception = Perception(None)
    feed(perception, frame(1, looking(0, 0, 0.0), {"crate": CRATE}))
    perception.scene.reset("time jumped")
    objects = perception.object_map
    assert not objects.snapshot().objects and objects.describe()["resets"] == ("time jumped",)
    (update,) = feed(perception, frame(1, looking(0, 0, 0.0), {"crate": CRATE}))
    assert update.added == ("crate_2",)


def given(perception: Perception, seen: Frame, monkeypatch: pytest.MonkeyPatch) -> MapFrame:
    """What the map is given for a frame."""
    taken = []
    objects = perception.object_map

    def take(given: MapFrame) -> MapUpdate:
        taken.append(given)
        return MapUpdate(0, "", identified=("",) * len(given.detected))

    monkeypatch.setattr(objects, "update", take)
    feed(perception, seen)
    return taken[0]


def test_what_the_border_cuts_is_less_sure_across(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = given(Perception(None), frame(1, looking(0, 0, 0.0), {"crate": CRATE}), monkeypatch)
    turned = frame(1, looking(0, 0, 0.28), {"crate": CRATE})
    cut = given(Perception(None), turned, monkeypatch)
    assert not whole.detected[0].cut and cut.detected[0].cut
    assert cut.detected[0].covariance[1, 1] > 2 * whole.detected[0].covariance[1, 1]


def test_a_box_of_another_image_is_less_sure_or_has_no_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = frame(10, looking(0, 0, 0.0), {"crate": CRATE})

    def older(seconds: float) -> MapFrame:
        stamp = seen.stamp_ns - int(seconds * S)
        boxes = tuple(replace(box, stamp_ns=stamp) for box in seen.detections)
        return given(Perception(None), replace(seen, detections=boxes), monkeypatch)

    now, late, far = older(0.0), older(0.1), older(1.0)
    assert late.detected[0].covariance[0, 0] > now.detected[0].covariance[0, 0] + 0.005
    assert not far.detected and far.unplaced[0].label == "crate"


def test_a_box_without_depth_has_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = frame(1, looking(0, 0, 0.0), {"crate": CRATE, "cabinet": CABINET})
    box = seen.detections[0]
    x0, y0, x1, y1 = (int(v) for v in box.bounds(*seen.image.shape[:2]))
    depth = np.array(seen.depth)
    depth[y0 - 4 : y1 + 5, x0 - 4 : x1 + 5] = np.nan
    taken = given(Perception(None), replace(seen, depth=depth), monkeypatch)
    assert [thing.label for thing in taken.detected] == ["cabinet"]
    assert [thing.label for thing in taken.unplaced] == ["crate"]


def test_a_detector_looked_for_what_it_ever_named(monkeypatch: pytest.MonkeyPatch) -> None:
    perception = Perception(None)
    first = frame(1, looking(0, 0, 0.0), {"crate": CRATE})
    feed(perception, first)
    empty = replace(first, stamp_ns=2 * S, detections=(), detections_stamp_ns=2 * S)
    assert given(perception, empty, monkeypatch).looked_for == {"crate"}
    nobody = replace(first, stamp_ns=3 * S, detections=(), detections_stamp_ns=0)
    assert given(perception, nobody, monkeypatch).looked_for is None


def test_people_go_about_and_their_kind_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = {"woman": Block(2.5, 0.0, (0.5, 0.3, 1.7)), "wooden crate": CRATE}
    taken = given(Perception(None), frame(1, looking(0, 0, 0.0), blocks), monkeypatch)
    assert [thing.dynamic for thing in taken.detected] == [True, False]
    assert [thing.material for thing in taken.detected] == ["", "wood"]


def test_predicted_depth_places_things_but_shows_no_place_empty(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    perception = Perception(None)
    observation = perception.observe(frame(1, looking(0, 0, 0.0), {"crate": CRATE}))
    sensor = observation.pointmap
    assert sensor is not None
    observation.pointmap = PointMap(
        sensor.readings, sensor.camera, DepthSource.MONOCULAR, 0.05 * sensor.depth
    )
    taken: list[MapFrame] = []
    monkeypatch.setattr(
        perception.object_map, "update",
        lambda given: taken.append(given) or MapUpdate(0, "", identified=("",)),
    )  # fmt: skip
    Mapper(perception.locator, perception.object_map, 0.02).update(observation)
    assert taken[0].depth is None and len(taken[0].detected) == 1


@pytest.mark.parametrize(
    ("a", "b", "least", "most"),
    [
        ("couch", "sofa", 1.0, 1.0),
        ("Office_Chair", "chair 3", 0.9, 0.9),
        ("office chair", "dining chair", 0.5, 0.7),
        ("red mug", "cup", 1.0, 1.0),
        ("chair", "table", 0.0, 0.0),
        ("traffic light", "lamp", 0.0, 0.0),
        ("gizmo", "Gizmo", 1.0, 1.0),
        ("gizmo", "gadget", 0.0, 0.0),
    ],
)
def test_labels_are_related_by_their_kinds(a: str, b: str, least: float, most: float) -> None:
    assert least <= related_labels(a, b) <= most
    assert related_labels(a, b) == related_labels(b, a)


def test_a_sheet_is_not_taken_for_the_furniture_it_is_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the box of a table's top alone, called a sofa, is lifted to."""
    sheet = Block(2.0, 0.0, (1.2, 0.8, 0.06))
    named = given(Perception(None), frame(1, looking(0, 0, 0.0), {"sofa": sheet}), monkeypatch)
    assert not named.detected and named.unplaced[0].label == "sofa"
    other = given(Perception(None), frame(1, looking(0, 0, 0.0), {"plank": sheet}), monkeypatch)
    assert [thing.label for thing in other.detected] == ["plank"]


def test_a_thing_that_leaves_a_side_of_its_box_free_may_be_larger(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tight = frame(1, looking(0, 0, 0.0, height=1.1), {"cabinet": CABINET})
    (box,) = tight.detections
    x0, y0, x1, y1 = box.bounds(*tight.image.shape[:2])
    higher = replace(Region.from_box(x0, y0 - 0.4 * (y1 - y0), x1, y1, "cabinet", 0.9), stamp_ns=S)
    (exact,) = given(Perception(None), tight, monkeypatch).detected
    (free,) = given(Perception(None), replace(tight, detections=(higher,)), monkeypatch).detected
    assert free.size == pytest.approx(exact.size, abs=0.05)
    assert exact.size_sigma[2] < 0.1 < 0.3 * free.size[2] < free.size_sigma[2]
    assert free.size_sigma[:2] == pytest.approx(exact.size_sigma[:2], rel=0.3)
