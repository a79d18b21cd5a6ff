# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The room's layout from depth: shapes, clutter, doors, windows, drift, and when it is unknown."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from room_scenes import CAMERA, HEIGHT, Face, Scene, rectangle, spin, turned

from spatialgeo_ros.geometry.pointmap import pointmap_from_depth
from spatialgeo_ros.geometry.pose import BODY_FROM_OPTICAL, Pose
from spatialgeo_ros.memory.room import RoomMap
from spatialgeo_ros.memory.room_outline import polygon_area
from spatialgeo_ros.memory.snapshot import MapObject, MapSnapshot, RoomLayout
from spatialgeo_ros.sim.rig import camera_pose

Corners = list[tuple[float, float]]
L_SHAPE: Corners = [(-3, -2.5), (3, -2.5), (3, 0.5), (0, 0.5), (0, 2.5), (-3, 2.5)]
STOPS = [(0.5, 0.2), (-1.0, 0.5)]
NOISE = 7  # seed


def seen_from(scene: Scene, stops: list[tuple[float, float]], **how: object) -> RoomLayout:
    room = RoomMap()
    rng = np.random.default_rng(NOISE)
    for stop in stops:
        spin(room, scene, stop, rng=rng, **how)
    layout = room.layout()
    assert layout is not None
    return layout


def assert_room(layout: RoomLayout, corners: Corners, within: float = 0.05) -> None:
    """The polygon has these corners, in whatever order, and says how sure it is."""
    assert layout.polygon is not None, layout.why_unknown
    assert layout.why_unknown == ""
    assert len(layout.polygon) == len(corners)
    apart = np.linalg.norm(layout.polygon[:, None] - np.array(corners, float)[None], axis=2)
    assert apart.min(axis=0).max() < within
    assert 0.003 < layout.polygon_sigma < 0.1
    truth = polygon_area(np.array(corners, float))
    assert polygon_area(layout.polygon) == pytest.approx(truth, rel=0.02)


def assert_unknown(layout: RoomLayout, *words: str) -> None:
    assert layout.polygon is None
    for word in words:
        assert word in layout.why_unknown


# Shapes


def test_nothing_is_known_before_the_first_image_and_after_a_reset():
    room = RoomMap()
    assert room.layout() is None
    spin(room, Scene().ring(rectangle(5, 4)), (0.5, 0.2))
    assert room.layout() is not None
    room.reset()
    assert room.layout() is None
    assert room.describe()["frames"] == 0


@pytest.mark.parametrize("angle", [0.0, 20.0, 45.0, -70.0])
def test_a_rectangle_at_any_angle_to_the_world(angle: float):
    corners = turned(rectangle(5, 4), angle)
    layout = seen_from(Scene().ring(corners), [(0.5, 0.2)])
    assert_room(layout, corners)
    assert layout.floor == pytest.approx(0.0, abs=0.02)
    assert layout.ceiling is None, "a camera that looks down has not seen it"


@pytest.mark.parametrize("angle", [0.0, 33.0])
def test_an_l_shape(angle: float):
    corners = turned(L_SHAPE, angle)
    assert_room(seen_from(Scene().ring(corners), turned([(-1.5, -1), (1.5, -1)], angle)), corners)


def test_walls_at_other_angles():
    trapezoid: Corners = [(-3, -2), (3, -2), (1.5, 2), (-3, 2)]
    assert_room(seen_from(Scene().ring(trapezoid), [(-1, 0), (0.5, -0.5)]), trapezoid)
    hexagon = [(2.5 * math.cos(k * math.pi / 3), 2.5 * math.sin(k * math.pi / 3)) for k in range(6)]
    assert_room(seen_from(Scene().ring(hexagon), [(0, 0)]), hexagon)


def test_a_hall_and_a_corridor():
    hall = rectangle(12, 9)
    assert_room(seen_from(Scene().ring(hall), [(-3, -2), (3, -2), (3, 2), (-3, 2)]), hall)
    corridor = rectangle(14, 1.8)
    stops = [(x, 0.1) for x in (-6.0, -3.0, 0.0, 3.0, 6.0)]
    assert_room(seen_from(Scene().ring(corridor), stops), corridor)


