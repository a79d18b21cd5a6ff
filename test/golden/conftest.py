# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where the golden tensors are: ``SPATIALGEO_GOLDEN`` or ``../shared/golden`` beside the repo."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

GOLDEN = Path(
    os.environ.get("SPATIALGEO_GOLDEN", Path(__file__).parents[2].parent / "shared" / "golden")
)


@pytest.fixture(scope="session")
def golden() -> Callable[[str], Any]:
    """Loader of one golden file by name; skips the test where the files are not installed."""

    def load(name: str) -> Any:
        path = GOLDEN / name
        if not path.is_file():
            pytest.skip(f"golden file {name} is not in {GOLDEN} (set SPATIALGEO_GOLDEN)")
        if path.suffix == ".json":
            return json.loads(path.read_text())
        return torch.load(path, weights_only=True)

    return load
