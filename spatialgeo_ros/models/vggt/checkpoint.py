# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Load VGGT from an official checkpoint: ``model.safetensors`` or ``model.pt``."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from torch import Tensor

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.vggt.config import VggtConfig, config_from_tensors
from spatialgeo_ros.models.vggt.model import HEADS, Vggt
from spatialgeo_ros.models.weights import load_into, read_weights

_log = logging.getLogger(__name__)
_FILES = ("model.safetensors", "model.pt")
_NOT_BUILT = ("track_head",)


def load_vggt(
    path: str | Path,
    dtype: torch.dtype | None = None,
    *,
    heads: Collection[str] = HEADS,
    config: VggtConfig | None = None,
    device: torch.device | str = "cpu",
) -> Vggt:
    """Network of an official checkpoint, in evaluation mode.

    Args:
        path: The file, or a folder with ``model.safetensors`` or ``model.pt``.
        dtype: Of the aggregator; float32 by default. The heads are always float32.
        heads: Those to build, of ``camera``, ``point``, ``depth``; tensors of the others, and of
            the track head, are left alone.
        config: Sizes where the tensors cannot tell them (see :func:`config_from_tensors`).
        device: Where the network goes.

    Raises:
        ModelLoadError: The file is missing, damaged, or its tensors do not fit; names them.
    """
    file = checkpoint_file(path)
    state, _ = read_weights(file)
    return vggt_from_state(state, file, dtype, heads=heads, config=config, device=device)


def checkpoint_file(path: str | Path) -> Path:
    """The weight file meant by a path to it or to its folder.

    Raises:
        ModelLoadError: A folder has none of the official files.
    """
    path = Path(path)
    if not path.is_dir():
        return path
    for name in _FILES:
        if (path / name).is_file():
            return path / name
    raise ModelLoadError(f"{path} has no {' or '.join(_FILES)}: get the VGGT checkpoint again")


def vggt_from_state(
    state: Mapping[str, Tensor],
    source: str | Path,
    dtype: torch.dtype | None = None,
    *,
    heads: Collection[str] = HEADS,
    config: VggtConfig | None = None,
    device: torch.device | str = "cpu",
) -> Vggt:
    """Network from tensors under official names, as for :func:`load_vggt`.

    Raises:
        ModelLoadError: Tensors are missing, unexpected or of the wrong shape; names them.
    """
    if config is None:
        config = config_from_tensors(state, str(source))
    ours = {f"{head}_head" for head in heads} | {"aggregator"}
    left = {f"{head}_head" for head in HEADS} | set(_NOT_BUILT)
    left -= ours
    kept = {name: t for name, t in state.items() if name.split(".", 1)[0] not in left}
    if len(kept) < len(state):
        skipped = sorted({name.split(".", 1)[0] for name in state} & left)
        _log.info(
            "%s: %d tensors of %s are not needed and left out",
            source, len(state) - len(kept), ", ".join(skipped),
        )  # fmt: skip
    with torch.device("meta"):
        model = Vggt(config, heads)
    model = model.to_empty(device=device)
    if dtype is not None:
        model.aggregator.to(dtype)
    load_into(model, kept, source)
    return model.eval()
