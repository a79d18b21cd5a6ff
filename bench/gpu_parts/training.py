# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The shipped trainings at full size: seconds of a pass and memory, by their own loop and recipes.

Weights, pictures and words are random, so losses mean nothing. A step that the optimiser takes
belongs to the pass before it.
"""

from __future__ import annotations

import dataclasses
import functools
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset

from bench import full_size
from bench.gpu_parts.context import GIB, Context, outcome
from bench.gpu_parts.networks import filled
from bench.gpu_parts.video import IMAGE_TOKEN, VIDEO_TOKEN, random_clip, spatial_mllm
from spatialgeo_ros.models.fusion import HierarchicalAdapter
from spatialgeo_ros.models.moge.moge1 import MoGe1
from spatialgeo_ros.models.profiles import load_profile
from spatialgeo_ros.models.spatial_mllm.chat import interleaved_positions
from spatialgeo_ros.models.spatial_mllm.video_input import prepare_video
from spatialgeo_ros.models.spatialgeo import SpatialGeoModel
from spatialgeo_ros.speech.tokenizer import IMAGE_ID
from spatialgeo_ros.training.clip_data import VIDEO, ClipExample, collate_clips, visual_count
from spatialgeo_ros.training.command import recipe_path
from spatialgeo_ros.training.llava_data import Example, collate_images
from spatialgeo_ros.training.llava_samples import Sample
from spatialgeo_ros.training.processes import make_accelerator
from spatialgeo_ros.training.qwen_samples import QwenSample
from spatialgeo_ros.training.recipe import (
    LORA,
    Optimisation,
    SpatialGeoRecipe,
    SpatialMllmRecipe,
    read_recipe,
)
from spatialgeo_ros.training.spatial_mllm_trainee import SpatialMllmTrainee
from spatialgeo_ros.training.spatialgeo_trainee import SpatialGeoTrainee
from spatialgeo_ros.training.trainee import Trainee, Work
from spatialgeo_ros.training.trainer import Training

#: Words of a conversation, the last half of them learnt: of a caption, of LLaVA's mixture.
_CAPTION, _CONVERSATION = 32, 256
#: Passes that are timed, after two that are not; the optimiser steps after every one of stages 1
#: and 2, after every second one of the others.
_PASSES, _BEFORE, _ACCUMULATION = 6, 2, 2
#: Bytes of a parameter that learns beside its own four: gradient and two moments.
_LEARNING = 12


def stage1(context: Context) -> dict[str, Any]:
    """SpatialGeo's first stage."""
    return _spatialgeo(context, "spatialgeo_stage1", _CAPTION)


def stage2(context: Context) -> dict[str, Any]:
    """SpatialGeo's second stage."""
    return _spatialgeo(context, "spatialgeo_stage2", _CONVERSATION)


def task_lora(context: Context) -> dict[str, Any]:
    """SpatialGeo's low-rank updates on a language model in NF4."""
    return _spatialgeo(context, "spatialgeo_task_lora", _CONVERSATION)


