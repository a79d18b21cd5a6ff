# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A CUDA graph that is compared with the eager call before anybody relies on it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from spatialgeo_ros.runtime.cuda_graph import Captured, CaptureError, Function, WorkStream, capture

log = logging.getLogger(__name__)

#: A replay may differ from the eager call by this share of a tensor's length. Equal to the bit
#: where the kernels are: some choose their order of summation anew in every call.
_REPLAY_DEVIATION = {
    torch.float64: 1e-6, torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 5e-2,
}  # fmt: skip


def verified_capture(
    function: Function,
    inputs: Sequence[Tensor],
    stream: WorkStream,
    names: Sequence[str],
    called: str,
) -> Captured:
    """Capture a network for the shapes of its inputs, in the scratch memory of a lane.

    Args:
        function: see :func:`~spatialgeo_ros.runtime.cuda_graph.capture`.
        inputs: what it is captured with; copied.
        stream: of the lane.
        names: of its outputs, for messages.
        called: of the network, for the log.

    Raises:
        CaptureError: it cannot be captured, or the graph computes something else.
    """
    with stream.running():
        buffers = [one.clone(memory_format=torch.contiguous_format) for one in inputs]
        # Outputs are copied after every replay: the networks of a lane share scratch memory.
        captured = capture(function, buffers, stream, pool=stream.pool)
        if captured.is_graph:
            verify(captured, function, names)
            log.info(
                "%s is captured as a CUDA graph (%.0f MB beside the weights)",
                called, captured.memory_bytes / 1e6,
            )  # fmt: skip
    return captured


def verify(captured: Captured, function: Function, names: Sequence[str]) -> None:
    """Compare a graph with the eager call on what is in its inputs, in the current stream.

    Args:
        captured: it is replayed; nothing is done where it is no graph.
        function: what was captured.
        names: of its outputs, for the message.

    Raises:
        CaptureError: the graph computes something else.
    """
    if not captured.is_graph:
        return
    expected, found = function(*captured.inputs), captured.replay()
    for name, a, b in zip(names, expected, found, strict=True):
        deviation = _deviation(a, b)
        if not deviation <= _REPLAY_DEVIATION.get(a.dtype, 0.0):
            raise CaptureError(
                f"its CUDA graph gives another '{name}' than the eager call "
                f"({deviation:.1e} of its length)"
            )


def replayed(
    captured: Captured, values: Sequence[Tensor], stream: WorkStream, names: Sequence[str]
) -> Mapping[str, Tensor]:
    """Run a captured network on values; the outputs are copies, safe in the caller's stream."""
    with stream.running():
        outputs = captured(*values)
        found = {name: output.clone() for name, output in zip(names, outputs, strict=True)}
    stream.lend(found)
    return found


def _deviation(expected: Tensor, found: Tensor) -> float:
    """Length of the difference by the length of what is expected; 0 where both are equal."""
    if torch.equal(expected, found):
        return 0.0
    # What is masked out is minus infinity in both, and what nothing determines no number in both.
    infinite, none = expected.isinf(), expected.isnan()
    if not (torch.equal(expected[infinite], found[infinite]) and torch.equal(none, found.isnan())):
        return float("inf")
    kept = ~(infinite | none)
    expected, found = expected[kept].double(), found[kept].double()
    if torch.equal(expected, found):
        return 0.0
    return float((expected - found).norm() / expected.norm())
