# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The benchmark of detectors runs here with tiny networks, so that no typo waits for a GPU."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from pathlib import Path

import pytest
import torch

from bench import grounding, nano_detector
from bench.grounding_parts import NETWORKS, GroundingDinoParts, make_parts
from spatialgeo_ros.grounding.dino_graphs import DinoImageGraph, DinoPhraseGraph
from spatialgeo_ros.runtime.host_constants import HostConstants

CPU = torch.device("cpu")
#: Parameters in millions, counted in the published checkpoints' classes.
SIZES = {
    "llmdet_tiny": 172.3, "llmdet_base": 232.3, "grounding_dino_tiny": 172.3, "owlvit_b32": 153.2,
    "owlv2_b16": 155.0, "sam2_tiny": 31.4, "sam2_small": 38.5, "sam3": 840.4,
}  # fmt: skip


def test_the_shipped_detector_is_timed_on_the_wall_and_on_the_cpu(
    capsys: pytest.CaptureFixture[str],
) -> None:
    threads = torch.get_num_threads()
    try:
        assert nano_detector.main(["--quick"]) == 0
    finally:
        torch.set_num_threads(threads)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    wall, cpu = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:])
    assert wall[0].endswith("wall clock") and wall[3] in ("yes", "no")
    assert cpu[0] == "1, time of the CPU" and cpu[3] == ""
    assert all(cell.split()[1] in ("ms", "s") for row in (wall, cpu) for cell in row[1:3])


@pytest.mark.slow
def test_every_step_runs_in_tiny_and_none_runs_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "grounding.json"
    only = "llmdet_base,grounding_dino_tiny,owlvit_b32,owlv2_b16,sam2_small,sam3"
    command = [
        "--tiny", "--no-onnxruntime", "--only", only, "--seconds", "300", "--json", str(path),
    ]  # fmt: skip
    assert grounding.main(command) == 0
    content = json.loads(path.read_text())
    cases = [case for case in grounding.CASES if case.network in only.split(",")]
    wanted = [grounding.step_key(case, kind) for case in cases for kind in ("fp16", "fp32")]
    assert list(content["steps"]) == wanted
    assert content["failed"] == {} and content["running"] == ""
    for key, step in content["steps"].items():
        assert step["finite"], key
        bound = 0.02 if key.endswith("fp16") else 1e-4
        assert max(step["equal_to_model"].values()) <= bound, key
        for timing in step["timings"].values():
            assert 0 < timing["low"] <= timing["median"] <= timing["high"]
    printed = capsys.readouterr().out
    assert "| LLMDet base | 800x1066 | fp16 |" in printed and "not measured" not in printed
    changed = path.stat().st_mtime_ns
    started = time.monotonic()
    assert grounding.main([*command, "--device", "cpu"]) == 0
    assert json.loads(path.read_text())["steps"] == content["steps"]
    assert time.monotonic() - started < 60
    assert path.stat().st_mtime_ns == changed


def test_what_the_time_does_not_allow_is_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grounding, "subprocess", None)  # no time: no process is begun
    path = tmp_path / "grounding.json"
    assert grounding.main(["--seconds", "0", "--device", "cuda", "--json", str(path)]) == 0
    said = capsys.readouterr().out.splitlines()[-1]
    first, *_, last = said.split(", ")
    assert first == "- not measured (no time left): llmdet_base@800x1066 fp16"
    assert last == "grounding_dino_tiny@800x1066 fp32" and "sam3 graph" in said


# A measuring process that dies of its first two steps (a driver's fault cannot be caught).
DIES = """
import sys
from pathlib import Path
from bench.grounding import Record
record = Record(Path(sys.argv[1]))
for key in ("a", "b", "c"):
    if not record.done(key):
        record.begin(key)
        if key in "ab":
            import os
            os._exit(7)
        record.finish(key, {"timings": {}})
"""


def test_a_step_that_ends_the_process_is_noted_and_the_next_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    command = [sys.executable, "-c", DIES, str(path)]
    record = grounding.run_processes(command, time.time() + 60, path)
    assert record.content["failed"] == dict.fromkeys("ab", "the process ended with 7")
    assert list(record.content["steps"]) == ["c"] and record.content["running"] == ""


def test_a_process_that_cannot_start_is_no_endless_loop(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    record = grounding.run_processes([sys.executable, "-c", "1/0"], time.time() + 60, path)
    assert record.content["failed"] == {"start": "the process ended with 1"}


def test_a_step_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grounding, "GRACE_S", 0.5)
    path = tmp_path / "record.json"
    script = "import sys, time; from pathlib import Path; from bench.grounding import Record\n"
    script += "Record(Path(sys.argv[1])).begin('slow'); time.sleep(60)"
    command = [sys.executable, "-c", script, str(path)]
    record = grounding.run_processes(command, time.time() + 3, path)
    assert "longer than the time" in record.content["failed"]["slow"]


class FakeStream:
    def wait_stream(self, other: object) -> None:
        del other


