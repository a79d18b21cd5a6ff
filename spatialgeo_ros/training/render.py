# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Renders the training frames: random rooms seen from the robot's mount, with exact labels.

A shard is one ``.npz`` of frames from a few rooms; shards are written atomically, so an
interrupted run goes on where it stopped. Rooms are not stored: their seed makes them again.
"""

from __future__ import annotations

import logging
import math
import os
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.sim.renderer import RoomRenderer
from spatialgeo_ros.sim.rig import MOUNT_HEIGHT, MOUNT_PITCH, camera_pose, default_camera
from spatialgeo_ros.sim.room import Room, make_room

log = logging.getLogger(__name__)

#: Rooms with these seeds are never trained on: evaluation uses them.
HELD_OUT_SEEDS = 900_000
#: Rooms that the committed weights were trained on.
TRAINED_SEEDS = range(1500)


@dataclass(frozen=True)
class RenderPlan:
    """What to render.

    Attributes:
        first_seed: seed of the first room.
        rooms: how many rooms.
        frames_per_room: views of each room.
        rooms_per_shard: rooms in one file.
        width, height: of the stored frames, pixels; rendered at twice that and averaged.
        shadow_share: share of the rooms with cast shadows.
    """

    first_seed: int = 0
    rooms: int = 1200
    frames_per_room: int = 12
    rooms_per_shard: int = 20
    width: int = 192
    height: int = 144
    shadow_share: float = 0.25


def random_view(
    room: Room, rng: np.random.Generator, camera: PinholeCamera
) -> tuple[Pose, PinholeCamera] | None:
    """Draw a free place and a heading from which at least two objects' centres are in view.

    Returns:
        The pose of the optical frame in the world and the camera with a focal length drawn within
        8 % of ``camera``'s; None when 60 draws find no such view.
    """
    for _ in range(60):
        x = float(rng.uniform(-room.width / 2, room.width / 2))
        y = float(rng.uniform(-room.depth / 2, room.depth / 2))
        if not room.is_free(x, y, 0.35):
            continue
        pose = camera_pose(
            x, y, float(rng.uniform(-math.pi, math.pi)),
            MOUNT_HEIGHT + float(rng.normal(0, 0.03)),
            MOUNT_PITCH + float(rng.normal(0, math.radians(1.5))),
            float(rng.normal(0, math.radians(0.5))),
        )  # fmt: skip
        f = camera.fx * float(rng.uniform(0.92, 1.08))
        drawn = PinholeCamera(camera.width, camera.height, f, f, camera.cx, camera.cy)
        centres = np.array([thing.centre for thing in room.objects]).reshape(-1, 3)
        local = pose.inverse().apply(centres)
        ahead = local[:, 2] > 0.6
        u = f * local[:, 0] / np.maximum(local[:, 2], 0.1) + camera.cx
        v = f * local[:, 1] / np.maximum(local[:, 2], 0.1) + camera.cy
        inside = ahead & (u > 0) & (u < camera.width) & (v > 0) & (v < camera.height)
        if inside.sum() >= 2:
            return pose, drawn
    return None


def render_rooms(plan: RenderPlan, seeds: list[int]) -> dict[str, np.ndarray]:
    """Render all views of the rooms with these seeds.

    Returns:
        rgb [N, H, W, 3] uint8, depth [N, H, W] float16 metres (NaN invalid), segmentation
        [N, H, W] int8 (index into the room's objects, -1 none), seed [N] int64, intrinsics [N, 4]
        float32 (fx, fy, cx, cy of the stored size), pose [N, 4, 4] float32 world_from_camera.
    """
    columns: dict[str, list[np.ndarray]] = {
        key: [] for key in ("rgb", "depth", "segmentation", "seed", "intrinsics", "pose")
    }
    base = default_camera(2 * plan.width, 2 * plan.height)
    renderers: dict[bool, RoomRenderer] = {}
    for seed in seeds:
        room = make_room(seed)
        rng = np.random.default_rng([seed, 1])
        shadows = bool(rng.random() < plan.shadow_share)
        if shadows in renderers:
            renderers[shadows].load(room)
        else:
            renderers[shadows] = RoomRenderer(room, base.width, base.height, 0, shadows)
        for _ in range(plan.frames_per_room):
            view = random_view(room, rng, base)
            if view is None:
                continue
            pose, camera = view
            seen = renderers[shadows].render(pose, camera)
            small = camera.resized(plan.width, plan.height)
            size = (plan.width, plan.height)
            columns["rgb"].append(cv2.resize(seen.rgb, size, interpolation=cv2.INTER_AREA))
            # Labels are picked, not averaged: a mean over a depth edge is nowhere.
            columns["depth"].append(seen.depth[::2, ::2].astype(np.float16))
            columns["segmentation"].append(seen.segmentation[::2, ::2].astype(np.int8))
            columns["seed"].append(np.array(seed, np.int64))
            columns["intrinsics"].append(
                np.array([small.fx, small.fy, small.cx, small.cy], np.float32)
            )
            columns["pose"].append(pose.matrix.astype(np.float32))
    for renderer in renderers.values():
        renderer.close()
    return {key: np.stack(values) for key, values in columns.items()}


def _write_shard(job: tuple[RenderPlan, list[int], Path]) -> Path:
    plan, seeds, path = job
    cv2.setNumThreads(1)
    partial = path.with_suffix(".part.npz")
    np.savez(partial, **render_rooms(plan, seeds))  # type: ignore[arg-type]
    os.replace(partial, path)
    return path


def render_dataset(plan: RenderPlan, folder: Path, workers: int = 2) -> list[Path]:
    """Render every shard of the plan that is not there yet; return all of them in order."""
    folder.mkdir(parents=True, exist_ok=True)
    jobs = []
    paths = []
    for start in range(0, plan.rooms, plan.rooms_per_shard):
        count = min(plan.rooms_per_shard, plan.rooms - start)
        seeds = [plan.first_seed + start + k for k in range(count)]
        path = folder / f"rooms_{seeds[0]:07d}_{count}.npz"
        paths.append(path)
        if not path.exists():
            jobs.append((seeds, path))
    if jobs:
        log.info("rendering %d shards into %s", len(jobs), folder)
        # One shard per process: some software GL drivers keep a little memory per room.
        with get_context("spawn").Pool(workers, maxtasksperchild=4) as pool:
            work = [(plan, seeds, path) for seeds, path in jobs]
            list(tqdm(pool.imap(_write_shard, work), "render", len(work), unit="shard"))
    return paths
