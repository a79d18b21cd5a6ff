# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Working memory of full-size networks without running them: bytes that are alive at one time.

The networks are run on fake tensors, which have shapes and no values; what PyTorch would allocate
is added up as it comes and goes. Workspaces inside kernels are not seen.
"""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bench.full_size import FullSize, fill
from spatialgeo_ros.models.quantise import is_quantisable


class LiveBytes(TorchDispatchMode):
    """Adds up the storages that are alive.

    Attributes:
        live: Bytes now.
        peak: Most bytes at any time since it was last set.
    """

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._known: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:  # fmt: skip
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self._add(tensor.untyped_storage())
        return result

    def _add(self, storage: torch.UntypedStorage) -> None:
        if self._known.get(storage._cdata) is storage:
            return
        self._known[storage._cdata] = storage
        size = storage.nbytes()
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._free, size)

    def _free(self, size: int) -> None:
        self.live -= size


def working_bytes(networks: FullSize, dtype: torch.dtype, quantisation: str) -> dict[str, int]:
    """Most bytes beyond the weights that are alive during each step of one question.

    Keys, values and results that later steps need are among them. Of a quantised language model the
    prefill unpacks one layer at a time, so its largest layer comes on top.

    Args:
        networks: Without weights; they are unusable afterwards.
        dtype: Of activations.
        quantisation: Of the language model's linear layers.

    Raises:
        DataDependentOutputException: Shapes depend on values, which fake tensors do not have.
    """
    found: dict[str, int] = {}
    device = torch.device("cpu")
    with FakeTensorMode(), LiveBytes() as bytes_, torch.no_grad():
        fill(networks, device, dtype, "none")
        steps = networks.steps(device, dtype)
        weights = sum(
            tensor.untyped_storage().nbytes()
            for module in networks.modules.values()
            for tensor in (*module.parameters(), *module.buffers())
        )
        kept: object = None
        for name, step in steps:
            bytes_.peak = bytes_.live
            kept = step()
            found[name] = bytes_.peak - weights
        del kept
    if quantisation != "none" and networks.language is not None and "prefill" in found:
        found["prefill"] += max(
            layer.weight.numel() * dtype.itemsize
            for name, layer in networks.language.named_modules()
            if is_quantisable(name, layer)
        )
    return found
