# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MoGe 1: affine point map and mask from one image (Wang et al., CVPR 2025).

Its backbone is SpatialGeo's geometry tower, so its heads can also run on features that were
computed there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spatialgeo_ros.models.backbones import Features, build_backbone
from spatialgeo_ros.models.moge.affine_points import finish_maps, view_plane_uv
from spatialgeo_ros.models.moge.base import IMAGENET_MEAN, IMAGENET_STD, MoGe
from spatialgeo_ros.models.moge.conv_stack import ResConvBlock, upsample_by_two

_POINTS, _MASK = 0, 1


class Head(nn.Module):
    """Sum of projected layers, upsampled in stages that each see the view-plane coordinates."""

    def __init__(
        self,
        layers: int,
        dim_in: int,
        dim_proj: int,
        dim_upsample: Sequence[int],
        dim_times_res_block_hidden: int,
        num_res_blocks: int,
        res_block_norm: str,
        last_res_blocks: int,
        last_conv_channels: int,
        last_conv_size: int,
    ) -> None:
        """See ``MoGe1``; ``layers`` maps of width ``dim_in`` come in."""
        super().__init__()

        def blocks(channels: int, count: int) -> list[nn.Module]:
            hidden = channels * dim_times_res_block_hidden
            return [
                ResConvBlock(channels, "replicate", "layer_norm", res_block_norm, hidden)
                for _ in range(count)
            ]

        def output(channels: int) -> nn.Sequential:
            width = last_conv_channels
            return nn.Sequential(
                nn.Conv2d(dim_upsample[-1] + 2, width, 3, padding=1, padding_mode="replicate"),
                *blocks(width, last_res_blocks),
                nn.ReLU(),
                nn.Conv2d(
                    width,
                    channels,
                    last_conv_size,
                    padding=last_conv_size // 2,
                    padding_mode="replicate",
                ),
            )

        self.projects = nn.ModuleList(nn.Conv2d(dim_in, dim_proj, 1) for _ in range(layers))
        self.upsample_blocks = nn.ModuleList(
            nn.Sequential(upsample_by_two(a + 2, b, "replicate"), *blocks(b, num_res_blocks))
            for a, b in zip([dim_proj, *dim_upsample[:-1]], dim_upsample, strict=True)
        )
        self.output_block = nn.ModuleList([output(3), output(1)])

    def forward(
        self, maps: Sequence[Tensor], size: tuple[int, int], aspect: float
    ) -> tuple[Tensor, Tensor]:
        """Raw points ``[B, 3, *size]`` and mask ``[B, *size]`` from maps, earliest layer first."""
        x = self.projects[0](maps[0])
        for project, layer in zip(self.projects[1:], maps[1:], strict=True):
            x = x + project(layer)
        for stage in self.upsample_blocks:
            x = stage(_with_uv(x, aspect))
        x = _with_uv(F.interpolate(x, size, mode="bilinear"), aspect)
        return self.output_block[_POINTS](x), self.output_block[_MASK](x)[:, 0]


def _with_uv(x: Tensor, aspect: float) -> Tensor:
    rows, columns = x.shape[-2:]
    uv = view_plane_uv(rows, columns, aspect, dtype=x.dtype, device=x.device)
    return torch.cat([x, uv.permute(2, 0, 1)[None].expand(x.shape[0], -1, -1, -1)], dim=1)


