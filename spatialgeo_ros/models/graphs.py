# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The encoders as graphs for export: plain named tensors in and out, one backbone pass.

What depends on the shape alone (position tables, view-plane coordinates) becomes a constant,
computed by PyTorch for the exported grid. Resizing the camera image, the activations of the heads
and the recovery of focal and shift stay outside (:class:`GeometryPlan`). Inputs are float32 in
every precision, so that normalising does not round twice; outputs have the weights' type.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from spatialgeo_ros.models.backbones import ConvBackbone, Dinov2Backbone, Features
from spatialgeo_ros.models.clip import ClipVisionTower
from spatialgeo_ros.models.letterbox import image_values, per_channel
from spatialgeo_ros.models.moge.affine_points import finish_maps
from spatialgeo_ros.models.moge.base import IMAGENET_MEAN, IMAGENET_STD
from spatialgeo_ros.models.moge.moge1 import MoGe1, resize_to_patches
from spatialgeo_ros.models.moge.moge2 import MoGe2, resize_input

LAYERS = 4
_LAYER_NAMES = tuple(f"layer_{k}" for k in range(LAYERS))
_RAW_NAMES = ("raw_points", "raw_normal", "mask_logits", "raw_mask", "log_scale")


@dataclass(frozen=True)
class GeometryPlan:
    """What surrounds a geometry graph; it holds no weights.

    Attributes:
        grid: Rows and columns of patches.
        patch_size: Pixels per patch side.
        aspect: Width over height of the camera image.
        remap: Of the points, see ``remap_points``.
        prior_channels: Channels of the camera prior; 0 where the network takes none.
        working_size: Rows and columns that MoGe 1 resizes to first; None for MoGe-2.
    """

    grid: tuple[int, int]
    patch_size: int
    aspect: float
    remap: str
    prior_channels: int = 0
    working_size: tuple[int, int] | None = None

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
        if prior is not None and not self.prior_channels:
            raise ValueError("this geometry network takes no camera prior")
        image = image.float()
        if self.working_size is not None:
            mean, std = (
                per_channel(values, image.device) for values in (IMAGENET_MEAN, IMAGENET_STD)
            )
            size = self.working_size
            return {"pixel_values": resize_to_patches(image, size, self.patch_size, mean, std)}
        feeds = {"image": resize_input(image, self.input_size)}
        if self.prior_channels:
            if prior is None:
                prior = image.new_zeros((image.shape[0], self.prior_channels, *self.input_size))
            feeds["prior"] = resize_input(prior.float(), self.input_size)
        return feeds

    def finish(
        self, outputs: Mapping[str, Tensor], size: tuple[int, int] | None = None
    ) -> dict[str, Any]:
        """What the network's ``forward`` returns, from the graph's outputs.

        Args:
            outputs: Of the graph, by name.
            size: Rows and columns that the maps are enlarged to; None keeps the decoder's.
        """
        raw = {name: outputs[name] for name in _RAW_NAMES if name in outputs}
        maps = [outputs[name].transpose(1, 2).unflatten(2, self.grid) for name in _LAYER_NAMES]
        return {
            "features": Features(maps=maps, cls=outputs["cls"]),
            **finish_maps(raw, self.remap, size),
        }


class _Graph(nn.Module):
    """One network for one shape; subclasses run it."""

    input_names: tuple[str, ...]
    output_names: tuple[str, ...]

    def __init__(self, network: nn.Module, input_shapes: Mapping[str, tuple[int, int, int]]):
        """Share a network's weights.

        Args:
            network: Not copied.
            input_shapes: Channels, rows and columns of every input.
        """
        super().__init__()
        self.input_shapes = dict(input_shapes)
        self.input_names = tuple(input_shapes)
        self.training = network.training

    def example_inputs(self, batch: int = 1) -> dict[str, Tensor]:
        """Random inputs of the graph's shape, on its device."""
        device = next(self.parameters()).device
        return {
            name: torch.rand((batch, *shape), device=device)
            for name, shape in self.input_shapes.items()
        }


