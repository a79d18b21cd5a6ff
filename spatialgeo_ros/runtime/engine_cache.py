# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compiled engines on disk: found by what they depend on, verified before use, built once.

An engine is code that runs in this process. It is used only when it and its manifest are whole,
belong to each other and to the key asked for, and could have been written by nobody else.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.runtime.engine_manifest import EngineKey, Manifest, StaleEngineError
from spatialgeo_ros.runtime.files import (
    UntrustedFileError,
    check_owner,
    read_trusted,
    write_atomically,
)

log = logging.getLogger(__name__)

ENVIRONMENT_VARIABLE = "SPATIALGEO_ENGINES"
_LEFT_BEHIND_S = 3600.0


class EngineCacheError(ModelLoadError):
    """The folder of engines cannot be used, whatever is in it; says why and what to do."""


@contextmanager
def cache_errors(folder: Path) -> Iterator[None]:
    """Turn what the system refuses (another user's folder, a full disk) into one kind of error.

    Args:
        folder: Of the cache.

    Raises:
        EngineCacheError: Names the folder, the file in it, and the cure.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.filename is not None:
            reason = f"{error.filename}: {reason}"
        raise EngineCacheError(
            f"the engine folder {folder} cannot be used ({reason}): set {ENVIRONMENT_VARIABLE} to "
            "a folder of your own with room in it, or let its owner run `spatialgeo engines build`"
        ) from error


def default_folder() -> Path:
    """``SPATIALGEO_ENGINES``, else ``engines/`` of a checkout, else the user's cache.

    Another user's checkout is passed over, even where it can be written (one that is mounted into
    a container): engines are read only from folders of this user or root.
    """
    chosen = os.environ.get(ENVIRONMENT_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / "package.xml").is_file() and os.access(checkout, os.W_OK):
        folder = checkout / "engines"
        if not folder.exists() or folder.stat().st_uid in (os.geteuid(), 0):
            return folder
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        return Path(base).expanduser() / "spatialgeo" / "engines"
    except RuntimeError as error:  # a user without a home, as in many containers
        raise EngineCacheError(
            f"there is no folder for engines ({error}): set {ENVIRONMENT_VARIABLE} to one"
        ) from error


@dataclass(frozen=True)
class Entry:
    """An engine that is there, or the reason why it cannot be used.

    Attributes:
        path: Of the engine; its manifest has the suffix ``.json``.
        manifest: None where it cannot be read.
        problem: "" for a good one.
    """

    path: Path
    manifest: Manifest | None
    problem: str = ""


class EngineCache:
    """A folder of engines and of the caches that building and loading them leaves behind."""

    def __init__(self, folder: Path | None = None) -> None:
        """Open a folder; it is made when something is written.

        Args:
            folder: Default: ``default_folder()``.

        Raises:
            UntrustedFileError: Other users may write the folder, or own it.
            EngineCacheError: It cannot be looked into, or there is no place for one.
        """
        self.folder = default_folder() if folder is None else folder
        with cache_errors(self.folder):
            if self.folder.exists():
                check_owner(self.folder.stat(), self.folder)

    @property
    def writable(self) -> bool:
        """Whether this user can add to the folder."""
        return os.access(self.folder, os.W_OK)

    def path(self, key: EngineKey, name: str) -> Path:
        """Where the engine of a key stands."""
        stem = f"{name}-{key.module}-{key.sm}-{key.precision}-{key.digest()[:16]}"
        return self.folder / (re.sub(r"[^A-Za-z0-9_-]", "_", stem) + ".engine")

    def timing_cache(self, key: EngineKey) -> Path:
        """File for kernel timings: per module, version, GPU and driver."""
        where = hashlib.sha256(f"{key.gpu}|{key.sm}|{key.driver}".encode()).hexdigest()[:12]
        return self._sub("timing") / f"{key.module}-{key.version}-{where}.cache"

    def runtime_cache(self, key: EngineKey, machine: str) -> Path | None:
        """File for kernels that TensorRT for RTX finishes on a machine's GPU.

        None in a folder that cannot be written: they are finished anew at every start.
        """
        if not self.writable:
            return None
        where = hashlib.sha256(machine.encode()).hexdigest()[:12]
        return self._sub("kernels") / f"{key.digest()[:16]}-{where}.cache"

    def _sub(self, name: str) -> Path:
        folder = self.folder / name
        for made in (self.folder, folder):  # one by one: the mode is for the last folder only
            with cache_errors(self.folder):
                made.mkdir(mode=0o755, parents=True, exist_ok=True)
                check_owner(made.stat(), made)
        return folder

    def load(self, key: EngineKey, name: str) -> tuple[Manifest, bytes]:
        """Read an engine's manifest and verified bytes (none for a module that keeps no file).

        Raises:
            StaleEngineError: There is none, or it is truncated, changed, or another key's.
            UntrustedFileError: Somebody else could have written it.
        """
        path = self.path(key, name)
        manifest = Manifest.from_json(path.with_suffix(".json"))
        if manifest.key != key:
            parts = ", ".join(key.differences(manifest.key))
            raise StaleEngineError(f"{path.name} has the manifest of another engine ({parts})")
        return manifest, _read_engine(path, manifest)

    def obtain(
        self,
        key: EngineKey,
        name: str,
        build: Callable[[], bytes | memoryview],
        *,
        refused: str = "",
        timeout: float = 3600.0,
        waiting: Callable[[float], None] | None = None,
    ) -> tuple[Manifest, bytes, bool]:
        """Load an engine, or build it if there is no good one; one builder at a time.

        Args:
            key: What it must be.
            name: Of the network, for people.
            build: Returns the engine (b"" for a module that keeps no file).
            refused: SHA-256 of a whole engine that the runtime refused: it is built again, unless
                another process has replaced it already.
            timeout: Longest wait for another process that builds the same engine, seconds.
            waiting: Called while waiting, with the seconds waited.

        Returns:
            The manifest, the engine, and whether it was built now.

        Raises:
            ModelLoadError: What ``build`` raises; or another builder takes too long.
            EngineCacheError: There is no good one, and none can be locked or written.
        """
        reason = ""
        try:
            manifest, engine = self.load(key, name)
            if not refused or manifest.sha256 != refused:
                return manifest, engine, False
            reason = "the runtime refused the engine"
        except (StaleEngineError, UntrustedFileError) as error:
            reason = str(error)
        with cache_errors(self.folder), self._locked(key, timeout, waiting):
            try:
                manifest, engine = self.load(key, name)
                if not refused or manifest.sha256 != refused:
                    return manifest, engine, False  # another process has built it meanwhile
            except (StaleEngineError, UntrustedFileError) as error:
                reason = str(error)
            return *self._build(key, name, build, reason), True

    def _build(
        self, key: EngineKey, name: str, build: Callable[[], bytes | memoryview], reason: str
    ) -> tuple[Manifest, bytes]:
        path = self.path(key, name)
        log.info("building %s: %s", path.name, reason)
        for left in self._leftovers(path):  # of a builder that was killed: we hold its lock
            left.unlink(missing_ok=True)
        started = time.monotonic()
        engine = bytes(build())
        seconds = time.monotonic() - started
        # Without its manifest an engine is not used: an interruption leaves nothing half true.
        path.with_suffix(".json").unlink(missing_ok=True)
        if engine:
            write_atomically(path, engine)
        manifest = Manifest(
            name=name,
            key=key,
            sha256=hashlib.sha256(engine).hexdigest() if engine else "",
            size=len(engine),
            built=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            build_seconds=round(seconds, 2),
        )
        write_atomically(path.with_suffix(".json"), manifest.to_json())
        return manifest, engine

    def record(self, key: EngineKey, name: str, machine: str, check: Mapping[str, Any]) -> None:
        """Remember the outcome of the parity gate on a machine in the manifest.

        Nothing is remembered in a folder that cannot be written (of an image, of root, on a full
        disk); the whole gate then runs at every start.
        """
        path = self.path(key, name).with_suffix(".json")
        try:
            if not self.writable:
                raise EngineCacheError(f"{self.folder} cannot be written")
            with cache_errors(self.folder), self._locked(key, timeout=60.0, waiting=None):
                manifest = Manifest.from_json(path)
                checks = {**manifest.checks, machine: dict(check)}
                write_atomically(path, replace(manifest, checks=checks).to_json())
        except EngineCacheError as error:
            log.warning("%s: %s is compared with PyTorch at every start", error, name)

    def entries(self) -> list[Entry]:
        """Every engine and manifest in the folder, each read and verified."""
        stems = {p.with_suffix("") for p in self.folder.glob("*.engine")}
        stems |= {p.with_suffix("") for p in self.folder.glob("*.json")}
        return [self._inspect(stem.with_name(stem.name + ".engine")) for stem in sorted(stems)]

    def _inspect(self, path: Path) -> Entry:
        manifest: Manifest | None = None
        try:
            manifest = Manifest.from_json(path.with_suffix(".json"))
            if self.path(manifest.key, manifest.name) != path:
                raise StaleEngineError(f"{path.name} has the manifest of another engine")
            _read_engine(path, manifest)
        except (StaleEngineError, UntrustedFileError) as error:
            return Entry(path, manifest, str(error))
        return Entry(path, manifest)

    def prune(self, keep: Callable[[Manifest], bool]) -> list[Path]:
        """Delete engines that are not good or not to be kept, and what killed builders left.

        An engine that another process is building is left alone.

        Raises:
            EngineCacheError: One cannot be deleted.
        """
        with cache_errors(self.folder):
            return self._prune(keep)

    def _prune(self, keep: Callable[[Manifest], bool]) -> list[Path]:
        deleted: list[Path] = []
        for entry in self.entries():
            if not entry.problem and entry.manifest is not None and keep(entry.manifest):
                continue
            digest = entry.path.stem.rsplit("-", 1)[-1]
            with self._try_lock(digest) as mine:
                if mine:
                    files = [entry.path, entry.path.with_suffix(".json")]
                    deleted += _delete([*files, *self._leftovers(entry.path)])
        there = {path.stem.rsplit("-", 1)[-1] for path in self.folder.glob("*.engine")}
        kernels = [f for f in self.folder.glob("kernels/*") if f.name.split("-")[0] not in there]
        # Temporary files of builders that are alive are minutes old at most: fsync, then rename.
        old = [
            f for f in (*self.folder.glob(".*.tmp"), *self.folder.glob("*/.*.tmp"))
            if time.time() - f.stat().st_mtime > _LEFT_BEHIND_S
        ]  # fmt: skip
        return deleted + _delete([*kernels, *old])

    def _leftovers(self, path: Path) -> list[Path]:
        return list(self.folder.glob(f".{path.stem}.*.tmp"))

    @contextmanager
    def _locked(
        self, key: EngineKey, timeout: float, waiting: Callable[[float], None] | None
    ) -> Iterator[None]:
        """Hold a key's lock. The kernel releases that of a killed process: none can go stale."""
        started = time.monotonic()
        while True:
            with self._try_lock(key.digest()[:16]) as mine:
                if mine:
                    yield
                    return
            waited = time.monotonic() - started
            if waited > timeout:
                raise ModelLoadError(
                    f"another process has been building this engine for {waited:.0f} s "
                    f"(lock in {self.folder / 'locks'}): wait for it, or end it"
                )
            if waiting is not None:
                waiting(waited)
            time.sleep(0.1)

    @contextmanager
    def _try_lock(self, digest: str) -> Iterator[bool]:
        path = self._sub("locks") / f"{digest}.lock"
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(handle)


def _read_engine(path: Path, manifest: Manifest) -> bytes:
    if not manifest.sha256:
        return b""
    try:
        engine = read_trusted(path)
    except FileNotFoundError as error:
        raise StaleEngineError(f"the engine {path} is gone") from error
    if len(engine) != manifest.size:
        raise StaleEngineError(f"{path} is truncated: {len(engine)} of {manifest.size} bytes")
    if hashlib.sha256(engine).hexdigest() != manifest.sha256:
        raise StaleEngineError(f"{path} is not the engine that was built (SHA-256 differs)")
    return engine


def _delete(files: list[Path]) -> list[Path]:
    found = [file for file in files if file.exists() or file.is_symlink()]
    for file in found:
        file.unlink()
    return found
