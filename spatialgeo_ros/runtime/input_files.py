# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files that somebody hands us: their kind and size are looked at before anything is read.

A path may lead to a pipe that never ends, to a device, or to gigabytes; YAML and JSON may nest
without end or repeat themselves a billion times. All of that ends in one sentence here, so that
no reader needs a rule of its own.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import yaml

from spatialgeo_ros.errors import SpatialGeoError

#: Configurations as JSON: some 20 bytes of memory per byte of file at worst.
MOST_JSON_BYTES = 8_000_000
#: Profiles, calibrations and metadata of bags; the largest of ours has 3 kB. PyYAML reads some
#: 100 kB a second. The file may hold many documents, of which one is read.
MOST_YAML_BYTES = 256_000
_MOST_DOCUMENTS_BYTES = 4_000_000
#: Values of a YAML document, those counted again that an alias repeats.
_MOST_YAML_VALUES = 20_000
_DEEPEST_YAML = 64
_LONGEST_YAML_NUMBER = 64
#: What PyYAML lets through where a scalar is not what its tag says: a day 99, ``!!int ""``.
_VALUE_ERRORS = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError)

_DOCUMENT_MARK = re.compile(r"^(?:---|\.\.\.)(?=\s|\Z)", re.MULTILINE)
#: Neither white space, nor a comment, nor a directive.
_CONTENT = re.compile(r"^[ \t]*[^\s#%]", re.MULTILINE)
_KINDS = (
    (stat.S_ISDIR, "a folder, not a file"),
    (stat.S_ISFIFO, "a pipe, not a file: write what comes out of it into a file first"),
    (stat.S_ISCHR, "a device, not a file"),
    (stat.S_ISBLK, "a device, not a file"),
    (stat.S_ISSOCK, "a socket, not a file"),
)


def check_regular(status: os.stat_result, path: Path, error: type[SpatialGeoError]) -> None:
    """Refuse what is no regular file.

    Raises:
        SpatialGeoError: of the type ``error``; says what it is.
    """
    if not stat.S_ISREG(status.st_mode):
        kind = next((words for test, words in _KINDS if test(status.st_mode)), "no regular file")
        raise error(f"{path} is {kind}")


@contextmanager
def open_input(
    path: str | Path, most_bytes: int, error: type[SpatialGeoError]
) -> Iterator[IO[bytes]]:
    """Open a regular file of bounded size for reading.

    Args:
        path: of the file; links are followed.
        most_bytes: largest size.
        error: raised for whatever keeps the file from being read, also within the context.

    Raises:
        SpatialGeoError: of the type ``error``; names the path, what is wrong and the limit.
    """
    path = Path(path)
    try:
        # Before opening: opening a device can already do something, and that of a pipe waits.
        check_regular(os.stat(path), path, error)
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as stream:
            status = os.fstat(handle)
            check_regular(status, path, error)
            if status.st_size > most_bytes:
                raise error(
                    f"{path} has {_megabytes(status.st_size)}, but at most "
                    f"{_megabytes(most_bytes)} make sense: it is another file than was meant"
                )
            yield stream
    except FileNotFoundError as cause:
        raise error(f"{path} does not exist") from cause
    except OSError as cause:
        raise error(f"{path} cannot be read: {cause.strerror or cause}") from cause
    except ValueError as cause:  # a path with a zero byte
        raise error(f"{str(path)!r} cannot be read: {cause}") from cause


def read_input(path: str | Path, most_bytes: int, error: type[SpatialGeoError]) -> bytes:
    """Content of a regular file of bounded size.

    Arguments and errors are those of :func:`open_input`. Files that grow while they are read, and
    those of ``/proc``, whose size reads 0, are bounded as well.
    """
    with open_input(path, most_bytes, error) as stream:
        content = stream.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise error(f"{path} has more than {_megabytes(most_bytes)}: it is another file than meant")
    return content


def read_input_text(path: str | Path, most_bytes: int, error: type[SpatialGeoError]) -> str:
    """Content of a UTF-8 file; a byte order mark is dropped.

    Arguments and errors are those of :func:`read_input`.
    """
    content = read_input(path, most_bytes, error)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        raise error(
            f"{path} is no UTF-8 text (byte 0x{content[cause.start]:02x} at {cause.start}): it is "
            "another kind of file, or was written with another encoding"
        ) from cause


