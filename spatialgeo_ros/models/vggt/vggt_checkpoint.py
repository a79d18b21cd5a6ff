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
from spatialgeo_ros.models.files.checkpoint_tensors import check_tensors
from spatialgeo_ros.models.files.shards import Shards
from spatialgeo_ros.models.vggt.config import VggtConfig, config_from_tensors
from spatialgeo_ros.models.vggt.vggt_model import HEADS, Vggt

_log = logging.getLogger(__name__)
_STEMS = (("model", ".safetensors"), ("model", ".pt"))
_NOT_BUILT = {"track_head"}


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
    path = Path(path)
    with Shards.from_folder(path, _STEMS) if path.is_dir() else Shards([path]) as tensors:
        return vggt_from_state(tensors, path, dtype, heads=heads, config=config, device=device)


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
    left = {f"{head}_head" for head in HEADS if head not in heads} | _NOT_BUILT
    skipped = {name for name in state if name.split(".", 1)[0] in left}
    if skipped:
        parts = ", ".join(sorted({name.split(".", 1)[0] for name in skipped}))
        _log.info("%s: the %d tensors of %s are left out", source, len(skipped), parts)
    tensors = {
        name: _converted(state[name], name, source, dtype, device)
        for name in state
        if name not in skipped
    }
    with torch.device("meta"):
        model = Vggt(config, heads)
    check_tensors(model, tensors, source)
    # Assigned, not copied: the network never exists twice.
    model.load_state_dict(tensors, assign=True)
    return model.eval()


def _converted(
    tensor: Tensor,
    name: str,
    source: str | Path,
    dtype: torch.dtype | None,
    device: torch.device | str,
) -> Tensor:
    """A copy of a checkpoint's tensor in the type and on the device that its part runs in."""
    wanted = dtype if dtype is not None and name.startswith("aggregator.") else torch.float32
    tensor = tensor.to(device, wanted, copy=True)
    if not torch.isfinite(tensor).all():
        raise ModelLoadError(f"{source}: tensor '{name}' has values that are not finite")
    return tensor
