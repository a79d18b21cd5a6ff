# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Annotation files of any size: only where each entry lies is kept in memory.

LLaVA's data is one JSON array, Spatial-MLLM's JSON or a JSON object on each line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.errors import BadRequestError

_BLANK = " \t\r\n,"


class AnnotationFile(Sequence[dict[str, Any]]):
    """Entries of a file, each read when it is asked for.

    Args:
        path: a JSON array, or JSON lines.
        measure: a number of each entry that is kept, e.g. its length.

    Attributes:
        measures: ``[N]`` int64 what ``measure`` gave; empty without it.

    Raises:
        BadRequestError: the file cannot be read, or an entry of it is no JSON object.
    """

    def __init__(self, path: Path, measure: Callable[[dict[str, Any]], int] | None = None) -> None:
        self.path = path
        try:
            content = path.read_bytes()
        except OSError as error:
            raise BadRequestError(f"annotations {path} cannot be read: {error.strerror}") from error
        # In Latin-1 a letter is a byte, and what structures JSON is the same as in UTF-8.
        spans = _spans(content.decode("latin-1"), path)
        self._spans = np.array(spans, np.int64).reshape(-1, 2)
        self.measures: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        if measure is not None:
            found = []
            for number, (start, stop) in enumerate(spans):
                found.append(measure(_entry(content[start:stop], path, number)))
            self.measures = np.array(found, np.int64)
        if not len(self._spans):
            raise BadRequestError(f"annotations {path} hold no entry")

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._spans)

    def __getitem__(self, index: Any) -> Any:
        """Read one entry."""
        start, stop = (int(one) for one in self._spans[index])
        with self.path.open("rb") as stream:
            stream.seek(start)
            return _entry(stream.read(stop - start), self.path, int(index))


def _entry(text: bytes, path: Path, number: int) -> dict[str, Any]:
    try:
        entry = json.loads(text)
    except ValueError as error:
        raise BadRequestError(f"entry {number} of {path} is no JSON: {error}") from error
    if not isinstance(entry, dict):
        raise BadRequestError(f"entry {number} of {path} is no JSON object")
    return entry


def _spans(text: str, path: Path) -> list[tuple[int, int]]:
    """Where each entry begins and ends."""
    decoder = json.JSONDecoder()
    spans: list[tuple[int, int]] = []
    place = _skip(text, 0)
    array = text[place : place + 1] == "["
    place += array
    while True:
        place = _skip(text, place)
        if array and text[place : place + 1] == "]":
            return spans
        if place >= len(text):
            if array:
                raise BadRequestError(f"{path} breaks off: get it again")
            return spans
        try:
            _, stop = decoder.raw_decode(text, place)
        except ValueError as error:
            raise BadRequestError(
                f"{path} is neither a JSON array nor JSON lines: at byte {place}, {error}"
            ) from error
        spans.append((place, stop))
        place = stop


def _skip(text: str, place: int) -> int:
    while place < len(text) and text[place] in _BLANK:
        place += 1
    return place
