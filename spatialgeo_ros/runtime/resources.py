# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Finds the files that ship with the package (``config/``, ``weights/``, ``rviz/``)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from spatialgeo_ros.errors import ModelLoadError

ENVIRONMENT_VARIABLE = "SPATIALGEO_RESOURCES"


def _candidates() -> Iterator[Path]:
    chosen = os.environ.get(ENVIRONMENT_VARIABLE)
    if chosen:
        yield Path(chosen)
    # A checkout, also where colcon's --symlink-install links to it.
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / "package.xml").is_file():
        yield checkout
    # <prefix>/lib/python3.x/site-packages/spatialgeo_ros/...: colcon's install folder, or pip's.
    for prefix in Path(__file__).absolute().parents:
        yield prefix / "share" / "spatialgeo_ros"


def find_resource(name: str) -> Path:
    """Return the path of a shipped file or folder.

    Args:
        name: path as in the repository, for example ``"config/models/nano.yaml"``.

    Raises:
        ModelLoadError: nothing of this name is installed.
    """
    for folder in _candidates():
        if (folder / name).exists():
            return folder / name
    raise ModelLoadError(
        f"'{name}' is not installed with spatialgeo_ros: install it again, or set "
        f"{ENVIRONMENT_VARIABLE} to a folder that holds it"
    )
