# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The parts of a model profile: what each network is built from, and how it is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spatialgeo_ros.models.files.sources import Checkpoint, WeightFile

# How an image becomes the networks' input; see ``ImageInput``.
IMAGE_MODES = ("letterbox", "native", "square")


@dataclass(frozen=True)
class ImageInput:
    """What the networks are given.

    Attributes:
        width: Of the input, pixels; 0 in mode "native".
        height: Of the input, pixels; 0 in mode "native".
        patch: Side of a patch, pixels.
        pad_colour: RGB of the bars around images of another aspect.
        mode: "letterbox" scales the whole image into width x height with bars, "square" pads it to
            a square first as LLaVA does, "native" leaves size and aspect to the network itself.
    """

    width: int
    height: int
    patch: int
    pad_colour: tuple[int, int, int]
    mode: str = "letterbox"

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches; (0, 0) in mode "native"."""
        return self.height // self.patch, self.width // self.patch

    @property
    def patches(self) -> int:
        """Number of patches; 0 in mode "native"."""
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
        kind: "moge1" or "moge2".
        config: Its constructor's arguments, or None to take those of the checkpoint.
        num_tokens: Patches it is run at, or None for the most it was trained with.
        relative_sigma: One standard deviation of its depth, divided by depth.
        recover_shift: Whether its points have a free z-shift, as MoGe's own training leaves it.
        weights: Its file, None where ``shared``.
        shared: Its heads read the features that the language model's geometry tower computes; they
            are in the tower's file.
    """

    kind: str
    config: Mapping[str, Any] | None
    num_tokens: int | None
    relative_sigma: float
    recover_shift: bool
    weights: WeightFile | None
    shared: bool = False


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
class DomainPart:
    """What tells the images that the networks were trained for from all others.

    Attributes:
        config: Arguments of ``DomainClassifier``.
        weights: Its file; the threshold is in it.
    """

    config: Mapping[str, Any]
    weights: WeightFile


@dataclass(frozen=True)
class LanguagePart:
    """The language model and its adapter, of this repository's own training.

    Attributes:
        config: Arguments of ``LlamaConfig``; the vocabulary's size is taken from the weights.
        weights: Its file.
        adapter: Arguments of ``HierarchicalAdapter``.
        adapter_weights: Its file.
        tokenizer: File or folder.
        prompt: Name of the prompt template.
        max_new_tokens: Longest answer.
        quantisation: One of ``quantise.QUANTISATIONS``, unless the caller says otherwise.
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
class LlavaPart:
    """A language model in LLaVA's layout, with SpatialGeo's adapter or without.

    Attributes:
        base: LLaVA itself, or a merged checkpoint.
        adapter: LoRA weights and projectors trained on top of it, or None.
        clip: The CLIP image tower.
        tower: The MoGe tower; None for plain LLaVA.
        prompt: Name of the prompt template.
        max_new_tokens: Longest answer.
        temperature: Of sampling; 0 takes the likeliest token.
        quantisation: One of ``quantise.QUANTISATIONS``, unless the caller says otherwise.
        answer_format: Append the benchmark's sentence on the form of the answer to the system
            text. It stands before the image and differs by kind of question, so that questions of
            another kind about the same frame no longer share their prefix.
    """

    base: Checkpoint
    adapter: Checkpoint | None
    clip: Checkpoint
    tower: WeightFile | None
    prompt: str
    max_new_tokens: int
    temperature: float
    quantisation: str
    answer_format: bool = False


@dataclass(frozen=True)
class SpatialRgptPart:
    """SpatialRGPT: masks of regions go in beside the image, each as a token.

    Attributes:
        checkpoint: Its four parts, in one folder.
        depth_network: Depth Anything, whose picture of depth it was trained with; where its files
            are not there, the picture is made of the depth that the scene is measured with.
        max_new_tokens: Longest answer.
        temperature: Of sampling; 0 takes the likeliest token.
        quantisation: One of ``quantise.QUANTISATIONS``, unless the caller says otherwise.
    """

    checkpoint: Checkpoint
    depth_network: Checkpoint | None
    max_new_tokens: int
    temperature: float
    quantisation: str


@dataclass(frozen=True)
class QwenPart:
    """Qwen2.5-VL, as Spatial-MLLM with VGGT's features added to its visual tokens.

    Attributes:
        checkpoint: Everything, in one folder.
        spatial: Whether it is Spatial-MLLM, not Qwen2.5-VL alone.
        frames: Most frames of a video that it looks at.
        max_new_tokens: Longest answer.
        temperature: Of sampling; 0 takes the likeliest token.
        top_p: Of sampling, in (0, 1].
        quantisation: One of ``quantise.QUANTISATIONS``, unless the caller says otherwise.
    """

    checkpoint: Checkpoint
    spatial: bool
    frames: int
    max_new_tokens: int
    temperature: float
    top_p: float
    quantisation: str


@dataclass(frozen=True)
class ServedPart:
    """A language model behind an OpenAI-compatible server; images go there and nowhere else.

    Attributes:
        address: Of the server, up to and with "/v1".
        model: Its name there.
        key_variable: Environment variable with the key of the API, "" for none.
        timeout: Seconds for one answer.
        frames: Images that are sent at most, the newest and those before it.
        most_pixels: Of an image that is sent.
        max_new_tokens: Longest answer.
        temperature: Of sampling.
        quantisation: Always "none": the weights are elsewhere.
    """

    address: str
    model: str
    key_variable: str
    timeout: float
    frames: int
    most_pixels: int
    max_new_tokens: int
    temperature: float
    quantisation: str = "none"


#: A language model of any kind.
SpeakerPart = LanguagePart | LlavaPart | QwenPart | SpatialRgptPart | ServedPart
