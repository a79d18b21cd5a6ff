# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files that are not what they claim, given to every reader: ``malformed_files.py FOLDER``.

In a process of its own, so that a crash is one line of a test and memory is counted. Prints one
JSON object for each file: reader, what the file is, what came of it, seconds, and megabytes at the
peak.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import re
import struct
import sys
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from spatialgeo_ros.errors import SpatialGeoError
from spatialgeo_ros.evaluation.question_corpus import read_questions
from spatialgeo_ros.memory.map_file import StoredMap, read_map, write_map
from spatialgeo_ros.models.files.archive import extract
from spatialgeo_ros.models.files.weights import read_weights
from spatialgeo_ros.models.grounding_profile import load_grounding_profile
from spatialgeo_ros.models.profiles import load_profile
from spatialgeo_ros.query.program_json import from_text
from spatialgeo_ros.recordings.bags import BagRecording
from spatialgeo_ros.recordings.depth_file import read_depth_file
from spatialgeo_ros.recordings.image_codec import read_colour_file, read_depth_png
from spatialgeo_ros.recordings.rgbd_folder import read_calibration, read_trajectory

Content = bytes | Callable[[Path], object]  # what is written, or what makes the path


def program(path: Path) -> object:
    return from_text(path.read_text(errors="replace"))


READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "colour": (".jpg", read_colour_file),
    "depth png": (".png", read_depth_png),
    "depth npy": (".npy", read_depth_file),
    "calibration": (".yaml", read_calibration),
    "trajectory": (".txt", read_trajectory),
    "profile": (".yaml", load_profile),
    "grounding": (".yaml", load_grounding_profile),
    "map": (".json", read_map),
    "safetensors": (".safetensors", read_weights),
    "pytorch": (".pt", read_weights),
    "archive": (".zip", lambda path: extract(path, ["*.txt"], (), path.parent / "out")),
    "tar": (".tar.gz", lambda path: extract(path, ["*.txt"], (), path.parent / "out")),
    "bag": (".db3", BagRecording),
    "mcap": (".mcap", BagRecording),
    "questions": (".jsonl", read_questions),
    "program": (".json", program),
}


class Bomb:
    def __reduce__(self) -> Any:
        return os.mkdir, ("executed",)


def npy(header: str, body: bytes = bytes(64)) -> bytes:
    text = header.encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body


