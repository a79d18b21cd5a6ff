# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rotary position embedding of patches in two dimensions, as VGGT applies it to queries and keys.

The first half of a head's channels is turned by the row, the second half by the column (RoFormer,
Su et al. 2021, for each axis).
"""

from __future__ import annotations

import torch
from torch import Tensor


def patch_positions(
    grid: tuple[int, int], specials: int, device: torch.device | str | None = None
) -> Tensor:
    """Positions of one frame's tokens: specials at (0, 0), patches from (1, 1) on, row-major.

    Args:
        grid: Rows and columns of patches.
        specials: Tokens before the patches.
        device: Of the result.

    Returns:
        ``[specials + rows*columns, 2]`` int64, (row, column).
    """
    rows, columns = grid
    row = torch.arange(1, rows + 1, device=device).repeat_interleave(columns)
    column = torch.arange(1, columns + 1, device=device).repeat(rows)
    patches = torch.stack([row, column], dim=-1)
    return torch.cat([patches.new_zeros(specials, 2), patches])


def rope_tables(
    positions: Tensor, head_dim: int, dtype: torch.dtype, base: float = 100.0
) -> tuple[Tensor, Tensor]:
    """Cosines and sines for :func:`apply_rope`.

    Angles are rounded to ``dtype`` *before* cosine and sine are taken: in bfloat16 that moves them
    by several hundredths of a radian, and the published network was trained so.

    Args:
        positions: ``[..., N, 2]`` integers, (row, column).
        head_dim: Channels of a head, a multiple of 4.
        dtype: Of the tokens.
        base: Wavelength base.

    Returns:
        Two tensors ``[..., N, head_dim]`` of ``dtype``.
    """
    part = head_dim // 2
    exponents = torch.arange(0, part, 2, device=positions.device).float() / part
    angles = positions[..., None].float() * (1.0 / base**exponents)  # [..., N, 2, part / 2]
    angles = angles.to(dtype)
    angles = torch.cat([angles, angles], dim=-1).flatten(-2)
    return angles.cos(), angles.sin()


def apply_rope(tokens: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn tokens ``[B, heads, N, head_dim]`` by tables that broadcast to their shape."""
    a, b, c, d = tokens.chunk(4, dim=-1)
    return tokens * cos + torch.cat([-b, a, -d, c], dim=-1) * sin
