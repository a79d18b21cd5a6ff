# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every published size made small, so that benchmarks of full-size networks can be tried here."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from bench import full_size
from spatialgeo_ros.models.vggt import VggtConfig

LLAVA: dict[str, Any] = {
    "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 4, "vocab_size": 50,
}  # fmt: skip
SMALL: dict[str, Any] = {
    "LLAVA_7B": LLAVA,
    "CLIP_L_336": {
        **full_size.CLIP_L_336, "hidden_size": 32, "intermediate_size": 64,
        "num_hidden_layers": 2, "num_attention_heads": 2,
    },
    "QWEN_3B_TEXT": {
        **full_size.QWEN_3B_TEXT, "hidden_size": 64, "intermediate_size": 128,
        "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 50, "max_window_layers": 2,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [2, 3, 3]},
    },
    "QWEN_3B_VISION": {
        **full_size.QWEN_3B_VISION, "depth": 2, "hidden_size": 32, "intermediate_size": 48,
        "num_heads": 2, "out_hidden_size": 64, "fullatt_block_indexes": [1],
    },
    "LLAMA_3_8B": {
        **full_size.LLAMA_3_8B, "hidden_size": 64, "intermediate_size": 128,
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
        "vocab_size": 52,
    },
    "SIGLIP_SO400M": {
        **full_size.SIGLIP_SO400M, "hidden_size": 32, "intermediate_size": 64,
        "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 84,
    },
    "VGGT_1B": VggtConfig(
        embed_dim=32, depth=2, num_heads=2, patch_embed_depth=2, patch_embed_heads=2,
        dpt_layers=(0, 1, 1, 1),
    ),
    "FRAME_GRID": (6, 8),
}  # fmt: skip
#: Of MoGe 1's configuration, whose backbone has only published names.
MOGE_1: dict[str, Any] = {
    "encoder": "dinov2_vits14", "dim_proj": 32, "dim_upsample": [64, 32],
}  # fmt: skip


def shrink(module: ModuleType) -> None:
    """Replace the sizes in :mod:`bench.full_size` for the rest of the process."""
    for name, value in SMALL.items():
        setattr(module, name, value)
    configs = module.moge_configs
    configs.V1_VITL = {**configs.V1_VITL, **MOGE_1}
