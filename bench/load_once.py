# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Load a profile in a process that does nothing else; prints time and memory as one JSON line.

Anonymous memory is what the process itself holds: files that are mapped are not in it, because the
system drops their pages when it needs room.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

GIB = 2**30


def anonymous_bytes() -> int:
    """RssAnon of this process."""
    found = re.search(r"^RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


@contextmanager
def most_anonymous(seconds: float = 0.005) -> Iterator[list[int]]:
    """Look again and again; the largest value is in the list at the end."""
    most, ended = [anonymous_bytes()], threading.Event()

    def look() -> None:
        while not ended.wait(seconds):
            most[0] = max(most[0], anonymous_bytes())

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield most
    finally:
        ended.set()
        thread.join()
        most[0] = max(most[0], anonymous_bytes())


def measure(profile: Path, quantisation: str = "nf4", pack: bool = False) -> dict[str, float]:
    """Load a profile: seconds, and GiB beside weights that are in the process's own memory.

    Args:
        profile: Its YAML file.
        quantisation: Of the language model.
        pack: Write the packed weights too.
    """
    import torch

    from spatialgeo_ros.models.quantise import require_quantisation
    from spatialgeo_ros.networks.loader import load_networks

    # What every process pays once is no part of loading: libraries, the CUDA context, kernels.
    require_quantisation(quantisation)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    ones = torch.ones(64, 64, device=device)
    (ones @ ones).sum().item()
    before = anonymous_bytes()
    with most_anonymous() as most:
        start = time.perf_counter()
        networks = load_networks(str(profile), str(device), quantisation, pack=pack)
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds = time.perf_counter() - start
        after = anonymous_bytes()
    peak = torch.cuda.max_memory_allocated() if device.type == "cuda" else 0
    weights = networks.describe()["model_bytes"]
    # On a CPU the weights themselves are such memory.
    kept = before + (0 if device.type == "cuda" else weights)
    return {
        "seconds": seconds,
        "anonymous": (most[0] - kept) / GIB,
        "anonymous after": (after - kept) / GIB,
        "peak": peak / GIB,
        "weights": weights / GIB,
    }


def main() -> None:
    """Load and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("profile", type=Path)
    parser.add_argument("--quantisation", default="nf4")
    parser.add_argument("--pack", action="store_true", help="write the packed weights")
    options = parser.parse_args()
    found = measure(options.profile, options.quantisation, options.pack)
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
