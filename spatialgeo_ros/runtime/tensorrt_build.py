# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Builds a TensorRT engine from an exported network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from spatialgeo_ros.errors import CancelledError, ModelLoadError
from spatialgeo_ros.runtime.backend import OnnxModel, TensorSpec
from spatialgeo_ros.runtime.files import write_atomically
from spatialgeo_ros.runtime.tensorrt_module import Device, TensorRT, make_logger, torch_dtype

#: Called with what is being done and the share that is done; False stops the build.
Progress = Callable[[str, float], bool | None]


@dataclass(frozen=True)
class BuildOptions:
    """What changes an engine beside the network, the chip and the module.

    Attributes:
        workspace_mb: Most scratch memory that a layer may use, MB; None leaves it to TensorRT.
        optimisation_level: 0 (fast build) to 5 (fast engine); None leaves it to TensorRT.
        tf32: Let float32 products lose 13 bits on GPUs since Ampere.
    """

    workspace_mb: int | None = None
    optimisation_level: int | None = None
    tf32: bool = False

    def flags(self) -> dict[str, str]:
        """For the engine's key."""
        return {
            "workspace_mb": str(self.workspace_mb),
            "optimisation_level": str(self.optimisation_level),
            "tf32": str(self.tf32),
            "strongly_typed": "True",
        }


