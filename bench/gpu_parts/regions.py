# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SpatialRGPT 8B: questions about two regions of an image, tokens per second, memory by step."""

from __future__ import annotations

import dataclasses
from typing import Any, cast

import numpy as np
import torch

from bench import tower_rates
from bench.gpu_parts.context import Context, outcome
from bench.gpu_parts.language import LONGEST, MemorySteps, ask, asked_twice
from bench.gpu_parts.networks import (
    HEIGHT,
    WIDTH,
    RandomProfile,
    Words,
    filled,
    view,
    weights_of_a_token,
)
from spatialgeo_ros.models.profiles import ImageInput, Profile, SpatialRgptPart, load_profile
from spatialgeo_ros.models.spatialrgpt.rgpt_model import SpatialRgpt
from spatialgeo_ros.networks.interface import Question
from spatialgeo_ros.networks.profile_networks import ProfileNetworks
from spatialgeo_ros.networks.region_speaker import RegionSpeaker
from spatialgeo_ros.networks.towers import FrameTowers

QUESTIONS = (
    "How far is <region> from <region> ?",
    "Which of <region> and <region> is wider , and by how much ?",
)


def rgpt_nf4(context: Context) -> dict[str, Any]:
    """SpatialRGPT with its language model in NF4."""
    return _regions(context, "nf4")


def rgpt_bf16(context: Context) -> dict[str, Any]:
    """SpatialRGPT in bfloat16."""
    return _regions(context, "bf16")


def _spatialrgpt(context: Context, quantisation: str) -> tuple[ProfileNetworks, RegionSpeaker]:
    """The profile at full size with random weights, put together as loading does it."""
    profile = load_profile("spatialrgpt_8b")
    assert isinstance(profile.language, SpatialRgptPart) and profile.geometry is not None
    dtype = torch.bfloat16 if context.device.type == "cuda" else torch.float32
    measured = profile.geometry
    # MoGe is not filled here: the tiny one of a trial has its own size.
    part = dataclasses.replace(
        profile.language, max_new_tokens=context.sizes(LONGEST, 8), quantisation=quantisation
    )
    facts = {one.name: getattr(profile, one.name) for one in dataclasses.fields(Profile)}
    profile = RandomProfile(**{**facts, "language": part, "geometry": None})
    modules, language = filled(context, profile, dtype, quantisation)
    tower = cast(Any, modules["image tower"])
    count = tower.embeddings.position_ids.shape[-1]
    tower.embeddings.position_ids = torch.arange(count, device=context.device)[None]
    vocabulary = language.config.vocab_size
    model = SpatialRgpt(
        language, tower, cast(Any, modules["region extractor"]), cast(Any, modules["projector"]),
        mask_id=vocabulary - 2, depth_id=vocabulary - 1, max_length=4096,
    )  # fmt: skip
    model.requires_grad_(False).eval()
    geometry = tower_rates.moge(context.device, None if context.tiny else "moge2_s")
    towers = FrameTowers(
        ImageInput(0, 0, geometry.patch_size, (0, 0, 0), "native"), context.device,
        tower_rates.precision(context.device), geometry=geometry, cache_key="geometry_",
        part=dataclasses.replace(measured, num_tokens=48) if context.tiny else measured,
    )  # fmt: skip
    if context.device.type == "cuda":
        towers.warm_up((HEIGHT, WIDTH))
    words = Words(vocabulary - 2, {"<mask>": vocabulary - 2, "<depth>": vocabulary - 1})
    speaker = RegionSpeaker(part, model, words, ends=())
    return ProfileNetworks(profile, context.device, towers, speaker), speaker


def _masks() -> list[np.ndarray[Any, np.dtype[np.bool_]]]:
    """Two things beside each other."""
    masks = np.zeros((2, HEIGHT, WIDTH), bool)
    masks[0, 180:300, 120:260] = masks[1, 200:330, 380:520] = True
    return list(masks)


def _regions(context: Context, kind: str) -> dict[str, Any]:
    context.free()
    networks, speaker = _spatialrgpt(context, "nf4" if kind == "nf4" else "none")
    depth = np.linspace(1.0, 4.0, HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH)
    questions = tuple(
        Question(text, _masks(), names=("mug", "plate"), depth=depth) for text in QUESTIONS
    )
    memory = MemorySteps(context)
    memory.note("weights")
    networks.depth(view(0))
    memory.note("depth")
    tokens = context.sizes(LONGEST, 8)
    ask(networks, view(0), questions[0], tokens)
    memory.note(f"a question, {tokens} tokens")
    numbers, waits, hits = asked_twice(context, networks, (questions[0], questions[1]))
    memory.note("questions about other images")
    about = speaker.decoder.describe()
    fast = _rate(networks, questions[0], tokens)
    speaker.decoder.use("eager")
    slow = _rate(networks, questions[0], context.sizes(24, 6))
    model = next(module for module in speaker.modules() if isinstance(module, SpatialRgpt))
    read = weights_of_a_token(model.language_model)
    limit = context.copied / read if context.copied else 0.0
    rows = [
        [f"tokens a second, {about['decoding']}", fast],
        ["tokens a second, loop of one launch a kernel", slow],
        ["limit: weights of a token over what a copy moves", limit],
    ]
    numbers |= {
        "rate": fast, "eager": slow, "times": fast / slow, "limit": limit, "peak": memory.peak,
        "weights": memory.rows[0][1],
    }  # fmt: skip
    return outcome(
        f"SpatialRGPT 8B in {kind}: questions about two regions, and memory",
        numbers,
        waits,
        (("what", "measured"), rows),
        (memory.header, memory.rows),
        notes=[hits],
    )


def _rate(networks: ProfileNetworks, question: Question, tokens: int) -> float:
    """Tokens a second after the first of an answer; the one before pays for captures."""
    seen = view(99)
    ask(networks, seen, question, 2)
    first, last = ask(networks, seen, question, tokens)
    return (tokens - 1) / max(1e-6, last - first)
