# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Loads detectors of the transformers library from the official layout, offline and completely."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.runtime.input_files import read_json

log = logging.getLogger(__name__)


def model_type(folder: Path, classes: Mapping[str, str], kind: str) -> str:
    """Read what a checkpoint is of; it must be something that a kind of detector can load.

    Args:
        folder: of the checkpoint.
        classes: ``model_type`` of ``config.json`` -> class of transformers.
        kind: for the message.

    Raises:
        ModelLoadError: names what the checkpoint is of, and what it should be.
    """
    config = read_json(folder / "config.json", ModelLoadError)
    found = config.get("model_type") if isinstance(config, dict) else None
    if found not in classes:
        raise ModelLoadError(
            f"{folder} holds a '{found!s:.60}', and a detector of kind {kind} is one of "
            f"{', '.join(classes)}: correct the kind or the checkpoint in the grounding profile"
        )
    return str(found)


def load_pretrained(folder: Path, class_name: str, device: torch.device, dtype: torch.dtype) -> Any:
    """Load a network of transformers in evaluation mode.

    Args:
        folder: with ``config.json`` and the weights.
        class_name: of transformers.
        device: for the weights.
        dtype: of the weights.

    Raises:
        ModelLoadError: the configuration or a tensor is wrong, or tensors are missing.
    """
    # Imported here: transformers takes seconds, and most profiles do without.
    import transformers

    try:
        with _no_progress_bar():
            model, report = getattr(transformers, class_name).from_pretrained(
                str(folder), dtype=dtype, local_files_only=True, output_loading_info=True
            )
    except Exception as error:  # of any type: strict configurations, safetensors, pickles, shapes
        raise ModelLoadError(
            f"{folder} cannot be loaded as {class_name}: {error!s:.400}; download it again, or "
            "correct the kind in the grounding profile"
        ) from error
    # A tensor that is missing is filled with random numbers, and the network would see ghosts.
    bad = [str(key) for name in ("missing_keys", "mismatched_keys") for key in report[name]]
    if bad:
        raise ModelLoadError(
            f"{folder} lacks {len(bad)} tensors of {class_name}, among them {bad[0]}: it is "
            "another network's, or damaged; download it again"
        )
    log.info("loaded %s from %s", class_name, folder)
    try:
        return model.requires_grad_(False).eval().to(device)
    except torch.OutOfMemoryError as error:
        raise ModelLoadError(
            f"{device} has not enough free memory for {class_name} in {dtype}: choose a smaller "
            "grounding profile, precision: float16, or device: cpu"
        ) from error


@contextmanager
def _no_progress_bar() -> Iterator[None]:
    """Keep a node's log free of bars that are drawn over and over."""
    from transformers.utils import logging as library

    shown = library.is_progress_bar_enabled()
    library.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            library.enable_progress_bar()


def load_hub_tokenizer(folder: Path, words: int) -> Any:
    """Load a checkpoint's tokenizer.

    Args:
        folder: of the checkpoint.
        words: rows of the network's table of tokens.

    Raises:
        ModelLoadError: its files are missing or damaged, or it is another network's. The library
            makes a tokenizer without any word where the vocabulary is missing.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    except Exception as error:  # of any type: it depends on the file that is wrong
        raise ModelLoadError(
            f"the tokenizer in {folder} cannot be loaded: {error!s:.300}; download it again"
        ) from error
    if not words / 2 <= len(tokenizer) <= words:
        raise ModelLoadError(
            f"the tokenizer in {folder} has {len(tokenizer)} tokens and the network {words}: files "
            "are missing or another network's; download it again"
        )
    return tokenizer
