# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Runs a network in PyTorch as it is: the reference that every other backend is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from spatialgeo_ros.runtime.backend import (
    PRECISIONS,
    BackendInputError,
    Exportable,
    TensorSpec,
    check_feeds,
    usual_feeds,
)


class TorchBackend:
    """One network in eager PyTorch; implements ``runtime.backend.Backend``.

    The first axis of every tensor is "batch" and may have any size. There is no ``torch.compile``:
    on the CPU it made the nano encoders 1.1 and 1.3 times faster, ONNX Runtime 2 times, and it
    needs a C++ compiler and most of a minute at every first start.

    Args:
        module: An ``Exportable`` in evaluation mode, on its device and in its precision; it is
            used, not copied.

    Raises:
        ValueError: The module is in training mode.
    """

    def __init__(self, module: nn.Module) -> None:
        if module.training:
            raise ValueError("the network is in training mode: call eval() first")
        self._module: nn.Module | None = module
        names = cast(Exportable, module)
        example = names.example_inputs()
        self.device = next(iter(example.values())).device
        self._dtype = next(module.parameters()).dtype
        self.name = f"torch-{self.device.type}"
        self._output_names = names.output_names
        self.inputs = tuple(_spec(name, tensor) for name, tensor in example.items())
        # Nothing but running it tells a module's outputs; this warms it up as well.
        outputs = self.run({name: torch.zeros_like(tensor) for name, tensor in example.items()})
        self.outputs = tuple(_spec(name, tensor) for name, tensor in outputs.items())

    @torch.inference_mode()
    def run(self, feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Run once; see ``Backend.run``."""
        if self._module is None:
            raise BackendInputError("this backend is closed")
        check_feeds(self.inputs, feeds, device=self.device)
        outputs: tuple[Tensor, ...] = self._module(**feeds)
        return dict(zip(self._output_names, outputs, strict=True))

    def warm_up(self) -> None:
        """Run once on zeros."""
        self.run(usual_feeds(self.inputs, device=self.device))

    def device_memory_bytes(self) -> int | None:
        """Weights on the GPU; None on the CPU. Activations come from PyTorch's shared pool."""
        if self._module is None or self.device.type != "cuda":
            return None
        tensors = (*self._module.parameters(), *self._module.buffers())
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    def describe(self) -> dict[str, Any]:
        """Facts for logs and diagnostics."""
        precision = {dtype: name for name, dtype in PRECISIONS.items()}
        return {
            "backend": self.name,
            "version": torch.__version__,
            "device": str(self.device),
            "threads": torch.get_num_threads(),
            "precision": precision.get(self._dtype, str(self._dtype)),
        }

    def close(self) -> None:
        """Let go of the network."""
        self._module = None


def _spec(name: str, tensor: Tensor) -> TensorSpec:
    return TensorSpec(name, ("batch", *tensor.shape[1:]), tensor.dtype)
