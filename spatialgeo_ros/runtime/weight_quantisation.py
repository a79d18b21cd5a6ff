# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Exports whose matrix weights have 8 bits: half the memory of float16, computed in float16.

Weights only, symmetric, one scale per output channel: ``w = q * scale`` with the largest ``|w|`` of
a channel at the end of the range. Activations stay in float16, and so do convolutions, whose
rounding the decoder of a point map does not forgive (``docs/engines.md`` has the numbers).
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.runtime.backend import OnnxModel, files_sha256
from spatialgeo_ros.runtime.export import require_exporter
from spatialgeo_ros.runtime.onnx_file import (
    description_path,
    read_onnx_model,
    write_description,
)

#: Types of weights: those of the precision, 8-bit integers, 8-bit floats (SM89 and later).
WEIGHT_TYPES = ("native", "int8", "fp8")
_LARGEST = {"int8": 127.0, "fp8": 448.0}  # of float8_e4m3fn
# Below this, scales and the extra operator cost as much as is saved.
_LEAST_ELEMENTS = 4096


def ensure_quantised(model: OnnxModel, path: Path, weights: str, *, make: bool = True) -> OnnxModel:
    """The export with 8-bit weights, made now unless one of the same export is there.

    Args:
        model: In fp16 or bf16.
        path: Of the new ``.onnx`` file.
        weights: "int8" or "fp8".
        make: Write the file where it is not there; False: fail.

    Raises:
        BackendUnavailableError: The package ``onnx`` is missing.
        ModelLoadError: There is no matrix to quantise, or no file and none is to be made.
        ValueError: Unknown ``weights``, or a model in fp32.
    """
    if weights not in _LARGEST:
        raise ValueError(f"weights are quantised to {' or '.join(_LARGEST)}, not '{weights}'")
    if model.precision == "fp32":
        raise ValueError("8-bit weights go with fp16 or bf16: fp32 asks for exactness")
    if description_path(path).exists():
        try:
            found = read_onnx_model(path)
        except ModelLoadError:
            pass  # made anew below, which is what its message asks for
        else:
            if found.metadata.get("unquantised") == model.sha256:
                return found
    if not make:
        raise ModelLoadError(
            f"there is no {path} of this export; `spatialgeo engines build` makes it"
        )
    onnx, _ = require_exporter()
    proto = onnx.load(str(model.path))
    if not _quantise(onnx, proto.graph, weights):
        raise ModelLoadError(f"{model.path} has no matrix whose weights could have 8 bits")
    data = f"{path.stem}.{model.sha256[:16]}.weights" if model.weights else None
    with tempfile.TemporaryDirectory(prefix=f".{path.stem}.", dir=path.parent) as scratch:
        new = Path(scratch) / path.name
        if data is None:
            onnx.save(proto, str(new))
        else:
            onnx.save(
                proto, str(new), save_as_external_data=True, location=data, size_threshold=1024
            )
        del proto
        onnx.checker.check_model(str(new))
        description_path(path).unlink(missing_ok=True)
        for file in (*([] if data is None else [new.with_name(data)]), new):
            file.chmod(0o644)
            os.replace(file, path.with_name(file.name))
    files = () if data is None else (path.with_name(data),)
    made = replace(
        model,
        path=path,
        weights=files,
        sha256=files_sha256([path, *files]),
        metadata={**model.metadata, "weights": weights, "unquantised": model.sha256},
    )
    write_description(made)
    return made


def _quantise(onnx: Any, graph: Any, weights: str) -> int:
    """Replace matrices by 8-bit ones and their dequantisation; returns how many."""
    stored = {tensor.name: tensor for tensor in graph.initializer}
    readers: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            if name in stored:
                readers.setdefault(name, []).append(node)
    added: list[Any] = []
    for name, nodes in readers.items():
        node = nodes[0]
        if len(nodes) > 1 or node.op_type not in ("MatMul", "Gemm") or node.input[1] != name:
            continue
        tensor = stored[name]
        matrix = _as_torch(onnx, tensor)
        if matrix is None or matrix.dim() != 2 or matrix.numel() < _LEAST_ELEMENTS:
            continue
        turned = any(a.name == "transB" and a.i for a in node.attribute)
        axis = 0 if turned else 1
        bits, scale = quantise_matrix(matrix, weights, axis)
        graph.initializer.remove(tensor)
        graph.initializer.extend(
            [_tensor(onnx, f"{name}_8bit", bits), _tensor(onnx, f"{name}_scale", scale)]
        )
        added.append(
            onnx.helper.make_node(
                "DequantizeLinear", [f"{name}_8bit", f"{name}_scale"], [name],
                axis=axis, name=f"{name}_dequantise",
            )
        )  # fmt: skip
    for node in reversed(added):
        graph.node.insert(0, node)
    return len(added)


def quantise_matrix(
    matrix: torch.Tensor, weights: str, axis: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Eight-bit values and one scale per index of ``axis``, in the matrix's type."""
    values = matrix.float()
    largest = values.abs().amax(dim=1 - axis)
    # The scale is rounded to the matrix's type first, so that it is the one that is multiplied.
    scale = (largest / _LARGEST[weights]).to(matrix.dtype)
    scale = scale.clamp_min(torch.finfo(matrix.dtype).tiny)
    ratio = values / scale.float().unsqueeze(1 - axis)
    limit = _LARGEST[weights]
    if weights == "int8":
        return ratio.round().clamp(-limit, limit).to(torch.int8), scale
    return ratio.clamp(-limit, limit).to(torch.float8_e4m3fn), scale


def _as_torch(onnx: Any, tensor: Any) -> torch.Tensor | None:
    types = {
        onnx.TensorProto.FLOAT16: torch.float16,
        onnx.TensorProto.BFLOAT16: torch.bfloat16,
    }
    if tensor.data_type not in types:
        return None
    array = onnx.numpy_helper.to_array(tensor)
    bits = torch.from_numpy(np.ascontiguousarray(array).view(np.int16).copy())
    return bits.view(types[tensor.data_type])


def _tensor(onnx: Any, name: str, value: torch.Tensor) -> Any:
    types = {
        torch.int8: onnx.TensorProto.INT8,
        torch.float8_e4m3fn: onnx.TensorProto.FLOAT8E4M3FN,
        torch.float16: onnx.TensorProto.FLOAT16,
        torch.bfloat16: onnx.TensorProto.BFLOAT16,
    }
    raw = value.contiguous().view(torch.uint8).numpy().tobytes()
    return onnx.helper.make_tensor(name, types[value.dtype], list(value.shape), raw, raw=True)
