# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SpatialRGPT's own modules: feature refinement, region pooling and the projector of image tokens.

Names of tensors are the published ones, of ``region_extractor/`` and ``mm_projector/``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

#: Added to the sum of a mask's weights, as published.
_EPSILON = 1e-8


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each pixel of ``[B, C, H, W]``."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise; same shape."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class RegionExtractor(nn.Module):
    """Refines the image tower's map, and pools it and the depth picture's map under masks.

    Args:
        width: C, of the tower's features.
        hidden_size: D, of the language model.
    """

    def __init__(self, width: int, hidden_size: int) -> None:
        super().__init__()
        self.feature_refinement_module = nn.Sequential(
            nn.ConvTranspose2d(width, width, 2, stride=2),
            ChannelNorm(width, eps=1e-6),
            nn.GELU(),
            nn.ConvTranspose2d(width, width, 2, stride=2),
            nn.GELU(),
        )
        self.rgb_projector = nn.Linear(width, hidden_size)
        self.depth_projector = nn.Linear(width, hidden_size)

    def refine(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Refine the tower's tokens.

        Args:
            features: ``[B, n * n, C]``, row-major.

        Returns:
            The map at four times the resolution ``[B, C, 4n, 4n]``, and its means over 4 x 4
            ``[B, n * n, C]``, of which the image tokens are made.
        """
        fine = self.feature_refinement_module(square_map(features))
        return fine, F.avg_pool2d(fine, 4).flatten(2).transpose(1, 2)

    def region_embeds(self, fine: Tensor, weights: Tensor) -> Tensor:
        """Embed regions of the picture.

        Args:
            fine: ``[1, C, h, w]`` from :meth:`refine`.
            weights: ``[R, h, w]``; see :func:`cell_weights`.

        Returns:
            ``[R, D]``.
        """
        return self.rgb_projector(_pooled(fine, weights))

    def depth_embeds(self, features: Tensor, weights: Tensor) -> Tensor:
        """Embed regions of the depth picture, whose map is not refined.

        Args:
            features: ``[1, n * n, C]`` of the depth picture.
            weights: ``[R, n, n]``; see :func:`cell_weights`.

        Returns:
            ``[R, D]``.
        """
        return self.depth_projector(_pooled(square_map(features), weights))


class ImageProjector(nn.Module):
    """``mlp_downsample``: four neighbouring tokens become one of the language model's.

    Args:
        width: C, of the refined map's means.
        hidden_size: D, of the language model.
    """

    def __init__(self, width: int, hidden_size: int) -> None:
        super().__init__()
        # Index 0 is the regrouping, which has no weights.
        self.layers = nn.Sequential(
            nn.Identity(),
            nn.LayerNorm(4 * width),
            nn.Linear(4 * width, hidden_size),
            nn.GELU(),
            nn.Linear(hidden_size, hidden_size),
        )

    def forward(self, features: Tensor) -> Tensor:
        """``[B, n * n, C]`` to ``[B, ceil(n / 2) ** 2, D]``, column by column."""
        return self.layers(grouped_columns(features))


def grouped_columns(features: Tensor) -> Tensor:
    """Group tokens 2 x 2, with zeros beyond an odd border.

    The published order: the four of a group row by row, the groups column by column.

    Args:
        features: ``[B, n * n, C]``, row-major.

    Returns:
        ``[B, m * m, 4C]`` with m = ceil(n / 2); token m * J + I is of column J and row I.
    """
    grid = square_map(features)
    odd = grid.shape[-1] % 2
    grid = F.pad(grid, (0, odd, 0, odd))
    batch, width, side, _ = grid.shape
    half = side // 2
    parts = grid.reshape(batch, width, half, 2, half, 2)  # B, C, I, row, J, column
    return parts.permute(0, 4, 2, 3, 5, 1).reshape(batch, half * half, 4 * width)


def square_map(features: Tensor) -> Tensor:
    """Tokens ``[B, n * n, C]`` as a map ``[B, C, n, n]``."""
    side = round(features.shape[1] ** 0.5)
    return features.transpose(1, 2).unflatten(2, (side, side))


def cell_weights(masks: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Weights of a grid's cells under masks, as published where that sees anything.

    Published is bilinear sampling without antialiasing, which looks at two by two pixels of a cell:
    thin regions fall between them, and what their token then says is of no region at all. Such
    masks get the share of each cell that they cover instead.

    Args:
        masks: ``[R, S, S]`` 0 or 1, float32, none of them empty.
        side: n, of the grid.

    Returns:
        Weights ``[R, n, n]`` that sum to one, and ``[R]`` bool: which of them are shares of cells.
    """
    sampled = F.interpolate(masks[:, None], (side, side), mode="bilinear", align_corners=False)[
        :, 0
    ]
    missed = sampled.sum((1, 2)) == 0
    if missed.any():
        covered = F.adaptive_avg_pool2d(masks[missed, None], side)[:, 0]
        sampled = sampled.index_copy(0, missed.nonzero().flatten(), covered)
    return sampled / (sampled.sum((1, 2), keepdim=True) + _EPSILON), missed


def _pooled(grid: Tensor, weights: Tensor) -> Tensor:
    """Weighted means ``[R, C]`` of a map ``[1, C, h, w]``."""
    return torch.einsum("chw,rhw->rc", grid[0], weights.to(grid))
