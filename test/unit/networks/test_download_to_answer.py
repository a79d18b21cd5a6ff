# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A user's way with a shipped profile: download from a local Hub, verify, ask; tiny checkpoints."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from checkpoints.llava import (
    IMAGE_SIZE,
    write_clip,
    write_llava_base,
    write_spatialgeo_stage2,
    write_tower,
)
from checkpoints.moge import write_moge2_normal
from checkpoints.profiles import SHIPPED
from checkpoints.spatial_mllm import write_spatial_mllm_3b
from fake_hub import FakeHub, fake_hub
from huggingface_hub import constants

from spatialgeo_ros import cli


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    monkeypatch.setenv("SPATIALGEO_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    with fake_hub() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def publish(hub: FakeHub, name: str, folder: Path) -> Path:
    """Put tiny files under the names that a shipped profile asks for; returns its copy."""
    content: dict[str, Any] = yaml.safe_load((SHIPPED / f"{name}.yaml").read_text())
    content["precision"] = "float32"

    def add(source: dict[str, Any], files: dict[str, bytes]) -> None:
        source.pop("sha256", None)  # of the published files
        revision = source["revision"]
        hub.add(source["repo"], files, "c" * 40 if revision == "main" else revision)

    language = content.get("language", {})
    if name == "moge2_s":
        content["geometry"].pop("sha256")
        weights = write_moge2_normal(folder / "moge")
        add(content["geometry"]["weights"], {"model.pt": weights.read_bytes()})
    elif name == "spatialgeo_7b":
        content["image"].update(width=IMAGE_SIZE, height=IMAGE_SIZE)
        add(language["base"], contents(write_llava_base(folder / "base")))
        add(language["clip"], contents(write_clip(folder / "clip")))
        language.pop("tower_sha256")
        tower = write_tower(folder / "model.pt", heads=True)
        add(language["tower"], {"model.pt": tower.read_bytes()})
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for key, data in contents(write_spatialgeo_stage2(folder / "adapter")).items():
                archive.writestr(f"SpatialGeo/{key}", data)
            archive.writestr("SpatialGeo/vit_model.pt", b"not needed beside MoGe's own file")
        add(language["adapter"], {"SpatialGeo.zip": packed.getvalue(), "README.md": b"#"})
    else:
        add(language["checkpoint"], contents(write_spatial_mllm_3b(folder / "mllm")))
    if language:
        language["max_new_tokens"] = 4
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.parametrize("name", ["moge2_s", "spatialgeo_7b", "spatial_mllm_3b"])
def test_files_that_a_shipped_profile_downloads_are_enough_to_answer(
    hub: FakeHub, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    written = tmp_path / "written"
    written.mkdir()
    profile = str(publish(hub, name, written))
    cv2.imwrite(str(tmp_path / "colour.png"), np.full((90, 120, 3), 120, np.uint8))
    cv2.imwrite(str(tmp_path / "depth.png"), np.full((90, 120), 1500, np.uint16))
    question = [
        "ask", "How far away is the crate?", "--profile", profile, "--device", "cpu",
        "--image", str(tmp_path / "colour.png"), "--depth", str(tmp_path / "depth.png"),
        "--camera-info", "100,100,59.5,44.5", "--region", "crate=40,30,79,59",
    ]  # fmt: skip
    assert cli.main(question) == 1
    assert f"run: spatialgeo models download {profile}" in capsys.readouterr().err
    assert hub.requests == []
    assert cli.main(["models", "download", profile]) == 0
    assert cli.main(["models", "verify", profile]) == 0
    assert "unverified" not in capsys.readouterr().out
    hub.requests.clear()
    assert cli.main(question) == 0
    assert capsys.readouterr().out.startswith("The crate is 1.5")
    assert hub.requests == []
