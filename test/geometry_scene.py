# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rooms made of boxes, rendered to exact depth by intersecting rays: known truth for geometry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.pointmap import DepthNoise, PointMap, pointmap_from_depth
from spatialgeo_ros.geometry.pose import Pose, gravity_in_camera

CAMERA = PinholeCamera(320, 240, 262.5, 262.5, 159.5, 119.5)
HEIGHT = 0.9


@dataclass(frozen=True)
class Block:
    """An upright box in the world (z up): centre on the floor plan, size, heading."""

    x: float
    y: float
    size: tuple[float, float, float]  # width, depth, height
    yaw: float = 0.0
    bottom: float = 0.0

    @property
    def centre(self) -> np.ndarray:
        return np.array([self.x, self.y, self.bottom + self.size[2] / 2])


TOP = 0.6  # metres above the floor
TABLE = Block(1.5, 0.0, (0.8, 1.3, 0.04), bottom=TOP - 0.04)
MUG = Block(1.4, 0.1, (0.09, 0.09, 0.1), yaw=0.3, bottom=TOP)
CARTON = Block(1.5, -0.25, (0.15, 0.2, 0.15), bottom=TOP)
WALL = Block(2.3, 0.0, (0.2, 5.0, 2.4))


def camera_pose(pitch: float = np.radians(12)) -> Pose:
    """A camera at the world's origin, ``HEIGHT`` above the floor, that heads along world x."""
    forward = np.array([np.cos(pitch), 0, -np.sin(pitch)])
    right = np.array([0.0, -1.0, 0.0])
    return Pose(np.stack([right, np.cross(forward, right), forward], axis=1), [0, 0, HEIGHT])


def render(
    blocks: list[Block], pose: Pose, camera: PinholeCamera = CAMERA, wall: float = 5.0
) -> tuple[np.ndarray, np.ndarray]:
    """Exact depth [H, W] and block index [H, W] (-1: floor or the wall at world x = ``wall``)."""
    rays = camera.rays().astype(np.float64) @ pose.rotation.T
    origin = pose.translation
    with np.errstate(divide="ignore", invalid="ignore"):
        floor = np.where(rays[..., 2] < 0, -origin[2] / rays[..., 2], np.inf)
        back = np.where(rays[..., 0] > 0, (wall - origin[0]) / rays[..., 0], np.inf)
        depth, index = np.minimum(floor, back), np.full(floor.shape, -1)
        for k, block in enumerate(blocks):
            c, s = np.cos(block.yaw), np.sin(block.yaw)
            turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
            start, along = turn @ (origin - block.centre), rays @ turn.T
            half = np.array(block.size) / 2
            first = np.minimum((-half - start) / along, (half - start) / along).max(axis=-1)
            last = np.maximum((-half - start) / along, (half - start) / along).min(axis=-1)
            hit = (first < last) & (first > 0) & (first < depth)
            depth, index = np.where(hit, first, depth), np.where(hit, k, index)
    return depth, index


def see(
    blocks: list[Block],
    noise: DepthNoise | None = None,
    seed: int = 0,
    pitch: float = np.radians(12),
) -> tuple[PointMap, np.ndarray, np.ndarray, Pose]:
    """Point map, block index per pixel, gravity in the camera, pose."""
    pose = camera_pose(pitch)
    depth, index = render(blocks, pose)
    model = noise or DepthNoise(0.0005, 0.0)
    if noise is not None:
        depth = depth + np.random.default_rng(seed).normal(size=depth.shape) * noise.sigma(depth)
    return pointmap_from_depth(depth, CAMERA, model), index, gravity_in_camera(pose), pose


def box_of(index: np.ndarray, block: int) -> tuple[int, int, int, int]:
    """Bounding box (x0, y0, x1, y1) of a block's visible pixels."""
    rows, columns = np.nonzero(index == block)
    return columns.min(), rows.min(), columns.max(), rows.max()
