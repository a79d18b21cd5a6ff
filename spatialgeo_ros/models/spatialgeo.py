# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SpatialGeo: CLIP and MoGe towers, the hierarchical adapter, and a LLaMA language model.

The same class serves the 7B checkpoint and the nano profile. Encoding is separate from asking: the
towers run once per frame, and their features (or the embeddings made of them) are what is cached.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.backbones import Dinov2Backbone
from spatialgeo_ros.models.clip import ClipVisionTower
from spatialgeo_ros.models.fusion import (
    IGNORE_LABEL,
    REGION_ID,
    HierarchicalAdapter,
    PreparedInputs,
    prepare_inputs,
    visual_tokens,
)
from spatialgeo_ros.models.moge import MoGe2

NANO_LANGUAGE_CONFIG: dict[str, Any] = {
    "hidden_size": 192,
    "intermediate_size": 512,
    "num_hidden_layers": 4,
    "num_attention_heads": 6,
    "max_position_embeddings": 512,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
    "tie_word_embeddings": False,
    # 1 / sqrt(hidden size); LLaMA's 0.02 is for widths of thousands and leaves this one asleep.
    "initializer_range": 0.07,
}

NANO_ADAPTER_CONFIG: dict[str, Any] = {
    "clip_dim": 192,
    "moge_dim": 160,
    "hidden_size": 192,
    "region_tokens": True,
    "unit_scale": True,
}


@dataclass
class EncodedImages:
    """What the two towers saw in a batch of images; frozen towers, so this can be cached.

    Attributes:
        clip_features: ``[B, P, Dc]``.
        moge_features: Four layers, earliest first, each ``[B, P, Dm]``.
        geometry: MoGe's raw predictions (``MoGe2.forward``) where the geometry tower has heads.
    """

    clip_features: Tensor
    moge_features: list[Tensor]
    geometry: dict[str, Any] | None = None


