# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The transformer block of VGGT's aggregator and camera head, under the official tensor names."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spatialgeo_ros.models.vggt.rope import apply_rope

Rope = tuple[Tensor, Tensor]


class Mlp(nn.Module):
    """Linear, exact GELU, linear."""

    def __init__(self, dim: int, hidden: int, out: int | None = None) -> None:
        """Build with random weights; as wide out as in unless ``out`` is given."""
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim if out is None else out)

    def forward(self, x: Tensor) -> Tensor:
        """``[..., dim]`` to ``[..., out]``."""
        return self.fc2(F.gelu(self.fc1(x)))


class Attention(nn.Module):
    """Multi-head self-attention, optionally with a norm on queries and keys and with RoPE."""

    def __init__(self, dim: int, heads: int, qk_norm: bool) -> None:
        """Build with random weights."""
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.q_norm = nn.LayerNorm(dim // heads) if qk_norm else nn.Identity()
        self.k_norm = nn.LayerNorm(dim // heads) if qk_norm else nn.Identity()
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, rope: Rope | None = None) -> Tensor:
        """Attend within ``[B, N, C]``; ``rope`` holds cosines and sines ``[N, C / heads]``."""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        q, k = self.q_norm(q), self.k_norm(k)
        if rope is not None:
            q, k = apply_rope(q, *rope), apply_rope(k, *rope)
        # Under autocast the norms give float32 while the values are in the lower precision.
        x = F.scaled_dot_product_attention(q.to(v.dtype), k.to(v.dtype), v)
        return self.proj(x.transpose(1, 2).flatten(2))


class LayerScale(nn.Module):
    """A learned gain per channel (Touvron et al. 2021)."""

    def __init__(self, dim: int) -> None:
        """Start at 0.01, as VGGT does."""
        super().__init__()
        self.gamma = nn.Parameter(torch.full((dim,), 0.01))

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as the input."""
        return x * self.gamma


class Block(nn.Module):
    """Pre-norm transformer block with LayerScale; LayerNorm's eps is 1e-5, unlike DINOv2's."""

    def __init__(self, dim: int, heads: int, mlp_ratio: int = 4, qk_norm: bool = False) -> None:
        """Build with random weights."""
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attn = Attention(dim, heads, qk_norm)
        self.ls1 = LayerScale(dim)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, mlp_ratio * dim)
        self.ls2 = LayerScale(dim)

    def forward(self, x: Tensor, rope: Rope | None = None) -> Tensor:
        """``[B, N, C]`` to the same shape."""
        x = x + self.ls1(self.attn(self.norm1(x), rope))
        return x + self.ls2(self.mlp(self.norm2(x)))
