# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Python in processes of its own, alone or launched as several that work together."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]


def run_python(*words: str) -> str:
    """Run Python with this repository's modules; returns what it printed."""
    paths = [str(REPOSITORY), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(
        [sys.executable, *words], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def on_two_processes(*words: str) -> str:
    """Run a module or file by torchrun; returns what it printed."""
    launch = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    return run_python(*launch, *words)
