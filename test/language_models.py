# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tiny language models with random weights, LLaMA and Qwen2.5-VL, and prompts for them."""

from __future__ import annotations

import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
)

from spatialgeo_ros.speech.embedded_prompt import Prompt

DIM = 64
#: Tokens that they read.
LENGTH = 600
WORDS = 211


def tiny_llama(seed: int = 0) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=WORDS, hidden_size=DIM, intermediate_size=2 * DIM, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=4, max_position_embeddings=LENGTH,
        initializer_range=0.3,  # large enough that different prompts give different answers
        bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


def tiny_qwen(seed: int = 0) -> Qwen2_5_VLForConditionalGeneration:
    """With grouped keys and values, biases, and positions in three rows."""
    torch.manual_seed(seed)
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": WORDS, "hidden_size": DIM, "intermediate_size": 2 * DIM,
            "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
            "max_position_embeddings": LENGTH, "initializer_range": 0.3,
            "rope_parameters": {
                "rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3],
            },
        },
        vision_config={
            "hidden_size": 32, "out_hidden_size": DIM, "depth": 1, "num_heads": 2,
            "intermediate_size": 32, "fullatt_block_indexes": [0],
        },
        image_token_id=WORDS - 1, video_token_id=WORDS - 2,
        vision_start_token_id=WORDS - 3, vision_end_token_id=WORDS - 4,
    )  # fmt: skip
    return Qwen2_5_VLForConditionalGeneration(config).eval()


def prompt(model: torch.nn.Module, seed: int, length: int, shared: int = 0) -> Prompt:
    """Random embeddings; the first ``shared`` positions are the same for every seed.

    For Qwen a grid of 3 x 4 visual tokens lies between the first two and the rest.
    """
    like = model.get_input_embeddings().weight
    generator = torch.Generator().manual_seed(seed)
    own = torch.randn(1, length - shared, DIM, generator=generator)
    head = torch.randn(1, shared, DIM, generator=torch.Generator().manual_seed(999))
    embeds = torch.cat((head, own), dim=1).to(like)
    if not isinstance(model, Qwen2_5_VLForConditionalGeneration):
        return Prompt(embeds)
    time = torch.full((12,), 2)
    row = 2 + torch.arange(3).repeat_interleave(4)
    column = 2 + torch.arange(4).repeat(3)
    grid = torch.stack([time, row, column])
    before = torch.arange(2).expand(3, -1)
    after = 6 + torch.arange(max(0, length - 14)).expand(3, -1)
    positions = torch.cat([before, grid, after], dim=1)[:, None, :length]
    return Prompt(embeds, positions.to(like.device))
