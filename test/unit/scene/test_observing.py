# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An observed frame, worked out in parts, against the plain way: the whole image at once."""

from __future__ import annotations

import gc
import json
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from geometry_scene import HEIGHT, Block, render

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.depth_sensor import DepthNoise
from spatialgeo_ros.geometry.floor import estimate_floor, level_at
from spatialgeo_ros.geometry.pointmap import DepthSource, PointMap
from spatialgeo_ros.geometry.pose import Pose, gravity_in_camera
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.keyframes import KeyframeMemory
from spatialgeo_ros.perception import Perception
from spatialgeo_ros.scene.coverage import coverage_step, covered_voxels

CAMERA = PinholeCamera(960, 540, 700.0, 700.0, 479.5, 269.5)
VOXEL = 0.1


def look(x: float, yaw: float, height: float = HEIGHT, pitch: float = 0.2) -> Pose:
    """A camera that looks along world x, turned left by ``yaw``, down by ``pitch``."""
    c, s = np.cos(yaw), np.sin(yaw)
    forward = np.array([c * np.cos(pitch), s * np.cos(pitch), -np.sin(pitch)])
    right = np.array([s, -c, 0.0])
    axes = np.stack([right, np.cross(forward, right), forward], axis=1)
    return Pose(axes, [x, 0.0, height])


def frame(number: int, depth: np.ndarray, camera: PinholeCamera, pose: Pose | None) -> Frame:
    image = np.zeros((camera.height, camera.width, 3), np.uint8)
    world = "" if pose is None else "world"
    return Frame("camera", (number + 1) * 10**9, "optical", image, camera, depth, pose, world)


@pytest.fixture(scope="module")
def walk() -> list[Frame]:
    """A robot that drives towards a wall past two crates and looks around, with noisy depth."""
    rng, noise, frames = np.random.default_rng(5), DepthNoise(), []
    blocks = [Block(2.5, 0.6, (0.5, 0.4, 0.9)), Block(3.2, -0.7, (0.8, 0.8, 0.6), yaw=0.5)]
    for number in range(8):
        pose = look(0.12 * number, 0.25 * np.sin(number))
        depth, _ = render(blocks, pose, CAMERA)
        depth = depth + rng.normal(size=depth.shape) * noise.sigma(depth)
        seen = np.clip(np.rint(depth * 1000), 0, 65535).astype(np.uint16)
        seen[rng.random(seen.shape) < 0.05] = 0
        frames.append(frame(number, seen, CAMERA, pose))
    return frames


def whole(seen: Frame) -> tuple[np.ndarray, np.ndarray]:
    """Points [H, W, 3] and validity of a whole frame, the plain way."""
    assert seen.depth is not None and seen.model is not None
    z = seen.depth.astype(np.float32) / np.float32(1000)
    valid = (z >= 0.1) & (z <= 20.0)
    z[~valid] = np.nan
    return seen.model.rays() * z[..., None], valid


def plain_keys(seen: Frame) -> np.ndarray:
    """Voxels of every fourth pixel in both directions, packed as the memory packs them."""
    points, valid = whole(seen)
    assert seen.pose is not None
    sample = points[2::4, 2::4][valid[2::4, 2::4]].astype(np.float64)
    cells = np.floor((sample @ seen.pose.rotation.T + seen.pose.translation) / VOXEL)
    x, y, z = cells.astype(np.int64).T & 0x1FFFFF
    return np.unique(x << 42 | y << 21 | z)


def alike(a: np.ndarray, b: np.ndarray) -> float:
    """Share of keys in common. Sums may round otherwise, so a point on a border may move."""
    return np.isin(a, b).sum() / max(a.size, b.size)


def test_a_walk_keeps_the_frames_that_whole_point_maps_keep(walk):
    perception, memory = Perception(None, keyframes=4, voxel_size=VOXEL), KeyframeMemory(4, VOXEL)
    kept = []
    for seen in walk:
        decided = perception.observe(seen).keyframe
        expected = memory.offer(seen.stamp_ns, "camera", plain_keys(seen))
        assert decided is not None
        assert (decided.kept, decided.reason) == (expected.kept, expected.reason)
        assert decided.gain == pytest.approx(expected.gain, abs=2)
        kept.append(decided.kept)
    assert 2 < sum(kept) < len(kept)
    for found, expected in zip(perception.keyframes(), memory.frames, strict=True):
        assert found.stamp_ns == expected.stamp_ns
        assert alike(found.keys, expected.keys) > 0.999


