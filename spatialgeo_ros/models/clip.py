# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""CLIP towers on transformers' layers: patch features, and which patches a phrase speaks of.

``ClipVisionTower`` is SpatialGeo's semantic encoder (penultimate layer, class token dropped);
``Clip`` adds the text tower and the shared space. Tensor names are those of transformers'
``CLIPModel``, so published CLIP weights load; the nano profile replaces the linear patch embedding
by a convolutional stem and the square position table by one for its own grid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spatialgeo_ros.models.backbones import conv_bn_relu
from spatialgeo_ros.models.transformer_layers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPVisionConfig,
    CLIPVisionModel,
)

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)

NANO_VISION_CONFIG: dict[str, Any] = {
    "hidden_size": 192,
    "intermediate_size": 512,
    "num_hidden_layers": 6,
    "num_attention_heads": 6,
    "patch_size": 16,
    "hidden_act": "gelu",
    "conv_stem": [24, 48, 96, 192],
    "grid": [6, 8],
    "unit_scale": True,
}

NANO_TEXT_CONFIG: dict[str, Any] = {
    "hidden_size": 128,
    "intermediate_size": 384,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 32,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "hidden_act": "gelu",
}


class ConvStem(nn.Sequential):
    """Stride-2 convolutions with batch norm in place of the linear patch embedding.

    Early convolutions make a small ViT train several times faster (Xiao et al. 2021).
    """

    def __init__(self, channels: Sequence[int], out_channels: int) -> None:
        """One stride-2 stage per entry of ``channels``, then a 1x1 projection."""
        widths = [3, *channels]
        stages = [conv_bn_relu(a, b, 2) for a, b in zip(widths[:-1], widths[1:], strict=True)]
        super().__init__(*stages, nn.Conv2d(widths[-1], out_channels, 1))


class ClipVisionTower(nn.Module):
    """CLIP's vision transformer, read at its penultimate layer as LLaVA and SpatialGeo do."""

    image_mean: Tensor
    image_std: Tensor

    def __init__(self, vision: Mapping[str, Any]) -> None:
        """Build with random weights.

        Args:
            vision: Arguments of ``CLIPVisionConfig``, and optionally: ``conv_stem`` (widths of the
                stride-2 stages), ``grid`` (rows, columns of a fixed, not square patch grid) and
                ``unit_scale`` (patch features get a LayerNorm without parameters, so that the
                projectors of a small model see unit-variance tokens; published weights need it
                off).

        Raises:
            ValueError: The conv stem's stride is not the patch size.
        """
        super().__init__()
        arguments = dict(vision)
        stem = arguments.pop("conv_stem", None)
        grid = arguments.pop("grid", None)
        self.unit_scale = bool(arguments.pop("unit_scale", False))
        config = CLIPVisionConfig(**arguments)
        self.vision_model = CLIPVisionModel(config)
        self.dim = int(arguments["hidden_size"])
        self.patch_size = int(arguments["patch_size"])
        self.grid: tuple[int, int] | None = (int(grid[0]), int(grid[1])) if grid else None
        embeddings: nn.Module = self.vision_model.embeddings
        if stem is not None:
            if 2 ** len(stem) != self.patch_size:
                raise ValueError(
                    f"{len(stem)} stride-2 stages do not make a patch of {self.patch_size} pixels"
                )
            embeddings.patch_embedding = ConvStem(stem, self.dim)
        if self.grid is not None:
            embeddings.position_embedding = nn.Embedding(1 + self.grid[0] * self.grid[1], self.dim)
            nn.init.normal_(embeddings.position_embedding.weight, std=config.initializer_range)
        self.image_size = int(arguments.get("image_size", 224))  # transformers' default
        self.reset_constants()

    def reset_constants(self) -> None:
        """Set what no checkpoint holds; needed again where the tower was built on "meta"."""
        embeddings = self.vision_model.embeddings
        device = embeddings.class_embedding.device
        for name, values in (("image_mean", CLIP_MEAN), ("image_std", CLIP_STD)):
            constant = torch.tensor(values, device=device).view(1, 3, 1, 1)
            self.register_buffer(name, constant, persistent=False)
        positions = torch.arange(embeddings.num_positions, device=device)[None]
        embeddings.register_buffer("position_ids", positions, persistent=False)

    def drop_unread(self) -> tuple[str, ...]:
        """Take out what :meth:`forward` never runs: the last layer and the norm behind it.

        :meth:`encode` is then of no use any more. 25 MB of CLIP-L in 16 bits.

        Returns:
            How the names of their tensors begin.
        """
        layers = self.vision_model.encoder.layers
        layers[-1] = nn.Identity()
        self.vision_model.set_submodule("post_layernorm", nn.Identity())
        last = len(layers) - 1
        return (f"vision_model.encoder.layers.{last}.", "vision_model.post_layernorm.")

    def normalise(self, image: Tensor) -> Tensor:
        """RGB ``[B, 3, H, W]`` in [0, 1] to CLIP's mean and standard deviation."""
        return (image - self.image_mean) / self.image_std

    def position_embedding(self, grid: tuple[int, int]) -> Tensor:
        """Position table ``[1, 1 + rows*columns, C]`` for a patch grid, class position first.

        Raises:
            ValueError: The tower has another, fixed grid.
        """
        embeddings = self.vision_model.embeddings
        table = embeddings.position_embedding.weight[None]
        if self.grid is None:
            rows, columns = grid
            tokens = table[:, :1].expand(-1, 1 + rows * columns, -1)  # only its shape is read
            position: Tensor = embeddings.interpolate_pos_encoding(
                tokens, rows * self.patch_size, columns * self.patch_size
            )
            return position
        if grid != self.grid:
            raise ValueError(f"this tower has a fixed grid of {self.grid} patches, not {grid}")
        return table

    def _embed(self, pixel_values: Tensor, position: Tensor | None = None) -> Tensor:
        embeddings = self.vision_model.embeddings
        patches = embeddings.patch_embedding(pixel_values)
        x = patches.flatten(2).transpose(1, 2)
        x = torch.cat([embeddings.class_embedding.expand(x.shape[0], 1, -1).to(x), x], dim=1)
        if position is None:
            position = self.position_embedding((patches.shape[2], patches.shape[3]))
        return self.vision_model.pre_layrnorm(x + position.to(x.dtype))

    def encode(self, pixel_values: Tensor) -> tuple[Tensor, Tensor]:
        """Hidden states of the penultimate and the last layer, class token first.

        Args:
            pixel_values: ``[B, 3, H, W]`` from ``normalise``. Grids other than the trained one get
                interpolated positions (transformers' ``interpolate_pos_encoding``) unless the
                grid is fixed.

        Raises:
            ValueError: The tower has a fixed grid and the image another one.
        """
        x = self._embed(pixel_values)
        layers = self.vision_model.encoder.layers
        for layer in layers[:-1]:
            x = layer(x, None)
        return x, layers[-1](x, None)

    def forward(self, pixel_values: Tensor, position: Tensor | None = None) -> Tensor:
        """Patch features ``[B, P, C]``: ``hidden_states[-2]`` without the class token.

        The last layer is not run: nothing reads it here. ``position`` is what
        ``position_embedding`` gave for this grid; computed here by default.
        """
        x = self._embed(pixel_values, position)
        for layer in self.vision_model.encoder.layers[:-1]:
            x = layer(x, None)
        return self.patch_features(x)

    def patch_features(self, penultimate: Tensor) -> Tensor:
        """Patch features from ``encode``'s first result, ``[B, 1 + P, C]`` to ``[B, P, C]``."""
        patches = penultimate[:, 1:]
        return F.layer_norm(patches, (self.dim,)) if self.unit_scale else patches


