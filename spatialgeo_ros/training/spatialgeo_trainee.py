# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SpatialGeo's two stages and fine-tuning with LoRA: what learns, its loss, and its files.

Towers stay frozen. The first stage learns the projectors of MoGe's layers beside LLaVA; the second
low-rank updates of the language model and all projectors (arXiv 2511.17308).
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spatialgeo_ros.errors import BadRequestError, ModelLoadError
from spatialgeo_ros.models.backbones import Dinov2Backbone
from spatialgeo_ros.models.fusion import IGNORE_LABEL, HierarchicalAdapter, draw_keep_clip
from spatialgeo_ros.models.llava.llava_checkpoint import load_llava
from spatialgeo_ros.models.llava.vision import load_moge_tower
from spatialgeo_ros.models.moge.moge1 import MoGe1
from spatialgeo_ros.models.spatialgeo import SpatialGeoModel
from spatialgeo_ros.training.llava_data import ImageBatch
from spatialgeo_ros.training.published_files import (
    LANGUAGE_PREFIX,
    write_first_stage,
    write_second_stage,
)
from spatialgeo_ros.training.recipe import (
    CLIP_PROJECTOR,
    LORA,
    MOGE_PROJECTORS,
    LoraSettings,
    SpatialGeoRecipe,
)
from spatialgeo_ros.training.trainee import Trainee

#: Of new projectors, as transformers initialises a LLaVA's missing layers.
_INITIAL_STD = 0.02
_SUMMED = 4  # layers of MoGe that SpatialGeo reads


def load_start(
    recipe: SpatialGeoRecipe,
    base: Path,
    adapter: Path | None,
    clip: Path,
    tower: Path | None,
    device: torch.device | str,
) -> SpatialGeoModel:
    """Load what a training starts from; nothing of it learns yet.

    Args:
        recipe: says in which precision, and whether the language model is packed.
        base: LLaVA-1.5, or a merged SpatialGeo.
        adapter: folder with the first stage's ``moge_mm_projector_list.bin``, or None.
        clip: CLIP's folder.
        tower: MoGe v1's backbone; None only for a merged checkpoint that carries it.
        device: where it goes.

    Raises:
        ModelLoadError: see ``load_llava``.
        BadRequestError: the adapter is one of LoRA, which has to be merged first.
    """
    if adapter is not None and (adapter / "adapter_config.json").is_file():
        raise BadRequestError(
            f"{adapter} holds low-rank updates; new ones are trained on a merged checkpoint: "
            f"spatialgeo train spatialgeo merge --base {base} --adapter {adapter} ..."
        )
    bf16 = recipe.optimisation.precision == "bf16"
    dtype = torch.bfloat16 if bf16 else torch.float32
    packing = recipe.lora.quantisation if LORA in recipe.trained else "none"
    if MOGE_PROJECTORS not in recipe.trained or adapter is not None or _has_projectors(base):
        return load_llava(base, adapter, clip, tower, device=device, dtype=dtype,
                          quantisation=packing)  # fmt: skip
    if tower is None:
        raise ModelLoadError(
            f"{base} has no projectors for MoGe, so training them needs its tower: name "
            "vit_model.pt, or the model.pt of MoGe v1, with --tower"
        )
    if LORA in recipe.trained:
        raise BadRequestError(
            "the second stage starts from the first one's projectors: name its folder with "
            "--adapter"
        )
    plain = load_llava(base, None, clip, None, device=device, dtype=dtype, quantisation=packing)
    geometry = load_moge_tower(tower, torch.device(device), dtype)
    plain.geometry = geometry
    plain.adapter = _with_new_projectors(plain.adapter, geometry, recipe.optimisation.seed)
    return plain


def _has_projectors(base: Path) -> bool:
    from spatialgeo_ros.models.files.shards import Shards

    with Shards.from_folder(base) as shards:
        return any("moge_mm_projector_list." in name for name in shards)


def _with_new_projectors(old: HierarchicalAdapter, geometry: Any, seed: int) -> HierarchicalAdapter:
    """An adapter with the old one's CLIP projector and random ones for MoGe's layers."""
    backbone = geometry.backbone if isinstance(geometry, MoGe1) else geometry
    if not isinstance(backbone, Dinov2Backbone) or len(backbone.layers) != _SUMMED:
        raise ModelLoadError(f"the tower is no MoGe v1 with {_SUMMED} layers to read")
    first = old.mm_projector[0]
    assert isinstance(first, nn.Linear)
    new = HierarchicalAdapter(first.in_features, backbone.dim, old.hidden_size, layers=_SUMMED)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in new.moge_mm_projector_list.modules():
            if isinstance(module, nn.Linear):
                module.weight.normal_(0.0, _INITIAL_STD, generator=generator)
                module.bias.zero_()
    new.mm_projector = old.mm_projector
    return new.to(first.weight.device).requires_grad_(False)


