# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Finds TensorRT: the ``tensorrt`` of Jetson and desktop, or TensorRT for RTX.

Both have the same Python interface but for what :class:`TensorRT` asks of them by name.
"""

from __future__ import annotations

import ctypes
import importlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from spatialgeo_ros.runtime.backend import BackendUnavailableError

log = logging.getLogger(__name__)

#: Kind of TensorRT -> names under which it is imported.
IMPORT_NAMES: Mapping[str, tuple[str, ...]] = {
    "tensorrt": ("tensorrt",),
    "tensorrt_rtx": ("tensorrt_rtx", "tensorrt_rtx_bindings"),
}
_CURES: Mapping[str, str] = {
    "tensorrt": "on a Jetson it comes with JetPack (create the environment with "
    "--system-site-packages), elsewhere: pip install tensorrt",
    "tensorrt_rtx": "pip install tensorrt-rtx-cu13-libs tensorrt-rtx-cu13-bindings",
}
# Chips that have TensorRT in JetPack, and that TensorRT for RTX does not build for.
_JETSON_TARGETS = {"sm_87": "Jetson Orin", "sm_101": "Jetson Thor", "sm_110": "Jetson Thor"}


class UnsupportedChipError(BackendUnavailableError):
    """The module is here and a GPU is here, and the one has no kernels for the other."""


@dataclass(frozen=True)
class Device:
    """What an engine is for: this machine's GPU, or a chip that is named ahead of time.

    Attributes:
        sm: Compute capability as "sm_86".
        gpu: Name of the GPU; "" ahead of time.
        driver: Versions of kernel driver and CUDA; "" ahead of time.
    """

    sm: str
    gpu: str = ""
    driver: str = ""

    def __str__(self) -> str:
        """Return for example ``NVIDIA RTX A2000 (sm_86)``."""
        return f"{self.gpu} ({self.sm})" if self.gpu else self.sm


def driver_version() -> str:
    """Kernel driver and CUDA version of this machine, "" where there is none."""
    parts: list[str] = []
    for path in (Path("/sys/module/nvidia/version"), Path("/etc/nv_tegra_release")):
        if path.is_file():
            parts.append(path.read_text().splitlines()[0].strip())
            break
    try:
        number = ctypes.c_int()
        if ctypes.CDLL("libcuda.so.1").cuDriverGetVersion(ctypes.byref(number)) == 0:
            parts.append(f"CUDA {number.value // 1000}.{number.value % 1000 // 10}")
    except OSError:
        pass  # no driver: the caller has no GPU either, and says so
    return ", ".join(parts)


def this_device(device: torch.device | None = None) -> Device | None:
    """Describe the GPU of this machine; None where torch sees none."""
    if not torch.cuda.is_available():
        return None
    major, minor = torch.cuda.get_device_capability(device)
    return Device(f"sm_{major}{minor}", torch.cuda.get_device_name(device), driver_version())


@dataclass(frozen=True)
class TensorRT:
    """One of the two modules.

    Attributes:
        module: As imported.
        kind: "tensorrt" or "tensorrt_rtx".
        version: Of the module.
    """

    module: ModuleType
    kind: str
    version: str

    @property
    def targets(self) -> tuple[str, ...]:
        """Chips that it builds for without having them, for example "sm_86"; none for Jetson's."""
        known = getattr(self.module, "ComputeCapability", None)
        names = [] if known is None else [n for n in known.__members__ if n.startswith("SM")]
        return tuple(f"sm_{name[2:]}" for name in sorted(names, key=lambda n: int(n[2:])))

    def check_target(self, target: str) -> None:
        """Refuse a chip that cannot be built for ahead of time.

        Raises:
            BackendUnavailableError: Says which chips can be, or where to build instead.
        """
        if target in self.targets:
            return
        if target in _JETSON_TARGETS:
            raise BackendUnavailableError(
                f"{target} is {_JETSON_TARGETS[target]}, which TensorRT for RTX has no kernels "
                "for: run the same command on the Jetson, without --target (its JetPack brings "
                "'tensorrt', which builds on the GPU that it is for)"
            )
        if not self.targets:
            raise BackendUnavailableError(
                f"{self.kind} {self.version} builds on the GPU that the engine is for, not ahead "
                f"of time: run without --target on a machine with {target}"
            )
        raise BackendUnavailableError(
            f"{self.kind} {self.version} does not build for '{target}'; "
            f"it builds for {', '.join(self.targets)}"
        )

    def target_for(self, device: Device) -> Device:
        """Return what an engine for a GPU is built for.

        TensorRT for RTX finishes its kernels on the GPU at hand, so that one engine serves every
        GPU and driver of a chip; the other module's engine belongs to one GPU and driver.

        Raises:
            UnsupportedChipError: It has no kernels for the GPU.
        """
        if not self.targets:
            return device
        try:
            self.check_target(device.sm)
        except BackendUnavailableError as error:
            raise UnsupportedChipError(f"it cannot run on this {device}: {error}") from error
        return Device(device.sm)