class Clip(ClipVisionTower):
    """Vision and text towers with a shared embedding space (Radford et al. 2021).

    All embeddings returned are of unit length.
    """

    def __init__(
        self, vision: Mapping[str, Any], text: Mapping[str, Any], projection_dim: int = 128
    ) -> None:
        """Build with random weights.

        Args:
            vision: See ``ClipVisionTower``.
            text: Arguments of ``CLIPTextConfig``; ``vocab_size`` is the tokenizer's.
            projection_dim: Width of the shared space.
        """
        super().__init__(vision)
        text_config = CLIPTextConfig(**text)
        self.text_model = CLIPTextModel(text_config)
        self.visual_projection = nn.Linear(self.dim, projection_dim, bias=False)
        self.text_projection = nn.Linear(text_config.hidden_size, projection_dim, bias=False)
        # ln(1 / 0.07), the temperature CLIP starts from.
        self.logit_scale = nn.Parameter(torch.tensor(2.6592))

    def text_embedding(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Embedding ``[B, E]`` of right-padded token ids ``[B, T]``, read at the last real token.

        For CLIP's own tokenizer that token is end-of-text, as in the original.
        """
        hidden = self.text_model(
            input_ids=input_ids, attention_mask=attention_mask
        ).last_hidden_state
        last = attention_mask.sum(dim=1).clamp(min=1) - 1
        pooled = hidden[torch.arange(hidden.shape[0], device=hidden.device), last]
        return F.normalize(self.text_projection(pooled), dim=-1)

    def image_embedding(self, last_hidden: Tensor) -> Tensor:
        """Embedding ``[B, E]`` of whole images from ``encode``'s second result."""
        pooled = self.vision_model.post_layernorm(last_hidden[:, 0])
        return F.normalize(self.visual_projection(pooled), dim=-1)

    def patch_embedding(self, patch_features: Tensor) -> Tensor:
        """Patch features ``[B, P, C]`` of ``forward`` in the shared space, ``[B, P, E]``."""
        patches = self.vision_model.post_layernorm(patch_features)
        return F.normalize(self.visual_projection(patches), dim=-1)

    def region_embedding(self, patch_features: Tensor, weights: Tensor) -> Tensor:
        """Embedding ``[B, R, E]`` of regions given as patch weights ``[B, R, P]``.

        The mean is taken over the projected patches before they are scaled to unit length, so that
        a few patches with large features do not count more.
        """
        patches = self.patch_embedding(patch_features)
        total = weights.sum(dim=-1, keepdim=True).clamp(min=1e-6)
        return F.normalize((weights / total).to(patches.dtype) @ patches, dim=-1)

    def contrastive_logits(self, image_embedding: Tensor, text_embedding: Tensor) -> Tensor:
        """Scaled cosine similarities ``[B, T]`` of ``[B, E]`` images (or regions) and texts."""
        return self.logit_scale.exp().clamp(max=100) * image_embedding @ text_embedding.T
