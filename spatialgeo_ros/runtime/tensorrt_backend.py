# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Runs a TensorRT engine on torch's CUDA stream with torch tensors' memory, without copies.

One implementation for ``tensorrt`` and TensorRT for RTX. The engine's bytes come from the engine
cache, which has verified them: an engine is code.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.runtime.backend import (
    BackendInputError,
    BackendUnavailableError,
    ShapeProfile,
    TensorSpec,
    check_feeds,
    usual_feeds,
)
from spatialgeo_ros.runtime.cuda_graph import capturing
from spatialgeo_ros.runtime.files import UntrustedFileError, read_trusted, write_atomically
from spatialgeo_ros.runtime.tensorrt_module import (
    TensorRT,
    engine_problem,
    make_logger,
    torch_dtype,
)

log = logging.getLogger(__name__)


class Cuda(Protocol):
    """The part of ``torch.cuda`` that is used, so that tests can stand in for a GPU."""

    def current_stream(self, device: torch.device) -> Any:
        """Return the stream of the calling thread."""
        ...

    def Stream(self, device: torch.device) -> Any:  # noqa: N802
        """Make a stream."""
        ...

    def stream(self, stream: Any) -> AbstractContextManager[Any]:
        """Make a stream the current one."""
        ...

    def CUDAGraph(self) -> Any:  # noqa: N802
        """Make an empty graph."""
        ...

    def graph(
        self, cuda_graph: Any, *, stream: Any, capture_error_mode: str
    ) -> AbstractContextManager[Any]:
        """Record what is enqueued."""
        ...

    def device(self, device: torch.device) -> AbstractContextManager[Any]:
        """Make a GPU the current one, where TensorRT loads and runs."""
        ...