def sft(context: Context) -> dict[str, Any]:
    """Spatial-MLLM's supervised training."""
    context.free()
    recipe = read_recipe(SpatialMllmRecipe, recipe_path("spatial_mllm_sft"))
    named = {"<|video_pad|>": VIDEO_TOKEN, "<|image_pad|>": IMAGE_TOKEN}
    chat = SimpleNamespace(tokenizer=SimpleNamespace(token_id=named.get))
    model = spatial_mllm(context, torch.bfloat16, "none", chat)
    trainee = SpatialMllmTrainee(
        model, recipe.trained, recipe.optimisation.checkpointing, Path(), None
    )
    seen = prepare_video(random_clip(context))
    text = context.sizes(_CONVERSATION, 8)
    shown = [trainee.ids[VIDEO]] * visual_count(seen)
    words = _words(text)
    sample = QwenSample((*shown, *words), (*[-100] * (len(shown) + text // 2), *words[text // 2 :]))
    example = ClipExample(sample, interleaved_positions([seen.grid_thw, text]), (seen,))
    collate = functools.partial(collate_clips, pad_id=0, max_length=recipe.max_length)
    return _passes(
        context, "spatial_mllm_sft", trainee, recipe.optimisation, [example], collate,
        len(sample.ids),
    )  # fmt: skip


def _spatialgeo(context: Context, name: str, text: int) -> dict[str, Any]:
    context.free()
    recipe = read_recipe(SpatialGeoRecipe, recipe_path(name))
    packing = recipe.lora.quantisation if LORA in recipe.trained else "none"
    modules, language = filled(context, load_profile("spatialgeo_7b"), torch.bfloat16, packing)
    vision, adapter = modules["CLIP tower"], modules["projectors"]
    tower = modules["MoGe tower with heads"]
    assert isinstance(tower, MoGe1) and isinstance(adapter, HierarchicalAdapter)
    # The backbone alone is trained with: vit_model.pt.
    model = SpatialGeoModel(language, adapter, cast(Any, vision), tower.backbone)
    model.requires_grad_(False)
    del modules, tower
    trainee = SpatialGeoTrainee(model, recipe, "", {})
    side = full_size.CLIP_L_336["image_size"]
    assert isinstance(side, int)
    text = context.sizes(text, 8)
    examples = []
    for seed in range(8):
        words = _words(text - seed % 4, seed)  # of unlike lengths, so that there is padding
        half = len(words) // 2
        ids = (1, IMAGE_ID, *words)
        pixels = torch.rand(3, side, side, generator=torch.Generator().manual_seed(seed))
        examples.append(Example(Sample(ids, (*[-100] * (2 + half), *words[half:])), pixels))
    collate = functools.partial(collate_images, max_length=recipe.max_length, side=side)
    patches = (side // int(full_size.CLIP_L_336["patch_size"])) ** 2  # type: ignore[call-overload]
    return _passes(
        context, name, trainee, recipe.optimisation, examples, collate, 2 * patches + 1 + text
    )


def _words(count: int, seed: int = 0) -> tuple[int, ...]:
    """Random tokens that every vocabulary has, none of them with a meaning."""
    return tuple(np.random.default_rng(seed).integers(10, 50, count).tolist())


class _Again(Dataset[Any]):
    """The same few examples over and over."""

    def __init__(self, examples: list[Any], length: int) -> None:
        self._examples, self._length = examples, length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Any:
        return self._examples[index % len(self._examples)]


class _EnoughError(Exception):
    """Everything is timed."""


def _passes(
    context: Context,
    name: str,
    trainee: Trainee,
    published: Optimisation,
    examples: list[Any],
    collate: Callable[[list[Any]], Any],
    tokens: int,
) -> dict[str, Any]:
    """Train for a few passes as the command does, without writing anything."""
    # One more pass begins than is timed, and the run would go on after it: nothing is saved.
    count = context.sizes(_PASSES, 2)
    accumulation = min(published.accumulation, _ACCUMULATION)
    how = dataclasses.replace(
        published, batch=context.sizes(published.batch, min(2, published.batch)),
        accumulation=accumulation, steps=_BEFORE + count + 2, workers=0, save_every=10_000,
    )  # fmt: skip
    weights, _, _ = context.memory()
    learns = sum(p.numel() for p in trainee.parameters() if p.requires_grad)
    counted = weights + _LEARNING * learns / GIB
    begun: list[float] = []

    def note(module: nn.Module, arguments: tuple[Any, ...]) -> None:
        context.synchronise()
        begun.append(time.perf_counter())
        if len(begun) > _BEFORE + count:
            raise _EnoughError

    data = _Again(examples, how.steps * how.batch * accumulation)
    context.reset_peak()
    with tempfile.TemporaryDirectory() as folder:
        accelerator = make_accelerator(how, "cpu" if context.device.type == "cpu" else "auto")
        training = Training(accelerator, trainee, Work(data, collate, how, Path(folder)))
        trainee.register_forward_pre_hook(note)
        try:
            training.run()
        except _EnoughError:
            pass
        accelerator.free_memory()
    _, peak, _ = context.memory()
    times = np.diff(begun)[_BEFORE:]
    # Passes with and without a step of the optimiser count as they come in the recipe.
    step = seconds = statistics.median(times[accumulation - 1 :: accumulation])
    if accumulation > 1:
        share = 1 / published.accumulation
        seconds = share * step + (1 - share) * statistics.median(times[::accumulation])
    numbers = {
        "seconds": seconds, "step": step, "rate": how.batch / seconds, "weights": weights,
        "counted": counted, "peak": peak, "passes": float(len(times)),
    }  # fmt: skip
    rows = [
        [f"a pass of {how.batch} conversations of up to {tokens} tokens, s", seconds],
        ["such a pass with the optimiser's step, s", step],
        ["conversations a second", how.batch / seconds],
        ["hours of this card for 100,000 conversations", 1e5 * seconds / how.batch / 3600],
        ["parameters that learn, M", learns / 1e6],
        ["weights, GiB", weights],
        ["with gradients and moments, GiB", counted],
        ["peak, GiB", peak],
    ]
    return outcome(
        f"Training {name} by its recipe",
        numbers,
        (("what", "measured"), rows),
        notes=[f"{len(times)} passes timed; the recipe steps after {published.accumulation}."],
    )