def find_tensorrt(kind: str) -> TensorRT:
    """Import one kind of TensorRT.

    Raises:
        BackendUnavailableError: It is not installed (and how to install it), or does not load.
    """
    for name in IMPORT_NAMES[kind]:
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise BackendUnavailableError(f"{name} needs {error.name}: install it") from error
            continue
        except (ImportError, OSError) as error:
            raise BackendUnavailableError(f"{name} does not load: {error}") from error
        return TensorRT(module, kind, str(module.__version__))
    raise BackendUnavailableError(f"{kind} is not installed; {_CURES[kind]}")


def make_logger(trt: ModuleType, messages: list[str]) -> Any:
    """Make a logger that passes on to ``logging`` and keeps errors for exceptions."""
    severity = trt.ILogger.Severity
    levels = {
        severity.INTERNAL_ERROR: logging.ERROR,
        severity.ERROR: logging.ERROR,
        severity.WARNING: logging.WARNING,
        severity.INFO: logging.DEBUG,
        severity.VERBOSE: logging.DEBUG,
    }

    class Logger(trt.ILogger):  # type: ignore[misc, name-defined]
        def log(self, level: Any, text: str) -> None:
            if levels.get(level, logging.ERROR) >= logging.ERROR:
                messages.append(text)
            # What TensorRT calls an error ends in an exception of ours that carries the text.
            log.log(min(levels.get(level, logging.ERROR), logging.WARNING), "TensorRT: %s", text)

    return Logger()


def torch_dtype(trt: ModuleType, dtype: Any) -> torch.dtype:
    """Return torch's name for a type of TensorRT.

    Raises:
        BackendUnavailableError: torch cannot hold it (4-bit types).
    """
    name = str(dtype).rsplit(".", 1)[-1]
    table = {
        "FLOAT": torch.float32,
        "HALF": torch.float16,
        "BF16": torch.bfloat16,
        "INT8": torch.int8,
        "UINT8": torch.uint8,
        "INT32": torch.int32,
        "INT64": torch.int64,
        "BOOL": torch.bool,
    }
    if name not in table:
        raise BackendUnavailableError(
            f"an engine of {trt.__name__} has a tensor of type {name}, which PyTorch cannot hold"
        )
    return table[name]


def engine_problem(trt: TensorRT, runtime: Any, engine: bytes | memoryview) -> str | None:
    """Say why the runtime holds an engine for unusable here; None where it does not.

    TensorRT before RTX has no such check: there, deserialising fails, which is reported as well.
    """
    check = getattr(runtime, "get_engine_validity", None)
    if check is None:
        return None
    validity, found = check(engine)
    kinds = trt.module.EngineValidity
    if validity != kinds.INVALID:
        return None
    names = trt.module.EngineInvalidityDiagnostics.__members__
    reasons = [name for name, bit in names.items() if int(found) & int(bit)]
    return ", ".join(reasons).lower().replace("_", " ") or "no usable GPU and driver"
