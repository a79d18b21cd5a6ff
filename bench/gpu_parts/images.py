# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MoGe-2: frames per second of the network alone, and of the node's depth call around it."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import torch

from bench import full_size
from bench.gpu_parts.context import Context, outcome
from bench.gpu_parts.networks import view
from spatialgeo_ros.models.moge.base import MoGe
from spatialgeo_ros.models.moge.moge_checkpoint import build_moge
from spatialgeo_ros.models.profiles import ImageInput, load_profile
from spatialgeo_ros.networks.towers import FrameTowers


def moge2_s(context: Context) -> dict[str, Any]:
    """MoGe-2 S."""
    return _moge(context, "moge2_s", "S", (777, 1800, 3600))


def moge2_b(context: Context) -> dict[str, Any]:
    """MoGe-2 B."""
    return _moge(context, "moge2_b", "B", (1800,))


def moge2_l(context: Context) -> dict[str, Any]:
    """MoGe-2 L."""
    return _moge(context, "moge2_l", "L", (1800,))


def network(context: Context, name: str, dtype: torch.dtype) -> MoGe:
    """MoGe-2 with random weights as training starts from."""
    torch.manual_seed(0)
    with torch.device(context.device):
        built = build_moge(full_size.MOGE["moge2_s" if context.tiny else name])
    return built.requires_grad_(False).eval().to(dtype)


def towers(context: Context, geometry: MoGe, name: str, tokens: int) -> FrameTowers:
    """Frame towers as a profile with MoGe alone has them."""
    part = load_profile(name).geometry
    assert part is not None
    dtype = next(geometry.parameters()).dtype
    return FrameTowers(
        ImageInput(0, 0, geometry.patch_size, (0, 0, 0), "native"), context.device, dtype,
        part=dataclasses.replace(part, num_tokens=tokens), geometry=geometry,
    )  # fmt: skip


@torch.inference_mode()
def _moge(context: Context, name: str, letter: str, sizes: tuple[int, ...]) -> dict[str, Any]:
    dtype = torch.float16 if context.device.type == "cuda" else torch.float32
    geometry = network(context, name, dtype)
    numbers: dict[str, float] = {}
    rows = []
    for tokens in (36,) if context.tiny else sizes:
        eager = towers(context, geometry, name, tokens)
        pixels = eager.pixels(view(0))
        alone = context.seconds(lambda t=tokens, p=pixels: geometry(p, t, upsample=False))
        seeds = itertools.count()
        depth = context.seconds(lambda e=eager, s=seeds: e.depth(view(next(s) % 4)))
        numbers |= {f"network {tokens}": alone, f"depth {tokens}": depth}
        rows.append([f"{tokens:,}", alone * 1e3, depth * 1e3, 1 / depth, depth / alone])
    header = ("patches", "network, ms", "depth call, ms", "depth calls a second", "call / network")
    word = str(dtype).removeprefix("torch.")
    return outcome(f"MoGe-2 {letter} in {word}, 640x480", numbers, (header, rows))
