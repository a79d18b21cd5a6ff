# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The encoders as graphs for export: plain named tensors in and out, one backbone pass.

What depends on the shape alone (position tables, view-plane coordinates) becomes a constant,
computed by PyTorch for the exported grid. Resizing the camera image, the activations of the heads
and the recovery of focal and shift stay outside (:class:`GeometryPlan`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from spatialgeo_ros.models.backbones import ConvBackbone, Dinov2Backbone, Features
from spatialgeo_ros.models.clip import ClipVisionTower
from spatialgeo_ros.models.moge import MoGe2, resize_input
from spatialgeo_ros.models.moge_geometry import finish_maps

LAYERS = 4


@dataclass(frozen=True)
class GeometryPlan:
    """What surrounds a geometry graph; it holds no weights.

    Attributes:
        grid: Rows and columns of patches.
        patch_size: Pixels per patch side.
        aspect: Width over height of the camera image.
        remap: Of the points, see ``remap_points``.
        prior_channels: Channels of the camera prior; 0 where the network takes none.
    """

    grid: tuple[int, int]
    patch_size: int
    aspect: float
    remap: str
    prior_channels: int = 0

    @property
    def input_size(self) -> tuple[int, int]:
        """Rows and columns of the graph's image."""
        return self.grid[0] * self.patch_size, self.grid[1] * self.patch_size

    def prepare(self, image: Tensor, prior: Tensor | None = None) -> dict[str, Tensor]:
        """Inputs of the graph from a camera image.

        Args:
            image: ``[B, 3, H, W]`` RGB in [0, 1], of the aspect of this plan.
            prior: ``[B, prior_channels, H, W]``; None stands for an unknown camera.

        Raises:
            ValueError: The image has another aspect, or a prior is given that nothing reads.
        """
        height, width = image.shape[-2:]
        if abs(width / height - self.aspect) > 1e-6:
            raise ValueError(
                f"an image of {width}x{height} has not the aspect {self.aspect:.4f} of this graph"
            )
        feeds = {"image": resize_input(image, self.input_size)}
        if self.prior_channels:
            if prior is None:
                prior = image.new_zeros((image.shape[0], self.prior_channels, *self.input_size))
            feeds["prior"] = resize_input(prior.to(image.dtype), self.input_size)
        elif prior is not None:
            raise ValueError("this geometry network takes no camera prior")
        return feeds

    def finish(
        self, outputs: Mapping[str, Tensor], size: tuple[int, int] | None = None
    ) -> dict[str, Any]:
        """What ``MoGe.forward`` returns, from the graph's outputs, computed in float32.

        Args:
            outputs: Of the graph, by name.
            size: Rows and columns that the maps are enlarged to; None keeps the decoder's.
        """
        raw = {name: outputs[name].float() for name in RAW_OUTPUTS if name in outputs}
        maps = [
            outputs[f"layer_{k}"].transpose(1, 2).unflatten(2, self.grid) for k in range(LAYERS)
        ]
        return {
            "features": Features(maps=maps, cls=outputs["cls"]),
            **finish_maps(raw, self.remap, size),
        }


RAW_OUTPUTS = ("raw_points", "raw_normal", "mask_logits", "log_scale")


class GeometryGraph(nn.Module):
    """MoGe-2 for one patch grid: image (and camera prior) to backbone layers and raw maps.

    Inputs: ``image [B, 3, 14 rows, 14 columns]`` RGB in [0, 1] at the patch grid's own size (what
    ``plan.prepare`` gives), and ``prior`` of the same size where the backbone takes one.

    Outputs, named by ``output_names``: ``layer_0`` to ``layer_3 [B, rows*columns, C]``, earliest
    first, each through the final norm; ``cls [B, C]``; ``raw_points``, ``raw_normal``,
    ``mask_logits``, ``log_scale`` as ``MoGe2.decode`` gives them, each where the head exists.
    """

    position: Tensor | None

    def __init__(self, moge: MoGe2, num_tokens: int, image_size: tuple[int, int]) -> None:
        """Bake a network's constants for one shape.

        Args:
            moge: The weights are shared, not copied.
            num_tokens: Patches wanted, as for ``MoGe2.forward``.
            image_size: Rows and columns of the camera image; they give the aspect.
        """
        super().__init__()
        self.moge = moge
        height, width = image_size
        aspect = width / height
        backbone = moge.encoder.backbone
        prior_channels = backbone.in_channels - 3 if isinstance(backbone, ConvBackbone) else 0
        self.plan = GeometryPlan(
            grid=moge.base_grid(num_tokens, aspect),
            patch_size=backbone.patch_size,
            aspect=aspect,
            remap=moge.remap_output,
            prior_channels=prior_channels,
        )
        position = None
        if isinstance(backbone, Dinov2Backbone):
            with torch.no_grad():
                position = backbone.position_embedding(self.plan.grid).detach()
        self.register_buffer("position", position, persistent=False)
        self.training = moge.training
        heads = {
            "points_head": "raw_points", "normal_head": "raw_normal", "mask_head": "mask_logits",
            "scale_head": "log_scale",
        }  # fmt: skip
        self.input_names = ("image", "prior") if prior_channels else ("image",)
        self.output_names = (
            *(f"layer_{k}" for k in range(LAYERS)),
            "cls",
            *(output for head, output in heads.items() if hasattr(moge, head)),
        )

    def example_inputs(self, batch: int = 1) -> dict[str, Tensor]:
        """Random inputs of the exported shape, in the weights' type and on their device."""
        like = self.moge.encoder.image_mean
        sizes = {"image": 3, "prior": self.plan.prior_channels}
        return {
            name: torch.rand(
                (batch, sizes[name], *self.plan.input_size), dtype=like.dtype, device=like.device
            )
            for name in self.input_names
        }

    def forward(self, image: Tensor, prior: Tensor | None = None) -> tuple[Tensor, ...]:
        """Run once; see the class for inputs and outputs."""
        encoder = self.moge.encoder
        normalised = encoder.normalise(image)
        if self.position is None:
            features = encoder.backbone(normalised, prior)
        else:
            features = encoder.backbone(normalised, position=self.position)
        raw = self.moge.decode(encoder.fuse(features), features, self.plan.aspect)
        named = {
            **{f"layer_{k}": tokens for k, tokens in enumerate(features.tokens())},
            "cls": features.cls,
            **raw,
        }
        return tuple(named[name] for name in self.output_names)


class SemanticGraph(nn.Module):
    """CLIP's patch features for one patch grid.

    Input ``pixel_values [B, 3, H, W]`` from ``ClipVisionTower.normalise``; output
    ``patch_features [B, P, C]``.
    """

    input_names = ("pixel_values",)
    output_names = ("patch_features",)
    position: Tensor

    def __init__(self, clip: ClipVisionTower, image_size: tuple[int, int]) -> None:
        """Bake the position table for one image size (rows, columns); weights are shared.

        Raises:
            ValueError: The tower has a fixed grid that this size is not.
        """
        super().__init__()
        # Only the image side: Clip's text tower is no part of this graph.
        self.image_size = image_size
        grid = (image_size[0] // clip.patch_size, image_size[1] // clip.patch_size)
        with torch.no_grad():
            position = clip.position_embedding(grid).detach()
        self.register_buffer("position", position, persistent=False)
        self.clip = clip
        self.training = clip.training

    def example_inputs(self, batch: int = 1) -> dict[str, Tensor]:
        """Random inputs of the exported shape, in the weights' type and on their device."""
        return {
            "pixel_values": torch.randn(
                (batch, 3, *self.image_size), dtype=self.position.dtype, device=self.position.device
            )
        }

    def forward(self, pixel_values: Tensor) -> tuple[Tensor]:
        """Run once; see the class for inputs and outputs."""
        return (self.clip(pixel_values, self.position),)
