# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Qwen2.5-VL's vision attention with all windows of one size in one call.

transformers calls attention once per window: 240 times per layer for a clip of 16 frames of
640 x 480, some 7,000 times per clip, each a handful of kernels on 64 tokens. Windows come in few
sizes (the whole ones, and those at the right and the lower edge), so one call per size is enough.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import (
    Qwen2_5_VisionTransformerPretrainedModel,
    Qwen2_5_VLVisionAttention,
    apply_rotary_pos_emb_vision,
)
from transformers.vision_utils import get_vision_position_ids, get_vision_window_index


@dataclass(frozen=True)
class Grouping:
    """Segments of a sequence in order of their length.

    Attributes:
        groups: How many segments, and tokens of each, for every length.
        order: ``[S]`` tokens by group; None where the sequence is in that order already.
        inverse: ``[S]`` back again.
    """

    groups: tuple[tuple[int, int], ...]
    order: Tensor | None
    inverse: Tensor | None


@lru_cache(maxsize=32)
def group(lengths: tuple[int, ...], device: torch.device) -> Grouping:
    """Sort the segments of a sequence by their lengths, those of one length in their order."""
    starts = list(accumulate(lengths, initial=0))[:-1]
    of_length: dict[int, list[int]] = defaultdict(list)
    for start, length in zip(starts, lengths, strict=True):
        of_length[length].append(start)
    groups = tuple((len(found), length) for length, found in of_length.items())
    if len(groups) < 2:
        return Grouping(groups, None, None)
    with torch.inference_mode(False):
        parts = [
            torch.tensor(found)[:, None] + torch.arange(length)
            for length, found in of_length.items()
        ]
        order = torch.cat([part.flatten() for part in parts])
        return Grouping(groups, order.to(device), order.argsort().to(device))


class WindowAttention(Qwen2_5_VLVisionAttention):
    """Attention within segments of a sequence; the weights and what it computes are the same."""

    def forward(
        self,
        hidden_states: Tensor,
        cu_seqlens: Tensor,
        position_embeddings: tuple[Tensor, Tensor] | None = None,
        max_seqlen: int | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """``[S, C]`` to the same; ``cu_seqlens`` are the bounds of the segments, best on the CPU.

        Raises:
            ValueError: There are no position embeddings.
        """
        if position_embeddings is None:
            raise ValueError("Qwen2.5-VL's vision attention needs position embeddings")
        bounds = cu_seqlens.tolist()
        lengths = tuple(b - a for a, b in zip(bounds[:-1], bounds[1:], strict=True))
        grouping = group(lengths, hidden_states.device)
        q, k, v = self.qkv(hidden_states).unflatten(1, (3, self.num_heads, -1)).unbind(1)
        q, k = apply_rotary_pos_emb_vision(q, k, *position_embeddings)
        if grouping.order is not None:
            q, k, v = (one.index_select(0, grouping.order) for one in (q, k, v))
        found, start = [], 0
        for count, length in grouping.groups:
            stop = start + count * length
            # [segments, heads, tokens, channels]
            a, b, c = (
                one[start:stop].unflatten(0, (count, length)).transpose(1, 2) for one in (q, k, v)
            )
            out = F.scaled_dot_product_attention(a, b, c, scale=self.scaling)
            found.append(out.transpose(1, 2).flatten(2).flatten(0, 1))
            start = stop
        together = found[0] if len(found) == 1 else torch.cat(found)
        if grouping.inverse is not None:
            together = together.index_select(0, grouping.inverse)
        return self.proj(together)


def group_windows(tower: Qwen2_5_VisionTransformerPretrainedModel) -> None:
    """Put :class:`WindowAttention` in place of every attention of a tower without weights yet."""
    config: Any = tower.config
    for block in tower.blocks:
        with torch.device("meta"):
            block.attn = WindowAttention(config)


@lru_cache(maxsize=8)
def _clip_plan(
    grid: tuple[int, int, int], merge: int, window: int, patch: int, device: torch.device
) -> dict[str, Tensor]:
    """What depends on a clip's grid alone; bounds stay on the CPU, where they are read."""
    with torch.inference_mode(False):
        thw = torch.tensor([grid])
        index, windows = get_vision_window_index(thw, merge, window, patch)
        return {
            "position_ids": get_vision_position_ids(thw, merge).to(device),
            "window_index": index.to(device),
            "cu_window_seqlens": windows,
            "cu_seqlens": torch.arange(grid[0] + 1) * grid[1] * grid[2],
        }


def see(
    tower: Qwen2_5_VisionTransformerPretrainedModel, pixels: Tensor, grid: tuple[int, int, int]
) -> Tensor:
    """Merged visual tokens ``[t h/2 w/2, D]`` of a clip's patches ``[t h w, 1176]``."""
    config: Any = tower.config
    plan = _clip_plan(
        grid, config.spatial_merge_size, config.window_size, config.patch_size, pixels.device
    )
    tokens: Tensor = tower(pixels, grid_thw=torch.tensor([grid]), **plan).pooler_output
    return tokens
