# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Makes each kind of backend for an encoder: from the engine cache, and through the parity gate."""

from __future__ import annotations

import logging

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.runtime.backend import Backend, BackendUnavailableError, OnnxModel
from spatialgeo_ros.runtime.engine_cache import cache_errors
from spatialgeo_ros.runtime.engine_manifest import (
    EngineKey,
    Manifest,
    StaleEngineError,
    shapes_of,
)
from spatialgeo_ros.runtime.gate import Encoder, EngineContext, machine_name, trusted
from spatialgeo_ros.runtime.onnx_backend import (
    OnnxRuntimeBackend,
    default_provider,
    require_onnxruntime,
)
from spatialgeo_ros.runtime.parity import ParityReport
from spatialgeo_ros.runtime.tensorrt_backend import TensorRTBackend
from spatialgeo_ros.runtime.tensorrt_build import BuildOptions, build_engine
from spatialgeo_ros.runtime.tensorrt_module import (
    Device,
    TensorRT,
    find_tensorrt,
    this_device,
)

log = logging.getLogger(__name__)


def engine_key(trt: TensorRT, model: OnnxModel, target: Device, options: BuildOptions) -> EngineKey:
    """Key of a TensorRT engine."""
    return EngineKey(
        onnx_sha256=model.sha256,
        module=trt.kind,
        version=trt.version,
        gpu=target.gpu,
        sm=target.sm,
        driver=target.driver,
        precision=model.precision,
        shapes=shapes_of(model),
        flags=options.flags(),
    )


def obtain_engine(
    trt: TensorRT,
    encoder: Encoder,
    target: Device,
    context: EngineContext,
    *,
    refused: str = "",
) -> tuple[OnnxModel, EngineKey, Manifest, bytes, bool]:
    """Load or build the engine of an encoder for a target; True at the end: built now.

    Raises:
        StaleEngineError: There is no good one and ``context.build`` is False; names the command.
        ModelLoadError: Building fails.
    """
    model = _exported(encoder, encoder.precision, context, trt.kind)
    key = engine_key(trt, model, target, encoder.options)
    if not context.build:
        try:
            if refused:
                raise StaleEngineError("the runtime refused the engine")
            return model, key, *context.cache.load(key, encoder.name), False
        except ModelLoadError as error:
            raise _with_command(error, context, trt.kind) from error

    def build() -> memoryview:
        timing = context.cache.timing_cache(key)
        return build_engine(
            trt, model, target, encoder.options, progress=context.progress, timing_cache=timing
        )

    return model, key, *context.cache.obtain(key, encoder.name, build, refused=refused)


def _exported(encoder: Encoder, precision: str, context: EngineContext, kind: str) -> OnnxModel:
    try:
        with cache_errors(context.cache.folder):  # exports are kept there too
            return encoder.model(precision)
    except StaleEngineError as error:
        raise _with_command(error, context, kind) from error


def _with_command(error: ModelLoadError, context: EngineContext, kind: str) -> StaleEngineError:
    return StaleEngineError(
        f"{error}; build it with: spatialgeo engines build --profile {context.profile} "
        f"--backend {kind}"
    )


def tensorrt_backend(
    kind: str, encoder: Encoder, context: EngineContext
) -> tuple[Backend, ParityReport]:
    """An engine on this machine's GPU that has passed the gate here.

    Raises:
        BackendUnavailableError: The module, a GPU or kernels for it are missing.
        ParityError: It computes something else than PyTorch.
        ModelLoadError: It cannot be built or loaded.
    """
    gpu = this_device(context.device) if context.device.type == "cuda" else None
    if gpu is None:
        raise BackendUnavailableError(f"{kind} needs an NVIDIA GPU; this runs on {context.device}")
    trt = find_tensorrt(kind)
    target = trt.target_for(gpu)
    machine = machine_name(context.device)

    def load(refused: str = "") -> tuple[Backend, Manifest, bool]:
        model, key, manifest, engine, built = obtain_engine(
            trt, encoder, target, context, refused=refused
        )
        try:
            backend: Backend = TensorRTBackend(
                trt, engine, precision=model.precision, device=context.device,
                profile=model.profile, inputs=model.inputs, outputs=model.outputs,
                runtime_cache=context.cache.runtime_cache(key, machine),
            )  # fmt: skip
        except BackendUnavailableError:
            raise
        except ModelLoadError as error:
            if built or refused:
                raise
            log.warning("%s: %s; building it again", encoder.name, error)
            return load(refused=manifest.sha256)
        return backend, manifest, built

    backend, manifest, _ = load()
    return trusted(backend, manifest, encoder, context, machine)


def onnxruntime_backend(encoder: Encoder, context: EngineContext) -> tuple[Backend, ParityReport]:
    """ONNX Runtime on the device, once it has passed the gate on this machine.

    Raises:
        BackendUnavailableError: The package or its provider for the device is missing.
        ParityError: It computes something else than PyTorch.
        ModelLoadError: The model cannot be loaded.
    """
    version = str(require_onnxruntime().__version__)
    provider = default_provider(context.device)
    precision = "fp32" if provider == "cpu" else encoder.precision
    model = _exported(encoder, precision, context, "onnxruntime")
    key = EngineKey(
        onnx_sha256=model.sha256, module="onnxruntime", version=version, gpu="", sm=provider,
        driver="", precision=model.precision, shapes=shapes_of(model),
    )  # fmt: skip
    backend = OnnxRuntimeBackend(model, provider=provider, device=context.device)
    manifest, _, _ = context.cache.obtain(key, encoder.name, lambda: b"")
    return trusted(backend, manifest, encoder, context, machine_name(context.device))
