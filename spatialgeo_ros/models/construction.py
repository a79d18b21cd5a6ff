# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a profile to networks in memory, ready for inference."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.clip import Clip
from spatialgeo_ros.models.domain import DomainClassifier
from spatialgeo_ros.models.files.weights import load_into, read_weights, tensor_shape
from spatialgeo_ros.models.moge.moge1 import MoGe1
from spatialgeo_ros.models.moge.moge2 import MoGe2
from spatialgeo_ros.models.moge.moge_checkpoint import load_moge
from spatialgeo_ros.models.profiles import (
    DomainPart,
    GeometryPart,
    LanguagePart,
    SemanticPart,
    WeightFile,
)
from spatialgeo_ros.models.quantise import quantise, require_quantisation
from spatialgeo_ros.models.spatialgeo import SpatialGeoModel

log = logging.getLogger(__name__)

ModuleT = TypeVar("ModuleT", bound=nn.Module)


def choose_device(name: str = "auto") -> torch.device:
    """Device by name; "auto" is the first GPU where there is one.

    Raises:
        ModelLoadError: PyTorch cannot use that device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ModelLoadError(f"unknown device '{name}'; use auto, cpu, cuda or cuda:0") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ModelLoadError(f"device '{name}' was asked for, but PyTorch sees no CUDA GPU")
    return device


def _fill(module: ModuleT, file: WeightFile) -> ModuleT:
    path = file.checked()
    state, _ = read_weights(path)
    load_into(module, state, path)
    log.info("loaded %s (%d tensors)", path, len(state))
    return module.requires_grad_(False).eval()


def load_geometry(part: GeometryPart) -> MoGe1 | MoGe2:
    """Build and load the geometry network, on the CPU.

    Raises:
        ModelLoadError: Names the file or tensor that is wrong, or says that the part has no file of
            its own (it shares the language model's tower), or that the file is of the other MoGe.
    """
    if part.weights is None:
        raise ModelLoadError(
            "the geometry network shares the language model's tower and is loaded with it"
        )
    model = load_moge(part.weights.checked(), config=part.config)
    if isinstance(model, MoGe1) != (part.kind == "moge1"):
        raise ModelLoadError(
            f"{part.weights.path} holds {type(model).__name__}, but the profile says {part.kind}"
        )
    for parameter in model.parameters():
        if parameter.dim() == 4:  # convolutions run faster on the CPU in this layout
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return model


def _built(build: Callable[..., ModuleT], source: Path, *args: Any, **kwargs: Any) -> ModuleT:
    """Build a network from a profile's numbers.

    Raises:
        ModelLoadError: It cannot be built of them; names the file that its weights are in.
    """
    try:
        return build(*args, **kwargs)
    # What the constructors of networks raise for names and numbers that do not go together.
    except (TypeError, ValueError, KeyError, AttributeError, IndexError, RuntimeError) as error:
        reason = (str(error).splitlines() or [repr(error)])[0]
        raise ModelLoadError(
            f"the network of {source} cannot be built of the profile's config: {reason:.200}"
        ) from error


def load_clip(part: SemanticPart) -> Clip:
    """Build and load both CLIP towers, on the CPU.

    Raises:
        ModelLoadError: Names the file or tensor that is wrong.
    """
    config = dict(part.config)
    rows, _ = tensor_shape(part.weights.checked(), "text_model.embeddings.token_embedding.weight")
    if isinstance(config.get("text"), Mapping):
        config["text"] = {**config["text"], "vocab_size": rows}
    return _fill(_built(Clip, part.weights.path, **config), part.weights)


def load_domain(part: DomainPart) -> DomainClassifier:
    """Build and load what tells the training's images from all others, on the CPU.

    Raises:
        ModelLoadError: Names the file or tensor that is wrong.
    """
    return _fill(DomainClassifier(**part.config), part.weights)


def load_language(
    part: LanguagePart,
    vision_tower: Clip | None,
    geometry: MoGe1 | MoGe2 | None,
    num_tokens: int | None,
    *,
    device: torch.device | str = "cpu",
    quantisation: str | None = None,
) -> SpatialGeoModel:
    """Build and load language model and adapter around towers that are loaded already.

    Args:
        part: Of the profile.
        vision_tower: CLIP, shared with whoever else uses it.
        geometry: MoGe, shared too.
        num_tokens: Patches for MoGe-2.
        device: Where the language model and adapter go.
        quantisation: One of ``quantise.QUANTISATIONS``; None takes the profile's setting.

    Raises:
        ModelLoadError: Names the file or tensor that is wrong.
    """
    rows, _ = tensor_shape(part.weights.checked(), "model.embed_tokens.weight")
    model = _built(
        SpatialGeoModel,
        part.weights.path,
        {**part.config, "vocab_size": rows},
        part.adapter,
        vision_tower,
        geometry,
        num_tokens=num_tokens,
    )
    _fill(model.language_model, part.weights)
    _fill(model.adapter, part.adapter_weights)
    chosen = part.quantisation if quantisation is None else quantisation
    require_quantisation(chosen)
    if chosen == "none":
        nn.Module.to(model.language_model, device)
    else:
        quantise(model.language_model, chosen, device)
    model.adapter.to(device)
    return model.eval()
