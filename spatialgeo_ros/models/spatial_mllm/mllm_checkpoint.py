# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Load Spatial-MLLM from an official checkpoint folder, of version 1.0 or 1.1.

A folder holds ``config.json``, sharded safetensors with their index, and Qwen's tokenizer files.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
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
from spatialgeo_ros.models.quantise import require_quantisation
from spatialgeo_ros.models.spatial_mllm.chat import QwenChat, load_qwen_tokenizer
from spatialgeo_ros.models.spatial_mllm.connector import Connector, EmbeddingMerger
from spatialgeo_ros.models.spatial_mllm.mllm_model import SpatialMllm
from spatialgeo_ros.models.spatial_mllm.window_attention import group_windows
from spatialgeo_ros.models.vggt import Vggt, vggt_from_state

_log = logging.getLogger(__name__)

PRECISIONS = (torch.bfloat16, torch.float16, torch.float32)
_MODEL_TYPES = ("spatial-mllm", "spatial_mllm", "qwen2_5_vl")
_CONNECTOR_TYPE = "mlp_add"
_OUTPUT = "lm_head.weight"
#: Of the language model in transformers' Qwen2.5-VL.
_LANGUAGE = "model.language_model."
_VGGT_HEADS = ("camera_head.", "point_head.", "depth_head.", "track_head.")


@dataclass(frozen=True)
class Family:
    """How a published version names its own parts.

    Attributes:
        version: "1.0" or "1.1".
        vggt: Prefix of VGGT's tensors.
        connector: Prefix of the connector's tensors.
        build: The connector's class.
    """

    version: str
    vggt: str
    connector: str
    build: Callable[[int, int], Connector | EmbeddingMerger]


FAMILIES = (
    Family("1.1", "spatial_encoder.vggt_model.", "connector.", Connector),
    Family("1.0", "vggt.", "vggt_embedding_merger.", EmbeddingMerger),
)


def load_spatial_mllm(
    folder: str | Path,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.bfloat16,
    quantisation: str = "none",
    geometry_heads: Collection[str] = (),
    packed: PackedWeights | None = None,
) -> SpatialMllm:
    """Load a checkpoint; its version is told by the names of its tensors.

    Args:
        folder: With ``config.json``, weights and tokenizer files.
        device: Where everything goes.
        dtype: Of all parts: bfloat16 as published, float16 or float32.
        quantisation: "none", "nf4" or "int8", for the linear layers of the language model. VGGT,
            the image tower, the connector and ``lm_head`` stay as they are.
        geometry_heads: Of VGGT to build too ("camera", "point", "depth"); answering needs none.
        packed: Where the language model's weights in NF4 may be kept, ready for use.

    Raises:
        ModelLoadError: Names the file, key or tensor that is wrong.
    """
    folder = Path(folder)
    if dtype not in PRECISIONS:
        raise ModelLoadError(f"Spatial-MLLM runs in bfloat16, float16 or float32, not in {dtype}")
    require_quantisation(quantisation)
    content = read_json(folder / "config.json")
    config = qwen_config(content, folder)
    layer = _connector_layer(content, folder)
    chat = load_chat(config, folder)
    ends, penalty = generation_settings(folder)
    with Shards.from_folder(folder) as shards:
        family = detect_family(shards, folder)
        vggt = _load_vggt(shards, family, folder, dtype, device, geometry_heads)
        with torch.device("meta"):
            qwen = Qwen2_5_VLForConditionalGeneration(config)
            group_windows(qwen.model.visual)
            connector = family.build(2 * vggt.config.embed_dim, qwen.lm_head.in_features)
        of_qwen = qwen_names(qwen, shards)
        connector_names = {name: family.connector + name for name in connector.state_dict()}
        _check(shards, ((qwen, of_qwen), (connector, connector_names)), family, folder)
        fill(connector, stored(shards, connector_names), dtype=dtype, device=device)
        tensors = stored(shards, of_qwen)
        language = {name: tensors.pop(name) for name in list(tensors) if name.startswith(_LANGUAGE)}
        fill(qwen, tensors, dtype=dtype, device=device)

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
    finish_qwen(qwen, device)
    _log.info("loaded Spatial-MLLM %s from %s (%s)", family.version, folder, quantisation)
    return SpatialMllm(
        qwen, vggt, connector, chat,
        layer=layer, end_ids=ends, repetition_penalty=penalty,
    ).requires_grad_(False).eval()  # fmt: skip


