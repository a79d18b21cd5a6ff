# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From what a user says about grounding to a detector, or to why there is none and the cure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.findings.finding import Finding
from spatialgeo_ros.grounding.grounder import Grounder
from spatialgeo_ros.models.profile_file import Section
from spatialgeo_ros.models.profile_source import (
    NOTHING_TO_LOAD,
    read_grounding_profile,
    read_profile,
)

#: Detectors of any words that a robot starts with where their weights are there, best first. On a
#: CPU all but the first take more than four seconds for an image.
ON_GPU = (
    "llmdet_base_sam2", "llmdet_base", "llmdet_tiny_sam2", "llmdet_tiny", "llmdet_large",
    "mm_grounding_dino_tiny", "owlvit_base",
)  # fmt: skip
ON_CPU = ("owlvit_base", "llmdet_tiny", "mm_grounding_dino_tiny", "llmdet_base", "owlv2_base")
#: What the kernel shows where there is a GPU of NVIDIA (desktop, Jetson).
_GPU_FILES = ("/dev/nvidia0", "/dev/nvhost-gpu", "/dev/nvgpu/igpu0/ctrl")


@dataclass(frozen=True)
class GroundingChoice:
    """What is to look for phrases.

    Attributes:
        name: of a grounding profile, or its path; "" for no detector.
        use_clip: whether patches of the profile's CLIP look too, where it has one.
        familiar_only: whether the detector knows the images of the profile's world alone.
        missing: why there is no detector, with the command that cures it; "" where none is wanted.
    """

    name: str = ""
    use_clip: bool = True
    familiar_only: bool = False
    missing: str = ""


@dataclass(frozen=True, eq=False)
class Grounding:
    """What looks for phrases, ready.

    Attributes:
        choice: what was chosen.
        grounder: the detector; None for none.
    """

    choice: GroundingChoice = field(default_factory=GroundingChoice)
    grounder: Grounder | None = None


def choose_grounding(asked: str, profile: str, device: str = "auto") -> GroundingChoice:
    """Decide what looks for phrases.

    "profile" takes what the model profile names. Where it names nothing, and has no CLIP for words
    either, it takes the best detector for this machine whose weights are there.

    Args:
        asked: "profile", "none", "clip_patches", a name or kind of ``config/grounding``, or a path.
        profile: the model profile, "none" for none.
        device: "auto", "cpu", "cuda" or "cuda:<n>".

    Raises:
        ModelLoadError: there is no such profile.
    """
    if asked == "none":
        return GroundingChoice(use_clip=False)
    if asked in NOTHING_TO_LOAD:
        return GroundingChoice()
    if asked != "profile":
        # A misspelt name fails before PyTorch is imported.
        return GroundingChoice(asked, familiar_only=_of_a_world(asked, profile))
    if profile != "none":
        # Here, as in load_grounding: it imports PyTorch, which takes seconds.
        from spatialgeo_ros.models.profiles import load_profile

        model = load_profile(profile)
        if model.grounding:
            if model.grounding in NOTHING_TO_LOAD:
                return GroundingChoice(use_clip=model.grounding != "none")
            bound = _of_a_world(model.grounding, profile)
            return GroundingChoice(model.grounding, familiar_only=bound)
        if model.semantic is not None and model.semantic.grounding is not None:
            return GroundingChoice()
    for name in (wanted := ON_GPU if has_gpu(device) else ON_CPU):
        if _present(name):
            return GroundingChoice(name)
    return GroundingChoice(
        missing=Finding(
            "grounding-missing",
            "nothing looks for words: no detector's weights are on this machine; fetch one with "
            f"`spatialgeo models download {wanted[0]}`, or set grounding to none",
        )
    )


def load_grounding(
    choice: GroundingChoice,
    device: str = "auto",
    engines: Mapping[str, Any] | None = None,
    threads: int = 0,
    **how: Any,
) -> Grounding:
    """Load what was chosen; imports PyTorch where that is a detector.

    Args:
        choice: what to load.
        device: "auto", "cpu", "cuda" or "cuda:<n>".
        engines: how its networks run: fields of ``tower_engines.EngineOptions``; PyTorch by
            default.
        threads: of PyTorch on the CPU; 0 leaves its choice.
        how: more of ``grounding.factory.load_grounding``.

    Raises:
        ModelLoadError: a file is wrong or missing; the message has the command that fetches it.
    """
    if not choice.name:
        return Grounding(choice)
    import torch

    from spatialgeo_ros.grounding import factory
    from spatialgeo_ros.networks.tower_engines import EngineOptions

    if threads:
        torch.set_num_threads(threads)
    options = EngineOptions(**(engines or {}))
    loaded = factory.load_grounding(choice.name, device, engines=options, **how)
    if loaded is None:
        return Grounding(choice)
    grounder = Grounder(
        loaded.detector,
        loaded.segmenter,
        running=loaded.backends,
        familiar_only=choice.familiar_only,
    )
    return Grounding(choice, grounder)


def _of_a_world(name: str, profile: str) -> bool:
    """Tell whether a detector knows the world of the model profile alone.

    Raises:
        ModelLoadError: it knows that of another one; nobody could tell images of it from others.
    """
    _, content = read_grounding_profile(name)
    world = content.get("world", "") if isinstance(content, dict) else ""
    if world and world != _known_world(profile):
        raise ModelLoadError(
            f"grounding '{name}' knows the world of the profile '{world}' alone, and would name "
            f"things on any image: use it with the profile {world}, or choose another grounding"
        )
    return bool(world)


def _known_world(profile: str) -> str:
    """Name of the world whose images a model profile tells from all others, "" for none.

    A file of a user's own may be of that world too: what counts is what it is called inside.
    """
    if profile == "none":
        return ""
    _, content = read_profile(profile)
    known = isinstance(content, dict) and "domain" in content
    return str(content.get("name", "")) if known else ""


def _present(name: str) -> bool:
    """Tell whether the weights of a shipped profile are on this machine."""
    path, content = read_grounding_profile(name)
    parts = (Section(path, "", content).section(part) for part in _parts(content))
    checkpoints = (part.checkpoint("checkpoint") for part in parts if part is not None)
    return not any(one.missing() for one in checkpoints if one is not None)


def _parts(content: Any) -> list[str]:
    """Those parts of a profile's file that have weights."""
    return [part for part in ("detector", "segmenter") if isinstance(content.get(part), dict)]


def has_gpu(device: str) -> bool:
    """Tell whether networks will run on a GPU, without importing PyTorch."""
    if device != "auto":
        return device.startswith("cuda")
    return any(Path(file).exists() for file in _GPU_FILES)
