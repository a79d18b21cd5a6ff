# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""VGGT's dense heads: four layers of tokens to a map of points or depths with confidence.

A DPT (Ranftl et al., "Vision Transformers for Dense Prediction", ICCV 2021) with sine-cosine
positions added, under the official tensor names.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spatialgeo_ros.models.moge.affine_points import view_plane_uv

#: Added positions are this small beside the features.
_POSITION_GAIN = 0.1
_POSITION_BASE = 100.0


def _upsample(x: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(x, size=size, mode="bilinear", align_corners=True)


def position_map(
    channels: int,
    size: tuple[int, int],
    aspect: float,
    device: torch.device | str | None = None,
) -> Tensor:
    """Sine-cosine code ``[channels, rows, columns]`` of view-plane positions, float32.

    The first half of the channels codes u, the second v; each half is sines, then cosines.
    """
    quarter = channels // 4
    omega = torch.arange(quarter, dtype=torch.float64, device=device) / quarter
    omega = _POSITION_BASE**-omega
    uv = view_plane_uv(*size, aspect, device=device).double()
    # u is the same in a whole column, v in a whole row: that saves nearly all sines.
    u, v = (omega[:, None] * line for line in (uv[0, :, 0], uv[:, 0, 1]))
    u_code = torch.cat([u.sin(), u.cos()]).float()[:, None, :].expand(-1, size[0], -1)
    v_code = torch.cat([v.sin(), v.cos()]).float()[:, :, None].expand(-1, -1, size[1])
    return torch.cat([u_code, v_code])


class ResidualConvUnit(nn.Module):
    """Two 3x3 convolutions around a skip of ReLU(x): the official ReLU works in place."""

    def __init__(self, channels: int) -> None:
        """Width in equals width out."""
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, 1, 1)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as the input."""
        x = F.relu(x)
        return self.conv2(F.relu(self.conv1(x))) + x


class Fusion(nn.Module):
    """Join the coarser path with a finer map and enlarge it."""

    def __init__(self, channels: int, has_skip: bool) -> None:
        """``has_skip`` is False for the coarsest level, which has nothing to join."""
        super().__init__()
        self.out_conv = nn.Conv2d(channels, channels, 1)
        if has_skip:
            self.resConfUnit1 = ResidualConvUnit(channels)
        self.resConfUnit2 = ResidualConvUnit(channels)

    def forward(self, x: Tensor, skip: Tensor | None, size: tuple[int, int]) -> Tensor:
        """``[B, C, h, w]`` (and a skip of that shape) to ``[B, C, *size]``."""
        if skip is not None:
            x = x + self.resConfUnit1(skip)
        # Official order: enlarge, then 1x1 convolution. The two commute, and this one is cheaper.
        return _upsample(self.out_conv(self.resConfUnit2(x)), size)


class _Scratch(nn.Module):
    """The part of the head that the official names keep under ``scratch``."""

    def __init__(self, features: int, channels: Sequence[int], out_dim: int) -> None:
        super().__init__()
        for level, width in enumerate(channels, start=1):
            self.add_module(f"layer{level}_rn", nn.Conv2d(width, features, 3, 1, 1, bias=False))
            self.add_module(f"refinenet{level}", Fusion(features, has_skip=level < len(channels)))
        self.output_conv1 = nn.Conv2d(features, features // 2, 3, 1, 1)
        self.output_conv2 = nn.Sequential(
            nn.Conv2d(features // 2, 32, 3, 1, 1), nn.ReLU(), nn.Conv2d(32, out_dim, 1)
        )

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Four maps, finest first, to ``[B, features / 2, 2h, 2w]`` of the finest map's size."""
        levels = [self.get_submodule(f"layer{k}_rn")(m) for k, m in enumerate(maps, start=1)]
        path: Tensor | None = None
        for level in range(len(levels), 0, -1):
            current = levels[level - 1]
            if level > 1:
                size = (levels[level - 2].shape[2], levels[level - 2].shape[3])
            else:
                size = (2 * current.shape[2], 2 * current.shape[3])
            fuse = self.get_submodule(f"refinenet{level}")
            path = fuse(current, None, size) if path is None else fuse(path, current, size)
        return self.output_conv1(path)


