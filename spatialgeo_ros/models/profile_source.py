# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Finds and reads the YAML of a model profile, without importing any network library.

A misspelt name or a damaged file is so found in milliseconds, before PyTorch is imported.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.runtime.input_files import read_yaml
from spatialgeo_ros.runtime.resources import find_resource

PROFILE_FOLDER = "config/models"


def list_profiles() -> list[str]:
    """Names of the profiles that are installed."""
    return sorted(p.stem for p in find_resource(PROFILE_FOLDER).glob("*.yaml"))


def read_profile(name: str | Path) -> tuple[Path, Any]:
    """Path and content of a profile.

    Args:
        name: Of a shipped profile, or the path of a YAML file.

    Raises:
        ModelLoadError: There is no such profile (names those that there are), or its file is no
            YAML.
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        path = find_resource(PROFILE_FOLDER) / f"{name}.yaml"
        if name == "none":
            raise ModelLoadError("'none' stands for no networks, and this needs some")
        # Compared, not opened: a name is no path below the folder.
        if str(name) not in list_profiles():
            raise ModelLoadError(
                f"there is no model profile '{name!s:.100}'; installed are "
                f"{', '.join(list_profiles())}; 'none' measures without networks, and a path that "
                "ends in .yaml is a profile of your own"
            )
    return path, read_yaml(path, ModelLoadError)
