# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Exports in ONNX Runtime against tensors of the papers' code in its PyTorch mode.

The papers' own exports ("ONNX mode") resize without antialiasing and take positions by target size;
the golden file shows both, and ours must be the former. Tolerances are those of the golden files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from spatialgeo_ros.models.graphs import GeometryGraph, TowerGraph
from spatialgeo_ros.models.moge.moge1 import MoGe1
from spatialgeo_ros.models.moge.moge2 import MoGe2
from spatialgeo_ros.models.moge.moge_checkpoint import build_moge
from spatialgeo_ros.runtime.export import export_onnx
from spatialgeo_ros.runtime.onnx_backend import OnnxRuntimeBackend

pytest.importorskip("onnxscript", reason="exporting needs onnx and onnxscript")
pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")


def network(data: dict[str, Any]) -> MoGe1 | MoGe2:
    """Built from the checkpoint's configuration, over the backbone that the file describes."""
    config = dict(data["model_config"])
    if isinstance(config["encoder"], str):
        model: MoGe1 | MoGe2 = MoGe1(**{**config, "encoder": data["backbone"]})
    else:
        config["encoder"] = {**config["encoder"], "backbone": data["backbone"]}
        model = build_moge(config)
    model.load_state_dict(data["model"], strict=True)
    return model.eval()


@pytest.mark.parametrize("version", [1, 2])
def test_pytorch_mode(version: int, golden: Path, tmp_path: Path) -> None:
    data = torch.load(golden / f"moge_v{version}_tiny.pt", weights_only=True)
    model = network(data)
    case = data["cases"][0]
    image, tokens = case["image"], case["num_tokens"]
    size = (image.shape[-2], image.shape[-1])
    graph: GeometryGraph | TowerGraph
    if isinstance(model, MoGe2):
        graph = GeometryGraph(model, tokens, size)
    else:
        graph = TowerGraph.for_image(model, tokens, size)
    exported = export_onnx(graph, tmp_path / "moge.onnx", batch=len(image))
    outputs = OnnxRuntimeBackend(exported, threads=1).run(graph.plan.prepare(image))
    found = graph.plan.finish(outputs, size)
    tolerance = {"normal": 1e-4, "mask": 5e-5 if version == 1 else 2e-5}
    for name, expected in case["forward"].items():
        bound = tolerance.get(name, 2e-5)
        torch.testing.assert_close(found[name].float(), expected.float(), rtol=0, atol=bound)
    for tokens_found, expected in zip(found["features"].tokens(), case["features"], strict=True):
        torch.testing.assert_close(
            tokens_found[: len(expected)], expected.float(), rtol=0, atol=2e-5
        )
    if version == 2:
        deviating = case["forward_onnx_mode"]
        assert float((found["points"] - deviating["points"]).abs().max()) > 1e-2
