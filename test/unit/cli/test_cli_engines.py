# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``spatialgeo engines`` on this machine: what runs here is built, compared, listed and pruned."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch
from checkpoints.grounding import write_grounding_profile

from spatialgeo_ros.cli import main
from spatialgeo_ros.models.encoders import make_encoder
from spatialgeo_ros.models.profiles import load_profile
from spatialgeo_ros.networks.loader import load_towers
from spatialgeo_ros.runtime.backend import OnnxModel, files_sha256
from spatialgeo_ros.runtime.engine_cache import EngineCache
from spatialgeo_ros.runtime.engine_manifest import EngineKey
from spatialgeo_ros.runtime.gate import EngineContext
from spatialgeo_ros.runtime.onnx_file import write_description
from spatialgeo_ros.runtime.select import select_backend

CPU = torch.device("cpu")

pytest.importorskip("onnxscript", reason="exporting needs onnx and onnxscript")
pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("engines")


@pytest.fixture(scope="module")
def built(folder: Path) -> Path:
    """Nano's encoders, exported and compared on the CPU."""
    command = ["engines", "build", "--profile", "nano", "--device", "cpu", "--folder", str(folder)]
    assert main([*command, "--backend", "onnxruntime"]) == 0
    return folder


def engines(folder: Path, *arguments: str) -> int:
    action, *rest = arguments
    return main(["engines", action, "--folder", str(folder), *rest])


@pytest.mark.slow
def test_build_compares_with_pytorch_and_list_says_so(built: Path, capsys) -> None:
    assert engines(built, "list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"engines in {built}"
    assert [line.split()[:2] for line in lines[1:]] == [
        ["nano-geometry", "onnxruntime"], ["nano-semantic", "onnxruntime"],
    ]  # fmt: skip
    assert all("agrees with PyTorch on 1 of 1 machines" in line for line in lines[1:])


@pytest.mark.slow
def test_verify_compares_again_and_finds_damage(built: Path, capsys) -> None:
    assert engines(built, "verify", "--profile", "nano", "--device", "cpu") == 0
    said = capsys.readouterr().out
    assert "2 of 2 engines" in said
    assert said.count("onnxruntime-cpu agrees with torch-cpu (fp32)") == 2
    assert "tensorrt not compared: tensorrt needs an NVIDIA GPU" in said
    (manifest,) = built.glob("nano-geometry*.json")
    content = manifest.read_text()
    manifest.write_text(content[:50])
    try:
        assert engines(built, "verify") == 1
        said = capsys.readouterr().out
        assert f"{manifest.with_suffix('.engine').name}: {manifest} is no JSON" in said
    finally:
        manifest.write_text(content)


@pytest.mark.slow
def test_a_start_with_checked_encoders_takes_under_a_second(built: Path) -> None:
    profile, cache = load_profile("nano"), EngineCache(built)
    (tower,) = load_towers(profile, CPU)
    for name, graph in tower.graphs((480, 640)).items():
        encoder = make_encoder(graph, f"nano-{name}", profile.engines, built)
        encoder.model("fp32")  # finding the export is not part of the check
        started = time.monotonic()
        selection = select_backend(encoder, EngineContext(cache, CPU, build=False))
        elapsed = time.monotonic() - started
        assert selection.kind == "onnxruntime"
        assert selection.check is not None
        assert selection.check.reference == "its own earlier result"
        assert elapsed < 1.0, f"{name}: {elapsed:.2f} s"
        selection.backend.close()


@pytest.mark.slow
def test_prune_keeps_what_is_current(built: Path, capsys) -> None:
    assert engines(built, "prune", "--profile", "nano") == 0
    assert "0 files deleted, 2 engines left" in capsys.readouterr().out
    # Exports of other weights: what was made from the old ones goes.
    exports = list((built / "onnx").glob("*.onnx.json"))
    contents = [path.read_text() for path in exports]
    for path in exports:
        path.unlink()
    assert engines(built, "prune", "--profile", "nano") == 0
    assert "0 engines left" in capsys.readouterr().out
    for path, content in zip(exports, contents, strict=True):
        path.write_text(content)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--target", "sm_87"), "run the same command on the Jetson"),
        (("--target", "sm_70"), "does not build for 'sm_70'"),
        (("--target", "sm_86", "--backend", "onnxruntime"), "leave out --target"),
        (("--image-size", "640"), "640x480"),
    ],
)
def test_what_cannot_be_built_is_said_with_the_cure(
    tmp_path: Path, capsys, arguments: tuple[str, ...], says: str
) -> None:
    pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT for RTX is not installed")
    assert engines(tmp_path, "build", "--profile", "nano", "--device", "cpu", *arguments) == 1
    assert says in capsys.readouterr().err


def test_list_of_an_absent_folder_is_empty_and_makes_none(tmp_path: Path, capsys) -> None:
    assert engines(tmp_path / "none", "list") == 0
    assert capsys.readouterr().out == f"engines in {tmp_path / 'none'}\n"
    assert not (tmp_path / "none").exists()


