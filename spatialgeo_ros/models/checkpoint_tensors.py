# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compare the tensors of an official checkpoint with what a network takes, under official names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from torch import Tensor, nn

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.backbones import Dinov2Backbone

_NAMED_IN_ERROR = 3


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
    """Check that ``state`` holds every tensor of ``module`` in its shape.

    Args:
        module: Built for this checkpoint.
        state: Under official names.
        source: Named in errors.
        strict: Also refuse tensors that the module does not have.

    Returns:
        Names in ``state`` that the module does not have.

    Raises:
        ModelLoadError: Names the tensors that are missing, of another shape, or unknown.
    """
    expected = checkpoint_shapes(module)
    missing = [name for name in expected if name not in state]
    unknown = [name for name in state if name not in expected]
    kind = type(module).__name__
    if missing:
        hint = f"; it has {_listed(unknown)} instead" if unknown else ""
        raise ModelLoadError(
            f"{source} lacks tensor {_listed(missing)} of {kind}{hint}: "
            "it is incomplete or of another version; get it again"
        )
    wrong = [
        f"'{name}' is {list(state[name].shape)} but the configuration needs {list(shape)}"
        for name, shape in expected.items()
        if tuple(state[name].shape) != shape
    ]
    if wrong:
        more = f" and {len(wrong) - _NAMED_IN_ERROR} more" if len(wrong) > _NAMED_IN_ERROR else ""
        raise ModelLoadError(
            f"{source}: tensor {'; '.join(wrong[:_NAMED_IN_ERROR])}{more}: "
            "tensors and configuration belong to different checkpoints"
        )
    if unknown and strict:
        raise ModelLoadError(f"{source} has tensor {_listed(unknown)}, unknown to {kind}")
    return unknown


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - _NAMED_IN_ERROR} more" if len(names) > _NAMED_IN_ERROR else ""
    return ", ".join(f"'{name}'" for name in names[:_NAMED_IN_ERROR]) + more
