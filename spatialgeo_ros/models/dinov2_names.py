# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Names of DINOv2's tensors: those of official files, and those of transformers' ``Dinov2Model``.

Official files hold query, key and value as one matrix; transformers has one for each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

# Official start of a name, transformers' start; blocks below.
_TOP = (
    ("cls_token", "embeddings.cls_token"),
    ("mask_token", "embeddings.mask_token"),
    ("pos_embed", "embeddings.position_embeddings"),
    ("patch_embed.proj.", "embeddings.patch_embeddings.projection."),
    ("norm.", "layernorm."),
)
_BLOCK = (
    ("attn.proj.", "attention.o_proj."),
    ("ls1.gamma", "layer_scale1.lambda1"),
    ("ls2.gamma", "layer_scale2.lambda1"),
    ("mlp.w12.", "mlp.weights_in."),
    ("mlp.w3.", "mlp.weights_out."),
)


def dinov2_key_from_official(key: str) -> str | None:
    """Name in transformers' ``Dinov2Model`` of an official DINOv2 tensor; None for a fused qkv."""
    for official, ours in _TOP:
        if key.startswith(official):
            return ours + key[len(official) :]
    if not key.startswith("blocks."):
        return key
    _, index, rest = key.split(".", 2)
    if rest.startswith("attn.qkv."):
        return None
    for official, ours in _BLOCK:
        rest = rest.replace(official, ours)
    return f"encoder.layer.{index}.{rest}"


def official_dinov2_key(key: str) -> str:
    """Official name of a tensor of ``Dinov2Model``; query, key and value have the same one."""
    for official, ours in _TOP:
        if key.startswith(ours):
            return official + key[len(ours) :]
    found = re.fullmatch(r"encoder\.layer\.(\d+)\.(.+)", key)
    if found is None:
        return key
    index, rest = found.groups()
    rest = re.sub(r"^attention\.[qkv]_proj\.", "attn.qkv.", rest)
    for official, ours in _BLOCK:
        rest = rest.replace(ours, official)
    return f"blocks.{index}.{rest}"


def convert_dinov2_state_dict(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename an official DINOv2 state dict for transformers' ``Dinov2Model`` (qkv split in three).

    Keys that are in transformers' naming already pass through unchanged.
    """
    converted: dict[str, Tensor] = {}
    for key, tensor in state.items():
        name = dinov2_key_from_official(key)
        if name is not None:
            converted[name] = tensor
            continue
        _, index, rest = key.split(".", 2)
        for part, piece in zip("qkv", tensor.chunk(3, dim=0), strict=True):
            converted[f"encoder.layer.{index}.attention.{part}_proj.{rest.rsplit('.', 1)[1]}"] = (
                piece
            )
    return converted
