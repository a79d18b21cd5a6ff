# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Model profiles: which networks, of which shape, from which files (``config/models/*.yaml``)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.clip import NANO_TEXT_CONFIG, NANO_VISION_CONFIG
from spatialgeo_ros.models.moge import NANO_CONFIG
from spatialgeo_ros.models.profile_file import PROFILE_FOLDER, Section, WeightFile
from spatialgeo_ros.models.spatialgeo import NANO_ADAPTER_CONFIG, NANO_LANGUAGE_CONFIG
from spatialgeo_ros.runtime.resources import find_resource

# Shapes by name; a profile may also spell a configuration out.
PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "geometry": {"nano": NANO_CONFIG},
    "semantic": {
        "nano": {"vision": NANO_VISION_CONFIG, "text": NANO_TEXT_CONFIG, "projection_dim": 128}
    },
    "language": {"nano": NANO_LANGUAGE_CONFIG},
    "adapter": {"nano": NANO_ADAPTER_CONFIG},
}


# Of a language model's linear layers: as in the file, 4-bit NormalFloat, 8-bit integers.
QUANTISATIONS = ("none", "nf4", "int8")


@dataclass(frozen=True)
class ImageInput:
    """What the networks are given.

    Attributes:
        width: Of the input, pixels.
        height: Of the input, pixels.
        patch: Side of a patch, pixels.
        pad_colour: RGB of the bars around images of another aspect.
    """

    width: int
    height: int
    patch: int
    pad_colour: tuple[int, int, int]

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        return self.height // self.patch, self.width // self.patch

    @property
    def patches(self) -> int:
        """Number of patches."""
        return self.grid[0] * self.grid[1]


@dataclass(frozen=True)
class CameraMount:
    """Nominal mount of the training data's camera.

    Attributes:
        height: Above the floor, metres.
        pitch: Downwards, radians.
    """

    height: float
    pitch: float


@dataclass(frozen=True)
class GeometryPart:
    """The geometry network.

    Attributes:
        kind: "moge2".
        config: Arguments of ``MoGe2``.
        num_tokens: Patches it is run at.
        relative_sigma: One standard deviation of its depth, divided by depth.
        recover_shift: Whether its points have a free z-shift, as MoGe's own training leaves it.
        weights: Its file.
    """

    kind: str
    config: Mapping[str, Any]
    num_tokens: int
    relative_sigma: float
    recover_shift: bool
    weights: WeightFile


@dataclass(frozen=True)
class GroundingPart:
    """What phrases can be looked for with CLIP's patches.

    Attributes:
        kinds: Nouns CLIP was trained with; none for an open vocabulary.
        colours: Adjectives it was trained with.
        plain_kinds: Nouns that it never saw with a colour.
        background: What patches without an object are called.
        threshold: Least probability of a patch at which an object counts as found.
    """

    kinds: tuple[str, ...]
    colours: tuple[str, ...]
    plain_kinds: tuple[str, ...]
    background: tuple[str, ...]
    threshold: float


@dataclass(frozen=True)
class SemanticPart:
    """The CLIP towers.

    Attributes:
        config: Arguments of ``Clip``; the vocabulary's size is taken from the weights.
        weights: Their file.
        grounding: Vocabulary and threshold for phrases, or None to leave them to detections.
    """

    config: Mapping[str, Any]
    weights: WeightFile
    grounding: GroundingPart | None = None


@dataclass(frozen=True)
class LanguagePart:
    """The language model and its adapter.

    Attributes:
        config: Arguments of ``LlamaConfig``; the vocabulary's size is taken from the weights.
        weights: Its file.
        adapter: Arguments of ``HierarchicalAdapter``.
        adapter_weights: Its file.
        tokenizer: File or folder.
        prompt: Name of the prompt template.
        max_new_tokens: Longest answer.
        quantisation: One of ``QUANTISATIONS``, unless the caller says otherwise.
    """

    config: Mapping[str, Any]
    weights: WeightFile
    adapter: Mapping[str, Any]
    adapter_weights: WeightFile
    tokenizer: Path
    prompt: str
    max_new_tokens: int
    quantisation: str


