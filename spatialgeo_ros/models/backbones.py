# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Image backbones of the geometry branch: DINOv2 for official weights, a small ResNet for nano.

Both give the same thing: four feature maps of equal size, each through the same final norm, which
is what the MoGe head and SpatialGeo's hierarchical adapter read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.dinov2_names import convert_dinov2_state_dict, official_dinov2_key
from spatialgeo_ros.models.transformer_layers import Dinov2Config, Dinov2Model

DINOV2_VARIANTS: dict[str, dict[str, Any]] = {
    "dinov2_vits14": {"embed_dim": 384, "depth": 12, "num_heads": 6},
    "dinov2_vitb14": {"embed_dim": 768, "depth": 12, "num_heads": 12},
    "dinov2_vitl14": {"embed_dim": 1024, "depth": 24, "num_heads": 16},
    "dinov2_vitg14": {"embed_dim": 1536, "depth": 40, "num_heads": 24, "swiglu": True},
}


@dataclass
class Features:
    """What a backbone saw in a batch of images.

    Attributes:
        maps: Four feature maps ``[B, C, h, w]``, earliest layer first, each through the final norm
            (mean 0 and variance 1 over the channels, before the norm's learned gain).
        cls: ``[B, C]`` summary of the image from the last of the four layers.
        skips: Finer maps for a decoder, coarse to fine (strides 8 and 4 of the convolutional
            backbone; none for DINOv2).
    """

    maps: list[Tensor]
    cls: Tensor
    skips: list[Tensor] = field(default_factory=list)

    def tokens(self) -> list[Tensor]:
        """The four maps as row-major patch tokens, each ``[B, h*w, C]``."""
        return [m.flatten(2).transpose(1, 2) for m in self.maps]


def interpolate_position_embedding(
    table: Tensor,
    grid: tuple[int, int],
    *,
    offset: float = 0.1,
    antialias: bool = False,
    by_size: bool = False,
) -> Tensor:
    """Resample DINOv2's learned position table to another patch grid, the way DINOv2 does it.

    With a non-zero ``offset`` the sampling step is ``(n + offset) / M`` instead of the true size
    ratio ``n / M`` (DINOv2 ``interpolate_pos_encoding``); the published networks depend on it, and
    transformers' ``Dinov2Model``, which resizes by target size, differs by several per cent.

    Args:
        table: ``[1, 1 + M*M, C]``, class position first.
        grid: Rows and columns of patches wanted.
        offset: 0.1 for plain DINOv2; 0 for the variants with register tokens.
        antialias: True for the variants with register tokens.
        by_size: Resize by target size whatever the offset (what ONNX exports of MoGe do).

    Returns:
        ``[1, 1 + rows*columns, C]`` in the table's dtype.
    """
    side = round((table.shape[1] - 1) ** 0.5)
    rows, columns = grid
    if (rows, columns) == (side, side):
        return table
    patches = table[:, 1:].float().reshape(1, side, side, -1).permute(0, 3, 1, 2)
    if offset and not by_size:
        patches = F.interpolate(
            patches,
            scale_factor=((rows + offset) / side, (columns + offset) / side),
            mode="bicubic",
            antialias=antialias,
        )
    else:
        patches = F.interpolate(patches, size=grid, mode="bicubic", antialias=antialias)
    patches = patches.permute(0, 2, 3, 1).reshape(1, rows * columns, -1)
    return torch.cat([table[:, :1], patches.to(table.dtype)], dim=1)