# Floor and ceiling


def test_a_camera_that_looks_up_finds_the_ceiling():
    layout = seen_from(Scene().ring(rectangle(5, 4)), STOPS, pitch=-0.25)
    assert layout.ceiling == pytest.approx(2.5, abs=0.02)
    assert 0 < layout.ceiling_sigma < 0.03
    assert_room(layout, rectangle(5, 4))


def test_a_shelf_over_the_camera_is_no_ceiling():
    scene = Scene(ceiling=None).ring(rectangle(5, 4)).box(-2.5, -0.5, -1.9, 0.5, 1.9, 2.1)
    assert seen_from(scene, STOPS, pitch=-0.25).ceiling is None


def test_the_floor_may_be_at_any_height_of_the_world_and_needs_no_known_camera_height():
    scene, room = Scene().ring(rectangle(5, 4)), RoomMap()
    for k in range(24):
        pose = camera_pose(0.5, 0.2, k * math.pi / 12, HEIGHT)
        raised = Pose(pose.rotation, pose.translation + [0, 0, 12.5])
        room.update(scene.depth(pose), raised)
    layout = room.layout()
    assert layout.floor == pytest.approx(12.5, abs=0.02)
    assert_room(layout, rectangle(5, 4))


# What stands in rooms


def furnished() -> Scene:
    """A wardrobe, a sofa, a high shelf, a table, a chest and a door leaf."""
    scene = Scene().ring(rectangle(5.5, 4.5))
    scene.box(-2.75, -1, -2.15, 1.2, 0, 2.1).box(-1, -2.25, 1, -1.35, 0, 0.85)
    scene.box(0.8, 1.9, 2.0, 2.2, 0, 1.9).box(-0.2, -0.2, 1, 0.6, 0.68, 0.72)
    return scene.box(2.2, -2.2, 2.7, -1.5, 0, 1.2).box(-1.6, 2.24, -0.7, 2.25, 0, 2.05)


@pytest.mark.parametrize(("pitch", "roll"), [(0.21, 0.0), (0.35, 0.1), (-0.25, 0.0), (0.0, -0.05)])
def test_furniture_at_the_walls_and_tilted_cameras(pitch: float, roll: float):
    layout = seen_from(furnished(), [(-1, -0.8), (1.5, 1.2), (-1, 1)], pitch=pitch, roll=roll)
    assert_room(layout, rectangle(5.5, 4.5))


def test_somebody_who_walks_by_leaves_nothing():
    room, rng = RoomMap(), np.random.default_rng(NOISE)
    for k in range(48):
        x = -2 + 4 * k / 47
        scene = Scene().ring(rectangle(5, 4)).box(x - 0.25, 0.9, x + 0.25, 1.2, 0, 1.8)
        pose = camera_pose(0.5, 0.2, k * math.pi / 12, HEIGHT)
        room.update(scene.depth(pose, rng), pose, HEIGHT)
    assert_room(room.layout(), rectangle(5, 4))


def wall_with(opening: tuple[float, float], low: float, high: float) -> Scene:
    """A room of 5 m x 4 m with a hole in the wall at x = 2.5 m."""
    scene = Scene().ring(rectangle(5, 4), [1])
    start, end = opening
    scene.faces += [Face((2.5, -2), (2.5, start)), Face((2.5, end), (2.5, 2))]
    scene.faces.append(Face((2.5, start), (2.5, end), high, 2.5))
    if low > 0:
        scene.faces.append(Face((2.5, start), (2.5, end), 0, low))
    return scene


def neighbour(scene: Scene, opening: tuple[float, float]) -> Scene:
    """Add a room of 3.9 m x 6 m behind that hole."""
    scene.ring([(2.6, -3), (6.5, -3), (6.5, 3), (2.6, 3)], [3])
    scene.faces += [Face((2.6, -3), (2.6, opening[0])), Face((2.6, opening[1]), (2.6, 3))]
    return scene


