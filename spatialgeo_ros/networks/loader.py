# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a profile's name to its networks, ready for the facade."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.backbones import Dinov2Backbone
from spatialgeo_ros.models.clip import Clip, ClipVisionTower
from spatialgeo_ros.models.construction import (
    choose_device,
    load_clip,
    load_domain,
    load_geometry,
    load_language,
)
from spatialgeo_ros.models.llava.llava_checkpoint import load_llava
from spatialgeo_ros.models.llava.vision import load_clip_vision, load_moge_tower
from spatialgeo_ros.models.moge.moge1 import MoGe1
from spatialgeo_ros.models.moge.moge2 import MoGe2
from spatialgeo_ros.models.packed_weights import PackedWeights
from spatialgeo_ros.models.precision import language_dtype, tower_dtype
from spatialgeo_ros.models.precision_choice import choose_precision
from spatialgeo_ros.models.profiles import (
    GeometryPart,
    ImageInput,
    LanguagePart,
    LlavaPart,
    Profile,
    QwenPart,
    ServedPart,
    SpatialRgptPart,
    load_profile,
)
from spatialgeo_ros.models.quantisation_choice import choose_quantisation
from spatialgeo_ros.networks.llava_speaker import LlavaSpeaker
from spatialgeo_ros.networks.nano_speaker import NanoSpeaker
from spatialgeo_ros.networks.profile_networks import ProfileNetworks
from spatialgeo_ros.networks.served_speaker import ServedSpeaker
from spatialgeo_ros.networks.speaker import Speaker
from spatialgeo_ros.networks.tower_engines import EngineOptions, compile_towers
from spatialgeo_ros.networks.towers import FrameTowers
from spatialgeo_ros.runtime.cuda_graph import CAPTURING
from spatialgeo_ros.speech.tokenizer import load_tokenizer

log = logging.getLogger(__name__)


def load_networks(
    name: str,
    device: str = "auto",
    quantisation: str = "profile",
    threads: int = 0,
    engines: EngineOptions | None = None,
    precision: str = "profile",
    *,
    pack: bool = False,
) -> ProfileNetworks:
    """Load a profile's networks.

    Args:
        name: of a profile, or the path of its YAML file.
        device: "auto", "cpu", "cuda" or "cuda:<n>".
        quantisation: of the language model: "none", "nf4", "int8", or "profile" for what the
            profile says.
        threads: of PyTorch on the CPU; 0 leaves its choice.
        engines: how the image towers run; in PyTorch by default.
        precision: "float32", "float16", "bfloat16", "half" for what suits network and card, or
            "profile" for what the profile says.
        pack: write the language model's weights in NF4 to where later loads find them.

    Raises:
        ModelLoadError: names the file, key or tensor that is wrong, or the engine that is missing;
            or the quantisation is none of these, or there is no language model for it; or the
            networks do not run in that precision.
    """
    if threads > 0:
        torch.set_num_threads(threads)
    profile = load_profile(name)
    target = choose_device(device)
    language = profile.language
    precision = choose_precision(
        precision, profile.name, profile.precision, only_float32=isinstance(language, LanguagePart)
    )
    profile = replace(profile, precision=precision)
    stated = None if language is None else language.quantisation
    quantisation = choose_quantisation(quantisation, profile.name, stated)
    profile.hash_ahead()
    options = engines or EngineOptions()
    packed = PackedWeights(profile.name, profile.language_files, options.folder, make=pack)
    speaker: Speaker | None
    if isinstance(language, LlavaPart):
        image_towers, speaker = _llava(profile, language, target, quantisation, packed)
    elif isinstance(language, ServedPart):
        image_towers, speaker = _own_towers(profile, target), ServedSpeaker(language, profile.name)
    elif isinstance(language, SpatialRgptPart):
        image_towers, speaker = _spatialrgpt(profile, language, target, quantisation, packed)
    elif isinstance(language, QwenPart):
        image_towers, speaker = _qwen(profile, language, target, quantisation, packed)
    else:
        image_towers, speaker = _own(profile, language, target, quantisation)
    running = compile_towers(profile, image_towers.every, target, options, name)
    for towers in image_towers.exact:
        towers.convert(tower_dtype(profile.precision, target))
    if target.type == "cuda":
        with CAPTURING:  # what loading worked with; a robot may share this memory with its GPU
            torch.cuda.empty_cache()
        for towers in image_towers.every:
            towers.warm_up(options.image_size)
    others = [towers for towers in image_towers.every if towers is not image_towers.measuring]
    domain = None if profile.domain is None else load_domain(profile.domain).to(target)
    return ProfileNetworks(
        profile,
        target,
        image_towers.measuring,
        speaker,
        image_towers.clip,
        others,
        running,
        domain,
    )


