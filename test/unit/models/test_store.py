# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Records of downloaded files: hashes that are kept, and locks."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.files import store
from spatialgeo_ros.models.files.store import Lock, LockedFile, hash_of, read_lock


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("SPATIALGEO_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(store, "_RECORDED_BYTES", 10)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def replaced(path: Path, content: bytes, same_time: bool) -> None:
    status = path.stat()
    path.write_bytes(content)
    seconds = 0 if same_time else 1_000_000_000
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + seconds))


def test_large_files_are_hashed_once_until_they_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(b"a" * 100)
    read: list[Path] = []

    def counting(file: Path) -> str:
        read.append(file)
        return sha256(file.read_bytes())

    monkeypatch.setattr(store, "sha256_of", counting)
    assert hash_of(path) == hash_of(path) == sha256(b"a" * 100)
    assert len(read) == 1
    replaced(path, b"b" * 100, same_time=False)
    assert hash_of(path) == sha256(b"b" * 100)
    assert len(read) == 2
    # Only reading finds what was changed behind an equal time stamp and size.
    replaced(path, b"c" * 100, same_time=True)
    assert hash_of(path) == sha256(b"b" * 100)
    assert hash_of(path, fresh=True) == sha256(b"c" * 100)
    assert hash_of(path) == sha256(b"c" * 100)


def test_small_files_are_always_read(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(b"12345")
    assert hash_of(path) == sha256(b"12345")
    replaced(path, b"54321", same_time=True)
    assert hash_of(path) == sha256(b"54321")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("damage", ["no json", "[1]", '{"sha256": 3}'])
def test_damaged_record_is_made_again(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(b"a" * 100)
    hash_of(path)
    (record,) = (tmp_path / "cache").rglob("*.json")
    record.write_text(damage)
    assert hash_of(path) == sha256(b"a" * 100)
    assert json.loads(record.read_text())["sha256"] == sha256(b"a" * 100)


def test_hash_is_computed_where_nothing_can_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    path = tmp_path / "weights.bin"
    path.write_bytes(b"a" * 100)
    assert hash_of(path) == sha256(b"a" * 100)


def test_lock_is_written_and_read(tmp_path: Path) -> None:
    lock = Lock("someone/model", "main", "c" * 40, {"a/b.bin": LockedFile(3, sha256(b"abc"))})
    lock.write()
    assert read_lock("someone/model", "main") == lock
    assert read_lock("someone/model", "v2") is None
    (path,) = (tmp_path / "models" / "locks").iterdir()
    assert path.name == "someone--model@main.json"
    path.write_text('{"commit": "c"}')
    with pytest.raises(ModelLoadError, match="someone--model@main.json is damaged"):
        read_lock("someone/model", "main")


def test_store_is_in_the_users_data_folder_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPATIALGEO_MODELS")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert store.repository_folder("a/b") == Path("/data/spatialgeo_ros/models/a--b")
    monkeypatch.delenv("XDG_DATA_HOME")
    assert store.store_folder() == Path.home() / ".local/share/spatialgeo_ros/models"
