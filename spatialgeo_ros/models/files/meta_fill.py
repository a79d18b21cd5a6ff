# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fill a network that was built on the meta device, one tensor at a time.

Networks of billions of parameters are built without memory and get each tensor from its file in the
dtype and on the device wanted, packed to 4 or 8 bits there and then, so that neither the process
nor the GPU ever holds a second copy of the checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from spatialgeo_ros.models.files.shards import Shards
from spatialgeo_ros.models.files.upload import upload
from spatialgeo_ros.models.files.weights import require_finite
from spatialgeo_ros.models.quantise import is_quantisable, pack_linear


@dataclass(frozen=True)
class Stored:
    """A tensor of a checkpoint.

    Attributes:
        read: Gives it, on the CPU; it may be a view of its file.
        name: For messages.
        source: Likewise.
    """

    read: Callable[[], Tensor]
    name: str
    source: str | Path


def stored(shards: Shards, official: Mapping[str, str]) -> dict[str, Stored]:
    """Tensors of a checkpoint by their names in a module.

    Args:
        shards: The checkpoint.
        official: From tensor names of the module to those of the checkpoint.
    """

    def one(name: str) -> Stored:
        return Stored(lambda: shards[name], name, shards.source(name))

    return {name: one(theirs) for name, theirs in official.items()}


def fill(
    module: nn.Module,
    tensors: Mapping[str, Stored],
    *,
    dtype: torch.dtype,
    device: torch.device | str = "cpu",
    quantisation: str = "none",
    merge: Callable[[str, Tensor], Tensor] | None = None,
) -> None:
    """Give parameters and persistent buffers of a module their tensors.

    Names and shapes are taken as checked (``weights.require_shapes``).

    Args:
        module: Built on the meta device.
        tensors: By name in the module. What is not among them stays as it is, because it is tied
            to another or in no checkpoint.
        dtype: Of floating-point tensors, and of the products of packed layers.
        device: Where the tensors go.
        quantisation: Of the linear layers that ``quantise`` packs.
        merge: Given the name and the tensor on the device, what is used in its place.

    Raises:
        ModelLoadError: A tensor cannot be read, is not finite in ``dtype``, or cannot be packed;
            names it.
    """
    # Without holding the layers that are replaced: each would keep its float weights alive.
    plan = [
        (prefix, keys)
        for prefix, layer in module.named_modules()
        if (keys := [key for key in _own(layer) if _join(prefix, key) in tensors])
    ]
    names = [_join(prefix, key) for prefix, keys in plan for key in keys]
    with closing(upload((tensors[name].read for name in names), device)) as arriving:
        for prefix, keys in plan:
            layer = module.get_submodule(prefix)
            found: dict[str, Tensor] = {}
            for key in keys:
                name = _join(prefix, key)
                tensor = next(arriving)
                found[key] = tensor if merge is None else merge(name, tensor)
                if tensor.is_floating_point():
                    one = tensors[name]
                    require_finite(found[key].to(dtype), one.name, one.source)
            packed = quantisation != "none" and is_quantisable(prefix, layer)
            if packed and isinstance(layer, nn.Linear):
                replaced = pack_linear(
                    found["weight"], found.get("bias"), quantisation, dtype, device
                )  # fmt: skip
                module.set_submodule(prefix, replaced)
                continue
            for key, tensor in found.items():
                kind = dtype if tensor.is_floating_point() else None
                # A copy in any case: the file may be mapped into memory and must be free to go.
                assign(layer, key, tensor.to(device, kind, copy=True))


def _own(layer: nn.Module) -> Iterable[str]:
    return (*layer._parameters, *layer._buffers)


def _join(prefix: str, key: str) -> str:
    return f"{prefix}.{key}" if prefix else key


def assign(layer: nn.Module, key: str, tensor: Tensor) -> None:
    """Replace a parameter or buffer of a layer, whatever its device and dtype."""
    if key in layer._parameters:
        layer._parameters[key] = nn.Parameter(tensor, requires_grad=False)
    else:
        layer._buffers[key] = tensor