class Dinov2Backbone(nn.Module):
    """DINOv2, plain or with registers, on transformers' layers with the official position rule.

    ``load_state_dict`` takes official key names (``blocks.0.attn.qkv.weight``) as well as
    transformers' own.
    """

    def __init__(self, config: Mapping[str, Any], layers: int | Sequence[int] = 4) -> None:
        """Build the network with random weights.

        Args:
            config: ``embed_dim``, ``depth``, ``num_heads`` and optionally ``mlp_ratio``,
                ``patch_size``, ``img_size``, ``swiglu``, ``norm_eps``, ``interpolate_offset``,
                ``interpolate_antialias``, ``num_register_tokens`` (with registers, the position
                rule is by size and antialiased unless the mapping says otherwise).
            layers: The blocks to read: the last n, or a list of block indices.
        """
        super().__init__()
        registers = int(config.get("num_register_tokens", 0))
        depth = int(config["depth"])
        self.layers = tuple(range(depth - layers, depth) if isinstance(layers, int) else layers)
        self.dim = int(config["embed_dim"])
        self.patch_size = int(config.get("patch_size", 14))
        self.offset = float(config.get("interpolate_offset", 0.0 if registers else 0.1))
        self.antialias = bool(config.get("interpolate_antialias", registers > 0))
        self.skip_dims: tuple[int, ...] = ()
        self.by_size = False
        self.model = Dinov2Model(
            Dinov2Config(
                hidden_size=self.dim,
                num_hidden_layers=depth,
                num_attention_heads=int(config["num_heads"]),
                mlp_ratio=int(config.get("mlp_ratio", 4)),
                image_size=int(config.get("img_size", 518)),
                patch_size=self.patch_size,
                layer_norm_eps=float(config.get("norm_eps", 1e-6)),
                use_swiglu_ffn=bool(config.get("swiglu", False)),
                qkv_bias=bool(config.get("qkv_bias", True)),
            )
        )
        # Darcet et al. 2024, "Vision Transformers Need Registers": extra tokens without a place.
        self.registers = registers
        if registers:
            self.register_tokens = nn.Parameter(torch.zeros(1, registers, self.dim))
        self.register_load_state_dict_pre_hook(_rename_official_keys)

    def official_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the tensors under official names (query, key and value as one)."""
        shapes: dict[str, tuple[int, ...]] = {}
        for key, tensor in self.state_dict().items():
            name = official_dinov2_key(key.removeprefix("model."))
            rows = 3 * tensor.shape[0] if ".attn.qkv." in name else None
            shapes[name] = tuple(tensor.shape) if rows is None else (rows, *tensor.shape[1:])
        return shapes

    def position_embedding(self, grid: tuple[int, int]) -> Tensor:
        """Position table ``[1, 1 + rows*columns, C]`` for a patch grid, class position first."""
        return interpolate_position_embedding(
            self.model.embeddings.position_embeddings,
            grid,
            offset=self.offset,
            antialias=self.antialias,
            by_size=self.by_size,
        )

    def forward(
        self, image: Tensor, prior: Tensor | None = None, position: Tensor | None = None
    ) -> Features:
        """Features of a normalised batch.

        Args:
            image: ``[B, 3, H, W]``, ImageNet-normalised, sides multiples of the patch size.
            prior: Must be None: official weights know no camera prior.
            position: What ``position_embedding`` gave for this grid; computed here by default.

        Raises:
            ValueError: A prior was given.
        """
        if prior is not None:
            raise ValueError("the DINOv2 backbone takes no camera prior")
        embeddings = self.model.embeddings
        grid = (image.shape[2] // self.patch_size, image.shape[3] // self.patch_size)
        x = embeddings.patch_embeddings(image)
        x = torch.cat([embeddings.cls_token.expand(x.shape[0], -1, -1), x], dim=1)
        if position is None:
            position = self.position_embedding(grid)
        x = x + position.to(x.dtype)
        if self.registers:
            registers = self.register_tokens.expand(x.shape[0], -1, -1).to(x.dtype)
            x = torch.cat([x[:, :1], registers, x[:, 1:]], dim=1)
        outputs = []
        for index, block in enumerate(self.model.encoder.layer):
            x = block(x)
            if index in self.layers:
                outputs.append(self.model.layernorm(x))
        first = 1 + self.registers
        maps = [o[:, first:].transpose(1, 2).unflatten(2, grid) for o in outputs]
        return Features(maps=maps, cls=outputs[-1][:, 0])


def _rename_official_keys(
    module: nn.Module, state: dict[str, Any], prefix: str, *_: object
) -> None:
    """Load hook: official DINOv2 names below ``prefix`` become transformers' names in place."""
    if prefix + "patch_embed.proj.weight" not in state:
        return
    official = {k[len(prefix) :]: state.pop(k) for k in list(state) if k.startswith(prefix)}
    registers = official.pop("register_tokens", None)
    if registers is not None:
        state[prefix + "register_tokens"] = registers
    for key, tensor in convert_dinov2_state_dict(official).items():
        state[f"{prefix}model.{key}"] = tensor


