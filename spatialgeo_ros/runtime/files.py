# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files that are run or trusted later: written whole or not at all, read from their owner only."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.runtime.input_files import check_regular


class UntrustedFileError(ModelLoadError):
    """A file or folder could have been changed by another user of this machine."""


def write_atomically(path: Path, content: bytes | memoryview) -> None:
    """Write a file with its whole content or not at all; see :func:`atomic_stream`."""
    with atomic_stream(path) as stream:
        stream.write(content)


@contextlib.contextmanager
def atomic_stream(path: Path) -> Iterator[IO[bytes]]:
    """Write a file that is there with its whole content or not at all, also after a power cut.

    The file belongs to the user and nobody else may write it. It is not there where the body of
    the ``with`` raises. A writer that is killed leaves ``.<name>.<random>.tmp`` behind, which
    nothing reads.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_json_atomically(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON as :func:`write_atomically` does, making the folder where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, (json.dumps(content, indent=2) + "\n").encode())


def check_owner(status: os.stat_result, path: Path) -> None:
    """Refuse what somebody else could have written.

    Raises:
        UntrustedFileError: Names the path and the cure.
    """
    if status.st_uid not in (os.geteuid(), 0):
        raise UntrustedFileError(
            f"{path} belongs to another user (uid {status.st_uid}): delete it, or take it over "
            "with chown if you trust its content"
        )
    shared = stat.S_IWOTH if stat.S_ISDIR(status.st_mode) else stat.S_IWOTH | stat.S_IWGRP
    if status.st_mode & shared:
        raise UntrustedFileError(
            f"{path} can be written by other users: delete it, or `chmod go-w '{path}'` if you "
            "trust its content"
        )


def read_trusted(path: Path) -> bytes:
    """Read a file that only this user (or root) can have written.

    The check is on the opened file, so that it cannot be exchanged in between.

    Raises:
        UntrustedFileError: Another user owns it or may write it, or it is a link or no file.
        FileNotFoundError: There is none.
    """
    with _trusted(path) as stream:
        return stream.read()


def check_trusted(path: Path) -> None:
    """Check that only this user (or root) can have written a file, which others then open by name.

    That is as good as :func:`read_trusted` in a folder that nobody else may write.

    Raises:
        UntrustedFileError: As of :func:`read_trusted`.
        FileNotFoundError: There is none.
    """
    with _trusted(path):
        pass


@contextlib.contextmanager
def _trusted(path: Path) -> Iterator[IO[bytes]]:
    try:
        # Opening a pipe would wait for its writer.
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UntrustedFileError(f"{path} cannot be read: {error.strerror}") from error
    with os.fdopen(handle, "rb") as stream:
        status = os.fstat(stream.fileno())
        check_regular(status, path, UntrustedFileError)
        check_owner(status, path)
        yield stream
