# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ONNX files: equal exports are equal bytes, and stale or damaged ones are not used."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.runtime import export as export_module
from spatialgeo_ros.runtime.backend import (
    AxisRange,
    BackendInputError,
    BackendUnavailableError,
    OnnxModel,
)
from spatialgeo_ros.runtime.export import ensure_onnx, export_onnx, source_sha256
from spatialgeo_ros.runtime.onnx_backend import OnnxRuntimeBackend
from spatialgeo_ros.runtime.onnx_file import description_path, read_onnx_model
from spatialgeo_ros.runtime.torch_backend import TorchBackend

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxscript", reason="exporting needs onnx and onnxscript")
onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")

BATCH = {"batch": AxisRange(1, 2, 4)}


class Toy(nn.Module):
    """Convolution, batch norm, and a mean: two outputs of one image."""

    input_names = ("image",)
    output_names = ("map", "mean")

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Conv2d(3, 16, 3, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        norm = self.layers[1]
        assert isinstance(norm, nn.BatchNorm2d)
        nn.init.uniform_(norm.running_mean)
        nn.init.uniform_(norm.running_var, 0.5, 2)
        self.eval()

    def example_inputs(self, batch: int = 1) -> dict[str, Tensor]:
        return {"image": torch.rand(batch, 3, 8, 10)}

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.layers(image)
        return maps, maps.mean(dim=(1, 2, 3))


class Undecided(Toy):
    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        if image.sum() > 0:
            return super().forward(image)
        return image, image.mean(dim=(1, 2, 3))


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> OnnxModel:
    folder = tmp_path_factory.mktemp("toy")
    return export_onnx(Toy(), folder / "toy.onnx", dynamic=BATCH, external_weights=True)


@pytest.fixture
def model(exported: OnnxModel, tmp_path: Path) -> OnnxModel:
    """A copy that a test may damage."""
    folder = tmp_path / "copy"
    shutil.copytree(exported.path.parent, folder)
    return read_onnx_model(folder / exported.path.name)


def test_description_tells_everything_without_onnx(
    exported: OnnxModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("onnx", "onnx_ir", "onnxscript"):
        monkeypatch.setitem(sys.modules, package, None)
    assert read_onnx_model(exported.path) == exported
    assert [str(spec) for spec in exported.outputs] == [
        "map [batch, 16, 6, 8] float32",
        "mean [batch] float32",
    ]
    assert exported.profile == BATCH
    assert len(exported.weights) == 1


def test_file_says_what_it_is_and_nothing_of_this_machine(exported: OnnxModel) -> None:
    content = onnx.load(exported.path, load_external_data=False)
    facts = {p.key.removeprefix("spatialgeo_ros."): p.value for p in content.metadata_props}
    assert facts["graph"] == "Toy" and facts["precision"] == "fp32"
    assert facts["source"] == source_sha256(Toy(), "fp32", BATCH)
    assert facts["torch"] == torch.__version__
    assert str(Path(__file__).parents[3]).encode() not in exported.path.read_bytes()


def test_equal_networks_give_equal_files(exported: OnnxModel, tmp_path: Path) -> None:
    again = export_onnx(Toy(), tmp_path / "toy.onnx", dynamic=BATCH, external_weights=True)
    assert again.sha256 == exported.sha256


def test_nothing_is_exported_twice(model: OnnxModel, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> OnnxModel:
        raise AssertionError("exported again")

    monkeypatch.setattr(export_module, "export_onnx", never)
    # Nor are the exporter's packages needed where it is there.
    for package in ("onnx", "onnx_ir", "onnxscript"):
        monkeypatch.setitem(sys.modules, package, None)
    versions = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: absent(name) or versions(name))
    assert ensure_onnx(Toy(), model.path, dynamic=BATCH) == model


def absent(name: str) -> None:
    if name.startswith("onnx"):
        raise importlib.metadata.PackageNotFoundError(name)


def other_weights(path: Path, monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    toy = Toy()
    with torch.no_grad():
        next(toy.parameters())[0, 0, 0, 0] += 1e-3
    return toy


def other_exporter(path: Path, monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    monkeypatch.setattr(export_module, "OPSETS", {"fp32": 21})
    return Toy()


def truncated(path: Path, monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    path.write_bytes(path.read_bytes()[:-7])
    return Toy()


def one_weight_changed(path: Path, monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    weights = next(path.parent.glob("*.weights"))
    content = bytearray(weights.read_bytes())
    content[20] ^= 1
    weights.write_bytes(content)
    return Toy()


def no_weights(path: Path, monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    next(path.parent.glob("*.weights")).unlink()
    return Toy()


def broken_description(path: Path, monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    description_path(path).write_text('{"format": 1, "sha256": 7}')
    return Toy()


@pytest.mark.parametrize(
    "change",
    [other_weights, other_exporter, truncated, one_weight_changed, no_weights, broken_description],
)
def test_stale_and_damaged_files_are_exported_anew(
    change, model: OnnxModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = change(model.path, monkeypatch)
    asked = []
    monkeypatch.setattr(export_module, "export_onnx", lambda *a, **k: asked.append(a) or model)
    ensure_onnx(toy, model.path, dynamic=BATCH)
    assert len(asked) == 1


def test_other_shape_precision_and_batch_are_other_sources() -> None:
    toy = Toy()
    wide = Toy()
    wide.example_inputs = lambda batch=1: {"image": torch.rand(batch, 3, 8, 12)}
    sources = {
        source_sha256(toy, "fp32"),
        source_sha256(toy, "fp16"),
        source_sha256(toy, "fp32", BATCH),
        source_sha256(toy, "fp32", batch=2),
        source_sha256(wide, "fp32"),
    }
    assert len(sources) == 5


def test_unverified_reading_finds_the_same(model: OnnxModel) -> None:
    one_weight_changed(model.path, pytest.MonkeyPatch())
    assert read_onnx_model(model.path, verify=False) == model
    with pytest.raises(ModelLoadError, match="damaged"):
        read_onnx_model(model.path)


def test_a_description_of_another_version_is_refused(model: OnnxModel) -> None:
    description = description_path(model.path)
    content = json.loads(description.read_text())
    description.write_text(json.dumps({**content, "format": 99}))
    with pytest.raises(ModelLoadError, match="another version"):
        read_onnx_model(model.path)
    content["inputs"][0]["dtype"] = "manual_seed"
    description.write_text(json.dumps(content))
    with pytest.raises(ModelLoadError, match="no tensor type"):
        read_onnx_model(model.path)


def test_failed_export_leaves_what_was_there(model: OnnxModel) -> None:
    before = {file.name: file.read_bytes() for file in model.path.parent.iterdir()}
    with pytest.raises(ModelLoadError, match="Undecided cannot be exported"):
        export_onnx(Undecided(), model.path)
    assert {file.name: file.read_bytes() for file in model.path.parent.iterdir()} == before


def test_new_export_takes_the_old_weights_away(model: OnnxModel) -> None:
    toy = other_weights(model.path, pytest.MonkeyPatch())
    new = export_onnx(toy, model.path, dynamic=BATCH, external_weights=True)
    names = {file.name for file in model.path.parent.iterdir()}
    assert names == {new.path.name, new.path.name + ".json", new.weights[0].name}
    assert new.weights[0].name != model.weights[0].name


def test_refusals(tmp_path: Path) -> None:
    toy = Toy()
    with pytest.raises(ValueError, match="precision"):
        export_onnx(toy, tmp_path / "toy.onnx", precision="int8")
    with pytest.raises(ValueError, match="only the axis 'batch'"):
        export_onnx(toy, tmp_path / "toy.onnx", dynamic={"rows": AxisRange(1, 2, 3)})
    with pytest.raises(ValueError, match="training mode"):
        export_onnx(toy.train(), tmp_path / "toy.onnx")
    with pytest.raises(ValueError, match="training mode"):
        TorchBackend(toy)
    with pytest.raises(ValueError, match="least <= usual"):
        AxisRange(2, 1, 3)
    assert not list(tmp_path.iterdir())


def test_missing_packages_are_named(
    model: OnnxModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(BackendUnavailableError, match="pip install"):
        export_onnx(Toy(), tmp_path / "toy.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(BackendUnavailableError, match="pip install onnxruntime"):
        OnnxRuntimeBackend(model)


def test_onnxruntime_runs_batches_within_the_profile(model: OnnxModel) -> None:
    backend, reference = OnnxRuntimeBackend(model, threads=1), TorchBackend(Toy())
    backend.warm_up()
    for batch in (1, 3, 4):
        # Not contiguous: a channels-last image.
        image = torch.rand(batch, 3, 8, 10).contiguous(memory_format=torch.channels_last)
        actual, expected = backend.run({"image": image}), reference.run({"image": image})
        for name in expected:
            torch.testing.assert_close(actual[name], expected[name], rtol=0, atol=1e-6)
    with pytest.raises(BackendInputError, match="'batch' must be 1 to 4"):
        backend.run({"image": torch.rand(5, 3, 8, 10)})
    assert backend.describe()["threads"] == 1 and backend.device_memory_bytes() is None


def test_results_stay_as_they_are(model: OnnxModel) -> None:
    backend = OnnxRuntimeBackend(model, threads=1)
    first = backend.run({"image": torch.ones(1, 3, 8, 10)})
    kept = first["map"].clone()
    backend.run({"image": torch.zeros(1, 3, 8, 10)})
    assert torch.equal(first["map"], kept)


@pytest.mark.parametrize("kind", ["torch", "onnxruntime"])
@pytest.mark.parametrize(
    ("feeds", "text"),
    [
        ({}, "'image' is missing"),
        ({"image": torch.rand(1, 3, 8, 10), "prior": torch.rand(1)}, "no input 'prior'"),
        ({"image": torch.rand(1, 3, 8, 10).half()}, r"float16, expected image \[batch, 3, 8, 10\]"),
        ({"image": torch.rand(1, 3, 8, 11)}, r"\[1, 3, 8, 11\] float32, expected"),
        ({"image": torch.rand(3, 8, 10)}, r"\[3, 8, 10\] float32, expected"),
        ({"image": torch.rand(1, 3, 8, 10, device="meta")}, "is on meta"),
    ],
)
def test_wrong_inputs_are_named_before_anything_runs(
    kind: str, feeds: dict[str, Tensor], text: str, exported: OnnxModel
) -> None:
    backend = TorchBackend(Toy()) if kind == "torch" else OnnxRuntimeBackend(exported)
    with pytest.raises(BackendInputError, match=text):
        backend.run(feeds)
    backend.close()
    with pytest.raises(BackendInputError, match="closed"):
        backend.run({"image": torch.rand(1, 3, 8, 10)})


def test_a_session_that_is_not_as_described_is_refused(model: OnnxModel) -> None:
    description = description_path(model.path)
    content = json.loads(description.read_text())
    content["outputs"].reverse()
    description.write_text(json.dumps(content))
    with pytest.raises(ModelLoadError, match="export it again"):
        OnnxRuntimeBackend(read_onnx_model(model.path))
    truncated(model.path, pytest.MonkeyPatch())
    with pytest.raises(ModelLoadError, match="cannot load"):
        OnnxRuntimeBackend(read_onnx_model(model.path, verify=False))


def test_absent_provider_is_named(model: OnnxModel) -> None:
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    with pytest.raises(ValueError, match="does not work on cpu"):
        OnnxRuntimeBackend(model, provider="cuda")
    with pytest.raises(ValueError, match="unknown provider"):
        OnnxRuntimeBackend(model, provider="dml")


def test_a_provider_that_did_not_start_is_no_cpu_in_disguise(
    model: OnnxModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Session(onnxruntime.InferenceSession):
        def __init__(self, path: str, sess_options: object, providers: object) -> None:
            super().__init__(path, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    names = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: names)
    with pytest.raises(BackendUnavailableError, match="could not start CUDAExecutionProvider"):
        OnnxRuntimeBackend(model, provider="cuda", device="meta")
