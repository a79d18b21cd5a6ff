# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Profiles at full size with random weights, made on the device itself and put together as loaded.

Random weights of the deviation that training starts from keep activations in range, so that tokens
are chosen as with trained ones; no text means anything.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import nn
from transformers import LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

from bench import full_size
from bench.gpu_parts.context import Context
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.memory.observation import View
from spatialgeo_ros.models.clip import ClipVisionTower
from spatialgeo_ros.models.fusion import HierarchicalAdapter
from spatialgeo_ros.models.moge.moge1 import MoGe1
from spatialgeo_ros.models.profiles import LlavaPart, Profile, load_profile
from spatialgeo_ros.models.spatialgeo import SpatialGeoModel
from spatialgeo_ros.networks.llava_speaker import LlavaSpeaker
from spatialgeo_ros.networks.profile_networks import ProfileNetworks
from spatialgeo_ros.networks.towers import FrameTowers
from spatialgeo_ros.speech.marked_text import TextPart
from spatialgeo_ros.speech.tokenizer import IMAGE_ID, IMAGE_PLACEHOLDER, LanguageTokenizer

WIDTH, HEIGHT, FOCAL = 640, 480, 525.0
#: For a precision of weights that are not quantised: profile's word, torch's type.
PRECISIONS = {"fp16": ("float16", torch.float16), "bf16": ("bfloat16", torch.bfloat16)}


class Words(LanguageTokenizer):
    """Every word is a token, every token a letter, and none ends an answer.

    Args:
        size: Of the vocabulary.
        named: Words with a token of their own.
    """

    def __init__(self, size: int, named: Mapping[str, int] | None = None) -> None:
        super().__init__(None)
        self.size = size
        self._named = {IMAGE_PLACEHOLDER: IMAGE_ID, **(named or {})}

    @property
    def bos_id(self) -> int | None:
        """Token that prompts start with."""
        return 1

    @property
    def eos_id(self) -> int | None:
        """None: an answer is as long as asked for."""
        return None

    def __len__(self) -> int:
        return self.size

    def encode(
        self, text: str | Sequence[TextPart], *, add_bos: bool = True, add_eos: bool = False
    ) -> list[int]:
        """Number the words."""
        whole = text if isinstance(text, str) else "".join(part.text for part in text)
        words = whole.replace(IMAGE_PLACEHOLDER, f" {IMAGE_PLACEHOLDER} ").split()
        ids = [
            self._named[word] if word in self._named
            else 3 + zlib.crc32(word.encode()) % (self.size - 3)
            for word in words
        ]  # fmt: skip
        return [1, *ids] if add_bos else ids

    def decode(self, ids: Iterable[int]) -> str:
        """Letters."""
        return "".join(chr(97 + int(number) % 26) for number in ids)

    def token_id(self, token: str) -> int | None:
        """None: there are no tokens with names."""
        return None

    def number_tokens(self) -> tuple[list[int], list[float]]:
        """None."""
        return [], []


class RandomProfile(Profile):
    """A profile whose files are nowhere."""

    def fingerprint(self) -> str:
        """Not of any file."""
        return "random"


@dataclass(frozen=True, eq=False)
class Assembled:
    """A profile as it is after loading.

    Attributes:
        profile: With the precision that was asked for.
        networks: What the node uses.
        model: Language model and projectors.
        towers: That the language model looks through.
        tokenizer: Of the language model.
        dtype: Of what is not quantised.
    """

    profile: Profile
    networks: ProfileNetworks
    model: SpatialGeoModel
    towers: FrameTowers
    tokenizer: Words
    dtype: torch.dtype

    @property
    def language(self) -> LlamaForCausalLM:
        """The language model alone."""
        return self.model.language_model


def spatialgeo(context: Context, kind: str, tokens: int = 32) -> Assembled:
    """SpatialGeo 7B.

    Args:
        context: Of the benchmark.
        kind: "fp16", "bf16" or "nf4" (the rest in float16).
        tokens: Of an answer.
    """
    quantisation = "nf4" if kind == "nf4" else "none"
    word, dtype = PRECISIONS.get(kind, PRECISIONS["fp16"])
    if context.device.type == "cpu":
        word, dtype = "float32", torch.float32
    profile = load_profile("spatialgeo_7b")
    assert isinstance(profile.language, LlavaPart)
    part = dataclasses.replace(
        profile.language, max_new_tokens=tokens, temperature=0.0, quantisation=quantisation
    )
    facts = {one.name: getattr(profile, one.name) for one in dataclasses.fields(profile)}
    profile = RandomProfile(**{**facts, "precision": word, "language": part})
    modules, language = filled(context, profile, dtype, quantisation)
    vision, tower = modules["CLIP tower"], modules["MoGe tower with heads"]
    adapter = modules["projectors"]
    assert isinstance(vision, ClipVisionTower) and isinstance(tower, MoGe1)
    assert isinstance(adapter, HierarchicalAdapter)
    positions = int(language.config.max_position_embeddings)
    model = SpatialGeoModel(language, adapter, vision, tower, max_length=positions)
    model.requires_grad_(False).eval()
    towers = FrameTowers(
        profile.image, context.device, dtype, clip=vision, backbone=tower.backbone,
        part=profile.geometry, geometry=tower,
    )  # fmt: skip
    tokenizer = Words(language.config.vocab_size)
    speaker = LlavaSpeaker(part, model, tokenizer, towers)
    networks = ProfileNetworks(profile, context.device, towers, speaker)
    return Assembled(profile, networks, model, towers, tokenizer, dtype)


def filled(
    context: Context, profile: Profile, dtype: torch.dtype, quantisation: str
) -> tuple[dict[str, nn.Module], LlamaForCausalLM]:
    """The modules of a profile at full size with random weights, and the LLaMA among them."""
    built = full_size.full_size(profile)
    with torch.no_grad():
        full_size.fill(built, context.device, dtype, quantisation)
        for module in built.modules.values():
            settle(module)
    language = cast(LlamaForCausalLM, built.modules["language model"])
    language.model.rotary_emb = LlamaRotaryEmbedding(language.config).to(context.device)
    return built.modules, language


def settle(module: nn.Module) -> None:
    """Give normalisations the gain and offset that training starts from."""
    for layer in module.modules():
        if "Norm" in type(layer).__name__:
            for name, parameter in layer.named_parameters(recurse=False):
                parameter.fill_(0.0 if name == "bias" else 1.0)


def view(seed: int) -> View:
    """A random image of a calibrated camera."""
    coarse = np.random.default_rng(seed).integers(0, 256, (HEIGHT // 16, WIDTH // 16, 3), np.uint8)
    image = coarse.repeat(16, axis=0).repeat(16, axis=1)
    camera = PinholeCamera(WIDTH, HEIGHT, FOCAL, FOCAL, (WIDTH - 1) / 2, (HEIGHT - 1) / 2)
    return View(image, camera, None)


def weights_of_a_token(language: Any) -> int:
    """Bytes of weights that one token's step reads: all but the table of embeddings."""
    from spatialgeo_ros.models.files.weights import weight_bytes

    table = language.get_input_embeddings().weight
    tied = language.get_output_embeddings().weight is table
    return weight_bytes(language) - (0 if tied else table.numel() * table.element_size())
