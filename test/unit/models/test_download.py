# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Downloading and verifying profiles, against a Hub that runs here and misbehaves on demand."""

from __future__ import annotations

import hashlib
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_hub import FakeHub, fake_hub
from huggingface_hub import constants
from packed_files import tarred, zipped

from spatialgeo_ros import cli
from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.files import remote
from spatialgeo_ros.models.files.archive import extract
from spatialgeo_ros.models.files.store import read_lock
from spatialgeo_ros.models.profiles import load_profile

WEIGHTS = bytes(range(256)) * 400
COMMIT = "c" * 40
BASE = {
    "config.json": b'{"model_type": "llava"}',
    "pytorch_model-00001-of-00002.bin": WEIGHTS,
    "pytorch_model-00002-of-00002.bin": WEIGHTS[::-1],
    "README.md": b"not wanted",
}
ADAPTER = {"adapter_config.json": b"{}", "adapter_model.bin": WEIGHTS[7:], "config.json": b"[]"}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    monkeypatch.setenv("SPATIALGEO_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    with fake_hub() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        running.add("someone/moge", {"model.pt": WEIGHTS, "README.md": b"hello"})
        running.add("someone/llava", BASE)
        running.add("someone/clip", {"config.json": b"{}", "pytorch_model.bin": WEIGHTS[3:]})
        yield running


def moge_profile(folder: Path, **changes: Any) -> Path:
    weights = {"repo": "someone/moge", "revision": COMMIT, "file": "model.pt"}
    content = {
        "name": "tiny",
        "description": "for tests",
        "licence": "MIT",
        "origin": "here",
        "image": {"mode": "native", "patch": 14},
        "geometry": {
            "kind": "moge2",
            "relative_sigma": 0.1,
            "weights": {**weights, **changes.pop("weights", {})},
            **changes,
        },
    }
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def llava_profile(folder: Path, **adapter: Any) -> Path:
    def checkpoint(repo: str, files: list[str], **more: Any) -> dict[str, Any]:
        return {"repo": f"someone/{repo}", "revision": "main", "files": files, **more}

    content = {
        "name": "llava",
        "description": "for tests",
        "licence": "several",
        "origin": "here",
        "image": {
            "mode": "square",
            "width": 28,
            "height": 28,
            "patch": 14,
            "pad_colour": [1, 2, 3],
        },
        "language": {
            "kind": "llava",
            "base": checkpoint(
                "llava", ["config.json", "pytorch_model-*.bin"], optional=["tokenizer.model"]
            ),
            "clip": checkpoint("clip", ["config.json", "pytorch_model.bin"]),
            "prompt": "vicuna_v1",
            "max_new_tokens": 8,
        },
    }
    if adapter:
        content["language"]["adapter"] = checkpoint("adapter", sorted(ADAPTER), **adapter)  # type: ignore[index]
    path = folder / "llava.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def stored(tmp_path: Path) -> Path:
    return tmp_path / "models" / "someone--moge" / "model.pt"


def test_download_then_load_then_download_nothing(
    hub: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = moge_profile(tmp_path, sha256=sha256(WEIGHTS))
    geometry = load_profile(path).geometry
    assert geometry is not None and geometry.weights is not None
    with pytest.raises(ModelLoadError, match=r"model\.pt does not exist.*models download .*tiny"):
        geometry.weights.checked()
    assert hub.requests == []  # reading and loading never reach for the network

    assert cli.main(["models", "download", str(path)]) == 0
    assert "licence of tiny: MIT" in capsys.readouterr().out
    assert stored(tmp_path).read_bytes() == WEIGHTS
    assert hub.requests == [("someone/moge/model.pt", "")]
    geometry = load_profile(path).geometry
    assert geometry is not None and geometry.weights is not None
    assert geometry.weights.checked() == stored(tmp_path)

    hub.repositories.clear()  # complete: the Hub is not even asked
    assert cli.main(["models", "download", str(path)]) == 0
    assert "there already" in capsys.readouterr().out


def test_interrupted_download_goes_on_where_it_stopped(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = moge_profile(tmp_path)
    half = len(WEIGHTS) // 2
    whole = remote.http_get

    def interrupted(url: str, stream: Any, **_: Any) -> None:
        stream.write(WEIGHTS[:half])
        raise KeyboardInterrupt

    monkeypatch.setattr(remote, "http_get", interrupted)
    assert cli.main(["models", "download", str(path)]) == 130
    assert not stored(tmp_path).exists()
    monkeypatch.setattr(remote, "http_get", whole)
    assert cli.main(["models", "download", str(path)]) == 0
    assert hub.requests == [("someone/moge/model.pt", f"bytes={half}-")]
    assert stored(tmp_path).read_bytes() == WEIGHTS
    assert not list(stored(tmp_path).parent.glob("*.part"))


def test_broken_connection_is_taken_up_again(hub: FakeHub, tmp_path: Path) -> None:
    hub.cut_after["model.pt"] = 5000
    assert cli.main(["models", "download", str(moge_profile(tmp_path))]) == 0
    assert len(hub.requests) == 2
    assert stored(tmp_path).read_bytes() == WEIGHTS


def test_wrong_content_is_refused_and_removed(
    hub: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.spoilt.add("model.pt")
    assert cli.main(["models", "download", str(moge_profile(tmp_path))]) == 1
    message = capsys.readouterr().err
    assert "'model.pt' of someone/moge is not that file" in message and "removed" in message
    assert not [p for p in stored(tmp_path).parent.rglob("*") if p.is_file()]


def test_small_files_are_compared_by_their_git_hash(
    hub: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.spoilt.add("config.json")
    assert cli.main(["models", "download", str(llava_profile(tmp_path))]) == 1
    assert "'config.json' of someone/llava is not that file" in capsys.readouterr().err


def test_another_version_on_the_hub_is_not_even_downloaded(
    hub: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = moge_profile(tmp_path, sha256="0" * 64)
    assert cli.main(["models", "download", str(path)]) == 1
    assert "is not the file this profile expects" in capsys.readouterr().err
    assert hub.requests == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"repo": "nobody/moge"}, "no nobody/moge"),
        ({"revision": "d" * 40}, "no someone/moge at ddd"),
        ({"file": "other.pt"}, "no file 'other.pt'.*it has README.md, model.pt"),
    ],
)
def test_what_the_hub_does_not_have_is_named(
    hub: FakeHub, tmp_path: Path, change: dict[str, str], words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert cli.main(["models", "download", str(moge_profile(tmp_path, weights=change))]) == 1
    message = capsys.readouterr().err
    assert re.search(words, message), message


def test_gated_repository_says_how_to_get_in(
    hub: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.gated.add("someone/moge")
    assert cli.main(["models", "download", str(moge_profile(tmp_path))]) == 1
    message = capsys.readouterr().err
    assert "accepted its licence" in message and "hf auth login" in message


def test_full_disk_is_seen_before_the_download(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    free = len(WEIGHTS) - 1
    usage = type("Usage", (), {"free": free})()
    monkeypatch.setattr(remote.shutil, "disk_usage", lambda _: usage)
    assert cli.main(["models", "download", str(moge_profile(tmp_path))]) == 1
    assert "needs 0.0 GB" in capsys.readouterr().err
    assert hub.requests == []


def test_file_with_a_plain_path_has_nowhere_to_come_from(
    hub: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = moge_profile(tmp_path)
    content = yaml.safe_load(path.read_text())
    content["geometry"]["weights"] = "mine.pt"
    path.write_text(yaml.safe_dump(content))
    assert cli.main(["models", "download", str(path)]) == 1
    assert "mine.pt is missing and has no source" in capsys.readouterr().err


def test_no_network_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SPATIALGEO_MODELS", str(tmp_path))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert cli.main(["models", "download", str(moge_profile(tmp_path))]) == 1
    message = capsys.readouterr().err.strip()
    assert "could not be downloaded" in message and len(message.splitlines()) == 1


def test_first_download_is_trusted_and_later_ones_compared(
    hub: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = llava_profile(tmp_path)
    assert cli.main(["models", "download", str(path)]) == 0
    lock = read_lock("someone/llava", "main")
    assert lock is not None and lock.commit == COMMIT
    first = "pytorch_model-00001-of-00002.bin"
    assert lock.files[first].sha256 == sha256(WEIGHTS)
    assert "README.md" not in lock.files
    base = load_profile(path).checkpoints[0]
    assert base.folder() == tmp_path / "models" / "someone--llava"
    assert cli.main(["models", "verify", str(path)]) == 0

    # The branch moves on: what was recorded is still what is meant, until --update asks anew.
    hub.add("someone/llava", {**BASE, first: WEIGHTS[1:]}, "e" * 40)
    (base.folder() / first).write_bytes(WEIGHTS[:-1] + b"!")
    with pytest.raises(ModelLoadError, match=f"{first} is not the file"):
        base.folder()
    capsys.readouterr()
    assert cli.main(["models", "verify", str(path)]) == 1
    captured = capsys.readouterr()
    assert f"altered    {tmp_path}" in captured.out and "models download" in captured.err
    assert cli.main(["models", "download", str(path)]) == 1  # that commit is gone from this Hub
    assert f"no someone/llava at {COMMIT}" in capsys.readouterr().err
    assert cli.main(["models", "download", str(path), "--update"]) == 0
    lock = read_lock("someone/llava", "main")
    assert lock is not None and lock.commit == "e" * 40
    assert (base.folder() / first).read_bytes() == WEIGHTS[1:]


@pytest.mark.parametrize("damage", ["truncated", "missing", "altered"])
def test_verify_names_what_is_damaged_and_download_repairs_it(
    hub: FakeHub, tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = llava_profile(tmp_path)
    assert cli.main(["models", "download", str(path)]) == 0
    victim = tmp_path / "models" / "someone--clip" / "pytorch_model.bin"
    if damage == "missing":
        victim.unlink()
    else:
        content = victim.read_bytes()
        victim.write_bytes(content[:1000] if damage == "truncated" else content[::-1])
    capsys.readouterr()
    assert cli.main(["models", "verify", str(path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith(damage) and "pytorch_model.bin" in line]
    assert len([line for line in lines if line.startswith("ok")]) == 4
    hub.requests.clear()
    assert cli.main(["models", "download", str(path)]) == 0
    assert hub.requests == [("someone/clip/pytorch_model.bin", "")]
    assert cli.main(["models", "verify", str(path)]) == 0


@pytest.mark.parametrize(("name", "pack"), [("all.zip", zipped), ("all.tar.gz", tarred)])
def test_archived_checkpoint_is_unpacked_and_locked(
    hub: FakeHub, tmp_path: Path, name: str, pack: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {f"run-7/llava_lora/{key}": value for key, value in ADAPTER.items()}
    hub.add("someone/adapter", {name: pack({**files, "run-7/vit_model.pt": WEIGHTS * 2})})
    path = llava_profile(tmp_path, archive=["*.zip", "*.tar.gz"])
    assert cli.main(["models", "download", str(path)]) == 0
    adapter = load_profile(path).checkpoints[1]
    folder = adapter.folder()
    assert folder == tmp_path / "models" / "someone--adapter" / "run-7" / "llava_lora"
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == ADAPTER
    root = tmp_path / "models" / "someone--adapter"
    assert not (root / name).exists()  # unpacked: kept once
    assert not (root / "run-7" / "vit_model.pt").exists()  # not asked for
    (folder / "adapter_model.bin").write_bytes(b"x" * len(ADAPTER["adapter_model.bin"]))
    with pytest.raises(ModelLoadError, match="adapter_model.bin is not the file"):
        adapter.folder()


@pytest.mark.parametrize("pack", [zipped, tarred])
@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil"])
def test_archive_cannot_write_outside_its_folder(tmp_path: Path, pack: Any, name: str) -> None:
    archive = tmp_path / "store" / "archive"
    archive.parent.mkdir()
    archive.write_bytes(pack({name: b"boo", "config.json": b"{}"}))
    with pytest.raises(ModelLoadError, match="not safe.*evil"):
        extract(archive, ["config.json"], ["*"], archive.parent)
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["archive"]


def test_links_in_an_archive_are_no_files(tmp_path: Path) -> None:
    archive = tmp_path / "archive.tar"
    with tarfile.open(archive, "w") as tape:
        info = tarfile.TarInfo("config.json")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/hostname"
        tape.addfile(info)
    with pytest.raises(ModelLoadError, match="does not hold config.json in one folder"):
        extract(archive, ["config.json"], [], tmp_path)


@pytest.mark.parametrize("content", [b"Rar!\x1a\x07", zipped({"config.json": WEIGHTS})[:-30]])
def test_archive_that_cannot_be_read_is_named(tmp_path: Path, content: bytes) -> None:
    archive = tmp_path / "archive.rar"
    archive.write_bytes(content)
    with pytest.raises(ModelLoadError, match="archive.rar"):
        extract(archive, ["config.json"], [], tmp_path)


def test_hugging_face_cache_is_used_as_it_is(
    hub: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    snapshot = tmp_path / "hub" / "models--someone--moge" / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (snapshot / "model.pt").write_bytes(WEIGHTS)
    path = moge_profile(tmp_path, sha256=sha256(WEIGHTS))
    geometry = load_profile(path).geometry
    assert geometry is not None and geometry.weights is not None
    assert geometry.weights.checked() == snapshot / "model.pt"
    assert cli.main(["models", "download", str(path)]) == 0
    assert hub.requests == [] and not stored(tmp_path).exists()


def test_branch_is_found_in_the_hugging_face_cache(hub: FakeHub, tmp_path: Path) -> None:
    folder = tmp_path / "hub" / "models--someone--llava"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(COMMIT)
    snapshot = folder / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    base = load_profile(llava_profile(tmp_path)).checkpoints[0]
    with pytest.raises(ModelLoadError, match="lacks config.json, pytorch_model-"):
        base.folder()
    for name, content in BASE.items():
        (snapshot / name).write_bytes(content)
    assert base.folder() == snapshot


def test_info_and_list_say_what_is_missing(
    hub: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = llava_profile(tmp_path)
    assert cli.main(["models", "info", str(path)]) == 0
    text = capsys.readouterr().out
    assert "someone/llava at main" in text and "pytorch_model-*.bin  MISSING" in text
    assert cli.main(["models", "list"]) == 0
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()[1:]}
    assert "missing" in rows["spatialgeo_7b"] and "MB" in rows["nano"]