def load_towers(profile: Profile, device: torch.device) -> tuple[FrameTowers, ...]:
    """Load the image towers of a profile alone, to build engines for them.

    Raises:
        ModelLoadError: names the file, key or tensor that is wrong.
    """
    language, dtype = profile.language, tower_dtype(profile.precision, device)
    if isinstance(language, LlavaPart):
        vision = load_clip_vision(language.clip.folder(), device, dtype)
        tower = None
        if language.tower is not None:
            tower = load_moge_tower(language.tower.checked(), device, dtype)
        return _published_towers(profile, vision, tower, device).every
    return _own_towers(profile, device).every


@dataclass(frozen=True)
class ImageTowers:
    """The image towers of a profile.

    Attributes:
        measuring: what predicts depth.
        every: these, and those that only the language model looks through.
        clip: both CLIP towers where phrases can be looked for.
        geometry: MoGe where the nano language model shares it.
        exact: those of ``every`` that are in float32 still: engines are built from these weights,
            the same on every machine. What PyTorch runs is converted afterwards.
    """

    measuring: FrameTowers
    every: tuple[FrameTowers, ...]
    clip: Clip | None = None
    geometry: MoGe1 | MoGe2 | None = None
    exact: tuple[FrameTowers, ...] = ()


def _own_towers(profile: Profile, device: torch.device) -> ImageTowers:
    """CLIP and MoGe of this repository's own profiles, and those with MoGe alone."""
    geometry = clip = None
    if profile.geometry is not None:
        geometry = load_geometry(profile.geometry).to(device)
    if profile.semantic is not None:
        clip = load_clip(profile.semantic).to(device)
    towers = FrameTowers(
        profile.image, device, part=profile.geometry, geometry=geometry, clip=clip,
        camera_prior=profile.camera is not None,
    )  # fmt: skip
    return ImageTowers(towers, (towers,), clip, geometry, exact=(towers,))


def _own(
    profile: Profile, language: LanguagePart | None, device: torch.device, quantisation: str
) -> tuple[ImageTowers, Speaker | None]:
    image_towers = _own_towers(profile, device)
    if language is None:
        return image_towers, None
    tokens = None if profile.geometry is None else profile.geometry.num_tokens
    model = load_language(
        language,
        image_towers.clip,
        image_towers.geometry,
        tokens,
        device=device,
        quantisation=quantisation,
    )
    tokenizer = load_tokenizer(language.tokenizer)
    return image_towers, NanoSpeaker(language, model, tokenizer, image_towers.measuring)


def _published_towers(
    profile: Profile,
    vision: ClipVisionTower | None,
    tower: MoGe1 | Dinov2Backbone | None,
    device: torch.device,
) -> ImageTowers:
    """CLIP and the geometry tower of a published language model, on the same padded square."""
    dtype = tower_dtype(profile.precision, device)
    part = profile.geometry
    shared = part is not None and part.shared
    backbone = tower.backbone if isinstance(tower, MoGe1) else tower
    seeing = FrameTowers(
        profile.image, device, dtype, clip=vision,
        backbone=backbone if isinstance(backbone, Dinov2Backbone) else None,
        part=part if shared else None,
        geometry=tower if shared and isinstance(tower, MoGe1) else None,
    )  # fmt: skip
    if part is None or shared:
        return ImageTowers(seeing, (seeing,))
    measuring = _beside(part, device)
    return ImageTowers(measuring, (seeing, measuring), exact=(measuring,))


