# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""All that a camera may see in a simulated room: what the nano profile has to call familiar.

Wider than the views that the networks are trained on: other mounts, walls and floors from near,
other resolutions, noise, exposure and JPEG. Images are kept as the networks' input without bars.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.models.letterbox import Letterbox
from spatialgeo_ros.sim.path import RobotPath
from spatialgeo_ros.sim.renderer import RoomRenderer
from spatialgeo_ros.sim.rig import MOUNT_HEIGHT, MOUNT_PITCH, camera_pose, default_camera
from spatialgeo_ros.sim.room import Room, make_room
from spatialgeo_ros.training.data import INPUT_HEIGHT, INPUT_WIDTH, augment
from spatialgeo_ros.training.render import random_view

#: Heights of the content: of cameras with 4:3 and with 16:9.
HEIGHTS = (96, 72)
Pool = dict[int, NDArray[np.uint8]]

_SIZES = (
    (640, 480), (640, 480), (640, 480), (320, 240), (384, 288), (160, 120),
    (1280, 720), (1280, 720), (848, 480),
)  # fmt: skip
#: Kinds of views and how often each is drawn.
VIEWS = {"usual": 0.4, "driving": 0.15, "mounted": 0.25, "wall": 0.1, "floor": 0.1}
_SHADOWS, _MULTISAMPLED = 0.35, 0.5


def draw_view(
    kind: str, room: Room, rng: np.random.Generator, camera: PinholeCamera
) -> tuple[Pose, PinholeCamera] | None:
    """Draw a pose of the camera and a focal length.

    Args:
        kind: one of ``VIEWS``: "usual" as in training, "driving" from the simulated robot's path,
            "mounted" on other robots, "wall" from 0.35 to 1 m, "floor" with little else.
        room: where.
        rng: source of the draws.
        camera: intrinsics to start from.

    Returns:
        None where the draw finds no free place.
    """
    if kind == "usual":
        return random_view(room, rng, camera)
    height, pitch, roll = MOUNT_HEIGHT, MOUNT_PITCH, 0.0
    yaw = float(rng.uniform(-math.pi, math.pi))
    if kind == "driving":
        state = RobotPath(room).at(float(rng.uniform(0, 1000)))
        x, y, yaw = state.x, state.y, state.yaw + int(rng.integers(4)) * math.pi / 2
    else:
        x = float(rng.uniform(-0.5, 0.5)) * room.width
        y = float(rng.uniform(-0.5, 0.5)) * room.depth
    if kind == "mounted":
        height, pitch = float(rng.uniform(0.3, 1.5)), math.radians(rng.uniform(-5, 35))
        roll = math.radians(rng.normal(0, 2))
    elif kind == "floor":
        height, pitch = float(rng.uniform(0.5, 1.4)), math.radians(rng.uniform(40, 80))
    elif kind == "wall":
        side, away = int(rng.integers(4)), float(rng.uniform(0.35, 1.0))
        if side < 2:
            y = (0.5 * room.depth - away) * (1, -1)[side]
        else:
            x = (0.5 * room.width - away) * (1, -1)[side - 2]
        yaw = (0.5, -0.5, 0.0, 1.0)[side] * math.pi + float(rng.uniform(-0.6, 0.6))
        height, pitch = float(rng.uniform(0.6, 1.3)), math.radians(rng.uniform(-5, 25))
    if kind != "driving" and not room.is_free(x, y, 0.2):
        return None
    spread = (0.92, 1.08) if rng.random() < 0.7 else (0.75, 1.35)
    f = camera.fx * float(rng.uniform(*spread))
    lens = PinholeCamera(camera.width, camera.height, f, f, camera.cx, camera.cy)
    return camera_pose(x, y, yaw, height, pitch, roll), lens


def sensor_variation(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Vary what a camera driver varies: exposure, white balance, noise, JPEG."""
    x = augment(image, rng) if rng.random() < 0.5 else image.astype(np.float32) / 255.0
    sigma = float(rng.choice([0.0, 2.0, 2.0, rng.uniform(0, 12), rng.uniform(0, 12)])) / 255.0
    x = x + rng.standard_normal(x.shape, dtype=np.float32) * np.float32(sigma)
    out = (np.clip(x, 0, 1) * 255 + 0.5).astype(np.uint8)
    if rng.random() < 0.5:
        quality = 95 if rng.random() < 0.6 else int(rng.integers(50, 95))
        out = jpeg(out, quality)
    return out


def jpeg(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Encode and decode an image."""
    _, stream = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(stream, cv2.IMREAD_COLOR), np.uint8)


def input_of(width: int, height: int) -> Letterbox:
    """Return how camera images of a size become the networks' input."""
    return Letterbox.fit((width, height), (INPUT_WIDTH, INPUT_HEIGHT))


def render_views(
    seeds: Iterable[int], views: int, kinds: Sequence[str] = tuple(VIEWS)
) -> list[NDArray[np.uint8]]:
    """Render ``views`` draws of each room with these seeds; a room has one camera.

    Args:
        seeds: of the rooms.
        views: draws of each.
        kinds: of ``VIEWS``, drawn as often as stated there.

    Returns:
        Contents [96 or 72, 128, 3] uint8; fewer than asked for where a draw found no free place.
    """
    renderers: dict[tuple[int, int, int, bool], RoomRenderer] = {}
    share = np.array([VIEWS[kind] for kind in kinds])
    found = []
    for seed in seeds:
        room, rng = make_room(seed), np.random.default_rng([seed, 3])
        width, height = _SIZES[rng.integers(len(_SIZES))]
        samples = 4 if rng.random() < _MULTISAMPLED else 0
        key = (width, height, samples, bool(rng.random() < _SHADOWS))
        if key in renderers:
            renderers[key].load(room)
        else:
            renderers[key] = RoomRenderer(room, *key)
        for kind in rng.choice(kinds, views, p=share / share.sum()):
            view = draw_view(str(kind), room, rng, default_camera(width, height))
            if view is not None:
                image = sensor_variation(renderers[key].picture(*view), rng)
                found.append(input_of(width, height).scaled(image))
    for renderer in renderers.values():
        renderer.close()
    return found


def by_height(images: Iterable[NDArray[np.uint8]]) -> Pool:
    """Sort contents by their height into arrays [N, h, 128, 3]."""
    sorted_: dict[int, list[NDArray[np.uint8]]] = {height: [] for height in HEIGHTS}
    for image in images:
        sorted_[image.shape[0]].append(image)
    return {
        height: np.stack(found) if found else np.zeros((0, height, INPUT_WIDTH, 3), np.uint8)
        for height, found in sorted_.items()
    }
