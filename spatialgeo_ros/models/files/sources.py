# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where a profile's files come from, and finding them on this machine. Nothing is downloaded here.

A file of a Hugging Face repository is looked for in the store (``SPATIALGEO_MODELS``, layout
``<owner>--<name>/<file>``) and then in the Hugging Face cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.files.store import (
    cached_snapshot,
    hash_of,
    read_lock,
    repository_folder,
)

#: How far below a repository's folder an unpacked archive may put its files.
_DEPTH = 3


@dataclass(frozen=True)
class HubFile:
    """One file of a Hugging Face repository.

    Attributes:
        repo: ``owner/name``.
        revision: A commit, a tag or a branch.
        file: Name within the repository.
    """

    repo: str
    revision: str
    file: str

    def locate(self) -> Path:
        """Path on this machine; where it is missing, the path that a download would give it."""
        stored = repository_folder(self.repo) / self.file
        snapshot = None if stored.is_file() else cached_snapshot(self.repo, self.revision)
        if snapshot is not None and (snapshot / self.file).is_file():
            return snapshot / self.file
        return stored


@dataclass(frozen=True)
class WeightFile:
    """One file of weights.

    Attributes:
        path: As found on this machine, or where it would be.
        sha256: Expected hash, "" where the profile states none.
        hub: Where it can be downloaded from, None for a file that is only local.
        profile: What ``spatialgeo models download`` is to be called with.
    """

    path: Path
    sha256: str = ""
    hub: HubFile | None = None
    profile: str = ""

    @property
    def expected(self) -> str:
        """Hash that the file must have: the profile's, or that of its first download, or ""."""
        if self.sha256 or self.hub is None:
            return self.sha256
        return _locked(self.hub.repo, self.hub.revision).get(self.hub.file, "")

    def checked(self) -> Path:
        """Path of the file, which is there and has the expected hash.

        Raises:
            ModelLoadError: It is missing, or damaged, or another version.
        """
        if not self.path.is_file():
            raise ModelLoadError(f"weight file {self.path} does not exist; {_cure(self)}")
        _check(self.path, self.expected, _cure(self))
        return self.path


@dataclass(frozen=True)
class Checkpoint:
    """A folder of files that belong together, such as a language model in shards.

    Attributes:
        path: Of a local folder, None where it comes from the Hub.
        hub_repo: ``owner/name``, "" for a local folder.
        revision: A commit, a tag or a branch.
        patterns: Files it must have: names, or patterns of which at least one file must match.
        sha256: Expected hashes by file name, as far as they are known.
        optional: Files that are downloaded and verified too where the repository has them.
        archive: Patterns of an archive in the repository that holds the files; none where the
            files lie there themselves.
        profile: What ``spatialgeo models download`` is to be called with.
    """

    path: Path | None
    hub_repo: str = ""
    revision: str = "main"
    patterns: tuple[str, ...] = ()
    sha256: Mapping[str, str] = field(default_factory=dict)
    optional: tuple[str, ...] = ()
    archive: tuple[str, ...] = ()
    profile: str = ""

    @property
    def name(self) -> str:
        """For messages: the repository or the folder."""
        return self.hub_repo or str(self.path)

    def missing(self) -> list[str]:
        """Patterns that no file on this machine matches."""
        return self._best()[2]

    def found(self) -> Path | None:
        """The first folder that has every file, or None."""
        _, folder, missing = self._best()
        return None if missing else folder

    def files(self) -> list[tuple[Path, str]]:
        """The files that are there, each with the hash it must have ("" for an unknown one)."""
        root, folder, _ = self._best()
        locked = _locked(self.hub_repo, self.revision) if self.hub_repo else {}
        present = _present(folder)
        wanted = (*self.patterns, *self.optional)
        names = [n for p in wanted for n in present if fnmatchcase(n, p)]
        return [
            (
                folder / name,
                self.sha256.get(name, locked.get((folder / name).relative_to(root).as_posix(), "")),
            )
            for name in dict.fromkeys(names)
        ]

    def folder(self) -> Path:
        """The folder, which has every file, each with the hash that is known of it.

        Raises:
            ModelLoadError: Names what is missing or damaged, and the cure.
        """
        _, folder, missing = self._best()
        if missing:
            more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            raise ModelLoadError(
                f"{self.name} lacks {', '.join(missing[:3])}{more} on this machine; {_cure(self)}"
            )
        for path, expected in self.files():
            _check(path, expected, _cure(self))
        return folder

    def _best(self) -> tuple[Path, Path, list[str]]:
        """Root, folder below it with the most files, and the patterns that it lacks."""
        candidates = (
            (root, folder, _unmatched(folder, self.patterns)) for root, folder in self._folders()
        )
        return min(candidates, key=lambda candidate: len(candidate[2]))

    def _folders(self) -> Iterator[tuple[Path, Path]]:
        """Roots and folders below them that may hold the files, the likeliest first."""
        roots = [repository_folder(self.hub_repo)] if self.path is None else [self.path]
        if self.hub_repo:
            snapshot = cached_snapshot(self.hub_repo, self.revision)
            roots += [] if snapshot is None else [snapshot]
        for root in roots:
            yield root, root
            # Whoever packs an archive puts a folder of any name around the files.
            for level in range(1, _DEPTH + 1 if self.archive else 1):
                folders = sorted(p for p in root.glob("/".join("*" * level)) if p.is_dir())
                yield from ((root, folder) for folder in folders)


def _locked(repo: str, revision: str) -> dict[str, str]:
    lock = read_lock(repo, revision)
    return {} if lock is None else {name: file.sha256 for name, file in lock.files.items()}


def _present(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def _unmatched(folder: Path, patterns: tuple[str, ...]) -> list[str]:
    present = _present(folder)
    return [p for p in patterns if not any(fnmatchcase(name, p) for name in present)]


def _cure(source: WeightFile | Checkpoint) -> str:
    from_hub = source.hub is not None if isinstance(source, WeightFile) else bool(source.hub_repo)
    if from_hub:
        return f"run: spatialgeo models download {source.profile}"
    return "get it again, or correct its path in the profile"


def _check(path: Path, expected: str, cure: str) -> None:
    if not expected:
        return
    actual = hash_of(path)
    if actual != expected.lower():
        raise ModelLoadError(
            f"{path} is not the file this profile expects (sha256 {actual[:12]}…, expected "
            f"{expected[:12]}…): it is damaged or of another version; {cure}"
        )
