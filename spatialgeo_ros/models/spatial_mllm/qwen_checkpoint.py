# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Load Qwen2.5-VL from an official checkpoint folder; Spatial-MLLM's hold the same tensors.

A folder holds ``config.json``, safetensors with their index, and Qwen's tokenizer files.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.files.meta_fill import fill, stored
from spatialgeo_ros.models.files.shards import Shards, read_json
from spatialgeo_ros.models.files.weights import require_shapes
from spatialgeo_ros.models.packed_weights import PackedWeights, load_or_pack
from spatialgeo_ros.models.quantise import require_number_types
from spatialgeo_ros.models.spatial_mllm.chat import QwenChat, load_qwen_tokenizer
from spatialgeo_ros.models.spatial_mllm.qwen_vl import QwenVl
from spatialgeo_ros.models.spatial_mllm.window_attention import group_windows

_log = logging.getLogger(__name__)

PRECISIONS = (torch.bfloat16, torch.float16, torch.float32)
MODEL_TYPES = ("qwen2_5_vl",)
#: The output layer, which may be tied to the table of embeddings.
OUTPUT_NAME = "lm_head.weight"
#: Of the language model in transformers' Qwen2.5-VL.
_LANGUAGE = "model.language_model."


def load_qwen_vl(
    folder: str | Path,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.bfloat16,
    quantisation: str = "none",
    packed: PackedWeights | None = None,
) -> QwenVl:
    """Load Qwen2.5-VL as published (``Qwen/Qwen2.5-VL-3B-Instruct``, 7B, ...).

    Args:
        folder: With ``config.json``, weights and tokenizer files.
        device: Where everything goes.
        dtype: Of all parts: bfloat16 as published, float16 or float32.
        quantisation: "none", "nf4" or "int8", for the linear layers of the language model. The
            image tower and ``lm_head`` stay as they are.
        packed: Where the language model's weights in NF4 may be kept, ready for use.

    Raises:
        ModelLoadError: Names the file, key or tensor that is wrong.
    """
    folder = Path(folder)
    require_number_types("Qwen2.5-VL", dtype, PRECISIONS, quantisation)
    config = qwen_config(read_json(folder / "config.json"), folder)
    chat = load_chat(config, folder)
    ends, penalty = generation_settings(folder)
    with torch.device("meta"):
        qwen = Qwen2_5_VLForConditionalGeneration(config)
        group_windows(qwen.model.visual)
    with Shards.from_folder(folder) as shards:
        names = qwen_names(qwen, shards)
        needed = {
            names[name]: tuple(tensor.shape)
            for name, tensor in qwen.state_dict().items()
            if name in names
        }
        require_shapes(needed, {n: shards.shape(n) for n in shards if n in needed}, folder)
        fill_qwen(qwen, config, stored(shards, names), dtype, device, quantisation, packed)
    _log.info("loaded Qwen2.5-VL from %s (%s)", folder, quantisation)
    model = QwenVl(qwen, chat, end_ids=ends, repetition_penalty=penalty)
    return model.requires_grad_(False).eval()


def official_qwen_name(name: str) -> str:
    """Name under which transformers 4.51 saved a tensor of today's Qwen2.5-VL."""
    if name.startswith("model.visual."):
        return name.removeprefix("model.")
    return name.replace("model.language_model.", "model.", 1)


def qwen_config(
    content: Mapping[str, Any], folder: Path, model_types: Sequence[str] = MODEL_TYPES
) -> Qwen2_5_VLConfig:
    """Sizes of the Qwen2.5-VL in a folder's ``config.json``.

    Raises:
        ModelLoadError: they are of another model, or incomplete.
    """
    path = folder / "config.json"
    kind = content.get("model_type")
    if kind not in model_types:
        raise ModelLoadError(
            f"{path}: 'model_type' is '{kind}', but the checkpoint must have one of "
            f"{', '.join(model_types)}"
        )
    if not isinstance(content.get("vision_config"), dict):
        raise ModelLoadError(f"{path}: 'vision_config' is missing")
    own = ("model_type", "architectures", "auto_map", "spatial_config", "connector_config")
    try:
        return Qwen2_5_VLConfig(**{key: v for key, v in content.items() if key not in own})
    except Exception as error:  # transformers raises errors of many kinds for bad values
        raise ModelLoadError(f"{path} does not describe a Qwen2.5-VL: {error}") from error