def _llava(
    profile: Profile,
    language: LlavaPart,
    device: torch.device,
    quantisation: str,
    packed: PackedWeights,
) -> tuple[ImageTowers, Speaker]:
    base = language.base.folder()
    model = load_llava(
        base,
        None if language.adapter is None else language.adapter.folder(),
        language.clip.folder(),
        None if language.tower is None else language.tower.checked(),
        device=device,
        dtype=language_dtype(profile.precision, device),
        tower_dtype=tower_dtype(profile.precision, device),
        quantisation=quantisation,
        packed=packed,
    )
    tower = model.geometry
    if isinstance(tower, MoGe2):
        raise ModelLoadError(f"profile '{profile.name}': SpatialGeo's tower is that of MoGe 1")
    image_towers = _published_towers(profile, model.vision_tower, tower, device)
    return image_towers, LlavaSpeaker(language, model, load_tokenizer(base), image_towers.every[0])


def _qwen(
    profile: Profile,
    language: QwenPart,
    device: torch.device,
    quantisation: str,
    packed: PackedWeights,
) -> tuple[ImageTowers, Speaker]:
    # Imported here: transformers takes seconds for Qwen2.5-VL, which the other profiles never use.
    from spatialgeo_ros.models.spatial_mllm import QwenVl, load_qwen_vl, load_spatial_mllm
    from spatialgeo_ros.networks.video_speaker import VideoSpeaker

    load: Callable[..., QwenVl] = load_spatial_mllm if language.spatial else load_qwen_vl
    model = load(
        language.checkpoint.folder(),
        device=device,
        dtype=language_dtype(profile.precision, device),
        quantisation=quantisation,
        packed=packed,
    )
    return _own_towers(profile, device), VideoSpeaker(language, model)


def _spatialrgpt(
    profile: Profile,
    language: SpatialRgptPart,
    device: torch.device,
    quantisation: str,
    packed: PackedWeights,
) -> tuple[ImageTowers, Speaker]:
    # Imported here: transformers takes seconds for SigLIP, which the other profiles never use.
    from spatialgeo_ros.models.spatialrgpt.depth_anything import load_depth_anything
    from spatialgeo_ros.models.spatialrgpt.rgpt_checkpoint import (
        LANGUAGE,
        end_ids,
        load_spatialrgpt,
    )
    from spatialgeo_ros.networks.region_speaker import RegionSpeaker

    folder = language.checkpoint.folder()
    dtype = language_dtype(profile.precision, device)
    model = load_spatialrgpt(
        folder, device=device, dtype=dtype, quantisation=quantisation, packed=packed
    )
    tokenizer = load_tokenizer(folder / LANGUAGE)
    depth_network = None
    if language.depth_network is not None and language.depth_network.found() is not None:
        files = language.depth_network.folder()
        towers = tower_dtype(profile.precision, device)
        depth_network = load_depth_anything(files, device=device, dtype=towers)
    speaker = RegionSpeaker(language, model, tokenizer, end_ids(folder), depth_network)
    log.info("%s: its picture of depth is made of %s", profile.name, speaker.depth_source)
    return _own_towers(profile, device), speaker


def _beside(part: GeometryPart, device: torch.device) -> FrameTowers:
    """MoGe beside a language model that has another backbone: it sees the whole image itself."""
    geometry = load_geometry(part).to(device)
    image = ImageInput(0, 0, geometry.patch_size, (0, 0, 0), "native")
    return FrameTowers(image, device, part=part, geometry=geometry, cache_key="geometry_")
