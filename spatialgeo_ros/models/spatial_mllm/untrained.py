# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Spatial-MLLM before its training: Qwen2.5-VL, VGGT, and a connector that knows nothing yet."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from transformers import Qwen2_5_VLForConditionalGeneration

from spatialgeo_ros.models.files.meta_fill import fill, stored
from spatialgeo_ros.models.files.shards import Shards, read_json
from spatialgeo_ros.models.files.weights import require_shapes
from spatialgeo_ros.models.spatial_mllm.connector import Connector
from spatialgeo_ros.models.spatial_mllm.mllm_checkpoint import (
    finish_qwen,
    generation_settings,
    load_chat,
    qwen_config,
    qwen_names,
)
from spatialgeo_ros.models.spatial_mllm.mllm_model import SpatialMllm
from spatialgeo_ros.models.spatial_mllm.window_attention import group_windows
from spatialgeo_ros.models.vggt.vggt_checkpoint import load_vggt


def load_untrained(
    qwen: Path,
    vggt: Path,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.bfloat16,
    seed: int = 42,
) -> SpatialMllm:
    """Load both networks and draw a connector of version 1.1.

    The connector's weights are PyTorch's for linear layers, drawn on the CPU: equal everywhere.

    Args:
        qwen: folder of Qwen2.5-VL.
        vggt: VGGT's file or folder.
        device: where everything goes.
        dtype: of all parts.
        seed: of the connector.

    Raises:
        ModelLoadError: names the file, key or tensor that is wrong.
    """
    content = read_json(qwen / "config.json")
    config = qwen_config(content, qwen)
    chat = load_chat(config, qwen)
    ends, penalty = generation_settings(qwen)
    geometry = load_vggt(vggt, dtype, heads=(), device=device)
    with torch.device("meta"):
        model = Qwen2_5_VLForConditionalGeneration(config)
        group_windows(model.model.visual)
    with Shards.from_folder(qwen) as shards:
        names = qwen_names(model, shards)
        needed = {
            names[name]: tuple(tensor.shape)
            for name, tensor in model.state_dict().items()
            if name in names
        }
        require_shapes(needed, {n: shards.shape(n) for n in shards if n in needed}, qwen)
        fill(model, stored(shards, names), dtype=dtype, device=device)
    finish_qwen(model, device)
    connector = Connector(2 * geometry.config.embed_dim, model.lm_head.in_features)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in connector.modules():
            if isinstance(module, nn.Linear):
                bound = module.in_features**-0.5
                module.weight.uniform_(-bound, bound, generator=generator)
                module.bias.uniform_(-bound, bound, generator=generator)
    connector.to(device, dtype)
    return SpatialMllm(
        model, geometry, connector, chat, end_ids=ends, repetition_penalty=penalty
    ).requires_grad_(False).eval()  # fmt: skip
