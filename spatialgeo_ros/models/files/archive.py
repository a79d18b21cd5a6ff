# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Takes named files out of a zip or tar archive, without trusting the archive."""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import IO

from spatialgeo_ros.errors import ModelLoadError

_Opener = Callable[[], IO[bytes] | None]


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
        ModelLoadError: The archive is damaged, unsafe, of another kind, or lacks a file.
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
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise ModelLoadError(
            f"{archive} cannot be unpacked ({error}); delete it and download it again"
        ) from error


@contextmanager
def _opened(archive: Path) -> Iterator[Mapping[str, _Opener]]:
    """Regular files of an archive by their checked name, each with a function that opens it."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as pack:
            yield {
                _safe(archive, info.filename): lambda info=info: pack.open(info)  # type: ignore[misc]
                for info in pack.infolist()
                if not info.is_dir() and not stat.S_ISLNK(info.external_attr >> 16)
            }
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as tape:
            yield {
                _safe(archive, info.name): lambda info=info: tape.extractfile(info)  # type: ignore[misc]
                for info in tape.getmembers()
                if info.isreg()
            }
    else:
        raise ModelLoadError(
            f"{archive} is neither zip nor tar: unpack it by hand into {archive.parent}"
        )


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
