# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a training does, read from YAML: every setting has a name, a type and no second place.

The files under ``config/training`` hold the published settings; ``--set rate=1e-4`` changes one.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, Union

import yaml

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.runtime.input_files import read_yaml
from spatialgeo_ros.training.rewards import REWARDED, SPATIAL_MLLM

RecipeT = TypeVar("RecipeT")

#: What SpatialGeo's trainings may let learn.
MOGE_PROJECTORS, CLIP_PROJECTOR, LORA = "moge_projectors", "clip_projector", "lora"
#: What Spatial-MLLM's may: the language model with its embeddings, Qwen's merger, the connector.
LANGUAGE, MERGER, CONNECTOR = "language", "merger", "connector"
_CHOICES: dict[str, tuple[Any, ...]] = {
    "schedule": ("cosine", "linear"),
    "precision": ("bf16", "fp32"),
    "quantisation": ("none", "nf4"),
    "version": ("v1", "llava_v1", "plain"),
    "aspect": ("pad", "square"),
    "rewards": tuple(REWARDED),
}
_PARTS = {
    "SpatialGeoRecipe": (MOGE_PROJECTORS, CLIP_PROJECTOR, LORA),
    "SpatialMllmRecipe": (LANGUAGE, MERGER, CONNECTOR),
}


