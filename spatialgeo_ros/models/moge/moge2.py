# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MoGe-2: metric point map, mask and optional normals from one image.

The class builds from the ``model_config`` that an official checkpoint carries and takes its tensors
under their own names; the nano profile is the same class over a convolutional backbone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spatialgeo_ros.models.backbones import Features, build_backbone
from spatialgeo_ros.models.moge.affine_points import finish_maps, view_plane_uv
from spatialgeo_ros.models.moge.base import IMAGENET_MEAN, IMAGENET_STD, MoGe
from spatialgeo_ros.models.moge.conv_stack import ConvStack

NANO_CONFIG: dict[str, Any] = {
    "encoder": {
        "backbone": {
            "kind": "conv",
            "in_channels": 7,
            "stem": 24,
            "widths": [40, 80, 160],
            "depths": [1, 2, 4],
        },
        "intermediate_layers": 4,
        "dim_out": 160,
    },
    "neck": {
        "dim_in": [162, 82, 42, 2],
        "dim_out": None,
        "dim_res_blocks": [160, 80, 40, 24],
        "num_res_blocks": [0, 1, 1, 0],
        "resamplers": ["conv_transpose", "conv_transpose", "conv_transpose"],
        "padding": "zeros",
    },
    "points_head": {
        "dim_in": [160, 80, 40, 24],
        "dim_out": [None, None, None, 3],
        "dim_res_blocks": [32, 32, 24, 20],
        "num_res_blocks": [0, 0, 0, 0],
        "resamplers": ["conv_transpose", "conv_transpose", "conv_transpose"],
        "padding": "zeros",
    },
    "mask_head": {
        "dim_in": [160, 80, 40, 24],
        "dim_out": [None, None, None, 1],
        "dim_res_blocks": [8, 8, 8, 8],
        "num_res_blocks": [0, 0, 0, 0],
        "resamplers": ["conv_transpose", "conv_transpose", "conv_transpose"],
        "padding": "zeros",
    },
    "scale_head": {"dims": [160, 160, 160, 1]},
    "remap_output": "exp",
    "num_tokens_range": [48, 48],
}


def resize_input(image: Tensor, size: tuple[int, int], antialias: bool = True) -> Tensor:
    """Bilinear to rows and columns ``size``, as MoGe-2 fits images to its patch grid."""
    if image.shape[-2:] == size:
        return image
    return F.interpolate(image, size, mode="bilinear", antialias=antialias)


