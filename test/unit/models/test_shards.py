# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of several files: found, read tensor by tensor, and refused by name when damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.files.shards import Shards, read_json

STATE = {
    "a": torch.arange(6.0).reshape(2, 3),
    "b": torch.ones(4, dtype=torch.bfloat16),
    "c": torch.tensor([1, 2]),
}


def write(folder: Path, safe: bool) -> Path:
    """Two shards and their index."""
    folder.mkdir()
    stem, suffix = ("model", ".safetensors") if safe else ("pytorch_model", ".bin")
    table = {}
    for number, names in enumerate((["a"], ["b", "c"]), start=1):
        file = f"{stem}-{number:05d}-of-00002{suffix}"
        part = {name: STATE[name] for name in names}
        save_file(part, folder / file) if safe else torch.save(part, folder / file)
        table |= dict.fromkeys(names, file)
    (folder / f"{stem}{suffix}.index.json").write_text(json.dumps({"weight_map": table}))
    return folder


@pytest.mark.parametrize("safe", [True, False])
def test_shards_read_as_one_mapping(tmp_path: Path, safe: bool) -> None:
    folder = write(tmp_path / "model", safe)
    with Shards.from_folder(folder) as shards:
        assert sorted(shards) == ["a", "b", "c"] and len(shards) == 3
        assert shards.shape("a") == (2, 3) and "-00002-of" in shards.source("c").name
        for name, tensor in STATE.items():
            assert torch.equal(shards[name], tensor) and shards[name].dtype == tensor.dtype
        with pytest.raises(KeyError):
            shards["d"]
    assert len(shards) == 0


def test_single_file_and_order_of_preference(tmp_path: Path) -> None:
    torch.save({"old": torch.zeros(1)}, tmp_path / "pytorch_model.bin")
    with Shards.from_folder(tmp_path) as shards:
        assert list(shards) == ["old"]
    save_file({"new": torch.zeros(1)}, tmp_path / "model.safetensors")
    with Shards.from_folder(tmp_path) as shards:
        assert list(shards) == ["new"]


def test_files_of_old_pytorch_are_read_though_they_cannot_be_mapped(tmp_path: Path) -> None:
    path = tmp_path / "pytorch_model.bin"
    torch.save(STATE, path, _use_new_zipfile_serialization=False)
    with Shards([path]) as shards:
        assert torch.equal(shards["a"], STATE["a"])


def test_same_tensor_in_two_files_is_refused(tmp_path: Path) -> None:
    for name in ("x.bin", "y.bin"):
        torch.save({"a": torch.zeros(1)}, tmp_path / name)
    with pytest.raises(ModelLoadError, match=r"'a' is in both .*x\.bin and .*y\.bin"):
        Shards([tmp_path / "x.bin", tmp_path / "y.bin"])


def test_index_cannot_reach_outside_its_folder(tmp_path: Path) -> None:
    folder = write(tmp_path / "model", safe=True)
    save_file({"a": torch.zeros(1)}, tmp_path / "secret.safetensors")
    index = {"weight_map": {"a": "../secret.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelLoadError, match="lacks secret.safetensors"):
        Shards.from_folder(folder)


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("safe", [True, False])
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (halve, "00002-of-00002.*(damaged|cannot be read)"),
        (Path.unlink, "lacks .*00002-of-00002.* of the 2 files"),
        (lambda path: path.write_bytes(b""), "00002-of-00002.* is empty"),
        (
            lambda path: path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n"),
            "00002-of-00002.* is a git-lfs pointer",
        ),
    ],
)
def test_damaged_shards_are_named(
    tmp_path: Path, safe: bool, spoil: Callable[[Path], object], message: str
) -> None:
    folder = write(tmp_path / "model", safe)
    spoil(next(folder.glob("*00002-of-00002*")))
    with pytest.raises(ModelLoadError, match=message):
        Shards.from_folder(folder)


def test_folders_without_weights_say_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match=r"no weights; looked for model\.safetensors"):
        Shards.from_folder(tmp_path)
    with pytest.raises(ModelLoadError, match="nowhere does not exist"):
        Shards.from_folder(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("content", "message"),
    [("[1]", "holds a list"), ("{", "is no JSON"), (None, "does not exist")],
)
def test_damaged_configurations_are_named(
    tmp_path: Path, content: str | None, message: str
) -> None:
    path = tmp_path / "config.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ModelLoadError, match=f"config.json {message}"):
        read_json(path)