def build_engine(
    trt: TensorRT,
    model: OnnxModel,
    target: Device,
    options: BuildOptions = BuildOptions(),
    *,
    progress: Progress | None = None,
    timing_cache: Path | None = None,
) -> memoryview:
    """Build an engine whose types are those of the ONNX file (strongly typed).

    Args:
        trt: The module.
        model: Exported network; its profile gives the sizes of varying axes.
        target: ``trt.target_for(device)``; a chip ahead of time where the module can.
        options: See ``BuildOptions``.
        progress: Called now and then, from a thread of TensorRT's.
        timing_cache: File of kernel timings that is read, then written, so that the next build
            need not measure them again; TensorRT for RTX measures none.

    Returns:
        The serialised engine.

    Raises:
        ModelLoadError: The file is not understood (names the operator) or the build fails.
        BackendUnavailableError: The target is none of the module's.
        CancelledError: ``progress`` returned False.
    """
    module = trt.module
    messages: list[str] = []
    logger = make_logger(module, messages)
    if not target.gpu:
        trt.check_target(target.sm)
    try:
        builder = module.Builder(logger)
    except (RuntimeError, TypeError) as error:  # tensorrt without a GPU
        raise ModelLoadError(
            f"{trt.kind} {trt.version} cannot build here: {_last(messages, error)}"
        ) from error
    typed = 1 << int(module.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(typed)
    parser = module.OnnxParser(network, logger)
    if not parser.parse_from_file(str(model.path)):
        found = [_parser_error(parser.get_error(i)) for i in range(parser.num_errors)]
        raise ModelLoadError(
            f"{trt.kind} {trt.version} does not understand {model.path}: "
            + (found or messages or ["no reason given"])[0]
        )
    _check_interface(module, network, model)
    config = builder.create_builder_config()
    monitor = _configure(trt, config, builder, model, target, options, progress)
    measures = timing_cache is not None and trt.kind == "tensorrt"
    if measures:
        assert timing_cache is not None
        blob = timing_cache.read_bytes() if timing_cache.is_file() else b""
        cache = config.create_timing_cache(blob)
        if not config.set_timing_cache(cache, False):  # of another GPU or version: start anew
            cache = config.create_timing_cache(b"")
            config.set_timing_cache(cache, False)
    engine = builder.build_serialized_network(network, config)
    if monitor is not None and monitor.failure is not None:
        raise monitor.failure
    if monitor is not None and monitor.cancelled:
        raise CancelledError(f"building an engine from {model.path.name} was cancelled")
    if engine is None:
        raise ModelLoadError(
            f"{trt.kind} {trt.version} cannot build an engine for {target} from {model.path}: "
            + _last(messages, "no reason given")
        )
    if progress is not None:
        progress("done", 1.0)
    if measures and timing_cache is not None:
        write_atomically(timing_cache, memoryview(config.get_timing_cache().serialize()))
    return memoryview(engine).cast("B")


def _configure(
    trt: TensorRT,
    config: Any,
    builder: Any,
    model: OnnxModel,
    target: Device,
    options: BuildOptions,
    progress: Progress | None,
) -> Any:
    """Apply target, options, sizes and the progress monitor, which is returned."""
    module = trt.module
    if not target.gpu:
        config.num_compute_capabilities = 1
        name = f"SM{target.sm.removeprefix('sm_')}"
        config.set_compute_capability(getattr(module.ComputeCapability, name), 0)
    if options.workspace_mb is not None:
        limit = options.workspace_mb * 1_000_000
        config.set_memory_pool_limit(module.MemoryPoolType.WORKSPACE, limit)
    if options.optimisation_level is not None:
        config.builder_optimization_level = options.optimisation_level
    if not options.tf32:
        config.clear_flag(module.BuilderFlag.TF32)
    varying = [spec for spec in model.inputs if any(isinstance(s, str) for s in spec.shape)]
    if varying:
        profile = builder.create_optimization_profile()
        for spec in varying:
            profile.set_shape(spec.name, *_bounds(spec, model))
        config.add_optimization_profile(profile)
    if progress is None:
        return None
    config.progress_monitor = monitor = make_monitor(module, progress)
    return monitor


def _bounds(spec: TensorSpec, model: OnnxModel) -> tuple[list[int], list[int], list[int]]:
    sizes: list[tuple[int, int, int]] = []
    for side in spec.shape:
        if isinstance(side, int):
            sizes.append((side, side, side))
        elif side in model.profile:
            axis = model.profile[side]
            sizes.append((axis.least, axis.usual, axis.most))
        else:
            raise ModelLoadError(
                f"{model.path}: axis '{side}' of '{spec.name}' varies, and its shape profile does "
                "not say within which sizes: export it with a range"
            )
    least, usual, most = zip(*sizes, strict=True)
    return list(least), list(usual), list(most)


def _check_interface(module: ModuleType, network: Any, model: OnnxModel) -> None:
    """Compare what was parsed with what the export promised."""
    parsed: Mapping[str, Any] = {
        t.name: t
        for t in (
            *(network.get_input(i) for i in range(network.num_inputs)),
            *(network.get_output(i) for i in range(network.num_outputs)),
        )
    }
    for spec in (*model.inputs, *model.outputs):
        tensor = parsed.get(spec.name)
        if tensor is None:
            raise ModelLoadError(
                f"{model.path}: the parsed network has no tensor '{spec.name}', but "
                + ", ".join(parsed)
            )
        dtype = torch_dtype(module, tensor.dtype)
        if dtype != spec.dtype:
            raise ModelLoadError(f"{model.path}: '{spec.name}' is {dtype}, expected {spec}")


def _parser_error(error: Any) -> str:
    node = error.node_name() if hasattr(error, "node_name") else ""
    # The first line names the node again, the second says what is wrong; a call stack follows.
    reason = " ".join(str(error.desc()).splitlines()[:2])
    return f"{node}: {reason}" if node else reason


def _last(messages: list[str], otherwise: Any) -> str:
    return messages[-1][:500] if messages else str(otherwise)


class PhaseClock:
    """Turns TensorRT's nested phases into one growing share between 0 and 1."""

    def __init__(self) -> None:
        # name -> parent, number of steps, steps done
        self._phases: dict[str, tuple[str | None, int, int]] = {}
        self._share = 0.0

    def start(self, name: str, parent: str | None, steps: int) -> None:
        """Begin a phase."""
        self._phases[name] = (parent, max(steps, 1), 0)

    def step(self, name: str, index: int) -> None:
        """Finish a step of a phase."""
        if name in self._phases:
            parent, steps, _ = self._phases[name]
            self._phases[name] = (parent, steps, min(index + 1, steps))

    def finish(self, name: str) -> None:
        """End a phase; the step of the parent that it was part of is reported apart."""
        self._phases.pop(name, None)

    def share(self) -> float:
        """Share done: never falls, though phases come that were not announced."""
        roots = [name for name, (parent, _, _) in self._phases.items() if parent is None]
        if roots:
            self._share = max(self._share, self._done(roots[0]))
        return self._share

    def _done(self, name: str) -> float:
        _, steps, done = self._phases[name]
        inner = max((self._done(k) for k, v in self._phases.items() if v[0] == name), default=0.0)
        return min((done + inner) / steps, 1.0)


def make_monitor(module: ModuleType, progress: Progress) -> Any:
    """Make TensorRT's progress monitor; it must not throw, as C++ calls it."""

    class Monitor(module.IProgressMonitor):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.clock = PhaseClock()
            self.cancelled = False
            self.failure: BaseException | None = None

        def phase_start(self, name: str, parent: str | None, steps: int) -> None:
            self.clock.start(name, parent, steps)

        def step_complete(self, name: str, step: int) -> bool:
            if self.cancelled or self.failure is not None:
                return False
            self.clock.step(name, step)
            try:
                self.cancelled = progress(name, self.clock.share()) is False
            except BaseException as error:  # raised again once TensorRT has returned
                self.failure = error
            return not self.cancelled and self.failure is None

        def phase_finish(self, name: str) -> None:
            self.clock.finish(name)

    return Monitor()
