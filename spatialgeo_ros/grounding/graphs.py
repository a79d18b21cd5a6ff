# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a network of a detector or segmenter is, so that any backend can run it.

Each network is cut where something is kept: what depends on the image alone (once a frame) apart
from what depends on phrases or boxes (once a question).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from spatialgeo_ros.runtime.backend import Backend


class DetectorGraph(nn.Module):
    """A network of a detector for one input shape; implements ``runtime.backend.Exportable``.

    Subclasses name ``input_names`` and ``output_names``, give ``example_inputs`` and a ``forward``
    that takes the inputs by name and returns the outputs as a tuple. Pixels and features come in
    float32 or in the weights' type; the weights are shared with the model, not copied.
    """

    input_names: tuple[str, ...]
    output_names: tuple[str, ...]

    def __init__(self) -> None:
        super().__init__()
        self.training = False

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights."""
        return next(self.parameters()).dtype

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def example_inputs(self, batch: int = 1) -> dict[str, Tensor]:
        """Valid inputs of the graph's shape, on its device."""
        raise NotImplementedError

    def shape_name(self) -> str:
        """What tells files of this network for different shapes apart: columns x rows."""
        rows, columns = next(iter(self.example_inputs().values())).shape[-2:]
        return f"{columns}x{rows}"

    def exporting(self) -> AbstractContextManager[None]:
        """What has to hold while this graph is exported."""
        return nullcontext()

    @torch.inference_mode()
    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Run in PyTorch, for any shape that the module takes."""
        return dict(zip(self.output_names, self(**inputs), strict=True))


def with_parts(module: Any, **parts: nn.Module | None) -> Any:
    """A module of the same weights with other parts in place of some; the module stays as it is.

    A part that is not needed (None) is neither copied, converted nor hashed with a graph.
    """
    twin = copy.copy(module)
    for name in ("_parameters", "_buffers"):  # moving the twin's does not move the module's
        twin.__dict__[name] = dict(module.__dict__[name])
    twin.__dict__["_modules"] = {**module._modules, **parts}
    return twin


def only_parts(module: Any, *names: str) -> Any:
    """A module of the same weights that has no parts but these."""
    return with_parts(module, **{name: None for name in module._modules if name not in names})


def called_by_place(graph: DetectorGraph, backend: Backend) -> Callable[..., tuple[Tensor, ...]]:
    """A backend as a function of the graph's inputs in their order, its outputs in theirs."""
    types = {spec.name: spec.dtype for spec in backend.inputs}

    def call(*inputs: Tensor) -> tuple[Tensor, ...]:
        feeds = dict(zip(graph.input_names, inputs, strict=True))
        found = backend.run({name: one.to(types[name]) for name, one in feeds.items()})
        return tuple(found[name] for name in graph.output_names)

    return call


def in_groups(
    call: Callable[..., tuple[Tensor, ...]], size: int
) -> Callable[..., tuple[Tensor, ...]]:
    """A function of features and boxes [1, n, 4], for any n, from one for ``size`` boxes.

    The last group is filled up with its last box.
    """

    def grouped(*inputs: Tensor) -> tuple[Tensor, ...]:
        *features, boxes = inputs
        made = []
        for start in range(0, boxes.shape[1], size):
            group = boxes[:, start : start + size]
            count = group.shape[1]
            filled = torch.cat([group, group[:, -1:].expand(-1, size - count, -1)], dim=1)
            made.append([output[:count] for output in call(*features, filled)])
        return tuple(torch.cat(parts) for parts in zip(*made, strict=True))

    return grouped
