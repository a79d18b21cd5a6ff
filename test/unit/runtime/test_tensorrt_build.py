# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The nano encoders, built by the real TensorRT for RTX for chips that are not here, on the CPU."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from spatialgeo_ros.errors import CancelledError, ModelLoadError
from spatialgeo_ros.models.construction import load_clip, load_geometry
from spatialgeo_ros.models.encoders import make_encoder
from spatialgeo_ros.models.engine_settings import EngineSettings
from spatialgeo_ros.models.graphs import GeometryGraph, SemanticGraph
from spatialgeo_ros.models.profiles import load_profile
from spatialgeo_ros.runtime.backend import AxisRange, BackendUnavailableError, OnnxModel
from spatialgeo_ros.runtime.candidates import obtain_engine
from spatialgeo_ros.runtime.engine_cache import EngineCache
from spatialgeo_ros.runtime.engine_manifest import StaleEngineError
from spatialgeo_ros.runtime.export import export_onnx
from spatialgeo_ros.runtime.gate import Encoder, EngineContext
from spatialgeo_ros.runtime.tensorrt_build import BuildOptions, PhaseClock, build_engine
from spatialgeo_ros.runtime.tensorrt_module import (
    Device,
    TensorRT,
    engine_problem,
    find_tensorrt,
)

pytest.importorskip("onnxscript", reason="exporting needs onnx and onnxscript")
TARGETS = ("sm_86", "sm_89", "sm_120")


@pytest.fixture(scope="module")
def rtx() -> TensorRT:
    pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT for RTX is not installed")
    return find_tensorrt("tensorrt_rtx")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("engines")


@pytest.fixture(scope="module")
def encoders(folder: Path) -> dict[str, Encoder]:
    profile = load_profile("nano")
    assert profile.geometry is not None
    assert profile.semantic is not None
    assert profile.geometry.num_tokens is not None
    size = (profile.image.height, profile.image.width)
    geometry = GeometryGraph(
        load_geometry(profile.geometry).eval(), profile.geometry.num_tokens, size
    )
    semantic = SemanticGraph(load_clip(profile.semantic).eval(), size)
    settings = EngineSettings("fp16")
    return {
        "geometry": make_encoder(geometry.eval(), "nano-geometry", settings, folder),
        "semantic": make_encoder(semantic.eval(), "nano-semantic", settings, folder),
    }


class Small(torch.nn.Module):
    """A network that exports in a second."""

    input_names, output_names = ("image",), ("features",)

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 4, 3)

    def example_inputs(self, batch: int = 1) -> dict[str, torch.Tensor]:
        return {"image": torch.rand(batch, 3, 8, 8)}

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor]:
        return (self.layer(image).mean((2, 3)),)


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> OnnxModel:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("small") / "small.onnx"
    return export_onnx(Small().eval(), path, dynamic={"batch": AxisRange(1, 2, 4)})


def context(folder: Path, **options) -> EngineContext:
    return EngineContext(EngineCache(folder), torch.device("cpu"), **options)


@pytest.mark.slow
@pytest.mark.parametrize("part", ["geometry", "semantic"])
@pytest.mark.parametrize("target", TARGETS)
def test_nano_builds_ahead_of_time_and_is_found_the_second_time(
    rtx: TensorRT, encoders, folder: Path, part: str, target: str
) -> None:
    steps: list[tuple[str, float]] = []
    here = context(folder, progress=lambda name, share: steps.append((name, share)))
    _, key, manifest, engine, built = obtain_engine(rtx, encoders[part], Device(target), here)
    assert built
    assert (key.sm, key.gpu, key.precision) == (target, "", "fp16")
    shares = [share for _, share in steps]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert len(shares) > 20
    steps.clear()
    again = obtain_engine(rtx, encoders[part], Device(target), context(folder, build=False))
    assert again[-1] is False
    assert again[3] == engine
    assert steps == []
    # Deterministic: a second build gives the same bytes, so that a refused one is not a new one.
    assert manifest.sha256 == again[2].sha256


def test_the_runtimes_own_check_tells_engines_from_other_files(rtx: TensorRT, small) -> None:
    engine = bytes(build_engine(rtx, small, Device("sm_86")))
    runtime = rtx.module.Runtime(rtx.module.Logger(rtx.module.Logger.INTERNAL_ERROR))
    for spoilt in (b"x" + engine[1:], engine[:20], b"\0" * 4096):
        assert engine_problem(rtx, runtime, spoilt) == "malformed engine"
    if not torch.cuda.is_available():
        assert engine_problem(rtx, runtime, engine) == "no usable GPU and driver"


