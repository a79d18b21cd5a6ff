# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reads a profile's YAML so that every mistake names the file and the key."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.files.sources import Checkpoint, HubFile, WeightFile
from spatialgeo_ros.models.profile_source import GROUNDING_FOLDER, PROFILE_FOLDER
from spatialgeo_ros.runtime.resources import find_resource

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
_REVISION = re.compile(r"[\w./-]+")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
#: Largest number in a profile: above every vocabulary, below what takes all memory.
MOST_NUMBER = 1_000_000


class Section:
    """A mapping of the YAML file whose reads fail with the key's full name and are ticked off."""

    def __init__(self, path: Path, name: str, content: Any) -> None:
        if not isinstance(content, dict):
            raise ModelLoadError(f"{path}: '{name or 'the file'}' must be a mapping")
        self.path, self.name, self.content = path, name, content
        self.unread = set(content)

    def _label(self, key: str) -> str:
        return f"{self.path}: '{self.name}.{key}'" if self.name else f"{self.path}: '{key}'"

    def get(self, key: str, kind: type, default: Any = None) -> Any:
        """Read a value of one type; without a default it must be there."""
        self.unread.discard(key)
        value = self.content.get(key, default)
        if value is None:
            raise ModelLoadError(f"{self._label(key)} is missing")
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise ModelLoadError(
                f"{self._label(key)} must be a {kind.__name__}, not {type(value).__name__}"
            )
        if isinstance(value, float) and not math.isfinite(value):
            raise ModelLoadError(f"{self._label(key)} must be finite")
        return value

    def positive(self, key: str, kind: type, default: Any = None, most: float = MOST_NUMBER) -> Any:
        """Read a number above 0 and up to ``most``."""
        value = self.get(key, kind, default)
        if value <= 0:
            raise ModelLoadError(f"{self._label(key)} must be positive, not {value}")
        if value > most:
            raise ModelLoadError(f"{self._label(key)} must be at most {most:g}, not {value:g}")
        return value

    def between(self, key: str, least: float, most: float, default: float) -> float:
        """Read a number from a range, its ends included."""
        value: float = self.get(key, float, default)
        if not least <= value <= most:
            raise ModelLoadError(
                f"{self._label(key)} must be from {least:g} to {most:g}, not {value:g}"
            )
        return value

    def has(self, key: str) -> bool:
        """Tell whether a key is there at all."""
        return self.content.get(key) is not None

    def choice(self, key: str, choices: Sequence[str], default: str | None = None) -> str:
        """Read one of several words."""
        value: str = self.get(key, str, default)
        if value not in choices:
            raise ModelLoadError(
                f"{self._label(key)} must be one of {', '.join(choices)}, not '{value}'"
            )
        return value

    def words(self, key: str) -> tuple[str, ...]:
        """Read a list of words; none by default."""
        value = self.get(key, list, [])
        if not all(isinstance(word, str) and word for word in value):
            raise ModelLoadError(f"{self._label(key)} must be a list of words")
        return tuple(value)

    def section(self, key: str) -> Section | None:
        """Go down into a mapping; None where there is none."""
        self.unread.discard(key)
        if self.content.get(key) is None:
            return None
        return Section(self.path, f"{self.name}.{key}" if self.name else key, self.content[key])

    def preset(self, key: str, known: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """Read a mapping, or the name of one that is known."""
        self.unread.discard(key)
        value = self.content.get(key)
        if isinstance(value, dict):
            _check_sizes(value, self._label(key))
            return dict(value)
        if not isinstance(value, str) or value not in known:
            raise ModelLoadError(
                f"{self._label(key)} must be a mapping or one of {', '.join(known)}, not "
                f"{value!r:.80}"
            )
        return dict(known[value])

    def file(self, key: str) -> Path:
        """Beside the profile first, then among the shipped files; need not exist yet."""
        try:
            name = Path(self.get(key, str)).expanduser()
        except RuntimeError as error:  # of a user that does not exist
            raise ModelLoadError(f"{self._label(key)}: {error}") from error
        if name.is_absolute():
            return name
        beside = self.path.parent / name
        if beside.exists():
            return beside
        try:
            return find_resource(str(name))
        except ModelLoadError:
            # Loading it will say that it does not exist; reading a profile must not fail for it.
            return self.path.parents[2] / name if self._shipped else beside

    def sha256(self, key: str) -> str:
        """Read a hash; "" where none is stated."""
        value: str = self.get(key, str, "")
        if value and not _SHA256.fullmatch(value):
            raise ModelLoadError(f"{self._label(key)} must be 64 hexadecimal digits")
        return value

    def weights(self, key: str = "weights", hash_key: str = "sha256") -> WeightFile:
        """Read a weight file and its hash: a path, or repo, revision and file of the Hub."""
        if not isinstance(self.content.get(key), dict):
            return WeightFile(self.file(key), self.sha256(hash_key), None, self.profile)
        section = self.section(key)
        assert section is not None
        repo, revision = section._repository()
        hub = HubFile(repo, revision, section._name("file"))
        section.finish()
        return WeightFile(hub.locate(), self.sha256(hash_key), hub, self.profile)

    def checkpoint(self, key: str) -> Checkpoint | None:
        """Read a folder of files: a local path, or repo, revision and files of the Hub."""
        section = self.section(key)
        if section is None:
            return None
        patterns = section.words("files")
        if not patterns:
            raise ModelLoadError(f"{section._label('files')} must name at least one file")
        hashes = section.section("sha256")
        known = {} if hashes is None else {str(k): hashes.sha256(k) for k in hashes.content}
        if "path" in section.content:
            folder = section.file("path")
            found = Checkpoint(
                folder, patterns=patterns, sha256=known, optional=section.words("optional"),
                profile=self.profile,
            )  # fmt: skip
        else:
            repo, revision = section._repository()
            found = Checkpoint(
                None, repo, revision, patterns, known,
                section.words("optional"), section.words("archive"), self.profile,
            )  # fmt: skip
        section.finish()
        return found

    def required(self, key: str) -> Checkpoint:
        """Read a folder of files that must be stated; see :meth:`checkpoint`."""
        found = self.checkpoint(key)
        if found is None:
            raise ModelLoadError(f"{self._label(key)} is missing")
        return found

    @property
    def profile(self) -> str:
        """What ``spatialgeo models`` and every launch argument call this profile."""
        return self.path.stem if self._shipped else str(self.path)

    @property
    def _shipped(self) -> bool:
        return self.path.parent.as_posix().endswith((PROFILE_FOLDER, GROUNDING_FOLDER))

    def _repository(self) -> tuple[str, str]:
        """Repository and revision."""
        repo: str = self.get("repo", str)
        if not _REPOSITORY.fullmatch(repo):
            raise ModelLoadError(f"{self._label('repo')} must be owner/name, not '{repo}'")
        revision: str = self.get("revision", str)
        if not _REVISION.fullmatch(revision) or ".." in revision:
            raise ModelLoadError(f"{self._label('revision')} must be a commit, tag or branch")
        return repo, revision

    def _name(self, key: str) -> str:
        """Name of a file inside a repository."""
        name: str = self.get(key, str)
        if not name or name.startswith("/") or ".." in Path(name).parts:
            raise ModelLoadError(f"{self._label(key)} must be a path inside the repository")
        return name

    def finish(self) -> None:
        """Refuse settings that nothing has read: a typing error must not pass silently."""
        if self.unread:
            name = sorted(map(str, self.unread))[0]
            raise ModelLoadError(f"{self._label(name):.300} is not a known setting")


def _check_sizes(value: Any, label: str) -> None:
    """Refuse numbers in a network's configuration that no network has.

    Raises:
        ModelLoadError: Names the mapping and the number.
    """
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            _check_sizes(inner, label)
    elif isinstance(value, int | float) and not abs(value) <= MOST_NUMBER:
        raise ModelLoadError(f"{label} has the number {value:g}, which no network has")