class DptHead(nn.Module):
    """Tokens of four layers to raw maps; :func:`activate_points` and the like give them meaning."""

    def __init__(
        self,
        dim: int,
        out_dim: int,
        features: int = 256,
        channels: Sequence[int] = (256, 512, 1024, 1024),
        patch_size: int = 14,
    ) -> None:
        """Build with random weights.

        Args:
            dim: Width of the aggregator's tokens.
            out_dim: Output channels, confidence included.
            features: Width of the fusion.
            channels: Widths of the four maps made of the tokens.
            patch_size: Pixels per side of a patch.
        """
        super().__init__()
        self.patch_size = patch_size
        self.norm = nn.LayerNorm(dim)
        self.projects = nn.ModuleList(nn.Conv2d(dim, width, 1) for width in channels)
        self.resize_layers = nn.ModuleList(
            [
                nn.ConvTranspose2d(channels[0], channels[0], 4, 4),
                nn.ConvTranspose2d(channels[1], channels[1], 2, 2),
                nn.Identity(),
                nn.Conv2d(channels[3], channels[3], 3, 2, 1),
            ]
        )
        self.scratch = _Scratch(features, channels, out_dim)

    def forward(
        self, layers: Sequence[Tensor], image_size: tuple[int, int], frames_per_chunk: int = 8
    ) -> Tensor:
        """Raw output of every pixel.

        Args:
            layers: Four tensors ``[N, patches, dim]`` without special tokens, earliest first.
            image_size: (H, W) of the frames in pixels.
            frames_per_chunk: Frames taken at once: bounds the memory of the large maps.

        Returns:
            ``[N, out_dim, H, W]``.
        """
        chunks = [
            self._decode([layer[start : start + frames_per_chunk] for layer in layers], image_size)
            for start in range(0, layers[0].shape[0], frames_per_chunk)
        ]
        return torch.cat(chunks)

    def _decode(self, layers: Sequence[Tensor], image_size: tuple[int, int]) -> Tensor:
        grid = (image_size[0] // self.patch_size, image_size[1] // self.patch_size)
        aspect = image_size[1] / image_size[0]
        maps = []
        for tokens, project, resize in zip(layers, self.projects, self.resize_layers, strict=True):
            x = project(self.norm(tokens).transpose(1, 2).unflatten(2, grid))
            maps.append(resize(self._with_positions(x, aspect)))
        x = _upsample(self.scratch(maps), image_size)
        return self.scratch.output_conv2(self._with_positions(x, aspect))

    @staticmethod
    def _with_positions(x: Tensor, aspect: float) -> Tensor:
        code = position_map(x.shape[1], (x.shape[2], x.shape[3]), aspect, x.device)
        return x + _POSITION_GAIN * code


def activate_points(raw: Tensor) -> tuple[Tensor, Tensor]:
    """World points ``[N, H, W, 3]`` and confidences ``[N, H, W]`` (>= 1) of a point head's output.

    Points are ``sign(y) (exp|y| - 1)``, confidences ``1 + exp(c)``.
    """
    points, confidence = raw[:, :-1].permute(0, 2, 3, 1), raw[:, -1]
    return points.sign() * points.abs().expm1(), 1 + confidence.exp()


def activate_depth(raw: Tensor) -> tuple[Tensor, Tensor]:
    """Depths ``[N, H, W, 1]`` and confidences ``[N, H, W]`` (>= 1) of a depth head's output.

    Depths are ``exp(y)``, confidences ``1 + exp(c)``.
    """
    depth, confidence = raw[:, :-1].permute(0, 2, 3, 1), raw[:, -1]
    return depth.exp(), 1 + confidence.exp()