class ChannelNorm(nn.Module):
    """LayerNorm over the channels of a ``[B, C, H, W]`` map (free of copies in channels_last)."""

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        """Learned gain and bias per channel."""
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise each pixel's channel vector."""
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def conv_bn_relu(in_channels: int, out_channels: int, stride: int = 1) -> nn.Sequential:
    """3x3 convolution, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch norm around an identity (He et al. 2016, basic block)."""

    def __init__(self, channels: int) -> None:
        """Width in equals width out."""
        super().__init__()
        self.first = conv_bn_relu(channels, channels)
        self.second = nn.Sequential(
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as the input."""
        return F.relu(x + self.second(self.first(x)), inplace=True)


class ConvBackbone(nn.Module):
    """Small residual CNN of total stride 16 that learns fast on little data.

    The blocks of the last stage play the part of the transformer's last four layers: each one's
    output goes through one shared channel LayerNorm, so that the tokens have unit scale.
    """

    def __init__(
        self,
        in_channels: int = 7,
        stem: int = 24,
        widths: Sequence[int] = (48, 96, 192),
        depths: Sequence[int] = (2, 2, 4),
    ) -> None:
        """Build with random weights.

        Args:
            in_channels: 3 for the image plus the channels of the camera prior.
            stem: Width at stride 2.
            widths: Widths at strides 4, 8 and 16.
            depths: Residual blocks at strides 4, 8 and 16; the last at least four.

        Raises:
            ValueError: Fewer than four blocks at stride 16.
        """
        super().__init__()
        if depths[-1] < 4:
            raise ValueError("the last stage needs four blocks: the adapter reads four layers")
        self.in_channels = in_channels
        self.dim = widths[-1]
        self.patch_size = 2 ** (len(widths) + 1)
        self.skip_dims = tuple(reversed(widths[:-1]))
        self.stem = conv_bn_relu(in_channels, stem, stride=2)
        self.downsamples = nn.ModuleList()
        self.stages = nn.ModuleList()
        width = stem
        for out_width, depth in zip(widths, depths, strict=True):
            self.downsamples.append(conv_bn_relu(width, out_width, stride=2))
            self.stages.append(nn.ModuleList(ResidualBlock(out_width) for _ in range(depth)))
            width = out_width
        self.norm = ChannelNorm(width)

    def forward(self, image: Tensor, prior: Tensor | None = None) -> Features:
        """Features of a normalised batch.

        Args:
            image: ``[B, 3, H, W]``, ImageNet-normalised, sides multiples of 16.
            prior: ``[B, in_channels - 3, H, W]`` camera prior; None stands for an unknown camera
                and feeds zeros, as training does for a share of its images.
        """
        if self.in_channels > 3:
            if prior is None:
                prior = image.new_zeros(
                    (image.shape[0], self.in_channels - 3, image.shape[2], image.shape[3])
                )
            image = torch.cat([image, prior.to(image.dtype)], dim=1)
        x = self.stem(image.contiguous(memory_format=torch.channels_last))
        outputs: list[Tensor] = []
        skips: list[Tensor] = []
        last = len(self.stages) - 1
        for index, down in enumerate(self.downsamples):
            x = down(x)
            for block in self.stages[index].children():
                x = block(x)
                if index == last:
                    outputs.append(x)
            if index != last:
                skips.insert(0, x)
        maps = [self.norm(x) for x in outputs[-4:]]
        return Features(maps=maps, cls=maps[-1].mean(dim=(2, 3)), skips=skips)


def build_backbone(
    config: str | Mapping[str, Any], layers: int | Sequence[int] = 4
) -> Dinov2Backbone | ConvBackbone:
    """Backbone from a published name or from a mapping.

    Args:
        config: ``"dinov2_vits14"`` and the like, or a mapping with ``kind: conv | dinov2`` and the
            arguments of the class.
        layers: Blocks to read (DINOv2 only; the CNN always gives its last four).

    Raises:
        ModelLoadError: The name or kind is unknown.
    """
    if isinstance(config, str):
        if config not in DINOV2_VARIANTS:
            raise ModelLoadError(
                f"unknown backbone '{config}'; known are {', '.join(DINOV2_VARIANTS)}"
            )
        return Dinov2Backbone(DINOV2_VARIANTS[config], layers)
    arguments = dict(config)
    kind = arguments.pop("kind", "dinov2")
    if kind == "conv":
        return ConvBackbone(**arguments)
    if kind == "dinov2":
        return Dinov2Backbone(arguments, layers)
    raise ModelLoadError(f"unknown backbone kind '{kind}'; known are conv and dinov2")
