# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Runs a network in PyTorch as it is: the reference that every other backend is compared with."""

from __future__ import annotations

import logging
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
from spatialgeo_ros.runtime.cuda_graph import Captured, CaptureError, WorkStream, refusal
from spatialgeo_ros.runtime.verified_capture import replayed, verified_capture

log = logging.getLogger(__name__)

#: Batch sizes that are captured; each holds scratch memory.
_MOST_BATCHES = 2


class TorchBackend:
    """One network in PyTorch; implements ``runtime.backend.Backend``.

    The first axis of every tensor is "batch" and may have any size. There is no ``torch.compile``:
    on the CPU it made the nano encoders 1.1 and 1.3 times faster, ONNX Runtime 2 times, and it
    needs a C++ compiler and most of a minute at every first start.

    Args:
        module: An ``Exportable`` in evaluation mode, on its device and in its precision; it is
            used, not copied.
        stream: Where every batch size is captured as a CUDA graph, at its first run, and where the
            callers' work runs as well; None calls the network eagerly, in the current stream. On a
            CPU the same code calls the network.
        called: Of the network, for the log.

    Attributes:
        remark: Why the network runs eagerly although it should be captured; "" otherwise.

    Raises:
        ValueError: The module is in training mode.
    """

    def __init__(
        self, module: nn.Module, stream: WorkStream | None = None, called: str = "network"
    ) -> None:
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
        self.remark = ""
        self._stream, self._called = stream, called
        self._captured: dict[int, Captured] = {}
        # Nothing but running it tells a module's outputs; this warms it up as well.
        outputs = self.run({name: torch.zeros_like(tensor) for name, tensor in example.items()})
        self.outputs = tuple(_spec(name, tensor) for name, tensor in outputs.items())

    @torch.inference_mode()
    def run(self, feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Run once; see ``Backend.run``."""
        if self._module is None:
            raise BackendInputError("this backend is closed")
        axes = check_feeds(self.inputs, feeds, device=self.device)
        captured = None if self._stream is None else self._graph(axes["batch"], feeds)
        if captured is None:
            outputs: tuple[Tensor, ...] = self._module(**feeds)
            return dict(zip(self._output_names, outputs, strict=True))
        assert self._stream is not None
        values = [feeds[spec.name] for spec in self.inputs]
        return dict(replayed(captured, values, self._stream, self._output_names))

    def _graph(self, batch: int, feeds: Mapping[str, Tensor]) -> Captured | None:
        """The network captured for a batch size; None where it runs eagerly."""
        if batch in self._captured:
            return self._captured[batch]
        if self.remark or len(self._captured) == _MOST_BATCHES:
            return None
        assert self._stream is not None
        try:
            self._captured[batch] = self._capture(feeds, self._stream)
        except CaptureError as error:
            self.remark = f"{self._called} runs eagerly: {error}"
            log.warning("%s", self.remark)
            return None
        return self._captured[batch]

    def _capture(self, feeds: Mapping[str, Tensor], stream: WorkStream) -> Captured:
        module = self._module
        assert module is not None
        names = [spec.name for spec in self.inputs]

        def call(*values: Tensor) -> tuple[Tensor, ...]:
            outputs: tuple[Tensor, ...] = module(**dict(zip(names, values, strict=True)))
            return outputs

        values = [feeds[name] for name in names]
        return verified_capture(call, values, stream, self._output_names, self._called)

    def warm_up(self) -> None:
        """Run once on zeros."""
        self.run(usual_feeds(self.inputs, device=self.device))

    def device_memory_bytes(self) -> int | None:
        """Weights and graphs on the GPU; None on the CPU. The rest is PyTorch's shared pool."""
        if self._module is None or self.device.type != "cuda":
            return None
        tensors = (*self._module.parameters(), *self._module.buffers())
        return self.graph_bytes + sum(one.numel() * one.element_size() for one in tensors)

    @property
    def graph_bytes(self) -> int:
        """What the captured graphs hold on the GPU beside the weights."""
        return sum(one.memory_bytes for one in list(self._captured.values()))

    def describe(self) -> dict[str, Any]:
        """Facts for logs and diagnostics."""
        precision = {dtype: name for name, dtype in PRECISIONS.items()}
        facts = {
            "backend": self.name,
            "version": torch.__version__,
            "device": str(self.device),
            "threads": torch.get_num_threads(),
            "precision": precision.get(self._dtype, str(self._dtype)),
        }
        if self._stream is not None:
            graphs = sum(one.is_graph for one in list(self._captured.values()))
            held = f"{graphs} CUDA graphs, {self.graph_bytes / 1e6:.0f} MB"
            facts["launch"] = self.remark or refusal(self.device) or held
        return facts

    def close(self) -> None:
        """Let go of the network and its graphs."""
        self._module = None
        self._captured.clear()


def _spec(name: str, tensor: Tensor) -> TensorSpec:
    return TensorSpec(name, ("batch", *tensor.shape[1:]), tensor.dtype)
