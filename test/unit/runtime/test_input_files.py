# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files that are handed to us: one sentence for whatever they are instead."""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path

import pytest

from spatialgeo_ros.errors import BadRequestError, ModelLoadError
from spatialgeo_ros.runtime import input_files
from spatialgeo_ros.runtime.files import UntrustedFileError, read_trusted
from spatialgeo_ros.runtime.input_files import (
    MOST_YAML_BYTES,
    parse_json,
    parse_yaml,
    read_input,
    read_input_text,
    read_json,
    read_yaml,
)

LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + k)}: &{chr(98 + k)} [{','.join(['*' + chr(97 + k)] * 10)}]\n" for k in range(9)
)


def yaml_of(text: str) -> object:
    return parse_yaml(text, "it.yaml", BadRequestError)


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"\xef\xbb\xbfhello")
    assert read_input(path, 100, BadRequestError) == b"\xef\xbb\xbfhello"
    assert read_input_text(path, 100, BadRequestError) == "hello"
    link = tmp_path / "link"
    link.symlink_to(path)
    assert read_input_text(str(link), 100, BadRequestError) == "hello"


def test_what_is_no_file_is_named_at_once(tmp_path: Path) -> None:
    """A pipe without a writer blocked the command for ever, /dev/zero took all memory."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "loop").symlink_to("loop")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "socket"))
    started = time.monotonic()
    for name, words in {
        "pipe": "is a pipe, not a file",
        "zero": "is a device, not a file",
        "socket": "is a socket",
        ".": "is a folder, not a file",
        "loop": "cannot be read: Too many levels",
        "nothing": "nothing does not exist",
        "with\0zero": "cannot be read",
        "x" * 300: "cannot be read: File name too long",
    }.items():
        with pytest.raises(ModelLoadError, match=words):
            read_input(tmp_path / name, 100, ModelLoadError)
    listener.close()
    assert time.monotonic() - started < 5.0


def test_a_pipe_with_a_writer_is_refused_too(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=lambda: os.close(os.open(tmp_path / "pipe", os.O_WRONLY)))
    writer.start()
    with pytest.raises(BadRequestError, match="write what comes out of it into a file"):
        read_input(tmp_path / "pipe", 100, BadRequestError)
    os.close(os.open(tmp_path / "pipe", os.O_RDONLY))
    writer.join(10.0)
    assert not writer.is_alive()


def test_a_file_that_becomes_a_pipe_is_refused(tmp_path: Path, monkeypatch) -> None:
    """Between the look at a path and its opening somebody may exchange it."""
    file, pipe = tmp_path / "file", tmp_path / "pipe"
    file.write_bytes(b"x")
    os.mkfifo(pipe)
    real = os.open
    monkeypatch.setattr(input_files.os, "open", lambda _, *flags: real(pipe, *flags))
    with pytest.raises(BadRequestError, match="is a pipe"):
        read_input(file, 100, BadRequestError)


def test_sizes_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as stream:
        stream.truncate(1 << 40)  # sparse: nothing is stored
    with pytest.raises(BadRequestError, match=r"has 1.1e\+06 MB, but at most 8 MB"):
        read_json(path, BadRequestError)
    with pytest.raises(BadRequestError, match="at most 4 MB"):
        read_yaml(path, BadRequestError)
    assert int(Path("/proc/self/status").stat().st_size) == 0
    with pytest.raises(BadRequestError, match="more than"):  # its size reads 0
        read_input("/proc/self/status", 10, BadRequestError)


def test_permissions_are_said(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "closed"
    path.write_bytes(b"")

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(input_files.os, "open", refuse)
    with pytest.raises(BadRequestError, match="closed cannot be read: Permission denied"):
        read_input(path, 100, BadRequestError)


def test_text_of_another_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "latin"
    path.write_bytes("fx: 1 # größer".encode("latin-1"))
    with pytest.raises(BadRequestError, match="latin is no UTF-8 text .byte 0xf6 at 10"):
        read_yaml(path, BadRequestError)
    with pytest.raises(BadRequestError, match="no UTF-8"):
        read_json(path, BadRequestError)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 100_000, "nests too deeply"),
        ("9" * 5_000, "is no JSON"),
        ("{", "is no JSON"),
        (b"\xff", "is no JSON"),
    ],
    ids=["nested", "digits", "broken", "encoding"],
)
def test_bad_json_is_one_sentence(text, words: str) -> None:
    with pytest.raises(BadRequestError, match=words):
        parse_json(text, "it.json", BadRequestError)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 20_000, "more than 64 levels"),
        ("{a: " * 20_000, "more than 64 levels"),
        ("- " * 60_000, "more than 64 levels"),
        ("".join(f"{' ' * k}a:\n" for k in range(500)), "more than 64 levels"),
        (LAUGHS, "more than 20000 values, repeated ones included"),
        (LAUGHS.replace("[*", "{<<: [*").replace("]\n", "]}\n"), "more than 20000 values|mapping"),
        ("a: &a [*a]", "contains itself"),
        ("a: &a {b: {c: *a}}", "contains itself"),
        ("a: *b", "undefined alias"),
        ("[" + "x," * 100_000 + "]", "more than 20000 values"),
        ("fx: " + "9" * 5_000, "a number of 5000 characters"),
        ("fx: 1" + ":1" * 50_000, "a number of 100001 characters"),
        ("fx: 0x" + "f" * 5_000, "a number of 5002 characters"),
        ("a: 2001-99-99", "month must be in"),
        ("a: !!int ''", "is no YAML that can be used"),
        ("a: !!timestamp x", "is no YAML that can be used"),
        ("a: !!binary x", "base64"),
        ("a: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
        ("{[a]: b}", "unhashable"),
        ("a: \0", "unacceptable character"),
        ("a: 'x", "end of stream"),
    ],
    ids=lambda value: str(value)[:16] if value and value.isprintable() else "lines",
)
def test_bad_yaml_is_one_sentence(text: str, words: str) -> None:
    started = time.process_time()
    with pytest.raises(BadRequestError, match=words) as caught:
        yaml_of(text)
    assert str(caught.value).startswith("it.yaml ")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500
    assert time.process_time() - started < 5.0


def test_a_long_document_is_not_parsed() -> None:
    with pytest.raises(BadRequestError, match="a YAML document of"):
        yaml_of("a: 1\n" * MOST_YAML_BYTES)


def test_yaml_as_people_write_it() -> None:
    assert yaml_of("a: &a {x: 1}\nb: *a\nc: {<<: *a, y: 2.5e-3}\n") == {
        "a": {"x": 1},
        "b": {"x": 1},
        "c": {"x": 1, "y": 0.0025},
    }
    assert yaml_of("") is None
    assert yaml_of("# nothing\n") is None
    assert yaml_of("[" * 50 + "]" * 50) is not None


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\n---\na: 2\n---\n",
        "---\na: 1\n---\na: 2\n",
        "# note\n---\na: 1\n...\n",
        "%YAML 1.1\n---\na: 1\n---\na: [\n",
        "--- {a: 1}\n--- {a: 2}\n",
        "a: 1",
    ],
    ids=range(6),
)
def test_the_first_document_counts(text: str, tmp_path: Path) -> None:
    path = tmp_path / "it.yaml"
    path.write_text(text)
    assert read_yaml(path, BadRequestError) == {"a": 1}


def test_documents_behind_the_first_cost_nothing(tmp_path: Path) -> None:
    path = tmp_path / "it.yaml"
    path.write_text("a: 1\n---\n" + "x: [1, 2, 3]\n---\n" * 100_000)
    started = time.process_time()
    assert read_yaml(path, BadRequestError) == {"a": 1}
    assert time.process_time() - started < 2.0


def test_a_trusted_file_is_a_file(tmp_path: Path) -> None:
    """Engines and manifests are read by their owner alone, and a pipe would wait for a writer."""
    os.mkfifo(tmp_path / "engine", 0o600)
    with pytest.raises(UntrustedFileError, match="is a pipe"):
        read_trusted(tmp_path / "engine")
