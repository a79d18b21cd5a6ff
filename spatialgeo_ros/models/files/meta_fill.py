# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fill a network that was built on the meta device, one tensor at a time.

Networks of billions of parameters are built without memory and get each tensor from its file in the
dtype and on the device wanted, so that no second copy of the checkpoint is ever held.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.files.shards import Shards


def fill(
    module: nn.Module,
    shards: Shards,
    official: Mapping[str, str],
    *,
    dtype: torch.dtype,
    device: torch.device | str = "cpu",
) -> None:
    """Give parameters and persistent buffers of a module their tensors.

    Names and shapes are taken as checked (``weights.require_shapes``).

    Args:
        module: Built on the meta device.
        shards: The checkpoint.
        official: From tensor names of the module to those of the checkpoint. What is not in it
            stays as it is, because it is tied to another.
        dtype: Of floating-point tensors.
        device: Where the tensors go.

    Raises:
        ModelLoadError: A tensor cannot be read, or is not finite in ``dtype``; names it.
    """
    for name, theirs in official.items():
        tensor = shards[theirs]
        # A copy in any case: the file may be mapped into memory and must be free to go.
        tensor = tensor.to(device, dtype if tensor.is_floating_point() else None, copy=True)
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise ModelLoadError(
                f"{shards.source(theirs)}: tensor '{theirs}' has values that are not finite in "
                f"{dtype}: it is damaged, or needs the range of bfloat16"
            )
        _assign(module, name, tensor)


def _assign(module: nn.Module, name: str, tensor: Tensor) -> None:
    parent, _, child = name.rpartition(".")
    owner = module.get_submodule(parent)
    if child in owner._parameters:
        owner._parameters[child] = nn.Parameter(tensor, requires_grad=False)
    else:
        owner._buffers[child] = tensor
