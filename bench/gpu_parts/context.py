# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the parts of ``bench.gpu`` share: device, sizes, clocks, memory, form of outcomes."""

from __future__ import annotations

import argparse
import gc
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from bench import full_size
from bench.common import digits
from bench.tiny import shrink

GIB = 2**30


@dataclass
class Context:
    """Where and how large the parts are.

    Attributes:
        device: Where the networks go.
        tiny: Whether they are small.
        layers: Of the language model whose files are loaded, of 32.
        folder: For these files.
        copied: Bytes a second that a copy on the device reads and writes, 0 where unknown.
        end: When the process has to be done, of ``time.monotonic``.
        kept: Networks that the next part of the process can use.
    """

    device: torch.device
    tiny: bool
    layers: int = 8
    folder: Path = Path("/tmp")
    copied: float = 0.0
    end: float = math.inf
    kept: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def make(cls, options: argparse.Namespace, parts: Mapping[str, Any]) -> Context:
        """Take the command's options and what is measured already."""
        if options.tiny:
            shrink(full_size)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if device.type == "cpu" and not (options.tiny or options.cpu):
            raise SystemExit("PyTorch sees no GPU: run with --tiny, or on a machine with one")
        copied = parts.get("copy", {}).get("outcome", {}).get("numbers", {}).get("copied", 0.0)
        end = time.monotonic() + options.seconds
        return cls(device, options.tiny, options.layers, options.folder, copied, end)

    @property
    def device_name(self) -> str:
        """Of the card, for tables."""
        if self.device.type != "cuda":
            return "the CPU"
        return f"{torch.cuda.get_device_name(self.device)}, torch {torch.__version__}"

    def sizes(self, full: int, tiny: int) -> int:
        """Choose a number by the size of the networks."""
        return tiny if self.tiny else full

    def keep(self, name: str, build: Callable[[], Any]) -> Any:
        """What ``build`` made when it was first asked for in this process."""
        if name not in self.kept:
            self.free()
            self.kept[name] = build()
        return self.kept[name]

    def free(self) -> None:
        """Let every network go."""
        self.kept.clear()
        self.free_caches()

    def free_caches(self) -> None:
        """Give back what nothing holds any more."""
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def synchronise(self) -> None:
        """Wait until the device has done everything."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def seconds(self, call: Callable[[], Any], least: int = 5, most: float = 1.0) -> float:
        """Median time of ``call`` with everything that it leaves to the device, after one more."""
        call()
        self.synchronise()
        times: list[float] = []
        end = time.perf_counter() + (0.05 if self.tiny else most)
        while len(times) < (2 if self.tiny else least) or time.perf_counter() < end:
            start = time.perf_counter()
            call()
            self.synchronise()
            times.append(time.perf_counter() - start)
        return statistics.median(times)

    def reset_peak(self) -> None:
        """Forget the most memory that was allocated so far."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
            torch.cuda.reset_peak_memory_stats(self.device)

    def memory(self) -> tuple[float, float, float]:
        """GiB allocated now, allocated at the most since :meth:`reset_peak`, and reserved."""
        if self.device.type != "cuda":
            return 0.0, 0.0, 0.0
        torch.cuda.synchronize(self.device)
        now = torch.cuda.memory_allocated(self.device)
        peak = torch.cuda.max_memory_allocated(self.device)
        return now / GIB, peak / GIB, torch.cuda.memory_reserved(self.device) / GIB

    def used(self) -> float:
        """GiB of the card in use by whatever there is, CUDA's own context among it."""
        if self.device.type != "cuda":
            return 0.0
        free, total = torch.cuda.mem_get_info(self.device)
        return (total - free) / GIB


def outcome(
    title: str,
    numbers: Mapping[str, float],
    *tables: tuple[Sequence[str], Sequence[Sequence[Any]]],
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """What a part found: numbers by name, and the tables that people read."""
    shown = [
        {"header": list(header), "rows": [[_cell(cell) for cell in row] for row in rows]}
        for header, rows in tables
    ]
    return {"title": title, "numbers": dict(numbers), "tables": shown, "notes": list(notes)}


def _cell(value: Any) -> str:
    return digits(value) if isinstance(value, float) else str(value)
