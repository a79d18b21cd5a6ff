# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sizes of a VGGT network: the published ones, or read off a checkpoint's tensors.

Official checkpoints (``facebook/VGGT-1B``) carry no configuration file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from spatialgeo_ros.errors import ModelLoadError

#: Layers that the DPT heads of the published 24-layer network read.
_PUBLISHED_DPT_LAYERS = (4, 11, 17, 23)
_PUBLISHED_DEPTH = 24


@dataclass(frozen=True)
class VggtConfig:
    """Sizes of a VGGT network; the defaults are VGGT-1B's.

    Attributes:
        embed_dim: Width C of the aggregator; its outputs are 2C wide.
        depth: Pairs of a frame block and a global block.
        num_heads: Attention heads of the aggregator.
        mlp_ratio: Hidden width of the blocks' MLPs over their width.
        patch_size: Pixels per side of a patch.
        img_size: Side of the square images of the patch embedding's position table.
        num_register_tokens: Register tokens per frame, in the aggregator and in its DINOv2.
        rope_base: Wavelength base of the rotary position embedding.
        patch_embed_depth: Blocks of the DINOv2 that embeds the patches.
        patch_embed_heads: Its attention heads.
        camera_depth: Blocks of the camera head's trunk.
        camera_heads: Its attention heads.
        dpt_features: Width of the DPT heads' fusion.
        dpt_channels: Widths of the four maps that the DPT heads make of the tokens.
        dpt_layers: The aggregator layers that the DPT heads read.
    """

    embed_dim: int = 1024
    depth: int = _PUBLISHED_DEPTH
    num_heads: int = 16
    mlp_ratio: int = 4
    patch_size: int = 14
    img_size: int = 518
    num_register_tokens: int = 4
    rope_base: float = 100.0
    patch_embed_depth: int = 24
    patch_embed_heads: int = 16
    camera_depth: int = 4
    camera_heads: int = 16
    dpt_features: int = 256
    dpt_channels: tuple[int, int, int, int] = (256, 512, 1024, 1024)
    dpt_layers: tuple[int, int, int, int] = _PUBLISHED_DPT_LAYERS

    @property
    def specials(self) -> int:
        """Tokens before a frame's patches: one camera token and the registers."""
        return 1 + self.num_register_tokens

    def dinov2(self) -> dict[str, Any]:
        """Arguments of the DINOv2 with registers that embeds the patches."""
        return {
            "embed_dim": self.embed_dim,
            "depth": self.patch_embed_depth,
            "num_heads": self.patch_embed_heads,
            "patch_size": self.patch_size,
            "img_size": self.img_size,
            "num_register_tokens": self.num_register_tokens,
            "interpolate_offset": 0.0,
            "interpolate_antialias": True,
        }


def config_from_tensors(shapes: Mapping[str, Tensor], source: str = "the checkpoint") -> VggtConfig:
    """Sizes of the network that a state dict with official names belongs to.

    Three things leave no trace in the tensors and follow the published network: the camera head
    and the patch embedding have as many attention heads as the aggregator (whose head width shows
    in its query norm); the RoPE base is 100; the DPT heads read layers 4, 11, 17 and 23 of 24, and
    for any other depth the last layer of each quarter. Give a :class:`VggtConfig` of your own
    where that is wrong.

    Args:
        shapes: Tensors (of any device) by official name. Heads may be missing.
        source: Named in errors.

    Raises:
        ModelLoadError: A tensor that tells a size is missing.
    """

    def shape(name: str) -> tuple[int, ...]:
        if name not in shapes:
            raise ModelLoadError(f"{source} lacks tensor '{name}', so it is no VGGT checkpoint")
        return tuple(shapes[name].shape)

    registers, dim = shape("aggregator.register_token")[-2:]
    block = "aggregator.frame_blocks.0."
    heads = dim // shape(block + "attn.q_norm.weight")[0]
    depth = _count(shapes, "aggregator.frame_blocks.")
    patch = shape("aggregator.patch_embed.patch_embed.proj.weight")[-1]
    side = round((shape("aggregator.patch_embed.pos_embed")[1] - 1) ** 0.5)
    sizes: dict[str, Any] = {
        "embed_dim": dim,
        "depth": depth,
        "num_heads": heads,
        "mlp_ratio": shape(block + "mlp.fc1.weight")[0] // dim,
        "patch_size": patch,
        "img_size": side * patch,
        "num_register_tokens": registers,
        "patch_embed_depth": _count(shapes, "aggregator.patch_embed.blocks."),
        "patch_embed_heads": heads,
        "camera_heads": heads,
    }
    if depth != _PUBLISHED_DEPTH:
        sizes["dpt_layers"] = tuple(-(-depth * quarter // 4) - 1 for quarter in (1, 2, 3, 4))
    if "camera_head.token_norm.weight" in shapes:
        sizes["camera_depth"] = _count(shapes, "camera_head.trunk.")
    for head in ("point_head.", "depth_head."):
        if head + "norm.weight" in shapes:
            sizes["dpt_features"] = shape(head + "scratch.layer1_rn.weight")[0]
            sizes["dpt_channels"] = tuple(shape(f"{head}projects.{k}.weight")[0] for k in range(4))
            break
    return VggtConfig(**sizes)


def _count(shapes: Mapping[str, Tensor], prefix: str) -> int:
    """Number of numbered children below ``prefix``."""
    return len({key[len(prefix) :].split(".", 1)[0] for key in shapes if key.startswith(prefix)})