class FakeGraph:
    def replay(self) -> None:
        pass


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """``torch.cuda`` as far as the benchmark calls it; what is called."""
    calls: list[str] = []
    for name in ("synchronize", "reset_peak_memory_stats", "empty_cache"):
        monkeypatch.setattr(torch.cuda, name, lambda *_, name=name: calls.append(name))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda *_: 123)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda *_: "a GPU")
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 9)
    monkeypatch.setattr(torch.cuda, "Stream", FakeStream)
    monkeypatch.setattr(torch.cuda, "current_stream", FakeStream)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", FakeGraph)
    monkeypatch.setattr(torch.cuda, "stream", lambda _: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "graph", lambda _: contextlib.nullcontext())
    return calls


@pytest.mark.parametrize("network", ["llmdet_tiny", "owlvit_b32", "sam2_tiny", "sam3"])
def test_the_steps_of_a_gpu_run_with_a_stand_in(
    gpu: list[str], network: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def on_cpu(name: str, size: tuple[int, int], device: torch.device, *, tiny: bool) -> object:
        assert device.type == "cuda"
        return make_parts(name, size, CPU, tiny=True)

    monkeypatch.setattr("bench.grounding_parts.make_parts", on_cpu)
    options = argparse.Namespace(
        device="cuda", tiny=False, only=network, onnxruntime=True, threads=1, slice=0.01,
        end=time.time() + 300,
    )  # fmt: skip
    path = tmp_path / "record.json"
    record = grounding.Record(path)
    grounding.measure_steps(options, record)
    assert record.content["failed"] == {}
    wanted = grounding.steps(options)
    assert [grounding.step_key(*step) for step in wanted] == list(record.content["steps"])
    assert {kind for _, kind in wanted} == {"fp16", "fp32", "graph"}
    for case, kind in wanted:
        step = record.content["steps"][grounding.step_key(case, kind)]
        if kind == "graph":
            assert set(step["timings"]) == {"image", "phrases"} and not step["not_recorded"]
        else:
            assert step["peak_bytes"] == 123
    assert {"synchronize", "reset_peak_memory_stats", "empty_cache"} <= set(gpu)
    grounding.print_report(record, wanted)


def test_what_cannot_be_recorded_says_so(gpu: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> object:
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    monkeypatch.setattr(torch.cuda, "graph", refuse)
    parts = make_parts("owlvit_b32", (0, 0), CPU, tiny=True)
    parts.to("fp32")
    found = grounding.measure_captured(parts, lambda call: {"s": 1.0}, {"image": parts.image})
    assert found["not_recorded"] == {"image": "operation not permitted when stream is capturing"}
    assert found["timings"] == {}


def test_sizes_of_maps_are_copied_to_a_gpu_once() -> None:
    with HostConstants():
        first = torch.as_tensor([[3, 4]], dtype=torch.long)
        assert torch.as_tensor([[3, 4]], dtype=torch.long) is first
        assert torch.as_tensor([[3, 5]], dtype=torch.long) is not first
        assert torch.as_tensor([[3, 4]], dtype=torch.float32) is not first
        assert torch.tensor([[3, 4]], dtype=torch.long) is not first
        assert torch.as_tensor(first) is first
    assert torch.as_tensor([[3, 4]], dtype=torch.long) is not first


def test_a_detector_makes_no_tensor_of_numbers_while_it_is_recorded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After one pass nothing is copied to the GPU and no value is read from it."""
    parts = make_parts("llmdet_tiny", (0, 0), CPU, tiny=True)
    parts.to("fp32")
    before = parts.phrases()
    with parts.recording(), HostConstants() as constants:
        parts.phrases()
        made = dict(constants._made)
        assert made
        monkeypatch.setattr(torch.Tensor, "__bool__", lambda _: pytest.fail("a value is read"))
        after = parts.phrases()
        monkeypatch.undo()
        assert constants._made == made
    for name, tensor in before.items():
        torch.testing.assert_close(after[name], tensor)


@pytest.mark.slow
def test_onnx_runtime_computes_the_parts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxscript", reason="exporting needs onnx and onnxscript")
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    path = tmp_path / "grounding.json"
    command = ["--tiny", "--only", "owlvit_b32", "--seconds", "120", "--json", str(path)]
    assert grounding.main(command) == 0
    step = json.loads(path.read_text())["steps"]["owlvit_b32 onnxruntime"]
    assert max(step["difference"]["image"].values()) < 1e-4
    assert "ONNX Runtime, fp32" in capsys.readouterr().out


@pytest.mark.parametrize("network", SIZES)
def test_published_sizes(network: str) -> None:
    make, kind = NETWORKS[network]
    with torch.device("meta"), torch.no_grad():
        model = make(False).eval()
        millions = sum(p.numel() for p in model.parameters()) / 1e6
        assert round(millions, 1) == SIZES[network]
        if kind is GroundingDinoParts:
            for size in ((800, 1066), (480, 640), (97, 131)):
                layers = DinoImageGraph(model, size)(torch.empty(1, 3, *size))
                graph = DinoPhraseGraph(model, size, 16)
                assert [t.shape[1] for t in layers] == [r * c for r, c in graph.grids]
