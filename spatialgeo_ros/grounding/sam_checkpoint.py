# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Loads the SAM networks from checkpoints in the layout of the transformers library."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from spatialgeo_ros.errors import ModelLoadError, escaped, quoted


def load_sam(
    folder: Path, classes: Mapping[str, Any], device: torch.device, dtype: torch.dtype
) -> Any:
    """Load a network; nothing is fetched, and no code of the checkpoint is run.

    Args:
        folder: with config.json and safetensors.
        classes: of the library, by the ``model_type`` that the configuration says.
        device: where it goes.
        dtype: of the weights.

    Raises:
        ModelLoadError: names the file or tensor that is wrong.
    """
    path = folder / "config.json"
    try:
        model_type = json.loads(path.read_text()).get("model_type")
    except (OSError, ValueError, AttributeError) as error:
        raise ModelLoadError(f"{path} cannot be read: {escaped(error, 200)}") from None
    if model_type not in classes:
        raise ModelLoadError(
            f"{folder} holds a model of type {quoted(model_type)}, not one of {', '.join(classes)}"
        )
    try:
        model, said = classes[model_type].from_pretrained(
            str(folder),
            dtype=dtype,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
        )
    except Exception as error:  # whatever can be wrong in the files of a checkpoint
        words = escaped(f"{type(error).__name__}: {error}", 400)
        raise ModelLoadError(f"{folder} cannot be loaded: {words}") from error
    # The library fills these with random numbers and goes on.
    wrong = sorted(said["missing_keys"]) + sorted(str(k) for k in said.get("mismatched_keys", ()))
    if wrong:
        raise ModelLoadError(
            f"{folder} lacks {len(wrong)} tensors of the network, or has them in another shape: "
            f"{escaped(', '.join(wrong), 200)}; download it again"
        )
    model.requires_grad_(False).eval()
    return torch.nn.Module.to(model, device)
