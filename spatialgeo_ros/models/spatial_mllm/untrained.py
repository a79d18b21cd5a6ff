# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Spatial-MLLM before its training: Qwen2.5-VL, VGGT, and a connector that knows nothing yet."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from spatialgeo_ros.models.spatial_mllm.connector import Connector
from spatialgeo_ros.models.spatial_mllm.mllm_model import SpatialMllm
from spatialgeo_ros.models.spatial_mllm.qwen_checkpoint import load_qwen_vl
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
    base = load_qwen_vl(qwen, device=device, dtype=dtype)
    geometry = load_vggt(vggt, dtype, heads=(), device=device)
    connector = Connector(2 * geometry.config.embed_dim, base.qwen.lm_head.in_features)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in connector.modules():
            if isinstance(module, nn.Linear):
                bound = module.in_features**-0.5
                module.weight.uniform_(-bound, bound, generator=generator)
                module.bias.uniform_(-bound, bound, generator=generator)
    connector.to(device, dtype)
    return SpatialMllm(
        base.qwen, geometry, connector, base.chat,
        end_ids=base.end_ids, repetition_penalty=base.repetition_penalty,
    ).requires_grad_(False).eval()  # fmt: skip
