# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SpatialGeo 7B in NF4 from files in their published layout: time and memory of a fresh process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.checkpoint_files import LAYERS, write_spatialgeo
from bench.gpu_parts.context import Context, outcome

REPOSITORY = Path(__file__).resolve().parents[2]
_BLOCK = 16 << 20
#: Left of the time for another load to be begun, beside what the longest has taken.
_LEAST_S = 5.0


def loading(context: Context) -> dict[str, Any]:
    """Write the files once, load them from disk and from the page cache, packed and not."""
    context.free()
    layers = context.sizes(context.layers, 2)
    folder = context.folder / f"spatialgeo-bench-{'tiny' if context.tiny else layers}"
    precision = "float16" if context.device.type == "cuda" else "bfloat16"
    start = time.perf_counter()
    profile = folder / "bench_7b.yaml"
    if not profile.is_file():  # written last: everything else is there
        shutil.rmtree(folder, ignore_errors=True)
        profile = write_spatialgeo(folder, layers, context.device, precision)
    writing = time.perf_counter() - start
    context.free_caches()
    size = _size(folder) / 1e9
    environment = {
        **os.environ,
        "XDG_CACHE_HOME": str(folder / "cache"),
        "SPATIALGEO_ENGINES": str(folder / "engines"),
    }
    numbers: dict[str, float] = {"GB": size, "writing": writing, "layers": layers}
    rows: list[list[Any]] = []
    left: list[str] = []
    longest = 0.0
    try:
        numbers["disk"] = _read_rate(folder)
        for name, arguments, cold in (
            ("from the page cache, files hashed for the first time", [], False),
            ("packed weights are written", ["--pack"], False),
            ("packed, from the page cache", [], False),
            ("packed, from disk", [], True),
            ("from disk, hashes known", [], True),
            ("from the page cache, hashes known", [], False),
        ):
            if context.end - time.monotonic() < _LEAST_S + longest:
                left.append(name)
                continue
            if cold:
                _drop(_files(folder))
            start = time.perf_counter()
            found = _load(profile, arguments, environment)
            longest = max(longest, time.perf_counter() - start)
            numbers |= {f"{name}: {key}": value for key, value in found.items()}
            rows.append(
                [name, found["seconds"], found["anonymous"], found["anonymous after"],
                 found["peak"], found["weights"]]
            )  # fmt: skip
        packed = sum(p.stat().st_size for p in folder.glob("engines/packed/*")) / 1e9
        numbers["packed GB"] = packed
    finally:
        shutil.rmtree(folder / "engines", ignore_errors=True)
        shutil.rmtree(folder / "cache", ignore_errors=True)
    header = (
        "load", "seconds", "most anonymous memory beside the weights, GiB", "left of it after, GiB",
        "peak on the GPU, GiB", "weights, GiB",
    )  # fmt: skip
    return outcome(
        f"Loading SpatialGeo 7B in NF4, {layers} of {LAYERS} layers",
        numbers,
        (header, rows),
        notes=[
            f"{size:.1f} GB of files, written in {writing:.0f} s; one file read from this disk: "
            f"{numbers['disk']:.2f} GB a second. Packed weights: {packed:.2f} GB. Each load in a "
            "process of its own, after importing.",
            *([f"No time was left for: {', '.join(left)}."] if left else []),
        ],
    )


def _load(profile: Path, arguments: list[str], environment: Mapping[str, str]) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.load_once", str(profile), *arguments]
    run = subprocess.run(
        command, cwd=REPOSITORY, env=dict(environment), capture_output=True, text=True
    )
    if run.returncode:
        raise RuntimeError((run.stderr.strip().splitlines() or ["no message"])[-1])
    found: dict[str, float] = json.loads(run.stdout.strip().splitlines()[-1])
    return found


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in _files(folder))


def _drop(files: list[Path]) -> None:
    """Let the system forget what it keeps of files."""
    for path in files:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(handle)


def _read_rate(folder: Path) -> float:
    """GB a second of reading the largest file from disk, one block after the other."""
    largest = max(_files(folder), key=lambda path: path.stat().st_size)
    _drop([largest])
    start = time.perf_counter()
    with largest.open("rb", buffering=0) as stream:
        while stream.read(_BLOCK):
            pass
    return largest.stat().st_size / 1e9 / (time.perf_counter() - start)