def test_a_door_belongs_to_the_wall_and_the_room_behind_it_is_another():
    door = (-0.25, 0.65)
    scene = neighbour(wall_with(door, 0, 2.05), door)
    assert_room(seen_from(scene, STOPS), rectangle(5, 4))
    both = [(0.5, 0.2), (1.5, 0.2), (2.4, 0.2), (3.3, 0.2), (4.3, 0.3)]
    other: Corners = [(2.6, -3), (6.5, -3), (6.5, 3), (2.6, 3)]
    assert_room(seen_from(scene, both), other, 0.15)
    assert_room(seen_from(scene, [*both, *both[::-1]]), rectangle(5, 4), 0.15)


def test_a_window_to_see_through_and_one_that_is_blind():
    scene = wall_with((-0.8, 0.8), 0.9, 2.1)
    scene.faces.append(Face((7, -6), (7, 6), 0, 5))
    assert_room(seen_from(scene, STOPS), rectangle(5, 4))
    blind = wall_with((-0.8, 0.8), 0.9, 2.1)
    blind.faces.append(Face((2.5, -0.8), (2.5, 0.8), 0.9, 2.1, True))
    assert_room(seen_from(blind, STOPS), rectangle(5, 4))


def test_a_mirror_is_not_looked_through():
    scene = Scene().ring(rectangle(5, 4), [2])
    scene.faces += [Face((2.5, 2), (0.6, 2)), Face((-0.6, 2), (-2.5, 2))]
    scene.faces += [Face((2.5, 2), (2.5, 6)), Face((-2.5, 2), (-2.5, 6)), Face((-2.5, 6), (2.5, 6))]
    assert_room(seen_from(scene, STOPS), rectangle(5, 4))


# Unknown


def test_a_missing_wall_is_unknown_however_the_space_goes_on():
    assert_unknown(seen_from(Scene().ring(rectangle(5, 4), [1]), STOPS), "close no room", "Drive")
    glass = Scene().ring(rectangle(5, 4), [2])
    glass.faces.append(Face((2.5, 2), (-2.5, 2), blind=True))
    assert_unknown(seen_from(glass, STOPS))


def test_a_room_that_is_open_to_the_next_is_unknown_until_that_was_seen():
    opening = (-1.1, 1.1)
    scene = neighbour(wall_with(opening, 0, 2.5), opening)
    assert_unknown(seen_from(scene, STOPS), "more than a door", "Point the camera there")
    layout = seen_from(scene, [*STOPS, (2.5, 0), (4, 0)])
    assert layout.polygon is not None
    assert polygon_area(layout.polygon) == pytest.approx(20 + 23.4, rel=0.03)


def test_a_part_of_the_room_is_unknown():
    assert_unknown(seen_from(Scene().ring(rectangle(5, 4)), STOPS[:1], arc=(0.0, 1.5)))
    assert_unknown(seen_from(Scene().ring(L_SHAPE), [(2, -1)]), "more than a door")
    assert_unknown(seen_from(Scene().ring(rectangle(20, 1.8)), [(0, 0.1)]))


def test_a_partition_that_can_be_walked_around_is_no_wall():
    """A row of wardrobes from one side wall almost to the other, as high as is seen."""
    scene = Scene().ring(rectangle(6, 3)).box(1.0, -1.5, 1.5, 0.7, 0, 2.2)
    assert_unknown(seen_from(scene, [(-1, 0), (0, 0.5)]), "Drive around it")


def test_images_without_depth_are_no_harm():
    room = RoomMap()
    blind = pointmap_from_depth(np.full((120, 160), np.nan, np.float32), CAMERA)
    room.update(blind, camera_pose(0, 0, 0))
    assert room.layout() is None
    room.update(blind, camera_pose(0, 0, 0), HEIGHT)
    assert_unknown(room.layout(), "no walls were seen yet")


# Drift, cost, bounds


