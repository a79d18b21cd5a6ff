# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reads a profile's YAML so that every mistake names the file and the key."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.runtime.resources import find_resource

PROFILE_FOLDER = "config/models"


@dataclass(frozen=True)
class WeightFile:
    """One file of weights.

    Attributes:
        path: As found on this machine.
        sha256: Expected hash, "" where the profile states none.
    """

    path: Path
    sha256: str = ""


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

    def positive(self, key: str, kind: type, default: Any = None) -> Any:
        """Read a number above 0."""
        value = self.get(key, kind, default)
        if value <= 0:
            raise ModelLoadError(f"{self._label(key)} must be positive, not {value}")
        return value

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
            return dict(value)
        if not isinstance(value, str) or value not in known:
            raise ModelLoadError(
                f"{self._label(key)} must be a mapping or one of {', '.join(known)}, not {value!r}"
            )
        return dict(known[value])

    def file(self, key: str) -> Path:
        """Beside the profile first, then among the shipped files; need not exist yet."""
        name = Path(self.get(key, str)).expanduser()
        if name.is_absolute():
            return name
        beside = self.path.parent / name
        if beside.exists():
            return beside
        try:
            return find_resource(str(name))
        except ModelLoadError:
            # Loading it will say that it does not exist; reading a profile must not fail for it.
            shipped = self.path.parent.as_posix().endswith(PROFILE_FOLDER)
            return self.path.parents[2] / name if shipped else beside

    def weights(self, key: str = "weights", hash_key: str = "sha256") -> WeightFile:
        """Read a weight file and its hash."""
        return WeightFile(self.file(key), self.get(hash_key, str, ""))

    def finish(self) -> None:
        """Refuse settings that nothing has read: a typing error must not pass silently."""
        if self.unread:
            raise ModelLoadError(f"{self._label(sorted(self.unread)[0])} is not a known setting")
