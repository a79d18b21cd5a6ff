# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Grounding profiles: which detector and which segmenter, from which files.

They lie in ``config/grounding/*.yaml`` and combine with every model profile. What a model profile
calls ``semantic.grounding`` is something else: the vocabulary of its CLIP (kind ``clip_patches``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.engine_settings import EngineSettings, read_engine_settings
from spatialgeo_ros.models.files.sources import Checkpoint, WeightFile
from spatialgeo_ros.models.profile_file import Section
from spatialgeo_ros.models.profile_source import read_grounding_profile
from spatialgeo_ros.models.profiles import PRECISIONS
from spatialgeo_ros.models.quantisation_choice import QUANTISATIONS

#: What the numbers of a model's boxes count; see ``grounding.vlm_reply``.
FORMATS = ("pixels_resized", "relative_1000", "relative_1000_yx")
#: Longest side of a detector's input, pixels.
_LARGEST_SIDE = 4096
#: Most tokens of a prompt; BERT has no more positions.
_MOST_TOKENS = 512


@dataclass(frozen=True)
class DetectorImage:
    """What a detector is given of an image; zeros leave it to the checkpoint.

    Attributes:
        short_side: Wanted, pixels; the aspect is kept.
        long_side: Most of the other side, pixels.
        rows: Of a fixed input, pixels; what is left beside the image is padding.
        columns: Of a fixed input, pixels.
    """

    short_side: int = 0
    long_side: int = 0
    rows: int = 0
    columns: int = 0


@dataclass(frozen=True)
class DetectorPart:
    """A detector and how it is used.

    Attributes:
        kind: One of :data:`DETECTOR_KINDS`.
        checkpoint: Its files; None where the model is served elsewhere.
        precision: dtype on a GPU; a CPU computes in float32.
        image: Its input.
        threshold: Least score of an instance.
        nms: Of two boxes of one phrase that overlap by more (IoU), the surer one is kept.
        synonyms: Head noun -> others that are asked with it and count as the same.
        settings: What only this kind has, by key.
    """

    kind: str
    checkpoint: Checkpoint | None
    precision: str
    image: DetectorImage
    threshold: float
    nms: float
    synonyms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SegmenterPart:
    """A segmenter.

    Attributes:
        kind: One of :data:`SEGMENTER_KINDS`.
        checkpoint: Its files.
        precision: dtype on a GPU; a CPU computes in float32.
        settings: What only this kind has, by key.
    """

    kind: str
    checkpoint: Checkpoint
    precision: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class GroundingProfile:
    """A detector, and a segmenter beside it or none.

    Attributes:
        name: As the user asks for it.
        description: One line for people.
        licence: Of the weights (SPDX where there is one).
        origin: Where the weights come from.
        detector: Finds phrases.
        segmenter: Turns boxes into masks; None leaves that to the detector or to depth.
        licence_must_be_accepted: Nothing is downloaded before the user has said so.
        memory: GiB of weights by precision.
        download: GB that a download brings, 0 where there is none.
        engines: Precision and tolerances of compiled networks.
        world: The model profile whose world is all that the detector knows: it runs with that
            profile alone, which tells images of it from others. "" for a detector of any image.
    """

    name: str
    description: str
    licence: str
    origin: str
    detector: DetectorPart
    segmenter: SegmenterPart | None = None
    licence_must_be_accepted: bool = False
    memory: Mapping[str, float] = field(default_factory=dict)
    download: float = 0.0
    engines: EngineSettings = EngineSettings()
    world: str = ""

    @property
    def files(self) -> tuple[WeightFile, ...]:
        """Single files of weights: a grounding profile has none."""
        return ()

    @property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Every folder of files that the profile needs."""
        found = [self.detector.checkpoint]
        if self.segmenter is not None:
            found.append(self.segmenter.checkpoint)
        return tuple(checkpoint for checkpoint in found if checkpoint is not None)

    @property
    def present(self) -> bool:
        """Whether every file is on this machine; hashes are compared when it is loaded."""
        return not any(checkpoint.missing() for checkpoint in self.checkpoints)


def load_grounding_profile(name: str | Path) -> GroundingProfile:
    """Read a grounding profile.

    Args:
        name: Of a shipped profile, of a kind of detector, or the path of a YAML file.

    Raises:
        ModelLoadError: There is no such profile, or the file names the key that is wrong.
    """
    path, content = read_grounding_profile(name)
    root = Section(path, "", content)
    memory = root.section("memory")
    profile = GroundingProfile(
        name=root.get("name", str),
        description=root.get("description", str),
        licence=root.get("licence", str),
        origin=root.get("origin", str),
        detector=_detector(root),
        segmenter=_segmenter(root),
        licence_must_be_accepted=root.get("licence_must_be_accepted", bool, False),
        memory={} if memory is None else _memory(memory),
        download=root.positive("download", float) if root.has("download") else 0.0,
        engines=read_engine_settings(root.section("engines")),
        world=root.get("world", str, ""),
    )
    root.finish()
    return profile


def weights_present(name: str | Path) -> bool:
    """Tell whether every file of a grounding profile is on this machine.

    Raises:
        ModelLoadError: There is no such profile, or its file is wrong.
    """
    return load_grounding_profile(name).present


def _detector(root: Section) -> DetectorPart:
    section = root.section("detector")
    if section is None:
        raise ModelLoadError(f"{root.path}: 'detector' is missing")
    kind = section.choice("kind", tuple(DETECTOR_KINDS))
    part = DetectorPart(
        kind=kind,
        checkpoint=section.checkpoint("checkpoint"),
        precision=section.choice("precision", PRECISIONS, "float32"),
        image=_image(section),
        threshold=section.between("threshold", 0.0, 1.0, 0.25),
        nms=section.between("nms", 0.0, 1.0, 0.7),
        synonyms=_synonyms(section.section("synonyms")),
        settings=DETECTOR_KINDS[kind](section),
    )
    section.finish()
    return part


def _image(detector: Section) -> DetectorImage:
    section = detector.section("image")
    if section is None:
        return DetectorImage()
    keys = [k for k in ("short_side", "long_side", "rows", "columns") if section.has(k)]
    if keys not in (["short_side", "long_side"], ["rows", "columns"]):
        raise ModelLoadError(
            f"{section.path}: '{section.name}' must have short_side and long_side, or rows and "
            "columns"
        )
    sizes = {key: section.positive(key, int, most=_LARGEST_SIDE) for key in keys}
    section.finish()
    image = DetectorImage(**sizes)
    if image.short_side > image.long_side:
        raise ModelLoadError(
            f"{section.path}: '{section.name}.short_side' must be at most its long_side"
        )
    return image


def _synonyms(section: Section | None) -> dict[str, tuple[str, ...]]:
    if section is None:
        return {}
    found = {str(noun): section.words(noun) for noun in section.content}
    section.finish()
    return found


def _segmenter(root: Section) -> SegmenterPart | None:
    if root.content.get("segmenter") == "none":
        root.unread.discard("segmenter")
        return None
    section = root.section("segmenter")
    if section is None:
        return None
    kind = section.choice("kind", tuple(SEGMENTER_KINDS))
    part = SegmenterPart(
        kind=kind,
        checkpoint=section.required("checkpoint"),
        precision=section.choice("precision", PRECISIONS, "float32"),
        settings=SEGMENTER_KINDS[kind](section),
    )
    section.finish()
    return part


def _memory(section: Section) -> dict[str, float]:
    found = {key: section.positive(key, float) for key in PRECISIONS if section.has(key)}
    section.finish()
    return found


def _grounding_dino(section: Section) -> dict[str, Any]:
    _require_checkpoint(section)
    if section.content.get("precision") == "bfloat16":
        raise ModelLoadError(
            f"{section.path}: '{section.name}.precision' of this kind must be float32 or float16: "
            "its boxes are computed in it, and bfloat16 tells 256 places along a side apart"
        )
    tokens = section.positive("text_tokens", int, 32, most=_MOST_TOKENS)
    return {"text_tokens": tokens, **_rivals(section)}


def _owl(section: Section) -> dict[str, Any]:
    _require_checkpoint(section)
    template: str = section.get("template", str, "{}")
    if template.count("{}") != 1 or template.replace("{}", "").count("{"):
        raise ModelLoadError(
            f"{section.path}: '{section.name}.template' must have one {{}}, for the phrase"
        )
    mirror = section.get("mirror", bool, False)
    return {"template": template, "mirror": mirror, **_rivals(section)}


def _rivals(section: Section) -> dict[str, Any]:
    """Read how much surer a phrase that cannot mean the same thing has to be, to take a box."""
    return {"rival_margin": section.between("rival_margin", 1.0, 100.0, 1.0)}


def _sam3(section: Section) -> dict[str, Any]:
    _require_checkpoint(section)
    _refuse(section, "image", "its input has one size, that of the checkpoint")
    return {}


def _vlm_boxes(section: Section) -> dict[str, Any]:
    _refuse(section, "image", "give multiple and most_pixels")
    _refuse(section, "threshold", "the model states no scores")
    _refuse(section, "synonyms", "the model knows them")
    found: dict[str, Any] = {
        "format": section.choice("format", FORMATS),
        "score": section.between("score", 0.0, 1.0, 0.5),
        "timeout": section.positive("timeout", float, 30.0),
        "most_pixels": section.positive("most_pixels", int, 1_003_520, most=_LARGEST_SIDE**2),
    }
    if section.has("checkpoint"):  # it runs here
        for key in ("address", "model", "key_variable"):
            _refuse(section, key, "the model of 'checkpoint' runs here")
        _refuse(section, "multiple", "the checkpoint has it")
        return {
            **found,
            "quantisation": section.choice("quantisation", QUANTISATIONS, "none"),
            "most_tokens": section.positive("most_tokens", int, 1024),
        }
    return {
        **found,
        "address": section.get("address", str),
        "model": section.get("model", str),
        "key_variable": section.get("key_variable", str, ""),
        "multiple": section.positive("multiple", int, 28, most=_LARGEST_SIDE),
    }


def _sam2(section: Section) -> dict[str, Any]:
    del section  # it has nothing of its own
    return {}


def _refuse(section: Section, key: str, why: str) -> None:
    if section.has(key):
        raise ModelLoadError(
            f"{section.path}: '{section.name}.{key}' means nothing for this kind: {why}"
        )


def _require_checkpoint(section: Section) -> None:
    if not section.has("checkpoint"):
        raise ModelLoadError(f"{section.path}: '{section.name}.checkpoint' is missing")


#: Kind of detector -> reads the settings that only it has.
DETECTOR_KINDS: dict[str, Callable[[Section], dict[str, Any]]] = {
    "mm_grounding_dino": _grounding_dino,
    "grounding_dino": _grounding_dino,
    "owl": _owl,
    "sam3": _sam3,
    "vlm_boxes": _vlm_boxes,
}
#: Kind of segmenter -> reads the settings that only it has.
SEGMENTER_KINDS: dict[str, Callable[[Section], dict[str, Any]]] = {"sam2": _sam2}
