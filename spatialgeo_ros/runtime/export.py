# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ONNX files from networks, through ``torch.export``: one type throughout, checked, atomic.

The computation keeps the types that PyTorch has in that precision (strongly typed), so what a
runtime computes can be compared with PyTorch in the same precision.
"""

from __future__ import annotations

import copy
import hashlib
import importlib
import importlib.metadata
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.runtime.backend import (
    PRECISIONS,
    BackendUnavailableError,
    Exportable,
    OnnxModel,
    ShapeProfile,
    TensorSpec,
    files_sha256,
)
from spatialgeo_ros.runtime.engine_manifest import StaleEngineError
from spatialgeo_ros.runtime.onnx_file import description_path, read_onnx_model, write_description

log = logging.getLogger(__name__)

# Gelu needs 20, and TensorRT 10.3 (JetPack 6) reads up to 20; convolutions know bfloat16 from 22.
OPSETS = {"fp32": 20, "fp16": 20, "bf16": 22}
# Larger models get their weights in a file of their own; protobuf ends at 2 GB.
EXTERNAL_ABOVE_BYTES = 512 * 2**20
_METADATA_PREFIX = "spatialgeo_ros."
# Their versions decide whether an export is current. That of onnxscript does not: a machine that
# only runs exports made elsewhere need not have it.
_PACKAGES = ("torch", "transformers")


def require_exporter() -> tuple[Any, Any]:
    """The packages ``onnx`` and ``onnx_ir``.

    Raises:
        BackendUnavailableError: One is not installed; names what to install.
    """
    try:
        importlib.import_module("onnxscript")
        return importlib.import_module("onnx"), importlib.import_module("onnx_ir")
    except ImportError as error:
        raise BackendUnavailableError(
            f"exporting needs the packages onnx and onnxscript ({error}): "
            "pip install 'spatialgeo_ros[engines]'"
        ) from error


def export_onnx(
    module: nn.Module,
    path: str | Path,
    *,
    batch: int = 1,
    dynamic: ShapeProfile | None = None,
    precision: str = "fp32",
    external_weights: bool | None = None,
    metadata: Mapping[str, str] | None = None,
) -> OnnxModel:
    """Export a network and describe the file (``<path>.json``).

    Args:
        module: An :class:`Exportable`. Where its weights have another type than ``precision``, a
            copy is converted; the module itself stays as it is.
        path: Of the ``.onnx`` file. Nothing is there before all of it is.
        batch: Size of the first axis of a static export.
        dynamic: ``{"batch": AxisRange(1, 1, 8)}`` lets the first axis of every tensor vary.
        precision: "fp32", "fp16" or "bf16".
        external_weights: Weights in a file beside; by default where they exceed 512 MB.
        metadata: More entries for the file.

    Raises:
        BackendUnavailableError: A package for exporting is missing.
        ModelLoadError: The network cannot be exported, or the result breaks ONNX' rules.
        ValueError: Unknown precision, an axis other than "batch" is to vary, or the network is in
            training mode.
    """
    onnx, onnx_ir = require_exporter()
    path = Path(path)
    dynamic = dict(dynamic or {})
    if precision not in PRECISIONS:
        raise ValueError(f"unknown precision '{precision}'; known are {', '.join(PRECISIONS)}")
    if dynamic.keys() - {"batch"}:
        raise ValueError(f"only the axis 'batch' can vary, not {sorted(dynamic)}")
    if module.training:
        raise ValueError("the network is in training mode: call eval() before exporting it")
    source = source_sha256(module, precision, dynamic, batch)
    typed = _prepared(module, PRECISIONS[precision])
    names = cast(Exportable, typed)
    # torch.export takes an axis of size 1 for a constant.
    example = names.example_inputs(2 if dynamic else batch)
    shapes: dict[str, Any] | None = None
    if dynamic:
        axis = torch.export.Dim("batch", min=dynamic["batch"].least, max=dynamic["batch"].most)
        shapes = {name: {0: axis} for name in example}
    try:
        with torch.no_grad(), _quiet_exporter(), _exporting(typed):
            program = torch.onnx.export(
                typed, (), kwargs=example, dynamo=True, verbose=False,
                opset_version=OPSETS[precision],
                input_names=list(names.input_names), output_names=list(names.output_names),
                dynamic_shapes=shapes,
            )  # fmt: skip
    except torch.onnx.errors.OnnxExporterError as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelLoadError(f"{type(module).__name__} cannot be exported: {reason}") from error
    if program is None:
        raise ModelLoadError(f"{type(module).__name__} cannot be exported: nothing came back")
    facts = {
        "graph": type(module).__name__,
        "precision": precision,
        "source": source,
        **{name: importlib.metadata.version(name) for name in (*_PACKAGES, "onnxscript")},
        **(metadata or {}),
    }
    graph: Any = program.model
    _strip(graph)
    for key in sorted(facts):
        graph.metadata_props[_METADATA_PREFIX + key] = facts[key]
    inputs, outputs = _specs(graph.graph.inputs), _specs(graph.graph.outputs)
    size = sum(value.const_value.nbytes for value in graph.graph.initializers.values())
    if external_weights is None:
        external_weights = size > EXTERNAL_ABOVE_BYTES
    weights = _save(onnx, onnx_ir, graph, path, source if external_weights else None)
    files = [path, *weights]
    model = OnnxModel(
        path, files_sha256(files), inputs, outputs, precision, dynamic, weights, facts
    )
    write_description(model)
    log.info("exported %s (%.0f MB, %s)", path, size / 1e6, precision)
    return model


def ensure_onnx(
    module: nn.Module,
    path: str | Path,
    *,
    batch: int = 1,
    dynamic: ShapeProfile | None = None,
    precision: str = "fp32",
    metadata: Mapping[str, str] | None = None,
    make: bool = True,
) -> OnnxModel:
    """The export of a network, made now unless an undamaged one of the same source is there.

    Arguments and errors as for ``export_onnx``; with ``make`` False a missing or outdated export is
    a StaleEngineError. The source is what ``source_sha256`` hashes: after an update of any of it
    the file is written anew.
    """
    source = source_sha256(module, precision, dict(dynamic or {}), batch)
    if description_path(Path(path)).exists():
        try:
            found = read_onnx_model(path)
        except ModelLoadError as error:
            log.warning("%s", error)
        else:
            if found.metadata.get("source") == source:
                return found
            log.info("%s is of other weights or code", path)
    if not make:
        raise StaleEngineError(f"there is no current export {path}")
    return export_onnx(
        module, path, batch=batch, dynamic=dynamic, precision=precision, metadata=metadata
    )


def source_sha256(
    module: nn.Module, precision: str, dynamic: ShapeProfile | None = None, batch: int = 1
) -> str:
    """Hash of everything that an export depends on.

    Weights and their shapes, input shapes, precision, the source files of ours that the network
    uses, and the versions of PyTorch and transformers.
    """
    digest = hashlib.sha256()

    def add(*items: object) -> None:
        digest.update("\0".join(str(item) for item in items).encode() + b"\1")

    add(precision, sorted((dynamic or {}).items()), 0 if dynamic else batch, OPSETS[precision])
    for package in _PACKAGES:
        add(package, importlib.metadata.version(package))
    with torch.no_grad():
        for name, tensor in cast(Exportable, module).example_inputs().items():
            add(name, tuple(tensor.shape))
        for name, tensor in (*module.named_parameters(), *module.named_buffers()):
            add(name, tuple(tensor.shape), tensor.dtype)
            flat = tensor.detach().cpu().contiguous().flatten()
            digest.update(flat.view(torch.uint8).numpy().data)
    for file in _sources(module):
        add(file.name)
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _sources(module: nn.Module) -> list[Path]:
    """Files of our own that decide what the graph looks like.

    Those of the network's classes, and of what these import from this package by name.
    """
    root = __name__.split(".")[0] + "."
    waiting = {type(part).__module__ for part in module.modules()}
    names: set[str] = {__name__}
    while waiting:
        name = waiting.pop()
        if name.startswith(root) and name in sys.modules and name not in names:
            names.add(name)
            for value in vars(sys.modules[name]).values():
                # A class or function knows its module; a module is known by its name.
                waiting.add(str(getattr(value, "__module__", getattr(value, "__name__", ""))))
    return [Path(str(sys.modules[name].__file__)) for name in sorted(names)]


def _prepared(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """The network in one type, batch norms folded into the convolutions before them.

    Folding comes before the conversion: the exporter's own folding leaves float32 weights in a
    bfloat16 graph, and in float16 it would round twice.
    """
    floating = [t for t in (*module.parameters(), *module.buffers()) if t.is_floating_point()]
    norms = any(isinstance(part, nn.BatchNorm2d) for part in module.modules())
    if not norms and all(tensor.dtype == dtype for tensor in floating):
        return module
    module = copy.deepcopy(module)
    for part in list(module.modules()):
        if not isinstance(part, nn.Sequential):
            continue
        for index in range(len(part) - 1):
            conv, norm = part[index], part[index + 1]
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                part[index] = fuse_conv_bn_eval(conv, norm)
                part[index + 1] = nn.Identity()
    return module.to(dtype)


def _exporting(module: nn.Module) -> AbstractContextManager[None]:
    """What a network itself wants while it is exported (``exporting``), where it wants anything."""
    own = getattr(module, "exporting", None)
    return nullcontext() if own is None else cast(AbstractContextManager[None], own())


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Keep the exporter's notes about itself (absent torchvision, each rewrite) off the log."""
    levels = {
        logging.getLogger(name): logging.getLogger(name).level
        for name in ("torch.onnx._internal.exporter._registration", "onnx_ir", "onnxscript")
    }
    for logger in levels:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.filterwarnings("ignore", message="# The axis name: batch")
            yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)


