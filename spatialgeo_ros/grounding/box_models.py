# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Vision language models that can be asked for boxes: behind a server, or loaded here."""

from __future__ import annotations

import itertools
import os
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from spatialgeo_ros.errors import InternalError, ModelLoadError, quoted
from spatialgeo_ros.grounding.vlm_reply import ServedDetectorError
from spatialgeo_ros.models.grounding_profile import DetectorPart
from spatialgeo_ros.runtime.chat import ChatModel
from spatialgeo_ros.runtime.deadline import Deadline
from spatialgeo_ros.runtime.endpoint import Endpoint
from spatialgeo_ros.runtime.image_message import image_part, text_part

#: Tokens of a served reply: some 30 for each box.
MOST_TOKENS = 2000
#: What a message about time names.
SETTING = "detector.timeout of the grounding profile"
#: Least pixels of an image, as Qwen2.5-VL's processor has it.
_LEAST_PIXELS = 56 * 56

Cache = MutableMapping[str, Any]

_serial = itertools.count()


@dataclass(frozen=True, eq=False)
class BoxQuestion:
    """What a model is asked about one image.

    Attributes:
        image: RGB [H, W, 3].
        size: width and height in which the model sees it.
        words: the question.
        cache: of the image: what a model keeps of it for further questions.
        deadline: ends the wait for an answer.
    """

    image: npt.NDArray[np.uint8]
    size: tuple[int, int]
    words: str
    cache: Cache
    deadline: Deadline


class BoxModel(Protocol):
    """A model that looks at an image and writes.

    Attributes:
        name: for messages and caches.
        is_served: whether images leave this machine.
    """

    name: str
    is_served: bool

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height in which it sees an image of a camera."""

    def say(self, question: BoxQuestion) -> str:
        """Answer a question about an image.

        Raises:
            CancelledError: the question was given up.
            SpatialGeoError: the time is over, or there is no answer; says why.
        """

    def describe(self) -> dict[str, Any]:
        """Facts for diagnostics, where images go among them."""

    def close(self) -> None:
        """Free memory."""


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


class ServedBoxModel:
    """A model behind an OpenAI-compatible server that takes images (vLLM, llama.cpp, a provider).

    Images go to the address in the profile and nowhere else; nothing is sent before it is asked.

    Args:
        part: of the profile.
        name: of the profile, for messages.

    Raises:
        ModelLoadError: the variable with the key is not set.
        BadRequestError: address or key cannot be used.
    """

    is_served = True

    def __init__(self, part: DetectorPart, name: str) -> None:
        settings = part.settings
        self._sent = SentImage(settings["multiple"], settings["most_pixels"])
        key = _key(settings["key_variable"], name)
        endpoint = Endpoint(settings["address"], key, ServedDetectorError, SETTING)
        self._chat = ChatModel(
            endpoint, settings["model"], MOST_TOKENS, None, ServedDetectorError, "detector"
        )
        self.name = self._chat.name

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height that an image is sent in."""
        return self._sent.size(width, height)

    def say(self, question: BoxQuestion) -> str:
        """Ask the server; see :class:`BoxModel`.

        Raises:
            ServedDetectorError: the server refuses.
        """
        content = [image_part(question.image, question.size), text_part(question.words)]
        return self._chat.say([{"role": "user", "content": content}], question.deadline)

    def describe(self) -> dict[str, Any]:
        """Facts for diagnostics, where images go among them."""
        return {"images": f"are sent to {self.name.rpartition(' at ')[2]}"}

    def close(self) -> None:
        """Do nothing: no connection is kept."""


class LocalBoxModel:
    """Qwen2.5-VL in this process; no image leaves it.

    Args:
        part: of the profile, with a checkpoint.
        name: of the profile, for messages.
        device: where it runs.
        dtype: of its weights.

    Raises:
        ModelLoadError: names the file, tensor or setting that is wrong.
    """

    is_served = False

    def __init__(
        self, part: DetectorPart, name: str, device: torch.device, dtype: torch.dtype
    ) -> None:
        # Imported here: transformers takes seconds for Qwen2.5-VL, which served models never use.
        from spatialgeo_ros.models.spatial_mllm import PixelBudget, load_qwen_vl
        from spatialgeo_ros.speech.decoder import Decoder
        from spatialgeo_ros.speech.sampling import Sampling

        assert part.checkpoint is not None
        settings = part.settings
        self.name = part.checkpoint.name
        self._profile, self._device, self._dtype = name, device, dtype
        self._model = load_qwen_vl(
            part.checkpoint.folder(), device=device, dtype=dtype,
            quantisation=settings["quantisation"],
        )  # fmt: skip
        self._decoder = Decoder(self._model.qwen)
        self._sampling = Sampling(
            max_new_tokens=settings["most_tokens"],
            repetition_penalty=self._model.repetition_penalty,
        )
        self._budget = PixelBudget(_LEAST_PIXELS, settings["most_pixels"])
        # One image may be shown to several models, or to one that was loaded again.
        self._key = f"grounding.vlm_boxes.{next(_serial)}"

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height that the image is resized to: multiples of 28."""
        from spatialgeo_ros.models.spatial_mllm.video_input import resized_size

        rows, columns = resized_size(height, width, self._budget)
        return columns, rows

    def say(self, question: BoxQuestion) -> str:
        """Generate an answer; see :class:`BoxModel`.

        Raises:
            InternalError: the GPU's memory is full.
        """
        cache, deadline = question.cache, question.deadline
        deadline.check()
        try:
            if self._key not in cache:
                visual = self._model.encode_video([question.image], budget=self._budget)
                cache[self._key] = (visual, next(_serial))
            visual, serial = cache[self._key]
            deadline.check()
            answer = self._model.answer(
                visual, question.words, self._sampling, decoder=self._decoder, prefix_key=serial,
                cancelled=deadline.ended,
            )  # fmt: skip
        except torch.OutOfMemoryError as error:
            raise InternalError(
                f"{self._device} has not enough free memory to ask {self.name} for boxes: choose "
                f"'quantisation: nf4' or fewer 'most_pixels' in grounding profile {self._profile}"
            ) from error
        if answer.stopped == "cancelled":
            deadline.check()
        return answer.text

    def describe(self) -> dict[str, Any]:
        """Facts for diagnostics, where images go among them."""
        return {
            "images": "stay in this process",
            "device": str(self._device),
            "precision": str(self._dtype).removeprefix("torch."),
            **self._decoder.describe(),
        }

    def close(self) -> None:
        """Free memory; nothing can be asked afterwards."""
        self._decoder.clear()
        del self._model


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
