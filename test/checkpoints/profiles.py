# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The shipped profiles with tiny random-weight checkpoints in place of the published files.

Everything else in a profile stays as it is shipped, so that a test of the copy tests the settings.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from checkpoints.llava import (
    IMAGE_SIZE,
    write_clip,
    write_llava_base,
    write_spatialgeo_stage2,
    write_tower,
)
from checkpoints.moge import write_moge1, write_moge2_normal
from checkpoints.spatial_mllm import write_qwen_vl, write_spatial_mllm_3b
from checkpoints.spatialrgpt import write_spatialrgpt

SHIPPED = Path(__file__).resolve().parents[2] / "config" / "models"
TOKENS = 8  # of an answer: random weights do not end one


def _geometry(content: dict[str, Any], folder: Path) -> None:
    write = write_moge1 if content["geometry"]["kind"] == "moge1" else write_moge2_normal
    content["geometry"]["weights"] = str(write(folder))
    content["geometry"].pop("sha256", None)


def _checkpoint(section: dict[str, Any], folder: Path) -> dict[str, Any]:
    return {"path": str(folder), "files": [file.name for file in folder.iterdir()]}


def _llava(content: dict[str, Any], folder: Path) -> None:
    language = content["language"]
    content["image"].update(width=IMAGE_SIZE, height=IMAGE_SIZE)
    language["base"] = _checkpoint(language["base"], write_llava_base(folder / "base"))
    language["clip"] = _checkpoint(language["clip"], write_clip(folder / "clip"))
    if "adapter" in language:
        adapter = write_spatialgeo_stage2(folder / "adapter")
        language["adapter"] = _checkpoint(language["adapter"], adapter)
        language["tower"] = str(write_tower(folder / "model.pt", heads=True))
        language.pop("tower_sha256", None)


def _spatial_mllm(content: dict[str, Any], folder: Path) -> None:
    language = content["language"]
    written = write_spatial_mllm_3b(folder / "spatial_mllm")
    language["checkpoint"] = _checkpoint(language["checkpoint"], written)


def _qwen_vl(content: dict[str, Any], folder: Path) -> None:
    language = content["language"]
    written = write_qwen_vl(folder / "qwen_vl")
    language["checkpoint"] = _checkpoint(language["checkpoint"], written)


def _spatialrgpt(content: dict[str, Any], folder: Path) -> None:
    language = content["language"]
    _geometry(content, folder)
    written = write_spatialrgpt(folder / "spatialrgpt")
    language["checkpoint"].update(path=str(written))
    for key in ("repo", "revision", "optional"):
        language["checkpoint"].pop(key)
    language.pop("depth_network")


WRITERS: dict[str, Callable[[dict[str, Any], Path], None]] = {
    "moge_l": _geometry,
    "moge2_s": _geometry,
    "moge2_b": _geometry,
    "moge2_l": _geometry,
    "llava_1_5_7b": _llava,
    "spatialgeo_7b": _llava,
    "spatial_mllm_3b": _spatial_mllm,
    "qwen2_5_vl_3b": _qwen_vl,
    "spatialrgpt_8b": _spatialrgpt,
}


def write_profile(name: str, folder: Path, **language: Any) -> Path:
    """Write a tiny copy of a shipped profile and its checkpoints; returns the YAML file.

    Args:
        name: Of the shipped profile.
        folder: For everything.
        language: Settings of the language model that replace the shipped ones.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = yaml.safe_load((SHIPPED / f"{name}.yaml").read_text())
    WRITERS[name](content, folder)
    content["precision"] = "float32"
    if "language" in content:
        content["language"].update(max_new_tokens=TOKENS, temperature=0.0, **language)
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(content))
    return path
