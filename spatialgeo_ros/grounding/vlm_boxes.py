# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The detector kind ``vlm_boxes``: a vision language model is asked for boxes.

For phrases that detectors cannot do. The model runs here (a profile with a ``checkpoint``) or
behind any OpenAI-compatible server that takes images (``address``).
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from spatialgeo_ros.errors import ModelLoadError, RequestTimeoutError, SpatialGeoError
from spatialgeo_ros.grounding.box_models import (
    SETTING,
    BoxModel,
    BoxQuestion,
    LocalBoxModel,
    ServedBoxModel,
)
from spatialgeo_ros.grounding.detections import ScoredBoxes, choose_instances
from spatialgeo_ros.grounding.detector import PhraseResult
from spatialgeo_ros.grounding.detector_text import plain_phrase
from spatialgeo_ros.grounding.vlm_reply import (
    SaidBox,
    ServedDetectorError,
    boxes_of,
    instructions,
)
from spatialgeo_ros.models.grounding_profile import DetectorPart
from spatialgeo_ros.runtime.deadline import Deadline

#: Phrases in one question; more make models forget some.
MOST_PHRASES = 16


class VlmBoxDetector:
    """Asks a vision language model for boxes; see :class:`.detector.Detector`.

    Args:
        part: of the profile; ``settings`` as ``models.grounding_profile`` reads them.
        name: of the profile, for messages.
        model: that is asked.
    """

    def __init__(self, part: DetectorPart, name: str, model: BoxModel) -> None:
        self.kind = part.kind
        self.looks_elsewhere = model.is_served
        settings = part.settings
        self._name, self._nms, self._model = name, part.nms, model
        self._format: str = settings["format"]
        self._score: float = settings["score"]
        self._timeout: float = settings["timeout"]
        self._cache_key = f"grounding.{self.kind}.{model.name}.{self._format}"

    def ground(
        self,
        image: npt.NDArray[np.uint8],
        phrases: Sequence[str],
        *,
        cache: MutableMapping[str, Any] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> list[PhraseResult]:
        """Look for phrases in one image; see :class:`.detector.Detector`.

        The model states no scores: every instance has the profile's, and ``degraded`` says so.

        Raises:
            BadRequestError: a phrase has no word.
            CancelledError: ``cancelled`` became true.
            RequestTimeoutError: there is no answer in time.
            ServedDetectorError: the server refuses, or the reply cannot be read.
        """
        plain = [plain_phrase(phrase) for phrase in phrases]
        kept_here: MutableMapping[str, Any] = {} if cache is None else cache
        kept: dict[str, list[SaidBox]] = kept_here.setdefault(self._cache_key, {})
        new = [phrase for phrase in dict.fromkeys(plain) if phrase not in kept]
        deadline = Deadline(self._timeout, cancelled, RequestTimeoutError, SETTING)
        for start in range(0, len(new), MOST_PHRASES):
            asked = new[start : start + MOST_PHRASES]
            boxes = self._ask(image, asked, kept_here, deadline)
            for number, phrase in enumerate(asked):
                kept[phrase] = [box for box in boxes if box.phrase == number]
        return [
            self._result(phrase, kept[text], image.shape[:2])
            for phrase, text in zip(phrases, plain, strict=True)
        ]

    def describe(self) -> dict[str, Any]:
        """Facts for diagnostics, where images go among them."""
        return {
            "kind": self.kind,
            "profile": self._name,
            "model": self._model.name,
            "format": self._format,
            "score": f"{self._score:g} of every instance: the model states none",
            **self._model.describe(),
        }

    def close(self) -> None:
        """Free memory; a later call to :meth:`ground` fails."""
        self._model.close()

    def _ask(
        self,
        image: npt.NDArray[np.uint8],
        phrases: Sequence[str],
        cache: MutableMapping[str, Any],
        deadline: Deadline,
    ) -> list[SaidBox]:
        height, width = image.shape[:2]
        size = self._model.size(width, height)
        words = instructions(phrases, self._format, size)
        try:
            reply = self._model.say(BoxQuestion(image, size, words, cache, deadline))
            return boxes_of(reply, phrases, self._format, size)
        except ServedDetectorError as error:
            raise ServedDetectorError(f"{self._model.name}: {error}") from None

    def _result(self, phrase: str, boxes: Sequence[SaidBox], size: tuple[int, int]) -> PhraseResult:
        height, width = size
        edges = np.array([box.edges for box in boxes], np.float32).reshape(-1, 4)
        found = ScoredBoxes(
            np.full((len(boxes), 1), self._score, np.float32),
            edges * np.array((width, height, width, height), np.float32),
        )
        (result,) = choose_instances(found, [phrase], size, threshold=0.0, nms=self._nms)
        if not result.instances:
            return result
        noted = f"{self._model.name} states no scores: {self._score:g} is the profile's"
        remarks = [noted, result.degraded] if result.degraded else [noted]
        return PhraseResult(phrase, result.instances, degraded="; ".join(remarks))


def load_vlm_boxes(
    part: DetectorPart, name: str, device: torch.device, dtype: torch.dtype
) -> VlmBoxDetector:
    """Make a detector of this kind; nothing is sent yet where the model is served.

    Raises:
        ModelLoadError: address, model or key cannot be used; or names the file or tensor of the
            checkpoint that is wrong.
    """
    try:
        if part.checkpoint is not None:
            return VlmBoxDetector(part, name, LocalBoxModel(part, name, device, dtype))
        return VlmBoxDetector(part, name, ServedBoxModel(part, name))
    except ModelLoadError:
        raise
    except SpatialGeoError as error:
        raise ModelLoadError(f"grounding profile {name}: {error}") from error