def read_json(path: str | Path, error: type[SpatialGeoError]) -> Any:
    """Content of a JSON file of at most :data:`MOST_JSON_BYTES`.

    Raises:
        SpatialGeoError: of the type ``error``; names the path and what is wrong.
    """
    return parse_json(read_input_text(path, MOST_JSON_BYTES, error), path, error)


def parse_json(text: str | bytes, source: str | Path, error: type[SpatialGeoError]) -> Any:
    """Content of JSON text.

    Args:
        text: of at most :data:`MOST_JSON_BYTES`; that is the caller's to see to.
        source: named in errors.
        error: type of what is raised.

    Raises:
        SpatialGeoError: of the type ``error``.
    """
    try:
        return json.loads(text)
    except RecursionError as cause:
        raise error(f"{source} nests too deeply to be a configuration") from cause
    except ValueError as cause:  # no JSON, no UTF-8, a number of thousands of digits
        raise error(f"{source} is no JSON: {cause}") from cause


def read_yaml(path: str | Path, error: type[SpatialGeoError]) -> Any:
    """Content of the first document of a YAML file, None where there is none.

    More documents, as ``ros2 topic echo`` writes one for each message, are not looked at.

    Raises:
        SpatialGeoError: of the type ``error``; names the path and what is wrong.
    """
    text = read_input_text(path, _MOST_DOCUMENTS_BYTES, error)
    return parse_yaml(_first_document(text), path, error)


def _first_document(text: str) -> str:
    """Cut text off where the first document with anything in it ends."""
    begin = 0
    for mark in _DOCUMENT_MARK.finditer(text):
        if _CONTENT.search(text[begin : mark.start()]):
            return text[: mark.start()]
        begin = mark.end()
    return text


def parse_yaml(text: str, source: str | Path, error: type[SpatialGeoError]) -> Any:
    """Content of the first document of YAML text, None for an empty one.

    Args:
        text: YAML 1.1.
        source: named in errors.
        error: type of what is raised.

    Raises:
        SpatialGeoError: of the type ``error``: the text is no YAML, or nests, repeats or counts
            beyond all need.
    """
    if len(text) > MOST_YAML_BYTES:
        raise error(
            f"{source} has a YAML document of {_megabytes(len(text))}, but at most "
            f"{_megabytes(MOST_YAML_BYTES)} make sense: it is another file than was meant"
        )
    loader = None
    try:
        loader = _BoundedLoader(text)
        return loader.get_data() if loader.check_data() else None
    except (yaml.YAMLError, *_VALUE_ERRORS) as cause:
        reason = " ".join(str(cause).replace(' in "<unicode string>",', " at").split())
        raise error(f"{source} is no YAML that can be used: {reason}") from cause
    finally:
        if loader is not None:
            loader.dispose()


class _BoundedLoader(yaml.SafeLoader):
    """PyYAML's safe loader, which builds plain values only, with bounds on what is built.

    An alias costs no memory by itself. But whoever walks over the result visits what it stands for
    each time, so it is counted each time, and one that contains itself is refused.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._values = 0
        self._anchored: dict[str, int] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if self.check_event(yaml.AliasEvent):
            # Unknown ones are the parent class's to refuse.
            if event.anchor in self.anchors:
                if event.anchor not in self._anchored:
                    self._refuse(f"the alias '{event.anchor}' contains itself", event)
                self._count(self._anchored[event.anchor], event)
            return super().compose_node(parent, index)
        before = self._values
        self._count(1, event)
        self._depth += 1
        if self._depth > _DEEPEST_YAML:
            self._refuse(f"more than {_DEEPEST_YAML} levels", event)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if event.anchor is not None:
            self._anchored[event.anchor] = self._values - before
        if (
            isinstance(node, yaml.ScalarNode)
            and node.tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
            and len(node.value) > _LONGEST_YAML_NUMBER
        ):
            self._refuse(f"a number of {len(node.value)} characters", event)
        return node

    def _count(self, values: int, event: Any) -> None:
        self._values += values
        if self._values > _MOST_YAML_VALUES:
            self._refuse(f"more than {_MOST_YAML_VALUES} values, repeated ones included", event)

    def _refuse(self, what: str, event: Any) -> None:
        raise yaml.composer.ComposerError(None, None, what, event.start_mark)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.3g} MB"