class TensorRTBackend:
    """An engine that is loaded (a ``Backend``).

    The execution context is made once. Outputs are new torch tensors. With ``cuda_graph``, an
    engine of one fixed shape is recorded once and replayed, which saves its launches; inputs and
    outputs are then copied on the device to and from the graph's own memory.
    """

    def __init__(
        self,
        trt: TensorRT,
        engine: bytes | memoryview,
        *,
        precision: str,
        device: torch.device,
        profile: ShapeProfile | None = None,
        inputs: tuple[TensorSpec, ...] = (),
        outputs: tuple[TensorSpec, ...] = (),
        cuda_graph: bool = True,
        runtime_cache: Path | None = None,
        cuda: Cuda | None = None,
    ) -> None:
        """Deserialise an engine.

        Args:
            trt: The module that built it.
            engine: Verified bytes.
            precision: "fp32", "fp16" or "bf16", for the name.
            device: Where it runs.
            profile: Sizes of varying axes.
            inputs: As exported; names and types must be the engine's.
            outputs: Likewise.
            cuda_graph: Record and replay, where shapes are fixed and the engine allows it.
            runtime_cache: File of the kernels that TensorRT for RTX finished on this GPU.
            cuda: Stands in for ``torch.cuda``.

        Raises:
            ModelLoadError: The runtime refuses the engine, or it is not that of the export.
            BackendUnavailableError: There is no GPU.
        """
        self.name = f"{trt.kind}-{precision}"
        self._trt, self._precision = trt, precision
        self._device = torch.empty(0, device=device).device  # "cuda" becomes "cuda:0"
        self._cuda: Any = torch.cuda if cuda is None else cuda
        self._profile = dict(profile or {})
        self._lock = threading.Lock()
        self._messages: list[str] = []
        module = trt.module
        self._logger = make_logger(module, self._messages)
        try:
            self._runtime = module.Runtime(self._logger)
        except (RuntimeError, TypeError) as error:
            raise BackendUnavailableError(f"{trt.kind} cannot start: {error}") from error
        if (problem := engine_problem(trt, self._runtime, engine)) is not None:
            raise ModelLoadError(f"{trt.kind} {trt.version} refuses the engine: {problem}")
        with self._cuda.device(self._device):
            self._engine = self._runtime.deserialize_cuda_engine(engine)
        if self._engine is None:
            raise ModelLoadError(
                f"{trt.kind} {trt.version} cannot load the engine: {self._said('no reason given')}"
            )
        self._size = len(engine)
        self.inputs, self.outputs = self._interface(inputs, outputs)
        self._runtime_cache_file = runtime_cache
        self._runtime_cache: Any = None
        with self._cuda.device(self._device):
            self._context: Any = self._make_context()
        if self._context is None:
            raise ModelLoadError(
                f"{trt.kind} cannot make an execution context: {self._said('out of memory?')}"
            )
        fixed = all(isinstance(side, int) for spec in self.inputs for side in spec.shape)
        self._record = cuda_graph and fixed
        self._graph: Any = None
        self._held: dict[str, Tensor] = {}  # the graph's inputs and outputs
        self._side_stream: Any = None
        self._last_stream: Any = None

    @torch.inference_mode()
    def run(self, feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Enqueue one run on torch's current stream; see ``Backend.run``.

        torch's default stream would make TensorRT wait for the whole device, so that a stream of
        our own stands in for it, ordered before and after by events.

        Raises:
            BackendInputError: A tensor is missing, unknown or of another shape, type or device.
            ModelLoadError: The backend is closed, or the runtime reports an error.
        """
        with self._lock, self._cuda.device(self._device):
            if self._context is None:
                raise ModelLoadError(f"{self.name} is closed")
            check_feeds(self.inputs, feeds, self._profile, self._device)
            current = self._cuda.current_stream(self._device)
            if current.cuda_stream != 0:
                return self._run_on(current, feeds)
            if self._side_stream is None:
                self._side_stream = self._cuda.Stream(self._device)
            self._side_stream.wait_stream(current)
            with self._cuda.stream(self._side_stream):
                results = self._run_on(self._side_stream, feeds)
            current.wait_stream(self._side_stream)
            for tensor in (*feeds.values(), *results.values()):
                # Memory freed by one stream must not be handed out while the other uses it.
                if tensor.is_cuda:
                    tensor.record_stream(current)
                    tensor.record_stream(self._side_stream)
            return results

    def _run_on(self, stream: Any, feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        if self._last_stream is not None and self._last_stream.cuda_stream != stream.cuda_stream:
            # The context's workspace and the graph's buffers serve one run at a time.
            stream.wait_stream(self._last_stream)
        self._last_stream = stream
        if self._graph is not None:
            for spec in self.inputs:
                self._held[spec.name].copy_(feeds[spec.name])
            self._graph.replay()
            return {spec.name: self._held[spec.name].clone() for spec in self.outputs}
        # Held until everything is enqueued; the stream's order protects the memory after that.
        bound = {spec.name: feeds[spec.name].contiguous() for spec in self.inputs}
        results = self._bind(bound)
        self._enqueue(stream)
        return results

    def _bind(self, bound: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Give the context the inputs' memory and new outputs."""
        context = self._context
        for name, tensor in bound.items():
            shape = tuple(tensor.shape)
            if tuple(context.get_tensor_shape(name)) != shape:
                self._check(context.set_input_shape(name, shape), f"shape {shape} of '{name}'")
            self._check(context.set_tensor_address(name, tensor.data_ptr()), f"input '{name}'")
        if missing := context.infer_shapes():
            raise BackendInputError(f"{self.name} needs the shape of {', '.join(missing)}")
        results: dict[str, Tensor] = {}
        for spec in self.outputs:
            shape = tuple(context.get_tensor_shape(spec.name))
            if -1 in shape:
                raise ModelLoadError(
                    f"{self.name}: the shape of '{spec.name}' depends on values, not on shapes: "
                    "export a network whose outputs have known sizes"
                )
            out = torch.empty(shape, dtype=spec.dtype, device=self._device)
            self._check(
                context.set_tensor_address(spec.name, out.data_ptr()), f"output '{spec.name}'"
            )
            results[spec.name] = out
        return results

    def _enqueue(self, stream: Any) -> None:
        self._check(self._context.execute_async_v3(stream.cuda_stream), "enqueue")

    def _check(self, done: bool, what: str) -> None:
        if not done:
            raise ModelLoadError(f"{self.name}: {what} failed: {self._said('no reason given')}")

    @torch.inference_mode()
    def warm_up(self) -> None:
        """Run on zeros, then record the graph where that is possible.

        TensorRT for RTX compiles its kernels in the first run; they are kept for the next start.
        """
        feeds = usual_feeds(self.inputs, self._profile, self._device)
        for _ in range(2):
            self.run(feeds)
        self._cuda.current_stream(self._device).synchronize()
        with self._lock, self._cuda.device(self._device):
            if self._record and self._graph is None:
                self._capture(feeds)
        self._save_runtime_cache()

    def _capture(self, feeds: Mapping[str, Tensor]) -> None:
        stream = self._cuda.Stream(self._device)
        allowed = getattr(self._context, "is_stream_capturable", None)
        if allowed is not None and not allowed(stream.cuda_stream):
            self._record = False
            return
        stream.wait_stream(self._cuda.current_stream(self._device))
        with self._cuda.stream(stream):
            held = {name: tensor.clone() for name, tensor in feeds.items()}
            results = self._bind(held)
        stream.synchronize()
        graph = self._cuda.CUDAGraph()
        try:
            # thread_local: other threads of the node may allocate memory meanwhile.
            with (
                capturing(self._device),
                self._cuda.graph(graph, stream=stream, capture_error_mode="thread_local"),
            ):
                self._enqueue(stream)
        except (RuntimeError, ModelLoadError) as error:
            # An engine with work that cannot be recorded runs launch by launch; describe() says so.
            self._record = False
            self._messages.append(f"not recorded as a CUDA graph: {error}")
            return
        self._held = {**held, **results}
        self._graph = graph

    def device_memory_bytes(self) -> int:
        """Weights and activations, as the engine states them, bytes."""
        engine = self._open_engine()
        stat = getattr(self._trt.module, "EngineStat", None)
        if stat is not None and hasattr(engine, "get_engine_stat"):
            weights = int(engine.get_engine_stat(stat.TOTAL_WEIGHTS_SIZE))
        else:
            weights = self._size  # before 10.6: the plan is little else than weights
        return weights + int(engine.device_memory_size_v2)

    def describe(self) -> dict[str, Any]:
        """Facts for logs and diagnostics."""
        return {
            "backend": self._trt.kind,
            "version": self._trt.version,
            "precision": self._precision,
            "device": str(self._device),
            "cuda_graph": self._graph is not None,
            "layers": int(self._open_engine().num_layers),
            "device_memory_bytes": self.device_memory_bytes(),
        }

    def close(self) -> None:
        """Free context, engine and graph; a later ``run`` raises."""
        with self._lock:
            if self._last_stream is not None:
                self._last_stream.synchronize()  # nothing may be freed while it runs
            # Order matters: a graph refers to the context, the context to the engine.
            self._graph, self._held = None, {}
            self._context = self._engine = self._runtime_cache = self._side_stream = None
            self._runtime = None

    def _open_engine(self) -> Any:
        if self._engine is None:
            raise ModelLoadError(f"{self.name} is closed")
        return self._engine

    def _said(self, otherwise: str) -> str:
        return self._messages[-1] if self._messages else otherwise

    def _interface(
        self, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]
    ) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
        """Read the engine's tensors; those of the export must be among them, in its types."""
        module, engine = self._trt.module, self._engine
        found: dict[bool, list[TensorSpec]] = {True: [], False: []}
        for index in range(engine.num_io_tensors):
            name = engine.get_tensor_name(index)
            is_input = engine.get_tensor_mode(name) == module.TensorIOMode.INPUT
            known = {spec.name: spec for spec in (inputs if is_input else outputs)}
            shape = tuple(int(side) for side in engine.get_tensor_shape(name))
            spec = TensorSpec(
                name,
                # -1 varies: the export knows under which name
                tuple(
                    known[name].shape[axis] if side < 0 and name in known
                    else (f"{name}_{axis}" if side < 0 else side)
                    for axis, side in enumerate(shape)
                ),
                torch_dtype(module, engine.get_tensor_dtype(name)),
            )  # fmt: skip
            if known and (name not in known or spec != known[name]):
                raise ModelLoadError(
                    f"the engine's {spec} is not the exported "
                    f"{known.get(name, 'network (no such tensor)')}: build it again"
                )
            found[is_input].append(spec)
        for expected, seen in ((inputs, found[True]), (outputs, found[False])):
            if lost := {spec.name for spec in expected} - {spec.name for spec in seen}:
                raise ModelLoadError(f"the engine has no tensor '{min(lost)}': build it again")
        order = {spec.name: i for i, spec in enumerate((*inputs, *outputs))}
        for specs in found.values():
            specs.sort(key=lambda spec: order.get(spec.name, 0))
        return tuple(found[True]), tuple(found[False])

    def _make_context(self) -> Any:
        """Make the execution context; TensorRT for RTX gets its kernels of earlier starts."""
        engine, module = self._engine, self._trt.module
        if self._trt.kind != "tensorrt_rtx":
            return engine.create_execution_context()
        config = engine.create_runtime_config()
        # Eager: kernels that replace others later on would not be those that passed the gate.
        strategy = module.DynamicShapesKernelSpecializationStrategy
        config.dynamic_shapes_kernel_specialization_strategy = strategy.EAGER
        self._runtime_cache = config.create_runtime_cache()
        if self._runtime_cache_file is not None and self._runtime_cache_file.is_file():
            # Kernels are code as well: the same rule of ownership, and the runtime's own check.
            try:
                self._runtime_cache.deserialize(read_trusted(self._runtime_cache_file))
            except UntrustedFileError as error:
                log.warning("kernels are compiled again: %s", error)
        config.set_runtime_cache(self._runtime_cache)
        return engine.create_execution_context(config)

    def _save_runtime_cache(self) -> None:
        if self._runtime_cache is None or self._runtime_cache_file is None:
            return
        blob = self._runtime_cache.serialize()
        if blob is not None:
            try:
                write_atomically(self._runtime_cache_file, memoryview(blob))
            except OSError as error:
                log.warning(
                    "kernels are compiled anew at every start: %s cannot be written (%s)",
                    self._runtime_cache_file,
                    error.strerror,
                )