def load_chat(config: Qwen2_5_VLConfig, folder: Path) -> QwenChat:
    """The chat format with a folder's tokenizer.

    Raises:
        ModelLoadError: tokenizer and configuration are of different checkpoints.
    """
    chat = QwenChat(load_qwen_tokenizer(folder), folder)
    text: Any = config.text_config
    if len(chat.tokenizer) > text.vocab_size or chat.video_id != config.video_token_id:
        raise ModelLoadError(
            f"the tokenizer in {folder} has {len(chat.tokenizer)} tokens with <|video_pad|> at "
            f"{chat.video_id}, but config.json says at most {text.vocab_size} and "
            f"{config.video_token_id}: they belong to different checkpoints"
        )
    return chat


def qwen_names(qwen: Qwen2_5_VLForConditionalGeneration, shards: Shards) -> dict[str, str]:
    """Name in the checkpoint of each tensor that Qwen2.5-VL takes from it."""
    # transformers 5 saves its own names; the published folders have those of 4.51.
    todays = any(name.startswith("model.language_model.") for name in shards)
    return {
        name: name if todays else official_qwen_name(name)
        for name in qwen.state_dict()
        if not (name == OUTPUT_NAME and qwen.config.tie_word_embeddings)
    }


def fill_qwen(
    qwen: Qwen2_5_VLForConditionalGeneration,
    config: Qwen2_5_VLConfig,
    tensors: Mapping[str, Any],
    dtype: torch.dtype,
    device: torch.device | str,
    quantisation: str,
    packed: PackedWeights | None,
) -> None:
    """Give a Qwen2.5-VL on the meta device its weights, the language model packed if asked for.

    Args:
        qwen: Empty.
        config: That it was built from.
        tensors: By their names in ``qwen``, as ``meta_fill.stored`` gives them.
        dtype: Of all parts.
        device: Where everything goes.
        quantisation: Of the language model's linear layers.
        packed: Where the language model's weights in NF4 may be kept, ready for use.
    """
    language = {name: one for name, one in tensors.items() if name.startswith(_LANGUAGE)}
    others = {name: one for name, one in tensors.items() if name not in language}
    fill(qwen, others, dtype=dtype, device=device)

    def build() -> nn.Module:
        with torch.device("meta"):
            return Qwen2_5_VLForConditionalGeneration(config).model.language_model

    def fill_from_checkpoint() -> nn.Module:
        own = {name.removeprefix(_LANGUAGE): one for name, one in language.items()}
        empty = qwen.model.language_model
        fill(empty, own, dtype=dtype, device=device, quantisation=quantisation)
        return empty

    qwen.model.language_model = load_or_pack(
        packed, build, fill_from_checkpoint, dtype, torch.device(device), quantisation
    )
    _finish(qwen, device)


def _finish(qwen: Qwen2_5_VLForConditionalGeneration, device: torch.device | str) -> None:
    """What is in no checkpoint: the tied output layer, and the frequencies of the rotations."""
    if qwen.config.tie_word_embeddings:
        qwen.lm_head.weight = qwen.get_input_embeddings().weight
    text, tower = qwen.model.language_model, qwen.model.visual
    text.rotary_emb = type(text.rotary_emb)(text.rotary_emb.config).to(device)
    tower.rotary_pos_emb = type(tower.rotary_pos_emb)(tower.config).to(device)


def generation_settings(folder: Path) -> tuple[tuple[int, ...], float]:
    """End tokens and repetition penalty of ``generation_config.json``, where there is one."""
    path = folder / "generation_config.json"
    if not path.is_file():
        return (), 1.0
    content = read_json(path)
    ends = content.get("eos_token_id", [])
    ends = ends if isinstance(ends, list) else [ends]
    penalty = content.get("repetition_penalty", 1.0)
    if not all(isinstance(end, int) for end in ends) or not isinstance(penalty, float | int):
        raise ModelLoadError(
            f"{path}: 'eos_token_id' must be a number or a list of numbers, and "
            "'repetition_penalty' a number"
        )
    return tuple(ends), float(penalty)
