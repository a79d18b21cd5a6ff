# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Convolution blocks of MoGe's decoders, and the coarse-to-fine stack of MoGe-2 made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from torch import Tensor, nn

Padding = Literal["zeros", "replicate"]


class ResConvBlock(nn.Module):
    """Norm, ReLU, 3x3 conv, norm, ReLU, 3x3 conv, plus the input; indices as in the checkpoints."""

    def __init__(
        self,
        channels: int,
        padding: Padding,
        in_norm: str,
        hidden_norm: str,
        hidden_channels: int | None = None,
    ) -> None:
        """Widths in and out are equal; the hidden one is too unless it is given."""
        super().__init__()
        hidden = channels if hidden_channels is None else hidden_channels
        self.layers = nn.Sequential(
            _norm(in_norm, channels),
            nn.ReLU(),
            nn.Conv2d(channels, hidden, 3, padding=1, padding_mode=padding),
            _norm(hidden_norm, hidden),
            nn.ReLU(),
            nn.Conv2d(hidden, channels, 3, padding=1, padding_mode=padding),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as the input."""
        return x + self.layers(x)


def _norm(kind: str, channels: int) -> nn.Module:
    if kind == "none":
        return nn.Identity()
    if kind == "layer_norm":  # over channels and pixels: one group
        return nn.GroupNorm(1, channels)
    if kind == "group_norm":
        return nn.GroupNorm(channels // 32, channels)
    raise ValueError(f"unknown norm '{kind}' in a MoGe checkpoint's configuration")


def upsample_by_two(in_channels: int, out_channels: int, padding: Padding) -> nn.Sequential:
    """Transposed convolution to twice the size, then a 3x3 convolution."""
    return nn.Sequential(
        nn.ConvTranspose2d(in_channels, out_channels, kernel_size=2, stride=2),
        nn.Conv2d(out_channels, out_channels, 3, padding=1, padding_mode=padding),
    )


def _resampler(kind: str, in_channels: int, out_channels: int, padding: Padding) -> nn.Sequential:
    conv: dict[str, Any] = {"kernel_size": 3, "padding": 1, "padding_mode": padding}
    if kind == "conv_transpose":
        return upsample_by_two(in_channels, out_channels, padding)
    if kind in ("bilinear", "nearest"):
        align = False if kind == "bilinear" else None
        return nn.Sequential(
            nn.Upsample(scale_factor=2, mode=kind, align_corners=align),
            nn.Conv2d(in_channels, out_channels, **conv),
        )
    if kind == "pixel_shuffle":
        return nn.Sequential(
            nn.Conv2d(in_channels, out_channels * 4, **conv),
            nn.PixelShuffle(2),
            nn.Conv2d(out_channels, out_channels, **conv),
        )
    raise ValueError(f"unknown resampler '{kind}' in a MoGe checkpoint's configuration")


class ConvStack(nn.Module):
    """Coarse-to-fine stack of MoGe-2: each level adds its own input, then doubles the grid."""

    def __init__(
        self,
        dim_in: Sequence[int | None],
        dim_res_blocks: Sequence[int],
        dim_out: Sequence[int | None] | None,
        num_res_blocks: int | Sequence[int],
        resamplers: str | Sequence[str],
        res_block_in_norm: str = "none",
        res_block_hidden_norm: str = "none",
        dim_times_res_block_hidden: int = 1,
        padding: Padding = "replicate",
    ) -> None:
        """Arguments are those of ``model_config``; one entry per level, coarse first.

        Args:
            dim_in: Input widths (None: the level has no projection of its own input).
            dim_res_blocks: Width at each level.
            dim_out: Output widths (None: the level's map as it is).
            num_res_blocks: Residual blocks per level, or one number for all.
            resamplers: Kind of upsampling between levels, or one kind for all.
            res_block_in_norm: "none", "layer_norm" or "group_norm".
            res_block_hidden_norm: The same choices.
            dim_times_res_block_hidden: Hidden width of residual blocks, as a multiple.
            padding: Padding of the 3x3 convolutions; official weights need "replicate".
        """
        super().__init__()
        levels = len(dim_res_blocks)
        outputs = dim_out if dim_out is not None else [None] * levels
        blocks = [num_res_blocks] * levels if isinstance(num_res_blocks, int) else num_res_blocks
        kinds = [resamplers] * (levels - 1) if isinstance(resamplers, str) else resamplers
        self.input_blocks = nn.ModuleList(
            nn.Conv2d(i, d, 1) if i is not None else nn.Identity()
            for i, d in zip(dim_in, dim_res_blocks, strict=True)
        )
        self.resamplers = nn.ModuleList(
            _resampler(kind, a, b, padding)
            for kind, a, b in zip(kinds, dim_res_blocks[:-1], dim_res_blocks[1:], strict=True)
        )
        self.res_blocks = nn.ModuleList(
            nn.Sequential(
                *(
                    ResConvBlock(
                        d,
                        padding,
                        res_block_in_norm,
                        res_block_hidden_norm,
                        d * dim_times_res_block_hidden,
                    )
                    for _ in range(n)
                )
            )
            for d, n in zip(dim_res_blocks, blocks, strict=True)
        )
        self.output_blocks = nn.ModuleList(
            nn.Conv2d(d, o, 1) if o is not None else nn.Identity()
            for d, o in zip(dim_res_blocks, outputs, strict=True)
        )

    def forward(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """One map per level, ``[B, C_l, h * 2^l, w * 2^l]``."""
        outputs = []
        x = self.input_blocks[0](inputs[0])
        for level in range(len(self.input_blocks)):
            if level:
                x = self.resamplers[level - 1](x) + self.input_blocks[level](inputs[level])
            x = self.res_blocks[level](x)
            outputs.append(self.output_blocks[level](x))
        return outputs
