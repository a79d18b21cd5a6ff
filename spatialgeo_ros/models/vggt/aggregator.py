# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""VGGT's aggregator: frames to tokens by attention within each frame and over all frames in turn.

Wang et al., "VGGT: Visual Geometry Grounded Transformer", CVPR 2025, section 3.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from spatialgeo_ros.models.backbones import Dinov2Backbone
from spatialgeo_ros.models.moge.moge2 import IMAGENET_MEAN, IMAGENET_STD
from spatialgeo_ros.models.vggt.blocks import Block
from spatialgeo_ros.models.vggt.config import VggtConfig
from spatialgeo_ros.models.vggt.rope import patch_positions, rope_tables


class Aggregator(nn.Module):
    """DINOv2 patch tokens, then ``depth`` pairs of a frame block and a global block."""

    def __init__(self, config: VggtConfig) -> None:
        """Build with random weights."""
        super().__init__()
        dim = config.embed_dim
        self.config = config
        self.patch_embed = Dinov2Backbone(config.dinov2(), layers=1)
        # Two sets: the first frame, which defines the world, and all others.
        self.camera_token = nn.Parameter(torch.randn(1, 2, 1, dim) * 1e-6)
        self.register_token = nn.Parameter(
            torch.randn(1, 2, config.num_register_tokens, dim) * 1e-6
        )
        self.frame_blocks = nn.ModuleList(self._block() for _ in range(config.depth))
        self.global_blocks = nn.ModuleList(self._block() for _ in range(config.depth))

    def _block(self) -> Block:
        config = self.config
        return Block(config.embed_dim, config.num_heads, config.mlp_ratio, qk_norm=True)

    def forward(self, images: Tensor, layers: Sequence[int] | None = None) -> list[Tensor]:
        """Tokens of frames that were taken in one place.

        Args:
            images: ``[B, S, 3, H, W]``, RGB in [0, 1], sides multiples of the patch size.
            layers: Only these layers' tokens, in this order (negative counts from the end); all by
                default. A layer's tokens live no longer than they are asked for, so a caller that
                reads one of 24 layers needs a twelfth of the memory or less.

        Returns:
            Per layer ``[B, S, specials + patches, 2C]``: the frame block's output, then the global
            block's, on the channels. Of the frames, the first one is the world.

        Raises:
            ValueError: The images' shape does not fit.
        """
        depth = self.config.depth
        wanted = [range(depth)[layer] for layer in (range(depth) if layers is None else layers)]
        kept = {}
        for index, (frame, overall) in enumerate(self._run(images, max(wanted, default=-1))):
            if index in wanted:
                kept[index] = torch.cat([frame, overall], dim=-1)
        return [kept[layer] for layer in wanted]

    def patch_tokens(self, images: Tensor) -> Tensor:
        """Normed DINOv2 patch tokens ``[B*S, patches, C]`` of images as for :meth:`forward`."""
        size = self.config.patch_size
        if images.ndim != 5 or images.shape[2] != 3:
            raise ValueError(f"images must be [B, S, 3, H, W], not {tuple(images.shape)}")
        if images.shape[3] % size or images.shape[4] % size:
            raise ValueError(f"image sides {tuple(images.shape[3:])} must be multiples of {size}")
        mean = self.camera_token.new_tensor(IMAGENET_MEAN)[:, None, None]
        std = self.camera_token.new_tensor(IMAGENET_STD)[:, None, None]
        return self.patch_embed((images.flatten(0, 1) - mean) / std).tokens()[-1]

    def _run(self, images: Tensor, last: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Outputs ``[B, S, T, C]`` of every frame and global block, up to layer ``last``."""
        batch, frames = images.shape[:2]
        patches = self.patch_tokens(images).unflatten(0, (batch, frames))
        x = torch.cat([self._specials(batch, frames).to(patches.dtype), patches], dim=2)
        rows, columns = (side // self.config.patch_size for side in images.shape[3:])
        positions = patch_positions((rows, columns), self.config.specials, x.device)
        head_dim = self.config.embed_dim // self.config.num_heads
        rope = rope_tables(positions, head_dim, x.dtype, self.config.rope_base)
        rope_all = (rope[0].repeat(frames, 1), rope[1].repeat(frames, 1))
        tokens = x.shape[2]
        for index in range(last + 1):
            frame = self.frame_blocks[index](x.flatten(0, 1), rope).unflatten(0, (batch, frames))
            overall = self.global_blocks[index](frame.flatten(1, 2), rope_all)
            x = overall.unflatten(1, (frames, tokens))
            yield frame, x

    def _specials(self, batch: int, frames: int) -> Tensor:
        """Camera and register tokens of every frame, ``[B, S, specials, C]``."""
        tokens = torch.cat([self.camera_token, self.register_token], dim=2)
        first, others = tokens[:, :1], tokens[:, 1:].expand(-1, frames - 1, -1, -1)
        return torch.cat([first, others], dim=1).expand(batch, -1, -1, -1)
