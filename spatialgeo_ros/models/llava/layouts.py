# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Names of tensors and settings in the checkpoints of the LLaVA-1.5 family, brought to one form.

Known are LLaVA's own layout (as saved, and as SpatialGeo extends it) and the two of transformers
(before and since 4.52). ``config.json`` of any of them gives the sizes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.files.shards import read_json

log = logging.getLogger(__name__)


class Part(Enum):
    """Which network a tensor belongs to."""

    LANGUAGE = "language model"
    ADAPTER = "projectors"
    MOGE_TOWER = "MoGe backbone"
    DUPLICATE = "tower copy"


# The first prefix that fits decides; what replaces it gives the name in the network.
_PREFIXES: tuple[tuple[str, Part, str], ...] = (
    ("model.moge_tower.backbone.", Part.MOGE_TOWER, ""),
    ("model.moge_tower.", Part.DUPLICATE, ""),
    ("model.vision_tower.", Part.DUPLICATE, ""),
    ("vision_tower.", Part.DUPLICATE, ""),
    ("model.mm_projector.", Part.ADAPTER, "mm_projector."),
    ("model.moge_mm_projector_list.", Part.ADAPTER, "moge_mm_projector_list."),
    ("model.multi_modal_projector.linear_1.", Part.ADAPTER, "mm_projector.0."),
    ("model.multi_modal_projector.linear_2.", Part.ADAPTER, "mm_projector.2."),
    ("multi_modal_projector.linear_1.", Part.ADAPTER, "mm_projector.0."),
    ("multi_modal_projector.linear_2.", Part.ADAPTER, "mm_projector.2."),
    ("model.language_model.", Part.LANGUAGE, "model."),
    ("language_model.lm_head.", Part.LANGUAGE, "lm_head."),
    ("language_model.model.", Part.LANGUAGE, "model."),
    ("lm_head.", Part.LANGUAGE, "lm_head."),
    ("model.layers.", Part.LANGUAGE, "model.layers."),
    ("model.embed_tokens.", Part.LANGUAGE, "model.embed_tokens."),
    ("model.norm.", Part.LANGUAGE, "model.norm."),
)
# Constants that old releases of transformers saved beside the weights.
_CONSTANTS = ("rotary_emb.inv_freq", "position_ids")

_LANGUAGE_SETTINGS = (
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
    "num_key_value_heads", "head_dim", "hidden_act", "max_position_embeddings", "rms_norm_eps",
    "rope_theta", "rope_scaling", "rope_parameters", "attention_bias", "mlp_bias",
    "tie_word_embeddings", "bos_token_id", "eos_token_id", "pad_token_id",
)  # fmt: skip
# Settings that change what the network computes, and the only values that are implemented.
_REQUIRED: dict[str, tuple[Any, ...]] = {
    "mm_projector_type": ("mlp2x_gelu",),
    "mm_vision_select_layer": (-2,),
    "mm_vision_select_feature": ("patch",),
    "mm_patch_merge_type": ("flat",),
    "mm_use_im_start_end": (False,),
    "mm_use_im_patch_token": (False,),
    "image_aspect_ratio": ("pad", "square"),
    "tie_word_embeddings": (False,),
    "vision_feature_layer": (-2,),
    "vision_feature_select_strategy": ("default",),
    "projector_hidden_act": ("gelu",),
    "multimodal_projector_bias": (True,),
}


@dataclass(frozen=True)
class LlavaConfig:
    """Sizes of a checkpoint.

    Attributes:
        language: Arguments of ``LlamaConfig``.
        clip_dim: Width of CLIP's features.
    """

    language: Mapping[str, Any]
    clip_dim: int


