# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A prompt as a language model computes it: embeddings and positions."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Prompt:
    """An embedded prompt.

    Attributes:
        embeds: [1, T, D] on the model's device.
        position_ids: [1, T], or [3, 1, T] for M-RoPE, or None for 0 to T - 1. The answer continues
            in every row after the largest of them.
    """

    embeds: Tensor
    position_ids: Tensor | None = None

    def __post_init__(self) -> None:
        """Check the lengths.

        Raises:
            ValueError: the prompt is empty, or the positions are not of its length.
        """
        if len(self) == 0:
            raise ValueError("the prompt is empty")
        if self.position_ids is not None and self.position_ids.shape[-1] != len(self):
            raise ValueError(
                f"{self.position_ids.shape[-1]} position_ids for a prompt of {len(self)} tokens"
            )

    def __len__(self) -> int:
        """Return the number of tokens."""
        return self.embeds.shape[1]

    @functools.cached_property
    def positions(self) -> Tensor:
        """``position_ids``, written out."""
        if self.position_ids is not None:
            return self.position_ids
        return torch.arange(len(self), device=self.embeds.device)[None]

    @property
    def answer_position(self) -> Tensor | None:
        """Positions [..., 1] of the answer's first token; None where the prompt states none."""
        if self.position_ids is None:
            return None
        rows = self.position_ids.shape[:-1]
        return (self.position_ids.amax() + 1).expand(*rows, 1)


def causal_mask(start: int, end: int, like: Tensor) -> Tensor:
    """Mask [1, 1, end - start, end]: tokens from ``start`` on see what is before them."""
    places = torch.arange(end, device=like.device)
    mask = torch.zeros((end - start, end), dtype=like.dtype, device=like.device)
    return mask.masked_fill_(places > places[start:, None], float("-inf"))[None, None]