class Encoder(nn.Module):
    """Backbone, ImageNet normalisation, and the summed 1x1 projections of its four layers."""

    image_mean: Tensor
    image_std: Tensor

    def __init__(
        self,
        backbone: str | Mapping[str, Any],
        intermediate_layers: int | Sequence[int] = 4,
        dim_out: int = 1024,
    ) -> None:
        """Build the backbone (see ``build_backbone``) and one projection per layer read."""
        super().__init__()
        self.backbone = build_backbone(backbone, intermediate_layers)
        count = (
            intermediate_layers
            if isinstance(intermediate_layers, int)
            else len(intermediate_layers)
        )
        self.output_projections = nn.ModuleList(
            nn.Conv2d(self.backbone.dim, dim_out, 1) for _ in range(count)
        )
        self.register_buffer("image_mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1))
        self.register_buffer("image_std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1))

    def forward(
        self, image: Tensor, grid: tuple[int, int], prior: Tensor | None = None,
        antialias: bool = True,
    ) -> tuple[Tensor, Features]:  # fmt: skip
        """Resize an image in [0, 1] to the patch grid and encode it.

        Returns:
            The fused map ``[B, dim_out, rows, columns]`` and the backbone's features.
        """
        size = (grid[0] * self.backbone.patch_size, grid[1] * self.backbone.patch_size)
        if prior is not None:
            prior = resize_input(prior, size, antialias)
        features = self.backbone(self.normalise(resize_input(image, size, antialias)), prior)
        return self.fuse(features), features

    def normalise(self, image: Tensor) -> Tensor:
        """RGB ``[B, 3, H, W]`` in [0, 1] normalised as ImageNet is, in the weights' dtype."""
        return ((image - self.image_mean) / self.image_std).to(self.image_mean.dtype)

    def fuse(self, features: Features) -> Tensor:
        """Sum of the projected maps, ``[B, dim_out, rows, columns]``."""
        fused = self.output_projections[0](features.maps[0])
        for projection, layer in zip(self.output_projections[1:], features.maps[1:], strict=True):
            fused = fused + projection(layer)
        return fused


class MoGe2(MoGe):
    """MoGe-2 (Wang et al. 2025) with a backbone of choice."""

    def __init__(
        self,
        encoder: Mapping[str, Any],
        neck: Mapping[str, Any],
        points_head: Mapping[str, Any] | None = None,
        mask_head: Mapping[str, Any] | None = None,
        normal_head: Mapping[str, Any] | None = None,
        scale_head: Mapping[str, Any] | None = None,
        remap_output: str = "linear",
        num_tokens_range: Sequence[int] = (1200, 3600),
    ) -> None:
        """Build from the entries of an official ``model_config`` (or ``NANO_CONFIG``).

        Args:
            encoder: ``backbone``, ``intermediate_layers``, ``dim_out``.
            neck: Arguments of ``ConvStack``.
            points_head: Arguments of ``ConvStack``, as for the other heads; None leaves it out.
            mask_head: Probability that a pixel has a finite depth.
            normal_head: Surface normals.
            scale_head: ``dims`` of the MLP that gives the log of the metric scale.
            remap_output: See ``remap_points``.
            num_tokens_range: Patch counts of resolution levels 0 and 9.
        """
        super().__init__()
        self.encoder = Encoder(**encoder)
        self.neck = ConvStack(**neck)
        for name, config in (
            ("points_head", points_head), ("mask_head", mask_head), ("normal_head", normal_head)
        ):  # fmt: skip
            if config is not None:
                self.add_module(name, ConvStack(**config))
        if scale_head is not None:
            dims = scale_head["dims"]
            layers: list[nn.Module] = []
            for a, b in zip(dims[:-2], dims[1:-1], strict=True):
                layers += [nn.Linear(a, b), nn.ReLU()]
            self.scale_head = nn.Sequential(*layers, nn.Linear(dims[-2], dims[-1]))
        self.levels = len(neck["dim_in"])
        self.remap_output = remap_output
        self.num_tokens_range = (int(num_tokens_range[0]), int(num_tokens_range[1]))

    @property
    def has_metric_scale(self) -> bool:
        """Whether the checkpoint has the head for the metric scale."""
        return hasattr(self, "scale_head")

    @property
    def patch_size(self) -> int:
        """Side of a patch of the backbone, pixels."""
        return self.encoder.backbone.patch_size

    def base_grid(self, num_tokens: int, aspect: float) -> tuple[int, int]:
        """Rows and columns of patches for a token budget and an image aspect (width / height)."""
        return round(math.sqrt(num_tokens / aspect)), round(math.sqrt(num_tokens * aspect))

    def forward(
        self,
        image: Tensor,
        num_tokens: int,
        prior: Tensor | None = None,
        *,
        upsample: bool = True,
        antialias: bool = True,
        normals: bool = True,
    ) -> dict[str, Any]:
        """Raw predictions; arguments and result as for ``MoGe.forward``.

        The decoder's own size is ``base_grid * 2**(levels - 1)``. ``mask`` is a probability, with
        ``mask_logits`` beside it.
        """
        height, width = image.shape[-2:]
        aspect = width / height
        fused, features = self.encoder(image, self.base_grid(num_tokens, aspect), prior, antialias)
        raw = self.decode(fused, features, aspect, normals=normals)
        size = (height, width) if upsample else None
        return {"features": features, **finish_maps(raw, self.remap_output, size)}

    def decode(
        self, fused: Tensor, features: Features, aspect: float, *, normals: bool = True
    ) -> dict[str, Tensor]:
        """Neck and heads at the decoder's own size, before any activation.

        Args:
            fused: ``[B, dim_out, rows, columns]`` from the encoder.
            features: What the backbone saw, beside it.
            aspect: Width over height of the image (not of the grid, which is rounded).
            normals: False leaves their head out.

        Returns:
            What ``finish_maps`` takes: ``raw_points [B, 3, h, w]``, ``raw_normal [B, 3, h, w]``,
            ``mask_logits [B, h, w]`` and ``log_scale [B]``, each where the head exists.
        """
        rows, columns = fused.shape[-2:]
        inputs: list[Tensor] = []
        for level in range(self.levels):
            uv = view_plane_uv(
                rows << level, columns << level, aspect, dtype=fused.dtype, device=fused.device
            )
            parts = [uv.permute(2, 0, 1)[None].expand(fused.shape[0], -1, -1, -1)]
            if level == 0:
                parts.insert(0, fused)
            elif level <= len(features.skips):
                parts.insert(0, features.skips[level - 1])
            inputs.append(torch.cat(parts, dim=1) if len(parts) > 1 else parts[0])
        maps = self.neck(inputs)
        raw: dict[str, Tensor] = {}
        for name, key in (
            ("points_head", "raw_points"),
            ("normal_head", "raw_normal"),
            ("mask_head", "mask_logits"),
        ):
            if hasattr(self, name) and (normals or key != "raw_normal"):
                raw[key] = getattr(self, name)(maps)[-1]
        if "mask_logits" in raw:
            raw["mask_logits"] = raw["mask_logits"][:, 0]
        if hasattr(self, "scale_head"):
            raw["log_scale"] = self.scale_head(features.cls)[:, 0]
        return raw
