# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The detector kind ``vlm_boxes``: a vision language model behind a server is asked for boxes.

For phrases that detectors cannot do. Any OpenAI-compatible server that takes images will do (vLLM,
llama.cpp, Ollama, a provider). Images go to the address in the profile and nowhere else.
"""

from __future__ import annotations

import os
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from spatialgeo_ros.errors import ModelLoadError, RequestTimeoutError, SpatialGeoError, quoted
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
from spatialgeo_ros.runtime.chat import ChatModel
from spatialgeo_ros.runtime.deadline import Deadline
from spatialgeo_ros.runtime.endpoint import Endpoint
from spatialgeo_ros.runtime.image_message import image_part, text_part

#: Tokens of a reply: some 30 for each box.
MOST_TOKENS = 2000
#: Phrases in one question; more make models forget some.
MOST_PHRASES = 16


@dataclass(frozen=True)
class SentImage:
    """How an image is sent.

    Attributes:
        multiple: both sides are multiples of it, so that the server does not resize it again.
        most_pixels: it has at most so many.
    """

    multiple: int
    most_pixels: int

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height that an image of a camera is sent in; it is never enlarged much."""
        scale = min(1.0, (self.most_pixels / (width * height)) ** 0.5)
        sides = [max(1, round(side * scale / self.multiple)) for side in (width, height)]
        while sides[0] * sides[1] * self.multiple**2 > self.most_pixels and max(sides) > 1:
            sides[int(np.argmax(sides))] -= 1
        return sides[0] * self.multiple, sides[1] * self.multiple


class VlmBoxDetector:
    """Asks a served model for boxes; see :class:`.detector.Detector`.

    Args:
        part: of the profile; ``settings`` as ``models.grounding_profile`` reads them.
        name: of the profile, for messages.

    Raises:
        ModelLoadError: the variable with the key is not set.
        BadRequestError: address or key cannot be used.
    """

    def __init__(self, part: DetectorPart, name: str) -> None:
        self.kind = part.kind
        settings = part.settings
        self._name, self._nms = name, part.nms
        self._format: str = settings["format"]
        self._score: float = settings["score"]
        self._timeout: float = settings["timeout"]
        self._sent = SentImage(settings["multiple"], settings["most_pixels"])
        endpoint = Endpoint(
            settings["address"],
            _key(settings["key_variable"], name),
            ServedDetectorError,
            _SETTING,
        )
        self._chat = ChatModel(
            endpoint, settings["model"], MOST_TOKENS, None, ServedDetectorError, "detector"
        )
        self._cache_key = f"grounding.{self.kind}.{self._chat.name}.{self._format}"

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
        kept: dict[str, list[SaidBox]] = {}
        if cache is not None:
            kept = cache.setdefault(self._cache_key, kept)
        new = [phrase for phrase in dict.fromkeys(plain) if phrase not in kept]
        deadline = Deadline(self._timeout, cancelled, RequestTimeoutError, _SETTING)
        for start in range(0, len(new), MOST_PHRASES):
            asked = new[start : start + MOST_PHRASES]
            boxes = self._ask(image, asked, deadline)
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
            "model": self._chat.name,
            "format": self._format,
            "score": f"{self._score:g} of every instance: the model states none",
            "images": f"are sent to {self._chat.name.rpartition(' at ')[2]}",
        }

    def close(self) -> None:
        """Do nothing: no connection is kept."""

    def _ask(
        self, image: npt.NDArray[np.uint8], phrases: Sequence[str], deadline: Deadline
    ) -> list[SaidBox]:
        height, width = image.shape[:2]
        size = self._sent.size(width, height)
        question = instructions(phrases, self._format, size)
        content = [
            image_part(image, size),
            text_part(question),
        ]
        try:
            reply = self._chat.say([{"role": "user", "content": content}], deadline)
            return boxes_of(reply, phrases, self._format, size)
        except ServedDetectorError as error:
            raise ServedDetectorError(f"{self._chat.name}: {error}") from None

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
        noted = f"{self._chat.name} states no scores: {self._score:g} is the profile's"
        remarks = [noted, result.degraded] if result.degraded else [noted]
        return PhraseResult(phrase, result.instances, degraded="; ".join(remarks))


#: What a message about time names.
_SETTING = "detector.timeout of the grounding profile"


def load_vlm_boxes(
    part: DetectorPart, name: str, device: torch.device, dtype: torch.dtype
) -> VlmBoxDetector:
    """Make a detector of this kind; nothing runs here, and nothing is sent yet.

    Raises:
        ModelLoadError: address, model or key cannot be used.
    """
    del device, dtype
    try:
        return VlmBoxDetector(part, name)
    except ModelLoadError:
        raise
    except SpatialGeoError as error:
        raise ModelLoadError(f"grounding profile {name}: {error}") from error


def _key(variable: str, name: str) -> str:
    if not variable:
        return ""
    key = os.environ.get(variable, "")
    if not key:
        raise ModelLoadError(
            f"the environment variable {quoted(variable)} with the key for grounding profile "
            f"{name} is not set"
        )
    return key
