# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""VGGT's camera head, and its pose encoding turned into matrices."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spatialgeo_ros.models.vggt.blocks import Block, Mlp

#: Translation (3), quaternion (4, scalar last), vertical and horizontal field of view (radians).
POSE_SIZE = 9


class CameraHead(nn.Module):
    """Camera tokens to poses by iterated refinement (a trunk modulated by the last estimate)."""

    def __init__(self, dim: int, depth: int = 4, heads: int = 16) -> None:
        """Build with random weights.

        Args:
            dim: Width of the aggregator's tokens.
            depth: Blocks of the trunk.
            heads: Their attention heads.
        """
        super().__init__()
        self.trunk = nn.Sequential(*(Block(dim, heads) for _ in range(depth)))
        self.token_norm = nn.LayerNorm(dim)
        self.trunk_norm = nn.LayerNorm(dim)
        self.empty_pose_tokens = nn.Parameter(torch.zeros(1, 1, POSE_SIZE))
        self.embed_pose = nn.Linear(POSE_SIZE, dim)
        self.poseLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(dim, 3 * dim))
        self.pose_branch = Mlp(dim, dim // 2, POSE_SIZE)

    def forward(self, tokens: Tensor, iterations: int = 4) -> list[Tensor]:
        """Pose encodings after every iteration, the last one is the result.

        Args:
            tokens: ``[B, S, T, dim]``, the aggregator's last layer; only each frame's first token,
                the camera token, is read.
            iterations: Refinement steps.

        Returns:
            ``iterations`` tensors ``[B, S, 9]`` for :func:`extrinsics` and :func:`intrinsics`.
        """
        camera = self.token_norm(tokens[:, :, 0])
        still = F.layer_norm(camera, camera.shape[-1:], eps=1e-6)
        raw: Tensor | None = None
        poses = []
        for _ in range(iterations):
            estimate = self.empty_pose_tokens.expand(*camera.shape[:2], -1) if raw is None else raw
            shift, scale, gate = self.poseLN_modulation(self.embed_pose(estimate)).chunk(3, dim=-1)
            x = gate * (still * (1 + scale) + shift) + camera
            delta = self.pose_branch(self.trunk_norm(self.trunk(x)))
            raw = delta if raw is None else raw + delta
            poses.append(torch.cat([raw[..., :7], raw[..., 7:].relu()], dim=-1))
        return poses


def extrinsics(poses: Tensor) -> Tensor:
    """Camera-from-world matrices ``[..., 3, 4]`` (optical frames) of encodings ``[..., 9]``.

    The quaternion need not have unit length. The world is the first frame's camera, in a scale
    that the network chooses.
    """
    x, y, z, w = poses[..., 3:7].unbind(-1)
    s = 2.0 / poses[..., 3:7].square().sum(-1)
    rotation = torch.stack(
        [
            1 - s * (y * y + z * z), s * (x * y - z * w), s * (x * z + y * w),
            s * (x * y + z * w), 1 - s * (x * x + z * z), s * (y * z - x * w),
            s * (x * z - y * w), s * (y * z + x * w), 1 - s * (x * x + y * y),
        ],
        dim=-1,
    ).unflatten(-1, (3, 3))  # fmt: skip
    return torch.cat([rotation, poses[..., :3, None]], dim=-1)


def intrinsics(poses: Tensor, image_size: tuple[int, int]) -> Tensor:
    """Pinhole matrices ``[..., 3, 3]`` in pixels for images of (H, W), centre at (W/2, H/2)."""
    height, width = image_size
    matrix = poses.new_zeros(*poses.shape[:-1], 3, 3)
    matrix[..., 0, 0] = (width / 2) / torch.tan(poses[..., 8] / 2)
    matrix[..., 1, 1] = (height / 2) / torch.tan(poses[..., 7] / 2)
    matrix[..., 0, 2] = width / 2
    matrix[..., 1, 2] = height / 2
    matrix[..., 2, 2] = 1
    return matrix
