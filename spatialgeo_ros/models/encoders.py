# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The networks of a profile as encoders that any backend can run (``runtime/select.py``)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from torch import Tensor, nn

from spatialgeo_ros.models.engine_settings import EngineSettings
from spatialgeo_ros.models.graphs import GeometryGraph, SemanticGraph
from spatialgeo_ros.runtime.backend import OnnxModel
from spatialgeo_ros.runtime.export import ensure_onnx
from spatialgeo_ros.runtime.gate import Encoder
from spatialgeo_ros.runtime.parity import Derive
from spatialgeo_ros.runtime.torch_backend import TorchBackend


def geometry_encoder(
    graph: GeometryGraph, name: str, settings: EngineSettings, folder: Path
) -> Encoder:
    """MoGe for one patch grid; points, mask, normals and scale are what the gate looks at.

    Args:
        graph: In evaluation mode, on its device.
        name: Of the profile.
        settings: Of the profile.
        folder: Of the engine cache; exports go to its sub-folder ``onnx``.
    """
    rows, columns = graph.plan.input_size

    def derive(outputs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        finished = graph.plan.finish(outputs)
        return {
            key: finished[key]
            for key in ("points", "mask", "normal", "metric_scale")
            if key in finished
        }

    stem = f"{name}-geometry-{columns}x{rows}"
    return _encoder(graph, f"{name}-geometry", stem, settings, folder, derive)


def semantic_encoder(
    graph: SemanticGraph, name: str, settings: EngineSettings, folder: Path
) -> Encoder:
    """CLIP's image tower for one image size; arguments as for ``geometry_encoder``."""
    rows, columns = graph.image_size
    stem = f"{name}-semantic-{columns}x{rows}"
    return _encoder(graph, f"{name}-semantic", stem, settings, folder, None)


def _encoder(
    graph: nn.Module,
    name: str,
    stem: str,
    settings: EngineSettings,
    folder: Path,
    derive: Derive | None,
) -> Encoder:
    @cache  # finding an export hashes the weights
    def model(precision: str) -> OnnxModel:
        return ensure_onnx(graph, folder / "onnx" / f"{stem}-{precision}.onnx", precision=precision)

    @cache
    def reference() -> TorchBackend:
        return TorchBackend(graph)

    return Encoder(
        name=name,
        model=model,
        reference=reference,
        reference_device=next(graph.parameters()).device,
        precision=settings.precision,
        tolerances=settings.tolerances,
        derive=derive,
    )
