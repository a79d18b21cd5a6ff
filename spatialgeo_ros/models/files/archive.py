# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Takes named files out of a zip or tar archive, without trusting the archive.

Weights hardly shrink, so what an archive inflates to is bounded by its own size, over everything
in it: a megabyte of zeros can claim to be a terabyte of weights.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO, cast

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.runtime.input_files import check_regular

_Opener = Callable[[], IO[bytes] | None]

#: What an archive may hold: so many times its own size, and so many bytes more for texts and
#: tables, which do shrink. Float weights shrink to 0.9, quantised tables to 0.2 at most.
MOST_TIMES_INFLATED = 20
MOST_MORE_BYTES = 64 << 20
#: What the readers of formats take at once; a header that asks for more is made up.
_LONGEST_READ = 16 << 20
_MOST_MEMBERS = 10_000
_PACKED = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ\0", lzma.open))


def most_inflated(path: Path) -> int:
    """Bytes that a packed file may hold."""
    return path.stat().st_size * MOST_TIMES_INFLATED + MOST_MORE_BYTES


def extract(
    archive: Path, patterns: Sequence[str], optional: Sequence[str], folder: Path
) -> list[str]:
    """Write those files of an archive that match, each atomically, and nothing else of it.

    The archive may hold the files in a folder of any name, which is kept. Only regular files are
    read, and only their content: links, devices, owners and modes are ignored, and a name that
    would lie outside ``folder`` is refused.

    Args:
        archive: ``.zip``, ``.tar`` or compressed tar.
        patterns: Names or patterns within that folder; each must match.
        optional: More that are taken where they match.
        folder: To write to.

    Returns:
        Names of the written files, relative to ``folder``.

    Raises:
        ModelLoadError: The archive is damaged, unsafe, of another kind, inflates to more than
            :func:`most_inflated`, or lacks a file.
    """
    try:
        with _opened(archive) as members:
            inner = _inner_folder(members, patterns)
            if inner is None:
                listed = ", ".join(sorted(members)[:8]) or "nothing"
                raise ModelLoadError(
                    f"{archive} does not hold {', '.join(patterns)} in one folder; it has {listed}"
                )
            written = []
            for name, opener in sorted(members.items()):
                relative = _relative(name, inner)
                if relative and _matches(relative, (*patterns, *optional)):
                    _write(opener, folder / name)
                    written.append(name)
            return written
    except (
        zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError,
        NotImplementedError, RuntimeError, ValueError,
    ) as error:  # fmt: skip
        raise ModelLoadError(
            f"{archive} cannot be unpacked ({error}); delete it and download it again"
        ) from error


def check_zip(path: Path) -> None:
    """Refuse a zip that inflates to more than :func:`most_inflated`; what is no zip is let through.

    PyTorch's files are zips. Its own are not compressed at all, but its reader inflates any.

    Raises:
        ModelLoadError: Names the sizes.
    """
    try:
        with zipfile.ZipFile(path) as pack:
            size = sum(info.file_size for info in pack.infolist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError):
        return
    _check_inflated(path, size, most_inflated(path))


@contextmanager
def _opened(archive: Path) -> Iterator[Mapping[str, _Opener]]:
    """Regular files of an archive by their checked name, each with a function that opens it."""
    check_regular(archive.stat(), archive, ModelLoadError)
    most = most_inflated(archive)
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as pack:
            # No member gives more than it declares: zipfile stops reading there.
            _check_inflated(archive, sum(info.file_size for info in pack.infolist()), most)
            yield {
                _safe(archive, info.filename): lambda info=info: pack.open(info)  # type: ignore[misc]
                for info in pack.infolist()
                if not info.is_dir() and not stat.S_ISLNK(info.external_attr >> 16)
            }
        return
    with _unpacked(archive) as stream:
        try:
            tape = tarfile.open(fileobj=cast(IO[bytes], _Bounded(stream, archive, most)), mode="r:")
        except tarfile.ReadError as error:
            raise ModelLoadError(
                f"{archive} is neither zip nor tar: unpack it by hand into {archive.parent}"
            ) from error
        with tape:
            members = list(islice((info for info in tape if info.isreg()), _MOST_MEMBERS + 1))
            if len(members) > _MOST_MEMBERS:
                raise ModelLoadError(f"{archive} holds more than {_MOST_MEMBERS} files")
            # Sparse files declare more than is stored.
            _check_inflated(archive, sum(info.size for info in members), most)
            yield {
                _safe(archive, info.name): lambda info=info: tape.extractfile(info)  # type: ignore[misc]
                for info in members
            }


def _check_inflated(archive: Path, size: int, most: int) -> None:
    """Refuse an archive that holds too much.

    Raises:
        ModelLoadError: Names the sizes.
    """
    if size > most:
        raise ModelLoadError(
            f"{archive} would inflate to more than {most / 1e6:.0f} MB, {MOST_TIMES_INFLATED} "
            f"times its own size and {MOST_MORE_BYTES >> 20} MiB: weights do not, so it is none of "
            "them; delete it"
        )


@contextmanager
def _unpacked(archive: Path) -> Iterator[IO[bytes]]:
    """The bytes of a tar file, through the decompressor that its first bytes ask for."""
    with archive.open("rb") as raw:
        head = raw.read(6)
        opener = next((one for magic, one in _PACKED if head.startswith(magic)), None)
        raw.seek(0)
        if opener is None:
            yield raw
        else:
            with opener(raw) as stream:
                yield cast(IO[bytes], stream)


class _Bounded:
    """A stream that may be read and skipped through up to a position, a piece at a time.

    tarfile reads what a header says in one go, and skips members by decompressing them.
    """

    def __init__(self, stream: IO[bytes], archive: Path, most: int) -> None:
        self._stream, self._archive, self._most = stream, archive, most

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _LONGEST_READ:
            raise tarfile.ReadError(f"a header of {size} bytes")
        _check_inflated(self._archive, self._stream.tell(), self._most)
        return self._stream.read(size)

    def seek(self, position: int) -> int:
        _check_inflated(self._archive, position, self._most)
        return self._stream.seek(position)

    def tell(self) -> int:
        return self._stream.tell()


def _safe(archive: Path, name: str) -> str:
    """Normal form of a member's name.

    Raises:
        ModelLoadError: The name leads out of the folder.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in name or "\0" in name:
        raise ModelLoadError(f"{archive} is not safe: it holds a file called '{name}'")
    return str(path)


def _inner_folder(members: Mapping[str, _Opener], patterns: Sequence[str]) -> str | None:
    folders = {str(parent) for name in members for parent in PurePosixPath(name).parents}
    for folder in sorted(folders, key=lambda name: (name.count("/"), name)):
        names = [relative for name in members if (relative := _relative(name, folder))]
        if all(any(fnmatchcase(name, pattern) for name in names) for pattern in patterns):
            return folder
    return None


def _relative(name: str, folder: str) -> str:
    """Name within a folder, "" for what lies elsewhere."""
    if folder == ".":
        return name
    return name.removeprefix(f"{folder}/") if name.startswith(f"{folder}/") else ""


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _write(opener: _Opener, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    source = opener()
    if source is None:
        raise ModelLoadError(f"'{path.name}' in the archive is no file")
    try:
        with source, partial.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
