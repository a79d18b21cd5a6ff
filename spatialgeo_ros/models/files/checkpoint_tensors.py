# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compare the tensors of an official checkpoint with what a network takes, under official names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from spatialgeo_ros.models.backbones import Dinov2Backbone
from spatialgeo_ros.models.files.weights import require_shapes


def checkpoint_shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor that a complete official checkpoint of ``module`` holds."""
    shapes = {
        name: tuple(tensor.shape)
        for name, tensor in module.state_dict().items()
        if not name.endswith("num_batches_tracked")  # bookkeeping of training
    }
    for prefix, part in module.named_modules():
        if isinstance(part, Dinov2Backbone):
            start = f"{prefix}." if prefix else ""
            shapes = {name: shape for name, shape in shapes.items() if not name.startswith(start)}
            shapes |= {start + name: shape for name, shape in part.official_shapes().items()}
    return shapes


def check_tensors(
    module: nn.Module, state: Mapping[str, Tensor], source: str | Path, *, strict: bool = True
) -> list[str]:
    """Check that ``state``, under official names, holds every tensor of ``module`` in its shape.

    Arguments, result and errors are those of ``weights.require_shapes``.
    """
    found = {name: tuple(tensor.shape) for name, tensor in state.items()}
    return require_shapes(checkpoint_shapes(module), found, source, strict=strict)
