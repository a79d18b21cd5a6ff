# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which floating-point type a network runs in: stated, or half precision chosen for the card.

"half" is, on a GPU:

- float16 for MoGe and CLIP, on every card. Their published code runs in it, nothing of theirs needs
  a larger range (what grows exponentially is computed outside the network, in float32), and its
  error is an eighth of bfloat16's.
- bfloat16 for language models, VGGT and Qwen2.5-VL, which were trained in it and whose activations
  need its range; float16 on cards before Ampere (compute capability 8.0), which only emulate
  bfloat16 (VGGT's published code chooses so too).

On a CPU image networks run in float32, which gains nothing from halves there, and language models
in bfloat16, whose weights are half as large to read.
"""

from __future__ import annotations

import logging

import torch

log = logging.getLogger(__name__)

#: Compute capability from which a card multiplies bfloat16.
_BFLOAT16_FROM = (8, 0)


def tower_dtype(asked: str, device: torch.device) -> torch.dtype:
    """Of MoGe and CLIP."""
    if device.type == "cpu":
        return torch.float32
    return _stated(asked) or torch.float16


def language_dtype(asked: str, device: torch.device) -> torch.dtype:
    """Of a language model, and of VGGT and Qwen's tower in front of one."""
    stated = _stated(asked)
    if device.type == "cpu":
        if stated == torch.float16:
            log.info("float16 is for GPUs: the language model runs in bfloat16 on the CPU")
            return torch.bfloat16
        return stated or torch.bfloat16
    if stated is None:
        return torch.bfloat16 if has_bfloat16(device) else torch.float16
    if stated == torch.bfloat16 and not has_bfloat16(device):
        log.warning("%s only emulates bfloat16: precision 'half' is several times as fast", device)
    return stated


def has_bfloat16(device: torch.device) -> bool:
    """Whether a GPU multiplies bfloat16 itself (NVIDIA: Ampere and later)."""
    if device.type != "cuda":
        return True
    return torch.cuda.get_device_capability(device) >= _BFLOAT16_FROM


def _stated(asked: str) -> torch.dtype | None:
    """The type of one of ``precision_choice.PRECISIONS``; None for "half"."""
    if asked == "half":
        return None
    dtype: torch.dtype = getattr(torch, asked)
    return dtype
