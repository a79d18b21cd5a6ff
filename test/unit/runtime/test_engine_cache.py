# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Engines on disk: one per key, whole or not at all, and never run when anything is off."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.runtime import engine_cache
from spatialgeo_ros.runtime.engine_cache import EngineCache, EngineCacheError, default_folder
from spatialgeo_ros.runtime.engine_manifest import EngineKey, StaleEngineError
from spatialgeo_ros.runtime.files import UntrustedFileError

KEY = EngineKey(
    onnx_sha256="ab" * 32,
    module="tensorrt",
    version="10.3.0",
    gpu="Orin",
    sm="sm_87",
    driver="540.4.0, CUDA 12.6",
    precision="fp16",
    shapes={"image": "1x3x96x128"},
    flags={"tf32": "False"},
)
ENGINE = b"an engine of some bytes" * 100


@pytest.fixture
def cache(tmp_path: Path) -> EngineCache:
    return EngineCache(tmp_path / "engines")


class Builder:
    """Counts how often it builds."""

    def __init__(self, engine: bytes = ENGINE) -> None:
        self.engine, self.built = engine, 0

    def __call__(self) -> bytes:
        self.built += 1
        return self.engine


def stored(cache: EngineCache, key: EngineKey = KEY, engine: bytes = ENGINE) -> Path:
    cache.obtain(key, "net", lambda: engine)
    return cache.path(key, "net")


def test_the_second_call_finds_what_the_first_has_built(cache: EngineCache) -> None:
    build = Builder()
    _, engine, built = cache.obtain(KEY, "net", build)
    manifest, again, built_again = cache.obtain(KEY, "net", build)
    assert (engine, built, again, built_again, build.built) == (ENGINE, True, ENGINE, False, 1)
    assert manifest.size == len(ENGINE)
    assert manifest.key == KEY