def test_an_engine_without_a_gpu_is_refused_with_the_reason(rtx: TensorRT, small) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    from spatialgeo_ros.runtime.tensorrt_backend import TensorRTBackend

    engine = build_engine(rtx, small, Device("sm_86"))
    with pytest.raises(ModelLoadError, match="no usable GPU and driver"):
        TensorRTBackend(rtx, engine, precision="fp32", device=torch.device("cpu"))


def test_a_missing_engine_names_the_command_where_building_is_not_wanted(
    rtx: TensorRT, small, tmp_path: Path
) -> None:
    encoder = Encoder("small", lambda precision: small, lambda: None)  # type: ignore[arg-type,return-value]
    with pytest.raises(StaleEngineError, match="spatialgeo engines build --profile mine"):
        obtain_engine(rtx, encoder, Device("sm_86"), context(tmp_path, build=False, profile="mine"))


def test_builder_flags_are_part_of_the_key(rtx: TensorRT, small, tmp_path: Path) -> None:
    encoder = Encoder("small", lambda precision: small, lambda: None)  # type: ignore[arg-type,return-value]
    first = obtain_engine(rtx, encoder, Device("sm_86"), context(tmp_path))
    other = replace(encoder, options=BuildOptions(tf32=True))
    second = obtain_engine(rtx, other, Device("sm_86"), context(tmp_path))
    assert first[-1]
    assert second[-1]
    assert first[1].differences(second[1]) == ["flags"]


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("sm_87", "run the same command on the Jetson"),
        ("sm_90", "does not build for 'sm_90'; it builds for sm_75, sm_80, sm_86"),
        ("86", "does not build for '86'"),
    ],
)
def test_chips_that_cannot_be_built_for_are_named(
    rtx: TensorRT, small, target: str, says: str
) -> None:
    with pytest.raises(BackendUnavailableError, match=says):
        build_engine(rtx, small, Device(target))


def test_a_jetsons_module_says_that_it_builds_on_the_gpu_only() -> None:
    jetson = TensorRT(SimpleNamespace(), "tensorrt", "10.3.0")  # type: ignore[arg-type]
    assert jetson.targets == ()
    with pytest.raises(BackendUnavailableError, match="not ahead of time"):
        jetson.check_target("sm_86")
    orin = Device("sm_87", "Orin", "540.4.0")
    assert jetson.target_for(orin) == orin  # its engine belongs to GPU and driver


def test_an_rtx_engine_serves_every_gpu_and_driver_of_its_chip(rtx: TensorRT) -> None:
    assert rtx.target_for(Device("sm_86", "NVIDIA RTX A2000", "580")) == Device("sm_86")
    with pytest.raises(BackendUnavailableError, match="does not build for 'sm_90'"):
        rtx.target_for(Device("sm_90", "NVIDIA H200", "580"))


def test_a_build_can_be_cancelled_and_errors_in_progress_come_back(rtx: TensorRT, small) -> None:
    with pytest.raises(CancelledError):
        build_engine(rtx, small, Device("sm_86"), progress=lambda name, share: False)

    def broken(name: str, share: float) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        build_engine(rtx, small, Device("sm_86"), progress=broken)


def test_a_file_that_is_no_network_and_an_axis_without_bounds_are_named(
    rtx: TensorRT, small, tmp_path: Path
) -> None:
    path = tmp_path / "no.onnx"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ModelLoadError, match=r"does not understand .*no\.onnx"):
        build_engine(rtx, replace(small, path=path), Device("sm_86"))
    with pytest.raises(ModelLoadError, match="axis 'batch' of 'image' varies"):
        build_engine(rtx, replace(small, profile={}), Device("sm_86"))
    renamed = (replace(small.inputs[0], name="picture"),)
    with pytest.raises(ModelLoadError, match="no tensor 'picture', but image, features"):
        build_engine(rtx, replace(small, inputs=renamed), Device("sm_86"))
    half = (replace(small.outputs[0], dtype=torch.float16),)
    with pytest.raises(ModelLoadError, match=r"'features' is torch\.float32, expected"):
        build_engine(rtx, replace(small, outputs=half), Device("sm_86"))


def test_absent_modules_are_named_with_the_command_that_brings_them(monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tensorrt", None)
    with pytest.raises(BackendUnavailableError, match=r"JetPack.*pip install tensorrt"):
        find_tensorrt("tensorrt")


def test_progress_grows_through_nested_phases() -> None:
    clock, shares = PhaseClock(), []
    clock.start("build", None, 2)
    clock.start("inner", "build", 4)
    for step in range(4):
        clock.step("inner", step)
        shares.append(clock.share())
    clock.finish("inner")
    clock.step("build", 0)
    shares.append(clock.share())
    clock.start("unannounced", "build", 10)
    clock.step("unannounced", 4)
    shares.append(clock.share())
    assert shares == [0.125, 0.25, 0.375, 0.5, 0.5, 0.75]
