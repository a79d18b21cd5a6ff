# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What all benchmarks share: timing with a spread, the machine's line, Markdown tables."""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Timing:
    """Seconds per call: the median and the quartiles of several calls."""

    median: float
    low: float
    high: float
    calls: int

    def __str__(self) -> str:
        """Return for example ``1.24 ms (1.22-1.31)``."""
        factor, unit = next(
            (pair for pair in ((1.0, "s"), (1e3, "ms")) if self.median * pair[0] >= 1), (1e6, "µs")
        )
        low, middle, high = (digits(v * factor) for v in (self.low, self.median, self.high))
        return f"{middle} {unit} ({low}-{high})"


def digits(value: float) -> str:
    """Return about three significant digits without an exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def measure(
    call: Callable[[], Any],
    seconds: float = 1.0,
    least: int = 5,
    clock: Callable[[], float] = time.perf_counter,
) -> Timing:
    """Time ``call`` for about ``seconds``, at least ``least`` times, after one warm-up.

    ``clock`` measures the calls; with ``time.process_time`` a busy machine counts less.
    """
    call()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < least or time.perf_counter() < end:
        start = clock()
        call()
        times.append(clock() - start)
    low, median, high = statistics.quantiles(times, n=4)
    return Timing(median, low, high, len(times))


def ratio(baseline: Timing, ours: Timing) -> str:
    """Return how many times faster than the baseline, for example ``12.3x``."""
    return f"{digits(baseline.median / ours.median)}x"


def machine_line() -> str:
    """Return one line about processor, versions and what else the machine is doing."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0].split(":", 1)[1].strip() if names else model
    import cv2
    import numpy

    load = os.getloadavg()[0]
    return (
        f"{model}, {os.cpu_count()} CPUs, load {load:.1f} at start; "
        f"Python {platform.python_version()}, numpy {numpy.__version__}, "
        f"OpenCV {cv2.__version__}, {platform.system()} {platform.release()}"
    )


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a Markdown table."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def report(title: str, notes: Sequence[str], *tables: str) -> None:
    """Print a section as it goes into ``docs/benchmarks.md``."""
    parts = [f"## {title}", f"Machine: {machine_line()}.", *notes, *tables]
    sys.stdout.write("\n\n".join(parts) + "\n\n")
    sys.stdout.flush()