@pytest.mark.parametrize(
    "change",
    [
        {"onnx_sha256": "cd" * 32},
        {"module": "tensorrt_rtx"},
        {"version": "10.16.1"},
        {"gpu": "NVIDIA RTX A2000"},
        {"sm": "sm_86"},
        {"driver": "580.65.06, CUDA 13.0"},
        {"precision": "fp32"},
        {"shapes": {"image": "1x3x192x256"}},
        {"flags": {"tf32": "True"}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_part_of_the_key_counts(cache: EngineCache, change: dict) -> None:
    stored(cache)
    other, build = replace(KEY, **change), Builder(b"other")
    assert other.differences(KEY) == list(change)
    with pytest.raises(StaleEngineError):
        cache.load(other, "net")
    assert cache.obtain(other, "net", build)[1:] == (b"other", True)
    assert cache.load(KEY, "net")[1] == ENGINE  # and the first one is still there


def test_the_key_test_knows_every_part() -> None:
    assert set(KEY.__dataclass_fields__) == {
        "onnx_sha256", "module", "version", "gpu", "sm", "driver", "precision", "shapes", "flags",
    }  # fmt: skip


def truncate(path: Path) -> None:
    path.write_bytes(ENGINE[:-1])


def flip(path: Path) -> None:
    path.write_bytes(b"B" + ENGINE[1:])


def lose_manifest(path: Path) -> None:
    path.with_suffix(".json").unlink()


def cut_manifest(path: Path) -> None:
    manifest = path.with_suffix(".json")
    manifest.write_text(manifest.read_text()[:100])


def lose_engine(path: Path) -> None:
    path.unlink()


def change_manifest(path: Path) -> None:
    content = json.loads(path.with_suffix(".json").read_text())
    content["key"]["driver"] = "another"
    path.with_suffix(".json").write_text(json.dumps(content))


def future_manifest(path: Path) -> None:
    content = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps({**content, "format": 99}))


def world_writable(path: Path) -> None:
    path.chmod(0o666)


def group_writable_manifest(path: Path) -> None:
    path.with_suffix(".json").chmod(0o664)


def link_elsewhere(path: Path) -> None:
    target = path.with_name("elsewhere")
    path.rename(target)
    path.symlink_to(target)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (truncate, "truncated"),
        (flip, "SHA-256 differs"),
        (lose_manifest, "no manifest"),
        (cut_manifest, "is no JSON"),
        (lose_engine, "is gone"),
        (change_manifest, "changed after"),
        (future_manifest, "another version"),
        (world_writable, "chmod go-w"),
        (group_writable_manifest, "chmod go-w"),
        (link_elsewhere, "cannot be read"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_spoilt_engine_is_named_and_built_again_never_returned(
    cache: EngineCache, spoil, says: str
) -> None:
    path = stored(cache)
    spoil(path)
    with pytest.raises(ModelLoadError, match=says):
        cache.load(KEY, "net")
    assert any(says in entry.problem for entry in cache.entries())
    build = Builder(b"new")
    assert cache.obtain(KEY, "net", build)[1:] == (b"new", True)
    assert cache.load(KEY, "net")[1] == b"new"


def test_a_swapped_manifest_is_noticed(cache: EngineCache) -> None:
    other = replace(KEY, driver="another")
    mine, theirs = stored(cache), stored(cache, other, b"theirs")
    mine.with_suffix(".json").write_bytes(theirs.with_suffix(".json").read_bytes())
    with pytest.raises(StaleEngineError, match=r"manifest of another engine \(driver\)"):
        cache.load(KEY, "net")
    # With its engine it is a good pair, but of another key.
    mine.write_bytes(theirs.read_bytes())
    with pytest.raises(StaleEngineError, match="manifest of another engine"):
        cache.load(KEY, "net")
    assert [bool(entry.problem) for entry in cache.entries() if entry.path == mine] == [True]


def test_files_of_another_user_are_refused(cache: EngineCache, monkeypatch) -> None:
    stored(cache)
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    if owner == 0:  # root's files are fine for everybody: give them to a third user
        for path in cache.folder.iterdir():
            os.chown(path, 4242, 4242)
    with pytest.raises(UntrustedFileError, match="another user"):
        cache.load(KEY, "net")


def test_a_folder_that_anybody_can_write_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(UntrustedFileError, match="chmod go-w"):
        EngineCache(tmp_path)


def test_nothing_is_left_writable_for_others(cache: EngineCache) -> None:
    before = os.umask(0)
    try:
        path = stored(cache)
    finally:
        os.umask(before)
    for made in (path, path.with_suffix(".json"), cache.folder, cache.folder / "locks"):
        assert made.stat().st_mode & 0o022 == 0, made


def test_a_failed_build_leaves_no_engine(cache: EngineCache) -> None:
    def fail() -> bytes:
        raise ModelLoadError("operator not supported")

    with pytest.raises(ModelLoadError, match="not supported"):
        cache.obtain(KEY, "net", fail)
    assert cache.entries() == []
    assert cache.obtain(KEY, "net", Builder())[2]


def test_what_the_runtime_refused_is_built_again_once(cache: EngineCache) -> None:
    stored(cache)
    refused = cache.load(KEY, "net")[0].sha256
    build = Builder(b"newer")
    assert cache.obtain(KEY, "net", build, refused=refused)[1:] == (b"newer", True)
    # Somebody else has replaced it already: no second build.
    assert cache.obtain(KEY, "net", build, refused=refused)[1:] == (b"newer", False)


KILLED = """
import os, sys, time
from pathlib import Path
sys.path.insert(0, {root!r})
from spatialgeo_ros.runtime import files
from spatialgeo_ros.runtime.engine_cache import EngineCache
from test_engine_cache import KEY, ENGINE

def replace(source, target):  # half of the work is on disk under its temporary name
    print("writing", flush=True)
    time.sleep(600)

{patch}
def build():
    {inside}
    return ENGINE

EngineCache(Path({folder!r})).obtain(KEY, "net", build)
"""


@pytest.mark.parametrize("moment", ["building", "writing"])
def test_a_killed_builder_blocks_nobody_and_leaves_nothing_half(
    cache: EngineCache, moment: str, repository: Path
) -> None:
    inside = "print('building', flush=True); time.sleep(600)" if moment == "building" else "pass"
    script = KILLED.format(
        root=str(repository),
        folder=str(cache.folder),
        inside=inside,
        patch="os.replace = replace" if moment == "writing" else "",
    )
    environment = {**os.environ, "PYTHONPATH": f"{repository}:{Path(__file__).parent}"}
    child = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline().strip() == moment
        # While it lives, it holds the lock.
        with pytest.raises(ModelLoadError, match="another process"):
            cache.obtain(KEY, "net", Builder(), timeout=0.0)
        child.send_signal(signal.SIGKILL)
    finally:
        child.kill()
        child.communicate()
    assert bool(list(cache.folder.glob(".*.tmp"))) == (moment == "writing")
    assert cache.entries() == []
    assert cache.obtain(KEY, "net", Builder(), timeout=5.0)[1:] == (ENGINE, True)
    assert list(cache.folder.glob(".*.tmp")) == []


def test_two_builders_of_one_engine_build_it_once(cache: EngineCache) -> None:
    started, go = threading.Event(), threading.Event()
    waited: list[float] = []
    build, late = Builder(), Builder()

    def slow() -> bytes:
        started.set()
        go.wait(30)
        return build()

    def waiting(seconds: float) -> None:
        waited.append(seconds)
        go.set()

    first = threading.Thread(target=cache.obtain, args=(KEY, "net", slow))
    first.start()
    assert started.wait(30)
    result = cache.obtain(KEY, "net", late, waiting=waiting, timeout=30)
    first.join(30)
    assert result[1:] == (ENGINE, False)
    assert (build.built, late.built) == (1, 0)
    assert waited


def test_checks_are_remembered_per_machine(cache: EngineCache) -> None:
    stored(cache)
    cache.record(KEY, "net", "machine a", {"passed": True})
    cache.record(KEY, "net", "machine b", {"passed": False})
    manifest, engine = cache.load(KEY, "net")
    assert manifest.checks == {"machine a": {"passed": True}, "machine b": {"passed": False}}
    assert engine == ENGINE


def test_a_folder_of_an_image_is_read_and_not_written(cache, monkeypatch, caplog) -> None:
    stored(cache)
    before = sorted(cache.folder.rglob("*"))
    # Root may write everywhere, so the answer is given for it.
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    assert cache.obtain(KEY, "net", Builder())[1:] == (ENGINE, False)
    assert cache.runtime_cache(KEY, "machine") is None
    cache.record(KEY, "net", "machine", {"passed": True})
    assert "compared with PyTorch at every start" in caplog.text
    assert sorted(cache.folder.rglob("*")) == before
    assert cache.load(KEY, "net")[0].checks == {}


def test_a_folder_that_cannot_be_made_names_the_variable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache = EngineCache(tmp_path / "file" / "engines")
    with pytest.raises(ModelLoadError, match="set SPATIALGEO_ENGINES"):
        cache.obtain(KEY, "net", Builder())


def denied(monkeypatch: pytest.MonkeyPatch, module: object, name: str, code: int) -> None:
    def refuse(path: object = None, *_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code), str(path or "somewhere"))

    monkeypatch.setattr(module, name, refuse)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.ENOSPC], ids=errno.errorcode.get)
