# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MoGe-2 ViT-L and CLIP-L/14-336 at their published sizes in float16, with random weights.

The same export runs in ONNX Runtime as in PyTorch, and is built by TensorRT for RTX.
"""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
import torch

from bench.full_size import CLIP_L_336
from spatialgeo_ros.models.clip import ClipVisionTower
from spatialgeo_ros.models.graphs import GeometryGraph, SemanticGraph
from spatialgeo_ros.models.moge.configs import V2_VITL_NORMAL
from spatialgeo_ros.models.moge.moge2 import MoGe2
from spatialgeo_ros.runtime.comparison import compare
from spatialgeo_ros.runtime.export import export_onnx
from spatialgeo_ros.runtime.onnx_backend import OnnxRuntimeBackend
from spatialgeo_ros.runtime.parity import known_inputs
from spatialgeo_ros.runtime.tensorrt_build import build_engine
from spatialgeo_ros.runtime.tensorrt_module import Device, find_tensorrt
from spatialgeo_ros.runtime.torch_backend import TorchBackend

pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
pytest.importorskip("onnxscript", reason="exporting needs onnx and onnxscript")


def geometry() -> GeometryGraph:
    """Few patches: this is about the network's size, not its speed."""
    return GeometryGraph(MoGe2(**V2_VITL_NORMAL).eval(), 200, (300, 420)).eval()


def semantic() -> SemanticGraph:
    return SemanticGraph(ClipVisionTower(CLIP_L_336).eval(), (336, 336)).eval()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "parameters", "targets"),
    # each chip once: nothing but its name differs, and one build takes ten seconds of a core
    [(geometry, 330.9e6, ("sm_86", "sm_120")), (semantic, 291e6, ("sm_89",))],
    ids=["geometry", "semantic"],
)
def test_a_full_size_export_computes_the_same_and_builds(
    make, parameters: float, targets: tuple[str, ...], tmp_path: Path
) -> None:
    pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT for RTX is not installed")
    rtx = find_tensorrt("tensorrt_rtx")
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float16)  # half the memory of making them in float32 first
    try:
        graph = make().requires_grad_(False)
    finally:
        torch.set_default_dtype(torch.float32)
    model = export_onnx(graph, tmp_path / "net.onnx", precision="fp16")
    assert sum(path.stat().st_size for path in model.weights) == pytest.approx(
        2 * parameters, rel=0.01
    )
    feeds = known_inputs(model.inputs, count=1)[0]
    # The same rounded weights, computed in float32: a CPU takes minutes in float16.
    expected = TorchBackend(graph.float()).run(feeds)
    del graph
    backend = OnnxRuntimeBackend(model)
    reports = compare(backend.run(feeds), expected, "fp16")
    backend.close()
    del backend
    gc.collect()
    assert all(report.passed for report in reports), "; ".join(map(str, reports))
    for target in targets:
        engine = build_engine(rtx, model, Device(target))
        # Two bytes per weight: they are all in it, in the type that was asked for.
        assert len(engine) == pytest.approx(2 * parameters, rel=0.1)
