# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The networks of a profile as encoders that any backend can run (``runtime/select.py``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from torch import Tensor, nn

from spatialgeo_ros.models.engine_settings import EngineSettings
from spatialgeo_ros.models.graphs import GeometryGraph, SemanticGraph, TowerGraph
from spatialgeo_ros.runtime.backend import OnnxModel
from spatialgeo_ros.runtime.export import ensure_onnx
from spatialgeo_ros.runtime.gate import Encoder
from spatialgeo_ros.runtime.tensorrt_build import BuildOptions
from spatialgeo_ros.runtime.torch_backend import TorchBackend
from spatialgeo_ros.runtime.weight_quantisation import ensure_quantised

# What a geometry network is used for; the gate looks at it beside the graph's raw outputs.
_FINISHED = ("points", "mask", "normal", "metric_scale")


def exported_model(
    graph: nn.Module, stem: str, settings: EngineSettings, folder: Path, *, build: bool
) -> Callable[[str], OnnxModel]:
    """What finds or makes the export of a network in a precision; see :func:`make_encoder`.

    Args:
        graph: An ``Exportable``.
        stem: Of the files' names: profile, network and size.
        settings: Of the profile.
        folder: Of the engine cache.
        build: Export where no current export is there; False: fail.
    """

    @cache  # finding an export hashes the weights
    def model(precision: str) -> OnnxModel:
        path = folder / "onnx" / f"{stem}-{precision}.onnx"
        exported = ensure_onnx(graph, path, precision=precision, make=build)
        if settings.weights == "native" or precision == "fp32":
            return exported
        path = path.with_name(f"{stem}-{precision}-{settings.weights}.onnx")
        return ensure_quantised(exported, path, settings.weights, make=build)

    return model


def make_encoder(
    graph: GeometryGraph | TowerGraph | SemanticGraph,
    name: str,
    settings: EngineSettings,
    folder: Path,
    *,
    build: bool = True,
) -> Encoder:
    """A network for one input size, in PyTorch, and exported where another backend wants it.

    Args:
        graph: In evaluation mode, on its device; it is the reference as well.
        name: For files and people, of profile and network: "nano-geometry".
        settings: Of the profile.
        folder: Of the engine cache; exports go to its sub-folder ``onnx``.
        build: Export where no current export is there; False: fail.
    """
    _, rows, columns = next(iter(graph.input_shapes.values()))

    @cache
    def reference() -> TorchBackend:
        return TorchBackend(graph)

    def derive(outputs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        if "raw_points" not in outputs or isinstance(graph, SemanticGraph):
            return {}
        finished = graph.plan.finish({key: value.float() for key, value in outputs.items()})
        return {key: finished[key] for key in _FINISHED if key in finished}

    return Encoder(
        name=name,
        model=exported_model(graph, f"{name}-{columns}x{rows}", settings, folder, build=build),
        reference=reference,
        reference_device=next(graph.parameters()).device,
        precision=settings.precision,
        tolerances=settings.tolerances,
        derive=derive,
        options=BuildOptions(workspace_mb=settings.workspace_mb),
    )
