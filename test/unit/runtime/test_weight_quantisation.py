# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Encoders whose matrices have 8 bits: smaller, within the gate, and built by TensorRT for RTX."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.construction import load_clip
from spatialgeo_ros.models.encoders import make_encoder
from spatialgeo_ros.models.engine_settings import EngineSettings, read_engine_settings
from spatialgeo_ros.models.graphs import SemanticGraph
from spatialgeo_ros.models.profile_file import Section
from spatialgeo_ros.models.profiles import load_profile
from spatialgeo_ros.runtime.backend import OnnxModel
from spatialgeo_ros.runtime.comparison import Tolerance
from spatialgeo_ros.runtime.export import export_onnx
from spatialgeo_ros.runtime.gate import Encoder
from spatialgeo_ros.runtime.onnx_backend import OnnxRuntimeBackend
from spatialgeo_ros.runtime.parity import known_inputs, run_gate
from spatialgeo_ros.runtime.tensorrt_build import build_engine
from spatialgeo_ros.runtime.tensorrt_module import Device, find_tensorrt
from spatialgeo_ros.runtime.weight_quantisation import ensure_quantised, quantise_matrix

pytest.importorskip("onnxscript", reason="exporting needs onnx and onnxscript")
pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")


@pytest.mark.parametrize(("weights", "worst"), [("int8", 0.5 / 127), ("fp8", 1 / 16)])
@pytest.mark.parametrize("axis", [0, 1])
def test_every_channel_is_rounded_to_its_own_range(weights: str, worst: float, axis: int) -> None:
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(40, 60, generator=generator)
    matrix[:, 3] *= 1000  # one loud channel must not cost the others their bits
    matrix = matrix if axis == 1 else matrix.T.contiguous()
    bits, scale = quantise_matrix(matrix.half(), weights, axis)
    assert bits.element_size() == 1
    assert scale.shape == (60,)
    restored = bits.float() * scale.float().unsqueeze(1 - axis)
    error = (restored - matrix).abs()
    # int8 steps are a share of the channel's largest; fp8 has three bits after the first.
    allowed = worst * (
        matrix.abs().amax(1 - axis, keepdim=True) if weights == "int8" else matrix.abs()
    )
    floor = 2e-3 * matrix.abs().amax(1 - axis, keepdim=True)  # subnormals, rounding of the scale
    assert bool((error <= 1.01 * allowed + floor).all())


def test_a_channel_of_zeros_stays_zero() -> None:
    bits, scale = quantise_matrix(torch.zeros(4, 4, dtype=torch.float16), "int8", 1)
    assert torch.equal(bits, torch.zeros(4, 4, dtype=torch.int8))
    assert bool(torch.isfinite(scale).all())
    assert bool((scale > 0).all())


class TwoLayers(torch.nn.Module):
    input_names, output_names = ("image",), ("features",)

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = torch.nn.Linear(64, 128), torch.nn.Linear(128, 64, bias=False)

    def example_inputs(self, batch: int = 1) -> dict[str, torch.Tensor]:
        return {"image": torch.rand(batch, 5, 64)}

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor]:
        first = self.first(image.to(self.first.weight.dtype)).relu()
        return (self.second(first).float(),)


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> OnnxModel:
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("small") / "small.onnx"
    return export_onnx(TwoLayers().eval(), path, precision="fp16")


@pytest.mark.parametrize("external", [False, True])
def test_the_file_is_made_once_and_keeps_interface_and_results(
    small: OnnxModel, tmp_path: Path, external: bool
) -> None:
    if external:
        torch.manual_seed(1)
        small = export_onnx(
            TwoLayers().eval(), tmp_path / "big.onnx", precision="fp16", external_weights=True
        )
    made = ensure_quantised(small, tmp_path / "small-int8.onnx", "int8")
    assert (made.inputs, made.outputs, made.precision) == (
        small.inputs, small.outputs, small.precision,
    )  # fmt: skip
    assert made.sha256 != small.sha256
    assert bool(made.weights) == external
    feeds = known_inputs(small.inputs, count=1)[0]
    expected = OnnxRuntimeBackend(small, threads=1).run(feeds)["features"]
    actual = OnnxRuntimeBackend(made, threads=1).run(feeds)["features"]
    error = float((actual - expected).norm() / expected.norm())
    assert 1e-5 < error < 0.02  # 8 bits show, and do no harm
    before = made.path.stat().st_mtime_ns
    assert ensure_quantised(small, made.path, "int8") == made
    assert made.path.stat().st_mtime_ns == before
    made.path.write_bytes(b"damaged")
    assert ensure_quantised(small, made.path, "int8").sha256 == made.sha256