@dataclass(frozen=True)
class Optimisation:
    """How long, how fast, in which batches.

    Attributes:
        rate: learning rate at its peak.
        batch: samples of one process in one pass.
        accumulation: passes of each process before the weights change.
        projector_rate: of the projectors (SpatialGeo) or of merger and connector (Spatial-MLLM);
            None for ``rate``.
        epochs: times through the data.
        steps: of the optimiser, in place of ``epochs``; 0 for those.
        schedule: "cosine" or "linear", down to 0.
        warmup_ratio: share of the steps of the way up.
        weight_decay: of weights; biases and LayerNorms have none.
        betas: of AdamW.
        epsilon: of AdamW.
        clip: largest norm of the gradients.
        precision: "bf16" (products; what learns stays in float32) or "fp32".
        checkpointing: compute activations a second time instead of keeping them.
        grouped: batches of like length, with images or without; else plainly shuffled.
        seed: of order, initial weights, dropout and feature dropping.
        save_every: steps between checkpoints to resume from; below 1 a share of all steps.
        keep: checkpoints that are kept.
        workers: processes that read data, of each training process.
    """

    rate: float
    batch: int
    accumulation: int = 1
    projector_rate: float | None = None
    epochs: float = 1.0
    steps: int = 0
    schedule: str = "cosine"
    warmup_ratio: float = 0.03
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    clip: float = 1.0
    precision: str = "bf16"
    checkpointing: bool = True
    grouped: bool = False
    seed: int = 42
    save_every: float = 500.0
    keep: int = 1
    workers: int = 4

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            BadRequestError: names the setting that is out of its range.
        """
        for name in ("rate", "batch", "accumulation", "clip", "save_every", "keep"):
            if not getattr(self, name) > 0:
                raise BadRequestError(f"'{name}' must be above 0, not {getattr(self, name)}")
        if not self.steps >= 0 or not (self.epochs > 0 or self.steps):
            raise BadRequestError("'epochs' must be above 0, or 'steps' at least 1")


@dataclass(frozen=True)
class LoraSettings:
    """Low-rank updates of the language model's linear layers, all but ``lm_head``.

    Attributes:
        rank: of the products.
        alpha: the product is multiplied by alpha / rank.
        dropout: of what goes into them.
        quantisation: of the layers below: "none", or "nf4" (QLoRA).
    """

    rank: int = 128
    alpha: int = 256
    dropout: float = 0.05
    quantisation: str = "none"


@dataclass(frozen=True)
class SpatialGeoRecipe:
    """A training of SpatialGeo.

    Attributes:
        version: template of the conversations: "plain" (captions), "v1" or "llava_v1".
        aspect: "pad" keeps the whole image, "square" cuts its sides off.
        trained: of "moge_projectors", "clip_projector" and "lora".
        optimisation: see there.
        drop_probability: that an image is shown by its geometry alone.
        max_length: tokens of a sequence, visual ones included.
        lora: where "lora" is trained.
    """

    version: str
    aspect: str
    trained: tuple[str, ...]
    optimisation: Optimisation
    drop_probability: float = 0.0
    max_length: int = 2048
    lora: LoraSettings = field(default_factory=LoraSettings)


@dataclass(frozen=True)
class Frames:
    """How a clip is seen; see ``video_frames.training_frames`` and ``video_input.PixelBudget``.

    Attributes:
        least: frames of a short clip.
        most: frames of a long one.
        interval: seconds between frames, where that gives a number between.
        nominal_rate: frames per second that the language model is told; None for the true one.
        min_pixels: of a resized frame.
        max_pixels: of a resized frame.
    """

    least: int = 16
    most: int = 16
    interval: float = 2.0
    nominal_rate: float | None = 4.0
    min_pixels: int = 293216
    max_pixels: int = 324576


@dataclass(frozen=True)
class SpatialMllmRecipe:
    """The supervised training of Spatial-MLLM.

    Attributes:
        trained: of "language", "merger" and "connector".
        optimisation: see there.
        frames: of a clip.
        max_length: tokens of a sequence, visual ones included.
    """

    trained: tuple[str, ...]
    optimisation: Optimisation
    frames: Frames = field(default_factory=Frames)
    max_length: int = 8192


@dataclass(frozen=True)
class PolicyRecipe:
    """Group relative policy optimisation of Spatial-MLLM's language model.

    Attributes:
        optimisation: see there; ``batch`` counts prompts.
        group: completions of a prompt.
        temperature: they are sampled at.
        top_p: share of probability that candidates cover.
        completion_length: most tokens of one.
        beta: weight of the divergence from the model that training starts from.
        clip_ratio: how far the ratio of new to old policy counts; None for any. With one update
            for each completion the ratio is 1 and never clipped.
        length_bonus: Video-R1's, for thoughts of a fair length.
        rewards: by whose rules answers are rewarded: "spatial_mllm" or "video_r1".
        frames: of a clip.
        instruction: what a prompt ends with, "" for nothing; the type's own sentence follows.
    """

    optimisation: Optimisation
    group: int = 8
    temperature: float = 1.0
    top_p: float = 1.0
    completion_length: int = 768
    beta: float = 0.04
    clip_ratio: float | None = None
    length_bonus: bool = True
    rewards: str = SPATIAL_MLLM
    frames: Frames = field(default_factory=Frames)
    instruction: str = ""

    def __post_init__(self) -> None:
        """Check the group.

        Raises:
            BadRequestError: one completion has nothing to be compared with.
        """
        if self.group < 2:
            raise BadRequestError(f"'group' must be at least 2, not {self.group}")


def read_recipe(kind: type[RecipeT], path: Path, changes: Sequence[str] = ()) -> RecipeT:
    """Read a recipe.

    Args:
        kind: one of the recipes above.
        path: YAML file.
        changes: "name=value", the value in YAML; names below a section as "lora.rank=16". A name
            of :class:`Optimisation` may stand alone: "rate=1e-4".

    Raises:
        BadRequestError: the file cannot be read, or names the setting that is unknown, missing or
            of another type.
    """
    content = read_yaml(path, BadRequestError)
    if not isinstance(content, dict):
        raise BadRequestError(f"the recipe {path} is no mapping of settings")
    inner = {one.name for one in dataclasses.fields(Optimisation)}
    outer = {one.name for one in dataclasses.fields(typing.cast(Any, kind))}
    for change in changes:
        name, mark, value = change.partition("=")
        if not mark:
            raise BadRequestError(f"'{change}' changes nothing: write name=value")
        parts = name.strip().split(".")
        if len(parts) == 1 and parts[0] in inner - outer:
            parts = ["optimisation", *parts]
        place = content
        for part in parts[:-1]:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise BadRequestError(f"'{part}' of '{change}' is no section")
        place[parts[-1]] = yaml.safe_load(value)
    return _build(kind, content, str(path))


def _build(kind: type[RecipeT], content: Mapping[str, Any], where: str) -> RecipeT:
    hints = typing.get_type_hints(kind)
    fields = {one.name: one for one in dataclasses.fields(typing.cast(Any, kind))}
    for name in content:
        if name not in fields:
            raise BadRequestError(f"{where}: '{name}' is no setting; there are {', '.join(fields)}")
    values: dict[str, Any] = {}
    for name, one in fields.items():
        if name in content:
            values[name] = _value(hints[name], content[name], f"{where}: '{name}'", name)
        elif one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING:
            raise BadRequestError(f"{where}: the setting '{name}' is missing")
    parts = _PARTS.get(kind.__name__)
    for part in values.get("trained", ()):
        if parts is not None and part not in parts:
            raise BadRequestError(f"{where}: 'trained' may name {', '.join(parts)}, not {part!r}")
    return kind(**values)


def _value(hint: Any, given: Any, where: str, name: str) -> Any:
    """A setting in its type; YAML 1.1 reads "2e-5" as text, which is meant as a number."""
    if dataclasses.is_dataclass(hint):
        if not isinstance(given, Mapping):
            raise BadRequestError(f"{where} must be a section of settings, not {given!r}")
        return _build(typing.cast(Any, hint), given, where)
    if typing.get_origin(hint) in (Union, types.UnionType):
        if given is None:
            return None
        (hint,) = (one for one in typing.get_args(hint) if one is not type(None))
    try:
        if typing.get_origin(hint) is tuple:
            kind = typing.get_args(hint)[0]
            return tuple(kind(one) for one in given)
        if isinstance(given, bool) != (hint is bool) or given is None:
            raise ValueError
        found = hint(given)
        if hint is int and found != float(given):
            raise ValueError
    except (TypeError, ValueError) as error:
        kind_name = getattr(hint, "__name__", str(hint))
        raise BadRequestError(f"{where} must be of type {kind_name}, not {given!r}") from error
    if name in _CHOICES and found not in _CHOICES[name]:
        raise BadRequestError(f"{where} must be one of {', '.join(_CHOICES[name])}, not {given!r}")
    return found
