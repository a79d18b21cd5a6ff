# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Finds and reads the YAML of a model or grounding profile, without importing a network library.

A misspelt name or a damaged file is so found in milliseconds, before PyTorch is imported.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.runtime.input_files import read_yaml
from spatialgeo_ros.runtime.resources import find_resource

PROFILE_FOLDER = "config/models"
GROUNDING_FOLDER = "config/grounding"

#: A kind of detector stands for a profile of it that suits most machines.
DEFAULT_OF_KIND = {
    "mm_grounding_dino": "llmdet_base",
    "grounding_dino": "grounding_dino_tiny",
    "owl": "owlvit_base",
    "sam3": "sam3",
    "vlm_boxes": "qwen3_vl_served",
}
#: The profile of a language model on a server.
SERVED = "openai"
_SERVED = re.compile(rf"{SERVED}:(?P<model>.+)@(?P<address>https?://.+)")
#: Words for grounding without networks of its own: none at all, and the patches of the CLIP that a
#: model profile has (its ``semantic.grounding``).
NOTHING_TO_LOAD = ("none", "clip_patches")


def list_profiles() -> list[str]:
    """Names of the profiles that are installed."""
    return sorted(p.stem for p in find_resource(PROFILE_FOLDER).glob("*.yaml"))


def served_model(name: str) -> tuple[str, str] | None:
    """Model and address of "openai:MODEL@ADDRESS"; None for any other name."""
    found = _SERVED.fullmatch(name)
    return None if found is None else (found["model"], found["address"])


def read_profile(name: str | Path) -> tuple[Path, Any]:
    """Path and content of a profile.

    Args:
        name: Of a shipped profile, or the path of a YAML file; or "openai:MODEL@ADDRESS" for the
            profile "openai" with another model and server.

    Raises:
        ModelLoadError: There is no such profile (names those that there are), or its file is no
            YAML.
    """
    served = served_model(str(name))
    if served is not None:
        path, content = read_profile(SERVED)
        content["language"].update(model=served[0], address=served[1])
        return path, content
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


def list_grounding_profiles() -> list[str]:
    """Names of the grounding profiles that are installed."""
    return sorted(p.stem for p in find_resource(GROUNDING_FOLDER).glob("*.yaml"))


def grounding_name(name: str) -> str:
    """Name of a grounding profile where a kind of detector is given; anything else as it is."""
    return DEFAULT_OF_KIND.get(name, name)


def is_grounding(name: str | Path) -> bool:
    """Tell whether a name or a YAML file is of a grounding profile, not of a model profile.

    Raises:
        ModelLoadError: The file cannot be read.
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        return grounding_name(str(name)) in list_grounding_profiles()
    content = read_yaml(path, ModelLoadError)
    return isinstance(content, dict) and "detector" in content


def read_grounding_profile(name: str | Path) -> tuple[Path, Any]:
    """Path and content of a grounding profile.

    Args:
        name: Of a shipped profile, of a kind (:data:`DEFAULT_OF_KIND`), or the path of a YAML file.

    Raises:
        ModelLoadError: There is no such profile (names those that there are), or its file is no
            YAML.
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        known = list_grounding_profiles()
        chosen = grounding_name(str(name))
        if chosen not in known:
            raise ModelLoadError(
                f"there is no grounding profile '{name!s:.100}'; installed are {', '.join(known)}; "
                f"kinds are {', '.join(DEFAULT_OF_KIND)}; {' and '.join(NOTHING_TO_LOAD)} load no "
                "network, and a path that ends in .yaml is a profile of your own"
            )
        path = find_resource(GROUNDING_FOLDER) / f"{chosen}.yaml"
    return path, read_yaml(path, ModelLoadError)
