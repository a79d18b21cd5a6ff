# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Model profiles: which networks, of which shape, from which files (``config/models/*.yaml``)."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.clip import NANO_TEXT_CONFIG, NANO_VISION_CONFIG
from spatialgeo_ros.models.domain import NANO_DOMAIN_CONFIG
from spatialgeo_ros.models.engine_settings import EngineSettings, read_engine_settings
from spatialgeo_ros.models.files.sources import Checkpoint, HubFile, WeightFile
from spatialgeo_ros.models.files.store import hash_ahead, hash_of
from spatialgeo_ros.models.moge.moge2 import NANO_CONFIG
from spatialgeo_ros.models.precision_choice import PRECISIONS
from spatialgeo_ros.models.profile_file import Section
from spatialgeo_ros.models.profile_parts import (
    IMAGE_MODES,
    CameraMount,
    DomainPart,
    GeometryPart,
    GroundingPart,
    ImageInput,
    LanguagePart,
    LlavaPart,
    QwenPart,
    SemanticPart,
    ServedPart,
    SpatialRgptPart,
    SpeakerPart,
)
from spatialgeo_ros.models.profile_source import (
    NOTHING_TO_LOAD,
    grounding_name,
    list_grounding_profiles,
    list_profiles,
    read_profile,
)
from spatialgeo_ros.models.quantisation_choice import QUANTISATIONS
from spatialgeo_ros.models.spatialgeo import NANO_ADAPTER_CONFIG, NANO_LANGUAGE_CONFIG

__all__ = [
    "IMAGE_MODES",
    "PRECISIONS",
    "PRESETS",
    "CameraMount",
    "Checkpoint",
    "DomainPart",
    "GeometryPart",
    "GroundingPart",
    "HubFile",
    "ImageInput",
    "LanguagePart",
    "LlavaPart",
    "Profile",
    "SemanticPart",
    "ServedPart",
    "QwenPart",
    "SpatialRgptPart",
    "WeightFile",
    "list_profiles",
    "load_profile",
]

# Shapes by name; a profile may also spell a configuration out.
PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "geometry": {"nano": NANO_CONFIG},
    "semantic": {
        "nano": {"vision": NANO_VISION_CONFIG, "text": NANO_TEXT_CONFIG, "projection_dim": 128}
    },
    "domain": {"nano": NANO_DOMAIN_CONFIG},
    "language": {"nano": NANO_LANGUAGE_CONFIG},
    "adapter": {"nano": NANO_ADAPTER_CONFIG},
}
# Keys of "memory": what is loaded, in a precision or with a quantised language model.
_MEMORY = (*PRECISIONS[:-1], *QUANTISATIONS[1:])
#: Of a network's input, pixels.
_LARGEST_SIDE = 4096


