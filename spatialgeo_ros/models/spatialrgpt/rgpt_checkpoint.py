# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Load SpatialRGPT from an official checkpoint folder (``a8cheng/SpatialRGPT-VILA1.5-8B``).

One folder with ``config.json`` and four parts in folders of their own: ``llm``, ``vision_tower``,
``mm_projector`` and ``region_extractor``. The names of a part's tensors carry no prefix.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers.models.llama.configuration_llama import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaForCausalLM, LlamaRotaryEmbedding
from transformers.models.siglip.configuration_siglip import SiglipVisionConfig
from transformers.models.siglip.modeling_siglip import SiglipVisionModel

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.files.meta_fill import fill, stored
from spatialgeo_ros.models.files.shards import Shards, read_json
from spatialgeo_ros.models.files.weights import require_shapes
from spatialgeo_ros.models.packed_weights import PackedWeights, load_or_pack
from spatialgeo_ros.models.quantise import require_number_types
from spatialgeo_ros.models.spatialrgpt.region_extractor import ImageProjector, RegionExtractor
from spatialgeo_ros.models.spatialrgpt.rgpt_model import SpatialRgpt

log = logging.getLogger(__name__)

LANGUAGE, TOWER, PROJECTOR, EXTRACTOR = "llm", "vision_tower", "mm_projector", "region_extractor"
#: float16 is left out: the pooling of a thin region divides by 1e-8, which is 0 there.
PRECISIONS = (torch.bfloat16, torch.float32)
# Settings that change what the network computes, and the only values that are implemented.
_REQUIRED: Mapping[str, Any] = {
    "model_type": "llava_llama",
    "image_aspect_ratio": "resize",
    "mm_vision_select_layer": -2,
    "mm_vision_select_feature": "cls_patch",
    "mm_use_im_start_end": False,
    "mm_use_im_patch_token": False,
    "enable_region": True,
    "enable_depth": True,
    "s2": False,
}
_KINDS = {
    PROJECTOR: ("mm_projector_type", "mlp_downsample"),
    EXTRACTOR: ("region_extractor_type", "regiongpt"),
    LANGUAGE: ("model_type", "llama"),
    TOWER: ("model_type", "siglip_vision_model"),
}
_TOWER_PREFIX = "vision_model."
# What is never used of the tower: the layers after the one whose output is taken, and the head.
_UNUSED = ("head.", "post_layernorm.")
_LONGEST = 4096  # where the published tokenizer cuts, unless llm/config.json says otherwise


def load_spatialrgpt(
    folder: str | Path,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.bfloat16,
    quantisation: str = "none",
    packed: PackedWeights | None = None,
) -> SpatialRgpt:
    """Load a checkpoint.

    Args:
        folder: with ``config.json`` and the folders of the four parts.
        device: where everything goes.
        dtype: of all parts: bfloat16 as published, or float32.
        quantisation: "none", "nf4" or "int8", for the linear layers of the language model.
        packed: where the language model's weights in NF4 may be kept, ready for use.

    Raises:
        ModelLoadError: names the file, key or tensor that is wrong.
    """
    folder = Path(folder)
    require_number_types("SpatialRGPT", dtype, PRECISIONS, quantisation)
    _check_root(folder)
    settings = {part: _part_settings(folder, part) for part in _KINDS}
    config = _language_config(settings[LANGUAGE], folder)

    def build() -> LlamaForCausalLM:
        with torch.device("meta"):
            return LlamaForCausalLM(config)

    def fill_from_checkpoint() -> LlamaForCausalLM:
        empty = build()
        _fill(folder, LANGUAGE, empty, dtype, device, quantisation)
        return empty

    language = load_or_pack(
        packed, build, fill_from_checkpoint, dtype, torch.device(device), quantisation
    )
    with torch.device("meta"):
        tower = SiglipVisionModel(_tower_config(settings[TOWER], folder))
        width, hidden = int(tower.config.hidden_size), int(language.config.hidden_size)
        extractor = RegionExtractor(width, hidden)
        projector = ImageProjector(width, hidden)
    _fill(folder, TOWER, tower, dtype, device)
    _fill(folder, PROJECTOR, projector, dtype, device)
    _fill(folder, EXTRACTOR, extractor, dtype, device)
    # No checkpoint holds the frequencies of the rotations, nor the positions of the patches.
    language.model.rotary_emb = LlamaRotaryEmbedding(language.config).to(device)
    positions = tower.embeddings.num_positions
    tower.embeddings.register_buffer(
        "position_ids", torch.arange(positions, device=device)[None], persistent=False
    )
    log.info("loaded SpatialRGPT from %s (%s)", folder, quantisation)
    mask_id, depth_id = _region_ids(settings[TOWER], language.config.vocab_size, folder)
    longest = settings[LANGUAGE].get("tokenizer_model_max_length", _LONGEST)
    model = SpatialRgpt(
        language, tower, extractor, projector,
        mask_id=mask_id, depth_id=depth_id, max_length=int(longest),
    )  # fmt: skip
    return model.requires_grad_(False).eval()


