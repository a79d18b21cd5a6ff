# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Networks of a detector in PyTorch: captured as CUDA graphs for the shapes that come again.

Most of the time of such a network goes into launching its kernels one by one. Images given once
(on the command line, of a robot's second camera) are not worth a capture, so that the first pass of
a shape runs eagerly and the second is captured.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from spatialgeo_ros.grounding.graphs import DetectorGraph
from spatialgeo_ros.runtime.cuda_graph import Captured, CaptureError, WorkStream, refusal
from spatialgeo_ros.runtime.host_constants import HostConstants
from spatialgeo_ros.runtime.verified_capture import replayed, verified_capture

log = logging.getLogger(__name__)

#: Shapes whose graphs are kept; each holds scratch memory.
_MOST = 8

_Key = tuple[object, ...]


@dataclass
class _Shape:
    """What is known of a network at one shape: nothing yet, its graph, or that it has none."""

    captured: Captured | None = None
    failed: bool = False
    #: Read by the graph.
    constants: HostConstants = field(default_factory=HostConstants)


class CapturedGraphs:
    """Runs a detector's networks in a stream of its own, or eagerly where nothing is captured.

    Args:
        device: of the networks.
        called: whose they are, for the log.
        stream: where they are captured; by default one on a GPU, none elsewhere. On a CPU a stream
            makes the same code call the networks.

    Attributes:
        remark: why a network runs eagerly although it should be captured; "" otherwise.
    """

    def __init__(self, device: torch.device, called: str, stream: WorkStream | None = None) -> None:
        if stream is None and not refusal(device):
            stream = WorkStream(device)
        self.remark = ""
        self._device, self._called, self._stream = device, called, stream
        self._shapes: OrderedDict[_Key, _Shape] = OrderedDict()

    @property
    def capturing(self) -> bool:
        """Whether shapes that come again are captured: then inputs should have few shapes."""
        return self._stream is not None

    @torch.inference_mode()
    def run(self, graph: DetectorGraph, feeds: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Run a network; every network of a kind and shape must have the same weights."""
        if self._stream is None:
            return graph.run(feeds)
        shape = self._shape(graph, feeds)
        if shape is None or shape.failed:
            return graph.run(feeds)
        values = [feeds[name] for name in graph.input_names]
        if shape.captured is None:
            try:
                shape.captured = self._capture(graph, values, shape.constants, self._stream)
            except CaptureError as error:
                shape.failed = True
                self.remark = f"{self._called}: {type(graph).__name__} runs eagerly: {error}"
                log.warning("%s", self.remark)
                return graph.run(feeds)
        return replayed(shape.captured, values, self._stream, graph.output_names)

    def by_place(self, graph: DetectorGraph) -> Callable[..., tuple[Tensor, ...]]:
        """A network as a function of its inputs in their order, its outputs in theirs."""

        def call(*inputs: Tensor) -> tuple[Tensor, ...]:
            found = self.run(graph, dict(zip(graph.input_names, inputs, strict=True)))
            return tuple(found[name] for name in graph.output_names)

        return call

    def describe(self) -> str:
        """How the networks are launched, for diagnostics."""
        graphs = [one.captured for one in self._shapes.values() if one.captured is not None]
        held = sum(one.memory_bytes for one in graphs) / 1e6
        return self.remark or refusal(self._device) or f"{len(graphs)} CUDA graphs, {held:.0f} MB"

    def close(self) -> None:
        """Let the graphs go."""
        self._shapes.clear()

    def _shape(self, graph: DetectorGraph, feeds: Mapping[str, Tensor]) -> _Shape | None:
        """What is known of these shapes; None the first time."""
        sizes = [(name, tuple(feeds[name].shape), feeds[name].dtype) for name in graph.input_names]
        key: _Key = (type(graph), *sizes)
        if key in self._shapes:
            self._shapes.move_to_end(key)
            return self._shapes[key]
        self._shapes[key] = _Shape()
        while len(self._shapes) > _MOST:
            self._shapes.popitem(last=False)
        return None

    def _capture(
        self,
        graph: DetectorGraph,
        values: Sequence[Tensor],
        constants: HostConstants,
        stream: WorkStream,
    ) -> Captured:
        def function(*inputs: Tensor) -> tuple[Tensor, ...]:
            with graph.exporting(), constants:
                feeds = dict(zip(graph.input_names, inputs, strict=True))
                outputs: tuple[Tensor, ...] = graph(**feeds)
                return outputs

        called = f"{self._called}: {type(graph).__name__}"
        return verified_capture(function, values, stream, graph.output_names, called)
