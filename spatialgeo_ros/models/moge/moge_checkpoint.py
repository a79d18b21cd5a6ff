# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Load MoGe 1 and MoGe-2 from official checkpoints, always as their own ``model_config`` says."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.files.checkpoint_tensors import check_tensors
from spatialgeo_ros.models.files.weights import load_into, read_weights
from spatialgeo_ros.models.moge.moge1 import MoGe1
from spatialgeo_ros.models.moge.moge2 import Encoder, MoGe2
from spatialgeo_ros.runtime.input_files import parse_json, read_json

_log = logging.getLogger(__name__)

_PATCH_AREA = 14 * 14
# What the published code takes where a configuration says nothing (the published ones say "none").
_STACKS = ("neck", "points_head", "mask_head", "normal_head")
_NORMS = {"res_block_in_norm": "layer_norm", "res_block_hidden_norm": "group_norm"}


def build_moge(
    model_config: Mapping[str, Any],
    backbone: Mapping[str, Any] | None = None,
    source: str | Path = "model_config",
) -> MoGe1 | MoGe2:
    """Network with random weights.

    Args:
        model_config: As an official checkpoint carries it. MoGe-2's has a ``neck``, MoGe 1's names
            its backbone by a string. Keys that the network does not know are ignored with a
            warning, as the published code does; MoGe 1's older ``trained_area_range`` (pixels)
            stands for ``num_tokens_range``.
        backbone: Sizes for a backbone that has no published name (``Dinov2Backbone``).
        source: Named in errors and warnings.

    Raises:
        ModelLoadError: A key is missing, or has a value that the network cannot be built with.
    """
    config = dict(model_config)
    build: type[MoGe1] | type[MoGe2]
    if "neck" in config and isinstance(config.get("encoder"), Mapping):
        build = MoGe2
        encoder = _known(dict(config["encoder"]), Encoder, f"{source}: encoder")
        if isinstance(encoder.get("backbone"), str):
            config |= {k: {**_NORMS, **config[k]} for k in _STACKS if config.get(k) is not None}
        config["encoder"] = encoder if backbone is None else {**encoder, "backbone": backbone}
    elif "encoder" in config and "neck" not in config:
        build = MoGe1
        area = config.pop("trained_area_range", None)
        if area is not None:
            config["num_tokens_range"] = [int(side) // _PATCH_AREA for side in area]
        if backbone is not None:
            config["encoder"] = backbone
    else:
        raise ModelLoadError(
            f"{source} is no configuration of MoGe: MoGe 1 has 'encoder', MoGe-2 has 'encoder' and "
            f"'neck'; it has {', '.join(map(str, config)) or 'nothing'}"
        )
    try:
        return build(**_known(config, build, source))
    except (TypeError, ValueError, KeyError, IndexError) as error:
        raise ModelLoadError(f"{source} cannot be built: {error}") from error


def _known(config: dict[str, Any], build: Callable[..., Any], source: str | Path) -> dict[str, Any]:
    """``config`` without what ``build`` does not take."""
    names = set(inspect.signature(build).parameters)
    unknown = [key for key in config if key not in names]
    if unknown:
        _log.warning("%s: ignoring unknown keys %s", source, ", ".join(map(repr, unknown)))
    return {key: value for key, value in config.items() if key in names}


def load_moge(
    path: str | Path,
    dtype: torch.dtype | None = None,
    *,
    config: Mapping[str, Any] | None = None,
    device: torch.device | str = "cpu",
) -> MoGe1 | MoGe2:
    """Network of an official checkpoint, in evaluation mode.

    Args:
        path: ``model.pt`` (a dict with ``model_config`` and ``model``), or a ``.safetensors`` file
            with the configuration as JSON in its header (``model_config`` or ``config``) or beside
            it (the file's name with .json, ``model_config.json`` or ``config.json``).
        dtype: Of the network; float32 by default, whatever the file has.
        config: ``model_config`` to use instead of the one that the file carries, if any.
        device: Where the network goes; tensors are copied there one by one.

    Raises:
        ModelLoadError: The file is missing, damaged or carries no configuration, or its tensors do
            not fit it; names them. MoGe 1 must have exactly its tensors; tensors that MoGe-2 does
            not know are logged and ignored, as the published code does.
    """
    path = Path(path)
    state, metadata = read_weights(path, mapped=True)
    if config is None:
        config = _carried_config(path, metadata)
    if config is None:
        raise ModelLoadError(
            f"{path} carries no model_config, so its network is unknown; use the official "
            f"model.pt, or write the configuration as JSON to {path.with_name('model_config.json')}"
        )
    sizes = metadata.get("backbone")
    with torch.device("meta"):
        model = build_moge(config, sizes if isinstance(sizes, Mapping) else None, path)
    strict = isinstance(model, MoGe1)
    unknown = check_tensors(model, state, path, strict=strict)
    if unknown:
        _log.warning("%s: ignoring %d unknown tensors: %s", path, len(unknown), ", ".join(unknown))
    model = model.to(dtype or torch.float32).to_empty(device=device)
    _fill_uncarried(model)
    load_into(model, {k: v for k, v in state.items() if k not in unknown}, path)
    return model.requires_grad_(False).eval()


def _carried_config(path: Path, metadata: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Configuration in the file, or beside a safetensors file."""
    found: Any = metadata.get("model_config", metadata.get("config"))
    place = path
    if found is None and path.suffix == ".safetensors":
        names = (f"{path.stem}.json", "model_config.json", "config.json")
        place = next((p for n in names if (p := path.with_name(n)).is_file()), path)
        if place != path:
            found = read_json(place, ModelLoadError)
    if isinstance(found, str):
        found = parse_json(found, f"the model_config of {place}", ModelLoadError)
    if isinstance(found, Mapping) and isinstance(found.get("model_config"), Mapping):
        found = found["model_config"]
    if found is not None and not isinstance(found, Mapping):
        raise ModelLoadError(f"{place}: its model_config is a {type(found).__name__}, no mapping")
    return found


def _fill_uncarried(model: nn.Module) -> None:
    """Counters of training steps are in no checkpoint; memory from ``to_empty`` holds anything."""
    for name, buffer in model.named_buffers():
        if name.endswith("num_batches_tracked"):
            buffer.zero_()
