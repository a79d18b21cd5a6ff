# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Runs exported networks in ONNX Runtime, on torch tensors' own memory."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.runtime.backend import (
    BackendInputError,
    BackendUnavailableError,
    OnnxModel,
    TensorSpec,
    check_feeds,
    usual_feeds,
)

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
# ONNX' numbers of element types (TensorProto.DataType), which NumPy has no bfloat16 for.
_ELEMENT_TYPES = {
    torch.float32: 1,
    torch.int32: 6,
    torch.int64: 7,
    torch.bool: 9,
    torch.float16: 10,
    torch.bfloat16: 16,
}
_ORT_TYPES = {
    "tensor(float)": torch.float32,
    "tensor(int32)": torch.int32,
    "tensor(int64)": torch.int64,
    "tensor(bool)": torch.bool,
    "tensor(float16)": torch.float16,
    "tensor(bfloat16)": torch.bfloat16,
}


def require_onnxruntime() -> Any:
    """The package ``onnxruntime``.

    Raises:
        BackendUnavailableError: It is not installed; names what to install.
    """
    try:
        return importlib.import_module("onnxruntime")
    except ImportError as error:
        raise BackendUnavailableError(
            f"ONNX Runtime is not installed ({error}): pip install onnxruntime (for an NVIDIA GPU "
            "onnxruntime-gpu instead), or pip install 'spatialgeo_ros[engines]'"
        ) from error


def default_provider(device: torch.device) -> str:
    """Provider for where torch's tensors are: "cpu" or "cuda"."""
    return "cuda" if device.type == "cuda" else "cpu"