class GeometryGraph(_Graph):
    """MoGe-2 for one patch grid: image (and camera prior) to backbone layers and raw maps.

    Inputs: ``image [B, 3, H, W]`` RGB in [0, 1] at the patch grid's own size (what
    ``plan.prepare`` gives), and ``prior`` of the same size where the backbone takes one.

    Outputs, named by ``output_names``: ``layer_0`` to ``layer_3 [B, rows*columns, C]``, earliest
    first, each through the final norm; ``cls [B, C]``; ``raw_points``, ``raw_normal``,
    ``mask_logits``, ``log_scale`` as ``MoGe2.decode`` gives them, each where the head exists.
    """

    position: Tensor | None

    def __init__(
        self,
        moge: MoGe2,
        num_tokens: int,
        image_size: tuple[int, int],
        *,
        normals: bool = True,
    ) -> None:
        """Bake a network's constants for one shape.

        Args:
            moge: The weights are shared, not copied.
            num_tokens: Patches wanted, as for ``MoGe2.forward``.
            image_size: Rows and columns of the camera image; they give the aspect.
            normals: False leaves their head out.
        """
        backbone = moge.encoder.backbone
        prior_channels = backbone.in_channels - 3 if isinstance(backbone, ConvBackbone) else 0
        aspect = image_size[1] / image_size[0]
        plan = GeometryPlan(
            moge.base_grid(num_tokens, aspect),
            backbone.patch_size,
            aspect,
            moge.remap_output,
            prior_channels,
        )
        shapes = {"image": (3, *plan.input_size)}
        if prior_channels:
            shapes["prior"] = (prior_channels, *plan.input_size)
        super().__init__(moge, shapes)
        self.plan, self.moge = plan, moge
        position = None
        if isinstance(backbone, Dinov2Backbone):
            position = backbone.position_embedding(plan.grid).detach()
        self.register_buffer("position", position, persistent=False)
        heads = {
            "points_head": "raw_points",
            "normal_head": "raw_normal",
            "mask_head": "mask_logits",
            "scale_head": "log_scale",
        }
        if not normals:
            heads.pop("normal_head")
        self.normals = normals
        raw = (name for head, name in heads.items() if hasattr(moge, head))
        self.output_names = (*_LAYER_NAMES, "cls", *raw)

    def forward(self, image: Tensor, prior: Tensor | None = None) -> tuple[Tensor, ...]:
        """Run once; see the class for inputs and outputs."""
        encoder = self.moge.encoder
        normalised = encoder.normalise(image)
        if self.position is None:
            features = encoder.backbone(normalised, prior)
        else:
            features = encoder.backbone(normalised, position=self.position)
        fused = encoder.fuse(features)
        raw = self.moge.decode(fused, features, self.plan.aspect, normals=self.normals)
        return _outputs(self.output_names, features, raw)


