# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The image towers on other backends than PyTorch: the same answers, and the truth about which."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints.profiles import write_profile

pytest.importorskip("onnxruntime", reason="needs the extra 'engines'")

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.memory.observation import Mount, View
from spatialgeo_ros.networks.interface import Question
from spatialgeo_ros.networks.loader import load_networks
from spatialgeo_ros.networks.profile_networks import ProfileNetworks
from spatialgeo_ros.networks.tower_engines import EngineOptions
from spatialgeo_ros.runtime import export

SIZE = (90, 120)  # rows, columns of the camera images
CAMERA = PinholeCamera(SIZE[1], SIZE[0], 100.0, 100.0, 59.5, 44.5)
MOUNT = Mount.from_pitch(0.9, 0.2)
#: Profile and the networks of it that are compiled.
COMPILED = {
    "nano": {"geometry", "semantic"},
    "moge_l": {"geometry"},
    "moge2_l": {"geometry"},
    "llava_1_5_7b": {"semantic"},
    "spatialgeo_7b": {"semantic", "tower"},
}


def make_view(seed: int = 0, size: tuple[int, int] = SIZE) -> View:
    image = np.random.default_rng(seed).integers(0, 255, (*size, 3)).astype(np.uint8)
    return View(image, CAMERA if size == SIZE else None, MOUNT)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engines")


@pytest.fixture(scope="module")
def load(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., ProfileNetworks]:
    paths: dict[str, str] = {"nano": "nano"}

    def run(name: str, backend: str, **options: Any) -> ProfileNetworks:
        if name not in paths:
            paths[name] = str(write_profile(name, tmp_path_factory.mktemp(name)))
        engines = EngineOptions(backend, folder=folder, image_size=SIZE, **options)
        return load_networks(paths[name], "cpu", engines=engines)

    return run


@pytest.mark.parametrize("name", COMPILED)
def test_onnx_runtime_gives_what_pytorch_gives(
    load: Callable[..., ProfileNetworks], name: str
) -> None:
    reference, other = load(name, "torch"), load(name, "onnxruntime")
    assert reference.backend == "torch-cpu"
    for network in COMPILED[name]:
        assert f"{network}=onnxruntime-cpu" in other.backend or len(COMPILED[name]) == 1
        assert "onnxruntime-cpu" in other.describe()[f"{network} runs on"]
    assert other.describe()["degraded"] == ()
    assert other.model_id == reference.model_id
    a, b = make_view(), make_view()
    if reference.has_geometry:
        expected, found = reference.depth(a), other.depth(b)
        assert (expected.valid == found.valid).mean() > 0.999
        both = expected.valid & found.valid
        np.testing.assert_allclose(found.depth[both], expected.depth[both], rtol=2e-3)
        assert found.metric == expected.metric
    if reference.has_language:
        question = "how far is the object <region> from the camera ?"
        regions = [np.pad(np.ones((30, 40), bool), ((30, 30), (40, 40)))]
        if not reference.canonical_only:
            question, regions = "How far is the wall?", []
        family = "camera_distance"
        asked = Question(question, regions, family)
        assert other.answer(b, asked) == reference.answer(a, asked)


def test_auto_takes_the_best_that_is_here_and_says_why_not_a_better_one(
    load: Callable[..., ProfileNetworks],
) -> None:
    networks = load("nano", "auto")
    why = networks.describe()["geometry runs on"]
    if torch.cuda.is_available():
        pytest.skip("the reasons below are those of a machine without a GPU")
    assert why.startswith("onnxruntime-cpu (not tensorrt: ")
    assert networks.describe()["degraded"] == ()


def test_a_second_start_exports_nothing(
    load: Callable[..., ProfileNetworks], monkeypatch: pytest.MonkeyPatch
) -> None:
    load("moge2_l", "onnxruntime")

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("exported again")

    monkeypatch.setattr(export, "export_onnx", refuse)
    load("moge2_l", "onnxruntime")


def test_what_is_asked_for_and_not_here_is_said(load: Callable[..., ProfileNetworks]) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine may have what is asked for")
    networks = load("nano", "tensorrt")
    degraded = networks.describe()["degraded"]
    assert len(degraded) == 2
    assert all("not tensorrt" in reason for reason in degraded)
    with pytest.raises(ModelLoadError, match="tensorrt"):
        load("nano", "tensorrt", policy="fail")


def test_another_aspect_than_the_compiled_one_runs_in_pytorch_and_says_so(
    load: Callable[..., ProfileNetworks],
) -> None:
    networks = load("moge2_l", "onnxruntime")
    wide = make_view(1, (60, 120))
    depth = networks.depth(wide)
    assert depth.valid.any()
    (reason,) = networks.describe()["degraded"]
    assert "120x60 run in PyTorch" in reason
    networks.depth(make_view(2))
    assert networks.describe()["degraded"] == ()


def test_weights_are_not_kept_twice(load: Callable[..., ProfileNetworks]) -> None:
    reference, other = load("spatialgeo_7b", "torch"), load("spatialgeo_7b", "onnxruntime")
    language = sum(
        parameter.numel() * parameter.element_size()
        for module in other._speaker.modules()  # type: ignore[union-attr]
        for parameter in module.parameters()
    )
    assert other.describe()["model_bytes"] == pytest.approx(language, rel=0.01)
    assert reference.describe()["model_bytes"] > 1.1 * language


def test_an_engine_folder_of_others_leaves_everything_in_pytorch(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Engines are code: a folder that anybody can write is not trusted, and the node still runs."""
    folder = tmp_path / "engines"
    folder.mkdir()
    folder.chmod(0o777)
    options = EngineOptions("onnxruntime", folder=folder, image_size=SIZE)
    networks = load_networks("nano", "cpu", engines=options)
    described = networks.describe()
    assert networks.backend == "torch-cpu"
    for network in COMPILED["nano"]:
        assert "can be written by other users" in described[f"{network} runs on"]
        assert f"{network} runs on torch (no engines: {folder} can be" in caplog.text
    assert len(described["degraded"]) == 2 and str(folder) in described["degraded"][0]
    assert networks.depth(make_view()).valid.any()
    with pytest.raises(ModelLoadError, match="can be written by other users"):
        load_networks("nano", "cpu", engines=replace(options, policy="fail"))
