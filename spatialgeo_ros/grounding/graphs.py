# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Detectors and segmenters as graphs for export: plain named tensors in and out, fixed shapes.

Each network is cut where something is kept: what depends on the image alone (once a frame) apart
from what depends on phrases or boxes (once a question). Text towers stay in PyTorch: their features
are kept per phrase. Float inputs are float32 or the weights' type, whichever comes; outputs have
the weights' type. Feature maps are ``layer_k [B, rows*columns, C]``, finest first.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any, cast

import torch
from torch import Tensor, nn

from spatialgeo_ros.grounding.export_patches import grounding_dino_patches, sam3_patches

Size = tuple[int, int]


class NetworkGraph(nn.Module):
    """One network for one shape; subclasses run it.

    Attributes:
        input_shapes: Name -> shape without the batch axis.
        text_inputs: Names of those that are int64.
    """

    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    text_inputs: tuple[str, ...] = ()

    def __init__(self, input_shapes: Mapping[str, tuple[int, ...]]) -> None:
        super().__init__()
        self.input_shapes = dict(input_shapes)
        self.input_names = tuple(input_shapes)
        self.eval()

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights."""
        return next(self.parameters()).dtype

    def example_inputs(self, batch: int = 1) -> dict[str, Tensor]:
        """Inputs of the graph's shape on its device: random values, text of ones."""
        device = next(self.parameters()).device
        return {
            name: torch.ones((batch, *shape), dtype=torch.int64, device=device)
            if name in self.text_inputs
            else torch.rand((batch, *shape), device=device)
            for name, shape in self.input_shapes.items()
        }

    def exporting(self) -> AbstractContextManager[None]:
        """What has to hold while this graph is exported."""
        return nullcontext()


class OwlImageGraph(NetworkGraph):
    """OWL-ViT or OWLv2 without its text tower: what every patch shows, and its box.

    Input ``pixel_values [B, 3, S, S]``. Outputs: ``class_embeds [B, P, D]`` of unit length,
    ``logit_shift`` and ``logit_scale [B, P, 1]``, and ``pred_boxes [B, P, 4]`` (centre, width and
    height in 0..1). :func:`owl_logits` makes the model's logits of them.
    """

    output_names = ("class_embeds", "logit_shift", "logit_scale", "pred_boxes")

    def __init__(self, model: nn.Module) -> None:
        """Share the weights of an ``OwlViTForObjectDetection`` or ``Owlv2ForObjectDetection``."""
        network = cast(Any, model)
        size = network.config.vision_config.image_size
        super().__init__({"pixel_values": (3, size, size)})
        # The two have their base model under different names.
        name = "owlvit" if hasattr(network, "owlvit") else "owlv2"
        base = with_parts(getattr(network, name), text_model=None, text_projection=None)
        self.model = with_parts(network, **{name: base})

    def forward(self, pixel_values: Tensor) -> tuple[Tensor, ...]:
        """Run once; see the class for inputs and outputs."""
        model = cast(Any, self.model)
        feature_map = model.image_embedder(pixel_values=pixel_values.to(self.dtype))[0]
        features = feature_map.flatten(1, 2)
        head = model.class_head
        embeds = head.dense0(features)
        embeds = embeds / (torch.linalg.norm(embeds, dim=-1, keepdim=True) + 1e-6)
        scale = head.elu(head.logit_scale(features)) + 1
        boxes = model.box_predictor(features, feature_map)
        return embeds, head.logit_shift(features), scale, boxes


def owl_logits(outputs: Mapping[str, Tensor], query_embeds: Tensor) -> Tensor:
    """Logits ``[B, P, Q]`` of an :class:`OwlImageGraph` for phrases.

    Args:
        outputs: Of the graph.
        query_embeds: ``[Q, D]`` or ``[B, Q, D]``, of the text tower.
    """
    queries = query_embeds / (torch.linalg.norm(query_embeds, dim=-1, keepdim=True) + 1e-6)
    similar = outputs["class_embeds"].float() @ queries.float().transpose(-1, -2)
    return (similar + outputs["logit_shift"].float()) * outputs["logit_scale"].float()