class TowerGraph(_Graph):
    """DINOv2 as in MoGe 1 and SpatialGeo, and MoGe 1's heads on the same features.

    Input: ``pixel_values [B, 3, H, W]`` that are normalised already: by ``plan.prepare`` from a
    camera image, or CLIP's own pixels, as SpatialGeo was trained with.

    Outputs: ``layer_0`` to ``layer_3 [B, rows*columns, C]``, earliest first, each through the final
    norm; ``cls [B, C]``; with heads ``raw_points [B, 3, h, w]`` and ``raw_mask [B, h, w]``.
    """

    position: Tensor

    def __init__(
        self,
        network: MoGe1 | Dinov2Backbone,
        image_size: tuple[int, int],
        *,
        aspect: float | None = None,
        heads: bool = True,
    ) -> None:
        """Bake a network's constants for pixels of ``image_size`` (rows, columns).

        Args:
            network: MoGe 1 or a bare backbone; the weights are shared, not copied.
            image_size: Rows and columns of the maps that the heads give; the backbone sees whole
                patches of it.
            aspect: Width over height of the camera image, where sizes were rounded since.
            heads: False leaves MoGe 1's heads out.

        Raises:
            ValueError: The backbone is not a DINOv2.
        """
        backbone = network.backbone if isinstance(network, MoGe1) else network
        if not isinstance(backbone, Dinov2Backbone):
            raise ValueError("this graph is for DINOv2 backbones")
        patch = backbone.patch_size
        grid = (image_size[0] // patch, image_size[1] // patch)
        super().__init__(network, {"pixel_values": (3, grid[0] * patch, grid[1] * patch)})
        self.heads = network if isinstance(network, MoGe1) and heads else None
        self.backbone = backbone
        remap = "linear" if self.heads is None else self.heads.remap_output
        self.plan = GeometryPlan(
            grid, patch, aspect or image_size[1] / image_size[0], remap, working_size=image_size
        )
        self.maps_size = image_size
        self.register_buffer(
            "position", backbone.position_embedding(grid).detach(), persistent=False
        )
        raw = () if self.heads is None else ("raw_points", "raw_mask")
        self.output_names = (*_LAYER_NAMES, "cls", *raw)

    @classmethod
    def for_image(cls, moge: MoGe1, num_tokens: int, image_size: tuple[int, int]) -> TowerGraph:
        """MoGe 1 as its ``forward`` runs it for camera images of one size (rows, columns)."""
        working = moge.working_size(num_tokens, image_size)
        return cls(moge, working, aspect=image_size[1] / image_size[0])

    def forward(self, pixel_values: Tensor) -> tuple[Tensor, ...]:
        """Run once; see the class for inputs and outputs."""
        features = self.backbone(pixel_values.to(self.position.dtype), position=self.position)
        raw: dict[str, Tensor] = {}
        if self.heads is not None:
            rows, columns = self.maps_size
            raw = self.heads.decode(features, self.maps_size, columns / rows)
        return _outputs(self.output_names, features, raw)


class CameraGraph(nn.Module):
    """A geometry graph with what precedes it: from a camera's bytes in one launch.

    Not for export: input ``image [B, H, W, 3]`` uint8 RGB; outputs, ``plan`` and weights are those
    of the graph.
    """

    input_names = ("image",)

    def __init__(self, graph: GeometryGraph | TowerGraph, image_size: tuple[int, int]) -> None:
        """Put the conversion and ``plan.prepare`` in front of a graph.

        Args:
            graph: Not copied.
            image_size: Rows and columns of the camera image that the graph was made for.

        Raises:
            ValueError: The network reads a camera prior, which is no part of the image.
        """
        super().__init__()
        if graph.plan.prior_channels:
            raise ValueError("this geometry network reads a camera prior beside the image")
        self.graph, self.plan, self.image_size = graph, graph.plan, image_size
        self.output_names = graph.output_names
        self.training = graph.training

    def example_inputs(self, batch: int = 1) -> dict[str, Tensor]:
        """A grey image, on the graph's device."""
        device = next(self.parameters()).device
        shape = (batch, *self.image_size, 3)
        return {"image": torch.full(shape, 127, dtype=torch.uint8, device=device)}

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Run once; see the class for inputs and outputs."""
        outputs: tuple[Tensor, ...] = self.graph(**self.plan.prepare(image_values(image)))
        return outputs


class SemanticGraph(_Graph):
    """CLIP's patch features for one patch grid.

    Input ``pixel_values [B, 3, H, W]`` from ``ClipVisionTower.normalise``; output
    ``patch_features [B, P, C]``.
    """

    output_names = ("patch_features",)
    position: Tensor

    def __init__(self, clip: ClipVisionTower, image_size: tuple[int, int]) -> None:
        """Bake the position table for one image size (rows, columns); weights are shared.

        Raises:
            ValueError: The tower has a fixed grid that this size is not.
        """
        super().__init__(clip, {"pixel_values": (3, *image_size)})
        grid = (image_size[0] // clip.patch_size, image_size[1] // clip.patch_size)
        self.register_buffer("position", clip.position_embedding(grid).detach(), persistent=False)
        self.clip = clip

    def forward(self, pixel_values: Tensor) -> tuple[Tensor]:
        """Run once; see the class for inputs and outputs."""
        return (self.clip(pixel_values.to(self.position.dtype), self.position),)


def _outputs(
    names: tuple[str, ...], features: Features, raw: Mapping[str, Tensor]
) -> tuple[Tensor, ...]:
    layers = dict(zip(_LAYER_NAMES, features.tokens(), strict=True))
    named = {**layers, "cls": features.cls, **raw}
    return tuple(named[name] for name in names)
