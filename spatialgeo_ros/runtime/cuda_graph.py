# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""CUDA graphs and streams: a function at fixed shapes is captured once and replayed.

A replay is one launch where the eager call has one per kernel. It computes the same, to the bit,
because it runs the same kernels. On other devices the same classes call the function itself.

Rules that make several lanes of work safe beside each other:

- every lane has a stream of its own (:class:`WorkStream`), because the default stream is shared by
  all threads, and because nothing can be captured on it;
- captures are thread-local, so that what other threads allocate or launch does not break them, and
  take turns (``CAPTURING``), because the allocator knows one capture at a time. Whoever waits for
  the whole device or empties the allocator's cache while another lane runs holds it too: a device
  that is captured on cannot be waited for;
- a capture claims the state of PyTorch's default generator, and one that fails keeps it: with
  PyTorch 2.11 no other graph can be replayed until it is given back. Each capture has a copy
  (:func:`capturing`). Random numbers of another lane must not come from that generator even so.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

#: Held while a graph is captured.
CAPTURING = threading.RLock()
#: Eager calls before a capture: libraries choose their kernels and allocate their workspaces.
_WARM_UPS = 3

Function = Callable[..., Sequence[Tensor]]


class CaptureError(RuntimeError):
    """A function cannot be captured; the message says why, for log and diagnostics."""


def refusal(device: torch.device) -> str:
    """Why nothing can be captured on a device, "" where graphs are possible."""
    if device.type != "cuda":
        return f"CUDA graphs need an NVIDIA GPU; this runs on {device.type}"
    return ""


@contextmanager
def capturing(device: torch.device) -> Iterator[None]:
    """Around one capture: its turn, and a state of random numbers that only its own graph knows.

    Args:
        device: That is captured on.
    """
    with CAPTURING:
        if not torch.cuda.is_initialized():  # another library's graph, or a trial without a GPU
            yield
            return
        index = torch.cuda.current_device() if device.index is None else device.index
        generator = torch.cuda.default_generators[index]
        kept = generator.graphsafe_get_state()
        generator.graphsafe_set_state(generator.clone_state())
        try:
            yield
        finally:
            generator.graphsafe_set_state(kept)