class OnnxRuntimeBackend:
    """One exported network in an ONNX Runtime session; implements ``runtime.backend.Backend``.

    Inputs are read where torch has them and outputs are written into new torch tensors: on the CPU
    and on a GPU alike nothing is copied. On a GPU the session has a stream of its own: torch's is
    waited for before, and the session's has finished when ``run`` returns.

    Args:
        model: Exported network.
        provider: "cpu", "cuda" or "tensorrt"; by default the one of ``device``.
        device: Where inputs and outputs are.
        threads: Of the CPU provider; 0 takes as many as PyTorch uses.

    Raises:
        BackendUnavailableError: ONNX Runtime or the provider is not here.
        ModelLoadError: ONNX Runtime refuses the file, or the file is not as described.
        ValueError: Unknown provider, or one that is not for this device.
    """

    def __init__(
        self,
        model: OnnxModel,
        *,
        provider: str | None = None,
        device: torch.device | str = "cpu",
        threads: int = 0,
    ) -> None:
        onnxruntime = require_onnxruntime()
        self.device = torch.empty(0, device=device).device  # "cuda" becomes "cuda:0"
        provider = provider or default_provider(self.device)
        if provider not in PROVIDERS:
            raise ValueError(f"unknown provider '{provider}'; known are {', '.join(PROVIDERS)}")
        if (provider == "cpu") != (self.device.type == "cpu"):
            raise ValueError(f"provider '{provider}' does not work on {self.device}")
        available = onnxruntime.get_available_providers()
        if PROVIDERS[provider] not in available:
            raise BackendUnavailableError(
                f"this ONNX Runtime {onnxruntime.__version__} has no {PROVIDERS[provider]} (it has "
                f"{', '.join(available)}): pip install onnxruntime-gpu in place of onnxruntime"
            )
        self.name = f"onnxruntime-{provider}"
        self.inputs, self.outputs = model.inputs, model.outputs
        self._model = model
        self._threads = threads if threads > 0 else torch.get_num_threads()
        self._version = onnxruntime.__version__
        before = self._free_device_bytes()
        self._session: Any = self._open(onnxruntime, provider)
        after = self._free_device_bytes()
        self._device_bytes = None if before is None or after is None else max(0, before - after)
        self._check_specs()

    def _open(self, onnxruntime: Any, provider: str) -> Any:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # A waiting thread that spins takes the core from the rest of the node.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        chosen: list[Any] = [PROVIDERS[provider]]
        if provider != "cpu":
            # What TensorRT does not take is CUDA's.
            kinds = ("tensorrt", "cuda") if provider == "tensorrt" else (provider,)
            chosen = [(PROVIDERS[kind], {"device_id": str(self.device.index)}) for kind in kinds]
        try:
            session = onnxruntime.InferenceSession(
                str(self._model.path), sess_options=options, providers=chosen
            )
        # ONNX Runtime's exceptions have no public base class but Exception.
        except Exception as error:
            reason = str(error).strip().splitlines()[0]
            raise ModelLoadError(
                f"ONNX Runtime cannot load {self._model.path} with {provider} in "
                f"{self._model.precision}: {reason}"
            ) from error
        # Where a provider's libraries cannot be loaded, ONNX Runtime goes on with the CPU.
        if PROVIDERS[provider] not in session.get_providers():
            raise BackendUnavailableError(
                f"ONNX Runtime {self._version} could not start {PROVIDERS[provider]}: its CUDA and "
                "cuDNN libraries are missing or of another version than onnxruntime-gpu needs"
            )
        return session

    def _check_specs(self) -> None:
        session = self._session
        for described, found in (
            (self.inputs, session.get_inputs()),
            (self.outputs, session.get_outputs()),
        ):
            actual = tuple(
                TensorSpec(t.name, tuple(t.shape), _ORT_TYPES.get(t.type, torch.float64))
                for t in found
            )
            if actual != described:
                raise ModelLoadError(
                    f"{self._model.path} has {'; '.join(map(str, actual))}, its description "
                    f"{'; '.join(map(str, described))}: export it again"
                )

    def _free_device_bytes(self) -> int | None:
        if self.device.type != "cuda":
            return None
        return int(torch.cuda.mem_get_info(self.device)[0])

    def run(self, feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Run once; see ``Backend.run``."""
        if self._session is None:
            raise BackendInputError(f"the backend of {self._model.path.name} is closed")
        axes = check_feeds(self.inputs, feeds, self._model.profile, self.device)
        binding = self._session.io_binding()
        kept = []  # as long as the session reads them
        for spec in self.inputs:
            tensor = feeds[spec.name].detach().contiguous()
            kept.append(tensor)
            self._bind(binding.bind_input, spec.name, tensor)
        results: dict[str, Tensor] = {}
        for spec in self.outputs:
            shape = [side if isinstance(side, int) else axes[side] for side in spec.shape]
            results[spec.name] = torch.empty(shape, dtype=spec.dtype, device=self.device)
            self._bind(binding.bind_output, spec.name, results[spec.name])
        if self.device.type == "cuda":  # also whatever still uses the outputs' memory
            torch.cuda.current_stream(self.device).synchronize()
        self._session.run_with_iobinding(binding)
        return results

    def _bind(self, bind: Any, name: str, tensor: Tensor) -> None:
        bind(
            name, self.device.type, self.device.index or 0, _ELEMENT_TYPES[tensor.dtype],
            list(tensor.shape), tensor.data_ptr(),
        )  # fmt: skip

    def warm_up(self) -> None:
        """Run once on zeros at the usual size."""
        self.run(usual_feeds(self.inputs, self._model.profile, self.device))

    def device_memory_bytes(self) -> int | None:
        """What loading took from the GPU's free memory; None on the CPU."""
        return self._device_bytes

    def describe(self) -> dict[str, Any]:
        """Facts for logs and diagnostics."""
        return {
            "backend": self.name,
            "version": self._version,
            "device": str(self.device),
            "threads": self._threads,
            "precision": self._model.precision,
            "model": self._model.path.name,
            "sha256": self._model.sha256,
        }

    def close(self) -> None:
        """Free the session."""
        self._session = None
