# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decides whether a loaded backend is trusted on this machine, and remembers the outcome."""

from __future__ import annotations

import hashlib
import json
import logging
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

import torch

from spatialgeo_ros.runtime.backend import Backend, OnnxModel
from spatialgeo_ros.runtime.comparison import ParityError, Tolerances
from spatialgeo_ros.runtime.engine_cache import EngineCache
from spatialgeo_ros.runtime.engine_manifest import Manifest
from spatialgeo_ros.runtime.parity import (
    Derive,
    Fingerprint,
    KnownInputs,
    Metric,
    ParityReport,
    first_known,
    outputs_of,
    run_gate,
    self_check,
)
from spatialgeo_ros.runtime.tensorrt_build import BuildOptions, Progress
from spatialgeo_ros.runtime.tensorrt_module import this_device

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Encoder:
    """A network that any backend can run.

    Attributes:
        name: For files and people, for example "nano-geometry".
        model: Exports it in a precision, or finds the export ("fp32" -> ONNX).
        reference: Runs it in PyTorch.
        reference_device: Where that runs.
        precision: Of engines on a GPU; a CPU computes in fp32.
        tolerances: Of the profile, by precision and output's name; outputs that it does not name
            have the defaults of the precision.
        derive: What people rely on (points, mask, scale), from the outputs; compared as well.
        known: Makes the gate's inputs where pictures will not do (tokens, features of pictures).
        metric: Compares outputs that have no order of their own (detections), in place of
            tolerances.
        options: Of the builder of engines.
    """

    name: str
    model: Callable[[str], OnnxModel]
    reference: Callable[[], Backend]
    reference_device: torch.device = torch.device("cpu")
    precision: str = "fp16"
    tolerances: Mapping[str, Tolerances] = field(default_factory=dict)
    derive: Derive | None = None
    known: KnownInputs | None = None
    metric: Metric | None = None
    options: BuildOptions = BuildOptions()


@dataclass(frozen=True)
class EngineContext:
    """Where engines come from and what may be done to get them.

    Attributes:
        cache: Engines on disk.
        device: Where backends run.
        build: Build an engine that is not there; False: say which command builds it.
        progress: Told what is being built and how far it is.
        profile: Of the models, for the command in messages.
        recheck: Run the whole gate also where it was passed before.
    """

    cache: EngineCache
    device: torch.device
    build: bool = True
    progress: Progress | None = None
    profile: str = "NAME"
    recheck: bool = False


def machine_name(device: torch.device) -> str:
    """The machine as the manifest remembers it: GPU, chip and driver, or the CPU."""
    gpu = this_device(device) if device.type == "cuda" else None
    if gpu is not None:
        return f"{gpu.gpu}, {gpu.sm}, {gpu.driver}"
    return f"{platform.machine()}, {_cpu_model()}"


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def trusted(
    backend: Backend, manifest: Manifest, encoder: Encoder, context: EngineContext, machine: str
) -> tuple[Backend, ParityReport]:
    """Warm up, then run the whole gate at first load on a machine, the self-check afterwards."""
    try:
        backend.warm_up()
        report = check_backend(backend, manifest, encoder, context, machine)
        if not report.passed:
            raise ParityError(str(report))
    except BaseException:
        backend.close()
        raise
    return backend, report


def check_backend(
    backend: Backend,
    manifest: Manifest,
    encoder: Encoder,
    context: EngineContext,
    machine: str,
) -> ParityReport:
    """Compare with what the manifest remembers of this machine, or with the reference.

    A backend that has failed here is run through the whole gate again: its cause (a driver, a
    library) may be gone, and trying costs seconds.

    Args:
        backend: Loaded and warmed up.
        manifest: Of its engine; the outcome is added to the one on disk.
        encoder: What it computes.
        context: Device and cache.
        machine: See ``machine_name``.
    """
    precision = manifest.key.precision
    stated = encoder.tolerances.get(precision)
    tolerances = tolerances_digest(stated)
    known = manifest.checks.get(machine, {})
    model_profile = encoder.model(precision).profile
    if not context.recheck and known.get("passed") and known.get("tolerances") == tolerances:
        stored = Fingerprint(known["fingerprint"])
        report = self_check(
            backend, stored, precision, stated=stated, profile=model_profile,
            derive=encoder.derive, known=encoder.known, metric=encoder.metric,
            device=context.device,
        )  # fmt: skip
        if report.passed:
            return report
        log.warning("%s: %s; running the whole gate", encoder.name, report)
    reference = encoder.reference()
    report = run_gate(
        backend, reference, precision, stated=stated, profile=model_profile,
        derive=encoder.derive, known=encoder.known, metric=encoder.metric,
        devices=(context.device, encoder.reference_device),
    )  # fmt: skip
    first = first_known(backend.inputs, model_profile, encoder.known)
    outputs = outputs_of(backend, first, encoder.derive, context.device, encoder.metric)
    taken = Fingerprint.take(outputs, encoder.metric)
    context.cache.record(
        manifest.key,
        encoder.name,
        machine,
        {
            **report.to_dict(),
            "tolerances": tolerances,
            "fingerprint": taken.values,
            "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        },
    )
    return report


def tolerances_digest(stated: Tolerances | None) -> str:
    """Changes when a profile's tolerances do, so that the gate runs again."""
    plain: Mapping[str, str] = {name: repr(value) for name, value in (stated or {}).items()}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]