@pytest.mark.parametrize("operation", ["mkdir", "lock", "write", "flock"])
def test_a_cache_that_cannot_be_used_says_so(cache, monkeypatch, caplog, operation, code) -> None:
    """Of another user, read-only, on a full disk: a PermissionError ended the start."""
    stored(cache)
    other = replace(KEY, version="11.0")
    module, name = {
        "mkdir": (Path, "mkdir"),
        "lock": (engine_cache.os, "open"),
        "write": (engine_cache, "write_atomically"),
        "flock": (engine_cache.fcntl, "flock"),
    }[operation]
    with monkeypatch.context() as patch:
        denied(patch, module, name, code)
        if operation != "lock":  # else nothing can be opened at all
            assert cache.obtain(KEY, "net", Builder())[2] is False  # what is there is used
        with pytest.raises(EngineCacheError, match="engine folder .*engines cannot be used") as why:
            cache.obtain(other, "net", Builder())
        assert os.strerror(code) in str(why.value)
        assert "set SPATIALGEO_ENGINES to a folder of your own" in str(why.value)
        cache.record(KEY, "net", "machine", {"passed": True})  # only the next start is slower
        assert "net is compared with PyTorch at every start" in caplog.text
    assert cache.obtain(other, "net", Builder())[2] is True


def test_prune_says_what_it_may_not_delete(cache, monkeypatch) -> None:
    stored(cache)
    denied(monkeypatch, Path, "unlink", errno.EACCES)
    with pytest.raises(EngineCacheError, match="cannot be used"):
        cache.prune(lambda _: False)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_the_cache_of_root_seen_by_another_user(tmp_path: Path) -> None:
    cache = EngineCache(tmp_path / "engines")
    stored(cache)
    # pytest's folders are for their owner alone, one more with a process for each core
    for path in (tmp_path, *tmp_path.parents[:3]):
        path.chmod(path.stat().st_mode | 0o011)
    code = f"""
import os
from dataclasses import replace
from pathlib import Path
from test_engine_cache import KEY
from spatialgeo_ros.runtime.engine_cache import EngineCache, EngineCacheError
os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
cache = EngineCache(Path({str(cache.folder)!r}))
assert cache.obtain(KEY, "net", lambda: b"")[2] is False
for attempt in (
    lambda: cache.obtain(replace(KEY, version="11.0"), "net", lambda: b"new"),
    lambda: cache.prune(lambda _: False),
):
    try:
        attempt()
    except EngineCacheError as error:
        print(error)
cache.record(KEY, "net", "machine", {{}})
"""
    here = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=here, cwd="/"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("cannot be used") == 2
    assert done.stdout.count("Permission denied") == 2


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch) -> None:
    def homeless(_: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("SPATIALGEO_ENGINES", raising=False)
    monkeypatch.setattr(engine_cache.os, "access", lambda *_: False)  # no checkout of ours
    monkeypatch.setattr(Path, "expanduser", homeless)
    with pytest.raises(EngineCacheError, match="set SPATIALGEO_ENGINES"):
        EngineCache()


def test_prune_deletes_what_is_not_kept_and_what_is_left_behind(cache: EngineCache) -> None:
    old = replace(KEY, version="10.0.0")
    kept, gone, spoilt = (
        stored(cache), stored(cache, old), stored(cache, replace(KEY, driver="x")),
    )  # fmt: skip
    truncate(spoilt)
    kernels, kept_kernels = (cache.runtime_cache(key, "machine") for key in (old, KEY))
    assert kernels is not None
    assert kept_kernels is not None
    kernels.write_bytes(b"kernels")
    kept_kernels.write_bytes(b"kernels")
    orphan, fresh = cache.folder / ".net.engine.x.tmp", cache.folder / ".net.engine.y.tmp"
    orphan.touch()
    fresh.touch()
    os.utime(orphan, (0, 0))
    deleted = cache.prune(lambda manifest: manifest.key.version == KEY.version)
    assert set(deleted) == {
        gone, gone.with_suffix(".json"), spoilt, spoilt.with_suffix(".json"), kernels, orphan,
    }  # fmt: skip
    assert kept.exists()
    assert kept_kernels.exists()
    assert fresh.exists()
    assert [entry.path for entry in cache.entries()] == [kept]


def test_the_folder_comes_from_environment_checkout_or_user_cache(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv(engine_cache.ENVIRONMENT_VARIABLE, str(tmp_path / "chosen"))
    assert default_folder() == tmp_path / "chosen"
    monkeypatch.delenv(engine_cache.ENVIRONMENT_VARIABLE)
    assert default_folder().name == "engines"
    assert default_folder().parent.joinpath("package.xml").is_file()
    installed = tmp_path / "site-packages" / "spatialgeo_ros" / "runtime" / "engine_cache.py"
    monkeypatch.setattr(engine_cache, "__file__", str(installed))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert default_folder() == tmp_path / "cache" / "spatialgeo" / "engines"


def test_another_users_checkout_is_passed_over(monkeypatch, tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    source = checkout / "spatialgeo_ros" / "runtime" / "engine_cache.py"
    source.parent.mkdir(parents=True)
    (checkout / "package.xml").touch()
    monkeypatch.delenv(engine_cache.ENVIRONMENT_VARIABLE, raising=False)
    monkeypatch.setattr(engine_cache, "__file__", str(source))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert default_folder() == checkout / "engines"
    (checkout / "engines").mkdir()
    if os.geteuid() == 0:  # root's folders are fine for everybody
        os.chown(checkout / "engines", 4242, 4242)
    else:
        owner = os.geteuid()
        monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    assert default_folder() == tmp_path / "cache" / "spatialgeo" / "engines"
    assert EngineCache(default_folder()).folder == default_folder()
