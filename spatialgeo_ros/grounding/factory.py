# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From the name of a grounding profile to its detector and segmenter, ready to run."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spatialgeo_ros.errors import ModelLoadError, SpatialGeoError
from spatialgeo_ros.grounding.detector import Detector, Segmenter
from spatialgeo_ros.grounding.engines import compilable, compile_grounding
from spatialgeo_ros.grounding.grounding_dino import load_grounding_dino
from spatialgeo_ros.grounding.owl import load_owl
from spatialgeo_ros.grounding.sam2 import load_sam2
from spatialgeo_ros.grounding.sam3 import load_sam3
from spatialgeo_ros.grounding.vlm_boxes import load_vlm_boxes
from spatialgeo_ros.models.construction import choose_device
from spatialgeo_ros.models.grounding_profile import (
    DetectorPart,
    GroundingProfile,
    SegmenterPart,
    load_grounding_profile,
)
from spatialgeo_ros.models.profile_source import NOTHING_TO_LOAD
from spatialgeo_ros.models.profiles import PRECISIONS
from spatialgeo_ros.networks.tower_engines import BackendReport, EngineOptions

log = logging.getLogger(__name__)

# Given: part, name of the profile, device, dtype.
DetectorLoader = Callable[[DetectorPart, str, torch.device, torch.dtype], Detector]
SegmenterLoader = Callable[[SegmenterPart, str, torch.device, torch.dtype], Segmenter]

DETECTORS: dict[str, DetectorLoader] = {
    "mm_grounding_dino": load_grounding_dino,
    "grounding_dino": load_grounding_dino,
    "owl": load_owl,
    "sam3": load_sam3,
    "vlm_boxes": load_vlm_boxes,
}
SEGMENTERS: dict[str, SegmenterLoader] = {"sam2": load_sam2}


@dataclass(frozen=True, eq=False)
class LoadedGrounding:
    """The networks of a grounding profile.

    Attributes:
        profile: that they are of.
        detector: finds phrases.
        segmenter: turns boxes into masks; None leaves that to the detector or to depth.
        backends: what runs each network, and what is worse than asked for.
    """

    profile: GroundingProfile
    detector: Detector
    segmenter: Segmenter | None
    backends: BackendReport = BackendReport({}, {}, ())

    @property
    def parts(self) -> tuple[Detector | Segmenter, ...]:
        """The detector, and the segmenter where there is one."""
        return (self.detector,) if self.segmenter is None else (self.detector, self.segmenter)

    def describe(self) -> dict[str, Any]:
        """Facts for diagnostics."""
        facts: dict[str, Any] = {"profile": self.profile.name, "detector": self.detector.describe()}
        if self.segmenter is not None:
            facts["segmenter"] = self.segmenter.describe()
        if self.backends.reasons:
            facts["backends"] = dict(self.backends.reasons)
        if self.backends.degraded:
            facts["degraded"] = list(self.backends.degraded)
        return facts

    def close(self) -> None:
        """Free memory."""
        self.detector.close()
        if self.segmenter is not None:
            self.segmenter.close()


def load_grounding(
    name: str | Path,
    device: str = "auto",
    precision: str = "profile",
    engines: EngineOptions | None = None,
) -> LoadedGrounding | None:
    """Load the detector of a grounding profile, and its segmenter.

    Args:
        name: of a profile (``config/grounding``), of a kind ("owl"), or the path of a YAML file;
            "none" and "clip_patches" need nothing of their own.
        device: "auto", "cpu", "cuda" or "cuda:<n>".
        precision: of the weights; "profile" or "half" for float32 on a CPU and what the profile
            says on a GPU.
        engines: which backend runs the networks; PyTorch by default.

    Returns:
        The networks; None for a name that loads none.

    Raises:
        ModelLoadError: there is no such profile; or it names the file, key or tensor that is wrong,
            and where weights are missing the command that fetches them.
    """
    if str(name) in NOTHING_TO_LOAD:
        return None
    if precision not in ("profile", *PRECISIONS):
        raise ModelLoadError(
            f"there is no precision '{precision}'; use profile, {', '.join(PRECISIONS)}"
        )
    profile = load_grounding_profile(name)
    target = choose_device(device)
    part = profile.detector
    detector = DETECTORS[part.kind](
        part, profile.name, target, _dtype(part.precision, precision, target)
    )
    segmenter = None
    if (mask := profile.segmenter) is not None:
        dtype = _dtype(mask.precision, precision, target)
        segmenter = SEGMENTERS[mask.kind](mask, profile.name, target, dtype)
    loaded = LoadedGrounding(profile, detector, segmenter)
    options = engines or EngineOptions()
    report = compile_grounding(profile, loaded.parts, target, options, str(name))
    if target.type == "cuda":
        warm_up(loaded, options.image_size)
    return replace(loaded, backends=report)


def warm_up(loaded: LoadedGrounding, image_size: tuple[int, int]) -> None:
    """Look at grey images of one size, so that the first question captures nothing any more.

    Whatever fails here fails in the first question too, where it is said to whoever asks.
    """
    rows, columns = image_size
    image = np.full((rows, columns, 3), 127, np.uint8)
    box = (0.25 * columns, 0.25 * rows, 0.75 * columns, 0.75 * rows)
    # A served detector is asked nothing that nobody asked.
    is_here = any(part is loaded.detector for part in compilable(loaded.parts))
    try:
        for _ in range(2):  # what comes again is captured
            if is_here:
                loaded.detector.ground(image, ["chair"])
            if loaded.segmenter is not None:
                loaded.segmenter.segment(image, [box])
    except SpatialGeoError as error:
        log.warning("%s: warming up failed: %s", loaded.profile.name, error)


def _dtype(stated: str, asked: str, device: torch.device) -> torch.dtype:
    """Return float32 on a CPU, which gains nothing from halves, unless it is asked for.

    "half" is what suits network and card, and that is what the profile says.
    """
    if asked in ("profile", "half"):
        asked = "float32" if device.type == "cpu" else stated
    chosen: torch.dtype = getattr(torch, asked)
    return chosen
