# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SpatialRGPT's network: a SigLIP tower, the region extractor, the projector and a LLaMA 3."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from transformers.models.llama.modeling_llama import LlamaForCausalLM
from transformers.models.siglip.modeling_siglip import SiglipVisionModel

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.models.spatialrgpt.region_extractor import (
    ImageProjector,
    RegionExtractor,
    cell_weights,
)
from spatialgeo_ros.speech.tokenizer import IMAGE_ID


@dataclass(frozen=True, eq=False)
class SeenImage:
    """An image as its towers saw it; every question about it shares this.

    Attributes:
        tokens: ``[1, V, D]`` of the picture.
        fine: ``[1, C, 4n, 4n]``, what regions of the picture are pooled from.
        depth: ``[1, n * n, C]``, what regions of the depth picture are pooled from; None without a
            depth picture.
    """

    tokens: Tensor
    fine: Tensor
    depth: Tensor | None


@dataclass(frozen=True, eq=False)
class RegionTokens:
    """What the language model reads at the region tokens of a prompt.

    Attributes:
        masks: ``[R, D]``.
        depths: ``[R, D]``, or None without a depth picture.
        coarse: ``[R]`` bool: which regions are too thin for the published sampling of the grids.
    """

    masks: Tensor
    depths: Tensor | None
    coarse: tuple[bool, ...]


class SpatialRgpt(nn.Module):
    """The network; images, regions and prompts are separate steps, so that each can be kept.

    Args:
        language_model: LLaMA.
        vision_tower: SigLIP without the last layer and the head, which are never used.
        region_extractor: of the checkpoint.
        projector: of the checkpoint.
        mask_id: of ``<mask>`` in the vocabulary.
        depth_id: of ``<depth>``.
        max_length: longest prompt in embeddings, image tokens included.
    """

    def __init__(
        self,
        language_model: LlamaForCausalLM,
        vision_tower: SiglipVisionModel,
        region_extractor: RegionExtractor,
        projector: ImageProjector,
        *,
        mask_id: int,
        depth_id: int,
        max_length: int,
    ) -> None:
        super().__init__()
        self.language_model = language_model
        self.vision_tower = vision_tower
        self.region_extractor = region_extractor
        self.projector = projector
        self.mask_id, self.depth_id = mask_id, depth_id
        self.max_length = max_length
        side: Any = vision_tower.config.image_size
        self.image_size = int(side)

    def tower_features(self, pixels: npt.NDArray[np.uint8]) -> Tensor:
        """Run the tower on a square picture.

        Args:
            pixels: ``[S, S, 3]`` from ``region_pictures.square_pixels``.

        Returns:
            ``[1, n * n, C]``, the output of the last but one published layer.
        """
        weight = self.vision_tower.embeddings.patch_embedding.weight
        values = torch.from_numpy(pixels.copy()).to(weight.device).permute(2, 0, 1)[None].float()
        values = (values / 255 - 0.5) / 0.5
        hidden = self.vision_tower.embeddings(values.to(weight.dtype))
        return self.vision_tower.encoder(inputs_embeds=hidden).last_hidden_state

    def see(
        self, pixels: npt.NDArray[np.uint8], depth_pixels: npt.NDArray[np.uint8] | None = None
    ) -> SeenImage:
        """Run every encoder on a picture and, where there is one, its depth picture."""
        fine, means = self.region_extractor.refine(self.tower_features(pixels))
        depth = None if depth_pixels is None else self.tower_features(depth_pixels)
        return SeenImage(self.projector(means), fine, depth)

    def regions(self, seen: SeenImage, masks: npt.NDArray[np.bool_]) -> RegionTokens:
        """Embed regions.

        Args:
            seen: the image.
            masks: ``[R, S, S]`` squeezed like the image, none of them empty.
        """
        given = torch.from_numpy(masks.astype(np.float32)).to(seen.fine.device)
        weights, coarse = cell_weights(given, seen.fine.shape[-1])
        embeds = self.region_extractor.region_embeds(seen.fine, weights)
        if seen.depth is None:
            return RegionTokens(embeds, None, tuple(coarse.tolist()))
        side = round(seen.depth.shape[1] ** 0.5)
        weights, missed = cell_weights(given, side)
        depths = self.region_extractor.depth_embeds(seen.depth, weights)
        return RegionTokens(embeds, depths, tuple((coarse | missed).tolist()))

    def prompt_embeds(
        self, ids: Sequence[int], seen: SeenImage, regions: RegionTokens | None = None
    ) -> Tensor:
        """Put image and regions into a prompt.

        Region k in the order of the prompt takes the k-th ``<mask>`` and the k-th ``<depth>``;
        without a depth picture ``<depth>`` stays the word that it is. Surplus regions are not read.

        Args:
            ids: of the prompt, with -200 for the image, once.
            seen: the image.
            regions: in the order of mention; one that is mentioned twice is there twice.

        Returns:
            ``[1, T, D]``.

        Raises:
            BadRequestError: The image is not there once, a region is missing, or the prompt is
                longer than the model takes.
        """
        table = self.language_model.get_input_embeddings()
        prompt = torch.tensor(ids, device=seen.tokens.device)
        places = (prompt == IMAGE_ID).nonzero().flatten().tolist()
        if len(places) != 1:
            raise BadRequestError(f"the prompt has {len(places)} images, but the model sees one")
        embeds = table(prompt.clamp(min=0))
        depths = None if regions is None else regions.depths
        for name, token, given in (
            ("<mask>", self.mask_id, None if regions is None else regions.masks),
            ("<depth>", self.depth_id, depths),
        ):
            at = (prompt == token).nonzero().flatten()
            if len(at) == 0 or (given is None and token == self.depth_id):
                continue
            if given is None or len(given) < len(at):
                count = 0 if given is None else len(given)
                raise BadRequestError(
                    f"the prompt names {len(at)} regions by {name} but {count} were given"
                )
            embeds = embeds.index_copy(0, at, given[: len(at)].to(embeds))
        image = places[0]
        whole = torch.cat([embeds[:image], seen.tokens[0].to(embeds), embeds[image + 1 :]])[None]
        if whole.shape[1] > self.max_length:
            raise BadRequestError(
                f"the prompt has {whole.shape[1]} tokens with its image, but this model takes "
                f"{self.max_length}: ask a shorter question"
            )
        return whole