class SpatialGeoTrainee(Trainee):
    """SpatialGeo in training.

    Args:
        model: from :func:`load_start`.
        recipe: what learns.
        source: named in the adapter's configuration: what it was trained on.
        config: ``config.json`` of the base, for the result's.

    Raises:
        ModelLoadError: low-rank updates are asked for and peft is not installed.
    """

    def __init__(
        self, model: SpatialGeoModel, recipe: SpatialGeoRecipe, source: str, config: dict[str, Any]
    ) -> None:
        super().__init__()
        towers = {"clip": model.vision_tower, "moge": model.geometry}
        self.towers = nn.ModuleDict({k: one for k, one in towers.items() if one is not None})
        self._model = [model]  # in a list: its parts are registered here under their own names
        self.adapter = model.adapter
        self.recipe, self._source, self._config = recipe, source, config
        self._draws = random.Random(recipe.optimisation.seed)
        if recipe.optimisation.checkpointing:
            how = {"use_reentrant": False}
            model.language_model.gradient_checkpointing_enable(how)
        self.language: nn.Module = model.language_model
        if LORA in recipe.trained:
            self.language = with_low_rank_updates(model.language_model, recipe.lora)
        for part, name in ((MOGE_PROJECTORS, "moge_mm_projector_list"),
                           (CLIP_PROJECTOR, "mm_projector")):  # fmt: skip
            if part in recipe.trained:
                getattr(self.adapter, name).requires_grad_(True)
        if MOGE_PROJECTORS in recipe.trained and not self.adapter.layers:
            raise BadRequestError("there are no projectors of MoGe to train: name --tower")
        self.adapter.float()  # what learns is kept in float32, and all of it is projected alike

    def train(self, mode: bool = True) -> SpatialGeoTrainee:
        """Put what learns into training mode; towers stay as they are used."""
        super().train(mode)
        self.towers.eval()
        return self

    def go_to(self, samples: int) -> None:
        """Draw the feature dropping of the samples before."""
        self._draws = random.Random(self.recipe.optimisation.seed)
        draw_keep_clip(samples, self._draws)

    def forward(self, batch: ImageBatch) -> Tensor:
        """Mean cross-entropy over the learnt tokens of a batch."""
        model, recipe = self._model[0], self.recipe
        device = next(self.adapter.parameters()).device
        # One draw for each sample, whether it has an image or not, as the published code draws.
        drawn = draw_keep_clip(batch.size, self._draws, recipe.drop_probability)
        visual: list[Tensor] = []
        unused: Tensor | float = 0.0
        if len(batch.pixels):
            with torch.no_grad():
                seen = model.encode_images(batch.pixels.to(device), normalised=True, predict=False)
            keep = [drawn[k] for k in batch.slots]
            tokens, valid = model.visual_embeds(seen.clip_features, seen.moge_features, keep)
            visual = [one if valid is None else one[valid[k]] for k, one in enumerate(tokens)]
        else:  # all processes expect gradients of the same parameters
            unused = sum(p.sum() * 0.0 for p in self.adapter.parameters() if p.requires_grad)
        text = batch.text
        prepared = model.prepare_inputs(
            text.input_ids.to(device), visual,
            attention_mask=text.attention_mask.to(device), labels=text.labels.to(device),
            max_length=recipe.max_length,
        )  # fmt: skip
        hidden = model.language_model.model(
            inputs_embeds=prepared.inputs_embeds,
            attention_mask=prepared.attention_mask,
            use_cache=False,
        ).last_hidden_state
        assert prepared.labels is not None
        return token_loss(model.language_model.lm_head, hidden, prepared.labels) + unused

    def write(self, folder: Path, state: Mapping[str, Tensor]) -> None:
        """Write the first stage's list, or the second's adapter with its projectors."""
        kind = torch.bfloat16 if self.recipe.optimisation.precision == "bf16" else torch.float32
        projectors = {
            name.removeprefix("adapter."): tensor.to(kind)
            for name, tensor in state.items()
            if name.startswith("adapter.")
        }
        if LORA not in self.recipe.trained:
            write_first_stage(folder, projectors, self._config)
            return
        updates = {
            name.removeprefix("language."): tensor
            for name, tensor in state.items()
            if name.startswith("language.")
        }
        write_second_stage(
            folder, updates, projectors, self._config, self.recipe.lora, self._source
        )


def token_loss(head: nn.Module, hidden: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of the tokens that are learnt; 0 where there is none.

    Logits are computed of the places that count alone: a vocabulary of 32,000 or 152,000 for every
    visual token would take more memory than the weights.

    Args:
        head: gives logits.
        hidden: ``[B, T, D]``.
        labels: ``[B, T]``, -100 where nothing is learnt.
    """
    following = labels[:, 1:]
    counted = following != IGNORE_LABEL
    logits = head(hidden[:, :-1][counted]).float()
    total = F.cross_entropy(logits, following[counted], reduction="sum")
    return total / max(1, int(counted.sum()))


def with_low_rank_updates(model: Any, settings: LoraSettings) -> nn.Module:
    """Put low-rank updates beside every linear layer of a language model, ``lm_head`` excepted.

    Raises:
        ModelLoadError: peft is not installed.
    """
    try:
        from peft import LoraConfig, get_peft_model
    except ModuleNotFoundError as error:
        raise ModelLoadError(
            f"{error.name} is not installed; low-rank updates need it: "
            "pip install 'spatialgeo_ros[train]'"
        ) from error
    targets = sorted(
        {name.split(".")[-1] for name, one in model.named_modules() if isinstance(one, nn.Linear)}
        - {"lm_head"}
    )
    config = LoraConfig(
        r=settings.rank, lora_alpha=settings.alpha, lora_dropout=settings.dropout,
        target_modules=targets, bias="none", task_type="CAUSAL_LM",
    )  # fmt: skip
    if settings.quantisation == "nf4":
        model.is_loaded_in_4bit = True  # peft asks for it, and gradients go through packed layers
    wrapped: nn.Module = get_peft_model(model, config)
    for name, parameter in wrapped.named_parameters():
        if "lora_" in name:
            parameter.data = parameter.data.float()
    assert all(LANGUAGE_PREFIX in name for name, p in wrapped.named_parameters() if p.requires_grad)
    return wrapped
