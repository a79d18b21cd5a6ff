# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a profile's name to its networks, ready for the facade."""

from __future__ import annotations

import logging

import torch

from spatialgeo_ros.language.tokenizer import load_tokenizer
from spatialgeo_ros.models.backbones import Dinov2Backbone
from spatialgeo_ros.models.llava_checkpoint import load_llava
from spatialgeo_ros.models.loading import (
    choose_device,
    load_clip,
    load_geometry,
    load_language,
)
from spatialgeo_ros.models.moge1 import MoGe1
from spatialgeo_ros.models.moge_base import MoGe
from spatialgeo_ros.models.profiles import (
    GeometryPart,
    ImageInput,
    LanguagePart,
    LlavaPart,
    Profile,
    SpatialMllmPart,
    load_profile,
)
from spatialgeo_ros.perception.llava_speaking import LlavaSpeaker
from spatialgeo_ros.perception.networks import ProfileNetworks
from spatialgeo_ros.perception.speaking import NanoSpeaker
from spatialgeo_ros.perception.towers import FrameTowers

log = logging.getLogger(__name__)


def load_networks(
    name: str, device: str = "auto", quantisation: str = "profile", threads: int = 0
) -> ProfileNetworks:
    """Load a profile's networks.

    Args:
        name: of a profile, or the path of its YAML file.
        device: "auto", "cpu", "cuda" or "cuda:<n>".
        quantisation: of the language model: "none", "nf4", "int8", or "profile" for what the
            profile says.
        threads: of PyTorch on the CPU; 0 leaves its choice.

    Raises:
        ModelLoadError: names the file, key or tensor that is wrong.
    """
    if threads > 0:
        torch.set_num_threads(threads)
    profile = load_profile(name)
    target = choose_device(device)
    language = profile.language
    if language is not None and quantisation == "profile":
        quantisation = language.quantisation
    if isinstance(language, LlavaPart):
        return _llava(profile, language, target, quantisation)
    if isinstance(language, SpatialMllmPart):
        return _spatial_mllm(profile, language, target, quantisation)
    return _nano_or_geometry(profile, language, target, quantisation)


def tower_dtype(profile: Profile, device: torch.device) -> torch.dtype:
    """Return the profile's precision; float32 on a CPU, which gains nothing from halves."""
    if device.type == "cpu":
        return torch.float32
    chosen: torch.dtype = getattr(torch, profile.precision)
    return chosen


def _language_dtype(profile: Profile, device: torch.device) -> torch.dtype:
    """Return the profile's precision; bfloat16 for float16 on a CPU, which cannot multiply it."""
    chosen: torch.dtype = getattr(torch, profile.precision)
    if device.type == "cpu" and chosen == torch.float16:
        log.info("float16 is for GPUs: the language model runs in bfloat16 on the CPU")
        return torch.bfloat16
    return chosen


def _nano_or_geometry(
    profile: Profile, language: LanguagePart | None, device: torch.device, quantisation: str
) -> ProfileNetworks:
    dtype = tower_dtype(profile, device)
    geometry = clip = None
    if profile.geometry is not None:
        geometry = load_geometry(profile.geometry).to(device, dtype)
    if profile.semantic is not None:
        clip = load_clip(profile.semantic).to(device, dtype)
    towers = FrameTowers(
        profile.image, device, dtype,
        part=profile.geometry, geometry=geometry, clip=clip,
        camera_prior=profile.camera is not None,
    )  # fmt: skip
    if language is None:
        return ProfileNetworks(profile, device, towers, clip=clip)
    model = load_language(
        language, clip, geometry, None if profile.geometry is None else profile.geometry.num_tokens,
        device=device, quantisation=quantisation,
    )  # fmt: skip
    tokenizer = load_tokenizer(language.tokenizer)
    speaker = NanoSpeaker(language, model, tokenizer, towers)
    return ProfileNetworks(profile, device, towers, speaker, clip, tokenizer)


def _llava(
    profile: Profile, language: LlavaPart, device: torch.device, quantisation: str
) -> ProfileNetworks:
    base = language.base.folder()
    model = load_llava(
        base,
        None if language.adapter is None else language.adapter.folder(),
        language.clip.folder(),
        None if language.tower is None else language.tower.checked(),
        device=device,
        dtype=_language_dtype(profile, device),
        quantisation=quantisation,
    )
    dtype = tower_dtype(profile, device)
    tower = model.geometry
    backbone = tower.backbone if isinstance(tower, MoGe1) else tower
    for module in (model.vision_tower, tower):
        if module is not None:
            module.to(device, dtype)
    part = profile.geometry
    shared = part is not None and part.shared
    eyes = FrameTowers(
        profile.image, device, dtype, clip=model.vision_tower,
        backbone=backbone if isinstance(backbone, Dinov2Backbone) else None,
        part=part if shared else None,
        geometry=tower if shared and isinstance(tower, MoGe1) else None,
    )  # fmt: skip
    speaker = LlavaSpeaker(language, model, load_tokenizer(base), eyes)
    if shared or part is None:
        return ProfileNetworks(profile, device, eyes, speaker)
    return ProfileNetworks(profile, device, _own_geometry(part, device, dtype), speaker)


def _spatial_mllm(
    profile: Profile, language: SpatialMllmPart, device: torch.device, quantisation: str
) -> ProfileNetworks:
    # Imported here: transformers takes seconds for Qwen2.5-VL, which the other profiles never use.
    from spatialgeo_ros.models.spatial_mllm import load_spatial_mllm
    from spatialgeo_ros.perception.video_speaking import VideoSpeaker

    model = load_spatial_mllm(
        language.checkpoint.folder(),
        device=device,
        dtype=_language_dtype(profile, device),
        quantisation=quantisation,
    )
    dtype = tower_dtype(profile, device)
    towers = FrameTowers(profile.image, device, dtype)
    if profile.geometry is not None:
        towers = _own_geometry(profile.geometry, device, dtype)
    return ProfileNetworks(profile, device, towers, VideoSpeaker(language, model))


def _own_geometry(part: GeometryPart, device: torch.device, dtype: torch.dtype) -> FrameTowers:
    """MoGe beside a language model that has another backbone: it sees the whole image itself."""
    geometry: MoGe = load_geometry(part).to(device, dtype)
    image = ImageInput(0, 0, geometry.patch_size, (0, 0, 0), "native")
    return FrameTowers(image, device, dtype, part=part, geometry=geometry, cache_key="geometry_")
