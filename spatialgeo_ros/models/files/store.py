# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where downloaded models lie on this machine, and what is known of their content.

One folder per repository (``<store>/<owner>--<name>/``), and one lock file per repository and
revision that says which commit was downloaded and what each file's hash is: where a profile states
no hash, the first download is trusted and every later load is compared with it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from huggingface_hub import constants

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.files.digest import sha256_of
from spatialgeo_ros.runtime.files import write_json_atomically
from spatialgeo_ros.runtime.input_files import read_json

log = logging.getLogger(__name__)

ENVIRONMENT_VARIABLE = "SPATIALGEO_MODELS"
#: Smaller files are hashed faster than a record of them is found.
_RECORDED_BYTES = 64 << 20


def store_folder() -> Path:
    """Folder of downloaded models: ``SPATIALGEO_MODELS``, or one in the user's data folder."""
    chosen = os.environ.get(ENVIRONMENT_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data).expanduser() / "spatialgeo_ros" / "models"


def repository_folder(repo: str) -> Path:
    """Folder of one repository ``owner/name`` in the store."""
    return store_folder() / repo.replace("/", "--")


@dataclass(frozen=True)
class LockedFile:
    """What was downloaded.

    Attributes:
        size: Bytes.
        sha256: Of the content.
    """

    size: int
    sha256: str


@dataclass(frozen=True)
class Lock:
    """State of one repository when it was downloaded.

    Attributes:
        repo: ``owner/name``.
        revision: As the profile asks for it: a commit, a tag or a branch.
        commit: That the revision meant then.
        files: By name within the repository.
    """

    repo: str
    revision: str
    commit: str
    files: Mapping[str, LockedFile] = field(default_factory=dict)

    def write(self) -> None:
        """Write the lock, atomically."""
        path = _lock_path(self.repo, self.revision)
        content = {
            "repo": self.repo,
            "revision": self.revision,
            "commit": self.commit,
            "files": {
                name: {"size": file.size, "sha256": file.sha256}
                for name, file in sorted(self.files.items())
            },
        }
        write_json_atomically(path, content)


def _lock_path(repo: str, revision: str) -> Path:
    name = f"{repo}@{revision}".replace("/", "--")
    return store_folder() / "locks" / f"{name}.json"


def read_lock(repo: str, revision: str) -> Lock | None:
    """Return what is recorded of a repository at a revision, or None where nothing is.

    Raises:
        ModelLoadError: The lock file is damaged.
    """
    path = _lock_path(repo, revision)
    if not path.is_file():
        return None
    content = read_json(path, ModelLoadError)
    try:
        files = {
            str(name): LockedFile(int(entry["size"]), str(entry["sha256"]))
            for name, entry in content["files"].items()
        }
        return Lock(repo, revision, str(content["commit"]), files)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelLoadError(
            f"lock file {path} is damaged ({error}); delete it and download the model again"
        ) from error


def cached_snapshot(repo: str, revision: str) -> Path | None:
    """Folder of a repository at a revision in the Hugging Face cache, or None.

    The layout is the cache's documented one: ``refs/<revision>`` names a commit and
    ``snapshots/<commit>`` holds its files.
    """
    folder = Path(constants.HF_HUB_CACHE) / f"models--{repo.replace('/', '--')}"
    commits = [revision]
    lock = read_lock(repo, revision)
    if lock is not None:
        commits.insert(0, lock.commit)
    reference = folder / "refs" / revision
    if reference.is_file():
        commits.append(reference.read_text().strip())
    for commit in commits:
        if (folder / "snapshots" / commit).is_dir():
            return folder / "snapshots" / commit
    return None


def hash_of(path: Path, *, fresh: bool = False) -> str:
    """SHA-256 of a file; that of a large one is kept until its size or time stamp changes.

    Args:
        path: Of the file.
        fresh: Read the file even so. Whoever changes a file and restores its time stamp is found
            by this alone.
    """
    if not fresh:
        known = _recorded(path)
        if known is not None:
            return known
        begun = _begun.get(_begun_key(path))
        if begun is not None:
            return begun.result()
    digest = sha256_of(path)
    keep_hash(path, digest)
    return digest


def hash_ahead(paths: Iterable[Path]) -> None:
    """Begin to hash the large files of which no hash is kept; :func:`hash_of` waits for them.

    Each in a thread of its own, which ends with the process: gigabytes are hashed while they are
    loaded, not before or after.
    """
    for path in paths:
        if not path.is_file() or path.stat().st_size < _RECORDED_BYTES:
            continue
        key = _begun_key(path)
        if key not in _begun and _recorded(path) is None:
            _begun[key] = Future()
            threading.Thread(
                target=_hash_into, args=(_begun[key], path), name="hash", daemon=True
            ).start()


#: Hashes of this process, by path, size and time stamp.
_begun: dict[str, Future[str]] = {}


def _begun_key(path: Path) -> str:
    return json.dumps(_state(path))


def _hash_into(future: Future[str], path: Path) -> None:
    try:
        digest = sha256_of(path)
        keep_hash(path, digest)
    except BaseException as error:  # whoever waits must not wait for ever
        future.set_exception(error)
    else:
        future.set_result(digest)


def _recorded(path: Path) -> str | None:
    """The hash that is kept of a file as it is now."""
    try:
        known = read_json(_record(path), ModelLoadError)
        if {**known, **_state(path)} == known:
            return str(known["sha256"])
    except (ModelLoadError, OSError, KeyError, TypeError):
        log.debug("no record of the hash of %s", path)
    return None


def keep_hash(path: Path, sha256: str) -> None:
    """Keep the hash of a large file, which was computed just now."""
    if path.stat().st_size < _RECORDED_BYTES:
        return
    try:
        write_json_atomically(_record(path), {**_state(path), "sha256": sha256})
    except OSError as error:  # for example a home folder that cannot be written to
        log.info("the hash of %s cannot be kept (%s): the next load computes it again", path, error)


def _state(path: Path) -> dict[str, Any]:
    status = path.stat()
    return {"path": str(path.resolve()), "size": status.st_size, "mtime_ns": status.st_mtime_ns}


def _record(path: Path) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    name = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:32]
    return cache / "spatialgeo_ros" / "hashes" / f"{name}.json"
