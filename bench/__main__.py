# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run benchmarks one after the other: ``python -m bench [name ...] [--quick]``."""

from __future__ import annotations

import argparse
import subprocess
import sys

NAMES = (
    "sampling",
    "image_conversion",
    "observing",
    "ingest",
    "ingest_depth",
    "measuring",
    "pair_speed",
    "lanes",
    "grounded_watch",
    "focal_shift",
    "second_question",
    "decode_step",
    "launches",
    "memory",
    "training_memory",
    "room",
    "encoders",
    "tower_rates",
    "grounding",
    "nano_detector",
    "objects",
)
#: By name only: it needs a GPU, or half an hour.
ON_REQUEST = ("gpu", "soak")


def main() -> int:
    """Run each benchmark in a process of its own, so that none inherits another's memory."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    known = (*NAMES, *ON_REQUEST)
    parser.add_argument("names", nargs="*", metavar="name", help=f"any of {', '.join(known)}")
    parser.add_argument("--quick", action="store_true", help="few repetitions, to see it run")
    arguments, own = parser.parse_known_args()  # the rest is for the benchmark itself
    unknown = set(arguments.names) - set(known)
    if unknown:
        parser.error(f"no benchmark called {', '.join(sorted(unknown))}")
    if own and len(arguments.names) != 1:
        parser.error(f"{' '.join(own)}: only with the name of one benchmark")
    status = 0
    for name in arguments.names or NAMES:
        command = [sys.executable, "-m", f"bench.{name}"]
        status |= subprocess.run(command + ["--quick"] * arguments.quick + own).returncode
    return status


if __name__ == "__main__":
    sys.exit(main())