def _strip(model: Any) -> None:
    """Drop stack traces and docs: they name this machine's paths and make equal exports differ."""
    model.doc_string = None
    model.graph.doc_string = None
    for node in model.graph.all_nodes():
        node.doc_string = None
        node.metadata_props.clear()
        for value in node.outputs:
            value.metadata_props.clear()
    for value in (*model.graph.inputs, *model.graph.initializers.values()):
        value.metadata_props.clear()


def _specs(values: Sequence[Any]) -> tuple[TensorSpec, ...]:
    types = {
        "FLOAT": torch.float32, "FLOAT16": torch.float16, "BFLOAT16": torch.bfloat16,
        "INT64": torch.int64, "INT32": torch.int32, "BOOL": torch.bool,
    }  # fmt: skip
    return tuple(
        TensorSpec(
            value.name,
            tuple(d if isinstance(d, int) else str(d.value) for d in value.shape),
            types[value.dtype.name],
        )
        for value in values
    )


def _save(
    onnx: Any, onnx_ir: Any, graph: Any, path: Path, external: str | None
) -> tuple[Path, ...]:
    """Write and check in a scratch folder, then move; weights first, the ONNX file last.

    The weights' name carries the hash of their source, so that an interrupted export cannot pair a
    file with the weights of another.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    name = None if external is None else f"{path.stem}.{external[:16]}.weights"
    with tempfile.TemporaryDirectory(prefix=f".{path.stem}.", dir=path.parent) as scratch:
        new = Path(scratch) / path.name
        onnx_ir.save(graph, new, external_data=name)
        try:
            onnx.checker.check_model(str(new), full_check=True)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
            raise ModelLoadError(f"the export {path.name} breaks ONNX' rules: {error}") from error
        description_path(path).unlink(missing_ok=True)
        moved = [] if name is None else [new.with_name(name)]
        for file in (*moved, new):
            file.chmod(0o644)
            os.replace(file, path.with_name(file.name))
    weights = () if name is None else (path.with_name(name),)
    for old in path.parent.glob(f"{path.stem}.*.weights"):
        if old not in weights:
            old.unlink()
    return weights
