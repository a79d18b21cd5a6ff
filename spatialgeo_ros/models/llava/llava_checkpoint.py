# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""LLaVA-1.5 and SpatialGeo from their published files, in one copy of memory.

Layouts taken: LLaVA's base checkpoint (its own names or those of transformers' conversion); on top
of it SpatialGeo's stage 1 (``moge_mm_projector_list.bin``) or stage 2 (a PEFT adapter with
``non_lora_trainables.bin``); or a merged checkpoint, which may carry copies of the towers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.backbones import Dinov2Backbone
from spatialgeo_ros.models.files.meta_fill import Stored, fill
from spatialgeo_ros.models.files.shards import Shards
from spatialgeo_ros.models.files.weights import require_shapes
from spatialgeo_ros.models.fusion import HierarchicalAdapter
from spatialgeo_ros.models.llava.layouts import (
    LlavaConfig,
    Part,
    read_llava_config,
    require_same_base,
    sort_names,
    strip_peft,
)
from spatialgeo_ros.models.llava.lora import ADAPTER_CONFIG, Lora, open_lora
from spatialgeo_ros.models.llava.vision import (
    fill_from_state,
    load_clip_vision,
    load_moge_backbone,
    load_moge_tower,
)
from spatialgeo_ros.models.moge.moge1 import MoGe1
from spatialgeo_ros.models.packed_weights import PackedWeights, load_or_pack
from spatialgeo_ros.models.quantise import require_quantisation
from spatialgeo_ros.models.spatialgeo import SpatialGeoModel

log = logging.getLogger(__name__)

NON_LORA = "non_lora_trainables.bin"
# Projectors alone: of SpatialGeo's first stage, and of LLaVA's.
PROJECTOR_FILES = ("moge_mm_projector_list.bin", "mm_projector.bin")


def load_llava(
    base: Path,
    adapter: Path | None,
    clip: Path,
    tower: Path | None,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float16,
    tower_dtype: torch.dtype | None = None,
    quantisation: str = "none",
    packed: PackedWeights | None = None,
) -> SpatialGeoModel:
    """Load SpatialGeo, or LLaVA-1.5 where neither base nor adapter has MoGe projectors.

    Tensors are read, merged with the adapter, packed and placed one at a time: memory holds one
    copy of the result and the largest tensor. LoRA updates are added in float32 and rounded to the
    dtype of the base, as merging and saving would; packing follows merging. What stays unquantised
    is said in ``quantise``: ``lm_head``, embeddings, norms, projectors and both towers.

    Args:
        base: Folder of LLaVA-1.5 or of a merged checkpoint: ``config.json`` and weights.
        adapter: Folder of SpatialGeo's stage 1 or 2 for that base, or None.
        clip: Folder of the CLIP model whose image tower is used.
        tower: MoGe v1's backbone (``vit_model.pt``) or the complete MoGe v1 (``model.pt``), whose
            heads are kept: ``model.geometry`` is then a ``MoGe1``. None for plain LLaVA, or to
            take the copy that a merged checkpoint carries.
        device: Where it will run.
        dtype: Of weights and computation.
        tower_dtype: Of the image towers, where it shall be another one.
        quantisation: Of the language model: "none", "nf4" or "int8".
        packed: Where its weights in NF4 may be kept, ready for use.

    Raises:
        ModelLoadError: Names the file, setting or tensor that is missing, damaged, of another
            shape, not finite, or for another base.
    """
    require_quantisation(quantisation)
    device, tower_dtype = torch.device(device), tower_dtype or dtype
    with ExitStack() as stack:
        weights = _open(base, adapter, stack)
        config = weights.config
        projectors = _adapter_shape(weights)
        vision = load_clip_vision(clip, device, tower_dtype)
        if vision.dim != config.clip_dim:
            raise ModelLoadError(
                f"{clip} has features of width {vision.dim}, but {base} was trained with "
                f"{config.clip_dim}: it is another CLIP"
            )
        geometry = _geometry(weights, projectors, base, tower, device, tower_dtype)
        language = _language(weights, base, device, dtype, quantisation, packed)
        fusion = _adapter(weights, projectors, base, device, dtype)
    # LLaVA's training cut prompts at 2,048 (tokenizer_model_max_length), which two images of 1,152
    # tokens exceed; LLaMA 2 below it was trained with all its positions.
    positions = int(language.config.max_position_embeddings)
    model = SpatialGeoModel(language, fusion, vision, geometry, max_length=positions)
    return model.requires_grad_(False).eval()


@dataclass
class _Weights:
    """Where each tensor comes from; files opened later replace tensors of earlier ones."""

    config: LlavaConfig
    read: dict[Part, dict[str, Callable[[], Tensor]]] = field(
        default_factory=lambda: {part: {} for part in Part}
    )
    shapes: dict[Part, dict[str, tuple[int, ...]]] = field(
        default_factory=lambda: {part: {} for part in Part}
    )
    lora: Lora | None = None

    def add(self, shards: Shards, names: dict[str, str], source: Path) -> None:
        """Add tensors; ``names`` maps their names in LLaVA's layout to the stored ones."""
        for part, found in sort_names(names, source).items():
            for name, outer in found.items():
                stored = names[outer]
                self.read[part][name] = partial(shards.__getitem__, stored)
                self.shapes[part][name] = shards.shape(stored)