@dataclass(frozen=True)
class Profile:
    """A set of networks that work together; parts may be absent.

    Attributes:
        name: As the user asks for it.
        description: One line for people.
        licence: Of the weights (SPDX where there is one).
        origin: Where the weights come from.
        precision: dtype of the towers ("float32", "float16", "bfloat16").
        image: Input of the networks.
        camera: Nominal mount, or None for networks that do not take one.
        geometry: Geometry network.
        semantic: CLIP.
        language: Language model with its adapter.
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
    language: LanguagePart | None

    @property
    def files(self) -> tuple[WeightFile, ...]:
        """Every weight file that the profile needs."""
        found: list[WeightFile] = []
        if self.geometry is not None:
            found.append(self.geometry.weights)
        if self.semantic is not None:
            found.append(self.semantic.weights)
        if self.language is not None:
            found += [self.language.weights, self.language.adapter_weights]
        return tuple(found)


def list_profiles() -> list[str]:
    """Names of the profiles that are installed."""
    return sorted(p.stem for p in find_resource(PROFILE_FOLDER).glob("*.yaml"))


def load_profile(name: str | Path) -> Profile:
    """Read a profile.

    Args:
        name: Of a shipped profile, or the path of a YAML file. Weight files are looked for beside
            the YAML file, then among the shipped files.

    Raises:
        ModelLoadError: There is no such profile, or the file names the key that is wrong.
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        path = find_resource(PROFILE_FOLDER) / f"{name}.yaml"
        if not path.is_file():
            raise ModelLoadError(
                f"there is no model profile '{name}'; installed are {', '.join(list_profiles())}"
            )
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ModelLoadError(f"model profile {path} cannot be read: {error}") from error
    root = Section(path, "", content)
    profile = Profile(
        name=root.get("name", str),
        description=root.get("description", str),
        licence=root.get("licence", str),
        origin=root.get("origin", str),
        precision=root.get("precision", str, "float32"),
        image=_image(root),
        camera=_camera(root.section("camera")),
        geometry=_geometry(root.section("geometry")),
        semantic=_semantic(root.section("semantic")),
        language=_language(root.section("language")),
    )
    root.finish()
    if profile.precision not in ("float32", "float16", "bfloat16"):
        raise ModelLoadError(f"{path}: 'precision' is float32, float16 or bfloat16")
    return profile


def _image(root: Section) -> ImageInput:
    section = root.section("image")
    if section is None:
        raise ModelLoadError(f"{root.path}: 'image' is missing")
    width, height = section.positive("width", int), section.positive("height", int)
    patch = section.positive("patch", int)
    if width % patch or height % patch:
        raise ModelLoadError(f"{root.path}: 'image' must be a multiple of {patch} pixels a side")
    colour = section.get("pad_colour", list)
    if len(colour) != 3 or not all(isinstance(c, int) and 0 <= c <= 255 for c in colour):
        raise ModelLoadError(f"{root.path}: 'image.pad_colour' must be three numbers from 0 to 255")
    section.finish()
    return ImageInput(width, height, patch, (colour[0], colour[1], colour[2]))


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
    kind = section.get("kind", str)
    if kind != "moge2":
        raise ModelLoadError(f"{section.path}: 'geometry.kind' must be moge2, not '{kind}'")
    part = GeometryPart(
        kind=kind,
        config=section.preset("config", PRESETS["geometry"]),
        num_tokens=section.positive("num_tokens", int),
        relative_sigma=section.positive("relative_sigma", float),
        recover_shift=section.get("recover_shift", bool, True),
        weights=section.weights(),
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


def _language(section: Section | None) -> LanguagePart | None:
    if section is None:
        return None
    part = LanguagePart(
        config=section.preset("config", PRESETS["language"]),
        weights=section.weights(),
        adapter=section.preset("adapter", PRESETS["adapter"]),
        adapter_weights=section.weights("adapter_weights", "adapter_sha256"),
        tokenizer=section.file("tokenizer"),
        prompt=section.get("prompt", str),
        max_new_tokens=section.positive("max_new_tokens", int),
        quantisation=section.choice("quantisation", QUANTISATIONS, "none"),
    )
    section.finish()
    return part
