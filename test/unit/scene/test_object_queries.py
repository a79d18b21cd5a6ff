# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The facade's object map: who looks, free floor, programs, saving, and no map at all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from box_world import Box, camera_pose, render
from small_map import small_map

from spatialgeo_ros.errors import NoFreePlaceError, NoMapError, WrongFrameError
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.snapshot import Presence
from spatialgeo_ros.perception import Perception
from spatialgeo_ros.query.phrase_program import program_of_phrase
from spatialgeo_ros.query.program import Named, Quantity, TellDirection, TellNumber, The, Viewer
from spatialgeo_ros.query.result import QueryError
from spatialgeo_ros.scene.approach import Base
from spatialgeo_ros.scene.executor import execute

CAMERA = PinholeCamera(320, 240, 260.0, 260.0, 159.5, 119.5)
CHAIR = Box((1.8, 0.3, 0.0), (2.2, 0.7, 0.8), (200, 40, 30))
LEFT = TellDirection(Named("chair"), "side")
SECOND = 1_000_000_000


def frame(number: int, camera: str = "front", yaw: float = 0.0, boxes=(CHAIR,), **more) -> Frame:
    pose = camera_pose(0.0, 0.0, 0.9, yaw, 0.35)
    image, depth = render(CAMERA, pose, boxes)
    red = (image[..., 0] > 150) & (image[..., 1] < 100)
    regions = ()
    if red.any():
        rows, columns = np.nonzero(red)
        box = columns.min() - 2, rows.min() - 2, columns.max() + 3, rows.max() + 3
        regions = (Region.from_box(*map(float, box), "chair", 0.9),)
    stamp = SECOND + number * SECOND // 5
    values = {
        "model": CAMERA,
        "depth": depth,
        "pose": pose,
        "world_frame": "odom",
        "detections": regions,
        "detections_stamp_ns": stamp,
        **more,
    }
    return Frame(camera, stamp, f"{camera}_optical_frame", image, **values)


def see(perception: Perception, *frames: Frame) -> None:
    for one in frames:
        perception.update_map(perception.observe(one))


@pytest.fixture
def perception() -> Perception:
    made = Perception(None, lead_camera="front")
    see(made, *(frame(number) for number in range(4)))
    return made


def test_a_map_has_what_was_seen_and_when(perception):
    snapshot = perception.objects()
    assert (snapshot.frame, snapshot.stamp_ns) == ("odom", frame(3).stamp_ns)
    (chair,) = snapshot.objects
    assert chair.state is Presence.VISIBLE
    assert chair.best.camera_name == "front"
    assert chair.best.stamp_ns in [frame(number).stamp_ns for number in range(4)]
    assert perception.describe()["object_map"]["objects"] == 1


def test_ahead_is_where_the_lead_camera_looks_unless_one_is_named(perception):
    see(perception, frame(4, "rear", np.pi))
    assert perception.run_query(LEFT).direction == "left"
    assert perception.run_query(LEFT, "rear").direction == "right"
    assert perception.run_query(LEFT, "side").error is QueryError.UNANSWERABLE
    assert perception.objects().stamp_ns == frame(4).stamp_ns


def test_without_a_lead_camera_the_newest_image_looks():
    perception = Perception(None)
    see(perception, frame(0), frame(1), frame(2), frame(3, "rear", np.pi))
    assert perception.run_query(LEFT).direction == "right"


def test_without_a_pose_there_is_no_map_and_the_reason_is_said():
    perception = Perception(None)
    with pytest.raises(NoMapError, match="no image has come yet"):
        perception.objects()
    lost = frame(0, pose=None, world_frame="", problems={"pose": "no odometry on '/odom'"})
    see(perception, lost)
    for attempt in (
        perception.objects,
        lambda: perception.run_query(LEFT),
        lambda: perception.save_objects("/nowhere.json"),
        lambda: perception.load_objects("/nowhere.json"),
    ):
        with pytest.raises(NoMapError, match="no odometry on '/odom'"):
            attempt()
    assert any("no object map" in text for text in perception.describe()["degraded"])


def test_what_is_gone_is_only_found_when_asked_for(perception):
    see(perception, *(frame(number, boxes=()) for number in range(4, 12)))
    chairs = program_of_phrase("chairs")
    assert perception.run_query(chairs).objects == ()
    assert perception.run_query(chairs, include_gone=True).objects == ("chair_1",)
    (chair,) = perception.objects().objects
    with pytest.raises(NoFreePlaceError, match="gone"):
        perception.approach(chair, 0.3, Base(0.2))


def test_approach_poses_lie_on_the_floor_that_was_seen(perception):
    (chair,) = perception.objects().objects
    poses = perception.approach(chair, 0.3, Base(0.2))
    assert poses
    grid = perception.scene.free_space.grid()
    places = np.array([[pose.x, pose.y] for pose in poses])
    assert grid.is_free(places, 0.2).all()
    assert not grid.is_free(np.array([[3.0, 0.75]]), 0.05).any(), "the floor behind it is hidden"
    perception.reset()
    with pytest.raises(NoMapError):
        perception.approach(chair, 0.3, Base(0.2))


def test_another_world_begins_another_map_and_another_floor(perception):
    see(perception, frame(4, world_frame="map", boxes=(), yaw=2.0))
    snapshot = perception.objects()
    assert (snapshot.frame, snapshot.objects) == ("map", ())
    grid = perception.scene.free_space.grid()
    assert not grid.is_free(np.array([[1.2, 0.0]]), 0.05).any(), "of the other world"


def test_a_map_comes_back_from_disk_in_its_own_world_alone(perception, tmp_path):
    path = tmp_path / "map.json"
    assert perception.save_objects(path) == 1
    again = Perception(None)
    with pytest.raises(NoMapError, match="cannot be told"):
        again.load_objects(path)
    see(again, frame(0, yaw=2.0))
    assert again.load_objects(path) == 1
    assert again.objects().objects[0].state is Presence.REMEMBERED
    distance = again.run_query(TellNumber(Quantity("distance", (Viewer(), The(Named("chair"))))))
    assert distance.values[0] == pytest.approx(1.95, abs=0.3)
    elsewhere = Perception(None)
    see(elsewhere, frame(0, yaw=2.0, world_frame="map"))
    with pytest.raises(WrongFrameError, match="'odom'"):
        elsewhere.load_objects(path)


def test_frames_without_depth_or_height_leave_the_floor_unknown():
    perception = Perception(None)
    see(perception, frame(0, depth=None))
    assert perception.scene.free_space.grid() is None
    high = replace(frame(1), pose=camera_pose(0.0, 0.0, 30.0, 0.0, 0.35))
    see(perception, high)
    perception.close()


def test_a_label_with_a_colour_in_it_is_of_its_kind():
    tables = [replace(small_map().objects[1], id=f"table_{k}", label=f"{c} table", colour=c)
              for k, c in enumerate(("purple", "blue"))]  # fmt: skip
    snapshot = replace(small_map(), objects=tuple(tables))
    assert execute(program_of_phrase("tables"), snapshot).objects == ("table_0", "table_1")
    one = execute(program_of_phrase("the blue table", one=True), snapshot)
    assert one.objects == ("table_1",)
    assert "blue blue" not in one.text
    assert "blue blue" not in execute(program_of_phrase("table", one=True), snapshot).text