def test_the_floor_is_that_of_the_whole_map(walk):
    for seen in walk:
        observation = Perception(None).observe(seen)
        points, valid = whole(seen)
        eager = PointMap.of_points(
            points, valid, DepthNoise().sigma(points[..., 2]), CAMERA, DepthSource.SENSOR, 0.3
        )
        gravity = gravity_in_camera(seen.pose)
        for level in (
            lambda pointmap, down=gravity: estimate_floor(pointmap, down),
            lambda pointmap, down=gravity: level_at(pointmap, down, HEIGHT),
        ):
            assert level(eager) is not None
            assert level(observation.pointmap) == level(eager)
        assert abs(observation.camera_height - HEIGHT) < observation.camera_height_sigma * 2


def test_real_frames_are_kept_as_by_whole_point_maps(real_sequence: Path):
    described = json.loads((real_sequence / "poses.json").read_text())
    size = described["camera"]
    camera = PinholeCamera(*(size[key] for key in ("width", "height", "fx", "fy", "cx", "cy")))
    perception, memory = Perception(None, voxel_size=VOXEL), KeyframeMemory(16, VOXEL)
    for number, entry in enumerate(described["frames"]):
        depth = cv2.imread(str(real_sequence / "depth" / f"{entry['frame']:03d}.png"), -1)
        seen = frame(number, depth, camera, Pose.from_matrix(entry["T_world_camera"]))
        decided = perception.observe(seen).keyframe
        expected = memory.offer(seen.stamp_ns, "camera", plain_keys(seen))
        assert decided is not None and decided.kept == expected.kept, number
    assert number >= 20 and len(memory.frames) > 3
    assert [k.stamp_ns for k in perception.keyframes()] == [k.stamp_ns for k in memory.frames]


def test_the_grid_of_samples_follows_voxels_and_pixels():
    large = PinholeCamera(3840, 2160, 2800.0, 2800.0, 1919.5, 1079.5)
    assert coverage_step(large, 0.1) == 8
    assert coverage_step(large.resized(1920, 1080), 0.1) == 4
    assert coverage_step(large.resized(1920, 1080), 0.2) == 8
    assert coverage_step(large.resized(640, 360), 0.1) == 4


def test_a_coarser_grid_of_more_pixels_misses_no_voxel_of_a_floor():
    # The middle of an image of 3840x2160: a floor and a wall, 2 to 5 m away.
    camera = PinholeCamera(960, 720, 2800.0, 2800.0, 479.5, 359.5)
    pose = look(0.0, 0.0, pitch=0.25)
    depth, _ = render([], pose, camera)
    # Amid the voxels: a plane on the border of two layers is in both, as its millimetres fall.
    pose = Pose(pose.rotation, pose.translation + VOXEL / 2)
    seen = frame(0, np.rint(depth * 1000).astype(np.uint16), camera, pose)
    observation = Perception(None).observe(seen)
    assert observation.pointmap is not None and coverage_step(camera, VOXEL) == 8
    keys = covered_voxels(observation.pointmap, pose, VOXEL)
    assert alike(keys, plain_keys(seen)) > 0.97


def arrays(start: object) -> Iterator[np.ndarray]:
    """Every array that an object holds, directly or through others."""
    code = (type, types.ModuleType, types.FunctionType, types.MethodType)
    known, pending = set(), [start]
    while pending:
        one = pending.pop()
        if id(one) in known or isinstance(one, code):
            continue
        known.add(id(one))
        if isinstance(one, np.ndarray):
            yield one
        pending += gc.get_referents(one)


def test_a_kept_keyframe_holds_no_map_of_the_whole_image(walk):
    perception = Perception(None)
    crate = (226, 128, 382, 397), (373, 128, 521, 406)  # in the first two frames
    for seen, box in zip(walk, crate, strict=False):
        observation = perception.observe(seen)
        perception.measure(observation, [], Region.from_box(*box, "crate"))
        assert observation.pointmap is not None and observation.pointmap.points.size
    pixels = CAMERA.width * CAMERA.height

    def large(holder: Any) -> list[np.ndarray]:
        return [a for a in arrays(holder) if a.dtype.kind == "f" and a.size >= pixels]

    assert perception.keyframes()
    for keyframe in perception.keyframes():
        assert any(a is keyframe.payload.frame.depth for a in arrays(keyframe))
        assert not large(keyframe)
    assert large(observation)  # the search finds them where they are