def resize_to_patches(
    image: Tensor,
    size: tuple[int, int],
    patch_size: int,
    mean: Tensor,
    std: Tensor,
    antialias: bool = True,
) -> Tensor:
    """What MoGe 1's backbone gets of an image ``[B, 3, H, W]`` in [0, 1], float32.

    Resized to ``size`` (bicubic), normalised, then resized to whole patches (bilinear).
    """
    image = F.interpolate(image.float(), size, mode="bicubic", antialias=antialias)
    image = (image - mean) / std
    whole = (size[0] // patch_size * patch_size, size[1] // patch_size * patch_size)
    return F.interpolate(image, whole, mode="bilinear", antialias=antialias)


class MoGe1(MoGe):
    """MoGe 1 with its DINOv2 backbone; scale is unknown, and there are no normals."""

    image_mean: Tensor
    image_std: Tensor
    positive_depth_only: ClassVar[bool] = False

    def __init__(
        self,
        encoder: str | Mapping[str, Any] = "dinov2_vitb14",
        intermediate_layers: int | Sequence[int] = 4,
        dim_proj: int = 512,
        dim_upsample: Sequence[int] = (256, 128, 128),
        dim_times_res_block_hidden: int = 1,
        num_res_blocks: int = 1,
        remap_output: str = "linear",
        res_block_norm: str = "group_norm",
        num_tokens_range: Sequence[int] = (1200, 2500),
        last_res_blocks: int = 0,
        last_conv_channels: int = 32,
        last_conv_size: int = 1,
        mask_threshold: float = 0.5,
    ) -> None:
        """Build from the entries of an official ``model_config`` (defaults are the published ones).

        Args:
            encoder: Name or configuration of the backbone (``build_backbone``).
            intermediate_layers: Blocks to read: the last n, or a list of block indices.
            dim_proj: Width of the projected layers.
            dim_upsample: Width after each doubling of the grid.
            dim_times_res_block_hidden: Hidden width of residual blocks, as a multiple.
            num_res_blocks: Residual blocks per doubling.
            remap_output: See ``remap_points``.
            res_block_norm: Second norm of residual blocks: "group_norm", "layer_norm" or "none".
            num_tokens_range: Patch counts of resolution levels 0 and 9.
            last_res_blocks: Residual blocks before each output.
            last_conv_channels: Width before each output.
            last_conv_size: Kernel of the output convolutions.
            mask_threshold: Mask values above it count as valid.
        """
        super().__init__()
        self.backbone = build_backbone(encoder, intermediate_layers)
        self.head = Head(
            layers=(
                intermediate_layers
                if isinstance(intermediate_layers, int)
                else len(intermediate_layers)
            ),
            dim_in=self.backbone.dim,
            dim_proj=dim_proj,
            dim_upsample=dim_upsample,
            dim_times_res_block_hidden=dim_times_res_block_hidden,
            num_res_blocks=num_res_blocks,
            res_block_norm=res_block_norm,
            last_res_blocks=last_res_blocks,
            last_conv_channels=last_conv_channels,
            last_conv_size=last_conv_size,
        )
        self.register_buffer("image_mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1))
        self.register_buffer("image_std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1))
        self.remap_output = remap_output
        self.num_tokens_range = (int(num_tokens_range[0]), int(num_tokens_range[1]))
        self.mask_threshold = float(mask_threshold)

    @property
    def has_metric_scale(self) -> bool:
        """Never: its point maps have a scale of their own in every image."""
        return False

    @property
    def patch_size(self) -> int:
        """Side of a patch of the backbone, pixels."""
        return self.backbone.patch_size

    def working_size(self, num_tokens: int, size: tuple[int, int]) -> tuple[int, int]:
        """Rows and columns that an image of ``size`` is first resized to for a token budget."""
        height, width = size
        factor = (num_tokens * self.patch_size**2 / (height * width)) ** 0.5
        return int(height * factor), int(width * factor)

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

        The decoder's own size is ``working_size``. ``mask`` is the network's raw value, not a
        probability: compare it with ``mask_threshold``.
        """
        height, width = image.shape[-2:]
        size = self.working_size(num_tokens, (height, width))
        features = self.backbone(self.patches_input(image, size, antialias), prior)
        raw = self.decode(features, size, size[1] / size[0])
        maps = finish_maps(raw, self.remap_output, (height, width) if upsample else None)
        return {"features": features, **maps}

    def patches_input(self, image: Tensor, size: tuple[int, int], antialias: bool = True) -> Tensor:
        """What the backbone gets (``resize_to_patches``), in the weights' dtype."""
        mean, std = self.image_mean, self.image_std
        pixels = resize_to_patches(image, size, self.patch_size, mean, std, antialias)
        return pixels.to(self.image_mean.dtype)

    def decode(self, features: Features, size: tuple[int, int], aspect: float) -> dict[str, Tensor]:
        """Heads at ``size``, before any activation.

        Args:
            features: Of the backbone.
            size: Rows and columns wanted.
            aspect: Width over height of the image that the features see.

        Returns:
            What ``finish_maps`` takes: ``raw_points [B, 3, *size]`` and ``raw_mask [B, *size]``.
        """
        points, mask = self.head(features.maps, size, aspect)
        return {"raw_points": points, "raw_mask": mask}

    def predict_from_features(
        self, features: Features, image_size: tuple[int, int], aspect: float
    ) -> dict[str, Any]:
        """Heads on features of the same backbone that were computed elsewhere.

        SpatialGeo's tower sees CLIP's square crop; its features then give the point map of that
        crop without a second pass.

        Args:
            features: All the layers that the heads read, earliest first, through the final norm.
            image_size: Rows and columns of the maps wanted: those of the image that the backbone
                saw (``working_size``), as ``forward`` does without ``upsample``.
            aspect: Width over height of that image.

        Returns:
            As from ``forward``.
        """
        raw = self.decode(features, image_size, aspect)
        return {"features": features, **finish_maps(raw, self.remap_output)}