def _open(base: Path, adapter: Path | None, stack: ExitStack) -> _Weights:
    weights = _Weights(read_llava_config(base))
    shards = stack.enter_context(Shards.from_folder(base))
    weights.add(shards, {name: name for name in shards}, base)
    copies = weights.shapes[Part.DUPLICATE]
    if copies:
        log.info("%s: %d tensors are copies of image towers, left out", base, len(copies))
    if adapter is None:
        return weights
    if not adapter.is_dir():
        raise ModelLoadError(f"adapter folder {adapter} does not exist; download it first")
    require_same_base(weights.config, adapter)
    if (adapter / ADAPTER_CONFIG).is_file():
        weights.lora = open_lora(adapter)
        stack.enter_context(weights.lora.shards)
        weights.lora.require_shapes(weights.shapes[Part.LANGUAGE])
        extra = stack.enter_context(Shards([adapter / NON_LORA]))
        weights.add(extra, strip_peft(extra), adapter / NON_LORA)
        return weights
    files = [adapter / name for name in PROJECTOR_FILES if (adapter / name).is_file()]
    if not files:
        raise ModelLoadError(
            f"{adapter} is no adapter: it holds none of {ADAPTER_CONFIG}, "
            f"{', '.join(PROJECTOR_FILES)}"
        )
    for path in files:
        extra = stack.enter_context(Shards([path]))
        weights.add(extra, {name: name for name in extra}, path)
    return weights


def _adapter_shape(weights: _Weights) -> HierarchicalAdapter:
    """Build the adapter without memory, in the shape of the projectors that are there."""
    shapes = weights.shapes[Part.ADAPTER]
    indices = {name.split(".")[1] for name in shapes if name.startswith("moge_")}
    first = shapes.get("moge_mm_projector_list.0.0.weight", (0, 0))
    with torch.device("meta"):
        return HierarchicalAdapter(
            weights.config.clip_dim,
            first[-1],
            int(LlamaConfig(**weights.config.language).hidden_size),
            layers=len(indices),
        )


def _adapter(
    weights: _Weights,
    empty: HierarchicalAdapter,
    base: Path,
    device: torch.device,
    dtype: torch.dtype,
) -> HierarchicalAdapter:
    needed = {name: tuple(tensor.shape) for name, tensor in empty.state_dict().items()}
    require_shapes(needed, weights.shapes[Part.ADAPTER], f"{base} with its adapter")
    state = {name: read() for name, read in weights.read[Part.ADAPTER].items()}
    return fill_from_state(empty, state, base, device, dtype)


def _geometry(
    weights: _Weights,
    adapter: HierarchicalAdapter,
    base: Path,
    tower: Path | None,
    device: torch.device,
    dtype: torch.dtype,
) -> MoGe1 | Dinov2Backbone | None:
    layers = adapter.layers
    if layers == 0:
        if tower is not None:
            raise ModelLoadError(
                f"{base} has no projectors for MoGe (moge_mm_projector_list), so {tower} is of no "
                "use to it: add SpatialGeo's adapter, or load LLaVA without a tower"
            )
        return None
    if tower is not None:
        geometry = load_moge_tower(tower, device, dtype)
    elif copy := weights.read[Part.MOGE_TOWER]:
        state = {name: read() for name, read in copy.items()}
        geometry = load_moge_backbone(state, base, device, dtype)
    else:
        raise ModelLoadError(
            f"{base} carries no MoGe tower: name vit_model.pt, or the model.pt of MoGe v1"
        )
    backbone = geometry.backbone if isinstance(geometry, MoGe1) else geometry
    width = weights.shapes[Part.ADAPTER]["moge_mm_projector_list.0.0.weight"][-1]
    fits = isinstance(backbone, Dinov2Backbone) and len(backbone.layers) == layers
    if not fits or backbone.dim != width:
        raise ModelLoadError(
            f"{tower or base} has features of width {backbone.dim}, but the projectors take "
            f"{layers} layers of width {width}: it is another MoGe"
        )
    return geometry


def _language(
    weights: _Weights,
    base: Path,
    device: torch.device,
    dtype: torch.dtype,
    quantisation: str,
    packed: PackedWeights | None,
) -> LlamaForCausalLM:
    """Fill the language model one tensor at a time, packing layers as they come."""
    config = LlamaConfig(**weights.config.language)

    def build() -> LlamaForCausalLM:
        with torch.device("meta"):
            return LlamaForCausalLM(config)

    model = build()
    needed = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    require_shapes(needed, weights.shapes[Part.LANGUAGE], base)

    def fill_from_checkpoint() -> LlamaForCausalLM:
        read = weights.read[Part.LANGUAGE]
        tensors = {name: Stored(read[name], name, base) for name in needed}
        merge = None if weights.lora is None else weights.lora.merge
        fill(model, tensors, dtype=dtype, device=device, quantisation=quantisation, merge=merge)
        return model

    model = load_or_pack(packed, build, fill_from_checkpoint, dtype, device, quantisation)
    # No checkpoint holds its frequencies.
    model.model.rotary_emb = LlamaRotaryEmbedding(config).to(device)
    lora = "" if weights.lora is None else f", {len(weights.lora.pairs)} LoRA updates merged"
    log.info("loaded language model from %s (quantisation %s%s)", base, quantisation, lora)
    return model.eval()
