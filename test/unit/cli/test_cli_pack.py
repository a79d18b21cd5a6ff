# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``spatialgeo models pack`` writes what later loads of the profile use, and deletes it."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from bench import full_size, load_once, tiny
from bench.checkpoint_files import write_spatialgeo
from spatialgeo_ros import cli


def test_pack_writes_what_loads_use_and_deletes_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    pytest.importorskip("bitsandbytes")
    pytest.importorskip("sentencepiece")
    import torch

    for name in tiny.SMALL:
        monkeypatch.setattr(full_size, name, getattr(full_size, name))
    monkeypatch.setattr(full_size.moge_configs, "V1_VITL", full_size.moge_configs.V1_VITL)
    tiny.shrink(full_size)
    monkeypatch.setenv("SPATIALGEO_ENGINES", str(tmp_path / "engines"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    profile = str(write_spatialgeo(tmp_path / "files", 2, torch.device("cpu"), "bfloat16"))
    assert cli.main(["models", "pack", profile, "--device", "cpu"]) == 0
    path = tmp_path / "engines" / "packed" / "bench_7b-nf4-bfloat16-cpu.safetensors"
    assert f"{path}  0.00 GB" in capsys.readouterr().out
    with caplog.at_level(logging.INFO):
        load_once.measure(Path(profile))
    assert f"loaded packed weights from {path}" in caplog.text
    assert cli.main(["models", "pack", profile, "--delete"]) == 0
    assert not path.exists() and f"deleted {path}" in capsys.readouterr().out


def test_there_is_nothing_to_pack_without_a_published_language_model(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["models", "pack", "nano"]) == 1
    assert "there is nothing to pack" in capsys.readouterr().err