class SpatialGeoModel(nn.Module):
    """The network of SpatialGeo; towers may be absent when features come from a cache."""

    def __init__(
        self,
        language: Mapping[str, Any] | LlamaForCausalLM,
        adapter: Mapping[str, Any],
        vision_tower: ClipVisionTower | None = None,
        geometry: MoGe2 | Dinov2Backbone | None = None,
        *,
        num_tokens: int | None = None,
    ) -> None:
        """Assemble the network.

        Args:
            language: Arguments of ``LlamaConfig``, or a model that is already built (quantised).
            adapter: Arguments of ``HierarchicalAdapter``.
            vision_tower: CLIP.
            geometry: Either a complete MoGe-2, which normalises the image itself and also predicts
                the point map, or a bare DINOv2 as in the published SpatialGeo, which is given the
                same CLIP-normalised pixels as CLIP.
            num_tokens: Patches for MoGe-2; must give CLIP's grid.

        Raises:
            ModelLoadError: A MoGe-2 without ``num_tokens``.
        """
        super().__init__()
        if isinstance(geometry, MoGe2) and num_tokens is None:
            raise ModelLoadError("a SpatialGeo profile with MoGe heads must state num_tokens")
        self.vision_tower = vision_tower
        self.geometry = geometry
        self.num_tokens = num_tokens
        self.adapter = HierarchicalAdapter(**adapter)
        self.language_model = (
            language
            if isinstance(language, LlamaForCausalLM)
            else LlamaForCausalLM(LlamaConfig(**language))
        )

    def encode_images(
        self, image: Tensor, prior: Tensor | None = None, *, normalised: bool = False
    ) -> EncodedImages:
        """Run both towers once.

        Args:
            image: ``[B, 3, H, W]`` RGB in [0, 1].
            prior: Camera prior ``[B, 4, H, W]`` for a MoGe-2 that takes one.
            normalised: ``image`` is CLIP-normalised already (official preprocessing).

        Raises:
            ModelLoadError: The model was built without towers.
            ValueError: ``normalised`` pixels for a MoGe-2, or the towers' grids differ.
        """
        if self.vision_tower is None or self.geometry is None:
            raise ModelLoadError("this model was loaded without its image towers")
        pixels = image if normalised else self.vision_tower.normalise(image)
        clip_features = self.vision_tower(pixels)
        predictions: dict[str, Any] | None = None
        if isinstance(self.geometry, MoGe2):
            if normalised or self.num_tokens is None:
                raise ValueError("MoGe-2 takes the image in [0, 1], not CLIP-normalised pixels")
            predictions = self.geometry(image, self.num_tokens, prior, upsample=False)
            moge_features = predictions["features"].tokens()
        else:
            moge_features = self.geometry(pixels).tokens()
        if moge_features[0].shape[1] != clip_features.shape[1]:
            raise ValueError(
                f"CLIP has {clip_features.shape[1]} patches but MoGe {moge_features[0].shape[1]}"
            )
        return EncodedImages(clip_features, moge_features, predictions)

    def visual_embeds(
        self,
        clip_features: Tensor,
        moge_features: Sequence[Tensor],
        keep_clip: Sequence[bool] | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Features to interleaved tokens ``[B, 2P, D]`` and validity; see ``visual_tokens``."""
        return visual_tokens(
            self.adapter.project_clip(clip_features),
            self.adapter.project_moge(moge_features),
            keep_clip,
        )

    def prepare_inputs(
        self, input_ids: Tensor, image_embeds: Sequence[Tensor], **options: Any
    ) -> PreparedInputs:
        """``fusion.prepare_inputs`` with this model's embedding table."""
        return prepare_inputs(
            self.language_model.get_input_embeddings(), input_ids, image_embeds, **options
        )

    def text_embeds(
        self,
        input_ids: Tensor,
        region_embeds: Tensor | None = None,
        region_slots: Tensor | None = None,
    ) -> Tensor:
        """Token ids ``[B, T]`` to embeddings ``[B, T, D]``, region placeholders filled in.

        Args:
            input_ids: With -201 where a region token goes; no image placeholders.
            region_embeds: ``[B, R, D]`` of the regions of each row's frame.
            region_slots: ``[B, T]`` index into R at the placeholders, anything elsewhere.

        Raises:
            ValueError: A region placeholder without ``region_embeds`` and ``region_slots``.
        """
        embedded = self.language_model.get_input_embeddings()(input_ids.clamp(min=0))
        is_region = input_ids == REGION_ID
        if region_embeds is None or region_slots is None:
            if is_region.any():
                raise ValueError("region placeholders need region_embeds and region_slots")
            return embedded
        index = region_slots.masked_fill(~is_region, 0)[..., None]
        regions = region_embeds.gather(1, index.expand(-1, -1, region_embeds.shape[-1]))
        return torch.where(is_region[..., None], regions.to(embedded), embedded)

    def prefix(
        self, visual: Tensor, valid: Tensor | None = None, before_ids: Sequence[int] = ()
    ) -> tuple[Tensor, Tensor | None]:
        """The shared start of every question about a frame: leading text ids, then visual tokens.

        Args:
            visual: ``[B, V, D]``.
            valid: ``[B, V]`` bool or None, as from ``visual_embeds``.
            before_ids: Ids before the image in the prompt, the beginning-of-sequence id at least.
        """
        if not before_ids:
            return visual, valid
        ids = torch.tensor([list(before_ids)], device=visual.device)
        leading = self.language_model.get_input_embeddings()(ids).to(visual)
        leading = leading.expand(visual.shape[0], -1, -1)
        if valid is not None:
            valid = torch.cat([valid.new_ones(leading.shape[:2]), valid], dim=1)
        return torch.cat([leading, visual], dim=1), valid

    def forward_packed(
        self,
        prefix: Tensor,
        text: Tensor,
        block_ids: Tensor,
        *,
        prefix_valid: Tensor | None = None,
        select: Tensor | None = None,
    ) -> Tensor:
        """Many questions about each frame in one pass, sharing its visual prefix.

        Equal to running every block alone after its prefix, at the cost of one prefix per frame.

        Args:
            prefix: ``[B, V, D]`` from ``prefix``; valid tokens first.
            text: ``[B, T, D]`` from ``text_embeds``: the blocks of a row one after the other.
            block_ids: ``[B, T]`` number of each position's block; -1 is padding at the end.
            prefix_valid: ``[B, V]`` bool; None when all are.
            select: ``[B, T]`` bool positions whose logits are wanted; None gives all.

        Returns:
            Logits ``[B, T, vocabulary]``, or ``[N, vocabulary]`` of the selected positions in
            row-major order. Position t predicts token t + 1 (``next_token_targets``).
        """
        length = prefix.shape[1]
        embeds = torch.cat([prefix, text.to(prefix)], dim=1)
        hidden = self.language_model.model(
            inputs_embeds=embeds,
            attention_mask=packed_attention_mask(block_ids, length, prefix_valid, embeds.dtype),
            position_ids=packed_position_ids(block_ids, length, prefix_valid),
            use_cache=False,
        ).last_hidden_state[:, length:]
        return self.language_model.lm_head(hidden if select is None else hidden[select])


def packed_attention_mask(
    block_ids: Tensor, prefix_length: int, prefix_valid: Tensor | None, dtype: torch.dtype
) -> Tensor:
    """Additive mask ``[B, 1, V + T, V + T]``: causal, and blocks do not see each other.

    Every position sees itself, so that padded rows have no empty softmax.
    """
    batch, text_length = block_ids.shape
    total = prefix_length + text_length
    # The prefix is a block of its own that everybody sees; block -1 (padding) is seen by itself.
    prefix_block = block_ids.new_full((batch, prefix_length), -2)
    blocks = torch.cat([prefix_block, block_ids], dim=1)
    is_prefix = blocks == -2
    if prefix_valid is not None:
        is_prefix[:, :prefix_length] &= prefix_valid
    visible = (blocks[:, :, None] == blocks[:, None, :]) & (blocks[:, None, :] != -2)
    visible |= is_prefix[:, None, :]
    causal = torch.ones((total, total), dtype=torch.bool, device=blocks.device).tril()
    visible &= causal
    visible |= torch.eye(total, dtype=torch.bool, device=blocks.device)
    mask = torch.zeros((batch, total, total), dtype=dtype, device=blocks.device)
    return mask.masked_fill(~visible, torch.finfo(dtype).min)[:, None]


def packed_position_ids(
    block_ids: Tensor, prefix_length: int, prefix_valid: Tensor | None
) -> Tensor:
    """Positions ``[B, V + T]``: each block continues from the end of the valid prefix."""
    batch, text_length = block_ids.shape
    index = torch.arange(text_length, device=block_ids.device)
    starts = torch.ones_like(block_ids, dtype=torch.bool)
    starts[:, 1:] = block_ids[:, 1:] != block_ids[:, :-1]
    within = index - torch.where(starts, index, 0).cummax(dim=1).values
    prefix = torch.arange(prefix_length, device=block_ids.device).expand(batch, -1)
    valid_length = (
        block_ids.new_full((batch, 1), prefix_length)
        if prefix_valid is None
        else prefix_valid.sum(dim=1, keepdim=True)
    )
    return torch.cat([prefix, valid_length + within], dim=1)


def next_token_targets(labels: Tensor, block_ids: Tensor) -> Tensor:
    """Target of each packed position: the label after it in the same block, else -100.

    Args:
        labels: ``[B, T]`` token ids, -100 where nothing is to be learned (the question).
        block_ids: ``[B, T]`` as for ``forward_packed``.
    """
    targets = torch.full_like(labels, IGNORE_LABEL)
    same = (block_ids[:, 1:] == block_ids[:, :-1]) & (block_ids[:, 1:] >= 0)
    targets[:, :-1] = torch.where(same, labels[:, 1:], IGNORE_LABEL)
    return targets
