# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files of trained models in the published layouts, which the loaders in ``models`` read back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.models.llava.llava_checkpoint import NON_LORA, PROJECTOR_FILES
from spatialgeo_ros.models.llava.lora import ADAPTER_CONFIG
from spatialgeo_ros.training.recipe import LoraSettings

#: Before the names of tensors that PEFT wraps.
LANGUAGE_PREFIX = "base_model.model."
#: Beside a checkpoint's weights.
TOKENIZER_FILES = (
    "tokenizer.model", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "vocab.json", "merges.txt", "added_tokens.json", "generation_config.json",
    "preprocessor_config.json", "chat_template.json",
)  # fmt: skip


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a configuration."""
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def write_first_stage(
    folder: Path, projectors: Mapping[str, Tensor], config: Mapping[str, Any]
) -> None:
    """Write ``moge_mm_projector_list.bin`` and ``config.json``, as SpatialGeo's first stage does.

    Args:
        folder: made if it is not there.
        projectors: by their names in the adapter.
        config: of the base.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = {f"model.{name}": tensor for name, tensor in projectors.items()}
    torch.save(state, folder / PROJECTOR_FILES[0])
    write_json(folder / "config.json", {**config, "model_type": "llava_llama"})


def write_second_stage(
    folder: Path,
    updates: Mapping[str, Tensor],
    projectors: Mapping[str, Tensor],
    config: Mapping[str, Any],
    settings: LoraSettings,
    source: str,
) -> None:
    """Write an adapter of PEFT and ``non_lora_trainables.bin``.

    The configuration has the keys that peft 0.13 knows, with which SpatialGeo was published: older
    versions refuse those of newer ones.

    Args:
        folder: made if it is not there.
        updates: by PEFT's names in the wrapped model (``.default.`` in them).
        projectors: by their names in the adapter.
        config: of the base.
        settings: of the updates.
        source: name or folder of the base.
    """
    folder.mkdir(parents=True, exist_ok=True)
    low_rank = {name.replace(".default.", "."): t.contiguous() for name, t in updates.items()}
    save_file(low_rank, folder / "adapter_model.safetensors", {"format": "pt"})
    targets = sorted({name.split(".lora_")[0].split(".")[-1] for name in low_rank})
    write_json(
        folder / ADAPTER_CONFIG,
        {
            "alpha_pattern": {},
            "auto_mapping": None,
            "base_model_name_or_path": source,
            "bias": "none",
            "fan_in_fan_out": False,
            "inference_mode": True,
            "init_lora_weights": True,
            "lora_alpha": settings.alpha,
            "lora_dropout": settings.dropout,
            "modules_to_save": None,
            "peft_type": "LORA",
            "r": settings.rank,
            "rank_pattern": {},
            "revision": None,
            "target_modules": targets,
            "task_type": "CAUSAL_LM",
            "use_dora": False,
            "use_rslora": False,
        },
    )
    others = {f"{LANGUAGE_PREFIX}model.{name}": tensor for name, tensor in projectors.items()}
    torch.save(others, folder / NON_LORA)
    write_json(folder / "config.json", {**config, "model_type": "llava_llama"})


def write_checkpoint(
    folder: Path, state: Mapping[str, Tensor], config: Mapping[str, Any], beside: Path
) -> None:
    """Write a whole checkpoint: safetensors in shards with their index, configuration, tokenizer.

    Args:
        folder: made if it is not there.
        state: by official names.
        config: of the result.
        beside: folder whose tokenizer files are copied.

    Raises:
        BadRequestError: ``folder`` is ``beside``, which would be overwritten.
    """
    from huggingface_hub import save_torch_state_dict

    folder.mkdir(parents=True, exist_ok=True)
    if folder.resolve() == beside.resolve():
        raise BadRequestError(f"{folder} holds what this starts from; name another output folder")
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    save_torch_state_dict(whole, str(folder), safe_serialization=True)
    write_json(folder / "config.json", config)
    for name in TOKENIZER_FILES:
        if (beside / name).is_file():
            shutil.copyfile(beside / name, folder / name)
