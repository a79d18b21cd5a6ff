# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Grounding DINO and its kin in three parts: image tower, text tower, and what joins them.

The library runs them in one pass. Here the image tower runs once for an image, the text tower once
for a prompt, and the rest on what both gave. The text tower stays in PyTorch: prompts repeat.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from spatialgeo_ros.grounding.export_patches import grounding_dino_patches, text_blocks
from spatialgeo_ros.grounding.graphs import DetectorGraph, with_parts

Size = tuple[int, int]


class DinoImageGraph(DetectorGraph):
    """The image tower with its projections; padding is pixels like any others to it.

    Input ``pixel_values [B, 3, rows, columns]`` float32. Outputs ``layer_<k> [B, cells, C]``, a
    vector for each cell of a level, row by row, the finest level first.

    Args:
        model: ``MMGroundingDinoForObjectDetection`` or ``GroundingDinoForObjectDetection``.
        size: rows and columns, for :meth:`example_inputs`.
    """

    input_names = ("pixel_values",)

    def __init__(self, model: Any, size: Size) -> None:
        super().__init__()
        network = model.model
        self.size, self.levels = size, int(model.config.num_feature_levels)
        self.output_names = layer_names(self.levels)
        self.backbone = network.backbone.conv_encoder.model
        self.projections = network.input_proj_vision

    def forward(self, pixel_values: Tensor) -> tuple[Tensor, ...]:
        """Run once; see the class for inputs and outputs."""
        maps = list(self.backbone(pixel_values.to(self.dtype), return_dict=True).feature_maps)
        found = [self.projections[level](one) for level, one in enumerate(maps)]
        for level in range(len(maps), self.levels):
            below = maps[-1] if level == len(maps) else found[-1]
            found.append(self.projections[level](below))
        return tuple(one.flatten(2).transpose(1, 2) for one in found)

    def example_inputs(self, batch: int = 1) -> dict[str, Tensor]:
        """Random pixels."""
        return {"pixel_values": torch.rand((batch, 3, *self.size), device=self.device)}