def png(width: int, height: int, body: bytes) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    head = struct.pack(">IIBBBBB", width, height, 16, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def zipped(*members: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(*members: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(bytes(member.size)))
    return buffer.getvalue()


def member(name: str, size: int = 0, **fields: Any) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = size
    for key, value in fields.items():
        setattr(info, key, value)
    return info


def good_files(folder: Path) -> dict[str, bytes]:
    """Whole files, which are then damaged."""
    picture = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    depth = np.full((48, 64), 1500, np.uint16)
    array, weights = io.BytesIO(), io.BytesIO()
    np.save(array, depth)
    torch.save({"a": torch.zeros(4, 4)}, weights)
    write_map(folder / "good.json", StoredMap("odom", 1, 2, {}, (), 0.0))
    tensors = {"weight": torch.zeros(4, 4)}
    return {
        "colour": cv2.imencode(".jpg", picture)[1].tobytes(),
        "depth png": cv2.imencode(".png", depth)[1].tobytes(),
        "depth npy": array.getvalue(),
        "calibration": b"width: 64\nheight: 48\nfx: 60\nfy: 60\ncx: 31.5\ncy: 23.5\n",
        "trajectory": b"1.0 0 0 0 0 0 0 1\n2.0 1 0 0 0 0 0 1\n",
        "map": (folder / "good.json").read_bytes(),
        "safetensors": save(tensors),
        "pytorch": weights.getvalue(),
        "archive": zipped(("a.txt", b"a" * 100)),
        "tar": tarred(member("a.txt", 10)),
        "questions": b'{"id": "1", "scene": "s", "question": "How far is the chair?"}\n',
        "program": b'{"op": "count", "set": {"op": "select", "kind": "chair"}}',
    }


def same_for_all() -> dict[str, Content]:
    return {
        "empty": b"",
        "one byte": b"\0",
        "zeros": bytes(5000),
        "random": np.random.default_rng(1).bytes(5000),
        "a pipe": os.mkfifo,
        "a folder": os.mkdir,
        "an endless device": lambda path: path.symlink_to("/dev/zero"),
        "a dangling link": lambda path: path.symlink_to("/nosuch"),
    }


def of_their_own() -> dict[str, dict[str, Content]]:
    deep_yaml = "\n".join("  " * n + "a:" for n in range(3000)).encode()
    aliases = "a0: &a0 [1]\n" + "".join(
        f"a{n}: &a{n} [{f'*a{n - 1},' * 9}]\n" for n in range(1, 12)
    )
    yaml: dict[str, Content] = {
        "latin 1": "name: M\xfcller\n".encode("latin-1"),
        "deep": deep_yaml,
        "aliases": aliases.encode(),
        "code": b"!!python/object/apply:os.mkdir [executed]\n",
        "a list": b"- 1\n- 2\n",
        "a number": b"1" + b"0" * 100_000,
        "no end": b"[" * 100_000,
        "not finite": b"fx: .nan\nfy: .inf\ncx: 1\ncy: 1\nwidth: 9\nheight: 9\n",
        "large": b"a: " + b"x" * 9_000_000,
    }  # fmt: skip
    deep = b"[" * 100_000 + b"]" * 100_000
    return {
        "colour": {
            "png bomb": png(60_000, 60_000, zlib.compress(bytes(100_000))),
            "gif": b"GIF89a\1\0\1\0",
            "svg": b"<svg xmlns='x'/>",
        },
        "depth png": {
            "bomb": png(60_000, 60_000, zlib.compress(bytes(100_000))),
            "no pixels": png(0, 0, b""),
            "a wrong body": png(64, 48, b"abc"),
        },
        "depth npy": {
            "terabytes": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (999999, 999999)}"),
            "objects": npy(
                "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", pickle.dumps(Bomb())
            ),
            "code": npy("__import__('os').mkdir('executed')"),
            "five axes": npy("{'descr': '|u1', 'fortran_order': False, 'shape': (1, 1, 1, 1, 1)}"),
            "text": npy("{'descr': '<U8', 'fortran_order': False, 'shape': (2, 2)}"),
            "complex": npy("{'descr': '<c8', 'fortran_order': False, 'shape': (2, 2)}"),
            "negative": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-2, -2)}"),
        },
        "calibration": yaml,
        "profile": yaml,
        "grounding": yaml,
        "trajectory": {
            "words": b"a b c d e f g h\n",
            "not finite": b"nan nan nan nan nan nan nan nan\n",
            "one long line": b"1 " * 500_000,
            "no quaternion": b"1.0 0 0 0 0 0 0 0\n" * 3,
        },
        "map": {"deep": deep, "another": b'{"format": "else"}', "a number": b"9" * 100_000},
        "safetensors": {
            "a long header": struct.pack("<Q", 2**62) + b"{}",
            "terabytes": struct.pack("<Q", 70)
            + b'{"a":{"dtype":"F64","shape":[999999,999999],"data_offsets":[0,8]}}   '.ljust(70),
            "deep": struct.pack("<Q", len(deep)) + deep,
            "lfs": b"version https://git-lfs.github.com/spec/v1\n",
        },
        "pytorch": {
            "code": pickle.dumps(Bomb()),
            "code in an archive": zipped(("archive/data.pkl", pickle.dumps(Bomb()))),
            "a bomb": zipped(("archive/data.pkl", bytes(100_000_000))),
        },
        "archive": {
            "a bomb": zipped(("a.txt", bytes(100_000_000))),
            "outside": zipped(("../../outside.txt", b"x"), ("a.txt", b"x")),
            "absolute": zipped(("/tmp/outside.txt", b"x")),
        },
        "tar": {
            "a link": tarred(member("a.txt", type=tarfile.SYMTYPE, linkname="/etc/passwd")),
            "a device": tarred(member("a.txt", type=tarfile.CHRTYPE)),
            "outside": tarred(member("../outside.txt", 10)),
        },
        "questions": {"deep": deep, "a list": b"[1]\n", "a number": b"9" * 100_000 + b"\n"},
        "program": {
            "deep": deep[50_000 - 9_000 : 50_000], "a number": b"9" * 15_000, "a list": b"[1, 2]",
            "nothing": b"null",
        },
        "bag": {"no database": b"SQLite format 3\0" + bytes(200)},
        "mcap": {"a head": b"\x89MCAP0\r\n" + b"\xff" * 64},
    }  # fmt: skip


def damaged(good: bytes) -> list[bytes]:
    """Ways to cut a file off and change some of its bytes: the same in every run."""
    made: list[bytes] = []
    place = st.integers(0, len(good) - 1)

    @settings(
        max_examples=6, derandomize=True, database=None, deadline=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(place, st.lists(st.tuples(place, st.integers(0, 255)), min_size=1, max_size=9))
    def damage(end: int, changes: list[tuple[int, int]]) -> None:
        content = bytearray(good)
        for at, value in changes:
            content[at] = value
        made.append(bytes(content[: end + 1] if end % 2 else content))

    damage()
    return made


def cases(folder: Path) -> Iterator[tuple[str, str, Content]]:
    """Reader, name and content."""
    good = good_files(folder)
    own = of_their_own()
    for reader in READERS:
        for name, content in {**same_for_all(), **own.get(reader, {})}.items():
            yield reader, name, content
        for number, content in enumerate(damaged(good[reader]) if reader in good else []):
            yield reader, f"damaged {number}", content


def memory(field: str) -> float:
    """Return a memory field of this process in MB."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(rf"{field}:\s+(\d+) kB", status)[1]) / 1000


def main() -> None:
    """Try all."""
    folder = Path(sys.argv[1]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    for number, (reader, name, content) in enumerate(cases(folder)):
        if reader == "program" and callable(content):
            continue  # it is text by then
        suffix, read = READERS[reader]
        path = folder / f"{number}{suffix}"
        path.write_bytes(content) if isinstance(content, bytes) else content(path)
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
        before, started = memory("VmRSS"), time.monotonic()
        try:
            read(path)
            outcome = "read"
        except SpatialGeoError as error:
            outcome = f"refused: {error}"
        except BaseException as error:
            outcome = f"{type(error).__name__}: {error!s:.200}"
        seconds = round(time.monotonic() - started, 2)
        line = {
            "reader": reader, "file": name, "outcome": outcome, "seconds": seconds,
            "megabytes": round(memory("VmHWM") - before),
        }  # fmt: skip
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
