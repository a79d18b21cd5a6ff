# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One of each family of detectors and segmenters at its published size, with random weights.

Exported, it computes in ONNX Runtime what PyTorch computes in float32 with the same weights, and
TensorRT for RTX builds it. In float16 but for what joins Grounding DINO's towers: with random
weights its 900 best of 6,380 proposals are as good as any others, and rounding chooses. Minutes and
gigabytes for each, so that it runs only where ``SPATIALGEO_FULL_SIZE=1`` is set.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
pytest.importorskip("onnxscript", reason="exporting needs onnx and onnxscript")

SCRIPT = """
import gc, json, resource, sys, time
from pathlib import Path
import torch
from bench.grounding_parts import NETWORKS
from spatialgeo_ros.grounding.gate_rules import detections
from spatialgeo_ros.runtime.comparison import compare
from spatialgeo_ros.runtime.detection_parity import DetectionMetric
from spatialgeo_ros.runtime.export import export_onnx
from spatialgeo_ros.runtime.onnx_backend import OnnxRuntimeBackend
from spatialgeo_ros.runtime.tensorrt_build import build_engine
from spatialgeo_ros.runtime.tensorrt_module import Device, find_tensorrt
from spatialgeo_ros.runtime.torch_backend import TorchBackend

def is_joined(name):  # where a DINO puts its towers together
    return network in ("llmdet_tiny", "grounding_dino_tiny") and name == "phrases"


def judge(name, outputs, wanted, precision):
    if not is_joined(name):
        return compare(outputs, wanted, precision)
    metric = DetectionMetric(lambda o: detections(o["logits"][0].sigmoid().T, o["boxes"][0]))
    reports = metric.compare(metric.summary(outputs), metric.summary(wanted), precision)
    if network == "llmdet_tiny":
        return reports
    # Two proposals of one score change places, and a place has learnt words of its own: the same
    # box gets other scores. Where the proposal is the same, everything is.
    same = (outputs["boxes"] - wanted["boxes"]).abs().amax(-1)[0] < 0.01
    share = float(same.float().mean())
    assert share > 0.99, share
    words = torch.isfinite(wanted["logits"][0]).all(0)
    kept = [{"logits": o["logits"][:, same][..., words], "boxes": o["boxes"][:, same]}
            for o in (outputs, wanted)]
    return [reports[0], *compare(*kept, precision)]


network, target, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
make, kind = NETWORKS[network]
torch.manual_seed(0)
torch.set_default_dtype(torch.float16)  # half the memory of making it in float32 first
try:
    model = make(False).requires_grad_(False).eval().half()
finally:
    torch.set_default_dtype(torch.float32)
parts = kind(model, (480, 640), torch.device("cpu"))
sizes = {}
graphs = [("image", parts.image_graph), *(("phrases", g) for g in parts.question_graphs()[:1])]
for name, graph in graphs:
    started = time.monotonic()
    precision = "fp32" if is_joined(name) else "fp16"
    exported = export_onnx(graph, folder / f"{name}.onnx", precision=precision)
    found = {"export_s": time.monotonic() - started,
             "weights": sum(p.stat().st_size for p in exported.weights)}
    torch.manual_seed(1)
    feeds = graph.example_inputs()
    backend = OnnxRuntimeBackend(exported)
    started = time.monotonic()
    outputs = backend.run(feeds)
    found["onnxruntime_s"] = time.monotonic() - started
    backend.close()
    del backend
    gc.collect()
    wanted = TorchBackend(graph.float()).run(feeds)  # a CPU takes minutes in float16
    reports = judge(name, outputs, wanted, precision)
    found["reports"] = [[r.name, r.passed, str(r)] for r in reports]
    del wanted, outputs
    graph.half()
    gc.collect()
    if target != "none":
        rtx = find_tensorrt("tensorrt_rtx")
        started = time.monotonic()
        found["engine"] = len(build_engine(rtx, exported, Device(target)))
        found["build_s"] = time.monotonic() - started
    for file in (exported.path, *exported.weights):
        file.unlink()
    sizes[name] = found
sizes["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps(sizes))
"""


@pytest.mark.slow
@pytest.mark.skipif(
    os.environ.get("SPATIALGEO_FULL_SIZE") != "1",
    reason="minutes and gigabytes: set SPATIALGEO_FULL_SIZE=1",
)
@pytest.mark.parametrize(
    ("network", "target"),
    [("owlvit_b32", "sm_86"), ("llmdet_tiny", "sm_89"), ("grounding_dino_tiny", "none"),
     ("sam2_small", "sm_120"), ("sam3", "sm_89")],
)  # fmt: skip
def test_published_size(network: str, target: str, repository: Path, tmp_path: Path) -> None:
    if importlib.util.find_spec("tensorrt_rtx_bindings") is None:
        target = "none"
    command = [sys.executable, "-c", SCRIPT, network, target, str(tmp_path)]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    assert not done.returncode, done.stderr[-3000:]
    sizes = json.loads(done.stdout.splitlines()[-1])
    print(network, json.dumps(sizes))
    assert sizes.pop("peak") < 14 * 2**30
    for name, found in sizes.items():
        failed = [said for _, passed, said in found["reports"] if not passed]
        assert not failed, f"{name}: {failed}"
        if target != "none":
            assert found["engine"] > 1_000_000