def test_prune_all_deletes_what_is_whole_too(tmp_path: Path, capsys) -> None:
    key = EngineKey("00" * 32, "tensorrt", "10.3.0", "Orin", "sm_87", "540", "fp16", {})
    EngineCache(tmp_path / "e").obtain(key, "net", lambda: b"engine")
    assert engines(tmp_path / "e", "prune") == 0
    assert "0 files deleted, 1 engines left" in capsys.readouterr().out
    assert engines(tmp_path / "e", "prune", "--all") == 0
    assert "2 files deleted, 0 engines left" in capsys.readouterr().out


@pytest.mark.slow
def test_grounding_profiles_are_built_listed_verified_and_pruned(tmp_path: Path, capsys) -> None:
    profile = str(write_grounding_profile("owlvit", tmp_path))
    folder = tmp_path / "engines"
    here = ("--profile", profile, "--device", "cpu")
    assert engines(folder, "build", *here, "--backend", "onnxruntime") == 0
    said = capsys.readouterr().out
    assert "tiny_owlvit-owl-image: onnxruntime-cpu" in said
    assert "agrees with torch-cpu (fp32): " in said
    assert engines(folder, "list") == 0
    (line,) = capsys.readouterr().out.splitlines()[1:]
    assert line.split()[:2] == ["tiny_owlvit-owl-image", "onnxruntime"]
    assert engines(folder, "verify", *here) == 0
    said = capsys.readouterr().out
    assert "1 of 1 engines" in said
    assert "tiny_owlvit-owl-image: onnxruntime-cpu agrees with torch-cpu" in said
    assert engines(folder, "prune", "--profile", profile) == 0
    assert "0 files deleted, 1 engines left" in capsys.readouterr().out
    # Of a profile of another name nothing is touched, of other weights everything goes.
    assert engines(folder, "prune", "--profile", "nano") == 0
    assert "0 files deleted, 1 engines left" in capsys.readouterr().out
    for path in (folder / "onnx").glob("*.onnx.json"):
        path.unlink()
    assert engines(folder, "prune", "--profile", profile) == 0
    assert "0 engines left" in capsys.readouterr().out


@pytest.mark.slow
def test_a_detector_is_built_ahead_of_time(tmp_path: Path, capsys) -> None:
    pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT for RTX is not installed")
    profile = str(write_grounding_profile("owlvit", tmp_path))
    command = ("--profile", profile, "--device", "cpu", "--target", "sm_86", "--target", "sm_120")
    assert engines(tmp_path / "engines", "build", *command) == 0
    said = capsys.readouterr().out.splitlines()
    assert [("sm_86" in line, "sm_120" in line) for line in said] == [(True, False), (False, True)]
    assert all("fp16" in line and "built in" in line for line in said)


def test_an_unknown_profile_is_named_at_once(tmp_path: Path, capsys) -> None:
    assert engines(tmp_path, "build", "--profile", "llmdet_huge", "--device", "cpu") == 1
    assert "there is no model profile 'llmdet_huge'" in capsys.readouterr().err


def test_a_grounding_profile_without_weights_names_the_download(
    tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPATIALGEO_MODELS", str(tmp_path))
    assert engines(tmp_path / "engines", "build", "--profile", "owl", "--device", "cpu") == 1
    assert "spatialgeo models download owlvit_base" in capsys.readouterr().err


def export(folder: Path, content: bytes) -> OnnxModel:
    """An export of a network called net, as far as listing looks at one."""
    path = folder / "onnx" / "net-640x480-fp32.onnx"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    model = OnnxModel(path, files_sha256([path]), (), (), "fp32", {})
    write_description(model)
    return model


def test_list_and_verify_notice_a_changed_export(tmp_path: Path, capsys) -> None:
    """An engine whose export is another, or damaged, is not used; it was listed as good."""
    model = export(tmp_path, b"network")
    key = EngineKey(model.sha256, "tensorrt", "10.3.0", "Orin", "sm_87", "540", "fp32", {})
    EngineCache(tmp_path).obtain(key, "net", lambda: b"engine")
    assert engines(tmp_path, "list") == 0
    assert "NOT" not in capsys.readouterr().out
    assert engines(tmp_path, "verify") == 0
    capsys.readouterr()

    model.path.write_bytes(b"another")
    assert engines(tmp_path, "list") == 0
    assert "NOT USED: " + str(model.path) + " is damaged" in capsys.readouterr().out
    assert engines(tmp_path, "verify") == 1
    said = capsys.readouterr().out
    assert "1 of 1 engines" in said and f"{model.path} is damaged" in said

    export(tmp_path, b"another")
    assert engines(tmp_path, "list") == 0
    assert "NOT USED: its export has changed since" in capsys.readouterr().out
    assert engines(tmp_path, "verify") == 0

    for file in (tmp_path / "onnx").iterdir():
        file.unlink()
    assert engines(tmp_path, "list") == 0
    assert "NOT USED: its export is not there" in capsys.readouterr().out