class DinoPhraseGraph(DetectorGraph):
    """Fusion of both towers' features, proposals, decoder and heads.

    Inputs: ``text_states [B, tokens, D]``, the text tower's last hidden state; ``input_ids`` and
    ``attention_mask [B, tokens]`` int64, of the same prompt; ``pixel_mask [B, rows, columns]``
    int64, 0 in the padding; ``layer_<k>`` of :class:`DinoImageGraph`. Outputs in float32: ``logits
    [B, queries, tokens]``, -inf in the padding, and ``boxes [B, queries, 4]``: centre, width and
    height relative to the image without padding.

    Args:
        model: ``MMGroundingDinoForObjectDetection`` or ``GroundingDinoForObjectDetection``.
        size: rows and columns of the pixels.
        tokens: of a prompt, padded, for :meth:`example_inputs`.
    """

    output_names = ("logits", "boxes")

    def __init__(self, model: Any, size: Size, tokens: int) -> None:
        super().__init__()
        network, config = model.model, model.config
        self.size, self.tokens = size, tokens
        self.grids = level_grids(
            size, len(network.backbone.conv_encoder.model.channels), config.num_feature_levels
        )
        self.widths = (int(config.text_config.hidden_size), int(config.d_model))
        self.input_names = (
            "text_states", "input_ids", "attention_mask", "pixel_mask",
            *layer_names(len(self.grids)),
        )  # fmt: skip
        self.given = _Given()
        projections = nn.ModuleList(_GivenMap(self.given, k) for k in range(len(self.grids)))
        joined = with_parts(
            network,
            backbone=_GivenMaps(self.given, network.backbone.position_embedding),
            input_proj_vision=projections,
            text_backbone=_GivenText(self.given),
        )
        self.model = with_parts(model, model=joined)

    def shape_name(self) -> str:
        """Pixels and tokens."""
        return f"{self.size[1]}x{self.size[0]}-{self.tokens}"

    def exporting(self) -> AbstractContextManager[None]:
        """Replace what ONNX does not have."""
        return grounding_dino_patches()

    def forward(
        self,
        text_states: Tensor,
        input_ids: Tensor,
        attention_mask: Tensor,
        pixel_mask: Tensor,
        **layers: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Run once; see the class for inputs and outputs."""
        maps = [
            layers[name].to(self.dtype).transpose(1, 2).unflatten(2, grid)
            for name, grid in zip(layer_names(len(self.grids)), self.grids, strict=True)
        ]
        with self.given.filled(maps, text_states.to(self.dtype)):
            found = self.model(
                # Its shape is all that is looked at: the tower has run already.
                pixel_values=maps[0].new_zeros(()).expand(maps[0].shape[0], 3, *self.size),
                pixel_mask=pixel_mask,
                input_ids=input_ids,
                attention_mask=attention_mask,
            )
        return found.logits[..., : input_ids.shape[1]].float(), found.pred_boxes.float()

    def example_inputs(self, batch: int = 1) -> dict[str, Tensor]:
        """Random features of an image without padding, and a prompt of one word."""
        device, (text, width) = self.device, self.widths
        ids = torch.zeros((batch, self.tokens), dtype=torch.int64, device=device)
        ids[:, :4] = torch.tensor([101, 1037, 1012, 102])  # [CLS] a . [SEP]
        return {
            "text_states": torch.randn((batch, self.tokens, text), device=device),
            "input_ids": ids,
            "attention_mask": (ids != 0).long(),
            "pixel_mask": torch.ones((batch, *self.size), dtype=torch.int64, device=device),
            **{
                name: torch.randn((batch, rows * columns, width), device=device)
                for name, (rows, columns) in zip(
                    layer_names(len(self.grids)), self.grids, strict=True
                )
            },
        }


@torch.inference_mode()
def read_prompt(model: Any, input_ids: Tensor) -> Tensor:
    """Run the text tower alone.

    Args:
        model: ``MMGroundingDinoForObjectDetection`` or ``GroundingDinoForObjectDetection``.
        input_ids: [B, tokens] of a prompt.

    Returns:
        ``text_states [B, tokens, D]`` of :class:`DinoPhraseGraph`.
    """
    network = model.model
    together, places = text_blocks(input_ids, network.special_tokens)
    kinds = torch.zeros_like(input_ids)
    states: Tensor = network.text_backbone(
        input_ids, together[:, None], kinds, places
    ).last_hidden_state
    return states


def level_grids(size: Size, maps: int, levels: int) -> tuple[Size, ...]:
    """Rows and columns of the feature maps, finest first.

    The coarsest map of the backbone has 1/32 of the image's side, the ones before it twice as many
    rows and columns each; further levels halve again. A side that does not divide is rounded up.

    Args:
        size: rows and columns of the pixels.
        maps: that the backbone gives.
        levels: of the detector.
    """
    grids: list[Size] = []
    rows, columns = -(-size[0] // 4), -(-size[1] // 4)
    for stage in range(1, 4 + levels - maps):
        rows, columns = -(-rows // 2), -(-columns // 2)
        if stage > 3 - maps:
            grids.append((rows, columns))
    return tuple(grids)


def layer_names(count: int) -> tuple[str, ...]:
    """Names of the image tower's outputs."""
    return tuple(f"layer_{k}" for k in range(count))


class _Given:
    """What stands in for the towers during one forward pass.

    No module, so that ``torch.export`` does not take its tensors for attributes that change.
    """

    def __init__(self) -> None:
        self.maps: Sequence[Tensor] = ()
        self.text: Tensor | None = None

    @contextmanager
    def filled(self, maps: Sequence[Tensor], text: Tensor) -> Iterator[None]:
        self.maps, self.text = maps, text
        try:
            yield
        finally:
            self.maps, self.text = (), None


class _GivenMaps(nn.Module):
    """Stands in for the backbone: its maps, where they are no padding, and their positions."""

    def __init__(self, given: _Given, position_embedding: nn.Module) -> None:
        super().__init__()
        self.given = given
        self.position_embedding = position_embedding

    def forward(self, pixel_values: Tensor, pixel_mask: Tensor) -> tuple[Any, list[Tensor]]:
        del pixel_values
        pairs, places = [], []
        for one in self.given.maps[:-1]:
            # As the library's encoder does it: the nearest pixel's.
            mask = nn.functional.interpolate(pixel_mask[None].float(), size=one.shape[-2:])
            pairs.append((one, mask.to(torch.bool)[0]))
            places.append(self.position_embedding(*pairs[-1]).to(one.dtype))
        return pairs, places


class _GivenMap(nn.Module):
    """Stands in for the projection of one level."""

    def __init__(self, given: _Given, level: int) -> None:
        super().__init__()
        self.given, self.level = given, level

    def forward(self, feature_map: Tensor) -> Tensor:
        del feature_map
        return self.given.maps[self.level]


class _GivenText(nn.Module):
    """Stands in for the text tower."""

    def __init__(self, given: _Given) -> None:
        super().__init__()
        self.given = given

    def forward(self, *_: Any, **__: Any) -> SimpleNamespace:
        return SimpleNamespace(last_hidden_state=self.given.text)
