# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Detectors captured on a real GPU: the tests of test/unit/grounding with CUDA graphs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

if not torch.cuda.is_available():
    pytest.skip("there is no GPU", allow_module_level=True)


def test_captured_detectors_find_what_eager_ones_find() -> None:
    tests = Path(__file__).parent.parent / "unit" / "grounding" / "test_captured_graphs.py"
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", str(tests)],
        env={**os.environ, "SPATIALGEO_TEST_DEVICE": "cuda"}, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-6000:]
