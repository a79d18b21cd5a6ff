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
from transformers import Qwen2_5_VLForConditionalGeneration

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.files.meta_fill import fill, stored
from spatialgeo_ros.models.files.shards import Shards, read_json
from spatialgeo_ros.models.files.weights import require_shapes
from spatialgeo_ros.models.packed_weights import PackedWeights
from spatialgeo_ros.models.quantise import require_number_types
from spatialgeo_ros.models.spatial_mllm.connector import Connector, EmbeddingMerger
from spatialgeo_ros.models.spatial_mllm.mllm_model import SpatialMllm
from spatialgeo_ros.models.spatial_mllm.qwen_checkpoint import (
    OUTPUT_NAME,
    PRECISIONS,
    fill_qwen,
    generation_settings,
    load_chat,
    qwen_config,
    qwen_names,
)
from spatialgeo_ros.models.spatial_mllm.window_attention import group_windows
from spatialgeo_ros.models.vggt import Vggt, vggt_from_state

_log = logging.getLogger(__name__)

_MODEL_TYPES = ("spatial-mllm", "spatial_mllm", "qwen2_5_vl")
_CONNECTOR_TYPE = "mlp_add"
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
    require_number_types("Spatial-MLLM", dtype, PRECISIONS, quantisation)
    content = read_json(folder / "config.json")
    config = qwen_config(content, folder, _MODEL_TYPES)
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
        fill_qwen(
            qwen, config, stored(shards, of_qwen), dtype, device, quantisation, packed
        )  # fmt: skip
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
        if not name.startswith(family.vggt) and (name != OUTPUT_NAME or name in needed)
    }
    require_shapes(needed, found, folder)


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
