# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Low-rank adapters as PEFT saves them, merged into one weight at a time (Hu et al. 2021)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.files.shards import Shards, read_json

ADAPTER_CONFIG = "adapter_config.json"
_STEMS = (("adapter_model", ".safetensors"), ("adapter_model", ".bin"))
_NAME = re.compile(r"base_model\.model\.(?P<layer>.+)\.lora_(?P<side>[AB])(\.default)?\.weight")
# Settings of PEFT that change the formula, and the values under which ours is it.
_PLAIN: dict[str, tuple[Any, ...]] = {
    "peft_type": ("LORA",),
    "bias": ("none",),
    "use_dora": (False, None),
    "fan_in_fan_out": (False, None),
    "rank_pattern": ({}, None),
    "alpha_pattern": ({}, None),
    "modules_to_save": ([], None),
}


@dataclass(frozen=True)
class Lora:
    """A low-rank adapter.

    Attributes:
        folder: For messages.
        shards: Its tensors.
        pairs: Name of the weight it changes (``model.layers.0.mlp.up_proj.weight``) -> stored
            names of A ``[r, in]`` and B ``[out, r]``.
        scale: What the product is multiplied by.
    """

    folder: Path
    shards: Shards
    pairs: Mapping[str, tuple[str, str]]
    scale: float

    def require_shapes(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Check the adapter against the weights of its base.

        Raises:
            ModelLoadError: It changes a weight that the base does not have, or of another shape.
        """
        for target, (a, b) in self.pairs.items():
            product = (self.shards.shape(b)[0], self.shards.shape(a)[1])
            if target not in shapes:
                raise ModelLoadError(
                    f"adapter {self.folder} is for another base: it changes '{target}', which "
                    "this base does not have"
                )
            if shapes[target] != product:
                raise ModelLoadError(
                    f"adapter {self.folder} is for another base: '{target}' is "
                    f"{list(shapes[target])} there, but the adapter's product {list(product)}"
                )

    def merge(self, name: str, weight: Tensor) -> Tensor:
        """The weight with its update, ``W + scale * B A``, in the weight's own dtype.

        The product and the sum are taken in float32, where the weight is, and rounded once.
        """
        if name not in self.pairs:
            return weight
        a, b = (self.shards[stored].to(weight.device).float() for stored in self.pairs[name])
        return weight.float().addmm_(b, a, alpha=self.scale).to(weight.dtype)


def open_lora(folder: Path) -> Lora:
    """Open ``adapter_config.json`` and ``adapter_model.{safetensors,bin}``.

    Raises:
        ModelLoadError: A file is missing or damaged, a tensor is missing or has another rank than
            stated, or the adapter is of a kind whose formula is another one.
    """
    path = folder / ADAPTER_CONFIG
    config = read_json(path)
    for key, allowed in _PLAIN.items():
        if key in config and config[key] not in allowed:
            raise ModelLoadError(
                f"{path}: '{key}' is {config[key]!r}; only plain LoRA ({allowed[0]!r}) is "
                "implemented"
            )
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if not isinstance(rank, int) or rank < 1 or not isinstance(alpha, int | float):
        raise ModelLoadError(f"{path}: 'r' and 'lora_alpha' must be numbers, 'r' at least 1")
    shards = Shards.from_folder(folder, _STEMS)
    try:
        pairs = _pairs(shards, rank)
    except BaseException:
        shards.close()
        raise
    # Kalajdzievski 2023 for the root ("rank-stabilised").
    scale = alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)
    return Lora(folder, shards, pairs, scale)


def _pairs(shards: Shards, rank: int) -> dict[str, tuple[str, str]]:
    sides: dict[str, dict[str, str]] = {}
    for name in shards:
        source = shards.source(name)
        match = _NAME.fullmatch(name)
        if match is None:
            raise ModelLoadError(f"{source} has tensor '{name}', which is no LoRA matrix")
        shape = shards.shape(name)
        if len(shape) != 2 or shape[0 if match["side"] == "A" else 1] != rank:
            raise ModelLoadError(
                f"{source}: '{name}' is {list(shape)}, but {ADAPTER_CONFIG} states rank {rank}"
            )
        sides.setdefault(match["layer"] + ".weight", {})[match["side"]] = name
    for target, found in sides.items():
        if len(found) != 2:
            (only,) = found.values()
            raise ModelLoadError(
                f"{shards.source(only)} has '{only}' without its other half for '{target}'"
            )
    return {target: (found["A"], found["B"]) for target, found in sides.items()}
