# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tiny VGGT checkpoints under the official names, track head included."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from spatialgeo_ros.models.vggt import Vggt, VggtConfig

TINY = VggtConfig(
    embed_dim=32,
    depth=4,
    num_heads=4,
    img_size=70,
    patch_embed_depth=2,
    patch_embed_heads=4,
    camera_depth=2,
    camera_heads=4,
    dpt_features=16,
    dpt_channels=(8, 12, 16, 16),
    dpt_layers=(0, 1, 2, 3),
)


def write_vggt(
    folder: Path, seed: int = 0, config: VggtConfig = TINY, name: str = "model.safetensors"
) -> Path:
    """Write ``model.safetensors`` (or ``model.pt``) with random weights; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    state = random_vggt(config, seed)
    if name.endswith(".safetensors"):
        save_file(state, folder / name)
    else:
        torch.save(state, folder / name)
    return folder


def random_vggt(config: VggtConfig = TINY, seed: int = 0) -> dict[str, Tensor]:
    """All tensors of an official checkpoint, sized so that activations neither die nor explode."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in vggt_shapes(config):
        noise = torch.randn(shape, generator=generator)
        if len(shape) > 1 and "token" not in name:
            state[name] = noise / (noise[0].numel() ** 0.5)
        elif name.endswith((".weight", ".gamma")):
            state[name] = 1 + 0.1 * noise
        else:
            state[name] = 0.1 * noise
    return state


def vggt_shapes(config: VggtConfig) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes of an official checkpoint of this size."""
    with torch.device("meta"):
        network = Vggt(config)
    for name, tensor in network.state_dict().items():
        if not name.startswith("aggregator.patch_embed."):
            yield name, tuple(tensor.shape)
    for name, shape in dinov2_shapes(config):
        yield f"aggregator.patch_embed.{name}", shape
    for name, shape in track_head_shapes(2 * config.embed_dim, config.dpt_channels):
        yield f"track_head.{name}", shape


def dinov2_shapes(config: VggtConfig) -> Iterator[tuple[str, tuple[int, ...]]]:
    """DINOv2 with registers under its own names."""
    dim, patch = config.embed_dim, config.patch_size
    yield "cls_token", (1, 1, dim)
    yield "pos_embed", (1, 1 + (config.img_size // patch) ** 2, dim)
    yield "register_tokens", (1, config.num_register_tokens, dim)
    yield "mask_token", (1, dim)
    yield "patch_embed.proj.weight", (dim, 3, patch, patch)
    yield "patch_embed.proj.bias", (dim,)
    for index in range(config.patch_embed_depth):
        block = f"blocks.{index}."
        yield from _norm(block + "norm1", dim)
        yield from _linear(block + "attn.qkv", dim, 3 * dim)
        yield from _linear(block + "attn.proj", dim, dim)
        yield block + "ls1.gamma", (dim,)
        yield from _norm(block + "norm2", dim)
        yield from _linear(block + "mlp.fc1", dim, 4 * dim)
        yield from _linear(block + "mlp.fc2", 4 * dim, dim)
        yield block + "ls2.gamma", (dim,)
    yield from _norm("norm", dim)


def track_head_shapes(
    dim: int, channels: tuple[int, ...], latent: int = 128, hidden: int = 384
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The track head: a DPT of width ``latent`` without output layers, and CoTracker's refiner."""
    extractor = "feature_extractor."
    yield from _norm(extractor + "norm", dim)
    for level, width in enumerate(channels):
        yield from _conv(f"{extractor}projects.{level}", dim, width, 1)
    for level, kernel in ((0, 4), (1, 2), (3, 3)):
        yield from _conv(
            f"{extractor}resize_layers.{level}", channels[level], channels[level], kernel
        )
    scratch = extractor + "scratch."
    for level, width in enumerate(channels, start=1):
        yield f"{scratch}layer{level}_rn.weight", (latent, width, 3, 3)
        yield from _conv(f"{scratch}refinenet{level}.out_conv", latent, latent, 1)
        for unit in (2,) if level == len(channels) else (1, 2):
            for conv in (1, 2):
                name = f"{scratch}refinenet{level}.resConfUnit{unit}.conv{conv}"
                yield from _conv(name, latent, latent, 3)
    yield from _conv(scratch + "output_conv1", latent, latent, 3)
    tracker, width = "tracker.", 3 * latent + 4
    yield from _mlp(tracker + "corr_mlp", 7 * 9 * 9, hidden, latent)
    yield tracker + "query_ref_token", (1, 2, width)
    former = tracker + "updateformer."
    yield from _norm(former + "input_norm", width)
    yield from _linear(former + "input_transform", width, hidden)
    yield from _norm(former + "output_norm", hidden)
    yield from _linear(former + "flow_head", hidden, latent + 2)
    yield former + "virual_tracks", (1, 64, 1, hidden)
    for stack, norms in (
        ("time_blocks", 2),
        ("space_virtual_blocks", 2),
        ("space_point2virtual_blocks", 3),
        ("space_virtual2point_blocks", 3),
    ):
        for index in range(6):
            block = f"{former}{stack}.{index}."
            for number in range(norms):
                yield from _norm(f"{block}norm{number}", hidden)
            yield block + "attn.in_proj_weight", (3 * hidden, hidden)
            yield block + "attn.in_proj_bias", (3 * hidden,)
            yield from _linear(block + "attn.out_proj", hidden, hidden)
            yield from _mlp(block + "mlp", hidden, 4 * hidden, hidden)
    yield from _norm(tracker + "fmap_norm", latent)
    yield from _norm(tracker + "ffeat_norm", latent)
    yield from _linear(tracker + "ffeat_updater.0", latent, latent)
    yield from _linear(tracker + "vis_predictor.0", latent, 1)
    yield from _linear(tracker + "conf_predictor.0", latent, 1)


def _norm(name: str, dim: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield name + ".weight", (dim,)
    yield name + ".bias", (dim,)


def _linear(name: str, dim: int, out: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield name + ".weight", (out, dim)
    yield name + ".bias", (out,)


def _mlp(name: str, dim: int, hidden: int, out: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield from _linear(name + ".fc1", dim, hidden)
    yield from _linear(name + ".fc2", hidden, out)


def _conv(name: str, dim: int, out: int, kernel: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield name + ".weight", (out, dim, kernel, kernel)
    yield name + ".bias", (out,)
