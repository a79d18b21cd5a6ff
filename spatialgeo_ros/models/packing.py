# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Masks, positions and targets of many questions that share one visual prefix in a sequence."""

from __future__ import annotations

import torch
from torch import Tensor

from spatialgeo_ros.models.fusion import IGNORE_LABEL


def packed_attention_mask(
    block_ids: Tensor, prefix_length: int, prefix_valid: Tensor | None, dtype: torch.dtype
) -> Tensor:
    """Additive mask ``[B, 1, V + T, V + T]``: causal, and blocks do not see each other.

    Every position sees itself, so that padded rows have no empty softmax.
    """
    batch, text_length = block_ids.shape
    total = prefix_length + text_length
    # The prefix is a block of its own that everybody sees; block -1 (padding) is seen by itself.
    prefix_block = block_ids.new_full((batch, prefix_length), -2)
    blocks = torch.cat([prefix_block, block_ids], dim=1)
    is_prefix = blocks == -2
    if prefix_valid is not None:
        is_prefix[:, :prefix_length] &= prefix_valid
    visible = (blocks[:, :, None] == blocks[:, None, :]) & (blocks[:, None, :] != -2)
    visible |= is_prefix[:, None, :]
    causal = torch.ones((total, total), dtype=torch.bool, device=blocks.device).tril()
    visible &= causal
    visible |= torch.eye(total, dtype=torch.bool, device=blocks.device)
    mask = torch.zeros((batch, total, total), dtype=dtype, device=blocks.device)
    return mask.masked_fill(~visible, torch.finfo(dtype).min)[:, None]


def packed_position_ids(
    block_ids: Tensor, prefix_length: int, prefix_valid: Tensor | None
) -> Tensor:
    """Positions ``[B, V + T]``: each block continues from the end of the valid prefix."""
    batch, text_length = block_ids.shape
    index = torch.arange(text_length, device=block_ids.device)
    starts = torch.ones_like(block_ids, dtype=torch.bool)
    starts[:, 1:] = block_ids[:, 1:] != block_ids[:, :-1]
    within = index - torch.where(starts, index, 0).cummax(dim=1).values
    prefix = torch.arange(prefix_length, device=block_ids.device).expand(batch, -1)
    valid_length = (
        block_ids.new_full((batch, 1), prefix_length)
        if prefix_valid is None
        else prefix_valid.sum(dim=1, keepdim=True)
    )
    return torch.cat([prefix, valid_length + within], dim=1)


def next_token_targets(labels: Tensor, block_ids: Tensor) -> Tensor:
    """Target of each packed position: the label after it in the same block, else -100.

    Args:
        labels: ``[B, T]`` token ids, -100 where nothing is to be learned (the question).
        block_ids: ``[B, T]`` as for ``forward_packed``.
    """
    targets = torch.full_like(labels, IGNORE_LABEL)
    same = (block_ids[:, 1:] == block_ids[:, :-1]) & (block_ids[:, 1:] >= 0)
    targets[:, :-1] = torch.where(same, labels[:, 1:], IGNORE_LABEL)
    return targets
