# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The simulated room: reproducible, free of collisions, rendered with exact depth and labels."""

from __future__ import annotations

import math

import numpy as np
import pytest

from spatialgeo_ros.sim.depth_noise import DepthSensorModel
from spatialgeo_ros.sim.furniture import COLOURS, KINDS, SIZE_RANGES, build
from spatialgeo_ros.sim.path import RobotPath
from spatialgeo_ros.sim.rig import MOUNT_HEIGHT, base_pose, camera_pose, default_camera
from spatialgeo_ros.sim.room import make_room

SEEDS = range(900_100, 900_120)


def test_the_same_seed_gives_the_same_room():
    assert make_room(5) == make_room(5)
    assert make_room(5) != make_room(6)


@pytest.mark.parametrize("seed", SEEDS)
def test_furniture_stands_inside_and_apart_with_unique_names(seed):
    room = make_room(seed)
    names = [thing.name for thing in room.objects]
    assert len(set(names)) == len(names) >= 3
    for thing in room.objects:
        corners = thing.corners()
        assert (np.abs(corners[:, :2]) <= np.array([room.width, room.depth]) / 2 + 1e-6).all()
        assert corners[:, 2].min() == pytest.approx(0.0, abs=1e-9)
        # No other object's centre lies within this one's footprint.
        c, s = math.cos(thing.yaw), math.sin(thing.yaw)
        for other in room.objects:
            if other is thing:
                continue
            dx, dy = np.array(other.centre[:2]) - np.array(thing.centre[:2])
            inside = abs(c * dx + s * dy) < thing.size[0] / 2
            assert not (inside and abs(-s * dx + c * dy) < thing.size[1] / 2)


@pytest.mark.parametrize("kind", KINDS)
def test_parts_fill_the_stated_size(kind):
    low, high = SIZE_RANGES[kind]
    size = tuple((a + b) / 2 for a, b in zip(low, high, strict=True))
    parts = build(kind, size, next(iter(COLOURS)), np.random.default_rng(0))
    top = max(part.position[2] + part.half[2] for part in parts)
    bottom = min(part.position[2] - part.half[2] for part in parts)
    assert top == pytest.approx(size[2], abs=0.08)
    assert bottom == pytest.approx(0.0, abs=0.05)
    for axis in (0, 1):
        reach = max(abs(part.position[axis]) + part.half[axis] for part in parts)
        assert reach == pytest.approx(size[axis] / 2, abs=0.08)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_path_is_closed_smooth_and_clear(seed):
    room = make_room(seed)
    path = RobotPath(room, speed=0.4, clearance=0.25)
    assert path.length > 2.0
    states = [path.at(t) for t in np.arange(0.0, path.period, 0.1)]
    places = np.array([[s.x, s.y] for s in states])
    assert room.free(places, 0.19).all()
    steps = np.linalg.norm(np.diff(np.vstack([places, places[:1]]), axis=0), axis=1)
    assert steps.max() <= 0.4 * 0.1 + 1e-6
    turns = np.diff([s.yaw for s in states])
    assert np.abs((turns + math.pi) % (2 * math.pi) - math.pi).max() < 2.0 * 0.1
    assert path.at(0.0) == path.at(path.period)


def test_camera_pose_is_the_optical_frame_of_rep_103():
    pose = camera_pose(1.0, 2.0, math.pi / 2, 0.9, math.radians(12))
    ahead = pose.rotation @ np.array([0.0, 0.0, 1.0])
    right = pose.rotation @ np.array([1.0, 0.0, 0.0])
    down = math.radians(12)
    np.testing.assert_allclose(ahead, [0, math.cos(down), -math.sin(down)], atol=1e-12)
    np.testing.assert_allclose(right, [1, 0, 0], atol=1e-12)
    assert np.linalg.det(pose.rotation) == pytest.approx(1.0)
    assert base_pose(1, 2, 0.3).apply(np.array([1.0, 0, 0]))[1] == pytest.approx(2 + math.sin(0.3))


def test_depth_noise_has_the_stated_spread_and_loses_edges():
    rng = np.random.default_rng(0)
    depth = np.full((200, 300), 3.0, np.float32)
    depth[:, 150:] = 5.0
    depth[:10] = 20.0
    depth[10:20] = np.nan
    sensor = DepthSensorModel(random_holes=0.0)
    seen = sensor.apply(depth, rng)
    assert seen.dtype == np.uint16
    assert (seen[:20] == 0).all()
    wall = seen[30:, 10:140].astype(float) / 1000
    assert wall.std() == pytest.approx(float(sensor.standard_deviation(np.array(3.0))), rel=0.1)
    assert (seen[30:, 149:151] == 0).mean() == pytest.approx(0.7, abs=0.1)
    assert (seen[30:, 20:100] > 0).all()
    perfect = DepthSensorModel(noise=0, edge_holes=0, random_holes=0).apply(depth, rng)
    assert (perfect[30:, :150] == 3000).all()


@pytest.fixture(scope="module")
def renderer():
    pytest.importorskip("mujoco", reason="MuJoCo is not installed")
    from spatialgeo_ros.sim.renderer import RendererUnavailableError, RoomRenderer

    try:
        made = RoomRenderer(make_room(900_103), 320, 240, samples=0)
    except RendererUnavailableError as error:
        pytest.skip(str(error))
    yield made
    made.close()


