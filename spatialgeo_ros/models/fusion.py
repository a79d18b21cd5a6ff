# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SpatialGeo's adapter and how its tokens enter the language model's input.

Hierarchical adapter, interleaving and random feature dropping of SpatialGeo (arXiv 2511.17308);
placeholder ids and label rules of LLaVA.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.runtime.transfer import upload
from spatialgeo_ros.speech.tokenizer import IMAGE_ID, REGION_ID

IGNORE_LABEL = -100
FEATURE_DROP_PROBABILITY = 0.3
REGION_STATISTICS = 16
REGION_OCTAVES = 5


def mlp_gelu(in_features: int, out_features: int) -> nn.Sequential:
    """LLaVA's ``mlp2x_gelu`` projector: Linear, exact GELU, Linear."""
    return nn.Sequential(
        nn.Linear(in_features, out_features), nn.GELU(), nn.Linear(out_features, out_features)
    )


def fourier_features(values: Tensor, octaves: int = REGION_OCTAVES) -> Tensor:
    """Values ``[..., N]`` with sines and cosines of them, ``[..., N * (1 + 2 * octaves)]``.

    Periods are 4, 2, 1, ... units: from plain numbers a small network learns slowly to tell
    neighbouring distances apart (Tancik et al. 2020).
    """
    turns = torch.pi / 2 * 2.0 ** torch.arange(octaves, device=values.device, dtype=values.dtype)
    angles = (values[..., None] * turns).flatten(-2)
    return torch.cat([values, angles.sin(), angles.cos()], dim=-1)


class HierarchicalAdapter(nn.Module):
    """CLIP features through one MLP; the four MoGe layers through four MLPs that are summed.

    Tensor names are the published ones (``mm_projector.0.weight``,
    ``moge_mm_projector_list.3.2.bias``) below the ``model.`` of LLaVA checkpoints.
    """

    def __init__(
        self,
        clip_dim: int,
        moge_dim: int,
        hidden_size: int,
        *,
        layers: int = 4,
        region_tokens: bool = False,
        unit_scale: bool = False,
    ) -> None:
        """Build with random weights.

        Args:
            clip_dim: Width of CLIP patch features.
            moge_dim: Width of MoGe patch features.
            hidden_size: Of the language model.
            layers: MoGe layers read; index 0 is the earliest. None are read by plain LLaVA.
            region_tokens: Also an encoder of a region's geometric statistics.
            unit_scale: Normalise each embedding to unit variance (LayerNorm without parameters).
                A small language model trained from scratch learns metres far sooner from visual
                tokens of unit scale; published weights need it off.
        """
        super().__init__()
        self.mm_projector = mlp_gelu(clip_dim, hidden_size)
        self.moge_mm_projector_list = nn.ModuleList(
            mlp_gelu(moge_dim, hidden_size) for _ in range(layers)
        )
        inputs = REGION_STATISTICS * (1 + 2 * REGION_OCTAVES)
        self.region_encoder = mlp_gelu(inputs, hidden_size) if region_tokens else None
        self.layers = layers
        self.unit_scale = unit_scale
        self.hidden_size = hidden_size

    @property
    def _dtype(self) -> torch.dtype:
        return next(self.parameters()).dtype

    def _scale(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, (self.hidden_size,)) if self.unit_scale else x

    def project_clip(self, features: Tensor) -> Tensor:
        """CLIP patches ``[B, P, Dc]`` as embeddings ``[B, P, D]``."""
        return self._scale(self.mm_projector(features.to(self._dtype)))

    def project_moge(self, features: Sequence[Tensor]) -> Tensor:
        """The MoGe layers, each ``[B, P, Dm]`` and earliest first, as embeddings ``[B, P, D]``."""
        projected = [
            projector(layer.to(self._dtype))
            for projector, layer in zip(self.moge_mm_projector_list, features, strict=True)
        ]
        total = projected[0]
        for one in projected[1:]:
            total = total + one
        return self._scale(total)

    def region_embeddings(
        self,
        clip_embeds: Tensor,
        moge_embeds: Tensor,
        weights: Tensor,
        statistics: Tensor,
        keep_clip: Tensor | None = None,
    ) -> Tensor:
        """One embedding per region: its pooled visual tokens plus its encoded geometry.

        Args:
            clip_embeds: ``[B, P, D]`` from ``project_clip``.
            moge_embeds: ``[B, P, D]`` from ``project_moge``.
            weights: ``[B, R, P]`` share of each patch that the region covers.
            statistics: ``[B, R, 16]`` from ``region_statistics``.
            keep_clip: ``[B]`` bool; False leaves the CLIP part out (random feature dropping).

        Returns:
            ``[B, R, D]``.

        Raises:
            BadRequestError: The loaded adapter has no region encoder.
        """
        if self.region_encoder is None:
            raise BadRequestError(
                "this model was not trained with region tokens; name the objects in words instead"
            )
        weights = weights.to(clip_embeds.dtype)
        weights = weights / weights.sum(dim=-1, keepdim=True).clamp(min=1e-6)
        semantic = weights @ clip_embeds
        if keep_clip is not None:
            semantic = semantic * keep_clip.to(semantic.dtype)[:, None, None]
        known = fourier_features(statistics.to(clip_embeds.dtype))
        geometric = self._scale(self.region_encoder(known))
        return semantic + weights @ moge_embeds + geometric


