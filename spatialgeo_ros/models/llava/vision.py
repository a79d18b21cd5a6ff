# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The two image towers of LLaVA and SpatialGeo from their published files."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.backbones import Dinov2Backbone
from spatialgeo_ros.models.clip import ClipVisionTower
from spatialgeo_ros.models.files.shards import MODEL_STEMS, Shards, read_json
from spatialgeo_ros.models.files.weights import (
    load_into,
    load_pytorch,
    require_file,
    require_shapes,
)
from spatialgeo_ros.models.moge.moge1 import MoGe1
from spatialgeo_ros.models.moge.moge_checkpoint import load_moge

log = logging.getLogger(__name__)

# Every DINOv2 has heads of this width.
_HEAD_DIM = 64
_VISION_SETTINGS = (
    "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "image_size",
    "patch_size", "hidden_act", "layer_norm_eps",
)  # fmt: skip
# Parts of a CLIP checkpoint that are not the image tower.
_NOT_VISION = ("text_model.", "text_projection.", "visual_projection.", "logit_scale")

ModuleT = TypeVar("ModuleT", bound=nn.Module)


def fill_from_state(
    module: ModuleT,
    state: Mapping[str, Tensor],
    source: Path | str,
    device: torch.device,
    dtype: torch.dtype,
) -> ModuleT:
    """Give a module that was built on the meta device its weights; frozen, for inference.

    Raises:
        ModelLoadError: See ``weights.load_into``.
    """
    module.to(dtype).to_empty(device=device)
    load_into(module, state, source)
    return module.requires_grad_(False).eval()


def load_clip_vision(folder: Path, device: torch.device, dtype: torch.dtype) -> ClipVisionTower:
    """Load the image tower of a CLIP folder as Hugging Face lays it out.

    Args:
        folder: ``config.json`` with a ``vision_config`` (or one that is the vision tower's own),
            and the weights as safetensors or PyTorch file. A text tower in them is left out.
        device: Where it will run.
        dtype: Of its weights.

    Raises:
        ModelLoadError: Names the file, setting or tensor that is missing or wrong.
    """
    path = folder / "config.json"
    content = read_json(path)
    vision = content.get("vision_config", content)
    if not isinstance(vision, dict) or "clip" not in str(content.get("model_type")):
        raise ModelLoadError(f"{path} is not the configuration of a CLIP model")
    # Absent settings have the defaults of transformers' CLIPVisionConfig, as in Hugging Face files.
    settings = {key: vision[key] for key in _VISION_SETTINGS if vision.get(key) is not None}
    for key in ("hidden_size", "patch_size", "image_size", "num_hidden_layers"):
        if key not in settings:
            raise ModelLoadError(f"{path}: '{key}' of the vision tower is missing")
    with torch.device("meta"):
        tower = ClipVisionTower(settings)
    unread = tower.drop_unread()
    with Shards.from_folder(folder, MODEL_STEMS) as shards:
        names = {
            "vision_model." + name.removeprefix("vision_model."): name
            for name in shards
            if not name.startswith(_NOT_VISION) and not name.endswith("position_ids")
        }
        state = {ours: shards[name] for ours, name in names.items() if not ours.startswith(unread)}
        fill_from_state(tower, state, folder, device, dtype)
    tower.reset_constants()
    log.info("loaded CLIP image tower from %s", folder)
    return tower


def load_moge_tower(path: Path, device: torch.device, dtype: torch.dtype) -> MoGe1 | Dinov2Backbone:
    """Load SpatialGeo's geometry tower: bare, or with MoGe v1's heads where the file has them.

    Args:
        path: ``vit_model.pt`` (the backbone's tensors alone) or MoGe v1's complete checkpoint.
        device: Where it will run.
        dtype: Of its weights.

    Raises:
        ModelLoadError: Names what is missing or wrong; also for MoGe-2, whose backbone was trained
            on and does not fit SpatialGeo's projectors.
    """
    if not _is_complete_moge(path):
        with Shards([path]) as shards:
            return load_moge_backbone(shards, path, device, dtype)
    model = load_moge(path, dtype, device=device)
    if not isinstance(model, MoGe1):
        raise ModelLoadError(
            f"{path} is MoGe-2, but SpatialGeo was trained with MoGe v1 (Ruicheng/moge-vitl): take "
            "that as its tower, and MoGe-2 as a geometry network of its own"
        )
    log.info("loaded MoGe v1 with its heads from %s", path)
    return model


def _is_complete_moge(path: Path) -> bool:
    """Whether a file holds a whole MoGe, not its backbone's tensors alone."""
    require_file(path)
    if path.suffix == ".safetensors":
        with Shards([path]) as shards:
            return "patch_embed.proj.weight" not in shards
    content = load_pytorch(path, mapped=True)
    return isinstance(content, dict) and "model_config" in content


def load_moge_backbone(
    state: Mapping[str, Tensor], source: Path, device: torch.device, dtype: torch.dtype
) -> Dinov2Backbone:
    """Load MoGe v1's bare backbone from tensors under DINOv2's names (``vit_model.pt``).

    The file holds no configuration: sizes are those of its tensors.

    Raises:
        ModelLoadError: Names the tensor that is missing, unknown or of another shape.
    """
    config = _dinov2_config(state, source)
    with torch.device("meta"):
        backbone = Dinov2Backbone(config)
    found = {name: tuple(tensor.shape) for name, tensor in state.items()}
    require_shapes(backbone.official_shapes(), found, source)
    fill_from_state(backbone, state, source, device, dtype)
    log.info("loaded MoGe backbone from %s", source)
    return backbone


def _dinov2_config(state: Mapping[str, Tensor], source: Path) -> dict[str, Any]:
    for name in ("cls_token", "pos_embed", "patch_embed.proj.weight"):
        if name not in state:
            raise ModelLoadError(
                f"{source} lacks tensor '{name}': it is not MoGe v1's backbone (vit_model.pt)"
            )
    dim = state["cls_token"].shape[-1]
    patch = state["patch_embed.proj.weight"].shape[-1]
    side = round((state["pos_embed"].shape[1] - 1) ** 0.5)
    if dim % _HEAD_DIM:
        raise ModelLoadError(f"{source}: width {dim} is no multiple of DINOv2's {_HEAD_DIM}")
    blocks = {name.split(".")[1] for name in state if name.startswith("blocks.")}
    config: dict[str, Any] = {
        "embed_dim": dim,
        "depth": len(blocks),
        "num_heads": dim // _HEAD_DIM,
        "patch_size": patch,
        "img_size": side * patch,
        "swiglu": "blocks.0.mlp.w12.weight" in state,
    }
    hidden = state.get("blocks.0.mlp.fc1.weight")
    if hidden is not None:
        config["mlp_ratio"] = hidden.shape[0] // dim
    return config
