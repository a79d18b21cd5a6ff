# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Brings a profile's files onto this machine, and checks those that are there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Protocol

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.files.archive import extract
from spatialgeo_ros.models.files.remote import Listing, fetch, list_repository
from spatialgeo_ros.models.files.sources import Checkpoint, WeightFile
from spatialgeo_ros.models.files.store import (
    Lock,
    LockedFile,
    cached_snapshot,
    hash_of,
    keep_hash,
    read_lock,
    repository_folder,
)

log = logging.getLogger(__name__)


class ProfileFiles(Protocol):
    """What a model profile and a grounding profile say of their files."""

    @property
    def files(self) -> tuple[WeightFile, ...]:
        """Every single file of weights."""

    @property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Every folder of files."""


@dataclass(frozen=True)
class Finding:
    """What is known of one file after reading all of it.

    Attributes:
        name: Path, or the pattern that no file matches.
        state: "ok", "unverified" (there, but no hash is known), "missing", "truncated" or
            "altered".
        detail: For people.
    """

    name: str
    state: str
    detail: str = ""

    @property
    def good(self) -> bool:
        """Whether the file can be used."""
        return self.state in ("ok", "unverified")


def verify(profile: ProfileFiles) -> Iterator[Finding]:
    """Read every file of a profile and compare it with the hash that is known of it."""
    return verify_within(profile, None)


def verify_within(profile: ProfileFiles, most_bytes: int | None) -> Iterator[Finding]:
    """Do so for the first files up to a number of bytes; of the others sizes are compared.

    Args:
        profile: Whose files they are.
        most_bytes: That are read; None for all.
    """
    left = [most_bytes]
    for file in profile.files:
        hub = file.hub
        size = _locked_size(hub.repo, hub.revision, file.expected) if hub is not None else None
        yield _finding(file.path, file.expected, size, left)
    for checkpoint in profile.checkpoints:
        for pattern in checkpoint.missing():
            yield Finding(f"{checkpoint.name}/{pattern}", "missing")
        for path, expected in checkpoint.files():
            size = _locked_size(checkpoint.hub_repo, checkpoint.revision, expected)
            yield _finding(path, expected, size, left)


def _finding(path: Path, expected: str, size: int | None, left: list[int | None]) -> Finding:
    """Judge one file; ``left`` holds the bytes that may still be read, and is reduced."""
    if not path.is_file():
        return Finding(str(path), "missing")
    actual = path.stat().st_size
    if size is not None and actual < size:
        return Finding(str(path), "truncated", f"{actual} of {size} bytes")
    if left[0] is not None:
        left[0] -= actual
        if left[0] < 0:
            return Finding(str(path), "unverified", f"{actual / 1e6:.1f} MB, not read")
    digest = hash_of(path, fresh=True)
    if not expected:
        return Finding(str(path), "unverified", f"sha256 {digest}, nothing to compare it with")
    if digest != expected.lower():
        return Finding(str(path), "altered", f"sha256 {digest[:12]}…, expected {expected[:12]}…")
    return Finding(str(path), "ok", f"{actual / 1e6:.1f} MB")


def _locked_size(repo: str, revision: str, sha256: str) -> int | None:
    """Size of the file that was downloaded with this hash, None where none is recorded."""
    lock = read_lock(repo, revision) if repo and sha256 else None
    if lock is None:
        return None
    return next((f.size for f in lock.files.values() if f.sha256 == sha256), None)


def download(profile: ProfileFiles, *, update: bool = False, say: Callable[[str], None]) -> None:
    """Download what is missing or damaged, and record commit and hashes of what has arrived.

    Args:
        profile: Whose files are wanted.
        update: Ask what the revision means today, where an earlier download recorded it.
        say: Gets a line about each file.

    Raises:
        ModelLoadError: Names the file, and what to do.
    """
    for file in profile.files:
        if file.hub is None:
            if not file.path.is_file():
                raise ModelLoadError(
                    f"{file.path} is missing and has no source to download it from: correct its "
                    "path in the profile, or train it"
                )
            continue
        if not update and _is_good(file.path, file.expected, known=bool(file.expected)):
            say(f"{file.path}: there already")
            continue
        with _Repository(file.hub.repo, file.hub.revision, update, say) as repository:
            repository.get(file.hub.file, file.sha256)
    for checkpoint in profile.checkpoints:
        _download_checkpoint(checkpoint, update, say)


def _download_checkpoint(checkpoint: Checkpoint, update: bool, say: Callable[[str], None]) -> None:
    if not checkpoint.hub_repo:
        checkpoint.folder()
        return
    known = read_lock(checkpoint.hub_repo, checkpoint.revision) is not None
    if (
        not update
        and not checkpoint.missing()
        and all(_is_good(path, expected, known=known) for path, expected in checkpoint.files())
    ):
        say(f"{checkpoint.name}: there already")
        return
    with _Repository(checkpoint.hub_repo, checkpoint.revision, update, say) as repository:
        names = list(repository.listing.files)
        lacking = [p for p in checkpoint.patterns if not any(fnmatchcase(n, p) for n in names)]
        if not lacking:
            wanted = (*checkpoint.patterns, *checkpoint.optional)
            for name in names:
                if any(fnmatchcase(name, pattern) for pattern in wanted):
                    repository.get(name, checkpoint.sha256.get(name, ""))
            return
        archives = [n for n in names if any(fnmatchcase(n, p) for p in checkpoint.archive)]
        if not archives:
            raise ModelLoadError(
                f"{checkpoint.name} has no {', '.join(lacking)} at {checkpoint.revision}, but "
                f"{', '.join(sorted(names)[:8])}: name the right files in the profile"
            )
        for name in archives:
            repository.unpack(name, checkpoint)


def _is_good(path: Path, expected: str, known: bool) -> bool:
    """Whether a file needs no download: it has its hash, or none is known of any like it."""
    if not path.is_file() or (known and not expected):
        return False
    return not expected or hash_of(path) == expected.lower()


class _Repository:
    """One repository while files of it are fetched; its lock is written as they arrive."""

    def __init__(self, repo: str, revision: str, update: bool, say: Callable[[str], None]) -> None:
        self.say = say
        self.folder = repository_folder(repo)
        lock = None if update else read_lock(repo, revision)
        self.listing: Listing = list_repository(repo, lock.commit if lock else revision)
        kept: Mapping[str, LockedFile] = lock.files if lock else {}
        self.lock = Lock(repo, revision, self.listing.commit, kept)
        self.snapshot = cached_snapshot(repo, self.listing.commit)

    def __enter__(self) -> _Repository:
        return self

    def __exit__(self, *_: object) -> None:
        if self.lock.files:
            self.lock.write()

    def get(self, name: str, expected: str) -> Path:
        """Have one file on this machine, with the content that both Hub and profile state."""
        file = self.listing.files.get(name)
        if file is None:
            raise ModelLoadError(
                f"{self.lock.repo} has no file '{name}' at {self.lock.revision}; it has "
                f"{', '.join(sorted(self.listing.files)[:8])}"
            )
        if expected and file.sha256 and file.sha256 != expected.lower():
            raise ModelLoadError(
                f"'{name}' of {self.lock.repo} is not the file this profile expects (sha256 "
                f"{file.sha256[:12]}…, expected {expected[:12]}…); nothing was downloaded. If the "
                "new file is wanted, change revision and sha256 in the profile"
            )
        places = [self.folder] if self.snapshot is None else [self.folder, self.snapshot]
        path = next((f / name for f in places if file.is_copy(f / name)), None)
        if path is None:
            self.say(f"{self.lock.repo}/{name}: {file.size / 1e6:.1f} MB")
            path = fetch(self.listing, name, self.folder)
        else:
            self.say(f"{path}: there already")
        digest = file.sha256 or hash_of(path)
        keep_hash(path, digest)
        if expected and digest != expected.lower():
            path.unlink()
            raise ModelLoadError(
                f"'{name}' of {self.lock.repo} is not the file this profile expects (sha256 "
                f"{digest[:12]}…, expected {expected[:12]}…); it was removed"
            )
        self._record(name, path, digest)
        return path

    def unpack(self, name: str, checkpoint: Checkpoint) -> None:
        """Fetch an archive, take the checkpoint's files out of it, and remove it again."""
        archive = self.get(name, checkpoint.sha256.get(name, ""))
        self.say(f"unpacking {name}")
        for member in extract(archive, checkpoint.patterns, checkpoint.optional, self.folder):
            path = self.folder / member
            self._record(member, path, hash_of(path))
        if self.folder in archive.parents:  # not where it lies in the Hugging Face cache
            archive.unlink()

    def _record(self, name: str, path: Path, sha256: str) -> None:
        files = {**self.lock.files, name: LockedFile(path.stat().st_size, sha256)}
        self.lock = replace(self.lock, files=files)
        log.info("recorded %s of %s", name, self.lock.repo)