def read_llava_config(folder: Path) -> LlavaConfig:
    """Read ``config.json`` of LLaVA's own or of transformers' family.

    Raises:
        ModelLoadError: It is missing, of another family, or asks for a variant of LLaVA that is
            not implemented (tiles, other projectors, other layers of CLIP).
    """
    path = folder / "config.json"
    content = read_json(path)
    if content.get("model_type") not in ("llava", "llava_llama"):
        raise ModelLoadError(
            f"{path}: model_type is {content.get('model_type')!r}; a LLaVA-1.5 checkpoint has "
            "'llava' or 'llava_llama'"
        )
    text, vision = content.get("text_config"), content.get("vision_config")
    source = text if isinstance(text, dict) else content
    for key, allowed in _REQUIRED.items():
        value = source.get(key, content.get(key))
        if value is not None and value not in allowed:
            raise ModelLoadError(
                f"{path}: '{key}' is {value!r}, but only {' or '.join(map(repr, allowed))} is "
                "implemented"
            )
    if source.get("model_type", "llama") not in ("llama", "llava", "llava_llama"):
        raise ModelLoadError(f"{path}: its language model is no LLaMA: {source['model_type']!r}")
    language = {key: source[key] for key in _LANGUAGE_SETTINGS if source.get(key) is not None}
    clip_dim = content.get("mm_hidden_size")
    if isinstance(vision, dict):  # of transformers' family
        clip_dim = vision.get("hidden_size")
    if not isinstance(clip_dim, int):
        raise ModelLoadError(f"{path}: 'mm_hidden_size', the width of CLIP, is missing")
    if not isinstance(language.get("vocab_size"), int):
        raise ModelLoadError(f"{path}: 'vocab_size' is missing")
    return LlavaConfig(language, clip_dim)


def require_same_base(base: LlavaConfig, folder: Path) -> None:
    """Check that an adapter's ``config.json`` (where it has one) is for this base.

    Raises:
        ModelLoadError: Its sizes differ from the base's.
    """
    if not (folder / "config.json").is_file():
        return
    other = read_llava_config(folder)
    # Not the vocabulary: transformers' conversion pads it, which concerns no adapter.
    for key in ("hidden_size", "num_hidden_layers", "intermediate_size"):
        ours, theirs = base.language.get(key), other.language.get(key)
        if ours is not None and theirs is not None and ours != theirs:
            raise ModelLoadError(
                f"adapter {folder} is for another base: its config.json has '{key}' {theirs}, the "
                f"base {ours}"
            )


def sort_names(names: Iterable[str], source: Path) -> dict[Part, dict[str, str]]:
    """Assign the tensors of a checkpoint to its networks.

    Args:
        names: As stored.
        source: Named in errors.

    Returns:
        For each part, name in the network -> name as stored.

    Raises:
        ModelLoadError: A name that no known layout has, or two for the same tensor.
    """
    found: dict[Part, dict[str, str]] = {part: {} for part in Part}
    for name in names:
        if name.endswith(_CONSTANTS):
            continue
        match = next((entry for entry in _PREFIXES if name.startswith(entry[0])), None)
        if match is None:
            raise ModelLoadError(f"{source} has tensor '{name}', which no known LLaVA layout has")
        prefix, part, replacement = match
        # Copies of towers lie under several prefixes; they are counted, not used.
        key = name if part is Part.DUPLICATE else replacement + name.removeprefix(prefix)
        if key in found[part]:
            raise ModelLoadError(
                f"{source} has '{key}' twice: as '{found[part][key]}' and '{name}'"
            )
        found[part][key] = name
    return found


def strip_peft(names: Iterable[str]) -> dict[str, str]:
    """Names of ``non_lora_trainables.bin`` without PEFT's prefixes, mapped to those stored.

    LLaVA's rule: take ``base_model.`` off, then, if any name starts with ``model.model.``, one
    ``model.`` off all that have it.
    """
    stripped = {name.removeprefix("base_model."): name for name in names}
    if any(name.startswith("model.model.") for name in stripped):
        stripped = {name.removeprefix("model."): old for name, old in stripped.items()}
    return stripped
