# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The gate lets rounding through and nothing else; the choice of backend says what it refused."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.runtime import gate as gate_module
from spatialgeo_ros.runtime.backend import (
    AxisRange,
    BackendUnavailableError,
    OnnxModel,
    TensorSpec,
)
from spatialgeo_ros.runtime.comparison import (
    DEFAULT_TOLERANCES,
    ParityError,
    Tolerance,
    compare,
    tolerance_for,
)
from spatialgeo_ros.runtime.engine_cache import EngineCache
from spatialgeo_ros.runtime.engine_manifest import EngineKey
from spatialgeo_ros.runtime.gate import Encoder, EngineContext, trusted
from spatialgeo_ros.runtime.parity import Fingerprint, known_inputs, run_gate, self_check
from spatialgeo_ros.runtime.select import select_backend

CPU = torch.device("cpu")
INPUTS = (TensorSpec("image", (1, 3, 12, 16), torch.float32),)


class Net:
    """A backend that computes layers and points; ``spoil`` changes its outputs."""

    inputs = INPUTS
    outputs = tuple(
        TensorSpec(name, shape, torch.float32)
        for name, shape in (("layer_0", (1, 48, 3)), ("layer_1", (1, 48, 3)),
                            ("raw_points", (1, 12, 16, 3)))
    )  # fmt: skip

    def __init__(self, spoil=None, name: str = "engine") -> None:
        self.spoil, self.name = spoil, name
        self.runs, self.closed = 0, False

    def run(self, feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        self.runs += 1
        image = feeds["image"]
        layer = image.unfold(2, 2, 2).unfold(3, 2, 2).mean((-1, -2)).flatten(2).mT
        results = {
            "layer_0": layer,
            "layer_1": layer.sin() * 3,
            "raw_points": image.permute(0, 2, 3, 1) * 2 + 0.5,
        }
        if self.spoil is not None:
            self.spoil(results)
        return results

    def warm_up(self) -> None:
        pass

    def device_memory_bytes(self) -> None:
        return None

    def describe(self) -> dict:
        return {}

    def close(self) -> None:
        self.closed = True


def derive(outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {"points": outputs["raw_points"].exp()}


def rounded(results: dict[str, Tensor]) -> None:
    for name in results:
        results[name] = results[name].half().float()


def wrong_scale(results: dict[str, Tensor]) -> None:
    results["raw_points"] = results["raw_points"] + math.log(1.05)  # depth 5 % off


def swapped_layers(results: dict[str, Tensor]) -> None:
    results["layer_0"], results["layer_1"] = results["layer_1"], results["layer_0"]


def one_nan(results: dict[str, Tensor]) -> None:
    results["layer_1"][0, 7, 2] = math.nan


def one_infinity(results: dict[str, Tensor]) -> None:
    results["layer_1"][0, 7, 2] = math.inf


def report_of(spoil, precision: str = "fp16"):
    return run_gate(Net(spoil), Net(name="torch"), precision, derive=derive)


def test_equal_outputs_and_rounding_pass() -> None:
    assert report_of(None, "fp32").passed
    assert report_of(rounded).passed


@pytest.mark.parametrize(
    ("spoil", "worst"),
    [
        (wrong_scale, "points"),
        (swapped_layers, "layer_0"),
        (one_nan, "layer_1"),
        (one_infinity, "layer_1"),
    ],
)
def test_wrong_outputs_fail_and_are_named_worst_first(spoil, worst: str) -> None:
    report = report_of(spoil)
    assert not report.passed
    failed = [output.name for output in report.outputs if not output.passed]
    assert worst in failed
    assert [output.passed for output in report.outputs] == sorted(
        output.passed for output in report.outputs
    )
    assert str(report).startswith("engine DIFFERS from torch (fp16): ")
    assert all(name in str(report) for name in failed)


def test_a_single_nan_is_placed_and_no_share_excuses_it() -> None:
    lenient = {"*": Tolerance(relative=1e9, share=0.01)}
    report = run_gate(Net(one_nan), Net(), "fp16", stated=lenient)
    (failed,) = [output for output in report.outputs if not output.passed]
    assert (failed.name, failed.not_finite, failed.place) == ("layer_1", 1, (0, 0, 7, 2))
    assert "1 values are NaN or infinite" in str(failed)
    # Also where the reference itself is broken.
    assert not run_gate(Net(), Net(one_nan), "fp16", stated=lenient).passed


def test_vectors_are_judged_whole_and_elements_one_by_one() -> None:
    reference = {"points": torch.tensor([[100.0, 0.0, 0.0], [0.0, 100.0, 0.0]])}
    candidate = {"points": reference["points"] + torch.tensor([0.0, 0.0, 1.0])}

    def passes(**tolerance) -> bool:
        stated = {"points": Tolerance(**tolerance)}
        return compare(candidate, reference, "fp16", stated)[0].passed

    assert passes(relative=0.011, per="vector")  # 1 of 100
    assert not passes(relative=0.009, per="vector")
    assert not passes(relative=0.011, per="element")  # 1 of 0
    assert passes(absolute=1.0)
    assert not passes(absolute=0.99)
    assert passes(absolute=0.5, share=2 / 3)  # two of three elements are exact
    assert not passes(absolute=0.5, share=0.7)


def test_a_report_says_how_much_was_off_and_where() -> None:
    reference = {"mask": torch.zeros(2, 5)}
    candidate = {"mask": torch.zeros(2, 5)}
    candidate["mask"][1, 3] = 0.4
    stated = {"mask": Tolerance(absolute=0.1, share=0.95)}
    (output,) = compare(candidate, reference, "fp16", stated, number=2)
    assert (output.within, output.place) == (0.9, (2, 1, 3))
    assert output.largest == pytest.approx(0.4)
    assert output.excess == pytest.approx(4.0)


def test_other_outputs_or_shapes_are_another_network() -> None:
    with pytest.raises(ParityError, match="'b' is missing"):
        compare({"a": torch.zeros(1)}, {"a": torch.zeros(1), "b": torch.zeros(1)}, "fp16")
    with pytest.raises(ParityError, match=r"\(2,\), the reference's \(1,\)"):
        compare({"a": torch.zeros(2)}, {"a": torch.zeros(1)}, "fp16")


def test_tolerances_of_the_profile_come_first_then_the_precisions() -> None:
    stated = {"layer_2": Tolerance(absolute=9.0), "raw_*": Tolerance(absolute=7.0)}
    assert tolerance_for("layer_2", "fp16", stated).absolute == 9.0
    assert tolerance_for("raw_points", "fp16", stated).absolute == 7.0
    assert tolerance_for("layer_1", "fp16", stated) == DEFAULT_TOLERANCES["fp16"]["layer_*"]
    by_precision = [DEFAULT_TOLERANCES[p]["points"].relative for p in ("fp32", "fp16", "bf16")]
    assert by_precision == sorted(by_precision)


@pytest.mark.parametrize(
    "wrong",
    [{}, {"relative": -1.0}, {"absolute": math.inf}, {"absolute": 1.0, "share": 0.0},
     {"absolute": 1.0, "per": "row"}],
)  # fmt: skip
def test_a_tolerance_that_means_nothing_is_refused(wrong: dict) -> None:
    with pytest.raises(ModelLoadError, match="tolerance"):
        Tolerance(**wrong)


def test_known_inputs_are_the_same_everywhere_and_differ_from_each_other() -> None:
    specs = (
        INPUTS[0],
        TensorSpec("pixel_values", ("batch", 3, 28, 28), torch.float16),
        TensorSpec("prior", (1, 4, 12, 16), torch.float32),
    )
    first = known_inputs(specs, {"batch": AxisRange(1, 2, 4)})
    again = known_inputs(specs, {"batch": AxisRange(1, 2, 4)})
    assert len(first) == 3
    for a, b in zip(first, again, strict=True):
        assert all(torch.equal(a[name], b[name]) for name in a)
    image, pixels, prior = (first[0][name] for name in ("image", "pixel_values", "prior"))
    assert 0 <= image.min() < 0.2 < 0.8 < image.max() <= 1
    assert pixels.shape == (2, 3, 28, 28)
    assert pixels.dtype == torch.float16
    assert pixels.float().std() == pytest.approx(1, abs=0.01)
    assert prior.abs().max() <= 1
    assert not torch.allclose(first[0]["image"], first[1]["image"], atol=0.1)
    # Known values: a change of the formula would make every stored check void.
    assert image[0, 0, 0, :2].tolist() == pytest.approx(KNOWN, abs=1e-6)


KNOWN = [0.3995865, 0.4239646]


def test_the_self_check_takes_one_run_and_sees_a_change() -> None:
    feeds = known_inputs(INPUTS, count=1)[0]
    backend = Net(rounded)
    stored = Fingerprint.take({**backend.run(feeds), **derive(backend.run(feeds))})
    stored = Fingerprint(json.loads(json.dumps(stored.values)))  # as the manifest keeps it
    assert sum(len(values) for values in stored.values.values()) < 4 * 600
    backend.runs = 0
    started = time.monotonic()
    assert self_check(backend, stored, "fp16", derive=derive).passed
    assert time.monotonic() - started < 1.0
    assert backend.runs == 1
    assert not self_check(Net(wrong_scale), stored, "fp16", derive=derive).passed
    assert not self_check(Net(one_infinity), stored, "fp16", derive=derive).passed
    with pytest.raises(ParityError, match="other outputs"):
        self_check(backend, stored, "fp16")


# The gate with its memory, and the choice of a backend.


def encoder(reference: Net | None = None, **changes) -> Encoder:
    model = OnnxModel(Path("net.onnx"), "00" * 32, INPUTS, Net.outputs, "fp16")
    reference = reference or Net(name="torch-cpu")
    made = Encoder("net", lambda precision: model, lambda: reference, derive=derive)
    return replace(made, **changes)


@pytest.fixture
def context(tmp_path: Path) -> EngineContext:
    return EngineContext(EngineCache(tmp_path / "engines"), CPU)


KEY = EngineKey("00" * 32, "tensorrt", "10.3.0", "Orin", "sm_87", "540", "fp16", {})


def trust(
    net: Net, context: EngineContext, machine: str = "here", reference: Net | None = None, **changes
):
    manifest, _, _ = context.cache.obtain(KEY, "net", lambda: b"engine")
    return trusted(net, manifest, encoder(reference, **changes), context, machine)


def test_the_whole_gate_runs_once_per_machine_then_the_self_check(context: EngineContext) -> None:
    reference = Net(name="torch-cpu")
    _, report = trust(Net(), context, reference=reference)
    assert (report.reference, reference.runs) == ("torch-cpu", 3)
    _, report = trust(Net(), context, reference=reference)
    assert (report.reference, reference.runs) == ("its own earlier result", 3)
    trust(Net(), context, machine="another", reference=reference)
    assert reference.runs == 6
    # Other tolerances ask for the gate again.
    tighter = {"fp16": {"points": Tolerance(relative=0.001, per="vector")}}
    trust(Net(), context, reference=reference, tolerances=tighter)
    assert reference.runs == 9


def test_a_failed_gate_closes_the_engine_and_is_remembered_but_tried_again(context) -> None:
    wrong = Net(wrong_scale)
    with pytest.raises(ParityError, match=r"engine DIFFERS from torch-cpu \(fp16\): .*points"):
        trust(wrong, context)
    assert wrong.closed
    manifest, _ = context.cache.load(KEY, "net")
    assert manifest.checks["here"]["passed"] is False
    assert trust(Net(), context)[1].reference == "torch-cpu"
    assert context.cache.load(KEY, "net")[0].checks["here"]["passed"] is True


def test_an_engine_that_changes_after_it_has_passed_is_caught_at_the_next_start(context) -> None:
    trust(Net(), context)
    with pytest.raises(ParityError, match="points"):
        trust(Net(wrong_scale), context)


def unavailable(encoder: Encoder, context: EngineContext):
    raise BackendUnavailableError("no NVIDIA GPU")


def failing(encoder: Encoder, context: EngineContext):
    raise ParityError("engine DIFFERS: points: 10 % within")


def running(name: str):
    return lambda encoder, context: (Net(name=name), None)


def makers(**changes):
    kinds = {"tensorrt": unavailable, "tensorrt_rtx": unavailable,
             "onnxruntime": running("onnxruntime-cpu"), "torch": running("torch-cpu")}  # fmt: skip
    return {**kinds, **changes}


def test_auto_takes_the_best_that_is_here_and_says_why_not_the_better_ones(context) -> None:
    selection = select_backend(encoder(), context, makers=makers())
    assert selection.kind == "onnxruntime"
    assert not selection.degraded
    assert str(selection) == (
        "onnxruntime-cpu (not tensorrt: no NVIDIA GPU; not tensorrt_rtx: no NVIDIA GPU)"
    )
    best = select_backend(encoder(), context, makers=makers(tensorrt=running("tensorrt-fp16")))
    assert (best.kind, best.rejected) == ("tensorrt", {})


def test_a_backend_that_fails_the_gate_is_passed_over_loudly(context, caplog) -> None:
    with caplog.at_level(logging.WARNING):
        selection = select_backend(encoder(), context, makers=makers(tensorrt=failing))
    assert selection.kind == "onnxruntime"
    assert selection.degraded
    assert "DIFFERS" in selection.rejected["tensorrt"]
    assert "tensorrt is NOT USED" in caplog.text


def test_policy_fail_raises_instead(context) -> None:
    with pytest.raises(ModelLoadError, match=r"net with tensorrt: .*points"):
        select_backend(encoder(), context, policy="fail", makers=makers(tensorrt=failing))
    with pytest.raises(ModelLoadError, match="cannot run as 'tensorrt': tensorrt: no NVIDIA GPU"):
        select_backend(encoder(), context, "tensorrt", "fail", makers())
    # What is merely not here does not stop "auto".
    assert select_backend(encoder(), context, policy="fail", makers=makers()).kind == "onnxruntime"


def test_what_was_asked_for_and_does_not_run_is_said(context, caplog) -> None:
    with caplog.at_level(logging.WARNING):
        selection = select_backend(encoder(), context, "tensorrt", makers=makers())
    assert (selection.kind, selection.degraded) == ("onnxruntime", True)
    assert "tensorrt was asked for, onnxruntime runs" in caplog.text
    only = select_backend(encoder(), context, "torch", makers=makers())
    assert (only.kind, only.rejected, only.degraded) == ("torch", {}, False)


def test_unknown_names_are_refused(context) -> None:
    with pytest.raises(ValueError, match="'cuda' is none of auto"):
        select_backend(encoder(), context, "cuda", makers=makers())
    with pytest.raises(ValueError, match="'hope' is none of fail"):
        select_backend(encoder(), context, policy="hope", makers=makers())


def test_without_a_gpu_tensorrt_is_unavailable_not_broken(context) -> None:
    reference = Net(name="torch-cpu")
    selection = select_backend(
        encoder(reference), context, makers=makers(**{
            kind: gate_module_maker(kind) for kind in ("tensorrt", "tensorrt_rtx")
        }, onnxruntime=unavailable),
    )  # fmt: skip
    assert selection.kind == "torch"
    assert "needs an NVIDIA GPU; this runs on cpu" in selection.rejected["tensorrt"]
    assert not selection.degraded


def gate_module_maker(kind: str):
    from spatialgeo_ros.runtime.candidates import tensorrt_backend

    return lambda encoder, context: tensorrt_backend(kind, encoder, context)


def test_machines_are_told_apart(monkeypatch) -> None:
    assert gate_module.machine_name(CPU) == gate_module.machine_name(CPU)
    here = gate_module.machine_name(CPU)
    monkeypatch.setattr(gate_module, "_cpu_model", lambda: "another CPU")
    assert gate_module.machine_name(CPU) != here
