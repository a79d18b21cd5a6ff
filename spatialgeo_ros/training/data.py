# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The rendered frames in memory, in the sizes the nano networks take, with labels per patch."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.pose import Pose, gravity_in_camera, level_frame
from spatialgeo_ros.models.moge.affine_points import floor_prior
from spatialgeo_ros.sim.room import Room, SceneObject, make_room

INPUT_WIDTH, INPUT_HEIGHT = 128, 96
GRID_COLUMNS, GRID_ROWS = 8, 6
LABEL_WIDTH, LABEL_HEIGHT = 64, 48


@dataclass(frozen=True)
class SeenObject:
    """One object in one frame.

    Attributes:
        index: into the room's objects.
        truth: the object.
        centre: [3] its centre in the level frame of the camera (x right, y down, z forward), m.
        coverage: [P] share of each patch that it covers, row-major.
        pixels: share of the image that it covers.
        truncated: it touches the image border.
        box: (x0, y0, x1, y1) of its visible pixels, as shares of the image's width and height.
    """

    index: int
    truth: SceneObject
    centre: np.ndarray
    coverage: np.ndarray
    pixels: float
    truncated: bool
    box: tuple[float, float, float, float]


class FrameStore:
    """All frames of some shards.

    Attributes:
        image: [N, 96, 128, 3] uint8 RGB.
        depth: [N, 48, 64] float16 metres.
        segmentation: [N, 48, 64] int8, index into the room's objects, -1 none.
        seed: [N] seeds of the rooms; intrinsics: [N, 4] fx, fy, cx, cy for 128 x 96;
        pose: [N, 4, 4] world_from_camera.
    """

    def __init__(self, shards: Iterable[Path]) -> None:
        parts: dict[str, list[np.ndarray]] = {}
        fine: list[np.ndarray] = []
        for shard in shards:
            with np.load(shard) as stored:
                rgb, depth, segmentation = (stored[k] for k in ("rgb", "depth", "segmentation"))
                size = (INPUT_WIDTH, INPUT_HEIGHT)
                small = [cv2.resize(x, size, interpolation=cv2.INTER_AREA) for x in rgb]
                step = rgb.shape[2] // LABEL_WIDTH
                scale = INPUT_WIDTH / rgb.shape[2]
                k = stored["intrinsics"]
                # Pixel centres are at integers, so the principal point moves by half pixels.
                centre = (k[:, 2:] + 0.5) * scale - 0.5
                columns = {
                    "image": np.stack(small),
                    "depth": depth[:, step // 2 :: step, step // 2 :: step],
                    "segmentation": segmentation[:, step // 2 :: step, step // 2 :: step],
                    "seed": stored["seed"],
                    "intrinsics": np.concatenate([k[:, :2] * scale, centre], axis=1),
                    "pose": stored["pose"],
                }
                for key, value in columns.items():
                    parts.setdefault(key, []).append(np.ascontiguousarray(value))
                fine.append(np.ascontiguousarray(segmentation))
        joined = {key: np.concatenate(values) for key, values in parts.items()}
        self.image, self.depth = joined["image"], joined["depth"]
        self.segmentation, self.seed = joined["segmentation"], joined["seed"]
        self.intrinsics, self.pose = joined["intrinsics"], joined["pose"]
        self._fine = np.concatenate(fine)
        self._rooms: dict[int, Room] = {}

    def __len__(self) -> int:
        return len(self.image)

    def room(self, frame: int) -> Room:
        """Return the room that a frame shows."""
        seed = int(self.seed[frame])
        if seed not in self._rooms:
            self._rooms[seed] = make_room(seed)
        return self._rooms[seed]

    def camera(self, frame: int) -> PinholeCamera:
        """Return the intrinsics of a frame at the networks' input size."""
        fx, fy, cx, cy = (float(v) for v in self.intrinsics[frame])
        return PinholeCamera(INPUT_WIDTH, INPUT_HEIGHT, fx, fy, cx, cy)

    def prior(self, frame: int) -> np.ndarray:
        """Return the camera prior of a frame, [4, 96, 128]."""
        pose = Pose.from_matrix(self.pose[frame].astype(np.float64))
        height = float(pose.translation[2])
        return floor_prior(self.camera(frame), gravity_in_camera(pose), height)

    def seen(self, frame: int, min_share: float = 0.004) -> list[SeenObject]:
        """List the objects that cover at least ``min_share`` of the image."""
        index = self._fine[frame]
        height, width = index.shape
        room = self.room(frame)
        pose = Pose.from_matrix(self.pose[frame].astype(np.float64))
        rotation, camera_from_world = level_frame(gravity_in_camera(pose)), pose.inverse()
        found = []
        for number in np.unique(index[index >= 0]):
            mask = index == number
            share = float(mask.mean())
            if share < min_share:
                continue
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            x0, x1, y0, y1 = columns[0], columns[-1] + 1, rows[0], rows[-1] + 1
            truncated = x0 == 0 or y0 == 0 or x1 == width or y1 == height
            cell = (height // GRID_ROWS, width // GRID_COLUMNS)
            patches = mask.reshape(GRID_ROWS, cell[0], GRID_COLUMNS, cell[1])
            truth = room.objects[int(number)]
            found.append(
                SeenObject(
                    int(number),
                    truth,
                    rotation @ camera_from_world.apply(np.array(truth.centre)),
                    patches.mean((1, 3)).reshape(-1).astype(np.float32),
                    share,
                    bool(truncated),
                    (x0 / width, y0 / height, x1 / width, y1 / height),
                )
            )
        return found


def augment(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Vary exposure, contrast, white balance and noise; colours keep their names.

    Args:
        image: [H, W, 3] uint8.
        rng: source of the variation.

    Returns:
        [H, W, 3] float32 in [0, 1].
    """
    x = image.astype(np.float32) / 255.0
    x = x ** float(math.exp(rng.uniform(-0.25, 0.25)))
    x = x * float(rng.uniform(0.8, 1.2)) + float(rng.uniform(-0.04, 0.04))
    x = x * (1 + rng.uniform(-0.06, 0.06, 3).astype(np.float32))
    if rng.random() < 0.5:
        x = x + rng.standard_normal(x.shape, dtype=np.float32) * float(rng.uniform(0, 0.03))
    return np.clip(x, 0.0, 1.0)


@dataclass
class GeometryBatch:
    """Tensors of one step of the geometry network: image, prior, points in metres, masks."""

    image: Tensor
    prior: Tensor
    points: Tensor
    valid: Tensor
    on_object: Tensor

    def to(self, device: torch.device) -> GeometryBatch:
        """Return the batch on a device."""
        tensors = (self.image, self.prior, self.points, self.valid, self.on_object)
        return GeometryBatch(*(one.to(device) for one in tensors))


def geometry_batch(
    store: FrameStore, frames: np.ndarray, rng: np.random.Generator | None
) -> GeometryBatch:
    """Assemble frames; with ``rng`` they are augmented, half are mirrored, some letterboxed.

    Returns:
        image [B, 3, 96, 128], prior [B, 4, 96, 128], points [B, 48, 64, 3] metres in the optical
        frame, valid and on_object [B, 48, 64] bool.
    """
    images, priors, points, valids, objects = [], [], [], [], []
    for frame in frames:
        depth = store.depth[frame].astype(np.float32)
        on_object = store.segmentation[frame] >= 0
        prior = store.prior(frame)
        rays = store.camera(frame).resized(LABEL_WIDTH, LABEL_HEIGHT).rays()
        image = store.image[frame]
        valid = np.isfinite(depth)
        point = rays * np.where(valid, depth, 1.0)[..., None]
        if rng is None:
            x = image.astype(np.float32) / 255.0
        else:
            x = augment(image, rng)
            if rng.random() < 0.5:
                # A mirrored scene: x changes sign in the rays and in the points.
                x, depth, on_object, valid = (a[:, ::-1] for a in (x, depth, on_object, valid))
                prior = prior[:, :, ::-1] * np.array([-1, 1, 1, 1], np.float32)[:, None, None]
                point = point[:, ::-1] * np.array([-1, 1, 1], np.float32)
            if rng.random() < 0.1:
                bar = int(rng.integers(1, 8)) * 2
                x, valid = x.copy(), valid.copy()
                x[:bar] = x[-bar:] = np.array([0.4815, 0.4578, 0.4082], np.float32)
                valid[: bar // 2] = valid[-(bar // 2) :] = False
        images.append(x.transpose(2, 0, 1))
        priors.append(prior)
        points.append(point)
        valids.append(valid)
        objects.append(on_object)
    return GeometryBatch(
        *(torch.from_numpy(np.ascontiguousarray(np.stack(a)))
          for a in (images, priors, points, valids, objects))
    )  # fmt: skip
