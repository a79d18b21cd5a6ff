# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SpatialGeo: CLIP and MoGe towers, the hierarchical adapter, and a LLaMA language model.

The same class serves the 7B checkpoint, plain LLaVA-1.5 (no MoGe) and the nano profile. Encoding is
separate from asking: the towers run once per frame, and their features (or the embeddings made of
them) are what is cached.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

from spatialgeo_ros.errors import BadRequestError, ModelLoadError
from spatialgeo_ros.models.backbones import Dinov2Backbone, Features
from spatialgeo_ros.models.clip import ClipVisionTower
from spatialgeo_ros.models.fusion import (
    REGION_ID,
    HierarchicalAdapter,
    PreparedInputs,
    prepare_inputs,
    visual_tokens,
)
from spatialgeo_ros.models.moge.moge1 import MoGe1
from spatialgeo_ros.models.moge.moge2 import MoGe2
from spatialgeo_ros.models.packing import packed_attention_mask, packed_position_ids

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
        moge_features: Four layers, earliest first, each ``[B, P, Dm]``; none for plain LLaVA.
        geometry: MoGe's raw predictions (``MoGe.forward`` without ``upsample``) where the geometry
            tower has heads.
    """

    clip_features: Tensor
    moge_features: list[Tensor]
    geometry: dict[str, Any] | None = None


class SpatialGeoModel(nn.Module):
    """The network of SpatialGeo; towers may be absent when features come from a cache."""

    def __init__(
        self,
        language: Mapping[str, Any] | LlamaForCausalLM,
        adapter: Mapping[str, Any] | HierarchicalAdapter,
        vision_tower: ClipVisionTower | None = None,
        geometry: MoGe1 | MoGe2 | Dinov2Backbone | None = None,
        *,
        num_tokens: int | None = None,
        max_length: int | None = None,
    ) -> None:
        """Assemble the network.

        Args:
            language: Arguments of ``LlamaConfig``, or a model that is already built (quantised).
            adapter: Arguments of ``HierarchicalAdapter``, or one that is already built.
            vision_tower: CLIP.
            geometry: A MoGe-2 trained together with the adapter, which normalises the image
                itself and also predicts the point map; or, as in the published SpatialGeo, MoGe
                v1's DINOv2, bare or below its heads, which is given the same CLIP-normalised
                pixels as CLIP. None for plain LLaVA.
            num_tokens: Patches for MoGe-2; must give CLIP's grid.
            max_length: Longest prompt in embeddings, visual ones included.

        Raises:
            ModelLoadError: A MoGe-2 without ``num_tokens``.
        """
        super().__init__()
        if isinstance(geometry, MoGe2) and num_tokens is None:
            raise ModelLoadError("a SpatialGeo profile with MoGe heads must state num_tokens")
        self.vision_tower = vision_tower
        self.geometry = geometry
        self.num_tokens = num_tokens
        self.max_length = max_length
        self.adapter = (
            adapter if isinstance(adapter, HierarchicalAdapter) else HierarchicalAdapter(**adapter)
        )
        self.language_model = (
            language
            if isinstance(language, LlamaForCausalLM)
            else LlamaForCausalLM(LlamaConfig(**language))
        )

    def encode_images(
        self,
        image: Tensor,
        prior: Tensor | None = None,
        *,
        normalised: bool = False,
        predict: bool = True,
    ) -> EncodedImages:
        """Run both towers once, and MoGe's heads on the same features where they are loaded.

        The point map of MoGe v1 from SpatialGeo's features is not what ``MoGe1.infer`` gives for
        the same picture, because its backbone then sees what SpatialGeo's training gave it: pixels
        with CLIP's mean and deviation instead of ImageNet's, and 24x24 patches, less than half of
        the 1,200 that MoGe was trained with at the least. It costs no second pass of the backbone;
        where accuracy counts, give the picture to ``MoGe1`` itself. MoGe-2's heads belong to
        another backbone, so beside the published SpatialGeo it always needs a pass of its own.

        Args:
            image: ``[B, 3, H, W]`` RGB in [0, 1].
            prior: Camera prior ``[B, 4, H, W]`` for a MoGe-2 that takes one.
            normalised: ``image`` is CLIP-normalised already (official preprocessing).
            predict: Also run the heads of MoGe v1.

        Raises:
            ModelLoadError: The model was built without towers.
            ValueError: ``normalised`` pixels for a MoGe-2, or the towers' grids differ.
        """
        if self.vision_tower is None or (self.geometry is None and self.adapter.layers):
            raise ModelLoadError("this model was loaded without its image towers")
        pixels = image if normalised else self.vision_tower.normalise(image)
        clip_features = self.vision_tower(pixels.to(_dtype(self.vision_tower)))
        predictions: dict[str, Any] | None = None
        if self.geometry is None:
            return EncodedImages(clip_features, [])
        if isinstance(self.geometry, MoGe2):
            if normalised or self.num_tokens is None:
                raise ValueError("MoGe-2 takes the image in [0, 1], not CLIP-normalised pixels")
            predictions = self.geometry(image, self.num_tokens, prior, upsample=False)
            features: Features = predictions["features"]
        else:
            heads = self.geometry if isinstance(self.geometry, MoGe1) else None
            backbone = self.geometry if heads is None else heads.backbone
            features = backbone(pixels.to(_dtype(backbone)))
            if heads is not None and predict:
                height, width = pixels.shape[-2:]
                predictions = heads.predict_from_features(features, (height, width), width / height)
        moge_features = features.tokens()
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
        """Features to interleaved tokens ``[B, 2P, D]`` and validity; see ``visual_tokens``.

        Plain LLaVA has CLIP's tokens alone, ``[B, P, D]``.
        """
        if not self.adapter.layers:
            return self.adapter.project_clip(clip_features), None
        return visual_tokens(
            self.adapter.project_clip(clip_features),
            self.adapter.project_moge(moge_features),
            keep_clip,
        )

    def prepare_inputs(
        self, input_ids: Tensor, image_embeds: Sequence[Tensor], **options: Any
    ) -> PreparedInputs:
        """``fusion.prepare_inputs`` with this model's embedding table.

        Raises:
            BadRequestError: Also for a prompt that is longer, with its images, than the model
                takes. It is cut off only where the option ``max_length`` asks for that, as training
                does: of a question nothing would be left but its image.
        """
        prepared = prepare_inputs(
            self.language_model.get_input_embeddings(), input_ids, image_embeds, **options
        )
        length = prepared.inputs_embeds.shape[1]
        if self.max_length is not None and length > self.max_length:
            raise BadRequestError(
                f"the prompt has {length} tokens with its images, but this model takes "
                f"{self.max_length}: ask a shorter question, or about fewer images"
            )
        return prepared

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


def _dtype(module: nn.Module) -> torch.dtype:
    return next(module.parameters()).dtype