def test_what_cannot_be_quantised_is_refused(small: OnnxModel, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="int8 or fp8, not 'int4'"):
        ensure_quantised(small, tmp_path / "x.onnx", "int4")
    torch.manual_seed(1)
    exact = export_onnx(TwoLayers().eval(), tmp_path / "exact.onnx")
    with pytest.raises(ValueError, match="fp32 asks for exactness"):
        ensure_quantised(exact, tmp_path / "x.onnx", "int8")


@pytest.fixture(scope="module")
def clip_graph() -> SemanticGraph:
    profile = load_profile("nano")
    assert profile.semantic is not None
    size = (profile.image.height, profile.image.width)
    return SemanticGraph(load_clip(profile.semantic).eval(), size).eval()


@pytest.fixture(scope="module")
def clip(clip_graph: SemanticGraph, tmp_path_factory):
    folder = tmp_path_factory.mktemp("engines")

    def make(weights: str) -> Encoder:
        return make_encoder(clip_graph, "nano-semantic", EngineSettings("fp16", weights), folder)

    return make


@pytest.mark.slow
@pytest.mark.parametrize(("weights", "most"), [("int8", 0.5), ("fp8", 0.8)])
def test_nano_clip_passes_the_gate_of_float16_with_room_to_spare(clip, weights, most) -> None:
    encoder = clip(weights)
    model, plain = encoder.model("fp16"), clip("native").model("fp16")
    assert model.path.stat().st_size < 0.65 * plain.path.stat().st_size
    backend = OnnxRuntimeBackend(model, threads=1)
    report = run_gate(backend, encoder.reference(), "fp16")
    assert report.passed, str(report)
    assert report.outputs[0].excess < most
    assert encoder.model("fp32") == clip("native").model("fp32")  # a CPU computes exactly


@pytest.mark.slow
def test_nano_clip_builds_with_8_bit_weights_where_the_chip_has_the_type(clip) -> None:
    pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT for RTX is not installed")
    rtx = find_tensorrt("tensorrt_rtx")
    plain = len(build_engine(rtx, clip("native").model("fp16"), Device("sm_86")))
    for weights, target in (("int8", "sm_86"), ("int8", "sm_120"), ("fp8", "sm_89")):
        engine = build_engine(rtx, clip(weights).model("fp16"), Device(target))
        assert len(engine) < plain
    with pytest.raises(ModelLoadError, match="sm86.*fp8_e4m3"):
        build_engine(rtx, clip("fp8").model("fp16"), Device("sm_86"))


def section(content: dict) -> Section:
    return Section(Path("profile.yaml"), "engines", content)


def test_settings_of_a_profile_are_read() -> None:
    assert read_engine_settings(None) == EngineSettings("fp16", "native", {})
    settings = read_engine_settings(
        section(
            {
                "precision": "bf16",
                "weights": "int8",
                "workspace_mb": 1000,
                "tolerances": {"bf16": {"layer_*": {"relative": 0.1, "per": "vector"},
                                        "mask": {"absolute": 1, "share": 0.9}}},
            }
        )
    )  # fmt: skip
    assert settings == EngineSettings(
        "bf16",
        "int8",
        {
            "bf16": {
                "layer_*": Tolerance(relative=0.1, per="vector"),
                "mask": Tolerance(absolute=1.0, share=0.9),
            }
        },
        1000,
    )


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"precision": "fp64"}, "'engines.precision' must be one of fp32, fp16, bf16"),
        ({"workspace_mb": 0}, "'engines.workspace_mb' must be positive"),
        ({"weights": "int4"}, "'engines.weights' must be one of native, int8, fp8"),
        ({"tolerances": {"fp64": {}}}, "'engines.tolerances.fp64' is not a known setting"),
        ({"tolerances": {"fp16": {"points": {}}}}, "'engines.tolerances.fp16.points'"),
        ({"tolerances": {"fp16": {"points": None}}}, "must say 'relative' or 'absolute'"),
        ({"tolerances": {"fp16": {"points": {"relativ": 1.0, "absolute": 1.0}}}}, "points.relativ"),
    ],
)
def test_mistakes_in_a_profile_name_the_key(content: dict, says: str) -> None:
    with pytest.raises(ModelLoadError) as caught:
        read_engine_settings(section(content))
    assert "profile.yaml" in str(caught.value)
    assert says in str(caught.value)