def interleave(clip_embeds: Tensor, moge_embeds: Tensor) -> Tensor:
    """``c0, m0, c1, m1, ...`` from two ``[B, P, D]`` tensors, as ``[B, 2P, D]``."""
    return torch.stack([clip_embeds, moge_embeds], dim=2).flatten(1, 2)


def draw_keep_clip(
    count: int, generator: random.Random, probability: float = FEATURE_DROP_PROBABILITY
) -> list[bool]:
    """One draw per image: False (with the given probability) drops its CLIP tokens."""
    return [not generator.random() < probability for _ in range(count)]


def visual_tokens(
    clip_embeds: Tensor, moge_embeds: Tensor, keep_clip: Sequence[bool] | None = None
) -> tuple[Tensor, Tensor | None]:
    """Interleaved tokens of a batch of images, those with dropped CLIP features shorter.

    Args:
        clip_embeds: ``[B, P, D]``.
        moge_embeds: ``[B, P, D]``.
        keep_clip: Per image; None keeps all, as inference always does.

    Returns:
        Tokens ``[B, 2P, D]`` and their validity ``[B, 2P]`` bool (None when all are valid). An
        image without CLIP has its P MoGe tokens first and zeros after.
    """
    tokens = interleave(clip_embeds, moge_embeds)
    if keep_clip is None or all(keep_clip):
        return tokens, None
    keep = torch.tensor(list(keep_clip), device=tokens.device)
    patches = moge_embeds.shape[1]
    only = torch.cat([moge_embeds, torch.zeros_like(moge_embeds)], dim=1)
    valid = keep[:, None] | (torch.arange(2 * patches, device=tokens.device) < patches)[None]
    return torch.where(keep[:, None, None], tokens, only), valid


@dataclass
class PreparedInputs:
    """Language-model inputs after the placeholders were replaced.

    Attributes:
        inputs_embeds: ``[B, S, D]``, zeros where padded.
        attention_mask: ``[B, S]`` in the dtype given, or None when none was given.
        position_ids: ``[B, S]``, or None when none were given.
        labels: ``[B, S]`` with -100 on visual tokens and padding, or None when none were given.
    """

    inputs_embeds: Tensor
    attention_mask: Tensor | None
    position_ids: Tensor | None
    labels: Tensor | None


