# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The largest published size, with random weights: exported with external weights, as PyTorch.

A process of its own, so that its peak of memory is that of exporting and of nothing else. In
float16, as TensorRT takes them, both networks are tried at their sizes in test_tensorrt_full_size.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("onnxscript", reason="exporting needs onnx and onnxscript")
pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")

# 18 times fewer patches than the networks take at most: this is about their size, not their speed.
SCRIPT = """
import gc, json, resource, sys
from pathlib import Path
import torch
from spatialgeo_ros.models.graphs import GeometryGraph
from spatialgeo_ros.models.moge.moge2 import MoGe2
from spatialgeo_ros.models.moge.configs import V2_VITL_NORMAL
from spatialgeo_ros.runtime.export import export_onnx
from spatialgeo_ros.runtime.onnx_backend import OnnxRuntimeBackend

torch.manual_seed(0)
image = torch.rand(1, 3, 300, 420)
network = MoGe2(**V2_VITL_NORMAL).eval().requires_grad_(False)
graph = GeometryGraph(network, 200, (300, 420))
feeds = graph.plan.prepare(image)
with torch.inference_mode():
    expected = dict(zip(graph.output_names, graph(**feeds)))
model = export_onnx(graph, Path(sys.argv[1]) / "model.onnx")
del graph, network
gc.collect()
backend = OnnxRuntimeBackend(model)
actual = backend.run(feeds)
print(json.dumps({
    "difference": {k: float((actual[k] - expected[k]).abs().max()) for k in expected},
    "size": {k: float(expected[k].abs().max()) for k in expected},
    "weights": [path.stat().st_size for path in model.weights],
    "onnx": model.path.stat().st_size,
    "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
}))
"""


@pytest.mark.slow
def test_published_size(repository: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    assert not done.returncode, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    print(found)
    # 24 layers of products over 1024 terms, in float32: seen 6e-6 for values up to 5.
    for output, difference in found["difference"].items():
        assert difference < 1e-5 * max(1.0, found["size"][output]), output
    assert sum(found["weights"]) == pytest.approx(4 * 330.9e6, rel=0.01)
    assert found["onnx"] < 2e6
    assert found["peak"] < 8 * 2**30