def end_ids(folder: str | Path) -> tuple[int, ...]:
    """Tokens that end an answer, by ``llm/generation_config.json``.

    The last turn of the training ended with another token than the earlier ones, so there are two.

    Raises:
        ModelLoadError: the file is missing or names none.
    """
    path = Path(folder) / LANGUAGE / "generation_config.json"
    ends = read_json(path).get("eos_token_id")
    ends = ends if isinstance(ends, list) else [ends]
    if not ends or not all(isinstance(end, int) for end in ends):
        raise ModelLoadError(f"{path}: 'eos_token_id' must be a number or a list of numbers")
    return tuple(ends)


def _check_root(folder: Path) -> None:
    path = folder / "config.json"
    content = read_json(path)
    for key, wanted in _REQUIRED.items():
        # What is absent has the published value, except where the reference's default differs.
        default = True if key == "mm_use_im_patch_token" else wanted
        value = content.get(key, default)
        if value != wanted:
            raise ModelLoadError(
                f"{path}: '{key}' is {value!r}, but only {wanted!r} is implemented: it is no "
                "checkpoint of SpatialRGPT"
            )


def _part_settings(folder: Path, part: str) -> dict[str, Any]:
    """``config.json`` of one part, checked to be of the kind that is implemented."""
    path = folder / part / "config.json"
    content = read_json(path)
    key, wanted = _KINDS[part]
    if content.get(key) != wanted:
        raise ModelLoadError(f"{path}: '{key}' is {content.get(key)!r}, not {wanted!r}")
    return content


def _language_config(content: Mapping[str, Any], folder: Path) -> LlamaConfig:
    settings = {key: content[key] for key in _LLAMA_SETTINGS if content.get(key) is not None}
    try:
        return LlamaConfig(**settings)
    except Exception as error:  # transformers raises errors of many kinds for bad values
        raise ModelLoadError(
            f"{folder / LANGUAGE}/config.json describes no LLaMA: {error}"
        ) from error


def _tower_config(content: Mapping[str, Any], folder: Path) -> SiglipVisionConfig:
    """Of the tower up to the layer whose output is taken, without its head."""
    path = folder / TOWER / "config.json"
    settings = {key: content[key] for key in _SIGLIP_SETTINGS if content.get(key) is not None}
    layers = settings.get("num_hidden_layers")
    if not isinstance(layers, int) or layers < 2:
        raise ModelLoadError(f"{path}: 'num_hidden_layers' must be at least 2, not {layers!r}")
    settings["num_hidden_layers"] = layers - 1
    try:
        return SiglipVisionConfig(**settings, vision_use_head=False)
    except Exception as error:
        raise ModelLoadError(f"{path} describes no SigLIP: {error}") from error


_LLAMA_SETTINGS = (
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
    "num_key_value_heads", "hidden_act", "max_position_embeddings", "rms_norm_eps", "rope_theta",
    "rope_scaling", "attention_bias", "tie_word_embeddings", "bos_token_id", "eos_token_id",
)  # fmt: skip
_SIGLIP_SETTINGS = (
    "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_channels",
    "image_size", "patch_size", "hidden_act", "layer_norm_eps",
)  # fmt: skip


def _fill(
    folder: Path,
    part: str,
    module: nn.Module,
    dtype: torch.dtype,
    device: torch.device | str,
    quantisation: str = "none",
) -> None:
    """Fill one part from its folder; a part that is missing is an error, never made up."""
    with Shards.from_folder(folder / part) as shards:
        prefix = _TOWER_PREFIX if part == TOWER else ""
        names = {name: prefix + name for name in module.state_dict()}
        unused = _unused_of_tower(module, shards) if isinstance(module, SiglipVisionModel) else ()
        names = {name: theirs for name, theirs in names.items() if theirs not in unused}
        needed = {names[n]: tuple(t.shape) for n, t in module.state_dict().items() if n in names}
        found = {name: shards.shape(name) for name in shards if name not in unused}
        require_shapes(needed, found, folder / part)
        tensors = stored(shards, names)
        fill(module, tensors, dtype=dtype, device=device, quantisation=quantisation)
    if isinstance(module, SiglipVisionModel):
        # Behind the layer whose output is taken.
        module.set_submodule("post_layernorm", nn.Identity())


def _unused_of_tower(tower: SiglipVisionModel, shards: Shards) -> set[str]:
    """Names in the checkpoint of what the shortened tower has no use for."""
    layers = tower.config.num_hidden_layers
    dropped = (*_UNUSED, f"encoder.layers.{layers}.", "embeddings.position_ids")
    start = tuple(_TOWER_PREFIX + name for name in dropped)
    return {name for name in shards if name.startswith(start)}


def _region_ids(tower: Mapping[str, Any], vocabulary: int, folder: Path) -> tuple[int, int]:
    """Ids of ``<mask>`` and ``<depth>``, which the tower's configuration carries."""
    found = []
    for key in ("llm_mask_token_id", "llm_depth_token_id"):
        value = tower.get(key)
        if not isinstance(value, int) or not 0 <= value < vocabulary:
            raise ModelLoadError(
                f"{folder / TOWER}/config.json: '{key}' must be a token of the language model's "
                f"{vocabulary}, not {value!r}"
            )
        found.append(value)
    return found[0], found[1]