@dataclass(frozen=True)
class Profile:
    """A set of networks that work together; parts may be absent.

    Attributes:
        name: As the user asks for it.
        description: One line for people.
        licence: Of the weights (SPDX where there is one).
        origin: Where the weights come from.
        precision: of the networks ("float32", "float16", "bfloat16"), or "half" for what suits the
            network and the card (``models/precision.py``).
        image: Input of the networks.
        camera: Nominal mount, or None for networks that do not take one.
        geometry: Geometry network.
        semantic: CLIP with its text tower.
        domain: Which images the networks are for, or None for any.
        language: Language model with its adapter.
        memory: GiB of weights and of a prompt's keys and values, by precision or quantisation.
        download: GB that a download brings, 0 where there is none.
        engines: Precision and tolerances of compiled encoders.
        grounding: Name of the grounding profile (``config/grounding``) that goes with it, or the
            path of one; "" where phrases are left to detections and to ``semantic.grounding``.
    """

    name: str
    description: str
    licence: str
    origin: str
    precision: str
    image: ImageInput
    camera: CameraMount | None
    geometry: GeometryPart | None
    semantic: SemanticPart | None
    language: SpeakerPart | None
    domain: DomainPart | None = None
    memory: Mapping[str, float] = field(default_factory=dict)
    download: float = 0.0
    engines: EngineSettings = EngineSettings()
    grounding: str = ""

    @property
    def files(self) -> tuple[WeightFile, ...]:
        """Every single file of weights that the profile needs."""
        found: list[WeightFile | None] = []
        if self.geometry is not None:
            found.append(self.geometry.weights)
        if self.semantic is not None:
            found.append(self.semantic.weights)
        if self.domain is not None:
            found.append(self.domain.weights)
        if isinstance(self.language, LanguagePart):
            found += [self.language.weights, self.language.adapter_weights]
        if isinstance(self.language, LlavaPart):
            found.append(self.language.tower)
        return tuple(file for file in found if file is not None)

    @property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Every folder of files that the profile needs."""
        found: list[Checkpoint | None] = []
        if isinstance(self.language, LlavaPart):
            found += [self.language.base, self.language.adapter, self.language.clip]
        if isinstance(self.language, QwenPart | SpatialRgptPart):
            found.append(self.language.checkpoint)
        return tuple(checkpoint for checkpoint in found if checkpoint is not None)

    def hash_ahead(self) -> None:
        """Begin to hash what no hash is kept of, so that loading need not wait for it."""
        paths = [file.path for file in self.files]
        paths += [path for checkpoint in self.checkpoints for path, _ in checkpoint.files()]
        hash_ahead(paths)

    def language_files(self) -> tuple[Path, ...]:
        """The files that the language model of a checkpoint is made from, in a fixed order.

        Empty where there is none, or one of this repository's own training.
        """
        found: list[Checkpoint | None] = []
        if isinstance(self.language, LlavaPart):
            found = [self.language.base, self.language.adapter]
        if isinstance(self.language, QwenPart | SpatialRgptPart):
            found = [self.language.checkpoint]
        return tuple(
            path for one in found if one is not None for path, _ in sorted(one.files())
        )  # fmt: skip

    @property
    def memory_precision(self) -> str:
        """The precision whose entry in ``memory`` tells what is needed, on any device."""
        if self.precision != "half":
            return self.precision
        return "float32" if self.language is None else "bfloat16"

    def fingerprint(self) -> str:
        """Eight hexadecimal digits that change with any of the files; they must be there.

        Raises:
            ModelLoadError: A file is missing.
        """
        digest = hashlib.sha256()
        for file in self.files:
            digest.update((file.expected or hash_of(file.checked())).encode())
        for checkpoint in self.checkpoints:
            checkpoint.folder()
            for path, expected in checkpoint.files():
                digest.update((expected or hash_of(path)).encode())
        return digest.hexdigest()[:8]


def load_profile(name: str | Path) -> Profile:
    """Read a profile.

    Args:
        name: Of a shipped profile, or the path of a YAML file. Files with a plain path are looked
            for beside the YAML file, then among the shipped files; files of a Hugging Face
            repository in the store and in its cache.

    Raises:
        ModelLoadError: There is no such profile, or the file names the key that is wrong.
    """
    path, content = read_profile(name)
    root = Section(path, "", content)
    profile = Profile(
        name=root.get("name", str),
        description=root.get("description", str),
        licence=root.get("licence", str),
        origin=root.get("origin", str),
        precision=root.choice("precision", PRECISIONS, "float32"),
        image=_image(root),
        camera=_camera(root.section("camera")),
        geometry=_geometry(root.section("geometry")),
        semantic=_semantic(root.section("semantic")),
        domain=_domain(root.section("domain")),
        language=_language(root.section("language")),
        memory=_memory(root.section("memory")),
        engines=read_engine_settings(root.section("engines")),
        download=root.positive("download", float) if root.has("download") else 0.0,
        grounding=_grounding_profile(root),
    )
    root.finish()
    if profile.geometry is not None and profile.geometry.shared:
        language = profile.language
        if not isinstance(language, LlavaPart) or language.tower is None:
            raise ModelLoadError(
                f"{path}: 'geometry.shared' needs a language model with a geometry tower"
            )
    if profile.domain is not None and profile.image.mode != "letterbox":
        raise ModelLoadError(f"{path}: 'domain' needs an image of mode letterbox")
    return profile


def _image(root: Section) -> ImageInput:
    section = root.section("image")
    if section is None:
        raise ModelLoadError(f"{root.path}: 'image' is missing")
    mode = section.choice("mode", IMAGE_MODES, "letterbox")
    patch = section.positive("patch", int, most=_LARGEST_SIDE)
    if mode == "native":
        section.finish()
        return ImageInput(0, 0, patch, (0, 0, 0), mode)
    width = section.positive("width", int, most=_LARGEST_SIDE)
    height = section.positive("height", int, most=_LARGEST_SIDE)
    if width % patch or height % patch:
        raise ModelLoadError(f"{root.path}: 'image' must be a multiple of {patch} pixels a side")
    if mode == "square" and width != height:
        raise ModelLoadError(f"{root.path}: 'image' of mode square must be as high as it is wide")
    colour = section.get("pad_colour", list)
    if len(colour) != 3 or not all(isinstance(c, int) and 0 <= c <= 255 for c in colour):
        raise ModelLoadError(f"{root.path}: 'image.pad_colour' must be three numbers from 0 to 255")
    section.finish()
    return ImageInput(width, height, patch, (colour[0], colour[1], colour[2]), mode)


def _camera(section: Section | None) -> CameraMount | None:
    if section is None:
        return None
    pitch = math.radians(section.get("pitch_down_deg", float))
    mount = CameraMount(section.positive("height_m", float), pitch)
    section.finish()
    return mount


def _geometry(section: Section | None) -> GeometryPart | None:
    if section is None:
        return None
    shared = section.get("shared", bool, False)
    part = GeometryPart(
        kind=section.choice("kind", ("moge1", "moge2")),
        config=section.preset("config", PRESETS["geometry"]) if section.has("config") else None,
        num_tokens=section.positive("num_tokens", int) if section.has("num_tokens") else None,
        relative_sigma=section.positive("relative_sigma", float),
        recover_shift=section.get("recover_shift", bool, True),
        weights=None if shared else section.weights(),
        shared=shared,
    )
    section.finish()
    return part


def _semantic(section: Section | None) -> SemanticPart | None:
    if section is None:
        return None
    part = SemanticPart(
        section.preset("config", PRESETS["semantic"]),
        section.weights(),
        _grounding(section.section("grounding")),
    )
    section.finish()
    return part


def _grounding_profile(root: Section) -> str:
    """Name of the grounding profile; a path is taken from beside the model profile."""
    name: str = root.get("grounding", str, "")
    if name.endswith((".yaml", ".yml")):
        return str(root.file("grounding"))
    known = list_grounding_profiles()
    if name and name not in NOTHING_TO_LOAD and grounding_name(name) not in known:
        raise ModelLoadError(
            f"{root.path}: 'grounding' must be one of {', '.join((*known, *NOTHING_TO_LOAD))}, or "
            f"a path that ends in .yaml, not '{name:.80}'"
        )
    return name


def _grounding(section: Section | None) -> GroundingPart | None:
    if section is None:
        return None
    part = GroundingPart(
        kinds=section.words("kinds"),
        colours=section.words("colours"),
        plain_kinds=section.words("plain_kinds"),
        background=section.words("background"),
        threshold=section.positive("threshold", float),
    )
    section.finish()
    return part


def _domain(section: Section | None) -> DomainPart | None:
    if section is None:
        return None
    part = DomainPart(section.preset("config", PRESETS["domain"]), section.weights())
    section.finish()
    return part


def _language(section: Section | None) -> SpeakerPart | None:
    if section is None:
        return None
    kind = section.choice(
        "kind", ("nano", "llava", "spatial_mllm", "qwen_vl", "spatialrgpt", "served"), "nano"
    )
    quantisation = section.choice("quantisation", QUANTISATIONS, "none")
    longest = section.positive("max_new_tokens", int)
    part: SpeakerPart
    if kind == "llava":
        part = LlavaPart(
            base=section.required("base"),
            adapter=section.checkpoint("adapter"),
            clip=section.required("clip"),
            tower=section.weights("tower", "tower_sha256") if section.has("tower") else None,
            prompt=section.get("prompt", str),
            max_new_tokens=longest,
            temperature=section.between("temperature", 0.0, 2.0, 0.0),
            quantisation=quantisation,
            answer_format=section.get("answer_format", bool, False),
        )
    elif kind in ("spatial_mllm", "qwen_vl"):
        part = QwenPart(
            checkpoint=section.required("checkpoint"),
            spatial=kind == "spatial_mllm",
            frames=section.positive("frames", int),
            max_new_tokens=longest,
            temperature=section.between("temperature", 0.0, 2.0, 0.0),
            top_p=section.between("top_p", 0.0, 1.0, 1.0),
            quantisation=quantisation,
        )
    elif kind == "served":
        part = ServedPart(
            address=section.get("address", str),
            model=section.get("model", str),
            key_variable=section.get("key_variable", str, ""),
            timeout=section.positive("timeout", float),
            frames=section.positive("frames", int, 1),
            most_pixels=section.positive("most_pixels", int),
            max_new_tokens=longest,
            temperature=section.between("temperature", 0.0, 2.0, 0.0),
        )
    elif kind == "spatialrgpt":
        part = SpatialRgptPart(
            checkpoint=section.required("checkpoint"),
            depth_network=section.checkpoint("depth_network"),
            max_new_tokens=longest,
            temperature=section.between("temperature", 0.0, 2.0, 0.0),
            quantisation=quantisation,
        )
    else:
        part = LanguagePart(
            config=section.preset("config", PRESETS["language"]),
            weights=section.weights(),
            adapter=section.preset("adapter", PRESETS["adapter"]),
            adapter_weights=section.weights("adapter_weights", "adapter_sha256"),
            tokenizer=section.file("tokenizer"),
            prompt=section.get("prompt", str),
            max_new_tokens=longest,
            quantisation=quantisation,
        )
    section.finish()
    return part


def _memory(section: Section | None) -> dict[str, float]:
    if section is None:
        return {}
    found = {key: section.positive(key, float) for key in _MEMORY if section.has(key)}
    section.finish()
    return found