@pytest.mark.parametrize("share", [0.01, 0.02])
def test_drift_is_taken_out_and_the_walls_stay_where_they_are_from_here(share: float):
    """Odometry that is wrong by up to 2 % of the way, and in heading."""
    room, scene, rng = RoomMap(), furnished(), np.random.default_rng(NOISE)
    error, turn = np.zeros(2), 0.0
    spin(room, scene, (1.5, 0.9), rng=rng)
    for k in range(160):
        phase = 2 * math.pi * k / 40
        x, y, yaw = 1.5 * math.cos(phase) + 0.05, 0.9 * math.cos(2 * phase), 2.3 * phase
        true = camera_pose(x, y, yaw, HEIGHT)
        error, turn = error + np.array([share * 0.25, -share * 0.1]), turn + share * 0.02
        believed = camera_pose(x + error[0], y + error[1], yaw + turn, HEIGHT)
        room.update(scene.depth(true, rng), believed, HEIGHT)
    layout = room.layout()
    assert layout.polygon is not None, layout.why_unknown
    assert polygon_area(layout.polygon) == pytest.approx(5.5 * 4.5, rel=0.04)
    c, s = math.cos(turn), math.sin(turn)
    here = (layout.polygon - (x + error[0], y + error[1])) @ np.array([[c, -s], [s, c]]) + (x, y)
    apart = np.linalg.norm(here[:, None] - np.array(rectangle(5.5, 4.5))[None], axis=2)
    assert np.linalg.norm(error) > 0.25
    assert apart.min(axis=0).max() < 0.12


def test_cost_and_memory_do_not_grow_with_images():
    room, scene = RoomMap(), furnished()
    images = []
    for k in range(24):
        pose = camera_pose(0.5 * math.cos(k), 0.8, k * math.pi / 12, HEIGHT)
        images.append((scene.depth(pose), pose))
    room.update(*images[0], HEIGHT)
    size = room.bytes
    times = []
    for _ in range(10):
        started = time.process_time()
        for depth, pose in images:
            room.update(depth, pose, HEIGHT)
        times.append(time.process_time() - started)
    assert room.bytes == size
    assert min(times[-3:]) < 3 * min(times[:3])
    started = time.process_time()
    first = room.layout()
    assert time.process_time() - started < 1.0
    assert room.layout() is first, "it is not worked out again"
    facts = room.describe()
    assert facts["frames"] == 241
    assert facts["area_m2"] == pytest.approx(24.75, rel=0.03)


def test_far_travel_forgets_what_is_left_behind():
    room = RoomMap()
    spin(room, Scene().ring(rectangle(5, 4)), (0.5, 0.2))
    for x in range(0, 60, 4):
        spin(room, Scene(ceiling=None), (x, 0.0), frames=2)
    spin(room, Scene().ring([(x + 60, y) for x, y in rectangle(5, 4)]), (60.0, 0.2), frames=48)
    assert room.layout().polygon is not None
    assert polygon_area(room.layout().polygon) == pytest.approx(20, rel=0.03)


def test_a_map_put_together_along_the_walls_comes_back_where_poses_say_now() -> None:
    room = RoomMap(0.02)
    room._correction._state[:] = (0.3, -0.2, 0.1)  # what drift made of the poses since the start
    camera = Pose(BODY_FROM_OPTICAL.rotation, np.array([1.0, 2.0, 0.9]))
    seen = np.array([0.4, 0.1, 2.0])  # in the camera
    spread = np.diag([0.04, 0.01, 0.02])
    placed = room.placed(camera)
    assert not np.allclose(placed.apply(seen), camera.apply(seen), atol=0.1)
    turn = 0.1
    cos, sin = np.cos(turn), np.sin(turn)
    rotation = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    thing = MapObject(
        "chair_1", "chair", placed.apply(seen), rotation @ spread @ rotation.T, np.ones(3),
        np.full(3, 0.02), 0.5 + turn, 0, 1,
    )  # fmt: skip
    (now,) = room.as_now(MapSnapshot((thing,), "odom", 1)).objects
    assert now.centre == pytest.approx(camera.apply(seen))
    assert now.yaw == pytest.approx(0.5)
    assert now.covariance == pytest.approx(spread)
    untouched = MapSnapshot((thing,), "odom", 1)
    assert RoomMap(0.0).as_now(untouched) is untouched