class GroundingDinoImageGraph(NetworkGraph):
    """The image tower of (MM-)Grounding DINO with its projections.

    Input ``pixel_values [B, 3, H, W]`` without padding; outputs ``layer_0`` to ``layer_<n-1>``.
    """

    def __init__(self, model: nn.Module, image_size: Size) -> None:
        """Share the weights of a detector for images of ``image_size`` (rows, columns)."""
        super().__init__({"pixel_values": (3, *image_size)})
        network = cast(Any, model).model
        self.levels = network.config.num_feature_levels
        self.output_names = _layer_names(self.levels)
        self.backbone = network.backbone.conv_encoder.model
        self.projections = network.input_proj_vision

    def forward(self, pixel_values: Tensor) -> tuple[Tensor, ...]:
        """Run once; see the class for inputs and outputs."""
        maps = list(self.backbone(pixel_values.to(self.dtype), return_dict=True).feature_maps)
        found = [self.projections[k](m) for k, m in enumerate(maps)]
        for level in range(len(maps), self.levels):
            found.append(self.projections[level](maps[-1] if level == len(maps) else found[-1]))
        return tuple(_tokens(one) for one in found)


class GroundingDinoPhraseGraph(NetworkGraph):
    """(MM-)Grounding DINO after both towers: fusion, proposals, decoder and heads.

    Inputs: ``layer_k`` of :class:`GroundingDinoImageGraph`; ``text_states [B, T, D]``, the last
    hidden state of the text tower; ``input_ids`` and ``attention_mask [B, T]`` int64, of the same
    prompt, padded to T. Outputs: ``logits [B, Q, max_text_len]`` (``-inf`` beyond the text) and
    ``pred_boxes [B, Q, 4]`` (centre, width and height in 0..1).
    """

    output_names = ("logits", "pred_boxes")
    text_inputs = ("input_ids", "attention_mask")

    def __init__(self, model: nn.Module, image_size: Size, tokens: int) -> None:
        """Share the weights of a detector.

        Args:
            model: An ``MMGroundingDinoForObjectDetection`` or ``GroundingDinoForObjectDetection``.
            image_size: Rows and columns of the image tower's input.
            tokens: Length that prompts are padded to.

        Raises:
            ValueError: More tokens than the detector reads.
        """
        detector = cast(Any, model)
        network, config = detector.model, detector.config
        if tokens > config.max_text_len:
            raise ValueError(f"{tokens} tokens are more than the detector's {config.max_text_len}")
        self.grids = level_grids(image_size, len(network.backbone.conv_encoder.model.channels),
                                 config.num_feature_levels)  # fmt: skip
        layers = {
            name: (rows * columns, config.d_model)
            for name, (rows, columns) in zip(
                _layer_names(config.num_feature_levels), self.grids, strict=True
            )
        }
        super().__init__({
            "text_states": (tokens, config.text_config.hidden_size),
            "input_ids": (tokens,), "attention_mask": (tokens,), **layers,
        })  # fmt: skip
        self.image_size = image_size
        self.given = _Given()
        self.model = with_parts(
            detector,
            model=with_parts(
                network,
                backbone=_GivenMaps(self.given, network.backbone.position_embedding),
                input_proj_vision=nn.ModuleList(
                    _GivenMap(self.given, k) for k in range(config.num_feature_levels)
                ),
                text_backbone=_GivenText(self.given),
            ),
        )

    def exporting(self) -> AbstractContextManager[None]:
        """Replace what ONNX does not have."""
        return grounding_dino_patches()

    def forward(
        self, text_states: Tensor, input_ids: Tensor, attention_mask: Tensor, **layers: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Run once; see the class for inputs and outputs."""
        names = _layer_names(len(self.grids))
        maps = [
            layers[name].to(self.dtype).transpose(1, 2).unflatten(2, grid)
            for name, grid in zip(names, self.grids, strict=True)
        ]
        # Its size is all that the detector looks at: the towers have run already.
        size = (maps[0].shape[0], 3, *self.image_size)
        with self.given.filled(maps, text_states.to(self.dtype)):
            found = self.model(
                pixel_values=maps[0].new_zeros(()).expand(size),
                input_ids=input_ids,
                attention_mask=attention_mask,
            )
        return found.logits, found.pred_boxes


class Sam2ImageGraph(NetworkGraph):
    """SAM 2's image encoder: ``pixel_values [B, 3, S, S]`` to ``layer_0`` to ``layer_2``."""

    output_names = ("layer_0", "layer_1", "layer_2")

    def __init__(self, model: nn.Module) -> None:
        """Share the weights of a ``Sam2Model``."""
        network = cast(Any, model)
        rows, columns = network.config.vision_config.backbone_config.image_size
        super().__init__({"pixel_values": (3, rows, columns)})
        decoder = with_parts(
            network.mask_decoder,
            **{
                name: None
                for name in network.mask_decoder._modules
                if name not in ("conv_s0", "conv_s1")
            },
        )
        self.model = with_parts(network, prompt_encoder=None, mask_decoder=decoder)

    def forward(self, pixel_values: Tensor) -> tuple[Tensor, ...]:
        """Run once; see the class for inputs and outputs."""
        model = cast(Any, self.model)
        maps = model.get_image_embeddings(pixel_values.to(self.dtype))
        return tuple(_tokens(one) for one in maps)


class Sam2BoxGraph(NetworkGraph):
    """SAM 2's prompt encoder and mask decoder for boxes.

    Inputs: ``layer_k`` of :class:`Sam2ImageGraph`; ``input_boxes [B, N, 4]`` (x0, y0, x1, y1 in
    pixels of the encoder's input). Outputs: ``pred_masks [B, N, 1, h, w]`` logits, ``iou_scores
    [B, N, 1]``.
    """

    output_names = ("pred_masks", "iou_scores")

    def __init__(self, model: nn.Module, boxes: int) -> None:
        """Share the weights of a ``Sam2Model``; ``boxes`` are segmented in one pass."""
        network = cast(Any, model)
        self.grids = [tuple(size) for size in network.backbone_feature_sizes]
        widths = (
            network.mask_decoder.conv_s0.out_channels,
            network.mask_decoder.conv_s1.out_channels,
            network.hidden_dim,
        )
        layers = {
            f"layer_{k}": (rows * columns, width)
            for k, ((rows, columns), width) in enumerate(zip(self.grids, widths, strict=True))
        }
        super().__init__({**layers, "input_boxes": (boxes, 4)})
        self.side = float(network.config.vision_config.backbone_config.image_size[0])
        self.model = with_parts(network, vision_encoder=None)

    def example_inputs(self, batch: int = 1) -> dict[str, Tensor]:
        """Random features, and boxes of a third of the image."""
        feeds = super().example_inputs(batch)
        corner = feeds["input_boxes"][..., :2] * self.side * 0.5
        feeds["input_boxes"] = torch.cat([corner, corner + self.side / 3], -1)
        return feeds

    def forward(
        self, layer_0: Tensor, layer_1: Tensor, layer_2: Tensor, input_boxes: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Run once; see the class for inputs and outputs."""
        maps = [
            layer.to(self.dtype).transpose(1, 2).unflatten(2, grid)
            for layer, grid in zip((layer_0, layer_1, layer_2), self.grids, strict=True)
        ]
        found = self.model(
            image_embeddings=maps, input_boxes=input_boxes.to(self.dtype), multimask_output=False
        )
        return found.pred_masks, found.iou_scores


class Sam3ImageGraph(NetworkGraph):
    """SAM 3's vision encoder: ``pixel_values [B, 3, S, S]`` to ``layer_0`` to ``layer_2``."""

    output_names = ("layer_0", "layer_1", "layer_2")

    def __init__(self, model: nn.Module) -> None:
        """Share the weights of a ``Sam3Model``."""
        network = cast(Any, model)
        side = network.config.vision_config.backbone_config.image_size
        super().__init__({"pixel_values": (3, side, side)})
        self.encoder = network.vision_encoder

    def forward(self, pixel_values: Tensor) -> tuple[Tensor, ...]:
        """Run once; see the class for inputs and outputs."""
        maps = self.encoder(pixel_values.to(self.dtype)).fpn_hidden_states[:-1]
        return tuple(_tokens(one) for one in maps)


class Sam3PhraseGraph(NetworkGraph):
    """SAM 3 after both towers, for one phrase.

    Inputs: ``layer_k`` of :class:`Sam3ImageGraph`; ``text_features [B, T, C]`` (the projected last
    hidden state of the text tower), ``attention_mask [B, T]`` int64. Outputs: ``pred_logits
    [B, Q]``, ``presence_logits [B, 1]``, ``pred_boxes [B, Q, 4]`` (x0, y0, x1, y1 in 0..1) and
    ``pred_masks [B, Q, h, w]`` logits.
    """

    output_names = ("pred_logits", "presence_logits", "pred_boxes", "pred_masks")
    text_inputs = ("attention_mask",)

    def __init__(self, model: nn.Module) -> None:
        """Share the weights of a ``Sam3Model``; positions of its feature maps become constants."""
        network = cast(Any, model)
        vision = network.config.vision_config
        side = vision.backbone_config.image_size // vision.backbone_config.patch_size
        # The last level, the coarsest, is not used by the detector.
        scales = list(vision.scale_factors)[:-1]
        self.grids: list[Size] = [(round(side * s), round(side * s)) for s in scales]
        width = vision.fpn_hidden_size
        layers = {f"layer_{k}": (r * c, width) for k, (r, c) in enumerate(self.grids)}
        tokens = network.config.text_config.max_position_embeddings
        features = network.config.detr_encoder_config.hidden_size
        super().__init__(
            {**layers, "text_features": (tokens, features), "attention_mask": (tokens,)}
        )
        device = next(network.parameters()).device
        # The detector looks at the position of its coarsest level alone.
        encode = network.vision_encoder.neck.position_encoding
        shape = torch.Size((1, width, *self.grids[-1]))
        position = encode(shape, device, next(network.parameters()).dtype)
        self.register_buffer("position", position.detach().clone(), persistent=False)
        self.model = with_parts(network, vision_encoder=None, text_encoder=None)

    def exporting(self) -> AbstractContextManager[None]:
        """Give the decoder the size of the feature map as numbers."""
        return sam3_patches(self.grids[-1])

    def forward(
        self,
        layer_0: Tensor,
        layer_1: Tensor,
        layer_2: Tensor,
        text_features: Tensor,
        attention_mask: Tensor,
    ) -> tuple[Tensor, ...]:
        """Run once; see the class for inputs and outputs."""
        maps = [
            layer.to(self.dtype).transpose(1, 2).unflatten(2, grid)
            for layer, grid in zip((layer_0, layer_1, layer_2), self.grids, strict=True)
        ]
        position = cast(Tensor, self.position).to(self.dtype)
        position = position.expand(maps[0].shape[0], -1, -1, -1)
        # The model leaves its last level out itself; it is not looked at.
        vision = SimpleNamespace(
            fpn_hidden_states=(*maps, maps[-1]),
            fpn_position_encoding=(position, position, position, position),
            hidden_states=None,
            attentions=None,
        )
        text = SimpleNamespace(pooler_output=text_features.to(self.dtype))
        found = self.model(vision_embeds=vision, text_embeds=text, attention_mask=attention_mask)
        return found.pred_logits, found.presence_logits, found.pred_boxes, found.pred_masks


def with_parts(module: Any, **parts: nn.Module | None) -> Any:
    """A module of the same weights with other parts in place of some; the module stays as it is.

    A part that is not needed (None) is neither copied, converted nor hashed with the graph.
    """
    twin = copy.copy(module)
    twin.__dict__["_modules"] = {**module._modules, **parts}
    return twin


def level_grids(image_size: Size, maps: int, levels: int) -> list[Size]:
    """Rows and columns of (MM-)Grounding DINO's feature maps, finest first.

    The coarsest map of the backbone has 1/32 of the image's side, the ones before it twice as many
    rows and columns each; further levels halve again. A side that does not divide is rounded up.
    """
    grids: list[Size] = []
    rows, columns = -(-image_size[0] // 4), -(-image_size[1] // 4)
    for stage in range(1, 4 + levels - maps):
        rows, columns = -(-rows // 2), -(-columns // 2)
        if stage > 3 - maps:
            grids.append((rows, columns))
    return grids


def _layer_names(count: int) -> tuple[str, ...]:
    return tuple(f"layer_{k}" for k in range(count))


def _tokens(feature_map: Tensor) -> Tensor:
    return feature_map.flatten(2).transpose(1, 2)


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
    """Stands in for the backbone: maps with masks of ones, and their positions."""

    def __init__(self, given: _Given, position_embedding: nn.Module) -> None:
        super().__init__()
        self.given = given
        self.position_embedding = position_embedding

    def forward(self, pixel_values: Tensor, pixel_mask: Tensor) -> tuple[Any, list[Tensor]]:
        del pixel_values
        maps = self.given.maps[:-1]
        masks = [pixel_mask.new_ones((m.shape[0], *m.shape[-2:]), dtype=torch.bool) for m in maps]
        places = [
            self.position_embedding(m, mask).to(m.dtype)
            for m, mask in zip(maps, masks, strict=True)
        ]
        return list(zip(maps, masks, strict=True)), places


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