class WorkStream:
    """The CUDA stream that one lane's work runs in; nothing at all on other devices.

    Args:
        device: Of the work.
        urgent: Whether its kernels go before those of streams that are not urgent.
    """

    def __init__(self, device: torch.device, *, urgent: bool = False) -> None:
        self.device = device
        self.stream: torch.cuda.Stream | None = None
        #: Scratch memory that graphs of this lane may share (``capture(pool=...)``).
        self.pool: Any = None
        if device.type == "cuda":
            self.stream = torch.cuda.Stream(device, priority=-1 if urgent else 0)
            self.pool = torch.cuda.graph_pool_handle()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Launch in this stream: after what the caller launched before, before what it will.

        The waits are the GPU's; the thread goes on. Entering it again inside costs nothing.
        """
        if self.stream is None:
            yield
            return
        caller = torch.cuda.current_stream(self.device)
        if caller == self.stream:
            yield
            return
        self.stream.wait_stream(caller)
        try:
            with torch.cuda.stream(self.stream):
                yield
        finally:
            caller.wait_stream(self.stream)

    def lend(self, value: Any) -> None:
        """Keep the memory of what this stream made until the current stream has read it too.

        Args:
            value: Tensors, or sequences, mappings and dataclasses of them.
        """
        if self.stream is None:
            return
        current = torch.cuda.current_stream(self.device)
        if current != self.stream:
            for tensor in tensors_in(value):
                if tensor.is_cuda:
                    tensor.record_stream(current)


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Every tensor in nested sequences, mappings and dataclasses."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from tensors_in(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from tensors_in(one)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for part in dataclasses.fields(value):
            yield from tensors_in(getattr(value, part.name))


class Captured:
    """A function at fixed shapes.

    Attributes:
        inputs: Buffers that a replay reads, in the function's order. Write them in the stream that
            replays.
        outputs: Buffers that a replay fills; the next one overwrites them.
        memory_bytes: What the graph holds on the GPU beside its buffers; 0 where nothing is
            captured.
    """

    def __init__(
        self,
        run: Callable[[], None],
        inputs: Sequence[Tensor],
        outputs: Sequence[Tensor],
        graph: torch.cuda.CUDAGraph | None = None,
        memory_bytes: int = 0,
    ) -> None:
        """``run`` fills the outputs from the inputs; ``graph`` is what it replays."""
        self._run, self._graph = run, graph
        self.inputs, self.outputs = tuple(inputs), tuple(outputs)
        self.memory_bytes = memory_bytes

    @property
    def is_graph(self) -> bool:
        """Whether a graph is replayed, or the function called."""
        return self._graph is not None

    def pool(self) -> Any:
        """Memory that further captures of the same lane may share; None without a graph."""
        return None if self._graph is None else self._graph.pool()

    @torch.inference_mode()
    def replay(self) -> tuple[Tensor, ...]:
        """Run on what is in ``inputs``, in the current stream; returns ``outputs``."""
        self._run()
        return self.outputs

    @torch.inference_mode()
    def __call__(self, *values: Tensor) -> tuple[Tensor, ...]:
        """Copy values into ``inputs`` and replay; returns ``outputs``."""
        for buffer, value in zip(self.inputs, values, strict=True):
            if buffer is not value:
                buffer.copy_(value, non_blocking=True)
        return self.replay()


@torch.inference_mode()
def capture(
    function: Function,
    inputs: Sequence[Tensor],
    stream: WorkStream,
    *,
    pool: Any = None,
    warm_ups: int = _WARM_UPS,
) -> Captured:
    """Capture a function for the shapes of its inputs.

    It is run ``warm_ups`` times before the capture (and on a CPU once, for the outputs' shapes), so
    it must stand being called with the same inputs again. Under ``inference_mode``.

    Args:
        function: Takes tensors, returns a sequence of tensors. It must launch the same kernels
            whatever the values, and must not read a value back (``.item()``, boolean masks).
        inputs: Become the buffers themselves: they are not copied.
        stream: Where it is captured; replay in it.
        pool: Scratch memory that it shares with other graphs of the same lane (the stream's, or
            :meth:`Captured.pool`). Such graphs are never replayed at the same time, and what one
            has left in its outputs is read before another is replayed.
        warm_ups: Eager calls first.

    Raises:
        CaptureError: The function does something that cannot be captured; the caller goes on
            eagerly and says so.
    """
    device = stream.device
    if stream.stream is None:
        outputs = tuple(one.clone() for one in function(*inputs))

        def call() -> None:
            for buffer, value in zip(outputs, function(*inputs), strict=True):
                buffer.copy_(value)

        return Captured(call, inputs, outputs)
    # The stream is left again whatever fails inside, which torch.cuda.graph does not see to.
    with CAPTURING, stream.running():
        graph = torch.cuda.CUDAGraph()
        try:
            for _ in range(warm_ups):
                function(*inputs)
            torch.cuda.synchronize(device)
            torch.cuda.empty_cache()
            before = torch.cuda.memory_reserved(device)
            with (
                capturing(device),
                torch.cuda.graph(
                    graph, pool=pool, stream=stream.stream, capture_error_mode="thread_local"
                ),
            ):
                outputs = tuple(function(*inputs))
        except torch.OutOfMemoryError as error:
            raise CaptureError(f"no memory for a CUDA graph: {first_line(error)}") from error
        except RuntimeError as error:
            raise CaptureError(f"it cannot be captured: {first_line(error)}") from error
        held = max(0, torch.cuda.memory_reserved(device) - before)
    return Captured(graph.replay, inputs, outputs, graph, held)


def first_line(error: Exception) -> str:
    """What failed, from the innermost error: what follows it only says that a capture broke."""
    cause: BaseException = error
    while cause.__context__ is not None:
        cause = cause.__context__
    return (str(cause).splitlines() or [type(cause).__name__])[0]