def prepare_inputs(
    embed_tokens: nn.Module,
    input_ids: Tensor,
    image_embeds: Sequence[Tensor],
    *,
    region_embeds: Sequence[Tensor] | Tensor = (),
    attention_mask: Tensor | None = None,
    position_ids: Tensor | None = None,
    labels: Tensor | None = None,
    max_length: int | None = None,
    padding_side: str = "right",
) -> PreparedInputs:
    """Replace image and region placeholders by embeddings, truncate, and pad a batch.

    Args:
        embed_tokens: The language model's embedding layer.
        input_ids: ``[B, T]`` with -200 for an image and -201 for a region; on the CPU or on the
            device of the embeddings.
        image_embeds: ``[V_i, D]`` per image placeholder, in reading order over the batch.
        region_embeds: ``[D]`` per region placeholder, in the same order.
        attention_mask: ``[B, T]``; positions that are 0 are removed first.
        position_ids: ``[B, T]``; when given (only its dtype matters), new ones are returned.
        labels: ``[B, T]``.
        max_length: Truncate each sequence here (the tokenizer's ``model_max_length``).
        padding_side: "right" or "left".

    Raises:
        BadRequestError: The number of images or regions differs from the placeholders'.
        ValueError: Unknown ``padding_side``.
    """
    if padding_side not in ("left", "right"):
        raise ValueError(f"padding_side must be left or right, not {padding_side!r}")
    keep = torch.ones_like(input_ids, dtype=torch.bool)
    if attention_mask is not None:
        keep = attention_mask.bool()
    for name, identifier, given in (
        ("image", IMAGE_ID, len(image_embeds)), ("region", REGION_ID, len(region_embeds))
    ):  # fmt: skip
        wanted = int((input_ids[keep] == identifier).sum())
        if wanted != given:
            raise BadRequestError(
                f"the prompt has {wanted} {name} placeholders but {given} {name}s were given"
            )
    device = next(embed_tokens.parameters()).device
    images, regions = iter(image_embeds), iter(region_embeds)
    sequences: list[Tensor] = []
    targets: list[Tensor] = []
    for row in range(input_ids.shape[0]):
        ids = input_ids[row][keep[row]]
        row_labels = (
            labels[row][keep[row]] if labels is not None else ids.new_full(ids.shape, IGNORE_LABEL)
        )
        words = ids.clamp(min=0)
        # Not by torch's copy, which would wait for whatever the GPU still does for the image.
        embedded = embed_tokens(words if words.device == device else upload(words.numpy(), device))
        parts: list[Tensor] = []
        label_parts: list[Tensor] = []
        start = 0
        for index in ((ids == IMAGE_ID) | (ids == REGION_ID)).nonzero().flatten().tolist():
            visual = next(images) if ids[index] == IMAGE_ID else next(regions).reshape(1, -1)
            parts += [embedded[start:index], visual.to(embedded)]
            label_parts += [
                row_labels[start:index],
                row_labels.new_full((visual.shape[0],), IGNORE_LABEL),
            ]
            start = index + 1
        sequences.append(torch.cat([*parts, embedded[start:]])[:max_length])
        targets.append(torch.cat([*label_parts, row_labels[start:]])[:max_length])

    length = max(len(s) for s in sequences)
    padded = sequences[0].new_zeros((len(sequences), length, sequences[0].shape[-1]))
    mask = torch.zeros((len(sequences), length), dtype=torch.bool, device=input_ids.device)
    positions = torch.zeros((len(sequences), length), dtype=torch.long, device=input_ids.device)
    target = input_ids.new_full((len(sequences), length), IGNORE_LABEL)
    for row, sequence in enumerate(sequences):
        n = len(sequence)
        where = slice(length - n, length) if padding_side == "left" else slice(0, n)
        padded[row, where] = sequence
        mask[row, where] = True
        positions[row, where] = torch.arange(n, device=input_ids.device)
        target[row, where] = targets[row]
    return PreparedInputs(
        inputs_embeds=padded,
        attention_mask=None if attention_mask is None else mask.to(attention_mask.dtype),
        position_ids=None if position_ids is None else positions.to(position_ids.dtype),
        labels=None if labels is None else target,
    )