def detect_family(names: Collection[str], source: object) -> Family:
    """Version of a checkpoint, from the names of its tensors.

    Raises:
        ModelLoadError: They are of neither version, or of both.
    """
    found = [
        family
        for family in FAMILIES
        if any(name.startswith((family.vggt, family.connector)) for name in names)
    ]
    if len(found) == 1:
        return found[0]
    wanted = " or ".join(f"'{f.connector}*' with '{f.vggt}*' ({f.version})" for f in FAMILIES)
    raise ModelLoadError(
        f"{source} is no Spatial-MLLM checkpoint: it needs tensors {wanted} and has "
        f"{'both' if found else 'neither'}"
    )


def official_qwen_name(name: str) -> str:
    """Name under which transformers 4.51 saved a tensor of today's Qwen2.5-VL."""
    if name.startswith("model.visual."):
        return name.removeprefix("model.")
    return name.replace("model.language_model.", "model.", 1)


def qwen_config(content: Mapping[str, Any], folder: Path) -> Qwen2_5_VLConfig:
    """Sizes of the Qwen2.5-VL in a folder's ``config.json``.

    Raises:
        ModelLoadError: they are of another model, or incomplete.
    """
    path = folder / "config.json"
    kind = content.get("model_type")
    if kind not in _MODEL_TYPES:
        raise ModelLoadError(
            f"{path}: 'model_type' is '{kind}', but a Spatial-MLLM checkpoint has one of "
            f"{', '.join(_MODEL_TYPES)}"
        )
    if not isinstance(content.get("vision_config"), dict):
        raise ModelLoadError(f"{path}: 'vision_config' is missing")
    own = ("model_type", "architectures", "auto_map", "spatial_config", "connector_config")
    try:
        return Qwen2_5_VLConfig(**{key: v for key, v in content.items() if key not in own})
    except Exception as error:  # transformers raises errors of many kinds for bad values
        raise ModelLoadError(f"{path} does not describe a Qwen2.5-VL: {error}") from error


def _connector_layer(content: Mapping[str, Any], folder: Path) -> int:
    section = content.get("connector_config") or {}
    kind = section.get("connector_type", _CONNECTOR_TYPE)
    layer = section.get("spatial_embeds_layer_idx", -1)
    if kind != _CONNECTOR_TYPE or not isinstance(layer, int):
        raise ModelLoadError(
            f"{folder / 'config.json'}: 'connector_config' asks for a connector of type '{kind}' "
            f"on layer {layer!r}; only '{_CONNECTOR_TYPE}' on a numbered layer is known"
        )
    return layer


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
        if not (name == _OUTPUT and qwen.config.tie_word_embeddings)
    }


def _check(
    shards: Shards,
    parts: Sequence[tuple[nn.Module, Mapping[str, str]]],
    family: Family,
    folder: Path,
) -> None:
    """Names and shapes of all that is not VGGT's."""
    needed = {
        names[name]: tuple(tensor.shape)
        for module, names in parts
        for name, tensor in module.state_dict().items()
        if name in names
    }
    # A tied output layer that is saved all the same repeats the table: transformers ignores it too.
    found = {
        name: shards.shape(name)
        for name in shards
        if not name.startswith(family.vggt) and (name != _OUTPUT or name in needed)
    }
    require_shapes(needed, found, folder)


def finish_qwen(qwen: Qwen2_5_VLForConditionalGeneration, device: torch.device | str) -> None:
    """What is in no checkpoint: the tied output layer, and the frequencies of the rotations."""
    if qwen.config.tie_word_embeddings:
        qwen.lm_head.weight = qwen.get_input_embeddings().weight
    text, tower = qwen.model.language_model, qwen.model.visual
    text.rotary_emb = type(text.rotary_emb)(text.rotary_emb.config).to(device)
    tower.rotary_pos_emb = type(tower.rotary_pos_emb)(tower.config).to(device)


def _load_vggt(
    shards: Shards,
    family: Family,
    folder: Path,
    dtype: torch.dtype,
    device: torch.device | str,
    heads: Collection[str],
) -> Vggt:
    unread = tuple(head for head in _VGGT_HEADS if head.removesuffix("_head.") not in heads)
    state = {
        name.removeprefix(family.vggt): shards[name]
        for name in shards
        if name.startswith(family.vggt) and not name.removeprefix(family.vggt).startswith(unread)
    }
    return vggt_from_state(state, f"{folder} ({family.vggt}*)", dtype, heads=heads, device=device)


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