def test_identities_are_drawn_without_samples(renderer):
    """Where samples are averaged when they are read, two things' codes would make a third's."""
    from spatialgeo_ros.sim.renderer import RoomRenderer

    pose, camera = camera_pose(0.0, 0.0, 0.3, MOUNT_HEIGHT, 0.2), default_camera(320, 240)
    smooth = RoomRenderer(renderer.room, 320, 240, samples=4)
    try:
        assert smooth._label_context is not smooth._context
        assert smooth._label_context.offSamples == 0
        seen, plain = smooth.render(pose, camera), renderer.render(pose, camera)
        assert np.array_equal(seen.segmentation, plain.segmentation)
        assert np.array_equal(seen.depth, plain.depth, equal_nan=True)
        assert not np.array_equal(seen.rgb, plain.rgb)  # colours are smoothed all the same
        smooth.load(renderer.room)
        assert np.array_equal(smooth.render(pose, camera).rgb, seen.rgb)
    finally:
        smooth.close()


def test_identity_colours_that_were_not_drawn_are_an_error():
    from spatialgeo_ros.sim.renderer import RendererError, decode_identities

    table = np.full(65536, -2)
    table[[0, 5, 300]] = -1, 3, 7
    colours = np.zeros((2, 2, 3), np.uint8)
    colours[0, 0, 0] = 5
    colours[1, 1, :2] = 300 % 256, 300 // 256
    assert decode_identities(colours, table).tolist() == [[3, -1], [-1, 7]]
    colours[0, 1, 0] = 2  # the mean of nothing and 5, as a driver that averages samples gives it
    with pytest.raises(RendererError, match="1 of 4 pixels.*MUJOCO_GL"):
        decode_identities(colours, table)
    colours[0, 1] = 0, 0, 9
    with pytest.raises(RendererError):
        decode_identities(colours, table)


def test_rendered_depth_is_that_of_the_walls_and_the_floor(renderer):
    room = renderer.room
    camera = default_camera(320, 240)
    yaw = 0.3
    pose = camera_pose(0.0, 0.0, yaw, MOUNT_HEIGHT, 0.2)
    seen = renderer.render(pose, camera)
    rgb, index = renderer.render_objects(pose, camera)  # the same without depth
    assert np.array_equal(rgb, seen.rgb) and np.array_equal(index, seen.segmentation)
    rays = camera.rays().reshape(-1, 3) @ pose.rotation.T
    with np.errstate(divide="ignore"):
        planes = [
            (sign * half - origin) / rays[:, axis]
            for axis, half, origin in ((0, room.width / 2, 0.0), (1, room.depth / 2, 0.0))
            for sign in (-1, 1)
        ]
        planes.append((0.0 - MOUNT_HEIGHT) / rays[:, 2])
        planes.append((room.height - MOUNT_HEIGHT) / rays[:, 2])
    expected = np.min([np.where(p > 0, p, np.inf) for p in planes], axis=0).reshape(240, 320)
    empty = seen.segmentation < 0
    error = np.abs(seen.depth - expected)[empty]
    # Rugs and windows are flat but not quite on the plane.
    assert np.quantile(error, 0.95) < 0.03
    assert (seen.depth[~empty] <= expected[~empty] + 0.02).all()


def test_rendered_objects_lie_in_their_boxes(renderer):
    camera = default_camera(320, 240)
    checked = 0
    for yaw in np.linspace(-math.pi, math.pi, 6, endpoint=False):
        pose = camera_pose(0.1, -0.1, float(yaw))
        seen = renderer.render(pose, camera)
        points = pose.apply(camera.rays() * seen.depth[..., None])
        for index, thing in enumerate(renderer.room.objects):
            mask = seen.segmentation == index
            if mask.sum() < 50:
                continue
            local = points[mask] - np.array(thing.centre)
            c, s = math.cos(thing.yaw), math.sin(thing.yaw)
            x, y = c * local[:, 0] + s * local[:, 1], -s * local[:, 0] + c * local[:, 1]
            half = np.array(thing.size) / 2 + 0.06
            assert (np.abs(np.stack([x, y, local[:, 2]], 1)) <= half).all()
            checked += 1
    assert checked >= 3


def test_a_wrong_camera_is_refused(renderer):
    with pytest.raises(ValueError, match="320x240"):
        renderer.render(camera_pose(0, 0, 0), default_camera(640, 480))


def test_two_renderers_of_one_process_do_not_mix(renderer):
    from spatialgeo_ros.sim.renderer import RoomRenderer

    camera, pose = default_camera(320, 240), camera_pose(0, 0, 0.0)
    before = renderer.render(pose, camera)
    other = RoomRenderer(make_room(900_104), 320, 240, samples=0, shadows=True)
    other.load(make_room(900_105))
    other.render(pose, camera)
    after = renderer.render(pose, camera)
    np.testing.assert_array_equal(before.segmentation, after.segmentation)
    other.close()
    np.testing.assert_array_equal(before.rgb, renderer.render(pose, camera).rgb)
