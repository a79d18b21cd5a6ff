# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tiny MoGe checkpoints with random weights in the official layout of ``model.pt``.

``model_config`` names a backbone that nobody published, so its sizes stand beside it under
``backbone``, which ``load_moge`` reads.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from spatialgeo_ros.models.files.checkpoint_tensors import checkpoint_shapes
from spatialgeo_ros.models.moge.moge_checkpoint import build_moge

BACKBONE: dict[str, Any] = {"embed_dim": 24, "depth": 4, "num_heads": 2, "img_size": 70}
V1_CONFIG: dict[str, Any] = {
    "encoder": "dinov2_tiny",
    "intermediate_layers": 4,
    "dim_proj": 32,
    "dim_upsample": [32, 32, 32],
    "dim_times_res_block_hidden": 1,
    "num_res_blocks": 1,
    "remap_output": "exp",
    "num_tokens_range": [12, 30],
}
_LEVELS = {
    "dim_res_blocks": [16, 16, 8, 8, 8],
    "res_block_in_norm": "none",
    "res_block_hidden_norm": "none",
    "resamplers": ["conv_transpose", "conv_transpose", "conv_transpose", "bilinear"],
}


def _head(channels: int) -> dict[str, Any]:
    return {
        **_LEVELS,
        "dim_in": [16, 16, 8, 8, 8],
        "dim_out": [None, None, None, None, channels],
        "num_res_blocks": [0, 1, 1, 1, 0],
    }


V2_CONFIG: dict[str, Any] = {
    "encoder": {"backbone": "dinov2_tiny", "intermediate_layers": [0, 1, 2, 3], "dim_out": 16},
    "neck": {
        **_LEVELS, "dim_in": [18, 2, 2, 2, 2], "dim_out": None, "num_res_blocks": [0, 1, 1, 1, 0]
    },
    "points_head": _head(3),
    "mask_head": _head(1),
    "scale_head": {"dims": [24, 24, 24, 1]},
    "remap_output": "exp",
    "num_tokens_range": [12, 30],
}  # fmt: skip
V2_NORMAL_CONFIG: dict[str, Any] = {**V2_CONFIG, "normal_head": _head(3)}


def random_moge(
    config: Mapping[str, Any], seed: int = 0, backbone: Mapping[str, Any] = BACKBONE
) -> dict[str, Tensor]:
    """State dict under official names, with every parameter random but for those of ``_aim``."""
    with torch.device("meta"):
        shapes = checkpoint_shapes(build_moge(config, backbone))
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in shapes.items():
        tensor = torch.randn(shape, generator=generator)
        if name.endswith("image_mean"):
            tensor = torch.tensor([0.485, 0.456, 0.406]).view(shape)
        elif name.endswith("image_std"):
            tensor = torch.tensor([0.229, 0.224, 0.225]).view(shape)
        elif "norm" in name and name.endswith("weight"):
            tensor = 1 + 0.1 * tensor
        elif len(shape) > 1 and "embed" not in name and "token" not in name:
            tensor = tensor / math.prod(shape[1:]) ** 0.5
        else:
            tensor = 0.1 * tensor
        state[name] = tensor
    _aim(state)
    return state


def _aim(state: dict[str, Tensor]) -> None:
    """Make most pixels valid, and points lie one to three units away near their pixels' rays.

    MoGe-2's metric scale is near one. Both networks see the view-plane coordinates at their finest
    level; a few weights carry them to the output, so that there is a focal length (about 1.2 half
    diagonals) to be found.
    """
    for name, value in (
        ("head.output_block.0.2.bias", (0.0, 0.0, 0.7)),
        ("head.output_block.1.2.bias", (2.0,)),
        ("points_head.output_blocks.4.bias", (0.0, 0.0, 0.7)),
        ("mask_head.output_blocks.4.bias", (2.0,)),
    ):
        if name in state:
            state[name] = torch.tensor(value)
    if "neck.input_blocks.4.weight" in state:
        gain = 20.0  # above what coarser levels add
        for head in ("points_head", "mask_head", "normal_head"):
            if f"{head}.input_blocks.4.weight" in state:
                state[f"{head}.input_blocks.4.weight"][:, :2] = 0.0
        state["points_head.output_blocks.4.weight"][2, :2] = 0.0
        state["points_head.output_blocks.4.weight"][2] *= 0.3
        state["mask_head.output_blocks.4.weight"] *= 0.3
        for axis in range(2):
            for name, value in (
                ("neck.input_blocks.4.weight", gain),
                ("points_head.input_blocks.4.weight", 1.0),
                ("points_head.output_blocks.4.weight", 1 / (1.2 * gain)),
            ):
                state[name][axis] = 0.0
                state[name][axis, axis] = value
        state["scale_head.4.weight"] *= 0.1
        return
    first, last = state["head.output_block.0.0.weight"], state["head.output_block.0.2.weight"]
    last[:2] *= 0.02
    for axis in range(2):
        for sign, hidden in ((1.0, 2 * axis), (-1.0, 2 * axis + 1)):  # around the ReLU
            first[hidden] = 0.0
            first[hidden, first.shape[1] - 2 + axis, 1, 1] = sign
            state["head.output_block.0.0.bias"][hidden] = 0.0
            last[:, hidden] = 0.0
            last[axis, hidden] = sign / 1.2


def _write(folder: Path, config: Mapping[str, Any], seed: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.pt"
    content = {
        "model_config": dict(config),
        "model": random_moge(config, seed),
        "backbone": BACKBONE,
    }
    torch.save(content, path)
    return path


def write_moge1(folder: Path, seed: int = 0) -> Path:
    """Write ``model.pt`` of MoGe 1 and return its path."""
    return _write(folder, V1_CONFIG, seed)


def write_moge2(folder: Path, seed: int = 0) -> Path:
    """Write ``model.pt`` of MoGe-2 without normals and return its path."""
    return _write(folder, V2_CONFIG, seed)


def write_moge2_normal(folder: Path, seed: int = 0) -> Path:
    """Write ``model.pt`` of MoGe-2 with normals and return its path."""
    return _write(folder, V2_NORMAL_CONFIG, seed)


def write_moge2_safetensors(folder: Path, seed: int = 0, *, header: bool = True) -> Path:
    """Write ``model.safetensors`` with its configuration in the header, or as JSON beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.safetensors"
    config = {**V2_NORMAL_CONFIG, "encoder": {**V2_CONFIG["encoder"], "backbone": BACKBONE}}
    text = json.dumps(config)
    state = random_moge(V2_NORMAL_CONFIG, seed)
    save_file(state, path, metadata={"model_config": text} if header else None)
    if not header:
        path.with_name("model_config.json").write_text(text)
    return path
