# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files that grow while a recording is worked through, and go on after a kill at a known place."""

from __future__ import annotations

import csv
import errno
import io
import json
import math
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

_LENGTH = struct.Struct("<I")


class GrowingFile:
    """A file that is appended to.

    Args:
        path: of the file.
        offset: bytes of it that count; what is beyond, a killed run wrote after its state was
            saved, and is cut off.

    Raises:
        OSError: it cannot be written, or is shorter than that.
    """

    def __init__(self, path: Path, offset: int = 0) -> None:
        self.path = path
        self._stream = open(path, "r+b" if offset else "wb")
        self._stream.seek(0, os.SEEK_END)
        if self._stream.tell() < offset:
            self._stream.close()
            raise OSError(
                errno.EIO,
                f"is shorter than the saved state says ({offset} bytes): begin anew with --again",
                str(path),
            )
        self._stream.truncate(offset)
        self._stream.seek(offset)

    def write(self, content: bytes) -> None:
        """Append bytes."""
        self._stream.write(content)

    def sync(self) -> int:
        """Have everything on the disk; return how many bytes that are."""
        self._stream.flush()
        os.fsync(self._stream.fileno())
        return self._stream.tell()

    def close(self) -> None:
        """Close it."""
        self._stream.close()


class GrowingTable(GrowingFile):
    """A CSV file whose first line names the columns.

    Args:
        path: of the file.
        columns: their names.
        offset: as of :class:`GrowingFile`; 0 begins anew, with the first line.
    """

    def __init__(self, path: Path, columns: Sequence[str], offset: int = 0) -> None:
        super().__init__(path, offset)
        self._columns = tuple(columns)
        if not offset:
            self.write(csv_line(self._columns))

    def add(self, row: Mapping[str, Any]) -> None:
        """Append a row; what is not finite stays empty."""
        self.write(csv_line([row[name] for name in self._columns]))


class PictureSpool(GrowingFile):
    """Pictures as JPEG, one after the other, until they become a video.

    A video file cannot be gone on with after a kill; this can.
    """

    def add(self, jpeg: bytes) -> None:
        """Append a picture."""
        self.write(_LENGTH.pack(len(jpeg)))
        self.write(jpeg)


def read_spool(path: Path) -> Iterator[bytes]:
    """Yield the pictures of a spool."""
    with open(path, "rb") as stream:
        while len(head := stream.read(_LENGTH.size)) == _LENGTH.size:
            yield stream.read(_LENGTH.unpack(head)[0])


def csv_line(values: Sequence[Any]) -> bytes:
    """Return one line of CSV; floats with nine digits, what is None or not finite empty."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow([_cell(value) for value in values])
    return buffer.getvalue().encode()


def json_line(row: Mapping[str, Any]) -> bytes:
    """Return one line of JSON; what is not finite must be None already."""
    return (json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n").encode()


def seconds_text(stamp_ns: int) -> str:
    """Nanoseconds as seconds, exactly: a float of today's time is off by 100 ns."""
    sign, whole = ("-", -stamp_ns) if stamp_ns < 0 else ("", stamp_ns)
    return f"{sign}{whole // 1_000_000_000}.{whole % 1_000_000_000:09d}"


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.9g}" if math.isfinite(value) else ""
    return "" if value is None else value
